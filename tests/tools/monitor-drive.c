/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor-drive DIR: stands in for hoyd in tests/integration/test_monitor.py. Commands are JSON messages on a SEQPACKET
 * socket (fd 3), with descriptors beside them; each gets one JSON message back. Events are fetched by the "event" command.
 * One monitor a process. It calls nothing but monitor/client.h, runtime/plan.h and kernel/cgroup.h, as the engine does.
 */
#include "base/fdpass.h"
#include "base/fs.h"
#include "base/mem.h"
#include "codec/json.h"
#include "kernel/cgroup.h"
#include "model/oci.gen.h"
#include "monitor/client.h"
#include "runtime/plan.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#define CONTROL 3

struct drive {
	struct arena *a;
	struct monitor_program *program;
	struct monitor *m;
	int dirfd;
	struct cgroup_layout cgroups;
	struct strbuf ref;
	int fds[8]; /* that came with the command */
	size_t n_fds;
};

static const char *str(const struct json *j, const char *key)
{
	return json_str(json_get(j, key));
}
static int64_t num(const struct json *j, const char *key)
{
	int64_t v = 0;

	return json_i64(json_get(j, key), &v) == 0 ? v : 0;
}
static bool yes(const struct json *j, const char *key)
{
	return json_bool(json_get(j, key));
}

static int plan_of(struct drive *d, const struct json *spec_json, const char *id, struct strbuf *plan,
		   struct err **e)
{
	struct oci_spec *spec;

	if (oci_spec_decode(d->a, spec_json, &spec, e) < 0)
		return -1;
	struct plan_input in = { .spec = spec,
				 .id = id,
				 .bundle = "/",
				 .root_fd = PLAN_NO_FD,
				 .rootfs_dirfd = -1,
				 .start_fd = PLAN_NO_FD,
				 .cgroups = &d->cgroups,
				 .cgroup_path = spec->linux ? spec->linux->cgroups_path : NULL };
	return plan_compile(&in, plan, e);
}

static int do_start(struct drive *d, const struct json *q, struct jw *w, struct err **e)
{
	cleanup_strbuf struct strbuf plan = { 0 };
	const struct json *log = json_get(q, "log");
	int code = 0;

	if (plan_of(d, json_get(q, "spec"), str(q, "id"), &plan, e) < 0)
		return -1;
	if (str(q, "cgroup") && cgroup_ref(&d->cgroups, str(q, "cgroup"), &d->ref, e) < 0)
		return -1;
	struct monitor_start s = { .id = str(q, "id"),
				   .dirfd = d->dirfd,
				   .plan = plan.p,
				   .plan_n = plan.n,
				   .cgroup = d->ref.p,
				   .cgroup_n = d->ref.n,
				   .tty = yes(q, "tty"),
				   .open_stdin = yes(q, "open_stdin"),
				   .stdin_once = yes(q, "stdin_once"),
				   .rows = (uint16_t)num(q, "rows"),
				   .cols = (uint16_t)num(q, "cols"),
				   .log = log ? MONITOR_LOG_JSON_FILE : MONITOR_LOG_NONE,
				   .log_dirfd = d->dirfd,
				   .log_name = "c-json.log",
				   .log_max_size = log ? (uint64_t)num(log, "max_size") : 0,
				   .log_max_file = log ? (uint32_t)num(log, "max_file") : 1,
				   .log_attrs = log ? str(log, "attrs") : NULL };
	int r = monitor_start(d->program, &s, &d->m, &code, e);
	jw_ki64(w, "exit_code", code);
	if (r == 0) {
		jw_ki64(w, "pid", monitor_pid(d->m));
		jw_ki64(w, "monitor", monitor_own_pid(d->m));
	}
	return r;
}

