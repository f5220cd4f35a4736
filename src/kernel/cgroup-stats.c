/* SPDX-License-Identifier: Apache-2.0 */
/* Reading counters of a group, and out-of-memory notices. */
#include "kernel/cgroup-internal.h"

#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#define USER_HZ_NS 10000000ull /* cpuacct.stat counts in 1/100 s */

static int read_file(int dirfd, const char *name, char *buf, size_t n)
{
	return fs_read_small_at(dirfd, name, buf, n);
}

/* "12\n" or "max\n" (→ 0). */
static uint64_t number(int dirfd, const char *name)
{
	char buf[64];
	uint64_t v = 0;

	if (read_file(dirfd, name, buf, sizeof(buf)) < 0)
		return 0;
	return parse_u64(sv_of(buf), UINT64_MAX, &v) == 0 ? v : 0;
}

/* The value of "name value" in a flat keyed file's text. */
static uint64_t keyed(const char *text, const char *name)
{
	struct sv rest = sv_of(text), line, key, value;
	uint64_t v;

	while (rest.n) {
		(void)sv_cut(rest, '\n', &line, &rest);
		if (sv_cut(line, ' ', &key, &value) && sv_eqs(key, name))
			return parse_u64(value, UINT64_MAX, &v) == 0 ? v : 0;
	}
	return 0;
}

static int open_of(const struct cg_prog *p, unsigned c)
{
	const struct cg_op *g = cg_group_of(p, c);

	return g ? cg_open_group(p, g) : -ENOENT;
}

static bool v2_of(const struct cg_prog *p, unsigned c)
{
	const struct cg_op *g = cg_group_of(p, c);

	return g && g->arg & CG_V2;
}

static void cpu_v1(const struct cg_prog *p, struct cgroup_stats *s, char *buf, size_t room)
{
	cleanup_close int acct = open_of(p, CG_CPUACCT);
	cleanup_close int cpu = open_of(p, CG_CPU);

	if (acct >= 0) {
		s->cpu_total = number(acct, "cpuacct.usage");
		s->have |= CG_CPUACCT;
		if (read_file(acct, "cpuacct.stat", buf, room) >= 0) {
			s->cpu_user = keyed(buf, "user") * USER_HZ_NS;
			s->cpu_system = keyed(buf, "system") * USER_HZ_NS;
		}
		if (read_file(acct, "cpuacct.usage_percpu", buf, room) >= 0) {
			struct sv rest = sv_of(buf), word;

			while (rest.n && s->n_percpu < CGROUP_MAX_PERCPU) {
				(void)sv_cut(rest, ' ', &word, &rest);
				if (word.n && parse_u64(word, UINT64_MAX, &s->percpu[s->n_percpu]) == 0)
					s->n_percpu++;
			}
		}
	}
	if (cpu >= 0 && read_file(cpu, "cpu.stat", buf, room) >= 0) {
		s->have |= CG_CPU;
		s->cpu_periods = keyed(buf, "nr_periods");
		s->cpu_throttled = keyed(buf, "nr_throttled");
		s->cpu_throttled_time = keyed(buf, "throttled_time");
	}
}

static void cpu_v2(const struct cg_prog *p, struct cgroup_stats *s, char *buf, size_t room)
{
	cleanup_close int fd = open_of(p, CG_V2);

	if (fd < 0 || read_file(fd, "cpu.stat", buf, room) < 0)
		return;
	s->have |= CG_CPU | CG_CPUACCT;
	s->cpu_total = keyed(buf, "usage_usec") * 1000;
	s->cpu_user = keyed(buf, "user_usec") * 1000;
	s->cpu_system = keyed(buf, "system_usec") * 1000;
	s->cpu_periods = keyed(buf, "nr_periods");
	s->cpu_throttled = keyed(buf, "nr_throttled");
	s->cpu_throttled_time = keyed(buf, "throttled_usec") * 1000;
}

