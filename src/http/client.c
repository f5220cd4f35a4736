/* SPDX-License-Identifier: Apache-2.0 */
#include "http/client.h"

#include "base/fdpass.h"
#include "base/fs.h"
#include "base/mem.h"
#include "http/io-internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define SEND_BUFFER (64 * 1024)
#define DRAIN_MAX   (64 * 1024)

struct http_client {
	char *host; /* as configured */
	char *host_header;
	char *server_name;
	struct http_tls *tls;
	int connect_timeout_ms;
	bool is_given; /* fd://: cannot be opened again */
	struct http_io io;
	bool used;                /* served a call already: a closed connection is opened again */
	struct http_reply *reply; /* outstanding */
};

struct http_reply {
	struct http_client *c;
	struct http_head head;
	struct http_body body;
	struct arena *arena;
	char *raw; /* what head points into */
	bool keep;
};

/* --- connecting --- */

static void disconnect(struct http_client *c)
{
	http_session_free(c->io.tls);
	c->io.tls = NULL;
	fd_close(&c->io.fd);
	c->io.start = c->io.end = 0;
	c->used = false;
}

static int connect_timed(int fd, const struct sockaddr *a, socklen_t n, int timeout_ms)
{
	int sys = 0;
	socklen_t len = sizeof(sys);

	if (timeout_ms <= 0)
		return connect(fd, a, n) < 0 ? -errno : 0;
	int r = fd_set_nonblock(fd, true);
	if (r < 0)
		return r;
	if (connect(fd, a, n) < 0) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		if (errno != EINPROGRESS)
			return -errno;
		r = poll(&p, 1, timeout_ms);
		if (r <= 0)
			return r < 0 ? -errno : -ETIMEDOUT;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &len) < 0)
			return -errno;
		if (sys)
			return -sys;
	}
	return fd_set_nonblock(fd, false);
}

static int connect_tcp(struct http_client *c, const char *addr, struct err **e)
{
	struct sv in = sv_of(addr), host;
	ssize_t colon = sv_rfind(in, ':');
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	int one = 1, r = -EADDRNOTAVAIL;

	if (colon <= 0 || (size_t)colon + 1 == in.n)
		return err_set(e, ERR_INVALID, "connect to tcp://%s: a host and a port are needed", addr);
	host = sv_sub(in, 0, (size_t)colon);
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = sv_sub(host, 1, host.n - 1);
	cleanup_free char *h = sv_dup(host), *port = sv_dup(sv_sub(in, (size_t)colon + 1, in.n));
	if (!c->server_name)
		c->server_name = xstrdup(h);
	int g = getaddrinfo(h, port, &hints, &list);
	if (g)
		return err_set(e, ERR_UNAVAILABLE, "connect to tcp://%s: %s", addr, gai_strerror(g));
	int fd = -1;
	for (struct addrinfo *it = list; it && fd < 0; it = it->ai_next) {
		fd = socket(it->ai_family, it->ai_socktype | SOCK_CLOEXEC, it->ai_protocol);
		r = fd < 0 ? -errno : connect_timed(fd, it->ai_addr, it->ai_addrlen, c->connect_timeout_ms);
		if (r < 0)
			fd_close(&fd);
	}
	freeaddrinfo(list);
	if (fd < 0)
		return err_sys_class(e, ERR_UNAVAILABLE, -r, "connect to tcp://%s", addr);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->io.fd = fd;
	return 0;
}

static int open_connection(struct http_client *c, struct err **e)
{
	if (str_starts(c->host, "unix://")) {
		int fd = unix_connect(c->host + 7, SOCK_STREAM);
		if (fd < 0)
			return err_sys_class(e, ERR_UNAVAILABLE, -fd, "connect to %s", c->host);
		c->io.fd = fd;
	} else if (str_starts(c->host, "tcp://")) {
		if (connect_tcp(c, c->host + 6, e) < 0)
			return -1;
	} else if (str_starts(c->host, "fd://") && !c->is_given) {
		uint32_t fd;
		if (parse_u32(sv_of(c->host + 5), INT32_MAX, &fd) < 0)
			return err_set(e, ERR_INVALID, "connect to %s: bad descriptor", c->host);
		c->is_given = true;
		c->io.fd = (int)fd;
	} else {
		return err_set(e, ERR_INVALID, "connect to %s: unsupported address", c->host);
	}
	if (c->tls && http_session_open(c->tls, c->io.fd, c->server_name, &c->io.tls, e) < 0) {
		disconnect(c);
		return err_wrap(e, "connect to %s", c->host);
	}
	return 0;
}

