/* SPDX-License-Identifier: Apache-2.0 */
#include "client/client.h"

#include "http/tls.h"

#include <errno.h>

struct client {
	struct client_config cfg;
	char *host;
	char *version;
	bool is_fixed; /* the user chose the version */
	struct http_client *http;
	struct http_tls *tls;
};

struct client *client_new(const struct client_config *cfg)
{
	struct client *c = NEW(struct client);

	c->cfg = *cfg;
	c->host = strstr(cfg->host, "://") ? xstrdup(cfg->host) : xasprintf("tcp://%s", cfg->host);
	c->is_fixed = !str_empty(cfg->api_version);
	c->version = xstrdup(c->is_fixed ? cfg->api_version : CLIENT_API_VERSION);
	return c;
}

struct client *client_again(const struct client *c)
{
	struct client *again = client_new(&c->cfg);

	free(again->version);
	again->version = xstrdup(c->version);
	return again;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	http_client_close(c->http);
	http_tls_free(c->tls);
	free(c->version);
	free(c->host);
	free(c);
}

const char *client_host(const struct client *c)
{
	return c->host;
}

const char *client_api_version(const struct client *c)
{
	return c->version;
}

/* The connection's troubles in the words users know; anything else as it is. */
static int connect_error(struct client *c, struct err **why, struct err **e)
{
	int sys = err_errno(*why);

	if (sys == EACCES || sys == EPERM)
		return err_set(e, ERR_FORBIDDEN,
			       "permission denied while trying to connect to the Docker daemon socket at %s",
			       c->host);
	if (sys == ENOENT || sys == ECONNREFUSED || sys == ECONNRESET || sys == ENOTSOCK || sys == EPIPE)
		return err_set(e, ERR_UNAVAILABLE,
			       "Cannot connect to the Docker daemon at %s. Is the docker daemon running?",
			       c->host);
	err_move(e, why);
	return err_wrap(e, "error during connect");
}

static int open_http(struct client *c, struct err **e)
{
	cleanup_err struct err *why = NULL;
	struct http_client_config cfg = { .host = c->host };

	if (c->http)
		return 0;
	if (c->cfg.tls && !c->tls &&
	    http_tls_new(&(struct http_tls_config){ .ca = c->cfg.ca,
						    .cert = c->cfg.cert,
						    .key = c->cfg.key,
						    .verify_peer = c->cfg.tls_verify },
			 &c->tls, e) < 0)
		return -1;
	cfg.tls = c->tls;
	if (http_client_open(&cfg, &c->http, &why) < 0)
		return connect_error(c, &why, e);
	return 0;
}

static enum err_class class_of(unsigned int status)
{
	switch (status) {
	case 304: return ERR_NOT_MODIFIED;
	case 400: return ERR_INVALID;
	case 401: return ERR_UNAUTHORIZED;
	case 403: return ERR_FORBIDDEN;
	case 404: return ERR_NOT_FOUND;
	case 409: return ERR_CONFLICT;
	case 501: return ERR_NOT_IMPLEMENTED;
	case 503: return ERR_UNAVAILABLE;
	default: return ERR_SYSTEM;
	}
}

/* The message of a refusal, on the heap. */
static char *refusal(struct http_reply *r)
{
	cleanup_free char *body = NULL;
	cleanup_arena struct arena *a = arena_new();
	const struct json *j = NULL;
	size_t n = 0;

	if (http_reply_read_all(r, (size_t)1 << 20, &body, &n, NULL) < 0)
		return xasprintf("request returned status %u with no readable body", http_reply_status(r));
	if (json_parse(a, sv_n(body, n), NULL, &j, NULL) == 0) {
		const char *message = json_str(json_get_icase(j, "message"));
		if (message && *message)
			return xstrdup(message);
	}
	struct sv text = sv_trim(sv_n(body, n));
	if (text.n == 0)
		return xasprintf("request returned %u %s", http_reply_status(r),
				 http_status_text(http_reply_status(r)));
	return sv_dup(text);
}

/* "client version 1.51 is too new. Maximum supported API version is 1.45": the version, or an empty view. */
static struct sv older_version(const char *message)
{
	static const char mark[] = "Maximum supported API version is ";
	const char *p = strstr(message, mark);
	size_t n = 0;

