/* SPDX-License-Identifier: Apache-2.0 */
#include "model/reference.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_names(void **state)
{
	(void)state;
	static const struct {
		const char *in, *full, *familiar, *tag, *digest;
	} t[] = {
		{ "busybox", "docker.io/library/busybox", "busybox", NULL, NULL },
		{ "busybox:1.36", "docker.io/library/busybox", "busybox", "1.36", NULL },
		{ "library/busybox", "docker.io/library/busybox", "busybox", NULL, NULL },
		{ "docker.io/busybox", "docker.io/library/busybox", "busybox", NULL, NULL },
		{ "index.docker.io/busybox", "docker.io/library/busybox", "busybox", NULL, NULL },
		{ "docker.io/library/busybox", "docker.io/library/busybox", "busybox", NULL, NULL },
		{ "user/app", "docker.io/user/app", "user/app", NULL, NULL },
		{ "library/a/b", "docker.io/library/a/b", "library/a/b", NULL, NULL },
		{ "localhost/app", "localhost/app", "localhost/app", NULL, NULL },
		{ "localhost:5000/app:v1", "localhost:5000/app", "localhost:5000/app", "v1", NULL },
		{ "reg.example.com/a/b_c/d--e:T.a-g_1", "reg.example.com/a/b_c/d--e",
		  "reg.example.com/a/b_c/d--e", "T.a-g_1", NULL },
		{ "HOST/app", "HOST/app", "HOST/app", NULL, NULL },
		{ "[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app", NULL, NULL },
		{ "127.0.0.1/app", "127.0.0.1/app", "127.0.0.1/app", NULL, NULL },
		{ "a@sha256:" HEX64, "docker.io/library/a", "a", NULL, "sha256:" HEX64 },
		{ "a:t@sha256:" HEX64, "docker.io/library/a", "a", "t", "sha256:" HEX64 },
		{ "a__b.c-d", "docker.io/library/a__b.c-d", "a__b.c-d", NULL, NULL },
		{ "0123456789ab", "docker.io/library/0123456789ab", "0123456789ab", NULL, NULL },
	};
	cleanup_arena struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		cleanup_err struct err *e = NULL;
		struct reference r;
		if (reference_parse(a, sv_of(t[i].in), &r, &e) < 0)
			fail_msg("%s: %s", t[i].in, err_text(e));
		assert_string_equal(reference_name(a, &r), t[i].full);
		assert_string_equal(reference_familiar_name(a, &r), t[i].familiar);
		assert_true(str_eq(r.tag, t[i].tag));
		assert_true(str_eq(r.digest, t[i].digest));
		/* What is shown is read as the same. */
		struct reference again;
		assert_int_equal(reference_parse(a, sv_of(reference_familiar(a, &r)), &again, NULL), 0);
		assert_true(reference_equal(&r, &again));
		assert_int_equal(reference_parse(a, sv_of(reference_string(a, &r)), &again, NULL), 0);
		assert_true(reference_equal(&r, &again));
	}
	struct reference r;
	assert_int_equal(reference_parse(a, SV("busybox"), &r, NULL), 0);
	reference_default_tag(&r);
	assert_string_equal(reference_string(a, &r), "docker.io/library/busybox:latest");
}

static void bad(const char *in, const char *want)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct reference r;

	if (reference_parse(a, sv_of(in), &r, &e) == 0)
		fail_msg("accepted: '%s'", in);
	assert_int_equal(err_class(e), ERR_INVALID);
	assert_string_equal(err_text(e), want);
}

static void test_rejects(void **state)
{
	(void)state;
	static const char *const invalid[] = {
		"",      ":",         "a:",           "a:b:c", "-a",      "a-",     "a_",       "_a",
		"a___b", "a..b",      "a//b",         "/a",    "a/",      "a b",    "a:.tag",   "a:-tag",
		"a@",    "a@sha256:", "a@sha256:123", "a.b/",  "a.b:x/c", "a.b:/c", "-a.b/c",   "a\tb",
		"a:t/b", "[::1/a",    "[]/a",         "../a",  "a/../b",  "a@b",    "\xc3\xa9", "a:\xc3\xa9"
	};
	for (size_t i = 0; i < ARRAY_LEN(invalid); i++)
		bad(invalid[i], "invalid reference format");
	bad("BusyBox", "invalid reference format: repository name (library/BusyBox) must be lowercase");
	bad("user/App:1", "invalid reference format: repository name (user/App) must be lowercase");
	bad(HEX64, "invalid repository name (" HEX64 "), cannot specify 64-byte hexadecimal strings");
	bad("a@md5:" HEX64, "unsupported digest algorithm");
	bad("a@sha256:0123456789abcdef0123456789abcdef", "invalid checksum digest length");

	cleanup_strbuf struct strbuf b = { 0 };
	sb_add(&b, "a:");
	for (int i = 0; i < 129; i++)
		sb_addc(&b, 't');
	bad(b.p, "invalid reference format");
	sb_reset(&b);
	for (int i = 0; i < 256; i++)
		sb_addc(&b, 'n');
	bad(b.p, "repository name must not be more than 255 characters");

	cleanup_arena struct arena *a = arena_new();
	struct reference r;
	assert_int_equal(reference_parse(a, sv_n("a\0b", 3), &r, NULL), -1);
}

