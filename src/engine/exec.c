/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: one more process in a running container. A registered exec lives in memory only: it ends with its container, and
 * five minutes after it ended it is forgotten.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/attach.h"
#include "engine/spec.h"
#include "kernel/seccomp.h"
#include "monitor/client.h"
#include "runtime/plan.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#define EXEC_KEPT_NS       (300 * NS_PER_SEC)
#define EXIT_TOLD_WITHIN_S 5

enum exec_state { EXEC_NEW, EXEC_STARTING, EXEC_RUNNING, EXEC_OVER };

struct exec {
	unsigned refs;
	char id[ID_LEN + 1];
	struct container *c; /* reference */
	struct arena *arena;
	struct api_exec_create_request *rq;
	struct container_spec *spec;
	char keys[32];
	size_t n_keys;

	/* under c->lock */
	struct list link; /* c->execs */
	enum exec_state state;
	struct run *run; /* the run it was started in */
	pid_t pid;
	int32_t exit_code;
	bool has_exit_code;
	int64_t over_ns;
	/* exits may be told before the start has returned */
	bool early_exit;
	struct monitor_exit early;
};

static struct exec *exec_ref(struct exec *x)
{
	__atomic_add_fetch(&x->refs, 1, __ATOMIC_RELAXED);
	return x;
}

