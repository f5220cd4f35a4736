/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/1.1 server: blocking sockets, one thread per connection (256 KiB stacks), keep-alive. hoyd's main
 * opens one with its listeners; api/ is the handler. The handler runs on the connection's thread, may block as
 * long as it likes, and must answer exactly once: one http_reply*, or http_stream_start .. http_stream_end, or
 * http_hijack. If it returns without, the server answers 500.
 *
 *	static void handle(void *ctx, struct http_req *rq, struct http_res *rs)
 *	{
 *		if (!strcmp(rq->path, "/_ping"))
 *			http_reply(rs, 200, "text/plain; charset=utf-8", "OK", 2);
 *	}
 *
 * Everything a request points to lives in rq->arena, until the handler returns. Replies: 0, or -errno once
 * the client is gone (then further writes fail the same way; the handler should give up, nobody reads it).
 */
#pragma once

#include "base/attr.h"
#include "base/ctx.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/parse.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct http_server;
struct http_req;
struct http_res;
struct http_tls;

typedef void (*http_handler)(void *ctx, struct http_req *rq, struct http_res *rs);

struct http_server_config {
	http_handler handler;
	void *handler_ctx;
	/* Sent with every reply but a hijack: "Name: value\r\n" lines; may be NULL. Borrowed for the server's
	 * life. */
	const char *fixed_headers;
	unsigned int max_connections; /* 0: HTTP_MAX_CONNECTIONS; more are answered 503 and closed */
};

#define HTTP_MAX_CONNECTIONS 8192
#define HTTP_THREAD_STACK    (256 * 1024)
#define HTTP_HEAD_TIMEOUT_MS (5 * 60 * 1000) /* from a request's first byte to the end of its head */
#define HTTP_DRAIN_MAX       (256 * 1024) /* of an unread request body, before the connection is closed instead */

int http_server_new(const struct http_server_config *cfg, struct http_server **out, struct err **e) NODISCARD;
/*
 * Listeners, before http_server_start. `spec` is unix:///path (mode 0660, `group` by name or number, may be
 * NULL), tcp://host:port, or fd:// (all sockets systemd passed), fd://N, fd://name. `tls` may be NULL; it is
 * borrowed.
 */
int http_server_listen(struct http_server *s, const char *spec, const char *group, struct http_tls *tls,
		       struct err **e) NODISCARD;
/* A socket that listens already; owned by the server from now on. */
int http_server_listen_fd(struct http_server *s, int fd, struct http_tls *tls) NODISCARD;
int http_server_start(struct http_server *s, struct err **e) NODISCARD;
/* Stops accepting, cancels the requests' contexts, waits up to timeout_ms for the handlers, closes what is
 * left. */
void http_server_stop(struct http_server *s, int timeout_ms);
void http_server_free(struct http_server *s); /* stopped before; NULL is fine */
DEFINE_CLEANUP(struct http_server *, http_server_free)
#define cleanup_http_server CLEANUP(http_server_free)
unsigned int http_server_connections(struct http_server *s);

struct http_req {
	struct arena *arena;
	const char *method;
	const char *target;       /* as it came */
	const char *path;         /* decoded, without the query */
	struct http_param *query; /* decoded, in order */
	size_t n_query;
	const struct http_head *head;
	struct ctx ctx;   /* ends when the client goes away or the server stops */
	bool has_upgrade; /* the client asks for 101 */
	bool is_tls;
	bool has_peer; /* peer credentials of a unix socket */
	uid_t peer_uid;
	pid_t peer_pid;
	void *handler_data;   /* the handler's own */
	struct http_res *res; /* its answer */
};

/* NULL if there is none. Values are trimmed. */
const char *http_req_header(struct http_req *rq, const char *name);
/* First value of a query parameter, NULL if absent. */
const char *http_req_query(struct http_req *rq, const char *name);
/* Docker's boolean rule (str_truthy). */
bool http_req_query_bool(struct http_req *rq, const char *name);
bool http_req_has_query(struct http_req *rq, const char *name);

/* Body. A reply may be started before the body was read. */
bool http_req_has_body(const struct http_req *rq); /* Content-Length > 0, or chunked */
/* Of Content-Length; -1 for chunked. */
int64_t http_req_body_length(const struct http_req *rq);
/* Up to n bytes; 0 at the end; -errno (-EBADMSG: broken framing, -EPIPE: it ended early). */
ssize_t http_req_read(struct http_req *rq, void *buf, size_t n);
/* The whole body, NUL-terminated, in rq->arena; ERR_INVALID above max. */
int http_req_read_all(struct http_req *rq, size_t max, struct sv *out, struct err **e) NODISCARD;
/* Writes the whole body to fd (a pipe or file): bytes written or -errno. */
int64_t http_req_read_to_fd(struct http_req *rq, int fd);

/* Extra headers, before the reply starts. Values with CR or LF are dropped. */
void http_res_header(struct http_res *rs, const char *name, const char *value);
int http_reply(struct http_res *rs, unsigned int status, const char *type, const void *body, size_t n);
/* application/json; a newline is appended unless it ends in one. */
int http_reply_json(struct http_res *rs, unsigned int status, struct sv json);
int http_reply_empty(struct http_res *rs, unsigned int status); /* no body: 204, 304, 201 with length 0 … */
/* {"message":"…"} */
int http_reply_error(struct http_res *rs, unsigned int status, const char *message);
/* Whether a status line went out (then errors can only be told in the stream). */
bool http_res_started(const struct http_res *rs);
void http_res_close(struct http_res *rs); /* no keep-alive after this reply */

/* A reply of unknown length. The head is sent, and flushed, at once. Writes are collected (up to 32 KiB)
 * until the flush; write_v of one large buffer goes out without a copy. */
int http_stream_start(struct http_res *rs, unsigned int status, const char *type);
int http_stream_write(struct http_res *rs, const void *p, size_t n);
int http_stream_printf(struct http_res *rs, const char *fmt, ...) PRINTF(2, 3);
int http_stream_flush(struct http_res *rs);
/* Copies fd's bytes until its end: count or -errno. */
int64_t http_stream_from_fd(struct http_res *rs, int fd);
int http_stream_end(struct http_res *rs);
/* Ends the connection instead of the stream, so that the client sees a truncation. */
void http_stream_abort(struct http_res *rs);

/*
 * Takes the connection over. Writes the 101 (the client asked for an upgrade) or the 200 head with `type`,
 * and returns a blocking descriptor that the caller owns: the socket itself, or for TLS one end of a socket
 * pair whose other end a thread pumps. Bytes the client sent early are in *early (rq->arena) and come before
 * what the descriptor gives. upgrade_proto: "tcp", "h2c" …; -errno on failure.
 */
int http_hijack(struct http_req *rq, struct http_res *rs, const char *type, const char *upgrade_proto,
		struct sv *early) NODISCARD;
