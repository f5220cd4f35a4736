/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network of containers: namespaces, the default bridge, addresses, published ports, and --lxc-conf's
 * interfaces. The engine opens one `struct net` and calls it from any thread.
 *
 * Guarantees: nothing here needs the engine to go on living. A veth's host end sits on the bridge, the packet
 * rules are in the kernel (one nftables table named after the bridge), so traffic flows while hoyd is dead.
 * On the next start the engine calls net_open(), then net_endpoint_restore() for every container it found
 * running, with the `struct net_endpoint` it kept in text (net_endpoint_encode), and net_restore_end(), which
 * replaces the table in one transaction by what lives. Established connections do not notice.
 *
 *	struct net_ns *ns;
 *	net_ns_create(net, &ns, e);			// from a pool: microseconds
 *	net_endpoint_join(net, &rq, &ep, e);		// veth, address, routes, ports
 *	... the container starts in net_ns_fd(ns) ...
 *	net_ns_free(ns);				// the namespace lives on by its processes
 *	...
 *	net_endpoint_leave(net, id);			// address and ports are free again
 *
 * veths are never deleted: they go with the namespace when its last process has ended.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/ports.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net;
struct net_ns;

struct net_config {
	const char *bridge;          /* NULL: "hoy0"; "none": no default bridge (join is refused) */
	const char *bip;             /* "172.17.0.1/16", or NULL: the bridge's own, or a free one */
	const char *fixed_cidr;      /* containers' addresses come from here; NULL: the whole subnet */
	const char *default_gateway; /* NULL: the bridge's address */
	const char *ip;              /* default host address of published ports; NULL: 0.0.0.0 */
	uint32_t mtu;                /* 0: 1500 */
	bool icc;                    /* containers reach each other on the bridge */
	bool ip_masq, ip_forward;
	bool nft;        /* --iptables: packet rules of ours; false: none at all */
	unsigned spares; /* namespaces kept ready; 0: none */
};

/* Creates or adopts the bridge; does not touch the rules of a predecessor. */
int net_open(const struct net_config *cfg, struct net **out, struct err **e) NODISCARD;
/* Stops our threads and closes held sockets. Bridge, rules and containers stay. */
void net_close(struct net *n);
/* Nothing runs, and nobody will join: the packet rules go, and so does a bridge that we made and that has no ports. */
void net_idle(struct net *n);
/* Removes table and bridge: for an engine that is being uninstalled, and for tests. */
void net_destroy(struct net *n);
DEFINE_CLEANUP(struct net *, net_close)
#define cleanup_net CLEANUP(net_close)

/* What inspect, info and /etc/hosts need of the default bridge. */
struct net_bridge_info {
	char name[IFNAMSIZ]; /* "" if there is none */
	struct in_addr gateway, subnet;
	unsigned prefix;
	uint32_t mtu;
	bool icc, ip_masq;
	struct in_addr bind; /* default host address of published ports */
};
void net_bridge_info(struct net *n, struct net_bridge_info *out);

/* --- namespaces --- */

/* A new network namespace, loopback up. */
int net_ns_create(struct net *n, struct net_ns **out, struct err **e) NODISCARD;
/* Wraps a descriptor of a namespace (duplicated). */
int net_ns_adopt(int nsfd, struct net_ns **out, struct err **e) NODISCARD;
int net_ns_fd(const struct net_ns *ns); /* borrowed */
/* Drops our references; the namespace lives as long as somebody else holds it. */
void net_ns_free(struct net_ns *ns);
DEFINE_CLEANUP(struct net_ns *, net_ns_free)
#define cleanup_net_ns CLEANUP(net_ns_free)

/* --- endpoints on the default bridge --- */

struct net_endpoint_request {
	const char *id;   /* container's full ID */
	const char *name; /* its name, for error texts; NULL: id */
	struct net_ns *ns;
	const char *ifname; /* NULL: "eth0" */
	const uint8_t *mac; /* 6 bytes, or NULL: 02:42 and the address */
	struct in_addr ip;  /* 0: the lowest free one */
	const struct net_port *ports;
	size_t n_ports;
};

/* Plain data, one allocation besides (ports). */
struct net_endpoint {
	char endpoint_id[ID_LEN + 1];
	struct in_addr ip, gateway;
	unsigned prefix;
	uint8_t mac[6];
	char ifname[IFNAMSIZ], veth[IFNAMSIZ];
	struct net_port *ports; /* host_first == host_last: what was given */
	size_t n_ports;
};
void net_endpoint_release(struct net_endpoint *ep);
#define cleanup_net_endpoint __attribute__((cleanup(net_endpoint_release)))

/* Errors as Docker's: "driver failed programming external connectivity on endpoint NAME (EPID): Bind for
 * 0.0.0.0:8080 failed: port is already allocated". Nothing is left behind on failure. */
int net_endpoint_join(struct net *n, const struct net_endpoint_request *rq, struct net_endpoint *out,
		      struct err **e) NODISCARD;
/* Frees address and ports of the container; unknown id: nothing. The namespace must be gone or going. */
void net_endpoint_leave(struct net *n, const char *id);

/* One line of text that names its version, for the engine's records. */
void net_endpoint_encode(const struct net_endpoint *ep, struct strbuf *b);
int net_endpoint_decode(struct sv text, struct net_endpoint *out, struct err **e) NODISCARD;
/* Reserves what a running container has. A host port somebody took meanwhile is logged; the rules win. */
int net_endpoint_restore(struct net *n, const char *id, const struct net_endpoint *ep,
			 struct err **e) NODISCARD;
/* After the last restore (also when there was none): writes the rules. Must be called once. */
int net_restore_end(struct net *n, struct err **e) NODISCARD;

struct net_stats {
	uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
	uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
};
/* Counters from the container's side (its eth0), read at the host's end. */
int net_endpoint_stats(const struct net_endpoint *ep, struct net_stats *out);
