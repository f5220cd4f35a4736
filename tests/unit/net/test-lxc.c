/* SPDX-License-Identifier: Apache-2.0 */
/* --lxc-conf: the keys, and what they make in a namespace of this test's own (needs root, else skipped). */
#include "../unit.h"

#include "net/lxc-internal.h"

#include "base/fs.h"
#include "base/proc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>

#define PARSE(out, ...) parse((const char *const[]){ __VA_ARGS__, NULL }, out)

/* "key=value" lines. NULL, or the error's text. */
static char *parse(const char *const *lines, struct net_lxc **out)
{
	struct net_lxc_kv kv[NET_LXC_MAX_KEYS + 8] = { 0 };
	char *own[NET_LXC_MAX_KEYS + 8][2];
	size_t n = 0;
	struct err *e = NULL;
	char *text = NULL;

	for (; lines[n]; n++) {
		assert_int_equal(net_lxc_split(lines[n], &own[n][0], &own[n][1], NULL), 0);
		kv[n] = (struct net_lxc_kv){ own[n][0], own[n][1] };
	}
	*out = NULL;
	if (net_lxc_parse(kv, n, out, &e) < 0) {
		assert_int_equal(err_class(e), ERR_INVALID);
		text = xstrdup(err_text(e));
		err_free(e);
	}
	for (size_t i = 0; i < n; i++) {
		free(own[i][0]);
		free(own[i][1]);
	}
	return text;
}

#define SEED                                                                                                 \
	"lxc.network.type=veth", "lxc.network.ipv4=172.16.21.112/16",                                        \
		"lxc.network.ipv4.gateway=172.16.255.254", "lxc.network.link=br0", "lxc.network.name=eth0",  \
		"lxc.network.flags=up"

static void seed_example(void **state)
{
	cleanup_net_lxc struct net_lxc *l = NULL;
	(void)state;
	assert_null(PARSE(&l, SEED));
	assert_int_equal(net_lxc_sections(l), 1);
	const struct lxc_section *s = l->s[0];
	assert_int_equal(s->type, LXC_VETH);
	assert_int_equal(ntohl(s->addr[0].ip.v4.s_addr), 0xac101570);
	assert_int_equal(s->addr[0].prefix, 16);
	assert_int_equal(ntohl(s->gateway4.ip.v4.s_addr), 0xac10fffe);
	assert_string_equal(s->link, "br0");
	assert_string_equal(s->name, "eth0");
	assert_true(s->up);
	assert_false(net_lxc_wants_host(l));
}

static void several_sections(void **state)
{
	cleanup_net_lxc struct net_lxc *l = NULL;
	(void)state;
	assert_null(PARSE(&l, "lxc.network.type = empty", "x.network.type=veth", "lxc.network.ipv4=10.0.0.1",
			  "lxc.network.ipv4=192.168.1.1 192.168.1.9", "lxc.network.ipv4=0.0.0.0",
			  "lxc.network.ipv6=fd00::1", "lxc.network.type=macvlan", "lxc.network.link=eth1",
			  "lxc.network.hwaddr=0x:16:3E:xx:xx:xx", "lxc.network.macvlan.mode=bridge",
			  "lxc.network.1.mtu=1400", "lxc.network.1.veth.pair=vpair", "lxc.utsname=box",
			  "lxc.cgroup.cpuset.cpus = 0,1", "lxc.tty=4", "lxc.cap.drop=sys_module mac_admin"));
	assert_int_equal(l->n, 3);
	assert_int_equal(l->s[0]->type, LXC_EMPTY);
	assert_int_equal(l->s[1]->n_addr, 3);
	assert_int_equal(l->s[1]->addr[0].prefix, 8);
	assert_int_equal(l->s[1]->addr[1].prefix, 24);
	assert_int_equal(ntohl(l->s[1]->addr[1].broadcast.v4.s_addr), 0xc0a80109);
	assert_int_equal(l->s[1]->addr[2].prefix, 64);
	assert_int_equal(l->s[1]->mtu, 1400);
	assert_string_equal(l->s[1]->pair, "vpair");
	assert_int_equal(l->s[2]->macvlan_mode, 4);
	assert_int_equal(l->s[2]->mac[0] & 0xf1, 0);
	assert_memory_equal(l->s[2]->mac + 1, "\x16\x3e", 2);
	size_t n;
	const struct net_lxc_line *o = net_lxc_others(l, &n);
	assert_int_equal(n, 3);
	assert_int_equal(o[0].kind, NET_LXC_UTSNAME);
	assert_string_equal(o[0].value, "box");
	assert_int_equal(o[1].kind, NET_LXC_CGROUP);
	assert_string_equal(o[1].name, "cpuset.cpus");
	assert_string_equal(o[1].value, "0,1");
	assert_int_equal(o[2].kind, NET_LXC_CAP_DROP);
}

