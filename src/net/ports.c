/* SPDX-License-Identifier: Apache-2.0 */
/* Port bindings from the API's strings. */
#include "net/ports.h"

#include "base/mem.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>

const char *net_proto_name(enum net_proto p)
{
	switch (p) {
	case NET_TCP: return "tcp";
	case NET_UDP: return "udp";
	case NET_SCTP: return "sctp";
	}
	return "tcp";
}

void net_ports_release(struct net_ports *p)
{
	free(p->v);
	*p = (struct net_ports){ 0 };
}

static int parse_proto(struct sv s, enum net_proto *out)
{
	for (int i = NET_TCP; i <= NET_SCTP; i++)
		if (sv_ieqs(s, net_proto_name((enum net_proto)i))) {
			*out = (enum net_proto)i;
			return 0;
		}
	return -EINVAL;
}

int net_port_parse(const char *port, uint16_t *out, enum net_proto *proto, struct err **e)
{
	struct sv num, name;
	uint32_t v;

	*proto = NET_TCP;
	bool has_proto = sv_cut(sv_of(port), '/', &num, &name);
	if (has_proto && parse_proto(name, proto) < 0)
		return err_set(e, ERR_INVALID, "invalid port specification: \"%s\"", port);
	if (parse_u32(num, 65535, &v) < 0 || v == 0)
		return err_set(e, ERR_INVALID, "invalid port specification: \"%s\"", port);
	*out = (uint16_t)v;
	return 0;
}

/* "", "8080" or "8000-8010". */
static int parse_host_port(struct sv s, uint16_t *first, uint16_t *last)
{
	struct sv a, b;
	uint32_t lo, hi;

	*first = *last = 0;
	if (!s.n)
		return 0;
	bool range = sv_cut(s, '-', &a, &b);
	if (parse_u32(a, 65535, &lo) < 0)
		return -EINVAL;
	hi = lo;
	if (range && parse_u32(b, 65535, &hi) < 0)
		return -EINVAL;
	if (hi < lo || (range && !lo))
		return -EINVAL;
	*first = (uint16_t)lo;
	*last = (uint16_t)hi;
	return 0;
}

int net_ports_add(struct net_ports *p, const char *port, const char *host_ip, const char *host_port,
		  struct err **e)
{
	struct net_port n = { 0 };
	struct in6_addr v6;

	if (net_port_parse(port, &n.port, &n.proto, e) < 0)
		return -1;
	if (parse_host_port(sv_of(host_port ? host_port : ""), &n.host_first, &n.host_last) < 0)
		return err_set(e, ERR_INVALID, "invalid port specification: \"%s\"", host_port);
	if (!str_empty(host_ip) && inet_pton(AF_INET, host_ip, &n.host_ip) != 1) {
		if (inet_pton(AF_INET6, host_ip, &v6) == 1)
			return 0;
		return err_set(e, ERR_INVALID, "invalid IP address: %s", host_ip);
	}
	if (p->n >= NET_MAX_PORTS)
		return err_set(e, ERR_INVALID, "too many published ports");
	GROW(p->v, p->n, p->cap);
	p->v[p->n++] = n;
	return 0;
}
