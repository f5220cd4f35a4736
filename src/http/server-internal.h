/* SPDX-License-Identifier: Apache-2.0 */
/* server.c (listeners, threads, requests) and reply.c (answers) share these. */
#pragma once

#include "base/list.h"
#include "http/io-internal.h"
#include "http/server.h"

#include <pthread.h>

#define HTTP_OUT_BUFFER (32 * 1024)

struct http_conn {
	struct http_server *server;
	struct list link; /* server->conns */
	struct http_io io;
	bool is_busy; /* a request is being handled; under server->lock */
	bool is_unix;
	bool has_peer;
	uid_t peer_uid;
	pid_t peer_pid;
	struct http_tls *tls;
};

enum reply_state { REPLY_NONE, REPLY_STREAM, REPLY_DONE, REPLY_HIJACKED };

struct http_res {
	struct http_conn *conn;
	struct http_req *rq;
	struct http_body body; /* the request's */
	bool continue_due;     /* "100 Continue" before the first read */
	enum reply_state state;
	bool is_chunked;
	bool is_head;
	bool close;
	int error;             /* -errno of a failed write, sticky */
	struct strbuf headers; /* extra lines */
	struct strbuf out;     /* collected stream */
};

const char *http_server_fixed_headers(const struct http_server *s);
/* The connection's socket, which http_server_stop no longer sees. */
int http_conn_take_fd(struct http_conn *c);
/* After the handler: completes a reply that is missing or unfinished. */
void http_res_finish(struct http_res *rs);
void http_res_release(struct http_res *rs);
