/* SPDX-License-Identifier: Apache-2.0 */
#include "model/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct bad {
	const char *in, *want;
};

/* Every bad value gives its text. */
#define CHECK_BAD(list, call)                                                                                \
	for (size_t i = 0; i < ARRAY_LEN(list); i++) {                                                       \
		cleanup_err struct err *e = NULL;                                                            \
		struct sv s = sv_of((list)[i].in);                                                           \
		if ((call) == 0)                                                                             \
			fail_msg("accepted: %s", (list)[i].in);                                              \
		assert_int_equal(err_class(e), ERR_INVALID);                                                 \
		if ((list)[i].want)                                                                          \
			assert_string_equal(err_text(e), (list)[i].want);                                    \
	}

static void test_ulimits(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct api_ulimit u;
	static const struct bad bads[] = {
		{ "nofile", "invalid ulimit argument: nofile" },
		{ "nofiles=1", "invalid ulimit type: nofiles" },
		{ "nofile=2:1", "ulimit soft limit must be less than or equal to hard limit: 2 > 1" },
		{ "nofile=-1:1", "ulimit soft limit must be less than or equal to hard limit: -1 > 1" },
		{ "nofile=1:2:3",
		  "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`" },
		{ "nofile=x", "strconv.ParseInt: parsing \"x\": invalid syntax" },
		{ "nofile=", NULL },
		{ "nofile=1:", NULL },
	};

	assert_int_equal(ulimit_parse(a, SV("nofile=1024:2048"), &u, NULL), 0);
	assert_string_equal(u.name, "nofile");
	assert_int_equal(u.soft, 1024);
	assert_int_equal(u.hard, 2048);
	assert_int_equal(ulimit_parse(a, SV("core=-1"), &u, NULL), 0);
	assert_int_equal(u.hard, -1);
	assert_int_equal(ulimit_parse(a, SV("nproc=5:-1"), &u, NULL), 0);
	CHECK_BAD(bads, ulimit_parse(a, s, &u, &e));
	assert_int_equal(ulimit_number("nofile"), 7);
	assert_int_equal(ulimit_number("rttime"), 15);
}

static void test_restart(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct api_restart_policy p;
	static const struct bad bads[] = {
		{ ":3", "invalid restart policy format: no policy provided before colon" },
		{ "on-failure:x", "invalid restart policy format: maximum retry count must be an integer" },
		{ "always:3",
		  "invalid restart policy: maximum retry count can only be used with 'on-failure'" },
		{ "no:-3", "invalid restart policy: maximum retry count can only be used with 'on-failure' "
			   "and cannot be negative" },
		{ "on-failure:-1", "invalid restart policy: maximum retry count cannot be negative" },
		{ "sometimes", "invalid restart policy: unknown policy 'sometimes'; use one of 'no', "
			       "'always', 'on-failure', "
			       "or 'unless-stopped'" },
	};

	assert_int_equal(restart_policy_parse(a, SV("on-failure:5"), &p, NULL), 0);
	assert_int_equal(p.maximum_retry_count, 5);
	assert_int_equal(restart_policy_check(&p, NULL), 0);
	assert_int_equal(restart_policy_parse(a, SV(""), &p, NULL), 0);
	assert_true(restart_policy_is_none(&p));
	CHECK_BAD(bads, restart_policy_parse(a, s, &p, &e) < 0 ? -1 : restart_policy_check(&p, &e));
}