static void modern_keys(void **state)
{
	cleanup_net_lxc struct net_lxc *l = NULL;
	(void)state;
	assert_null(PARSE(&l, "lxc.net.0.type=veth", "lxc.net.0.link=br0", "lxc.net.5.type=phys",
			  "lxc.net.5.link=eth9", "lxc.net.0.ipv4.address=10.0.0.2/24", "lxc.net.0.flags=up",
			  "lxc.net.0.ipv4.gateway=auto"));
	assert_int_equal(l->n, 2);
	assert_int_equal(l->s[0]->n_addr, 1);
	assert_int_equal(l->s[0]->gateway4.kind, LXC_GW_AUTO);
	assert_string_equal(l->s[1]->link, "eth9");
	net_lxc_free(l);
	/* An empty value clears what was collected. */
	assert_null(PARSE(&l, "lxc.net.0.type=veth", "lxc.net=", "lxc.network.type=none"));
	assert_true(net_lxc_wants_host(l));
}

static void refused(void **state)
{
	static const char *const bad[][3] = {
		{ "lxc.network.link=br0", NULL, "before the network type" },
		{ "lxc.network.type=tun", NULL, "unknown network type" },
		{ "nodots=1", NULL, "Illegal Key passed into LXC Configurations" },
		{ "lxc.network.type=veth", "lxc.network.link=averylonginterfacename", "invalid value" },
		{ "lxc.network.type=veth", "lxc.network.name=../x", "invalid value" },
		{ "lxc.network.type=veth", "lxc.network.ipv4=10.0.0.256/8", "invalid value" },
		{ "lxc.network.type=veth", "lxc.network.ipv4=10.0.0.1/33", "invalid value" },
		{ "lxc.network.type=veth", "lxc.network.ipv4=10.0.0.1/8 nobody", "invalid value" },
		{ "lxc.network.type=veth", "lxc.network.hwaddr=00:11:22:33:44", "invalid value" },
		{ "lxc.network.type=veth", "lxc.network.hwaddr=01:11:22:33:44:55", "invalid value" },
		{ "lxc.network.type=veth", "lxc.network.mtu=12", "invalid value" },
		{ "lxc.network.type=veth", "lxc.network.mtu=-5", "invalid value" },
		{ "lxc.network.type=veth", "lxc.network.flags=down", "invalid value" },
		{ "lxc.network.type=veth", "lxc.network.ipv4.gateway=10.0.0.1",
		  "needs lxc.network.flags=up" },
		{ "lxc.network.type=veth", "lxc.network.macvlan.mode=bridge", "does not fit" },
		{ "lxc.network.type=veth", "lxc.network.script.up=/bin/true", "not supported" },
		{ "lxc.network.type=veth", "lxc.network.colour=red", "unknown key" },
		{ "lxc.network.type=macvlan", NULL, "needs lxc.network.link" },
		{ "lxc.network.type=none", "lxc.network.type=veth", "allows no other" },
		{ "lxc.network.3.link=br0", NULL, "before the network type" },
		{ "lxc.net.type=veth", NULL, "number of the interface is missing" },
		{ "lxc.hook.start=/x", NULL, "not supported" },
		{ "lxc.rootfs=/", NULL, "not supported" },
		{ "lxc.include=/etc/passwd", NULL, "not supported" },
		{ "lxc.nonsense=1", NULL, "unknown key" },
		{ "lxc.cgroup.=1", NULL, "unknown key" },
	};
	struct net_lxc *l;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup_free char *text = PARSE(&l, bad[i][0], bad[i][1]);
		assert_non_null(text);
		assert_null(l);
		if (!strstr(text, bad[i][2]))
			fail_msg("%s %s: %s", bad[i][0], bad[i][1] ? bad[i][1] : "", text);
	}
	char *k, *v;
	struct err *e = NULL;
	assert_int_equal(net_lxc_split("lxc.network.type", &k, &v, &e), -1);
	assert_string_equal(err_text(e), "Unable to parse key/value option: lxc.network.type");
	err_free(e);
}

