/* SPDX-License-Identifier: Apache-2.0 */
/* The options that run, create and (some of them) update share, and the create request they make. */
#pragma once

#include "cli/cli.h"
#include "model/api.gen.h"

/* The tables are the same but for three rows of run's; the counts are checked where they are filled. */
enum { N_CREATE_FLAGS = 100, N_RUN_FLAGS = N_CREATE_FLAGS + 3 };
extern const struct flag run_flags[N_RUN_FLAGS], create_flags[N_CREATE_FLAGS];

struct run_request {
	struct api_create_request rq;
	const char *name, *platform, *pull, *image;
	bool quiet;
};

/* Reads files that options name (--env-file, --label-file, seccomp profiles); looks at nothing else. */
int run_request_build(struct cli *c, struct run_request *out, struct err **e) NODISCARD;
/* Creates, pulling the image when it is missing and --pull says so. *id gets the container's. */
int run_request_create(struct cli *c, const struct run_request *r, const char **id, struct err **e) NODISCARD;
/* CPU, memory, block I/O and PID limits: what update changes too. */
int resources_build(struct cli *c, struct api_resources *r, struct err **e) NODISCARD;
/* 127, 126 or 125 for an error of create or start. */
int start_error_code(const char *text);
