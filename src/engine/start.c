/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start: the hot path. From STARTING, set under the lock by who starts, to RUNNING with a monitor watched; a failure
 * takes down what was made and leaves the container as Docker does, with State.Error and an exit code.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/network.h"
#include "engine/spec.h"
#include "monitor/client.h"
#include "net/net.h"
#include "store/store.h"
#include "volume/volume.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define GONE_WAIT_MS  15000
#define ATTACH_WAIT_S 5 /* for clients between the head of the reply and their place in the queue */

int container_begin_start_locked(struct container *c, struct err **e)
{
	container_settle_locked(c);
	switch (c->now.state) {
	case LIFE_RUNNING: return err_set(e, ERR_NOT_MODIFIED, "container %s is already running", c->id);
	case LIFE_PAUSED:
		return err_set(e, ERR_CONFLICT, "cannot start a paused container, try unpause instead");
	case LIFE_REMOVING:
	case LIFE_DEAD:
		return err_set(e, ERR_CONFLICT, "container is marked for removal and cannot be started");
	case LIFE_GONE:
	case LIFE_CREATING:
	case LIFE_STARTING: return err_set(e, ERR_NOT_FOUND, "No such container: %s", c->id);
	case LIFE_CREATED:
	case LIFE_RESTARTING:
	case LIFE_EXITED: break;
	}
	c->start_from = c->now.state;
	free(c->now.error);
	c->now.error = NULL;
	return container_move_locked(c, LIFE_STARTING, e);
}

void pending_attach_close_locked(struct container *c)
{
	list_for_each_safe (it, &c->pending) {
		struct pending_attach *p = LIST_ENTRY(it, struct pending_attach, link);
		list_del(&p->link);
		fd_close(&p->fd);
		free(p);
	}
}

/* Clients that attached before the start get their sockets to the monitor before anything is written. */
static void hand_over_pending(struct container *c, struct monitor *m)
{
	struct list mine;
	struct timespec until;
	list_init(&mine);
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ATTACH_WAIT_S;
	pthread_mutex_lock(&c->lock);
	while (c->attaching && pthread_cond_timedwait(&c->changed, &c->lock, &until) == 0)
		;
	list_for_each_safe (it, &c->pending) {
		list_del(it);
		list_add_tail(&mine, it);
	}
	pthread_mutex_unlock(&c->lock);
	list_for_each_safe (it, &mine) {
		struct pending_attach *p = LIST_ENTRY(it, struct pending_attach, link);
		cleanup_err struct err *e = NULL;
		struct monitor_attach a = { .fd = p->fd,
					    .use_stdin = p->in,
					    .use_stdout = p->out,
					    .use_stderr = p->err,
					    .mux = p->mux,
					    .keys = p->keys,
					    .n_keys = p->n_keys,
					    .tag = p->tag };
		if (monitor_attach(m, &a, &e) < 0)
			log_warn(log_kv("container", c->id), "a client could not be attached: %s",
				 err_text(e));
		list_del(&p->link);
		fd_close(&p->fd);
		free(p);
	}
}

/* --- the steps --- */

struct starting {
	struct container *c;
	struct container_spec *s;
	struct arena *a;
	int rootfd, exec_dirfd, data_dirfd;
	struct net_ns *ns;
	struct monitor *m;
	struct spec_build build;
	struct strbuf plan;
	int exit_code; /* of a failed launch: 126, 127, 128 */
};

static void starting_release(struct starting *st)
{
	spec_build_release(&st->build);
	sb_release(&st->plan);
	net_ns_free(st->ns);
	fd_close(&st->rootfd);
	fd_close(&st->exec_dirfd);
	fd_close(&st->data_dirfd);
	monitor_close(st->m);
	container_spec_unref(st->s);
	arena_free(st->a);
}

/* Files Docker makes sure of, in the container's own layer. */
static int prepare_root(struct starting *st, struct err **e)
{
	const char *cwd = st->s->config->working_dir;
	if (str_empty(cwd) || !strcmp(cwd, "/"))
		return 0;
	struct stat sb;
	if (fs_stat_in(st->rootfd, cwd, &sb) == 0)
		return 0; /* not a directory: the runtime says so in its words */
	cleanup_close int fd = fs_mkdirs_in(st->rootfd, cwd, 0755, 0, 0);
	return fd < 0 ? err_sys(e, -fd, "cannot create the working directory %s", cwd) : 0;
}

