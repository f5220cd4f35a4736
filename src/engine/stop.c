/* SPDX-License-Identifier: Apache-2.0 */
/* stop, kill, restart, pause, unpause, resize: what acts on a running container. */
#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/engine-internal.h"
#include "model/signals.h"
#include "monitor/client.h"

#include <errno.h>
#include <signal.h>

#define KILL_WAIT_MS   10000
#define FREEZE_WAIT_MS 10000

const char *container_stop_signal(const struct container_spec *s, int *out)
{
	const char *name = str_empty(s->config->stop_signal) ? "SIGTERM" : s->config->stop_signal;
	if (signal_check(sv_of(name), out, NULL) < 0)
		*out = SIGTERM;
	return name;
}

static int send_signal(struct run *r, int sig, struct err **e)
{
	int k = proc_pidfd_signal(monitor_pidfd(r->m), sig);
	if (k < 0 && k != -ESRCH)
		return err_sys(e, -k, "cannot signal the container");
	return 0;
}

/* Thawed without being told: a frozen process takes no signal but SIGKILL, and v1 not even that. */
static void thaw(struct container *c)
{
	if (c->cgroup_prog && cgroup_exec_freeze(c->cgroup_prog, c->cgroup_prog_n, false, FREEZE_WAIT_MS) < 0)
		log_warn(log_kv("container", c->id), "cannot thaw the container");
	pthread_mutex_lock(&c->lock);
	if (c->now.state == LIFE_PAUSED)
		container_must_move_locked(c, LIFE_RUNNING);
	pthread_mutex_unlock(&c->lock);
}

/* A restart that waits for its time is called off. True if it was one. */
static bool call_off_restart_locked(struct container *c)
{
	if (c->now.state != LIFE_RESTARTING)
		return false;
	c->now.manual_stop = true;
	container_must_move_locked(c, LIFE_EXITED);
	return true;
}

static int not_running(const struct container *c, struct err **e)
{
	return err_set(e, ERR_CONFLICT, "container %s is not running", c->id);
}

int container_kill_and_wait(struct container *c, struct err **e)
{
	pthread_mutex_lock(&c->lock);
	container_settle_locked(c);
	if (call_off_restart_locked(c) || !life_is_running(c->now.state)) {
		pthread_mutex_unlock(&c->lock);
		return 0;
	}
	bool paused = c->now.state == LIFE_PAUSED;
	c->now.manual_stop = true;
	container_record_locked(c);
	cleanup_run struct run *r = run_ref(c->run);
	struct waiter *w = waiter_add_locked(c, ENGINE_WAIT_NEXT_EXIT);
	pthread_mutex_unlock(&c->lock);
	if (!w)
		return err_sys(e, errno, "kill container %s", c->id);
	int k = send_signal(r, SIGKILL, e);
	if (paused)
		thaw(c);
	if (k == 0 && waiter_wait(w, NULL, KILL_WAIT_MS) <= 0) {
		/* Init is gone or stuck; kill whatever else is in the group, and give it once more. */
		if (c->cgroup_prog)
			(void)cgroup_exec_kill(c->cgroup_prog, c->cgroup_prog_n);
		if (waiter_wait(w, NULL, KILL_WAIT_MS) <= 0)
			k = err_set(e, ERR_SYSTEM,
				    "tried to kill container, but did not receive an exit event");
	}
	waiter_remove(c, w);
	return k;
}

int container_stop_now(struct container *c, const char *signal, int timeout_s, bool manual, struct err **e)
{
	int sig;
	pthread_mutex_lock(&c->lock);
	container_settle_locked(c);
	if (call_off_restart_locked(c)) {
		pthread_mutex_unlock(&c->lock);
		return 0;
	}
	if (!life_is_running(c->now.state)) {
		pthread_mutex_unlock(&c->lock);
		return err_set(e, ERR_NOT_MODIFIED, "container is already stopped");
	}
	if (str_empty(signal)) {
		(void)container_stop_signal(c->spec, &sig);
	} else if (signal_check(sv_of(signal), &sig, e) < 0) {
		pthread_mutex_unlock(&c->lock);
		return -1;
	}
	if (timeout_s == ENGINE_TIMEOUT_DEFAULT)
		timeout_s = c->spec->config->has_stop_timeout ? (int)c->spec->config->stop_timeout
							      : (int)cfg(c->en)->default_stop_timeout;
	bool paused = c->now.state == LIFE_PAUSED;
	c->now.manual_stop = manual;
	container_record_locked(c);
	cleanup_run struct run *r = run_ref(c->run);
	struct waiter *w = waiter_add_locked(c, ENGINE_WAIT_NEXT_EXIT);
	pthread_mutex_unlock(&c->lock);
	if (!w)
		return err_sys(e, errno, "stop container %s", c->id);

	char num[16];
	(void)snprintf(num, sizeof(num), "%d", sig);
	container_event(c, "kill", log_kv("signal", num));
	int k = send_signal(r, sig, e);
	if (paused)
		thaw(c);
	int got = k < 0 ? 0
			: waiter_wait(w, NULL,
				      timeout_s < 0         ? -1
				      : timeout_s > 2000000 ? 2000000000
							    : timeout_s * 1000);
	if (k == 0 && got <= 0) {
		log_info(log_kv("container", c->id),
			 "the container did not stop within %d s of signal %d: killing it", timeout_s, sig);
		container_event(c, "kill", log_kv("signal", "9"));
		k = container_kill_and_wait(c, e);
	}
	waiter_remove(c, w);
	if (k == 0)
		container_event(c, "stop", NULL);
	return k;
}

