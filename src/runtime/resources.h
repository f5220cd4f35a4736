/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime-spec's linux.resources as the plain numbers of kernel/cgroup.h. Called by plan_compile() and by
 * whoever updates a running container (hoy-runtime update, the engine). Pure; the result borrows from r and the
 * arena.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>

struct oci_resources;
struct cgroup_settings;

/* default_devices: add the device rules every container has; false leaves devices alone unless r names some. */
int runtime_cgroup_settings(struct arena *a, const struct oci_resources *r, bool default_devices,
			    struct cgroup_settings *out, struct err **e) NODISCARD;
