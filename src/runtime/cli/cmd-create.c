/* SPDX-License-Identifier: Apache-2.0 */
/* create, run, start: from a bundle to a process. */
#include "base/clock.h"
#include "base/fdpass.h"
#include "base/fs.h"
#include "base/proc.h"
#include "kernel/cgroup.h"
#include "kernel/systemd.h"
#include "model/oci.gen.h"
#include "runtime/cli/cli.h"
#include "runtime/launch.h"
#include "runtime/plan.h"
#include "runtime/resources.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>

struct create_opts {
	const char *bundle, *console_socket, *pid_file, *config;
	bool no_pivot, no_new_keyring, detach, keep, no_subreaper;
	int64_t preserve_fds;
};

/* "a/b/../c" as an absolute path; the bundle is the operator's own. */
static const char *absolute(struct rt *rt, const char *path)
{
	cleanup_close int fd = fs_open(path, O_PATH | O_DIRECTORY, 0);
	char *buf = arena_alloc(rt->arena, PATH_MAX);

	if (fd < 0)
		return NULL;
	return readlinkat(AT_FDCWD, fd_path(fd).s, buf, PATH_MAX - 1) >= 0 ? buf : NULL;
}

static void on_warn(void *ctx, const char *text)
{
	rt_warn(ctx, text);
}

/* "system.slice:docker:ID" is /system.slice/docker-ID.scope; "a-b.slice" lies in "a.slice". */
static const char *systemd_path(struct rt *rt, const char *path, const char *id)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct sv slice, rest, prefix = { 0 }, name = { 0 };
	struct sv all = sv_of(path ? path : "");

	if (!sv_cut(all, ':', &slice, &rest) || !sv_cut(rest, ':', &prefix, &name)) {
		slice = SV("");
		prefix = SV("runc");
		name = sv_of(id);
	}
	if (!slice.n)
		slice = SV("system.slice");
	for (size_t i = 1; i + 6 < slice.n; i++)
		if (slice.p[i] == '-')
			sb_addf(&b, "/%.*s.slice", (int)i, slice.p);
	sb_addc(&b, '/');
	sb_addsv(&b, slice);
	if (sv_ends(name, SV(".slice")))
		sb_addf(&b, "/%.*s", (int)name.n, name.p);
	else if (prefix.n)
		sb_addf(&b, "/%.*s-%.*s.scope", (int)prefix.n, prefix.p, (int)name.n, name.p);
	else
		sb_addf(&b, "/%.*s.scope", (int)name.n, name.p);
	return arena_strdup(rt->arena, sb_str(&b));
}

struct creation {
	struct state st;
	struct oci_spec *spec;
	struct sv config;
	struct launch l;
	struct strbuf plan;
	int start_fd;
};

static void creation_release(struct creation *c)
{
	sb_release(&c->plan);
}
#define cleanup_creation __attribute__((cleanup(creation_release)))

/* The scope that systemd makes for the group; a path that names a slice is just made. */
static int scope_start(struct rt *rt, const struct creation *c, pid_t *hold, struct err **e)
{
	const char *path = c->st.cgroup_path, *unit = path ? strrchr(path, '/') : NULL;
	const struct cgroup_layout *l = rt_cgroups(rt);
	struct cgroup_settings limits = { 0 };

	if (!rt->systemd_cgroup || !unit || !str_ends(unit, ".scope"))
		return 0;
	struct sv above = sv_n(path, (size_t)(unit - path));
	ssize_t slash = sv_rfind(above, '/');
	cleanup_free char *slice = sv_dup(sv_sub(above, (size_t)(slash + 1), above.n));
	cleanup_free char *what = xasprintf("hoy-runtime container %s", c->st.id);

	if (c->spec->linux && c->spec->linux->resources &&
	    runtime_cgroup_settings(rt->arena, c->spec->linux->resources, false, &limits, e) < 0)
		return -1;
	struct systemd_scope s = { .unit = unit + 1,
				   .slice = slice,
				   .description = what,
				   .limits = &limits,
				   .v2 = l->mode == CGROUP_V2 };
	return systemd_scope_start(&s, hold, e);
}

