/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: one thread that polls the event descriptors of all monitors and the clock of restart policies. It
 * only reads and hands over; what an end entails (network, state, events, removal, restart) runs in a job thread, one
 * job per end, so that a slow container delays no other.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/engine-internal.h"
#include "monitor/client.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* --- jobs --- */

#define JOB_THREADS 8
#define JOB_STACK   (256 * 1024)

struct job {
	struct list link;
	void (*fn)(void *arg);
	void *arg;
};

struct jobs {
	pthread_mutex_t lock;
	pthread_cond_t more, idle_cond;
	struct list queue;
	unsigned n_threads, n_idle;
	bool stop;
};

int jobs_open(struct jobs **out, struct err **e)
{
	(void)e;
	struct jobs *j = NEW(struct jobs);
	(void)pthread_mutex_init(&j->lock, NULL);
	(void)pthread_cond_init(&j->more, NULL);
	(void)pthread_cond_init(&j->idle_cond, NULL);
	list_init(&j->queue);
	*out = j;
	return 0;
}

static void block_signals(void)
{
	sigset_t all;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void *job_thread(void *arg)
{
	struct jobs *j = arg;
	block_signals();
	pthread_mutex_lock(&j->lock);
	for (;;) {
		while (list_empty(&j->queue) && !j->stop) {
			j->n_idle++;
			(void)pthread_cond_wait(&j->more, &j->lock);
			j->n_idle--;
		}
		if (list_empty(&j->queue))
			break;
		struct job *job = LIST_ENTRY(j->queue.next, struct job, link);
		list_del(&job->link);
		pthread_mutex_unlock(&j->lock);
		job->fn(job->arg);
		free(job);
		pthread_mutex_lock(&j->lock);
	}
	j->n_threads--;
	(void)pthread_cond_broadcast(&j->idle_cond);
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

static bool thread_start(void *(*fn)(void *), void *arg, pthread_t *out)
{
	pthread_attr_t attr;
	pthread_t t;
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, JOB_STACK);
	if (!out)
		(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int r = pthread_create(&t, &attr, fn, arg);
	(void)pthread_attr_destroy(&attr);
	if (r == 0 && out)
		*out = t;
	return r == 0;
}

void jobs_add(struct jobs *j, void (*fn)(void *arg), void *arg)
{
	struct job *job = NEW(struct job);
	job->fn = fn;
	job->arg = arg;
	pthread_mutex_lock(&j->lock);
	list_add_tail(&j->queue, &job->link);
	if (j->n_idle == 0 && j->n_threads < JOB_THREADS && thread_start(job_thread, j, NULL))
		j->n_threads++;
	if (j->n_threads == 0) {
		/* No thread to be had: do it here, late is better than never. */
		list_del(&job->link);
		pthread_mutex_unlock(&j->lock);
		fn(arg);
		free(job);
		return;
	}
	(void)pthread_cond_signal(&j->more);
	pthread_mutex_unlock(&j->lock);
}

/* Finishes what is queued. */
void jobs_close(struct jobs *j)
{
	if (!j)
		return;
	pthread_mutex_lock(&j->lock);
	j->stop = true;
	(void)pthread_cond_broadcast(&j->more);
	while (j->n_threads)
		(void)pthread_cond_wait(&j->idle_cond, &j->lock);
	pthread_mutex_unlock(&j->lock);
	(void)pthread_cond_destroy(&j->more);
	(void)pthread_cond_destroy(&j->idle_cond);
	(void)pthread_mutex_destroy(&j->lock);
	free(j);
}

/* --- the loop --- */

struct restart {
	struct container *c; /* reference */
	int64_t at_ns;
};

struct supervisor {
	struct engine *en;
	pthread_t thread;
	int epfd, wakefd;
	pthread_mutex_t lock; /* restarts, stop, runs */
	struct restart *restarts;
	size_t n_restarts, cap_restarts;
	struct run **runs; /* references; what epoll data points to */
	size_t n_runs, cap_runs;
	bool stop;
};

void run_unref(struct run *r)
{
	if (!r || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	monitor_close(r->m);
	container_unref(r->c);
	free(r);
}

struct exit_job {
	struct run *r;
	struct monitor_exit x;
	bool killed;
};

static void exit_job(void *arg)
{
	struct exit_job *j = arg;
	container_exited(j->r->c, j->r, j->killed ? NULL : &j->x);
	run_unref(j->r);
	free(j);
}

static void push_exit(struct supervisor *s, struct run *r, const struct monitor_exit *x)
{
	struct exit_job *j = NEW(struct exit_job);
	r->exit_seen = true;
	j->r = run_ref(r);
	j->killed = !x;
	if (x)
		j->x = *x;
	jobs_add(s->en->jobs, exit_job, j);
}

static void on_event(struct supervisor *s, struct run *r, const struct monitor_event *ev)
{
	char text[128];
	switch (ev->kind) {
	case MONITOR_EXIT:
		if (!r->exit_seen)
			push_exit(s, r, &ev->exit);
		break;
	case MONITOR_EXEC_EXIT: exec_exited(s->en, ev->exec_id, &ev->exit); break;
	case MONITOR_DETACH:
		if (ev->exec_id[0])
			container_event(r->c, "exec_detach", log_kv("execID", ev->exec_id));
		else
			container_event(r->c, "detach", NULL);
		break;
	case MONITOR_OOM: container_event(r->c, "oom", NULL); break;
	case MONITOR_LOG_ERROR:
		log_error(log_kv("container", r->c->id), "log records are being dropped: %s",
			  err_sys_text(ev->sys, text, sizeof(text)));
		break;
	case MONITOR_LOG_ROTATED: break;
	}
}

/* The monitor ended. Without an exit told, its exit file has it; without that it was killed. */
static void on_gone(struct supervisor *s, struct run *r)
{
	(void)epoll_ctl(s->epfd, EPOLL_CTL_DEL, monitor_event_fd(r->m), NULL);
	if (!r->exit_seen) {
		struct monitor_exit x;
		cleanup_close int dirfd = container_exec_dirfd(r->c, false);
		push_exit(s, r, dirfd >= 0 && monitor_read_exit(dirfd, &x) == 0 ? &x : NULL);
	}
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n_runs; i++) {
		if (s->runs[i] == r) {
			s->runs[i] = s->runs[--s->n_runs];
			break;
		}
	}
	pthread_mutex_unlock(&s->lock);
	run_unref(r);
}

static void on_ready(struct supervisor *s, struct run *r)
{
	struct monitor_event ev;
	int n;
	while ((n = monitor_next_event(r->m, &ev)) == 1)
		on_event(s, r, &ev);
	if (n < 0)
		on_gone(s, r);
}

static void restart_job(void *arg)
{
	cleanup_container struct container *c = arg;
	cleanup_err struct err *e = NULL;
	pthread_mutex_lock(&c->lock);
	bool go = c->now.state == LIFE_RESTARTING && container_begin_start_locked(c, &e) == 0;
	pthread_mutex_unlock(&c->lock);
	if (go && container_start_now(c, &e) < 0)
		log_error(log_kv("container", c->id), "restart failed: %s", err_text(e));
}

/* Starts what is due; returns milliseconds to the next, or -1. */
static int due(struct supervisor *s)
{
	int64_t now = clock_mono_ns(), next = INT64_MAX;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n_restarts;) {
		struct restart *r = &s->restarts[i];
		if (r->at_ns <= now) {
			jobs_add(s->en->jobs, restart_job, r->c);
			*r = s->restarts[--s->n_restarts];
			continue;
		}
		next = MIN(next, r->at_ns);
		i++;
	}
	pthread_mutex_unlock(&s->lock);
	if (next == INT64_MAX)
		return -1;
	return (int)MIN((next - now) / NS_PER_MS + 1, (int64_t)60000);
}

static void *loop(void *arg)
{
	struct supervisor *s = arg;
	block_signals();
	for (;;) {
		struct epoll_event ev[64];
		int n = epoll_wait(s->epfd, ev, ARRAY_LEN(ev), due(s));
		pthread_mutex_lock(&s->lock);
		bool stop = s->stop;
		pthread_mutex_unlock(&s->lock);
		if (stop)
			return NULL;
		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr)
				on_ready(s, ev[i].data.ptr);
			else {
				eventfd_t v;
				(void)eventfd_read(s->wakefd, &v);
			}
		}
	}
}

