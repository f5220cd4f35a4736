/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink: links, addresses, routes. */
#include "kernel/netlink.h"

#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

/* --- links: asking --- */

static void link_fill(const struct nl_attrs *a, struct nl_link *l)
{
	struct ifinfomsg im;
	struct nl_attrs info;

	memcpy(&im, a->payload, sizeof(im));
	*l = (struct nl_link){ .index = im.ifi_index, .flags = im.ifi_flags, .type = im.ifi_type };
	l->mtu = nl_get_u32(a, IFLA_MTU);
	l->master = (int)nl_get_u32(a, IFLA_MASTER);
	l->parent = (int)nl_get_u32(a, IFLA_LINK);
	if (a->attr[IFLA_IFNAME])
		(void)snprintf(l->name, sizeof(l->name), "%.*s", (int)a->len[IFLA_IFNAME],
			       (const char *)a->attr[IFLA_IFNAME]);
	if (a->attr[IFLA_ADDRESS] && a->len[IFLA_ADDRESS] == sizeof(l->mac))
		memcpy(l->mac, a->attr[IFLA_ADDRESS], sizeof(l->mac));
	if (a->attr[IFLA_LINKINFO]) {
		nl_parse(a->attr[IFLA_LINKINFO], a->len[IFLA_LINKINFO], &info);
		if (info.attr[IFLA_INFO_KIND])
			(void)snprintf(l->kind, sizeof(l->kind), "%.*s", (int)info.len[IFLA_INFO_KIND],
				       (const char *)info.attr[IFLA_INFO_KIND]);
	}
	if (a->attr[IFLA_STATS64] && a->len[IFLA_STATS64] >= 8 * sizeof(uint64_t)) {
		struct rtnl_link_stats64 s = { 0 };
		memcpy(&s, a->attr[IFLA_STATS64], MIN(sizeof(s), (size_t)a->len[IFLA_STATS64]));
		l->rx_bytes = s.rx_bytes;
		l->rx_packets = s.rx_packets;
		l->rx_errors = s.rx_errors;
		l->rx_dropped = s.rx_dropped;
		l->tx_bytes = s.tx_bytes;
		l->tx_packets = s.tx_packets;
		l->tx_errors = s.tx_errors;
		l->tx_dropped = s.tx_dropped;
	}
}

static int link_one(void *arg, const struct nl_attrs *a)
{
	link_fill(a, arg);
	return 0;
}

static int link_query(int fd, int index, const char *name, struct nl_link *out)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct ifinfomsg im = { .ifi_index = index };

	nl_msg(&b, RTM_GETLINK, 0, &im, sizeof(im));
	if (name) {
		if (!*name || strlen(name) >= IFNAMSIZ)
			return -ENODEV;
		nl_attr_str(&b, IFLA_IFNAME, name);
	}
	return nl_query(fd, &b, false, sizeof(im), link_one, out);
}

int nl_link_get(int fd, const char *name, struct nl_link *out)
{
	return link_query(fd, 0, name, out);
}

int nl_link_get_index(int fd, int index, struct nl_link *out)
{
	return link_query(fd, index, NULL, out);
}

struct link_walk {
	nl_link_visit fn;
	void *arg;
};

static int link_each(void *arg, const struct nl_attrs *a)
{
	struct link_walk *w = arg;
	struct nl_link l;

	link_fill(a, &l);
	return w->fn(w->arg, &l);
}

int nl_link_list(int fd, nl_link_visit fn, void *arg)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct ifinfomsg im = { 0 };
	struct link_walk w = { fn, arg };

	nl_msg(&b, RTM_GETLINK, 0, &im, sizeof(im));
	return nl_query(fd, &b, true, sizeof(im), link_each, &w);
}

/* --- links: making --- */

static unsigned up_flag(bool up)
{
	return up ? IFF_UP : 0;
}

void nl_put_veth(struct nl_batch *b, const struct nl_veth *v)
{
	struct ifinfomsg im = { .ifi_flags = up_flag(v->up), .ifi_change = up_flag(v->up) };
	struct ifinfomsg peer = { 0 };

	nl_msg(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &im, sizeof(im));
	nl_attr_str(b, IFLA_IFNAME, v->name);
	if (v->mac)
		nl_attr(b, IFLA_ADDRESS, v->mac, 6);
	if (v->mtu)
		nl_attr_u32(b, IFLA_MTU, v->mtu);
	if (v->master)
		nl_attr_u32(b, IFLA_MASTER, (uint32_t)v->master);
	size_t info = nl_nest(b, IFLA_LINKINFO);
	nl_attr_str(b, IFLA_INFO_KIND, "veth");
	size_t data = nl_nest(b, IFLA_INFO_DATA), p = nl_nest(b, VETH_INFO_PEER);
	nl_raw(b, &peer, sizeof(peer));
	nl_attr_str(b, IFLA_IFNAME, v->peer_name);
	nl_attr_u32(b, IFLA_NET_NS_FD, (uint32_t)v->peer_nsfd);
	if (v->mtu)
		nl_attr_u32(b, IFLA_MTU, v->mtu);
	if (v->peer_mac)
		nl_attr(b, IFLA_ADDRESS, v->peer_mac, 6);
	nl_nest_end(b, p);
	nl_nest_end(b, data);
	nl_nest_end(b, info);
}

