/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns and versions: pure functions, tested and fuzzed alone. */
#pragma once

#include "base/str.h"

#define API_ROUTE_MAX_PARAMS 2

struct api_match {
	struct sv param[API_ROUTE_MAX_PARAMS];
	size_t n;
};

bool api_route_match(const char *pattern, const char *path, struct api_match *out);
/* "/v1.51/info" → "/info" and 1.51; without a version the path as it is, and p NULL. */
const char *api_version_split(const char *path, struct sv *version);
/* By dotted components: <0, 0, >0. */
int api_version_compare(struct sv a, struct sv b);
