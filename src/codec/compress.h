/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decompression of a byte stream whose form is found by its first bytes: gzip, bzip2, xz, zstd, or none of
 * them, in which case the bytes pass through. Only libraries decode, never a program. Called by workers; not
 * thread-safe.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

/* Bytes into buf: a count, 0 at the end, -1 with *e. */
typedef ssize_t (*read_fn)(void *ctx, void *buf, size_t n, struct err **e);

enum compression { COMPRESS_NONE, COMPRESS_GZIP, COMPRESS_BZIP2, COMPRESS_XZ, COMPRESS_ZSTD };

#define COMPRESS_SNIFF 10
/* By the first bytes (up to COMPRESS_SNIFF). */
enum compression compression_sniff(const void *p, size_t n);
const char *compression_name(enum compression c);

struct decompress;
/* `read` and `ctx` stay the caller's, and are used until decompress_free(). */
int decompress_open(read_fn read, void *ctx, struct decompress **out, struct err **e) NODISCARD;
enum compression decompress_kind(const struct decompress *d);
/* A read_fn itself, with the decompress as ctx. A damaged or truncated stream is ERR_INVALID. */
ssize_t decompress_read(void *d, void *buf, size_t n, struct err **e);
void decompress_free(struct decompress *d); /* NULL is fine */
DEFINE_CLEANUP(struct decompress *, decompress_free)
#define cleanup_decompress CLEANUP(decompress_free)

/* A read_fn over a descriptor; ctx points to the int. */
ssize_t read_from_fd(void *fd, void *buf, size_t n, struct err **e);
