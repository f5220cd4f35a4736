/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting programs. A threaded process never forks without exec: proc_spawn() has vfork semantics, so that
 * it costs the same whatever the engine's size. Pids are held as pidfds.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A NULL-ended argument list from literals: exec's prototype takes char *, and writes to nothing. */
#define ARGV(...) ((char *const *)(uintptr_t)(const char *const[]){ __VA_ARGS__, NULL })

struct proc_fd {
	int from; /* our descriptor */
	int to;   /* its number in the child; 0, 1 and 2 not named are /dev/null */
};

struct proc_spawn {
	const char *path;  /* executed as it is (no PATH search); or NULL and exec_fd */
	int exec_fd;       /* used when path is NULL: execveat of a sealed memfd */
	char *const *argv; /* argv[0] included */
	char *const *envp; /* NULL: ours */
	const struct proc_fd *fds;
	size_t n_fds;
	bool new_session;     /* setsid() */
	bool die_with_parent; /* PR_SET_PDEATHSIG, SIGKILL */
	int cwd_fd;           /* fchdir; 0 means unset */
};

/* 0 and *pid, *pidfd (O_CLOEXEC; may be NULL); or -errno, the child's exec failure included. All signals are
 * unblocked and set to default in the child; descriptors that are not named are closed. */
int proc_spawn(const struct proc_spawn *s, pid_t *pid, int *pidfd) NODISCARD;

/* Waits for a child: exit code, or 128 + signal; -errno. */
int proc_wait(pid_t pid);
int proc_wait_pidfd(int pidfd);

/* Runs a program to its end with `input` on stdin and what it prints (stdout + stderr, at most out_max bytes)
 * in *out. Returns its exit code, 128 + signal, or -errno. out may be NULL. */
int proc_run(char *const *argv, const char *input, size_t input_n, char **out, size_t out_max) NODISCARD;

/* Start time in clock ticks since boot (field 22 of /proc/PID/stat): with the pid it names a process for
 * good. */
int proc_start_time(pid_t pid, unsigned long long *out) NODISCARD;
int proc_pidfd_open(pid_t pid) NODISCARD;
int proc_pidfd_signal(int pidfd, int sig);

/* Finds our sibling program: HOY_LIBEXEC, then the directory of our own executable. Returns a heap path. */
char *proc_sibling(const char *name);
