/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/stream.h"

#include "base/fs.h"
#include "model/options.h"
#include "model/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>

#define FRAME_HEAD 8

/* Bytes from the engine taken apart: frames, or raw when there is a terminal. */
struct demux {
	bool is_raw, to_stdout, to_stderr;
	unsigned char head[FRAME_HEAD];
	size_t n_head;
	uint32_t left;
	struct strbuf system; /* stream 3: an error text */
	/* What goes to one descriptor in a row: a line a frame would be a write a line. */
	struct strbuf run;
	int run_fd;
};

/* The terminal may be non-blocking: another program of the user's shares it. */
static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EAGAIN)
			(void)poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, -1);
		else if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0) {
			p += r;
			n -= (size_t)r;
		}
	}
	return 0;
}

static int demux_flush(struct demux *d, struct err **e)
{
	int r = d->run.n ? write_all(d->run_fd, d->run.p, d->run.n) : 0;

	sb_reset(&d->run);
	return r < 0 ? err_sys(e, -r, "write to standard output") : 0;
}

static int demux_payload(struct demux *d, const char *p, size_t n, struct err **e)
{
	int fd = d->head[0] == 2 ? STDERR_FILENO : STDOUT_FILENO;

	if (d->head[0] == 3) {
		sb_addn(&d->system, p, n);
		return 0;
	}
	if (fd == STDERR_FILENO ? !d->to_stderr : !d->to_stdout)
		return 0;
	if (d->run.n && d->run_fd != fd && demux_flush(d, e) < 0)
		return -1;
	d->run_fd = fd;
	sb_addn(&d->run, p, n);
	return 0;
}

/* All that came is written when it returns. */
static int demux_feed(struct demux *d, const char *p, size_t n, struct err **e)
{
	if (d->is_raw) {
		int r = d->to_stdout ? write_all(STDOUT_FILENO, p, n) : 0;
		return r < 0 ? err_sys(e, -r, "write to standard output") : 0;
	}
	while (n) {
		if (d->left) {
			size_t take = MIN(n, (size_t)d->left);

			if (demux_payload(d, p, take, e) < 0)
				return -1;
			p += take;
			n -= take;
			d->left -= (uint32_t)take;
			if (!d->left && d->system.n) {
				(void)demux_flush(d, e);
				return err_set(e, ERR_SYSTEM, "error from daemon in stream: %s",
					       sb_str(&d->system));
			}
			continue;
		}
		d->head[d->n_head++] = (unsigned char)*p++;
		n--;
		if (d->n_head < FRAME_HEAD)
			continue;
		d->n_head = 0;
		if (d->head[0] > 3)
			return err_set(e, ERR_INVALID, "Unrecognized input header: %u", d->head[0]);
		d->left = (uint32_t)d->head[4] << 24 | (uint32_t)d->head[5] << 16 |
			  (uint32_t)d->head[6] << 8 | d->head[7];
	}
	return demux_flush(d, e);
}

int stream_demux_reply(struct http_reply *r, bool is_tty, struct err **e)
{
	struct demux d = { .is_raw = is_tty, .to_stdout = true, .to_stderr = true };
	int result;

	(void)fflush(stdout);
	for (;;) {
		struct sv s = { 0 };
		result = http_reply_next(r, &s);
		if (result < 0) {
			result = err_sys(e, -result, "read the engine's reply");
			break;
		}
		if (s.n == 0)
			break;
		result = demux_feed(&d, s.p, s.n, e);
		if (result < 0)
			break;
	}
	sb_release(&d.system);
	sb_release(&d.run);
	return result;
}

int stream_check_tty(bool attach_stdin, bool tty, struct err **e)
{
	if (attach_stdin && tty && !isatty(STDIN_FILENO))
		return err_set(e, ERR_INVALID, "the input device is not a TTY");
	return 0;
}

void stream_release(struct stream *s)
{
	fd_close(&s->fd);
	free(s->early);
	s->early = NULL;
	s->n_early = 0;
}

int stream_hijack(struct stream *s, struct client *cl, const struct client_call *call, struct err **e)
{
	struct http_reply *r = client_send(cl, call, e);

	if (!r)
		return -1;
	s->fd = http_reply_hijack(r, &s->early, &s->n_early);
	http_reply_free(r);
	if (s->fd < 0)
		return err_sys(e, -s->fd, "take over the connection");
	return 0;
}

/* --- signals --- */

