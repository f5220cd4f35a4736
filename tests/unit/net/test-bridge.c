/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bridge with real interfaces and rules, in a network namespace of this test's own (so nothing outlives it).
 * Needs root; without it the tests are skipped.
 */
#include "../unit.h"

#include "net/net.h"

#include "base/fs.h"
#include "base/proc.h"
#include "kernel/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>

static const struct net_config config = { .bridge = "hoyt0",
					  .bip = "10.77.0.1/24",
					  .icc = true,
					  .ip_masq = true,
					  .ip_forward = true,
					  .nft = true,
					  .spares = 2 };
static bool have_ns;

static int setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		return 0;
	have_ns = proc_run(ARGV("/usr/sbin/ip", "link", "set", "lo", "up"), NULL, 0, NULL, 0) == 0;
	return 0;
}

#define NEED_NS()                                                                                            \
	do {                                                                                                 \
		if (!have_ns)                                                                                \
			skip();                                                                              \
	} while (0)

static struct net *opened(const struct net_config *c)
{
	struct net *n = NULL;
	struct err *e = NULL;

	if (net_open(c, &n, &e) < 0)
		fail_msg("%s", err_text(e));
	return n;
}

static void ends(struct net *n)
{
	struct err *e = NULL;

	if (net_restore_end(n, &e) < 0)
		fail_msg("%s", err_text(e));
}

static int listen_here(void *arg)
{
	uint16_t port = *(uint16_t *)arg;
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 8) < 0)
		return -errno;
	return fd;
}

struct target {
	const char *ip;
	uint16_t port;
};

static int start_connect(void *arg)
{
	const struct target *t = arg;
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(t->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(inet_pton(AF_INET, t->ip, &sa.sin_addr), 1);
	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno != EINPROGRESS ? -errno : fd;
}

/* 0 when a connection was made, or -errno. */
static int connect_here(void *arg)
{
	const struct target *t = arg;
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(t->port) };
	cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int er = 0;
	socklen_t n = sizeof(er);

	assert_int_equal(inet_pton(AF_INET, t->ip, &sa.sin_addr), 1);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno != EINPROGRESS)
		return -errno;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	if (poll(&p, 1, 30000) != 1)
		return -ETIMEDOUT;
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &er, &n), 0);
	return -er;
}

/* The server got the connection (not whoever else listens). */
static void served(int server)
{
	struct pollfd p = { .fd = server, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 30000), 1);
	int c = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	assert_true(c >= 0);
	close(c);
}

static struct net_ns *ns_of(struct net *n)
{
	struct net_ns *ns = NULL;
	assert_int_equal(net_ns_create(n, &ns, NULL), 0);
	return ns;
}

static struct net_endpoint joined(struct net *n, struct net_ns *ns, const char *id, const struct net_port *p,
				  size_t np)
{
	struct net_endpoint ep;
	struct err *e = NULL;

	if (net_endpoint_join(n,
			      &(struct net_endpoint_request){ .id = id, .ns = ns, .ports = p, .n_ports = np },
			      &ep, &e) < 0)
		fail_msg("%s", err_text(e));
	return ep;
}

