/* SPDX-License-Identifier: Apache-2.0 */
/* Images read: list, inspect, history. */
#include "base/clock.h"
#include "engine/images-internal.h"
#include "engine/view.h"
#include "model/filters.h"
#include "model/oci.gen.h"
#include "model/reference.h"

#include <string.h>

void image_uses_collect(struct engine *en, struct arena *a, struct image_uses *out)
{
	size_t n;
	struct container **all = container_all(en, &n);

	*out = (struct image_uses){ 0 };
	for (size_t i = 0; i < n; i++) {
		cleanup_look struct container_look l = { 0 };
		container_look(all[i], &l);
		GROW(out->v, out->n, out->cap);
		out->v[out->n++] = (struct store_use){
			.image_id = arena_strdup(a, l.spec->image_id ? l.spec->image_id : ""),
			.ref = arena_strdup(a, l.spec->image_ref ? l.spec->image_ref : ""),
			.container = arena_strdup(a, all[i]->id),
			.is_running = life_is_running(l.now.state),
		};
	}
	container_list_free(all, n);
}

int64_t image_uses_count(const struct image_uses *u, const char *image_id)
{
	int64_t n = 0;

	for (size_t i = 0; i < u->n; i++)
		n += !strcmp(u->v[i].image_id, image_id);
	return n;
}

void image_event(struct engine *en, const char *id, const char *name, const char *action,
		 const struct store_image *img)
{
	size_t n_labels = img ? img->config->config.labels.n : 0, n = 0;
	const char **kv = xcalloc(2 * n_labels + 3, sizeof(*kv));

	for (size_t i = 0; i < n_labels; i++) {
		kv[n++] = img->config->config.labels.v[i].k;
		kv[n++] = img->config->config.labels.v[i].v;
	}
	if (name) {
		kv[n++] = "name";
		kv[n++] = name;
	}
	events_publish(en->events, "image", action, id, kv);
	free(kv);
}

/* --- list --- */

struct choice {
	const struct filters *f;
	int64_t before_ns, since_ns, until_ns; /* 0: not asked for */
	bool has_dangling, dangling;
	bool all;
};

static int image_created(struct engine *en, const struct filters *f, const char *key, int64_t *out,
			 struct err **e)
{
	const struct model_str_list *l = filters_get(f, key);

	for (size_t i = 0; i < l->n; i++) {
		cleanup_image struct store_image *img = NULL;
		if (store_image_find(en->store, l->v[i], &img, e) < 0)
			return -1;
		*out = MAX(img->created_ns, (int64_t)1);
	}
	return 0;
}

static int choose(struct engine *en, const struct engine_image_list *rq, struct choice *c, struct err **e)
{
	static const struct filters none;

	*c = (struct choice){ .f = rq->filters ? rq->filters : &none, .all = rq->all };
	c->has_dangling = filters_has(c->f, "dangling");
	if (filters_bool(c->f, "dangling", false, &c->dangling, e) < 0 ||
	    image_created(en, c->f, "before", &c->before_ns, e) < 0 ||
	    image_created(en, c->f, "since", &c->since_ns, e) < 0)
		return -1;
	const struct model_str_list *refs = filters_get(c->f, "reference"),
				    *until = filters_get(c->f, "until");
	for (size_t i = 0; i < refs->n; i++)
		if (path_match(sv_of(refs->v[i]), SV("x")) < 0)
			return filters_fail_value("reference", refs->v[i], e);
	for (size_t i = 0; i < until->n; i++)
		if (clock_parse_docker(sv_of(until->v[i]), clock_now_ns(), &c->until_ns) < 0)
			return filters_fail_value("until", until->v[i], e);
	return 0;
}

static bool chosen(const struct choice *c, const struct store_image *img)
{
	const struct model_str_map *labels = &img->config->config.labels;

	return (!c->before_ns || img->created_ns < c->before_ns) &&
	       (!c->since_ns || img->created_ns > c->since_ns) &&
	       (!c->until_ns || img->created_ns < c->until_ns) && filters_labels(c->f, "label", labels) &&
	       filters_not_labels(c->f, "label!", labels);
}

/* The pattern against "repo:tag" and against "repo". */
static bool matches_reference(const struct choice *c, const char *ref)
{
	const struct model_str_list *l = filters_get(c->f, "reference");

	if (!l->n)
		return true;
	const char *at = strchr(ref, '@'), *slash = strrchr(ref, '/'), *colon = strrchr(ref, ':');
	size_t name_n = at                                   ? (size_t)(at - ref)
			: colon && (!slash || colon > slash) ? (size_t)(colon - ref)
							     : strlen(ref);
	for (size_t i = 0; i < l->n; i++)
		if (path_match(sv_of(l->v[i]), sv_of(ref)) > 0 ||
		    path_match(sv_of(l->v[i]), sv_n(ref, name_n)) > 0)
			return true;
	return false;
}

int engine_image_list(struct engine *en, const struct engine_image_list *rq, struct arena *a,
		      struct api_image_summary_list *out, struct err **e)
{
	struct store_image **v;
	struct image_uses uses;
	struct choice c;
	size_t n;