static void memory(const struct cg_prog *p, struct cgroup_stats *s)
{
	bool v2 = v2_of(p, CG_MEMORY);
	char buf[1024];
	cleanup_close int fd = open_of(p, CG_MEMORY);

	if (fd < 0 || read_file(fd, "memory.stat", s->mem_stat, sizeof(s->mem_stat)) < 0)
		return;
	s->have |= CG_MEMORY;
	s->v2 = v2;
	if (v2) {
		s->mem_usage = number(fd, "memory.current");
		s->mem_max_usage = number(fd, "memory.peak");
		s->mem_limit = number(fd, "memory.max");
		s->mem_swap_usage = number(fd, "memory.swap.current");
		s->mem_swap_limit = number(fd, "memory.swap.max");
		s->mem_inactive_file = keyed(s->mem_stat, "inactive_file");
		if (read_file(fd, "memory.events", buf, sizeof(buf)) >= 0) {
			s->mem_failcnt = keyed(buf, "max");
			s->mem_oom = keyed(buf, "oom");
			s->mem_oom_kill = keyed(buf, "oom_kill");
		}
		return;
	}
	s->mem_usage = number(fd, "memory.usage_in_bytes");
	s->mem_max_usage = number(fd, "memory.max_usage_in_bytes");
	s->mem_limit = number(fd, "memory.limit_in_bytes");
	s->mem_failcnt = number(fd, "memory.failcnt");
	s->mem_swap_limit = number(fd, "memory.memsw.limit_in_bytes");
	uint64_t both = number(fd, "memory.memsw.usage_in_bytes");
	s->mem_swap_usage = both > s->mem_usage ? both - s->mem_usage : 0;
	s->mem_inactive_file = keyed(s->mem_stat, "total_inactive_file");
	if (read_file(fd, "memory.oom_control", buf, sizeof(buf)) >= 0)
		s->mem_oom_kill = keyed(buf, "oom_kill");
}

static struct cgroup_blkio_entry *entry_of(struct cgroup_stats *s, struct sv dev)
{
	struct sv maj, min;
	uint64_t a, b;

	if (!sv_cut(dev, ':', &maj, &min) || parse_u64(maj, UINT32_MAX, &a) < 0 ||
	    parse_u64(min, UINT32_MAX, &b) < 0)
		return NULL;
	for (uint32_t i = 0; i < s->n_blkio; i++)
		if (s->blkio[i].major == a && s->blkio[i].minor == b)
			return &s->blkio[i];
	if (s->n_blkio == CGROUP_MAX_BLKIO)
		return NULL;
	s->blkio[s->n_blkio] = (struct cgroup_blkio_entry){ .major = (uint32_t)a, .minor = (uint32_t)b };
	return &s->blkio[s->n_blkio++];
}

/* v1: "8:0 Read 123". */
static void blkio_v1(int fd, const char *file, struct cgroup_stats *s, bool bytes, char *buf, size_t room)
{
	struct sv rest, line, dev, op, value;
	uint64_t v;

	if (read_file(fd, file, buf, room) < 0)
		return;
	s->have |= CG_BLKIO;
	for (rest = sv_of(buf); rest.n;) {
		(void)sv_cut(rest, '\n', &line, &rest);
		if (!sv_cut(line, ' ', &dev, &line) || !sv_cut(line, ' ', &op, &value) ||
		    parse_u64(value, UINT64_MAX, &v) < 0)
			continue;
		struct cgroup_blkio_entry *x = entry_of(s, dev);
		if (!x)
			continue;
		if (sv_eqs(op, "Read"))
			*(bytes ? &x->rbytes : &x->rios) = v;
		else if (sv_eqs(op, "Write"))
			*(bytes ? &x->wbytes : &x->wios) = v;
	}
}

/* v2: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 …". */
static void blkio_v2(int fd, struct cgroup_stats *s, char *buf, size_t room)
{
	struct sv rest, line, dev, word, key, value;
	uint64_t v;

	if (read_file(fd, "io.stat", buf, room) < 0)
		return;
	s->have |= CG_BLKIO;
	for (rest = sv_of(buf); rest.n;) {
		(void)sv_cut(rest, '\n', &line, &rest);
		(void)sv_cut(line, ' ', &dev, &line);
		struct cgroup_blkio_entry *x = entry_of(s, dev);
		while (x && line.n) {
			(void)sv_cut(line, ' ', &word, &line);
			if (!sv_cut(word, '=', &key, &value) || parse_u64(value, UINT64_MAX, &v) < 0)
				continue;
			if (sv_eqs(key, "rbytes"))
				x->rbytes = v;
			else if (sv_eqs(key, "wbytes"))
				x->wbytes = v;
			else if (sv_eqs(key, "rios"))
				x->rios = v;
			else if (sv_eqs(key, "wios"))
				x->wios = v;
		}
	}
}