static uint64_t log_number(const struct container *c, const struct container_spec *s, const char *key,
			   const char *none)
{
	const char *v = model_map_get(&s->host->log_config.config, key);
	uint64_t n = 0;
	if (!v)
		v = engine_config_opt(&cfg(c->en)->log_opts, key);
	if (!v)
		v = none;
	if (log_size_parse(v, &n) < 0)
		return 0;
	return n;
}

static int launch(struct starting *st, struct err **e)
{
	struct container *c = st->c;
	const struct container_spec *s = st->s;
	cleanup_free char *log_name = xasprintf("%s-json.log", c->id);
	bool none = str_eq(str_empty(s->host->log_config.type) ? cfg(c->en)->log_driver
							       : s->host->log_config.type,
			   "none");
	uint64_t max_file = log_number(c, s, "max-file", "1");
	struct monitor_start ms = {
		.id = c->id,
		.dirfd = st->exec_dirfd,
		.plan = st->plan.p,
		.plan_n = st->plan.n,
		.fds = st->build.fds,
		.n_fds = st->build.n_fds,
		.cgroup = c->cgroup_prog,
		.cgroup_n = c->cgroup_prog_n,
		.tty = s->is_tty,
		.open_stdin = s->open_stdin,
		.stdin_once = s->config->stdin_once,
		.rows = (uint16_t)s->host->console_size.height,
		.cols = (uint16_t)s->host->console_size.width,
		.log = none ? MONITOR_LOG_NONE : MONITOR_LOG_JSON_FILE,
		.log_dirfd = st->data_dirfd,
		.log_name = log_name,
		.log_max_size = log_number(c, s, "max-size", "0"),
		.log_max_file = max_file ? (uint32_t)MIN(max_file, (uint64_t)1000) : 1,
	};
	cleanup_free char *attrs = log_attrs(c, s);
	ms.log_attrs = attrs;
	return monitor_start(c->en->monitor_program, &ms, &st->m, &st->exit_code, e);
}

static int steps(struct starting *st, struct err **e)
{
	struct container *c = st->c;
	struct engine *en = c->en;
	const struct container_spec *s = st->s;
	unsigned flags = s->host->auto_remove ? STORE_MOUNT_VOLATILE : 0;

	st->exec_dirfd = container_exec_dirfd(c, true);
	st->data_dirfd = container_data_dirfd(c, true);
	if (st->exec_dirfd < 0 || st->data_dirfd < 0)
		return err_sys(e, st->exec_dirfd < 0 ? -st->exec_dirfd : -st->data_dirfd,
			       "open the directories of container %s", c->id);
	monitor_forget(st->exec_dirfd);
	if (store_snapshot_mount(en->store, c->id, flags, -1, &st->rootfd, e) < 0 || prepare_root(st, e) < 0)
		return -1;
	if (network_join(c, s, &st->ns, e) < 0)
		return -1;
	if (fault_point("engine.start.network") < 0)
		return err_set(e, ERR_SYSTEM, "injected failure");
	if (container_write_files(c, s, e) < 0 || container_shm_prepare(c, s, e) < 0)
		return -1;
	const char *mode = network_mode(s);
	st->build = (struct spec_build){
		.c = c,
		.s = s,
		.a = st->a,
		.rootfd = st->rootfd,
		.netns_fd = st->ns ? net_ns_fd(st->ns) : -1,
		.own_net = st->ns && !str_starts(mode, "container:"),
	};
	if (spec_build_plan(&st->build, &st->plan, e) < 0 || launch(st, e) < 0)
		return -1;
	(void)fault_point("engine.start.launched");
	hand_over_pending(c, st->m);
	return monitor_release(st->m, &st->exit_code, e);
}

/* Docker's codes for what the text says, where the launch did not say it itself. */
static int failed_code(const char *text)
{
	if (strstr(text, "permission denied") || strstr(text, "is a directory"))
		return 126;
	if (strstr(text, "executable file not found") || strstr(text, "no such file or directory") ||
	    strstr(text, "not a directory"))
		return 127;
	return 128;
}

/* Docker's frame around the runtime's words, which clients read. */
static void frame_error(struct err **own, int exit_code)
{
	struct err *framed = NULL;
	(void)err_set(
		&framed, exit_code == 126 || exit_code == 127 ? ERR_INVALID : ERR_SYSTEM,
		"failed to create task for container: failed to create shim task: OCI runtime create failed: "
		"hoy-runtime create failed: unable to start container process: %s: unknown",
		err_text(*own));
	err_free(*own);
	*own = framed;
}

