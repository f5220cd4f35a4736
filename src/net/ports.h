/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port bindings: what a client asks for ("80/tcp" → [{HostIp, HostPort}]), in plain numbers. Pure.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_MAX_PORTS 16384 /* bindings of one container */

enum net_proto { NET_TCP, NET_UDP, NET_SCTP };
const char *net_proto_name(enum net_proto p);

struct net_port {
	enum net_proto proto;
	uint16_t port;                  /* in the container */
	uint16_t host_first, host_last; /* wanted host port, a range to choose from, or 0 and 0: any */
	struct in_addr host_ip;         /* 0.0.0.0: all of the host's */
};

struct net_ports {
	struct net_port *v;
	size_t n, cap;
};
void net_ports_release(struct net_ports *p);
#define cleanup_net_ports __attribute__((cleanup(net_ports_release)))

/*
 * Adds one binding as the API has it: port "80/tcp" ("80" is tcp), host_ip "" or an address, host_port "",
 * "8080" or "8000-8010" (one of these). An IPv6 host_ip is accepted and adds nothing: the default bridge has
 * no IPv6. ERR_INVALID with Docker's text: "invalid port specification: …".
 */
int net_ports_add(struct net_ports *p, const char *port, const char *host_ip, const char *host_port,
		  struct err **e) NODISCARD;
/* "80/tcp" alone. */
int net_port_parse(const char *port, uint16_t *out, enum net_proto *proto, struct err **e) NODISCARD;
