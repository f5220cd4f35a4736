/* SPDX-License-Identifier: Apache-2.0 */
#include "http/server-internal.h"

#include "base/clock.h"
#include "base/fs.h"
#include "codec/json.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define COPY_BUFFER    (64 * 1024)
#define HIJACK_WAIT_MS 100
#define HIJACK_NAP_NS  20000

/* --- the request's side --- */

const char *http_req_header(struct http_req *rq, const char *name)
{
	struct sv v = http_head_find(rq->head, name);
	return v.p ? arena_strndup(rq->arena, v.p, v.n) : NULL;
}

const char *http_req_query(struct http_req *rq, const char *name)
{
	for (size_t i = 0; i < rq->n_query; i++)
		if (!strcmp(rq->query[i].name, name))
			return rq->query[i].value;
	return NULL;
}

bool http_req_query_bool(struct http_req *rq, const char *name)
{
	return str_truthy(http_req_query(rq, name));
}

bool http_req_has_query(struct http_req *rq, const char *name)
{
	return http_req_query(rq, name) != NULL;
}

bool http_req_has_body(const struct http_req *rq)
{
	return rq->head->framing == HTTP_BODY_CHUNKED ||
	       (rq->head->framing == HTTP_BODY_LENGTH && rq->head->content_length > 0);
}

int64_t http_req_body_length(const struct http_req *rq)
{
	if (rq->head->framing == HTTP_BODY_CHUNKED)
		return -1;
	return (int64_t)rq->head->content_length;
}

static int send_continue(struct http_res *rs)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct iovec v = { (void *)(uintptr_t)text, sizeof(text) - 1 };

	if (!rs->continue_due || rs->state != REPLY_NONE)
		return 0;
	rs->continue_due = false;
	return http_io_write(&rs->conn->io, &v, 1);
}

ssize_t http_req_read(struct http_req *rq, void *buf, size_t n)
{
	int r = send_continue(rq->res);
	return r < 0 ? r : http_body_read(&rq->res->body, &rq->res->conn->io, buf, n);
}

static int body_error(struct err **e, ssize_t r)
{
	if (r == -EBADMSG)
		return err_set(e, ERR_INVALID, "malformed chunked encoding");
	return err_sys_class(e, ERR_INVALID, (int)-r, "read request body");
}

int http_req_read_all(struct http_req *rq, size_t max, struct sv *out, struct err **e)
{
	int64_t length = http_req_body_length(rq);
	if (length > 0 && (uint64_t)length > max)
		return err_set(e, ERR_INVALID, "request body too large: %lld bytes, at most %zu",
			       (long long)length, max);
	size_t cap = length >= 0 ? (size_t)length : 4096, n = 0;
	char *p = arena_alloc(rq->arena, cap + 1);
	for (;;) {
		if (n == cap && length < 0) {
			if (cap >= max)
				return err_set(e, ERR_INVALID, "request body too large: more than %zu bytes",
					       max);
			char *bigger = arena_alloc(rq->arena, cap * 2 + 1);
			memcpy(bigger, p, n);
			p = bigger;
			cap *= 2;
		}
		if (n == cap)
			break;
		ssize_t r = http_req_read(rq, p + n, cap - n);
		if (r < 0)
			return body_error(e, r);
		if (r == 0)
			break;
		n += (size_t)r;
	}
	if (n > max)
		return err_set(e, ERR_INVALID, "request body too large: more than %zu bytes", max);
	p[n] = '\0';
	*out = sv_n(p, n);
	return 0;
}

int64_t http_req_read_to_fd(struct http_req *rq, int fd)
{
	cleanup_free char *buf = xmalloc(COPY_BUFFER);
	int64_t total = 0;

	for (;;) {
		ssize_t r = http_req_read(rq, buf, COPY_BUFFER);
		if (r <= 0)
			return r < 0 ? r : total;
		int w = fd_write_full(fd, buf, (size_t)r);
		if (w < 0)
			return w;
		total += r;
	}
}

/* --- the reply's --- */

bool http_res_started(const struct http_res *rs)
{
	return rs->state != REPLY_NONE;
}

void http_res_close(struct http_res *rs)
{
	rs->close = true;
}

void http_res_header(struct http_res *rs, const char *name, const char *value)
{
	if (strpbrk(value, "\r\n"))
		return;
	sb_addf(&rs->headers, "%s: %s\r\n", name, value);
}

