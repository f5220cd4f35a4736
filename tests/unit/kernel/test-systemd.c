/* SPDX-License-Identifier: Apache-2.0 */
/* D-Bus by hand: what we send has the shape the specification asks for, what comes is bounded. */
#include "../unit.h"

#include "kernel/systemd.h"

#include <errno.h>
#include <stdlib.h>

static void call_message(void **state)
{
	struct cgroup_settings limits = { .mem_limit = { true, 1 << 20 }, .pids_limit = { true, 5 } };
	struct systemd_scope s = {
		.unit = "docker-x.scope", .slice = "system.slice", .limits = &limits, .v2 = true
	};
	cleanup_strbuf struct strbuf b = { 0 };
	struct systemd_message m;
	uint32_t body, fields;

	(void)state;
	systemd_start_message(&s, 4242, 7, &b);
	assert_memory_equal(b.p, "l\1\0\1", 4);
	memcpy(&body, b.p + 4, 4);
	memcpy(&fields, b.p + 12, 4);
	assert_int_equal((16 + fields + 7) / 8 * 8 + body, b.n);
	/* The reader takes its own kind: header and lengths fit to the byte. */
	assert_int_equal(systemd_message_read(b.p, b.n, &m), 0);
	assert_int_equal(m.size, b.n);
	assert_int_equal(m.said, SYSTEMD_OTHER);
	assert_int_equal(systemd_message_read(b.p, b.n - 1, &m), 0);
	assert_int_equal(m.size, 0);
	/* The body: unit, mode, then the array's length reaches to the empty array of auxiliary units. */
	const char *p = b.p + b.n - body;
	uint32_t n;
	memcpy(&n, p, 4);
	assert_int_equal(n, strlen(s.unit));
	assert_string_equal(p + 4, s.unit);
	size_t at = (4 + n + 1 + 3) / 4 * 4;
	assert_string_equal(p + at + 4, "replace");
	at = (at + 4 + 8 + 3) / 4 * 4;
	memcpy(&n, p + at, 4);
	size_t first = (at + 4 + 7) / 8 * 8, aux = (first + n + 3) / 4 * 4;
	assert_true(first + n <= body);
	memcpy(&n, p + aux, 4);
	assert_int_equal(n, 0);
	assert_int_equal((aux + 4 + 7) / 8 * 8, body);
	assert_non_null(memmem(b.p, b.n, "MemoryMax", 10));
	assert_non_null(memmem(b.p, b.n, "TasksMax", 9));
	assert_null(memmem(b.p, b.n, "CPUShares", 9));
}

/* JobRemoved(uoss) as systemd 252 sent it. */
static size_t job_removed(unsigned char *out)
{
	static const unsigned char head[] = {
		'l', 4,   1,   1, 72, 0, 0, 0,   9,   0,   0,   0,   44,  0,   0,   0, /* */
		3,   1,   's', 0, 10, 0, 0, 0,   'J', 'o', 'b', 'R', 'e', 'm', 'o', 'v',
		'e', 'd', 0,                                                      /* member */
		0,   0,   0,   0, 0,  8, 1, 'g', 0,   4,   'u', 'o', 's', 's', 0, /* signature */
	};
	static const unsigned char body[] = {
		1,   0,   0, 0, 4,   0,   0,   0,   '/', 'j', 'o', 'b', 0,   0,   0,   0, /* id, path */
		14,  0,   0, 0, 'd', 'o', 'c', 'k', 'e', 'r', '-', 'x', '.', 's', 'c', 'o',
		'p', 'e', 0, 0, /* unit, cut below */
		4,   0,   0, 0, 'd', 'o', 'n', 'e', 0,
	};
	size_t n = (sizeof(head) + 7) / 8 * 8;
	uint32_t fields = (uint32_t)(sizeof(head) - 16), body_n = sizeof(body);

	memset(out, 0, n);
	memcpy(out, head, sizeof(head));
	memcpy(out + 12, &fields, 4);
	memcpy(out + 4, &body_n, 4);
	memcpy(out + n, body, sizeof(body));
	return n + sizeof(body);
}

static void signals(void **state)
{
	unsigned char buf[256] __attribute__((aligned(8)));
	struct systemd_message m;
	size_t n = job_removed(buf);

	(void)state;
	assert_int_equal(systemd_message_read(buf, n, &m), 0);
	assert_int_equal(m.size, n);
	assert_int_equal(m.said, SYSTEMD_JOB_REMOVED);
	assert_true(sv_eqs(m.unit, "docker-x.scope"));
	assert_true(sv_eqs(m.text, "done"));
	for (size_t k = 0; k < n; k++) {
		assert_int_equal(systemd_message_read(buf, k, &m), 0);
		assert_int_equal(m.size, 0);
	}
}

/* Any byte changed, in a copy of exactly the right size: an answer, and no read outside (the sanitizer build looks). */
static void noise(void **state)
{
	unsigned char good[256] __attribute__((aligned(8)));
	struct systemd_message m;
	size_t n = job_removed(good);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (int v = 0; v < 256; v++) {
			unsigned char *p = aligned_alloc(8, (n + 7) / 8 * 8);

			assert_non_null(p);
			memcpy(p, good, n);
			p[i] = (unsigned char)v;
			if (systemd_message_read(p, n, &m) == 0)
				assert_true(m.size <= n);
			free(p);
		}
	}
	memset(good, 0xff, sizeof(good));
	assert_int_equal(systemd_message_read(good, sizeof(good), &m), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call_message),
		cmocka_unit_test(signals),
		cmocka_unit_test(noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
