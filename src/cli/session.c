/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/session.h"

#include "base/fs.h"
#include "http/client.h"
#include "model/api.gen.h"
#include "model/options.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define BUF (64 * 1024)

/* One terminal a process: what atexit and signals must restore. */
static struct termios saved_termios;
static bool termios_saved;

static void restore_terminal(void)
{
	if (termios_saved)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_termios);
	termios_saved = false;
}

void session_raw(struct session *s)
{
	struct termios t;

	if (!s->is_tty || !s->use_stdin || !isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &t) < 0)
		return;
	saved_termios = t;
	termios_saved = true;
	cfmakeraw(&t);
	t.c_oflag |= OPOST | ONLCR; /* our own messages still break lines */
	t.c_oflag &= (tcflag_t)~OPOST;
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &t);
	(void)atexit(restore_terminal);
	s->is_raw = true;
}

void session_release(struct session *s)
{
	if (s->is_raw)
		restore_terminal();
	fd_close(&s->fd);
	free(s->early);
	free(s->resize_path);
	free(s->kill_path);
	client_close(s->side);
	*s = (struct session){ .fd = -1 };
}

static void passed_signals(sigset_t *set)
{
	static const int keep[] = { SIGCHLD, SIGPIPE, SIGURG,  SIGSEGV, SIGBUS,  SIGILL,
				    SIGFPE,  SIGABRT, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT };

	(void)sigfillset(set);
	for (size_t i = 0; i < ARRAY_LEN(keep); i++)
		(void)sigdelset(set, keep[i]);
}

