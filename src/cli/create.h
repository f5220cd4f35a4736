/* SPDX-License-Identifier: Apache-2.0 */
/* From the flags of run and create to the request, and the container that comes of it. */
#pragma once

#include "cli/cli.h"
#include "model/api.gen.h"

/* The verbs themselves are in cmd-run.c. */
int run_run(struct cli *c, struct err **e);
int create_run(struct cli *c, struct err **e);

/* Builds the request from flags and arguments: [image, command…]. Errors read as Docker's client's. */
int create_request(struct cli *c, struct api_create_request *rq, struct err **e) NODISCARD;
/* POSTs it, pulling as --pull says; *id in the arena. Warnings go to stderr, --cidfile is written. */
int create_container(struct cli *c, struct api_create_request *rq, const char **id, struct err **e) NODISCARD;
