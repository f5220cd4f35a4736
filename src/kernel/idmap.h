/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Id maps: writing those of a new user namespace, and user namespaces that only carry a map for idmapped
 * mounts. Called by runtime/ and store/. Maps are text as the kernel takes it: "inside outside count\n"…
 * Primitives: 0 or a descriptor, or -errno. Single-threaded callers only (idmap_userns clones).
 */
#pragma once

#include "base/attr.h"

#include <stddef.h>
#include <sys/types.h>

#define IDMAP_MAX_LINES 340 /* the kernel's own */

/* uid_map and gid_map of `pid`, a child in a new user namespace. */
int idmap_write(int procfd, pid_t pid, const char *uid_map, size_t uid_n, const char *gid_map,
		size_t gid_n) NODISCARD;
/* A user namespace with these maps, held by nothing but the descriptor. */
int idmap_userns(int procfd, const char *uid_map, size_t uid_n, const char *gid_map, size_t gid_n) NODISCARD;
