/* SPDX-License-Identifier: Apache-2.0 */
/* A container on the bridge: in, out, and found again. */
#include "net/net-internal.h"

#include "base/fs.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#define RECORD_VERSION "1"
#define VETH_TRIES     8

void net_endpoint_release(struct net_endpoint *ep)
{
	free(ep->ports);
	*ep = (struct net_endpoint){ 0 };
}

/* n->lock held, or nobody else there. */
static void member_drop_ports(struct net *n, struct member *m)
{
	for (size_t i = 0; m->held && i < m->n_ports; i++)
		net_unpublish_locked(n, m->held[i]);
}

void net_member_free(struct net *n, struct member *m)
{
	if (!m)
		return;
	member_drop_ports(n, m);
	free(m->ports);
	free(m->held);
	free(m);
}

/* --- addresses --- */

static bool veth_is_gone(struct net *n, const char *name)
{
	struct nl_link l;

	pthread_mutex_lock(&n->rt_lock);
	int r = nl_link_get(n->rt, name, &l);
	pthread_mutex_unlock(&n->rt_lock);
	return r == -ENODEV;
}

/* Addresses whose veth has gone are free again. A few are looked at each time, the oldest first. */
static void reap_locked(struct net *n, size_t most)
{
	size_t kept = 0, looked = 0;

	for (size_t i = 0; i < n->n_dying; i++) {
		if (looked < most && (looked++, veth_is_gone(n, n->dying[i].veth)))
			ipam_give(&n->ipam, ntohl(n->dying[i].ip.s_addr));
		else
			n->dying[kept++] = n->dying[i];
	}
	n->n_dying = kept;
}

static int take_address_locked(struct net *n, struct in_addr want, struct in_addr *out, struct err **e)
{
	uint32_t ip;

	reap_locked(n, want.s_addr ? SIZE_MAX : 4);
	if (want.s_addr) {
		int r = ipam_take_one(&n->ipam, ntohl(want.s_addr));
		if (r == -EINVAL)
			return err_set(e, ERR_INVALID, "the address is not in the subnet of bridge %s",
				       n->bridge);
		if (r < 0)
			return err_set(e, ERR_FORBIDDEN, "Address already in use");
		*out = want;
		return 0;
	}
	int r = ipam_take(&n->ipam, &ip);
	if (r < 0) {
		reap_locked(n, SIZE_MAX);
		r = ipam_take(&n->ipam, &ip);
	}
	if (r < 0 && n->n_dying) {
		/* None is left but those of namespaces that are still going: the oldest has had the longest time. */
		ip = ntohl(n->dying[0].ip.s_addr);
		memmove(n->dying, n->dying + 1, --n->n_dying * sizeof(*n->dying));
		r = 0;
	}
	if (r < 0)
		return err_set(e, ERR_UNAVAILABLE,
			       "no available IPv4 addresses on this network's address pools: bridge (%s)",
			       n->bridge);
	out->s_addr = htonl(ip);
	return 0;
}

static void give_address_locked(struct net *n, const struct member *m)
{
	if (!m->ip.s_addr)
		return;
	if (!m->veth[0]) {
		ipam_give(&n->ipam, ntohl(m->ip.s_addr));
		return;
	}
	GROW(n->dying, n->n_dying, n->cap_dying);
	n->dying[n->n_dying] = (struct dying){ .ip = m->ip };
	memcpy(n->dying[n->n_dying++].veth, m->veth, sizeof(m->veth));
}

/* --- interfaces --- */

/* Docker's: locally administered, 02:42 and the address. */
static void mac_of(struct in_addr ip, uint8_t mac[6])
{
	mac[0] = 0x02;
	mac[1] = 0x42;
	memcpy(mac + 2, &ip.s_addr, 4);
}

static void veth_name(char out[IFNAMSIZ])
{
	uint8_t r[4];
	char hex[9];

	random_bytes(r, sizeof(r));
	hex_encode(r, sizeof(r), hex);
	(void)snprintf(out, IFNAMSIZ, "veth%.7s", hex);
}

