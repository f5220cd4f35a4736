/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api-internal.h"

#include "engine/images.h"
#include "store/store.h"

#include <string.h>

/* Filters that each call takes. */
static const char *const list_filters[] = { "before",    "dangling", "label", "label!",
					    "reference", "since",    "until", NULL };
static const char *const prune_filters[] = { "dangling", "label", "label!", "until", NULL };

static int list(struct api_ctx *c, struct err **e)
{
	struct engine_image_list rq = { .all = api_query_bool(c, "all"),
					.shared_size = c->minor >= 42 && api_query_bool(c, "shared-size") };
	struct api_image_summary_list l = { 0 };
	struct filters *f;

	if (api_query_filters(c, list_filters, &f, e) < 0)
		return -1;
	/* the list's own `filter` was a reference until 1.25 */
	if (c->minor < 25 && !str_empty(api_query(c, "filter")))
		filters_add(c->a, f, "reference", api_query(c, "filter"));
	rq.filters = f;
	if (engine_image_list(c->en, &rq, c->a, &l, e) < 0)
		return -1;
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	jw_arr(&w);
	model_for_each(it, &l)
	{
		if (c->minor < 51)
			it->containers = -1;
		if (c->minor < 44)
			it->virtual_size = it->size;
		if (c->minor < 43 && !it->repo_tags.n && !it->repo_digests.n) {
			model_strs_add(c->a, &it->repo_tags, "<none>:<none>");
			model_strs_add(c->a, &it->repo_digests, "<none>@<none>");
		}
		api_image_summary_encode(&w, it);
	}
	jw_end(&w);
	return api_reply_text(c, 200, &b);
}

/* Before 1.50 the config was a container's, with fields that no image fills. */
static int inspect_old(struct api_ctx *c, const struct api_image_inspect *in)
{
	struct api_container_config cc = { 0 };
	const struct api_image_config *ic = in->config;

	if (ic)
		cc = (struct api_container_config){
			.user = ic->user,
			.exposed_ports = ic->exposed_ports,
			.env = ic->env,
			.entrypoint = ic->entrypoint,
			.cmd = ic->cmd,
			.volumes = ic->volumes,
			.working_dir = ic->working_dir,
			.labels = ic->labels,
			.stop_signal = ic->stop_signal,
			.args_escaped = ic->args_escaped,
			.healthcheck = ic->healthcheck,
			.on_build = ic->on_build,
			.shell = ic->shell,
		};
	struct api_container_config none = { 0 };
	struct api_image_inspect_old out = {
		.id = in->id,
		.repo_tags = in->repo_tags,
		.repo_digests = in->repo_digests,
		.parent = in->parent,
		.comment = in->comment,
		.created = in->created,
		.container_config = c->minor < 45 ? &none : NULL,
		.docker_version = in->docker_version,
		.author = in->author,
		.config = ic ? &cc : NULL,
		.architecture = in->architecture,
		.variant = in->variant,
		.os = in->os,
		.os_version = in->os_version,
		.size = in->size,
		.virtual_size = c->minor < 44 ? in->size : 0,
		.graph_driver = in->graph_driver,
		.root_fs = in->root_fs,
		.metadata = in->metadata,
	};
	return api_reply(c, 200, &api_image_inspect_old_type, &out);
}

static int inspect(struct api_ctx *c, struct err **e)
{
	struct api_image_inspect *out;

	if (c->minor >= 48 && api_query_bool(c, "manifests") && !str_empty(api_query(c, "platform")))
		return err_set(e, ERR_INVALID,
			       "conflicting options: manifests and platform options cannot both be set");
	if (engine_image_inspect(c->en, c->param[0], c->a, &out, e) < 0)
		return -1;
	return c->minor < 50 ? inspect_old(c, out) : api_reply(c, 200, &api_image_inspect_type, out);
}

static int history(struct api_ctx *c, struct err **e)
{
	struct engine_image_history h = { 0 };

	if (engine_image_history(c->en, c->param[0], c->a, &h, e) < 0)
		return -1;
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	jw_arr(&w);
	model_for_each(it, &h)
	{
		api_image_history_item_encode(&w, it);
	}
	jw_end(&w);
	return api_reply_text(c, 200, &b);
}

static int tag(struct api_ctx *c, struct err **e)
{
	if (engine_images_tag(c->en, c->param[0], api_query_or(c, "repo", ""), api_query_or(c, "tag", ""),
			      e) < 0)
		return -1;
	return api_reply_empty(c, 201);
}

static int remove_(struct api_ctx *c, struct err **e)
{
	struct api_image_delete_item_list l = { 0 };

	if (!sv_trim(sv_of(c->param[0])).n)
		return err_set(e, ERR_INVALID, "image name cannot be blank");
	if (engine_images_remove(c->en, c->param[0], api_query_bool(c, "force"), api_query_bool(c, "noprune"),
				 c->a, &l, e) < 0)
		return -1;
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	jw_arr(&w);
	model_for_each(it, &l)
	{
		api_image_delete_item_encode(&w, it);
	}
	jw_end(&w);
	return api_reply_text(c, 200, &b);
}

static int prune(struct api_ctx *c, struct err **e)
{
	struct api_images_prune_report out = { 0 };
	struct filters *f;

	if (api_query_filters(c, prune_filters, &f, e) < 0 ||
	    engine_images_prune(c->en, f, &c->rq->ctx, c->a, &out.images_deleted, &out.space_reclaimed, e) <
		    0)
		return -1;
	return api_reply(c, 200, &api_images_prune_report_type, &out);
}

/* --- streams --- */