static int do_exec(struct drive *d, const struct json *q, struct jw *w, struct err **e)
{
	cleanup_strbuf struct strbuf plan = { 0 };
	struct oci_process *process;
	int code = 0, fds[1] = { monitor_pidfd(d->m) };
	unsigned ns = 0;
	pid_t pid = 0;

	if (oci_process_decode(d->a, json_get(q, "process"), &process, e) < 0)
		return -1;
	int r = plan_exec_ns(monitor_pid(d->m), &ns);
	if (r < 0)
		return err_sys(e, -r, "namespaces");
	struct plan_exec_input in = { .process = process,
				      .id = "drive",
				      .n_fds = 1,
				      .pidfd = 0,
				      .namespaces = ns,
				      .root_fd = PLAN_NO_FD,
				      .rootfs_dirfd = -1,
				      .cgroups = &d->cgroups,
				      .cgroup_path = str(q, "cgroup") };
	if (plan_compile_exec(&in, &plan, e) < 0)
		return -1;
	struct monitor_exec x = { .exec_id = str(q, "exec_id"),
				  .plan = plan.p,
				  .plan_n = plan.n,
				  .fds = fds,
				  .n_fds = 1,
				  .tty = yes(q, "tty"),
				  .open_stdin = yes(q, "open_stdin"),
				  .rows = (uint16_t)num(q, "rows"),
				  .cols = (uint16_t)num(q, "cols"),
				  .client = { .fd = d->n_fds ? d->fds[0] : -1,
					      .use_stdin = yes(q, "open_stdin"),
					      .use_stdout = true,
					      .use_stderr = true,
					      .mux = yes(q, "mux") } };
	r = monitor_exec_start(d->m, &x, &pid, &code, e);
	jw_ki64(w, "exit_code", code);
	jw_ki64(w, "pid", pid);
	return r;
}

static int do_attach(struct drive *d, const struct json *q, struct err **e)
{
	const char *keys = str(q, "keys");
	struct monitor_attach a = { .fd = d->n_fds ? d->fds[0] : -1,
				    .exec_id = str(q, "exec_id"),
				    .use_stdin = yes(q, "stdin"),
				    .use_stdout = yes(q, "stdout"),
				    .use_stderr = yes(q, "stderr"),
				    .mux = yes(q, "mux"),
				    .keys = keys,
				    .n_keys = keys ? strlen(keys) : 0,
				    .tag = (uint64_t)num(q, "tag") };

	return monitor_attach(d->m, &a, e);
}

static void put_exit(struct jw *w, const struct monitor_exit *x)
{
	jw_ki64(w, "code", x->code);
	jw_ki64(w, "signal", x->signal);
	jw_kbool(w, "oom", x->oom_killed);
	jw_ki64(w, "at", x->at_ns);
}

/* Waits for one event; "gone" when the monitor ended. */
static int do_event(struct drive *d, const struct json *q, struct jw *w, struct err **e)
{
	static const char *const names[] = {
		"exit", "exec_exit", "detach", "oom", "log_error", "log_rotated"
	};
	struct pollfd pf = { .fd = monitor_event_fd(d->m), .events = POLLIN };
	struct monitor_event ev;
	int r = 0;

	if (poll(&pf, 1, (int)num(q, "timeout_ms")) > 0)
		r = monitor_next_event(d->m, &ev);
	if (r == 0)
		return err_set(e, ERR_DEADLINE, "no event");
	if (r < 0) {
		jw_kstr(w, "event", "gone");
		return 0;
	}
	jw_kstr(w, "event", names[ev.kind]);
	jw_kstr(w, "exec_id", ev.exec_id);
	jw_ki64(w, "tag", (int64_t)ev.tag);
	jw_ki64(w, "sys", ev.sys);
	put_exit(w, &ev.exit);
	return 0;
}

static int do_exit_file(struct drive *d, struct jw *w)
{
	struct monitor_exit x;
	int r = monitor_read_exit(d->dirfd, &x);

	jw_ki64(w, "found", r);
	if (r == 0)
		put_exit(w, &x);
	return 0;
}

static int do_connect(struct drive *d, struct jw *w, struct err **e)
{
	monitor_close(TAKE_PTR(d->m));
	if (monitor_connect(d->dirfd, "drive", &d->m, e) < 0)
		return -1;
	jw_ki64(w, "pid", monitor_pid(d->m));
	jw_ki64(w, "monitor", monitor_own_pid(d->m));
	jw_kbool(w, "released", monitor_is_released(d->m));
	return 0;
}

