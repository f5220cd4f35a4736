/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a container's process, wherever it was noticed (a monitor's message, an exit file found at start, a
 * monitor that was killed): free what others may wait for, record, tell, then restart or remove.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/engine-internal.h"
#include "engine/network.h"
#include "engine/spec.h"
#include "monitor/client.h"

#include <stdio.h>

#define RESTART_DELAY_MIN (100 * NS_PER_MS)
#define RESTART_DELAY_MAX (60 * NS_PER_SEC)
#define RESTART_RESET     (10 * NS_PER_SEC)

/* Docker's rule. */
bool restart_policy_says(const struct container_spec *s, const struct container_now *n)
{
	const struct api_restart_policy *p = &s->host->restart_policy;
	if (n->manual_stop || str_empty(p->name) || str_eq(p->name, "no"))
		return false;
	if (str_eq(p->name, "always") || str_eq(p->name, "unless-stopped"))
		return true;
	if (str_eq(p->name, "on-failure"))
		return n->exit_code != 0 &&
		       (p->maximum_retry_count == 0 || (int64_t)n->restart_count < p->maximum_retry_count);
	return false;
}

/* The monitor is gone without a word: nobody reaps or kills, so we do. */
static void kill_leftovers(struct container *c)
{
	if (!c->cgroup_prog)
		return;
	(void)cgroup_exec_kill(c->cgroup_prog, c->cgroup_prog_n);
	(void)cgroup_exec_destroy(c->cgroup_prog, c->cgroup_prog_n, 10000);
}

static void record_exit(struct container *c, const struct monitor_exit *x)
{
	c->now.exit_code = x ? x->code : 137;
	c->now.oom_killed = x && x->oom_killed;
	c->now.finished_ns = x && x->at_ns ? x->at_ns : clock_now_ns();
	if (x && x->started_ns)
		c->now.started_ns = x->started_ns;
	c->now.pid = 0;
	c->now.pid_start = 0;
}

void container_exited(struct container *c, struct run *r, const struct monitor_exit *x)
{
	struct engine *en = c->en;

	if (!x)
		kill_leftovers(c);
	(void)fault_point("engine.exit.seen");

	pthread_mutex_lock(&c->lock);
	if (!life_is_running(c->now.state) || (r && c->run != r)) {
		pthread_mutex_unlock(&c->lock);
		return;
	}
	struct container_spec *spec = container_spec_ref(c->spec);
	pthread_mutex_unlock(&c->lock);

	network_leave(c, spec);
	container_shm_drop(c);
	volumes_closed(c, spec);
	(void)fault_point("engine.exit.network");
	exec_container_ended(c);

	pthread_mutex_lock(&c->lock);
	record_exit(c, x);
	container_spec_unref(spec);
	spec = container_spec_ref(c->spec);
	int64_t ran = c->now.finished_ns - c->now.started_ns;
	bool restart = restart_policy_says(spec, &c->now);
	if (ran >= RESTART_RESET)
		c->restart_delay_ns = 0;
	if (restart) {
		c->restart_delay_ns = c->restart_delay_ns ? MIN(c->restart_delay_ns * 2, RESTART_DELAY_MAX)
							  : RESTART_DELAY_MIN;
		c->now.restart_count++;
	}
	int32_t code = c->now.exit_code;
	bool keep = c->hold_remove > 0;
	struct run *old = c->last_run;
	c->last_run = c->run;
	c->run = NULL;
	container_fire_locked(c, ENGINE_WAIT_NEXT_EXIT, code, NULL);
	/* also when a restart policy is about to start it again */
	container_fire_locked(c, ENGINE_WAIT_NOT_RUNNING, code, NULL);
	container_must_move_locked(c, restart ? LIFE_RESTARTING : LIFE_EXITED);
	/* Under the lock: what waits for this end (stop, restart, rm) tells its own events after it. */
	char text[16], secs[24];
	(void)snprintf(text, sizeof(text), "%d", code);
	(void)snprintf(secs, sizeof(secs), "%lld", (long long)(ran / NS_PER_SEC));
	container_event_spec(c, spec, "die", log_kv("execDuration", secs, "exitCode", text));
	pthread_mutex_unlock(&c->lock);
	run_unref(old);
	(void)fault_point("engine.exit.recorded");

	if (restart) {
		supervisor_restart_at(en->supervisor, c, clock_mono_ns() + c->restart_delay_ns);
	} else if (spec->host->auto_remove && !keep) {
		cleanup_err struct err *e = NULL;
		if (container_remove_now(c, true, true, &e) < 0 && err_class(e) != ERR_NOT_FOUND &&
		    err_class(e) != ERR_CONFLICT)
			log_error(log_kv("container", c->id), "cannot remove it after its end: %s",
				  err_text(e));
	}
	container_spec_unref(spec);
}