void nl_put_bridge(struct nl_batch *b, const char *name, const uint8_t mac[6])
{
	struct ifinfomsg im = { 0 };

	nl_msg(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &im, sizeof(im));
	nl_attr_str(b, IFLA_IFNAME, name);
	if (mac)
		nl_attr(b, IFLA_ADDRESS, mac, 6);
	size_t info = nl_nest(b, IFLA_LINKINFO);
	nl_attr_str(b, IFLA_INFO_KIND, "bridge");
	nl_nest_end(b, info);
}

void nl_put_child(struct nl_batch *b, const struct nl_child *c)
{
	struct ifinfomsg im = { 0 };

	nl_msg(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &im, sizeof(im));
	nl_attr_str(b, IFLA_IFNAME, c->name);
	nl_attr_u32(b, IFLA_LINK, (uint32_t)c->parent);
	nl_attr_u32(b, IFLA_NET_NS_FD, (uint32_t)c->nsfd);
	if (c->mtu)
		nl_attr_u32(b, IFLA_MTU, c->mtu);
	if (c->mac)
		nl_attr(b, IFLA_ADDRESS, c->mac, 6);
	size_t info = nl_nest(b, IFLA_LINKINFO);
	nl_attr_str(b, IFLA_INFO_KIND, c->kind);
	size_t data = nl_nest(b, IFLA_INFO_DATA);
	if (strcmp(c->kind, "macvlan") == 0)
		nl_attr_u32(b, IFLA_MACVLAN_MODE, c->mode);
	else if (strcmp(c->kind, "vlan") == 0)
		nl_attr_u16(b, IFLA_VLAN_ID, c->vlan_id);
	else if (strcmp(c->kind, "ipvlan") == 0)
		nl_attr_u16(b, IFLA_IPVLAN_MODE, (uint16_t)c->mode);
	nl_nest_end(b, data);
	nl_nest_end(b, info);
}

void nl_put_link_change(struct nl_batch *b, int index, const struct nl_link_change *c)
{
	struct ifinfomsg im = { .ifi_index = index };

	if (c->up || c->down) {
		im.ifi_flags = up_flag(c->up);
		im.ifi_change = IFF_UP;
	}
	nl_msg(b, RTM_NEWLINK, 0, &im, sizeof(im));
	if (c->rename)
		nl_attr_str(b, IFLA_IFNAME, c->rename);
	if (c->mtu)
		nl_attr_u32(b, IFLA_MTU, c->mtu);
	if (c->mac)
		nl_attr(b, IFLA_ADDRESS, c->mac, 6);
	if (c->set_master)
		nl_attr_u32(b, IFLA_MASTER, (uint32_t)c->master);
	if (c->nf_call_iptables) {
		size_t info = nl_nest(b, IFLA_LINKINFO);
		nl_attr_str(b, IFLA_INFO_KIND, "bridge");
		size_t data = nl_nest(b, IFLA_INFO_DATA);
		nl_attr_u8(b, IFLA_BR_NF_CALL_IPTABLES, 1);
		nl_nest_end(b, data);
		nl_nest_end(b, info);
	}
	if (c->set_ns)
		nl_attr_u32(b, IFLA_NET_NS_FD, (uint32_t)c->nsfd);
}

void nl_put_port_change(struct nl_batch *b, const char *name, const struct nl_port_change *c)
{
	struct ifinfomsg im = { 0 };

	nl_msg(b, RTM_NEWLINK, 0, &im, sizeof(im));
	nl_attr_str(b, IFLA_IFNAME, name);
	size_t info = nl_nest(b, IFLA_LINKINFO);
	nl_attr_str(b, IFLA_INFO_SLAVE_KIND, "bridge");
	size_t data = nl_nest(b, IFLA_INFO_SLAVE_DATA);
	nl_attr_u8(b, IFLA_BRPORT_MODE, c->hairpin);
	nl_attr_u8(b, IFLA_BRPORT_ISOLATED, c->isolated);
	nl_nest_end(b, data);
	nl_nest_end(b, info);
}

void nl_put_link_del(struct nl_batch *b, int index)
{
	struct ifinfomsg im = { .ifi_index = index };

	nl_msg(b, RTM_DELLINK, 0, &im, sizeof(im));
}

