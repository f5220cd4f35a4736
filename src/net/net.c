/* SPDX-License-Identifier: Apache-2.0 */
/* The default bridge: made, or found again. */
#include "net/net-internal.h"

#include "base/fs.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#define DEFAULT_BRIDGE "hoy0"
#define DEFAULT_MTU    1500

static bool name_ok(const char *s)
{
	if (!*s || strlen(s) >= IFNAMSIZ || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7f || strchr("/\"\\:;{}", *s))
			return false;
	return true;
}

/* A name that nft takes as an identifier. */
static void table_name(struct net *n)
{
	(void)snprintf(n->table, sizeof(n->table), "hoy-%s", n->bridge);
	for (char *p = n->table; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9') &&
		    !strchr("-_.", *p))
			*p = '_';
}

static int write_sysctl(const char *path, const char *value)
{
	char now[32];

	if (fs_read_small_at(AT_FDCWD, path, now, sizeof(now)) >= 0 && strcmp(now, value) == 0)
		return 0;
	return fs_write_small_at(AT_FDCWD, path, value);
}

static void bridge_sysctl(const struct net *n, int family, const char *name, const char *value)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/conf/%s/%s", family, n->bridge, name);
	int r = write_sysctl(path, value);
	if (r < 0 && family == 4)
		log_warn(log_kv("path", path), "cannot set a sysctl of the bridge: %s", strerrorname_np(-r));
}

/* --- which subnet --- */

struct taken {
	uint32_t net[256];
	unsigned prefix[256];
	size_t n;
};

static void taken_add(struct taken *t, const struct nl_ip *ip, unsigned prefix)
{
	if (ip->family == AF_INET && prefix && t->n < ARRAY_LEN(t->net)) {
		t->net[t->n] = ntohl(ip->v4.s_addr) & ipam_mask(prefix);
		t->prefix[t->n++] = prefix;
	}
}

static int taken_addr(void *arg, const struct nl_addr *a)
{
	taken_add(arg, &a->ip, a->prefix);
	return 0;
}

static int taken_route(void *arg, const struct nl_route *r)
{
	taken_add(arg, &r->dst, r->prefix);
	return 0;
}

static bool is_free(const struct taken *t, uint32_t net, unsigned prefix)
{
	for (size_t i = 0; i < t->n; i++) {
		uint32_t mask = ipam_mask(MIN(prefix, t->prefix[i]));
		if ((net & mask) == (t->net[i] & mask))
			return false;
	}
	return true;
}

/* Docker's pools: 172.17.0.0/16 … 172.31.0.0/16, then 192.168.0.0/20 and its neighbours. */
static int choose_subnet(struct net *n, uint32_t *ip, unsigned *prefix, struct err **e)
{
	struct taken t = { 0 };
	int r = nl_addr_list(n->rt, AF_INET, taken_addr, &t);

	if (r == 0)
		r = nl_route_list(n->rt, AF_INET, taken_route, &t);
	if (r < 0)
		return err_sys(e, -r, "list addresses and routes");
	for (uint32_t b = 17; b <= 31; b++)
		if (is_free(&t, 172u << 24 | b << 16, 16)) {
			*ip = (172u << 24 | b << 16) + 1;
			*prefix = 16;
			return 0;
		}
	for (uint32_t b = 0; b < 256; b += 16)
		if (is_free(&t, 192u << 24 | 168u << 16 | b << 8, 20)) {
			*ip = (192u << 24 | 168u << 16 | b << 8) + 1;
			*prefix = 20;
			return 0;
		}
	return err_set(e, ERR_SYSTEM,
		       "could not find an available, non-overlapping IPv4 address pool for bridge %s",
		       n->bridge);
}

struct own_addr {
	int index;
	uint32_t want, ip; /* want 0: any */
	unsigned prefix;
	bool found;
};

static int own_addr(void *arg, const struct nl_addr *a)
{
	struct own_addr *o = arg;

	if (a->index == o->index && !o->found && a->ip.family == AF_INET &&
	    (!o->want || o->want == ntohl(a->ip.v4.s_addr))) {
		o->found = true;
		o->ip = ntohl(a->ip.v4.s_addr);
		o->prefix = a->prefix;
	}
	return 0;
}

/* --- the bridge --- */

