/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `filters` query of list, prune and event calls: values of one key are alternatives, keys must all hold, labels all
 * of them. Called by the engine (parse, check, ask) and the CLI (add, encode). Error texts are Docker's, class ERR_INVALID.
 *
 *	static const char *const keys[] = { "label", "dangling", NULL };
 *	if (filters_parse(a, query, keys, &f, e) < 0)
 *		return -1;
 */
#pragma once

#include "model/schema.h"

struct filters {
	struct model_str_list_map keys;
};

/* {"k":{"v":true}} or {"k":["v"]}; empty text is no filter. accepted: NULL-terminated, or NULL to take any key. */
int filters_parse(struct arena *a, struct sv text, const char *const *accepted, struct filters *out,
		  struct err **e) NODISCARD;
bool filters_has(const struct filters *f, const char *key);
/* The values of a key; an empty list when it is not there. */
const struct model_str_list *filters_get(const struct filters *f, const char *key);

/* No such key, or one of its values is the text. */
bool filters_exact(const struct filters *f, const char *key, const char *text);
/* ... or the text begins with one of them. */
bool filters_prefix(const struct filters *f, const char *key, const char *text);
/* ... or one of them, as a regular expression, is found in the text (one that is no expression: compared). */
bool filters_regex(const struct filters *f, const char *key, const char *text);
/* ... or all of them ("k" or "k=v") are in the map. */
bool filters_labels(const struct filters *f, const char *key, const struct model_str_map *labels);
/* "label!" filters: true when none of them is in the map. */
bool filters_not_labels(const struct filters *f, const char *key, const struct model_str_map *labels);
/* A boolean key: true/1 or false/0, `absent` when it is not there. */
int filters_bool(const struct filters *f, const char *key, bool absent, bool *out, struct err **e) NODISCARD;
/* "invalid filter 'key=value'" */
int filters_fail_value(const char *key, const char *value, struct err **e);

void filters_add(struct arena *a, struct filters *f, const char *key, const char *value);
/* The CLI's --filter: "k=v" or "label!=v". */
int filters_add_arg(struct arena *a, struct filters *f, const char *arg, struct err **e) NODISCARD;
void filters_encode(struct jw *w, const struct filters *f);