int engine_container_stop(struct engine *en, const char *ref, const char *signal, int timeout_s,
			  struct err **e)
{
	cleanup_container struct container *c = container_find(en, ref, e);
	return c ? container_stop_now(c, signal, timeout_s, true, e) : -1;
}

int engine_container_kill(struct engine *en, const char *ref, const char *signal, struct err **e)
{
	int sig = SIGKILL, stop_sig;
	if (!str_empty(signal) && signal_check(sv_of(signal), &sig, e) < 0)
		return -1;
	cleanup_container struct container *c = container_find(en, ref, e);
	if (!c)
		return -1;
	pthread_mutex_lock(&c->lock);
	container_settle_locked(c);
	if (!life_is_running(c->now.state)) {
		bool off = c->now.state == LIFE_RESTARTING && call_off_restart_locked(c);
		pthread_mutex_unlock(&c->lock);
		return off ? 0 : not_running(c, e);
	}
	(void)container_stop_signal(c->spec, &stop_sig);
	bool paused = c->now.state == LIFE_PAUSED;
	if (sig == SIGKILL || sig == stop_sig) {
		c->now.manual_stop = true;
		container_record_locked(c);
	}
	cleanup_run struct run *r = run_ref(c->run);
	pthread_mutex_unlock(&c->lock);
	char num[16];
	(void)snprintf(num, sizeof(num), "%d", sig);
	container_event(c, "kill", log_kv("signal", num));
	if (sig == SIGKILL)
		return container_kill_and_wait(c, e);
	int k = send_signal(r, sig, e);
	if (paused && sig == stop_sig)
		thaw(c);
	return k;
}

int engine_container_restart(struct engine *en, const char *ref, const char *signal, int timeout_s,
			     struct err **e)
{
	cleanup_container struct container *c = container_find(en, ref, e);
	if (!c)
		return -1;
	cleanup_err struct err *stop_err = NULL;
	/* Its own removal rule must not fire between the two. */
	pthread_mutex_lock(&c->lock);
	c->hold_remove++;
	pthread_mutex_unlock(&c->lock);
	int r = container_stop_now(c, signal, timeout_s, true, &stop_err);
	if (r < 0 && err_class(stop_err) == ERR_NOT_MODIFIED)
		r = 0;
	else if (r < 0)
		err_move(e, &stop_err);
	pthread_mutex_lock(&c->lock);
	c->hold_remove--;
	if (r == 0)
		r = container_begin_start_locked(c, e);
	pthread_mutex_unlock(&c->lock);
	if (r == 0)
		r = container_start_now(c, e);
	if (r == 0)
		container_event(c, "restart", NULL);
	return r;
}

static int freeze(struct engine *en, const char *ref, bool on, struct err **e)
{
	cleanup_container struct container *c = container_find(en, ref, e);
	if (!c)
		return -1;
	pthread_mutex_lock(&c->lock);
	container_settle_locked(c);
	enum life s = c->now.state;
	int r = 0;
	if (s == LIFE_RESTARTING)
		r = err_set(e, ERR_CONFLICT,
			    "Container %s is restarting, wait until the container is running", c->id);
	else if (!life_is_running(s))
		r = err_set(e, ERR_CONFLICT, "Container %s is not running", c->id);
	else if (on && s == LIFE_PAUSED)
		r = err_set(e, ERR_CONFLICT, "Container %s is already paused", c->id);
	else if (!on && s != LIFE_PAUSED)
		r = err_set(e, ERR_CONFLICT, "Container %s is not paused", c->id);
	else if (!c->cgroup_prog)
		r = err_set(e, ERR_SYSTEM, "Cannot pause container %s: no freezer", c->id);
	pthread_mutex_unlock(&c->lock);
	if (r < 0)
		return -1;
	/* Pausing is recorded after the fact: a kill of the engine in between leaves a frozen group that
	 * adoption finds (cgroup_exec_is_frozen). */
	int k = cgroup_exec_freeze(c->cgroup_prog, c->cgroup_prog_n, on, FREEZE_WAIT_MS);
	if (k < 0)
		return err_sys(e, -k, "Cannot %s container %s", on ? "pause" : "unpause", c->id);
	pthread_mutex_lock(&c->lock);
	if (c->now.state == (on ? LIFE_RUNNING : LIFE_PAUSED))
		container_must_move_locked(c, on ? LIFE_PAUSED : LIFE_RUNNING);
	pthread_mutex_unlock(&c->lock);
	container_event(c, on ? "pause" : "unpause", NULL);
	return 0;
}

int engine_container_pause(struct engine *en, const char *ref, struct err **e)
{
	return freeze(en, ref, true, e);
}

int engine_container_unpause(struct engine *en, const char *ref, struct err **e)
{
	return freeze(en, ref, false, e);
}

int engine_container_resize(struct engine *en, const char *ref, uint32_t h, uint32_t w, struct err **e)
{
	cleanup_container struct container *c = container_find(en, ref, e);
	if (!c)
		return -1;
	pthread_mutex_lock(&c->lock);
	container_settle_locked(c);
	cleanup_run struct run *r = c->run ? run_ref(c->run) : NULL;
	pthread_mutex_unlock(&c->lock);
	if (!r)
		return not_running(c, e);
	if (monitor_resize(r->m, NULL, (uint16_t)MIN(h, 65535u), (uint16_t)MIN(w, 65535u), e) < 0)
		return -1;
	char hs[16], ws[16];
	(void)snprintf(hs, sizeof(hs), "%u", h);
	(void)snprintf(ws, sizeof(ws), "%u", w);
	container_event(c, "resize", log_kv("height", hs, "width", ws));
	return 0;
}
