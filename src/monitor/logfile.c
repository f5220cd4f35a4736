/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/logfile.h"

#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* A record's worst case: every byte six ("\u0000"), and the fields around it. */
#define RECORD_MAX (LOG_LINE_MAX * 6 + MONITOR_MAX_LOG_ATTRS + 256)
_Static_assert(LOG_OUT_MAX > LOG_OUT_FLUSH + RECORD_MAX, "a record always fits behind an unflushed batch");

/* --- file --- */

static int open_file(struct logfile *l)
{
	struct stat st;

	l->fd = fs_open_at(l->dirfd, l->name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (l->fd < 0)
		return l->fd;
	l->size = fstat(l->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	return 0;
}

int log_open(struct logfile *l, int dirfd, const char *name, uint64_t max_size, uint32_t max_file,
	     const char *attrs, size_t attrs_n)
{
	if (strlen(name) >= sizeof(l->name) - 24 || attrs_n > sizeof(l->attrs) || max_file == 0)
		return -EINVAL;
	l->dirfd = dirfd;
	l->max_size = max_size;
	l->max_file = max_file;
	l->name_n = (uint32_t)strlen(name);
	memcpy(l->name, name, l->name_n + 1);
	l->attrs_n = (uint32_t)attrs_n;
	if (attrs_n)
		memcpy(l->attrs, attrs, attrs_n);
	l->second = INT64_MIN;
	int r = open_file(l);
	return r < 0 ? r : 0;
}

static void move_one(struct logfile *l, uint32_t from, const char *suffix)
{
	char a[sizeof(l->name) + 24], b[sizeof(l->name) + 24];

	if (from == 0)
		(void)snprintf(a, sizeof(a), "%s%s", l->name, suffix);
	else
		(void)snprintf(a, sizeof(a), "%s.%u%s", l->name, from, suffix);
	(void)snprintf(b, sizeof(b), "%s.%u%s", l->name, from + 1, suffix);
	(void)renameat(l->dirfd, a, l->dirfd, b);
}

/* name.N-2 → name.N-1 … name → name.1 (with compressed ones, if somebody made them), and a new file. With one file
 * allowed it is emptied. A reader that follows sees the inode change. */
static void rotate(struct logfile *l)
{
	char last[sizeof(l->name) + 24];

	fd_close(&l->fd);
	if (l->max_file == 1) {
		(void)unlinkat(l->dirfd, l->name, 0);
	} else {
		(void)snprintf(last, sizeof(last), "%s.%u.gz", l->name, l->max_file - 1);
		(void)unlinkat(l->dirfd, last, 0);
		for (uint32_t i = l->max_file - 1; i > 1; i--) {
			/* Where .gz stood and plain comes, or the other way, the older kind must go. */
			(void)snprintf(last, sizeof(last), "%s.%u.gz", l->name, i);
			(void)unlinkat(l->dirfd, last, 0);
			move_one(l, i - 1, "");
			move_one(l, i - 1, ".gz");
		}
		(void)snprintf(last, sizeof(last), "%s.1.gz", l->name);
		(void)unlinkat(l->dirfd, last, 0);
		move_one(l, 0, "");
	}
	int r = open_file(l);
	if (r < 0)
		l->error = -r;
	l->rotated = true;
}

void log_flush(struct logfile *l)
{
	uint32_t at = 0;

	if (l->out_n == 0)
		return;
	if (l->fd < 0 && (l->dirfd < 0 || open_file(l) < 0)) {
		l->dropped += l->out_n;
		l->out_n = 0;
		return;
	}
	while (at < l->out_n) {
		ssize_t r = write(l->fd, l->out + at, l->out_n - at);

		if (r > 0) {
			at += (uint32_t)r;
			continue;
		}
		if (r < 0 && errno == EINTR)
			continue;
		l->error = r < 0 ? errno : ENOSPC;
		/* No half record may stay for the next one to continue. */
		(void)!ftruncate(l->fd, (off_t)l->size);
		l->dropped += l->out_n;
		l->out_n = 0;
		return;
	}
	l->size += at;
	l->error = 0;
	l->out_n = 0;
}

/* --- records --- */

static void put(struct logfile *l, const char *p, size_t n)
{
	memcpy(l->out + l->out_n, p, n);
	l->out_n += (uint32_t)n;
}
#define PUT(l, lit) put((l), "" lit, sizeof(lit) - 1)

/* Length of the well-formed UTF-8 sequence at p, or 0. */
static size_t utf8_len(const unsigned char *p, size_t n)
{
	static const struct {
		unsigned char lo, hi, lo2, hi2, len;
	} form[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(form); i++) {
		if (p[0] < form[i].lo || p[0] > form[i].hi)
			continue;
		if (n < form[i].len || p[1] < form[i].lo2 || p[1] > form[i].hi2)
			return 0;
		for (size_t k = 2; k < form[i].len; k++)
			if (p[k] < 0x80 || p[k] > 0xbf)
				return 0;
		return form[i].len;
	}
	return 0;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

/* One byte or sequence that cannot stand as it is; returns how much of the input it took. */
static size_t put_escaped(struct logfile *l, const unsigned char *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	switch (*p) {
	case '"': PUT(l, "\\\""); return 1;
	case '\\': PUT(l, "\\\\"); return 1;
	case '\n': PUT(l, "\\n"); return 1;
	case '\r': PUT(l, "\\r"); return 1;
	case '\t': PUT(l, "\\t"); return 1;
	}
	if (*p < 0x80) {
		char u[6] = { '\\', 'u', '0', '0', hex[*p >> 4], hex[*p & 15] };

		put(l, u, 6);
		return 1;
	}
	size_t len = utf8_len(p, n);
	if (len == 0) {
		PUT(l, "\\ufffd");
		return 1;
	}
	if (len == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & ~1u) == 0xa8) {
		if (p[2] & 1)
			PUT(l, "\\u2029");
		else
			PUT(l, "\\u2028");
		return 3;
	}
	put(l, (const char *)p, len);
	return len;
}

static void put_text(struct logfile *l, const char *data, size_t n)
{
	const unsigned char *p = (const unsigned char *)data;

	for (size_t i = 0; i < n;) {
		size_t run = i;

		while (run < n && is_plain(p[run]))
			run++;
		if (run > i)
			put(l, data + i, run - i);
		i = run;
		if (i < n)
			i += put_escaped(l, p + i, n - i);
	}
}

/* RFC3339Nano, trailing zeros cut, as Go prints it. The date is made once a second. */
static void put_time(struct logfile *l, int64_t ns)
{
	int64_t sec = ns / NS_PER_SEC;
	uint32_t frac = (uint32_t)(ns % NS_PER_SEC);
	char digits[10];
	int n = 9;

	if (sec != l->second) {
		struct time_text t = clock_rfc3339nano(sec * NS_PER_SEC);

		memcpy(l->second_text, t.s, 19); /* without the Z */
		l->second = sec;
	}
	put(l, l->second_text, 19);
	if (frac) {
		for (int i = 8; i >= 0; i--, frac /= 10)
			digits[1 + i] = (char)('0' + frac % 10);
		digits[0] = '.';
		while (digits[n] == '0')
			n--;
		put(l, digits, (size_t)n + 1);
	}
	PUT(l, "Z");
}

static void put_record(struct logfile *l, enum log_stream s, const char *text, size_t n, bool newline,
		       int64_t now_ns)
{
	if (l->max_size && l->size + l->out_n >= l->max_size) {
		log_flush(l);
		if (l->size >= l->max_size)
			rotate(l);
	}
	if (l->out_n >= LOG_OUT_FLUSH)
		log_flush(l);
	PUT(l, "{\"log\":\"");
	put_text(l, text, n);
	if (newline)
		PUT(l, "\\n");
	if (s == LOG_STDOUT)
		PUT(l, "\",\"stream\":\"stdout\"");
	else
		PUT(l, "\",\"stream\":\"stderr\"");
	if (l->attrs_n) {
		PUT(l, ",\"attrs\":");
		put(l, l->attrs, l->attrs_n);
	}
	PUT(l, ",\"time\":\"");
	put_time(l, now_ns);
	PUT(l, "\"}\n");
	if (l->out_n > l->out_used)
		l->out_used = l->out_n;
}

void log_feed(struct logfile *l, enum log_stream s, const char *data, size_t n, int64_t now_ns)
{
	struct log_line *line = &l->line[s];

	if (l->dirfd < 0)
		return;
	while (n) {
		const char *nl = memchr(data, '\n', n);
		size_t len = nl ? (size_t)(nl - data) : n;
		size_t take = MIN(len, (size_t)(LOG_LINE_MAX - line->n));
		const char *text = data;
		size_t text_n = take;
		bool ends = nl && take == len, full = line->n + take == LOG_LINE_MAX;

		if (line->n || (!ends && !full)) {
			memcpy(line->buf + line->n, data, take);
			line->n += (uint32_t)take;
			text = line->buf;
			text_n = line->n;
		}
		if (ends || full) {
			/* A part of 16 KiB has no newline, unless the line ends exactly there. */
			put_record(l, s, text, text_n, ends, now_ns);
			line->n = 0;
			line->partial = !ends;
		}
		take += ends;
		data += take;
		n -= take;
	}
}

void log_end(struct logfile *l, enum log_stream s, int64_t now_ns)
{
	struct log_line *line = &l->line[s];

	if (l->dirfd >= 0 && line->n)
		put_record(l, s, line->buf, line->n, false, now_ns);
	line->n = 0;
	line->partial = false;
}

void log_trim(struct logfile *l)
{
	if (l->out_n == 0 && l->out_used > 4096) {
		(void)madvise(l->out, sizeof(l->out), MADV_DONTNEED);
		l->out_used = 0;
	}
}

void log_close(struct logfile *l)
{
	log_flush(l);
	fd_close(&l->fd);
	l->dirfd = -1;
}
