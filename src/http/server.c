/* SPDX-License-Identifier: Apache-2.0 */
#include "http/server-internal.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "http/listen-internal.h"

#define ACCEPT_MAX  16  /* listeners */
#define LINGER_MS   500 /* after an unread body: for the client to take the reply before a reset */
#define LOOP_BUFFER 4096

struct http_server {
	struct http_server_config cfg;
	struct http_listener listeners[ACCEPT_MAX];
	size_t n_listeners;
	pthread_t acceptor;
	bool is_started;
	int stop_fd;  /* readable once the server stops; never read */
	int spare_fd; /* given up to refuse a connection when descriptors have run out */

	pthread_mutex_t lock;
	pthread_cond_t idle; /* a connection ended */
	struct list conns;
	unsigned int n_conns;
	bool is_stopping;
};

const char *http_server_fixed_headers(const struct http_server *s)
{
	return s->cfg.fixed_headers;
}

int http_server_new(const struct http_server_config *cfg, struct http_server **out, struct err **e)
{
	struct http_server *s = NEW(struct http_server);

	s->cfg = *cfg;
	if (!s->cfg.max_connections)
		s->cfg.max_connections = HTTP_MAX_CONNECTIONS;
	list_init(&s->conns);
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->idle, NULL);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	s->spare_fd = eventfd(0, EFD_CLOEXEC);
	if (s->stop_fd < 0 || s->spare_fd < 0) {
		int sys = errno;
		http_server_free(s);
		return err_sys(e, sys, "create the server's event descriptors");
	}
	*out = s;
	return 0;
}

int http_server_listen_fd(struct http_server *s, int fd, struct http_tls *tls)
{
	if (s->n_listeners == ACCEPT_MAX)
		return -ENOSPC;
	s->listeners[s->n_listeners++] = http_listener_of(fd, tls);
	return 0;
}

int http_server_listen(struct http_server *s, const char *spec, const char *group, struct http_tls *tls,
		       struct err **e)
{
	struct http_listener found[ACCEPT_MAX];
	int n = http_listen_spec(spec, group, tls, found, ACCEPT_MAX - s->n_listeners, e);

	if (n < 0)
		return -1;
	memcpy(s->listeners + s->n_listeners, found, (size_t)n * sizeof(*found));
	s->n_listeners += (size_t)n;
	return 0;
}

unsigned int http_server_connections(struct http_server *s)
{
	(void)pthread_mutex_lock(&s->lock);
	unsigned int n = s->n_conns;
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}

/* --- one connection --- */

static void conn_free(struct http_conn *c)
{
	struct http_server *s = c->server;

	/* off the list first: http_server_stop must not find a descriptor that is being closed */
	(void)pthread_mutex_lock(&s->lock);
	list_del(&c->link);
	(void)pthread_mutex_unlock(&s->lock);
	http_session_free(c->io.tls);
	fd_close(&c->io.fd);
	http_io_release(&c->io);
	(void)pthread_mutex_lock(&s->lock);
	s->n_conns--;
	(void)pthread_cond_broadcast(&s->idle);
	(void)pthread_mutex_unlock(&s->lock);
	free(c);
}

int http_conn_take_fd(struct http_conn *c)
{
	(void)pthread_mutex_lock(&c->server->lock);
	int fd = TAKE_FD(c->io.fd);
	(void)pthread_mutex_unlock(&c->server->lock);
	return fd;
}

/* Marks the start of a request; false when the server is stopping. */
static bool conn_busy(struct http_conn *c, bool busy)
{
	(void)pthread_mutex_lock(&c->server->lock);
	c->is_busy = busy;
	bool stopping = c->server->is_stopping;
	(void)pthread_mutex_unlock(&c->server->lock);
	return !stopping;
}

static void refuse(struct http_conn *c, int status, const char *why)
{
	cleanup_strbuf struct strbuf b = { 0 };
	const char *fixed = c->server->cfg.fixed_headers;
	const char *text = http_status_text((unsigned int)status);
	size_t n = strlen(text) + strlen(why) + 6;

	sb_addf(&b,
		"HTTP/1.1 %d %s\r\n%sContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
		"Content-Length: %zu\r\n\r\n%d %s: %s",
		status, text, fixed ? fixed : "", n, status, text, why);
	struct iovec v = { b.p, b.n };
	(void)http_io_write(&c->io, &v, 1);
}

