/* SPDX-License-Identifier: Apache-2.0 */
/* docker commit: one worker makes a layer of the changes, another unpacks it as any other layer. */
#include "store/files.h"

#include "store/store-internal.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "codec/json.h"
#include "model/oci.gen.h"

#if defined(__aarch64__)
#define OUR_ARCH "arm64"
#else
#define OUR_ARCH "amd64"
#endif

static void build_config(struct arena *a, const struct store_commit *how, const struct new_image *ni,
			 struct strbuf *json)
{
	struct oci_image *img =
		how->parent ? oci_image_dup(a, how->parent->config) : ARENA_NEW(a, struct oci_image);
	struct time_text now = clock_rfc3339nano(clock_now_ns());
	img->created = arena_strdup(a, now.s);
	img->author = how->author;
	if (str_empty(img->architecture))
		img->architecture = OUR_ARCH;
	if (str_empty(img->os))
		img->os = "linux";
	img->container = how->container;
	img->container_config = (struct sv){ 0 };
	img->config = *how->config;
	img->rootfs.type = "layers";
	model_strs_add(a, &img->rootfs.diff_ids,
		       arena_printf(a, "sha256:%s", ni->layers[ni->n_layers - 1].diff));
	struct oci_history *h = model_list_add(a, &img->history);
	h->created = img->created;
	h->created_by = how->created_by;
	h->author = how->author;
	h->comment = how->comment;
	struct jw w = jw_to(json);
	oci_image_encode(&w, img);
}

static int run(struct store *s, struct new_image *ni, const char *snapshot, const struct store_commit *how,
	       char **id, struct err **e)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_strbuf struct strbuf json = { 0 };
	cleanup_body struct body *body = NULL;
	__attribute__((cleanup(files_diff_release))) struct files_diff diff = { 0 };
	struct store_source src = { .read = files_diff_read, .ctx = &diff };
	size_t top = ni->n_layers - 1;
	struct new_layer *l = &ni->layers[top];

	if (files_diff_start(s, snapshot, &diff, e) < 0 ||
	    new_image_unpack(s, ni, top, -1, true, &src, NULL, NULL, l->blob, e) < 0)
		return -1;
	chain_of(top ? ni->layers[top - 1].chain : NULL, l->diff, l->chain);
	build_config(a, how, ni, &json);
	if (body_new(sb_sv(&json), NULL, &body, e) < 0)
		return -1;
	body->parent = how->parent ? xstrdup(how->parent->id) : NULL;
	ni->body = body;
	*id = xstrdup(body->id);
	int r = new_image_publish(s, ni, NULL, e);
	body = ni->body;
	if (r < 0) {
		free(*id);
		*id = NULL;
	}
	return r;
}

int store_snapshot_commit(struct store *s, const char *snapshot, const struct store_commit *how, char **id,
			  char **ref, struct err **e)
{
	cleanup_arena struct arena *a = arena_new();
	const char *canonical = NULL, *familiar = NULL;
	struct staging st = { .fd = -1 };
	if (!str_empty(how->repo) && tag_parse(a, how->repo, how->tag, &canonical, &familiar, e) < 0)
		return -1;
	struct layer *below = snapshot_layers(s, snapshot, e);
	if (!below)
		return -1;
	struct new_image ni = { .st = &st, .tags = &canonical, .n_tags = canonical ? 1 : 0 };
	ni.n_layers = below->depth + 1;
	cleanup_free struct new_layer *layers = xcalloc(ni.n_layers, sizeof(*layers));
	ni.layers = layers;
	pthread_mutex_lock(&s->lock);
	for (struct layer *l = below; l && l->depth; l = l->parent) {
		struct new_layer *n = &layers[l->depth - 1];
		memcpy(n->chain, l->chain, sizeof(n->chain));
		memcpy(n->diff, l->diff, sizeof(n->diff));
		n->have = layer_ref_locked(l);
	}
	pthread_mutex_unlock(&s->lock);
	(void)layer_release(s, below, NULL); /* the new image's layers hold it now */
	int r = ni.n_layers > 125 ? err_set(e, ERR_INVALID, "max depth exceeded") : staging_open(s, &st, e);
	if (r == 0) {
		r = run(s, &ni, snapshot, how, id, e);
		staging_close(s, &st);
	}
	new_image_unpin(s, &ni);
	if (r == 0 && ref)
		*ref = familiar ? xstrdup(familiar) : NULL;
	return r;
}