static int bridge_create(struct net *n, struct nl_link *l, struct err **e)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct nl_fail f;
	uint8_t mac[6] = { 0x02, 0x42 };

	random_bytes(mac + 2, 4);
	nl_put_bridge(&b, n->bridge, mac);
	int r = nl_send(n->rt, &b, &f);
	if (r < 0 && r != -EEXIST)
		return err_sys(e, -r, "create bridge %s%s%s", n->bridge, f.text[0] ? ": " : "", f.text);
	n->made_bridge = r == 0;
	r = nl_link_get(n->rt, n->bridge, l);
	if (r < 0)
		return err_sys(e, -r, "find bridge %s", n->bridge);
	return 0;
}

static int bridge_address(struct net *n, const char *bip, struct err **e)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct own_addr own = { .index = n->bridge_index };
	uint32_t ip = 0;
	unsigned prefix = 0;

	if (bip) {
		if (ipam_parse_cidr(bip, &ip, &prefix) < 0)
			return err_set(e, ERR_INVALID, "invalid CIDR address: %s", bip);
		own.want = ip;
	}
	int r = nl_addr_list(n->rt, AF_INET, own_addr, &own);
	if (r < 0)
		return err_sys(e, -r, "list addresses of bridge %s", n->bridge);
	if (own.found) {
		ip = own.ip;
		prefix = bip ? prefix : own.prefix;
	} else if (!bip && choose_subnet(n, &ip, &prefix, e) < 0) {
		return -1;
	}
	n->bridge_ip.s_addr = htonl(ip);
	n->prefix = prefix;
	struct nl_ip addr = { .family = AF_INET, .v4 = n->bridge_ip };
	struct nl_ip brd = { .family = AF_INET, .v4.s_addr = htonl(ip | ~ipam_mask(prefix)) };
	bool filters = n->nft && access("/proc/sys/net/bridge/bridge-nf-call-iptables", F_OK) == 0;
	n->isolate = !n->icc && !filters;
	if (!own.found)
		nl_put_addr(&b, n->bridge_index, &addr, prefix, &brd);
	nl_put_link_change(&b, n->bridge_index,
			   &(struct nl_link_change){
				   .up = true, .mtu = n->mtu, .nf_call_iptables = !n->icc && filters });
	struct nl_fail f;
	r = nl_send(n->rt, &b, &f);
	if (r < 0 && r != -EEXIST)
		return err_sys(e, -r, "set up bridge %s%s%s", n->bridge, f.text[0] ? ": " : "", f.text);
	return 0;
}

static int addresses(struct net *n, const struct net_config *cfg, struct err **e)
{
	uint32_t ip = ntohl(n->bridge_ip.s_addr), range = 0, gw = ip;
	unsigned range_prefix = 0;

	if (!str_empty(cfg->fixed_cidr) && ipam_parse_cidr(cfg->fixed_cidr, &range, &range_prefix) < 0)
		return err_set(e, ERR_INVALID, "invalid CIDR address: %s", cfg->fixed_cidr);
	if (ipam_init(&n->ipam, ip, n->prefix, range, range_prefix) < 0)
		return err_set(e, ERR_INVALID, "invalid subnet for bridge %s: %s", n->bridge,
			       range_prefix ? cfg->fixed_cidr : "the prefix must be between 8 and 30");
	(void)ipam_take_one(&n->ipam, ip);
	n->gateway = n->bridge_ip;
	if (!str_empty(cfg->default_gateway)) {
		if (inet_pton(AF_INET, cfg->default_gateway, &n->gateway) != 1)
			return err_set(e, ERR_INVALID, "invalid default gateway address: %s",
				       cfg->default_gateway);
		gw = ntohl(n->gateway.s_addr);
		if (!ipam_has(&n->ipam, gw))
			return err_set(e, ERR_INVALID, "default gateway %s is not in the subnet of bridge %s",
				       cfg->default_gateway, n->bridge);
		(void)ipam_take_one(&n->ipam, gw);
	}
	return 0;
}

static int bridge_open(struct net *n, const struct net_config *cfg, struct err **e)
{
	struct nl_link l;

	n->rt = nl_open(NETLINK_ROUTE);
	if (n->rt < 0)
		return err_sys(e, -n->rt, "open rtnetlink");
	int r = nl_link_get(n->rt, n->bridge, &l);
	if (r == -ENODEV && bridge_create(n, &l, e) < 0)
		return -1;
	if (r < 0 && r != -ENODEV)
		return err_sys(e, -r, "find bridge %s", n->bridge);
	if (strcmp(l.kind, "bridge") != 0)
		return err_set(e, ERR_INVALID, "%s is no bridge", n->bridge);
	n->bridge_index = l.index;
	if (bridge_address(n, str_empty(cfg->bip) ? NULL : cfg->bip, e) < 0 || addresses(n, cfg, e) < 0)
		return -1;
	/* Nobody asked for IPv6 here; without it a port need not announce itself. */
	bridge_sysctl(n, 6, "disable_ipv6", "1");
	if (n->nft)
		bridge_sysctl(n, 4, "route_localnet", "1");
	if (n->ip_forward) {
		r = write_sysctl("/proc/sys/net/ipv4/ip_forward", "1");
		if (r < 0)
			log_warn(log_kv("bridge", n->bridge), "cannot enable IPv4 forwarding: %s",
				 strerrorname_np(-r));
	}
	if (n->nft) {
		n->nft_fd = nft_open();
		if (n->nft_fd < 0)
			return err_sys(e, -n->nft_fd, "open nfnetlink");
	}
	return 0;
}

