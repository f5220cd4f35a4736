/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink without a library: a socket, a batch of messages, its acknowledgements; and the rtnetlink verbs that
 * container networks need. Called by net/.
 *
 * A batch is one sendmsg(): the kernel works through its messages in order and answers each, and a message
 * that failed does not stop those after it. nl_send() returns the first error and says which message it was
 * and the kernel's own words for it (extack).
 *
 * A socket belongs to the network namespace it was opened in for good: to work inside a container's, open one
 * there with nl_open_in(). Sockets are not thread-safe; batches neither.
 *
 * Primitives: 0 (or a descriptor), or -errno.
 */
#pragma once

#include "base/attr.h"

#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NL_BATCH_MAX   (64 * 1024)
#define NL_PREFIX_NONE 255

int nl_open(int protocol) NODISCARD; /* NETLINK_ROUTE, NETLINK_NETFILTER */
/* In the namespace `nsfd`. The calling thread enters it for the moment of the call and returns to its own;
 * no other thread notices. */
int nl_open_in(int nsfd, int protocol) NODISCARD;
/* Runs fn(arg) in the namespace; the same promise. Returns fn's result. */
int nl_run_in(int nsfd, int (*fn)(void *arg), void *arg) NODISCARD;

/* --- messages --- */

struct nl_batch {
	char *p;
	size_t n, cap;
	size_t at;       /* start of the message being written */
	unsigned n_msgs; /* messages in all */
	bool no_ack_bit; /* nfnetlink batches: see nft.c */
};
void nl_batch_release(struct nl_batch *b);
#define cleanup_nl_batch __attribute__((cleanup(nl_batch_release)))
void nl_batch_reset(struct nl_batch *b);
/* Begins a message; NLM_F_REQUEST | NLM_F_ACK are added. Its payload (a struct such as ifinfomsg) follows. */
void nl_msg(struct nl_batch *b, uint16_t type, uint16_t flags, const void *payload, size_t n);
void nl_attr(struct nl_batch *b, uint16_t type, const void *data, size_t n);
void nl_attr_u8(struct nl_batch *b, uint16_t type, uint8_t v);
void nl_attr_u16(struct nl_batch *b, uint16_t type, uint16_t v);
void nl_attr_u32(struct nl_batch *b, uint16_t type, uint32_t v);
void nl_attr_be32(struct nl_batch *b, uint16_t type, uint32_t v);
void nl_attr_str(struct nl_batch *b, uint16_t type, const char *s); /* with its NUL */
size_t nl_nest(struct nl_batch *b, uint16_t type);
void nl_nest_end(struct nl_batch *b, size_t nest);
/* Raw bytes at the end of the message, padded. */
void nl_raw(struct nl_batch *b, const void *data, size_t n);

/* The messages of a received datagram; `left` is a ssize_t variable and is used up. */
static inline bool nl_msg_ok(const struct nlmsghdr *h, ssize_t left)
{
	return left >= (ssize_t)sizeof(*h) && h->nlmsg_len >= sizeof(*h) && h->nlmsg_len <= (size_t)left;
}
static inline const struct nlmsghdr *nl_msg_next(const struct nlmsghdr *h, ssize_t *left)
{
	size_t step = NLMSG_ALIGN(h->nlmsg_len);

	*left -= (ssize_t)step;
	return (const struct nlmsghdr *)(const void *)((const char *)h + step);
}
#define NL_FOR_EACH(h, buf, left)                                                                            \
	for (const struct nlmsghdr *h = (const void *)(buf); nl_msg_ok(h, left); h = nl_msg_next(h, &(left)))

struct nl_fail {
	unsigned index; /* of the message */
	char text[128]; /* the kernel's words, or "" */
};
/* Sends, and waits for the answers of all. `fail` may be NULL. */
int nl_send(int fd, struct nl_batch *b, struct nl_fail *fail);

/* One answer message of a dump or get: attributes indexed by type. Return < 0 to stop. */
struct nl_attrs {
	const void *payload; /* the struct after the header */
	const void *attr[128];
	uint16_t len[128];
	uint16_t type;
};
uint32_t nl_get_u32(const struct nl_attrs *a, unsigned type);
/* Parses nested attributes of a parent. */
void nl_parse(const void *data, size_t n, struct nl_attrs *out);
typedef int (*nl_visit)(void *arg, const struct nl_attrs *a);
/* Sends the (single) message in b with NLM_F_DUMP if `dump`, visits the replies. hdr: size of the payload struct. */
int nl_query(int fd, struct nl_batch *b, bool dump, size_t hdr, nl_visit fn, void *arg) NODISCARD;

