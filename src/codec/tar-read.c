/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/tar.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUF_SIZE      ((size_t)128 << 10)
#define MAX_ID        (UINT32_MAX - 1) /* -1 means "leave it" to chown */
#define MAX_DEV_MAJOR 0xfffu
#define MAX_DEV_MINOR 0xfffffu

/* The header block: offsets and lengths of its fields. */
enum {
	H_NAME = 0,
	H_MODE = 100,
	H_UID = 108,
	H_GID = 116,
	H_SIZE = 124,
	H_MTIME = 136,
	H_CHKSUM = 148,
	H_TYPE = 156,
	H_LINK = 157,
	H_MAGIC = 257,
	H_MAJOR = 329,
	H_MINOR = 337,
	H_PREFIX = 345,
	H_GNU_SPARSE = 386,
	H_GNU_EXTENDED = 482,
	H_GNU_REALSIZE = 483,
};

struct extent {
	uint64_t offset, n;
};

struct tar_reader {
	read_fn read;
	void *ctx;
	unsigned char *buf;
	size_t head, end;
	uint64_t consumed; /* from the source, `end - head` of it not used yet */
	bool at_eof, is_ended;

	struct tar_entry ent;
	struct strbuf path, link;
	bool has_path, has_link, has_size, has_uid, has_gid, has_mtime; /* set by an extended header */
	struct strbuf pax, global;
	struct tar_xattr xattrs[TAR_MAX_XATTRS];
	struct strbuf xattr_bytes; /* decoded LIBARCHIVE.xattr values */

	uint64_t left; /* stored bytes of the entry still in the stream */
	unsigned pad;
	uint64_t done; /* plain file: bytes handed out */

	struct extent *extents;
	size_t n_extents, cap_extents, extent;
	uint64_t extent_done;
	struct {
		bool any, is_1_0, has_real_size, has_offset;
		uint64_t major, minor, real_size, offset;
	} sparse;
};

struct tar_reader *tar_reader_new(read_fn read, void *ctx)
{
	struct tar_reader *t = NEW(struct tar_reader);
	t->read = read;
	t->ctx = ctx;
	t->buf = xmalloc(BUF_SIZE);
	return t;
}

void tar_reader_free(struct tar_reader *t)
{
	if (!t)
		return;
	free(t->buf);
	free(t->extents);
	sb_release(&t->path);
	sb_release(&t->link);
	sb_release(&t->pax);
	sb_release(&t->global);
	sb_release(&t->xattr_bytes);
	free(t);
}

uint64_t tar_consumed(const struct tar_reader *t)
{
	return t->consumed;
}

static int truncated(struct err **e)
{
	return err_set(e, ERR_INVALID, "tar: unexpected EOF");
}

/* More bytes behind what the buffer holds: 1, 0 at the end, -1. */
static int fill(struct tar_reader *t, struct err **e)
{
	if (t->at_eof)
		return 0;
	if (t->head == t->end)
		t->head = t->end = 0;
	if (t->end == BUF_SIZE) {
		memmove(t->buf, t->buf + t->head, t->end - t->head);
		t->end -= t->head;
		t->head = 0;
	}
	ssize_t n = t->read(t->ctx, t->buf + t->end, BUF_SIZE - t->end, e);
	if (n < 0)
		return -1;
	if (n == 0) {
		t->at_eof = true;
		return 0;
	}
	t->end += (size_t)n;
	t->consumed += (uint64_t)n;
	return 1;
}

/* A block in *p: 1; 0 at the very end of the stream; -1. Valid until the next fill. */
static int block(struct tar_reader *t, const unsigned char **p, struct err **e)
{
	while (t->end - t->head < TAR_BLOCK) {
		int r = fill(t, e);
		if (r < 0)
			return -1;
		if (r == 0) {
			if (t->end == t->head)
				return 0;
			return truncated(e);
		}
	}
	*p = t->buf + t->head;
	t->head += TAR_BLOCK;
	return 1;
}

static int skip(struct tar_reader *t, uint64_t n, struct err **e)
{
	while (n > 0) {
		if (t->head == t->end) {
			int r = fill(t, e);
			if (r < 0)
				return -1;
			if (r == 0)
				return truncated(e);
		}
		size_t k = t->end - t->head;
		if (k > n)
			k = (size_t)n;
		t->head += k;
		n -= k;
	}
	return 0;
}

