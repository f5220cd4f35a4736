/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "kernel/cgroup.h"
#include "model/oci.gen.h"
#include "runtime/cli/cli.h"
#include "runtime/resources.h"

#include <stdio.h>

/* "512m" as runc's units.RAMInBytes reads it: powers of 1024; -1 is no limit. */
static int parse_size(const char *text, int64_t *out)
{
	static const char units[] = "bkmgtp";
	struct sv v = sv_of(text);
	unsigned shift = 0;
	uint64_t n;

	if (sv_eqs(v, "-1")) {
		*out = -1;
		return 0;
	}
	if (v.n && (v.p[v.n - 1] == 'b' || v.p[v.n - 1] == 'B') && v.n > 1 &&
	    (v.p[v.n - 2] < '0' || v.p[v.n - 2] > '9'))
		v.n--;
	if (v.n && (v.p[v.n - 1] < '0' || v.p[v.n - 1] > '9')) {
		const char *u = strchr(units, v.p[v.n - 1] | 0x20);

		if (!u)
			return -1;
		shift = (unsigned)(u - units) * 10;
		v.n--;
	}
	if (parse_u64(v, (uint64_t)INT64_MAX >> shift, &n) < 0)
		return -1;
	*out = (int64_t)(n << shift);
	return 0;
}

struct update_opts {
	const char *resources, *cpus, *mems;
	const char *blkio, *period, *quota, *burst, *share, *rt_period, *rt_runtime, *idle;
	const char *memory, *reservation, *swap, *kernel, *kernel_tcp, *pids, *l3, *mem_bw;
	bool check;
};

static int number(const char *flag, const char *text, int64_t min, int64_t *out, bool *has, struct err **e)
{
	if (!text)
		return 0;
	if (parse_i64(sv_of(text), min, INT64_MAX, out) < 0)
		return err_set(e, ERR_INVALID, "invalid value for %s: %s", flag, text);
	*has = true;
	return 0;
}

static int size(const char *flag, const char *text, int64_t *out, bool *has, struct err **e)
{
	if (!text)
		return 0;
	if (parse_size(text, out) < 0)
		return err_set(e, ERR_INVALID, "invalid value for %s: %s", flag, text);
	*has = true;
	return 0;
}

static int from_flags(struct rt *rt, const struct update_opts *o, struct oci_resources *r, struct err **e)
{
	struct oci_cpu *c = ARENA_NEW(rt->arena, struct oci_cpu);
	struct oci_memory *m = ARENA_NEW(rt->arena, struct oci_memory);
	struct oci_pids *p = ARENA_NEW(rt->arena, struct oci_pids);
	struct oci_block_io *b = ARENA_NEW(rt->arena, struct oci_block_io);
	int64_t v[5] = { 0 };
	bool weight = false;

	if (!str_empty(o->l3) || !str_empty(o->mem_bw))
		return err_set(e, ERR_NOT_IMPLEMENTED, "intelRdt is not supported");
	c->cpus = o->cpus;
	c->mems = o->mems;
	if (number("cpu-period", o->period, 0, &v[0], &c->has_period, e) < 0 ||
	    number("cpu-quota", o->quota, -1, &c->quota, &c->has_quota, e) < 0 ||
	    number("cpu-burst", o->burst, 0, &v[1], &c->has_burst, e) < 0 ||
	    number("cpu-share", o->share, 0, &v[2], &c->has_shares, e) < 0 ||
	    number("cpu-rt-period", o->rt_period, 0, &v[3], &c->has_realtime_period, e) < 0 ||
	    number("cpu-rt-runtime", o->rt_runtime, 0, &c->realtime_runtime, &c->has_realtime_runtime, e) <
		    0 ||
	    number("cpu-idle", o->idle, 0, &c->idle, &c->has_idle, e) < 0 ||
	    number("pids-limit", o->pids, -1, &p->limit, &p->has_limit, e) < 0 ||
	    number("blkio-weight", o->blkio, 0, &v[4], &weight, e) < 0 ||
	    size("memory", o->memory, &m->limit, &m->has_limit, e) < 0 ||
	    size("memory-reservation", o->reservation, &m->reservation, &m->has_reservation, e) < 0 ||
	    size("memory-swap", o->swap, &m->swap, &m->has_swap, e) < 0 ||
	    size("kernel-memory", o->kernel, &m->kernel, &m->has_kernel, e) < 0 ||
	    size("kernel-memory-tcp", o->kernel_tcp, &m->kernel_tcp, &m->has_kernel_tcp, e) < 0)
		return -1;
	c->period = (uint64_t)v[0];
	c->burst = (uint64_t)v[1];
	c->shares = (uint64_t)v[2];
	c->realtime_period = (uint64_t)v[3];
	if (weight && v[4] > 1000)
		return err_set(e, ERR_INVALID, "invalid value for blkio-weight: %lld", (long long)v[4]);
	b->has_weight = weight;
	b->weight = (uint16_t)v[4];
	m->has_check_before_update = m->check_before_update = o->check;
	r->cpu = c;
	r->memory = m;
	r->pids = p;
	r->block_io = b;
	return 0;
}

