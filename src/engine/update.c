/* SPDX-License-Identifier: Apache-2.0 */
/* update: new limits for a container, at once where it runs. The record comes last: what is refused is not kept. */
#include "engine/spec.h"

#include "base/fault.h"
#include "model/options.h"
#include "model/validate.h"

#include <errno.h>

/* Only what the request names. `raw` tells absent from zero. */
static void merge(struct api_resources *to, const struct api_resources *from, const struct json *raw)
{
#define TAKE(field, key)                                                                                     \
	do {                                                                                                 \
		if (json_get_icase(raw, key) && from->field)                                                 \
			to->field = from->field;                                                             \
	} while (0)
	TAKE(cpu_shares, "CpuShares");
	TAKE(memory, "Memory");
	TAKE(blkio_weight, "BlkioWeight");
	TAKE(memory_reservation, "MemoryReservation");
	TAKE(memory_swap, "MemorySwap");
	TAKE(cpu_realtime_period, "CpuRealtimePeriod");
	TAKE(cpu_realtime_runtime, "CpuRealtimeRuntime");
#undef TAKE
	if (from->nano_cpus) {
		to->nano_cpus = from->nano_cpus;
		to->cpu_period = to->cpu_quota = 0;
	}
	if (from->cpu_period) {
		to->cpu_period = from->cpu_period;
		to->nano_cpus = 0;
	}
	if (from->cpu_quota) {
		to->cpu_quota = from->cpu_quota;
		to->nano_cpus = 0;
	}
	if (!str_empty(from->cpuset_cpus))
		to->cpuset_cpus = from->cpuset_cpus;
	if (!str_empty(from->cpuset_mems))
		to->cpuset_mems = from->cpuset_mems;
	if (from->has_pids_limit) {
		to->has_pids_limit = true;
		to->pids_limit = from->pids_limit;
	}
}

static int check_conflicts(const struct api_resources *old, const struct api_resources *rq, struct err **e)
{
	if (old->nano_cpus > 0 && (rq->cpu_period || rq->cpu_quota))
		return err_set(
			e, ERR_CONFLICT,
			"Conflicting options: CPU %s cannot be updated as NanoCPUs has already been set",
			rq->cpu_period ? "Period" : "Quota");
	if ((old->cpu_period > 0 || old->cpu_quota > 0) && rq->nano_cpus)
		return err_set(
			e, ERR_CONFLICT,
			"Conflicting options: Nano CPUs cannot be updated as CPU %s has already been set",
			old->cpu_period > 0 ? "Period" : "Quota");
	if (rq->memory > 0 && rq->memory > old->memory_swap && old->memory_swap > 0 && rq->memory_swap == 0)
		return err_set(e, ERR_INVALID,
			       "Memory limit should be smaller than already set memoryswap limit, update the "
			       "memoryswap at the same "
			       "time");
	return 0;
}

static int apply_live(struct container *c, const struct api_resources *r, struct err **e)
{
	struct cgroup_settings s;
	struct cgroup_fail f = { 0 };
	cleanup_strbuf struct strbuf prog = { 0 };
	resources_settings(r, &s);
	if (cgroup_compile(&c->en->cgroups, c->cgroup_path, &s, CGROUP_UPDATE | CGROUP_BEST, &prog, e) < 0)
		return -1;
	int k = cgroup_exec_apply(prog.p, prog.n, &f);
	if (k < 0) {
		char text[512];
		cgroup_fail_text(&f, text, sizeof(text));
		return err_set(e, ERR_SYSTEM, "Cannot update container %s: %s", c->id, text);
	}
	return 0;
}

int engine_container_update(struct engine *en, const char *ref, const struct api_update_request *rq,
			    struct sv raw, struct arena *a, struct api_update_response **out, struct err **e)
{
	const struct json *j = NULL;
	cleanup_container struct container *c = container_find(en, ref, e);
	if (!c)
		return -1;
	if (raw.n && json_parse(a, raw, NULL, &j, e) < 0)
		return -1;
	struct api_update_response *o = ARENA_NEW(a, struct api_update_response);
	model_strs_empty(a, &o->warnings);

	pthread_mutex_lock(&c->spec_lock);
	pthread_mutex_lock(&c->lock);
	container_settle_locked(c);
	enum life state = c->now.state;
	struct container_spec *old = container_spec_ref(c->spec);
	pthread_mutex_unlock(&c->lock);
	struct container_spec *s = container_spec_clone(old);
	struct api_host_config *hc = api_host_config_dup(s->arena, s->host);
	/* The request lives shorter than the spec. */
	struct api_update_request *own = api_update_request_dup(s->arena, rq);
	int r = 0;
	if (state == LIFE_REMOVING || state == LIFE_DEAD || state == LIFE_GONE)
		r = err_set(e, ERR_CONFLICT,
			    "Cannot update container %s: container is marked for removal and cannot be "
			    "\"update\"",
			    c->id);
	if (r == 0)
		r = check_conflicts(&old->host->resources, &own->resources, e);
	if (r == 0) {
		merge(&hc->resources, &own->resources, j);
		if (!str_empty(own->restart_policy.name)) {
			hc->restart_policy = own->restart_policy;
			if (hc->auto_remove && strcmp(hc->restart_policy.name, "no") != 0)
				r = err_set(e, ERR_INVALID,
					    "Restart policy cannot be updated because AutoRemove is enabled "
					    "for the "
					    "container");
			else
				r = restart_policy_check(&hc->restart_policy, e);
		}
	}
	if (r == 0) {
		struct validate_host host;
		char cpus[256], mems[256];
		engine_facts(en, &hc->resources, &host, cpus, mems, sizeof(cpus));
		host.is_update = true;
		r = validate_resources(a, &hc->resources, &host, &o->warnings, e);
	}
	if (r == 0 && life_is_running(state)) {
		/* Memory before swap or after, as the kernel's rule needs: cgroup_compile orders it. */
		r = apply_live(c, &own->resources, e);
	}
	if (r == 0) {
		s->host = hc;
		r = container_db_update_spec(c, s, e);
	}
	if (r == 0) {
		(void)fault_point("engine.update.recorded");
		pthread_mutex_lock(&c->lock);
		container_set_spec_locked(c, s);
		pthread_mutex_unlock(&c->lock);
		container_event(c, "update", NULL);
		*out = o;
	} else {
		container_spec_unref(s);
	}
	pthread_mutex_unlock(&c->spec_lock);
	container_spec_unref(old);
	return r;
}
