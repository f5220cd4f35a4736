/* SPDX-License-Identifier: Apache-2.0 */
/* One process's terminal or pipes: output to log and peers, input from peers. */
#include "monitor/monitor-internal.h"

#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

uint32_t session_index(const struct mon *m, const struct session *s)
{
	return (uint32_t)(s - m->s);
}

struct session *session_find(struct mon *m, const struct wire_id *id)
{
	if (!id->s[0])
		return &m->s[0];
	for (uint32_t i = 1; i < m->top_session; i++)
		if (m->s[i].used && strcmp(m->s[i].id.s, id->s) == 0)
			return &m->s[i];
	return NULL;
}

struct session *session_new(struct mon *m)
{
	struct session *s = NULL, *oldest = NULL;

	for (uint32_t i = m->started ? 1 : 0; i < MON_SESSIONS && !s; i++)
		if (!m->s[i].used)
			s = &m->s[i];
	/* Ended execs that no engine asked about make room. */
	for (uint32_t i = 1; i < m->top_session && !s; i++)
		if (m->s[i].used && m->s[i].over && (!oldest || m->s[i].exit_ns < oldest->exit_ns))
			oldest = &m->s[i];
	if (!s && oldest) {
		session_release(m, oldest);
		s = oldest;
	}
	if (!s)
		return NULL;
	memset(s, 0, offsetof(struct session, in_buf));
	s->used = true;
	s->fd[0] = s->fd[1] = s->in = s->slave = s->pidfd = -1;
	m->n_sessions++;
	m->top_session = MAX(m->top_session, session_index(m, s) + 1);
	return s;
}

static int make_pipe(int *ours, int *theirs, bool we_read)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	*ours = fd[we_read ? 0 : 1];
	*theirs = fd[we_read ? 1 : 0];
	(void)fd_set_nonblock(*ours, true);
	return 0;
}

int session_io_make(struct session *s, bool want_output, struct launch_io *io)
{
	io->stdio[0] = io->stdio[1] = io->stdio[2] = -1;
	if (s->tty)
		return 0; /* the launcher makes the terminal inside the container and hands its master back */
	int r = s->open_stdin ? make_pipe(&s->in, &io->stdio[0], false)
			      : (io->stdio[0] = fs_open("/dev/null", O_RDONLY | O_CLOEXEC, 0));
	if (r >= 0 && want_output)
		r = make_pipe(&s->fd[0], &io->stdio[1], true);
	if (r >= 0 && want_output)
		r = make_pipe(&s->fd[1], &io->stdio[2], true);
	if (r >= 0 && !want_output) {
		io->stdio[1] = r = fs_open("/dev/null", O_WRONLY | O_CLOEXEC, 0);
		if (r >= 0)
			io->stdio[2] = r = fs_open("/dev/null", O_WRONLY | O_CLOEXEC, 0);
	}
	if (r < 0)
		session_io_done(io);
	return r < 0 ? r : 0;
}

void session_io_done(struct launch_io *io)
{
	for (int i = 0; i < 3; i++)
		fd_close(&io->stdio[i]);
}

/* --- what to poll for --- */

static bool is_held_up(const struct mon *m, uint32_t index)
{
	if (m->s[index].n_peers == 0)
		return false;
	for (uint32_t i = 0; i < m->top_peer; i++)
		if (m->p[i].state == PEER_OPEN && m->p[i].session == index && peer_is_full(&m->p[i]))
			return true;
	return false;
}

/* A peer could not even hold one more read: only when the container ended with more in its pipes than they hold. */
static bool is_full_up(const struct mon *m, uint32_t index)
{
	for (uint32_t i = 0; i < m->top_peer; i++)
		if (m->p[i].state == PEER_OPEN && m->p[i].session == index &&
		    m->p[i].n > MON_PEER_BUF - MON_IO - 8)
			return true;
	return false;
}

void session_update(struct mon *m, struct session *s)
{
	uint32_t index = session_index(m, s);
	bool held = is_held_up(m, index);

	if (!s->used)
		return;
	if (held)
		m->any_stalled = true;
	for (int i = 0; i < 2; i++) {
		uint32_t want = held ? 0 : EPOLLIN;

		if (s->fd[i] < 0)
			continue;
		if (i == 0 && s->tty && s->in_n)
			want |= EPOLLOUT;
		(void)mon_watch(m, s->fd[i], i ? WATCH_ERR : WATCH_OUT, index, &s->watched[i], want);
	}
	/* A pipe nobody reads any more shows as an error: only asked for while there is something to write, or the reader's
	 * end would wake us for ever. */
	if (s->in >= 0 && !s->tty)
		(void)mon_watch(m, s->in, WATCH_IN, index, &s->watched[2], s->in_n ? EPOLLOUT : 0);
}