static void test_match(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *name;
		int want;
	} t[] = {
		{ "abc", "abc", 1 },
		{ "*", "abc", 1 },
		{ "*c", "abc", 1 },
		{ "a*", "a", 1 },
		{ "a*", "ab/c", 0 },
		{ "a*/b", "abc/b", 1 },
		{ "a*/b", "a/c/b", 0 },
		{ "a*b*c", "axbxxc", 1 },
		{ "a*b?c*x", "abxbbxdbxebxczzx", 1 },
		{ "a*b?c*x", "abxbbxdbxebxczzy", 0 },
		{ "ab[c]", "abc", 1 },
		{ "ab[b-d]", "abc", 1 },
		{ "ab[e-g]", "abc", 0 },
		{ "ab[^c]", "abc", 0 },
		{ "ab[^e-g]", "abc", 1 },
		{ "a\\*b", "a*b", 1 },
		{ "a\\*b", "ab", 0 },
		{ "a?b", "a/b", 0 },
		{ "[\\]a]", "]", 1 },
		{ "[]a]", "]", -EINVAL },
		{ "[-]", "-", -EINVAL },
		{ "[x-]", "x", -EINVAL },
		{ "[a-b-c]", "a", -EINVAL },
		{ "[", "a", -EINVAL },
		{ "a[", "a", -EINVAL },
		{ "a[", "ab", -EINVAL },
		{ "\\", "a", -EINVAL },
		{ "*x", "xxx", 1 },
		{ "", "", 1 },
		{ "", "a", 0 },
		{ "busybox:*", "busybox:1.36", 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int r = path_match(sv_of(t[i].pattern), sv_of(t[i].name));
		if (r != t[i].want)
			fail_msg("%s ~ %s: %d", t[i].pattern, t[i].name, r);
	}
	cleanup_arena struct arena *a = arena_new();
	struct reference r;
	bool m;
	assert_int_equal(reference_parse(a, SV("busybox:1.36"), &r, NULL), 0);
	assert_int_equal(reference_match(a, "busybox", &r, &m, NULL), 0);
	assert_true(m);
	assert_int_equal(reference_match(a, "busy*:1.*", &r, &m, NULL), 0);
	assert_true(m);
	assert_int_equal(reference_match(a, "*/busybox", &r, &m, NULL), 0);
	assert_false(m);
	assert_int_equal(reference_match(a, "[", &r, &m, NULL), -1);
}

static void test_image_refs(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct image_ref r;

	assert_int_equal(image_ref_parse(a, SV(HEX64), &r, NULL), 0);
	assert_int_equal(r.kind, IMAGE_REF_ID);
	assert_int_equal(image_ref_parse(a, SV("sha256:" HEX64), &r, NULL), 0);
	assert_int_equal(r.kind, IMAGE_REF_ID);
	assert_string_equal(r.hex, HEX64);
	assert_int_equal(image_ref_parse(a, SV("cafe"), &r, NULL), 0);
	assert_int_equal(r.kind, IMAGE_REF_PREFIX);
	assert_true(r.has_name);
	assert_int_equal(image_ref_parse(a, SV("sha256:cafe"), &r, NULL), 0);
	assert_int_equal(r.kind, IMAGE_REF_PREFIX);
	assert_false(r.has_name);
	assert_int_equal(image_ref_parse(a, SV("cafe:1"), &r, NULL), 0);
	assert_int_equal(r.kind, IMAGE_REF_NAME);
	assert_int_equal(image_ref_parse(a, SV("no such"), &r, NULL), -1);
	assert_true(digest_is_valid(SV("sha256:" HEX64)));
	assert_false(digest_is_valid(SV("sha256:" HEX64 "0")));
	assert_false(digest_is_valid(
		SV("sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef")));
	assert_false(digest_is_valid(SV(HEX64)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_rejects),
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_image_refs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
