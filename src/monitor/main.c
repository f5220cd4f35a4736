/* SPDX-License-Identifier: Apache-2.0 */
/* The loop, and a container's end: reap, drain, record, tell, remove the cgroup, let the last clients finish reading. */
#include "monitor/monitor.h"

#include "base/clock.h"
#include "base/fs.h"
#include "kernel/cgroup.h"
#include "monitor/monitor-internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define DESTROY_MS 2000
#define IDLE_MS    1000 /* after that long without work, buffers are given back */

static struct mon mon;

/* Makes the epoll entry of fd be `want`; 0 takes it out, since hang-ups are reported whether asked for or not. */
int mon_watch(struct mon *m, int fd, enum watch kind, uint32_t index, uint32_t *now, uint32_t want)
{
	struct epoll_event ev = { .events = want, .data.u64 = (uint64_t)kind << 32 | index };

	if (want == *now)
		return 0;
	int op = *now == 0 ? EPOLL_CTL_ADD : want == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
	if (epoll_ctl(m->epfd, op, fd, &ev) < 0)
		return -errno;
	*now = want;
	return 0;
}

/* --- the end of processes --- */

void mon_reap(struct mon *m)
{
	/* Before the release the launcher waits for its own processes. */
	while (m->released) {
		int st;
		pid_t pid = waitpid(-1, &st, WNOHANG);

		if (pid <= 0)
			return;
		for (uint32_t i = 0; i < m->top_session; i++) {
			struct session *s = &m->s[i];

			if (!s->used || s->exited || s->pid != pid)
				continue;
			s->exited = true;
			s->status = st;
			s->exit_ns = clock_now_ns();
			fd_close(&s->slave);
			break;
		}
	}
}

static void drain(struct mon *m, struct session *s)
{
	for (int i = 0; i < 2; i++)
		if (s->fd[i] >= 0)
			session_output(m, s, i);
}

static bool is_past(int64_t exit_ns)
{
	int64_t d = clock_now_ns() - exit_ns;

	return d > MON_DRAIN_NS || d < 0;
}

/* An exec is over when its output is read, or somebody else has held it open for long enough. */
static void end_execs(struct mon *m)
{
	bool any = false;

	for (uint32_t i = 1; i < m->top_session; i++) {
		struct session *s = &m->s[i];

		if (!s->used || !s->exited || s->over)
			continue;
		drain(m, s);
		if (!session_drained(s) && !is_past(s->exit_ns))
			continue;
		session_end(m, s);
		s->over = true;
		any = true;
	}
	if (any)
		control_exec_exits(m);
}

static bool execs_run(const struct mon *m)
{
	for (uint32_t i = 1; i < m->top_session; i++)
		if (m->s[i].used && !m->s[i].exited)
			return true;
	return false;
}

static void read_oom(struct mon *m)
{
	uint64_t kills = 0;

	if (!m->cgroup_n || cgroup_exec_oom_kills(m->cgroup, m->cgroup_n, &kills) < 0)
		return;
	if (kills > m->oom_kills) {
		m->oom_kills = kills;
		control_event(m, MONITOR_OOM, NULL, 0, 0);
	}
}

static void cgroup_remove(struct mon *m)
{
	if (m->cgroup_n)
		(void)cgroup_exec_destroy(m->cgroup, m->cgroup_n, DESTROY_MS);
}

/* After this only clients that still read are left to serve; for the engine we are gone. */
static void say_goodbye(struct mon *m)
{
	fd_close(&m->listen);
	(void)unlinkat(m->dirfd, WIRE_SOCK_NAME, 0);
	fd_close(&m->oomfd);
	fd_close(&m->dirfd);
	if (m->log.dirfd >= 0) {
		int dirfd = m->log.dirfd;

		log_close(&m->log);
		fd_close(&dirfd);
	}
	control_close(m);
}

