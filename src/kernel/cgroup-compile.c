/* SPDX-License-Identifier: Apache-2.0 */
/* Settings → a flat program. Every decision about files, units, order and words is here; cgroup-exec.c only
 * runs it. */
#include "kernel/cgroup-internal.h"

#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#define CPU_SHARES_MIN 2
#define CPU_SHARES_MAX 262144
#define CPU_PERIOD_US  100000

struct builder {
	const struct cgroup_layout *l;
	const char *path; /* as the caller gave it */
	const struct cgroup_settings *s;
	unsigned flags;
	struct err **e;
	struct cg_op *op;
	size_t n_op, cap_op;
	struct strbuf text;                 /* strings; offsets are relative to its start until the end */
	int group_of_hier[CGROUP_MAX_HIER]; /* index of the group operation, or -1 */
	char dir[CGROUP_MAX_HIER][128 + 2 * CGROUP_PATH_MAX + 2]; /* absolute group directory */
	size_t n_groups;
};

static uint32_t put_text(struct builder *b, const void *p, size_t n)
{
	size_t at = b->text.n;

	sb_addn(&b->text, p, n);
	sb_addc(&b->text, '\0');
	return (uint32_t)at;
}

static struct cg_op *put_op(struct builder *b, enum cg_kind kind, int group, const char *path,
			    const void *value, size_t value_n)
{
	GROW(b->op, b->n_op, b->cap_op);
	struct cg_op *o = &b->op[b->n_op++];

	*o = (struct cg_op){ .kind = (uint8_t)kind, .group = (uint16_t)group };
	o->path_n = (uint32_t)strlen(path);
	o->path = put_text(b, path, o->path_n) +
		  1; /* +1: 0 means none; taken back when the program is laid out */
	if (value) {
		/* Device filters are read as instructions: aligned to 8 like the text's own start. */
		while (kind == CG_OP_DEVICES && b->text.n % 8)
			sb_addc(&b->text, '\0');
		o->value_n = (uint32_t)value_n;
		o->value = put_text(b, value, value_n) + 1;
	}
	return o;
}

/* The hierarchy's index, or -1. */
static int hier_index(const struct builder *b, enum cgroup_ctl c)
{
	const struct cgroup_hier *h = cgroup_hier_of(b->l, c);

	return h ? (int)(h - b->l->h) : -1;
}

static bool is_v2(const struct builder *b, enum cgroup_ctl c)
{
	const struct cgroup_hier *h = cgroup_hier_of(b->l, c);

	return h && h->v2;
}

/* The controller is there, or an error in runc's words; false and no error with CGROUP_BEST. */
static bool need(struct builder *b, enum cgroup_ctl c, const char *what, int *rc)
{
	if (*rc < 0)
		return false;
	if (b->l->ctls & (unsigned)c)
		return true;
	if (!(b->flags & CGROUP_BEST))
		*rc = err_set(b->e, ERR_INVALID,
			      "cannot set %s limit: container could not join or create cgroup", what);
	return false;
}

static struct cg_op *PRINTF(4, 5)
	put_write(struct builder *b, enum cgroup_ctl c, const char *file, const char *fmt, ...)
{
	char path[sizeof(b->dir[0]) + 128], value[512];
	int h = hier_index(b, c);
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(value))
		n = (int)sizeof(value) - 1;
	(void)snprintf(path, sizeof(path), "%s/%s", b->dir[h], file);
	return put_op(b, CG_OP_WRITE, b->group_of_hier[h], path, value, (size_t)n);
}

static void put_i64(struct builder *b, enum cgroup_ctl c, const char *file, int64_t v)
{
	(void)put_write(b, c, file, "%lld", (long long)v);
}
static void put_u64(struct builder *b, enum cgroup_ctl c, const char *file, uint64_t v)
{
	(void)put_write(b, c, file, "%llu", (unsigned long long)v);
}