static void limits(void **state)
{
	const char *lines[NET_LXC_MAX_KEYS + 2];
	struct net_lxc *l;
	(void)state;
	for (size_t i = 0; i < NET_LXC_MAX_KEYS + 1; i++)
		lines[i] = "lxc.tty=1";
	lines[NET_LXC_MAX_KEYS + 1] = NULL;
	cleanup_free char *text = parse(lines, &l);
	assert_non_null(strstr(text, "more than"));
	for (size_t i = 0; i < NET_LXC_MAX_SECTIONS + 1; i++)
		lines[i] = "lxc.network.type=empty";
	lines[NET_LXC_MAX_SECTIONS + 1] = NULL;
	cleanup_free char *text2 = parse(lines, &l);
	assert_non_null(strstr(text2, "more than"));
}

/* --- with real interfaces --- */

static bool have_ns;

static int setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		return 0;
	have_ns = proc_run(ARGV("/bin/sh", "-ec",
				"ip link set lo up; ip link add br0 type bridge; ip addr add "
				"172.16.255.254/16 dev br0; ip link set br0 up; "
				"ip link add mv0 type veth peer name mv1; ip link set mv0 up; ip link set "
				"mv1 up; ip link add px type veth peer name py"),
			   NULL, 0, NULL, 0) == 0;
	assert_true(have_ns);
	return 0;
}

static char *inside(struct net_ns *ns, const char *command)
{
	char *out = NULL;
	cleanup_free char *net = xasprintf("--net=/proc/%d/fd/%d", getpid(), net_ns_fd(ns));

	assert_int_equal(
		proc_run(ARGV("/usr/bin/nsenter", net, "/bin/sh", "-c", command), NULL, 0, &out, 65536), 0);
	return out;
}

static char *here(const char *command)
{
	char *out = NULL;

	assert_int_equal(proc_run(ARGV("/bin/sh", "-c", command), NULL, 0, &out, 65536), 0);
	return out;
}

static void contains(char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("'%s' is not in:\n%s", what, text);
	free(text);
}

static struct net *a_net(void)
{
	struct net *n = NULL;
	assert_int_equal(net_open(&(struct net_config){ .bridge = "none" }, &n, NULL), 0);
	return n;
}

static void applied(const struct net_lxc *l, struct net_ns *ns)
{
	struct err *e = NULL;
	if (net_lxc_apply(l, ns, &e) < 0)
		fail_msg("%s", err_text(e));
}

static void seed_example_works(void **state)
{
	cleanup_net_lxc struct net_lxc *l = NULL;
	(void)state;
	if (!have_ns)
		skip();
	struct net *n = a_net();
	struct net_ns *ns = NULL;
	assert_null(PARSE(&l, SEED, "lxc.network.veth.pair=vseed"));
	assert_int_equal(net_ns_create(n, &ns, NULL), 0);
	applied(l, ns);
	contains(inside(ns, "ip -4 addr show dev eth0"),
		 "inet 172.16.21.112/16 brd 172.16.255.255 scope global eth0");
	contains(inside(ns, "ip route"), "default via 172.16.255.254 dev eth0");
	contains(inside(ns, "ip link show dev eth0"), ",UP,LOWER_UP>");
	contains(here("bridge link show"), "master br0");
	contains(here("ip link show dev vseed"), "master br0");
	contains(inside(ns, "busybox ping -c 1 -w 30 172.16.255.254"), "1 packets received");
	/* Deleting the namespace takes both ends. */
	net_ns_free(ns);
	net_close(n);
}

