/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes as docker/go-units reads and prints them. Pure. */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct size_text {
	char s[32];
};

struct size_text size_human(double bytes);                  /* decimal, 4 digits: "1.234MB" */
struct size_text size_human_prec(double bytes, int digits); /* decimal; docker's tables use 3 */
struct size_text size_bytes(double bytes);                  /* binary, 4 digits: "1.205MiB" */

/* "64m", "1.5GiB", "10kb": powers of 1024. Error texts are go-units', class ERR_INVALID. */
int size_parse_ram(struct sv s, int64_t *out, struct err **e) NODISCARD;
/* The same with powers of 1000: "20GB" of --storage-opt and prune limits. */
int size_parse_human(struct sv s, int64_t *out, struct err **e) NODISCARD;
