/* SPDX-License-Identifier: Apache-2.0 */
/* docker import: a root file system becomes an image of one layer. */
#include "store/store-internal.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "codec/json.h"
#include "model/oci.gen.h"
#include "store/changes.h"
#include "store/progress.h"

#include <stdio.h>

#if defined(__aarch64__)
#define OUR_ARCH "arm64"
#else
#define OUR_ARCH "amd64"
#endif

struct bar {
	const struct store_progress *p;
};

static void on_progress(void *ctx, uint64_t consumed)
{
	const struct bar *b = ctx;
	progress_bar(b->p, "Importing", NULL, consumed, 0);
}

static int build_config(struct arena *a, const struct store_import *im, const char *diff, struct strbuf *json,
			struct err **e)
{
	struct oci_image img = { 0 };
	struct time_text now = clock_rfc3339nano(clock_now_ns());
	const char *comment = str_empty(im->message) ? "Imported from -" : im->message;

	img.created = now.s;
	img.architecture = str_empty(im->arch) ? OUR_ARCH : im->arch;
	img.os = str_empty(im->os) ? "linux" : im->os;
	img.variant = im->variant;
	for (size_t i = 0; i < im->n_changes; i++)
		if (image_config_change(a, &img.config, im->changes[i], e) < 0)
			return -1;
	img.rootfs.type = "layers";
	model_strs_add(a, &img.rootfs.diff_ids, arena_printf(a, "sha256:%s", diff));
	struct oci_history *h = model_list_add(a, &img.history);
	h->created = now.s;
	h->comment = comment;
	struct jw w = jw_to(json);
	oci_image_encode(&w, &img);
	return 0;
}

static int run(struct store *s, struct staging *st, const struct store_source *src,
	       const struct store_import *im, const struct store_progress *p, const char *canonical,
	       char **id, struct err **e)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_strbuf struct strbuf json = { 0 };
	cleanup_body struct body *body = NULL;
	struct new_layer layer = { 0 };
	struct new_image ni = {
		.st = st, .layers = &layer, .n_layers = 1, .tags = &canonical, .n_tags = canonical ? 1 : 0
	};
	struct bar bar = { p };

	if (new_image_unpack(s, &ni, 0, -1, true, src, on_progress, &bar, layer.blob, e) < 0)
		return -1;
	chain_of(NULL, layer.diff, layer.chain);
	if (build_config(a, im, layer.diff, &json, e) < 0 || body_new(sb_sv(&json), NULL, &body, e) < 0)
		return -1;
	ni.body = body;
	*id = xstrdup(body->id);
	int r = new_image_publish(s, &ni, NULL, e);
	body = ni.body;
	new_image_unpin(s, &ni);
	if (r < 0) {
		free(*id);
		*id = NULL;
	}
	return r;
}

int store_import(struct store *s, const struct store_source *src, const struct store_import *im,
		 const struct store_progress *p, char **id, char **ref, struct err **e)
{
	cleanup_arena struct arena *a = arena_new();
	const char *canonical = NULL, *familiar = NULL;
	struct oci_image_config scratch = { 0 };
	struct staging st = { .fd = -1 };

	/* What can be refused is refused before a byte is read. */
	if (!str_empty(im->repo) && tag_parse(a, im->repo, im->tag, &canonical, &familiar, e) < 0)
		return -1;
	if (!str_empty(im->os) && !str_eq(im->os, "linux"))
		return err_set(e, ERR_INVALID, "operating system is not supported");
	for (size_t i = 0; i < im->n_changes; i++)
		if (image_config_change(a, &scratch, im->changes[i], e) < 0)
			return -1;
	if (staging_open(s, &st, e) < 0)
		return -1;
	int r = run(s, &st, src, im, p, canonical, id, e);
	staging_close(s, &st);
	if (r < 0)
		return -1;
	*ref = familiar ? xstrdup(familiar) : NULL;
	progress_status(p, *id);
	return 0;
}