static int append(struct tar_reader *t, struct strbuf *b, uint64_t n, struct err **e)
{
	unsigned pad = (unsigned)(-n & (TAR_BLOCK - 1));
	while (n > 0) {
		if (t->head == t->end) {
			int r = fill(t, e);
			if (r < 0)
				return -1;
			if (r == 0)
				return truncated(e);
		}
		size_t k = t->end - t->head;
		if (k > n)
			k = (size_t)n;
		sb_addn(b, t->buf + t->head, k);
		t->head += k;
		n -= k;
	}
	return skip(t, pad, e);
}

static unsigned pad_of(uint64_t n)
{
	return (unsigned)(-n & (TAR_BLOCK - 1));
}

/* --- numbers --- */

static int number(const unsigned char *p, size_t n, int64_t min, int64_t max, int64_t *out, struct err **e)
{
	if (p[0] & 0x80) {
		bool neg = p[0] & 0x40;
		uint64_t v = neg ? UINT64_MAX : 0;
		for (size_t i = 0; i < n; i++) {
			unsigned char c = i ? p[i] : (unsigned char)(neg ? p[0] | 0x80 : p[0] & 0x7f);
			/* What is shifted out must be sign only. */
			if ((v >> 55) != (neg ? 0x1ff : 0))
				return err_set(e, ERR_INVALID, "tar: number out of range");
			v = v << 8 | c;
		}
		*out = (int64_t)v;
	} else {
		size_t a = 0;
		uint64_t v = 0;
		while (a < n && (p[a] == ' ' || p[a] == 0))
			a++;
		while (n > a && (p[n - 1] == ' ' || p[n - 1] == 0))
			n--;
		for (; a < n; a++) {
			/* Some writers leave junk behind the NUL that ends the field. */
			if (p[a] == 0 || p[a] == ' ')
				break;
			if (p[a] < '0' || p[a] > '7' || v >> 60)
				return err_set(e, ERR_INVALID, "tar: invalid number in header");
			v = v << 3 | (uint64_t)(p[a] - '0');
		}
		*out = (int64_t)v;
	}
	if (*out < min || *out > max)
		return err_set(e, ERR_INVALID, "tar: number out of range");
	return 0;
}

static int pax_number(struct sv v, uint64_t max, uint64_t *out, struct err **e, const char *what)
{
	if (parse_u64(v, max, out) < 0)
		return err_set(e, ERR_INVALID, "tar: invalid %s in extended header", what);
	return 0;
}

static int pax_time(struct sv v, int64_t *s, uint32_t *ns, struct err **e)
{
	struct sv whole, frac = { 0 };
	bool neg = v.n && v.p[0] == '-';
	if (neg)
		v = sv_sub(v, 1, v.n);
	(void)sv_cut(v, '.', &whole, &frac);
	uint64_t sec = 0;
	if (whole.n && parse_u64(whole, INT64_MAX / 2, &sec) < 0)
		return err_set(e, ERR_INVALID, "tar: invalid time in extended header");
	uint32_t n = 0;
	for (size_t i = 0; i < 9; i++) {
		n *= 10;
		if (i < frac.n) {
			if (frac.p[i] < '0' || frac.p[i] > '9')
				return err_set(e, ERR_INVALID, "tar: invalid time in extended header");
			n += (uint32_t)(frac.p[i] - '0');
		}
	}
	*s = neg ? -(int64_t)sec : (int64_t)sec;
	if (neg && n) {
		*s -= 1;
		n = 1000000000u - n;
	}
	*ns = n;
	return 0;
}

/* --- extended headers --- */

static int add_extent(struct tar_reader *t, uint64_t offset, uint64_t n, struct err **e)
{
	if (t->n_extents >= TAR_MAX_EXTENTS)
		return err_set(e, ERR_INVALID, "tar: sparse file in more than %zu pieces", TAR_MAX_EXTENTS);
	GROW(t->extents, t->n_extents, t->cap_extents);
	t->extents[t->n_extents++] = (struct extent){ offset, n };
	return 0;
}

static int sparse_map(struct tar_reader *t, struct sv v, struct err **e)
{
	t->n_extents = 0;
	while (v.n) {
		struct sv a, b;
		uint64_t offset, n;
		(void)sv_cut(v, ',', &a, &v);
		(void)sv_cut(v, ',', &b, &v);
		if (pax_number(a, TAR_MAX_SIZE, &offset, e, "sparse map") < 0 ||
		    pax_number(b, TAR_MAX_SIZE, &n, e, "sparse map") < 0 || add_extent(t, offset, n, e) < 0)
			return -1;
	}
	return 0;
}

