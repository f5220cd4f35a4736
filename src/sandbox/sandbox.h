/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers: programs that parse hostile bytes with the least authority. Called by the store (parent side) and
 * by hoy-worker (child side).
 *
 * The parent starts a worker with descriptors and a control socket, pumps what is to be pumped, and takes
 * messages: each is one JSON object in one SEQPACKET message. The worker's last word is {"done":…} or
 * {"error":{"class":n,"text":"…"}}; a worker that dies without one is an error, too. The child confines
 * itself before it reads the first hostile byte.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/proc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SANDBOX_CONTROL_FD 3
#define SANDBOX_MAX_MSG    ((size_t)64 << 10)

/* --- parent --- */

struct sandbox_proc {
	pid_t pid;
	int pidfd;
	int control;
};
#define SANDBOX_PROC_INIT                                                                                    \
	{                                                                                                    \
		.pid = -1, .pidfd = -1, .control = -1                                                        \
	}

/* Starts `program`; fds come in addition to the control socket. The worker dies with the calling thread. */
int sandbox_start(const char *program, char *const *argv, const struct proc_fd *fds, size_t n_fds,
		  struct sandbox_proc *out, struct err **e) NODISCARD;
/* The next message, NUL-terminated, in buf[SANDBOX_MAX_MSG + 1]: its length, 0 when the worker has closed,
 * -1. Error messages of the worker are returned as errors. */
ssize_t sandbox_recv(struct sandbox_proc *p, char *buf, struct err **e) NODISCARD;
/* Waits for the end; an error unless it exited with 0. */
int sandbox_finish(struct sandbox_proc *p, struct err **e) NODISCARD;
/* Kills it if it still runs, and reaps it. For cleanup; nothing when finished. */
void sandbox_release(struct sandbox_proc *p);
#define cleanup_sandbox __attribute__((cleanup(sandbox_release)))

/* --- child --- */

struct sandbox_policy {
	int root_fd;             /* becomes "/"; everything else is out of reach */
	int also_fd;             /* a second directory that stays usable by its descriptor; -1: none */
	uint64_t caps;           /* capabilities that are kept, as 1 << CAP_X */
	uint64_t max_file_bytes; /* RLIMIT_FSIZE; 0: not limited */
	uint64_t max_memory;     /* RLIMIT_AS; 0: not limited */
	uint64_t max_cpu_s;      /* RLIMIT_CPU; 0: not limited */
};
/*
 * Gives up everything but root_fd, open descriptors and `caps`: chroot, rlimits, capabilities, no_new_privs,
 * Landlock (where the kernel has it), and a seccomp list that has no network, no processes, no mounts.
 * Irrevocable.
 */
int sandbox_confine(const struct sandbox_policy *p, struct err **e) NODISCARD;
/* One message to the parent. */
int sandbox_send(struct sv json, struct err **e);
/* The error as last word. */
void sandbox_send_error(const struct err *err);
