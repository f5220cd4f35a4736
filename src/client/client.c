/* SPDX-License-Identifier: Apache-2.0 */
#include "client/client.h"

#include "base/fs.h"
#include "codec/json.h"
#include "http/client.h"
#include "http/tls.h"

#include <errno.h>
#include <unistd.h>

#define ERROR_MAX (1024 * 1024)
#define REPLY_MAX (256UL * 1024 * 1024)

struct client {
	char *host;
	char *version;
	struct http_tls *tls;
	bool owns_tls;
	struct http_client *http; /* NULL until the first call */
};

static const char *default_host(void)
{
	if (access("/run/hoy.sock", F_OK) != 0 && access("/var/run/docker.sock", F_OK) == 0)
		return "unix:///var/run/docker.sock";
	return "unix:///run/hoy.sock";
}

/* "host:port" means tcp. */
static char *normal_host(const char *host)
{
	if (str_empty(host))
		return xstrdup(default_host());
	if (strstr(host, "://"))
		return xstrdup(host);
	if (host[0] == '/')
		return xasprintf("unix://%s", host);
	return xasprintf("tcp://%s", host);
}

int client_open(const struct client_config *cfg, struct client **out, struct err **e)
{
	cleanup_client struct client *c = NEW(struct client);

	c->host = normal_host(cfg->host);
	c->version = xstrdup_opt(cfg->api_version);
	if (str_starts(c->host, "ssh://"))
		return err_set(e, ERR_NOT_IMPLEMENTED, "the ssh:// transport is not supported");
	if (!str_starts(c->host, "unix://") && !str_starts(c->host, "tcp://") &&
	    !str_starts(c->host, "fd://") && !str_starts(c->host, "http://") &&
	    !str_starts(c->host, "https://"))
		return err_set(e, ERR_INVALID, "unable to parse docker host `%s`", c->host);
	if (cfg->tls || cfg->tls_verify) {
		struct http_tls_config tls = {
			.ca = cfg->ca, .cert = cfg->cert, .key = cfg->key, .verify_peer = cfg->tls_verify
		};

		if (http_tls_new(&tls, &c->tls, e) < 0)
			return -1;
		c->owns_tls = true;
	}
	*out = TAKE_PTR(c);
	return 0;
}

int client_dup(const struct client *c, struct client **out, struct err **e UNUSED)
{
	struct client *d = NEW(struct client);

	d->host = xstrdup(c->host);
	d->version = xstrdup_opt(c->version);
	d->tls = c->tls;
	*out = d;
	return 0;
}

void client_close(struct client *c)
{
	if (!c)
		return;
	http_client_close(c->http);
	if (c->owns_tls)
		http_tls_free(c->tls);
	free(c->host);
	free(c->version);
	free(c);
}

const char *client_host(const struct client *c)
{
	return c->host;
}

static int connect_now(struct client *c, struct err **e)
{
	cleanup_err struct err *why = NULL;
	int sys;

	if (c->http)
		return 0;
	if (http_client_open(&(struct http_client_config){ .host = c->host, .tls = c->tls }, &c->http,
			     &why) == 0)
		return 0;
	sys = err_errno(why);
	if (sys == EACCES)
		return err_set(
			e, ERR_UNAVAILABLE,
			"permission denied while trying to connect to the Docker daemon socket at %s: %s",
			c->host, err_text(why));
	if (sys == ENOENT || sys == ECONNREFUSED || sys == ENOTSOCK || sys == ENOTDIR)
		return err_set(e, ERR_UNAVAILABLE,
			       "Cannot connect to the Docker daemon at %s. Is the docker daemon running?",
			       c->host);
	return err_set(e, ERR_UNAVAILABLE, "error during connect: %s", err_text(why));
}

static enum err_class class_of(unsigned status)
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

/* The daemon's own words from an error body. */
static int daemon_error(unsigned status, const char *body, size_t n, struct err **e)
{
	cleanup_arena struct arena *a = arena_new();
	const struct json *j = NULL;
	const char *text = NULL;
	struct sv raw = sv_trim(sv_n(body, n));

	if (json_parse(a, raw, NULL, &j, NULL) == 0)
		text = json_str(json_get(j, "message"));
	if (text)
		return err_set(e, class_of(status), "Error response from daemon: %s", text);
	if (raw.n)
		return err_set(e, class_of(status), "Error response from daemon: %.*s",
			       (int)MIN(raw.n, (size_t)4096), raw.p);
	return err_set(e, class_of(status), "Error response from daemon: request returned status %u", status);
}