static int pax_sparse(struct tar_reader *t, struct sv key, struct sv v, struct err **e)
{
	t->sparse.any = true;
	if (sv_eqs(key, "major"))
		return pax_number(v, 100, &t->sparse.major, e, "sparse version");
	if (sv_eqs(key, "minor"))
		return pax_number(v, 100, &t->sparse.minor, e, "sparse version");
	if (sv_eqs(key, "size") || sv_eqs(key, "realsize")) {
		t->sparse.has_real_size = true;
		return pax_number(v, TAR_MAX_SIZE, &t->sparse.real_size, e, "sparse size");
	}
	if (sv_eqs(key, "name")) {
		sb_reset(&t->path);
		sb_addsv(&t->path, v);
		t->has_path = true;
		return 0;
	}
	if (sv_eqs(key, "map"))
		return sparse_map(t, v, e);
	if (sv_eqs(key, "offset")) {
		t->sparse.has_offset = true;
		return pax_number(v, TAR_MAX_SIZE, &t->sparse.offset, e, "sparse map");
	}
	if (sv_eqs(key, "numbytes")) {
		uint64_t n;
		if (!t->sparse.has_offset)
			return err_set(e, ERR_INVALID, "tar: sparse map without offset");
		t->sparse.has_offset = false;
		if (pax_number(v, TAR_MAX_SIZE, &n, e, "sparse map") < 0)
			return -1;
		return add_extent(t, t->sparse.offset, n, e);
	}
	return 0;
}

static int b64(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* libarchive's form: the value in base64, padding optional. Kept in xattr_bytes, which was reserved to be big
 * enough. */
static int xattr_base64(struct tar_reader *t, struct sv v, struct sv *out, struct err **e)
{
	size_t start = t->xattr_bytes.n;
	uint32_t acc = 0;
	unsigned bits = 0;
	while (v.n && v.p[v.n - 1] == '=')
		v.n--;
	for (size_t i = 0; i < v.n; i++) {
		int d = b64((unsigned char)v.p[i]);
		if (d < 0)
			return err_set(e, ERR_INVALID, "tar: invalid base64 in extended header");
		acc = (acc << 6 | (uint32_t)d) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			sb_addc(&t->xattr_bytes, (char)(acc >> bits & 0xff));
		}
	}
	*out = sv_n(t->xattr_bytes.p + start, t->xattr_bytes.n - start);
	return 0;
}

static int pax_xattr(struct tar_reader *t, char *name, struct sv value, bool is_base64, struct err **e)
{
	size_t i;
	if (!*name)
		return err_set(e, ERR_INVALID, "tar: extended attribute without name");
	if (is_base64 && xattr_base64(t, value, &value, e) < 0)
		return -1;
	for (i = 0; i < t->ent.n_xattrs; i++) /* last wins */
		if (str_eq(t->xattrs[i].name, name))
			break;
	if (i == TAR_MAX_XATTRS)
		return err_set(e, ERR_INVALID, "tar: more than %u extended attributes", TAR_MAX_XATTRS);
	t->xattrs[i] = (struct tar_xattr){ name, value };
	if (i == t->ent.n_xattrs)
		t->ent.n_xattrs++;
	return 0;
}

static int pax_text(struct strbuf *b, struct sv v, bool *has, struct err **e)
{
	if (sv_find(v, 0) >= 0)
		return err_set(e, ERR_INVALID, "tar: NUL in a name");
	sb_reset(b);
	sb_addsv(b, v);
	*has = v.n > 0;
	return 0;
}

