/* SPDX-License-Identifier: Apache-2.0 */
/* hoyd's requests, and what it is told. Requests are answered in turn; an engine that is gone is no reason to stop. */
#include "monitor/monitor-internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/fdpass.h"
#include "base/fs.h"
#include "base/proc.h"
#include "kernel/cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* --- receiving --- */

struct received {
	int fd[4 + MONITOR_MAX_FDS];
	size_t n_fds;
};

static void received_close(struct received *r)
{
	for (size_t i = 0; i < r->n_fds; i++)
		fd_close(&r->fd[i]);
	r->n_fds = 0;
}

/* One message into m->msg (what follows a start goes to m->cgroup) and its descriptors. Length, 0 at the end, -errno. */
static ssize_t receive(struct mon *m, int sock, struct received *r, bool is_start, int flags)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(r->fd))];
	} c;
	struct iovec v[2] = { { &m->msg, sizeof(struct wire_start) }, { m->cgroup, sizeof(m->cgroup) } };
	struct msghdr mh = {
		.msg_iov = v, .msg_iovlen = is_start ? 2 : 1, .msg_control = &c, .msg_controllen = sizeof(c)
	};
	ssize_t n;

	r->n_fds = 0;
	do
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC | flags);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&mh); h; h = CMSG_NXTHDR(&mh, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t k = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < k && r->n_fds < ARRAY_LEN(r->fd); i++)
			memcpy(&r->fd[r->n_fds++], CMSG_DATA(h) + i * sizeof(int), sizeof(int));
	}
	if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		received_close(r);
		return -EMSGSIZE;
	}
	return n;
}

/* --- sending --- */

static void reply_init(struct mon *m)
{
	struct wire_reply *r = &m->reply;

	memset(r, 0, sizeof(*r));
	r->pid = m->s[0].pid;
	r->own_pid = getpid();
	r->started_ns = m->s[0].started_ns;
	r->state = m->s[0].exited ? WIRE_EXITED : m->released ? WIRE_RUNNING : WIRE_CREATED;
}

static void reply_send(struct mon *m, int fd)
{
	wire_head_set(&m->reply.head, WIRE_REPLY, sizeof(m->reply), fd >= 0);
	if (fdpass_send(m->control, &m->reply, sizeof(m->reply), &fd, fd >= 0) < 0)
		control_close(m);
}

static void reply_sys(struct mon *m, int sys, const char *text)
{
	reply_init(m);
	m->reply.sys = sys;
	if (text)
		(void)snprintf(m->reply.text, sizeof(m->reply.text), "%s", text);
	reply_send(m, -1);
}

static void reply_launch(struct mon *m, const struct launch *l)
{
	reply_init(m);
	m->reply.sys = l->sys ? l->sys : EIO;
	m->reply.exit_code = launch_exit_code(l);
	(void)launch_error_text(l, m->reply.text, sizeof(m->reply.text));
	reply_send(m, -1);
}

static bool event_send(struct mon *m, struct wire_event *ev)
{
	if (m->events < 0)
		return false;
	wire_head_set(&ev->head, WIRE_EVENT, sizeof(*ev), 0);
	ssize_t n = send(m->events, ev, sizeof(*ev), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN)
		fd_close(&m->events);
	if (n < 0 && m->events >= 0) {
		uint32_t now = EPOLLIN;

		(void)mon_watch(m, m->events, WATCH_EVENTS, 0, &now, EPOLLOUT | EPOLLIN);
	}
	return n >= 0;
}

void control_event(struct mon *m, enum monitor_event_kind kind, const struct session *s, uint64_t tag,
		   int sys)
{
	struct wire_event ev = { .kind = kind, .tag = tag, .sys = sys };

	if (s)
		ev.exec_id = s->id;
	(void)event_send(m, &ev);
}

void exit_event(const struct mon *m, const struct session *s, struct wire_event *ev)
{
	*ev = (struct wire_event){ .kind = session_index(m, s) ? MONITOR_EXEC_EXIT : MONITOR_EXIT };
	ev->exec_id = s->id;
	ev->signal = WIFSIGNALED(s->status) ? WTERMSIG(s->status) : 0;
	ev->code = ev->signal ? 128 + ev->signal : WEXITSTATUS(s->status);
	ev->pid = s->pid;
	ev->oom = m->oom_kills > 0;
	ev->at_ns = s->exit_ns;
	ev->started_ns = s->started_ns;
}

