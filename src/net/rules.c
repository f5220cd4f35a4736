/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packet rules: one nftables table per engine, named after its bridge. The `nft` program replaces it as one transaction
 * when the engine starts, with all that lives in it; ports come and go afterwards as elements of two maps, by netlink.
 */
#include "net/net-internal.h"

#include "base/log.h"
#include "base/proc.h"
#include "kernel/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

#define OUTPUT_MAX 4096

static const char *find_program(const char *const *paths)
{
	for (; *paths; paths++)
		if (access(*paths, X_OK) == 0)
			return *paths;
	return NULL;
}

static const char *const nft_paths[] = { "/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/usr/local/sbin/nft",
					 NULL };
static const char *const iptables_paths[] = { "/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables",
					      NULL };

struct ip_text {
	char s[INET_ADDRSTRLEN];
};

static struct ip_text ip_text(struct in_addr a)
{
	struct ip_text t;

	(void)inet_ntop(AF_INET, &a, t.s, sizeof(t.s));
	return t;
}

static unsigned ip_proto(enum net_proto p)
{
	switch (p) {
	case NET_TCP: return IPPROTO_TCP;
	case NET_UDP: return IPPROTO_UDP;
	case NET_SCTP: return IPPROTO_SCTP;
	}
	return IPPROTO_TCP;
}

/* --- the table --- */

static void put_chains(const struct net *n, struct strbuf *b)
{
	struct in_addr net = { .s_addr = n->bridge_ip.s_addr & htonl(ipam_mask(n->prefix)) };
	struct ip_text subnet = ip_text(net);
	const char *br = n->bridge;

	sb_add(b, "\tchain publish {\n"
		  "\t\tdnat ip to ip daddr . meta l4proto . th dport map @ports_at\n"
		  "\t\tdnat ip to meta l4proto . th dport map @ports\n\t}\n");
	/* route_localnet is on for the bridge: without this a container could reach what listens on 127.0.0.1. */
	sb_addf(b,
		"\tchain raw {\n\t\ttype filter hook prerouting priority -300; policy accept;\n"
		"\t\tiifname \"%s\" ip daddr 127.0.0.0/8 drop\n\t}\n",
		br);
	sb_add(b, "\tchain prerouting {\n\t\ttype nat hook prerouting priority -100; policy accept;\n"
		  "\t\tfib daddr type local jump publish\n\t}\n"
		  "\tchain output {\n\t\ttype nat hook output priority -100; policy accept;\n"
		  "\t\tfib daddr type local jump publish\n\t}\n");
	/* Through a published port to a neighbour or to itself, or from 127.0.0.1: the answer has to come back here. */
	sb_addf(b,
		"\tchain postrouting {\n\t\ttype nat hook postrouting priority 100; policy accept;\n"
		"\t\toifname \"%s\" ct status dnat ip saddr { 127.0.0.0/8, %s/%u } masquerade\n",
		br, subnet.s, n->prefix);
	if (n->ip_masq)
		sb_addf(b, "\t\toifname != \"%s\" ip saddr %s/%u masquerade\n", br, subnet.s, n->prefix);
	sb_addf(b,
		"\t}\n\tchain forward {\n\t\ttype filter hook forward priority 0; policy accept;\n"
		"\t\toifname != \"%s\" accept\n"
		"\t\tct state established,related accept\n"
		"\t\tct status dnat accept\n"
		"\t\tiifname \"%s\" %s\n"
		"\t\tdrop\n\t}\n",
		br, br, n->icc ? "accept" : "drop");
}

static void put_ports(struct strbuf *b, const struct member *m, bool any)
{
	struct ip_text ip = ip_text(m->ip);

	for (size_t i = 0; i < m->n_ports; i++) {
		const struct net_port *p = &m->ports[i];
		if ((p->host_ip.s_addr == 0) != any)
			continue;
		sb_add(b, "\t\t\t");
		if (!any)
			sb_addf(b, "%s . ", ip_text(p->host_ip).s);
		sb_addf(b, "%u . %u : %s . %u,\n", ip_proto(p->proto), p->host_first, ip.s, p->port);
	}
}