static int pax_record(struct tar_reader *t, char *key, struct sv v, bool is_global, struct err **e)
{
	static const char schily[] = "SCHILY.xattr.", la[] = "LIBARCHIVE.xattr.", gnu[] = "GNU.sparse.";
	uint64_t u = 0;

	if (str_eq(key, "path"))
		return t->sparse.any && t->has_path ? 0 : pax_text(&t->path, v, &t->has_path, e);
	if (str_eq(key, "linkpath"))
		return pax_text(&t->link, v, &t->has_link, e);
	if (str_eq(key, "size")) {
		t->has_size = v.n > 0;
		return v.n ? pax_number(v, TAR_MAX_SIZE, &t->ent.size, e, "size") : 0;
	}
	if (str_eq(key, "uid")) {
		t->has_uid = v.n > 0;
		if (v.n && pax_number(v, MAX_ID, &u, e, "uid") < 0)
			return -1;
		t->ent.uid = v.n ? (uint32_t)u : 0;
		return 0;
	}
	if (str_eq(key, "gid")) {
		t->has_gid = v.n > 0;
		if (v.n && pax_number(v, MAX_ID, &u, e, "gid") < 0)
			return -1;
		t->ent.gid = v.n ? (uint32_t)u : 0;
		return 0;
	}
	if (str_eq(key, "mtime")) {
		t->has_mtime = v.n > 0;
		return v.n ? pax_time(v, &t->ent.mtime_s, &t->ent.mtime_ns, e) : 0;
	}
	if (is_global) /* attributes and holes of every file make no sense */
		return 0;
	if (str_starts(key, schily))
		return pax_xattr(t, key + sizeof(schily) - 1, v, false, e);
	if (str_starts(key, la))
		return pax_xattr(t, key + sizeof(la) - 1, v, true, e);
	if (str_starts(key, gnu))
		return pax_sparse(t, sv_of(key + sizeof(gnu) - 1), v, e);
	return 0;
}

/* "LEN KEY=VALUE\n" … ; keys are NUL-terminated in place, which is why the text is parsed once only. */
static int pax_apply(struct tar_reader *t, char *p, size_t n, bool is_global, struct err **e)
{
	size_t i = 0;
	while (i < n) {
		size_t len = 0, j = i;
		for (; j < n && j - i < 10 && p[j] >= '0' && p[j] <= '9'; j++)
			len = len * 10 + (size_t)(p[j] - '0');
		if (j == i || j == n || p[j] != ' ' || len > n - i || len < j - i + 4 ||
		    p[i + len - 1] != '\n')
			return err_set(e, ERR_INVALID, "tar: invalid extended header");
		char *key = p + j + 1, *stop = p + i + len - 1;
		char *eq = memchr(key, '=', (size_t)(stop - key));
		if (!eq || eq == key || memchr(key, 0, (size_t)(eq - key)))
			return err_set(e, ERR_INVALID, "tar: invalid extended header");
		*eq = 0;
		int r = pax_record(t, key, sv_n(eq + 1, (size_t)(stop - eq - 1)), is_global, e);
		*eq = is_global ? '=' : 0;
		if (r < 0)
			return -1;
		i += len;
	}
	return 0;
}

/* --- headers --- */

static bool checksum_ok(const unsigned char *h)
{
	int64_t want;
	uint32_t u = 0;
	int32_t s = 0;
	if (number(h + H_CHKSUM, 8, 0, INT32_MAX, &want, NULL) < 0)
		return false;
	for (unsigned i = 0; i < TAR_BLOCK; i++) {
		unsigned char c = i >= H_CHKSUM && i < H_CHKSUM + 8 ? ' ' : h[i];
		u += c;
		s += (signed char)c; /* some old writers summed signed bytes */
	}
	return want == (int64_t)u || want == (int64_t)s;
}

static bool is_zero(const unsigned char *h)
{
	for (unsigned i = 0; i < TAR_BLOCK; i++)
		if (h[i])
			return false;
	return true;
}

static void field_text(struct strbuf *b, const unsigned char *p, size_t n)
{
	sb_addn(b, p, strnlen((const char *)p, n));
}

static int long_name(struct tar_reader *t, const unsigned char *h, struct strbuf *b, bool *has,
		     struct err **e)
{
	int64_t n;
	if (number(h + H_SIZE, 12, 0, TAR_MAX_PATH + 1, &n, NULL) < 0)
		return err_set(e, ERR_INVALID, "tar: name longer than %u bytes", TAR_MAX_PATH);
	sb_reset(b);
	if (append(t, b, (uint64_t)n, e) < 0)
		return -1;
	while (b->n && !b->p[b->n - 1])
		b->p[--b->n] = 0;
	if (b->n && memchr(b->p, 0, b->n))
		return err_set(e, ERR_INVALID, "tar: NUL in a name");
	*has = b->n > 0;
	return 0;
}