/* "max" for negative values: v2's spelling. */
static void num_or_max(char out[24], int64_t v)
{
	if (v < 0)
		(void)snprintf(out, 24, "max");
	else
		(void)snprintf(out, 24, "%lld", (long long)v);
}

/* --- where --- */

static int check_path(const char *path, struct err **e)
{
	struct sv rest = sv_of(path), part;

	if (str_empty(path) || rest.n >= CGROUP_PATH_MAX)
		return err_set(e, ERR_INVALID, "invalid cgroup path '%s'", path ? path : "");
	while (rest.n) {
		(void)sv_cut(rest, '/', &part, &rest);
		if (sv_eqs(part, "..") || sv_eqs(part, ".") || part.n > 255 || memchr(part.p, '\n', part.n))
			return err_set(e, ERR_INVALID, "invalid cgroup path '%s'", path);
	}
	return 0;
}

/* A clean absolute directory: mount + (our own group, for a relative path) + path, without double or trailing
 * slashes. */
static int group_dir(struct builder *b, unsigned i)
{
	const struct cgroup_hier *h = &b->l->h[i];
	char raw[sizeof(b->dir[0])];
	size_t n = 0;

	if (snprintf(raw, sizeof(raw), "%s/%s/%s", h->mount, b->path[0] == '/' ? "" : h->self, b->path) >=
	    (int)sizeof(raw))
		return err_set(b->e, ERR_INVALID, "cgroup path '%s' is too long", b->path);
	for (const char *p = raw; *p; p++)
		if (!(*p == '/' && n && b->dir[i][n - 1] == '/'))
			b->dir[i][n++] = *p;
	while (n > 1 && b->dir[i][n - 1] == '/')
		n--;
	b->dir[i][n] = '\0';
	return 0;
}

static int put_groups(struct builder *b)
{
	for (unsigned i = 0; i < b->l->n; i++) {
		const struct cgroup_hier *h = &b->l->h[i];

		b->group_of_hier[i] = -1;
		if (group_dir(b, i) < 0)
			return -1;
		b->group_of_hier[i] = (int)b->n_groups;
		struct cg_op *o =
			put_op(b, CG_OP_GROUP, (int)b->n_groups, b->dir[i], h->mount, strlen(h->mount));
		o->arg = h->ctls;
		/* Of these nothing is asked beyond membership: a machine that refuses them still runs
		 * containers. */
		if ((h->v2 && b->l->mode == CGROUP_HYBRID && !(b->l->v2_ctls & ~0u)) || h->ctls == CG_NAMED)
			o->flags |= CG_MAY_FAIL;
		b->n_groups++;
	}
	return 0;
}

static void enable_list(const struct builder *b, const struct cgroup_hier *h, struct strbuf *out)
{
	static const enum cgroup_ctl order[] = { CG_CPUSET,  CG_CPU,  CG_BLKIO, CG_MEMORY,
						 CG_HUGETLB, CG_PIDS, CG_RDMA,  CG_MISC };

	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		if (!(h->ctls & b->l->v2_ctls & (unsigned)order[i]))
			continue;
		/* "io" is blkio's name on v2 */
		sb_addf(out, "%s+%s", out->n ? " " : "",
			order[i] == CG_BLKIO ? "io" : cgroup_ctl_name(order[i]));
	}
}

/* Directories of one hierarchy, parents first; on v2 every directory above the group hands its controllers
 * down. */
