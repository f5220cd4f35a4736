/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling for layouts this machine does not have, the checks of hostile programs, and executing on plain directories. */
#include "../unit.h"

#include "base/fs.h"
#include "base/mem.h"
#include "kernel/cgroup-internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void v1_layout(struct cgroup_layout *l)
{
	static const struct {
		const char *name;
		unsigned ctl;
	} h[] = {
		{ "cpu,cpuacct", CG_CPU | CG_CPUACCT },
		{ "cpuset", CG_CPUSET },
		{ "memory", CG_MEMORY },
		{ "devices", CG_DEVICES },
		{ "freezer", CG_FREEZER },
		{ "pids", CG_PIDS },
		{ "blkio", CG_BLKIO },
	};

	memset(l, 0, sizeof(*l));
	l->mode = CGROUP_V1;
	l->has_swap = true;
	for (size_t i = 0; i < ARRAY_LEN(h); i++) {
		struct cgroup_hier *x = &l->h[l->n++];

		(void)snprintf(x->mount, sizeof(x->mount), "/cg/%s", h[i].name);
		(void)snprintf(x->name, sizeof(x->name), "%s", h[i].name);
		(void)snprintf(x->self, sizeof(x->self), "/me");
		x->ctls = h[i].ctl;
		l->ctls |= h[i].ctl;
	}
}

static void v2_layout(struct cgroup_layout *l, const char *mount)
{
	memset(l, 0, sizeof(*l));
	l->mode = CGROUP_V2;
	l->n = 1;
	l->has_swap = true;
	(void)snprintf(l->h[0].mount, sizeof(l->h[0].mount), "%s", mount);
	(void)snprintf(l->h[0].self, sizeof(l->h[0].self), "/user.slice");
	l->h[0].v2 = true;
	l->v2_ctls = CG_CPU | CG_CPUSET | CG_MEMORY | CG_BLKIO | CG_PIDS | CG_HUGETLB;
	l->h[0].ctls = CG_V2 | CG_CPUACCT | l->v2_ctls;
	l->ctls = l->h[0].ctls;
}

/* "file=value;" of every write below the group, in order. */
static char *writes(const struct strbuf *prog)
{
	const struct cg_prog *p = cg_prog_get(prog->p, prog->n);
	struct strbuf out = { 0 };

	assert_non_null(p);
	for (uint32_t i = 0; i < p->n_ops; i++)
		if (p->ops[i].kind == CG_OP_WRITE)
			sb_addf(&out, "%s=%s;", strrchr(cg_path(p, &p->ops[i]), '/') + 1,
				cg_value(p, &p->ops[i]));
	return sb_take(&out);
}

static void expect(const struct cgroup_layout *l, const struct cgroup_settings *s, unsigned flags,
		   const char *want)
{
	cleanup_strbuf struct strbuf prog = { 0 };
	cleanup_err struct err *e = NULL;

	if (cgroup_compile(l, "/hoy/x", s, flags, &prog, &e) < 0)
		fail_msg("%s", err_text(e));
	cleanup_free char *got = writes(&prog);
	assert_string_equal(got, want);
}

static void expect_error(const struct cgroup_layout *l, const char *path, const struct cgroup_settings *s,
			 const char *want)
{
	cleanup_strbuf struct strbuf prog = { 0 };
	cleanup_err struct err *e = NULL;

	assert_int_equal(cgroup_compile(l, path, s, 0, &prog, &e), -1);
	assert_non_null(strstr(err_text(e), want));
	assert_int_equal(prog.n, 0);
}

#define I64(x) ((struct cgroup_i64){ true, (x) })
#define U64(x) ((struct cgroup_u64){ true, (x) })

static void memory_v1(void **state)
{
	struct cgroup_layout l;

	(void)state;
	v1_layout(&l);
	expect(&l, &(struct cgroup_settings){ .mem_limit = I64(1000), .mem_swap = I64(2000) }, 0,
	       "memory.limit_in_bytes=1000;memory.memsw.limit_in_bytes=2000;");
	expect(&l, &(struct cgroup_settings){ .mem_limit = I64(-1) }, CGROUP_UPDATE,
	       "memory.limit_in_bytes=-1;memory.memsw.limit_in_bytes=-1;");
	expect(&l, &(struct cgroup_settings){ .mem_reservation = I64(5), .mem_swappiness = U64(0) }, 0,
	       "memory.soft_limit_in_bytes=5;memory.swappiness=0;");
	expect(&l, &(struct cgroup_settings){ .mem_disable_oom_killer = U64(1) }, 0, "memory.oom_control=1;");
	expect_error(&l, "/x", &(struct cgroup_settings){ .mem_swappiness = U64(101) },
		     "invalid memory swappiness value: 101");
	expect_error(&l, "/x", &(struct cgroup_settings){ .mem_limit = I64(10), .mem_swap = I64(5) },
		     "memory+swap limit should be >= memory limit");
}

