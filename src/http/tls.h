/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.2+ for server and client by OpenSSL 3. libssl is loaded at the first http_tls_new(), so that a
 * program which speaks plain unix sockets (the CLI's usual start, an idle engine) neither maps nor relocates
 * it. A context is immutable and may be shared by threads; a session belongs to one thread at a time.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct http_tls;     /* context: certificates and policy */
struct http_session; /* one connection */

struct http_tls_config {
	const char *ca;   /* PEM file of trusted roots; NULL: the system's for clients, none for servers */
	const char *cert; /* PEM chain; needed by servers */
	const char *key;
	bool is_server;
	bool verify_peer; /* server: demand a client certificate; client: check the server's */
	int handshake_ms; /* servers: for the whole handshake, however it drips in; 0: 30 s */
};

int http_tls_new(const struct http_tls_config *cfg, struct http_tls **out, struct err **e) NODISCARD;
void http_tls_free(struct http_tls *t);
DEFINE_CLEANUP(struct http_tls *, http_tls_free)
#define cleanup_http_tls CLEANUP(http_tls_free)

/* Handshakes on a blocking socket (borrowed). name: the server's name to verify, clients only. */
int http_session_open(struct http_tls *t, int fd, const char *name, struct http_session **out,
		      struct err **e) NODISCARD;
/* Bytes, 0 at the peer's close_notify (or its end), -errno. */
ssize_t http_session_read(struct http_session *s, void *buf, size_t n);
ssize_t http_session_write(struct http_session *s, const void *buf, size_t n);
size_t http_session_pending(struct http_session *s);
/* Whether a read would return at once: data, the end or an error. Handshake records alone do not count. */
bool http_session_has_input(struct http_session *s);
int http_session_shutdown_write(struct http_session *s); /* close_notify: half-close */
void http_session_free(struct http_session *s);          /* without closing the socket */

/* Hands session and socket to a thread that pumps between them and the returned descriptor, keeping
 * half-closes. -errno (then both still belong to the caller). */
int http_session_pump(struct http_session *s, int fd) NODISCARD;
