/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session with a container's streams: our stdin to the hijacked connection, what comes back to stdout and stderr, the
 * terminal in raw mode, window size and signals passed on. Used by run, start -a, attach and exec. One loop, no threads.
 */
#pragma once

#include "cli/cli.h"

struct session {
	struct cli *c;
	int fd;      /* hijacked connection; owned */
	char *early; /* bytes that came with the reply's head; heap */
	size_t n_early;
	bool is_mux; /* 8-byte frames */
	bool use_stdin, use_stdout, use_stderr;
	bool is_tty; /* the container has a terminal: ours goes raw when stdin is one */
	const char *detach_keys;
	char *resize_path; /* "/containers/ID/resize" or exec's; NULL: none; heap */
	char *kill_path;   /* "/containers/ID/kill": signals are passed on; NULL: they are not; heap */
	/* private */
	struct client *side; /* for resize and kill while fd streams */
	bool is_raw;
};

void session_release(struct session *s);
#define cleanup_session __attribute__((cleanup(session_release)))

/* Blocks the signals that session_run() will pass on; call before the container starts. */
void session_signals_block(void);
void session_raw(struct session *s);
/* Tells the container our window's size. */
void session_resize(struct session *s);

enum session_end { SESSION_EOF, SESSION_DETACHED, SESSION_ERROR };
/* Until the other side closes, or the detach keys were typed. The terminal is restored. */
enum session_end session_run(struct session *s, struct err **e);

/* Copies a framed (or raw) stream to stdout and stderr until its end: logs. */
int frames_copy(struct http_reply *r, bool is_mux, struct err **e) NODISCARD;
