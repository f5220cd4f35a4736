/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of --lxc-conf. Pure: looks at nothing but the text (and random digits where an address asks for them). */
#include "net/lxc-internal.h"

#include "net/ipam.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>

#define VALUE_MAX 4096

int net_lxc_split(const char *flag, char **key, char **value, struct err **e)
{
	struct sv k, v;

	if (!sv_cut(sv_of(flag), '=', &k, &v))
		return err_set(e, ERR_INVALID, "Unable to parse key/value option: %s", flag);
	*key = sv_dup(sv_trim(k));
	*value = sv_dup(sv_trim(v));
	return 0;
}

/* --- values --- */

static int set_ifname(const char *v, char out[IFNAMSIZ])
{
	size_t n = strlen(v);

	if (!n || n >= IFNAMSIZ || strcmp(v, ".") == 0 || strcmp(v, "..") == 0)
		return -EINVAL;
	for (const char *p = v; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '/' || *p == ':' || *p == '%')
			return -EINVAL;
	memcpy(out, v, n + 1);
	return 0;
}

static int set_link(struct lxc_section *s, const char *v)
{
	return set_ifname(v, s->link);
}

static int set_name(struct lxc_section *s, const char *v)
{
	return strcmp(v, "lo") == 0 ? -EINVAL : set_ifname(v, s->name);
}

static int set_pair(struct lxc_section *s, const char *v)
{
	return s->type == LXC_VETH ? set_ifname(v, s->pair) : -ENOTSUP;
}

static int set_flags(struct lxc_section *s, const char *v)
{
	if (*v && strcmp(v, "up") != 0)
		return -EINVAL;
	s->up = *v;
	return 0;
}

static int set_mtu(struct lxc_section *s, const char *v)
{
	return parse_u32(sv_of(v), 65535, &s->mtu) < 0 || s->mtu < 68 ? -EINVAL : 0;
}

/* aa:bb:cc:dd:ee:ff, where x is a random digit. */
static int set_hwaddr(struct lxc_section *s, const char *v)
{
	uint8_t mac[6];

	if (strlen(v) != 17)
		return -EINVAL;
	for (size_t i = 0; i < 6; i++) {
		char hex[2];
		if (i < 5 && v[i * 3 + 2] != ':')
			return -EINVAL;
		for (size_t k = 0; k < 2; k++) {
			hex[k] = v[i * 3 + k];
			if (hex[k] == 'x' || hex[k] == 'X') {
				unsigned digit = (unsigned)(random_u64() & (i == 0 && k == 1 ? 0xe : 0xf));
				hex[k] = "0123456789abcdef"[digit];
			}
		}
		if (hex_decode(sv_n(hex, 2), &mac[i], 1) < 0)
			return -EINVAL;
	}
	/* A group address is no interface's own. */
	if (mac[0] & 1)
		return -EINVAL;
	memcpy(s->mac, mac, sizeof(mac));
	s->has_mac = true;
	return 0;
}

static int parse_ip(struct sv t, int family, struct nl_ip *out)
{
	char buf[INET6_ADDRSTRLEN];

	if (!t.n || t.n >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, t.p, t.n);
	buf[t.n] = '\0';
	*out = (struct nl_ip){ .family = family };
	return inet_pton(family, buf, out->b) == 1 ? 0 : -EINVAL;
}

static unsigned class_prefix(struct in_addr a)
{
	uint8_t top = (uint8_t)(ntohl(a.s_addr) >> 24);

	return top < 128 ? 8 : top < 192 ? 16 : 24;
}

