/* SPDX-License-Identifier: Apache-2.0 */
/* state, list, kill, delete, ps, pause, resume: what is done to a container from outside. */
#include "base/fs.h"
#include "base/proc.h"
#include "codec/json.h"
#include "kernel/cgroup.h"
#include "model/oci.gen.h"
#include "runtime/cli/cli.h"
#include "runtime/launch.h"
#include "runtime/plan.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define FREEZE_MS 10000
#define KILL_MS   10000

static const struct {
	const char *name;
	int n;
} signals[] = {
	{ "HUP", SIGHUP },   { "INT", SIGINT },     { "QUIT", SIGQUIT }, { "ILL", SIGILL },
	{ "TRAP", SIGTRAP }, { "ABRT", SIGABRT },   { "IOT", SIGABRT },  { "BUS", SIGBUS },
	{ "FPE", SIGFPE },   { "KILL", SIGKILL },   { "USR1", SIGUSR1 }, { "SEGV", SIGSEGV },
	{ "USR2", SIGUSR2 }, { "PIPE", SIGPIPE },   { "ALRM", SIGALRM }, { "TERM", SIGTERM },
	{ "STKFLT", 16 },    { "CHLD", SIGCHLD },   { "CLD", SIGCHLD },  { "CONT", SIGCONT },
	{ "STOP", SIGSTOP }, { "TSTP", SIGTSTP },   { "TTIN", SIGTTIN }, { "TTOU", SIGTTOU },
	{ "URG", SIGURG },   { "XCPU", SIGXCPU },   { "XFSZ", SIGXFSZ }, { "VTALRM", SIGVTALRM },
	{ "PROF", SIGPROF }, { "WINCH", SIGWINCH }, { "IO", SIGIO },     { "POLL", SIGIO },
	{ "PWR", SIGPWR },   { "SYS", SIGSYS },
};

static int parse_signal(const char *s, int *out, struct err **e)
{
	struct sv v = sv_of(s), tail;
	uint32_t n;

	if (parse_u32(v, 64, &n) == 0 && n > 0) {
		*out = (int)n;
		return 0;
	}
	if (v.n > 3 && sv_ieqs(sv_sub(v, 0, 3), "SIG"))
		v = sv_sub(v, 3, v.n);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (sv_ieqs(v, signals[i].name)) {
			*out = signals[i].n;
			return 0;
		}
	/* Real-time ones as kill(1) counts them. */
	bool min = v.n >= 5 && sv_ieqs(sv_sub(v, 0, 5), "RTMIN"),
	     max = v.n >= 5 && sv_ieqs(sv_sub(v, 0, 5), "RTMAX");
	tail = sv_sub(v, MIN(v.n, (size_t)5), v.n);
	n = 0;
	if ((min || max) && (!tail.n || (tail.p[0] == (min ? '+' : '-') &&
					 parse_u32(sv_sub(tail, 1, tail.n), 30, &n) == 0))) {
		*out = min ? 34 + (int)n : 64 - (int)n;
		return 0;
	}
	return err_set(e, ERR_INVALID, "unknown signal \"%s\"", s);
}

static int one_id(const char *cmd, const struct opt *o, size_t n, int argc, char **argv, int max,
		  const char **id, char ***more, struct err **e)
{
	int at, r = opts_parse(rt_command(cmd), o, n, argc, argv, &at, e);

	if (r != 0)
		return r;
	if (argc - at < 1)
		return err_set(e, ERR_INVALID, "hoy-runtime: \"%s\" requires a minimum of 1 argument", cmd);
	if (max && argc - at > max)
		return err_set(e, ERR_INVALID, "hoy-runtime: \"%s\" takes at most %d argument(s)", cmd, max);
	*id = argv[at];
	if (more)
		*more = argv + at + 1;
	return 0;
}

