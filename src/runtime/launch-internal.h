/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the launcher's two halves work together. launch.c is the parent: it prepares what needs the host's view
 * (control groups, bind sources, id maps, hooks) and waits. launch-init.c is the new process: it runs the plan
 * to its end, in order, asks the parent for what only it can do, and reports one error. They speak fixed
 * messages over a SEQPACKET pair. Nothing here allocates.
 */
#pragma once

#include "runtime/launch.h"
#include "runtime/plan-internal.h"

#include "base/fs.h"
#include "kernel/ns.h"

enum launch_msg_kind {
	LM_GO = 1,   /* parent: go on */
	LM_ERROR,    /* child: step, sys, text; it exits */
	LM_WARN,     /* child: text */
	LM_PID,      /* the process in between: value is the init's pid */
	LM_HOOKS,    /* child: run createRuntime hooks and move devices, then GO */
	LM_RLIMITS,  /* child: set them for me, then GO */
	LM_CONSOLE,  /* child: a descriptor comes along */
	LM_LISTENER, /* child: value is my number of the seccomp listener; then GO */
	LM_READY,    /* child: created */
};

struct launch_msg {
	uint32_t kind, step;
	int32_t sys, value;
	char text[LAUNCH_TEXT];
};

/* Inside the new process. */
struct lc {
	char *p; /* the plan, our own copy */
	struct plan_hdr *h;
	const int *fds;
	const struct launch_io *io;
	int sync;       /* to the parent */
	int report;     /* where errors go: sync, later the one who starts us */
	int procfd;     /* the host's procfs */
	int rootfd;     /* the container's root */
	int pidfd;      /* exec: of the container's init */
	int ttyfd;      /* pty slave, or -1 */
	int attr_fd[2]; /* LSM: apparmor, selinux; or -1 */
	int mask_tmpfs; /* the first read-only tmpfs; the others are its copies */
	int nullfd;
	pid_t host_pid;  /* ours as the host counts; set by lc_become(), which closes procfd */
	bool born_in_v2; /* CLONE_INTO_CGROUP was used */
	bool parent_attaches;
	const char *program; /* what execve gets */
	struct launch_msg err;
};

/* Fills the error; the text gets ": strerror(sys)" when sys is not 0. Its value is -1. */
int lc_fail(struct lc *c, enum launch_step step, int sys, const char *fmt, ...) PRINTF(4, 5);
void lc_warn(struct lc *c, const char *fmt, ...) PRINTF(2, 3);
/* Sends a message and waits for GO. */
int lc_ask(struct lc *c, enum launch_msg_kind kind, int value);

/* Are bind sources opened by the parent? A process in another user or mount namespace may not see them. */
static inline bool launch_parent_binds(const struct plan_hdr *h)
{
	return h->flags & (PLAN_USERNS | PLAN_JOINED_USERNS) || !(h->clone_flags & NS_MOUNT);
}
/* Id map, attributes and propagation of a mount that is not attached yet (or is to be changed in place). */
int launch_prepare_mount(const char *plan, const struct plan_mount *m, int fd);

/* launch-root.c */
int lc_build_root(struct lc *c);  /* attach the root, mounts, devices, cwd */
int lc_finish_root(struct lc *c); /* masks, read-only, pivot */
int lc_open_console(struct lc *c);
/* Opens below the container's root. */
int lc_open_in(int rootfd, const char *path, int flags, uint64_t extra_resolve);
/* Opens dest (O_PATH), making it and its parents when missing; dangling links are followed inside the root. */
int lc_make_in(int rootfd, const char *path, bool is_dir, bool *made);

/* launch-copy.c: tmpcopyup */
int lc_copy_tree(int fromfd, int tofd);

/* launch-process.c */
int lc_limits(struct lc *c); /* rlimits, scheduling, oom, personality */
int lc_become(struct lc *c); /* stdio, user, capabilities, cwd, lookup */
int lc_execute(
	struct lc *c); /* after GO: hooks, LSM, seccomp, last capabilities, execve; returns on failure */

/* launch-hook.c */
int launch_hooks_run(const char *plan, const struct plan_list *l, const char *name, const char *status,
		     pid_t pid, char *text, size_t text_n, int *sys);
/* The state document in a memfd, offset 0; or -errno. */
int launch_state_fd(const char *plan, const char *status, pid_t pid);
char **launch_vec(const char *plan, struct plan_vec v);

/* launch-netdev.c: moves the plan's interfaces into the process' network namespace */
int launch_netdevs_move(const char *plan, pid_t pid, char *text, size_t text_n, int *sys);

/* launch-init.c: never returns */
void lc_main(struct lc *c) NORETURN;
void lc_middle(struct lc *c, int cgroup_fd) NORETURN;
