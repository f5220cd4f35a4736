/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256, streaming and in one call, and the text form "sha256:<64 lower-case hex>". Pure; glibc programs
 * only. */
#pragma once

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>

#define SHA256_HEX    64
#define DIGEST_PREFIX "sha256:"
#define DIGEST_LEN    (sizeof(DIGEST_PREFIX) - 1 + SHA256_HEX)

struct sha256;
struct sha256 *sha256_new(void) __attribute__((returns_nonnull));
void sha256_update(struct sha256 *h, const void *p, size_t n);
/* The hash so far as hex; may be called once. */
void sha256_hex(struct sha256 *h, char out[SHA256_HEX + 1]);
void sha256_free(struct sha256 *h); /* NULL is fine */
DEFINE_CLEANUP(struct sha256 *, sha256_free)
#define cleanup_sha256 CLEANUP(sha256_free)

void sha256_of(const void *p, size_t n, char out[SHA256_HEX + 1]);
/* "sha256:" and exactly 64 lower-case hex digits. */
bool sha256_is_digest(struct sv s);
/* The hex of a valid digest. */
const char *sha256_digest_hex(const char *digest);