	if (choose(en, rq, &c, e) < 0 || store_images(en->store, &v, &n, e) < 0)
		return -1;
	image_uses_collect(en, a, &uses);
	for (size_t i = 0; i < n; i++) {
		const struct store_image *img = v[i];
		struct model_str_list tags = { 0 }, digests = { 0 };
		if (!chosen(&c, img))
			continue;
		model_strs_empty(a, &tags);
		model_strs_empty(a, &digests);
		for (size_t k = 0; k < img->n_tags; k++)
			if (matches_reference(&c, img->tags[k]))
				model_strs_add(a, &tags, img->tags[k]);
		for (size_t k = 0; k < img->n_digests; k++)
			if (matches_reference(&c, img->digests[k]))
				model_strs_add(a, &digests, img->digests[k]);
		if (!tags.n && !digests.n) {
			bool shown = c.all || !store_image_has_children(en->store, img->id);
			if (!shown || filters_has(c.f, "reference") || (c.has_dangling && !c.dangling))
				continue;
		} else if (c.has_dangling && c.dangling && tags.n) {
			continue;
		}
		struct api_image_summary *s = model_list_add(a, out);
		*s = (struct api_image_summary){
			.id = arena_strdup(a, img->id),
			.parent_id = arena_strdup(a, img->parent ? img->parent : ""),
			.created = img->created_ns / NS_PER_SEC,
			.repo_tags = tags,
			.repo_digests = digests,
			.size = (int64_t)img->size,
			.shared_size =
				rq->shared_size ? (int64_t)store_image_shared_size(en->store, img) : -1,
			.containers = image_uses_count(&uses, img->id),
		};
		model_for_each(it, &img->config->config.labels)
		{
			model_map_put(a, &s->labels, it->k, it->v);
		}
	}
	free(uses.v);
	store_images_free(v, n);
	return 0;
}

/* --- inspect --- */

static struct api_image_config *image_config(struct arena *a, const struct oci_image_config *in)
{
	struct api_image_config *out = ARENA_NEW(a, struct api_image_config);
	struct api_health_config *hc = NULL;

	if (in->healthcheck) {
		hc = ARENA_NEW(a, struct api_health_config);
		*hc = (struct api_health_config){
			.test = in->healthcheck->test,
			.interval = in->healthcheck->interval,
			.timeout = in->healthcheck->timeout,
			.start_period = in->healthcheck->start_period,
			.start_interval = in->healthcheck->start_interval,
			.retries = in->healthcheck->retries,
		};
	}
	*out = (struct api_image_config){
		.user = in->user,
		.exposed_ports = in->exposed_ports,
		.env = in->env,
		.entrypoint = in->entrypoint,
		.cmd = in->cmd,
		.volumes = in->volumes,
		.working_dir = in->working_dir,
		.labels = in->labels,
		.stop_signal = in->stop_signal,
		.args_escaped = in->args_escaped,
		.healthcheck = hc,
		.on_build = in->on_build,
		.shell = in->shell,
	};
	return out;
}

static const char *comment_of(const struct oci_image *c)
{
	return c->history.n ? c->history.v[c->history.n - 1].comment : NULL;
}

int engine_image_inspect(struct engine *en, const char *ref, struct arena *a, struct api_image_inspect **out,
			 struct err **e)
{
	cleanup_image struct store_image *img = NULL;
	struct model_str_list tags = { 0 }, digests = { 0 }, layers = { 0 };

	if (store_image_find(en->store, ref, &img, e) < 0)
		return -1;
	model_strs_empty(a, &tags);
	model_strs_empty(a, &digests);
	for (size_t i = 0; i < img->n_tags; i++)
		model_strs_add(a, &tags, img->tags[i]);
	for (size_t i = 0; i < img->n_digests; i++)
		model_strs_add(a, &digests, img->digests[i]);
	for (size_t i = 0; i < img->n_layers; i++)
		model_strs_add(a, &layers, img->diff_ids[i]);
	const struct oci_image *c = img->config;
	struct api_image_inspect view = {
		.id = img->id,
		.repo_tags = tags,
		.repo_digests = digests,
		.parent = img->parent,
		.comment = comment_of(c),
		.created = img->created_ns ? view_time(a, img->created_ns) : NULL,
		.docker_version = c->docker_version,
		.author = c->author,
		.config = image_config(a, &c->config),
		.architecture = c->architecture,
		.variant = c->variant,
		.os = c->os,
		.os_version = c->os_version,
		.size = (int64_t)img->size,
		.graph_driver = { .name = store_driver_name(en->store) },
		.root_fs = { .type = "layers", .layers = layers },
		.metadata = { .last_tag_time = img->tagged_ns ? view_time(a, img->tagged_ns) : NULL },
	};
	/* a copy, so that nothing points into the image */
	*out = api_image_inspect_dup(a, &view);
	return 0;
}

/* --- history --- */

int engine_image_history(struct engine *en, const char *ref, struct arena *a,
			 struct engine_image_history *out, struct err **e)
{
	cleanup_image struct store_image *img = NULL;

	if (store_image_find(en->store, ref, &img, e) < 0)
		return -1;
	const struct oci_history_list *h = &img->config->history;
	size_t layer = img->n_layers;
	for (size_t i = h->n; i-- > 0;) {
		const struct oci_history *in = &h->v[i];
		struct api_image_history_item *item = model_list_add(a, out);
		int64_t created = 0;
		if (!str_empty(in->created) && clock_parse_rfc3339(sv_of(in->created), &created) < 0)
			created = 0;
		item->id = "<missing>";
		item->created = created / NS_PER_SEC;
		item->created_by = arena_strdup(a, in->created_by ? in->created_by : "");
		item->comment = arena_strdup(a, in->comment ? in->comment : "");
		/* an image whose history is shorter than its layers is somebody else's fault */
		if (!in->empty_layer && layer > 0)
			item->size = (int64_t)store_image_layer_size(en->store, img, --layer);
	}
	if (out->n) {
		out->v[0].id = arena_strdup(a, img->id);
		for (size_t i = 0; i < img->n_tags; i++)
			model_strs_add(a, &out->v[0].tags, img->tags[i]);
	}
	return 0;
}
