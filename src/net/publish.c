/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host ports. One that is published is also bound (and listened on) by us, so that a host program asking for it is
 * told that it is in use, and so that one a host program has is not given out.
 */
#include "net/net-internal.h"

#include "base/fs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#define RANGE_FIRST 49153 /* when the kernel's cannot be read: Docker's */
#define RANGE_LAST  65535

void net_publish_init(struct net *n)
{
	char text[64];
	struct sv a, b;
	uint32_t first, last;

	n->port_first = RANGE_FIRST;
	n->port_last = RANGE_LAST;
	if (fs_read_small_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_local_port_range", text, sizeof(text)) >= 0 &&
	    sv_cut(sv_of(text), '\t', &a, &b) && parse_u32(a, 65535, &first) == 0 &&
	    parse_u32(sv_trim(b), 65535, &last) == 0 && first && first <= last) {
		n->port_first = (uint16_t)first;
		n->port_last = (uint16_t)last;
	}
	for (size_t i = 0; i < ARRAY_LEN(n->by_port); i++) {
		n->by_port[i] = xcalloc(65536, sizeof(struct held *));
		n->port_next[i] = n->port_first;
	}
}

void net_publish_release(struct net *n)
{
	for (size_t i = 0; i < ARRAY_LEN(n->by_port); i++)
		free(n->by_port[i]);
}

static bool conflicts(const struct net *n, enum net_proto proto, struct in_addr ip, uint16_t port)
{
	for (const struct held *h = n->by_port[proto][port]; h; h = h->next)
		if (h->ip.s_addr == ip.s_addr || h->ip.s_addr == 0 || ip.s_addr == 0)
			return true;
	return false;
}

static int bind_port(enum net_proto proto, struct in_addr ip, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = ip };
	const int on = 1;
	int type = proto == NET_UDP ? SOCK_DGRAM : SOCK_STREAM;
	cleanup_close int fd = socket(AF_INET, type | SOCK_CLOEXEC, proto == NET_SCTP ? IPPROTO_SCTP : 0);

	if (fd < 0) /* A host without SCTP has no program that could take the port. */
		return proto == NET_SCTP && errno == EPROTONOSUPPORT ? -ENOPROTOOPT : -errno;
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	if (type == SOCK_STREAM && listen(fd, 1) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static struct held *hold(struct net *n, enum net_proto proto, struct in_addr ip, uint16_t port, int fd)
{
	struct held *h = NEW(struct held);

	*h = (struct held){
		.proto = proto, .port = port, .ip = ip, .fd = fd, .next = n->by_port[proto][port]
	};
	n->by_port[proto][port] = h;
	return h;
}

/* 0 and *out; -EEXIST: another container has it; other -errno from bind. */
static int try_port(struct net *n, enum net_proto proto, struct in_addr ip, uint16_t port, struct held **out)
{
	if (conflicts(n, proto, ip, port))
		return -EEXIST;
	int fd = bind_port(proto, ip, port);
	if (fd < 0 && fd != -ENOPROTOOPT)
		return fd;
	*out = hold(n, proto, ip, port, fd < 0 ? -1 : fd);
	return 0;
}

static int any_port(struct net *n, enum net_proto proto, struct in_addr ip, struct held **out)
{
	unsigned count = (unsigned)(n->port_last - n->port_first) + 1;

	for (unsigned i = 0; i < count; i++) {
		uint16_t port = n->port_next[proto];
		n->port_next[proto] = port >= n->port_last ? n->port_first : (uint16_t)(port + 1);
		int r = try_port(n, proto, ip, port, out);
		if (r != -EEXIST && r != -EADDRINUSE)
			return r;
	}
	return -EEXIST;
}

static int one(struct net *n, const struct net_port *w, struct net_port *out, struct held **held,
	       struct err **e)
{
	struct in_addr ip = w->host_ip.s_addr ? w->host_ip : n->bind;
	char text[INET_ADDRSTRLEN], why[128];
	int r = -EEXIST;
	uint32_t port = w->host_first;

	if (!port)
		r = any_port(n, w->proto, ip, held);
	for (; port && port <= w->host_last; port++) {
		r = try_port(n, w->proto, ip, (uint16_t)port, held);
		if (r != -EEXIST && r != -EADDRINUSE)
			break;
	}
	(void)inet_ntop(AF_INET, &ip, text, sizeof(text));
	if (r == -EEXIST) {
		if (w->host_first != w->host_last || !w->host_first)
			return err_set(e, ERR_SYSTEM, "Bind for %s:%u failed: %s", text, w->host_first,
				       w->host_first ? "port is already allocated"
						     : "all ports are allocated");
		return err_set(e, ERR_SYSTEM, "Bind for %s:%u failed: port is already allocated", text,
			       w->host_first);
	}
	if (r < 0)
		return err_set(e, ERR_SYSTEM, "failed to bind host port %s:%u/%s: %s", text, w->host_first,
			       net_proto_name(w->proto), err_sys_text(-r, why, sizeof(why)));
	*out = *w;
	out->host_ip = ip;
	out->host_first = out->host_last = (*held)->port;
	return 0;
}

int net_publish_locked(struct net *n, const struct net_port *want, size_t count, struct net_port *out,
		       struct held **held, struct err **e)
{
	/* Fixed ports first, so that a random one does not take what a later line names. */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < count; i++) {
			if ((want[i].host_first == 0) != (pass == 1))
				continue;
			if (one(n, &want[i], &out[i], &held[i], e) < 0) {
				for (size_t k = 0; k < count; k++) {
					net_unpublish_locked(n, held[k]);
					held[k] = NULL;
				}
				return -1;
			}
		}
	return 0;
}

void net_unpublish_locked(struct net *n, struct held *h)
{
	if (!h)
		return;
	for (struct held **p = &n->by_port[h->proto][h->port]; *p; p = &(*p)->next)
		if (*p == h) {
			*p = h->next;
			break;
		}
	fd_close(&h->fd);
	free(h);
}

struct held *net_republish_locked(struct net *n, const struct net_port *p)
{
	int fd = bind_port(p->proto, p->host_ip, p->host_first);

	return hold(n, p->proto, p->host_ip, p->host_first, fd < 0 ? -1 : fd);
}
