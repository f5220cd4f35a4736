/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Engine API as the CLI uses it: one kept-alive connection, unversioned paths (the daemon's newest API) unless
 * DOCKER_API_VERSION fixes one, errors turned into what the daemon said. Called by cli/; one thread.
 *
 *	cleanup_client struct client *c = NULL;
 *	struct client_reply r = { 0 };
 *	if (client_open(&cfg, &c, e) < 0 || client_call(c, "GET", "/containers/json", SV(""), a, &r, e) < 0) ...
 *
 * A call that the daemon refuses is an error of the class of its status, "Error response from daemon: …". When nothing
 * answers: ERR_UNAVAILABLE, "Cannot connect to the Docker daemon at …. Is the docker daemon running?".
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <sys/types.h>

struct client;
struct http_reply;

struct client_config {
	const char *host; /* unix://, tcp://; NULL: the default sockets */
	bool tls, tls_verify;
	const char *ca, *cert, *key; /* paths, with tls */
	const char *api_version;     /* NULL: none */
};

int client_open(const struct client_config *cfg, struct client **out, struct err **e) NODISCARD;
void client_close(struct client *c);
DEFINE_CLEANUP(struct client *, client_close)
#define cleanup_client CLEANUP(client_close)
/* What -H said, or the default that was found. */
const char *client_host(const struct client *c);
/* A second connection to the same daemon, for calls while the first one streams. */
int client_dup(const struct client *c, struct client **out, struct err **e) NODISCARD;

struct client_reply {
	unsigned status;
	struct sv body; /* in the arena, NUL-terminated */
};
/* Body is JSON when it is not empty. The whole reply. */
int client_call(struct client *c, const char *method, const char *path, struct sv body, struct arena *a,
		struct client_reply *out, struct err **e) NODISCARD;

/* A reply to be read piece by piece (http/client.h). The body of the request comes from read_fd when it is >= 0. */
struct http_reply *client_stream(struct client *c, const char *method, const char *path,
				 const char *content_type, struct sv body, int read_fd, struct err **e);
/* Asks for an upgraded connection; returns its descriptor. *is_mux: framed (8-byte headers). *early: heap, bytes that came
 * with the head. */
int client_hijack(struct client *c, const char *path, struct sv body, bool *is_mux, char **early,
		  size_t *n_early, struct err **e) NODISCARD;

/* Escapes for a path segment or a query value. */
void client_escape(struct strbuf *b, const char *s);
/* Appends ?key=value or &key=value; value NULL: nothing. */
void client_query(struct strbuf *path, const char *key, const char *value);
