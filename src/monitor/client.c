/* SPDX-License-Identifier: Apache-2.0 */
/* hoyd's end: starts monitors, finds them again, asks and listens. */
#include "monitor/client.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/fdpass.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "monitor/wire.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define REPLY_TIMEOUT_MS                                                                                     \
	60000 /* a launch with slow hooks; a monitor that says nothing for that long is broken */

#define REAP_MS 20

struct monitor_program {
	int fd;               /* sealed memfd */
	pthread_mutex_t lock; /* for the following */
	int *unreaped;        /* pidfds of monitors that were closed here but had not ended yet */
	size_t n_unreaped, cap_unreaped;
};

struct monitor {
	pthread_mutex_t lock; /* one request at a time on `control` */
	int control, events, pidfd;
	pid_t pid, own_pid;
	int64_t started_ns;
	bool released;
	bool gone;     /* the events socket said so */
	int own_pidfd; /* of a monitor we started: we are to reap it; -1 after a reconnect */
	struct monitor_program *program;
};

/* --- program --- */

int monitor_program_open(struct monitor_program **out, struct err **e)
{
	cleanup_free char *path = proc_sibling("hoy-monitor");
	cleanup_close int file = path ? fs_open(path, O_RDONLY | O_CLOEXEC, 0) : -ENOENT;
	struct stat st;

	if (file < 0)
		return err_sys(e, -file, "open hoy-monitor ('%s')", path ? path : "not found");
	cleanup_close int mem = memfd_create("hoy-monitor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (mem < 0 || fstat(file, &st) < 0)
		return err_sys(e, errno, "make a private copy of hoy-monitor");
	for (off_t at = 0; at < st.st_size;) {
		ssize_t n = copy_file_range(file, NULL, mem, NULL, (size_t)(st.st_size - at), 0);
		char buf[16384];

		if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
			n = fd_read_full(file, buf, MIN((size_t)(st.st_size - at), sizeof(buf)));
			if (n > 0 && fd_write_full(mem, buf, (size_t)n) < 0)
				n = -1;
		}
		if (n <= 0)
			return err_sys(e, errno ? errno : EIO, "copy hoy-monitor");
		at += n;
	}
	if (fcntl(mem, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0 ||
	    fchmod(mem, 0500) < 0)
		return err_sys(e, errno, "seal hoy-monitor");
	struct monitor_program *p = NEW(struct monitor_program);
	p->fd = TAKE_FD(mem);
	(void)pthread_mutex_init(&p->lock, NULL);
	*out = p;
	return 0;
}

static bool has_ended(int pidfd, int timeout_ms)
{
	struct pollfd pf = { .fd = pidfd, .events = POLLIN };

	return poll(&pf, 1, timeout_ms) > 0;
}

void monitor_program_reap(struct monitor_program *p)
{
	(void)pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->n_unreaped;) {
		if (!has_ended(p->unreaped[i], 0)) {
			i++;
			continue;
		}
		(void)proc_wait_pidfd(p->unreaped[i]);
		fd_close(&p->unreaped[i]);
		p->unreaped[i] = p->unreaped[--p->n_unreaped];
	}
	(void)pthread_mutex_unlock(&p->lock);
}

/* Our child. It ends right after closing the events socket, unless a client still reads its last output. */
static void reap(struct monitor_program *p, int *pidfd, bool is_gone)
{
	if (*pidfd < 0)
		return;
	if (has_ended(*pidfd, is_gone ? REAP_MS : 0)) {
		(void)proc_wait_pidfd(*pidfd);
		fd_close(pidfd);
		return;
	}
	(void)pthread_mutex_lock(&p->lock);
	GROW(p->unreaped, p->n_unreaped, p->cap_unreaped);
	p->unreaped[p->n_unreaped++] = TAKE_FD(*pidfd);
	(void)pthread_mutex_unlock(&p->lock);
}

