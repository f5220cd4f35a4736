/* SPDX-License-Identifier: Apache-2.0 */
#include "model/filters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *const keys[] = { "label", "label!", "name", "dangling", "status", "id", NULL };

static void test_both_forms(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct filters f;

	assert_int_equal(
		filters_parse(a,
			      SV("{\"status\":{\"running\":true,\"exited\":true},\"label\":[\"a=b\",\"c\"]}"),
			      keys, &f, NULL),
		0);
	assert_true(filters_has(&f, "status"));
	assert_false(filters_has(&f, "name"));
	assert_int_equal(filters_get(&f, "status")->n, 2);
	assert_true(filters_exact(&f, "status", "exited"));
	assert_false(filters_exact(&f, "status", "paused"));
	assert_true(filters_exact(&f, "name", "anything"));

	struct model_str_map labels = { 0 };
	assert_false(filters_labels(&f, "label", &labels));
	model_map_put(a, &labels, "a", "b");
	assert_false(filters_labels(&f, "label", &labels));
	model_map_put(a, &labels, "c", "whatever");
	assert_true(filters_labels(&f, "label", &labels));

	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	filters_encode(&w, &f);
	assert_string_equal(
		b.p, "{\"status\":{\"running\":true,\"exited\":true},\"label\":{\"a=b\":true,\"c\":true}}");
	assert_int_equal(filters_parse(a, SV(""), keys, &f, NULL), 0);
	assert_int_equal(filters_parse(a, SV("{}"), keys, &f, NULL), 0);
	assert_int_equal(filters_parse(a, SV("null"), keys, &f, NULL), 0);
	assert_int_equal(filters_parse(a, SV("{\"name\":null}"), keys, &f, NULL), 0);
}

static void bad(const char *text, const char *want)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct filters f;

	if (filters_parse(a, sv_of(text), keys, &f, &e) == 0)
		fail_msg("accepted: %s", text);
	assert_int_equal(err_class(e), ERR_INVALID);
	assert_string_equal(err_text(e), want);
}

static void test_rejects(void **state)
{
	(void)state;
	bad("{\"what\":[\"x\"]}", "invalid filter 'what'");
	bad("{", "invalid filter");
	bad("[]", "invalid filter");
	bad("\"x\"", "invalid filter");
	bad("{\"name\":\"x\"}", "invalid filter");
	bad("{\"name\":[1]}", "invalid filter");
	bad("{\"name\":{\"x\":1}}", "invalid filter");
	bad("{\"name\":[\"a\\u0000b\"]}", "invalid filter");
}

static void test_matches(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct filters f;

	assert_int_equal(
		filters_parse(a, SV("{\"name\":[\"^web[0-9]+$\",\"(\"],\"id\":[\"abc\"],\"label!\":[\"x\"]}"),
			      keys, &f, NULL),
		0);
	assert_true(filters_regex(&f, "name", "web12"));
	assert_false(filters_regex(&f, "name", "webx"));
	assert_true(filters_regex(&f, "name", "("));
	assert_true(filters_prefix(&f, "id", "abcdef"));
	assert_false(filters_prefix(&f, "id", "ab"));
	struct model_str_map labels = { 0 };
	assert_true(filters_not_labels(&f, "label!", &labels));
	model_map_put(a, &labels, "x", "");
	assert_false(filters_not_labels(&f, "label!", &labels));
}

static void test_bools(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct filters f = { 0 };
	bool v;

	assert_int_equal(filters_bool(&f, "dangling", true, &v, NULL), 0);
	assert_true(v);
	filters_add(a, &f, "dangling", "false");
	assert_int_equal(filters_bool(&f, "dangling", true, &v, NULL), 0);
	assert_false(v);
	filters_add(a, &f, "dangling", "1");
	assert_int_equal(filters_bool(&f, "dangling", true, &v, &e), -1);
	assert_string_equal(err_text(e), "invalid filter 'dangling=[false 1]'");
	struct filters g = { 0 };
	filters_add(a, &g, "dangling", "maybe");
	assert_int_equal(filters_bool(&g, "dangling", true, &v, NULL), -1);
}

static void test_cli(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct filters f = { 0 };

	assert_int_equal(filters_add_arg(a, &f, "Status=running", NULL), 0);
	assert_int_equal(filters_add_arg(a, &f, "label!=a=b", NULL), 0);
	assert_int_equal(filters_add_arg(a, &f, "", NULL), 0);
	assert_int_equal(filters_add_arg(a, &f, "nonsense", NULL), -1);
	assert_true(filters_exact(&f, "status", "running"));
	assert_true(model_strs_has(filters_get(&f, "label!"), "a=b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_forms), cmocka_unit_test(test_rejects),
		cmocka_unit_test(test_matches),    cmocka_unit_test(test_bools),
		cmocka_unit_test(test_cli),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
