/* SPDX-License-Identifier: Apache-2.0 */
/* archive (cp), changes (diff), export, commit. */
#include "api/api-internal.h"
#include "engine/files.h"
#include "store/store.h"

#include <string.h>

#define STAT_HEADER "X-Docker-Container-Path-Stat"

static void base64(struct strbuf *out, struct sv in)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < in.n; i += 3) {
		size_t n = in.n - i < 3 ? in.n - i : 3;
		uint32_t v = (uint32_t)(unsigned char)in.p[i] << 16;
		if (n > 1)
			v |= (uint32_t)(unsigned char)in.p[i + 1] << 8;
		if (n > 2)
			v |= (uint32_t)(unsigned char)in.p[i + 2];
		sb_addc(out, set[v >> 18]);
		sb_addc(out, set[v >> 12 & 63]);
		sb_addc(out, n > 1 ? set[v >> 6 & 63] : '=');
		sb_addc(out, n > 2 ? set[v & 63] : '=');
	}
}

static void stat_header(void *ctx, struct sv json)
{
	struct api_ctx *c = ctx;
	cleanup_strbuf struct strbuf b = { 0 };

	base64(&b, json);
	http_res_header(c->rs, STAT_HEADER, sb_str(&b));
}

static int wanted_path(struct api_ctx *c, const char **path, struct err **e)
{
	*path = api_query_or(c, "path", "");
	return **path ? 0 : err_set(e, ERR_INVALID, "missing parameter: path");
}

static int write_tar(void *ctx, const void *buf, size_t n, struct err **e)
{
	struct api_ctx *c = ctx;

	if (!http_res_started(c->rs))
		(void)http_stream_start(c->rs, 200, "application/x-tar");
	int r = http_stream_write(c->rs, buf, n);
	return r < 0 ? err_sys_class(e, ERR_CANCELLED, -r, "write archive") : 0;
}

static ssize_t read_body(void *ctx, void *buf, size_t n, struct err **e)
{
	struct api_ctx *c = ctx;
	ssize_t r = http_req_read(c->rq, buf, n);

	return r < 0 ? err_sys_class(e, ERR_INVALID, (int)-r, "read request body") : r;
}

static int head_archive(struct api_ctx *c, struct err **e)
{
	cleanup_strbuf struct strbuf json = { 0 };
	const char *path;

	if (wanted_path(c, &path, e) < 0 ||
	    engine_container_stat_path(c->en, c->param[0], path, &json, e) < 0)
		return -1;
	stat_header(c, sb_sv(&json));
	return api_reply_empty(c, 200);
}

static int get_archive(struct api_ctx *c, struct err **e)
{
	struct store_sink sink = { write_tar, c };
	const char *path;

	if (wanted_path(c, &path, e) < 0 ||
	    engine_container_get_archive(c->en, c->param[0], path, stat_header, c, &sink, e) < 0)
		return -1;
	(void)http_stream_end(c->rs);
	return 0;
}

static int put_archive(struct api_ctx *c, struct err **e)
{
	struct store_source src = { read_body, c };
	const char *path;

	if (wanted_path(c, &path, e) < 0 ||
	    engine_container_put_archive(c->en, c->param[0], path, api_query_bool(c, "noOverwriteDirNonDir"),
					 api_query_bool(c, "copyUIDGID"), &src, e) < 0)
		return -1;
	return api_reply_empty(c, 200);
}

static int export(struct api_ctx *c, struct err **e)
{
	struct store_sink sink = { write_tar, c };

	if (engine_container_export(c->en, c->param[0], &sink, e) < 0)
		return -1;
	(void)http_stream_end(c->rs);
	return 0;
}

static int changes(struct api_ctx *c, struct err **e)
{
	cleanup_strbuf struct strbuf json = { 0 };

	if (engine_container_changes(c->en, c->param[0], &json, e) < 0)
		return -1;
	return api_reply_text(c, 200, &json);
}

static int commit(struct api_ctx *c, struct err **e)
{
	cleanup_strlist struct strlist lines = { 0 };
	cleanup_strbuf struct strbuf json = { 0 };
	cleanup_free char *id = NULL;
	struct sv body;

	if (api_body(c, &body, e) < 0)
		return -1;
	api_query_all(c, "changes", &lines);
	const struct engine_commit rq = {
		.repo = api_query(c, "repo"),
		.tag = api_query(c, "tag"),
		.comment = api_query(c, "comment"),
		.author = api_query(c, "author"),
		.changes = (const char *const *)lines.v,
		.n_changes = lines.n,
		.pause = api_query_bool_or(c, "pause", true),
		.config = body,
	};
	if (engine_container_commit(c->en, api_query_or(c, "container", ""), &rq, &id, e) < 0)
		return -1;
	struct jw w = jw_to(&json);
	jw_obj(&w);
	jw_kstr(&w, "Id", id);
	jw_end(&w);
	return api_reply_text(c, 201, &json);
}

const struct api_route api_files_routes[] = {
	{ "HEAD", "/containers/{name:.*}/archive", head_archive },
	{ "GET", "/containers/{name:.*}/archive", get_archive },
	{ "PUT", "/containers/{name:.*}/archive", put_archive },
	{ "GET", "/containers/{name:.*}/export", export },
	{ "GET", "/containers/{name:.*}/changes", changes },
	{ "POST", "/commit", commit },
	{ NULL, NULL, NULL },
};