/* LISTEN_FDS of socket activation: those descriptors are preserved, and meant for the container's process. */
static void pass_listen_fds(struct rt *rt, struct oci_process *p, int64_t *preserve)
{
	const char *v = getenv("LISTEN_FDS");
	uint32_t n;

	if (!v || parse_u32(sv_of(v), 1024, &n) < 0 || n == 0)
		return;
	*preserve += n;
	model_strs_add(rt->arena, &p->env, arena_printf(rt->arena, "LISTEN_FDS=%u", n));
	model_strs_add(rt->arena, &p->env, "LISTEN_PID=1");
	if (getenv("LISTEN_FDNAMES"))
		model_strs_add(rt->arena, &p->env,
			       arena_printf(rt->arena, "LISTEN_FDNAMES=%s", getenv("LISTEN_FDNAMES")));
}

static int check_console(const struct create_opts *o, const struct oci_spec *spec, bool detached,
			 struct err **e)
{
	bool tty = spec->process && spec->process->terminal;

	if (tty && detached && str_empty(o->console_socket))
		return err_set(e, ERR_INVALID,
			       "cannot allocate tty if runtime will detach without setting console socket");
	if ((!tty || !detached) && !str_empty(o->console_socket))
		return err_set(e, ERR_INVALID,
			       "cannot use console socket if runtime will not detach or allocate tty");
	return 0;
}

static int compile(struct rt *rt, struct creation *c, const struct create_opts *o, int64_t preserve,
		   struct err **e)
{
	const struct cgroup_layout *l = rt_cgroups(rt);
	const char *given = c->spec->linux ? c->spec->linux->cgroups_path : NULL;
	cleanup_close int rootfs = fs_open(c->st.rootfs, O_PATH | O_DIRECTORY, 0);
	struct plan_input in = {
		.spec = c->spec,
		.id = c->st.id,
		.bundle = c->st.bundle,
		.n_fds = c->start_fd >= 0 ? 1 : 0,
		.root_fd = PLAN_NO_FD,
		.rootfs_dirfd = rootfs,
		.cgroups = l,
		.start_fd = c->start_fd >= 0 ? 0 : PLAN_NO_FD,
		.preserve_fds = (unsigned)preserve,
		.no_pivot = o->no_pivot,
		.no_new_keyring = o->no_new_keyring,
		.systemd_cgroup = rt->systemd_cgroup,
	};

	if (l && l->mode != CGROUP_NONE) {
		c->st.cgroup_path = rt->systemd_cgroup ? systemd_path(rt, given, c->st.id)
				    : str_empty(given) ? c->st.id
						       : given;
		in.cgroup_path = c->st.cgroup_path;
	}
	return plan_compile(&in, &c->plan, e);
}

static int create(struct rt *rt, const char *id, const struct create_opts *o, bool waits, struct creation *c,
		  struct err **e)
{
	cleanup_close int bundle = -1;
	const char *bpath = absolute(rt, o->bundle ? o->bundle : ".");
	int64_t preserve = o->preserve_fds;
	unsigned long long start = 0;
	const char *root;
	pid_t hold = 0;

	if (id_check(id, e) < 0)
		return -1;
	if (!bpath)
		return err_sys(e, errno, "open bundle '%s'", o->bundle ? o->bundle : ".");
	bundle = fs_open(bpath, O_RDONLY | O_DIRECTORY, 0);
	if (bundle < 0)
		return err_sys(e, -bundle, "open bundle '%s'", bpath);
	if (spec_read(rt, o->config ? AT_FDCWD : bundle, o->config ? o->config : "config.json", &c->config,
		      &c->spec, e) < 0)
		return -1;
	if (!c->spec->root || str_empty(c->spec->root->path))
		return err_set(e, ERR_INVALID, "config.json: root must not be empty");
	if (check_console(o, c->spec, waits || o->detach, e) < 0)
		return -1;
	if (preserve < 0 || preserve > 1024)
		return err_set(e, ERR_INVALID, "invalid number of preserved descriptors: %lld",
			       (long long)preserve);
	if (c->spec->process)
		pass_listen_fds(rt, c->spec->process, &preserve);
	root = c->spec->root->path;
	c->st.id = id;
	c->st.bundle = bpath;
	c->st.rootfs = root[0] == '/' ? root : arena_printf(rt->arena, "%s/%s", bpath, root);
	c->st.oci_version = c->spec->oci_version;
	c->st.created = arena_strdup(rt->arena, clock_rfc3339nano(clock_now_ns()).s);
	c->st.systemd = rt->systemd_cgroup;
	c->st.no_pivot = o->no_pivot;