static void start_failed(struct starting *st, struct err **e)
{
	struct container *c = st->c;
	cleanup_err struct err *own = NULL;
	network_leave(c, st->s);
	container_shm_drop(c);
	volumes_closed(c, st->s);
	if (st->m && monitor_wait_gone(st->m, GONE_WAIT_MS) < 0)
		log_warn(log_kv("container", c->id), "its monitor has not ended yet");
	pthread_mutex_lock(&c->lock);
	free(c->now.error);
	c->now.error = xstrdup(e && *e ? err_text(*e) : "start failed");
	c->now.exit_code = st->exit_code ? st->exit_code : failed_code(c->now.error);
	c->now.finished_ns = c->now.was_started ? clock_now_ns() : 0;
	pending_attach_close_locked(c);
	container_fire_locked(c, ENGINE_WAIT_NEXT_EXIT, c->now.exit_code, NULL);
	container_must_move_locked(c, c->start_from == LIFE_CREATED ? LIFE_CREATED : LIFE_EXITED);
	bool remove = st->s->host->auto_remove;
	pthread_mutex_unlock(&c->lock);
	if (remove && container_remove_now(c, true, true, &own) < 0)
		log_warn(log_kv("container", c->id), "cannot remove it after a failed start: %s",
			 err_text(own));
}

int container_start_now(struct container *c, struct err **e)
{
	__attribute__((cleanup(starting_release))) struct starting st = {
		.c = c, .rootfd = -1, .exec_dirfd = -1, .data_dirfd = -1
	};
	struct err *own = NULL;
	st.a = arena_new();
	pthread_mutex_lock(&c->lock);
	st.s = container_spec_ref(c->spec);
	struct run *last = TAKE_PTR(c->last_run);
	pthread_mutex_unlock(&c->lock);
	(void)fault_point("engine.start.recorded");

	int r = 0;
	/* The old monitor removes the control group at its end; ours would lose the new one to it. */
	if (last && monitor_wait_gone(last->m, GONE_WAIT_MS) < 0)
		r = err_set(&own, ERR_SYSTEM, "the previous run of container %s has not ended", c->id);
	run_unref(last);
	if (r == 0)
		r = steps(&st, &own);
	if (r < 0) {
		if (st.exit_code)
			frame_error(&own, st.exit_code);
		start_failed(&st, &own);
		err_move(e, &own);
		return -1;
	}

	struct run *run = NEW(struct run);
	run->refs = 1;
	run->c = container_ref(c);
	run->m = TAKE_PTR(st.m);
	run->started_ns = monitor_started_ns(run->m);
	unsigned long long start_time = 0;
	if (proc_start_time(monitor_pid(run->m), &start_time) < 0)
		start_time = 0; /* ended already */
	cleanup_free char *net_text = network_text(c);

	pthread_mutex_lock(&c->lock);
	c->run = run_ref(run);
	c->now.pid = monitor_pid(run->m);
	c->now.pid_start = (int64_t)start_time;
	c->now.started_ns = run->started_ns ? run->started_ns : clock_now_ns();
	c->now.was_started = true;
	c->now.oom_killed = false;
	c->now.exit_code = 0;
	c->now.manual_stop = false;
	free(c->net_text);
	c->net_text = TAKE_PTR(net_text);
	if (c->start_from != LIFE_RESTARTING)
		c->now.restart_count = 0;
	container_must_move_locked(c, LIFE_RUNNING);
	container_event_spec(c, c->spec, "start", NULL); /* before a stop that waits for us tells its own */
	pthread_mutex_unlock(&c->lock);
	(void)fault_point("engine.start.running");
	supervisor_add(c->en->supervisor, run);
	hand_over_pending(c, run->m); /* one that came too late for the first time */
	run_unref(run);
	return 0;
}

int engine_container_start(struct engine *en, const char *ref, const char *detach_keys, struct err **e)
{
	(void)detach_keys; /* each attach brings its own */
	cleanup_container struct container *c = container_find(en, ref, e);
	if (!c)
		return -1;
	pthread_mutex_lock(&c->lock);
	int r = container_begin_start_locked(c, e);
	pthread_mutex_unlock(&c->lock);
	return r < 0 ? -1 : container_start_now(c, e);
}
