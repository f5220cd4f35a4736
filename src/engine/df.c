/* SPDX-License-Identifier: Apache-2.0 */
/* system df: what containers, images and volumes take. */
#include "base/ctx.h"
#include "engine/engine-internal.h"
#include "engine/images.h"
#include "engine/observe.h"
#include "engine/view.h"
#include "store/store.h"
#include "volume/volume.h"

static int containers(struct engine *en, const struct ctx *ctx, struct arena *a, struct api_disk_usage *out,
		      struct err **e)
{
	size_t n;
	struct container **v = container_all(en, &n);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		cleanup_look struct container_look l = { 0 };
		struct api_container_summary row = { 0 };
		cleanup_err struct err *gone = NULL;
		if (ctx_check(ctx) < 0) {
			r = err_set(e, ERR_CANCELLED, "context canceled");
			break;
		}
		container_look(v[i], &l);
		/* one that is removed meanwhile is not counted */
		if (view_summary(v[i], &l, true, a, &row, &gone) == 0)
			*(struct api_container_summary *)model_list_add(a, &out->containers) = row;
	}
	container_list_free(v, n);
	return r;
}

static int volumes(struct engine *en, const struct ctx *ctx, struct arena *a, struct api_disk_usage *out,
		   struct err **e)
{
	size_t n;
	struct volume **v = volume_list(en->volumes, &n);
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		struct api_volume *row;
		if (ctx_check(ctx) < 0) {
			r = err_set(e, ERR_CANCELLED, "context canceled");
			break;
		}
		cleanup_err struct err *gone = NULL;
		if (engine_volume_inspect(en, v[i]->name, a, &row, &gone) < 0)
			continue;
		int64_t size = volume_usage(v[i]);
		row->usage_data = ARENA_NEW(a, struct api_volume_usage);
		row->usage_data->size = size < 0 ? -1 : size;
		row->usage_data->ref_count = (int64_t)volume_holders(en->volumes, v[i]->name);
		*(struct api_volume *)model_list_add(a, &out->volumes) = *row;
	}
	volume_list_free(v, n);
	return r;
}

int engine_df(struct engine *en, unsigned int what, const struct ctx *ctx, struct arena *a,
	      struct api_disk_usage **out, struct err **e)
{
	struct api_disk_usage *d = ARENA_NEW(a, struct api_disk_usage);

	if (what & ENGINE_DF_IMAGES) {
		struct engine_image_list rq = { .shared_size = true };
		if (engine_image_list(en, &rq, a, &d->images, e) < 0)
			return -1;
		d->layers_size = (int64_t)store_layers_size(en->store);
	}
	if (what & ENGINE_DF_CONTAINERS && containers(en, ctx, a, d, e) < 0)
		return -1;
	if (what & ENGINE_DF_VOLUMES && volumes(en, ctx, a, d, e) < 0)
		return -1;
	*out = d;
	return 0;
}
