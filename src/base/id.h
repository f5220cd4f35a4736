/* SPDX-License-Identifier: Apache-2.0 */
/* Random identifiers: 64 lower-case hex digits, as Docker's. */
#pragma once

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define ID_LEN 64

/* 256 random bits as hex; the short form (12 digits) is never all decimal digits, so that it is no number. */
void id_new(char out[ID_LEN + 1]);
bool id_is_full(struct sv s); /* exactly 64 lower-case hex digits */
void random_bytes(void *p, size_t n);
uint64_t random_u64(void);
