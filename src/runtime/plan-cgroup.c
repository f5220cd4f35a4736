/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/resources.h"

#include "base/mem.h"
#include "kernel/cgroup.h"
#include "model/oci.gen.h"

/* Allowed in every container, after what the spec says (runc's list; order matters). */
static const struct cgroup_device_rule default_rules[] = {
	{ true, 'c', -1, -1, "m" }, { true, 'b', -1, -1, "m" }, { true, 'c', 1, 3, "rwm" },
	{ true, 'c', 1, 8, "rwm" }, { true, 'c', 1, 7, "rwm" }, { true, 'c', 5, 0, "rwm" },
	{ true, 'c', 1, 5, "rwm" }, { true, 'c', 1, 9, "rwm" }, { true, 'c', 136, -1, "rwm" },
	{ true, 'c', 5, 2, "rwm" },
};

static struct cgroup_u64 u64_of(bool has, uint64_t v)
{
	return (struct cgroup_u64){ has, v };
}

static struct cgroup_i64 i64_of(bool has, int64_t v)
{
	return (struct cgroup_i64){ has, v };
}

static int devices(struct arena *a, const struct oci_resources *r, bool defaults, struct cgroup_settings *out,
		   struct err **e)
{
	size_t n = r->devices.n, max = n + ARRAY_LEN(default_rules) + 2;
	struct cgroup_device_rule *d = arena_alloc(a, max * sizeof(*d));
	size_t k = 0;

	if (!n && !defaults)
		return 0;
	/* As in runc: what no rule allows is denied, whatever the parent group lets through. */
	if (defaults)
		d[k++] = (struct cgroup_device_rule){ false, 'a', -1, -1, "rwm" };
	model_for_each(x, &r->devices)
	{
		const char *acc = str_empty(x->access) ? "rwm" : x->access;
		struct cgroup_device_rule *o = &d[k++];

		*o = (struct cgroup_device_rule){
			.allow = x->allow,
			.type = str_empty(x->type) ? 'a' : x->type[0],
			.major = x->has_major && x->major >= 0 ? x->major : -1,
			.minor = x->has_minor && x->minor >= 0 ? x->minor : -1,
		};
		if (o->type == 'u')
			o->type = 'c';
		if ((o->type != 'a' && o->type != 'b' && o->type != 'c') || (x->type && strlen(x->type) > 1))
			return err_set(e, ERR_INVALID, "invalid device cgroup rule type '%s'", x->type);
		if (strlen(acc) > 3 || acc[strspn(acc, "rwm")])
			return err_set(e, ERR_INVALID, "invalid device access '%s'", acc);
		memcpy(o->access, acc, strlen(acc));
	}
	if (defaults) {
		memcpy(d + k, default_rules, sizeof(default_rules));
		k += ARRAY_LEN(default_rules);
	}
	out->devices = d;
	out->n_devices = k;
	return 0;
}

static const struct cgroup_dev_rate *rates(struct arena *a, const struct oci_throttle_device_list *l,
					   size_t *n)
{
	struct cgroup_dev_rate *r = arena_alloc(a, l->n * sizeof(*r) + 1);

	for (size_t i = 0; i < l->n; i++)
		r[i] = (struct cgroup_dev_rate){ l->v[i].major, l->v[i].minor, l->v[i].rate };
	*n = l->n;
	return r;
}

static void block_io(struct arena *a, const struct oci_block_io *b, struct cgroup_settings *out)
{
	struct cgroup_dev_weight *w = arena_alloc(a, b->weight_device.n * sizeof(*w) + 1);

	out->blkio_weight = u64_of(b->has_weight && b->weight, b->weight);
	out->blkio_leaf_weight = u64_of(b->has_leaf_weight && b->leaf_weight, b->leaf_weight);
	for (size_t i = 0; i < b->weight_device.n; i++) {
		const struct oci_weight_device *x = &b->weight_device.v[i];

		w[i] = (struct cgroup_dev_weight){ x->major, x->minor, x->has_weight ? x->weight : 0,
						   x->has_leaf_weight ? x->leaf_weight : 0 };
	}
	out->blkio_weight_dev = w;
	out->n_blkio_weight_dev = b->weight_device.n;
	out->blkio_read_bps = rates(a, &b->throttle_read_bps_device, &out->n_blkio_read_bps);
	out->blkio_write_bps = rates(a, &b->throttle_write_bps_device, &out->n_blkio_write_bps);
	out->blkio_read_iops = rates(a, &b->throttle_read_iops_device, &out->n_blkio_read_iops);
	out->blkio_write_iops = rates(a, &b->throttle_write_iops_device, &out->n_blkio_write_iops);
}