int cmd_state(struct rt *rt, int argc, char **argv, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 }, out = { 0 };
	const char *id;
	struct state s;
	int r = one_id("state", NULL, 0, argc, argv, 1, &id, NULL, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (state_load(rt, id, &s, e) < 0)
		return -1;
	/* Its create is still at work (or was killed): there is no container to tell about yet. */
	if (state_status(rt, &s) == ST_CREATING)
		return err_set(e, ERR_NOT_FOUND, "container does not exist: %s", id);
	if (state_json(rt, &s, &b, e) < 0)
		return -1;
	json_indent(&out, sb_sv(&b), "", "  ");
	printf("%s\n", out.p);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void all_ids(struct rt *rt, struct strlist *ids)
{
	int fd = fs_open(rt->root, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	for (struct dirent *x; d && (x = readdir(d));)
		if (x->d_name[0] != '.' && id_check(x->d_name, NULL) == 0)
			strlist_add(ids, x->d_name);
	if (d)
		(void)closedir(d);
	if (ids->n)
		qsort(ids->v, ids->n, sizeof(*ids->v), by_name);
}

int cmd_list(struct rt *rt, int argc, char **argv, struct err **e)
{
	const char *format = "table";
	bool quiet = false, first = true;
	const struct opt opts[] = { { "format", 'f', OPT_STR, &format, "table or json" },
				    { "quiet", 'q', OPT_BOOL, &quiet, "display only container IDs" } };
	cleanup_strlist struct strlist ids = { 0 };
	int at, r = opts_parse(rt_command("list"), opts, ARRAY_LEN(opts), argc, argv, &at, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (!str_eq(format, "table") && !str_eq(format, "json"))
		return err_set(e, ERR_INVALID, "invalid format option");
	all_ids(rt, &ids);
	if (str_eq(format, "json") && !quiet)
		printf("[");
	else if (!quiet)
		printf("%-20s %-10s %-11s %-40s %s\n", "ID", "PID", "STATUS", "BUNDLE", "CREATED");
	for (size_t i = 0; i < ids.n; i++) {
		cleanup_strbuf struct strbuf b = { 0 };
		struct state s;

		if (state_load(rt, ids.v[i], &s, NULL) < 0)
			continue;
		enum status st = state_status(rt, &s);
		if (quiet) {
			printf("%s\n", s.id);
		} else if (str_eq(format, "json")) {
			if (state_json(rt, &s, &b, NULL) == 0) {
				printf("%s%s", first ? "" : ",", b.p);
				first = false;
			}
		} else {
			printf("%-20s %-10lld %-11s %-40s %s\n", s.id,
			       st == ST_STOPPED ? 0LL : (long long)s.pid, status_word(st), s.bundle,
			       s.created);
		}
		fd_close(&s.dirfd);
	}
	if (str_eq(format, "json") && !quiet)
		printf("]\n");
	return 0;
}

int cmd_kill(struct rt *rt, int argc, char **argv, struct err **e)
{
	cleanup_strbuf struct strbuf prog = { 0 };
	bool all = false;
	const struct opt opts[] = { { "all", 'a', OPT_BOOL, &all,
				      "send the signal to all processes inside the container" } };
	const char *id;
	char **more;
	struct state s;
	int sig = SIGTERM, r = one_id("kill", opts, 1, argc, argv, 2, &id, &more, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (*more && parse_signal(*more, &sig, e) < 0)
		return -1;
	if (state_load(rt, id, &s, e) < 0)
		return -1;
	enum status st = state_status(rt, &s);
	if (all) {
		if (state_cgroup(rt, &s, &prog, e) < 0)
			return -1;
		r = !prog.n          ? 0
		    : sig == SIGKILL ? cgroup_exec_kill(prog.p, prog.n)
				     : cgroup_exec_signal(prog.p, prog.n, sig);
		return r < 0 && r != -ENOENT ? err_sys(e, -r, "kill all processes of '%s'", id) : 0;
	}
	if (st == ST_STOPPED || st == ST_CREATING)
		return err_set(e, ERR_CONFLICT, "container not running");
	int pidfd = proc_pidfd_open((pid_t)s.pid);
	/* The number may have gone to somebody else between the look and the grip. */
	if (pidfd < 0 || !state_alive(&s))
		return err_set(e, ERR_CONFLICT, "container not running");
	r = proc_pidfd_signal(pidfd, sig);
	fd_close(&pidfd);
	if (r == -ESRCH)
		return err_set(e, ERR_CONFLICT, "container not running");
	if (r == 0 && sig == SIGKILL && st == ST_PAUSED && state_cgroup(rt, &s, &prog, NULL) == 0 && prog.n)
		(void)!cgroup_exec_freeze(prog.p, prog.n, false, FREEZE_MS); /* or the signal waits */
	return r < 0 ? err_sys(e, -r, "kill '%s'", id) : 0;
}

static void wait_gone(pid_t pid, int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	if (pidfd >= 0)
		(void)poll(&p, 1, KILL_MS);
	(void)waitpid(pid, NULL, WNOHANG);
}

/* The hooks of the end, as a plan: made while the saved specification is still there. */
static void poststop_plan(struct rt *rt, const struct state *s, struct strbuf *plan)
{
	cleanup_err struct err *e = NULL;
	struct oci_spec *spec;

	if (state_spec(rt, s, &spec, NULL) < 0 || !spec->hooks || !spec->hooks->poststop.n)
		return;
	struct plan_input in = { .spec = spec,
				 .id = s->id,
				 .bundle = s->bundle,
				 .root_fd = PLAN_NO_FD,
				 .rootfs_dirfd = -1,
				 .start_fd = PLAN_NO_FD };
	if (plan_compile(&in, plan, &e) < 0)
		rt_warn(rt, err_text(e));
}

static int delete_one(struct rt *rt, const char *id, bool force, struct err **e)
{
	cleanup_strbuf struct strbuf prog = { 0 }, plan = { 0 };
	cleanup_err struct err *le = NULL;
	struct launch l;
	struct state s;
	int r;

	if (state_load(rt, id, &s, &le) < 0) {
		if (force && err_class(le) == ERR_NOT_FOUND)
			return 0;
		err_move(e, &le);
		return -1;
	}
	enum status st = state_status(rt, &s);
	if (state_cgroup(rt, &s, &prog, e) < 0)
		return -1;
	if (st != ST_STOPPED && st != ST_CREATING && st != ST_CREATED && !force)
		return err_set(e, ERR_CONFLICT, "cannot delete container %s that is not stopped: %s", id,
			       status_word(st));
	if (st != ST_STOPPED && s.pid > 0) {
		cleanup_close int pidfd = proc_pidfd_open((pid_t)s.pid);

		if (prog.n)
			(void)cgroup_exec_kill(prog.p, prog.n);
		if (pidfd >= 0 && state_alive(&s)) {
			(void)proc_pidfd_signal(pidfd, SIGKILL);
			wait_gone((pid_t)s.pid, pidfd);
		}
	}
	if (prog.n) {
		/* Without a pid namespace of its own others may live on. */
		(void)cgroup_exec_kill(prog.p, prog.n);
		r = cgroup_exec_destroy(prog.p, prog.n, KILL_MS);
		if (r < 0)
			return err_sys(e, -r, "remove the control group of '%s'", id);
	}
	state_scope_stop(&s);
	poststop_plan(rt, &s, &plan);
	state_dir_remove(rt, id);
	if (plan.n && launch_run_hooks(plan.p, plan.n, LAUNCH_POSTSTOP, 0, &l) < 0)
		rt_warn(rt, l.text);
	return 0;
}

int cmd_delete(struct rt *rt, int argc, char **argv, struct err **e)
{
	bool force = false, regex = false;
	const struct opt opts[] = {
		{ "force", 'f', OPT_BOOL, &force, "kill a running container with SIGKILL" },
		{ "regex", 'r', OPT_BOOL, &regex,
		  "the argument is a regular expression: delete all that match" },
	};
	cleanup_strlist struct strlist ids = { 0 };
	const char *id;
	int r = one_id("delete", opts, ARRAY_LEN(opts), argc, argv, 1, &id, NULL, e), failed = 0;
	regex_t re;

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (!regex)
		return delete_one(rt, id, force, e);
	if (regcomp(&re, id, REG_EXTENDED | REG_NOSUB) != 0)
		return err_set(e, ERR_INVALID, "invalid regular expression '%s'", id);
	all_ids(rt, &ids);
	for (size_t i = 0; i < ids.n; i++)
		if (regexec(&re, ids.v[i], 0, NULL, 0) == 0 && delete_one(rt, ids.v[i], force, e) < 0)
			failed = -1;
	regfree(&re);
	return failed;
}

/* --- ps --- */

static int all_pids(struct rt *rt, const struct state *s, pid_t **pids, size_t *n, struct err **e)
{
	cleanup_strbuf struct strbuf prog = { 0 };
	size_t room = 1024;
	int r;

	if (state_cgroup(rt, s, &prog, e) < 0)
		return -1;
	*pids = arena_alloc(rt->arena, room * sizeof(**pids));
	if (!prog.n) {
		(*pids)[0] = (pid_t)s->pid;
		*n = 1;
		return 0;
	}
	for (;;) {
		*n = room;
		r = cgroup_exec_procs(prog.p, prog.n, *pids, n);
		if (r < 0)
			return err_sys(e, -r, "read the processes of '%s'", s->id);
		if (*n <= room)
			return 0;
		room = *n * 2;
		*pids = arena_alloc(rt->arena, room * sizeof(**pids));
	}
}

static bool has_pid(const pid_t *pids, size_t n, const char *word)
{
	uint32_t v;

	if (parse_u32(sv_of(word), INT32_MAX, &v) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((uint32_t)pids[i] == v)
			return true;
	return false;
}

int cmd_ps(struct rt *rt, int argc, char **argv, struct err **e)
{
	const char *format = "table", *id;
	const struct opt opts[] = { { "format", 'f', OPT_STR, &format, "table or json" } };
	cleanup_free char *out = NULL;
	char *args[32] = { (char *)(uintptr_t) "ps" }, **more;
	struct state s;
	pid_t *pids;
	size_t n, k = 1;
	int r = one_id("ps", opts, 1, argc, argv, 0, &id, &more, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (state_load(rt, id, &s, e) < 0 || all_pids(rt, &s, &pids, &n, e) < 0)
		return -1;
	if (str_eq(format, "json")) {
		printf("[");
		for (size_t i = 0; i < n; i++)
			printf("%s%d", i ? "," : "", (int)pids[i]);
		printf("]\n");
		return 0;
	}
	if (!str_eq(format, "table"))
		return err_set(e, ERR_INVALID, "invalid format option");
	if (!*more)
		args[k++] = (char *)(uintptr_t) "-ef";
	for (; *more && k < ARRAY_LEN(args) - 1; more++)
		args[k++] = *more;
	args[k] = NULL;
	args[0] = (char *)(uintptr_t) "/bin/ps";
	r = proc_run(args, "", 0, &out, 16u << 20);
	if (r != 0)
		return err_set(e, ERR_SYSTEM, "ps failed: %s", out ? out : "");
	/* The column is named PID in the heading, wherever the options put it. */
	struct sv rest = sv_of(out), line;
	int column = -1;
	bool head = true;
	while (rest.n) {
		int c = 0;
		bool show = head;

		(void)sv_cut(rest, '\n', &line, &rest);
		cleanup_free char *copy = sv_dup(line);
		char *save = NULL;
		for (char *w = strtok_r(copy, " \t", &save); w; w = strtok_r(NULL, " \t", &save), c++) {
			if (head && strcmp(w, "PID") == 0)
				column = c;
			if (!head && c == column)
				show = has_pid(pids, n, w);
		}
		if (head && column < 0)
			return err_set(e, ERR_SYSTEM, "couldn't find PID field in ps output");
		if (show)
			printf("%.*s\n", (int)line.n, line.p);
		head = false;
	}
	return 0;
}

/* --- pause, resume --- */

static int freeze(struct rt *rt, const char *cmd, bool on, int argc, char **argv, struct err **e)
{
	cleanup_strbuf struct strbuf prog = { 0 };
	const char *id;
	struct state s;
	int r = one_id(cmd, NULL, 0, argc, argv, 1, &id, NULL, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (state_load(rt, id, &s, e) < 0)
		return -1;
	enum status st = state_status(rt, &s);
	if (on && st != ST_RUNNING && st != ST_CREATED)
		return err_set(e, ERR_CONFLICT, "container not running or created: %s", status_word(st));
	if (!on && st != ST_PAUSED)
		return err_set(e, ERR_CONFLICT, "container not paused");
	if (state_cgroup(rt, &s, &prog, e) < 0)
		return -1;
	if (!prog.n)
		return err_set(e, ERR_SYSTEM, "the container has no control group to be frozen");
	r = cgroup_exec_freeze(prog.p, prog.n, on, FREEZE_MS);
	return r < 0 ? err_sys(e, -r, "unable to %s", on ? "freeze" : "thaw") : 0;
}

int cmd_pause(struct rt *rt, int argc, char **argv, struct err **e)
{
	return freeze(rt, "pause", true, argc, argv, e);
}

int cmd_resume(struct rt *rt, int argc, char **argv, struct err **e)
{
	return freeze(rt, "resume", false, argc, argv, e);
}
