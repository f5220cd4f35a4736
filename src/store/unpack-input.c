/* SPDX-License-Identifier: Apache-2.0 */
#include "store/unpack-internal.h"

#include "base/fs.h"

#include <string.h>

#define PROGRESS_STEP ((uint64_t)4 << 20)

static ssize_t raw_read(void *ctx, void *buf, size_t n, struct err **e)
{
	struct unpack_input *in = ctx;
	int fd = in->u->in_fd;
	ssize_t r = read_from_fd(&fd, buf, n, e);
	if (r <= 0)
		return r;
	if (in->blob)
		sha256_update(in->blob, buf, (size_t)r);
	in->raw += (uint64_t)r;
	if (in->u->progress && in->raw >= in->next_progress) {
		in->next_progress = in->raw + PROGRESS_STEP;
		in->u->progress(in->u->ctx, in->raw);
	}
	return r;
}

int unpack_input_open(struct unpack_input *in, struct err **e)
{
	in->blob = sha256_new();
	in->diff = sha256_new();
	in->next_progress = PROGRESS_STEP;
	if (decompress_open(raw_read, in, &in->d, e) < 0)
		return -1;
	if (decompress_kind(in->d) == COMPRESS_NONE) {
		in->raw_is_diff = true;
		sha256_free(in->blob);
		in->blob = NULL;
	}
	return 0;
}

ssize_t unpack_input_read(void *ctx, void *buf, size_t n, struct err **e)
{
	struct unpack_input *in = ctx;
	uint64_t max = in->u->max_bytes ? in->u->max_bytes : UNPACK_MAX_BYTES;
	ssize_t r = decompress_read(in->d, buf, n, e);
	if (r <= 0)
		return r;
	in->bytes += (uint64_t)r;
	/* Twice: headers and padding come on top of what the files hold. */
	if (in->bytes / 2 > max)
		return err_set(e, ERR_INVALID, "archive: more than %llu bytes", (unsigned long long)max);
	if (in->bytes > UNPACK_RATIO_FREE && in->bytes / UNPACK_RATIO > in->raw)
		return err_set(e, ERR_INVALID, "archive: expands more than %u times", UNPACK_RATIO);
	sha256_update(in->diff, buf, (size_t)r);
	if (in->u->tee_fd >= 0) {
		int w = fd_write_full(in->u->tee_fd, buf, (size_t)r);
		if (w < 0)
			return err_sys(e, -w, "archive: copy");
	}
	return r;
}

int unpack_input_finish(struct unpack_input *in, struct unpack_result *out, struct err **e)
{
	char buf[4096];
	ssize_t r;
	/* What follows the compressed data counts for the digest of the blob. */
	while ((r = raw_read(in, buf, sizeof(buf), e)) > 0)
		;
	if (r < 0)
		return -1;
	sha256_hex(in->diff, out->diff_id);
	if (in->raw_is_diff)
		memcpy(out->blob_digest, out->diff_id, sizeof(out->blob_digest));
	else
		sha256_hex(in->blob, out->blob_digest);
	out->diff_bytes = in->bytes;
	out->blob_bytes = in->raw;
	out->compression = decompress_kind(in->d);
	return 0;
}

void unpack_input_release(struct unpack_input *in)
{
	decompress_free(in->d);
	sha256_free(in->blob);
	sha256_free(in->diff);
}
