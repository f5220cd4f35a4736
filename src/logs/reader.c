/* SPDX-License-Identifier: Apache-2.0 */
#include "logs/reader.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "logs/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define IN_BUFFER  (256 * 1024)
#define OUT_PIECE  (128 * 1024) /* a piece is given out once it is this long */
#define TAIL_BLOCK (64 * 1024)
#define LOOKS_MAX  1000 /* at files that are rotated faster than they are opened */
#define ARENA_AGE  1000 /* records between fresh arenas, when the slow way is used */

struct log_file {
	int fd;
	dev_t dev;
	ino_t ino;
	int64_t from, to; /* `to` is -1 in a followed newest file */
};

struct logs_reader {
	struct logs_request rq;
	char *name;
	char since[31], until[31]; /* fixed form; "" is none */
	bool over;

	struct log_file *files; /* oldest first */
	size_t n, at;
	int64_t pos; /* in files[at]: of the next read */

	char *in;
	size_t start, end, cap;
	bool skipping; /* an overlong line */
	struct arena *arena;
	unsigned int arena_age;
	struct strbuf out, details;
};

/* --- the set of files --- */

static void close_files(struct logs_reader *r)
{
	for (size_t i = 0; i < r->n; i++)
		fd_close(&r->files[i].fd);
	free(r->files);
	r->files = NULL;
	r->n = r->at = 0;
}

