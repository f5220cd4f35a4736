/* SPDX-License-Identifier: Apache-2.0 */
#include "logs/watch.h"

#include "base/ctx.h"
#include "base/fs.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#define HUB_STACK (64 * 1024)

struct logs_hub {
	pthread_mutex_t lock;
	struct list watches;
	int inotify; /* -1: none to be had */
	int stop_fd;
	pthread_t thread;
	bool has_thread;
};

struct logs_watch {
	struct logs_hub *hub;
	struct list link;
	int fd;
	int wd;
};

struct logs_hub *logs_hub_new(void)
{
	struct logs_hub *h = NEW(struct logs_hub);

	(void)pthread_mutex_init(&h->lock, NULL);
	list_init(&h->watches);
	h->inotify = -1;
	h->stop_fd = -1;
	return h;
}

static void tell(struct logs_hub *h, int wd)
{
	uint64_t one = 1;

	(void)pthread_mutex_lock(&h->lock);
	list_for_each (it, &h->watches) {
		struct logs_watch *w = LIST_ENTRY(it, struct logs_watch, link);
		/* wd -1: the queue overflowed, everybody looks */
		if ((w->wd == wd || wd == -1) && w->fd >= 0 && write(w->fd, &one, sizeof(one)) < 0)
			continue; /* told already, and not looked yet */
	}
	(void)pthread_mutex_unlock(&h->lock);
}

static void *hub_main(void *arg)
{
	struct logs_hub *h = arg;
	struct ctx ctx = { .stop_fd = h->stop_fd };
	char buf[8192] __attribute__((aligned(8)));

	for (;;) {
		struct pollfd p = { .fd = h->inotify, .events = POLLIN };
		if (ctx_poll(&ctx, &p, 1, -1) < 0)
			return NULL;
		ssize_t n = read(h->inotify, buf, sizeof(buf));
		for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
			struct inotify_event ev;
			memcpy(&ev, buf + at, sizeof(ev));
			at += (ssize_t)sizeof(ev) + (ssize_t)ev.len;
			tell(h, ev.mask & IN_Q_OVERFLOW ? -1 : ev.wd);
		}
	}
}

/* At the first watch: an engine whose logs nobody follows has no thread for it. */
static void start_locked(struct logs_hub *h)
{
	pthread_attr_t attr;

	if (h->has_thread || h->inotify >= 0)
		return;
	h->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	h->stop_fd = eventfd(0, EFD_CLOEXEC);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, HUB_STACK);
	if (h->inotify >= 0 && h->stop_fd >= 0)
		h->has_thread = pthread_create(&h->thread, &attr, hub_main, h) == 0;
	(void)pthread_attr_destroy(&attr);
	if (!h->has_thread) {
		log_warn(NULL, "no inotify for following logs: they are polled");
		fd_close(&h->inotify);
		fd_close(&h->stop_fd);
	}
}

void logs_hub_free(struct logs_hub *h)
{
	uint64_t one = 1;

	if (!h)
		return;
	if (h->has_thread && fd_write_full(h->stop_fd, &one, sizeof(one)) == 0)
		(void)pthread_join(h->thread, NULL);
	fd_close(&h->inotify);
	fd_close(&h->stop_fd);
	(void)pthread_mutex_destroy(&h->lock);
	free(h);
}

struct logs_watch *logs_watch_open(struct logs_hub *h, int dirfd)
{
	struct logs_watch *w = NEW(struct logs_watch);

	w->hub = h;
	w->wd = -1;
	w->fd = -1;
	(void)pthread_mutex_lock(&h->lock);
	start_locked(h);
	if (h->has_thread)
		w->wd = inotify_add_watch(h->inotify, fd_path(dirfd).s,
					  IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE);
	if (w->wd >= 0)
		w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	list_add_tail(&h->watches, &w->link);
	(void)pthread_mutex_unlock(&h->lock);
	return w;
}

int logs_watch_fd(const struct logs_watch *w)
{
	return w->fd;
}

void logs_watch_clear(struct logs_watch *w)
{
	uint64_t count;

	if (w->fd >= 0 && read(w->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_debug(NULL, "log watch: read failed");
}

void logs_watch_close(struct logs_watch *w)
{
	bool shared = false;

	if (!w)
		return;
	struct logs_hub *h = w->hub;
	(void)pthread_mutex_lock(&h->lock);
	list_del(&w->link);
	/* two followers of one directory have one watch descriptor */
	list_for_each (it, &h->watches) {
		shared |= LIST_ENTRY(it, struct logs_watch, link)->wd == w->wd;
	}
	if (w->wd >= 0 && !shared)
		(void)inotify_rm_watch(h->inotify, w->wd);
	(void)pthread_mutex_unlock(&h->lock);
	fd_close(&w->fd);
	free(w);
}