/* Waits until the connection has bytes: 1, 0 when it is over (closed, stopping, or the deadline passed). */
static int await_bytes(struct http_conn *c, int64_t deadline_ns)
{
	struct ctx ctx = { .stop_fd = c->server->stop_fd, .deadline_ns = deadline_ns };
	struct pollfd p = { .fd = c->io.fd, .events = POLLIN };

	if (c->io.tls && http_session_pending(c->io.tls) > 0)
		return 1;
	return ctx_poll(&ctx, &p, 1, -1) > 0;
}

/* Reads until a head is complete. Its length, 0 when the connection is over. Refusals are answered here. */
static size_t read_head(struct http_conn *c, struct http_head *h)
{
	int64_t deadline = 0;
	const char *why = NULL;
	bool has_line = c->io.end > c->io.start;

	for (;;) {
		struct sv in = http_io_buffered(&c->io);
		/* a head that drips in is looked at again only when a line has become complete */
		ssize_t r = has_line || in.n >= HTTP_MAX_HEAD ? http_parse_request(in, h, &why) : 0;
		if (r > 0)
			return (size_t)r;
		if (r < 0) {
			refuse(c, (int)-r, why);
			return 0;
		}
		if (in.n && !deadline)
			deadline = clock_mono_ns() + HTTP_HEAD_TIMEOUT_MS * NS_PER_MS;
		if (!await_bytes(c, deadline))
			return 0;
		ssize_t got = http_io_fill(&c->io);
		if (got <= 0)
			return 0;
		in = http_io_buffered(&c->io);
		has_line = memchr(in.p + (in.n - (size_t)got), '\n', (size_t)got) != NULL;
	}
}

static bool split_target(struct http_req *rq)
{
	struct sv target = rq->head->target, path, query = { "", 0 };

	/* absolute form: the authority says nothing to us */
	if (sv_starts(target, SV("http://")) || sv_starts(target, SV("https://"))) {
		ssize_t from = sv_find(sv_sub(target, 8, target.n), '/');
		target = from < 0 ? SV("/") : sv_sub(target, (size_t)from + 8, target.n);
	}
	(void)sv_cut(target, '?', &path, &query);
	if (!path.n || (path.p[0] != '/' && !sv_eqs(path, "*")))
		return false;
	rq->path = http_unescape(rq->arena, path, false);
	return rq->path && http_parse_query(rq->arena, query, &rq->query, &rq->n_query) == 0;
}

/* What the handler left of the body: read a little, so that the next request starts clean. */
static bool drain(struct http_res *rs)
{
	struct http_conn *c = rs->conn;
	size_t seen = 0;
	struct sv span;
	int r;

	if (rs->continue_due && !rs->body.done)
		return false;
	while (seen <= HTTP_DRAIN_MAX) {
		struct pollfd p = { .fd = c->io.fd, .events = POLLIN };
		if (!rs->body.done && !http_io_buffered(&c->io).n && !c->io.tls &&
		    poll(&p, 1, LINGER_MS) <= 0)
			return false;
		r = http_body_next(&rs->body, &c->io, &span);
		if (r <= 0)
			return r == 0;
		seen += span.n;
	}
	return false;
}

/* Before closing with unread input: the client gets the time to read the reply. */
static void linger(struct http_conn *c)
{
	char buf[LOOP_BUFFER];
	int64_t until = clock_mono_ns() + LINGER_MS * NS_PER_MS;

	(void)shutdown(c->io.fd, SHUT_WR);
	while (clock_mono_ns() < until) {
		struct pollfd p = { .fd = c->io.fd, .events = POLLIN };
		if (poll(&p, 1, LINGER_MS) <= 0 || recv(c->io.fd, buf, sizeof(buf), MSG_DONTWAIT) <= 0)
			return;
	}
}