static void memory_v2(void **state)
{
	struct cgroup_layout l;

	(void)state;
	v2_layout(&l, "/cg2");
	expect(&l,
	       &(struct cgroup_settings){
		       .mem_limit = I64(1000), .mem_swap = I64(3000), .mem_reservation = I64(7) },
	       0, "memory.swap.max=2000;memory.max=1000;memory.low=7;");
	expect(&l, &(struct cgroup_settings){ .mem_limit = I64(1000), .mem_swap = I64(-1) }, 0,
	       "memory.swap.max=max;memory.max=1000;");
	expect_error(&l, "/x", &(struct cgroup_settings){ .mem_swap = I64(5) },
		     "unable to set swap limit without memory limit");
}

static void cpu(void **state)
{
	struct cgroup_layout l;
	static const struct {
		uint64_t shares;
		const char *want;
	} w[] = { { 2, "cpu.weight=1;" },
		  { 1024, "cpu.weight=100;" },
		  { 512, "cpu.weight=59;" },
		  { 262144, "cpu.weight=10000;" } };

	(void)state;
	v1_layout(&l);
	expect(&l,
	       &(struct cgroup_settings){ .cpu_shares = U64(512),
					  .cpu_quota = I64(5000),
					  .cpu_period = U64(10000),
					  .cpuset_cpus = "0-1" },
	       0, "cpu.shares=512;cpu.cfs_period_us=10000;cpu.cfs_quota_us=5000;cpuset.cpus=0-1;");
	expect_error(&l, "/x", &(struct cgroup_settings){ .cpu_shares = U64(1) },
		     "the minimum allowed cpu-shares is 2");
	expect_error(&l, "/x", &(struct cgroup_settings){ .cpu_shares = U64(262145) },
		     "the maximum allowed cpu-shares is 262144");
	v2_layout(&l, "/cg2");
	for (size_t i = 0; i < ARRAY_LEN(w); i++)
		expect(&l, &(struct cgroup_settings){ .cpu_shares = U64(w[i].shares) }, 0, w[i].want);
	expect(&l, &(struct cgroup_settings){ .cpu_quota = I64(5000), .cpu_period = U64(10000) }, 0,
	       "cpu.max=5000 10000;");
	expect(&l, &(struct cgroup_settings){ .cpu_quota = I64(-1) }, 0, "cpu.max=max 100000;");
	expect(&l, &(struct cgroup_settings){ .cpu_idle = I64(1) }, 0, "cpu.idle=1;");
}

