/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the engine room share: the engine itself, a container's run, and the steps that several verbs are
 * made of. Lock order (take downwards only): container.spec_lock, container.lock, engine.table_lock, the database's own. No lock is held
 * across a call into store/, net/ or monitor/ that does I/O.
 */
#pragma once

#include "base/ctx.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "kernel/cgroup.h"
#include "model/api.gen.h"

#include <stdatomic.h>

struct db;
struct net;
struct store;
struct store_image;
struct volume_table;
struct events;
struct logs_hub;
struct monitor;
struct monitor_program;
struct monitor_exit;
struct supervisor;
struct jobs;
struct container_net;
struct seccomp_cache;

/* One life of a container's process: from start to the end of its monitor. Counted. */
struct run {
	unsigned refs;       /* atomic */
	struct container *c; /* reference */
	struct monitor *m;
	int64_t started_ns;
	bool exit_seen; /* supervisor's */
	atomic_bool is_adopted;
};
struct run *run_ref(struct run *r);
void run_unref(struct run *r);
DEFINE_CLEANUP(struct run *, run_unref)
#define cleanup_run CLEANUP(run_unref)

/* Somebody who waits for a change of a container, with a descriptor, so that a leaving client ends the wait. */
struct waiter {
	struct list link; /* in container.waiters, under its lock; self-linked when fired */
	int fd;           /* eventfd */
	enum engine_wait_condition condition;
	bool fired;
	int32_t exit_code;
	char *message;
};

/* A client that attached before the start: its socket waits here. */
struct pending_attach {
	struct list link;
	int fd;
	bool in, out, err, mux;
	char keys[32];
	size_t n_keys;
	uint64_t tag;
};

struct engine {
	const struct engine_config *_Atomic cfg;
	struct engine_config **old_cfgs; /* after reloads; freed at close */
	size_t n_old_cfgs;

	char *containers_dir; /* data-root/containers */
	char *exec_dir;       /* exec-root/containers */
	int containers_dirfd, exec_dirfd;
	int lock_fd;

	struct db *db;
	struct store *store;
	struct net *net;
	struct volume_table *volumes;
	struct events *events;
	struct logs_hub *logs_hub;
	struct monitor_program *monitor_program;
	struct cgroup_layout cgroups;
	struct seccomp_cache *seccomp;
	struct supervisor *supervisor;
	struct jobs *jobs;
	int stop_fd; /* eventfd: readable when the engine closes */
	char *init_path;
	int64_t started_ns;
	char id[37];
	char network_ids[3][ID_LEN + 1]; /* bridge, host, none */

	pthread_mutex_t table_lock;
	struct map by_id;   /* struct container *, a reference each */
	struct map by_name; /* struct container *, borrowed from by_id; also reserved names */
	struct map execs;   /* struct exec *, a reference each */
	bool prune_busy;
};

static inline const struct engine_config *cfg(const struct engine *en)
{
	return en->cfg;
}

/* --- container.c --- */

struct container *container_new(struct engine *en, const char *id);
/* Reserves the name for c: ERR_CONFLICT with Docker's words when it is taken. */
int container_name_reserve(struct engine *en, struct container *c, const char *name,
			   struct err **e) NODISCARD;
void container_name_release(struct engine *en, struct container *c, const char *name);
/* Puts it into the table (takes a reference) / takes it out. */
void container_publish(struct container *c);
void container_unpublish(struct container *c);
bool container_id_taken(struct engine *en, const char *id);

/* Moves to `to`: checks the table, records, tells waiters. The fields of now that go with it were set before. A failure
 * to record is an error for the caller only where it can still say no; `must` moves go on and log. */
int container_move_locked(struct container *c, enum life to, struct err **e);
void container_must_move_locked(struct container *c, enum life to);
/* Records now as it is (manual_stop, counters …). */
void container_record_locked(struct container *c);
/* Waits until nobody is at work on it. */
void container_settle_locked(struct container *c);
/* Replaces the spec (update, rename); takes s. */
void container_set_spec_locked(struct container *c, struct container_spec *s);
struct run *container_run_get(struct container *c); /* reference or NULL */

struct waiter *waiter_add_locked(struct container *c, enum engine_wait_condition cond);
void waiter_remove(struct container *c, struct waiter *w);
/* 1 fired, 0 timeout, -ECANCELED. */
int waiter_wait(struct waiter *w, const struct ctx *ctx, int timeout_ms);
void container_fire_locked(struct container *c, enum engine_wait_condition cond, int32_t code,
			   const char *message);

/* --- container-db.c --- */

