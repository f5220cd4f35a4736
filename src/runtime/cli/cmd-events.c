/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "codec/json.h"
#include "kernel/cgroup.h"
#include "runtime/cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

static uint64_t stat_of(const struct cgroup_stats *st, const char *name)
{
	struct sv rest = sv_of(st->mem_stat), line, k, v;
	uint64_t n;

	while (rest.n) {
		(void)sv_cut(rest, '\n', &line, &rest);
		if (sv_cut(line, ' ', &k, &v) && sv_eqs(k, name) && parse_u64(v, UINT64_MAX, &n) == 0)
			return n;
	}
	return 0;
}

static void raw_stats(struct jw *w, const struct cgroup_stats *st)
{
	struct sv rest = sv_of(st->mem_stat), line, k, v;
	uint64_t n;

	jw_kobj(w, "raw");
	while (rest.n) {
		(void)sv_cut(rest, '\n', &line, &rest);
		if (sv_cut(line, ' ', &k, &v) && parse_u64(v, UINT64_MAX, &n) == 0) {
			jw_keysv(w, k);
			jw_u64(w, n);
		}
	}
	jw_end(w);
}

static void mem_entry(struct jw *w, const char *key, uint64_t limit, uint64_t usage, uint64_t max,
		      uint64_t fail)
{
	jw_kobj(w, key);
	jw_ku64(w, "limit", limit);
	jw_ku64(w, "usage", usage);
	jw_ku64(w, "max", max);
	jw_ku64(w, "failcnt", fail);
	jw_end(w);
}

static void print_stats(const char *id, const struct cgroup_stats *st)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);

	jw_obj(&w);
	jw_kstr(&w, "type", "stats");
	jw_kstr(&w, "id", id);
	jw_kobj(&w, "data");
	jw_kobj(&w, "cpu");
	jw_kobj(&w, "usage");
	jw_ku64(&w, "total", st->cpu_total);
	jw_karr(&w, "percpu");
	for (uint32_t i = 0; i < st->n_percpu; i++)
		jw_u64(&w, st->percpu[i]);
	jw_end(&w);
	jw_ku64(&w, "kernel", st->cpu_system);
	jw_ku64(&w, "user", st->cpu_user);
	jw_end(&w);
	jw_kobj(&w, "throttling");
	jw_ku64(&w, "periods", st->cpu_periods);
	jw_ku64(&w, "throttledPeriods", st->cpu_throttled);
	jw_ku64(&w, "throttledTime", st->cpu_throttled_time);
	jw_end(&w);
	jw_end(&w);
	jw_kobj(&w, "memory");
	jw_ku64(&w, "cache", stat_of(st, st->v2 ? "file" : "cache"));
	mem_entry(&w, "usage", st->mem_limit, st->mem_usage, st->mem_max_usage, st->mem_failcnt);
	mem_entry(&w, "swap", st->mem_swap_limit, st->mem_swap_usage, 0, 0);
	raw_stats(&w, st);
	jw_end(&w);
	jw_kobj(&w, "pids");
	jw_ku64(&w, "current", st->pids_current);
	jw_ku64(&w, "limit", st->pids_limit);
	jw_end(&w);
	jw_kobj(&w, "blkio");
	jw_karr(&w, "ioServiceBytesRecursive");
	for (uint32_t i = 0; i < st->n_blkio; i++) {
		const struct cgroup_blkio_entry *x = &st->blkio[i];

		for (int k = 0; k < 2; k++) {
			jw_obj(&w);
			jw_ku64(&w, "major", x->major);
			jw_ku64(&w, "minor", x->minor);
			jw_kstr(&w, "op", k ? "Write" : "Read");
			jw_ku64(&w, "value", k ? x->wbytes : x->rbytes);
			jw_end(&w);
		}
	}
	jw_end(&w);
	jw_end(&w);
	jw_kobj(&w, "hugetlb");
	jw_end(&w);
	jw_kobj(&w, "intel_rdt");
	jw_end(&w);
	jw_knull(&w, "network_interfaces");
	jw_end(&w);
	jw_end(&w);
	printf("%s\n", b.p);
	(void)fflush(stdout);
}

int cmd_events(struct rt *rt, int argc, char **argv, struct err **e)
{
	bool once = false;
	const char *interval = "5s";
	const struct opt opts[] = {
		{ "stats", 0, OPT_BOOL, &once, "display the container's stats then exit" },
		{ "interval", 0, OPT_STR, &interval, "set the stats collection interval" }
	};
	cleanup_strbuf struct strbuf prog = { 0 };
	struct cgroup_stats *st = ARENA_NEW(rt->arena, struct cgroup_stats);
	cleanup_close int oomfd = -1, pidfd = -1;
	struct state s;
	int64_t every;
	int at, r = opts_parse(rt_command("events"), opts, ARRAY_LEN(opts), argc, argv, &at, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (argc - at != 1)
		return err_set(e, ERR_INVALID, "hoy-runtime: \"events\" requires exactly 1 argument(s)");
	if (clock_parse_duration(sv_of(interval), &every) < 0 || every <= 0)
		return err_set(e, ERR_INVALID, "duration interval must be greater than 0");
	if (state_load(rt, argv[at], &s, e) < 0)
		return -1;
	if (state_status(rt, &s) == ST_STOPPED)
		return err_set(e, ERR_CONFLICT, "container with id %s is not running", s.id);
	if (state_cgroup(rt, &s, &prog, e) < 0)
		return -1;
	if (!prog.n)
		return err_set(e, ERR_SYSTEM, "the container has no control group");
	if (once) {
		r = cgroup_exec_stats(prog.p, prog.n, st);
		if (r < 0)
			return err_sys(e, -r, "read the statistics of '%s'", s.id);
		print_stats(s.id, st);
		return 0;
	}
	pidfd = proc_pidfd_open((pid_t)s.pid);
	oomfd = cgroup_exec_oom_fd(prog.p, prog.n);
	uint64_t kills = 0, now_kills = 0;
	(void)!cgroup_exec_oom_kills(prog.p, prog.n, &kills);
	int64_t next = clock_mono_ns() + every;
	for (;;) {
		struct pollfd p[2] = { { .fd = pidfd, .events = POLLIN }, { .fd = oomfd, .events = POLLIN } };
		int64_t left = (next - clock_mono_ns()) / NS_PER_MS;
		char buf[512];

		r = poll(p, 2, left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left);
		if (r < 0 && errno != EINTR)
			return err_sys(e, errno, "poll");
		if (p[0].revents)
			return 0;
		if (p[1].revents) {
			(void)!read(oomfd, buf, sizeof(buf));
			if (cgroup_exec_oom_kills(prog.p, prog.n, &now_kills) == 0 && now_kills > kills) {
				kills = now_kills;
				printf("{\"type\":\"oom\",\"id\":\"%s\"}\n", s.id);
				(void)fflush(stdout);
			}
		}
		if (clock_mono_ns() < next)
			continue;
		next += every;
		if (cgroup_exec_stats(prog.p, prog.n, st) == 0)
			print_stats(s.id, st);
	}
}
