/* SPDX-License-Identifier: Apache-2.0 */
/* What is decoded, encoded and decoded again is the same object, and a copy is, too. */
#pragma once

#include "model/schema.h"

#include <assert.h>

static inline void check_object(struct arena *a, const struct model_type *t, struct sv text, void **out)
{
	void *v = arena_alloc(a, t->size), *again = arena_alloc(a, t->size), *copy = arena_alloc(a, t->size);
	struct err *e = NULL;

	*out = NULL;
	if (model_parse(a, t, text, v, &e) < 0) {
		assert(err_class(e) == ERR_INVALID && *err_text(e));
		err_free(e);
		return;
	}
	cleanup_strbuf struct strbuf one = { 0 };
	struct jw w = jw_to(&one);
	model_encode(&w, t, v);
	/* A list of maps may hold a key twice after an icase decode never: keys come from a checked tree. */
	assert(model_parse(a, t, sb_sv(&one), again, NULL) == 0);
	assert(model_equal(t, v, again));
	model_copy(a, t, v, copy);
	assert(model_equal(t, v, copy));
	(void)model_is_zero(t, v);
	*out = v;
}