/* --- links --- */

struct nl_link {
	int index, master, parent; /* parent: IFLA_LINK */
	unsigned flags;            /* IFF_UP … */
	uint32_t mtu;
	uint16_t type; /* ARPHRD_ */
	uint8_t mac[6];
	char name[IFNAMSIZ], kind[16];
	/* IFLA_STATS64 */
	uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors, tx_dropped;
};
int nl_link_get(int fd, const char *name, struct nl_link *out) NODISCARD;
int nl_link_get_index(int fd, int index, struct nl_link *out) NODISCARD;
typedef int (*nl_link_visit)(void *arg, const struct nl_link *l);
int nl_link_list(int fd, nl_link_visit fn, void *arg) NODISCARD;

/* Both ends of a veth in one message. The peer is born in its namespace, under its final name. */
struct nl_veth {
	const char *name;   /* host end */
	const uint8_t *mac; /* of the host end; NULL: random */
	const char *peer_name;
	int peer_nsfd;
	int master;   /* bridge the host end joins; 0: none */
	uint32_t mtu; /* both ends; 0: default */
	const uint8_t *peer_mac;
	bool up; /* the host end; the kernel cannot open the peer before both are tied */
};
void nl_put_veth(struct nl_batch *b, const struct nl_veth *v);
void nl_put_bridge(struct nl_batch *b, const char *name, const uint8_t mac[6]);
struct nl_child { /* macvlan, vlan, ipvlan: born in nsfd on top of a parent here */
	const char *kind, *name;
	int parent, nsfd;
	uint32_t mtu;
	const uint8_t *mac;
	uint32_t mode; /* macvlan, ipvlan */
	uint16_t vlan_id;
};
void nl_put_child(struct nl_batch *b, const struct nl_child *c);

/* What is set in it changes; zero-initialised changes nothing. */
struct nl_link_change {
	bool up, down;
	uint32_t mtu;
	const uint8_t *mac;
	const char *rename;
	bool set_master;
	int master;
	bool nf_call_iptables; /* bridges: bridged packets pass the IPv4 rules too */
	bool set_ns;
	int nsfd;
};
void nl_put_link_change(struct nl_batch *b, int index, const struct nl_link_change *c);
/* Port of a bridge, by name or index. */
struct nl_port_change {
	bool hairpin, isolated;
};
void nl_put_port_change(struct nl_batch *b, const char *name, const struct nl_port_change *c);
void nl_put_link_del(struct nl_batch *b, int index);

/* --- addresses, routes, neighbours --- */

struct nl_ip {
	int family; /* AF_INET, AF_INET6 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
		uint8_t b[16];
	};
};
static inline size_t nl_ip_len(const struct nl_ip *ip)
{
	return ip->family == AF_INET6 ? 16 : 4;
}
/* broadcast: NULL or with the address's family. */
void nl_put_addr(struct nl_batch *b, int index, const struct nl_ip *ip, unsigned prefix,
		 const struct nl_ip *broadcast);
/* dst NULL: default. gateway NULL: on the link. oif 0: let the kernel find it. */
void nl_put_route(struct nl_batch *b, const struct nl_ip *dst, unsigned prefix, int family,
		  const struct nl_ip *gateway, int oif);
/* A permanent entry of a bridge's forwarding table: this MAC is behind that port. */
void nl_put_fdb(struct nl_batch *b, int port_index, const uint8_t mac[6]);

struct nl_addr {
	int index;
	struct nl_ip ip;
	unsigned prefix;
};
typedef int (*nl_addr_visit)(void *arg, const struct nl_addr *a);
int nl_addr_list(int fd, int family, nl_addr_visit fn, void *arg) NODISCARD;
struct nl_route {
	int oif;
	struct nl_ip dst, gateway; /* family 0: none */
	unsigned prefix, table;
};
typedef int (*nl_route_visit)(void *arg, const struct nl_route *r);
int nl_route_list(int fd, int family, nl_route_visit fn, void *arg) NODISCARD;