/* One request whose head is in the buffer. Whether the connection goes on. */
static bool serve(struct http_conn *c, struct http_head *h, size_t head_n)
{
	cleanup_arena struct arena *a = arena_new();
	struct http_res rs = { .conn = c };
	/* The head's spans must outlive the buffer's next refill. */
	struct sv raw = http_io_buffered(&c->io);
	char *copy = arena_strndup(a, raw.p, head_n);
	ptrdiff_t shift = copy - raw.p;

	h->method.p += shift;
	h->target.p += shift;
	for (size_t i = 0; i < h->n; i++) {
		h->h[i].name.p += shift;
		h->h[i].value.p += shift;
	}
	http_io_eat(&c->io, head_n);

	struct http_req rq = {
		.arena = a,
		.method = arena_strndup(a, h->method.p, h->method.n),
		.target = arena_strndup(a, h->target.p, h->target.n),
		.head = h,
		.ctx = { .client_fd = c->io.fd, .stop_fd = c->server->stop_fd },
		.has_upgrade = h->has_upgrade,
		.is_tls = c->io.tls != NULL,
		.has_peer = c->has_peer,
		.peer_uid = c->peer_uid,
		.peer_pid = c->peer_pid,
		.res = &rs,
	};
	rs.rq = &rq;
	rs.is_head = sv_eqs(h->method, "HEAD");
	rs.continue_due = h->expects_continue;
	http_body_init(&rs.body, h);
	if (!split_target(&rq)) {
		rs.close = true;
		(void)http_reply_error(&rs, 400, "malformed request target");
	} else if (!conn_busy(c, true)) {
		rs.close = true;
		(void)http_reply_error(&rs, 503, "the engine is shutting down");
	} else {
		c->server->cfg.handler(c->server->cfg.handler_ctx, &rq, &rs);
	}
	http_res_finish(&rs);
	bool go_on = conn_busy(c, false) && rs.state == REPLY_DONE && !rs.close && !rs.error;
	bool clean = rs.state == REPLY_HIJACKED || rs.error || drain(&rs);
	if (!clean && c->io.fd >= 0)
		linger(c);
	http_res_release(&rs);
	return go_on && clean && c->io.fd >= 0;
}

static bool open_tls(struct http_conn *c)
{
	cleanup_err struct err *e = NULL;

	if (!c->tls)
		return true;
	if (http_session_open(c->tls, c->io.fd, NULL, &c->io.tls, &e) < 0) {
		log_debug(NULL, "%s", err_text(e));
		return false;
	}
	return true;
}

static void *conn_main(void *arg)
{
	struct http_conn *c = arg;
	struct http_head *h = xmalloc(sizeof(*h));

	if (open_tls(c)) {
		size_t n;
		while ((n = read_head(c, h)) > 0 && serve(c, h, n))
			;
		if (c->io.tls)
			(void)http_session_shutdown_write(c->io.tls);
	}
	free(h);
	conn_free(c);
	return NULL;
}

/* --- accepting --- */

static void conn_start(struct http_server *s, int fd, const struct http_listener *l)
{
	struct http_conn *c = NEW(struct http_conn);
	pthread_attr_t attr;
	pthread_t thread;

	c->server = s;
	c->io.fd = fd;
	c->tls = l->tls;
	http_listener_tune(l, fd);
	c->has_peer = http_listener_peer(l, fd, &c->peer_uid, &c->peer_pid);
	(void)pthread_mutex_lock(&s->lock);
	list_add_tail(&s->conns, &c->link);
	bool too_many = ++s->n_conns > s->cfg.max_connections;
	(void)pthread_mutex_unlock(&s->lock);
	if (too_many && !c->tls)
		refuse(c, 503, "too many connections");
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, HTTP_THREAD_STACK);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int r = too_many ? EAGAIN : pthread_create(&thread, &attr, conn_main, c);
	(void)pthread_attr_destroy(&attr);
	if (r) {
		if (!too_many)
			log_warn(NULL, "cannot start a thread for a connection: %s", strerrordesc_np(r));
		conn_free(c);
	}
}

