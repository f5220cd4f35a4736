/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of containers: cp, diff, export, commit. api/ calls these. A running container's root is taken by descriptor
 * from its process (volumes included), a stopped one's is mounted for the call (its own layers only); a confined worker
 * does what touches paths.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>

struct engine;
struct store_sink;
struct store_source;

/* What X-Docker-Container-Path-Stat carries, as JSON. */
int engine_container_stat_path(struct engine *en, const char *ref, const char *path, struct strbuf *json,
			       struct err **e) NODISCARD;
/* A tar of the path; on_stat comes before its first byte. */
int engine_container_get_archive(struct engine *en, const char *ref, const char *path,
				 void (*on_stat)(void *ctx, struct sv json), void *ctx,
				 const struct store_sink *sink, struct err **e) NODISCARD;
int engine_container_put_archive(struct engine *en, const char *ref, const char *path, bool no_overwrite,
				 bool copy_uid_gid, const struct store_source *src, struct err **e) NODISCARD;
int engine_container_export(struct engine *en, const char *ref, const struct store_sink *sink,
			    struct err **e) NODISCARD;
/* [{"Path","Kind"}] as JSON; null when nothing changed. */
int engine_container_changes(struct engine *en, const char *ref, struct strbuf *json,
			     struct err **e) NODISCARD;

struct engine_commit {
	const char *repo, *tag, *comment, *author; /* or NULL */
	const char *const *changes;                /* Dockerfile lines */
	size_t n_changes;
	bool pause;       /* a running container, while its changes are read */
	struct sv config; /* the body: a configuration to put over the container's, or empty */
};
/* *id: heap. */
int engine_container_commit(struct engine *en, const char *ref, const struct engine_commit *rq, char **id,
			    struct err **e) NODISCARD;