static int make_veth(struct net *n, const struct net_endpoint_request *rq, struct net_endpoint *ep,
		     struct err **e)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct nl_fail f = { 0 };
	int r = -EEXIST;

	for (int i = 0; i < VETH_TRIES && r == -EEXIST; i++) {
		veth_name(ep->veth);
		nl_batch_reset(&b);
		nl_put_veth(&b, &(struct nl_veth){ .name = ep->veth,
						   .peer_name = ep->ifname,
						   .peer_nsfd = net_ns_fd(rq->ns),
						   .master = n->bridge_index,
						   .mtu = n->mtu,
						   .peer_mac = ep->mac,
						   .up = true });
		if (ep->n_ports || n->isolate)
			nl_put_port_change(&b, ep->veth,
					   &(struct nl_port_change){ .hairpin = ep->n_ports > 0,
								     .isolated = n->isolate });
		pthread_mutex_lock(&n->rt_lock);
		r = nl_send(n->rt, &b, &f);
		pthread_mutex_unlock(&n->rt_lock);
	}
	if (r < 0 && f.index == 0)
		ep->veth[0] = '\0';
	if (r < 0)
		return err_sys(e, -r, "failed to add interface %s to the bridge %s%s%s", ep->ifname,
			       n->bridge, f.text[0] ? ": " : "", f.text);
	return 0;
}

static int configure_inside(struct net *n, const struct net_endpoint_request *rq,
			    const struct net_endpoint *ep, struct err **e)
{
	static const char *const steps[] = { "set the address of", "bring up",
					     "set the default route through" };
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct nl_link l;
	struct nl_fail f = { 0 };
	struct nl_ip ip = { .family = AF_INET, .v4 = ep->ip }, gw = { .family = AF_INET, .v4 = ep->gateway };
	struct nl_ip brd = { .family = AF_INET, .v4.s_addr = ep->ip.s_addr | htonl(~ipam_mask(n->prefix)) };
	int fd = net_ns_rt(rq->ns);

	if (fd < 0)
		return err_sys(e, -fd, "open rtnetlink in the container's network namespace");
	int r = nl_link_get(fd, ep->ifname, &l);
	if (r < 0)
		return err_sys(e, -r, "find interface %s", ep->ifname);
	nl_put_addr(&b, l.index, &ip, n->prefix, &brd);
	nl_put_link_change(&b, l.index, &(struct nl_link_change){ .up = true });
	nl_put_route(&b, NULL, 0, AF_INET, &gw, l.index);
	r = nl_send(fd, &b, &f);
	if (r < 0)
		return err_sys(e, -r, "%s interface %s%s%s", steps[f.index], ep->ifname,
			       f.text[0] ? ": " : "", f.text);
	return 0;
}

/* Removes what a failed join made: the namespace may live on. */
static void unmake_veth(struct net *n, const char *name)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct nl_link l;

	pthread_mutex_lock(&n->rt_lock);
	if (nl_link_get(n->rt, name, &l) == 0) {
		nl_put_link_del(&b, l.index);
		(void)nl_send(n->rt, &b, NULL);
	}
	pthread_mutex_unlock(&n->rt_lock);
}

/* --- join and leave --- */

static void reset(struct net *n, const char *id, struct member *m)
{
	pthread_mutex_lock(&n->lock);
	if (id)
		(void)map_del(&n->members, id);
	give_address_locked(n, m);
	net_member_free(n, m);
	pthread_mutex_unlock(&n->lock);
}

static int reserve(struct net *n, const struct net_endpoint_request *rq, struct net_endpoint *ep,
		   struct member **out, struct err **e)
{
	struct member *m = NEW(struct member);

	pthread_mutex_lock(&n->lock);
	int r = map_has(&n->members, rq->id)
			? err_set(e, ERR_CONFLICT, "container %s is on the bridge already", rq->id)
			: 0;
	if (r == 0)
		r = take_address_locked(n, rq->ip, &m->ip, e);
	if (r == 0 && rq->n_ports) {
		m->ports = xcalloc(rq->n_ports, sizeof(*m->ports));
		m->held = xcalloc(rq->n_ports, sizeof(struct held *));
		r = net_publish_locked(n, rq->ports, rq->n_ports, m->ports, m->held, e);
		if (r < 0)
			r = err_wrap(e, "driver failed programming external connectivity on endpoint %s (%s)",
				     rq->name ? rq->name : rq->id, ep->endpoint_id);
		else
			m->n_ports = rq->n_ports;
	}
	if (r == 0)
		(void)map_put(&n->members, rq->id, m);
	pthread_mutex_unlock(&n->lock);
	if (r < 0) {
		reset(n, NULL, m);
		return -1;
	}
	*out = m;
	return 0;
}

