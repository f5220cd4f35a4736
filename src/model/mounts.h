/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of a container as users write them: HostConfig.Binds, Volumes, Mounts, Tmpfs, VolumesFrom, and the CLI's -v and
 * --mount. Called by the engine (which resolves sources) and the CLI. Pure: nothing here looks at the file system. Error
 * texts are Docker's, class ERR_INVALID; texts are in the caller's arena.
 */
#pragma once

#include "model/api.gen.h"

enum mount_type { MOUNT_BIND, MOUNT_VOLUME, MOUNT_TMPFS, MOUNT_IMAGE };

/* One mount, whatever form it was written in. */
struct mount_spec {
	enum mount_type type;
	const char *source; /* bind: absolute path; volume: name, "" for an anonymous one; image: reference */
	const char *target; /* absolute and clean */
	const char *mode;   /* the option text of a Binds entry, as inspect shows it ("" for Mounts) */
	const char *propagation; /* bind: as given, "" when not */
	const char *driver;      /* volume: "" for the default */
	struct model_str_map driver_opts, labels;
	const char *subpath; /* volume, image: "" or a path below its root */
	const char *relabel; /* "", "z" or "Z" */
	bool read_only;
	bool no_copy;                   /* volume: do not fill it from the image */
	bool non_recursive;             /* bind: the top mount only */
	bool read_only_non_recursive;   /* bind: submounts stay writable */
	bool read_only_force_recursive; /* bind: fail when submounts cannot be made read-only */
	bool create_source;             /* bind: make the directory when it is missing */
	bool from_mounts;               /* written in Mounts (a missing bind source is an error then) */
	int64_t tmpfs_size;             /* 0: none given */
	bool has_tmpfs_mode;
	uint32_t tmpfs_mode;
	const char *tmpfs_options; /* ready for the kernel: "size=64m,mode=1777", may be "" */
	bool tmpfs_noexec, tmpfs_nosuid, tmpfs_nodev;
};

/* "src:dst[:opts]" or "dst" of Binds. */
int mount_parse_bind(struct arena *a, const char *raw, const char *volume_driver, struct mount_spec *out,
		     struct err **e) NODISCARD;
/* One of HostConfig.Mounts. */
int mount_from_api(struct arena *a, const struct api_mount *m, struct mount_spec *out,
		   struct err **e) NODISCARD;
/* One of HostConfig.Tmpfs: path to mount options. Docker adds noexec,nosuid,nodev unless told otherwise. */
int mount_parse_tmpfs(struct arena *a, const char *target, const char *options, struct mount_spec *out,
		      struct err **e) NODISCARD;
/* One of Config.Volumes: an anonymous volume. */
int mount_anonymous(struct arena *a, const char *target, struct mount_spec *out, struct err **e) NODISCARD;
/* "container[:ro|rw]" of VolumesFrom. */
int mount_parse_volumes_from(struct arena *a, const char *raw, const char **container, bool *read_only,
			     const char **mode, struct err **e) NODISCARD;

/* All of a HostConfig, and the Volumes of its Config: well formed, and no target twice ("Duplicate mount point: X"). */
int mounts_check(struct arena *a, const struct api_container_config *c, const struct api_host_config *hc,
		 struct err **e) NODISCARD;

/* Which of "private", "rprivate", ... it is; NULL when none. */
const char *mount_propagation(struct sv s);

/* --- the CLI's side --- */

/* A -v value: *bind gets the text for HostConfig.Binds (a source with a leading '.' made absolute with cwd), or NULL
 * and *volume the path for Config.Volumes. */
int mount_cli_volume(struct arena *a, const char *raw, const char *cwd, const char **bind,
		     const char **volume, struct err **e) NODISCARD;
/* A --mount value: CSV of key=value. */
int mount_cli_parse(struct arena *a, const char *raw, const char *cwd, struct api_mount *out,
		    struct err **e) NODISCARD;
/* One line of CSV as Go's encoding/csv reads it: the fields. */
int csv_fields(struct arena *a, struct sv line, struct model_str_list *out, struct err **e) NODISCARD;

/* Lexical: "/a//b/../c/" is "/a/c". Relative paths stay relative, "" is ".". */
const char *path_clean(struct arena *a, const char *path);
/* A path that stays below where it starts: not empty, not absolute, no leading ".." after cleaning. */
bool path_is_local(const char *path);