int cgroup_exec_stats(const void *prog, size_t n, struct cgroup_stats *out)
{
	const struct cg_prog *p = cg_prog_get(prog, n);
	char buf[8192];

	if (!p)
		return -EBADMSG;
	memset(out, 0, sizeof(*out));
	if (v2_of(p, CG_CPU) || p->n_groups == 1)
		cpu_v2(p, out, buf, sizeof(buf));
	else
		cpu_v1(p, out, buf, sizeof(buf));
	memory(p, out);

	cleanup_close int pids = open_of(p, CG_PIDS);
	if (pids >= 0) {
		out->have |= CG_PIDS;
		out->pids_current = number(pids, "pids.current");
		out->pids_limit = number(pids, "pids.max");
	}
	cleanup_close int blk = open_of(p, CG_BLKIO);
	if (blk >= 0 && v2_of(p, CG_BLKIO)) {
		blkio_v2(blk, out, buf, sizeof(buf));
	} else if (blk >= 0) {
		blkio_v1(blk, "blkio.throttle.io_service_bytes", out, true, buf, sizeof(buf));
		blkio_v1(blk, "blkio.throttle.io_serviced", out, false, buf, sizeof(buf));
	}
	return out->have ? 0 : -ENOENT;
}

ssize_t cgroup_exec_read(const void *prog, size_t n, enum cgroup_ctl c, const char *file, char *buf,
			 size_t room)
{
	const struct cg_prog *p = cg_prog_get(prog, n);

	if (!p || room == 0)
		return -EBADMSG;
	cleanup_close int dir = open_of(p, (unsigned)c);
	if (dir < 0)
		return dir;
	cleanup_close int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t r = fd_read_full(fd, buf, room - 1);
	if (r >= 0)
		buf[r] = '\0';
	return r;
}

int cgroup_exec_oom_kills(const void *prog, size_t n, uint64_t *out)
{
	const struct cg_prog *p = cg_prog_get(prog, n);
	char buf[512];

	if (!p)
		return -EBADMSG;
	cleanup_close int fd = open_of(p, CG_MEMORY);
	if (fd < 0)
		return fd;
	int r = read_file(fd, v2_of(p, CG_MEMORY) ? "memory.events" : "memory.oom_control", buf, sizeof(buf));
	if (r < 0)
		return r;
	*out = keyed(buf, "oom_kill");
	return 0;
}

static int oom_fd_v1(int dir)
{
	char line[64];
	cleanup_close int ev = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cleanup_close int ctl = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC);

	if (ev < 0 || ctl < 0)
		return -errno;
	(void)snprintf(line, sizeof(line), "%d %d", ev, ctl);
	int r = fs_write_small_at(dir, "cgroup.event_control", line);
	return r < 0 ? r : TAKE_FD(ev);
}

int cgroup_exec_oom_fd(const void *prog, size_t n)
{
	const struct cg_prog *p = cg_prog_get(prog, n);
	char path[CGROUP_PATH_MAX * 2 + 256];
	const struct cg_op *g;

	if (!p)
		return -EBADMSG;
	g = cg_group_of(p, CG_MEMORY);
	if (!g)
		return -ENOENT;
	if (!(g->arg & CG_V2)) {
		cleanup_close int dir = cg_open_group(p, g);

		return dir < 0 ? dir : oom_fd_v1(dir);
	}
	cleanup_close int in = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (in < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "%s/memory.events", cg_path(p, g));
	if (inotify_add_watch(in, path, IN_MODIFY) < 0)
		return -errno;
	return TAKE_FD(in);
}