static int set_addr(struct lxc_section *s, const char *v, int family)
{
	struct lxc_addr a = { 0 };
	struct sv first, brd, ip, prefix;

	if (!*v) {
		size_t kept = 0;
		for (size_t i = 0; i < s->n_addr; i++)
			if (s->addr[i].ip.family != family)
				s->addr[kept++] = s->addr[i];
		s->n_addr = kept;
		return 0;
	}
	(void)sv_cut(sv_of(v), ' ', &first, &brd);
	brd = sv_trim(brd);
	bool has_prefix = sv_cut(first, '/', &ip, &prefix);
	if (parse_ip(ip, family, &a.ip) < 0)
		return -EINVAL;
	if (family == AF_INET && a.ip.v4.s_addr == 0)
		return 0;
	a.prefix = family == AF_INET6 ? 64 : class_prefix(a.ip.v4);
	if (has_prefix) {
		uint32_t p;
		if (parse_u32(prefix, family == AF_INET6 ? 128 : 32, &p) < 0)
			return -EINVAL;
		a.prefix = p;
	}
	if (brd.n && (family != AF_INET || parse_ip(brd, AF_INET, &a.broadcast) < 0))
		return -EINVAL;
	if (s->n_addr >= NET_LXC_MAX_ADDRS)
		return -E2BIG;
	s->addr[s->n_addr++] = a;
	return 0;
}

static int set_ipv4(struct lxc_section *s, const char *v)
{
	return set_addr(s, v, AF_INET);
}

static int set_ipv6(struct lxc_section *s, const char *v)
{
	return set_addr(s, v, AF_INET6);
}

static int set_gateway(struct lxc_gateway *g, const char *v, int family)
{
	*g = (struct lxc_gateway){ 0 };
	if (!*v)
		return 0;
	if (strcmp(v, "auto") == 0) {
		g->kind = LXC_GW_AUTO;
	} else if (strcmp(v, "dev") == 0) {
		g->kind = LXC_GW_DEV;
	} else {
		g->kind = LXC_GW_ADDR;
		return parse_ip(sv_of(v), family, &g->ip);
	}
	return 0;
}

static int set_gateway4(struct lxc_section *s, const char *v)
{
	return set_gateway(&s->gateway4, v, AF_INET);
}

static int set_gateway6(struct lxc_section *s, const char *v)
{
	return set_gateway(&s->gateway6, v, AF_INET6);
}

struct word {
	const char *name;
	uint32_t value;
};

static int find_word(const struct word *w, size_t n, const char *v, uint32_t *out)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(w[i].name, v) == 0) {
			*out = w[i].value;
			return 0;
		}
	return -EINVAL;
}

static int set_macvlan_mode(struct lxc_section *s, const char *v)
{
	static const struct word modes[] = { { "private", MACVLAN_MODE_PRIVATE },
					     { "vepa", MACVLAN_MODE_VEPA },
					     { "bridge", MACVLAN_MODE_BRIDGE },
					     { "passthru", MACVLAN_MODE_PASSTHRU } };
	return s->type == LXC_MACVLAN ? find_word(modes, ARRAY_LEN(modes), v, &s->macvlan_mode) : -ENOTSUP;
}

static int set_ipvlan_mode(struct lxc_section *s, const char *v)
{
	static const struct word modes[] = { { "l2", IPVLAN_MODE_L2 },
					     { "l3", IPVLAN_MODE_L3 },
					     { "l3s", IPVLAN_MODE_L3S } };
	return s->type == LXC_IPVLAN ? find_word(modes, ARRAY_LEN(modes), v, &s->ipvlan_mode) : -ENOTSUP;
}

static int set_vlan_id(struct lxc_section *s, const char *v)
{
	uint32_t id;

	if (s->type != LXC_VLAN)
		return -ENOTSUP;
	if (parse_u32(sv_of(v), 4095, &id) < 0)
		return -EINVAL;
	s->vlan_id = (uint16_t)id;
	s->has_vlan_id = true;
	return 0;
}

static const struct {
	const char *key;
	int (*set)(struct lxc_section *s, const char *v);
} section_keys[] = {
	{ "flags", set_flags },
	{ "link", set_link },
	{ "name", set_name },
	{ "hwaddr", set_hwaddr },
	{ "mtu", set_mtu },
	{ "ipv4", set_ipv4 },
	{ "ipv4.address", set_ipv4 },
	{ "ipv4.gateway", set_gateway4 },
	{ "ipv6", set_ipv6 },
	{ "ipv6.address", set_ipv6 },
	{ "ipv6.gateway", set_gateway6 },
	{ "veth.pair", set_pair },
	{ "macvlan.mode", set_macvlan_mode },
	{ "ipvlan.mode", set_ipvlan_mode },
	{ "vlan.id", set_vlan_id },
};

