/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a container by path: what cp, export, diff and commit stand on. The engine gives the container's root as a
 * descriptor (/proc/PID/root of a running one, a snapshot's mount of a stopped one); a confined worker does the rest,
 * with that root as its own. Called by the engine; any thread.
 */
#pragma once

#include "store/store.h"

/* What X-Docker-Container-Path-Stat carries, as JSON. ERR_NOT_FOUND. */
int store_files_stat(struct store *s, int root_fd, const char *path, struct strbuf *json,
		     struct err **e) NODISCARD;
/* on_stat is called once, before the first byte goes to the sink. */
int store_files_get(struct store *s, int root_fd, const char *path,
		    void (*on_stat)(void *ctx, struct sv json), void *ctx, const struct store_sink *sink,
		    struct err **e) NODISCARD;

struct store_put {
	bool no_overwrite; /* noOverwriteDirNonDir */
	bool has_owner;
	uint32_t uid, gid;
};
int store_files_put(struct store *s, int root_fd, const char *path, const struct store_put *how,
		    const struct store_source *src, struct err **e) NODISCARD;
int store_files_export(struct store *s, int root_fd, const struct store_sink *sink, struct err **e) NODISCARD;

/* [{"Path":"/etc","Kind":0}] of a snapshot against its image. */
int store_snapshot_changes(struct store *s, const char *id, struct strbuf *json, struct err **e) NODISCARD;

struct store_commit {
	const struct store_image *parent; /* NULL: the container had no image */
	const struct oci_image_config *config;
	const char *author, *comment; /* or NULL */
	const char *created_by;       /* the command, for history; or NULL */
	const char *container;        /* id */
	const char *repo, *tag;       /* NULL: no tag */
};
/* The snapshot's changes become a layer on top of its image. *id (heap) gets the image ID, *ref the familiar tag or NULL. */
int store_snapshot_commit(struct store *s, const char *snapshot, const struct store_commit *how, char **id,
			  char **ref, struct err **e) NODISCARD;
