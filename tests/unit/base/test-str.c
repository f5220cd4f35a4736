/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>

static void numbers_reject_junk(void **state)
{
	static const char *const bad[] = { "",   " 1", "1 ", "+1", "-1", "0x1", "1e3", "18446744073709551616",
					   "1\n" };
	uint64_t u = 7;
	int64_t i = 7;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(bad); k++)
		assert_true(parse_u64(sv_of(bad[k]), UINT64_MAX, &u) < 0);
	assert_int_equal(u, 7);
	assert_int_equal(parse_u64(SV("18446744073709551615"), UINT64_MAX, &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(parse_u64(SV("11"), 10, &u), -ERANGE);
	assert_int_equal(parse_i64(SV("-9223372036854775808"), INT64_MIN, INT64_MAX, &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(parse_i64(SV("9223372036854775808"), INT64_MIN, INT64_MAX, &i), -ERANGE);
	assert_int_equal(parse_i64(SV("--1"), INT64_MIN, INT64_MAX, &i), -EINVAL);
	assert_int_equal(parse_octal(SV("0755"), 07777, &u), 0);
	assert_int_equal(u, 0755);
	assert_int_equal(parse_octal(SV("8"), 07777, &u), -EINVAL);
}

static void views_cut_and_trim(void **state)
{
	struct sv head, tail;

	(void)state;
	assert_true(sv_cut(SV("a=b=c"), '=', &head, &tail));
	assert_true(sv_eqs(head, "a") && sv_eqs(tail, "b=c"));
	assert_false(sv_cut(SV("abc"), '=', &head, &tail));
	assert_true(sv_eqs(head, "abc") && tail.n == 0);
	assert_true(sv_eqs(sv_trim(SV(" \tx y\r\n")), "x y"));
	assert_int_equal(sv_rfind(SV("a/b/c"), '/'), 3);
	assert_true(sv_ieqs(SV("ChUnKeD"), "chunked"));
	assert_int_equal(sv_sub(SV("abc"), 5, 9).n, 0);
}

static void strbuf_grows_and_gives_away(void **state)
{
	struct strbuf b = { 0 };
	char *s;

	(void)state;
	for (int i = 0; i < 1000; i++)
		sb_addf(&b, "%d,", i);
	assert_int_equal(strlen(b.p), b.n);
	s = sb_take(&b);
	assert_true(str_starts(s, "0,1,2,") && str_ends(s, ",999,"));
	assert_null(b.p);
	free(s);
	s = sb_take(&b);
	assert_string_equal(s, "");
	free(s);
}

static void truth_is_dockers(void **state)
{
	(void)state;
	assert_false(str_truthy(NULL));
	assert_false(str_truthy(""));
	assert_false(str_truthy(" False "));
	assert_false(str_truthy("none"));
	assert_true(str_truthy("1"));
	assert_true(str_truthy("yes"));
	assert_true(str_truthy("off"));
}

static void hex_is_exact(void **state)
{
	unsigned char raw[4];
	char text[9];

	(void)state;
	assert_int_equal(hex_decode(SV("00fFa5"), raw, 4), -EINVAL);
	assert_int_equal(hex_decode(SV("00fFa57g"), raw, 4), -EINVAL);
	assert_int_equal(hex_decode(SV("00fFa57e"), raw, 4), 0);
	hex_encode(raw, 4, text);
	assert_string_equal(text, "00ffa57e");
}

static void ids_are_ids(void **state)
{
	char a[ID_LEN + 1], b[ID_LEN + 1];

	(void)state;
	id_new(a);
	id_new(b);
	assert_true(id_is_full(sv_of(a)));
	assert_string_not_equal(a, b);
	assert_false(id_is_full(SV("abc")));
	a[3] = 'G';
	assert_false(id_is_full(sv_of(a)));
}

static void errors_keep_the_first_and_wrap(void **state)
{
	cleanup_err struct err *e = NULL, *other = NULL;

	(void)state;
	assert_int_equal(err_sys(&e, ENOENT, "open '%s'", "x"), -1);
	assert_int_equal(err_set(&e, ERR_INVALID, "second"), -1);
	assert_string_equal(err_text(e), "open 'x': no such file or directory");
	assert_int_equal(err_class(e), ERR_SYSTEM);
	assert_int_equal(err_errno(e), ENOENT);
	(void)err_wrap(&e, "load image");
	assert_string_equal(err_text(e), "load image: open 'x': no such file or directory");
	err_move(&other, &e);
	assert_null(e);
	assert_non_null(other);
	assert_int_equal(err_set(NULL, ERR_INVALID, "dropped"), -1);
}

static void arena_survives_odd_sizes(void **state)
{
	cleanup_arena struct arena *a = arena_new();
	char *big = arena_alloc(a, 200000), *small = arena_alloc(a, 1),
	     *text = arena_printf(a, "%d-%s", 7, "x");

	(void)state;
	memset(big, 1, 200000);
	*small = 2;
	assert_int_equal((uintptr_t)small % 16, 0);
	assert_string_equal(text, "7-x");
	assert_int_equal(big[199999], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_reject_junk),
		cmocka_unit_test(views_cut_and_trim),
		cmocka_unit_test(strbuf_grows_and_gives_away),
		cmocka_unit_test(truth_is_dockers),
		cmocka_unit_test(hex_is_exact),
		cmocka_unit_test(ids_are_ids),
		cmocka_unit_test(errors_keep_the_first_and_wrap),
		cmocka_unit_test(arena_survives_odd_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