static void try_finish(struct mon *m)
{
	struct session *s = &m->s[0];

	if (!s->exited || m->finished)
		return;
	drain(m, s);
	if ((!session_drained(s) || execs_run(m)) && !m->in_kill) {
		/* Without a pid namespace of its own, or with its output handed on: what is left of it goes now. */
		m->in_kill = true;
		if (m->cgroup_n)
			(void)cgroup_exec_kill(m->cgroup, m->cgroup_n);
		drain(m, s);
	}
	if ((!session_drained(s) || execs_run(m)) && !is_past(s->exit_ns))
		return;
	session_end(m, s);
	for (uint32_t i = 1; i < m->top_session; i++)
		if (m->s[i].used && !m->s[i].over) {
			session_end(m, &m->s[i]);
			m->s[i].exited = m->s[i].over = true;
		}
	control_exec_exits(m);
	log_flush(&m->log);
	m->finished = true;
	read_oom(m);
	control_write_exit(m);
	cgroup_remove(m);
	say_goodbye(m);
}

/* The engine went away before the container ran, or it could not be run: nothing of it stays. Attached sockets are only
 * closed, not shut down: hoyd has its copies to explain on. */
static void abandon(struct mon *m)
{
	for (uint32_t i = 0; i < m->top_peer; i++)
		peer_drop(m, &m->p[i]);
	launch_abort(&m->launch);
	control_plan_done(m);
	cgroup_remove(m);
	session_release(m, &m->s[0]);
	say_goodbye(m);
	m->finished = true;
}

/* --- the loop --- */

/* Not on the way to the first instruction of the container: a little later. */
static void watch_oom(struct mon *m)
{
	uint32_t now = 0;

	m->oom_watched = true;
	if (!m->cgroup_n)
		return;
	m->oomfd = cgroup_exec_oom_fd(m->cgroup, m->cgroup_n);
	if (m->oomfd >= 0)
		(void)mon_watch(m, m->oomfd, WATCH_OOM, 0, &now, EPOLLIN);
}

static void oom_event(struct mon *m)
{
	char buf[512];

	if (read(m->oomfd, buf, sizeof(buf)) <= 0 && errno != EAGAIN)
		fd_close(&m->oomfd);
	read_oom(m);
}

static void tell_log(struct mon *m)
{
	if (m->log.rotated) {
		m->log.rotated = false;
		control_event(m, MONITOR_LOG_ROTATED, NULL, 0, 0);
	}
	if (m->log.error && !m->log_error_told)
		control_event(m, MONITOR_LOG_ERROR, NULL, 0, m->log.error);
	m->log_error_told = m->log.error != 0;
}

static void dispatch(struct mon *m, const struct epoll_event *ev)
{
	uint32_t index = (uint32_t)ev->data.u64;
	struct session *s = &m->s[index < MON_SESSIONS ? index : 0];
	struct signalfd_siginfo si;

	switch ((enum watch)(ev->data.u64 >> 32)) {
	case WATCH_SIGNAL:
		(void)!read(m->sigfd, &si, sizeof(si));
		mon_reap(m);
		break;
	case WATCH_CONTROL:
		if (m->control >= 0)
			control_readable(m);
		break;
	case WATCH_LISTEN:
		if (m->listen >= 0)
			control_accept(m);
		break;
	case WATCH_EVENTS: /* only its end is of interest, or room for what could not be said before */
		if (m->events < 0)
			break;
		if (ev->events & (EPOLLHUP | EPOLLERR | EPOLLIN)) {
			fd_close(&m->events);
			break;
		}
		if (ev->events & EPOLLOUT) {
			uint32_t now = EPOLLIN | EPOLLOUT;

			(void)mon_watch(m, m->events, WATCH_EVENTS, 0, &now, EPOLLIN);
			control_exec_exits(m);
		}
		break;
	case WATCH_OUT:
	case WATCH_ERR:
		if (ev->events & EPOLLOUT && s->tty && s->in >= 0)
			session_input_room(m, s);
		if (ev->events & ~(uint32_t)EPOLLOUT && s->used)
			session_output(m, s, (ev->data.u64 >> 32) == WATCH_ERR);
		break;
	case WATCH_IN:
		if (s->in >= 0)
			session_input_room(m, s);
		break;
	case WATCH_PEER:
		if (index < MONITOR_MAX_CLIENTS && m->p[index].born != m->batch)
			peer_event(m, &m->p[index], ev->events);
		break;
	case WATCH_OOM:
		if (m->oomfd >= 0)
			oom_event(m);
		break;
	}
}

