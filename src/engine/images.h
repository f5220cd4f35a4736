/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as the API sees them: thin over store/, with what only the engine knows (which containers use one) and the
 * events. api/ calls these; the rules of engine.h hold (refs, arenas, errors). Streams are callbacks on the caller's
 * thread: store/store.h's source, sink and progress.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/api.gen.h"

#include <stdbool.h>
#include <stdint.h>

struct ctx;
struct engine;
struct filters;
struct store_source;
struct store_sink;
struct store_progress;
struct store_import;

struct engine_image_list {
	bool all, shared_size;
	const struct filters *filters; /* may be NULL */
};
/* Newest first. Containers counts who uses it; VirtualSize is left zero. */
int engine_image_list(struct engine *en, const struct engine_image_list *rq, struct arena *a,
		      struct api_image_summary_list *out, struct err **e) NODISCARD;
int engine_image_inspect(struct engine *en, const char *ref, struct arena *a, struct api_image_inspect **out,
			 struct err **e) NODISCARD;
struct engine_image_history {
	struct api_image_history_item *v; /* newest first */
	size_t n, cap;
};
int engine_image_history(struct engine *en, const char *ref, struct arena *a,
			 struct engine_image_history *out, struct err **e) NODISCARD;
int engine_images_tag(struct engine *en, const char *ref, const char *repo, const char *tag,
		      struct err **e) NODISCARD;
int engine_images_remove(struct engine *en, const char *ref, bool force, bool noprune, struct arena *a,
			 struct api_image_delete_item_list *out, struct err **e) NODISCARD;
int engine_images_prune(struct engine *en, const struct filters *f, const struct ctx *ctx, struct arena *a,
			struct api_image_delete_item_list *out, uint64_t *reclaimed,
			struct err **e) NODISCARD;

int engine_images_load(struct engine *en, const struct store_source *src, const struct store_progress *p,
		       struct err **e) NODISCARD;
/* *id: heap. */
int engine_images_import(struct engine *en, const struct store_source *src, const struct store_import *im,
			 const struct store_progress *p, char **id, struct err **e) NODISCARD;
int engine_images_save(struct engine *en, const struct strlist *names, const struct store_sink *sink,
		       struct err **e) NODISCARD;