int net_endpoint_join(struct net *n, const struct net_endpoint_request *rq, struct net_endpoint *out,
		      struct err **e)
{
	cleanup_net_endpoint struct net_endpoint ep = { .gateway = n->gateway, .prefix = n->prefix };
	const char *ifname = rq->ifname ? rq->ifname : "eth0";
	struct member *m;

	if (!n->has_bridge)
		return err_set(e, ERR_INVALID, "the default bridge network is disabled (--bridge=none)");
	if (!*ifname || strlen(ifname) >= IFNAMSIZ)
		return err_set(e, ERR_INVALID, "invalid interface name \"%s\"", ifname);
	(void)snprintf(ep.ifname, sizeof(ep.ifname), "%s", ifname);
	id_new(ep.endpoint_id);
	if (reserve(n, rq, &ep, &m, e) < 0)
		return -1;
	ep.ip = m->ip;
	if (rq->mac)
		memcpy(ep.mac, rq->mac, sizeof(ep.mac));
	else
		mac_of(ep.ip, ep.mac);
	ep.n_ports = m->n_ports;
	if (m->n_ports)
		ep.ports = xmemdup(m->ports, m->n_ports * sizeof(*m->ports));
	int r = make_veth(n, rq, &ep, e);
	memcpy(m->veth, ep.veth, sizeof(m->veth));
	if (r == 0)
		r = configure_inside(n, rq, &ep, e);
	if (r == 0 && n->nft && ep.n_ports) {
		r = net_rules_add_ports(n, ep.ip, ep.ports, ep.n_ports);
		if (r < 0)
			r = err_sys(e, -r,
				    "driver failed programming external connectivity on endpoint %s (%s): "
				    "packet rules",
				    rq->name ? rq->name : rq->id, ep.endpoint_id);
	}
	if (r < 0) {
		if (ep.veth[0])
			unmake_veth(n, ep.veth);
		m->veth[0] = '\0';
		reset(n, rq->id, m);
		return -1;
	}
	*out = ep;
	ep = (struct net_endpoint){ 0 };
	return 0;
}

void net_endpoint_leave(struct net *n, const char *id)
{
	pthread_mutex_lock(&n->lock);
	struct member *m = map_del(&n->members, id);
	pthread_mutex_unlock(&n->lock);
	if (!m)
		return;
	/* The rules first: while the ports are held nobody else can have put his own there. */
	if (n->nft && m->n_ports)
		net_rules_del_ports(n, m->ip, m->ports, m->n_ports);
	reset(n, NULL, m);
}

/* --- records --- */

void net_endpoint_encode(const struct net_endpoint *ep, struct strbuf *b)
{
	char ip[INET_ADDRSTRLEN], gw[INET_ADDRSTRLEN], mac[13];

	hex_encode(ep->mac, sizeof(ep->mac), mac);
	(void)inet_ntop(AF_INET, &ep->ip, ip, sizeof(ip));
	(void)inet_ntop(AF_INET, &ep->gateway, gw, sizeof(gw));
	sb_addf(b, "%s %s %s/%u %s %s %s %s", RECORD_VERSION, ep->endpoint_id, ip, ep->prefix, gw, mac,
		ep->ifname, ep->veth[0] ? ep->veth : "-");
	for (size_t i = 0; i < ep->n_ports; i++) {
		const struct net_port *p = &ep->ports[i];
		(void)inet_ntop(AF_INET, &p->host_ip, ip, sizeof(ip));
		sb_addf(b, " %s:%u:%u/%s", ip, p->host_first, p->port, net_proto_name(p->proto));
	}
}

static struct sv word(struct sv *text)
{
	struct sv w;

	(void)sv_cut(*text, ' ', &w, text);
	return w;
}

static int copy(struct sv s, char *out, size_t n)
{
	if (!s.n || s.n >= n)
		return -EINVAL;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return 0;
}

static int decode_ip(struct sv s, struct in_addr *out)
{
	char buf[INET_ADDRSTRLEN];

	return copy(s, buf, sizeof(buf)) < 0 || inet_pton(AF_INET, buf, out) != 1 ? -EINVAL : 0;
}

static int decode_port(struct sv s, struct net_port *p)
{
	struct sv ip, rest, host, port;
	char text[16];
	uint32_t v;

	if (!sv_cut(s, ':', &ip, &rest) || !sv_cut(rest, ':', &host, &port) ||
	    decode_ip(ip, &p->host_ip) < 0 || parse_u32(host, 65535, &v) < 0 || !v ||
	    copy(port, text, sizeof(text)) < 0 || net_port_parse(text, &p->port, &p->proto, NULL) < 0)
		return -EINVAL;
	p->host_first = p->host_last = (uint16_t)v;
	return 0;
}

