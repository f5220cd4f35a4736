/* SPDX-License-Identifier: Apache-2.0 */
/* One connection's bytes, plain or TLS, with an input buffer; bodies read through it. Server and client share
 * it. */
#pragma once

#include "http/parse.h"
#include "http/tls.h"

#include <sys/uio.h>

#define HTTP_IO_BUFFER                                                                                       \
	(8 *                                                                                                 \
	 1024) /* first size of the input buffer; grows to HTTP_MAX_HEAD for a long head                 \
		    */

struct http_io {
	int fd;                   /* owned by the user of this struct */
	struct http_session *tls; /* idem; NULL: plain */
	char *in;
	size_t start, end, cap;
	size_t first_cap; /* 0: HTTP_IO_BUFFER */
};

void http_io_release(struct http_io *io); /* the buffer only */
static inline struct sv http_io_buffered(const struct http_io *io)
{
	return sv_n(io->in + io->start, io->end - io->start);
}
static inline void http_io_eat(struct http_io *io, size_t n)
{
	io->start += n;
	if (io->start == io->end)
		io->start = io->end = 0;
}
/* Reads once into the buffer: bytes, 0 at the end, -errno; -ENOBUFS when HTTP_MAX_HEAD are buffered already.
 */
ssize_t http_io_fill(struct http_io *io);
ssize_t http_io_read(struct http_io *io, void *buf, size_t n); /* past the buffer */
/* All of it; the iovecs are consumed. 0 or -errno. */
int http_io_write(struct http_io *io, struct iovec *v, size_t n);

struct http_body {
	enum http_framing framing;
	uint64_t left; /* HTTP_BODY_LENGTH */
	struct http_chunked chunks;
	struct sv rest; /* read from the connection, not yet taken */
	bool done;
	int error; /* -errno, sticky */
};

void http_body_init(struct http_body *b, const struct http_head *h);
/* As http_req_read: bytes, 0 at the end, -EBADMSG, -EPIPE, -errno. */
ssize_t http_body_read(struct http_body *b, struct http_io *io, void *buf, size_t n);
/* The same without a copy: a span of the buffer, valid until the next call; 1, 0 at the end, -errno. */
int http_body_next(struct http_body *b, struct http_io *io, struct sv *out);