static void other_types(void **state)
{
	cleanup_net_lxc struct net_lxc *l = NULL;
	(void)state;
	if (!have_ns)
		skip();
	struct net *n = a_net();
	struct net_ns *ns = NULL;
	assert_null(PARSE(&l, "lxc.network.type=empty", "lxc.network.type=macvlan", "lxc.network.link=mv0",
			  "lxc.network.ipv4=10.9.0.2/24", "lxc.network.flags=up",
			  "lxc.network.ipv4.gateway=10.99.0.1", "lxc.network.hwaddr=02:00:00:00:00:07",
			  "lxc.network.type=phys", "lxc.network.link=mv1", "lxc.network.name=phys0",
			  "lxc.network.type=veth", "lxc.network.mtu=1400", "lxc.network.ipv6=fd00::2/64",
			  "lxc.network.flags=up", "lxc.network.type=veth", "lxc.network.link=br0",
			  "lxc.network.flags=up", "lxc.network.ipv4=172.16.0.9/16"));
	assert_int_equal(net_ns_create(n, &ns, NULL), 0);
	applied(l, ns);
	contains(inside(ns, "ip addr show dev eth0"), "link/ether 02:00:00:00:00:07");
	/* A gateway outside the subnet is reached over the link. */
	contains(inside(ns, "ip route"), "10.99.0.1 dev eth0 scope link");
	contains(inside(ns, "ip route"), "default via 10.99.0.1 dev eth0");
	contains(inside(ns, "ip link show"), "phys0");
	contains(inside(ns, "ip link show dev eth1"), "mtu 1400");
	contains(inside(ns, "ip addr show dev eth1"), "inet6 fd00::2/64");
	contains(inside(ns, "ip addr show dev eth2"), "inet 172.16.0.9/16");
	assert_int_not_equal(proc_run(ARGV("/usr/sbin/ip", "link", "show", "dev", "mv1"), NULL, 0, NULL, 0),
			     0);
	net_lxc_undo(l, net_ns_fd(ns));
	contains(here("ip link show dev mv1"), "mv1");
	net_ns_free(ns);
	net_close(n);
}

static void failure_leaves_nothing(void **state)
{
	cleanup_net_lxc struct net_lxc *l = NULL;
	(void)state;
	if (!have_ns)
		skip();
	struct net *n = a_net();
	struct net_ns *ns = NULL;
	struct err *e = NULL;
	assert_null(PARSE(&l, "lxc.network.type=veth", "lxc.network.link=br0", "lxc.network.veth.pair=vgone",
			  "lxc.network.type=phys", "lxc.network.link=px", "lxc.network.name=other",
			  "lxc.network.type=veth", "lxc.network.link=nobridge"));
	assert_int_equal(net_ns_create(n, &ns, NULL), 0);
	assert_int_equal(net_lxc_apply(l, ns, &e), -1);
	assert_non_null(strstr(err_text(e), "failed to attach to 'nobridge'"));
	err_free(e);
	assert_int_not_equal(proc_run(ARGV("/usr/sbin/ip", "link", "show", "dev", "vgone"), NULL, 0, NULL, 0),
			     0);
	contains(here("ip link show dev px"), "px");
	cleanup_free char *links = inside(ns, "ip -o link | grep -vc LOOPBACK; true");
	assert_string_equal(links, "0\n");
	net_lxc_free(l);
	assert_null(PARSE(&l, "lxc.network.type=veth", "lxc.network.link=mv0"));
	e = NULL;
	assert_int_equal(net_lxc_apply(l, ns, &e), -1);
	assert_non_null(strstr(err_text(e), "it is no bridge"));
	err_free(e);
	net_ns_free(ns);
	net_close(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seed_example), cmocka_unit_test(several_sections),
		cmocka_unit_test(modern_keys),  cmocka_unit_test(refused),
		cmocka_unit_test(limits),       cmocka_unit_test(seed_example_works),
		cmocka_unit_test(other_types),  cmocka_unit_test(failure_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