static void put_dirs(struct builder *b, unsigned i)
{
	const struct cgroup_hier *h = &b->l->h[i];
	cleanup_strbuf struct strbuf list = { 0 };
	char path[sizeof(b->dir[0]) + 32];
	int g = b->group_of_hier[i];
	size_t at = strlen(h->mount), n = strlen(b->dir[i]);
	bool cpuset = !h->v2 && h->ctls & CG_CPUSET;

	/* Beside v1 the v2 hierarchy is for killing and freezing; its few controllers are handed down only when asked for. */
	if (h->v2 && (b->l->mode == CGROUP_V2 || b->s->n_hugetlb || b->s->n_rdma))
		enable_list(b, h, &list);
	while (at < n) {
		if (h->v2 && list.n) {
			(void)snprintf(path, sizeof(path), "%.*s/cgroup.subtree_control", (int)at, b->dir[i]);
			put_op(b, CG_OP_ENABLE, g, path, list.p, list.n)->flags = CG_MAY_FAIL;
		}
		const char *slash = memchr(b->dir[i] + at + 1, '/', n - at - 1);
		at = slash ? (size_t)(slash - b->dir[i]) : n;
		(void)snprintf(path, sizeof(path), "%.*s", (int)at, b->dir[i]);
		put_op(b, CG_OP_MKDIR, g, path, NULL, 0)->flags = at == n ? CG_LEAF : 0;
		if (cpuset)
			put_op(b, CG_OP_INHERIT, g, path, NULL, 0)->flags = at == n ? CG_LEAF : 0;
	}
}

/* --- what --- */

static int put_memory_v1(struct builder *b)
{
	const struct cgroup_settings *s = b->s;
	struct cgroup_i64 limit = s->mem_limit, swap = s->mem_swap;

	/* No limit on memory alone would collide with an old one on memory + swap. */
	if (limit.set && limit.v == -1 && !swap.set && b->flags & CGROUP_UPDATE && b->l->has_swap)
		swap = (struct cgroup_i64){ true, -1 };
	if (limit.set && limit.v > 0 && swap.set && swap.v > 0 && swap.v < limit.v)
		return err_set(b->e, ERR_INVALID, "memory+swap limit should be >= memory limit");
	if (limit.set && limit.v != 0) {
		struct cg_op *o =
			put_write(b, CG_MEMORY, "memory.limit_in_bytes", "%lld", (long long)limit.v);
		if (swap.set && swap.v != 0 && b->l->has_swap)
			o->flags |= CG_TRY_PAIR;
	}
	if (swap.set && swap.v != 0) {
		if (b->l->has_swap)
			put_i64(b, CG_MEMORY, "memory.memsw.limit_in_bytes", swap.v);
		else if (!(b->flags & CGROUP_BEST) && swap.v > 0)
			return err_set(b->e, ERR_INVALID,
				       "cannot set memory swap limit: the kernel does not account swap");
	}
	if (s->mem_reservation.set && s->mem_reservation.v != 0)
		put_i64(b, CG_MEMORY, "memory.soft_limit_in_bytes", s->mem_reservation.v);
	if (s->mem_kernel_tcp.set && s->mem_kernel_tcp.v != 0)
		put_i64(b, CG_MEMORY, "memory.kmem.tcp.limit_in_bytes", s->mem_kernel_tcp.v);
	/* memory.kmem.limit_in_bytes has no effect since 5.16; runc ignores the setting too. */
	if (s->mem_disable_oom_killer.set && s->mem_disable_oom_killer.v)
		put_u64(b, CG_MEMORY, "memory.oom_control", 1);
	if (s->mem_swappiness.set && (int64_t)s->mem_swappiness.v != -1) {
		if (s->mem_swappiness.v > 100)
			return err_set(b->e, ERR_INVALID,
				       "invalid memory swappiness value: %llu (valid range is 0-100)",
				       (unsigned long long)s->mem_swappiness.v);
		put_u64(b, CG_MEMORY, "memory.swappiness", s->mem_swappiness.v);
	}
	return 0;
}

/* memory.checkBeforeUpdate: v2's kernel would kill instead of refusing. */
static int check_usage(struct builder *b, int64_t limit)
{
	char path[sizeof(b->dir[0]) + 32], buf[32];
	uint64_t now;

	(void)snprintf(path, sizeof(path), "%s/memory.current", b->dir[hier_index(b, CG_MEMORY)]);
	if (fs_read_small_at(AT_FDCWD, path, buf, sizeof(buf)) < 0 ||
	    parse_u64(sv_of(buf), UINT64_MAX, &now) < 0)
		return 0;
	if (limit > 0 && now >= (uint64_t)limit)
		return err_set(b->e, ERR_INVALID, "rejecting memory limit %lld <= usage %llu",
			       (long long)limit, (unsigned long long)now);
	return 0;
}