static int extended(struct tar_reader *t, const unsigned char *h, struct strbuf *b, struct err **e)
{
	int64_t n;
	if (number(h + H_SIZE, 12, 0, INT64_MAX, &n, e) < 0)
		return -1;
	if ((uint64_t)n > TAR_MAX_PAX - MIN(b->n, TAR_MAX_PAX))
		return err_set(e, ERR_INVALID, "tar: extended header larger than %zu bytes", TAR_MAX_PAX);
	return append(t, b, (uint64_t)n, e);
}

static int type_of(unsigned char flag, enum tar_type *out)
{
	switch (flag) {
	case 0:
	case '0':
	case '7':
	case 'S': *out = TAR_REG; return 0;
	case '1': *out = TAR_HARDLINK; return 0;
	case '2': *out = TAR_SYMLINK; return 0;
	case '3': *out = TAR_CHAR; return 0;
	case '4': *out = TAR_BLOCKDEV; return 0;
	case '5': *out = TAR_DIR; return 0;
	case '6': *out = TAR_FIFO; return 0;
	default: return -1;
	}
}

static int gnu_extents(struct tar_reader *t, const unsigned char *p, unsigned count, struct err **e)
{
	for (unsigned i = 0; i < count; i++, p += 24) {
		int64_t offset, n;
		if (!p[0])
			break;
		if (number(p, 12, 0, (int64_t)TAR_MAX_SIZE, &offset, e) < 0 ||
		    number(p + 12, 12, 0, (int64_t)TAR_MAX_SIZE, &n, e) < 0 ||
		    add_extent(t, (uint64_t)offset, (uint64_t)n, e) < 0)
			return -1;
	}
	return 0;
}

static int gnu_sparse(struct tar_reader *t, const unsigned char *h, struct err **e)
{
	int64_t real;
	if (number(h + H_GNU_REALSIZE, 12, 0, (int64_t)TAR_MAX_SIZE, &real, e) < 0 ||
	    gnu_extents(t, h + H_GNU_SPARSE, 4, e) < 0)
		return -1;
	t->sparse.real_size = (uint64_t)real;
	bool more = h[H_GNU_EXTENDED];
	while (more) {
		const unsigned char *p;
		int r = block(t, &p, e);
		if (r <= 0)
			return r < 0 ? -1 : truncated(e);
		if (gnu_extents(t, p, 21, e) < 0)
			return -1;
		more = p[504];
	}
	return 0;
}

/* One decimal line of a sparse 1.0 map, across blocks. */
static int map_number(struct tar_reader *t, const unsigned char **p, unsigned *at, uint64_t *out,
		      struct err **e)
{
	uint64_t v = 0;
	for (unsigned digits = 0;; digits++) {
		if (*at == TAR_BLOCK) {
			int r;
			if (t->left < TAR_BLOCK || (r = block(t, p, e)) == 0)
				return truncated(e);
			if (r < 0)
				return -1;
			t->left -= TAR_BLOCK;
			*at = 0;
		}
		unsigned char c = (*p)[(*at)++];
		if (c == '\n' && digits)
			break;
		if (c < '0' || c > '9' || digits > 15)
			return err_set(e, ERR_INVALID, "tar: invalid sparse map");
		v = v * 10 + (uint64_t)(c - '0');
	}
	if (v > TAR_MAX_SIZE)
		return err_set(e, ERR_INVALID, "tar: invalid sparse map");
	*out = v;
	return 0;
}

static int sparse_1_0(struct tar_reader *t, struct err **e)
{
	const unsigned char *p = NULL;
	unsigned at = TAR_BLOCK;
	uint64_t count, offset, n;
	t->n_extents = 0;
	if (map_number(t, &p, &at, &count, e) < 0)
		return -1;
	if (count > TAR_MAX_EXTENTS)
		return err_set(e, ERR_INVALID, "tar: sparse file in more than %zu pieces", TAR_MAX_EXTENTS);
	for (uint64_t i = 0; i < count; i++)
		if (map_number(t, &p, &at, &offset, e) < 0 || map_number(t, &p, &at, &n, e) < 0 ||
		    add_extent(t, offset, n, e) < 0)
			return -1;
	return 0;
}

static int sparse_check(struct tar_reader *t, struct err **e)
{
	uint64_t at = 0, sum = 0;
	for (size_t i = 0; i < t->n_extents; i++) {
		const struct extent *x = &t->extents[i];
		if (x->offset < at || x->offset > t->ent.size || x->n > t->ent.size - x->offset)
			return err_set(e, ERR_INVALID, "tar: invalid sparse map");
		at = x->offset + x->n;
		sum += x->n;
	}
	if (sum != t->left)
		return err_set(e, ERR_INVALID, "tar: sparse map and size disagree");
	return 0;
}

