/* SPDX-License-Identifier: Apache-2.0 */
/* Names, signals, sizes and ports. */
#include "model/names.h"
#include "model/ports.h"
#include "model/signals.h"
#include "model/size.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_container_names(void **state)
{
	(void)state;
	struct sv n;
	cleanup_err struct err *e = NULL;

	assert_int_equal(container_name_check(SV("/web_1.a-b"), &n, NULL), 0);
	assert_true(sv_eqs(n, "web_1.a-b"));
	static const char *const invalid[] = { "",   "/",   "a",   "_a",   "-a",
					       ".a", "a b", "a/b", "//ab", "\xc3\xa9t\xc3\xa9" };
	for (size_t i = 0; i < ARRAY_LEN(invalid); i++)
		assert_int_equal(container_name_check(sv_of(invalid[i]), &n, NULL), -1);
	assert_int_equal(container_name_check(SV("a b"), &n, &e), -1);
	assert_string_equal(err_text(e),
			    "Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
	assert_int_equal(volume_name_check(SV("v1"), NULL), 0);
	assert_int_equal(volume_name_check(SV("v"), NULL), -1);
	assert_int_equal(volume_name_check(SV("a/b"), NULL), -1);
}

static void test_random_names(void **state)
{
	(void)state;
	char name[NAME_RANDOM_MAX], last[NAME_RANDOM_MAX] = "";
	bool differ = false;

	for (unsigned i = 0; i < 500; i++) {
		name_random(name, i % 2);
		assert_true(name_is_valid(sv_of(name)));
		assert_non_null(strchr(name, '_'));
		assert_true(strlen(name) < NAME_RANDOM_MAX - 1);
		if (i % 2)
			assert_true(name[strlen(name) - 1] >= '0' && name[strlen(name) - 1] <= '9');
		differ |= *last && !str_eq(name, last);
		memcpy(last, name, sizeof(last));
	}
	assert_true(differ);
}

static void test_signals(void **state)
{
	(void)state;
	assert_int_equal(signal_parse(SV("KILL")), SIGKILL);
	assert_int_equal(signal_parse(SV("sigterm")), SIGTERM);
	assert_int_equal(signal_parse(SV("9")), 9);
	assert_int_equal(signal_parse(SV("64")), 64);
	assert_int_equal(signal_parse(SV("SIGRTMIN+3")), 37);
	assert_int_equal(signal_parse(SV("rtmax-1")), 63);
	assert_int_equal(signal_parse(SV("RTMIN")), 34);
	static const char *const invalid[] = { "",    "0",          "65",      "-1",       "SIG",
					       "FOO", "SIGSIGKILL", "RTMIN-1", "RTMIN+31", "RTMIN+",
					       "9 ",  "KILL9",      "RTMAX+1" };
	for (size_t i = 0; i < ARRAY_LEN(invalid); i++)
		assert_int_equal(signal_parse(sv_of(invalid[i])), -EINVAL);
	assert_string_equal(signal_name(SIGKILL), "SIGKILL");
	assert_string_equal(signal_name(SIGCHLD), "SIGCHLD");
	assert_string_equal(signal_name(37), "SIGRTMIN+3");
	assert_null(signal_name(0));
	for (int i = 1; i <= 64; i++) {
		const char *n = signal_name(i);
		if (n)
			assert_int_equal(signal_parse(sv_of(n)), i);
	}
	cleanup_err struct err *e = NULL;
	int sig;
	assert_int_equal(signal_check(SV("FOO"), &sig, &e), -1);
	assert_string_equal(err_text(e), "invalid signal: FOO");
}

static void ram(const char *s, int64_t want)
{
	int64_t v;
	assert_int_equal(size_parse_ram(sv_of(s), &v, NULL), 0);
	assert_true(v == want);
}

static void bad_size(const char *s, const char *want)
{
	cleanup_err struct err *e = NULL;
	int64_t v;
	assert_int_equal(size_parse_ram(sv_of(s), &v, &e), -1);
	assert_string_equal(err_text(e), want);
}

static void test_sizes(void **state)
{
	(void)state;
	ram("32", 32);
	ram("32b", 32);
	ram("32 B", 32);
	ram("32k", 32 * 1024);
	ram("32kB", 32 * 1024);
	ram("32Kib", 32 * 1024);
	ram("1.5m", 1536 * 1024);
	ram("2 GiB", 2LL << 30);
	ram("1t", 1LL << 40);
	ram("0", 0);
	int64_t v;
	assert_int_equal(size_parse_human(SV("32kB"), &v, NULL), 0);
	assert_true(v == 32000);
	bad_size("", "invalid size: ''");
	bad_size("hello", "invalid size: 'hello'");
	bad_size("-32", "invalid size: '-32'");
	bad_size("1e3", "strconv.ParseFloat: parsing \"1e3\": invalid syntax");
	bad_size("32bb", "invalid suffix: 'bb'");
	bad_size("32mm", "invalid suffix: 'mm'");
	bad_size("32mbx", "invalid suffix: 'mbx'");
	bad_size("32kibb", "invalid suffix: 'kibb'");
	bad_size(" 32", "strconv.ParseFloat: parsing \" 32\": invalid syntax");
	bad_size("9999999999999p", "invalid size: '9999999999999p'");
	assert_string_equal(size_human(1000).s, "1kB");
	assert_string_equal(size_human(1234567).s, "1.235MB");
	assert_string_equal(size_human_prec(1234567, 3).s, "1.23MB");
	assert_string_equal(size_human(0).s, "0B");
	assert_string_equal(size_bytes(1024 * 1024 * 1.5).s, "1.5MiB");
	assert_string_equal(size_bytes(999).s, "999B");
}

static void publish(const char *spec, const char *want_key, const char *want_ip, const char *want_host,
		    size_t count)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct model_str_list ex = { 0 };
	struct api_port_binding_list_map m = { 0 };

	if (ports_publish(a, sv_of(spec), &ex, &m, &e) < 0)
		fail_msg("%s: %s", spec, err_text(e));
	assert_int_equal(m.n, count);
	assert_int_equal(ex.n, count);
	const struct api_port_binding_list *l = ports_get(&m, want_key);
	assert_non_null(l);
	assert_int_equal(l->n, 1);
	assert_string_equal(l->v[0].host_ip, want_ip);
	assert_string_equal(l->v[0].host_port, want_host);
	assert_int_equal(ports_check_bindings(&m, NULL), 0);
}