static const int forwarded[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGABRT,   SIGUSR1, SIGUSR2, SIGALRM,
				 SIGTERM, SIGCONT, SIGTSTP, SIGVTALRM, SIGPROF, SIGIO,   SIGPWR };

static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

static sigset_t signal_set(const struct stream *s, bool is_raw)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	for (size_t i = 0; s->signal_path && i < ARRAY_LEN(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	/* they end us: the terminal comes first */
	for (size_t i = 0; is_raw && i < ARRAY_LEN(ending); i++)
		sigaddset(&set, ending[i]);
	return set;
}

void stream_block_signals(struct stream *s)
{
	sigset_t set = signal_set(s, false);

	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

/* On a connection of its own: the stream has the other. */
static void post(struct stream *s, const char *path)
{
	struct client *cl = client_again(s->c->client);
	struct http_reply *r = client_send(cl, &(struct client_call){ .method = "POST", .path = path }, NULL);

	http_reply_free(r);
	client_free(cl);
}

void stream_resize(struct stream *s)
{
	struct winsize ws;

	if (!s->resize_path || ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0 || ws.ws_row == 0 || ws.ws_col == 0)
		return;
	post(s, arena_printf(s->c->a, "%s?h=%u&w=%u", s->resize_path, ws.ws_row, ws.ws_col));
}

/* The signal that is to end us, or 0. */
static int on_signal(struct stream *s, int sig, unsigned *asked_to_end)
{
	if (sig == SIGWINCH) {
		if (s->is_tty)
			stream_resize(s);
		return 0;
	}
	if (!s->signal_path)
		return sig;
	if ((sig == SIGINT || sig == SIGTERM) && ++*asked_to_end >= 3) {
		(void)fprintf(stderr, "\ngot 3 SIGTERM/SIGINTs, forcefully exiting\n");
		return sig;
	}
	const char *name = signal_name(sig);
	if (name)
		post(s, arena_printf(s->c->a, "%s?signal=%s", s->signal_path,
				     str_starts(name, "SIG") ? name + 3 : name));
	return 0;
}

/* --- the terminal --- */

static bool make_raw(struct termios *saved)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, saved) < 0)
		return false;
	raw = *saved;
	cfmakeraw(&raw);
	return tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

struct keys {
	unsigned char v[DETACH_KEYS_MAX];
	size_t n, matched;
};

/* Copies what is not part of the sequence; true when it is complete. Keys held back come out when the next does not fit. */
static bool filter_keys(struct keys *k, const char *p, size_t n, struct strbuf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (k->n == 0) {
			sb_addc(out, p[i]);
			continue;
		}
		if ((unsigned char)p[i] == k->v[k->matched]) {
			if (++k->matched == k->n)
				return true;
			continue;
		}
		sb_addn(out, k->v, k->matched);
		k->matched = 0;
		if ((unsigned char)p[i] == k->v[0])
			k->matched = 1;
		else
			sb_addc(out, p[i]);
	}
	return false;
}

/* --- the loop --- */

struct loop {
	struct stream *s;
	struct demux demux;
	struct keys keys;
	struct strbuf pending; /* for the engine */
	size_t sent;
	bool stdin_open, eof_sent, stream_open, waiting;
	int sigfd;
	unsigned asked_to_end;
	int end_by; /* a signal, or 0 */
};

static int read_stdin(struct loop *l, bool *detached, struct err **e)
{
	char buf[32768];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0 && errno != EIO)
		return err_sys(e, errno, "read standard input");
	if (n <= 0) {
		l->stdin_open = false;
		return 0;
	}
	*detached = filter_keys(&l->keys, buf, (size_t)n, &l->pending);
	return 0;
}

/* The engine not taking our input any more is no error: its output tells the rest. */
static void send_pending(struct loop *l)
{
	while (l->sent < l->pending.n) {
		ssize_t n = send(l->s->fd, l->pending.p + l->sent, l->pending.n - l->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			l->stdin_open = false;
			l->eof_sent = true;
			break;
		}
		l->sent += (size_t)n;
	}
	sb_reset(&l->pending);
	l->sent = 0;
}

static int read_stream(struct loop *l, struct err **e)
{
	char buf[65536];
	ssize_t n = recv(l->s->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) {
		l->stream_open = false;
		return 0;
	}
	return demux_feed(&l->demux, buf, (size_t)n, e);
}