int supervisor_open(struct engine *en, struct err **e)
{
	struct supervisor *s = NEW(struct supervisor);
	s->en = en;
	(void)pthread_mutex_init(&s->lock, NULL);
	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	s->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	if (s->epfd < 0 || s->wakefd < 0 || epoll_ctl(s->epfd, EPOLL_CTL_ADD, s->wakefd, &ev) < 0 ||
	    !thread_start(loop, s, &s->thread)) {
		int r = errno;
		fd_close(&s->epfd);
		fd_close(&s->wakefd);
		free(s);
		return err_sys(e, r, "start the supervisor");
	}
	en->supervisor = s;
	return 0;
}

void supervisor_close(struct supervisor *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_mutex_unlock(&s->lock);
	(void)eventfd_write(s->wakefd, 1);
	(void)pthread_join(s->thread, NULL);
	/* What is queued may still ask for a restart: finish it before its list goes. */
	jobs_close(TAKE_PTR(s->en->jobs));
	for (size_t i = 0; i < s->n_restarts; i++)
		container_unref(s->restarts[i].c);
	for (size_t i = 0; i < s->n_runs; i++)
		run_unref(s->runs[i]);
	free(s->restarts);
	free(s->runs);
	fd_close(&s->epfd);
	fd_close(&s->wakefd);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

void supervisor_add(struct supervisor *s, struct run *r)
{
	char text[128];
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = run_ref(r) };
	pthread_mutex_lock(&s->lock);
	GROW(s->runs, s->n_runs, s->cap_runs);
	s->runs[s->n_runs++] = r;
	pthread_mutex_unlock(&s->lock);
	if (epoll_ctl(s->epfd, EPOLL_CTL_ADD, monitor_event_fd(r->m), &ev) < 0)
		log_error(log_kv("container", r->c->id), "cannot watch the monitor: %s",
			  err_sys_text(errno, text, sizeof(text)));
}

void supervisor_restart_at(struct supervisor *s, struct container *c, int64_t at_ns)
{
	pthread_mutex_lock(&s->lock);
	GROW(s->restarts, s->n_restarts, s->cap_restarts);
	s->restarts[s->n_restarts++] = (struct restart){ container_ref(c), at_ns };
	pthread_mutex_unlock(&s->lock);
	(void)eventfd_write(s->wakefd, 1);
}
