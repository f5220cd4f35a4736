/* SPDX-License-Identifier: Apache-2.0 */
/* The filters of prune: until, label, label!. */
#pragma once

#include "base/err.h"
#include "model/filters.h"

#include <stdint.h>

struct prune_filter {
	int64_t until_ns; /* 0: none */
};
int prune_filter_parse(const struct filters *f, struct prune_filter *out, struct err **e) NODISCARD;
bool prune_filter_match(const struct prune_filter *p, const struct filters *f, int64_t created_ns,
			const struct model_str_map *labels);
