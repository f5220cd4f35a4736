/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "monitor/keys.h"

/* Feeds `in` in pieces of `step` bytes; returns what came out, and whether it detached. */
static size_t run(const char *seq, const char *in, size_t step, char *out, bool *detached)
{
	struct keys k;
	size_t n = strlen(in), o = 0;

	keys_init(&k, seq, strlen(seq));
	*detached = false;
	for (size_t i = 0; i < n && !*detached; i += step)
		o += keys_feed(&k, in + i, MIN(step, n - i), out + o, detached);
	out[o] = '\0';
	return o;
}

static void expect(const char *seq, const char *in, const char *want, bool want_detached)
{
	char out[256];
	bool detached;

	for (size_t step = 1; step <= 7; step++) {
		(void)run(seq, in, step, out, &detached);
		assert_string_equal(out, want);
		assert_int_equal(detached, want_detached);
	}
}

static void test_default_keys(void **state)
{
	(void)state;
	expect("\x10\x11", "hello\x10\x11rest", "hello", true);
	expect("\x10\x11",
	       "a\x10"
	       "b\x11"
	       "c",
	       "a\x10"
	       "b\x11"
	       "c",
	       false);
	expect("\x10\x11", "\x10\x10\x11", "\x10", true);
}

static void test_overlap(void **state)
{
	(void)state;
	/* The tail of a failed match begins the next one. */
	expect("aab", "aaab", "a", true);
	expect("abab", "ababab", "", true);
	expect("abac", "ababac", "ab", true);
	expect("aaa", "aabaaa", "aab", true);
}

static void test_held_back(void **state)
{
	char out[64];
	bool detached;
	struct keys k;

	(void)state;
	keys_init(&k, "xyz", 3);
	assert_int_equal(keys_feed(&k, "axy", 3, out, &detached), 1);
	assert_int_equal(keys_feed(&k, "w", 1, out, &detached), 3);
	assert_memory_equal(out, "xyw", 3);
}

static void test_none(void **state)
{
	(void)state;
	expect("", "\x10\x11 all", "\x10\x11 all", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_keys),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_held_back),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