static void the_small_ones(void **state)
{
	struct cgroup_layout l;
	const struct cgroup_hugetlb huge[] = { { "2MB", 4096 } };
	const struct cgroup_dev_rate rate[] = { { 8, 0, 1000 } };
	const struct cgroup_kv kv[] = { { "memory.high", "5" } }, bad[] = { { "memory/high", "5" } },
			       absent[] = { { "rdma.max", "5" } };

	(void)state;
	v1_layout(&l);
	expect(&l, &(struct cgroup_settings){ .pids_limit = I64(-1) }, 0, "pids.max=max;");
	expect(&l, &(struct cgroup_settings){ .pids_limit = I64(7) }, 0, "pids.max=7;");
	expect(&l, &(struct cgroup_settings){ .blkio_weight = U64(100) }, 0,
	       "blkio.bfq.weight=100;blkio.weight=100;");
	expect(&l, &(struct cgroup_settings){ .blkio_read_bps = rate, .n_blkio_read_bps = 1 }, 0,
	       "blkio.throttle.read_bps_device=8:0 1000;");
	expect_error(&l, "/x", &(struct cgroup_settings){ .blkio_weight = U64(5) }, "blkio weight");
	expect_error(&l, "/x", &(struct cgroup_settings){ .hugetlb = huge, .n_hugetlb = 1 },
		     "cannot set hugetlb limit: container could not join or create cgroup");
	expect(&l, &(struct cgroup_settings){ .hugetlb = huge, .n_hugetlb = 1 }, CGROUP_BEST, "");
	expect_error(&l, "/x", &(struct cgroup_settings){ .unified = kv, .n_unified = 1 }, "unified");
	v2_layout(&l, "/cg2");
	expect(&l, &(struct cgroup_settings){ .blkio_weight = U64(100) }, 0,
	       "io.bfq.weight=100;io.weight=910;");
	expect(&l, &(struct cgroup_settings){ .blkio_read_bps = rate, .n_blkio_read_bps = 1 }, 0,
	       "io.max=8:0 rbps=1000;");
	expect(&l, &(struct cgroup_settings){ .hugetlb = huge, .n_hugetlb = 1 }, 0,
	       "hugetlb.2MB.max=4096;hugetlb.2MB.rsvd.max=4096;");
	expect(&l, &(struct cgroup_settings){ .unified = kv, .n_unified = 1 }, 0, "memory.high=5;");
	expect_error(&l, "/x", &(struct cgroup_settings){ .unified = bad, .n_unified = 1 }, "no slashes");
	expect_error(&l, "/x", &(struct cgroup_settings){ .unified = absent, .n_unified = 1 },
		     "controller \"rdma\" not available");
}

static void devices(void **state)
{
	struct cgroup_layout l;
	const struct cgroup_device_rule r[] = { { false, 'a', -1, -1, "" },
						{ true, 'c', 1, 3, "rwm" },
						{ true, 'c', 136, -1, "" },
						{ true, 'b', -1, -1, "m" } };
	const struct cgroup_device_rule bad[] = { { true, 'x', 1, 3, "rwm" } };
	cleanup_strbuf struct strbuf prog = { 0 };

	(void)state;
	v1_layout(&l);
	expect(&l, &(struct cgroup_settings){ .devices = r, .n_devices = 4 }, 0,
	       "devices.deny=a;devices.allow=c 1:3 rwm;devices.allow=c 136:* rwm;devices.allow=b *:* m;");
	expect_error(&l, "/x", &(struct cgroup_settings){ .devices = bad, .n_devices = 1 },
		     "device rule type");
	v2_layout(&l, "/cg2");
	assert_int_equal(cgroup_compile(&l, "/x", &(struct cgroup_settings){ .devices = r, .n_devices = 4 },
					0, &prog, NULL),
			 0);
	const struct cg_prog *p = cg_prog_get(prog.p, prog.n);
	assert_non_null(p);
	assert_int_equal(p->ops[p->n_ops - 1].kind, CG_OP_DEVICES);
	assert_int_equal(p->ops[p->n_ops - 1].value_n % 8, 0);
}

static void paths(void **state)
{
	static const char *const bad[] = { "", "/..", "/a/../b", "a/./b", "/a\nb" };
	struct cgroup_layout l;
	cleanup_strbuf struct strbuf prog = { 0 }, rel = { 0 };

	(void)state;
	v1_layout(&l);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		expect_error(&l, bad[i], NULL, "invalid cgroup path");
	assert_int_equal(cgroup_ref(&l, "//hoy///x/", &prog, NULL), 0);
	assert_string_equal(cgroup_prog_path(prog.p, prog.n, CG_MEMORY), "/cg/memory/hoy/x");
	assert_null(cgroup_prog_path(prog.p, prog.n, CG_RDMA));
	assert_int_equal(cgroup_ref(&l, "x", &rel, NULL), 0);
	assert_string_equal(cgroup_prog_path(rel.p, rel.n, CG_PIDS), "/cg/pids/me/x");
	unsigned ctls = 0;
	assert_string_equal(cgroup_prog_hier(rel.p, rel.n, 0, &ctls), "/cg/cpu,cpuacct/me/x");
	assert_int_equal(ctls, CG_CPU | CG_CPUACCT);
	assert_null(cgroup_prog_hier(rel.p, rel.n, l.n, NULL));
}