static int put_memory_v2(struct builder *b)
{
	const struct cgroup_settings *s = b->s;
	char t[24];

	if (s->mem_check_before_update && b->flags & CGROUP_UPDATE && s->mem_limit.set &&
	    check_usage(b, s->mem_limit.v) < 0)
		return -1;
	if (s->mem_swap.set && (s->mem_swap.v != 0 || s->mem_limit.v > 0)) {
		int64_t swap = s->mem_swap.v, limit = s->mem_limit.set ? s->mem_limit.v : 0;

		if (swap > 0) {
			if (limit == 0 || limit == -1)
				return err_set(b->e, ERR_INVALID,
					       "unable to set swap limit without memory limit");
			if (swap < limit)
				return err_set(b->e, ERR_INVALID,
					       "memory+swap limit should be >= memory limit");
			swap -= limit;
		}
		if (s->mem_swap.v != 0) {
			num_or_max(t, swap);
			struct cg_op *o = put_write(b, CG_MEMORY, "memory.swap.max", "%s", t);
			if (swap <= 0)
				o->flags |= CG_IF_EXISTS;
		}
	}
	if (s->mem_limit.set && s->mem_limit.v != 0) {
		num_or_max(t, s->mem_limit.v);
		(void)put_write(b, CG_MEMORY, "memory.max", "%s", t);
	}
	if (s->mem_reservation.set && s->mem_reservation.v != 0) {
		num_or_max(t, s->mem_reservation.v);
		(void)put_write(b, CG_MEMORY, "memory.low", "%s", t);
	}
	return 0;
}

/* v1 shares → v2 weight so that the defaults meet (1024 → 100) and so do the ends (2 → 1, 262144 → 10000); the formula
 * runc and crun agreed on. */
static uint64_t weight_of_shares(uint64_t shares)
{
	double l = log2((double)shares);
	double weight = ceil(pow(10, (l * l + 125 * l) / 612 - 7.0 / 34));

	return weight < 1 ? 1 : weight > 10000 ? 10000 : (uint64_t)weight;
}

static int put_cpu(struct builder *b)
{
	const struct cgroup_settings *s = b->s;
	bool v2 = is_v2(b, CG_CPU);
	char t[24];

	if (s->cpu_shares.set && s->cpu_shares.v) {
		if (s->cpu_shares.v < CPU_SHARES_MIN)
			return err_set(b->e, ERR_INVALID, "the minimum allowed cpu-shares is %d",
				       CPU_SHARES_MIN);
		if (s->cpu_shares.v > CPU_SHARES_MAX)
			return err_set(b->e, ERR_INVALID, "the maximum allowed cpu-shares is %d",
				       CPU_SHARES_MAX);
		if (v2)
			put_u64(b, CG_CPU, "cpu.weight", weight_of_shares(s->cpu_shares.v));
		else
			put_u64(b, CG_CPU, "cpu.shares", s->cpu_shares.v);
	}
	if (v2) {
		bool quota = s->cpu_quota.set && s->cpu_quota.v != 0,
		     period = s->cpu_period.set && s->cpu_period.v;

		if (quota || period) {
			num_or_max(t, quota && s->cpu_quota.v > 0 ? s->cpu_quota.v : -1);
			(void)put_write(b, CG_CPU, "cpu.max", "%s %llu", t,
					(unsigned long long)(period ? s->cpu_period.v : CPU_PERIOD_US));
		}
		if (s->cpu_burst.set)
			put_u64(b, CG_CPU, "cpu.max.burst", s->cpu_burst.v);
	} else {
		if (s->cpu_rt_period.set && s->cpu_rt_period.v)
			put_u64(b, CG_CPU, "cpu.rt_period_us", s->cpu_rt_period.v);
		if (s->cpu_rt_runtime.set && s->cpu_rt_runtime.v)
			put_i64(b, CG_CPU, "cpu.rt_runtime_us", s->cpu_rt_runtime.v);
		if (s->cpu_period.set && s->cpu_period.v) {
			struct cg_op *o = put_write(b, CG_CPU, "cpu.cfs_period_us", "%llu",
						    (unsigned long long)s->cpu_period.v);
			if (s->cpu_quota.set && s->cpu_quota.v != 0)
				o->flags |= CG_TRY_PAIR;
		}
		if (s->cpu_quota.set && s->cpu_quota.v != 0)
			put_i64(b, CG_CPU, "cpu.cfs_quota_us", s->cpu_quota.v);
		if (s->cpu_burst.set)
			put_u64(b, CG_CPU, "cpu.cfs_burst_us", s->cpu_burst.v);
	}
	if (s->cpu_idle.set)
		put_i64(b, CG_CPU, "cpu.idle", s->cpu_idle.v);
	return 0;
}