static void read_signals(struct loop *l)
{
	struct signalfd_siginfo info;

	while (read(l->sigfd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (!l->end_by)
			l->end_by = on_signal(l->s, (int)info.ssi_signo, &l->asked_to_end);
}

static int loop_once(struct loop *l, bool *detached, struct err **e)
{
	enum { STREAM, INPUT, SIGNALS, WAIT, COUNT };
	struct pollfd p[COUNT] = {
		{ .fd = -1 }, { .fd = -1 }, { .fd = l->sigfd, .events = POLLIN }, { .fd = -1 }
	};

	if (l->stream_open) {
		p[STREAM] = (struct pollfd){ .fd = l->s->fd, .events = POLLIN };
		if (l->pending.n)
			p[STREAM].events |= POLLOUT;
		if (l->stdin_open && !l->pending.n)
			p[INPUT] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	} else {
		p[WAIT] = (struct pollfd){ .fd = l->s->wait_fd, .events = POLLIN };
	}
	if (poll(p, COUNT, -1) < 0)
		return errno == EINTR ? 0 : err_sys(e, errno, "poll");
	if (p[SIGNALS].revents)
		read_signals(l);
	if (p[WAIT].revents)
		l->waiting = false;
	if (p[INPUT].revents && read_stdin(l, detached, e) < 0)
		return -1;
	if (l->pending.n)
		send_pending(l);
	if (l->s->has_stdin && !l->stdin_open && !l->pending.n && !l->eof_sent) {
		(void)shutdown(l->s->fd, SHUT_WR);
		l->eof_sent = true;
	}
	if (p[STREAM].revents & (POLLIN | POLLHUP | POLLERR))
		return read_stream(l, e);
	return 0;
}

/* As if we had never caught it. */
static void die_by(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	exit(128 + sig);
}

int stream_run(struct stream *s, enum stream_end *end, struct err **e)
{
	struct loop l = {
		.s = s, .stream_open = s->fd >= 0, .stdin_open = s->has_stdin, .waiting = s->wait_fd >= 0
	};
	sigset_t set = signal_set(s, s->is_tty && s->has_stdin), before;
	struct termios saved;
	bool is_raw = false, detached = false;
	int r = 0;

	l.demux = (struct demux){ .is_raw = s->is_tty, .to_stdout = s->to_stdout, .to_stderr = s->to_stderr };
	if (s->is_tty && s->has_stdin &&
	    detach_keys_parse(sv_of(str_empty(s->detach_keys) ? "ctrl-p,ctrl-q" : s->detach_keys), l.keys.v,
			      &l.keys.n, e) < 0)
		return -1;
	(void)fflush(stdout);
	(void)sigprocmask(SIG_BLOCK, &set, &before);
	l.sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l.sigfd < 0)
		return err_sys(e, errno, "signalfd");
	if (s->is_tty && s->has_stdin && l.stream_open)
		is_raw = make_raw(&saved);
	if (s->n_early)
		r = demux_feed(&l.demux, s->early, s->n_early, e);
	while (r == 0 && !detached && !l.end_by && (l.stream_open || l.waiting))
		r = loop_once(&l, &detached, e);
	if (is_raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	if (l.end_by && l.asked_to_end >= 3)
		exit(1);
	if (l.end_by)
		die_by(l.end_by);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	fd_close(&l.sigfd);
	stream_release(s);
	sb_release(&l.pending);
	sb_release(&l.demux.system);
	sb_release(&l.demux.run);
	*end = detached ? STREAM_DETACHED : STREAM_EOF;
	return r;
}

int stream_exit_code(struct cli *c, struct http_reply *wait)
{
	cleanup_free char *body = NULL;
	cleanup_err struct err *why = NULL;
	const struct json *j = NULL;
	size_t n = 0;
	int64_t code;

	if (http_reply_read_all(wait, (size_t)1 << 20, &body, &n, &why) < 0) {
		(void)fprintf(stderr, "error waiting for container: %s\n", err_text(why));
		return EXIT_USAGE;
	}
	char *kept = arena_strndup(c->a, body ? body : "", n);
	if (json_parse(c->a, sv_n(kept, n), NULL, &j, &why) < 0) {
		(void)fprintf(stderr, "error waiting for container: unexpected EOF\n");
		return EXIT_USAGE;
	}
	const char *message = json_str(json_path(j, "Error.Message"));
	if (!str_empty(message))
		(void)fprintf(stderr, "error waiting for container: %s\n", message);
	if (!str_empty(message) || json_i64(json_get(j, "StatusCode"), &code) < 0)
		return EXIT_USAGE;
	return (int)(code & 0xff);
}