	if (!p || !strstr(message, "is too new"))
		return SV("");
	p += sizeof(mark) - 1;
	while ((p[n] >= '0' && p[n] <= '9') || (p[n] == '.' && n > 0 && p[n + 1] >= '0' && p[n + 1] <= '9'))
		n++;
	return sv_n(p, n);
}

static int minor_of(const char *version)
{
	const char *dot = strchr(version, '.');
	uint32_t minor;

	return dot && parse_u32(sv_of(dot + 1), 10000, &minor) == 0 ? (int)minor : -1;
}

int client_ping(struct client *c, struct err **e)
{
	cleanup_err struct err *why = NULL;
	const char *theirs;

	if (c->is_fixed)
		return 0;
	if (open_http(c, e) < 0)
		return -1;
	cleanup_http_reply struct http_reply *r =
		http_call(c->http, &(struct http_call){ .method = "GET", .target = "/_ping" }, &why);
	if (!r)
		return connect_error(c, &why, e);
	theirs = http_reply_header(r, "Api-Version");
	if (theirs && minor_of(theirs) >= 0 && minor_of(theirs) < minor_of(c->version)) {
		free(c->version);
		c->version = xstrdup(theirs);
	}
	c->is_fixed = true;
	return 0;
}

struct http_reply *client_send(struct client *c, const struct client_call *call, struct err **e)
{
	struct http_call h = {
		.method = call->method,
		.body = call->body,
		.read_body = call->read_body,
		.read_ctx = call->read_ctx,
		.headers = c->cfg.headers,
		.n_headers = c->cfg.n_headers,
		.upgrade = call->upgrade ? "tcp" : NULL,
	};

	if (call->content_type)
		h.content_type = call->content_type;
	else if (call->body.n)
		h.content_type = "application/json";
	if (call->read_body && client_ping(c, e) < 0)
		return NULL;
	for (int attempt = 0;; attempt++) {
		cleanup_err struct err *why = NULL;
		cleanup_free char *target = xasprintf("/v%s%s", c->version, call->path);

		if (open_http(c, e) < 0)
			return NULL;
		h.target = target;
		struct http_reply *r = http_call(c->http, &h, &why);
		if (!r) {
			(void)connect_error(c, &why, e);
			return NULL;
		}
		unsigned int status = http_reply_status(r);
		if (status < 400)
			return r;
		cleanup_free char *message = refusal(r);
		struct sv older = older_version(message);
		http_reply_free(r);
		if (status == 400 && older.n && !c->is_fixed && attempt == 0) {
			free(c->version);
			c->version = sv_dup(older);
			continue;
		}
		(void)err_set(e, class_of(status), "Error response from daemon: %s", message);
		return NULL;
	}
}

int client_json(struct client *c, struct arena *a, const struct client_call *call, const struct json **out,
		struct err **e)
{
	static const struct json_limits limits = { .max_bytes = CLIENT_MAX_REPLY,
						   .max_values = (size_t)16 << 20,
						   .last_key_wins = true };
	cleanup_http_reply struct http_reply *r = client_send(c, call, e);
	cleanup_free char *body = NULL;
	const struct json *j = NULL;
	size_t n = 0;

	if (!r)
		return -1;
	if (http_reply_read_all(r, CLIENT_MAX_REPLY, &body, &n, e) < 0)
		return err_wrap(e, "read the engine's reply");
	if (sv_trim(sv_n(body, n)).n) {
		/* raw spans point into the text */
		char *kept = arena_strndup(a, body, n);
		if (json_parse(a, sv_n(kept, n), &limits, &j, e) < 0)
			return err_wrap(e, "the engine's reply");
	}
	if (out)
		*out = j;
	return 0;
}

const char *client_path(struct arena *a, const char *before, const char *name, const char *after)
{
	cleanup_strbuf struct strbuf b = { 0 };

	sb_add(&b, before);
	http_escape(&b, sv_of(name), false);
	sb_add(&b, after);
	return arena_strdup(a, sb_str(&b));
}

const char *client_query(struct arena *a, const char *path, const char *name, const char *value)
{
	cleanup_strbuf struct strbuf b = { 0 };

	sb_addf(&b, "%s%c%s=", path, strchr(path, '?') ? '&' : '?', name);
	http_escape(&b, sv_of(value), false);
	return arena_strdup(a, sb_str(&b));
}