static ssize_t read_body(void *ctx, void *buf, size_t n, struct err **e)
{
	struct api_ctx *c = ctx;
	ssize_t r = http_req_read(c->rq, buf, n);

	return r < 0 ? err_sys_class(e, ERR_INVALID, (int)-r, "read request body") : r;
}

/* The first message starts the reply: what fails before gets a status of its own. */
static void message(void *ctx, struct sv json)
{
	struct api_ctx *c = ctx;

	if (!http_res_started(c->rs))
		(void)http_stream_start(c->rs, 200, "application/json");
	(void)http_stream_write(c->rs, json.p, json.n);
	(void)http_stream_write(c->rs, "\r\n", 2);
	(void)http_stream_flush(c->rs);
}

static int load(struct api_ctx *c, struct err **e)
{
	struct store_source src = { read_body, c };
	struct store_progress p = { .message = message,
				    .ctx = c,
				    .quiet = api_query_bool_or(c, "quiet", true) };
	cleanup_err struct err *late = NULL;

	(void)e;
	int r = engine_images_load(c->en, &src, &p, &late);
	if (!http_res_started(c->rs))
		(void)http_stream_start(c->rs, 200, "application/json");
	/* Docker tells it in the stream even when nothing else was said */
	if (r < 0)
		api_stream_error(c, late);
	(void)http_stream_end(c->rs);
	return 0;
}

/* "os[/arch[/variant]]" in the request's arena. */
static void split_platform(struct api_ctx *c, struct store_import *im)
{
	struct sv os, arch, variant, rest = sv_of(api_query_or(c, "platform", ""));

	if (!rest.n)
		return;
	bool more = sv_cut(rest, '/', &os, &rest);
	im->os = os.n ? arena_strndup(c->a, os.p, os.n) : NULL;
	if (!more)
		return;
	more = sv_cut(rest, '/', &arch, &variant);
	im->arch = arch.n ? arena_strndup(c->a, arch.p, arch.n) : NULL;
	if (more && variant.n)
		im->variant = arena_strndup(c->a, variant.p, variant.n);
}

static int import(struct api_ctx *c, struct err **e)
{
	struct store_source src = { read_body, c };
	struct store_progress p = { .message = message, .ctx = c };
	cleanup_strlist struct strlist changes = { 0 };
	cleanup_free char *id = NULL;

	if (strcmp(api_query(c, "fromSrc"), "-") != 0)
		return err_set(e, ERR_NOT_IMPLEMENTED, "importing from a URL is not implemented");
	api_query_all(c, "changes", &changes);
	struct store_import im = {
		.repo = api_query_or(c, "repo", NULL),
		.tag = api_query_or(c, "tag", NULL),
		.message = api_query_or(c, "message", NULL),
		.changes = (const char *const *)changes.v,
		.n_changes = changes.n,
	};
	split_platform(c, &im);
	if (engine_images_import(c->en, &src, &im, &p, &id, e) < 0) {
		if (!http_res_started(c->rs))
			return -1;
		api_stream_error(c, e ? *e : NULL);
		(void)http_stream_end(c->rs);
		return 0;
	}
	/* the store's last message was the image's id */
	if (!http_res_started(c->rs))
		(void)http_stream_start(c->rs, 200, "application/json");
	(void)http_stream_end(c->rs);
	return 0;
}

static int pull_or_import(struct api_ctx *c, struct err **e)
{
	const char *image = api_query(c, "fromImage"), *tag_ = api_query_or(c, "tag", "");

	if (str_empty(image) && !str_empty(api_query(c, "fromSrc")))
		return import(c, e);
	if (str_empty(image))
		return err_set(e, ERR_INVALID, "invalid reference format");
	/* 404, as for any image that is nowhere to be found: clients then say that the image is missing */
	const char *mark = !tag_[0] ? "" : strchr(tag_, ':') ? "@" : ":";
	return err_set(e, ERR_NOT_FOUND,
		       "No such image: %s%s%s (this engine does not pull from registries yet)", image, mark,
		       tag_);
}

static int write_archive(void *ctx, const void *buf, size_t n, struct err **e)
{
	struct api_ctx *c = ctx;

	if (!http_res_started(c->rs))
		(void)http_stream_start(c->rs, 200, "application/x-tar");
	int r = http_stream_write(c->rs, buf, n);
	return r < 0 ? err_sys_class(e, ERR_CANCELLED, -r, "write archive") : 0;
}

static int save(struct api_ctx *c, const struct strlist *names, struct err **e)
{
	struct store_sink sink = { write_archive, c };

	/* a failure after the first byte ends the connection (api_handle), so that nobody takes a part for the whole */
	if (engine_images_save(c->en, names, &sink, e) < 0)
		return -1;
	(void)http_stream_end(c->rs);
	return 0;
}

static int save_one(struct api_ctx *c, struct err **e)
{
	cleanup_strlist struct strlist names = { 0 };

	strlist_add(&names, c->param[0]);
	return save(c, &names, e);
}

static int save_many(struct api_ctx *c, struct err **e)
{
	cleanup_strlist struct strlist names = { 0 };

	api_query_all(c, "names", &names);
	if (!names.n)
		return err_set(e, ERR_INVALID, "no images to save");
	return save(c, &names, e);
}

const struct api_route api_image_routes[] = {
	{ "GET", "/images/json", list },
	{ "GET", "/images/get", save_many },
	{ "GET", "/images/{name:.*}/get", save_one },
	{ "GET", "/images/{name:.*}/history", history },
	{ "GET", "/images/{name:.*}/json", inspect },
	{ "POST", "/images/load", load },
	{ "POST", "/images/create", pull_or_import },
	{ "POST", "/images/prune", prune },
	{ "POST", "/images/{name:.*}/tag", tag },
	{ "DELETE", "/images/{name:.*}", remove_ },
	{ NULL, NULL, NULL },
};
