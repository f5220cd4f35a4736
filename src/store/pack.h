/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's work in the other direction: files become tar. A container may change its tree meanwhile, and may mean
 * harm: paths are resolved in the root by openat2, directories are walked by descriptor, links are never followed on the
 * walk, and nothing but regular files is opened for reading. Called by hoy-worker and the unit tests.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "codec/tar.h"

#define PACK_MAX_DEPTH 1024u
#define PACK_MAX_LINKS 255u

/* {"name","size","mode","mtime","linkTarget"} as X-Docker-Container-Path-Stat has it; mode is Go's. ERR_NOT_FOUND. */
int pack_stat(int root_fd, const char *path, struct strbuf *json, struct err **e) NODISCARD;
/* Docker's tar of a path: its last component (not followed, unless it ends in '/' or "/.") and what is below. */
int pack_get(int root_fd, const char *path, int out_fd, struct err **e) NODISCARD;
/* The whole tree, names relative. */
int pack_export(int root_fd, int out_fd, struct err **e) NODISCARD;

/*
 * An overlay's upper directory against the merged view of what is below it (lower_fd; -1: nothing below).
 * pack_diff() gives a layer: whiteouts for what was removed. pack_changes() gives [{"Path":"/etc","Kind":0}] (0 changed,
 * 1 added, 2 deleted). Both pass over the mount points that the engine makes itself.
 */
int pack_diff(int upper_fd, int lower_fd, int out_fd, struct err **e) NODISCARD;
int pack_changes(int upper_fd, int lower_fd, int out_fd, struct err **e) NODISCARD;

/* Where a path leads inside the root, as text: every link followed; what does not exist is kept as it is. */
int pack_resolve(int root_fd, const char *path, struct strbuf *out, struct err **e) NODISCARD;