/* Every single byte changed, every length: the check answers and executors stay inside. */
static void hostile_programs(void **state)
{
	struct cgroup_layout l;
	cleanup_strbuf struct strbuf prog = { 0 };
	struct cgroup_settings s = { .mem_limit = I64(1), .pids_limit = I64(2) };

	(void)state;
	v2_layout(&l, "/nonexistent-cgroup-mount");
	assert_int_equal(cgroup_compile(&l, "/a/b", &s, 0, &prog, NULL), 0);
	assert_int_equal(cgroup_prog_check(prog.p, prog.n), 0);
	for (size_t n = 0; n < prog.n; n++)
		assert_true(cgroup_prog_check(prog.p, n) < 0);
	size_t head = sizeof(struct cg_prog) + 8 * sizeof(struct cg_op);
	for (size_t i = 0; i < MIN(prog.n, head); i++) {
		cleanup_free char *copy = xmemdup(prog.p, prog.n);

		for (int v = 0; v < 256; v += 15) {
			copy[i] = (char)v;
			if (cgroup_prog_check(copy, prog.n) == 0) {
				size_t count = 0;

				(void)!cgroup_exec_apply(copy, prog.n, NULL);
				(void)!cgroup_exec_procs(copy, prog.n, NULL, &count);
			}
		}
	}
	assert_true(cgroup_prog_check(NULL, 0) < 0);
	assert_int_equal(cgroup_exec_destroy("garbage", 7, 0), -EBADMSG);
}

static void put_file(const char *dir, const char *name)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);
	cleanup_close int fd = fs_open(path, O_WRONLY | O_CREAT, 0644);

	assert_true(fd >= 0);
}

/* A plain directory stands in for a hierarchy: parents are made, the order is kept, errors name the file. */
static void execute_on_directories(void **state)
{
	char dir[] = "/tmp/hoy-test-cgroup-XXXXXX";
	struct cgroup_layout l;
	struct cgroup_fail f = { 0 };
	struct cgroup_settings s = { .blkio_weight = U64(100), .pids_limit = I64(2) };
	cleanup_strbuf struct strbuf prog = { 0 };
	char text[512], buf[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	v2_layout(&l, dir);
	assert_int_equal(cgroup_compile(&l, "/hoy/x", &s, 0, &prog, NULL), 0);
	assert_int_equal(cgroup_exec_create(prog.p, prog.n, &f), 0);
	assert_int_equal(cgroup_exec_create(prog.p, prog.n, &f), 0);
	cleanup_free char *group = xasprintf("%s/hoy/x", dir);
	assert_int_equal(cgroup_exec_apply(prog.p, prog.n, &f), -ENOENT);
	cgroup_fail_text(&f, text, sizeof(text));
	cleanup_free char *want = xasprintf("open %s/pids.max: no such file or directory", group);
	put_file(group, "io.weight");
	assert_int_equal(cgroup_exec_apply(prog.p, prog.n, &f), -ENOENT);
	cgroup_fail_text(&f, text, sizeof(text));
	assert_string_equal(text, want);
	put_file(group, "pids.max");
	assert_int_equal(cgroup_exec_apply(prog.p, prog.n, &f), 0);
	cleanup_close int fd = fs_open(group, O_RDONLY | O_DIRECTORY, 0);
	assert_true(fs_read_small_at(fd, "io.weight", buf, sizeof(buf)) >= 0);
	assert_string_equal(buf, "910");
	/* With bfq's file there, that one is written and the other is not. */
	put_file(group, "io.bfq.weight");
	assert_int_equal(unlinkat(fd, "io.weight", 0), 0);
	assert_int_equal(cgroup_exec_apply(prog.p, prog.n, &f), 0);
	assert_int_equal(fs_rmtree_at(AT_FDCWD, dir), 0);
}

static void detect(void **state)
{
	static struct cgroup_layout l;

	(void)state;
	assert_int_equal(cgroup_detect(&l), 0);
	for (unsigned i = 0; i < l.n; i++) {
		assert_int_equal(l.h[i].mount[0], '/');
		assert_int_equal(l.h[i].self[0], '/');
		assert_true(l.h[i].ctls != 0);
	}
	assert_true((l.n == 0) == (l.mode == CGROUP_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_v1),
		cmocka_unit_test(memory_v2),
		cmocka_unit_test(cpu),
		cmocka_unit_test(the_small_ones),
		cmocka_unit_test(devices),
		cmocka_unit_test(paths),
		cmocka_unit_test(hostile_programs),
		cmocka_unit_test(execute_on_directories),
		cmocka_unit_test(detect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
