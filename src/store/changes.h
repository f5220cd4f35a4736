/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `--change` of import and commit: Dockerfile lines that alter an image's configuration: CMD ENTRYPOINT ENV EXPOSE
 * HEALTHCHECK LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR. Called by store and engine. Pure.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "model/oci.gen.h"

#define CHANGE_MAX ((size_t)64 << 10) /* bytes of one line */

/* Applies one line; texts go into the arena. ERR_INVALID with Docker's words. */
int image_config_change(struct arena *a, struct oci_image_config *c, const char *line,
			struct err **e) NODISCARD;
