/* SPDX-License-Identifier: Apache-2.0 */
/* Images changed: tag, remove, prune, load, import, save; each with its events. */
#include "base/clock.h"
#include "base/ctx.h"
#include "engine/filter.h"
#include "engine/images-internal.h"
#include "model/oci.gen.h"
#include "model/reference.h"

#include <string.h>

int engine_images_tag(struct engine *en, const char *ref, const char *repo, const char *tag, struct err **e)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_image struct store_image *img = NULL;
	cleanup_free char *familiar = NULL;
	struct reference r;

	/* the new name is judged before the old one is looked for */
	const char *full = tag[0] ? arena_printf(a, "%s:%s", repo, tag) : repo;
	if (reference_parse(a, sv_of(repo), &r, e) < 0)
		return -1;
	if (r.digest)
		return err_set(e, ERR_INVALID, "refusing to create a tag with a digest reference");
	if (reference_parse(a, sv_of(full), &r, e) < 0)
		return -1;
	if (store_image_find(en->store, ref, &img, e) < 0 ||
	    store_tag(en->store, img, reference_familiar_name(a, &r), r.tag, &familiar, e) < 0)
		return -1;
	image_event(en, img->id, familiar, "tag", img);
	return 0;
}

/* What a removal did, to the reply and to the listeners. */
static void report(struct engine *en, const struct store_changes *ch, struct arena *a,
		   struct api_image_delete_item_list *out)
{
	for (size_t i = 0; i < ch->n; i++) {
		const struct store_change *c = &ch->v[i];
		struct api_image_delete_item *item = model_list_add(a, out);
		if (c->kind == STORE_UNTAGGED) {
			item->untagged = arena_strdup(a, c->text);
			image_event(en, c->image_id, c->image_id, "untag", NULL);
		} else {
			item->deleted = arena_strdup(a, c->text);
			if (!c->is_layer)
				image_event(en, c->text, c->text, "delete", NULL);
		}
	}
}

int engine_images_remove(struct engine *en, const char *ref, bool force, bool noprune, struct arena *a,
			 struct api_image_delete_item_list *out, struct err **e)
{
	cleanup_changes struct store_changes ch = { 0 };
	struct image_uses uses;

	image_uses_collect(en, a, &uses);
	int r = store_image_remove(en->store, ref, (force ? STORE_FORCE : 0) | (noprune ? STORE_NO_PRUNE : 0),
				   uses.v, uses.n, &ch, e);
	free(uses.v);
	report(en, &ch, a, out);
	return r < 0 ? -1 : 0;
}

static bool prune_begin(struct engine *en)
{
	(void)pthread_mutex_lock(&en->table_lock);
	bool busy = en->prune_busy;
	en->prune_busy = true;
	(void)pthread_mutex_unlock(&en->table_lock);
	return !busy;
}

static void prune_end(struct engine *en)
{
	(void)pthread_mutex_lock(&en->table_lock);
	en->prune_busy = false;
	(void)pthread_mutex_unlock(&en->table_lock);
}

static int prune(struct engine *en, const struct filters *f, const struct ctx *ctx, struct arena *a,
		 struct api_image_delete_item_list *out, uint64_t *reclaimed, struct err **e)
{
	struct prune_filter pf;
	struct store_image **v;
	struct image_uses uses;
	bool dangling_only;
	size_t n;

	if (filters_bool(f, "dangling", true, &dangling_only, e) < 0 || prune_filter_parse(f, &pf, e) < 0 ||
	    store_images(en->store, &v, &n, e) < 0)
		return -1;
	image_uses_collect(en, a, &uses);
	int r = 0;
	for (size_t i = 0; i < n && r == 0 && ctx_check(ctx) == 0; i++) {
		cleanup_changes struct store_changes ch = { 0 };
		if ((dangling_only && v[i]->n_tags) ||
		    !prune_filter_match(&pf, f, v[i]->created_ns, &v[i]->config->config.labels))
			continue;
		r = store_image_prune_one(en->store, v[i]->id, uses.v, uses.n, &ch, e) < 0 ? -1 : 0;
		report(en, &ch, a, out);
		*reclaimed += ch.reclaimed;
	}
	free(uses.v);
	store_images_free(v, n);
	if (r < 0)
		return -1;
	cleanup_free char *bytes = xasprintf("%llu", (unsigned long long)*reclaimed);
	events_publish(en->events, "image", "prune", "", (const char *const[]){ "reclaimed", bytes, NULL });
	return 0;
}

int engine_images_prune(struct engine *en, const struct filters *f, const struct ctx *ctx, struct arena *a,
			struct api_image_delete_item_list *out, uint64_t *reclaimed, struct err **e)
{
	if (!prune_begin(en))
		return err_set(e, ERR_CONFLICT, "a prune operation is already running");
	int r = prune(en, f, ctx, a, out, reclaimed, e);
	prune_end(en);
	return r;
}

static void loaded_events(struct engine *en, const struct store_changes *ch, const char *action)
{
	for (size_t i = 0; i < ch->n; i++) {
		const struct store_change *c = &ch->v[i];
		if (c->kind != STORE_LOADED)
			continue;
		cleanup_image struct store_image *img = NULL;
		cleanup_err struct err *e = NULL;
		if (store_image_find(en->store, c->image_id, &img, &e) < 0)
			img = NULL;
		image_event(en, c->image_id, str_empty(c->text) ? c->image_id : c->text, action, img);
	}
}

int engine_images_load(struct engine *en, const struct store_source *src, const struct store_progress *p,
		       struct err **e)
{
	cleanup_changes struct store_changes ch = { 0 };
	int r = store_load(en->store, src, p, &ch, e);

	/* what was loaded before a failure stays, and is told */
	loaded_events(en, &ch, "load");
	return r < 0 ? -1 : 0;
}

int engine_images_import(struct engine *en, const struct store_source *src, const struct store_import *im,
			 const struct store_progress *p, char **id, struct err **e)
{
	cleanup_free char *ref = NULL;

	if (store_import(en->store, src, im, p, id, &ref, e) < 0)
		return -1;
	image_event(en, *id, ref ? ref : *id, "import", NULL);
	return 0;
}

int engine_images_save(struct engine *en, const struct strlist *names, const struct store_sink *sink,
		       struct err **e)
{
	if (store_save(en->store, (const char *const *)names->v, names->n, sink, e) < 0)
		return -1;
	for (size_t i = 0; i < names->n; i++) {
		cleanup_image struct store_image *img = NULL;
		cleanup_err struct err *gone = NULL;
		if (store_image_find(en->store, names->v[i], &img, &gone) == 0)
			image_event(en, img->id, names->v[i], "save", img);
	}
	return 0;
}