/* Known to LXC, not done here. */
static const char *const refused_section_keys[] = {
	"script.up",    "script.down",         "veth.mode",        "veth.ipv4.route", "veth.ipv6.route",
	"veth.vlan.id", "veth.vlan.tagged.id", "ipvlan.isolation", "l2proxy",
};

/* --- sections --- */

static int section_open(struct net_lxc *l, const char *key, const char *v, int number,
			struct lxc_section *old, struct err **e)
{
	static const struct word types[] = { { "empty", LXC_EMPTY }, { "none", LXC_NONE },
					     { "veth", LXC_VETH },   { "macvlan", LXC_MACVLAN },
					     { "vlan", LXC_VLAN },   { "ipvlan", LXC_IPVLAN },
					     { "phys", LXC_PHYS } };
	uint32_t type;

	if (!*v) {
		l->n = 0;
		return 0;
	}
	if (find_word(types, ARRAY_LEN(types), v, &type) < 0)
		return err_set(e, ERR_INVALID, "lxc-conf: %s: unknown network type \"%s\"", key, v);
	if (!old) {
		if (l->n >= NET_LXC_MAX_SECTIONS)
			return err_set(e, ERR_INVALID, "lxc-conf: more than %d network interfaces",
				       NET_LXC_MAX_SECTIONS);
		old = l->s[l->n++] = ARENA_NEW(l->arena, struct lxc_section);
	}
	*old = (struct lxc_section){ .type = (enum lxc_type)type,
				     .number = number,
				     .macvlan_mode = MACVLAN_MODE_PRIVATE,
				     .ipvlan_mode = IPVLAN_MODE_L3 };
	return 0;
}

/* rest: what follows "network." or "net.". */
static int section_line(struct net_lxc *l, const char *key, const char *rest, bool modern, const char *v,
			struct err **e)
{
	struct lxc_section *s = l->n ? l->s[l->n - 1] : NULL;
	struct sv head, tail;
	int number = -1;
	uint32_t n;

	if (sv_cut(sv_of(rest), '.', &head, &tail) && parse_u32(head, 9999, &n) == 0) {
		number = (int)n;
		rest = tail.p;
		s = NULL;
		for (size_t i = 0; i < l->n; i++)
			if (modern ? l->s[i]->number == number : i == n)
				s = l->s[i];
	} else if (modern) {
		return err_set(e, ERR_INVALID, "lxc-conf: %s: the number of the interface is missing", key);
	}
	if (strcmp(rest, "type") == 0)
		return section_open(l, key, v, modern ? number : -1, number >= 0 ? s : NULL, e);
	for (size_t i = 0; i < ARRAY_LEN(refused_section_keys); i++)
		if (strcmp(refused_section_keys[i], rest) == 0)
			return err_set(e, ERR_INVALID, "lxc-conf: %s is not supported", key);
	for (size_t i = 0; i < ARRAY_LEN(section_keys); i++) {
		if (strcmp(section_keys[i].key, rest) != 0)
			continue;
		if (!s)
			return err_set(e, ERR_INVALID,
				       "lxc-conf: %s comes before the network type it belongs to", key);
		int r = section_keys[i].set(s, v);
		if (r == -ENOTSUP)
			return err_set(e, ERR_INVALID, "lxc-conf: %s does not fit the network type", key);
		if (r < 0)
			return err_set(e, ERR_INVALID, "lxc-conf: %s: invalid value \"%s\"", key, v);
		return 0;
	}
	return err_set(e, ERR_INVALID, "lxc-conf: unknown key %s", key);
}

/* --- other keys --- */