	if (state_dir_make(rt, id, &c->st.dirfd, e) < 0)
		return -1;
	if (waits) {
		cleanup_free char *path = xasprintf("%s/%s/start.sock", rt->root, id);

		c->start_fd = unix_listen(path, SOCK_SEQPACKET, 0600, 1);
		if (c->start_fd < 0) {
			(void)err_sys(e, -c->start_fd, "listen on '%s'", path);
			goto undo;
		}
	}
	int r = fs_replace_fast_at(c->st.dirfd, "config.json", c->config.p, c->config.n, 0600);
	if (r < 0) {
		(void)err_sys(e, -r, "save config.json of '%s'", id);
		goto undo;
	}
	if (compile(rt, c, o, preserve, e) < 0)
		goto undo;

	if (scope_start(rt, c, &hold, e) < 0)
		goto undo;
	struct launch_io io = { .stdio = { -1, -1, -1 }, .warn = on_warn, .ctx = rt };
	r = launch_start(c->plan.p, c->plan.n, &c->start_fd, c->start_fd >= 0 ? 1 : 0, &io, &c->l);
	systemd_scope_hold_end(hold);
	if (r < 0) {
		char text[LAUNCH_TEXT];

		(void)err_set(e, ERR_SYSTEM, "unable to start container process: %s",
			      launch_error_text(&c->l, text, sizeof(text)));
		goto undo;
	}
	c->st.pid = c->l.pid;
	(void)!proc_start_time(c->l.pid, &start);
	c->st.start_time = start;
	if (!str_empty(o->console_socket) && console_send(o->console_socket, c->l.console_fd, e) < 0)
		goto kill;
	if (state_save(rt, &c->st, e) < 0 || (o->pid_file && pid_file_write(o->pid_file, c->l.pid, e) < 0))
		goto kill;
	fd_close(&c->start_fd);
	return 0;
kill:
	launch_abort(&c->l);
undo:
	fd_close(&c->start_fd);
	state_dir_remove(rt, id);
	return -1;
}

static int parse(struct create_opts *o, const char *name, int argc, char **argv, const char **id,
		 struct err **e)
{
	const struct opt opts[] = {
		{ "bundle", 'b', OPT_STR, &o->bundle,
		  "path to the root of the bundle directory (default: \".\")" },
		{ "config", 'f', OPT_STR, &o->config, "override the config file to use" },
		{ "console-socket", 0, OPT_STR, &o->console_socket,
		  "path to an AF_UNIX socket which will receive the console's master end" },
		{ "pid-file", 0, OPT_STR, &o->pid_file, "the file to write the process id to" },
		{ "no-pivot", 0, OPT_BOOL, &o->no_pivot, "do not use pivot root" },
		{ "no-new-keyring", 0, OPT_BOOL, &o->no_new_keyring, "do not create a new session keyring" },
		{ "preserve-fds", 0, OPT_INT, &o->preserve_fds,
		  "pass N additional file descriptors to the container" },
		{ "detach", 'd', OPT_BOOL, &o->detach, "detach from the container's process" },
		{ "keep", 0, OPT_BOOL, &o->keep, "do not delete the container after it exits" },
		{ "no-subreaper", 0, OPT_BOOL, &o->no_subreaper, "disable the use of the subreaper" },
	};
	int at, r = opts_parse(rt_command(name), opts, str_eq(name, "run") ? ARRAY_LEN(opts) : 7, argc, argv,
			       &at, e);

	if (r != 0)
		return r;
	if (argc - at != 1)
		return err_set(e, ERR_INVALID, "hoy-runtime: \"%s\" requires exactly 1 argument(s)", name);
	*id = argv[at];
	return 0;
}