void monitor_program_close(struct monitor_program *p)
{
	if (!p)
		return;
	monitor_program_reap(p);
	for (size_t i = 0; i < p->n_unreaped; i++)
		fd_close(&p->unreaped[i]);
	free(p->unreaped);
	fd_close(&p->fd);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

/* --- asking --- */

static struct monitor *monitor_new(void)
{
	struct monitor *m = NEW(struct monitor);

	(void)pthread_mutex_init(&m->lock, NULL);
	m->control = m->events = m->pidfd = m->own_pidfd = -1;
	return m;
}

void monitor_close(struct monitor *m)
{
	if (!m)
		return;
	fd_close(&m->control);
	fd_close(&m->events);
	fd_close(&m->pidfd);
	if (m->program) {
		reap(m->program, &m->own_pidfd, m->gone);
		monitor_program_reap(m->program);
	}
	(void)pthread_mutex_destroy(&m->lock);
	free(m);
}

static int gone(struct err **e)
{
	return err_set(e, ERR_UNAVAILABLE, "the container's monitor is gone");
}

/* One request and its reply. 0 with *r (its sys may be an error of the request's), -1 when the monitor is gone.
 * *fd gets a descriptor that came along, or -1. The caller has the lock, or the only reference. */
static int ask_locked(struct monitor *m, const void *msg, size_t n, const int *fds, size_t n_fds,
		      struct wire_reply *r, int *fd, struct err **e)
{
	struct pollfd pf = { .fd = m->control, .events = POLLIN };
	int got[4], rc;
	size_t n_got = ARRAY_LEN(got);

	if (m->control < 0)
		return gone(e);
	rc = fdpass_send(m->control, msg, n, fds, n_fds);
	if (rc < 0)
		goto broken;
	do
		rc = poll(&pf, 1, REPLY_TIMEOUT_MS);
	while (rc < 0 && errno == EINTR);
	if (rc <= 0) {
		rc = -ETIMEDOUT;
		goto broken;
	}
	ssize_t len = fdpass_recv(m->control, r, sizeof(*r), got, &n_got);
	rc = (int)MIN(len, (ssize_t)0);
	if (len <= 0)
		goto broken;
	if (wire_check(r, (size_t)len, n_got) < 0 || r->head.type != WIRE_REPLY) {
		for (size_t i = 0; i < n_got; i++)
			fd_close(&got[i]);
		rc = -EBADMSG;
		goto broken;
	}
	if (n_got && fd)
		*fd = TAKE_FD(got[0]);
	for (size_t i = 0; i < n_got; i++)
		fd_close(&got[i]);
	return 0;
broken:
	/* Whatever comes later would be taken for the answer to another question. */
	fd_close(&m->control);
	if (rc == 0 || rc == -EPIPE || rc == -ECONNRESET)
		return gone(e);
	return err_sys_class(e, ERR_UNAVAILABLE, -rc, "speak to the container's monitor");
}

static int ask(struct monitor *m, const void *msg, size_t n, const int *fds, size_t n_fds,
	       struct wire_reply *r, struct err **e)
{
	(void)pthread_mutex_lock(&m->lock);
	int rc = ask_locked(m, msg, n, fds, n_fds, r, NULL, e);
	(void)pthread_mutex_unlock(&m->lock);
	return rc;
}

/* The reply's own failure as an error of ours. */
static int reply_error(const struct wire_reply *r, const char *what, struct err **e)
{
	enum err_class c = ERR_SYSTEM;

	if (r->sys == 0)
		return 0;
	if (r->exit_code == 127 || r->exit_code == 126)
		c = ERR_INVALID; /* the field's 400 for a command that cannot be run */
	if (r->sys == ESRCH)
		c = ERR_NOT_FOUND;
	if (r->sys == EALREADY || r->sys == EEXIST)
		c = ERR_CONFLICT;
	if (r->text[0])
		return err_set(e, c, "%s", r->text);
	return err_sys_class(e, c, r->sys, "%s", what);
}

static int ask_simple(struct monitor *m, enum wire_type type, const char *exec_id, uint64_t arg64,
		      uint32_t arg, uint32_t arg2, struct wire_reply *r, struct err **e)
{
	struct wire_simple q = { .arg64 = arg64, .arg = arg, .arg2 = arg2 };

	wire_head_set(&q.head, type, sizeof(q), 0);
	if (!wire_id_set(&q.exec_id, exec_id))
		return err_set(e, ERR_INVALID, "invalid exec id");
	return ask(m, &q, sizeof(q), NULL, 0, r, e);
}

/* --- start --- */

static int plan_memfd(const void *plan, size_t n)
{
	cleanup_close int fd = memfd_create("hoy-plan", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	int r = fd_write_full(fd, plan, n);
	return r < 0 ? r : TAKE_FD(fd);
}

static int spawn(struct monitor_program *p, const struct monitor_start *s, struct monitor *m, int child_end,
		 struct err **e)
{
	char *argv[] = { (char *)(uintptr_t) "hoy-monitor", (char *)(uintptr_t)s->id, NULL };
	char *envp[] = { NULL };
	const struct proc_fd fds[] = { { child_end, WIRE_CONTROL_FD } };
	const struct proc_spawn ps = { .exec_fd = p->fd,
				       .argv = argv,
				       .envp = envp,
				       .fds = fds,
				       .n_fds = ARRAY_LEN(fds),
				       .new_session = true };
	int r = proc_spawn(&ps, &m->own_pid, &m->own_pidfd);

	return r < 0 ? err_sys(e, -r, "start hoy-monitor") : 0;
}

static int start_message(const struct monitor_start *s, struct wire_start *q, struct err **e)
{
	size_t name = s->log_name ? strlen(s->log_name) : 0, attrs = s->log_attrs ? strlen(s->log_attrs) : 0;

	if (s->n_fds > MONITOR_MAX_FDS || s->cgroup_n > WIRE_MAX_CGROUP || name > sizeof(q->log_name) - 24 ||
	    attrs > sizeof(q->log_attrs) || !wire_id_set(&q->id, s->id))
		return err_set(e, ERR_INVALID, "the container's start does not fit into a message");
	q->tty = s->tty;
	q->open_stdin = s->open_stdin;
	q->stdin_once = s->stdin_once;
	q->log = (uint8_t)s->log;
	q->rows = s->rows;
	q->cols = s->cols;
	q->plan_n = s->plan_n;
	q->log_max_size = s->log_max_size;
	q->log_max_file = s->log_max_file ? s->log_max_file : 1;
	q->log_attrs_n = (uint32_t)attrs;
	q->cgroup_n = (uint32_t)s->cgroup_n;
	if (name)
		memcpy(q->log_name, s->log_name, name);
	if (attrs)
		memcpy(q->log_attrs, s->log_attrs, attrs);
	return 0;
}

int monitor_start(struct monitor_program *p, const struct monitor_start *s, struct monitor **out,
		  int *exit_code, struct err **e)
{
	cleanup_monitor struct monitor *m = monitor_new();
	cleanup_free struct wire_start *q = xcalloc(1, sizeof(*q) + s->cgroup_n);
	int ctl[2], ev[2], fds[4 + MONITOR_MAX_FDS];
	struct wire_reply r;

	m->program = p;

	if (exit_code)
		*exit_code = 0;
	if (start_message(s, q, e) < 0)
		return -1;
	if (s->cgroup_n)
		memcpy(q + 1, s->cgroup, s->cgroup_n);
	size_t size = sizeof(*q) + s->cgroup_n;
	wire_head_set(&q->head, WIRE_START, size, 4 + s->n_fds);
	cleanup_close int plan = plan_memfd(s->plan, s->plan_n);
	if (plan < 0)
		return err_sys(e, -plan, "hand over the launch plan");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ctl) < 0)
		return err_sys(e, errno, "socketpair");
	m->control = ctl[0];
	cleanup_close int child_end = ctl[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ev) < 0)
		return err_sys(e, errno, "socketpair");
	m->events = ev[0];
	cleanup_close int child_events = ev[1];
	if (spawn(p, s, m, child_end, e) < 0)
		return -1;
	fd_close(&child_end);

	fds[0] = child_events;
	fds[1] = s->dirfd;
	fds[2] = plan;
	fds[3] = s->log == MONITOR_LOG_NONE ? s->dirfd : s->log_dirfd;
	for (size_t i = 0; i < s->n_fds; i++)
		fds[4 + i] = s->fds[i];
	if (ask_locked(m, q, size, fds, 4 + s->n_fds, &r, &m->pidfd, e) < 0 ||
	    reply_error(&r, "start the container", e) < 0) {
		if (exit_code && m->control >= 0)
			*exit_code = r.exit_code;
		/* It ends by itself after such an answer; wait, so that a next start finds nothing of it. */
		fd_close(&m->control);
		(void)proc_wait_pidfd(m->own_pidfd);
		fd_close(&m->own_pidfd);
		return -1;
	}
	m->pid = r.pid;
	m->own_pid = r.own_pid;
	*out = TAKE_PTR(m);
	return 0;
}

