/* SPDX-License-Identifier: Apache-2.0 */
/* What inspect, list and df show alike. */
#pragma once

#include "engine/engine-internal.h"

const char *view_time(struct arena *a, int64_t ns);
/* Borrows the spec's strings. */
void view_mounts(const struct container_spec *s, struct arena *a, struct api_mount_point_list *out);
int view_sizes(struct engine *en, const char *id, int64_t *rw, int64_t *root_fs, struct err **e) NODISCARD;
/* "Up 3 minutes (Paused)", "Exited (0) 2 hours ago" … */
const char *view_status(const struct container_look *l, struct arena *a);
/* One row of the list, deep in the arena. */
int view_summary(struct container *c, const struct container_look *l, bool size, struct arena *a,
		 struct api_container_summary *out, struct err **e) NODISCARD;
