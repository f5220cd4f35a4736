/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "net/net.h"

#include <arpa/inet.h>

static void bindings(void **state)
{
	cleanup_net_ports struct net_ports p = { 0 };
	(void)state;
	assert_int_equal(net_ports_add(&p, "80/tcp", "", "8080", NULL), 0);
	assert_int_equal(net_ports_add(&p, "53/udp", "127.0.0.1", "", NULL), 0);
	assert_int_equal(net_ports_add(&p, "81", NULL, "9000-9010", NULL), 0);
	assert_int_equal(net_ports_add(&p, "132/SCTP", "0.0.0.0", "0", NULL), 0);
	assert_int_equal(net_ports_add(&p, "80/tcp", "::", "8080", NULL), 0);
	assert_int_equal(p.n, 4);
	assert_int_equal(p.v[0].port, 80);
	assert_int_equal(p.v[0].host_first, 8080);
	assert_int_equal(p.v[0].host_last, 8080);
	assert_int_equal(p.v[1].proto, NET_UDP);
	assert_int_equal(p.v[1].host_first, 0);
	assert_int_equal(ntohl(p.v[1].host_ip.s_addr), 0x7f000001);
	assert_int_equal(p.v[2].proto, NET_TCP);
	assert_int_equal(p.v[2].host_first, 9000);
	assert_int_equal(p.v[2].host_last, 9010);
	assert_int_equal(p.v[3].proto, NET_SCTP);
}

static void refused(void **state)
{
	static const char *const bad[][3] = {
		{ "", "", "80" },          { "0/tcp", "", "80" },     { "65536/tcp", "", "80" },
		{ "80/icmp", "", "80" },   { "80/", "", "80" },       { "-80/tcp", "", "80" },
		{ "80/tcp", "", "65536" }, { "80/tcp", "", "90-80" }, { "80/tcp", "", "a" },
		{ "80/tcp", "", "80-" },   { "80/tcp", "", "0-80" },  { "80/tcp", "1.2.3", "1" },
		{ "80/tcp", "host", "1" }, { "80-81/tcp", "", "" },
	};
	cleanup_net_ports struct net_ports p = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err *e = NULL;
		assert_int_equal(net_ports_add(&p, bad[i][0], bad[i][1], bad[i][2], &e), -1);
		assert_int_equal(err_class(e), ERR_INVALID);
		err_free(e);
	}
	assert_int_equal(p.n, 0);
}

static void record_round_trip(void **state)
{
	struct net_port ports[] = { { .proto = NET_TCP, .port = 80, .host_first = 8080, .host_last = 8080 },
				    { .proto = NET_UDP,
				      .port = 53,
				      .host_first = 5353,
				      .host_last = 5353,
				      .host_ip.s_addr = htonl(0x7f000001) } };
	struct net_endpoint ep = { .ip.s_addr = htonl(0xac110002),
				   .gateway.s_addr = htonl(0xac110001),
				   .prefix = 16,
				   .mac = { 2, 0x42, 0xac, 0x11, 0, 2 },
				   .ifname = "eth0",
				   .veth = "veth0123456",
				   .ports = ports,
				   .n_ports = 2 };
	cleanup_net_endpoint struct net_endpoint back = { 0 };
	cleanup_strbuf struct strbuf b = { 0 }, c = { 0 };
	(void)state;
	id_new(ep.endpoint_id);
	net_endpoint_encode(&ep, &b);
	assert_int_equal(net_endpoint_decode(sb_sv(&b), &back, NULL), 0);
	net_endpoint_encode(&back, &c);
	assert_string_equal(b.p, c.p);
	assert_int_equal(back.n_ports, 2);
	assert_int_equal(back.ports[1].host_ip.s_addr, htonl(0x7f000001));
	/* What version 1 wrote is read for good. */
	static const char v1[] = "1 6f0f2e8ad2e5c1b1a1f1d5f2c5b9e0a7c3f4d2e1b0a9f8e7d6c5b4a392817061 "
				 "10.9.0.3/24 10.9.0.1 02420a090003 eth0 vethabcdef0 "
				 "0.0.0.0:8080:80/tcp";
	net_endpoint_release(&back);
	assert_int_equal(net_endpoint_decode(sv_of(v1), &back, NULL), 0);
	assert_string_equal(back.veth, "vethabcdef0");
	assert_int_equal(back.ports[0].host_first, 8080);
	static const char *const bad[] = {
		"",
		"2 a",
		"1 a b",
		"1 a 1.2.3.4/8 1.2.3.4 0242ac110002 eth0 veth0 0.0.0.0:0:80/tcp",
		"1 a 1.2.3.4/8 1.2.3.4 0242ac11000 eth0 veth0",
		"1 a 1.2.3.4/8 1.2.3.4 0242ac110002 eth0aaaaaaaaaaaaaaaaaaaa veth0"
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct net_endpoint x;
		assert_int_equal(net_endpoint_decode(sv_of(bad[i]), &x, NULL), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bindings),
		cmocka_unit_test(refused),
		cmocka_unit_test(record_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
