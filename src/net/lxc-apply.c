/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces of --lxc-conf in a namespace. */
#include "net/lxc-internal.h"
#include "net/net-internal.h"

#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#define MAX_ETH 1000

/* One application: sockets here and there, and what was made so far. */
struct job {
	int host, inside, nsfd;
	char name[NET_LXC_MAX_SECTIONS][IFNAMSIZ]; /* final names inside; "" for none */
};

static int send_one(int fd, struct nl_batch *b, const struct lxc_section *s, const char *what, struct err **e)
{
	struct nl_fail f;
	int r = nl_send(fd, b, &f);

	if (r < 0)
		return err_sys(e, -r, "lxc-conf: %s %s%s%s", what, s->link[0] ? s->link : s->name,
			       f.text[0] ? ": " : "", f.text);
	nl_batch_reset(b);
	return 0;
}

static int find_link(struct job *j, const struct lxc_section *s, struct nl_link *l, struct err **e)
{
	int r = nl_link_get(j->host, s->link, l);

	if (r == -ENODEV)
		return err_set(e, ERR_SYSTEM,
			       "lxc-conf: failed to attach to '%s': no such interface on the host", s->link);
	if (r < 0)
		return err_sys(e, -r, "lxc-conf: find interface '%s'", s->link);
	return 0;
}

static bool is_named(const struct net_lxc *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->s[i]->name, name) == 0)
			return true;
	return false;
}

/* The lowest ethN that neither is there nor is meant for another. */
static int choose_name(struct job *j, const struct net_lxc *l, size_t i, struct err **e)
{
	struct nl_link there;

	const struct lxc_section *s = l->s[i];
	/* A device of the host's keeps its name unless told otherwise: it has to be found again at the end. */
	if (s->name[0] || s->type == LXC_PHYS) {
		memcpy(j->name[i], s->name[0] ? s->name : s->link, IFNAMSIZ);
		return 0;
	}
	for (int n = 0; n < MAX_ETH; n++) {
		(void)snprintf(j->name[i], IFNAMSIZ, "eth%d", n);
		if (!is_named(l, j->name[i]) && nl_link_get(j->inside, j->name[i], &there) == -ENODEV)
			return 0;
	}
	return err_set(e, ERR_INVALID, "lxc-conf: no free interface name");
}

static int make_veth(struct job *j, const struct lxc_section *s, const char *name, struct err **e)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct nl_link l = { 0 };
	char pair[IFNAMSIZ], hex[9];
	uint8_t rnd[5], mac[6] = { 0xfe };

	if (s->link[0] && find_link(j, s, &l, e) < 0)
		return -1;
	if (s->link[0] && strcmp(l.kind, "bridge") != 0)
		return err_set(e, ERR_INVALID, "lxc-conf: failed to attach to '%s': it is no bridge",
			       s->link);
	random_bytes(rnd, sizeof(rnd));
	hex_encode(rnd, 4, hex);
	(void)snprintf(pair, sizeof(pair), "veth%.7s", hex);
	if (s->pair[0])
		memcpy(pair, s->pair, sizeof(pair));
	/* A high address: a bridge takes the lowest of its ports' for its own, and must not change it for us. */
	memcpy(mac + 1, rnd, 5);
	nl_put_veth(&b, &(struct nl_veth){ .name = pair,
					   .mac = mac,
					   .peer_name = name,
					   .peer_nsfd = j->nsfd,
					   .master = l.index,
					   .mtu = s->mtu ? s->mtu : l.mtu,
					   .peer_mac = s->has_mac ? s->mac : NULL,
					   .up = true });
	return send_one(j->host, &b, s, "failed to create veth pair for", e);
}

static int make_child(struct job *j, const struct lxc_section *s, const char *name, struct err **e)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct nl_link l;
	const char *kind = s->type == LXC_MACVLAN ? "macvlan" : s->type == LXC_VLAN ? "vlan" : "ipvlan";

	if (find_link(j, s, &l, e) < 0)
		return -1;
	nl_put_child(&b,
		     &(struct nl_child){ .kind = kind,
					 .name = name,
					 .parent = l.index,
					 .nsfd = j->nsfd,
					 .mtu = s->mtu,
					 .mac = s->has_mac && s->type != LXC_IPVLAN ? s->mac : NULL,
					 .mode = s->type == LXC_MACVLAN ? s->macvlan_mode : s->ipvlan_mode,
					 .vlan_id = s->vlan_id });
	return send_one(j->host, &b, s, "failed to create an interface on", e);
}