static void put_map(struct net *n, struct strbuf *b, const char *name, const char *key, bool any)
{
	cleanup_strbuf struct strbuf el = { 0 };

	sb_addf(b, "\tmap %s {\n\t\ttype %s : ipv4_addr . inet_service\n", name, key);
	map_for_each (it, &n->members)
		put_ports(&el, it->value, any);
	if (el.n)
		sb_addf(b, "\t\telements = {\n%s\t\t}\n", el.p);
	sb_add(b, "\t}\n");
}

/* --- beside iptables --- */

static bool iptables(const char *program, char **out, const char *const *args)
{
	const char *argv[24] = { program, "-w", "5" };
	size_t n = 3;

	while (*args && n < ARRAY_LEN(argv) - 1)
		argv[n++] = *args++;
	return proc_run((char *const *)(uintptr_t)argv, NULL, 0, out, OUTPUT_MAX * 16) == 0;
}
#define IPTABLES(program, out, ...) iptables(program, out, (const char *const[]){ __VA_ARGS__, NULL })

/*
 * A host whose FORWARD policy is DROP (dockerd sets it, so do firewalls) drops what our table accepts. Ours is the
 * stricter one, so its traffic is let through at the end of FORWARD, after DOCKER-USER and whatever stands before.
 */
static void beside_iptables(const struct net *n)
{
	const char *program = find_program(iptables_paths);
	cleanup_free char *rules = NULL;

	if (!program || !IPTABLES(program, &rules, "-S", "FORWARD") || !rules ||
	    !str_starts(rules, "-P FORWARD DROP"))
		return;
	bool ok = true;
	for (int out = 0; out < 2; out++) {
		const char *dir = out ? "-o" : "-i";
		if (!IPTABLES(program, NULL, "-C", "FORWARD", dir, n->bridge, "-j", "ACCEPT"))
			ok &= IPTABLES(program, NULL, "-A", "FORWARD", dir, n->bridge, "-j", "ACCEPT");
	}
	if (!ok)
		log_warn(log_kv("bridge", n->bridge),
			 "the FORWARD policy of iptables is DROP, and no exception could be made");
}

int net_rules_write(struct net *n, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };
	cleanup_free char *out = NULL;
	const char *program = find_program(nft_paths);

	if (!program)
		return err_set(
			e, ERR_SYSTEM,
			"the program nft is not installed (package nftables); --iptables=false does without");
	pthread_mutex_lock(&n->lock);
	sb_addf(&b, "table ip %s\ndelete table ip %s\ntable ip %s {\n", n->table, n->table, n->table);
	put_map(n, &b, "ports", "inet_proto . inet_service", true);
	put_map(n, &b, "ports_at", "ipv4_addr . inet_proto . inet_service", false);
	put_chains(n, &b);
	sb_add(&b, "}\n");
	pthread_mutex_unlock(&n->lock);
	int r = proc_run(ARGV(program, "-f", "-"), b.p, b.n, &out, OUTPUT_MAX);
	if (r < 0)
		return err_sys(e, -r, "run %s", program);
	if (r)
		return err_set(e, ERR_SYSTEM, "nft refuses the rules of bridge %s: %.500s", n->bridge,
			       out ? out : "");
	n->rules_written = true;
	beside_iptables(n);
	return 0;
}

void net_rules_remove(struct net *n)
{
	cleanup_strbuf struct strbuf b = { 0 };
	const char *program = find_program(nft_paths);

	if (!n->nft || !program)
		return;
	sb_addf(&b, "table ip %s\ndelete table ip %s\n", n->table, n->table);
	if (proc_run(ARGV(program, "-f", "-"), b.p, b.n, NULL, 0) != 0)
		log_warn(log_kv("table", n->table), "cannot remove the packet rules");
}

/* --- ports --- */

static void add4(uint8_t *to, uint8_t *n, const void *from, size_t len)
{
	memset(to + *n, 0, 4);
	memcpy(to + *n, from, len);
	*n = (uint8_t)(*n + 4);
}

static struct nft_elem *elems_of(struct in_addr ip, const struct net_port *p, size_t count)
{
	struct nft_elem *v = xcalloc(count, sizeof(*v));
	size_t at = 0;