static int do_execs(struct drive *d, struct jw *w, struct err **e)
{
	cleanup_free struct monitor_exec_info *v = NULL;
	ssize_t n = monitor_execs(d->m, &v, e);

	if (n < 0)
		return -1;
	jw_karr(w, "execs");
	for (ssize_t i = 0; i < n; i++)
		jw_str(w, v[i].id);
	jw_end(w);
	return 0;
}

static int command(struct drive *d, const struct json *q, struct jw *w, struct err **e)
{
	const char *op = str(q, "op");
	int code = 0, r;

	if (str_eq(op, "start"))
		return do_start(d, q, w, e);
	if (str_eq(op, "connect"))
		return do_connect(d, w, e);
	if (str_eq(op, "exit_file"))
		return do_exit_file(d, w);
	if (str_eq(op, "forget")) {
		monitor_forget(d->dirfd);
		return 0;
	}
	if (str_eq(op, "kill_group"))
		return cgroup_exec_kill(d->ref.p, d->ref.n);
	if (!d->m)
		return err_set(e, ERR_INVALID, "no monitor");
	if (str_eq(op, "release")) {
		r = monitor_release(d->m, &code, e);
		jw_ki64(w, "exit_code", code);
		return r;
	}
	if (str_eq(op, "attach"))
		return do_attach(d, q, e);
	if (str_eq(op, "exec"))
		return do_exec(d, q, w, e);
	if (str_eq(op, "execs"))
		return do_execs(d, w, e);
	if (str_eq(op, "event"))
		return do_event(d, q, w, e);
	if (str_eq(op, "resize"))
		return monitor_resize(d->m, str(q, "exec_id"), (uint16_t)num(q, "rows"),
				      (uint16_t)num(q, "cols"), e);
	if (str_eq(op, "signal"))
		return monitor_signal(d->m, str(q, "exec_id"), (int)num(q, "sig"), e);
	if (str_eq(op, "close_stdin"))
		return monitor_close_stdin(d->m, str(q, "exec_id"), e);
	if (str_eq(op, "log_limits"))
		return monitor_log_limits(d->m, (uint64_t)num(q, "max_size"), (uint32_t)num(q, "max_file"),
					  e);
	if (str_eq(op, "gone"))
		return monitor_wait_gone(d->m, 60000) < 0 ? err_set(e, ERR_DEADLINE, "still there") : 0;
	if (str_eq(op, "close")) {
		monitor_close(TAKE_PTR(d->m));
		return 0;
	}
	return err_set(e, ERR_INVALID, "unknown command '%s'", op ? op : "");
}

int main(int argc, char **argv)
{
	struct drive d = { 0 };
	static char buf[256 * 1024];
	struct err *e = NULL;

	if (argc != 2)
		return 2;
	d.dirfd = fs_open(argv[1], O_RDONLY | O_DIRECTORY, 0);
	if (d.dirfd < 0 || cgroup_detect(&d.cgroups) < 0 || monitor_program_open(&d.program, &e) < 0) {
		fprintf(stderr, "monitor-drive: %s\n", e ? err_text(e) : "cannot begin");
		return 1;
	}
	for (;;) {
		cleanup_strbuf struct strbuf out = { 0 };
		cleanup_err struct err *err = NULL;
		const struct json *q = NULL;
		struct jw w = jw_to(&out);

		d.n_fds = ARRAY_LEN(d.fds);
		ssize_t n = fdpass_recv(CONTROL, buf, sizeof(buf), d.fds, &d.n_fds);
		if (n <= 0)
			break;
		d.a = arena_new();
		jw_obj(&w);
		int r = json_parse(d.a, sv_n(buf, (size_t)n), NULL, &q, &err);
		if (r == 0)
			r = command(&d, q, &w, &err);
		if (r < 0)
			jw_kstr(&w, "error", err ? err_text(err) : "?");
		jw_end(&w);
		for (size_t i = 0; i < d.n_fds; i++)
			fd_close(&d.fds[i]);
		arena_free(d.a);
		if (fdpass_send(CONTROL, out.p, out.n, NULL, 0) < 0)
			break;
	}
	monitor_close(d.m);
	monitor_program_close(d.program);
	sb_release(&d.ref);
	(void)close(d.dirfd);
	return 0;
}