/* --- blkio --- */

static void put_rates(struct builder *b, const char *v1_file, const char *v2_key,
		      const struct cgroup_dev_rate *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_v2(b, CG_BLKIO))
			(void)put_write(b, CG_BLKIO, v1_file, "%lld:%lld %llu", (long long)r[i].major,
					(long long)r[i].minor, (unsigned long long)r[i].rate);
		else if (r[i].rate)
			(void)put_write(b, CG_BLKIO, "io.max", "%lld:%lld %s=%llu", (long long)r[i].major,
					(long long)r[i].minor, v2_key, (unsigned long long)r[i].rate);
		else
			(void)put_write(b, CG_BLKIO, "io.max", "%lld:%lld %s=max", (long long)r[i].major,
					(long long)r[i].minor, v2_key);
	}
}

static int check_weight(struct builder *b, uint64_t w)
{
	if (w < 10 || w > 1000)
		return err_set(b->e, ERR_INVALID, "blkio weight %llu is outside of 10 to 1000",
			       (unsigned long long)w);
	return 0;
}

static int put_blkio(struct builder *b)
{
	const struct cgroup_settings *s = b->s;
	bool v2 = is_v2(b, CG_BLKIO);

	if (s->blkio_weight.set && s->blkio_weight.v) {
		uint64_t w = s->blkio_weight.v;

		if (check_weight(b, w) < 0)
			return -1;
		/* bfq's own file where that scheduler is in use, else cfq's (v1) or iocost's (v2). */
		struct cg_op *o = put_write(b, CG_BLKIO, v2 ? "io.bfq.weight" : "blkio.bfq.weight", "%llu",
					    (unsigned long long)w);
		o->flags |= CG_OR_NEXT;
		put_u64(b, CG_BLKIO, v2 ? "io.weight" : "blkio.weight", v2 ? 1 + (w - 10) * 9999 / 990 : w);
	}
	if (s->blkio_leaf_weight.set && s->blkio_leaf_weight.v && !v2)
		put_u64(b, CG_BLKIO, "blkio.leaf_weight", s->blkio_leaf_weight.v);
	for (size_t i = 0; i < s->n_blkio_weight_dev; i++) {
		const struct cgroup_dev_weight *d = &s->blkio_weight_dev[i];

		if (d->weight) {
			struct cg_op *o = put_write(
				b, CG_BLKIO, v2 ? "io.bfq.weight" : "blkio.bfq.weight_device", "%lld:%lld %u",
				(long long)d->major, (long long)d->minor, d->weight);
			if (!v2) {
				o->flags |= CG_OR_NEXT;
				(void)put_write(b, CG_BLKIO, "blkio.weight_device", "%lld:%lld %u",
						(long long)d->major, (long long)d->minor, d->weight);
			}
		}
		if (d->leaf_weight && !v2)
			(void)put_write(b, CG_BLKIO, "blkio.leaf_weight_device", "%lld:%lld %u",
					(long long)d->major, (long long)d->minor, d->leaf_weight);
	}
	put_rates(b, "blkio.throttle.read_bps_device", "rbps", s->blkio_read_bps, s->n_blkio_read_bps);
	put_rates(b, "blkio.throttle.write_bps_device", "wbps", s->blkio_write_bps, s->n_blkio_write_bps);
	put_rates(b, "blkio.throttle.read_iops_device", "riops", s->blkio_read_iops, s->n_blkio_read_iops);
	put_rates(b, "blkio.throttle.write_iops_device", "wiops", s->blkio_write_iops, s->n_blkio_write_iops);
	return 0;
}