static void entry_reset(struct tar_reader *t)
{
	t->ent = (struct tar_entry){ .xattrs = t->xattrs };
	sb_reset(&t->path);
	sb_reset(&t->link);
	sb_reset(&t->pax);
	sb_reset(&t->xattr_bytes);
	t->has_path = t->has_link = t->has_size = t->has_uid = t->has_gid = t->has_mtime = false;
	t->n_extents = t->extent = 0;
	t->extent_done = t->done = 0;
	memset(&t->sparse, 0, sizeof(t->sparse));
}

static int header_numbers(struct tar_reader *t, const unsigned char *h, struct err **e)
{
	struct tar_entry *ent = &t->ent;
	int64_t v;
	if (number(h + H_MODE, 8, 0, INT64_MAX, &v, e) < 0)
		return -1;
	ent->mode = (uint32_t)v & 07777;
	if (!t->has_uid) {
		if (number(h + H_UID, 8, 0, MAX_ID, &v, e) < 0)
			return -1;
		ent->uid = (uint32_t)v;
	}
	if (!t->has_gid) {
		if (number(h + H_GID, 8, 0, MAX_ID, &v, e) < 0)
			return -1;
		ent->gid = (uint32_t)v;
	}
	if (!t->has_size) {
		if (number(h + H_SIZE, 12, 0, (int64_t)TAR_MAX_SIZE, &v, e) < 0)
			return -1;
		ent->size = (uint64_t)v;
	}
	if (!t->has_mtime) {
		if (number(h + H_MTIME, 12, INT64_MIN, INT64_MAX, &ent->mtime_s, e) < 0)
			return -1;
		ent->mtime_ns = 0;
	}
	if (ent->type == TAR_CHAR || ent->type == TAR_BLOCKDEV) {
		if (number(h + H_MAJOR, 8, 0, MAX_DEV_MAJOR, &v, e) < 0)
			return -1;
		ent->major = (uint32_t)v;
		if (number(h + H_MINOR, 8, 0, MAX_DEV_MINOR, &v, e) < 0)
			return -1;
		ent->minor = (uint32_t)v;
	}
	return 0;
}

/* The header that is an entry's own, after its extended ones. `h` lives in the buffer: copy before reading
 * on. */
static int entry_header(struct tar_reader *t, const unsigned char *h, struct err **e)
{
	struct tar_entry *ent = &t->ent;
	unsigned char flag = h[H_TYPE];

	/* In order of precedence: the last word is the local extended header's. */
	if (t->global.n && pax_apply(t, t->global.p, t->global.n, true, e) < 0)
		return -1;
	if (t->pax.n) {
		sb_reserve(&t->xattr_bytes, t->pax.n);
		if (pax_apply(t, t->pax.p, t->pax.n, false, e) < 0)
			return -1;
	}
	if (type_of(flag, &ent->type) < 0)
		return err_set(e, ERR_INVALID, "tar: unsupported entry type 0x%02x", flag);
	if (header_numbers(t, h, e) < 0)
		return -1;
	if (!t->has_path) {
		if (memcmp(h + H_MAGIC, "ustar\0", 6) == 0 && h[H_PREFIX]) {
			/* star keeps times behind a shorter prefix */
			field_text(&t->path, h + H_PREFIX, memcmp(h + 508, "tar", 4) == 0 ? 131 : 155);
			sb_addc(&t->path, '/');
		}
		field_text(&t->path, h + H_NAME, 100);
	}
	if (!t->has_link && (ent->type == TAR_HARDLINK || ent->type == TAR_SYMLINK))
		field_text(&t->link, h + H_LINK, 100);
	if (t->path.n == 0)
		return err_set(e, ERR_INVALID, "tar: entry without a name");
	if (t->path.n > TAR_MAX_PATH || t->link.n > TAR_MAX_PATH)
		return err_set(e, ERR_INVALID, "tar: name longer than %u bytes", TAR_MAX_PATH);
	if (memchr(t->path.p, 0, t->path.n))
		return err_set(e, ERR_INVALID, "tar: NUL in a name");

	t->left = ent->size;
	t->pad = pad_of(t->left);
	if (ent->type == TAR_REG && t->path.p[t->path.n - 1] == '/')
		ent->type = TAR_DIR; /* v7 had no type for it; what data it claims is skipped */
	else if (ent->type != TAR_REG)
		t->left = t->pad = 0; /* writers disagree about the size field of these; none has data */
	if (ent->type != TAR_REG) {
		ent->size = 0;
		return 0;
	}
	if (flag == 'S') {
		if (gnu_sparse(t, h, e) < 0)
			return -1;
		ent->is_sparse = true;
	} else if (t->sparse.any) {
		if (t->sparse.major == 1 && t->sparse.minor == 0) {
			if (sparse_1_0(t, e) < 0)
				return -1;
		} else if (t->sparse.major > 1 || (t->sparse.major == 1 && t->sparse.minor)) {
			return err_set(e, ERR_INVALID, "tar: unsupported sparse format");
		}
		if (!t->sparse.has_real_size)
			return err_set(e, ERR_INVALID, "tar: sparse file without size");
		ent->is_sparse = true;
	}
	if (ent->is_sparse) {
		ent->size = t->sparse.real_size;
		return sparse_check(t, e);
	}
	return 0;
}

