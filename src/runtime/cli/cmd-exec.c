/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "base/proc.h"
#include "kernel/caps.h"
#include "kernel/ns.h"
#include "model/oci.gen.h"
#include "runtime/cli/cli.h"
#include "runtime/launch.h"
#include "runtime/plan.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

struct exec_opts {
	const char *console_socket, *cwd, *user, *process, *pid_file, *label, *apparmor, *cgroup;
	struct strlist env, gids, caps, cgroups;
	bool tty, detach, no_new_privs, ignore_paused, no_subreaper;
	int64_t preserve_fds;
};

static int parse_user(struct rt *rt, const char *text, const struct strlist *gids, struct oci_user *u,
		      struct err **e)
{
	struct sv uid, gid;

	if (!str_empty(text)) {
		bool both = sv_cut(sv_of(text), ':', &uid, &gid);

		if (parse_u32(uid, UINT32_MAX - 1, &u->uid) < 0)
			return err_set(e, ERR_INVALID, "parsing %.*s as int for uid failed", (int)uid.n,
				       uid.p);
		if (both && parse_u32(gid, UINT32_MAX - 1, &u->gid) < 0)
			return err_set(e, ERR_INVALID, "parsing %.*s as int for gid failed", (int)gid.n,
				       gid.p);
		u->additional_gids = (struct model_u32_list){ 0 };
	}
	for (size_t i = 0; i < gids->n; i++) {
		uint32_t v, *slot;

		if (parse_u32(sv_of(gids->v[i]), UINT32_MAX - 1, &v) < 0)
			return err_set(e, ERR_INVALID, "parsing %s as int for gid failed", gids->v[i]);
		slot = model_list_add(rt->arena, &u->additional_gids);
		*slot = v;
	}
	return 0;
}

static int add_caps(struct rt *rt, struct oci_process *p, const struct strlist *caps, struct err **e)
{
	if (!caps->n)
		return 0;
	if (!p->capabilities)
		p->capabilities = ARENA_NEW(rt->arena, struct oci_capabilities);
	for (size_t i = 0; i < caps->n; i++) {
		int n = caps_number(caps->v[i]);

		if (n < 0)
			return err_set(e, ERR_INVALID, "unknown capability \"%s\"", caps->v[i]);
		model_strs_add(rt->arena, &p->capabilities->bounding, caps_name((unsigned)n));
		model_strs_add(rt->arena, &p->capabilities->effective, caps_name((unsigned)n));
		model_strs_add(rt->arena, &p->capabilities->permitted, caps_name((unsigned)n));
		/* Without them in the ambient set a user that is not root would see nothing of it. */
		if (p->user.uid != 0) {
			model_strs_add(rt->arena, &p->capabilities->inheritable, caps_name((unsigned)n));
			model_strs_add(rt->arena, &p->capabilities->ambient, caps_name((unsigned)n));
		}
	}
	return 0;
}

static int build(struct rt *rt, const struct exec_opts *o, const struct oci_spec *spec, char **args,
		 struct oci_process **out, struct err **e)
{
	struct oci_process *p;

	if (!str_empty(o->process)) {
		cleanup_free char *raw = NULL;
		size_t n;
		int r = fs_read_file_at(AT_FDCWD, o->process, CONFIG_MAX, &raw, &n);

		if (r < 0)
			return err_sys(e, -r, "open %s", o->process);
		if (oci_process_parse(rt->arena, sv_n(arena_strndup(rt->arena, raw, n), n), &p, e) < 0)
			return -1;
		*out = p;
		return 0;
	}
	if (!*args)
		return err_set(e, ERR_INVALID, "exec args cannot be empty");
	p = oci_process_dup(rt->arena, spec->process);
	p->args = (struct model_str_list){ 0 };
	for (; *args; args++)
		model_strs_add(rt->arena, &p->args, *args);
	/* What belongs to the start of the container, not to one more process of it. */
	p->console_size = NULL;
	p->exec_cpu_affinity = spec->process->exec_cpu_affinity;
	p->terminal = o->tty;
	if (!str_empty(o->cwd))
		p->cwd = o->cwd;
	if (!str_empty(o->label))
		p->selinux_label = o->label;
	if (!str_empty(o->apparmor))
		p->apparmor_profile = o->apparmor;
	if (o->no_new_privs)
		p->no_new_privileges = true;
	for (size_t i = 0; i < o->env.n; i++)
		model_strs_add(rt->arena, &p->env, o->env.v[i]);
	if (parse_user(rt, o->user, &o->gids, &p->user, e) < 0 || add_caps(rt, p, &o->caps, e) < 0)
		return -1;
	*out = p;
	return 0;
}

/* The exec's group: the container's, or one below it that --cgroup names. */
static const char *exec_cgroup(struct rt *rt, const struct state *s, const struct exec_opts *o)
{
	const char *sub = o->cgroups.n ? strrchr(o->cgroups.v[0], ':') : NULL;

	if (!s->cgroup_path || !o->cgroups.n)
		return s->cgroup_path;
	sub = sub ? sub + 1 : o->cgroups.v[0];
	return arena_printf(rt->arena, "%s/%s", s->cgroup_path, *sub == '/' ? sub + 1 : sub);
}

static void on_warn(void *ctx, const char *text)
{
	rt_warn(ctx, text);
}

