/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint and restore are CRIU's work; we find it, tell it what the container is, and keep the state. Without an
 * installed criu both say so.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "kernel/cgroup.h"
#include "model/oci.gen.h"
#include "runtime/cli/cli.h"

#include <errno.h>
#include <stdio.h>

struct cr_opts {
	const char *image_path, *work_path, *bundle, *console_socket, *pid_file, *parent, *ghost,
		*page_server, *cgroups_mode, *empty_ns, *status_fd, *lsm_profile;
	bool leave_running, tcp, ext_unix, shell_job, lazy, file_locks, pre_dump, auto_dedup, detach,
		no_pivot, no_subreaper;
};

static const char *find_criu(struct rt *rt)
{
	static const char *const places[] = { "/usr/local/sbin/criu", "/usr/sbin/criu", "/usr/local/bin/criu",
					      "/usr/bin/criu" };

	if (!str_empty(rt->criu))
		return rt->criu;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (faccessat(AT_FDCWD, places[i], X_OK, 0) == 0)
			return places[i];
	return NULL;
}

static int run_criu(struct rt *rt, struct strlist *argv, const char *work, const char *log, struct err **e)
{
	cleanup_free char *out = NULL;
	int r;

	(void)rt;
	GROW(argv->v, argv->n, argv->cap);
	argv->v[argv->n] = NULL;
	r = proc_run(argv->v, "", 0, &out, 1u << 20);
	if (r == 0)
		return 0;
	if (r < 0)
		return err_sys(e, -r, "run %s", argv->v[0]);
	return err_set(e, ERR_SYSTEM, "criu failed with %d: see %s/%s%s%s", r, work, log,
		       out && *out ? ": " : "", out ? out : "");
}

static int parse(struct rt *rt, struct cr_opts *o, const char *cmd, int argc, char **argv, const char **id,
		 struct err **e)
{
	const struct opt opts[] = {
		{ "image-path", 0, OPT_STR, &o->image_path, "path for the image files" },
		{ "work-path", 0, OPT_STR, &o->work_path, "path for work files and logs" },
		{ "parent-path", 0, OPT_STR, &o->parent, "path of the previous image (pre-dump)" },
		{ "leave-running", 0, OPT_BOOL, &o->leave_running,
		  "leave the process running after checkpointing" },
		{ "tcp-established", 0, OPT_BOOL, &o->tcp, "allow open tcp connections" },
		{ "ext-unix-sk", 0, OPT_BOOL, &o->ext_unix, "allow external unix sockets" },
		{ "shell-job", 0, OPT_BOOL, &o->shell_job, "allow shell jobs" },
		{ "file-locks", 0, OPT_BOOL, &o->file_locks, "handle file locks" },
		{ "pre-dump", 0, OPT_BOOL, &o->pre_dump, "dump the container's memory information only" },
		{ "auto-dedup", 0, OPT_BOOL, &o->auto_dedup, "enable auto deduplication of memory images" },
		{ "manage-cgroups-mode", 0, OPT_STR, &o->cgroups_mode, "cgroups mode" },
		{ "empty-ns", 0, OPT_STR, &o->empty_ns,
		  "create a namespace, but don't restore its properties" },
		{ "bundle", 'b', OPT_STR, &o->bundle, "path to the root of the bundle directory" },
		{ "pid-file", 0, OPT_STR, &o->pid_file, "the file to write the process id to" },
		{ "console-socket", 0, OPT_STR, &o->console_socket, "path to an AF_UNIX socket" },
		{ "detach", 'd', OPT_BOOL, &o->detach, "detach from the container's process" },
		{ "no-pivot", 0, OPT_BOOL, &o->no_pivot, "do not use pivot root" },
		{ "no-subreaper", 0, OPT_BOOL, &o->no_subreaper, "disable the use of the subreaper" },
	};
	int at, r = opts_parse(rt_command(cmd), opts, ARRAY_LEN(opts), argc, argv, &at, e);

	(void)rt;
	if (r != 0)
		return r;
	if (argc - at != 1)
		return err_set(e, ERR_INVALID, "hoy-runtime: \"%s\" requires exactly 1 argument(s)", cmd);
	*id = argv[at];
	if (str_empty(o->image_path))
		o->image_path = "checkpoint";
	if (str_empty(o->work_path))
		o->work_path = o->image_path;
	return 0;
}

static void common(struct strlist *a, const struct cr_opts *o)
{
	if (o->tcp)
		strlist_add(a, "--tcp-established");
	if (o->ext_unix)
		strlist_add(a, "--ext-unix-sk");
	if (o->shell_job)
		strlist_add(a, "--shell-job");
	if (o->file_locks)
		strlist_add(a, "--file-locks");
	strlist_add(a, o->cgroups_mode ? "--manage-cgroups" : "--manage-cgroups=soft");
}

int cmd_checkpoint(struct rt *rt, int argc, char **argv, struct err **e)
{
	struct cr_opts o = { 0 };
	cleanup_strlist struct strlist a = { 0 };
	const char *criu = find_criu(rt), *id;
	struct oci_spec *spec;
	struct state s;
	char pid[16];
	int r = parse(rt, &o, "checkpoint", argc, argv, &id, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (!criu)
		return err_set(e, ERR_NOT_IMPLEMENTED, "checkpoint needs criu, and none is installed");
	if (state_load(rt, id, &s, e) < 0 || state_spec(rt, &s, &spec, e) < 0)
		return -1;
	enum status st = state_status(rt, &s);
	if (st != ST_RUNNING && st != ST_PAUSED)
		return err_set(e, ERR_CONFLICT, "Container cannot be checkpointed in %s state",
			       status_word(st));
	r = fs_mkdirs(o.image_path, 0700);
	if (r < 0)
		return err_sys(e, -r, "make '%s'", o.image_path);
	(void)snprintf(pid, sizeof(pid), "%lld", (long long)s.pid);
	strlist_add(&a, criu);
	strlist_add(&a, o.pre_dump ? "pre-dump" : "dump");
	strlist_add(&a, "-t");
	strlist_add(&a, pid);
	strlist_add(&a, "-D");
	strlist_add(&a, o.image_path);
	strlist_add(&a, "-o");
	strlist_add(&a, "dump.log");
	strlist_add(&a, "--root");
	strlist_add(&a, s.rootfs);
	if (o.leave_running)
		strlist_add(&a, "--leave-running");
	if (o.auto_dedup)
		strlist_add(&a, "--auto-dedup");
	if (o.parent) {
		strlist_add(&a, "--prev-images-dir");
		strlist_add(&a, o.parent);
	}
	common(&a, &o);
	for (size_t i = 0; i < spec->mounts.n; i++) {
		const struct oci_mount *m = &spec->mounts.v[i];

		if (!str_eq(m->type, "bind") && !model_strs_has(&m->options, "bind") &&
		    !model_strs_has(&m->options, "rbind"))
			continue;
		strlist_add(&a, "--external");
		strlist_take(&a, xasprintf("mnt[%s]:%s", m->destination, m->destination));
	}
	return run_criu(rt, &a, o.image_path, "dump.log", e);
}

int cmd_restore(struct rt *rt, int argc, char **argv, struct err **e)
{
	struct cr_opts o = { 0 };
	const char *criu = find_criu(rt), *id;
	int r = parse(rt, &o, "restore", argc, argv, &id, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (!criu)
		return err_set(e, ERR_NOT_IMPLEMENTED, "restore needs criu, and none is installed");
	return err_set(e, ERR_NOT_IMPLEMENTED, "restore of container '%s' is not supported yet", id);
}
