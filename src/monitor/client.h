/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's side of hoy-monitor. Called by engine/ (any thread).
 *
 * One monitor process per running container: it launches the container from a compiled plan, owns its pty or
 * pipes, writes the log, serves attached clients whose sockets were handed over, runs execs, and records the
 * exit. It outlives hoyd; a new hoyd finds it again with monitor_connect().
 *
 *	struct monitor *m;
 *	monitor_start(mp, &(struct monitor_start){ .id = id, .dirfd = dir, .plan = …, .fds = … }, &m, e);
 *	monitor_attach(m, &(struct monitor_attach){ .fd = sock, … }, e);  // clients that attached before the
 * start monitor_release(m, e);						   // the container runs
 *	... epoll on monitor_event_fd(m): monitor_next_event(m, &ev) until 0 or -EPIPE
 *	monitor_close(m);
 *
 * Order at the end of a container: output is drained into the log and to the clients' buffers; the exit file
 * is written in dirfd; MONITOR_EXIT is sent; the cgroup is removed; the process ends, which the event
 * descriptor reports (-EPIPE). Start the same container again only after that -EPIPE (monitor_wait_gone()),
 * because the new start makes the cgroup anew. -EPIPE without an exit event and without an exit file means
 * that the monitor was killed: kill the cgroup (cgroup_exec_kill), record 137.
 *
 * Attached clients: output goes to each client's socket, then to a buffer of 64 KiB a client; when one is
 * full, reading from the container pauses (as dockerd does: nothing is lost), but a client that takes nothing
 * for 10 s while others are attached is dropped. A client's socket belongs to the monitor after
 * monitor_attach(): close your copy, never shutdown() it. TLS and WebSocket clients: hand over one end of a
 * socketpair and carry the bytes yourself.
 *
 * Ownership: descriptors in the request structs stay the caller's (close them after the call). Two sockets a
 * monitor: requests are serialised by a lock inside; events are for one reader.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MONITOR_ID_MAX        64 /* bytes of a container or exec id */
#define MONITOR_MAX_FDS       48 /* descriptors a plan may bring */
#define MONITOR_MAX_CLIENTS   1024
#define MONITOR_MAX_EXECS     256 /* at one time */
#define MONITOR_MAX_KEYS      32
#define MONITOR_MAX_LOG_ATTRS 2048

struct monitor;

/* The program, once an engine: a sealed in-memory copy, so that no container can reach the file
 * (CVE-2019-5736). */
struct monitor_program;
int monitor_program_open(struct monitor_program **out, struct err **e) NODISCARD;
/* After the last monitor_close(). */
void monitor_program_close(struct monitor_program *p);
/* Reaps monitors that ended after their monitor_close() (a client was still reading). Every start and close does it too;
 * an idle engine calls it now and then. */
void monitor_program_reap(struct monitor_program *p);

enum monitor_log { MONITOR_LOG_NONE, MONITOR_LOG_JSON_FILE };

struct monitor_start {
	const char *id; /* <= 64 bytes; shown by ps */
	int dirfd;      /* <exec-root>/containers/<id>: control socket "monitor.sock", exit file "exit" */

	/* runtime/plan.h: the plan and the descriptors it refers to. */
	const void *plan;
	size_t plan_n;
	const int *fds;
	size_t n_fds;
	/* kernel/cgroup.h: cgroup_ref() of the container's group (kill, oom, destroy); may be empty. */
	const void *cgroup;
	size_t cgroup_n;

	bool tty;
	bool open_stdin;     /* else /dev/null */
	bool stdin_once;     /* the first client's end of input closes the container's stdin */
	uint16_t rows, cols; /* 0: leave */
	bool no_new_session; /* reserved, false */

	enum monitor_log log;
	int log_dirfd;         /* directory of the log file and its rotated ones */
	const char *log_name;  /* "<id>-json.log"; then .1 (newest) … */
	uint64_t log_max_size; /* bytes; 0: no rotation */
	uint32_t log_max_file; /* >= 1 */
	const char *log_attrs; /* NULL, or a JSON object: written as ,"attrs":{…} */
};

/* Starts the process and launches: returns with the container *created* (waiting before exec). The error
 * carries the runtime's words; *exit_code (may be NULL) gets Docker's code for it (127, 126, 128), else 0. */
int monitor_start(struct monitor_program *p, const struct monitor_start *s, struct monitor **out,
		  int *exit_code, struct err **e) NODISCARD;
/* Lets the container exec its program. An error means that it is gone; the exit code as above. */
int monitor_release(struct monitor *m, int *exit_code, struct err **e) NODISCARD;

/* Re-adopts a monitor after an engine restart. NOT_FOUND: none answers there (then see monitor_read_exit()).
 */