/* --- addresses, routes, neighbours --- */

void nl_put_addr(struct nl_batch *b, int index, const struct nl_ip *ip, unsigned prefix,
		 const struct nl_ip *broadcast)
{
	struct ifaddrmsg am = { .ifa_family = (uint8_t)ip->family,
				.ifa_prefixlen = (uint8_t)prefix,
				.ifa_index = (uint32_t)index };

	if (ip->family == AF_INET6)
		am.ifa_flags = IFA_F_NODAD;
	nl_msg(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &am, sizeof(am));
	nl_attr(b, IFA_LOCAL, ip->b, nl_ip_len(ip));
	nl_attr(b, IFA_ADDRESS, ip->b, nl_ip_len(ip));
	if (broadcast)
		nl_attr(b, IFA_BROADCAST, broadcast->b, nl_ip_len(broadcast));
}

void nl_put_route(struct nl_batch *b, const struct nl_ip *dst, unsigned prefix, int family,
		  const struct nl_ip *gateway, int oif)
{
	struct rtmsg rm = { .rtm_family = (uint8_t)family,
			    .rtm_dst_len = dst ? (uint8_t)prefix : 0,
			    .rtm_table = RT_TABLE_MAIN,
			    .rtm_protocol = RTPROT_BOOT,
			    .rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
			    .rtm_type = RTN_UNICAST };

	nl_msg(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &rm, sizeof(rm));
	if (dst)
		nl_attr(b, RTA_DST, dst->b, nl_ip_len(dst));
	if (gateway)
		nl_attr(b, RTA_GATEWAY, gateway->b, nl_ip_len(gateway));
	if (oif)
		nl_attr_u32(b, RTA_OIF, (uint32_t)oif);
}

void nl_put_fdb(struct nl_batch *b, int port_index, const uint8_t mac[6])
{
	struct ndmsg nm = { .ndm_family = AF_BRIDGE,
			    .ndm_ifindex = port_index,
			    .ndm_state = NUD_NOARP,
			    .ndm_flags = NTF_MASTER };

	nl_msg(b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &nm, sizeof(nm));
	nl_attr(b, NDA_LLADDR, mac, 6);
}

static bool ip_fill(struct nl_ip *ip, int family, const struct nl_attrs *a, unsigned type)
{
	size_t n = family == AF_INET6 ? 16 : 4;

	*ip = (struct nl_ip){ 0 };
	if (!a->attr[type] || a->len[type] < n)
		return false;
	ip->family = family;
	memcpy(ip->b, a->attr[type], n);
	return true;
}

struct addr_walk {
	nl_addr_visit fn;
	void *arg;
};

static int addr_each(void *arg, const struct nl_attrs *a)
{
	struct addr_walk *w = arg;
	struct ifaddrmsg am;
	struct nl_addr ad = { 0 };

	memcpy(&am, a->payload, sizeof(am));
	if (!ip_fill(&ad.ip, am.ifa_family, a, IFA_LOCAL) && !ip_fill(&ad.ip, am.ifa_family, a, IFA_ADDRESS))
		return 0;
	ad.index = (int)am.ifa_index;
	ad.prefix = am.ifa_prefixlen;
	return w->fn(w->arg, &ad);
}

int nl_addr_list(int fd, int family, nl_addr_visit fn, void *arg)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct ifaddrmsg am = { .ifa_family = (uint8_t)family };
	struct addr_walk w = { fn, arg };

	nl_msg(&b, RTM_GETADDR, 0, &am, sizeof(am));
	return nl_query(fd, &b, true, sizeof(am), addr_each, &w);
}

struct route_walk {
	nl_route_visit fn;
	void *arg;
};

static int route_each(void *arg, const struct nl_attrs *a)
{
	struct route_walk *w = arg;
	struct rtmsg rm;
	struct nl_route r = { 0 };

	memcpy(&rm, a->payload, sizeof(rm));
	(void)ip_fill(&r.dst, rm.rtm_family, a, RTA_DST);
	(void)ip_fill(&r.gateway, rm.rtm_family, a, RTA_GATEWAY);
	r.prefix = rm.rtm_dst_len;
	r.table = a->attr[RTA_TABLE] ? nl_get_u32(a, RTA_TABLE) : rm.rtm_table;
	r.oif = (int)nl_get_u32(a, RTA_OIF);
	return w->fn(w->arg, &r);
}

int nl_route_list(int fd, int family, nl_route_visit fn, void *arg)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct rtmsg rm = { .rtm_family = (uint8_t)family };
	struct route_walk w = { fn, arg };

	nl_msg(&b, RTM_GETROUTE, 0, &rm, sizeof(rm));
	return nl_query(fd, &b, true, sizeof(rm), route_each, &w);
}