static bool waits_for_drain(const struct mon *m)
{
	for (uint32_t i = 0; i < m->top_session; i++)
		if (m->s[i].used && m->s[i].exited && !m->s[i].over && !m->finished)
			return true;
	return false;
}

/* Rarely needed timers share one coarse tick. */
static int next_timeout(struct mon *m, bool busy)
{
	if (m->released && !m->oom_watched && !m->finished)
		return (int)(MON_OOM_WATCH_NS / NS_PER_MS);
	if (waits_for_drain(m))
		return 100;
	if (m->any_stalled || busy)
		return IDLE_MS;
	for (uint32_t i = 0; i < m->top_peer; i++)
		if (m->p[i].state == PEER_LINGER)
			return IDLE_MS;
	return -1;
}

static bool is_done(const struct mon *m)
{
	return m->finished && m->n_peers == 0;
}

static int loop(struct mon *m)
{
	struct epoll_event ev[32];
	bool busy = true;

	while (!is_done(m)) {
		int n = epoll_wait(m->epfd, ev, ARRAY_LEN(ev), next_timeout(m, busy));

		m->batch++;
		if (n < 0 && errno != EINTR)
			return 1;
		for (int i = 0; i < n; i++)
			dispatch(m, &ev[i]);
		if (n == 0) {
			if (busy && m->log.out_used > 4096)
				(void)madvise(m->io, sizeof(m->io), MADV_DONTNEED);
			log_trim(&m->log);
		}
		if (m->released && !m->oom_watched && !m->finished &&
		    (n == 0 || clock_now_ns() - m->s[0].started_ns > MON_OOM_WATCH_NS))
			watch_oom(m);
		busy = n > 0;
		m->any_stalled = false;
		peers_tick(m, clock_mono_ns());
		for (uint32_t i = 0; i < m->top_peer; i++)
			m->any_stalled = m->any_stalled || peer_is_full(&m->p[i]);
		log_flush(&m->log);
		tell_log(m);
		if (!m->released && (m->control < 0 || m->failed) && !m->finished)
			abandon(m);
		end_execs(m);
		try_finish(m);
	}
	return 0;
}

/* The launch's deep stack frames and the start message are not needed again. */
static void give_back_memory(struct mon *m)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	uintptr_t top = (here - 8192) & ~(uintptr_t)4095;

	/* Within the default 8 MiB a stack may have grown to; pages never touched cost nothing to name. */
	(void)madvise((void *)(top - 256 * 1024), 256 * 1024, MADV_DONTNEED);
	(void)m;
}

int monitor_main(void)
{
	struct mon *m = &mon;
	uint32_t now = 0;
	sigset_t all;

	m->control = WIRE_CONTROL_FD;
	m->epfd = m->sigfd = m->listen = m->events = m->dirfd = m->oomfd = -1;
	m->log.fd = m->log.dirfd = -1;
	m->launch.pidfd = m->launch.console_fd = m->launch.sync_fd = -1;
	(void)fd_set_cloexec(m->control, true);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	/* We run from a sealed copy, whose name ps would show. */
	(void)prctl(PR_SET_NAME, "hoy-monitor", 0, 0, 0);
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	/* Nobody tells us to stop but hoyd, by our socket: other signals stay pending. */
	sigset_t chld;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	m->sigfd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	m->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (m->sigfd < 0 || m->epfd < 0 || mon_watch(m, m->sigfd, WATCH_SIGNAL, 0, &now, EPOLLIN) < 0)
		return 1;
	if (control_start(m) < 0)
		return 1;
	give_back_memory(m);
	return loop(m);
}