void session_begin(struct mon *m, struct session *s)
{
	if (s->tty) {
		(void)fd_set_nonblock(s->fd[0], true);
		s->in = s->fd[0];
		if (session_index(m, s) == 0)
			s->slave = ioctl(s->fd[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	}
	session_update(m, s);
}

/* --- output --- */

static void close_output(struct mon *m, struct session *s, int which)
{
	if (session_index(m, s) == 0)
		log_end(&m->log, which ? LOG_STDERR : LOG_STDOUT, clock_now_ns());
	if (s->tty) {
		s->in = -1; /* the same descriptor */
		s->in_n = 0;
	}
	fd_close(&s->fd[which]);
	s->watched[which] = 0;
}

/* Reads until there is nothing more, so that a batch becomes one write to the log; but not for ever (other sessions). */
void session_output(struct mon *m, struct session *s, int which)
{
	uint32_t index = session_index(m, s);

	for (int round = 0; round < 8 && s->fd[which] >= 0; round++) {
		if (s->n_peers && is_full_up(m, index))
			break;
		ssize_t n = read(s->fd[which], m->io, sizeof(m->io));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) { /* the end; EIO: a terminal that nobody has open */
			close_output(m, s, which);
			break;
		}
		if (index == 0)
			log_feed(&m->log, which ? LOG_STDERR : LOG_STDOUT, m->io, (size_t)n, clock_now_ns());
		if (s->n_peers) {
			for (uint32_t i = 0; i < m->top_peer; i++)
				if (m->p[i].state == PEER_OPEN && m->p[i].session == index)
					peer_put(m, &m->p[i], which ? 2 : 1, m->io, (size_t)n);
			if (is_held_up(m, index))
				break;
		}
		if ((size_t)n < sizeof(m->io) && !s->exited)
			break;
	}
	session_update(m, s);
}

/* --- input --- */

static void close_input(struct mon *m, struct session *s)
{
	(void)m;
	if (s->tty)
		return;
	fd_close(&s->in);
	s->watched[2] = 0;
	s->in_n = 0;
}

static void write_input(struct mon *m, struct session *s)
{
	uint32_t at = 0;

	while (at < s->in_n && s->in >= 0) {
		ssize_t r = write(s->in, s->in_buf + at, s->in_n - at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN)
			break;
		if (r <= 0) { /* nobody reads: what clients send from now on is dropped */
			at = s->in_n;
			if (!s->tty)
				close_input(m, s);
			break;
		}
		at += (uint32_t)r;
	}
	if (s->in < 0)
		at = s->in_n;
	memmove(s->in_buf, s->in_buf + at, s->in_n - at);
	s->in_n -= at;
	if (s->in_n == 0 && s->close_stdin)
		close_input(m, s);
}

void session_input(struct mon *m, struct session *s, const char *data, size_t n)
{
	if (s->in < 0)
		return;
	/* Peers are not read while MON_STDIN is held back, and give at most that. */
	n = MIN(n, sizeof(s->in_buf) - s->in_n);
	memcpy(s->in_buf + s->in_n, data, n);
	s->in_n += (uint32_t)n;
	session_input_room(m, s);
}

void session_input_room(struct mon *m, struct session *s)
{
	uint32_t index = session_index(m, s);

	write_input(m, s);
	session_update(m, s);
	for (uint32_t i = 0; i < m->top_peer && s->n_peers; i++)
		if (m->p[i].state == PEER_OPEN && m->p[i].session == index && m->p[i].use_stdin)
			peer_update(m, &m->p[i]);
}

void session_input_end(struct mon *m, struct session *s)
{
	if (s->tty || s->in < 0)
		return;
	s->close_stdin = true;
	if (s->in_n == 0)
		close_input(m, s);
}

/* --- end --- */

bool session_drained(const struct session *s)
{
	return s->fd[0] < 0 && s->fd[1] < 0;
}

void session_end(struct mon *m, struct session *s)
{
	uint32_t index = session_index(m, s);

	for (uint32_t i = 0; i < m->top_peer; i++)
		if (m->p[i].state == PEER_OPEN && m->p[i].session == index)
			peer_finish(m, &m->p[i]);
	for (int i = 0; i < 2; i++)
		if (s->fd[i] >= 0)
			close_output(m, s, i);
	close_input(m, s);
	fd_close(&s->slave);
	fd_close(&s->pidfd);
}

void session_release(struct mon *m, struct session *s)
{
	if (!s->used)
		return;
	session_end(m, s);
	s->used = false;
	m->n_sessions--;
}
