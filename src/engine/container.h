/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container object, for the engine room alone (verbs, supervisor, events, stats, top, logs); api/ sees
 * ids.
 *
 * What a container *is* (struct container_spec: configs, image, mounts) is immutable and counted; update and
 * rename put a new one in its place. What it *does* (struct container_now) is behind its lock. Readers take
 * container_look(): a copy of the one and a reference to the other, so no reader holds a lock while it works.
 *
 * Containers are counted; the engine's table holds one reference until the container is removed. A name or id
 * is found by container_find().
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/list.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/life.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct run; /* engine-internal.h */

/* One mount as it was decided at create: what inspect shows and start mounts. */
struct container_mount {
	const char *type;        /* "bind", "volume", "tmpfs", "image" */
	const char *name;        /* volume name, or NULL */
	const char *source;      /* host path (bind), volume's mountpoint, or NULL */
	const char *destination; /* clean absolute path in the container */
	const char *driver;      /* volumes: "local" */
	const char *mode;        /* what the user wrote after the second colon */
	const char *propagation;
	const char *options; /* tmpfs: mount options */
	const char *subpath;
	bool read_only;
	bool no_copy;
	bool non_recursive;      /* bind: this mount alone */
	bool ro_non_recursive;   /* read-only does not reach submounts */
	bool ro_force_recursive; /* fail rather than leave a submount writable */
	bool is_anonymous;       /* volume made for this container */
	bool from_mounts;        /* --mount or API Mounts */
	bool create_source;      /* bind: make a missing directory */
};

struct container_spec {
	unsigned refs;
	struct arena *arena;
	const char *name;      /* without "/" */
	const char *image_ref; /* as the user wrote it */
	const char *image_id;  /* sha256:… */
	const char *path;      /* argv[0] */
	const char *const *args;
	size_t n_args;
	const struct api_container_config *config;
	const struct api_host_config *host;
	const struct api_networking_config *networking; /* may be NULL */
	const struct container_mount *mounts;
	size_t n_mounts;
	bool is_tty, open_stdin;
};

struct container_now {
	enum life state;
	pid_t pid;         /* 0 unless running */
	int64_t pid_start; /* start time in ticks: with pid it names the process for good */
	int32_t exit_code;
	bool oom_killed;
	bool was_started;
	bool manual_stop; /* stopped by a user: restart policies leave it alone */
	bool remove_failed;
	uint32_t restart_count;
	int64_t started_ns, finished_ns;
	char *error; /* start failure, or NULL */
};

struct container {
	unsigned refs;
	char id[ID_LEN + 1];
	int64_t created_ns;
	struct engine *en;

	pthread_mutex_t spec_lock; /* held by who replaces the spec, from reading it; taken before `lock` */
	pthread_mutex_t lock;      /* rank: LOCK_CONTAINER */
	pthread_cond_t changed;
	struct container_spec *spec;
	struct container_now now;
	struct run *run;           /* while it runs; engine-internal.h */
	struct run *last_run;      /* whose monitor may not be gone yet */
	struct list waiters;       /* struct waiter */
	struct list pending;       /* struct pending_attach */
	unsigned attaching;        /* clients told that they are attached, not yet in `pending` */
	struct container_net *net; /* addresses and ports while it runs; engine/network.h */
	char *log_path;            /* NULL: no json-file */
	char *cgroup_path;         /* "/hoy/ID" */
	char *cgroup_prog;         /* kernel/cgroup.h program naming it */
	size_t cgroup_prog_n;
	int64_t restart_delay_ns; /* supervisor's */
	unsigned hold_remove;     /* under lock: --rm waits (a user's restart is between stop and start) */
	struct list execs;        /* engine/exec.c, under lock */
	enum life start_from;     /* the state a start that is under way began in */
	char *net_text;           /* the endpoint, as recorded; under lock */
};

/* Full id, name, or unique prefix. A new reference, or NULL with Docker's 404 / 400. */
struct container *container_find(struct engine *en, const char *ref, struct err **e) NODISCARD;
struct container *container_ref(struct container *c) __attribute__((returns_nonnull));
void container_unref(struct container *c);
DEFINE_CLEANUP(struct container *, container_unref)
#define cleanup_container CLEANUP(container_unref)

struct container_spec *container_spec_ref(struct container_spec *s);
void container_spec_unref(struct container_spec *s);

/* What it is and what it does, at one moment. */
struct container_look {
	struct container_spec *spec;
	struct container_now now; /* .error is NULL or borrowed from `error` */
	char *error;
};
void container_look(struct container *c, struct container_look *out);
void container_look_release(struct container_look *l);
#define cleanup_look __attribute__((cleanup(container_look_release)))

/* All of them, newest first; each a reference. Free with container_list_free. */
struct container **container_all(struct engine *en, size_t *n);
void container_list_free(struct container **v, size_t n);