static void published_port_and_restart(void **state)
{
	NEED_NS();
	struct net *n = opened(&config);
	uint16_t inside = 80;
	struct net_port want[] = { { .proto = NET_TCP, .port = 80, .host_first = 18080, .host_last = 18080 },
				   { .proto = NET_TCP, .port = 80 },
				   { .proto = NET_TCP,
				     .port = 80,
				     .host_first = 18081,
				     .host_last = 18081,
				     .host_ip.s_addr = htonl(0x7f000001) } };
	(void)state;
	ends(n);
	struct net_ns *a = ns_of(n), *b = ns_of(n);
	struct net_endpoint ep = joined(n, a, "a", want, 3), ep2 = joined(n, b, "b", NULL, 0);
	assert_int_equal(ntohl(ep.ip.s_addr), 0x0a4d0002);
	assert_int_equal(ntohl(ep2.ip.s_addr), 0x0a4d0003);
	assert_memory_equal(ep.mac, "\x02\x42\x0a\x4d\x00\x02", 6);
	assert_true(ep.ports[1].host_first >= 1024);
	int server = nl_run_in(net_ns_fd(a), listen_here, &inside);
	assert_true(server >= 0);
	struct target local = { "127.0.0.1", 18080 }, own = { "10.77.0.1", 18080 },
		      random = { "127.0.0.1", ep.ports[1].host_first }, direct = { "10.77.0.2", 80 },
		      one = { "127.0.0.1", 18081 }, closed = { "10.77.0.1", 18081 };
	struct target *const from_host[] = { &local, &own, &random, &direct, &one };
	for (size_t i = 0; i < ARRAY_LEN(from_host); i++) {
		assert_int_equal(connect_here(from_host[i]), 0);
		served(server);
	}
	assert_int_equal(connect_here(&closed), -ECONNREFUSED);
	/* A neighbour, and the container itself through the host. */
	assert_int_equal(nl_run_in(net_ns_fd(b), connect_here, &own), 0);
	served(server);
	assert_int_equal(nl_run_in(net_ns_fd(a), connect_here, &own), 0);
	served(server);
	assert_int_equal(nl_run_in(net_ns_fd(b), connect_here, &direct), 0);
	served(server);
	/* Statistics count what went by. */
	struct net_stats st;
	assert_int_equal(net_endpoint_stats(&ep, &st), 0);
	assert_true(st.rx_packets > 5 && st.tx_packets > 5);

	/* Kept in text; the engine dies; ports work on; a new one finds everything. */
	cleanup_strbuf struct strbuf rec = { 0 };
	net_endpoint_encode(&ep, &rec);
	net_close(n);
	assert_int_equal(connect_here(&local), 0);
	served(server);
	n = opened(&config);
	assert_int_equal(connect_here(&local), 0);
	served(server);
	struct net_endpoint back;
	assert_int_equal(net_endpoint_decode(sb_sv(&rec), &back, NULL), 0);
	assert_int_equal(net_endpoint_restore(n, "a", &back, NULL), 0);
	ends(n);
	for (size_t i = 0; i < ARRAY_LEN(from_host); i++) {
		assert_int_equal(connect_here(from_host[i]), 0);
		served(server);
	}
	/* Its address and ports are not given out again. */
	struct net_ns *c = ns_of(n);
	struct net_endpoint ep3 = joined(n, c, "c", NULL, 0);
	assert_int_not_equal(ep3.ip.s_addr, ep.ip.s_addr);
	struct net_endpoint none;
	struct err *e = NULL;
	struct net_ns *d = ns_of(n);
	assert_int_equal(
		net_endpoint_join(n,
				  &(struct net_endpoint_request){
					  .id = "d", .name = "web", .ns = d, .ports = want, .n_ports = 1 },
				  &none, &e),
		-1);
	assert_true(
		str_starts(err_text(e), "driver failed programming external connectivity on endpoint web ("));
	assert_true(str_ends(err_text(e), "): Bind for 0.0.0.0:18080 failed: port is already allocated"));
	err_free(e);
	/* The failed one left nothing: the same name again, without the port. */
	struct net_endpoint ep4 = joined(n, d, "d", NULL, 0);
	/* Gone: the port leads nowhere, and is free. */
	net_endpoint_leave(n, "a");
	assert_int_equal(connect_here(&local), -ECONNREFUSED);
	uint16_t port = 18080;
	int own_server = listen_here(&port);
	assert_true(own_server >= 0);
	/* A host program has it now. */
	e = NULL;
	struct net_ns *f = ns_of(n);
	assert_int_equal(
		net_endpoint_join(
			n, &(struct net_endpoint_request){ .id = "f", .ns = f, .ports = want, .n_ports = 1 },
			&none, &e),
		-1);
	assert_non_null(strstr(err_text(e), "address already in use"));
	err_free(e);
	close(own_server);
	close(server);
	net_endpoint_release(&ep);
	net_endpoint_release(&ep2);
	net_endpoint_release(&ep3);
	net_endpoint_release(&ep4);
	net_endpoint_release(&back);
	net_ns_free(a);
	net_ns_free(b);
	net_ns_free(c);
	net_ns_free(d);
	net_ns_free(f);
	net_destroy(n);
	struct nl_link l;
	cleanup_close int rt = nl_open(NETLINK_ROUTE);
	assert_int_equal(nl_link_get(rt, "hoyt0", &l), -ENODEV);
}