int http_client_open(const struct http_client_config *cfg, struct http_client **out, struct err **e)
{
	struct http_client *c = NEW(struct http_client);

	c->io.fd = -1;
	c->io.first_cap = HTTP_MAX_HEAD; /* replies are read in large pieces */
	c->host = xstrdup(cfg->host);
	c->host_header = xstrdup(str_starts(cfg->host, "tcp://") ? cfg->host + 6 : "docker");
	c->server_name = xstrdup_opt(cfg->server_name);
	c->tls = cfg->tls;
	c->connect_timeout_ms = cfg->connect_timeout_ms;
	if (open_connection(c, e) < 0) {
		http_client_close(c);
		return -1;
	}
	*out = c;
	return 0;
}

void http_client_close(struct http_client *c)
{
	if (!c)
		return;
	if (c->reply)
		http_reply_free(c->reply);
	disconnect(c);
	http_io_release(&c->io);
	free(c->host);
	free(c->host_header);
	free(c->server_name);
	free(c);
}

/* --- one call --- */

static void build_head(const struct http_client *c, const struct http_call *call, struct strbuf *b)
{
	sb_addf(b, "%s %s HTTP/1.1\r\nHost: %s\r\n", call->method, call->target, c->host_header);
	for (size_t i = 0; i < call->n_headers; i++)
		sb_addf(b, "%s: %s\r\n", call->headers[i].name, call->headers[i].value);
	if (call->content_type)
		sb_addf(b, "Content-Type: %s\r\n", call->content_type);
	if (call->upgrade)
		sb_addf(b, "Connection: Upgrade\r\nUpgrade: %s\r\n", call->upgrade);
	if (call->read_body)
		sb_add(b, "Transfer-Encoding: chunked\r\n");
	else if (call->body.n || strcmp(call->method, "GET") != 0)
		sb_addf(b, "Content-Length: %zu\r\n", call->body.n);
	sb_add(b, "\r\n");
}

static bool has_answer(struct http_client *c)
{
	struct pollfd p = { .fd = c->io.fd, .events = POLLIN };

	if (c->io.tls)
		return http_session_has_input(c->io.tls);
	return poll(&p, 1, 0) > 0;
}

/* Streams the body; a server that answers early ends it. 0, or -errno. */
static int send_stream(struct http_client *c, const struct http_call *call)
{
	cleanup_free char *buf = xmalloc(SEND_BUFFER);

	for (;;) {
		char size[24];
		ssize_t n = call->read_body(call->read_ctx, buf, SEND_BUFFER);
		if (n < 0)
			return (int)n;
		int k = snprintf(size, sizeof(size), "%zx\r\n", (size_t)n);
		struct iovec v[3] = { { size, (size_t)k },
				      { buf, (size_t)n },
				      { (void *)(uintptr_t) "\r\n", 2 } };
		int r = http_io_write(&c->io, v, 3);
		/* EPIPE: the answer that says why may be waiting */
		if (r < 0)
			return r == -EPIPE || r == -ECONNRESET ? 1 : r;
		if (n == 0)
			return 0;
		if (has_answer(c))
			return 1;
	}
}

static int send_request(struct http_client *c, const struct http_call *call, bool *aborted)
{
	cleanup_strbuf struct strbuf b = { 0 };

	build_head(c, call, &b);
	struct iovec v[2] = { { b.p, b.n }, { (void *)(uintptr_t)call->body.p, call->body.n } };
	int r = http_io_write(&c->io, v, call->read_body ? 1 : 2);
	if (r < 0 || !call->read_body)
		return r;
	r = send_stream(c, call);
	*aborted = r == 1;
	return r < 0 ? r : 0;
}

/* Reads one head, skipping 1xx but 101. 1, 0 if the connection ended before any byte, -1 with *e. */
static int read_reply(struct http_reply *r, bool to_head, struct err **e)
{
	struct http_io *io = &r->c->io;

	for (;;) {
		const char *why = NULL;
		struct sv in = http_io_buffered(io);
		ssize_t n = in.n ? http_parse_response(in, to_head, &r->head, &why) : 0;
		if (n < 0)
			return err_set(e, ERR_SYSTEM, "malformed HTTP response: %s", why);
		if (n > 0 && r->head.status >= 100 && r->head.status < 200 && r->head.status != 101) {
			http_io_eat(io, (size_t)n);
			continue;
		}
		if (n > 0) {
			/* a copy: the buffer is refilled while the head is still looked at */
			r->raw = xmemdup(in.p, (size_t)n);
			http_io_eat(io, (size_t)n);
			if (http_parse_response(sv_n(r->raw, (size_t)n), to_head, &r->head, &why) != n)
				return err_set(e, ERR_SYSTEM, "malformed HTTP response");
			return 1;
		}
		ssize_t got = http_io_fill(io);
		if (got < 0 && got != -ECONNRESET)
			return err_sys(e, (int)-got, "read from %s", r->c->host);
		if (got <= 0 && !in.n)
			return 0;
		if (got <= 0)
			return err_set(e, ERR_SYSTEM, "read from %s: unexpected EOF", r->c->host);
	}
}

