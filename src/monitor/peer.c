/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attached clients. Output goes straight to the socket; what it does not take waits in a mapping of the client's own,
 * and when that holds too much the session is not read until it is less (session_update()). A peer that ends is flushed,
 * half-closed, and read dry before it is closed: a reset must not overtake its last output.
 */
#include "monitor/monitor-internal.h"

#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

static struct session *session_of(struct mon *m, const struct peer *p)
{
	return &m->s[p->session];
}

bool peer_is_full(const struct peer *p)
{
	return p->state == PEER_OPEN && p->n > MON_PEER_FULL;
}

static uint32_t peer_index(const struct mon *m, const struct peer *p)
{
	return (uint32_t)(p - m->p);
}

int peer_add(struct mon *m, struct session *s, const struct wire_attach *a, int fd)
{
	struct peer *p = NULL;

	for (uint32_t i = 0; i < MONITOR_MAX_CLIENTS && !p; i++)
		if (m->p[i].state == PEER_FREE)
			p = &m->p[i];
	if (!p)
		return -EMFILE;
	memset(p, 0, sizeof(*p));
	p->fd = fd;
	p->state = PEER_OPEN;
	p->born = m->batch;
	p->session = (uint16_t)session_index(m, s);
	p->use_stdin = a->use_stdin && s->open_stdin;
	p->use_stdout = a->use_stdout;
	p->use_stderr = a->use_stderr;
	p->mux = a->mux; /* of a tty, too: an exec's start request says so */
	p->tag = a->tag;
	if (s->tty)
		keys_init(&p->keys, a->keys, a->n_keys);
	m->top_peer = MAX(m->top_peer, peer_index(m, p) + 1);
	m->n_peers++;
	s->n_peers++;
	peer_update(m, p);
	return 0;
}

static void buffer_free(struct peer *p)
{
	if (p->buf)
		(void)munmap(p->buf, MON_PEER_BUF);
	p->buf = NULL;
	p->n = p->off = 0;
}

/* No longer part of its session; the socket may still have to be flushed. */
static void leave_session(struct mon *m, struct peer *p)
{
	struct session *s = session_of(m, p);

	if (p->state != PEER_OPEN)
		return;
	s->n_peers--;
	if (p->use_stdin && s->stdin_once && !s->tty)
		session_input_end(m, s);
}

void peer_drop(struct mon *m, struct peer *p)
{
	struct session *s = session_of(m, p);

	if (p->state == PEER_FREE)
		return;
	leave_session(m, p);
	buffer_free(p);
	fd_close(&p->fd); /* leaves the epoll set; nobody else of us has it */
	p->state = PEER_FREE;
	m->n_peers--;
	session_update(m, s);
}

/* Everything is sent: half-close, then wait for the peer's end, so that unread input does not become a reset. */
static void linger(struct mon *m, struct peer *p)
{
	(void)shutdown(p->fd, SHUT_WR);
	p->state = PEER_LINGER;
	p->since_ns = clock_mono_ns();
	buffer_free(p);
	peer_update(m, p);
}

void peer_finish(struct mon *m, struct peer *p)
{
	struct session *s = session_of(m, p);

	if (p->state != PEER_OPEN)
		return;
	leave_session(m, p);
	p->state = PEER_FLUSHING;
	p->since_ns = clock_mono_ns();
	if (p->n == 0)
		linger(m, p);
	else
		peer_update(m, p);
	session_update(m, s);
}

void peer_update(struct mon *m, struct peer *p)
{
	struct session *s = session_of(m, p);
	uint32_t want = EPOLLHUP | EPOLLERR;

	if (p->n)
		want |= EPOLLOUT;
	if (p->state == PEER_LINGER || (p->state == PEER_OPEN && p->use_stdin && s->in_n < MON_STDIN))
		want |= EPOLLIN;
	if (mon_watch(m, p->fd, WATCH_PEER, peer_index(m, p), &p->watched, want) < 0)
		peer_drop(m, p);
}