int monitor_release(struct monitor *m, int *exit_code, struct err **e)
{
	struct wire_reply r;

	if (exit_code)
		*exit_code = 0;
	if (ask_simple(m, WIRE_RELEASE, NULL, 0, 0, 0, &r, e) < 0)
		return -1;
	if (reply_error(&r, "start the container", e) < 0) {
		if (exit_code)
			*exit_code = r.exit_code;
		return -1;
	}
	m->released = true;
	m->started_ns = r.started_ns;
	return 0;
}

int monitor_connect(int dirfd, const char *id, struct monitor **out, struct err **e)
{
	cleanup_monitor struct monitor *m = monitor_new();
	struct wire_simple q = { 0 };
	struct wire_reply r;
	char path[64];
	int ev[2];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/" WIRE_SOCK_NAME, dirfd);
	m->control = unix_connect(path, SOCK_SEQPACKET);
	if (m->control < 0) {
		int sys = -m->control;

		m->control = -1;
		if (sys == ENOENT || sys == ECONNREFUSED)
			return err_set(e, ERR_NOT_FOUND, "no monitor answers for container %s", id);
		return err_sys(e, sys, "connect to the monitor of container %s", id);
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ev) < 0)
		return err_sys(e, errno, "socketpair");
	m->events = ev[0];
	cleanup_close int theirs = ev[1];
	wire_head_set(&q.head, WIRE_HELLO, sizeof(q), 1);
	if (ask_locked(m, &q, sizeof(q), &theirs, 1, &r, &m->pidfd, e) < 0)
		/* It ended between our connecting and its answer: the exit file tells. */
		return err_set(e, ERR_NOT_FOUND, "no monitor answers for container %s", id);
	if (reply_error(&r, "connect to the monitor", e) < 0)
		return -1;
	m->pid = r.pid;
	m->own_pid = r.own_pid;
	m->started_ns = r.started_ns;
	m->released = r.state != WIRE_CREATED;
	*out = TAKE_PTR(m);
	return 0;
}

