/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct json *good(struct arena *a, const char *text)
{
	cleanup_err struct err *e = NULL;
	const struct json *j = NULL;

	if (json_parse(a, sv_of(text), NULL, &j, &e) < 0)
		fail_msg("'%s': %s", text, err_text(e));
	return j;
}

static void bad_n(struct sv text, const struct json_limits *l, const char *want)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	const struct json *j = NULL;

	if (json_parse(a, text, l, &j, &e) == 0)
		fail_msg("'%.*s' was accepted", (int)text.n, text.p);
	assert_null(j);
	assert_int_equal(err_class(e), ERR_INVALID);
	if (want)
		assert_string_equal(err_text(e), want);
}

static void bad(const char *text, const char *want)
{
	bad_n(sv_of(text), NULL, want);
}

static void test_values(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	const struct json *j = good(
		a,
		" { \"a\" : [1, -2.5e3, true,false ,null], \"b\":{}, \"c\":\"x\\u00e9\\ud83d\\ude00\\n\" } ");

	assert_int_equal(j->type, JSON_OBJECT);
	assert_int_equal(j->n, 3);
	const struct json *arr = json_get(j, "a");
	assert_int_equal(arr->n, 5);
	int64_t i;
	assert_int_equal(json_i64(json_at(arr, 0), &i), 0);
	assert_int_equal(i, 1);
	double d;
	assert_int_equal(json_f64(json_at(arr, 1), &d), 0);
	assert_true(d > -2500.5 && d < -2499.5);
	assert_int_equal(json_i64(json_at(arr, 1), &i), -EINVAL);
	assert_true(json_bool(json_at(arr, 2)));
	assert_false(json_bool(json_at(arr, 3)));
	assert_true(json_is(json_at(arr, 4), JSON_NULL));
	assert_null(json_at(arr, 5));
	assert_string_equal(json_str(json_get(j, "c")), "x\xc3\xa9\xf0\x9f\x98\x80\n");
	assert_true(sv_eqs(json_get(j, "a")->raw, "[1, -2.5e3, true,false ,null]"));
	assert_null(json_get(j, "C"));
	assert_non_null(json_get_icase(j, "C"));
	assert_null(json_get(NULL, "x"));
	assert_null(json_str(arr));
	assert_string_equal(json_type_name(arr), "array");
	assert_non_null(json_path(good(a, "{\"x\":{\"y\":{\"z\":0}}}"), "x.y.z"));
	assert_null(json_path(good(a, "{\"x\":{\"y\":1}}"), "x.y.z"));
}