int net_open(const struct net_config *cfg, struct net **out, struct err **e)
{
	cleanup_net struct net *n = NEW(struct net);
	const char *name = str_empty(cfg->bridge) ? DEFAULT_BRIDGE : cfg->bridge;

	n->rt = n->nft_fd = -1;
	pthread_mutex_init(&n->lock, NULL);
	pthread_mutex_init(&n->rt_lock, NULL);
	pthread_mutex_init(&n->nft_lock, NULL);
	n->has_bridge = strcmp(name, "none") != 0;
	n->mtu = cfg->mtu ? cfg->mtu : DEFAULT_MTU;
	n->icc = cfg->icc;
	n->ip_masq = cfg->ip_masq;
	n->ip_forward = cfg->ip_forward;
	n->nft = cfg->nft;
	net_publish_init(n);
	/* Also opened when the rest fails: close must find it whole. */
	net_pool_open(n, cfg->spares);
	if (n->has_bridge) {
		if (!name_ok(name))
			return err_set(e, ERR_INVALID, "invalid bridge name \"%s\"", name);
		(void)snprintf(n->bridge, sizeof(n->bridge), "%s", name);
		table_name(n);
		if (!str_empty(cfg->ip) && inet_pton(AF_INET, cfg->ip, &n->bind) != 1)
			return err_set(e, ERR_INVALID, "invalid IP address: %s", cfg->ip);
		if (bridge_open(n, cfg, e) < 0)
			return -1;
	}
	*out = TAKE_PTR(n);
	return 0;
}

void net_close(struct net *n)
{
	if (!n)
		return;
	net_pool_close(n);
	map_for_each (it, &n->members)
		net_member_free(n, it->value);
	map_release(&n->members);
	net_publish_release(n);
	ipam_release(&n->ipam);
	free(n->dying);
	fd_close(&n->rt);
	fd_close(&n->nft_fd);
	pthread_mutex_destroy(&n->lock);
	pthread_mutex_destroy(&n->rt_lock);
	pthread_mutex_destroy(&n->nft_lock);
	free(n);
}

void net_destroy(struct net *n)
{
	cleanup_nl_batch struct nl_batch b = { 0 };

	if (!n)
		return;
	if (n->has_bridge) {
		net_rules_remove(n);
		nl_put_link_del(&b, n->bridge_index);
		pthread_mutex_lock(&n->rt_lock);
		(void)nl_send(n->rt, &b, NULL);
		pthread_mutex_unlock(&n->rt_lock);
	}
	net_close(n);
}

struct ports_left {
	int bridge;
	unsigned n;
};

static int count_port(void *arg, const struct nl_link *l)
{
	struct ports_left *p = arg;

	p->n += l->master == p->bridge;
	return 0;
}

void net_idle(struct net *n)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct ports_left left = { .bridge = n->bridge_index };

	if (!n->has_bridge)
		return;
	if (n->rules_written)
		net_rules_remove(n);
	pthread_mutex_lock(&n->rt_lock);
	if (n->made_bridge && nl_link_list(n->rt, count_port, &left) == 0 && left.n == 0) {
		nl_put_link_del(&b, n->bridge_index);
		(void)nl_send(n->rt, &b, NULL);
	}
	pthread_mutex_unlock(&n->rt_lock);
}

void net_bridge_info(struct net *n, struct net_bridge_info *out)
{
	*out = (struct net_bridge_info){ .gateway = n->gateway,
					 .prefix = n->prefix,
					 .mtu = n->mtu,
					 .icc = n->icc,
					 .ip_masq = n->ip_masq,
					 .bind = n->bind };
	out->subnet.s_addr = htonl(n->ipam.net);
	memcpy(out->name, n->bridge, sizeof(out->name));
}