	/* Those of one map together: they share a message. */
	for (int any = 0; any < 2; any++)
		for (size_t i = 0; i < count; i++) {
			if ((p[i].host_ip.s_addr == 0) != any)
				continue;
			struct nft_elem *el = &v[at++];
			uint8_t proto = (uint8_t)ip_proto(p[i].proto);
			uint16_t host = htons(p[i].host_first), port = htons(p[i].port);
			el->set = any ? "ports" : "ports_at";
			if (!any)
				add4(el->key, &el->key_n, &p[i].host_ip, 4);
			add4(el->key, &el->key_n, &proto, 1);
			add4(el->key, &el->key_n, &host, 2);
			add4(el->data, &el->data_n, &ip, 4);
			add4(el->data, &el->data_n, &port, 2);
		}
	return v;
}

/* --- flows of UDP --- */

struct flows {
	const struct net_port *p;
	size_t count;
	struct in_addr ip; /* of the container */
	bool leaving;
	struct in_addr local[64]; /* addresses of the host */
	size_t n_local;
};

static int local_addr(void *arg, const struct nl_addr *a)
{
	struct flows *f = arg;

	if (f->n_local < ARRAY_LEN(f->local))
		f->local[f->n_local++] = a->ip.v4;
	return 0;
}

static bool is_local(const struct flows *f, struct in_addr a)
{
	if (ntohl(a.s_addr) >> 24 == 127)
		return true;
	for (size_t i = 0; i < f->n_local; i++)
		if (f->local[i].s_addr == a.s_addr)
			return true;
	return false;
}

/* Leaving: what the container answered. Coming: what was sent to the port while nobody had it. */
static bool is_stale(void *arg, const struct ct_flow *c)
{
	const struct flows *f = arg;

	for (size_t i = 0; i < f->count; i++) {
		const struct net_port *p = &f->p[i];
		if (p->proto != NET_UDP || p->host_first != c->dst_port)
			continue;
		bool answers = c->reply_src.s_addr == f->ip.s_addr;
		bool to_port = p->host_ip.s_addr ? c->dst.s_addr == p->host_ip.s_addr : is_local(f, c->dst);
		if (f->leaving ? answers : !answers && to_port)
			return true;
	}
	return false;
}

static void forget_flows(struct net *n, struct in_addr ip, const struct net_port *p, size_t count,
			 bool leaving)
{
	struct flows f = { .p = p, .count = count, .ip = ip, .leaving = leaving };
	bool has_udp = false;

	for (size_t i = 0; i < count; i++)
		has_udp |= p[i].proto == NET_UDP;
	if (!has_udp)
		return;
	pthread_mutex_lock(&n->rt_lock);
	int r = leaving ? 0 : nl_addr_list(n->rt, AF_INET, local_addr, &f);
	pthread_mutex_unlock(&n->rt_lock);
	if (r == 0)
		r = ct_forget_udp(is_stale, &f, NULL);
	if (r < 0)
		log_debug(log_kv("table", n->table), "cannot forget flows of UDP: %s", strerrorname_np(-r));
}

int net_rules_add_ports(struct net *n, struct in_addr ip, const struct net_port *p, size_t count)
{
	cleanup_free struct nft_elem *v = elems_of(ip, p, count);

	pthread_mutex_lock(&n->nft_lock);
	int r = nft_elems_add(n->nft_fd, n->table, v, count);
	pthread_mutex_unlock(&n->nft_lock);
	if (r == 0)
		forget_flows(n, ip, p, count, false);
	return r;
}

void net_rules_del_ports(struct net *n, struct in_addr ip, const struct net_port *p, size_t count)
{
	cleanup_free struct nft_elem *v = elems_of(ip, p, count);

	pthread_mutex_lock(&n->nft_lock);
	int r = nft_elems_del(n->nft_fd, n->table, v, count);
	if (r < 0)
		for (size_t i = 0; i < count; i++) {
			r = nft_elems_del(n->nft_fd, n->table, v + i, 1);
			if (r < 0 && r != -ENOENT)
				log_warn(log_kv("table", n->table),
					 "cannot remove the rule of host port %u: %s", p[i].host_first,
					 strerrorname_np(-r));
		}
	pthread_mutex_unlock(&n->nft_lock);
	forget_flows(n, ip, p, count, true);
}