int cmd_update(struct rt *rt, int argc, char **argv, struct err **e)
{
	struct update_opts o = { 0 };
	const struct opt opts[] = {
		{ "resources", 'r', OPT_STR, &o.resources,
		  "path to the file containing the resources to update or '-'" },
		{ "blkio-weight", 0, OPT_STR, &o.blkio, NULL },
		{ "cpu-period", 0, OPT_STR, &o.period, NULL },
		{ "cpu-quota", 0, OPT_STR, &o.quota, NULL },
		{ "cpu-burst", 0, OPT_STR, &o.burst, NULL },
		{ "cpu-share", 0, OPT_STR, &o.share, NULL },
		{ "cpu-rt-period", 0, OPT_STR, &o.rt_period, NULL },
		{ "cpu-rt-runtime", 0, OPT_STR, &o.rt_runtime, NULL },
		{ "cpu-idle", 0, OPT_STR, &o.idle, NULL },
		{ "cpuset-cpus", 0, OPT_STR, &o.cpus, NULL },
		{ "cpuset-mems", 0, OPT_STR, &o.mems, NULL },
		{ "memory", 0, OPT_STR, &o.memory, NULL },
		{ "memory-reservation", 0, OPT_STR, &o.reservation, NULL },
		{ "memory-swap", 0, OPT_STR, &o.swap, NULL },
		{ "kernel-memory", 0, OPT_STR, &o.kernel, NULL },
		{ "kernel-memory-tcp", 0, OPT_STR, &o.kernel_tcp, NULL },
		{ "pids-limit", 0, OPT_STR, &o.pids, NULL },
		{ "l3-cache-schema", 0, OPT_STR, &o.l3, NULL },
		{ "mem-bw-schema", 0, OPT_STR, &o.mem_bw, NULL },
		{ "memory-check-before-update", 0, OPT_BOOL, &o.check, NULL },
	};
	cleanup_strbuf struct strbuf prog = { 0 };
	struct oci_resources *res = ARENA_NEW(rt->arena, struct oci_resources);
	struct cgroup_settings set;
	struct cgroup_fail f = { 0 };
	const struct cgroup_layout *l = rt_cgroups(rt);
	char text[400];
	struct state s;
	int at, r = opts_parse(rt_command("update"), opts, ARRAY_LEN(opts), argc, argv, &at, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (argc - at != 1)
		return err_set(e, ERR_INVALID, "hoy-runtime: \"update\" requires exactly 1 argument(s)");
	if (state_load(rt, argv[at], &s, e) < 0)
		return -1;
	if (state_status(rt, &s) == ST_STOPPED)
		return err_set(e, ERR_CONFLICT, "cannot update a stopped container");
	if (o.resources) {
		cleanup_free char *raw = NULL;
		size_t n;

		r = str_eq(o.resources, "-") ? fs_read_fd(0, CONFIG_MAX, &raw, &n)
					     : fs_read_file_at(AT_FDCWD, o.resources, CONFIG_MAX, &raw, &n);
		if (r < 0)
			return err_sys(e, -r, "open %s", o.resources);
		if (oci_resources_parse(rt->arena, sv_n(arena_strndup(rt->arena, raw, n), n), &res, e) < 0)
			return -1;
	} else if (from_flags(rt, &o, res, e) < 0) {
		return -1;
	}
	if (!l || str_empty(s.cgroup_path))
		return err_set(e, ERR_SYSTEM, "the container has no control group");
	if (runtime_cgroup_settings(rt->arena, res, false, &set, e) < 0 ||
	    cgroup_compile(l, s.cgroup_path, &set, CGROUP_UPDATE, &prog, e) < 0)
		return -1;
	r = cgroup_exec_apply(prog.p, prog.n, &f);
	if (r == 0)
		return 0;
	cgroup_fail_text(&f, text, sizeof(text));
	return err_set(e, ERR_SYSTEM, "%s", text);
}