pid_t monitor_pid(const struct monitor *m)
{
	return m->pid;
}
int monitor_pidfd(const struct monitor *m)
{
	return m->pidfd;
}
pid_t monitor_own_pid(const struct monitor *m)
{
	return m->own_pid;
}
int64_t monitor_started_ns(const struct monitor *m)
{
	return m->started_ns;
}
bool monitor_is_released(const struct monitor *m)
{
	return m->released;
}

/* --- requests --- */

static int attach_message(const struct monitor_attach *a, struct wire_attach *q, struct err **e)
{
	if (a->n_keys > MONITOR_MAX_KEYS)
		return err_set(e, ERR_INVALID, "detach keys are too long");
	q->tag = a->tag;
	q->use_stdin = a->use_stdin;
	q->use_stdout = a->use_stdout;
	q->use_stderr = a->use_stderr;
	q->mux = a->mux;
	q->n_keys = (uint8_t)a->n_keys;
	if (a->n_keys)
		memcpy(q->keys, a->keys, a->n_keys);
	return 0;
}

int monitor_attach(struct monitor *m, const struct monitor_attach *a, struct err **e)
{
	struct wire_attach q = { 0 };
	struct wire_reply r;

	wire_head_set(&q.head, WIRE_ATTACH, sizeof(q), 1);
	if (!wire_id_set(&q.exec_id, a->exec_id))
		return err_set(e, ERR_INVALID, "invalid exec id");
	if (attach_message(a, &q, e) < 0 || ask(m, &q, sizeof(q), &a->fd, 1, &r, e) < 0)
		return -1;
	return reply_error(&r, "attach", e);
}

int monitor_resize(struct monitor *m, const char *exec_id, uint16_t rows, uint16_t cols, struct err **e)
{
	struct wire_reply r;

	if (ask_simple(m, WIRE_RESIZE, exec_id, 0, rows, cols, &r, e) < 0)
		return -1;
	return reply_error(&r, "resize the terminal", e);
}

int monitor_close_stdin(struct monitor *m, const char *exec_id, struct err **e)
{
	struct wire_reply r;

	if (ask_simple(m, WIRE_CLOSE_STDIN, exec_id, 0, 0, 0, &r, e) < 0)
		return -1;
	return reply_error(&r, "close stdin", e);
}

int monitor_signal(struct monitor *m, const char *exec_id, int sig, struct err **e)
{
	struct wire_reply r;

	if (ask_simple(m, WIRE_SIGNAL, exec_id, 0, (uint32_t)sig, 0, &r, e) < 0)
		return -1;
	return reply_error(&r, "send the signal", e);
}

int monitor_log_limits(struct monitor *m, uint64_t max_size, uint32_t max_file, struct err **e)
{
	struct wire_reply r;

	if (ask_simple(m, WIRE_LOG_LIMITS, NULL, max_size, max_file, 0, &r, e) < 0)
		return -1;
	return reply_error(&r, "change the log's limits", e);
}

int monitor_exec_start(struct monitor *m, const struct monitor_exec *x, pid_t *pid, int *exit_code,
		       struct err **e)
{
	struct wire_exec q = { 0 };
	struct wire_reply r;
	int fds[2 + MONITOR_MAX_FDS];
	size_t n = 0;