int net_endpoint_decode(struct sv text, struct net_endpoint *out, struct err **e)
{
	cleanup_net_endpoint struct net_endpoint ep = { 0 };
	struct sv t = text, ip, prefix, w;
	size_t cap = 0;
	uint32_t p;

	if (!sv_eqs(word(&t), RECORD_VERSION))
		return err_set(e, ERR_DATA_LOSS, "network record of an unknown version");
	if (memchr(text.p, '\0', text.n))
		return err_set(e, ERR_DATA_LOSS, "network record is damaged");
	int bad = copy(word(&t), ep.endpoint_id, sizeof(ep.endpoint_id));
	bad |= sv_cut(word(&t), '/', &ip, &prefix) ? 0 : -EINVAL;
	bad |= decode_ip(ip, &ep.ip);
	bad |= parse_u32(prefix, 32, &p);
	bad |= decode_ip(word(&t), &ep.gateway);
	bad |= hex_decode(word(&t), ep.mac, sizeof(ep.mac));
	bad |= copy(word(&t), ep.ifname, sizeof(ep.ifname));
	bad |= copy(word(&t), ep.veth, sizeof(ep.veth));
	while (!bad && (w = word(&t)).n && ep.n_ports < NET_MAX_PORTS) {
		GROW(ep.ports, ep.n_ports, cap);
		ep.ports[ep.n_ports] = (struct net_port){ 0 };
		bad |= decode_port(w, &ep.ports[ep.n_ports++]);
	}
	if (bad)
		return err_set(e, ERR_DATA_LOSS, "network record is damaged");
	if (strcmp(ep.veth, "-") == 0)
		ep.veth[0] = '\0';
	ep.prefix = p;
	*out = ep;
	ep = (struct net_endpoint){ 0 };
	return 0;
}

int net_endpoint_restore(struct net *n, const char *id, const struct net_endpoint *ep, struct err **e)
{
	struct member *m;

	if (!n->has_bridge)
		return 0;
	m = NEW(struct member);
	m->ip = ep->ip;
	memcpy(m->veth, ep->veth, sizeof(m->veth));
	pthread_mutex_lock(&n->lock);
	int r = map_has(&n->members, id) ? -EEXIST : ipam_take_one(&n->ipam, ntohl(ep->ip.s_addr));
	if (r == -EINVAL) /* The bridge has another subnet now; the container keeps the address it has. */
		r = 0;
	if (r == 0 && ep->n_ports) {
		m->n_ports = ep->n_ports;
		m->ports = xmemdup(ep->ports, ep->n_ports * sizeof(*ep->ports));
		m->held = xcalloc(ep->n_ports, sizeof(struct held *));
		for (size_t i = 0; i < ep->n_ports; i++) {
			m->held[i] = net_republish_locked(n, &ep->ports[i]);
			if (m->held[i]->fd < 0 && ep->ports[i].proto != NET_SCTP)
				log_warn(log_kv("container", id),
					 "host port %u/%s of a running container is also bound by "
					 "a program of the host",
					 ep->ports[i].host_first, net_proto_name(ep->ports[i].proto));
		}
	}
	if (r == 0)
		(void)map_put(&n->members, id, m);
	pthread_mutex_unlock(&n->lock);
	if (r < 0) {
		free(m);
		return err_sys(e, -r, "reserve the address of container %s", id);
	}
	return 0;
}

int net_restore_end(struct net *n, struct err **e)
{
	return n->has_bridge && n->nft ? net_rules_write(n, e) : 0;
}

int net_endpoint_stats(const struct net_endpoint *ep, struct net_stats *out)
{
	struct nl_link l;
	cleanup_close int fd = nl_open(NETLINK_ROUTE);

	if (fd < 0)
		return fd;
	int r = nl_link_get(fd, ep->veth, &l);
	if (r < 0)
		return r;
	/* What the host's end sends the container receives. */
	*out = (struct net_stats){ .rx_bytes = l.tx_bytes,
				   .rx_packets = l.tx_packets,
				   .rx_errors = l.tx_errors,
				   .rx_dropped = l.tx_dropped,
				   .tx_bytes = l.rx_bytes,
				   .tx_packets = l.rx_packets,
				   .tx_errors = l.rx_errors,
				   .tx_dropped = l.rx_dropped };
	return 0;
}