static int exec_in(struct rt *rt, struct state *s, const struct exec_opts *o, char **args, struct err **e)
{
	cleanup_strbuf struct strbuf plan = { 0 };
	cleanup_close int root = -1;
	struct oci_process *p;
	struct oci_spec *spec;
	unsigned bits;
	char text[LAUNCH_TEXT], path[48];
	struct launch l;
	int r;

	if (state_spec(rt, s, &spec, e) < 0 || build(rt, o, spec, args, &p, e) < 0)
		return -1;
	if (p->terminal && o->detach && str_empty(o->console_socket))
		return err_set(e, ERR_INVALID,
			       "cannot allocate tty if runtime will detach without setting console socket");
	if ((!p->terminal || !o->detach) && !str_empty(o->console_socket))
		return err_set(e, ERR_INVALID,
			       "cannot use console socket if runtime will not detach or allocate tty");
	r = plan_exec_ns((pid_t)s->pid, &bits);
	if (r < 0)
		return err_sys(e, -r, "namespaces of container '%s'", s->id);
	(void)snprintf(path, sizeof(path), "/proc/%lld/root", (long long)s->pid);
	root = fs_open(path, O_PATH | O_DIRECTORY, 0);
	struct plan_exec_input in = {
		.process = p,
		.id = s->id,
		.n_fds = 1,
		.pidfd = PLAN_NO_FD,
		.pid = (pid_t)s->pid,
		.namespaces = bits,
		/* Without pivot_root (or without a mount namespace) the root is not that of the namespace. */
		.root_fd = root >= 0 && (s->no_pivot || !(bits & NS_MOUNT)) ? 0 : PLAN_NO_FD,
		.rootfs_dirfd = root,
		.cgroups = rt_cgroups(rt),
		.cgroup_path = exec_cgroup(rt, s, o),
		.seccomp = spec->linux ? spec->linux->seccomp : NULL,
		.preserve_fds = (unsigned)o->preserve_fds,
	};
	if (plan_compile_exec(&in, &plan, e) < 0)
		return -1;
	struct launch_io io = { .stdio = { -1, -1, -1 }, .warn = on_warn, .ctx = rt };
	if (launch_start(plan.p, plan.n, &root, 1, &io, &l) < 0)
		return err_set(e, ERR_SYSTEM, "exec failed: unable to start container process: %s",
			       launch_error_text(&l, text, sizeof(text)));
	/* The number of the container's init may have changed hands while we looked. */
	if (!state_alive(s)) {
		launch_abort(&l);
		return err_set(e, ERR_CONFLICT, "cannot exec in a stopped container");
	}
	if ((!str_empty(o->console_socket) && console_send(o->console_socket, l.console_fd, e) < 0) ||
	    (o->pid_file && pid_file_write(o->pid_file, l.pid, e) < 0)) {
		launch_abort(&l);
		return -1;
	}
	pid_t pid = l.pid;
	if (launch_release(&l) < 0)
		return err_set(e, ERR_SYSTEM, "exec failed: unable to start container process: %s",
			       launch_error_text(&l, text, sizeof(text)));
	if (o->detach)
		return 0;
	return foreground(l.pidfd, pid, l.console_fd);
}

int cmd_exec(struct rt *rt, int argc, char **argv, struct err **e)
{
	struct exec_opts o = { 0 };
	const struct opt opts[] = {
		{ "console-socket", 0, OPT_STR, &o.console_socket,
		  "path to an AF_UNIX socket for the console's master end" },
		{ "cwd", 0, OPT_STR, &o.cwd, "current working directory in the container" },
		{ "env", 'e', OPT_LIST, &o.env, "set environment variables" },
		{ "tty", 't', OPT_BOOL, &o.tty, "allocate a pseudo-TTY" },
		{ "user", 'u', OPT_STR, &o.user, "UID (format: <uid>[:<gid>])" },
		{ "additional-gids", 'g', OPT_LIST, &o.gids, "additional gids" },
		{ "process", 'p', OPT_STR, &o.process, "path to the process.json" },
		{ "detach", 'd', OPT_BOOL, &o.detach, "detach from the container's process" },
		{ "pid-file", 0, OPT_STR, &o.pid_file, "the file to write the process id to" },
		{ "process-label", 0, OPT_STR, &o.label, "set the asm process label" },
		{ "apparmor", 0, OPT_STR, &o.apparmor, "set the apparmor profile" },
		{ "no-new-privs", 0, OPT_BOOL, &o.no_new_privs, "set the no new privileges value" },
		{ "cap", 'c', OPT_LIST, &o.caps, "add a capability" },
		{ "preserve-fds", 0, OPT_INT, &o.preserve_fds, "pass N additional file descriptors" },
		{ "cgroup", 0, OPT_LIST, &o.cgroups, "run the process in an (existing) sub-cgroup" },
		{ "ignore-paused", 0, OPT_BOOL, &o.ignore_paused, "allow exec in a paused container" },
		{ "no-subreaper", 0, OPT_BOOL, &o.no_subreaper, "disable the use of the subreaper" },
	};
	struct state s;
	int at, r = opts_parse(rt_command("exec"), opts, ARRAY_LEN(opts), argc, argv, &at, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (argc - at < 1)
		return err_set(e, ERR_INVALID, "hoy-runtime: \"exec\" requires a minimum of 1 argument");
	if (o.preserve_fds < 0 || o.preserve_fds > 1024)
		return err_set(e, ERR_INVALID, "invalid number of preserved descriptors");
	if (state_load(rt, argv[at], &s, e) < 0)
		return -1;
	enum status st = state_status(rt, &s);
	if (st == ST_STOPPED || st == ST_CREATING)
		return err_set(e, ERR_CONFLICT, "cannot exec in a stopped container");
	if (st == ST_PAUSED && !o.ignore_paused)
		return err_set(e, ERR_CONFLICT,
			       "cannot exec in a paused container (use --ignore-paused to override)");
	r = exec_in(rt, &s, &o, argv + at + 1, e);
	strlist_release(&o.env);
	strlist_release(&o.gids);
	strlist_release(&o.caps);
	strlist_release(&o.cgroups);
	return r;
}
