/* SPDX-License-Identifier: Apache-2.0 */
/* logs: the json-file of a container, read and followed by logs/. */
#include "base/clock.h"
#include "base/ctx.h"
#include "base/fs.h"
#include "engine/engine-internal.h"
#include "engine/observe.h"
#include "logs/reader.h"
#include "logs/watch.h"

#include <errno.h>
#include <string.h>

struct engine_logs {
	struct container *c;
	struct logs_reader *reader;
	struct logs_watch *watch; /* NULL: does not follow */
	struct waiter *end;       /* fires when the container ends */
	int dirfd;
	int64_t until_ns;
	bool tty, ended;
};

static int open_follow(struct engine_logs *l, struct err **e)
{
	struct container *c = l->c;
	int sys = 0;

	(void)pthread_mutex_lock(&c->lock);
	bool runs = life_is_running(c->now.state) || c->now.state == LIFE_STARTING;
	if (runs) {
		l->end = waiter_add_locked(c, ENGINE_WAIT_NEXT_EXIT);
		sys = errno;
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (runs && !l->end)
		return err_sys(e, sys, "follow the log");
	l->ended = !runs;
	l->watch = logs_watch_open(c->en->logs_hub, l->dirfd);
	return 0;
}

int engine_logs_open(struct engine *en, const char *ref, const struct engine_logs_request *rq,
		     struct engine_logs **out, struct err **e)
{
	cleanup_engine_logs struct engine_logs *l = NEW(struct engine_logs);
	cleanup_look struct container_look look = { 0 };

	l->dirfd = -1;
	l->until_ns = rq->until_ns;
	l->c = container_find(en, ref, e);
	if (!l->c)
		return -1;
	container_look(l->c, &look);
	l->tty = look.spec->is_tty;
	if (!l->c->log_path)
		return err_set(e, ERR_NOT_IMPLEMENTED, "configured logging driver does not support reading");
	const char *name = strrchr(l->c->log_path, '/');
	l->dirfd = container_data_dirfd(l->c, false);
	if (l->dirfd < 0)
		return err_sys(e, -l->dirfd, "open the directory of container %s", l->c->id);
	/* the end is watched before the first read, so that nothing written before it is missed */
	if (rq->follow && open_follow(l, e) < 0)
		return -1;
	struct logs_request lr = {
		.dirfd = l->dirfd,
		.name = name ? name + 1 : l->c->log_path,
		.stdout_ = rq->stdout_,
		.stderr_ = rq->stderr_,
		.timestamps = rq->timestamps,
		.details = rq->details,
		.mux = !l->tty,
		.follow = rq->follow,
		.since_ns = rq->since_ns,
		.until_ns = rq->until_ns,
		.tail = rq->tail,
	};
	if (logs_reader_open(&lr, &l->reader, e) < 0)
		return -1;
	*out = TAKE_PTR(l);
	return 0;
}

bool engine_logs_is_tty(const struct engine_logs *l)
{
	return l->tty;
}

/* Until something was written, the container ended, or `until` passed. 0, or -1 when cancelled. */
static int wait_for_more(struct engine_logs *l, const struct ctx *ctx, struct err **e)
{
	struct pollfd p[2] = { { .fd = l->end->fd, .events = POLLIN },
			       { .fd = logs_watch_fd(l->watch), .events = POLLIN } };
	int timeout_ms = p[1].fd < 0 ? LOGS_POLL_MS : -1;

	if (l->until_ns) {
		int64_t left = (l->until_ns - clock_now_ns()) / NS_PER_MS + 1;
		if (left <= 0) {
			l->ended = true;
			return 0;
		}
		if (timeout_ms < 0 || left < timeout_ms)
			timeout_ms = (int)MIN(left, (int64_t)3600 * 1000);
	}
	int r = ctx_poll(ctx, p, 2, timeout_ms);
	if (r < 0)
		return err_sys_class(e, ERR_CANCELLED, -r, "follow the log");
	if (p[0].revents)
		l->ended = true;
	return 0;
}

int engine_logs_next(struct engine_logs *l, const struct ctx *ctx, struct sv *out, struct err **e)
{
	for (;;) {
		/* in this order: what ended before this read has been written before it, too */
		bool ended = l->ended;
		if (l->watch)
			logs_watch_clear(l->watch);
		int r = logs_reader_read(l->reader, out, e);
		if (r != 0)
			return r;
		if (!l->watch || ended || logs_reader_is_over(l->reader))
			return 0;
		if (wait_for_more(l, ctx, e) < 0)
			return -1;
	}
}

void engine_logs_close(struct engine_logs *l)
{
	if (!l)
		return;
	logs_reader_close(l->reader);
	logs_watch_close(l->watch);
	if (l->end)
		waiter_remove(l->c, l->end);
	fd_close(&l->dirfd);
	container_unref(l->c);
	free(l);
}