int container_db_open(struct engine *en, struct err **e) NODISCARD;
int container_db_insert(struct container *c, struct err **e) NODISCARD;
int container_db_update_spec(struct container *c, const struct container_spec *s, struct err **e) NODISCARD;
int container_db_update_now(struct container *c, const struct container_now *n, struct err **e) NODISCARD;
int container_db_delete(struct engine *en, const char *id, struct err **e) NODISCARD;
/* All rows into the table. */
int container_db_load(struct engine *en, struct err **e) NODISCARD;
/* A spec from its stored JSON, and back. */
struct container_spec *container_spec_parse(struct sv json, struct err **e);
void container_spec_print(const struct container_spec *s, struct strbuf *b);
/* A copy to change. */
struct container_spec *container_spec_clone(const struct container_spec *s);

/* --- create.c --- */

/* What the machine has, for model/validate.h; cpus and mems are n bytes each, filled where `r` names a cpuset. */
struct validate_host;
void engine_facts(const struct engine *en, const struct api_resources *r, struct validate_host *out,
		  char *cpus, char *mems, size_t n);
/* cgroup and log paths, from the spec. */
int container_derive(struct container *c, const struct container_spec *s, struct err **e) NODISCARD;

/* One of our own or the operator's paths. */
bool path_exists(const char *path);

/* --- log.c --- */

/* "10m": bytes. 0 or -EINVAL. */
int log_size_parse(const char *v, uint64_t *out) NODISCARD;
/* The attrs object of log records (labels, env options), heap; NULL: none. */
char *log_attrs(const struct container *c, const struct container_spec *s);

/* --- paths of a container --- */

/* O_PATH descriptor of data-root/containers/ID or exec-root/containers/ID; made when `make`. */
int container_data_dirfd(struct container *c, bool make) NODISCARD;
int container_exec_dirfd(struct container *c, bool make) NODISCARD;

/* --- start.c --- */

/* Takes c from STARTING (set by the caller) to RUNNING, or back to where a failed start leaves it. */
int container_start_now(struct container *c, struct err **e) NODISCARD;
/* c->lock held: from a stable state to STARTING. */
int container_begin_start_locked(struct container *c, struct err **e) NODISCARD;
void pending_attach_close_locked(struct container *c);

/* --- supervise.c --- */

int supervisor_open(struct engine *en, struct err **e) NODISCARD;
void supervisor_close(struct supervisor *s);
/* Watches the run's monitor from now on. */
void supervisor_add(struct supervisor *s, struct run *r);
/* Start c again at at_ns (monotonic), if it is still RESTARTING then. */
void supervisor_restart_at(struct supervisor *s, struct container *c, int64_t at_ns);
/* Records an exit: state, waiters, events, cleanup, restart policy or --rm. Used for live exits and for those found at
 * start. x NULL: the monitor was killed. */
void container_exited(struct container *c, struct run *r, const struct monitor_exit *x);

bool restart_policy_says(const struct container_spec *s, const struct container_now *n);

/* Jobs that are off the reply's path, in their own threads. */
int jobs_open(struct jobs **out, struct err **e) NODISCARD;
void jobs_close(struct jobs *j);
void jobs_add(struct jobs *j, void (*fn)(void *arg), void *arg);

/* --- stop.c, remove.c --- */

const char *container_stop_signal(const struct container_spec *s, int *out);
/* Stops and waits; c referenced. manual: a user asked. */
int container_stop_now(struct container *c, const char *signal, int timeout_s, bool manual,
		       struct err **e) NODISCARD;
int container_kill_and_wait(struct container *c, struct err **e) NODISCARD;
int container_remove_now(struct container *c, bool force, bool volumes, struct err **e) NODISCARD;

/* --- events, with the container's usual attributes; kv: NULL-ended extra pairs --- */
void container_event(struct container *c, const char *action, const char *const *kv);
/* An event with a spec at hand (after removal). */
void container_event_spec(struct container *c, const struct container_spec *s, const char *action,
			  const char *const *kv);

void volume_event(struct engine *en, const char *name, const char *action, const char *const *kv);
/* The container's process has ended, or did not come to be: its volumes are closed, and those it had are told. */
void volumes_closed(struct container *c, const struct container_spec *s);

/* --- exec.c --- */

struct exec;
void exec_exited(struct engine *en, const char *exec_id, const struct monitor_exit *x);
/* Of a container that ended: running execs are over. */
void exec_container_ended(struct container *c);
/* Of a container that is gone. */
void exec_container_removed(struct container *c);
void exec_list_ids(struct container *c, struct arena *a, struct model_str_list *out);
void exec_registry_close(struct engine *en);
