/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of hoy-monitor. One static struct, one thread, one epoll loop; no heap after start. What is big (tables,
 * buffers) lies in untouched zero pages until it is used, so that a quiet container costs a few pages.
 *
 *	session: one process with its terminal or pipes: [0] the container, the rest are execs
 *	peer:    one attached client's socket
 *
 * main.c runs the loop and the end of life, control.c speaks to hoyd, session.c moves bytes, peer.c serves sockets.
 */
#pragma once

#include "base/clock.h"
#include "monitor/client.h"
#include "monitor/keys.h"
#include "monitor/logfile.h"
#include "monitor/wire.h"

#include "runtime/launch.h"

#include <stdint.h>
#include <sys/types.h>

#define MON_IO           (32 * 1024)  /* one read from a container */
#define MON_STDIN        4096         /* one read from a client; a session holds back at most twice that */
#define MON_PEER_FULL    (64 * 1024)  /* more held back for a client: its session is not read */
#define MON_PEER_BUF     (256 * 1024) /* room for that, and for what pipes hold when the container ended */
#define MON_STALL_NS     (10 * 1000000000ll)
#define MON_LINGER_NS    (2 * 1000000000ll)
#define MON_DRAIN_NS     (2 * 1000000000ll)
#define MON_OOM_WATCH_NS (200 * NS_PER_MS)
#define MON_SESSIONS     (1 + MONITOR_MAX_EXECS)

/* What an epoll entry is about: kind << 32 | index. */
enum watch {
	WATCH_SIGNAL,
	WATCH_CONTROL,
	WATCH_LISTEN,
	WATCH_EVENTS,
	WATCH_OUT,
	WATCH_ERR,
	WATCH_IN,
	WATCH_PEER,
	WATCH_OOM
};

enum peer_state { PEER_FREE, PEER_OPEN, PEER_FLUSHING, PEER_LINGER };

struct peer {
	uint8_t state;
	uint8_t use_stdin, use_stdout, use_stderr, mux;
	uint16_t session;
	uint32_t born;    /* mon.batch: what epoll told in that one is about the slot's former client */
	uint32_t watched; /* epoll events now asked for; 0: not registered */
	int fd;
	uint64_t tag;
	int64_t since_ns; /* last progress, or the begin of lingering */
	struct keys keys;
	char *buf; /* mapping of MON_PEER_BUF, made when the socket does not take all at once */
	uint32_t n, off;
};

struct session {
	bool used, tty, open_stdin, stdin_once;
	bool close_stdin; /* after what is held back is written */
	bool exited;
	bool over; /* an exec: exited and drained; stays until an engine was told */
	struct wire_id id;
	pid_t pid;
	int pidfd;
	int fd[2]; /* stdout (or the terminal's master), stderr; -1: ended */
	int slave; /* a terminal's other end: an init that closes and reopens its console hangs nothing up */
	int in;    /* stdin's pipe; with a terminal the same as fd[0]; -1: closed */
	uint32_t watched[3]; /* epoll events of fd[0], fd[1], in */
	uint32_t n_peers;
	int status; /* of waitpid */
	int64_t started_ns, exit_ns;
	uint32_t in_n;
	char in_buf[2 * MON_STDIN];
};

struct mon {
	int epfd, sigfd, control, listen, events, dirfd, oomfd;
	bool started, released, finished; /* finished: exit recorded */
	bool failed;                      /* the release failed: there is nothing to record */
	bool in_kill;                     /* leftovers of an ended container were killed */
	bool oom_watched, oom_seen;
	uint64_t oom_kills;
	uint32_t n_peers, n_sessions;
	uint32_t batch;                 /* number of the epoll_wait whose events are being handled */
	uint32_t top_session, top_peer; /* indexes above were never used */
	bool log_error_told;
	bool any_stalled;
	int64_t finish_by_ns;
	struct launch launch;
	void *plan; /* until the release: the launch looks into it */
	size_t plan_n;
	uint32_t cgroup_n;
	struct session s[MON_SESSIONS];
	struct peer p[MONITOR_MAX_CLIENTS];
	uint64_t cgroup[WIRE_MAX_CGROUP / 8];
	union {
		struct wire_start start;
		struct wire_attach attach;
		struct wire_exec exec;
		struct wire_simple simple;
		struct wire_reply reply;
		char bytes[sizeof(struct wire_start) + 8];
	} msg;
	struct wire_reply reply;
	char io[MON_IO] __attribute__((aligned(4096)));
	struct logfile log;
};

/* main.c */
int mon_watch(struct mon *m, int fd, enum watch kind, uint32_t index, uint32_t *now, uint32_t want);
void mon_reap(struct mon *m);

/* control.c */
int control_start(struct mon *m);
void control_readable(struct mon *m);
void control_accept(struct mon *m);
void control_event(struct mon *m, enum monitor_event_kind kind, const struct session *s, uint64_t tag,
		   int sys);
void control_exec_exits(struct mon *m);
void control_close(struct mon *m);
void control_plan_done(struct mon *m);
void exit_event(const struct mon *m, const struct session *s, struct wire_event *ev);
void control_write_exit(struct mon *m);

/* session.c */
struct session *session_find(struct mon *m, const struct wire_id *id);
struct session *session_new(struct mon *m);
/* Makes pipes (or leaves them for the terminal): io->stdio are the process's ends, to be closed by session_io_done(). */
int session_io_make(struct session *s, bool want_output, struct launch_io *io);
void session_io_done(struct launch_io *io);
void session_begin(struct mon *m, struct session *s); /* watches its descriptors */
void session_output(struct mon *m, struct session *s, int which);
void session_input_room(struct mon *m, struct session *s); /* stdin takes bytes again */
void session_input(struct mon *m, struct session *s, const char *data, size_t n);
void session_input_end(struct mon *m, struct session *s);
void session_update(struct mon *m, struct session *s); /* what to poll for, after anything changed */
bool session_drained(const struct session *s);
void session_end(struct mon *m, struct session *s); /* exited and drained: its peers go, its slot is free */
void session_release(struct mon *m, struct session *s);
uint32_t session_index(const struct mon *m, const struct session *s);

/* peer.c */
int peer_add(struct mon *m, struct session *s, const struct wire_attach *a, int fd);
void peer_put(struct mon *m, struct peer *p, int stream, const char *data, size_t n);
void peer_event(struct mon *m, struct peer *p, uint32_t events);
void peer_finish(struct mon *m,
		 struct peer *p); /* what is held back goes out, then the socket is closed in order */
void peer_drop(struct mon *m, struct peer *p);
void peer_update(struct mon *m, struct peer *p);
void peers_tick(struct mon *m, int64_t now);
bool peer_is_full(const struct peer *p);
