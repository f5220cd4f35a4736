/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/1.1 client: one blocking connection, keep-alive, one call at a time. Used by client/ (Engine API),
 * tests and the health of nothing else; registries go through their own worker. Not thread-safe: one owner per
 * connection; open several for concurrent calls.
 *
 *	cleanup_http_client struct http_client *c = NULL;
 *	if (http_client_open(&(struct http_client_config){ .host = "unix:///run/hoy.sock" }, &c, e) < 0)
 *		return -1;
 *	cleanup_http_reply struct http_reply *r = http_call(c, &(struct http_call){ .method = "GET",
 *							    .target = "/_ping" }, e);
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "http/parse.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct http_client;
struct http_reply;
struct http_tls;

struct http_client_config {
	const char *host;        /* unix:///path, tcp://host:port, fd://N (a connected socket, not closed) */
	struct http_tls *tls;    /* NULL: plain; borrowed */
	const char *server_name; /* TLS name to check; NULL: the host */
	int connect_timeout_ms;  /* 0: the kernel's */
};

struct http_call {
	const char *method;
	const char *target;               /* path and query, already escaped */
	const struct http_param *headers; /* Host, User-Agent and the framing are added */
	size_t n_headers;
	const char *content_type; /* of the body; NULL: none */
	struct sv body;           /* sent with Content-Length */
	/* Streamed body, chunked: bytes, 0 at the end, -errno to abort. If the server answers early, sending
	 * stops. */
	ssize_t (*read_body)(void *ctx, void *buf, size_t n);
	void *read_ctx;
	const char *upgrade; /* "tcp": ask for 101 */
};

/* Connects at once. An error's text starts with "connect" and names the host. */
int http_client_open(const struct http_client_config *cfg, struct http_client **out,
		     struct err **e) NODISCARD;
void http_client_close(struct http_client *c); /* NULL is fine */
DEFINE_CLEANUP(struct http_client *, http_client_close)
#define cleanup_http_client CLEANUP(http_client_close)

/*
 * One call: sends the request, returns when the reply's head is there. A kept-alive connection that the
 * server has closed meanwhile is reopened once. The reply borrows the connection until http_reply_free, which
 * reads a short rest or closes the connection (it is opened again by the next call).
 */
struct http_reply *http_call(struct http_client *c, const struct http_call *call, struct err **e) NODISCARD;
unsigned int http_reply_status(const struct http_reply *r);
const char *http_reply_header(const struct http_reply *r, const char *name); /* NULL if absent */
/* Up to n bytes of the body as soon as there are some; 0 at the end; -errno. */
ssize_t http_reply_read(struct http_reply *r, void *buf, size_t n);
/* What is buffered or can be read, without copying: a span valid until the next call. 0 bytes at the end. */
int http_reply_next(struct http_reply *r, struct sv *out);
/* The rest of the body, heap, NUL-terminated; ERR_INVALID above max. */
int http_reply_read_all(struct http_reply *r, size_t max, char **out, size_t *n, struct err **e) NODISCARD;
/* For poll: the socket. Bytes may be buffered already (http_reply_buffered). */
int http_reply_fd(const struct http_reply *r);
size_t http_reply_buffered(const struct http_reply *r);
void http_reply_free(struct http_reply *r);
DEFINE_CLEANUP(struct http_reply *, http_reply_free)
#define cleanup_http_reply CLEANUP(http_reply_free)

/*
 * After a 101, or a 200 with a stream type: takes the raw connection. Returns a descriptor that the caller
 * owns (for TLS one end of a socket pair with a pump thread); *early (heap) are bytes that came with the
 * head. The client has no connection after that and may be closed, or reopens for its next call. -errno.
 */
int http_reply_hijack(struct http_reply *r, char **early, size_t *n_early) NODISCARD;
