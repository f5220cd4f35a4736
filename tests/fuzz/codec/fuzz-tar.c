/* SPDX-License-Identifier: Apache-2.0 */
/* The tar reader over any bytes; what it gives must be within its own limits. */
#include "codec/tar.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct bytes {
	const uint8_t *p;
	size_t n;
};

static ssize_t give(void *ctx, void *buf, size_t n, struct err **e)
{
	struct bytes *b = ctx;
	(void)e;
	n = MIN(n, b->n);
	memcpy(buf, b->p, n);
	b->p += n;
	b->n -= n;
	return (ssize_t)n;
}

/* The checksum is not what is to be found out: it is put right. */
static void seal(uint8_t *p, size_t n)
{
	for (size_t at = 0; at + TAR_BLOCK <= n; at += TAR_BLOCK) {
		uint32_t sum = 8 * ' ';
		for (size_t i = 0; i < TAR_BLOCK; i++)
			sum += i >= 148 && i < 156 ? 0 : p[at + i];
		if (p[at + 155] != 0x42)
			continue;
		for (int i = 5; i >= 0; i--, sum >>= 3)
			p[at + 148 + (size_t)i] = (uint8_t)('0' + (sum & 7));
		p[at + 154] = 0;
		p[at + 155] = ' ';
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_free uint8_t *copy = xmemdup(data, n);
	seal(copy, n);
	struct bytes b = { copy, n };
	cleanup_tar_reader struct tar_reader *t = tar_reader_new(give, &b);
	const struct tar_entry *ent;
	while (tar_next(t, &ent, NULL) > 0) {
		const void *p;
		uint64_t offset, at = 0;
		ssize_t k;
		assert(*ent->path && strlen(ent->path) <= TAR_MAX_PATH && strlen(ent->link) <= TAR_MAX_PATH);
		assert(ent->n_xattrs <= TAR_MAX_XATTRS && ent->mtime_ns < 1000000000);
		for (size_t i = 0; i < ent->n_xattrs; i++)
			assert(*ent->xattrs[i].name);
		while ((k = tar_data(t, &p, &offset, NULL)) > 0) {
			assert(offset >= at && offset + (uint64_t)k <= ent->size);
			at = offset + (uint64_t)k;
		}
	}
	return 0;
}
