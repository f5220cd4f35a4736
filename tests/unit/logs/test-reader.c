/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "logs/reader.h"
#include "logs/record.h"
#include "logs/watch.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME "c-json.log"

static char dir[64];
static int dirfd_;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/hoy-test-logs-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = fs_open(dir, O_RDONLY | O_DIRECTORY, 0);
	return dirfd_ < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)close(dirfd_);
	return fs_rmtree_at(AT_FDCWD, dir);
}

static void append(const char *name, const char *text)
{
	cleanup_close int fd = fs_open_at(dirfd_, name, O_WRONLY | O_APPEND | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
}

/* Record i at second i of the epoch's first hour; even ones on stdout. */
static void add_record(struct strbuf *b, int i)
{
	sb_addf(b, "{\"log\":\"line %d\\n\",\"stream\":\"%s\",\"time\":\"1970-01-01T00:%02d:%02d.5Z\"}\n", i,
		i % 2 ? "stderr" : "stdout", i / 60, i % 60);
}

static void write_records(const char *name, int from, int to)
{
	cleanup_strbuf struct strbuf b = { 0 };

	for (int i = from; i < to; i++)
		add_record(&b, i);
	append(name, sb_str(&b));
}

static char *read_all(struct logs_reader *r)
{
	cleanup_strbuf struct strbuf b = { 0 };
	cleanup_err struct err *e = NULL;
	struct sv piece;
	int s;

	while ((s = logs_reader_read(r, &piece, &e)) > 0)
		sb_addsv(&b, piece);
	if (s < 0)
		fail_msg("%s", err_text(e));
	return sb_take(&b);
}

static struct logs_reader *open_reader(struct logs_request rq)
{
	struct logs_reader *r;
	cleanup_err struct err *e = NULL;

	rq.dirfd = dirfd_;
	rq.name = NAME;
	if (logs_reader_open(&rq, &r, &e) < 0)
		fail_msg("%s", err_text(e));
	return r;
}

static void expect(struct logs_request rq, const char *want)
{
	struct logs_reader *r = open_reader(rq);
	cleanup_free char *got = read_all(r);

	assert_string_equal(got, want);
	logs_reader_close(r);
}

static void records_are_decoded(void **state)
{
	cleanup_arena struct arena *a = arena_new();
	char out[256];
	struct logs_record rec;

	(void)state;
	struct sv line = sv_of(
		"{\"log\":\"a\\\"b\\\\\\n\\u00e9\\ud83d\\ude00\\ud800x\\u003c\\/\",\"stream\":\"stderr\","
		"\"attrs\":{\"k\":\"v\\\"}\",\"a b\":\"c&d\"},\"time\":\"2026-01-02T03:04:05.678Z\"}");
	assert_true(logs_record_parse(a, line, &rec));
	assert_true(rec.is_stderr);
	size_t n = logs_unescape(rec.text, out);
	out[n] = '\0';
	assert_string_equal(out, "a\"b\\\n\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx</");
	assert_true(logs_time_fixed(rec.time, out));
	assert_string_equal(out, "2026-01-02T03:04:05.678000000Z");
	cleanup_strbuf struct strbuf d = { 0 };
	logs_details(a, rec.attrs, &d);
	assert_string_equal(sb_str(&d), "a+b=c%26d,k=v%22%7D ");
	/* another writer's order and spaces */
	line = sv_of("{ \"time\": \"2026-01-02T05:04:05+02:00\", \"log\": \"x\", \"stream\": \"stdout\" }");
	assert_true(logs_record_parse(a, line, &rec));
	assert_true(logs_time_fixed(rec.time, out));
	assert_string_equal(out, "2026-01-02T03:04:05.000000000Z");
	assert_false(logs_record_parse(a, sv_of("{\"log\":\"torn\\n\",\"str"), &rec));
	assert_false(logs_record_parse(a, sv_of("\"\""), &rec));
	assert_false(logs_record_parse(a, sv_of("{\"log\":1,\"time\":\"x\"}"), &rec));
}

static void streams_are_chosen_and_framed(void **state)
{
	(void)state;
	write_records(NAME, 0, 3);
	expect((struct logs_request){ .stdout_ = true, .stderr_ = true, .tail = -1 },
	       "line 0\nline 1\nline 2\n");
	expect((struct logs_request){ .stdout_ = true, .tail = -1 }, "line 0\nline 2\n");
	expect((struct logs_request){ .stderr_ = true, .tail = -1, .timestamps = true },
	       "1970-01-01T00:00:01.500000000Z line 1\n");
	expect((struct logs_request){ .stderr_ = true, .tail = -1, .timestamps = true, .details = true },
	       "1970-01-01T00:00:01.500000000Z  line 1\n");
	struct logs_reader *r = open_reader(
		(struct logs_request){ .stdout_ = true, .stderr_ = true, .tail = 2, .mux = true });
	struct sv piece;
	assert_int_equal(logs_reader_read(r, &piece, NULL), 1);
	assert_int_equal(piece.n, 30);
	assert_memory_equal(piece.p, "\2\0\0\0\0\0\0\7line 1\n\1\0\0\0\0\0\0\7line 2\n", 30);
	logs_reader_close(r);
}

static void tails_reach_over_rotated_files(void **state)
{
	cleanup_strbuf struct strbuf want = { 0 };

	(void)state;
	write_records(NAME ".2", 0, 5);
	write_records(NAME ".1", 5, 10);
	write_records(NAME, 10, 15);
	append(NAME, "{\"log\":\"half"); /* being written */
	for (int tail = 0; tail <= 17; tail++) {
		sb_reset(&want);
		for (int i = 15 - MIN(tail, 15); i < 15; i++)
			sb_addf(&want, "line %d\n", i);
		expect((struct logs_request){ .stdout_ = true, .stderr_ = true, .tail = tail },
		       sb_str(&want));
	}
	expect((struct logs_request){ .stdout_ = true, .stderr_ = true, .tail = INT64_MAX }, sb_str(&want));
}

static void tails_are_right_at_block_borders(void **state)
{
	cleanup_strbuf struct strbuf b = { 0 }, want = { 0 };

	(void)state;
	for (int i = 0; i < 3000; i++)
		add_record(&b, i);
	append(NAME, b.p);
	for (int tail = 1; tail < 3000; tail += 97) {
		sb_reset(&want);
		for (int i = 3000 - tail; i < 3000; i++)
			sb_addf(&want, "line %d\n", i);
		expect((struct logs_request){ .stdout_ = true, .stderr_ = true, .tail = tail },
		       sb_str(&want));
	}
}

static void since_and_until_are_inclusive(void **state)
{
	int64_t at = 5 * NS_PER_SEC + NS_PER_SEC / 2;

	(void)state;
	write_records(NAME, 0, 10);
	expect((struct logs_request){ .stdout_ = true,
				      .stderr_ = true,
				      .tail = -1,
				      .since_ns = at,
				      .until_ns = at + 2 * NS_PER_SEC },
	       "line 5\nline 6\nline 7\n");
	expect((struct logs_request){ .stdout_ = true,
				      .stderr_ = true,
				      .tail = -1,
				      .since_ns = at + 1,
				      .until_ns = at + 2 * NS_PER_SEC - 1 },
	       "line 6\n");
	expect((struct logs_request){ .stdout_ = true, .stderr_ = true, .tail = 2, .since_ns = at },
	       "line 8\nline 9\n");
}

static void junk_is_skipped(void **state)
{
	cleanup_free char *big = xmalloc(3 * LOGS_MAX_RECORD);

	(void)state;
	write_records(NAME, 0, 1);
	memset(big, 'x', 3 * LOGS_MAX_RECORD);
	memcpy(big + 3 * LOGS_MAX_RECORD - 2, "\n", 2);
	append(NAME, "not json\n\n{}\n[]\n");
	append(NAME, big);
	write_records(NAME, 1, 2);
	expect((struct logs_request){ .stdout_ = true, .stderr_ = true, .tail = -1 }, "line 0\nline 1\n");
}

static void no_log_is_an_empty_log(void **state)
{
	(void)state;
	expect((struct logs_request){ .stdout_ = true, .stderr_ = true, .tail = -1 }, "");
	expect((struct logs_request){ .stdout_ = true, .stderr_ = true, .tail = 10, .follow = true }, "");
}

static void rotate(int keep)
{
	char from[64], to[64];

	for (int i = keep; i > 0; i--) {
		(void)snprintf(from, sizeof(from), i > 1 ? NAME ".%d" : NAME, i - 1);
		(void)snprintf(to, sizeof(to), NAME ".%d", i);
		(void)renameat(dirfd_, from, dirfd_, to);
	}
}

static void following_sees_every_rotation(void **state)
{
	struct logs_reader *r = open_reader(
		(struct logs_request){ .stdout_ = true, .stderr_ = true, .tail = -1, .follow = true });
	cleanup_strbuf struct strbuf got = { 0 }, want = { 0 };

	(void)state;
	for (int step = 0; step < 40; step++) {
		write_records(NAME, step * 3, step * 3 + 2);
		if (step % 3 == 0) {
			cleanup_free char *text = read_all(r);
			sb_add(&got, text);
		}
		write_records(NAME, step * 3 + 2, step * 3 + 3);
		/* up to three rotations between two reads */
		if (step % 4)
			rotate(5);
	}
	cleanup_free char *text = read_all(r);
	sb_add(&got, text);
	for (int i = 0; i < 120; i++)
		sb_addf(&want, "line %d\n", i);
	assert_string_equal(sb_str(&got), sb_str(&want));
	logs_reader_close(r);
}

static void a_torn_line_is_taken_once_it_is_whole(void **state)
{
	struct logs_reader *r = open_reader(
		(struct logs_request){ .stdout_ = true, .stderr_ = true, .tail = -1, .follow = true });

	(void)state;
	append(NAME, "{\"log\":\"a\\n\",\"stream\":\"std");
	cleanup_free char *first = read_all(r);
	assert_string_equal(first, "");
	append(NAME, "out\",\"time\":\"2026-01-02T03:04:05Z\"}\n");
	cleanup_free char *second = read_all(r);
	assert_string_equal(second, "a\n");
	logs_reader_close(r);
}

static void *slow_writer(void *arg)
{
	(void)arg;
	for (int i = 0; i < 200; i++) {
		write_records(NAME, i, i + 1);
		if (i % 20 == 19)
			rotate(20);
	}
	return NULL;
}

static void the_watch_wakes_a_follower(void **state)
{
	struct logs_hub *h = logs_hub_new();
	struct logs_watch *w = logs_watch_open(h, dirfd_), *w2 = logs_watch_open(h, dirfd_);
	struct logs_reader *r = open_reader(
		(struct logs_request){ .stdout_ = true, .stderr_ = true, .tail = -1, .follow = true });
	cleanup_strbuf struct strbuf got = { 0 };
	pthread_t t;

	(void)state;
	logs_watch_close(w2);
	assert_int_equal(pthread_create(&t, NULL, slow_writer, NULL), 0);
	while (!got.n || !strstr(got.p, "line 199\n")) {
		logs_watch_clear(w);
		cleanup_free char *text = read_all(r);
		sb_add(&got, text);
		if (text[0])
			continue;
		struct pollfd p = { .fd = logs_watch_fd(w), .events = POLLIN };
		assert_int_equal(poll(&p, 1, p.fd < 0 ? LOGS_POLL_MS : 30000), p.fd < 0 ? 0 : 1);
	}
	assert_int_equal(pthread_join(t, NULL), 0);
	cleanup_strbuf struct strbuf want = { 0 };
	for (int i = 0; i < 200; i++)
		sb_addf(&want, "line %d\n", i);
	assert_string_equal(sb_str(&got), sb_str(&want));
	logs_reader_close(r);
	logs_watch_close(w);
	logs_hub_free(h);
}

static void *rotating_writer(void *arg)
{
	for (int i = 0; i < 600; i++) {
		write_records(NAME, i, i + 1);
		if (i % 10 == 9)
			rotate(70);
	}
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

/* However the rotations fall between the looks at two names, a reader gets the log from its first line on, in order. */
static void a_log_that_is_rotated_meanwhile_is_whole(void **state)
{
	atomic_bool is_written = false;
	pthread_t t;
	bool last;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, rotating_writer, &is_written), 0);
	do {
		cleanup_strbuf struct strbuf want = { 0 };
		last = atomic_load(&is_written);
		struct logs_reader *r =
			open_reader((struct logs_request){ .stdout_ = true, .stderr_ = true, .tail = -1 });
		cleanup_free char *got = read_all(r);
		logs_reader_close(r);
		for (int i = 0; i < 600 && (last || want.n < strlen(got)); i++)
			sb_addf(&want, "line %d\n", i);
		assert_string_equal(got, sb_str(&want));
	} while (!last);
	assert_int_equal(pthread_join(t, NULL), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(records_are_decoded),
		T(streams_are_chosen_and_framed),
		T(tails_reach_over_rotated_files),
		T(tails_are_right_at_block_borders),
		T(since_and_until_are_inclusive),
		T(junk_is_skipped),
		T(no_log_is_an_empty_log),
		T(following_sees_every_rotation),
		T(a_torn_line_is_taken_once_it_is_whole),
		T(the_watch_wakes_a_follower),
		T(a_log_that_is_rotated_meanwhile_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
