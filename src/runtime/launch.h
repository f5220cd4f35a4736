/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executes a launch plan (runtime/plan.h): the mechanism of starting a container, without parsing, allocation
 * or policy. Called by hoy-monitor and hoy-runtime, both single-threaded; never by hoyd, which has threads.
 *
 *	struct launch l;
 *	struct launch_io io = { .stdio = { in, out, err } };
 *	if (launch_start(plan, n, fds, n_fds, &io, &l) < 0) {
 *		launch_error_text(&l, text, sizeof(text));	// "exec: \"nosuch\": executable file not found
 * in $PATH" exit_code = launch_exit_code(&l);		// 127, 126, or 128 for everything else
 *	}
 *	... the container is created: l.pid, l.pidfd, with a terminal l.console_fd (the pty's master) ...
 *	if (launch_release(&l) < 0) ...			// the program runs, or the same kind of error
 *
 * launch_start() of PLAN_INIT clones the container's init with its namespaces, joins control groups, writes
 * id maps, runs hooks, mounts, and returns when init stands before its execve and waits. A missing program is
 * found out here already. PLAN_EXEC starts a process in a running container; launch_start() returns when it
 * stands before its execve likewise, and launch_release() lets it go.
 *
 * After an error nothing is left: the process is killed and reaped, new control groups are removed; the
 * caller need not call anything (launch_abort() is harmless). Descriptors in `fds` and `io` stay the caller's.
 * The caller reaps l.pid when it ends (waitpid, or P_PIDFD) and removes the control group.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where a launch failed, for tests and logs; the text is launch_error_text()'s business. */
enum launch_step {
	LAUNCH_OK,
	LAUNCH_PLAN,
	LAUNCH_CGROUP,
	LAUNCH_SOURCE,
	LAUNCH_NAMESPACE,
	LAUNCH_CLONE,
	LAUNCH_IDMAP,
	LAUNCH_JOIN,
	LAUNCH_SYNC,
	LAUNCH_ROOT,
	LAUNCH_MOUNT,
	LAUNCH_DEVICE,
	LAUNCH_MASK,
	LAUNCH_READONLY,
	LAUNCH_SYSCTL,
	LAUNCH_HOSTNAME,
	LAUNCH_NETDEV,
	LAUNCH_HOOK,
	LAUNCH_PIVOT,
	LAUNCH_CONSOLE,
	LAUNCH_RLIMIT,
	LAUNCH_SCHED,
	LAUNCH_CWD,
	LAUNCH_USER,
	LAUNCH_CAPS,
	LAUNCH_LSM,
	LAUNCH_SECCOMP,
	LAUNCH_LOOKUP, /* the program is not there, not executable, a directory */
	LAUNCH_EXEC,   /* execve said no */
	LAUNCH_STEPS_,
};

#define LAUNCH_TEXT 512

struct launch_io {
	int stdio[3]; /* become 0, 1, 2 of the process; -1: ours are inherited. Unused with a terminal. */
	uint16_t rows, cols;  /* of the terminal; 0: the plan's own consoleSize, or none */
	bool die_with_parent; /* SIGKILL when the launching process ends (a set-uid program sheds it) */
	/* A warning: something degraded (a limit that could not be raised). May be NULL. */
	void (*warn)(void *ctx, const char *text);
	void *ctx;
};

struct launch {
	pid_t pid;      /* in our pid namespace; 0 before */
	int pidfd;      /* O_CLOEXEC; the caller's to close after success */
	int console_fd; /* the pty's master, or -1; the caller's */
	int sync_fd;    /* to the waiting process; closed by release and abort */

	enum launch_step step; /* of the failure */
	int sys;               /* errno of it */
	char text[LAUNCH_TEXT];

	/* private to launch.c */
	const void *plan_;
	size_t plan_n_;
	bool made_cgroup_;
};

/* 0, or -1 with l->step, l->sys and l->text. `plan` must be writable: the launch keeps its own notes (opened
 * descriptors, argv's pointers) in it, so a plan is launched once at a time. */
int launch_start(void *plan, size_t n, const int *fds, size_t n_fds, const struct launch_io *io,
		 struct launch *l) NODISCARD;
/* 0 once the program was executed; -1 as above (the process is reaped then). Only for plans without start_fd.
 */
int launch_release(struct launch *l) NODISCARD;
/* The same in two halves for a caller with an event loop: let it go; then, when l->sync_fd is readable,
 * collect: 0 executed, -1 failed. */
int launch_release_begin(struct launch *l) NODISCARD;
int launch_release_end(struct launch *l) NODISCARD;
/* Kills and reaps a process that was not released; closes what the launch opened. */
void launch_abort(struct launch *l);
/* Forgets a launch whose process somebody else will start (start_fd): closes sync_fd and leaves it alone. */
void launch_leave(struct launch *l);

/* runc's words, without a prefix; returns buf. */
const char *launch_error_text(const struct launch *l, char *buf, size_t n);
/* What `docker run` exits with for it: 127 not found, 126 not executable, 128 otherwise. */
int launch_exit_code(const struct launch *l);

/* From another process (hoy-runtime start): tells the waiting init behind the plan's start_fd to go. `sock`
 * is connected to it. 0 when the program was executed, -1 with the error in *l. */
int launch_start_remote(int sock, struct launch *l) NODISCARD;

/* Hooks of the plan that belong to the caller's time line: poststart after the program runs (status
 * "running"), poststop after deletion (status "stopped", pid 0). Run one by one, state JSON on stdin. 0, or
 * -1 with the error in *l; all of poststop's are tried. */
enum launch_hooks { LAUNCH_POSTSTART, LAUNCH_POSTSTOP };
int launch_run_hooks(const void *plan, size_t n, enum launch_hooks which, pid_t pid,
		     struct launch *l) NODISCARD;
