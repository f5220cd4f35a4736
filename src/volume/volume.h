/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named data that outlives containers: the local driver. Called by engine/, which adds events and checks.
 *
 * A volume is a row in data-root/volumes/volumes.db and a directory data-root/volumes/NAME/_data. With options
 * (type, o, device) another file system is mounted on _data while somebody holds the volume. The row is durable before
 * volume_create() returns, and gone before the data is.
 *
 * Who uses a volume holds it (volume_hold, by the container's id): a held volume is not removed. Holds live in memory;
 * the engine takes them again when it starts.
 *
 * Volumes are immutable and counted; the table is locked inside and may be used by any thread.
 *
 *	cleanup_volume struct volume *v = NULL;
 *	if (volume_create(t, &(struct volume_spec){ .name = "data" }, &v, NULL, e) < 0) ...
 *	int fd = volume_open(t, v, container_id, e);	// holds, mounts if it has options; root of the data
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/schema.h"

#include <stdbool.h>
#include <stdint.h>

struct volume_table;

struct volume_spec {
	const char *name;   /* NULL or "": 64 random hex digits, and label com.docker.volume.anonymous */
	const char *driver; /* NULL or "": local */
	struct model_str_map options, labels;
};

struct volume {
	unsigned refs;
	const char *name;
	const char *driver;     /* "local" */
	const char *mountpoint; /* absolute path of _data */
	int64_t created_ns;
	struct model_str_map options, labels;
	bool is_anonymous;
	struct arena *arena;
};

/* Opens or creates ROOT (data-root/volumes), loads the rows, removes directories that have none. */
int volume_table_open(const char *root, struct volume_table **out, struct err **e) NODISCARD;
/* Unmounts nothing: containers go on. NULL is fine. */
void volume_table_close(struct volume_table *t);

struct volume *volume_ref(struct volume *v) __attribute__((returns_nonnull));
void volume_unref(struct volume *v);
DEFINE_CLEANUP(struct volume *, volume_unref)
#define cleanup_volume CLEANUP(volume_unref)

/* Creates it, or gives the one that has this name (then *existed, which may be NULL, is true). Errors in Docker's
 * words: bad name or option ERR_INVALID, another driver's name ERR_CONFLICT, unknown driver ERR_NOT_FOUND. */
int volume_create(struct volume_table *t, const struct volume_spec *spec, struct volume **out, bool *existed,
		  struct err **e) NODISCARD;
/* A new reference, or NULL. */
struct volume *volume_find(struct volume_table *t, const char *name);
/* Sorted by name; each a reference; free with volume_list_free(). */
struct volume **volume_list(struct volume_table *t, size_t *n);
void volume_list_free(struct volume **v, size_t n);

/* ERR_CONFLICT "remove NAME: volume is in use - [ids]" while held. ERR_NOT_FOUND "get NAME: no such volume", unless
 * force. */
int volume_remove(struct volume_table *t, const char *name, bool force, struct err **e) NODISCARD;

/* Marks the volume as used by `holder` (a container id); a second hold by the same holder counts once.
 * ERR_NOT_FOUND when it is gone. */
int volume_hold(struct volume_table *t, const char *name, const char *holder, struct err **e) NODISCARD;
/* The last mount of a volume with options is unmounted with its last holder that opened it. */
void volume_release(struct volume_table *t, const char *name, const char *holder);
size_t volume_holders(struct volume_table *t, const char *name);

/* Root of the data as an O_PATH descriptor, mounted if it has options. The holder must hold it; closing the descriptor
 * is the caller's. volume_closed() says that the holder's process ended; it is true
 * when the holder had it open. volume_opened(): a holder from before a restart of the engine has it open still. */
int volume_open(struct volume_table *t, struct volume *v, const char *holder, struct err **e) NODISCARD;
bool volume_closed(struct volume_table *t, const char *name, const char *holder);
void volume_opened(struct volume_table *t, const char *name, const char *holder);

/* Bytes on disk, hard links once; -errno. Takes as long as the tree is large. */
int64_t volume_usage(struct volume *v);

/* Docker's rule for names of local volumes; the error is that of `docker volume create`. */
int volume_check_name(const char *name, struct err **e) NODISCARD;