int tar_next(struct tar_reader *t, const struct tar_entry **out, struct err **e)
{
	if (t->is_ended)
		return 0;
	if (skip(t, t->left, e) < 0 || skip(t, t->pad, e) < 0)
		return -1;
	t->left = t->pad = 0;
	entry_reset(t);
	uint64_t position = t->consumed - (t->end - t->head);
	bool has_long_path = false, has_long_link = false;
	for (unsigned headers = 0;; headers++) {
		const unsigned char *h;
		int r = block(t, &h, e);
		if (r < 0)
			return -1;
		if (r == 0) {
			if (headers)
				return truncated(e);
			t->is_ended = true;
			return 0;
		}
		if (is_zero(h)) {
			r = headers ? 1 : block(t, &h, e);
			if (r < 0)
				return -1;
			if (r > 0 && (headers || !is_zero(h)))
				return err_set(e, ERR_INVALID, "tar: invalid header");
			t->is_ended = true;
			return 0;
		}
		if (!checksum_ok(h))
			return err_set(e, ERR_INVALID, "tar: invalid header (checksum)");
		if (headers > 16)
			return err_set(e, ERR_INVALID, "tar: too many extended headers");
		switch (h[H_TYPE]) {
		case 'L': r = long_name(t, h, &t->path, &has_long_path, e); break;
		case 'K': r = long_name(t, h, &t->link, &has_long_link, e); break;
		case 'x':
		case 'X': r = extended(t, h, &t->pax, e); break;
		case 'g': r = extended(t, h, &t->global, e); break;
		default:
			t->has_path = has_long_path;
			t->has_link = has_long_link;
			if (entry_header(t, h, e) < 0)
				return -1;
			t->ent.position = position;
			t->ent.path = sb_str(&t->path);
			t->ent.link = sb_str(&t->link);
			*out = &t->ent;
			return 1;
		}
		if (r < 0)
			return -1;
	}
}

ssize_t tar_data(struct tar_reader *t, const void **p, uint64_t *offset, struct err **e)
{
	if (t->ent.type != TAR_REG || t->left == 0)
		return 0;
	uint64_t want = t->left;
	if (t->ent.is_sparse) {
		while (t->extent_done == t->extents[t->extent].n) {
			t->extent++;
			t->extent_done = 0;
			assert(t->extent < t->n_extents); /* sparse_check: the sums agree */
		}
		*offset = t->extents[t->extent].offset + t->extent_done;
		want = t->extents[t->extent].n - t->extent_done;
	} else {
		*offset = t->done;
	}
	if (t->head == t->end) {
		int r = fill(t, e);
		if (r <= 0)
			return r < 0 ? -1 : truncated(e);
	}
	size_t n = t->end - t->head;
	if (n > want)
		n = (size_t)want;
	*p = t->buf + t->head;
	t->head += n;
	t->left -= n;
	t->done += n;
	t->extent_done += n;
	return (ssize_t)n;
}

int tar_drain(struct tar_reader *t, struct err **e)
{
	int r;
	t->is_ended = true;
	t->left = t->pad = 0;
	do {
		t->head = t->end = 0;
		r = fill(t, e);
	} while (r > 0);
	return r;
}