static int move_phys(struct job *j, const struct lxc_section *s, const char *name, struct err **e)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct nl_link l;

	if (find_link(j, s, &l, e) < 0)
		return -1;
	nl_put_link_change(
		&b, l.index,
		&(struct nl_link_change){ .down = true, .mtu = s->mtu, .mac = s->has_mac ? s->mac : NULL });
	if (send_one(j->host, &b, s, "failed to take down", e) < 0)
		return -1;
	nl_put_link_change(&b, l.index,
			   &(struct nl_link_change){ .rename = name, .set_ns = true, .nsfd = j->nsfd });
	return send_one(j->host, &b, s, "failed to move", e);
}

static int allow_ipv6(void *arg)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", (const char *)arg);
	return fs_write_small_at(AT_FDCWD, path, "0");
}

struct primary {
	int index, family;
	struct nl_ip ip;
};

static int primary_addr(void *arg, const struct nl_addr *a)
{
	struct primary *p = arg;

	if (a->index == p->index && a->ip.family == p->family && !p->ip.family &&
	    !(p->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->ip.v6)))
		p->ip = a->ip;
	return 0;
}

static bool on_subnet(const struct lxc_section *s, const struct nl_ip *gw)
{
	for (size_t i = 0; i < s->n_addr; i++) {
		const struct lxc_addr *a = &s->addr[i];
		if (a->ip.family != gw->family)
			continue;
		unsigned bits = a->prefix, at = 0;
		bool same = true;
		for (; bits >= 8; bits -= 8, at++)
			same = same && a->ip.b[at] == gw->b[at];
		if (bits)
			same = same && !((a->ip.b[at] ^ gw->b[at]) >> (8 - bits));
		if (same)
			return true;
	}
	return false;
}

static int set_gateway(struct job *j, const struct lxc_section *s, const struct lxc_gateway *g, int family,
		       int index, struct err **e)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct nl_ip gw = g->ip;

	if (g->kind == LXC_GW_NONE)
		return 0;
	if (g->kind == LXC_GW_AUTO) {
		struct nl_link l;
		if (find_link(j, s, &l, e) < 0)
			return -1;
		struct primary p = { .index = l.index, .family = family };
		int r = nl_addr_list(j->host, family, primary_addr, &p);
		if (r < 0)
			return err_sys(e, -r, "lxc-conf: list addresses");
		if (!p.ip.family)
			return err_set(e, ERR_SYSTEM, "lxc-conf: gateway \"auto\": '%s' has no address",
				       s->link);
		gw = p.ip;
	}
	if (g->kind == LXC_GW_DEV) {
		nl_put_route(&b, NULL, 0, family, NULL, index);
		return send_one(j->inside, &b, s, "failed to set the default route of", e);
	}
	if (!on_subnet(s, &gw))
		nl_put_route(&b, &gw, family == AF_INET6 ? 128 : 32, family, NULL, index);
	nl_put_route(&b, NULL, 0, family, &gw, index);
	return send_one(j->inside, &b, s, "failed to set the gateway of", e);
}