/* Ends of execs, until somebody has heard them. */
void control_exec_exits(struct mon *m)
{
	struct wire_event ev;

	for (uint32_t i = 1; i < m->top_session; i++) {
		struct session *s = &m->s[i];

		if (!s->used || !s->over)
			continue;
		exit_event(m, s, &ev);
		if (!event_send(m, &ev))
			return;
		session_release(m, s);
	}
}

/* The exit file first, so that the exit is known whatever happens to the engine; then the event. */
void control_write_exit(struct mon *m)
{
	static const char tmp[] = ".exit.tmp";
	struct wire_event ev;

	exit_event(m, &m->s[0], &ev);
	memset(&ev.exec_id, 0, sizeof(ev.exec_id));
	wire_head_set(&ev.head, WIRE_EXIT_FILE, sizeof(ev), 0);
	cleanup_close int fd = fs_open_at(m->dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd >= 0 && fd_write_full(fd, &ev, sizeof(ev)) == 0)
		(void)renameat(m->dirfd, tmp, m->dirfd, WIRE_EXIT_NAME);
	(void)fault_point("monitor.exit.recorded");
	(void)event_send(m, &ev);
}

void control_close(struct mon *m)
{
	fd_close(&m->control);
	fd_close(&m->events);
}

/* --- start --- */