static void test_devices(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct api_device_mapping d;
	struct device_rule r;
	static const struct bad bads[] = {
		{ "/dev/a:/dev/b:rwm:x", "bad format for path: /dev/a:/dev/b:rwm:x" },
		{ "/dev/a:/dev/b:xyz", "bad mode specified: xyz" },
		{ "dev/a", "dev/a is not an absolute path" },
		{ "/dev/a:b", "b is not an absolute path" },
		{ "", "bad format for path: " },
		{ "/dev/a:", NULL },
	};
	static const struct bad rules[] = {
		{ "c 1:3", "invalid device cgroup rule format: 'c 1:3'" },
		{ "x 1:3 r", NULL },
		{ "c 1 r", NULL },
		{ "c 1:3 ", NULL },
		{ "c 1:3 q", NULL },
		{ "c 1:3 rwmr", NULL },
		{ "c -1:3 r", NULL },
		{ " c 1:3 r", NULL },
		{ "c 1:3  r", NULL },
		{ "c 4294967296:3 r", NULL },
		{ "", NULL },
	};

	assert_int_equal(device_parse(a, SV("/dev/a"), &d, NULL), 0);
	assert_string_equal(d.path_in_container, "/dev/a");
	assert_string_equal(d.cgroup_permissions, "rwm");
	assert_int_equal(device_parse(a, SV("/dev/a:r"), &d, NULL), 0);
	assert_string_equal(d.cgroup_permissions, "r");
	assert_int_equal(device_parse(a, SV("/dev/a:/dev/b:rw"), &d, NULL), 0);
	assert_string_equal(d.path_in_container, "/dev/b");
	CHECK_BAD(bads, device_parse(a, s, &d, &e));
	assert_true(device_is_cdi(SV("vendor.com/gpu=0")));
	assert_false(device_is_cdi(SV("/dev/a")));
	assert_int_equal(device_rule_parse(SV("c *:3 rm"), &r, NULL), 0);
	assert_int_equal(r.major, -1);
	assert_true(r.r && r.m && !r.w);
	CHECK_BAD(rules, device_rule_parse(s, &r, &e));

	struct api_throttle_device t;
	struct api_weight_device w;
	assert_int_equal(throttle_parse(a, SV("/dev/sda:1mb"), true, &t, NULL), 0);
	assert_int_equal(t.rate, 1 << 20);
	assert_int_equal(throttle_parse(a, SV("/dev/sda:1000"), false, &t, NULL), 0);
	assert_int_equal(throttle_parse(a, SV("/dev/sda:1k"), false, &t, NULL), -1);
	assert_int_equal(throttle_parse(a, SV("sda:1"), false, &t, NULL), -1);
	assert_int_equal(throttle_parse(a, SV("/dev/sda"), true, &t, NULL), -1);
	assert_int_equal(weight_device_parse(a, SV("/dev/sda:10"), &w, NULL), 0);
	assert_int_equal(weight_device_parse(a, SV("/dev/sda:5"), &w, NULL), -1);
	assert_int_equal(weight_device_parse(a, SV("/dev/sda:1001"), &w, NULL), -1);
}

static void test_hosts(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	const char *h;
	static const struct bad bads[] = {
		{ "x", "bad format for add-host: \"x\"" },
		{ ":1.2.3.4", "bad format for add-host: \":1.2.3.4\"" },
		{ "x:1.2.3", "invalid IP address in add-host: \"1.2.3\"" },
		{ "x=", "invalid IP address in add-host: \"\"" },
	};

	assert_int_equal(extra_host_parse(a, SV("db:10.0.0.1"), &h, NULL), 0);
	assert_string_equal(h, "db:10.0.0.1");
	assert_int_equal(extra_host_parse(a, SV("db=[::1]"), &h, NULL), 0);
	assert_string_equal(h, "db:::1");
	assert_int_equal(extra_host_parse(a, SV("db:host-gateway"), &h, NULL), 0);
	CHECK_BAD(bads, extra_host_parse(a, s, &h, &e));
}

static void test_cpus(void **state)
{
	(void)state;
	int64_t n;
	static const struct bad bads[] = { { "", NULL },      { ".", NULL },
					   { "1.5.1", NULL }, { "x", NULL },
					   { "-", NULL },     { "1.0000000001", "value is too precise" } };

	assert_int_equal(nano_cpus_parse(SV("1.5"), &n, NULL), 0);
	assert_true(n == 1500000000);
	assert_int_equal(nano_cpus_parse(SV("0.001"), &n, NULL), 0);
	assert_true(n == 1000000);
	assert_int_equal(nano_cpus_parse(SV("2"), &n, NULL), 0);
	assert_int_equal(nano_cpus_parse(SV("-1"), &n, NULL), 0);
	assert_true(n == -1000000000);
	assert_int_equal(nano_cpus_parse(SV(".5"), &n, NULL), 0);
	assert_true(n == 500000000);
	CHECK_BAD(bads, nano_cpus_parse(s, &n, &e));

	unsigned char mask[8] = { 0 };
	assert_int_equal(cpu_list_parse(SV("0-2,7"), 64, mask), 0);
	assert_int_equal(mask[0], 0x87);
	assert_int_equal(cpu_list_parse(SV("64"), 64, mask), -ERANGE);
	assert_int_equal(cpu_list_parse(SV("2-1"), 64, mask), -EINVAL);
	assert_int_equal(cpu_list_parse(SV("1,"), 64, mask), -EINVAL);
	assert_int_equal(cpu_list_parse(SV("a"), 64, mask), -EINVAL);
}

static void test_lxc(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct api_key_value kv;
	static const struct bad bads[] = {
		{ "lxc.network.type", "Unable to parse key/value option: lxc.network.type" },
		{ "type=veth", "Illegal Key passed into LXC Configurations" },
	};

	assert_int_equal(lxc_conf_parse(a, SV("lxc.network.ipv4 = 172.16.21.112/16"), &kv, NULL), 0);
	assert_string_equal(kv.key, "lxc.network.ipv4");
	assert_string_equal(kv.value, "172.16.21.112/16");
	assert_int_equal(lxc_conf_parse(a, SV("foo.cgroup.cpuset.cpus=0,1"), &kv, NULL), 0);
	assert_string_equal(kv.key, "lxc.cgroup.cpuset.cpus");
	CHECK_BAD(bads, lxc_conf_parse(a, s, &kv, &e));
}

