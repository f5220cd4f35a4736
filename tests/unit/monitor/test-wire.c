/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/wire.h"

static void good_start(struct wire_start *m)
{
	memset(m, 0, sizeof(*m));
	wire_head_set(&m->head, WIRE_START, sizeof(*m), 5);
	assert_true(wire_id_set(&m->id, "0123456789ab"));
	m->log = MONITOR_LOG_JSON_FILE;
	m->log_max_file = 1;
	memcpy(m->log_name, "x-json.log", 11);
}

static void test_start(void **state)
{
	static struct wire_start m;

	(void)state;
	good_start(&m);
	assert_int_equal(wire_check(&m, sizeof(m), 5), 0);
	assert_true(wire_check(&m, sizeof(m) - 1, 5) < 0);
	assert_true(wire_check(&m, sizeof(m), 4) < 0);

	m.cgroup_n = 8; /* promised but not sent */
	assert_true(wire_check(&m, sizeof(m), 5) < 0);
	m.head.size += 8;
	assert_int_equal(wire_check(&m, sizeof(m) + 8, 5), 0);
	good_start(&m);
	m.cgroup_n = UINT32_MAX;
	assert_true(wire_check(&m, sizeof(m), 5) < 0);

	good_start(&m);
	memcpy(m.log_name, "../../etc", 10);
	assert_true(wire_check(&m, sizeof(m), 5) < 0);
	good_start(&m);
	memset(m.log_name, 'a', sizeof(m.log_name));
	assert_true(wire_check(&m, sizeof(m), 5) < 0);
	good_start(&m);
	memset(m.id.s, 'a', sizeof(m.id.s));
	assert_true(wire_check(&m, sizeof(m), 5) < 0);
	good_start(&m);
	m.id.s[0] = '\0';
	assert_true(wire_check(&m, sizeof(m), 5) < 0);
	good_start(&m);
	m.tty = 7;
	assert_true(wire_check(&m, sizeof(m), 5) < 0);
	good_start(&m);
	m.log_attrs_n = sizeof(m.log_attrs) + 1;
	assert_true(wire_check(&m, sizeof(m), 5) < 0);
	good_start(&m);
	m.log_max_file = 0;
	assert_true(wire_check(&m, sizeof(m), 5) < 0);
	good_start(&m);
	m.head.n_fds = 3;
	assert_true(wire_check(&m, sizeof(m), 3) < 0);
}

static void test_head(void **state)
{
	struct wire_simple m = { 0 };

	(void)state;
	wire_head_set(&m.head, WIRE_RELEASE, sizeof(m), 0);
	assert_int_equal(wire_check(&m, sizeof(m), 0), 0);
	m.head.version = WIRE_VERSION + 1;
	assert_true(wire_check(&m, sizeof(m), 0) < 0);
	m.head.version = WIRE_VERSION;
	m.head.type = WIRE_TYPES_;
	assert_true(wire_check(&m, sizeof(m), 0) < 0);
	m.head.type = 0;
	assert_true(wire_check(&m, sizeof(m), 0) < 0);
	m.head.type = WIRE_ATTACH; /* of another size */
	assert_true(wire_check(&m, sizeof(m), 0) < 0);
	m.head.type = WIRE_HELLO; /* needs a descriptor */
	assert_true(wire_check(&m, sizeof(m), 0) < 0);
	assert_true(wire_check(&m, 3, 0) < 0);
	assert_true(wire_check(&m, 0, 0) < 0);
}

static void test_ids(void **state)
{
	struct wire_id id;
	char longest[MONITOR_ID_MAX + 2];

	(void)state;
	memset(longest, 'f', sizeof(longest));
	longest[MONITOR_ID_MAX] = '\0';
	assert_true(wire_id_set(&id, longest));
	longest[MONITOR_ID_MAX] = 'f';
	longest[MONITOR_ID_MAX + 1] = '\0';
	assert_false(wire_id_set(&id, longest));
	assert_true(wire_id_set(&id, NULL));
	assert_int_equal(id.s[0], 0);
}

/* The bytes of version 1, as they lie in exit files today: a later version must still read them. */
static void test_exit_file_v1(void **state)
{
	static const unsigned char v1[] = {
		0x48, 0x4f, 0x4d, 0x31, 1, 0, 0x58, 0x45, 136, 0, 0, 0, 0, 0, 0, 0, /* head */
		0,    0,    0,    0,    0, 0, 0,    0,                              /* kind, sys */
	};
	struct wire_event ev;

	(void)state;
	assert_int_equal(sizeof(ev), 136);
	memset(&ev, 0, sizeof(ev));
	memcpy(&ev, v1, sizeof(v1));
	ev.code = 137;
	ev.signal = 9;
	assert_int_equal(wire_check_exit_file(&ev, sizeof(ev)), 0);
	assert_true(wire_check_exit_file(&ev, sizeof(ev) - 1) < 0);
	ev.kind = MONITOR_OOM;
	assert_true(wire_check_exit_file(&ev, sizeof(ev)) < 0);
}

/* Any bytes at all: an answer, and no read outside (the sanitizer build looks). */
static void test_noise(void **state)
{
	unsigned seed = 12345;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)rand_r(&seed) % (sizeof(struct wire_start) + 64);
		unsigned char *p = malloc(n + 1);

		assert_non_null(p);
		for (size_t i = 0; i < n; i++)
			p[i] = (unsigned char)rand_r(&seed);
		if (n >= sizeof(struct wire_head)) {
			struct wire_head h;

			wire_head_set(&h, (unsigned)rand_r(&seed) % (WIRE_TYPES_ + 1), n,
				      (size_t)rand_r(&seed) % 6);
			memcpy(p, &h, sizeof(h));
			(void)!wire_check(p, n, h.n_fds);
		} else {
			assert_true(wire_check(p, n, 0) < 0);
		}
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),        cmocka_unit_test(test_head),  cmocka_unit_test(test_ids),
		cmocka_unit_test(test_exit_file_v1), cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
