/* SPDX-License-Identifier: Apache-2.0 */
/* What the image files of the engine share. */
#pragma once

#include "engine/engine-internal.h"
#include "engine/events.h"
#include "engine/images.h"
#include "store/store.h"

/* What all containers use. Strings live in `a`. */
struct image_uses {
	struct store_use *v;
	size_t n, cap;
};
void image_uses_collect(struct engine *en, struct arena *a, struct image_uses *out);
/* How many containers use the image. */
int64_t image_uses_count(const struct image_uses *u, const char *image_id);
/* name: NULL or the attribute. Labels of the image are attributes, too, when img is given. */
void image_event(struct engine *en, const char *id, const char *name, const char *action,
		 const struct store_image *img);
