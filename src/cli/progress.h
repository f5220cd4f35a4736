/* SPDX-License-Identifier: Apache-2.0 */
/* Progress streams of pull, load, import: JSON messages, one after another, as lines or a screen of lines. */
#pragma once

#include "cli/cli.h"

/*
 * Reads the messages of a reply to their end. `out` gets texts (a terminal: lines by id are rewritten in place); an error
 * message in the stream is the result. quiet: nothing but the error. last_status: NULL, or the last status text (arena).
 */
int progress_show(struct cli *c, struct http_reply *r, FILE *out, bool quiet, const char **last_status,
		  struct err **e) NODISCARD;
/* POST /images/create; to_stderr when stdout is the container's. */
int image_pull(struct cli *c, const char *image, const char *platform, bool quiet, bool to_stderr,
	       struct err **e) NODISCARD;