static void *map_plan(int fd, size_t n)
{
	struct stat st;

	if (n == 0 || fstat(fd, &st) < 0 || st.st_size < 0 || (uint64_t)st.st_size < n)
		return NULL;
	/* Private and writable: the launcher keeps its notes in it. */
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

void control_plan_done(struct mon *m)
{
	if (m->plan)
		(void)munmap(m->plan, m->plan_n);
	m->plan = NULL;
}

static int listen_on(struct mon *m)
{
	char path[64];

	(void)unlinkat(m->dirfd, WIRE_SOCK_NAME, 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/" WIRE_SOCK_NAME, m->dirfd);
	m->listen = unix_listen(path, SOCK_SEQPACKET, 0600, 4);
	if (m->listen < 0)
		return m->listen;
	uint32_t now = 0;
	return mon_watch(m, m->listen, WATCH_LISTEN, 0, &now, EPOLLIN);
}

/* fds: events, dir, plan, log directory. On failure the engine has been told. */
int control_start(struct mon *m)
{
	struct received r;
	struct session *s = session_new(m);
	const struct wire_start *q = &m->msg.start;
	ssize_t n = receive(m, m->control, &r, true, 0);
	uint32_t now = 0;

	if (n <= 0)
		return -1;
	int rc = q->head.type == WIRE_START ? wire_check(&m->msg, (size_t)n, r.n_fds) : -EBADMSG;
	if (rc == 0 && q->cgroup_n)
		rc = cgroup_prog_check(m->cgroup, q->cgroup_n);
	if (rc < 0) {
		reply_sys(m, -rc, "hoy-monitor: malformed start message");
		return -1;
	}
	m->started = true;
	m->cgroup_n = q->cgroup_n;
	m->events = r.fd[0];
	m->dirfd = r.fd[1];
	cleanup_close int planfd = r.fd[2];
	s->id = (struct wire_id){ 0 };
	s->tty = q->tty;
	s->open_stdin = q->open_stdin;
	s->stdin_once = q->stdin_once;

	rc = listen_on(m);
	if (rc < 0) {
		reply_sys(m, -rc, "hoy-monitor: cannot make the control socket");
		return -1;
	}
	if (q->log == MONITOR_LOG_JSON_FILE) {
		rc = log_open(&m->log, r.fd[3], q->log_name, q->log_max_size, q->log_max_file, q->log_attrs,
			      q->log_attrs_n);
		if (rc < 0) {
			reply_sys(m, -rc, "failed to initialize logging driver: cannot open the log file");
			return -1;
		}
	} else {
		fd_close(&r.fd[3]);
	}
	m->plan = map_plan(planfd, q->plan_n);
	m->plan_n = q->plan_n;
	struct launch_io io = { .rows = q->rows, .cols = q->cols, .die_with_parent = true };
	rc = m->plan ? session_io_make(s, true, &io) : -ENOMEM;
	if (rc < 0) {
		reply_sys(m, -rc, "hoy-monitor: cannot map the plan or make pipes");
		return -1;
	}
	rc = launch_start(m->plan, m->plan_n, r.fd + 4, r.n_fds - 4, &io, &m->launch);
	session_io_done(&io);
	for (size_t i = 4; i < r.n_fds; i++)
		fd_close(&r.fd[i]);
	if (rc < 0) {
		reply_launch(m, &m->launch);
		return -1;
	}
	s->pid = m->launch.pid;
	s->pidfd = m->launch.pidfd;
	if (s->tty)
		s->fd[0] = m->launch.console_fd;
	session_begin(m, s);
	(void)mon_watch(m, m->control, WATCH_CONTROL, 0, &now, EPOLLIN);
	now = 0;
	(void)mon_watch(m, m->events, WATCH_EVENTS, 0, &now, EPOLLIN);
	(void)fault_point("monitor.created");
	reply_init(m);
	reply_send(m, s->pidfd);
	return 0;
}

/* --- requests --- */

static void do_release(struct mon *m)
{
	if (m->released) {
		reply_sys(m, EALREADY, NULL);
		return;
	}
	if (launch_release(&m->launch) < 0) {
		reply_launch(m, &m->launch);
		m->failed = true;
		return;
	}
	control_plan_done(m);
	m->released = true;
	m->s[0].started_ns = clock_now_ns();
	reply_init(m);
	reply_send(m, -1);
	mon_reap(m);
}

static void do_attach(struct mon *m, struct received *r)
{
	const struct wire_attach *q = &m->msg.attach;
	struct session *s = session_find(m, &q->exec_id);

	if (!s || s->exited) {
		reply_sys(m, ESRCH, NULL);
		return;
	}
	int rc = peer_add(m, s, q, r->fd[0]);
	if (rc == 0)
		r->n_fds = 0;
	reply_sys(m, -rc, rc < 0 ? "too many attached clients" : NULL);
}

static void do_resize(struct mon *m)
{
	const struct wire_simple *q = &m->msg.simple;
	struct session *s = session_find(m, &q->exec_id);
	struct winsize ws = { .ws_row = (unsigned short)q->arg, .ws_col = (unsigned short)q->arg2 };

	if (!s || s->exited)
		reply_sys(m, ESRCH, NULL);
	else if (!s->tty)
		reply_sys(m, ENOTTY, NULL);
	else
		reply_sys(m, s->fd[0] >= 0 && ioctl(s->fd[0], TIOCSWINSZ, &ws) < 0 ? errno : 0, NULL);
}

static void do_signal(struct mon *m)
{
	const struct wire_simple *q = &m->msg.simple;
	struct session *s = session_find(m, &q->exec_id);

	if (!s || s->exited || s->pidfd < 0) {
		reply_sys(m, ESRCH, NULL);
		return;
	}
	int rc = proc_pidfd_signal(s->pidfd, (int)q->arg);
	reply_sys(m, rc < 0 ? -rc : 0, NULL);
}

static void do_close_stdin(struct mon *m)
{
	struct session *s = session_find(m, &m->msg.simple.exec_id);

	if (s)
		session_input_end(m, s);
	reply_sys(m, s ? 0 : ESRCH, NULL);
}

/* fds: plan, the client if there is one, then the plan's. */
static void do_exec(struct mon *m, struct received *r)
{
	const struct wire_exec *q = &m->msg.exec;
	size_t first = q->has_client ? 2 : 1;
	struct launch l = { .pidfd = -1, .console_fd = -1, .sync_fd = -1 };
	struct launch_io io = { .rows = q->rows, .cols = q->cols, .die_with_parent = true };

	if (!m->released || m->s[0].exited) {
		reply_sys(m, ESRCH, NULL);
		return;
	}
	if (session_find(m, &q->exec_id)) {
		reply_sys(m, EEXIST, NULL);
		return;
	}
	struct session *s = session_new(m);
	if (!s) {
		reply_sys(m, EMFILE, "too many exec processes in this container");
		return;
	}
	s->id = q->exec_id;
	s->tty = q->tty;
	s->open_stdin = q->open_stdin && q->has_client;
	s->stdin_once = true;
	void *plan = map_plan(r->fd[0], q->plan_n);
	int rc = plan ? session_io_make(s, q->has_client, &io) : -ENOMEM;
	if (rc == 0)
		rc = launch_start(plan, q->plan_n, r->fd + first, r->n_fds - first, &io, &l);
	session_io_done(&io);
	if (rc < 0) {
		session_release(m, s);
		if (l.step != LAUNCH_OK)
			reply_launch(m, &l);
		else
			reply_sys(m, rc == -1 ? EIO : -rc, "hoy-monitor: cannot prepare the exec");
		if (plan)
			(void)munmap(plan, q->plan_n);
		return;
	}
	s->pid = l.pid;
	s->pidfd = l.pidfd;
	if (s->tty)
		s->fd[0] = l.console_fd;
	session_begin(m, s);
	if (q->has_client) {
		rc = peer_add(m, s, &q->client, r->fd[1]);
		if (rc < 0) { /* it has not run: nobody would see what it says */
			launch_abort(&l);
			session_release(m, s);
			(void)munmap(plan, q->plan_n);
			reply_sys(m, -rc, "too many attached clients");
			return;
		}
		r->fd[1] = -1;
	}
	rc = launch_release(&l);
	(void)munmap(plan, q->plan_n);
	if (rc < 0) {
		/* The client's socket is only closed here, not shut down: hoyd has its own copy to explain on. */
		for (uint32_t i = 0; i < m->top_peer; i++)
			if (m->p[i].state == PEER_OPEN && m->p[i].session == session_index(m, s))
				peer_drop(m, &m->p[i]);
		session_release(m, s);
		reply_launch(m, &l);
		return;
	}
	s->started_ns = clock_now_ns();
	reply_init(m);
	m->reply.pid = s->pid;
	reply_send(m, -1);
	mon_reap(m); /* it may have ended while the signal was looked at for another */
}

/* The arg-th exec that runs. */
static void do_execs(struct mon *m)
{
	uint32_t want = m->msg.simple.arg;

	reply_init(m);
	for (uint32_t i = 1; i < m->top_session; i++) {
		const struct session *s = &m->s[i];

		if (!s->used || s->exited || want--)
			continue;
		m->reply.more = 1;
		m->reply.exec_id = s->id;
		m->reply.pid = s->pid;
		m->reply.tty = s->tty;
		break;
	}
	reply_send(m, -1);
}

static void do_log_limits(struct mon *m)
{
	const struct wire_simple *q = &m->msg.simple;

	if (q->arg == 0) {
		reply_sys(m, EINVAL, NULL);
		return;
	}
	m->log.max_size = q->arg64;
	m->log.max_file = q->arg;
	reply_sys(m, 0, NULL);
}

static void handle(struct mon *m, struct received *r)
{
	switch ((enum wire_type)m->msg.simple.head.type) {
	case WIRE_RELEASE: do_release(m); return;
	case WIRE_ATTACH: do_attach(m, r); return;
	case WIRE_RESIZE: do_resize(m); return;
	case WIRE_CLOSE_STDIN: do_close_stdin(m); return;
	case WIRE_SIGNAL: do_signal(m); return;
	case WIRE_EXEC: do_exec(m, r); return;
	case WIRE_EXECS: do_execs(m); return;
	case WIRE_LOG_LIMITS: do_log_limits(m); return;
	case WIRE_START:
	case WIRE_HELLO:
	case WIRE_REPLY:
	case WIRE_EVENT:
	case WIRE_TYPES_: break;
	}
	reply_sys(m, EPROTO, NULL);
}

void control_readable(struct mon *m)
{
	struct received r;
	ssize_t n = receive(m, m->control, &r, false, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return;
	if (n <= 0 || wire_check(&m->msg, (size_t)n, r.n_fds) < 0) {
		received_close(&r);
		control_close(m); /* gone, or not one of ours: the container goes on */
		return;
	}
	handle(m, &r);
	received_close(&r);
}

/* A new engine: its first message is a hello with its events socket; it takes the place of the old one. */
void control_accept(struct mon *m)
{
	struct received r;
	struct ucred uc;
	socklen_t len = sizeof(uc);
	struct timeval patience = { .tv_sec = 1 };
	cleanup_close int fd = accept4(m->listen, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &uc, &len) < 0 || uc.uid != geteuid())
		return;
	/* It says hello right after connecting; somebody who does not is not waited for long. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	struct wire_simple *q = &m->msg.simple;
	ssize_t n = receive(m, fd, &r, false, 0);
	if (n <= 0 || wire_check(q, (size_t)n, r.n_fds) < 0 || q->head.type != WIRE_HELLO) {
		received_close(&r);
		return;
	}
	control_close(m);
	m->control = TAKE_FD(fd);
	m->events = r.fd[0];
	uint32_t now = 0;
	(void)mon_watch(m, m->control, WATCH_CONTROL, 0, &now, EPOLLIN);
	now = 0;
	(void)mon_watch(m, m->events, WATCH_EVENTS, 0, &now, EPOLLIN);
	reply_init(m);
	reply_send(m, m->s[0].pidfd);
	control_exec_exits(m);
}