/* --- the small ones --- */

static int put_hugetlb(struct builder *b)
{
	bool v2 = is_v2(b, CG_HUGETLB);

	for (size_t i = 0; i < b->s->n_hugetlb; i++) {
		const struct cgroup_hugetlb *h = &b->s->hugetlb[i];
		char file[64];

		if (str_empty(h->page_size) || strlen(h->page_size) > 16 || strchr(h->page_size, '/'))
			return err_set(b->e, ERR_INVALID, "invalid hugetlb page size '%s'",
				       h->page_size ? h->page_size : "");
		(void)snprintf(file, sizeof(file), "hugetlb.%s.%s", h->page_size,
			       v2 ? "max" : "limit_in_bytes");
		put_u64(b, CG_HUGETLB, file, h->limit);
		(void)snprintf(file, sizeof(file), "hugetlb.%s.rsvd.%s", h->page_size,
			       v2 ? "max" : "limit_in_bytes");
		put_write(b, CG_HUGETLB, file, "%llu", (unsigned long long)h->limit)->flags |= CG_IF_EXISTS;
	}
	return 0;
}

static void put_rdma(struct builder *b)
{
	for (size_t i = 0; i < b->s->n_rdma; i++) {
		const struct cgroup_rdma *r = &b->s->rdma[i];
		char handles[48] = "", objects[48] = "";

		if (r->handles.set)
			(void)snprintf(handles, sizeof(handles), " hca_handle=%llu",
				       (unsigned long long)r->handles.v);
		if (r->objects.set)
			(void)snprintf(objects, sizeof(objects), " hca_object=%llu",
				       (unsigned long long)r->objects.v);
		(void)put_write(b, CG_RDMA, "rdma.max", "%s%s%s", r->name, handles, objects);
	}
}

static int put_unified(struct builder *b)
{
	int h = hier_index(b, CG_V2);

	for (size_t i = 0; i < b->s->n_unified; i++) {
		const char *k = b->s->unified[i].key, *v = b->s->unified[i].value;
		char path[sizeof(b->dir[0]) + 128];
		struct sv ctl, rest;

		if (b->l->mode != CGROUP_V2 || h < 0)
			return err_set(b->e, ERR_INVALID,
				       "invalid configuration: cannot use unified resources on cgroup v1");
		if (str_empty(k) || strchr(k, '/') || strlen(k) > 100)
			return err_set(b->e, ERR_INVALID,
				       "unified resource \"%s\" must be a file name (no slashes)",
				       k ? k : "");
		if (!sv_cut(sv_of(k), '.', &ctl, &rest) || rest.n == 0)
			return err_set(b->e, ERR_INVALID,
				       "unified resource \"%s\" must be in the form CONTROLLER.PARAMETER", k);
		unsigned bit = 0;
		for (unsigned c = CG_CPU; c <= CG_MISC; c <<= 1)
			if (sv_eqs(ctl, c == CG_BLKIO ? "io" : cgroup_ctl_name(c)))
				bit = c;
		if (!sv_eqs(ctl, "cgroup") && !(bit & b->l->v2_ctls))
			return err_set(
				b->e, ERR_INVALID,
				"unified resource \"%s\" can't be set: controller \"%.*s\" not available", k,
				(int)ctl.n, ctl.p);
		(void)snprintf(path, sizeof(path), "%s/%s", b->dir[h], k);
		(void)put_op(b, CG_OP_WRITE, b->group_of_hier[h], path, v ? v : "", v ? strlen(v) : 0);
	}
	return 0;
}