static void lists(struct arena *a, const struct oci_resources *r, struct cgroup_settings *out)
{
	struct cgroup_hugetlb *h = arena_alloc(a, r->hugepage_limits.n * sizeof(*h) + 1);
	struct cgroup_rdma *rd = arena_alloc(a, r->rdma.n * sizeof(*rd) + 1);
	struct cgroup_kv *kv = arena_alloc(a, r->unified.n * sizeof(*kv) + 1);

	for (size_t i = 0; i < r->hugepage_limits.n; i++)
		h[i] = (struct cgroup_hugetlb){ r->hugepage_limits.v[i].page_size,
						r->hugepage_limits.v[i].limit };
	out->hugetlb = h;
	out->n_hugetlb = r->hugepage_limits.n;
	for (size_t i = 0; i < r->rdma.n; i++) {
		const struct oci_rdma *x = &r->rdma.v[i].v;

		rd[i] = (struct cgroup_rdma){ r->rdma.v[i].k, u64_of(x->has_hca_handles, x->hca_handles),
					      u64_of(x->has_hca_objects, x->hca_objects) };
	}
	out->rdma = rd;
	out->n_rdma = r->rdma.n;
	for (size_t i = 0; i < r->unified.n; i++)
		kv[i] = (struct cgroup_kv){ r->unified.v[i].k, r->unified.v[i].v };
	out->unified = kv;
	out->n_unified = r->unified.n;
	if (r->network) {
		struct cgroup_net_prio *p = arena_alloc(a, r->network->priorities.n * sizeof(*p) + 1);

		for (size_t i = 0; i < r->network->priorities.n; i++)
			p[i] = (struct cgroup_net_prio){ r->network->priorities.v[i].name,
							 r->network->priorities.v[i].priority };
		out->net_prio = p;
		out->n_net_prio = r->network->priorities.n;
		out->net_classid = u64_of(r->network->has_class_id, r->network->class_id);
	}
}

int runtime_cgroup_settings(struct arena *a, const struct oci_resources *r, bool default_devices,
			    struct cgroup_settings *out, struct err **e)
{
	*out = (struct cgroup_settings){ 0 };
	if (r->cpu) {
		const struct oci_cpu *c = r->cpu;

		out->cpu_shares = u64_of(c->has_shares && c->shares, c->shares);
		out->cpu_period = u64_of(c->has_period && c->period, c->period);
		out->cpu_burst = u64_of(c->has_burst, c->burst);
		out->cpu_rt_period = u64_of(c->has_realtime_period && c->realtime_period, c->realtime_period);
		out->cpu_quota = i64_of(c->has_quota && c->quota, c->quota);
		out->cpu_rt_runtime =
			i64_of(c->has_realtime_runtime && c->realtime_runtime, c->realtime_runtime);
		out->cpu_idle = i64_of(c->has_idle, c->idle);
		out->cpuset_cpus = c->cpus;
		out->cpuset_mems = c->mems;
	}
	if (r->memory) {
		const struct oci_memory *m = r->memory;

		out->mem_limit = i64_of(m->has_limit && m->limit, m->limit);
		out->mem_reservation = i64_of(m->has_reservation && m->reservation, m->reservation);
		out->mem_swap = i64_of(m->has_swap && m->swap, m->swap);
		out->mem_kernel = i64_of(m->has_kernel && m->kernel, m->kernel);
		out->mem_kernel_tcp = i64_of(m->has_kernel_tcp && m->kernel_tcp, m->kernel_tcp);
		/* Docker's -1 ("not set") reaches us as the largest number. */
		if (m->has_swappiness && m->swappiness > 100 && m->swappiness != UINT64_MAX)
			return err_set(e, ERR_INVALID, "invalid memory swappiness value: %llu",
				       (unsigned long long)m->swappiness);
		out->mem_swappiness = u64_of(m->has_swappiness && m->swappiness != UINT64_MAX, m->swappiness);
		out->mem_disable_oom_killer = u64_of(m->has_disable_oom_killer && m->disable_oom_killer, 1);
		out->mem_check_before_update = m->has_check_before_update && m->check_before_update;
	}
	if (r->pids)
		out->pids_limit = i64_of(r->pids->has_limit && r->pids->limit, r->pids->limit);
	if (r->block_io)
		block_io(a, r->block_io, out);
	lists(a, r, out);
	return devices(a, r, default_devices, out, e);
}
