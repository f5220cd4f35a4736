/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing an engine, and what a start has to find out: which containers run on, which ended while nobody
 * looked, what a killed verb left half done.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/engine-internal.h"
#include "engine/events.h"
#include "engine/network.h"
#include "engine/observe.h"
#include "engine/spec.h"
#include "kernel/seccomp.h"
#include "logs/watch.h"
#include "monitor/client.h"
#include "net/net.h"
#include "store/db.h"
#include "store/store.h"
#include "volume/volume.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/file.h>

#define NETNS_SPARES 2

const struct engine_config *engine_config_get(const struct engine *en)
{
	return en->cfg;
}

struct store *engine_store(struct engine *en)
{
	return en->store;
}

struct events *engine_events(struct engine *en)
{
	return en->events;
}

/* --- directories and the lock --- */

static int open_dirs(struct engine *en, struct err **e)
{
	const struct engine_config *c = cfg(en);
	cleanup_free char *lock = xasprintf("%s/hoyd.lock", c->data_root);
	int r = fs_mkdirs(c->data_root, 0711);
	if (r < 0)
		return err_sys(e, -r, "create the data root %s", c->data_root);
	en->lock_fd = fs_open(lock, O_RDWR | O_CREAT, 0600);
	if (en->lock_fd < 0)
		return err_sys(e, -en->lock_fd, "open %s", lock);
	if (flock(en->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, ERR_CONFLICT, "another engine runs on the data root %s", c->data_root);
	en->containers_dir = xasprintf("%s/containers", c->data_root);
	en->exec_dir = xasprintf("%s/containers", c->exec_root);
	if ((r = fs_mkdirs(en->containers_dir, 0711)) < 0)
		return err_sys(e, -r, "create %s", en->containers_dir);
	if ((r = fs_mkdirs(en->exec_dir, 0711)) < 0)
		return err_sys(e, -r, "create %s", en->exec_dir);
	en->containers_dirfd = fs_open(en->containers_dir, O_RDONLY | O_DIRECTORY, 0);
	en->exec_dirfd = fs_open(en->exec_dir, O_RDONLY | O_DIRECTORY, 0);
	if (en->containers_dirfd < 0 || en->exec_dirfd < 0)
		return err_sys(e, en->containers_dirfd < 0 ? -en->containers_dirfd : -en->exec_dirfd,
			       "open the containers");
	return 0;
}

/* A stable name of this engine, for /info. */
static int open_id(struct engine *en, struct err **e)
{
	cleanup_query struct db_query q = { 0 };
	if (db_query(en->db, &q, e, "SELECT value FROM engine WHERE key = 'id'", "") < 0)
		return -1;
	int r = db_step(&q, e);
	if (r > 0)
		(void)snprintf(en->id, sizeof(en->id), "%s", db_col_str(&q, 0));
	db_done(&q);
	if (r != 0)
		return r < 0 ? -1 : 0;
	uint8_t b[16];
	char h[33];
	random_bytes(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	hex_encode(b, sizeof(b), h);
	(void)snprintf(en->id, sizeof(en->id), "%.8s-%.4s-%.4s-%.4s-%.12s", h, h + 8, h + 12, h + 16, h + 20);
	return db_exec(en->db, e, "INSERT INTO engine VALUES ('id', ?)", "s", en->id) < 0 ? -1 : 0;
}

static int open_net(struct engine *en, struct err **e)
{
	const struct engine_config *c = cfg(en);
	struct net_config nc = {
		.bridge = c->bridge,
		.bip = str_empty(c->bip) ? NULL : c->bip,
		.fixed_cidr = str_empty(c->fixed_cidr) ? NULL : c->fixed_cidr,
		.default_gateway = str_empty(c->default_gateway) ? NULL : c->default_gateway,
		.ip = str_empty(c->ip) ? NULL : c->ip,
		.mtu = (uint32_t)c->mtu,
		.icc = c->icc,
		.ip_masq = c->ip_masq,
		.ip_forward = c->ip_forward,
		.nft = c->iptables,
		.spares = NETNS_SPARES,
	};
	return net_open(&nc, &en->net, e);
}

/* --- finding containers again --- */

/* Nobody answers for it: its exit file, or the worst. */
static void found_dead(struct container *c)
{
	struct monitor_exit x;
	cleanup_close int dirfd = container_exec_dirfd(c, false);
	bool has = dirfd >= 0 && monitor_read_exit(dirfd, &x) == 0;
	log_info(log_kv("container", c->id), "the container ended while no engine ran");
	container_exited(c, NULL, has ? &x : NULL);
}

static bool adopt(struct container *c)
{
	cleanup_err struct err *e = NULL;
	struct monitor *m;
	cleanup_close int dirfd = container_exec_dirfd(c, false);
	if (dirfd < 0 || monitor_connect(dirfd, c->id, &m, &e) < 0)
		return false;
	if (!monitor_is_released(m)) {
		monitor_close(m);
		return false;
	}
	struct run *r = NEW(struct run);
	bool frozen = false;
	r->refs = 1;
	r->c = container_ref(c);
	r->m = m;
	r->started_ns = monitor_started_ns(m);
	c->run = r;
	c->now.pid = monitor_pid(m);
	if (r->started_ns)
		c->now.started_ns = r->started_ns;
	if (cgroup_exec_is_frozen(c->cgroup_prog, c->cgroup_prog_n, &frozen) < 0)
		frozen = c->now.state == LIFE_PAUSED;
	pthread_mutex_lock(&c->lock);
	if (frozen && c->now.state == LIFE_RUNNING)
		container_must_move_locked(c, LIFE_PAUSED);
	else if (!frozen && c->now.state == LIFE_PAUSED)
		container_must_move_locked(c, LIFE_RUNNING);
	pthread_mutex_unlock(&c->lock);
	return true;
}

/* A start that was not acknowledged: undone. */
static void undo_start(struct container *c)
{
	cleanup_close int dirfd = container_exec_dirfd(c, false);
	struct monitor *m = NULL;
	(void)cgroup_exec_kill(c->cgroup_prog, c->cgroup_prog_n);
	if (dirfd >= 0 && monitor_connect(dirfd, c->id, &m, NULL) == 0) {
		(void)proc_pidfd_signal(monitor_pidfd(m), SIGKILL);
		if (monitor_wait_gone(m, 10000) < 0)
			log_warn(log_kv("container", c->id),
				 "the monitor of a start that was cut off does not end");
		monitor_close(m);
	}
	(void)cgroup_exec_destroy(c->cgroup_prog, c->cgroup_prog_n, 5000);
	container_shm_drop(c);
	pthread_mutex_lock(&c->lock);
	container_must_move_locked(c, c->now.was_started ? LIFE_EXITED : LIFE_CREATED);
	pthread_mutex_unlock(&c->lock);
}

static void restore_holds(struct container *c)
{
	for (size_t i = 0; i < c->spec->n_mounts; i++) {
		cleanup_err struct err *e = NULL;
		const struct container_mount *m = &c->spec->mounts[i];
		if (m->name && volume_hold(c->en->volumes, m->name, c->id, &e) < 0)
			log_warn(log_kv("container", c->id), "its volume is gone: %s", err_text(e));
	}
}

/* First pass, before the network's rules are written: who is there, and what they have. */
static void look_again(struct engine *en, struct container **v, size_t n, bool *dead)
{
	for (size_t i = 0; i < n; i++) {
		struct container *c = v[i];
		cleanup_err struct err *e = NULL;
		if (container_derive(c, c->spec, &e) < 0)
			log_error(log_kv("container", c->id), "cannot use its control group: %s",
				  err_text(e));
		restore_holds(c);
		if (!life_is_running(c->now.state))
			continue;
		if (adopt(c)) {
			network_adopt(c, c->spec, c->net_text);
			for (size_t k = 0; k < c->spec->n_mounts; k++)
				if (c->spec->mounts[k].name)
					volume_opened(en->volumes, c->spec->mounts[k].name, c->id);
		} else {
			dead[i] = true;
		}
	}
	(void)en;
}

/* Second pass: endings, cut-off verbs. The supervisor runs. */
static void settle(struct engine *en, struct container **v, size_t n, const bool *dead)
{
	for (size_t i = 0; i < n; i++) {
		struct container *c = v[i];
		cleanup_err struct err *e = NULL;
		if (dead[i]) {
			found_dead(c);
			continue;
		}
		if (c->now.state == LIFE_STARTING) {
			undo_start(c);
		} else if (c->now.state == LIFE_REMOVING) {
			pthread_mutex_lock(&c->lock);
			container_must_move_locked(c, LIFE_DEAD);
			pthread_mutex_unlock(&c->lock);
			/* Whether -v was asked for is not known: data nobody gave up stays. */
			if (container_remove_now(c, true, c->spec->host->auto_remove, &e) < 0)
				log_error(log_kv("container", c->id), "cannot finish its removal: %s",
					  err_text(e));
			continue;
		}
		if (c->run) {
			supervisor_add(en->supervisor, c->run);
			continue;
		}
		/* --rm, and its end was recorded, but not its removal. */
		if (c->spec->host->auto_remove && c->now.state == LIFE_EXITED &&
		    container_remove_now(c, true, true, &e) < 0)
			log_error(log_kv("container", c->id), "cannot remove it: %s", err_text(e));
	}
}

/* Directories and snapshots that no container has: left by a create or remove that was cut off. */
static void sweep_dir(struct engine *en, int dirfd)
{
	int fd = fs_open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;
	if (!d) {
		fd_close(&fd);
		return;
	}
	while ((ent = readdir(d)))
		if (id_is_full(sv_of(ent->d_name)) && !container_id_taken(en, ent->d_name))
			(void)fs_rmtree_at(dirfd, ent->d_name);
	(void)closedir(d);
}

static void sweep(struct engine *en)
{
	cleanup_strlist struct strlist ids = { 0 };
	cleanup_err struct err *e = NULL;
	sweep_dir(en, en->containers_dirfd);
	sweep_dir(en, en->exec_dirfd);
	if (store_snapshots(en->store, &ids, &e) < 0) {
		log_warn(log_kv(NULL, NULL), "cannot list snapshots: %s", err_text(e));
		return;
	}
	for (size_t i = 0; i < ids.n; i++) {
		cleanup_err struct err *own = NULL;
		if (!container_id_taken(en, ids.v[i]) && store_snapshot_remove(en->store, ids.v[i], &own) < 0)
			log_warn(log_kv("snapshot", ids.v[i]), "cannot remove a left-over snapshot: %s",
				 err_text(own));
	}
}

static int reconcile(struct engine *en, struct err **e)
{
	if (container_db_load(en, e) < 0)
		return -1;
	size_t n;
	struct container **v = container_all(en, &n);
	bool *dead = xcalloc(n + 1, sizeof(*dead));
	look_again(en, v, n, dead);
	int r = net_restore_end(en->net, e);
	if (r == 0)
		r = supervisor_open(en, e);
	if (r == 0) {
		settle(en, v, n, dead);
		sweep(en);
	}
	free(dead);
	container_list_free(v, n);
	return r;
}

/* --- open, run, close --- */

int engine_open(const struct engine_config *c, struct engine **out, struct err **e)
{
	struct engine *en = NEW(struct engine);
	en->cfg = c;
	en->lock_fd = en->containers_dirfd = en->exec_dirfd = -1;
	en->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	en->started_ns = clock_now_ns();
	(void)pthread_mutex_init(&en->table_lock, NULL);
	en->events = events_new();
	en->logs_hub = logs_hub_new();
	en->seccomp = seccomp_cache_new();
	en->init_path = str_empty(c->init_path) ? proc_sibling("hoy-init") : xstrdup(c->init_path);
	if (en->init_path && !path_exists(en->init_path)) {
		free(en->init_path);
		en->init_path = NULL;
	}
	struct store_config sc = { .root = c->data_root };
	int r = cgroup_detect(&en->cgroups);
	if (r < 0)
		(void)err_sys(e, -r, "find the control groups");
	else if (open_dirs(en, e) == 0 && container_db_open(en, e) == 0 && open_id(en, e) == 0 &&
		 store_open(&sc, &en->store, e) == 0 && monitor_program_open(&en->monitor_program, e) == 0 &&
		 open_net(en, e) == 0 && jobs_open(&en->jobs, e) == 0) {
		network_ids_make(en);
		cleanup_free char *volumes = xasprintf("%s/volumes", c->data_root);
		if (volume_table_open(volumes, &en->volumes, e) == 0 && reconcile(en, e) == 0) {
			*out = en;
			return 0;
		}
	}
	engine_close(en);
	return -1;
}

static void start_again(void *arg)
{
	cleanup_container struct container *c = arg;
	cleanup_err struct err *e = NULL;
	pthread_mutex_lock(&c->lock);
	int r = container_begin_start_locked(c, &e);
	pthread_mutex_unlock(&c->lock);
	if (r == 0 && container_start_now(c, &e) < 0)
		log_error(log_kv("container", c->id), "cannot start it again: %s", err_text(e));
}

void engine_run(struct engine *en)
{
	size_t n;
	struct container **v = container_all(en, &n);
	for (size_t i = n; i-- > 0;) {
		cleanup_look struct container_look l;
		container_look(v[i], &l);
		/* One that waited for its restart when the engine went is due now. `always` means also what a user
		 * stopped, once the engine starts anew. */
		const char *p = l.spec->host->restart_policy.name;
		bool again = l.now.state == LIFE_RESTARTING ||
			     (l.now.state == LIFE_EXITED && l.now.was_started &&
			      (str_eq(p, "always") || restart_policy_says(l.spec, &l.now)));
		if (again)
			jobs_add(en->jobs, start_again, container_ref(v[i]));
	}
	container_list_free(v, n);
}

/* No container has a process: also those whose own network is another's. */
static bool nothing_runs(struct engine *en)
{
	size_t n;
	bool any = false;
	struct container **v = container_all(en, &n);
	for (size_t i = 0; i < n; i++) {
		pthread_mutex_lock(&v[i]->lock);
		any |= life_is_running(v[i]->now.state) || life_is_transient(v[i]->now.state);
		pthread_mutex_unlock(&v[i]->lock);
	}
	container_list_free(v, n);
	return !any;
}

/* Runs refer to containers and containers to runs. */
static void untie(struct engine *en)
{
	size_t n;
	struct container **v = container_all(en, &n);
	for (size_t i = 0; i < n; i++) {
		pthread_mutex_lock(&v[i]->lock);
		struct run *a = TAKE_PTR(v[i]->run), *b = TAKE_PTR(v[i]->last_run);
		struct container_net *net = TAKE_PTR(v[i]->net);
		pthread_mutex_unlock(&v[i]->lock);
		run_unref(a);
		run_unref(b);
		container_net_free(net);
	}
	container_list_free(v, n);
	for (uint32_t i = 0; i < en->by_id.n; i++)
		container_unref(en->by_id.e[i].value);
	map_release(&en->by_id);
	map_release(&en->by_name);
}

void engine_close(struct engine *en)
{
	if (!en)
		return;
	if (en->stop_fd >= 0)
		(void)eventfd_write(en->stop_fd, 1);
	bool had_supervisor = en->supervisor != NULL;
	if (had_supervisor)
		supervisor_close(en->supervisor);
	else
		jobs_close(en->jobs);
	/* With a supervisor, the containers that went on have been found. */
	bool idle = had_supervisor && nothing_runs(en);
	exec_registry_close(en);
	untie(en);
	if (idle)
		net_idle(en->net);
	net_close(en->net);
	volume_table_close(en->volumes);
	store_close(en->store);
	monitor_program_close(en->monitor_program);
	db_close(en->db);
	events_free(en->events);
	logs_hub_free(en->logs_hub);
	seccomp_cache_free(en->seccomp);
	for (size_t i = 0; i < en->n_old_cfgs; i++)
		engine_config_free(en->old_cfgs[i]);
	free(en->old_cfgs);
	free(en->containers_dir);
	free(en->exec_dir);
	free(en->init_path);
	fd_close(&en->containers_dirfd);
	fd_close(&en->exec_dirfd);
	fd_close(&en->lock_fd);
	fd_close(&en->stop_fd);
	(void)pthread_mutex_destroy(&en->table_lock);
	free(en);
}

int engine_reload(struct engine *en, struct err **e)
{
	const struct engine_config *old = cfg(en);
	struct engine_config *mix;
	if (engine_config_parse(old->argc, old->argv, &mix, e) < 0)
		return -1;
	/* The old one stays until the end: somebody may be reading it. What may not change at run time (roots, network,
	 * hosts) was read once, at open, and stays in force. */
	en->old_cfgs = xreallocarray(en->old_cfgs, en->n_old_cfgs + 1, sizeof(struct engine_config *));
	en->old_cfgs[en->n_old_cfgs++] = mix;
	en->cfg = mix;
	log_set_level(mix->debug || str_eq(mix->log_level, "debug") ? LOG_DEBUG
		      : str_eq(mix->log_level, "warn")              ? LOG_WARN
		      : str_eq(mix->log_level, "error")             ? LOG_ERROR
								    : LOG_INFO);
	events_publish(en->events, "daemon", "reload", en->id,
		       log_kv("debug", mix->debug ? "true" : "false"));
	return 0;
}