static void test_numbers(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	int64_t i;
	uint64_t u;

	assert_int_equal(json_i64(good(a, "9223372036854775807"), &i), 0);
	assert_true(i == INT64_MAX);
	assert_int_equal(json_i64(good(a, "-9223372036854775808"), &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(json_i64(good(a, "9223372036854775808"), &i), -ERANGE);
	assert_int_equal(json_i64(good(a, "-9223372036854775809"), &i), -ERANGE);
	assert_int_equal(json_u64(good(a, "18446744073709551615"), &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(json_u64(good(a, "18446744073709551616"), &u), -ERANGE);
	assert_int_equal(json_u64(good(a, "-1"), &u), -ERANGE);
	assert_int_equal(json_u64(good(a, "-0"), &u), 0);
	assert_int_equal(json_u64(good(a, "1.0"), &u), -EINVAL);
	assert_int_equal(json_u64(good(a, "1e2"), &u), -EINVAL);
	assert_int_equal(json_u64(good(a, "\"1\""), &u), -EINVAL);
	double d;
	assert_int_equal(json_f64(good(a, "1e999"), &d), -ERANGE);
}

static void test_rejects(void **state)
{
	(void)state;
	bad("", "unexpected end of JSON input");
	bad("  ", "unexpected end of JSON input");
	bad("{", "unexpected end of JSON input");
	bad("[1", "unexpected end of JSON input");
	bad("\"abc", "unexpected end of JSON input");
	bad("\"abc\\", "unexpected end of JSON input");
	bad("\"abc\\\"", "unexpected end of JSON input");
	bad("\"\\u12\"", "invalid character '\"' in \\u hexadecimal character escape");
	bad("hello", "invalid character 'h' looking for beginning of value");
	bad("{a:1}", "invalid character 'a' looking for beginning of object key string");
	bad("{\"a\" 1}", "invalid character '1' after object key");
	bad("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair");
	bad("{\"a\":1,}", "invalid character '}' looking for beginning of object key string");
	bad("[1,]", "invalid character ']' looking for beginning of value");
	bad("[1 2]", "invalid character '2' after array element");
	bad("1 2", "invalid character '2' after top-level value");
	bad("{}x", "invalid character 'x' after top-level value");
	bad("01", "invalid character '1' after top-level value");
	bad("[01]", "invalid character '1' after array element");
	bad("1.", NULL);
	bad(".5", NULL);
	bad("+1", NULL);
	bad("-", NULL);
	bad("1e", NULL);
	bad("1e+", NULL);
	bad("tru", NULL);
	bad("nulll", NULL);
	bad("NaN", NULL);
	bad("'a'", "invalid character '\\'' looking for beginning of value");
	bad("\"a\tb\"", "invalid character '\\x09' in string literal");
	bad("\"\\x\"", "invalid character 'x' in string escape code");
	bad("\"\\ud800\"", NULL);
	bad("\"\\udc00\"", NULL);
	bad("\"\\ud800\\u0041\"", NULL);
	bad("\"\xff\"", "invalid UTF-8 in string literal");
	bad("\"\xc0\xaf\"", NULL);
	bad("\"\xed\xa0\x80\"", NULL);
	bad("\"\xf4\x90\x80\x80\"", NULL);
	bad("\"\xe2\x82\"", NULL);
	bad("{\"a\":1,\"b\":2,\"a\":3}", "duplicate key \"a\" in JSON object");
	bad("{\"a\":1,\"\\u0061\":3}", "duplicate key \"a\" in JSON object");
	bad("/* c */1", NULL);
	bad("\xef\xbb\xbf{}", NULL);
	bad_n(sv_n("1\0", 2), NULL, NULL);
	bad_n(sv_n("\"a\0b\"", 5), NULL, NULL);
}

static void test_limits(void **state)
{
	(void)state;
	cleanup_strbuf struct strbuf b = { 0 };
	for (int i = 0; i < 64; i++)
		sb_addc(&b, '[');
	for (int i = 0; i < 64; i++)
		sb_addc(&b, ']');
	cleanup_arena struct arena *a = arena_new();
	(void)good(a, b.p);
	sb_reset(&b);
	for (int i = 0; i < 65; i++)
		sb_addc(&b, '[');
	for (int i = 0; i < 65; i++)
		sb_addc(&b, ']');
	bad(b.p, "exceeded max depth");
	sb_reset(&b);
	for (int i = 0; i < 100000; i++)
		sb_addc(&b, '[');
	bad(b.p, "exceeded max depth");

	struct json_limits l = { .max_bytes = 4 };
	bad_n(SV("[1,2]"), &l, "JSON text too large");
	l = (struct json_limits){ .max_values = 3 };
	bad_n(SV("[1,2,3]"), &l, "too many JSON values");
	l = (struct json_limits){ .max_depth = 1 };
	bad_n(SV("[[]]"), &l, "exceeded max depth");
}

static void test_many_members(void **state)
{
	(void)state;
	cleanup_strbuf struct strbuf b = { 0 };
	sb_addc(&b, '{');
	for (int i = 0; i < 5000; i++)
		sb_addf(&b, "\"k%d\":%d,", i, i);
	size_t cut = b.n;
	sb_add(&b, "\"z\":1}");
	cleanup_arena struct arena *a = arena_new();
	const struct json *j = good(a, b.p);
	assert_int_equal(j->n, 5001);

	b.n = cut;
	sb_add(&b, "\"k77\":\"again\"}");
	bad(b.p, "duplicate key \"k77\" in JSON object");
	struct json_limits l = { .last_key_wins = true };
	assert_int_equal(json_parse(a, sb_sv(&b), &l, &j, NULL), 0);
	assert_int_equal(j->n, 5000);
	assert_string_equal(json_str(json_get(j, "k77")), "again");
	assert_int_equal(json_parse(a, SV("{\"a\":1,\"b\":2,\"a\":3}"), &l, &j, NULL), 0);
	assert_int_equal(j->n, 2);
	assert_true(sv_eqs(json_get(j, "a")->raw, "3"));
}

static void test_nul_inside(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	const struct json *j = good(a, "\"a\\u0000b\"");
	assert_int_equal(j->str.n, 3);
	assert_true(j->has_nul);
	assert_null(json_str(j));
}

static void test_stream(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct sv t = SV("{\"a\":1}\r\n{\"a\":2} 3\n");
	int n = 0;
	for (;;) {
		const struct json *j;
		size_t used;
		assert_int_equal(json_parse_next(a, t, NULL, &j, &used, NULL), 0);
		if (!j)
			break;
		n++;
		t = sv_sub(t, used, t.n);
	}
	assert_int_equal(n, 3);
}

static void test_writer(void **state)
{
	(void)state;
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);

	jw_obj(&w);
	jw_kstr(&w, "s", "a\"b\\c\n\r\t\b\f\x01<&>/\xc3\xa9\x7f");
	jw_kstr(&w, "nul", NULL);
	jw_karr(&w, "n");
	jw_i64(&w, INT64_MIN);
	jw_u64(&w, UINT64_MAX);
	jw_i64(&w, 0);
	jw_end(&w);
	jw_kobj(&w, "o");
	jw_end(&w);
	jw_karr(&w, "e");
	jw_end(&w);
	jw_kbool(&w, "t", true);
	jw_knull(&w, "z");
	jw_kraw(&w, "r", SV("{\"x\": 1}"));
	jw_kraw(&w, "r2", (struct sv){ 0 });
	jw_kstr(&w, "bad", "\xff\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa");
	jw_end(&w);
	assert_string_equal(
		b.p, "{\"s\":\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001<&>/\xc3\xa9\x7f\",\"nul\":\"\",\"n\":["
		     "-9223372036854775808,18446744073709551615,0],\"o\":{},\"e\":[],\"t\":true,\"z\":null,"
		     "\"r\":{\"x\": 1},\"r2\":null,\"bad\":\"\\ufffd\\u2028\\u2029\xe2\x80\xaa\"}");
}

static void check_f64(double v, const char *want)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	jw_f64(&w, v);
	assert_string_equal(b.p, want);
}

static void test_floats(void **state)
{
	(void)state;
	check_f64(0, "0");
	check_f64(1, "1");
	check_f64(-1.5, "-1.5");
	check_f64(0.1, "0.1");
	check_f64(100, "100");
	check_f64(123456.789, "123456.789");
	check_f64(1e20, "100000000000000000000");
	check_f64(1e21, "1e+21");
	check_f64(1.5e300, "1.5e+300");
	check_f64(0.000001, "0.000001");
	check_f64(1e-7, "1e-7");
	check_f64(1.0 / 3, "0.3333333333333333");
}

static void test_layout(void **state)
{
	(void)state;
	cleanup_strbuf struct strbuf b = { 0 };
	json_indent(&b, SV("{\"a\":[1,{\"b\":\"x,{}\\\"\"}],\"c\":{},\"d\":[ ]}"), "", "    ");
	assert_string_equal(
		b.p,
		"{\n    \"a\": [\n        1,\n        {\n            \"b\": \"x,{}\\\"\"\n        }\n    ],"
		"\n    \"c\": {},\n    \"d\": []\n}");
	cleanup_strbuf struct strbuf c = { 0 };
	json_compact(&c, sb_sv(&b));
	assert_string_equal(c.p, "{\"a\":[1,{\"b\":\"x,{}\\\"\"}],\"c\":{},\"d\":[]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),       cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_rejects),      cmocka_unit_test(test_limits),
		cmocka_unit_test(test_many_members), cmocka_unit_test(test_nul_inside),
		cmocka_unit_test(test_stream),       cmocka_unit_test(test_writer),
		cmocka_unit_test(test_floats),       cmocka_unit_test(test_layout),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
