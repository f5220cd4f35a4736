/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and groups of a container, looked up in the bytes of its own /etc/passwd and /etc/group: the host's are no matter
 * here. Called by the engine (Config.User, exec's User, GroupAdd) and by hoy-runtime. Pure; error texts are Docker's,
 * class ERR_INVALID. The files come from inside a rootfs: lines that make no sense are passed over.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdint.h>

#define USER_FILE_MAX   ((size_t)4 << 20) /* larger passwd and group files are not read */
#define USER_GROUPS_MAX 4096

struct user_id {
	uint32_t uid, gid;
	const char *name; /* as in passwd, or "" */
	const char *home; /* "/" when passwd has none */
	uint32_t *
		groups; /* supplementary: those of the group file for a user by name or number that passwd knows,
			   * unless the spec names a group */
	size_t n_groups;
};

/* "", "user", "uid", "user:group", "uid:gid", ":group". */
int user_lookup(struct arena *a, struct sv spec, struct sv passwd, struct sv group, struct user_id *out,
		struct err **e) NODISCARD;
/* --group-add: names or numbers, appended to out->groups (no duplicates). */
int user_add_groups(struct arena *a, const char *const *names, size_t n, struct sv group, struct user_id *out,
		    struct err **e) NODISCARD;