static void exec_unref(struct exec *x)
{
	if (!x || __atomic_sub_fetch(&x->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	run_unref(x->run);
	container_spec_unref(x->spec);
	container_unref(x->c);
	arena_free(x->arena);
	free(x);
}
DEFINE_CLEANUP(struct exec *, exec_unref)
#define cleanup_exec CLEANUP(exec_unref)

static struct exec *exec_find(struct engine *en, const char *id, struct err **e)
{
	pthread_mutex_lock(&en->table_lock);
	struct exec *x = map_get(&en->execs, id);
	if (x)
		exec_ref(x);
	pthread_mutex_unlock(&en->table_lock);
	if (!x)
		(void)err_set(e, ERR_NOT_FOUND, "No such exec instance: %s", id);
	return x;
}

/* Out of both tables. */
static void forget(struct engine *en, struct exec *x)
{
	pthread_mutex_lock(&x->c->lock);
	list_del(&x->link);
	pthread_mutex_unlock(&x->c->lock);
	pthread_mutex_lock(&en->table_lock);
	struct exec *was = map_del(&en->execs, x->id);
	pthread_mutex_unlock(&en->table_lock);
	exec_unref(was);
}

/* Execs that ended long ago, and those of ended containers. Called when a new one is made. */
static void sweep(struct engine *en)
{
	struct exec *old[64];
	size_t n = 0;
	int64_t now = clock_mono_ns();
	pthread_mutex_lock(&en->table_lock);
	map_for_each (it, &en->execs) {
		struct exec *x = it->value;
		if (n < ARRAY_LEN(old) && __atomic_load_n(&x->over_ns, __ATOMIC_RELAXED) &&
		    now - __atomic_load_n(&x->over_ns, __ATOMIC_RELAXED) > EXEC_KEPT_NS)
			old[n++] = exec_ref(x);
	}
	pthread_mutex_unlock(&en->table_lock);
	for (size_t i = 0; i < n; i++) {
		forget(en, old[i]);
		exec_unref(old[i]);
	}
}

static int usable_locked(struct container *c, struct err **e)
{
	container_settle_locked(c);
	if (c->now.state == LIFE_PAUSED)
		return err_set(e, ERR_CONFLICT, "Container %s is paused, unpause the container before exec",
			       c->id);
	if (c->now.state == LIFE_RESTARTING)
		return err_set(e, ERR_CONFLICT,
			       "Container %s is restarting, wait until the container is running", c->id);
	if (!c->run)
		return err_set(e, ERR_CONFLICT, "container %s is not running", c->id);
	return 0;
}

static void exec_event(struct exec *x, const char *what)
{
	cleanup_strbuf struct strbuf action = { 0 };
	sb_addf(&action, "%s:", what);
	model_for_each(it, &x->rq->cmd) sb_addf(&action, " %s", *it);
	container_event_spec(x->c, x->spec, sb_str(&action), log_kv("execID", x->id));
}

int engine_exec_create(struct engine *en, const char *ref, const struct api_exec_create_request *rq,
		       char id[65], struct err **e)
{
	if (!rq->cmd.n || str_empty(rq->cmd.v[0]))
		return err_set(e, ERR_INVALID, "No exec command specified");
	cleanup_container struct container *c = container_find(en, ref, e);
	if (!c)
		return -1;
	sweep(en);
	cleanup_exec struct exec *x = NEW(struct exec);
	x->refs = 1;
	x->arena = arena_new();
	list_init(&x->link);
	x->c = container_ref(c);
	if (attach_keys(rq->detach_keys, x->keys, &x->n_keys, e) < 0)
		return -1;
	x->rq = api_exec_create_request_dup(x->arena, rq);
	id_new(x->id);
	pthread_mutex_lock(&c->lock);
	int r = usable_locked(c, e);
	if (r == 0) {
		x->spec = container_spec_ref(c->spec);
		list_add_tail(&c->execs, &x->link);
		/* In both tables at once, or a removal in between leaves it in the one. */
		pthread_mutex_lock(&en->table_lock);
		(void)map_put(&en->execs, x->id, exec_ref(x));
		pthread_mutex_unlock(&en->table_lock);
	}
	pthread_mutex_unlock(&c->lock);
	if (r < 0)
		return -1;
	memcpy(id, x->id, ID_LEN + 1);
	exec_event(x, "exec_create");
	return 0;
}

/* --- start --- */

struct engine_exec_run {
	struct exec *x;
	struct run *run;
	bool detach, tty;
	uint32_t h, w;
};

/* Docker asks the start request, not the exec, whether the stream is framed. */
bool engine_exec_run_is_tty(const struct engine_exec_run *r)
{
	return r->tty;
}

void engine_exec_run_free(struct engine_exec_run *r)
{
	if (!r)
		return;
	struct container *c = r->x->c;
	pthread_mutex_lock(&c->lock);
	if (r->x->state == EXEC_STARTING)
		r->x->state = EXEC_NEW; /* begun, but never run */
	pthread_mutex_unlock(&c->lock);
	run_unref(r->run);
	exec_unref(r->x);
	free(r);
}

int engine_exec_start_begin(struct engine *en, const char *id, bool detach, bool tty, const uint32_t hw[2],
			    struct engine_exec_run **out, struct err **e)
{
	cleanup_exec struct exec *x = exec_find(en, id, e);
	if (!x)
		return -1;
	struct container *c = x->c;
	cleanup_run struct run *run = NULL;
	pthread_mutex_lock(&c->lock);
	int r = usable_locked(c, e);
	if (r == 0 && x->state == EXEC_OVER)
		r = err_set(e, ERR_CONFLICT, "exec command %s has already run", x->id);
	else if (r == 0 && x->state != EXEC_NEW)
		r = err_set(e, ERR_CONFLICT, "exec command %s is already running", x->id);
	if (r == 0) {
		x->state = EXEC_STARTING;
		run = run_ref(c->run);
	}
	pthread_mutex_unlock(&c->lock);
	if (r < 0)
		return -1;
	struct engine_exec_run *o = NEW(struct engine_exec_run);
	o->x = TAKE_PTR(x);
	o->run = TAKE_PTR(run);
	o->detach = detach;
	o->tty = tty;
	o->h = hw ? hw[0] : 0;
	o->w = hw ? hw[1] : 0;
	if (!o->h && o->x->rq->has_console_size) {
		o->h = o->x->rq->console_size.height;
		o->w = o->x->rq->console_size.width;
	}
	*out = o;
	return 0;
}

static int process_of(struct exec *x, struct run *run, int rootfd, struct arena *a, struct oci_process *p,
		      struct err **e)
{
	const struct container_spec *s = x->spec;
	const struct api_exec_create_request *rq = x->rq;
	struct security_opts so;
	uint64_t caps;
	(void)run;
	if (security_opts_parse(&s->host->security_opt, &so, e) < 0)
		return -1;
	p->terminal = rq->tty;
	p->args = rq->cmd;
	p->cwd = !str_empty(rq->working_dir)          ? rq->working_dir
		 : !str_empty(s->config->working_dir) ? s->config->working_dir
						      : "/";
	if (p->cwd[0] != '/')
		return err_set(e, ERR_INVALID,
			       "the working directory '%s' is invalid, it needs to be an absolute path",
			       p->cwd);
	const char *user = str_empty(rq->user) ? s->config->user : rq->user;
	bool privileged = rq->privileged || s->host->privileged;
	if (spec_user(rootfd, user, &s->host->group_add, a, &p->user, e) < 0 ||
	    spec_caps(s->host, privileged, &caps, e) < 0)
		return -1;
	p->capabilities = spec_caps_for_uid(caps, p->user.uid, a);
	/* Of a privileged exec too: what the container gave up stays given up, as in Docker. */
	p->no_new_privileges = so.has_nnp ? so.no_new_privileges : cfg(x->c->en)->no_new_privileges;
	spec_env(s, container_hostname(x->c, s, a), rq->tty, &rq->env, a, &p->env);
	spec_rlimits(cfg(x->c->en), s, a, &p->rlimits);
	p->has_oom_score_adj = true;
	p->oom_score_adj = s->host->oom_score_adj;
	if (!str_empty(so.apparmor) && strcmp(so.apparmor, "unconfined") != 0 && !privileged)
		p->apparmor_profile = so.apparmor;
	return 0;
}

static int launch(struct engine_exec_run *r, int clientfd, int *exit_code, struct err **e)
{
	struct exec *x = r->x;
	struct container *c = x->c;
	cleanup_arena struct arena *a = arena_new();
	cleanup_strbuf struct strbuf plan = { 0 };
	struct oci_process p = { 0 };
	uint64_t caps;
	char path[64];
	pid_t pid = monitor_pid(r->run->m);
	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	cleanup_close int rootfd = fs_open(path, O_PATH | O_DIRECTORY, 0);
	if (rootfd < 0)
		return err_sys(e, -rootfd, "open the root of container %s", c->id);
	unsigned ns;
	int sys = plan_exec_ns(pid, &ns);
	if (sys < 0)
		return err_sys(e, -sys, "look at the namespaces of container %s", c->id);
	if (process_of(x, r->run, rootfd, a, &p, e) < 0)
		return -1;
	int fds[1] = { monitor_pidfd(r->run->m) };
	struct plan_exec_input in = {
		.process = &p,
		.id = c->id,
		.n_fds = 1,
		.pidfd = 0,
		.namespaces = ns,
		.root_fd = PLAN_NO_FD,
		.rootfs_dirfd = rootfd,
		.cgroups = &c->en->cgroups,
		.cgroup_path = c->cgroup_path,
	};
	struct seccomp_filter *spill = NULL;
	/* The container's filter, of a privileged exec too, as in Docker. */
	if (spec_caps(x->spec->host, x->spec->host->privileged, &caps, e) < 0 ||
	    seccomp_for(c->en, x->spec, caps, a, &in.seccomp_bpf, &in.seccomp_bpf_n, &in.seccomp_flags,
			&spill, e) < 0)
		return -1;
	int k = plan_compile_exec(&in, &plan, e);
	if (spill) {
		seccomp_filter_release(spill);
		free(spill);
	}
	if (k < 0)
		return -1;
	struct monitor_exec me = {
		.exec_id = x->id,
		.plan = plan.p,
		.plan_n = plan.n,
		.fds = fds,
		.n_fds = 1,
		.tty = x->rq->tty,
		.open_stdin = x->rq->attach_stdin && clientfd >= 0,
		.rows = (uint16_t)MIN(r->h, 65535u),
		.cols = (uint16_t)MIN(r->w, 65535u),
		.client = { .fd = clientfd,
			    .use_stdin = x->rq->attach_stdin,
			    .use_stdout = x->rq->attach_stdout || !x->rq->attach_stderr,
			    .use_stderr = x->rq->attach_stderr,
			    .mux = !r->tty,
			    .keys = x->keys,
			    .n_keys = x->rq->tty ? x->n_keys : 0 },
	};
	pid_t exec_pid = 0;
	if (monitor_exec_start(r->run->m, &me, &exec_pid, exit_code, e) < 0)
		return -1;
	pthread_mutex_lock(&c->lock);
	x->pid = exec_pid;
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* Under the container's lock. */
static void over_locked(struct exec *x, int32_t code)
{
	x->state = EXEC_OVER;
	x->exit_code = code;
	x->has_exit_code = true;
	x->pid = 0;
	__atomic_store_n(&x->over_ns, clock_mono_ns(), __ATOMIC_RELAXED);
	(void)pthread_cond_broadcast(&x->c->changed);
}

static void die_event(struct exec *x, int32_t code)
{
	char text[16];
	(void)snprintf(text, sizeof(text), "%d", code);
	container_event_spec(x->c, x->spec, "exec_die", log_kv("execID", x->id, "exitCode", text));
}

static void tell_client(int fd, const char *text, bool mux)
{
	unsigned char head[8] = { 1 };
	cleanup_free char *line = xasprintf("%s\r\n", text);
	uint32_t n = (uint32_t)strlen(line);
	for (int i = 0; i < 4; i++)
		head[4 + i] = (unsigned char)(n >> (24 - 8 * i));
	if ((!mux || fd_write_full(fd, head, 8) == 0) && fd_write_full(fd, line, n) < 0)
		return; /* gone: nobody to tell */
}

/* Docker's frame around the runtime's words. */
static void frame_error(struct err **own, int exit_code)
{
	struct err *framed = NULL;
	if (!exit_code)
		return;
	(void)err_set(&framed, ERR_INVALID,
		      "OCI runtime exec failed: exec failed: unable to start container process: %s: unknown",
		      err_text(*own));
	err_free(*own);
	*own = framed;
}

int engine_exec_start_run(struct engine_exec_run *r, int sockfd, struct sv early, struct err **e)
{
	struct exec *x = r->x;
	struct container *c = x->c;
	struct err *own = NULL;
	int exit_code = 0;
	cleanup_close int fd = sockfd >= 0 ? attach_with_early(sockfd, early) : -1;
	exec_event(x, "exec_start");
	int k = launch(r, fd, &exit_code, &own);
	struct monitor_exit ended;
	bool is_over = false;
	int32_t code = 0;
	pthread_mutex_lock(&c->lock);
	if (k < 0) {
		over_locked(x, code = exit_code ? exit_code : 126);
		is_over = true;
	} else if (x->early_exit) {
		ended = x->early;
		over_locked(x, code = ended.code);
		is_over = true;
	} else {
		x->state = EXEC_RUNNING;
		(void)pthread_cond_broadcast(&c->changed);
	}
	pthread_mutex_unlock(&c->lock);
	if (k < 0)
		frame_error(&own, exit_code);
	if (k < 0 && fd >= 0)
		tell_client(fd, err_text(own), !r->tty);
	if (is_over)
		die_event(x, code);
	if (k < 0)
		err_move(e, &own);
	return k;
}

void exec_exited(struct engine *en, const char *exec_id, const struct monitor_exit *m)
{
	cleanup_exec struct exec *x = exec_find(en, exec_id, NULL);
	if (!x)
		return;
	bool told = false;
	pthread_mutex_lock(&x->c->lock);
	if (x->state == EXEC_RUNNING) {
		over_locked(x, m->code);
		told = true;
	} else if (x->state == EXEC_STARTING) {
		x->early_exit = true;
		x->early = *m;
	}
	pthread_mutex_unlock(&x->c->lock);
	if (told)
		die_event(x, m->code);
}

void exec_container_ended(struct container *c)
{
	struct exec *all[256];
	size_t n = 0;
	pthread_mutex_lock(&c->lock);
	list_for_each (it, &c->execs) {
		struct exec *x = LIST_ENTRY(it, struct exec, link);
		if (x->state != EXEC_RUNNING)
			continue;
		over_locked(x, 137);
		if (n < ARRAY_LEN(all))
			all[n++] = exec_ref(x);
	}
	pthread_mutex_unlock(&c->lock);
	/* They stay known for a while: a client may still ask. */
	for (size_t i = 0; i < n; i++) {
		die_event(all[i], 137);
		exec_unref(all[i]);
	}
}

void exec_container_removed(struct container *c)
{
	for (;;) {
		struct exec *x = NULL;
		pthread_mutex_lock(&c->lock);
		if (!list_empty(&c->execs))
			x = exec_ref(LIST_ENTRY(c->execs.next, struct exec, link));
		pthread_mutex_unlock(&c->lock);
		if (!x)
			return;
		forget(c->en, x);
		exec_unref(x);
	}
}

int engine_exec_resize(struct engine *en, const char *id, uint32_t h, uint32_t w, struct err **e)
{
	cleanup_exec struct exec *x = exec_find(en, id, e);
	if (!x)
		return -1;
	pthread_mutex_lock(&x->c->lock);
	bool running = x->state == EXEC_RUNNING || x->state == EXEC_STARTING;
	cleanup_run struct run *r = x->c->run ? run_ref(x->c->run) : NULL;
	pthread_mutex_unlock(&x->c->lock);
	if (!running || !r)
		return err_set(e, ERR_CONFLICT, "exec process is not started");
	return monitor_resize(r->m, x->id, (uint16_t)MIN(h, 65535u), (uint16_t)MIN(w, 65535u), e);
}

int engine_exec_inspect(struct engine *en, const char *id, struct arena *a, struct api_exec_inspect **out,
			struct err **e)
{
	cleanup_exec struct exec *x = exec_find(en, id, e);
	if (!x)
		return -1;
	struct api_exec_inspect *o = ARENA_NEW(a, struct api_exec_inspect);
	struct api_exec_process_config *pc = ARENA_NEW(a, struct api_exec_process_config);
	o->id = arena_strdup(a, x->id);
	o->process_config = pc;
	pc->tty = x->rq->tty;
	pc->entrypoint = arena_strdup(a, x->rq->cmd.v[0]);
	model_strs_empty(a, &pc->arguments);
	for (size_t i = 1; i < x->rq->cmd.n; i++)
		model_strs_add(a, &pc->arguments, x->rq->cmd.v[i]);
	pc->has_privileged = true;
	pc->privileged = x->rq->privileged;
	pc->user = x->rq->user ? arena_strdup(a, x->rq->user) : "";
	o->open_stdin = x->rq->attach_stdin;
	o->open_stdout = x->rq->attach_stdout;
	o->open_stderr = x->rq->attach_stderr;
	o->container_id = arena_strdup(a, x->c->id);
	o->detach_keys = x->rq->detach_keys ? arena_strdup(a, x->rq->detach_keys) : "";
	pthread_mutex_lock(&x->c->lock);
	/* Clients ask once, right after their stream ended. The exit may still be on its way from the monitor, and even the
	 * start may not have returned to us. */
	struct timespec until;
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += EXIT_TOLD_WITHIN_S;
	while (x->state == EXEC_STARTING ||
	       (x->state == EXEC_RUNNING && x->pid && kill(x->pid, 0) < 0 && errno == ESRCH))
		if (pthread_cond_timedwait(&x->c->changed, &x->c->lock, &until) != 0)
			break;
	o->running = x->state == EXEC_RUNNING || x->state == EXEC_STARTING;
	o->can_remove = false;
	o->has_exit_code = x->has_exit_code;
	o->exit_code = x->exit_code;
	o->pid = x->pid;
	pthread_mutex_unlock(&x->c->lock);
	*out = o;
	return 0;
}

void exec_list_ids(struct container *c, struct arena *a, struct model_str_list *out)
{
	pthread_mutex_lock(&c->lock);
	list_for_each (it, &c->execs) {
		struct exec *x = LIST_ENTRY(it, struct exec, link);
		if (x->state != EXEC_OVER)
			model_strs_add(a, out, x->id);
	}
	pthread_mutex_unlock(&c->lock);
}

void exec_registry_close(struct engine *en)
{
	while (en->execs.n) {
		struct exec *x = en->execs.e[0].value;
		exec_ref(x);
		forget(en, x);
		exec_unref(x);
	}
	map_release(&en->execs);
}