static bool keep(struct peer *p, const void *data, size_t n)
{
	if (!p->buf) {
		void *b = mmap(NULL, MON_PEER_BUF, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (b == MAP_FAILED)
			return false;
		p->buf = b;
	}
	if (p->off && p->off + p->n + n > MON_PEER_BUF) {
		memmove(p->buf, p->buf + p->off, p->n);
		p->off = 0;
	}
	if (p->off + p->n + n > MON_PEER_BUF)
		return false;
	memcpy(p->buf + p->off + p->n, data, n);
	p->n += (uint32_t)n;
	return true;
}

/* stream: 1 stdout, 2 stderr. A peer whose buffer cannot take it is dropped: session_update() keeps that from happening
 * to a peer that reads at all. */
void peer_put(struct mon *m, struct peer *p, int stream, const char *data, size_t n)
{
	unsigned char head[8] = { (unsigned char)stream,
				  0,
				  0,
				  0,
				  (unsigned char)(n >> 24),
				  (unsigned char)(n >> 16),
				  (unsigned char)(n >> 8),
				  (unsigned char)n };
	size_t head_n = p->mux ? sizeof(head) : 0, sent = 0;

	if (p->state != PEER_OPEN || !(stream == 1 ? p->use_stdout : p->use_stderr))
		return;
	if (p->n == 0) {
		struct iovec v[2] = { { head, head_n }, { (void *)(uintptr_t)data, n } };
		struct msghdr mh = { .msg_iov = v + !head_n, .msg_iovlen = head_n ? 2 : 1 };
		ssize_t r = sendmsg(p->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (r < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
			peer_drop(m, p);
			return;
		}
		sent = r > 0 ? (size_t)r : 0;
		if (sent == head_n + n)
			return;
		p->since_ns = clock_mono_ns();
	}
	size_t head_sent = MIN(sent, head_n);
	if ((head_sent < head_n && !keep(p, head + head_sent, head_n - head_sent)) ||
	    !keep(p, data + (sent - head_sent), n - (sent - head_sent))) {
		peer_drop(m, p);
		return;
	}
	peer_update(m, p);
}

static void flush(struct mon *m, struct peer *p)
{
	while (p->n) {
		ssize_t r = send(p->fd, p->buf + p->off, p->n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && (errno == EAGAIN || errno == ENOBUFS))
			break;
		if (r <= 0) {
			peer_drop(m, p);
			return;
		}
		p->off += (uint32_t)r;
		p->n -= (uint32_t)r;
		p->since_ns = clock_mono_ns();
	}
	if (p->n == 0)
		buffer_free(p);
	if (p->n == 0 && p->state == PEER_FLUSHING)
		linger(m, p);
	else
		peer_update(m, p);
	session_update(m, session_of(m, p));
}

static void input_ended(struct mon *m, struct peer *p)
{
	struct session *s = session_of(m, p);

	p->use_stdin = false;
	if (s->stdin_once && !s->tty) {
		session_input_end(m, s);
		peer_update(m, p);
	} else {
		/* dockerd's rule: the end of input ends the attachment */
		peer_finish(m, p);
	}
}

static void take_input(struct mon *m, struct peer *p)
{
	struct session *s = session_of(m, p);
	char in[MON_STDIN - MONITOR_MAX_KEYS], out[MON_STDIN];
	bool detached;

	if (p->state == PEER_OPEN && (!p->use_stdin || s->in_n >= MON_STDIN))
		return;
	ssize_t n = recv(p->fd, in, sizeof(in), MSG_DONTWAIT);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			peer_drop(m, p);
		return;
	}
	if (p->state == PEER_LINGER) {
		if (n == 0)
			peer_drop(m, p);
		return;
	}
	if (n == 0) {
		input_ended(m, p);
		return;
	}
	size_t out_n = keys_feed(&p->keys, in, (size_t)n, out, &detached);
	if (out_n)
		session_input(m, s, out, out_n);
	if (detached && p->state == PEER_OPEN) {
		control_event(m, MONITOR_DETACH, s, p->tag, 0);
		peer_finish(m, p);
	}
}

void peer_event(struct mon *m, struct peer *p, uint32_t events)
{
	if (p->state == PEER_FREE)
		return;
	if (events & EPOLLOUT)
		flush(m, p);
	if (p->state != PEER_FREE && events & EPOLLIN)
		take_input(m, p);
	if (p->state == PEER_FREE || !(events & (EPOLLHUP | EPOLLERR)))
		return;
	/* Both directions are gone. What it sent before may still be there to read, now or when stdin has room again. */
	if (p->state == PEER_OPEN && p->use_stdin) {
		if (!(events & EPOLLIN) && session_of(m, p)->in_n >= MON_STDIN)
			(void)mon_watch(m, p->fd, WATCH_PEER, peer_index(m, p), &p->watched, 0);
		if (events & EPOLLIN || session_of(m, p)->in_n >= MON_STDIN)
			return;
	}
	peer_drop(m, p);
}

void peers_tick(struct mon *m, int64_t now)
{
	for (uint32_t i = 0; i < m->top_peer; i++) {
		struct peer *p = &m->p[i];

		if (p->state == PEER_LINGER && now - p->since_ns > MON_LINGER_NS)
			peer_drop(m, p);
		else if (peer_is_full(p) && m->s[p->session].n_peers > 1 && now - p->since_ns > MON_STALL_NS)
			peer_drop(m, p);
	}
}