static int open_one(struct logs_reader *r, size_t k, struct log_file *out)
{
	char path[256];
	struct stat st;

	int n = k ? snprintf(path, sizeof(path), "%s.%zu", r->name, k)
		  : snprintf(path, sizeof(path), "%s", r->name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	int fd = fs_open_at(r->rq.dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return -EINVAL;
	}
	*out = (struct log_file){ .fd = fd, .dev = st.st_dev, .ino = st.st_ino, .to = st.st_size };
	return 0;
}

static bool same(const struct log_file *a, const struct log_file *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

static void close_list(struct log_file *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fd_close(&v[i].fd);
	free(v);
}

/* Whether name.k is that file now; with NULL, whether it is missing. */
static bool is_at(struct logs_reader *r, size_t k, const struct log_file *f)
{
	struct log_file now;
	int s = open_one(r, k, &now);

	if (s < 0)
		return !f && s == -ENOENT;
	(void)close(now.fd);
	return f && same(f, &now);
}

/*
 * One look from the newest to the oldest, down to (not with) `known`. One rotation meanwhile does no harm: it goes from
 * the oldest to the newest, so a file that is open already may turn up again under the next name, and no two names in a
 * row are free. The end of one and the begin of the next would: that the newest still has its name at the end says that
 * this was not so. 1; 0 if the names have moved too far; -errno. The list is the caller's in any case.
 */
static int look(struct logs_reader *r, const struct log_file *known, struct log_file **v, size_t *n)
{
	size_t cap = 0, first = 0;
	struct log_file newest = { .fd = -1 };
	int missing = 0;

	for (size_t k = 0; k < LOGS_MAX_FILES && missing < 2; k++) {
		struct log_file f;
		int s = open_one(r, k, &f);
		if (s == -ENOENT) {
			missing++;
			continue;
		}
		if (s < 0)
			return s;
		missing = 0;
		if (newest.fd < 0) {
			newest = f; /* only compared: in the list, or known, it keeps its inode number */
			first = k;
		}
		bool seen = *n && same(&(*v)[*n - 1], &f), reached = known && same(known, &f);
		if (seen || reached)
			(void)close(f.fd);
		if (reached)
			break;
		if (seen)
			continue;
		GROW(*v, *n, cap);
		(*v)[(*n)++] = f;
	}
	/* none at all: or the newest was on its way from one name to the next */
	return newest.fd < 0 ? is_at(r, 0, NULL) && is_at(r, 1, NULL) : is_at(r, first, &newest);
}

static int open_files(struct logs_reader *r, const struct log_file *known, struct err **e)
{
	struct log_file *v = NULL;
	size_t n = 0;
	int s = 0;

	for (int tries = 0; s == 0 && tries < LOOKS_MAX; tries++) {
		close_list(v, n);
		v = NULL;
		n = 0;
		s = look(r, known, &v, &n);
	}
	if (s < 0) {
		close_list(v, n);
		return err_sys(e, -s, "open log file '%s'", r->name);
	}
	/* oldest first */
	for (size_t i = 0; i < n / 2; i++) {
		struct log_file f = v[i];
		v[i] = v[n - 1 - i];
		v[n - 1 - i] = f;
	}
	r->files = v;
	r->n = n;
	return 0;
}

/* --- tail --- */

/* Where the last `want` lines before `to` begin; *want gets what is still missing (0: found). */
static int64_t find_tail(int fd, int64_t to, int64_t *want)
{
	cleanup_free char *buf = xmalloc(TAIL_BLOCK);
	int64_t at = to;

	while (at > 0) {
		size_t n = (size_t)MIN(at, (int64_t)TAIL_BLOCK);
		at -= (int64_t)n;
		ssize_t got = pread(fd, buf, n, at);
		if (got <= 0)
			return at;
		for (size_t left = (size_t)got; left;) {
			const char *nl = memrchr(buf, '\n', left);
			if (!nl)
				break;
			left = (size_t)(nl - buf);
			/* the newline that ends the last line begins none */
			if (at + (int64_t)left + 1 >= to)
				continue;
			if (--*want == 0)
				return at + (int64_t)left + 1;
		}
	}
	if (to > 0)
		--*want;
	return 0;
}

/* Past what is complete: a line that is being written does not count. */
static int64_t end_of_lines(int fd, int64_t to)
{
	char buf[4096];

	while (to > 0) {
		size_t n = (size_t)MIN(to, (int64_t)sizeof(buf));
		ssize_t got = pread(fd, buf, n, to - (int64_t)n);
		if (got <= 0)
			return to;
		const char *nl = memrchr(buf, '\n', (size_t)got);
		if (nl)
			return to - (int64_t)n + (nl - buf) + 1;
		to -= (int64_t)n;
	}
	return 0;
}

static void seek_tail(struct logs_reader *r)
{
	int64_t want = r->rq.tail;

	for (size_t i = r->n; i-- > 0;) {
		struct log_file *f = &r->files[i];
		int64_t end = end_of_lines(f->fd, f->to);
		f->from = want ? find_tail(f->fd, end, &want) : end;
		r->at = i;
		if (want == 0)
			return;
	}
}

/* --- open, close --- */

int logs_reader_open(const struct logs_request *rq, struct logs_reader **out, struct err **e)
{
	cleanup_logs_reader struct logs_reader *r = NEW(struct logs_reader);

	r->rq = *rq;
	r->name = xstrdup(rq->name);
	r->arena = arena_new();
	if (rq->since_ns)
		(void)logs_time_fixed(sv_of(clock_rfc3339_fixed(rq->since_ns).s), r->since);
	if (rq->until_ns)
		(void)logs_time_fixed(sv_of(clock_rfc3339_fixed(rq->until_ns).s), r->until);
	if (open_files(r, NULL, e) < 0)
		return -1;
	if (rq->tail >= 0 && r->n)
		seek_tail(r);
	if (rq->follow && r->n)
		r->files[r->n - 1].to = -1;
	if (r->n)
		r->pos = r->files[r->at].from;
	r->cap = IN_BUFFER;
	r->in = xmalloc(r->cap);
	*out = TAKE_PTR(r);
	return 0;
}

void logs_reader_close(struct logs_reader *r)
{
	if (!r)
		return;
	close_files(r);
	arena_free(r->arena);
	sb_release(&r->out);
	sb_release(&r->details);
	free(r->in);
	free(r->name);
	free(r);
}

bool logs_reader_is_over(const struct logs_reader *r)
{
	return r->over;
}

/* --- records out --- */

static void put_record(struct logs_reader *r, const struct logs_record *rec, const char *time)
{
	size_t details_n = 0, time_n = r->rq.timestamps ? 31 : 0;

	if (r->rq.details) {
		sb_reset(&r->details);
		logs_details(r->arena, rec->attrs, &r->details);
		details_n = r->details.n;
	}
	sb_reserve(&r->out, 8 + time_n + details_n + rec->text.n);
	char *frame = r->out.p + r->out.n, *p = frame + (r->rq.mux ? 8 : 0);
	if (time_n) {
		memcpy(p, time, 30);
		p[30] = ' ';
		p += 31;
	}
	if (details_n) {
		memcpy(p, r->details.p, details_n);
		p += details_n;
	}
	p += logs_unescape(rec->text, p);
	size_t n = (size_t)(p - frame);
	if (r->rq.mux) {
		uint32_t len = (uint32_t)(n - 8);
		memset(frame, 0, 4);
		frame[0] = rec->is_stderr ? 2 : 1;
		frame[4] = (char)(len >> 24);
		frame[5] = (char)(len >> 16);
		frame[6] = (char)(len >> 8);
		frame[7] = (char)len;
	}
	r->out.n += n;
	r->out.p[r->out.n] = '\0';
}

static void take_line(struct logs_reader *r, struct sv line)
{
	struct logs_record rec;
	char time[31];

	if (++r->arena_age > ARENA_AGE) {
		arena_free(r->arena);
		r->arena = arena_new();
		r->arena_age = 0;
	}
	if (!line.n || !logs_record_parse(r->arena, line, &rec))
		return;
	if (r->since[0] || r->until[0] || r->rq.timestamps) {
		if (!logs_time_fixed(rec.time, time))
			return;
		if (r->since[0] && memcmp(time, r->since, 30) < 0)
			return;
		if (r->until[0] && memcmp(time, r->until, 30) > 0) {
			r->over = true;
			return;
		}
	}
	if (rec.is_stderr ? r->rq.stderr_ : r->rq.stdout_)
		put_record(r, &rec, time);
}

/* Takes complete lines from the buffer until a piece is full. */
static void take_lines(struct logs_reader *r)
{
	while (r->start < r->end && r->out.n < OUT_PIECE && !r->over) {
		char *p = r->in + r->start;
		char *nl = memchr(p, '\n', r->end - r->start);
		if (!nl)
			break;
		if (!r->skipping)
			take_line(r, sv_n(p, (size_t)(nl - p)));
		r->skipping = false;
		r->start += (size_t)(nl - p) + 1;
	}
}

/* --- bytes in --- */

/* The newest file was rotated away: the files that came after it. 1 if there is one, 0, -1. */
static int next_after_rotation(struct logs_reader *r, struct err **e)
{
	struct log_file now, known = r->files[r->n - 1];
	int s = open_one(r, 0, &now);

	/* between the renames and the new file the newest is name.1 */
	if (s == -ENOENT)
		s = open_one(r, 1, &now);
	if (s == -ENOENT)
		return 0;
	if (s < 0)
		return err_sys(e, -s, "open log file '%s'", r->name);
	(void)close(now.fd);
	if (same(&now, &known))
		return 0;
	/* nothing is written to the old one any more, but what came before the rename must be read to its end */
	struct stat st;
	if (fstat(known.fd, &st) == 0 && st.st_size > r->pos) {
		r->files[r->n - 1].to = st.st_size;
		return 1;
	}
	/* the old one stays open meanwhile, so that its inode number is not given to a new file */
	struct log_file *old = r->files;
	size_t old_n = r->n;
	r->files = NULL;
	r->n = r->at = 0;
	int opened = open_files(r, &known, e);
	if (opened < 0 || !r->n) {
		/* nothing after it: it stays the one to go on from, or all would be read again */
		r->files = old;
		r->n = old_n;
		r->at = old_n - 1;
		return opened;
	}
	close_list(old, old_n);
	r->files[r->n - 1].to = -1;
	r->pos = 0;
	r->start = r->end = 0;
	r->skipping = false;
	return 1;
}

/* Reads once from the current file: bytes, 0 at its end (or at the end of what belongs to this reader), -1. */
static ssize_t fill(struct logs_reader *r, struct err **e)
{
	const struct log_file *f = &r->files[r->at];

	if (r->start) {
		memmove(r->in, r->in + r->start, r->end - r->start);
		r->end -= r->start;
		r->start = 0;
	}
	if (r->end == r->cap && r->cap < LOGS_MAX_RECORD) {
		r->cap *= 2;
		r->in = xreallocarray(r->in, r->cap, 1);
	} else if (r->end == r->cap) {
		r->end = 0;
		r->skipping = true;
	}
	size_t n = r->cap - r->end;
	if (f->to >= 0)
		n = (size_t)MIN((int64_t)n, MAX(f->to - r->pos, (int64_t)0));
	if (!n)
		return 0;
	ssize_t got;
	do
		got = pread(f->fd, r->in + r->end, n, r->pos);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_sys(e, errno, "read log file '%s'", r->name);
	r->end += (size_t)got;
	r->pos += got;
	return got;
}

/* A full disk makes the monitor cut a half-written record off: what was read of it is not there any more. */
static void after_truncation(struct logs_reader *r)
{
	struct stat st;

	if (fstat(r->files[r->at].fd, &st) == 0 && st.st_size < r->pos) {
		r->pos = st.st_size;
		r->start = r->end = 0;
	}
}

/* At the end of a file: 1 when there is another one to read, 0, -1. */
static int next_file(struct logs_reader *r, struct err **e)
{
	if (r->at + 1 < r->n) {
		r->at++;
		r->pos = r->files[r->at].from;
		r->start = r->end = 0;
		r->skipping = false;
		return 1;
	}
	if (!r->rq.follow)
		return 0;
	after_truncation(r);
	return next_after_rotation(r, e);
}

int logs_reader_read(struct logs_reader *r, struct sv *out, struct err **e)
{
	sb_reset(&r->out);
	if (!r->n && r->rq.follow && !r->over) {
		/* it did not exist yet */
		if (open_files(r, NULL, e) < 0)
			return -1;
		if (r->n)
			r->files[r->n - 1].to = -1;
		r->pos = 0;
	}
	while (r->n && !r->over && r->out.n < OUT_PIECE) {
		take_lines(r);
		if (r->over || r->out.n >= OUT_PIECE)
			break;
		ssize_t got = fill(r, e);
		if (got < 0)
			return -1;
		if (got > 0)
			continue;
		int s = next_file(r, e);
		if (s < 0)
			return -1;
		if (s == 0)
			break;
	}
	*out = sb_sv(&r->out);
	return r->out.n > 0;
}
