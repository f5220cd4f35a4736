/* SPDX-License-Identifier: Apache-2.0 */
/* Users, environments, platforms, capabilities. */
#include "model/caps.h"
#include "model/env.h"
#include "model/platform.h"
#include "model/user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "# a comment\n"
			     "broken line\n"
			     "bad:x:abc:1::/:\n"
			     "app:x:1000:1001:App:/home/app:/bin/sh\n"
			     "nohome:x:1002:1002\n"
			     "2000:x:77:78::/odd:\n";
static const char group[] = "root:x:0:\n"
			    "daemon:x:1:app,root\n"
			    "app:x:1001:\n"
			    "wheel:x:10:app\n"
			    "junk\n";

static void user(const char *spec, uint32_t uid, uint32_t gid, const char *home, size_t n_groups)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct user_id u;

	if (user_lookup(a, sv_of(spec), sv_of(passwd), sv_of(group), &u, &e) < 0)
		fail_msg("%s: %s", spec, err_text(e));
	assert_int_equal(u.uid, uid);
	assert_int_equal(u.gid, gid);
	assert_string_equal(u.home, home);
	assert_int_equal(u.n_groups, n_groups);
}

static void bad_user(const char *spec, const char *want)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct user_id u;

	if (user_lookup(a, sv_of(spec), sv_of(passwd), sv_of(group), &u, &e) == 0)
		fail_msg("accepted: %s", spec);
	assert_string_equal(err_text(e), want);
}

static void test_users(void **state)
{
	(void)state;
	user("", 0, 0, "/root", 1);
	user("root", 0, 0, "/root", 1);
	user("app", 1000, 1001, "/home/app", 2);
	user("1000", 1000, 1001, "/home/app", 2);
	user("app:wheel", 1000, 10, "/home/app", 0);
	user("app:5", 1000, 5, "/home/app", 0);
	user("4242", 4242, 0, "/", 0);
	user("4242:4343", 4242, 4343, "/", 0);
	user(":wheel", 0, 10, "/root", 0);
	user("nohome", 1002, 1002, "/", 0);
	user("2000", 77, 78, "/odd", 0);
	user("app:", 1000, 1001, "/home/app", 2);
	bad_user("nobody", "unable to find user nobody: no matching entries in passwd file");
	bad_user("app:nogroup", "unable to find group nogroup: no matching entries in group file");
	bad_user("-1", "uids and gids must be in range 0-2147483647");
	bad_user("4294967295", "uids and gids must be in range 0-2147483647");
	bad_user("0:99999999999", "uids and gids must be in range 0-2147483647");
	bad_user("bad", "unable to find user bad: no matching entries in passwd file");
	bad_user("app:a:b", "unable to find group a:b: no matching entries in group file");

	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct user_id u;
	assert_int_equal(user_lookup(a, SV("5"), (struct sv){ 0 }, (struct sv){ 0 }, &u, NULL), 0);
	assert_int_equal(u.uid, 5);
	static const char *const add[] = { "wheel", "99", "10" };
	assert_int_equal(user_add_groups(a, add, 3, sv_of(group), &u, NULL), 0);
	assert_int_equal(u.n_groups, 2);
	assert_int_equal(u.groups[1], 99);
	static const char *const none[] = { "nope" };
	assert_int_equal(user_add_groups(a, none, 1, sv_of(group), &u, &e), -1);
	assert_string_equal(err_text(e), "Unable to find group nope: no matching entries in group file");
}

static void test_env(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	const char *base[] = { "PATH=/bin", "A=1", "EMPTY=" };
	struct model_str_list env = { .v = base, .n = 3 };
	const char *over[] = { "A=2", "B=3", "PATH", "AB=4" };
	struct model_str_list o = { .v = over, .n = 4 };

	env_merge(a, &env, &o);
	assert_null(env_get(&env, "PATH"));
	assert_string_equal(env_get(&env, "A"), "2");
	assert_string_equal(env_get(&env, "AB"), "4");
	assert_string_equal(env_get(&env, "EMPTY"), "");
	assert_int_equal(env.n, 4);
	assert_string_equal(base[1], "A=1");
	env_set(a, &env, "A", "9");
	env_set_default(a, &env, "A", "no");
	env_set_default(a, &env, "HOME", "/");
	assert_string_equal(env_get(&env, "A"), "9");
	assert_string_equal(env_get(&env, "HOME"), "/");
	env_inherit(a, &env,
		    &(struct model_str_list){ .v = (const char *[]){ "A=image", "LANG=C" }, .n = 2 });
	assert_string_equal(env_get(&env, "A"), "9");
	assert_string_equal(env_get(&env, "LANG"), "C");

	cleanup_err struct err *e = NULL;
	assert_int_equal(env_check(&env, NULL), 0);
	assert_int_equal(env_check(&(struct model_str_list){ .v = (const char *[]){ "=x" }, .n = 1 }, &e),
			 -1);
	assert_string_equal(err_text(e), "invalid environment variable: =x");
	assert_int_equal(env_check(&(struct model_str_list){ .v = (const char *[]){ "" }, .n = 1 }, NULL),
			 -1);
}

static const char *lookup(void *ctx, const char *name)
{
	(void)ctx;
	return str_eq(name, "FROM_ME") ? "caller" : NULL;
}