int monitor_connect(int dirfd, const char *id, struct monitor **out, struct err **e) NODISCARD;
/* Closes our sockets; container and monitor go on. After -EPIPE it reaps the process (which ends within the
 * millisecond). NULL is fine. */
void monitor_close(struct monitor *m);
DEFINE_CLEANUP(struct monitor *, monitor_close)
#define cleanup_monitor CLEANUP(monitor_close)

pid_t monitor_pid(const struct monitor *m);          /* the container's init, in our pid namespace */
int monitor_pidfd(const struct monitor *m);          /* of that; borrowed; valid until monitor_close */
pid_t monitor_own_pid(const struct monitor *m);      /* of hoy-monitor itself */
int64_t monitor_started_ns(const struct monitor *m); /* clock_now_ns() at release; 0 before */
bool monitor_is_released(const struct monitor *m);

struct monitor_attach {
	int fd;
	const char *exec_id; /* NULL: the container itself */
	bool use_stdin, use_stdout, use_stderr;
	bool mux;         /* 8-byte frames; else raw */
	const char *keys; /* detach keys as bytes, tty only; n_keys 0: none */
	size_t n_keys;
	uint64_t tag; /* comes back in MONITOR_DETACH */
};
int monitor_attach(struct monitor *m, const struct monitor_attach *a, struct err **e) NODISCARD;

/* exec_id NULL: the container's own. */
int monitor_resize(struct monitor *m, const char *exec_id, uint16_t rows, uint16_t cols,
		   struct err **e) NODISCARD;
int monitor_close_stdin(struct monitor *m, const char *exec_id, struct err **e) NODISCARD;
int monitor_signal(struct monitor *m, const char *exec_id, int sig, struct err **e) NODISCARD;

struct monitor_exec {
	const char *exec_id;
	const void *plan;
	size_t plan_n;
	const int *fds;
	size_t n_fds;
	bool tty;
	bool open_stdin;
	uint16_t rows, cols;
	/* The client, or fd -1: detached (output is dropped). exec_id in it is ignored. Stdin's end closes
	 * the exec's stdin. */
	struct monitor_attach client;
};
/* Returns when the program runs (its execve succeeded). On failure exit_code is 126, 127 or 128. */
int monitor_exec_start(struct monitor *m, const struct monitor_exec *x, pid_t *pid, int *exit_code,
		       struct err **e) NODISCARD;

struct monitor_exec_info {
	char id[MONITOR_ID_MAX + 1];
	pid_t pid;
	bool tty;
};
/* Execs that still run (after monitor_connect). Heap array in *out, freed by the caller; count or -1. */
ssize_t monitor_execs(struct monitor *m, struct monitor_exec_info **out, struct err **e) NODISCARD;

/* New limits of the log file, from the next record on (`update --log-opt`). */
int monitor_log_limits(struct monitor *m, uint64_t max_size, uint32_t max_file, struct err **e) NODISCARD;

struct monitor_exit {
	int code;        /* exit code, or 128 + signal */
	int signal;      /* 0: exited by itself */
	bool oom_killed; /* something in the group was killed for memory */
	int64_t at_ns;
	int64_t started_ns;
	pid_t pid;
};

enum monitor_event_kind {
	MONITOR_EXIT,        /* .exit */
	MONITOR_EXEC_EXIT,   /* .exec_id, .exit */
	MONITOR_DETACH,      /* a client left by its keys: .exec_id (or ""), .tag */
	MONITOR_OOM,         /* the group hit its memory limit and lost a process */
	MONITOR_LOG_ERROR,   /* writing the log failed: .sys; records are being dropped; once until it works
				again */
	MONITOR_LOG_ROTATED, /* name.1 is new */
};
struct monitor_event {
	enum monitor_event_kind kind;
	char exec_id[MONITOR_ID_MAX + 1];
	uint64_t tag;
	int sys;
	struct monitor_exit exit;
};

/* Poll it for POLLIN. */
int monitor_event_fd(const struct monitor *m);
/* 1 and *ev; 0: nothing now; -EPIPE: the monitor ended. Never blocks. */
int monitor_next_event(struct monitor *m, struct monitor_event *ev) NODISCARD;
/* Waits until the process ended; 0 or -ETIMEDOUT. */
int monitor_wait_gone(struct monitor *m, int timeout_ms) NODISCARD;

/* The exit file of a container whose monitor is gone: 0, -ENOENT, or -EBADMSG. */
int monitor_read_exit(int dirfd, struct monitor_exit *out) NODISCARD;
/* Removes monitor.sock and the exit file (before a new start, at rm). */
void monitor_forget(int dirfd);