struct http_reply *http_call(struct http_client *c, const struct http_call *call, struct err **e)
{
	if (c->reply) {
		(void)err_set(e, ERR_INVALID, "the connection's last reply is still open");
		return NULL;
	}
	for (;;) {
		bool reopened = false, aborted = false;
		if (c->io.fd < 0) {
			if (open_connection(c, e) < 0)
				return NULL;
			reopened = true;
		}
		bool stale = c->used && !reopened && !c->is_given;
		/* a stream can be sent once: find out now whether the server has hung up */
		if (stale && has_answer(c)) {
			disconnect(c);
			continue;
		}
		struct http_reply *r = NEW(struct http_reply);
		r->c = c;
		r->arena = arena_new();
		c->reply = r;
		int sent = send_request(c, call, &aborted);
		int got = sent < 0 ? 0 : read_reply(r, !strcmp(call->method, "HEAD"), e);
		if (got == 1) {
			http_body_init(&r->body, &r->head);
			r->keep = r->head.keep_alive && !aborted && r->head.status != 101;
			c->used = true;
			return r;
		}
		r->keep = false;
		http_reply_free(r);
		disconnect(c);
		if (got < 0)
			return NULL;
		if (stale && !call->read_body)
			continue;
		if (sent < 0)
			(void)err_sys(e, -sent, "write to %s", c->host);
		else
			(void)err_set(e, ERR_UNAVAILABLE, "read from %s: unexpected EOF", c->host);
		return NULL;
	}
}

/* --- the reply --- */

unsigned int http_reply_status(const struct http_reply *r)
{
	return r->head.status;
}

const char *http_reply_header(const struct http_reply *r, const char *name)
{
	struct sv v = http_head_find(&r->head, name);
	return v.p ? arena_strndup(r->arena, v.p, v.n) : NULL;
}

ssize_t http_reply_read(struct http_reply *r, void *buf, size_t n)
{
	return http_body_read(&r->body, &r->c->io, buf, n);
}

int http_reply_next(struct http_reply *r, struct sv *out)
{
	return http_body_next(&r->body, &r->c->io, out);
}

int http_reply_read_all(struct http_reply *r, size_t max, char **out, size_t *n, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct sv span;
	int k;

	while ((k = http_reply_next(r, &span)) > 0) {
		if (b.n + span.n > max)
			return err_set(e, ERR_INVALID, "reply too large: more than %zu bytes", max);
		sb_addsv(&b, span);
	}
	if (k < 0)
		return err_sys(e, -k, "read reply from %s", r->c->host);
	if (n)
		*n = b.n;
	*out = sb_take(&b);
	return 0;
}

int http_reply_fd(const struct http_reply *r)
{
	return r->c->io.fd;
}

size_t http_reply_buffered(const struct http_reply *r)
{
	size_t n = r->body.rest.n + http_io_buffered(&r->c->io).n;
	return r->c->io.tls ? n + http_session_pending(r->c->io.tls) : n;
}

/* A short rest that is there already is read, so that the connection can be used again. */
static bool drain(struct http_reply *r)
{
	struct sv span;
	size_t seen = 0;
	int k = 1;

	while (k > 0 && seen < DRAIN_MAX) {
		if (!r->body.done && !http_reply_buffered(r) && !has_answer(r->c))
			return false;
		k = http_reply_next(r, &span);
		seen += k > 0 ? span.n : 0;
	}
	return k == 0;
}

void http_reply_free(struct http_reply *r)
{
	if (!r)
		return;
	struct http_client *c = r->c;
	if (c->io.fd >= 0 && (!r->keep || !drain(r)))
		disconnect(c);
	c->reply = NULL;
	arena_free(r->arena);
	free(r->raw);
	free(r);
}

int http_reply_hijack(struct http_reply *r, char **early, size_t *n_early)
{
	struct http_client *c = r->c;
	struct sv raw = http_io_buffered(&c->io);

	*early = xmemdup(raw.n ? raw.p : "", raw.n ? raw.n : 1);
	*n_early = raw.n;
	http_io_eat(&c->io, raw.n);
	r->keep = false;
	if (!c->io.tls)
		return TAKE_FD(c->io.fd);
	int fd = http_session_pump(c->io.tls, c->io.fd);
	if (fd >= 0) {
		c->io.tls = NULL;
		c->io.fd = -1;
	}
	return fd;
}