enum other_rule { PASS_ON, IGNORE, REFUSE };
static const struct {
	const char *key; /* after "lxc."; one that ends in a dot is a prefix */
	enum other_rule rule;
	enum net_lxc_other kind;
	const char *instead; /* of refused ones */
} other_keys[] = {
	{ "cgroup.", PASS_ON, NET_LXC_CGROUP, NULL },
	{ "cgroup2.", PASS_ON, NET_LXC_CGROUP, NULL },
	{ "utsname", PASS_ON, NET_LXC_UTSNAME, NULL },
	{ "uts.name", PASS_ON, NET_LXC_UTSNAME, NULL },
	{ "aa_profile", PASS_ON, NET_LXC_APPARMOR, NULL },
	{ "apparmor.profile", PASS_ON, NET_LXC_APPARMOR, NULL },
	{ "se_context", PASS_ON, NET_LXC_SELINUX, NULL },
	{ "selinux.context", PASS_ON, NET_LXC_SELINUX, NULL },
	{ "cap.drop", PASS_ON, NET_LXC_CAP_DROP, NULL },
	{ "cap.keep", PASS_ON, NET_LXC_CAP_KEEP, NULL },
	{ "mount.entry", PASS_ON, NET_LXC_MOUNT_ENTRY, NULL },
	{ "haltsignal", PASS_ON, NET_LXC_STOP_SIGNAL, NULL },
	{ "signal.halt", PASS_ON, NET_LXC_STOP_SIGNAL, NULL },
	/* Terminals and logs of lxc-start: there is none. */
	{ "stopsignal", IGNORE, 0, NULL },
	{ "signal.stop", IGNORE, 0, NULL },
	{ "pts", IGNORE, 0, NULL },
	{ "pty.max", IGNORE, 0, NULL },
	{ "tty", IGNORE, 0, NULL },
	{ "tty.max", IGNORE, 0, NULL },
	{ "tty.dir", IGNORE, 0, NULL },
	{ "console", IGNORE, 0, NULL },
	{ "console.path", IGNORE, 0, NULL },
	{ "devttydir", IGNORE, 0, NULL },
	{ "autodev", IGNORE, 0, NULL },
	{ "kmsg", IGNORE, 0, NULL },
	{ "logfile", IGNORE, 0, NULL },
	{ "loglevel", IGNORE, 0, NULL },
	{ "log.", IGNORE, 0, NULL },
	{ "mount", REFUSE, 0, "--mount" },
	{ "mount.", REFUSE, 0, "--mount" },
	{ "rootfs", REFUSE, 0, "an image" },
	{ "rootfs.", REFUSE, 0, "an image" },
	{ "pivotdir", REFUSE, 0, "an image" },
	{ "id_map", REFUSE, 0, "--userns" },
	{ "idmap", REFUSE, 0, "--userns" },
	{ "seccomp", REFUSE, 0, "--security-opt seccomp=" },
	{ "seccomp.", REFUSE, 0, "--security-opt seccomp=" },
	{ "hook.", REFUSE, 0, "a runtime with hooks" },
	{ "arch", REFUSE, 0, "--platform" },
	{ "start.", REFUSE, 0, "--restart" },
	{ "group", REFUSE, 0, "--label" },
	{ "include", REFUSE, 0, "the lines themselves" },
};

static int other_line(struct net_lxc *l, const char *key, const char *rest, const char *v, struct err **e)
{
	for (size_t i = 0; i < ARRAY_LEN(other_keys); i++) {
		const char *k = other_keys[i].key;
		bool prefix = str_ends(k, ".");
		if (prefix ? !str_starts(rest, k) || !rest[strlen(k)] : strcmp(rest, k) != 0)
			continue;
		switch (other_keys[i].rule) {
		case IGNORE: return 0;
		case REFUSE:
			return err_set(e, ERR_INVALID, "lxc-conf: %s is not supported, use %s", key,
				       other_keys[i].instead);
		case PASS_ON:
			l->others[l->n_others++] = (struct net_lxc_line){
				other_keys[i].kind, arena_strdup(l->arena, prefix ? rest + strlen(k) : key),
				arena_strdup(l->arena, v)
			};
			return 0;
		}
	}
	return err_set(e, ERR_INVALID, "lxc-conf: unknown key %s", key);
}

