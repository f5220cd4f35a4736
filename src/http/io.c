/* SPDX-License-Identifier: Apache-2.0 */
#include "http/io-internal.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define CHUNK_MAX_TLS_WRITE 16384

void http_io_release(struct http_io *io)
{
	free(io->in);
	io->in = NULL;
	io->start = io->end = io->cap = 0;
}

ssize_t http_io_read(struct http_io *io, void *buf, size_t n)
{
	if (io->tls)
		return http_session_read(io->tls, buf, n);
	for (;;) {
		ssize_t r = recv(io->fd, buf, n, 0);
		if (r >= 0)
			return r;
		if (errno != EINTR)
			return -errno;
	}
}

ssize_t http_io_fill(struct http_io *io)
{
	if (io->end == io->cap && io->start > 0) {
		memmove(io->in, io->in + io->start, io->end - io->start);
		io->end -= io->start;
		io->start = 0;
	}
	if (io->end == io->cap) {
		if (io->cap >= HTTP_MAX_HEAD)
			return -ENOBUFS;
		io->cap = io->cap ? io->cap * 2 : io->first_cap ? io->first_cap : HTTP_IO_BUFFER;
		io->in = xreallocarray(io->in, io->cap, 1);
	}
	ssize_t r = http_io_read(io, io->in + io->end, io->cap - io->end);
	if (r > 0)
		io->end += (size_t)r;
	return r;
}

static int write_tls(struct http_io *io, const struct iovec *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *p = v[i].iov_base;
		size_t left = v[i].iov_len;
		while (left) {
			ssize_t r = http_session_write(io->tls, p, MIN(left, (size_t)CHUNK_MAX_TLS_WRITE));
			if (r < 0)
				return (int)r;
			p += r;
			left -= (size_t)r;
		}
	}
	return 0;
}

int http_io_write(struct http_io *io, struct iovec *v, size_t n)
{
	if (io->tls)
		return write_tls(io, v, n);
	while (n) {
		if (!v->iov_len) {
			v++;
			n--;
			continue;
		}
		struct msghdr m = { .msg_iov = v, .msg_iovlen = n };
		ssize_t r = sendmsg(io->fd, &m, MSG_NOSIGNAL);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		size_t sent = (size_t)r;
		while (n && sent >= v->iov_len) {
			sent -= v->iov_len;
			v++;
			n--;
		}
		if (n && sent) {
			v->iov_base = (char *)v->iov_base + sent;
			v->iov_len -= sent;
		}
	}
	return 0;
}

void http_body_init(struct http_body *b, const struct http_head *h)
{
	*b = (struct http_body){ .framing = h->framing, .left = h->content_length };
	if (h->framing == HTTP_BODY_NONE || (h->framing == HTTP_BODY_LENGTH && !h->content_length))
		b->done = true;
}

static int set_error(struct http_body *b, ssize_t error)
{
	b->error = (int)error;
	return (int)error;
}

/* More raw bytes into the empty buffer: 1, 0 at the end of the stream, -errno. */
static int refill(struct http_io *io)
{
	ssize_t r = http_io_fill(io);
	return r > 0 ? 1 : (int)r;
}

static int next_chunked(struct http_body *b, struct http_io *io, struct sv *out)
{
	for (;;) {
		struct sv raw = http_io_buffered(io), data;
		size_t eaten;

		if (!raw.n) {
			int r = refill(io);
			if (r <= 0)
				return set_error(b, r ? r : -EPIPE);
			continue;
		}
		int r = http_chunked_next(&b->chunks, raw, &eaten, &data);
		if (r < 0)
			return set_error(b, -EBADMSG);
		/* the span stays valid: eating moves no bytes */
		io->start += eaten;
		if (r == 0)
			b->done = true;
		if (data.n) {
			*out = data;
			return 1;
		}
		if (r == 0)
			return 0;
		if (io->start == io->end)
			io->start = io->end = 0;
	}
}

int http_body_next(struct http_body *b, struct http_io *io, struct sv *out)
{
	*out = b->rest;
	if (b->rest.n) {
		b->rest.n = 0;
		return 1;
	}
	if (b->error)
		return b->error;
	if (b->done)
		return 0;
	if (io->start == io->end)
		io->start = io->end = 0;
	if (b->framing == HTTP_BODY_CHUNKED)
		return next_chunked(b, io, out);
	if (io->start == io->end) {
		int r = refill(io);
		if (r < 0)
			return set_error(b, r);
		if (r == 0 && b->framing == HTTP_BODY_LENGTH)
			return set_error(b, -EPIPE);
		if (r == 0) {
			b->done = true;
			return 0;
		}
	}
	struct sv raw = http_io_buffered(io);
	if (b->framing == HTTP_BODY_LENGTH) {
		if (raw.n > b->left)
			raw.n = (size_t)b->left;
		b->left -= raw.n;
		b->done = !b->left;
	}
	io->start += raw.n;
	*out = raw;
	return 1;
}

/* Large reads of an unbuffered body go straight to the caller's memory. */
static ssize_t read_direct(struct http_body *b, struct http_io *io, void *buf, size_t n)
{
	if (b->framing == HTTP_BODY_LENGTH)
		n = (size_t)MIN((uint64_t)n, b->left);
	ssize_t r = http_io_read(io, buf, n);
	if (r < 0)
		return set_error(b, r);
	if (r == 0 && b->framing == HTTP_BODY_CLOSE) {
		b->done = true;
		return 0;
	}
	if (r == 0)
		return set_error(b, -EPIPE);
	if (b->framing == HTTP_BODY_LENGTH) {
		b->left -= (size_t)r;
		b->done = !b->left;
	}
	return r;
}

ssize_t http_body_read(struct http_body *b, struct http_io *io, void *buf, size_t n)
{
	if (!n)
		return 0;
	if (!b->rest.n && b->error)
		return b->error;
	if (!b->rest.n && b->done)
		return 0;
	if (!b->rest.n && io->start == io->end && n >= HTTP_IO_BUFFER && b->framing != HTTP_BODY_CHUNKED)
		return read_direct(b, io, buf, n);

	if (!b->rest.n) {
		int r = http_body_next(b, io, &b->rest);
		if (r <= 0) {
			b->rest.n = 0;
			return r;
		}
	}
	size_t take = MIN(b->rest.n, n);
	memcpy(buf, b->rest.p, take);
	b->rest = sv_n(b->rest.p + take, b->rest.n - take);
	return (ssize_t)take;
}
