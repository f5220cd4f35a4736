/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tar archives: a pull reader and a writer. Called by workers (layers, archives, cp) and by the store (save).
 * Pure functions over a byte stream; nothing here touches a file. Not thread-safe.
 *
 * The reader takes v7, ustar, GNU (long names, base-256 numbers, old sparse) and PAX (path, linkpath, size,
 * ids, times, SCHILY.xattr, LIBARCHIVE.xattr, sparse 0.0, 0.1, 1.0, global headers). It checks checksums and
 * limits and refuses what is damaged, negative, too long or of unknown type with ERR_INVALID; it does not
 * judge names (".." is the caller's business) except that there is no NUL in them. A missing end marker is
 * accepted at a header boundary, as Go does.
 *
 *	while ((r = tar_next(t, &ent, e)) > 0)
 *		while ((n = tar_data(t, &p, &offset, e)) > 0)
 *			write(fd, p, n) at offset;
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/compress.h"

#include <stdbool.h>
#include <stdint.h>

#define TAR_BLOCK       512u
#define TAR_MAX_PATH    4096u               /* bytes of a path or link target, without the NUL */
#define TAR_MAX_PAX     ((size_t)1 << 20)   /* bytes of one extended header */
#define TAR_MAX_XATTRS  256u                /* of one entry */
#define TAR_MAX_EXTENTS ((size_t)1 << 20)   /* pieces of one sparse file */
#define TAR_MAX_SIZE    ((uint64_t)1 << 50) /* bytes of one file */

enum tar_type { TAR_REG, TAR_HARDLINK, TAR_SYMLINK, TAR_CHAR, TAR_BLOCKDEV, TAR_DIR, TAR_FIFO };

struct tar_xattr {
	const char *name;
	struct sv value;
};

struct tar_entry {
	enum tar_type type;
	const char *path; /* as written; not empty */
	const char *link; /* hard link and symlink: as written; else "" */
	uint32_t mode;    /* 07777 */
	uint32_t uid, gid;
	uint32_t major, minor;
	uint64_t size; /* of the file, holes included */
	int64_t mtime_s;
	uint32_t mtime_ns;
	bool is_sparse;
	const struct tar_xattr *xattrs;
	size_t n_xattrs;
	uint64_t position; /* of its first header in the stream */
};

struct tar_reader;
struct tar_reader *tar_reader_new(read_fn read, void *ctx) __attribute__((returns_nonnull));
void tar_reader_free(struct tar_reader *t); /* NULL is fine */
DEFINE_CLEANUP(struct tar_reader *, tar_reader_free)
#define cleanup_tar_reader CLEANUP(tar_reader_free)

/* 1: *out is valid until the next call; 0: end of archive; -1. Data that was not read is skipped. */
int tar_next(struct tar_reader *t, const struct tar_entry **out, struct err **e) NODISCARD;
/* The next piece of the entry's data: its length, 0 at the end, -1. *p is valid until the next call; *offset
 * is its place in the file (pieces ascend; what lies between is a hole). */
ssize_t tar_data(struct tar_reader *t, const void **p, uint64_t *offset, struct err **e) NODISCARD;
/* Reads the source to its end, whatever follows the archive: for digests of the whole stream. */
int tar_drain(struct tar_reader *t, struct err **e) NODISCARD;
/* Bytes taken from the source so far. */
uint64_t tar_consumed(const struct tar_reader *t);

/*
 * The writer: ustar where it fits, else a PAX header before it. Deterministic: the same entries give the same
 * bytes.
 */
typedef int (*write_fn)(void *ctx, const void *buf, size_t n, struct err **e);

struct tar_writer {
	write_fn write;
	void *ctx;
	uint64_t left; /* data still due for the current entry */
	uint32_t pad;
	uint64_t written;
};
static inline struct tar_writer tar_writer_to(write_fn write, void *ctx)
{
	return (struct tar_writer){ .write = write, .ctx = ctx };
}
/* Header of an entry; a TAR_REG is followed by exactly size bytes of tar_write_data(). `position` and
 * `is_sparse` are ignored. A path that names a directory gets its '/' here. */
int tar_write_header(struct tar_writer *w, const struct tar_entry *ent, struct err **e) NODISCARD;
int tar_write_data(struct tar_writer *w, const void *p, size_t n, struct err **e) NODISCARD;
/* End marker. */
int tar_write_end(struct tar_writer *w, struct err **e) NODISCARD;