static int line(struct net_lxc *l, const char *key, const char *v, struct err **e)
{
	const char *dot = strchr(key, '.');

	if (!dot)
		return err_set(e, ERR_INVALID, "Illegal Key passed into LXC Configurations: %s", key);
	if (strlen(key) > VALUE_MAX || strlen(v) > VALUE_MAX)
		return err_set(e, ERR_INVALID, "lxc-conf: a line is longer than %d bytes", VALUE_MAX);
	/* Docker replaces whatever stands before the first dot by "lxc". */
	const char *rest = dot + 1;
	if (strcmp(rest, "network") == 0 || strcmp(rest, "net") == 0) {
		if (*v)
			return err_set(e, ERR_INVALID, "lxc-conf: %s takes an empty value alone", key);
		l->n = 0;
		return 0;
	}
	if (str_starts(rest, "network."))
		return section_line(l, key, rest + strlen("network."), false, v, e);
	if (str_starts(rest, "net."))
		return section_line(l, key, rest + strlen("net."), true, v, e);
	return other_line(l, key, rest, v, e);
}

/* What only the whole section tells. */
static int check(const struct net_lxc *l, struct err **e)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct lxc_section *s = l->s[i];
		bool needs_link = s->type == LXC_MACVLAN || s->type == LXC_VLAN || s->type == LXC_IPVLAN ||
				  s->type == LXC_PHYS;
		if (needs_link && !s->link[0])
			return err_set(e, ERR_INVALID, "lxc-conf: network %zu needs lxc.network.link", i);
		if (s->type == LXC_VLAN && !s->has_vlan_id)
			return err_set(e, ERR_INVALID, "lxc-conf: network %zu needs lxc.network.vlan.id", i);
		const struct lxc_gateway *gw[] = { &s->gateway4, &s->gateway6 };
		for (size_t k = 0; k < 2; k++) {
			if (gw[k]->kind != LXC_GW_NONE && !s->up)
				return err_set(e, ERR_INVALID,
					       "lxc-conf: network %zu: a gateway needs lxc.network.flags=up",
					       i);
			if (gw[k]->kind == LXC_GW_AUTO && (!s->link[0] || s->type == LXC_PHYS))
				return err_set(e, ERR_INVALID,
					       "lxc-conf: network %zu: gateway \"auto\" needs a link to ask",
					       i);
		}
		if (s->type == LXC_NONE && l->n > 1)
			return err_set(e, ERR_INVALID, "lxc-conf: network type none allows no other network");
		for (size_t k = 0; k < i && s->name[0]; k++)
			if (strcmp(l->s[k]->name, s->name) == 0)
				return err_set(e, ERR_INVALID, "lxc-conf: two networks are named %s",
					       s->name);
	}
	return 0;
}

int net_lxc_parse(const struct net_lxc_kv *kv, size_t n, struct net_lxc **out, struct err **e)
{
	cleanup_net_lxc struct net_lxc *l = NEW(struct net_lxc);

	l->arena = arena_new();
	if (n > NET_LXC_MAX_KEYS)
		return err_set(e, ERR_INVALID, "lxc-conf: more than %d lines", NET_LXC_MAX_KEYS);
	for (size_t i = 0; i < n; i++)
		if (line(l, kv[i].key ? kv[i].key : "", kv[i].value ? kv[i].value : "", e) < 0)
			return -1;
	if (check(l, e) < 0)
		return -1;
	*out = TAKE_PTR(l);
	return 0;
}

void net_lxc_free(struct net_lxc *l)
{
	if (!l)
		return;
	arena_free(l->arena);
	free(l);
}

size_t net_lxc_sections(const struct net_lxc *l)
{
	return l->n;
}

bool net_lxc_needs_undo(const struct net_lxc *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->s[i]->type == LXC_PHYS)
			return true;
	return false;
}

bool net_lxc_wants_host(const struct net_lxc *l)
{
	return l->n == 1 && l->s[0]->type == LXC_NONE;
}

const struct net_lxc_line *net_lxc_others(const struct net_lxc *l, size_t *n)
{
	*n = l->n_others;
	return l->others;
}
