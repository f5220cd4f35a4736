/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hoyd and hoy-monitor say to each other: one struct a SEQPACKET message, descriptors beside it (SCM_RIGHTS).
 * Every message begins with a head that names version, type, size and descriptor count; wire_check() refuses anything
 * that does not fit, so that the rest of the code may read the struct. Little is said, so structs are fixed; only a
 * start is followed by bytes (the cgroup program). A new field or type is a new WIRE_VERSION: a hoyd that finds an
 * older monitor alive (upgrade with running containers) speaks that version to it.
 *
 * Conversation: the control socket carries request → reply, strictly in turn. Events go one way on a second socket,
 * whose end the engine gives in WIRE_START or WIRE_HELLO.
 */
#pragma once

#include "base/attr.h"
#include "monitor/client.h"

#include <stdint.h>

#define WIRE_MAGIC      0x314d4f48u /* "HOM1" */
#define WIRE_VERSION    1
#define WIRE_MAX_CGROUP (16 * 1024)
#define WIRE_MAX_TEXT   1024
#define WIRE_NAME_MAX   192
#define WIRE_SOCK_NAME  "monitor.sock"
#define WIRE_EXIT_NAME  "exit"
#define WIRE_CONTROL_FD 3 /* in hoy-monitor, from its start */

enum wire_type {
	WIRE_START = 1, /* fds: events, dir, plan (memfd), log directory; then the plan's */
	WIRE_HELLO,     /* fds: events. The first message on a connection to monitor.sock */
	WIRE_RELEASE,
	WIRE_ATTACH, /* fds: client */
	WIRE_RESIZE,
	WIRE_CLOSE_STDIN,
	WIRE_SIGNAL,
	WIRE_EXEC,  /* fds: plan (memfd), client if has_client; then the plan's */
	WIRE_EXECS, /* index in .arg: one exec a reply */
	WIRE_LOG_LIMITS,
	WIRE_REPLY, /* fds: pidfd after start and hello */
	WIRE_EVENT,
	WIRE_TYPES_
};

struct wire_head {
	uint32_t magic;
	uint16_t version, type;
	uint32_t size; /* of the whole message */
	uint32_t n_fds;
};

struct wire_id {
	char s[MONITOR_ID_MAX + 8]; /* NUL-terminated, rest zero; "" is the container itself */
};

struct wire_start {
	struct wire_head head;
	struct wire_id id;
	uint8_t tty, open_stdin, stdin_once, log;
	uint16_t rows, cols;
	uint64_t plan_n;
	uint64_t log_max_size;
	uint32_t log_max_file;
	uint32_t log_attrs_n;
	uint32_t cgroup_n; /* bytes after this struct */
	uint32_t pad;
	char log_name[WIRE_NAME_MAX];
	char log_attrs[MONITOR_MAX_LOG_ATTRS];
};

struct wire_attach {
	struct wire_head head;
	struct wire_id exec_id;
	uint64_t tag;
	uint8_t use_stdin, use_stdout, use_stderr, mux;
	uint8_t n_keys, pad[3];
	char keys[MONITOR_MAX_KEYS];
};

struct wire_exec {
	struct wire_head head;
	struct wire_id exec_id;
	uint64_t plan_n;
	uint8_t tty, open_stdin, has_client, pad;
	uint16_t rows, cols;
	struct wire_attach client; /* its head and exec_id are not used */
};

/* RESIZE (arg, arg2: rows, cols), CLOSE_STDIN, SIGNAL (arg), RELEASE, HELLO, EXECS (arg), LOG_LIMITS (arg64, arg). */
struct wire_simple {
	struct wire_head head;
	struct wire_id exec_id;
	uint64_t arg64;
	uint32_t arg, arg2;
};

enum wire_state { WIRE_CREATED, WIRE_RUNNING, WIRE_EXITED };

struct wire_reply {
	struct wire_head head;
	int32_t sys;       /* 0, or errno: then text says more, if it is not empty */
	int32_t exit_code; /* of a failed launch */
	int32_t pid, own_pid;
	int64_t started_ns;
	uint32_t state;
	uint32_t more; /* EXECS: there was one at this index */
	uint32_t tty;
	uint32_t pad;
	struct wire_id exec_id;
	char text[WIRE_MAX_TEXT];
};

struct wire_event {
	struct wire_head head;
	uint32_t kind; /* enum monitor_event_kind */
	int32_t sys;
	struct wire_id exec_id;
	uint64_t tag;
	int32_t code, signal, pid;
	uint32_t oom;
	int64_t at_ns, started_ns;
};

/* The exit file is an event as well: the same bytes with this in head.type. */
#define WIRE_EXIT_FILE 0x4558

/* A request, reply or event in buf with `n_fds` descriptors beside it: 0, or -EBADMSG. Pure. */
int wire_check(const void *buf, size_t n, size_t n_fds) NODISCARD;
int wire_check_exit_file(const void *buf, size_t n) NODISCARD;
void wire_head_set(struct wire_head *h, unsigned type, size_t size, size_t n_fds);
/* False if it is too long. */
bool wire_id_set(struct wire_id *out, const char *id) NODISCARD;