static struct http_reply *call(struct client *c, struct http_call *hc, const char *path, struct err **e)
{
	cleanup_free char *target = c->version ? xasprintf("/v%s%s", c->version, path) : xstrdup(path);
	cleanup_err struct err *why = NULL;
	struct http_reply *r;

	if (connect_now(c, e) < 0)
		return NULL;
	hc->target = target;
	r = http_call(c->http, hc, &why);
	if (!r)
		(void)err_set(e, ERR_UNAVAILABLE, "error during connect: %s \"%s%s\": %s", hc->method,
			      c->host, path, err_text(why));
	return r;
}

static int check_status(struct http_reply *r, struct err **e)
{
	unsigned status = http_reply_status(r);
	cleanup_free char *body = NULL;
	size_t n = 0;

	if (status == 101 || (status >= 200 && status < 300))
		return 0;
	if (http_reply_read_all(r, ERROR_MAX, &body, &n, NULL) < 0)
		n = 0;
	return daemon_error(status, body, n, e);
}

int client_call(struct client *c, const char *method, const char *path, struct sv body, struct arena *a,
		struct client_reply *out, struct err **e)
{
	struct http_call hc = { .method = method,
				.body = body,
				.content_type = body.n ? "application/json" : NULL };
	cleanup_http_reply struct http_reply *r = call(c, &hc, path, e);
	cleanup_free char *text = NULL;
	size_t n = 0;

	if (!r)
		return -1;
	out->status = http_reply_status(r);
	if (out->status == 304) {
		out->body = SV("");
		return 0;
	}
	if (check_status(r, e) < 0 || http_reply_read_all(r, REPLY_MAX, &text, &n, e) < 0)
		return -1;
	out->body = sv_n(arena_strndup(a, text, n), n);
	return 0;
}

static ssize_t read_from_fd(void *ctx, void *buf, size_t n)
{
	const int *fd = ctx;
	ssize_t r;

	do
		r = read(*fd, buf, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

struct http_reply *client_stream(struct client *c, const char *method, const char *path,
				 const char *content_type, struct sv body, int read_fd, struct err **e)
{
	struct http_call hc = { .method = method, .body = body, .content_type = content_type };
	struct http_reply *r;

	if (read_fd >= 0) {
		hc.read_body = read_from_fd;
		hc.read_ctx = &read_fd;
	}
	r = call(c, &hc, path, e);
	if (r && check_status(r, e) < 0) {
		http_reply_free(r);
		return NULL;
	}
	return r;
}

int client_hijack(struct client *c, const char *path, struct sv body, bool *is_mux, char **early,
		  size_t *n_early, struct err **e)
{
	struct http_call hc = { .method = "POST",
				.body = body,
				.content_type = body.n ? "application/json" : NULL,
				.upgrade = "tcp" };
	cleanup_http_reply struct http_reply *r = call(c, &hc, path, e);
	const char *type;
	int fd;

	if (!r || check_status(r, e) < 0)
		return -1;
	type = http_reply_header(r, "Content-Type");
	*is_mux = type && strstr(type, "multiplexed");
	fd = http_reply_hijack(r, early, n_early);
	if (fd < 0)
		return err_sys(e, -fd, "upgrade the connection");
	return fd;
}

void client_escape(struct strbuf *b, const char *s)
{
	for (; *s; s++) {
		unsigned char u = (unsigned char)*s;

		if ((u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') ||
		    strchr("-_.~/:@", (int)u))
			sb_addc(b, (char)u);
		else
			sb_addf(b, "%%%02X", u);
	}
}

void client_query(struct strbuf *path, const char *key, const char *value)
{
	if (!value)
		return;
	sb_addc(path, sv_find(sb_sv(path), '?') < 0 ? '?' : '&');
	sb_addf(path, "%s=", key);
	client_escape(path, value);
}
