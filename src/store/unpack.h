/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's work: hostile archives become files. Called by hoy-worker after it confined itself, and by the
 * unit tests and fuzzers. Files are made below a root descriptor with openat2 only; limits are in the struct.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/compress.h"
#include "codec/digest.h"

#include <stdbool.h>
#include <stdint.h>

#define UNPACK_MAX_ENTRIES   ((uint64_t)8 << 20)
#define UNPACK_MAX_BYTES     ((uint64_t)1 << 40)
#define UNPACK_MAX_DEPTH     1024u
#define UNPACK_RATIO         1000u                 /* uncompressed to compressed… */
#define UNPACK_RATIO_FREE    ((uint64_t)100 << 20) /* …once this much came out */
#define ARCHIVE_MAX_MEMBERS  100000u
#define ARCHIVE_MAX_MANIFEST ((size_t)4 << 20)
#define ARCHIVE_MAX_IMAGES   1000u
#define ARCHIVE_MAX_LAYERS   125u
#define ARCHIVE_RESULT       "result.json"

struct unpack {
	int in_fd;       /* the tar, maybe compressed */
	int root_fd;     /* where its files go */
	int tee_fd;      /* the uncompressed bytes are copied here; -1: no */
	bool is_base;    /* there is nothing below: opaque markers hide nothing */
	bool no_devices; /* devices are skipped (user namespaces) */
	/* unpack_files() only: */
	bool no_overwrite; /* a directory does not replace a file, nor a file a directory */
	bool has_owner;    /* everything belongs to uid:gid, whatever the archive says */
	uint32_t uid, gid;
	uint64_t max_entries, max_bytes; /* 0: the defaults above */
	/* Called now and then with the bytes taken from in_fd; may be NULL. */
	void (*progress)(void *ctx, uint64_t consumed);
	void *ctx;
};

struct unpack_result {
	char diff_id[SHA256_HEX + 1];     /* of the uncompressed tar */
	char blob_digest[SHA256_HEX + 1]; /* of the bytes as they came */
	uint64_t diff_bytes, blob_bytes;
	uint64_t entries, file_bytes; /* file_bytes: the sizes of its regular files */
	enum compression compression;
};

/* An image layer: whiteouts and opaque markers are obeyed. */
int unpack_layer(const struct unpack *u, struct unpack_result *out, struct err **e) NODISCARD;

/* An archive of files into the directory `at` of the root (links followed inside): no whiteouts, names mean what they say.
 * ERR_NOT_FOUND when there is no such directory. */
int unpack_files(const struct unpack *u, const char *at, struct unpack_result *out, struct err **e) NODISCARD;

/*
 * A docker-archive or OCI layout. Its members become files 0, 1, 2… in root_fd, and result.json says what
 * they are:
 * {"images":[{"config":0,"layers":[1,2],"digests":["sha256:…",""],"tags":["a:b"]}]} where digests are what
 * the archive claims for the layer files as they are, if it does.
 */
int unpack_archive(const struct unpack *u, const char *os, const char *arch, struct err **e) NODISCARD;

/* A name inside an archive: no leading '/', no '.', no '..' that is not undone by what stands before it.
 * Empty: the root. Refused: '..' out of the root, too long, too deep. */
int unpack_clean_path(const char *path, struct strbuf *out, struct err **e) NODISCARD;