static int configure(struct job *j, const struct lxc_section *s, char *name, struct err **e)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct nl_link l;
	bool has_v6 = s->gateway6.kind != LXC_GW_NONE;

	int r = nl_link_get(j->inside, name, &l);
	if (r < 0)
		return err_sys(e, -r, "lxc-conf: find interface '%s' in the container", name);
	for (size_t i = 0; i < s->n_addr; i++)
		has_v6 |= s->addr[i].ip.family == AF_INET6;
	r = nl_run_in(j->nsfd, allow_ipv6, name);
	if (r < 0 && has_v6)
		return err_sys(e, -r, "lxc-conf: enable IPv6 on '%s'", name);
	for (size_t i = 0; i < s->n_addr; i++) {
		const struct lxc_addr *a = &s->addr[i];
		struct nl_ip brd = a->broadcast;
		bool derive = a->ip.family == AF_INET && !brd.family && a->prefix < 31;
		if (derive)
			brd = (struct nl_ip){ .family = AF_INET,
					      .v4.s_addr = a->ip.v4.s_addr | htonl(~ipam_mask(a->prefix)) };
		nl_put_addr(&b, l.index, &a->ip, a->prefix, brd.family ? &brd : NULL);
	}
	if (s->n_addr && send_one(j->inside, &b, s, "failed to set the addresses of", e) < 0)
		return -1;
	if (!s->up)
		return 0;
	nl_put_link_change(&b, l.index, &(struct nl_link_change){ .up = true });
	if (send_one(j->inside, &b, s, "failed to bring up the interface on", e) < 0)
		return -1;
	if (set_gateway(j, s, &s->gateway4, AF_INET, l.index, e) < 0)
		return -1;
	return set_gateway(j, s, &s->gateway6, AF_INET6, l.index, e);
}

static int apply_one(struct job *j, const struct net_lxc *l, size_t i, bool *made, struct err **e)
{
	const struct lxc_section *s = l->s[i];
	int r = -1;

	if (s->type == LXC_EMPTY || s->type == LXC_NONE)
		return 0;
	if (choose_name(j, l, i, e) < 0)
		return -1;
	switch (s->type) {
	case LXC_VETH: r = make_veth(j, s, j->name[i], e); break;
	case LXC_MACVLAN:
	case LXC_VLAN:
	case LXC_IPVLAN: r = make_child(j, s, j->name[i], e); break;
	case LXC_PHYS: r = move_phys(j, s, j->name[i], e); break;
	case LXC_EMPTY:
	case LXC_NONE: break;
	}
	*made = r == 0;
	return r < 0 ? -1 : configure(j, s, j->name[i], e);
}

/* Inside: a device of the host's is given back under its old name, one of ours deleted. */
static void unmake(int inside, const struct lxc_section *s, const char *name)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	cleanup_close int home = fs_open("/proc/thread-self/ns/net", O_RDONLY, 0);
	struct nl_link l;

	if (home < 0 || nl_link_get(inside, name, &l) < 0)
		return;
	if (s->type == LXC_PHYS) {
		nl_put_link_change(&b, l.index, &(struct nl_link_change){ .down = true });
		nl_put_link_change(
			&b, l.index,
			&(struct nl_link_change){ .rename = s->link, .set_ns = true, .nsfd = home });
	} else {
		nl_put_link_del(&b, l.index);
	}
	int r = nl_send(inside, &b, NULL);
	if (r < 0)
		log_warn(log_kv("interface", s->link), "cannot give back an interface: %s",
			 strerrorname_np(-r));
}

int net_lxc_apply(const struct net_lxc *l, struct net_ns *ns, struct err **e)
{
	cleanup_close int host = nl_open(NETLINK_ROUTE);
	struct job j = { .host = host, .inside = net_ns_rt(ns), .nsfd = net_ns_fd(ns) };

	if (host < 0 || j.inside < 0)
		return err_sys(e, host < 0 ? -host : -j.inside, "open rtnetlink");
	for (size_t i = 0; i < l->n; i++) {
		bool made = false;
		if (apply_one(&j, l, i, &made, e) == 0)
			continue;
		if (made)
			unmake(j.inside, l->s[i], j.name[i]);
		while (i-- > 0)
			if (j.name[i][0])
				unmake(j.inside, l->s[i], j.name[i]);
		return -1;
	}
	return 0;
}

void net_lxc_undo(const struct net_lxc *l, int nsfd)
{
	cleanup_close int inside = -1;

	for (size_t i = 0; i < l->n; i++) {
		if (l->s[i]->type != LXC_PHYS)
			continue;
		if (inside < 0)
			inside = nl_open_in(nsfd, NETLINK_ROUTE);
		if (inside < 0)
			return;
		unmake(inside, l->s[i], l->s[i]->name[0] ? l->s[i]->name : l->s[i]->link);
	}
}