static void bad_publish(const char *spec, const char *want)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct model_str_list ex = { 0 };
	struct api_port_binding_list_map m = { 0 };

	if (ports_publish(a, sv_of(spec), &ex, &m, &e) == 0)
		fail_msg("accepted: %s", spec);
	assert_string_equal(err_text(e), want);
}

static void test_publish(void **state)
{
	(void)state;
	publish("80", "80/tcp", "", "", 1);
	publish("8080:80", "80/tcp", "", "8080", 1);
	publish("53:53/udp", "53/udp", "", "53", 1);
	publish("127.0.0.1:8080:80", "80/tcp", "127.0.0.1", "8080", 1);
	publish("127.0.0.1::80", "80/tcp", "127.0.0.1", "", 1);
	publish("[::1]:8080:80", "80/tcp", "::1", "8080", 1);
	publish("::1:8080:80", "80/tcp", "::1", "8080", 1);
	publish(":80", "80/tcp", "", "", 1);
	publish("8000-8003:9000-9003", "9002/tcp", "", "8002", 4);
	publish("8000-8010:80", "80/tcp", "", "8000-8010", 1);
	publish("9000-9003/SCTP", "9003/sctp", "", "", 4);
	publish("0:80", "80/tcp", "", "0", 1);
	bad_publish("", "no port specified: <empty>");
	bad_publish("80:", "no port specified: 80:<empty>");
	bad_publish("8080:80/xyz", "invalid proto: xyz");
	bad_publish("abc", "invalid containerPort: abc");
	bad_publish("abc:80", "invalid hostPort: abc");
	bad_publish("65536", "invalid containerPort: 65536");
	bad_publish("90-80", "invalid containerPort: 90-80");
	bad_publish("1.2.3:80:80", "invalid IP address: 1.2.3");
	bad_publish("host:80:80", "invalid IP address: host");
	bad_publish("8000-8001:9000-9003",
		    "invalid ranges specified for container and host Ports: 9000-9003 and 8000-8001");
	bad_publish("-1:80", "invalid hostPort: -1");
	bad_publish("80-:80", "invalid hostPort: 80-");
}

static void test_expose_and_check(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct model_str_list ex = { 0 };

	assert_int_equal(ports_expose(a, SV("80"), &ex, NULL), 0);
	assert_int_equal(ports_expose(a, SV("80/tcp"), &ex, NULL), 0);
	assert_int_equal(ports_expose(a, SV("81-83/udp"), &ex, NULL), 0);
	assert_int_equal(ex.n, 4);
	assert_int_equal(ports_expose(a, SV("8080:80"), &ex, NULL), -1);
	assert_int_equal(ports_expose(a, SV("x"), &ex, NULL), -1);
	assert_int_equal(ports_check_exposed(&ex, NULL), 0);
	model_strs_add(a, &ex, "80/xyz");
	assert_int_equal(ports_check_exposed(&ex, NULL), -1);

	struct api_port_binding_list_map m = { 0 };
	model_list_add(a, ports_add(a, &m, "80/tcp"))->host_port = "notaport";
	cleanup_err struct err *e = NULL;
	assert_int_equal(ports_check_bindings(&m, &e), -1);
	assert_string_equal(err_text(e), "invalid port specification: \"notaport\"");
	struct port_range r;
	assert_int_equal(port_range_parse(SV("70000/tcp"), &r, NULL), -1);
	assert_int_equal(port_range_parse(SV("80/tcp/udp"), &r, NULL), -1);
	assert_int_equal(port_range_parse(SV(""), &r, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_container_names), cmocka_unit_test(test_random_names),
		cmocka_unit_test(test_signals),         cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_publish),         cmocka_unit_test(test_expose_and_check),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
