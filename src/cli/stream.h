/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal's or a pipe's side of a hijacked connection: run, start -a, attach, exec. One loop moves bytes both ways,
 * takes the framed streams apart, forwards signals, follows the window's size, sees the detach keys, and at the end waits
 * for the exit status that another connection brings.
 */
#pragma once

#include "cli/cli.h"

enum stream_end { STREAM_EOF, STREAM_DETACHED };

struct stream {
	struct cli *c;
	int fd;      /* the raw connection; owned */
	char *early; /* bytes that came with the head; owned */
	size_t n_early;
	bool is_tty;    /* raw bytes; otherwise frames */
	bool has_stdin; /* ours goes there */
	bool to_stdout, to_stderr;
	const char *detach_keys; /* NULL or "": default; matters with a terminal only */
	const char
		*signal_path; /* "/containers/ID/kill": signals are forwarded there; NULL: they act on us */
	const char *resize_path; /* "/containers/ID/resize", "/exec/ID/resize"; NULL: none */
	int wait_fd;             /* a connection that becomes readable when the process has ended; -1: none */
};

/* Closes and frees what stream_hijack() took and stream_run() has not used up. */
void stream_release(struct stream *s);
#define cleanup_stream __attribute__((cleanup(stream_release)))

/* Call before the process can start, so that no signal is lost between. */
void stream_block_signals(struct stream *s);
/* To the end of the stream, and of the process if there is a wait_fd. */
int stream_run(struct stream *s, enum stream_end *end, struct err **e) NODISCARD;
/* Tells the engine how big our terminal is; nothing when there is none. */
void stream_resize(struct stream *s);
/* Frames of a reply's body to stdout and stderr, to its end (logs). */
int stream_demux_reply(struct http_reply *r, bool is_tty, struct err **e) NODISCARD;
/* Sends the request and takes the connection over. */
int stream_hijack(struct stream *s, struct client *cl, const struct client_call *call,
		  struct err **e) NODISCARD;
/* "the input device is not a TTY" when a terminal is asked for that is not there. */
int stream_check_tty(bool attach_stdin, bool tty, struct err **e) NODISCARD;
/* {"StatusCode": n} of a wait call that was begun with client_send(); 125 and an error text on stderr when it fails. */
int stream_exit_code(struct cli *c, struct http_reply *wait);