/* Out of descriptors: the spare one lets us take the connection and close it, instead of spinning on it. */
static void refuse_without_fds(struct http_server *s, int listen_fd)
{
	fd_close(&s->spare_fd);
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		(void)close(fd);
	s->spare_fd = eventfd(0, EFD_CLOEXEC);
	log_warn(NULL, "out of file descriptors: a connection was refused");
}

static void *accept_main(void *arg)
{
	struct http_server *s = arg;
	struct ctx ctx = { .stop_fd = s->stop_fd };

	for (;;) {
		struct pollfd p[ACCEPT_MAX];
		for (size_t i = 0; i < s->n_listeners; i++)
			p[i] = (struct pollfd){ .fd = s->listeners[i].fd, .events = POLLIN };
		if (ctx_poll(&ctx, p, (unsigned int)s->n_listeners, -1) < 0)
			return NULL;
		for (size_t i = 0; i < s->n_listeners; i++) {
			if (!p[i].revents)
				continue;
			int fd = accept4(p[i].fd, NULL, NULL, SOCK_CLOEXEC);
			if (fd >= 0)
				conn_start(s, fd, &s->listeners[i]);
			else if (errno == EMFILE || errno == ENFILE)
				refuse_without_fds(s, p[i].fd);
		}
	}
}

int http_server_start(struct http_server *s, struct err **e)
{
	sigset_t all, before;

	/* the acceptor and every connection inherit a full mask: signals belong to the main thread */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	int r = pthread_create(&s->acceptor, NULL, accept_main, s);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		return err_sys(e, r, "start the accepting thread");
	s->is_started = true;
	return 0;
}

static void stop_accepting(struct http_server *s)
{
	uint64_t one = 1;

	(void)pthread_mutex_lock(&s->lock);
	s->is_stopping = true;
	(void)pthread_mutex_unlock(&s->lock);
	if (fd_write_full(s->stop_fd, &one, sizeof(one)) < 0)
		log_error(NULL, "cannot tell the connections to stop");
	if (s->is_started)
		(void)pthread_join(s->acceptor, NULL);
	s->is_started = false;
	for (size_t i = 0; i < s->n_listeners; i++)
		http_listener_close(&s->listeners[i]);
	s->n_listeners = 0;
}

/* Waits under the lock until no connection is left, or the time has passed. */
static bool await_none(struct http_server *s, int timeout_ms)
{
	struct timespec until;
	int64_t end;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	end = until.tv_sec * NS_PER_SEC + until.tv_nsec + timeout_ms * NS_PER_MS;
	until = (struct timespec){ .tv_sec = end / NS_PER_SEC, .tv_nsec = end % NS_PER_SEC };
	while (s->n_conns)
		if (pthread_cond_timedwait(&s->idle, &s->lock, &until) == ETIMEDOUT)
			return !s->n_conns;
	return true;
}

void http_server_stop(struct http_server *s, int timeout_ms)
{
	stop_accepting(s);
	(void)pthread_mutex_lock(&s->lock);
	if (!await_none(s, timeout_ms)) {
		/* handlers that do not watch their context, or write to a client that does not read */
		list_for_each (it, &s->conns) {
			struct http_conn *c = LIST_ENTRY(it, struct http_conn, link);
			if (c->io.fd >= 0)
				(void)shutdown(c->io.fd, SHUT_RDWR);
		}
		(void)await_none(s, timeout_ms);
	}
	(void)pthread_mutex_unlock(&s->lock);
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	if (s->is_started)
		stop_accepting(s);
	for (size_t i = 0; i < s->n_listeners; i++)
		http_listener_close(&s->listeners[i]);
	(void)pthread_mutex_lock(&s->lock);
	bool left = s->n_conns > 0;
	(void)pthread_mutex_unlock(&s->lock);
	if (left)
		return; /* a handler is stuck and still points here */
	fd_close(&s->stop_fd);
	fd_close(&s->spare_fd);
	(void)pthread_mutex_destroy(&s->lock);
	(void)pthread_cond_destroy(&s->idle);
	free(s);
}
