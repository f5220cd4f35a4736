/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's streams of JSON lines: load, import, pull. */
#pragma once

#include "base/err.h"
#include "http/client.h"

#include <stdio.h>

/* Prints what the stream says and frees r. An "errorDetail" is an error. quiet: only the "stream" lines' last words. */
int progress_print(struct http_reply *r, bool quiet, FILE *to, struct err **e) NODISCARD;