	if (exit_code)
		*exit_code = 0;
	if (str_empty(x->exec_id) || !wire_id_set(&q.exec_id, x->exec_id) || x->n_fds > MONITOR_MAX_FDS)
		return err_set(e, ERR_INVALID, "invalid exec");
	q.has_client = x->client.fd >= 0;
	q.tty = x->tty;
	q.open_stdin = x->open_stdin;
	q.rows = x->rows;
	q.cols = x->cols;
	q.plan_n = x->plan_n;
	if (q.has_client && attach_message(&x->client, &q.client, e) < 0)
		return -1;
	cleanup_close int plan = plan_memfd(x->plan, x->plan_n);
	if (plan < 0)
		return err_sys(e, -plan, "hand over the launch plan");
	fds[n++] = plan;
	if (q.has_client)
		fds[n++] = x->client.fd;
	for (size_t i = 0; i < x->n_fds; i++)
		fds[n++] = x->fds[i];
	wire_head_set(&q.head, WIRE_EXEC, sizeof(q), n);
	if (ask(m, &q, sizeof(q), fds, n, &r, e) < 0)
		return -1;
	if (reply_error(&r, "start the exec", e) < 0) {
		if (exit_code)
			*exit_code = r.exit_code;
		return -1;
	}
	*pid = r.pid;
	return 0;
}

ssize_t monitor_execs(struct monitor *m, struct monitor_exec_info **out, struct err **e)
{
	cleanup_free struct monitor_exec_info *v = NULL;
	size_t n = 0, cap = 0;
	struct wire_reply r;

	for (uint32_t i = 0; i < MONITOR_MAX_EXECS; i++) {
		if (ask_simple(m, WIRE_EXECS, NULL, 0, i, 0, &r, e) < 0)
			return -1;
		if (!r.more)
			break;
		GROW(v, n, cap);
		v[n] = (struct monitor_exec_info){ .pid = r.pid, .tty = r.tty };
		memcpy(v[n].id, r.exec_id.s, MONITOR_ID_MAX);
		v[n++].id[MONITOR_ID_MAX] = '\0';
	}
	*out = TAKE_PTR(v);
	return (ssize_t)n;
}

/* --- events --- */

int monitor_event_fd(const struct monitor *m)
{
	return m->events;
}

static void exit_of(const struct wire_event *w, struct monitor_exit *x)
{
	*x = (struct monitor_exit){ .code = w->code,
				    .signal = w->signal,
				    .oom_killed = w->oom,
				    .at_ns = w->at_ns,
				    .started_ns = w->started_ns,
				    .pid = w->pid };
}

int monitor_next_event(struct monitor *m, struct monitor_event *ev)
{
	struct wire_event w;
	ssize_t n;

	if (m->events < 0)
		return -EPIPE;
	do
		n = recv(m->events, &w, sizeof(w), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0 || wire_check(&w, (size_t)n, 0) < 0 || w.head.type != WIRE_EVENT) {
		m->gone = true;
		return -EPIPE;
	}
	*ev = (struct monitor_event){ .kind = (enum monitor_event_kind)w.kind, .tag = w.tag, .sys = w.sys };
	memcpy(ev->exec_id, w.exec_id.s, MONITOR_ID_MAX);
	exit_of(&w, &ev->exit);
	return 1;
}

int monitor_wait_gone(struct monitor *m, int timeout_ms)
{
	int64_t end = clock_mono_ns() + timeout_ms * NS_PER_MS;
	struct pollfd pf = { .fd = m->events };

	for (;;) {
		int64_t left = (end - clock_mono_ns()) / NS_PER_MS;
		int r = poll(&pf, 1, (int)MAX(left, (int64_t)0));

		if (r < 0 && errno == EINTR)
			continue;
		if (r > 0)
			return 0; /* nothing was asked for: a hang-up */
		return r == 0 ? -ETIMEDOUT : -errno;
	}
}

/* --- what a monitor leaves --- */

int monitor_read_exit(int dirfd, struct monitor_exit *out)
{
	struct wire_event w;
	cleanup_close int fd = fs_open_at(dirfd, WIRE_EXIT_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);

	if (fd < 0)
		return fd;
	ssize_t n = fd_read_full(fd, &w, sizeof(w));
	if (n < 0)
		return (int)n;
	if (wire_check_exit_file(&w, (size_t)n) < 0)
		return -EBADMSG;
	exit_of(&w, out);
	return 0;
}

void monitor_forget(int dirfd)
{
	(void)unlinkat(dirfd, WIRE_SOCK_NAME, 0);
	(void)unlinkat(dirfd, WIRE_EXIT_NAME, 0);
	(void)unlinkat(dirfd, ".exit.tmp", 0);
}
