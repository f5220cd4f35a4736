/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Engine API from the client's side: where the engine is, which version is spoken, errors as Docker's CLI words
 * them. Called by cli/. A client holds one kept-alive connection, made at the first call; calls that last (wait, attach)
 * take a second client of the same configuration. Not thread-safe.
 *
 * No round trip is spent on negotiation: requests name CLIENT_API_VERSION, and an engine that is older says so, with its
 * version, in a refusal that is answered by asking again in that version. Only a request whose body cannot be sent twice
 * pings first.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "codec/json.h"
#include "http/client.h"

#define CLIENT_API_VERSION   "1.51"
#define CLIENT_MAX_REPLY     ((size_t)256 << 20)
#define CLIENT_DEFAULT_HOST  "unix:///run/hoy.sock"
#define CLIENT_FALLBACK_HOST "unix:///var/run/docker.sock"

struct client_config {
	const char *host;        /* unix://, tcp://, or host:port */
	const char *api_version; /* DOCKER_API_VERSION; NULL: ours, or the engine's when that is older */
	bool tls;                /* use it; ca, cert, key: PEM files or NULL */
	bool tls_verify;
	const char *ca, *cert, *key;
	const struct http_param *headers; /* HttpHeaders of config.json; borrowed */
	size_t n_headers;
};

struct client;

struct client_call {
	const char *method;
	const char *path; /* escaped, with query, without version: client_path() */
	struct sv body;   /* JSON unless content_type says otherwise */
	const char *content_type;
	ssize_t (*read_body)(void *ctx, void *buf, size_t n);
	void *read_ctx;
	bool upgrade; /* ask for a raw stream; the reply is to be hijacked */
};

struct client *client_new(const struct client_config *cfg) __attribute__((returns_nonnull));
/* Another connection to the same engine, which knows the version already. */
struct client *client_again(const struct client *c) __attribute__((returns_nonnull));
void client_free(struct client *c);
DEFINE_CLEANUP(struct client *, client_free)
#define cleanup_client CLEANUP(client_free)

const char *client_host(const struct client *c);
const char *client_api_version(const struct client *c); /* "1.51", lower after an older engine answered */
/* Asks the engine (GET /_ping) and takes the lower version. */
int client_ping(struct client *c, struct err **e) NODISCARD;

/* A reply with a status below 400 (101 and 304 included); anything else is an error of the status' class with the text
 * "Error response from daemon: …". */
struct http_reply *client_send(struct client *c, const struct client_call *call, struct err **e) NODISCARD;
/* The same, and the JSON of the reply, which lives in the arena (NULL when there is none). */
int client_json(struct client *c, struct arena *a, const struct client_call *call, const struct json **out,
		struct err **e) NODISCARD;

/* "/containers/", "a b", "/json" → "/containers/a%20b/json"; the second part is escaped, slashes too. */
const char *client_path(struct arena *a, const char *before, const char *name, const char *after);
/* Appends name=value to a path, escaped. */
const char *client_query(struct arena *a, const char *path, const char *name, const char *value);

/*
 * Where the engine is, from what the user said: --context before -H, DOCKER_HOST, DOCKER_CONTEXT, config.json's
 * currentContext; "default" is hoy's socket, or Docker's where only that exists. *context gets the name that is shown.
 */
struct client_choice {
	const char *host, *context, *config_dir;
	const struct json *config; /* config.json, or NULL */
};
int client_resolve(struct arena *a, const struct client_choice *choice, struct client_config *out,
		   const char **context, struct err **e) NODISCARD;
