/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/tar.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const unsigned char zeros[2 * TAR_BLOCK];

static int put(struct tar_writer *w, const void *p, size_t n, struct err **e)
{
	w->written += n;
	return w->write(w->ctx, p, n, e);
}

static bool fits_octal(uint64_t v, unsigned digits)
{
	return v < (uint64_t)1 << (3 * digits);
}

/* Zero-padded octal that fills the field but for its NUL. */
static void octal(unsigned char *p, unsigned width, uint64_t v)
{
	p[width - 1] = 0;
	for (unsigned i = width - 1; i-- > 0; v >>= 3)
		p[i] = (unsigned char)('0' + (v & 7));
}

static char flag_of(enum tar_type t)
{
	switch (t) {
	case TAR_REG: return '0';
	case TAR_HARDLINK: return '1';
	case TAR_SYMLINK: return '2';
	case TAR_CHAR: return '3';
	case TAR_BLOCKDEV: return '4';
	case TAR_DIR: return '5';
	case TAR_FIFO: return '6';
	}
	return '0';
}

static void pax_add(struct strbuf *b, const char *key, const char *key2, struct sv v)
{
	size_t body = strlen(key) + strlen(key2) + v.n + 3; /* space, '=', newline */
	size_t len = body + 1, digits = 1;
	for (size_t k = 10; len >= k; k *= 10) {
		digits++;
		len = body + digits;
	}
	sb_addf(b, "%zu %s%s=", len, key, key2);
	sb_addsv(b, v);
	sb_addc(b, '\n');
}

static void pax_u64(struct strbuf *b, const char *key, uint64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	pax_add(b, key, "", sv_n(text, (size_t)n));
}

static void pax_mtime(struct strbuf *b, int64_t s, uint32_t ns)
{
	char text[48];
	bool neg = s < 0;
	if (neg && ns) { /* -1.5 is s=-2, ns=500000000 */
		s += 1;
		ns = 1000000000u - ns;
	}
	int n = snprintf(text, sizeof(text), "%s%llu", neg ? "-" : "", (unsigned long long)(neg ? -s : s));
	if (ns) {
		n += snprintf(text + n, sizeof(text) - (size_t)n, ".%09u", ns);
		while (text[n - 1] == '0')
			n--;
	}
	pax_add(b, "mtime", "", sv_n(text, (size_t)n));
}

/* Where ustar may cut the path: the prefix's length, 0 when it fits the name alone, -1 when it does not fit.
 */
static ssize_t split(struct sv path)
{
	if (path.n <= 100)
		return 0;
	for (size_t i = path.n > 101 ? path.n - 101 : 1; i < path.n - 1 && i <= 155; i++)
		if (i > 0 && path.p[i] == '/')
			return (ssize_t)i;
	return -1;
}

static int block_out(struct tar_writer *w, unsigned char h[TAR_BLOCK], struct err **e)
{
	uint32_t sum = 0;
	memcpy(h + 257,
	       "ustar\0"
	       "00",
	       8);
	memset(h + 148, ' ', 8);
	for (unsigned i = 0; i < TAR_BLOCK; i++)
		sum += h[i];
	octal(h + 148, 7, sum);
	return put(w, h, TAR_BLOCK, e);
}

static int pax_out(struct tar_writer *w, const struct strbuf *pax, struct err **e)
{
	unsigned char h[TAR_BLOCK] = { 0 };
	memcpy(h, "././@PaxHeader", 14);
	octal(h + 100, 8, 0644);
	octal(h + 108, 8, 0);
	octal(h + 116, 8, 0);
	octal(h + 124, 12, pax->n);
	octal(h + 136, 12, 0);
	h[156] = 'x';
	if (block_out(w, h, e) < 0 || put(w, pax->p, pax->n, e) < 0)
		return -1;
	return put(w, zeros, (size_t)(-pax->n & (TAR_BLOCK - 1)), e);
}

int tar_write_header(struct tar_writer *w, const struct tar_entry *ent, struct err **e)
{
	unsigned char h[TAR_BLOCK] = { 0 };
	cleanup_strbuf struct strbuf path = { 0 }, pax = { 0 };
	assert(w->left == 0);

	sb_add(&path, ent->path);
	if (ent->type == TAR_DIR && path.n && path.p[path.n - 1] != '/')
		sb_addc(&path, '/');
	struct sv name = sb_sv(&path), link = sv_of(ent->link ? ent->link : "");
	ssize_t cut = split(name);
	if (cut < 0) {
		pax_add(&pax, "path", "", name);
		name = sv_sub(name, 0, 100);
		cut = 0;
	}
	if (cut > 0) {
		memcpy(h + 345, name.p, (size_t)cut);
		name = sv_sub(name, (size_t)cut + 1, name.n);
	}
	memcpy(h, name.p, name.n);
	octal(h + 100, 8, ent->mode & 07777);
	if (!fits_octal(ent->uid, 7))
		pax_u64(&pax, "uid", ent->uid);
	octal(h + 108, 8, fits_octal(ent->uid, 7) ? ent->uid : 0);
	if (!fits_octal(ent->gid, 7))
		pax_u64(&pax, "gid", ent->gid);
	octal(h + 116, 8, fits_octal(ent->gid, 7) ? ent->gid : 0);
	uint64_t size = ent->type == TAR_REG ? ent->size : 0;
	if (!fits_octal(size, 11))
		pax_u64(&pax, "size", size);
	octal(h + 124, 12, fits_octal(size, 11) ? size : 0);
	bool plain_time = ent->mtime_ns == 0 && ent->mtime_s >= 0 && fits_octal((uint64_t)ent->mtime_s, 11);
	if (!plain_time)
		pax_mtime(&pax, ent->mtime_s, ent->mtime_ns);
	octal(h + 136, 12,
	      ent->mtime_s >= 0 && fits_octal((uint64_t)ent->mtime_s, 11) ? (uint64_t)ent->mtime_s : 0);
	h[156] = (unsigned char)flag_of(ent->type);
	if (ent->type == TAR_HARDLINK || ent->type == TAR_SYMLINK) {
		if (link.n > 100)
			pax_add(&pax, "linkpath", "", link);
		memcpy(h + 157, link.p, MIN(link.n, (size_t)100));
	}
	if (ent->type == TAR_CHAR || ent->type == TAR_BLOCKDEV) {
		octal(h + 329, 8, ent->major);
		octal(h + 337, 8, ent->minor);
	}
	for (size_t i = 0; i < ent->n_xattrs; i++)
		pax_add(&pax, "SCHILY.xattr.", ent->xattrs[i].name, ent->xattrs[i].value);
	if (pax.n && pax_out(w, &pax, e) < 0)
		return -1;
	if (block_out(w, h, e) < 0)
		return -1;
	w->left = size;
	w->pad = (uint32_t)(-size & (TAR_BLOCK - 1));
	return 0;
}

int tar_write_data(struct tar_writer *w, const void *p, size_t n, struct err **e)
{
	if (n > w->left)
		return err_set(e, ERR_SYSTEM, "tar: file grew while it was archived");
	if (n && put(w, p, n, e) < 0)
		return -1;
	w->left -= n;
	if (w->left == 0 && w->pad) {
		uint32_t pad = w->pad;
		w->pad = 0;
		return put(w, zeros, pad, e);
	}
	return 0;
}

int tar_write_end(struct tar_writer *w, struct err **e)
{
	if (w->left)
		return err_set(e, ERR_SYSTEM, "tar: file shrank while it was archived");
	return put(w, zeros, sizeof(zeros), e);
}
