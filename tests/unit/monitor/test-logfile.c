/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "monitor/logfile.h"

#define NOW 1700000000123456789ll /* 2023-11-14T22:13:20.123456789Z */

struct fixture {
	char dir[64];
	int dirfd;
	struct logfile log;
};

static int setup(void **state)
{
	/* The log's buffer is aligned to a page, which calloc() does not promise. */
	struct fixture *f = aligned_alloc(_Alignof(struct fixture), sizeof(*f));

	assert_non_null(f);
	memset(f, 0, sizeof(*f));

	if (!f)
		return -1;
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/hoy-test-log-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->dirfd = fs_open(f->dir, O_RDONLY | O_DIRECTORY, 0);
	*state = f;
	return f->dirfd < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	log_close(&f->log);
	(void)close(f->dirfd);
	(void)fs_rmtree_at(AT_FDCWD, f->dir);
	free(f);
	return 0;
}

static void begin(struct fixture *f, uint64_t max_size, uint32_t max_file, const char *attrs)
{
	assert_int_equal(log_open(&f->log, f->dirfd, "c-json.log", max_size, max_file, attrs,
				  attrs ? strlen(attrs) : 0),
			 0);
}

static char *content(struct fixture *f, const char *name)
{
	char *text = NULL;
	size_t n;

	if (fs_read_file_at(f->dirfd, name, 64 << 20, &text, &n) < 0)
		return NULL;
	return text;
}

static void expect(struct fixture *f, const char *want)
{
	log_flush(&f->log);
	cleanup_free char *got = content(f, "c-json.log");
	assert_non_null(got);
	assert_string_equal(got, want);
}

static void feed(struct fixture *f, enum log_stream s, const char *text)
{
	log_feed(&f->log, s, text, strlen(text), NOW);
}

static void test_records(void **state)
{
	struct fixture *f = *state;

	begin(f, 0, 1, NULL);
	feed(f, LOG_STDOUT, "one\ntw");
	feed(f, LOG_STDERR, "e\n");
	feed(f, LOG_STDOUT, "o\nlast");
	log_end(&f->log, LOG_STDOUT, NOW / 1000000000 * 1000000000 + 500000000);
	expect(f, "{\"log\":\"one\\n\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20.123456789Z\"}\n"
		  "{\"log\":\"e\\n\",\"stream\":\"stderr\",\"time\":\"2023-11-14T22:13:20.123456789Z\"}\n"
		  "{\"log\":\"two\\n\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20.123456789Z\"}\n"
		  "{\"log\":\"last\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20.5Z\"}\n");
}

static void test_escapes(void **state)
{
	struct fixture *f = *state;

	begin(f, 0, 1, "{\"a\":\"b\"}");
	/* A character over a read border, a broken one, and what Go escapes for HTML. */
	feed(f, LOG_STDOUT, "\"\\\t\r\x01<&>\xe2\x80\xa8\xff\xc3");
	feed(f, LOG_STDOUT, "\xa9\xed\xa0\x80\n");
	expect(f,
	       "{\"log\":"
	       "\"\\\"\\\\\\t\\r\\u0001\\u003c\\u0026\\u003e\\u2028\\ufffd\xc3\xa9\\ufffd\\ufffd\\ufffd\\n\","
	       "\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"},\"time\":\"2023-11-14T22:13:20.123456789Z\"}"
	       "\n");
}

static void test_long_lines(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *line = malloc(LOG_LINE_MAX * 2 + 10);

	begin(f, 0, 1, NULL);
	assert_non_null(line);
	memset(line, 'x', LOG_LINE_MAX * 2 + 10);
	/* Exactly 16 KiB and a newline is one record; one byte more makes a part of 16 KiB and a rest. */
	log_feed(&f->log, LOG_STDOUT, line, LOG_LINE_MAX - 5, NOW);
	log_feed(&f->log, LOG_STDOUT, "xxxxx\n", 6, NOW);
	log_feed(&f->log, LOG_STDOUT, line, LOG_LINE_MAX + 1, NOW);
	log_feed(&f->log, LOG_STDOUT, "\n", 1, NOW);
	log_flush(&f->log);
	cleanup_free char *text = content(f, "c-json.log");
	assert_non_null(text);
	const char *p = text;
	size_t want[] = { LOG_LINE_MAX, LOG_LINE_MAX, 1 };
	bool newline[] = { true, false, true };
	for (size_t i = 0; i < 3; i++) {
		p = strstr(p, "{\"log\":\"");
		assert_non_null(p);
		p += 8;
		size_t n = strspn(p, "x");
		assert_int_equal(n, want[i]);
		assert_int_equal(strncmp(p + n, "\\n\"", 3) == 0, newline[i]);
	}
	assert_null(strstr(p, "{\"log\""));
}