static void test_env_files(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct model_str_list l = { 0 };
	cleanup_err struct err *e = NULL;

	assert_int_equal(
		env_file_parse(a, "f",
			       SV("\xef\xbb\xbf# c\nA=1 \n  B=x=y\r\n\nFROM_ME\nNOT_SET\nQ=\"a b\"\nZ="),
			       false, lookup, NULL, &l, NULL),
		0);
	assert_int_equal(l.n, 5);
	assert_string_equal(l.v[0], "A=1 ");
	assert_string_equal(l.v[1], "B=x=y");
	assert_string_equal(l.v[2], "FROM_ME=caller");
	assert_string_equal(l.v[3], "Q=\"a b\"");
	assert_string_equal(l.v[4], "Z=");
	assert_int_equal(env_file_parse(a, "f", SV("A B=1"), false, lookup, NULL, &l, &e), -1);
	assert_string_equal(err_text(e), "invalid env file (f): variable 'A B' contains whitespaces");
	cleanup_err struct err *e2 = NULL;
	assert_int_equal(env_file_parse(a, "f", SV("=1"), false, lookup, NULL, &l, &e2), -1);
	assert_string_equal(err_text(e2), "invalid env file (f): no variable name on line '=1'");
	struct model_str_list labels = { 0 };
	assert_int_equal(env_file_parse(a, "f", SV("a\nb=2"), true, NULL, NULL, &labels, NULL), 0);
	assert_int_equal(labels.n, 2);
	assert_string_equal(labels.v[0], "a");
}

static void plat(const char *in, const char *want)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct platform p;

	if (platform_parse(a, sv_of(in), &p, &e) < 0)
		fail_msg("%s: %s", in, err_text(e));
	assert_string_equal(platform_text(a, p), want);
}

static void test_platforms(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct platform p, q;

	plat("linux/amd64", "linux/amd64");
	plat("Linux/x86_64", "linux/amd64");
	plat("linux/arm64/v8", "linux/arm64");
	plat("aarch64", "linux/arm64");
	plat("linux/arm", "linux/arm/v7");
	plat("linux/arm/6", "linux/arm/v6");
	plat("armel", "linux/arm/v6");
	plat("windows/amd64", "windows/amd64");
	assert_int_equal(platform_parse(a, SV("nonsense"), &p, &e), -1);
	assert_string_equal(err_text(e),
			    "\"nonsense\": unknown operating system or architecture: invalid argument");
	assert_int_equal(platform_parse(a, SV(""), &p, NULL), -1);
	assert_int_equal(platform_parse(a, SV("a/b/c/d"), &p, NULL), -1);
	assert_int_equal(platform_parse(a, SV("linux/*"), &p, NULL), -1);
	assert_int_equal(platform_parse(a, SV("linux//"), &p, NULL), -1);

	assert_int_equal(platform_parse(a, SV("linux/arm/v7"), &p, NULL), 0);
	assert_int_equal(platform_parse(a, SV("linux/arm/v6"), &q, NULL), 0);
	assert_true(platform_matches(p, q));
	assert_false(platform_matches(q, p));
	assert_true(platform_matches(platform_host(), platform_host()));
	q = (struct platform){ "linux", "arm64", "v8" };
	p = (struct platform){ "linux", "arm64", "" };
	assert_true(platform_matches(p, q));
}

static void test_caps(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct model_str_list add = { 0 }, drop = { 0 }, out = { 0 };

	assert_string_equal(cap_normalize(SV("net_admin")), "CAP_NET_ADMIN");
	assert_string_equal(cap_normalize(SV("cap_sys_admin")), "CAP_SYS_ADMIN");
	assert_string_equal(cap_normalize(SV("all")), "ALL");
	assert_null(cap_normalize(SV("fly")));
	assert_null(cap_normalize(SV("CAP_ALL")));
	assert_int_equal(cap_number(SV("CAP_CHOWN")), 0);
	assert_int_equal(cap_number(SV("CAP_CHECKPOINT_RESTORE")), 40);
	assert_null(cap_name(41));

	caps_combine(a, &add, &drop, false, &out);
	assert_int_equal(out.n, 14);
	model_strs_add(a, &add, "NET_ADMIN");
	model_strs_add(a, &drop, "chown");
	caps_combine(a, &add, &drop, false, &out);
	assert_int_equal(out.n, 14);
	assert_true(model_strs_has(&out, "CAP_NET_ADMIN"));
	assert_false(model_strs_has(&out, "CAP_CHOWN"));
	model_strs_add(a, &drop, "ALL");
	caps_combine(a, &add, &drop, false, &out);
	assert_int_equal(out.n, 1);
	model_strs_add(a, &add, "ALL");
	caps_combine(a, &add, &drop, false, &out);
	assert_int_equal(out.n, 40);
	caps_combine(a, &add, &drop, true, &out);
	assert_int_equal(out.n, 41);
	assert_int_equal(caps_check(&add, &drop, NULL), 0);
	model_strs_add(a, &drop, "fly");
	assert_int_equal(caps_check(&add, &drop, &e), -1);
	assert_string_equal(err_text(e), "invalid CapDrop: unknown capability: \"CAP_FLY\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),     cmocka_unit_test(test_env),
		cmocka_unit_test(test_env_files), cmocka_unit_test(test_platforms),
		cmocka_unit_test(test_caps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
