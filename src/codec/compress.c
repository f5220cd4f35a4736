/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/compress.h"

#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define IN_SIZE ((size_t)64 << 10)

struct decompress {
	read_fn read;
	void *ctx;
	enum compression kind;
	unsigned char in[IN_SIZE];
	size_t head, head_end; /* sniffed bytes, not handed on yet */
	struct archive *a;
	struct err *read_err; /* of the source, met inside libarchive */
	bool is_empty;
};

enum compression compression_sniff(const void *p, size_t n)
{
	static const struct {
		enum compression c;
		size_t n;
		unsigned char magic[6];
	} table[] = {
		{ COMPRESS_GZIP, 3, { 0x1f, 0x8b, 0x08 } },
		{ COMPRESS_BZIP2, 3, { 0x42, 0x5a, 0x68 } },
		{ COMPRESS_XZ, 6, { 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00 } },
		{ COMPRESS_ZSTD, 4, { 0x28, 0xb5, 0x2f, 0xfd } },
	};
	const unsigned char *b = p;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (n >= table[i].n && memcmp(b, table[i].magic, table[i].n) == 0)
			return table[i].c;
	if (n >= 4 && (b[0] & 0xf0) == 0x50 && b[1] == 0x2a && b[2] == 0x4d && b[3] == 0x18)
		return COMPRESS_ZSTD; /* a skippable frame first */
	return COMPRESS_NONE;
}

const char *compression_name(enum compression c)
{
	switch (c) {
	case COMPRESS_NONE: return "none";
	case COMPRESS_GZIP: return "gzip";
	case COMPRESS_BZIP2: return "bzip2";
	case COMPRESS_XZ: return "xz";
	case COMPRESS_ZSTD: return "zstd";
	}
	return "unknown";
}

static la_ssize_t feed(struct archive *a, void *ctx, const void **buf)
{
	struct decompress *d = ctx;
	if (d->head < d->head_end) {
		*buf = d->in + d->head;
		size_t n = d->head_end - d->head;
		d->head = d->head_end;
		return (la_ssize_t)n;
	}
	ssize_t n = d->read(d->ctx, d->in, IN_SIZE, &d->read_err);
	*buf = d->in;
	if (n < 0) {
		archive_set_error(a, EIO, "read");
		return ARCHIVE_FATAL;
	}
	return n;
}

static int add_filter(struct archive *a, enum compression c)
{
	switch (c) {
	case COMPRESS_NONE: return ARCHIVE_OK;
	case COMPRESS_GZIP: return archive_read_support_filter_gzip(a);
	case COMPRESS_BZIP2: return archive_read_support_filter_bzip2(a);
	case COMPRESS_XZ: return archive_read_support_filter_xz(a);
	case COMPRESS_ZSTD: return archive_read_support_filter_zstd(a);
	}
	return ARCHIVE_FATAL;
}

static int fail(struct decompress *d, struct err **e)
{
	if (d->read_err) {
		err_move(e, &d->read_err);
		return -1;
	}
	return err_set(e, ERR_INVALID, "decompress %s: %s", compression_name(d->kind),
		       archive_error_string(d->a) ? archive_error_string(d->a) : "damaged data");
}

int decompress_open(read_fn read, void *ctx, struct decompress **out, struct err **e)
{
	cleanup_decompress struct decompress *d = xmalloc(sizeof(*d));
	d->read = read;
	d->ctx = ctx;
	d->head = d->head_end = 0;
	d->a = NULL;
	d->read_err = NULL;
	d->is_empty = false;
	while (d->head_end < COMPRESS_SNIFF) {
		ssize_t n = read(ctx, d->in + d->head_end, IN_SIZE - d->head_end, e);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		d->head_end += (size_t)n;
	}
	d->kind = compression_sniff(d->in, d->head_end);
	if (d->kind != COMPRESS_NONE) {
		struct archive_entry *entry;
		d->a = archive_read_new();
		if (!d->a)
			abort();
		int r = add_filter(d->a, d->kind);
		/* ARCHIVE_WARN says that an external program would decode: never. */
		if (r != ARCHIVE_OK || archive_read_support_format_raw(d->a) != ARCHIVE_OK)
			return err_set(e, ERR_NOT_IMPLEMENTED, "this build cannot decompress %s",
				       compression_name(d->kind));
		if (archive_read_open(d->a, d, NULL, feed, NULL) != ARCHIVE_OK)
			return fail(d, e);
		r = archive_read_next_header(d->a, &entry);
		if (r == ARCHIVE_EOF)
			d->is_empty = true;
		else if (r != ARCHIVE_OK)
			return fail(d, e);
	}
	*out = TAKE_PTR(d);
	return 0;
}

enum compression decompress_kind(const struct decompress *d)
{
	return d->kind;
}

ssize_t decompress_read(void *ctx, void *buf, size_t n, struct err **e)
{
	struct decompress *d = ctx;
	if (d->is_empty)
		return 0;
	if (!d->a) {
		if (d->head == d->head_end)
			return d->read(d->ctx, buf, n, e);
		n = MIN(n, d->head_end - d->head);
		memcpy(buf, d->in + d->head, n);
		d->head += n;
		return (ssize_t)n;
	}
	la_ssize_t r = archive_read_data(d->a, buf, n);
	if (r < 0)
		return fail(d, e);
	return r;
}

void decompress_free(struct decompress *d)
{
	if (!d)
		return;
	if (d->a)
		(void)archive_read_free(d->a);
	err_free(d->read_err);
	free(d);
}

ssize_t read_from_fd(void *fd, void *buf, size_t n, struct err **e)
{
	for (;;) {
		ssize_t r = read(*(int *)fd, buf, n);
		if (r >= 0)
			return r;
		if (errno != EINTR)
			return err_sys(e, errno, "read");
	}
}