static void test_rotation(void **state)
{
	struct fixture *f = *state;
	char line[32];

	begin(f, 500, 3, NULL);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(line, sizeof(line), "line %02d\n", i);
		feed(f, LOG_STDOUT, line);
	}
	log_flush(&f->log);
	assert_true(f->log.rotated);
	cleanup_free char *a = content(f, "c-json.log"), *b = content(f, "c-json.log.1"),
			  *c = content(f, "c-json.log.2");
	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	assert_null(content(f, "c-json.log.3"));
	/* Newest last, whole records, none lost between the three, sizes as Docker's: the record that passes the limit
	 * is the file's last. */
	assert_non_null(strstr(a, "line 39"));
	assert_true(strlen(b) >= 500 && strlen(b) < 600);
	int seen = -1;
	char *files[] = { c, b, a };
	for (size_t i = 0; i < 3; i++)
		for (const char *p = files[i]; (p = strstr(p, "line ")); p++) {
			int k = (p[5] - '0') * 10 + p[6] - '0';

			assert_true(seen < 0 || k == seen + 1);
			seen = k;
		}
	assert_int_equal(seen, 39);
}

static void test_one_file(void **state)
{
	struct fixture *f = *state;

	begin(f, 200, 1, NULL);
	for (int i = 0; i < 50; i++)
		feed(f, LOG_STDOUT, "0123456789\n");
	log_flush(&f->log);
	cleanup_free char *a = content(f, "c-json.log");
	assert_non_null(a);
	assert_true(strlen(a) < 400);
	assert_null(content(f, "c-json.log.1"));
}

static void test_append_after_restart(void **state)
{
	struct fixture *f = *state;

	begin(f, 0, 1, NULL);
	feed(f, LOG_STDOUT, "first\n");
	log_close(&f->log);
	begin(f, 0, 1, NULL);
	feed(f, LOG_STDOUT, "second\n");
	log_flush(&f->log);
	cleanup_free char *a = content(f, "c-json.log");
	assert_non_null(strstr(a, "first"));
	assert_non_null(strstr(a, "second"));
}

/* A full disk (a file size limit, which fails the same way): records are dropped whole, and writing goes on later. */
static void test_full_disk(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, small = { 0 };

	begin(f, 0, 1, NULL);
	feed(f, LOG_STDOUT, "before\n");
	log_flush(&f->log);
	uint64_t size = f->log.size;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){ size + 20, old.rlim_max };
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	feed(f, LOG_STDOUT, "lost\n");
	log_flush(&f->log);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(f->log.error, EFBIG);
	assert_true(f->log.dropped > 0);
	feed(f, LOG_STDOUT, "after\n");
	log_flush(&f->log);
	assert_int_equal(f->log.error, 0);
	expect(f,
	       "{\"log\":\"before\\n\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20.123456789Z\"}\n"
	       "{\"log\":\"after\\n\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20.123456789Z\"}\n");
}

static void test_no_log(void **state)
{
	struct fixture *f = *state;

	f->log.fd = f->log.dirfd = -1;
	feed(f, LOG_STDOUT, "nothing\n");
	log_end(&f->log, LOG_STDOUT, NOW);
	log_flush(&f->log);
	assert_int_equal(f->log.out_n, 0);
}

static void test_bad_names(void **state)
{
	struct fixture *f = *state;
	char name[256];

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	f->log.dirfd = f->log.fd = -1;
	assert_int_equal(log_open(&f->log, f->dirfd, name, 0, 1, NULL, 0), -EINVAL);
	assert_int_equal(log_open(&f->log, f->dirfd, "x", 0, 0, NULL, 0), -EINVAL);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_records),   T(test_escapes),  T(test_long_lines),
		T(test_rotation),  T(test_one_file), T(test_append_after_restart),
		T(test_full_disk), T(test_no_log),   T(test_bad_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