static int send_v(struct http_res *rs, struct iovec *v, size_t n)
{
	if (rs->error)
		return rs->error;
	int r = http_io_write(&rs->conn->io, v, n);
	if (r < 0)
		rs->error = r;
	return r;
}

static void add_date(struct strbuf *b)
{
	struct tm tm;
	char text[64];
	time_t now = time(NULL);

	if (gmtime_r(&now, &tm) && strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm))
		sb_addf(b, "Date: %s\r\n", text);
}

/* Status line and all headers but the framing. */
static void begin_head(struct http_res *rs, struct strbuf *b, unsigned int status, const char *type)
{
	const char *fixed = http_server_fixed_headers(rs->conn->server);

	/* a body that is broken, or too long to be read for nothing: the connection cannot go on */
	if (rs->body.error || (rs->body.framing == HTTP_BODY_LENGTH && rs->body.left > HTTP_DRAIN_MAX))
		rs->close = true;
	sb_addf(b, "HTTP/1.1 %u %s\r\n", status, http_status_text(status));
	if (fixed)
		sb_add(b, fixed);
	if (type)
		sb_addf(b, "Content-Type: %s\r\n", type);
	if (rs->headers.n)
		sb_addsv(b, sb_sv(&rs->headers));
	add_date(b);
	if (rs->close || !rs->rq->head->keep_alive) {
		rs->close = true;
		sb_add(b, "Connection: close\r\n");
	} else if (rs->rq->head->minor == 0) {
		sb_add(b, "Connection: keep-alive\r\n");
	}
}

static bool status_has_body(unsigned int status)
{
	return status >= 200 && status != 204 && status != 304;
}

int http_reply(struct http_res *rs, unsigned int status, const char *type, const void *body, size_t n)
{
	cleanup_strbuf struct strbuf head = { 0 };

	if (rs->state != REPLY_NONE)
		return -EALREADY;
	/* The client waits for a 100 it will not get, so what follows on the connection is unclear. */
	if (rs->continue_due)
		rs->close = true;
	begin_head(rs, &head, status, type);
	if (status_has_body(status))
		sb_addf(&head, "Content-Length: %zu\r\n", n);
	sb_add(&head, "\r\n");
	rs->state = REPLY_DONE;
	struct iovec v[2] = { { head.p, head.n }, { (void *)(uintptr_t)body, n } };
	return send_v(rs, v, n && status_has_body(status) && !rs->is_head ? 2 : 1);
}

int http_reply_json(struct http_res *rs, unsigned int status, struct sv json)
{
	if (json.n && json.p[json.n - 1] == '\n')
		return http_reply(rs, status, "application/json", json.p, json.n);
	cleanup_strbuf struct strbuf b = { 0 };
	sb_reserve(&b, json.n + 1);
	sb_addsv(&b, json);
	sb_addc(&b, '\n');
	return http_reply(rs, status, "application/json", b.p, b.n);
}

int http_reply_empty(struct http_res *rs, unsigned int status)
{
	return http_reply(rs, status, NULL, "", 0);
}

int http_reply_error(struct http_res *rs, unsigned int status, const char *message)
{
	cleanup_strbuf struct strbuf b = { 0 };

	if (!status_has_body(status))
		return http_reply_empty(rs, status);
	sb_add(&b, "{\"message\":");
	json_quote(&b, sv_of(message));
	sb_add(&b, "}\n");
	return http_reply(rs, status, "application/json", b.p, b.n);
}

/* --- streams --- */

int http_stream_start(struct http_res *rs, unsigned int status, const char *type)
{
	cleanup_strbuf struct strbuf head = { 0 };

	if (rs->state != REPLY_NONE)
		return -EALREADY;
	rs->is_chunked = rs->rq->head->minor >= 1;
	if (!rs->is_chunked || rs->continue_due)
		rs->close = true;
	begin_head(rs, &head, status, type);
	if (rs->is_chunked)
		sb_add(&head, "Transfer-Encoding: chunked\r\n");
	sb_add(&head, "\r\n");
	rs->state = REPLY_STREAM;
	struct iovec v = { head.p, head.n };
	return send_v(rs, &v, 1);
}

/* One chunk from what was collected and from p. */
static int send_chunk(struct http_res *rs, const void *p, size_t n)
{
	char size[24];
	size_t total = rs->out.n + n;

	if (!total || rs->is_head) {
		sb_reset(&rs->out);
		return rs->error;
	}
	int size_n = snprintf(size, sizeof(size), "%zx\r\n", total);
	struct iovec v[4] = {
		{ size, rs->is_chunked ? (size_t)size_n : 0 },
		{ rs->out.p, rs->out.n },
		{ (void *)(uintptr_t)p, n },
		{ (void *)(uintptr_t) "\r\n", rs->is_chunked ? 2 : 0 },
	};
	int r = send_v(rs, v, 4);
	sb_reset(&rs->out);
	return r;
}