static void test_security(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct security_options so;
	const char *v[] = { "no-new-privileges", "seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}",
			    "apparmor:unconfined", "label=disable", "writable-cgroups=true" };
	struct model_str_list l = { .v = v, .n = 5 };
	static const struct bad bads[] = {
		{ "nonsense", "invalid --security-opt 1: \"nonsense\"" },
		{ "what=ever", "invalid --security-opt 2: \"what=ever\"" },
		{ "no-new-privileges=maybe", "invalid --security-opt 2: \"no-new-privileges=maybe\"" },
	};

	assert_int_equal(security_options_parse(a, &l, &so, NULL), 0);
	assert_true(so.no_new_privileges && so.writable_cgroups);
	assert_string_equal(so.apparmor, "unconfined");
	assert_string_equal(so.seccomp, "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}");
	assert_string_equal(so.labels.v[0], "disable");
	for (size_t i = 0; i < ARRAY_LEN(bads); i++) {
		cleanup_err struct err *e = NULL;
		const char *one[] = { bads[i].in };
		assert_int_equal(
			security_options_parse(a, &(struct model_str_list){ .v = one, .n = 1 }, &so, &e), -1);
		assert_string_equal(err_text(e), bads[i].want);
	}
}

static void test_sysctls(void **state)
{
	(void)state;
	struct sysctl_scope own = { .has_hostname = true }, host = { .host_net = true, .host_ipc = true };
	cleanup_err struct err *e = NULL, *e2 = NULL, *e3 = NULL;

	assert_int_equal(sysctl_check("net.core.somaxconn", &own, NULL), 0);
	assert_int_equal(sysctl_check("net/core/somaxconn", &own, NULL), 0);
	assert_int_equal(sysctl_check("kernel.shmmax", &own, NULL), 0);
	assert_int_equal(sysctl_check("fs.mqueue.msg_max", &own, NULL), 0);
	assert_int_equal(sysctl_check("vm.swappiness", &own, &e), -1);
	assert_string_equal(err_text(e), "sysctl \"vm.swappiness\" is not in a separate kernel namespace");
	assert_int_equal(sysctl_check("net.core.somaxconn", &host, &e2), -1);
	assert_string_equal(err_text(e2),
			    "sysctl \"net.core.somaxconn\" not allowed in host network namespace");
	assert_int_equal(sysctl_check("kernel.shmmax", &host, &e3), -1);
	assert_string_equal(err_text(e3),
			    "sysctl \"kernel.shmmax\" is not allowed in the hosts ipc namespace");
	assert_int_equal(sysctl_check("kernel.hostname", &own, NULL), -1);
	assert_int_equal(sysctl_check("", &own, NULL), -1);
	assert_int_equal(sysctl_check("../net.x", &own, NULL), -1);
}

static void test_detach_keys(void **state)
{
	(void)state;
	unsigned char k[DETACH_KEYS_MAX];
	size_t n;
	static const struct bad bads[] = { { "", "Unknown character: ''" },
					   { "ctrl-", "Unknown character: 'ctrl-'" },
					   { "ctrl-A", "Unknown character: 'ctrl-A'" },
					   { "ab", "Unknown character: 'ab'" },
					   { "a,,b", NULL } };

	assert_int_equal(detach_keys_parse(SV("ctrl-p,ctrl-q"), k, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(k[0], 16);
	assert_int_equal(k[1], 17);
	assert_int_equal(detach_keys_parse(SV("ctrl-@,ctrl-[,ctrl-_,DEL,x"), k, &n, NULL), 0);
	assert_int_equal(k[0], 0);
	assert_int_equal(k[1], 27);
	assert_int_equal(k[2], 31);
	assert_int_equal(k[3], 127);
	assert_int_equal(k[4], 'x');
	CHECK_BAD(bads, detach_keys_parse(s, k, &n, &e));
	cleanup_strbuf struct strbuf b = { 0 };
	for (int i = 0; i < DETACH_KEYS_MAX + 1; i++)
		sb_add(&b, i ? ",a" : "a");
	assert_int_equal(detach_keys_parse(sb_sv(&b), k, &n, NULL), -1);
}

static void test_modes(void **state)
{
	(void)state;
	assert_string_equal(mode_container("container:x"), "x");
	assert_string_equal(mode_container("container:"), "");
	assert_null(mode_container("host"));
	assert_null(mode_container(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ulimits),     cmocka_unit_test(test_restart),
		cmocka_unit_test(test_devices),     cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_cpus),        cmocka_unit_test(test_lxc),
		cmocka_unit_test(test_security),    cmocka_unit_test(test_sysctls),
		cmocka_unit_test(test_detach_keys), cmocka_unit_test(test_modes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