static void isolated_neighbours(void **state)
{
	NEED_NS();
	struct net_config c = config;
	(void)state;
	c.icc = false;
	c.spares = 0;
	c.bip = NULL;
	struct net *n = opened(&c);
	ends(n);
	struct net_bridge_info info;
	net_bridge_info(n, &info);
	assert_true(info.prefix == 16 || info.prefix == 20);
	struct net_ns *a = ns_of(n), *b = ns_of(n);
	struct net_port want = { .proto = NET_TCP, .port = 80, .host_first = 18090, .host_last = 18090 };
	struct net_endpoint ea = joined(n, a, "a", &want, 1), eb = joined(n, b, "b", NULL, 0);
	uint16_t inside = 80;
	int server = nl_run_in(net_ns_fd(a), listen_here, &inside);
	char ip[INET_ADDRSTRLEN], gw[INET_ADDRSTRLEN];
	inet_ntop(AF_INET, &ea.ip, ip, sizeof(ip));
	inet_ntop(AF_INET, &ea.gateway, gw, sizeof(gw));
	struct target direct = { ip, 80 }, published = { gw, 18090 };
	int waiting = nl_run_in(net_ns_fd(b), start_connect, &direct);
	assert_true(waiting >= 0);
	assert_int_equal(nl_run_in(net_ns_fd(b), connect_here, &published), 0);
	served(server);
	assert_int_equal(connect_here(&direct), 0);
	served(server);
	/* Both of those were served and the direct one, which was first, was not. */
	struct pollfd p[2] = { { .fd = server, .events = POLLIN }, { .fd = waiting, .events = POLLOUT } };
	assert_int_equal(poll(p, 2, 0), 0);
	close(waiting);
	close(server);
	net_endpoint_release(&ea);
	net_endpoint_release(&eb);
	net_ns_free(a);
	net_ns_free(b);
	net_destroy(n);
}

static void loopback_of_the_host_is_closed(void **state)
{
	NEED_NS();
	struct net *n = opened(&config);
	(void)state;
	ends(n);
	struct net_ns *a = ns_of(n);
	struct net_endpoint ea = joined(n, a, "a", NULL, 0);
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(19999),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	cleanup_close int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s, (struct sockaddr *)&sa, sizeof(sa)), 0);
	/* From inside, 127.0.0.0/8 sent over eth0. */
	cleanup_free char *out = NULL;
	struct fdpath ns = fd_path(net_ns_fd(a));
	fd_set_cloexec(net_ns_fd(a), false);
	assert_int_equal(
		proc_run(ARGV("/bin/sh", "-c",
			      "exec nsenter --net=/proc/$PPID/fd/$0 sh -c 'ip addr del 127.0.0.1/8 dev lo; "
			      "ip link set lo down; "
			      "sysctl -qw net.ipv4.conf.eth0.route_localnet=1; ip route add 127.0.0.1/32 via "
			      "10.77.0.1 dev eth0 src 10.77.0.2; "
			      "echo x | busybox nc -u -w 1 127.0.0.1 19999; ip -s route get 127.0.0.1'",
			      ns.s + strlen("/proc/self/fd/")),
			 NULL, 0, &out, 4096),
		0);
	assert_non_null(strstr(out, "via 10.77.0.1"));
	struct pollfd p = { .fd = s, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	net_endpoint_release(&ea);
	net_ns_free(a);
	net_destroy(n);
}