int http_stream_write(struct http_res *rs, const void *p, size_t n)
{
	if (rs->state != REPLY_STREAM)
		return -EINVAL;
	if (rs->error)
		return rs->error;
	if (rs->out.n + n >= HTTP_OUT_BUFFER)
		return send_chunk(rs, p, n);
	sb_addn(&rs->out, p, n);
	return 0;
}

int http_stream_printf(struct http_res *rs, const char *fmt, ...)
{
	cleanup_strbuf struct strbuf b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	sb_vaddf(&b, fmt, ap);
	va_end(ap);
	return http_stream_write(rs, sb_str(&b), b.n);
}

int http_stream_flush(struct http_res *rs)
{
	if (rs->state != REPLY_STREAM)
		return -EINVAL;
	return send_chunk(rs, NULL, 0);
}

int64_t http_stream_from_fd(struct http_res *rs, int fd)
{
	cleanup_free char *buf = xmalloc(COPY_BUFFER);
	int64_t total = 0;

	for (;;) {
		ssize_t r = read(fd, buf, COPY_BUFFER);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : total;
		int w = http_stream_write(rs, buf, (size_t)r);
		if (w < 0)
			return w;
		total += r;
	}
}

int http_stream_end(struct http_res *rs)
{
	if (rs->state != REPLY_STREAM)
		return -EINVAL;
	(void)send_chunk(rs, NULL, 0);
	rs->state = REPLY_DONE;
	if (!rs->is_chunked || rs->is_head)
		return rs->error;
	struct iovec v = { (void *)(uintptr_t) "0\r\n\r\n", 5 };
	return send_v(rs, &v, 1);
}

void http_stream_abort(struct http_res *rs)
{
	if (rs->state != REPLY_STREAM)
		return;
	rs->close = true;
	rs->state = REPLY_DONE;
}

void http_res_finish(struct http_res *rs)
{
	if (rs->state == REPLY_NONE)
		(void)http_reply_error(rs, 500, "the request was not answered");
	if (rs->state == REPLY_STREAM)
		(void)http_stream_end(rs);
}

void http_res_release(struct http_res *rs)
{
	sb_release(&rs->headers);
	sb_release(&rs->out);
}

/*
 * Some clients (docker-py) read the head through a buffer and then go on with the bare socket: what lies in the buffer
 * behind the head is lost to them. So nothing follows the head before the client has taken it. No event tells that;
 * it takes as long as the client needs to wake up.
 */
static void await_head_taken(int fd)
{
	struct timespec nap = { .tv_nsec = HIJACK_NAP_NS };
	int64_t until = clock_mono_ns() + HIJACK_WAIT_MS * NS_PER_MS;
	int left;

	while (ioctl(fd, SIOCOUTQ, &left) == 0 && left > 0 && clock_mono_ns() < until)
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
}

int http_hijack(struct http_req *rq, struct http_res *rs, const char *type, const char *upgrade_proto,
		struct sv *early)
{
	cleanup_strbuf struct strbuf head = { 0 };
	struct http_conn *c = rs->conn;

	if (rs->state != REPLY_NONE)
		return -EALREADY;
	if (rq->has_upgrade && upgrade_proto)
		sb_addf(&head,
			"HTTP/1.1 101 UPGRADED\r\nContent-Type: %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n",
			type, upgrade_proto);
	else
		sb_addf(&head, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n", type);
	sb_addsv(&head, sb_sv(&rs->headers));
	sb_add(&head, "\r\n");
	struct iovec v = { head.p, head.n };
	rs->state = REPLY_HIJACKED;
	int r = send_v(rs, &v, 1);
	if (r < 0)
		return r;
	struct sv raw = http_io_buffered(&c->io);
	*early = sv_n(arena_strndup(rq->arena, raw.n ? raw.p : "", raw.n), raw.n);
	http_io_eat(&c->io, raw.n);
	rq->ctx.client_fd = -1;
	if (!c->io.tls)
		await_head_taken(c->io.fd);
	int fd = http_conn_take_fd(c);
	if (!c->io.tls)
		return fd;
	r = http_session_pump(c->io.tls, fd);
	if (r < 0)
		c->io.fd = fd;
	else
		c->io.tls = NULL;
	return r;
}