static int check_device_rule(struct builder *b, const struct cgroup_device_rule *r)
{
	if (r->type != 'a' && r->type != 'b' && r->type != 'c')
		return err_set(b->e, ERR_INVALID, "invalid device rule type '%c'", r->type ? r->type : '?');
	if (r->major < -1 || r->minor < -1 || r->major > UINT32_MAX || r->minor > UINT32_MAX)
		return err_set(b->e, ERR_INVALID, "invalid device number in a device rule");
	for (const char *p = r->access; p < r->access + sizeof(r->access) && *p; p++)
		if (*p != 'r' && *p != 'w' && *p != 'm')
			return err_set(b->e, ERR_INVALID, "invalid device permissions in a device rule");
	return 0;
}

static int put_devices(struct builder *b)
{
	const struct cgroup_settings *s = b->s;
	int v1 = hier_index(b, CG_DEVICES), v2 = hier_index(b, CG_V2);

	for (size_t i = 0; i < s->n_devices; i++)
		if (check_device_rule(b, &s->devices[i]) < 0)
			return -1;
	if (v1 < 0 && v2 >= 0) {
		cleanup_strbuf struct strbuf insns = { 0 };
		int r = cg_device_program(s->devices, s->n_devices, &insns);

		if (r < 0)
			return err_sys(b->e, -r, "compile the device filter");
		(void)put_op(b, CG_OP_DEVICES, b->group_of_hier[v2], b->dir[v2], insns.p, insns.n);
		return 0;
	}
	if (v1 < 0)
		return b->flags & CGROUP_BEST ? 0
					      : err_set(b->e, ERR_INVALID,
							"cannot set devices limit: container could not join "
							"or create cgroup");
	for (size_t i = 0; i < s->n_devices; i++) {
		const struct cgroup_device_rule *d = &s->devices[i];
		const char *file = d->allow ? "devices.allow" : "devices.deny";
		char maj[24] = "*", min[24] = "*", acc[5] = "rwm";

		if (d->type == 'a') {
			(void)put_write(b, CG_DEVICES, file, "a");
			continue;
		}
		if (d->major >= 0)
			num_or_max(maj, d->major);
		if (d->minor >= 0)
			num_or_max(min, d->minor);
		if (d->access[0])
			(void)snprintf(acc, sizeof(acc), "%.4s", d->access);
		(void)put_write(b, CG_DEVICES, file, "%c %s:%s %s", d->type, maj, min, acc);
	}
	return 0;
}