void session_signals_block(void)
{
	sigset_t set;

	passed_signals(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static void side_post(struct session *s, const char *path)
{
	cleanup_arena struct arena *a = arena_new();
	struct client_reply r = { 0 };

	if (!s->side && client_dup(s->c->client, &s->side, NULL) < 0)
		return;
	(void)!client_call(s->side, "POST", path, SV(""), a, &r, NULL);
}

void session_resize(struct session *s)
{
	struct winsize ws;
	cleanup_free char *path = NULL;

	if (!s->is_tty || !s->resize_path || ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0 || !ws.ws_row ||
	    !ws.ws_col)
		return;
	path = xasprintf("%s?h=%u&w=%u", s->resize_path, ws.ws_row, ws.ws_col);
	side_post(s, path);
}

static void pass_signal(struct session *s, int sig)
{
	cleanup_free char *path = NULL;

	if (!s->kill_path)
		return;
	path = xasprintf("%s?signal=%d", s->kill_path, sig);
	side_post(s, path);
}

/* Turns frames back into streams. Bytes may arrive in any pieces. */
struct demux {
	unsigned char head[8];
	size_t have; /* of head */
	size_t left; /* of the payload */
	/* What goes to one descriptor in a row: a line a frame would be a write a line. */
	int fd;
	size_t n;
	char out[32 * 1024];
};

static int write_out(int fd, const char *p, size_t n)
{
	int r = fd_write_full(fd, p, n);

	return r == -EPIPE ? -EPIPE : r;
}

static int demux_flush(struct demux *d)
{
	size_t n = d->n;

	d->n = 0;
	return n ? write_out(d->fd, d->out, n) : 0;
}

static int demux_put(struct demux *d, int fd, const char *p, size_t n)
{
	if (d->n && (d->fd != fd || d->n + n > sizeof(d->out))) {
		int r = demux_flush(d);
		if (r < 0)
			return r;
	}
	if (n > sizeof(d->out))
		return write_out(fd, p, n);
	memcpy(d->out + d->n, p, n);
	d->fd = fd;
	d->n += n;
	return 0;
}

/* All that came is written when it returns. */
static int demux_feed(struct demux *d, const char *p, size_t n)
{
	while (n) {
		size_t k;
		int r;

		if (d->left == 0) {
			k = MIN(sizeof(d->head) - d->have, n);
			memcpy(d->head + d->have, p, k);
			d->have += k;
			p += k;
			n -= k;
			if (d->have < sizeof(d->head))
				break;
			d->have = 0;
			d->left = (size_t)d->head[4] << 24 | (size_t)d->head[5] << 16 |
				  (size_t)d->head[6] << 8 | d->head[7];
			if (d->head[0] > 3)
				return -EPROTO;
			continue;
		}
		k = MIN(d->left, n);
		r = demux_put(d, d->head[0] == 2 || d->head[0] == 3 ? STDERR_FILENO : STDOUT_FILENO, p, k);
		if (r < 0)
			return r;
		d->left -= k;
		p += k;
		n -= k;
	}
	return demux_flush(d);
}

/* Holds back typed bytes that may be the start of the detach keys. */
struct keys {
	unsigned char want[DETACH_KEYS_MAX];
	size_t n, matched;
};

/* Copies what is to be sent to out (room for n + 32); returns its count, and *detached. */
static size_t keys_filter(struct keys *k, const char *in, size_t n, char *out, bool *detached)
{
	size_t o = 0;

	for (size_t i = 0; i < n; i++) {
		if (k->n && (unsigned char)in[i] == k->want[k->matched]) {
			if (++k->matched == k->n) {
				*detached = true;
				return o;
			}
			continue;
		}
		memcpy(out + o, k->want, k->matched);
		o += k->matched;
		k->matched = 0;
		if (k->n && (unsigned char)in[i] == k->want[0])
			k->matched = 1;
		else
			out[o++] = in[i];
	}
	return o;
}

static int take_output(struct session *s, struct demux *d, const char *p, size_t n)
{
	return s->is_mux ? demux_feed(d, p, n) : write_out(STDOUT_FILENO, p, n);
}

/* Our input: 1 go on, 0 no more of it, -1 detached. */
static int take_input(struct session *s, struct keys *k)
{
	static char in[BUF / 4], out[BUF / 4 + 32];
	bool detached = false;
	ssize_t n = read(STDIN_FILENO, in, sizeof(in));
	size_t send;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (n <= 0) {
		(void)shutdown(s->fd, SHUT_WR);
		return 0;
	}
	send = keys_filter(k, in, (size_t)n, out, &detached);
	/* The container may have closed its end: what it says is still to be read. */
	if (send && fd_write_full(s->fd, out, send) < 0)
		return 0;
	return detached ? -1 : 1;
}

enum session_end session_run(struct session *s, struct err **e)
{
	static char buf[BUF];
	const char *text = str_empty(s->detach_keys) ? "ctrl-p,ctrl-q" : s->detach_keys;
	struct keys keys = { 0 };
	struct demux d = { 0 };
	cleanup_close int sigfd = -1;
	bool input = s->use_stdin;
	unsigned interrupts = 0;
	sigset_t set;
	int r = 0;

	if (s->is_tty && s->use_stdin && detach_keys_parse(sv_of(text), keys.want, &keys.n, e) < 0)
		return SESSION_ERROR;
	passed_signals(&set);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->n_early)
		r = take_output(s, &d, s->early, s->n_early);
	while (r == 0) {
		struct pollfd p[3] = { { .fd = s->fd, .events = POLLIN },
				       { .fd = sigfd, .events = POLLIN },
				       { .fd = input ? STDIN_FILENO : -1, .events = POLLIN } };

		if (poll(p, 3, -1) < 0) {
			if (errno == EINTR)
				continue;
			(void)err_sys(e, errno, "poll");
			return SESSION_ERROR;
		}
		if (p[1].revents & POLLIN) {
			struct signalfd_siginfo si;

			while (read(sigfd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
				if (si.ssi_signo == SIGWINCH) {
					session_resize(s);
					continue;
				}
				if (si.ssi_signo == SIGINT || si.ssi_signo == SIGTERM)
					interrupts++;
				if (interrupts >= 3 && !s->is_raw && !s->kill_path) {
					(void)fprintf(stderr, "got 3 SIGTERM/SIGINTs, forcefully exiting\n");
					return SESSION_ERROR;
				}
				if (!s->kill_path && (si.ssi_signo == SIGINT || si.ssi_signo == SIGTERM ||
						      si.ssi_signo == SIGHUP)) {
					restore_terminal();
					_exit(128 + (int)si.ssi_signo);
				}
				pass_signal(s, (int)si.ssi_signo);
			}
		}
		if (p[0].revents & (POLLIN | POLLHUP | POLLERR)) {
			ssize_t n = read(s->fd, buf, sizeof(buf));

			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				break; /* a reset after the end is an end */
			r = take_output(s, &d, buf, (size_t)n);
		}
		if (p[2].revents) {
			int go = take_input(s, &keys);

			if (go < 0) {
				restore_terminal();
				return SESSION_DETACHED;
			}
			input = go > 0;
		}
	}
	restore_terminal();
	if (r == -EPIPE)
		return SESSION_EOF; /* nobody reads us any more */
	if (r < 0) {
		(void)err_sys(e, -r, "write");
		return SESSION_ERROR;
	}
	return SESSION_EOF;
}

int frames_copy(struct http_reply *r, bool is_mux, struct err **e)
{
	struct demux d = { 0 };

	for (;;) {
		struct sv piece;
		int n = http_reply_next(r, &piece), w;

		if (n < 0)
			return err_sys(e, -n, "read from the daemon");
		if (piece.n == 0)
			return 0;
		w = is_mux ? demux_feed(&d, piece.p, piece.n) : write_out(STDOUT_FILENO, piece.p, piece.n);
		if (w == -EPIPE)
			return 0;
		if (w < 0)
			return err_sys(e, -w, "write");
	}
}