static int udp_here(void *arg)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(*(uint16_t *)arg) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : fd;
}

/* The datagram sent from `client` arrives at `server`. */
static bool arrives(int client, int server, const char *text)
{
	char buf[16];
	struct pollfd p = { .fd = server, .events = POLLIN };
	ssize_t n = (ssize_t)strlen(text);

	assert_int_equal(send(client, text, strlen(text), 0), n);
	return poll(&p, 1, 30000) == 1 && recv(server, buf, sizeof(buf), 0) == n &&
	       memcmp(buf, text, strlen(text)) == 0;
}

/* A client with a port of its own, over the life of two containers: its flow follows the port. */
static void udp_flow_follows_the_port(void **state)
{
	NEED_NS();
	struct net *n = opened(&config);
	struct net_port want = { .proto = NET_UDP, .port = 53, .host_first = 18053, .host_last = 18053 };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(18053),
				  .sin_addr.s_addr = htonl(0x0a4d0001) };
	uint16_t inside = 53, own = 18055;
	char c;
	(void)state;
	ends(n);
	struct net_ns *a = ns_of(n), *b = ns_of(n), *user = ns_of(n);
	struct net_endpoint eu = joined(n, user, "user", NULL, 0);
	cleanup_close int client = nl_run_in(net_ns_fd(user), udp_here, &own);
	assert_true(client >= 0);
	assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
	/* While nobody has it: refused by the host, but tracked. */
	assert_int_equal(send(client, "x", 1, 0), 1);
	struct pollfd p = { .fd = client, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 30000), 1);
	assert_int_equal(recv(client, &c, 1, 0), -1);
	struct net_endpoint ea = joined(n, a, "a", &want, 1);
	cleanup_close int sa = nl_run_in(net_ns_fd(a), udp_here, &inside);
	assert_true(arrives(client, sa, "first"));
	net_endpoint_leave(n, "a");
	struct net_endpoint eb = joined(n, b, "b", &want, 1);
	assert_int_not_equal(ea.ip.s_addr, eb.ip.s_addr);
	cleanup_close int sb = nl_run_in(net_ns_fd(b), udp_here, &inside);
	assert_true(arrives(client, sb, "second"));
	net_endpoint_release(&ea);
	net_endpoint_release(&eb);
	net_endpoint_release(&eu);
	net_ns_free(a);
	net_ns_free(b);
	net_ns_free(user);
	net_destroy(n);
}

static void refusals(void **state)
{
	NEED_NS();
	struct net *n = NULL;
	static const struct net_config bad[] = {
		{ .bridge = "a/b" },
		{ .bridge = "hoyt1", .bip = "10.78.0.1" },
		{ .bridge = "hoyt1", .bip = "10.78.0.1/31" },
		{ .bridge = "hoyt1", .bip = "10.78.0.1/24", .fixed_cidr = "10.79.0.0/25" },
		{ .bridge = "hoyt1", .bip = "10.78.0.1/24", .default_gateway = "10.79.0.1" },
		{ .bridge = "lo" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err *e = NULL;
		assert_int_equal(net_open(&bad[i], &n, &e), -1);
		assert_int_equal(err_class(e), ERR_INVALID);
		err_free(e);
	}
	struct net_config none = { .bridge = "none" };
	n = opened(&none);
	ends(n);
	struct net_ns *a = ns_of(n);
	struct net_endpoint ep;
	assert_int_equal(
		net_endpoint_join(n, &(struct net_endpoint_request){ .id = "a", .ns = a }, &ep, NULL), -1);
	net_ns_free(a);
	net_close(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_port_and_restart),
		cmocka_unit_test(isolated_neighbours),
		cmocka_unit_test(loopback_of_the_host_is_closed),
		cmocka_unit_test(udp_flow_follows_the_port),
		cmocka_unit_test(refusals),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