static int put_settings(struct builder *b)
{
	const struct cgroup_settings *s = b->s;
	int rc = 0;

	if (s->n_devices && put_devices(b) < 0)
		return -1;
	if ((s->cpu_shares.set || s->cpu_quota.set || s->cpu_period.set || s->cpu_burst.set ||
	     s->cpu_rt_period.set || s->cpu_rt_runtime.set || s->cpu_idle.set) &&
	    need(b, CG_CPU, "cpu", &rc))
		rc = put_cpu(b);
	if (!str_empty(s->cpuset_cpus) && need(b, CG_CPUSET, "cpuset", &rc))
		(void)put_write(b, CG_CPUSET, "cpuset.cpus", "%s", s->cpuset_cpus);
	if (!str_empty(s->cpuset_mems) && need(b, CG_CPUSET, "cpuset", &rc))
		(void)put_write(b, CG_CPUSET, "cpuset.mems", "%s", s->cpuset_mems);
	if ((s->mem_limit.set || s->mem_swap.set || s->mem_reservation.set || s->mem_kernel_tcp.set ||
	     s->mem_swappiness.set || s->mem_disable_oom_killer.set) &&
	    need(b, CG_MEMORY, "memory", &rc))
		rc = is_v2(b, CG_MEMORY) ? put_memory_v2(b) : put_memory_v1(b);
	if (s->pids_limit.set && need(b, CG_PIDS, "pids", &rc)) {
		char t[24];

		num_or_max(t, s->pids_limit.v > 0 ? s->pids_limit.v : -1);
		(void)put_write(b, CG_PIDS, "pids.max", "%s", t);
	}
	if ((s->blkio_weight.set || s->blkio_leaf_weight.set || s->n_blkio_weight_dev ||
	     s->n_blkio_read_bps || s->n_blkio_write_bps || s->n_blkio_read_iops || s->n_blkio_write_iops) &&
	    need(b, CG_BLKIO, "blkio", &rc))
		rc = put_blkio(b);
	if (s->n_hugetlb && need(b, CG_HUGETLB, "hugetlb", &rc))
		rc = put_hugetlb(b);
	if (s->net_classid.set && b->l->mode != CGROUP_V2 && need(b, CG_NET_CLS, "net_cls", &rc))
		put_u64(b, CG_NET_CLS, "net_cls.classid", s->net_classid.v);
	if (s->n_net_prio && b->l->mode != CGROUP_V2 && need(b, CG_NET_PRIO, "net_prio", &rc))
		for (size_t i = 0; i < s->n_net_prio; i++)
			(void)put_write(b, CG_NET_PRIO, "net_prio.ifpriomap", "%s %u", s->net_prio[i].name,
					s->net_prio[i].priority);
	if (s->n_rdma && need(b, CG_RDMA, "rdma", &rc))
		put_rdma(b);
	if (rc == 0 && s->n_unified)
		rc = put_unified(b);
	return rc;
}

/* Header, operations, text: with the offsets made absolute. */
static int lay_out(struct builder *b, struct strbuf *out)
{
	size_t head = sizeof(struct cg_prog) + b->n_op * sizeof(struct cg_op);
	struct cg_prog h = { .magic = CG_MAGIC,
			     .n_ops = (uint32_t)b->n_op,
			     .n_groups = (uint32_t)b->n_groups };

	while (b->text.n % 8)
		sb_addc(&b->text, '\0');
	h.size = (uint32_t)(head + b->text.n);
	if (b->n_op > CG_MAX_OPS || head + b->text.n > CGROUP_PROG_MAX)
		return err_set(b->e, ERR_INVALID, "too many cgroup settings");
	for (size_t i = 0; i < b->n_op; i++) {
		b->op[i].path += (uint32_t)head - 1;
		if (b->op[i].value)
			b->op[i].value += (uint32_t)head - 1;
	}
	sb_addn(out, &h, sizeof(h));
	sb_addn(out, b->op, b->n_op * sizeof(struct cg_op));
	sb_addn(out, b->text.p, b->text.n);
	return 0;
}

int cgroup_compile(const struct cgroup_layout *l, const char *path, const struct cgroup_settings *s,
		   unsigned flags, struct strbuf *out, struct err **e)
{
	cleanup_free struct builder *b = NEW(struct builder);
	int rc = -1;

	b->l = l;
	b->path = path;
	b->s = s;
	b->flags = flags;
	b->e = e;
	if (check_path(path, e) < 0)
		return -1;
	if (put_groups(b) < 0)
		goto out;
	if (s && !(flags & CGROUP_UPDATE))
		for (unsigned i = 0; i < l->n; i++)
			put_dirs(b, i);
	if (s && put_settings(b) < 0)
		goto out;
	rc = lay_out(b, out);
out:
	free(b->op);
	sb_release(&b->text);
	return rc;
}

int cgroup_ref(const struct cgroup_layout *l, const char *path, struct strbuf *out, struct err **e)
{
	return cgroup_compile(l, path, NULL, 0, out, e);
}
