/* SPDX-License-Identifier: Apache-2.0 */
/* Environments and the files they come from. Pure; error texts are Docker's, class ERR_INVALID. */
#pragma once

#include "model/schema.h"

#define ENV_FILE_MAX ((size_t)4 << 20)

/* The value of NAME=value, the last one given; NULL when absent. */
const char *env_get(const struct model_str_list *env, const char *name);
/* "NAME=value" in place of an earlier NAME, or appended. */
void env_set(struct arena *a, struct model_str_list *env, const char *name, const char *value);
/* NAME=value only when NAME is not there. */
void env_set_default(struct arena *a, struct model_str_list *env, const char *name, const char *value);
/* Overrides over defaults, as the engine puts a container's Env over its own: "K=v" replaces or is appended, "K" alone
 * takes the variable away. */
void env_merge(struct arena *a, struct model_str_list *env, const struct model_str_list *overrides);
/* An image's Env under a container's: what the container does not name is added. */
void env_inherit(struct arena *a, struct model_str_list *env, const struct model_str_list *image);
/* No empty names: "invalid environment variable: =x". */
int env_check(const struct model_str_list *env, struct err **e) NODISCARD;

/*
 * The text of an --env-file (or --label-file, is_label): NAME=value lines, '#' comments; NAME alone is looked up with
 * `lookup` and left out when that gives NULL (labels: empty value). `path` is for messages.
 */
typedef const char *env_lookup_fn(void *ctx, const char *name);
int env_file_parse(struct arena *a, const char *path, struct sv text, bool is_label, env_lookup_fn *lookup,
		   void *ctx, struct model_str_list *out, struct err **e) NODISCARD;
/* "k=v" or "k" texts as a map; the last one wins. */
void env_to_map(struct arena *a, const struct model_str_list *kv, struct model_str_map *out);