int cmd_create(struct rt *rt, int argc, char **argv, struct err **e)
{
	struct create_opts o = { 0 };
	cleanup_creation struct creation c = { .start_fd = -1, .st.dirfd = -1 };
	const char *id;
	int r = parse(&o, "create", argc, argv, &id, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (create(rt, id, &o, true, &c, e) < 0)
		return err_wrap(e, "create failed");
	launch_leave(&c.l);
	return 0;
}

static int poststart(struct rt *rt, const struct strbuf *plan, pid_t pid, struct err **e)
{
	struct launch l;

	(void)rt;
	if (launch_run_hooks(plan->p, plan->n, LAUNCH_POSTSTART, pid, &l) == 0)
		return 0;
	return err_set(e, ERR_SYSTEM, "%s", l.text);
}

static void destroy(struct rt *rt, struct creation *c)
{
	cleanup_strbuf struct strbuf prog = { 0 };
	struct launch l;

	if (state_cgroup(rt, &c->st, &prog, NULL) == 0 && prog.n) {
		(void)cgroup_exec_kill(prog.p, prog.n);
		(void)cgroup_exec_destroy(prog.p, prog.n, 5000);
	}
	state_scope_stop(&c->st);
	state_dir_remove(rt, c->st.id);
	if (launch_run_hooks(c->plan.p, c->plan.n, LAUNCH_POSTSTOP, 0, &l) < 0)
		rt_warn(rt, l.text);
}

int cmd_run(struct rt *rt, int argc, char **argv, struct err **e)
{
	struct create_opts o = { 0 };
	cleanup_creation struct creation c = { .start_fd = -1, .st.dirfd = -1 };
	const char *id;
	int r = parse(&o, "run", argc, argv, &id, e), code;

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (!o.no_subreaper && !o.detach)
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (create(rt, id, &o, false, &c, e) < 0)
		return err_wrap(e, "run failed");
	pid_t pid = c.l.pid;
	int pidfd = c.l.pidfd;
	if (launch_release(&c.l) < 0) {
		char text[LAUNCH_TEXT];

		(void)err_set(e, ERR_SYSTEM, "unable to start container process: %s",
			      launch_error_text(&c.l, text, sizeof(text)));
		destroy(rt, &c);
		return err_wrap(e, "run failed");
	}
	if (poststart(rt, &c.plan, pid, e) < 0) {
		(void)proc_pidfd_signal(pidfd, SIGKILL);
		(void)!proc_wait(pid);
		destroy(rt, &c);
		return err_wrap(e, "run failed");
	}
	if (o.detach)
		return 0;
	code = foreground(pidfd, pid, c.l.console_fd);
	if (!o.keep)
		destroy(rt, &c);
	return code;
}

int cmd_start(struct rt *rt, int argc, char **argv, struct err **e)
{
	cleanup_free char *path = NULL;
	cleanup_close int sock = -1;
	struct launch l;
	struct state s;
	int at, r = opts_parse(rt_command("start"), NULL, 0, argc, argv, &at, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (argc - at != 1)
		return err_set(e, ERR_INVALID, "hoy-runtime: \"start\" requires exactly 1 argument(s)");
	if (state_load(rt, argv[at], &s, e) < 0)
		return -1;
	switch (state_status(rt, &s)) {
	case ST_CREATED: break;
	case ST_STOPPED: return err_set(e, ERR_CONFLICT, "cannot start a container that has stopped");
	case ST_RUNNING: return err_set(e, ERR_CONFLICT, "cannot start an already running container");
	case ST_PAUSED:
	case ST_CREATING:
		return err_set(e, ERR_CONFLICT, "cannot start a container in the %s state",
			       status_word(state_status(rt, &s)));
	}
	path = xasprintf("%s/%s/start.sock", rt->root, s.id);
	sock = unix_connect(path, SOCK_SEQPACKET);
	if (sock < 0)
		return err_sys(e, -sock, "start '%s'", s.id);
	(void)unlinkat(s.dirfd, "start.sock", 0);
	if (launch_start_remote(sock, &l) < 0) {
		char text[LAUNCH_TEXT];

		return err_set(e, ERR_SYSTEM, "start failed: unable to start container process: %s",
			       launch_error_text(&l, text, sizeof(text)));
	}
	/* The hooks of the start's end come from the saved specification. */
	struct oci_spec *spec;
	if (state_spec(rt, &s, &spec, e) < 0)
		return -1;
	if (spec->hooks && spec->hooks->poststart.n) {
		cleanup_strbuf struct strbuf plan = { 0 };
		struct plan_input in = { .spec = spec,
					 .id = s.id,
					 .bundle = s.bundle,
					 .root_fd = PLAN_NO_FD,
					 .rootfs_dirfd = -1,
					 .start_fd = PLAN_NO_FD };

		if (plan_compile(&in, &plan, e) < 0)
			return -1;
		if (poststart(rt, &plan, (pid_t)s.pid, e) < 0) {
			char *del[] = { (char *)(uintptr_t) "delete", (char *)(uintptr_t) "--force",
					(char *)(uintptr_t)s.id, NULL };

			/* A failed start leaves nothing. */
			(void)cmd_delete(rt, 3, del, NULL);
			return -1;
		}
	}
	return 0;
}
