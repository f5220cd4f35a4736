/* SPDX-License-Identifier: Apache-2.0 */
/* The tar reader against archives of GNU tar in all its formats, and against our writer; damage and limits. */
#include "codec/tar.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct bytes {
	const char *p;
	size_t n, at, step;
};

/* Gives few bytes at a time when step is set: block borders fall everywhere. */
static ssize_t give(void *ctx, void *buf, size_t n, struct err **e)
{
	struct bytes *b = ctx;
	(void)e;
	if (b->step)
		n = MIN(n, b->step);
	n = MIN(n, b->n - b->at);
	memcpy(buf, b->p + b->at, n);
	b->at += n;
	return (ssize_t)n;
}

static int collect(void *ctx, const void *p, size_t n, struct err **e)
{
	(void)e;
	sb_addn(ctx, p, n);
	return 0;
}

static char *data_of(struct tar_reader *t, uint64_t size)
{
	char *out = xcalloc(1, (size_t)size + 1);
	const void *p;
	uint64_t offset;
	ssize_t n;
	while ((n = tar_data(t, &p, &offset, NULL)) > 0) {
		assert_true(offset + (uint64_t)n <= size);
		memcpy(out + offset, p, (size_t)n);
	}
	assert_int_equal(n, 0);
	return out;
}

/* --- our writer, read back --- */

static void write_odd(struct strbuf *out)
{
	struct tar_writer w = tar_writer_to(collect, out);
	static const struct tar_xattr x[] = { { "user.a", { "1\n2\0003", 5 } },
					      { "security.capability", { "\0", 1 } } };
	char long_name[400], deep_name[400];
	memset(long_name, 'n', 200);
	long_name[200] = 0;
	(void)snprintf(deep_name, sizeof(deep_name), "%.90s/%.90s", long_name, long_name);
	const struct tar_entry v[] = {
		{ .type = TAR_DIR, .path = "dir", .mode = 01777, .mtime_s = 1 },
		{ .type = TAR_REG,
		  .path = long_name,
		  .mode = 04755,
		  .size = 3,
		  .uid = 4000000000u,
		  .mtime_s = -2,
		  .mtime_ns = 500000000 },
		{ .type = TAR_REG, .path = deep_name, .size = 0, .gid = 1u << 21 },
		{ .type = TAR_SYMLINK, .path = "l", .link = long_name, .mode = 0777 },
		{ .type = TAR_HARDLINK, .path = "h", .link = "dir/x" },
		{ .type = TAR_CHAR, .path = "c", .major = 5, .minor = 300 },
		{ .type = TAR_REG, .path = "caf\xc3\xa9 \xff", .size = 512, .xattrs = x, .n_xattrs = 2 },
	};
	char block[512];
	memset(block, 'b', sizeof(block));
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		assert_int_equal(tar_write_header(&w, &v[i], NULL), 0);
		if (v[i].size)
			assert_int_equal(tar_write_data(&w, block, (size_t)v[i].size, NULL), 0);
	}
	assert_int_equal(tar_write_end(&w, NULL), 0);
	assert_int_equal(out->n % 512, 0);
}

static void read_odd(struct bytes *b)
{
	cleanup_tar_reader struct tar_reader *t = tar_reader_new(give, b);
	const struct tar_entry *e;
	assert_int_equal(tar_next(t, &e, NULL), 1);
	assert_string_equal(e->path, "dir/");
	assert_int_equal(e->type, TAR_DIR);
	assert_int_equal(e->mode, 01777);
	assert_int_equal(tar_next(t, &e, NULL), 1);
	assert_int_equal(strlen(e->path), 200);
	assert_true(e->uid == 4000000000u && e->mode == 04755);
	assert_true(e->mtime_s == -2 && e->mtime_ns == 500000000);
	cleanup_free char *text = data_of(t, e->size);
	assert_string_equal(text, "bbb");
	assert_int_equal(tar_next(t, &e, NULL), 1);
	assert_int_equal(strlen(e->path), 181);
	assert_int_equal(e->gid, 1u << 21);
	assert_int_equal(tar_next(t, &e, NULL), 1);
	assert_int_equal(strlen(e->link), 200);
	assert_int_equal(tar_next(t, &e, NULL), 1);
	assert_string_equal(e->link, "dir/x");
	assert_int_equal(tar_next(t, &e, NULL), 1);
	assert_true(e->type == TAR_CHAR && e->major == 5 && e->minor == 300);
	assert_int_equal(tar_next(t, &e, NULL), 1);
	assert_string_equal(e->path, "caf\xc3\xa9 \xff");
	assert_int_equal(e->n_xattrs, 2);
	assert_string_equal(e->xattrs[0].name, "user.a");
	assert_int_equal(e->xattrs[0].value.n, 5);
	assert_memory_equal(e->xattrs[0].value.p, "1\n2\0003", 5);
	/* Data not read is skipped. */
	assert_int_equal(tar_next(t, &e, NULL), 0);
	assert_int_equal(tar_next(t, &e, NULL), 0);
}

static void test_round_trip(void **state)
{
	cleanup_strbuf struct strbuf b = { 0 };
	(void)state;
	write_odd(&b);
	for (size_t step = 0; step < 1200; step += 199) {
		struct bytes src = { b.p, b.n, 0, step };
		read_odd(&src);
	}
}

static void test_truncation(void **state)
{
	cleanup_strbuf struct strbuf b = { 0 };
	unsigned errors = 0;
	(void)state;
	write_odd(&b);
	for (size_t n = 0; n < b.n - 1024; n += 64) {
		struct bytes src = { b.p, n, 0, 0 };
		cleanup_tar_reader struct tar_reader *t = tar_reader_new(give, &src);
		const struct tar_entry *ent;
		cleanup_err struct err *e = NULL;
		int r;
		while ((r = tar_next(t, &ent, &e)) > 0)
			;
		if (r < 0)
			assert_int_equal(err_class(e), ERR_INVALID);
		errors += r < 0;
		/* Only between two whole entries can a cut go unseen. */
		if (r == 0)
			assert_int_equal(n % 512, 0);
	}
	assert_true(errors > 50);
}

/* --- GNU tar --- */

static int sh(const char *script)
{
	char path[] = "/bin/sh", c[] = "-euc";
	cleanup_free char *copy = xstrdup(script);
	char *argv[] = { path, c, copy, NULL };
	cleanup_free char *out = NULL;
	int r = proc_run(argv, NULL, 0, &out, 10000);
	if (r)
		print_error("%s\n", out ? out : "");
	return r;
}

struct tree {
	char dir[64];
};

static int setup(void **state)
{
	struct tree *t = NEW(struct tree);
	(void)snprintf(t->dir, sizeof(t->dir), "/tmp/hoy-tar-XXXXXX");
	if (!mkdtemp(t->dir))
		return -1;
	cleanup_free char *script =
		xasprintf("cd %s; mkdir in; cd in; printf hello > plain; ln plain hard; ln -s plain soft; "
			  "mkfifo fifo; mkdir sub;"
			  "truncate -s 3000000 sparse; printf first | dd of=sparse conv=notrunc status=none;"
			  "printf middle | dd of=sparse bs=1 seek=1500000 conv=notrunc status=none; touch -d "
			  "@1234567890 plain",
			  t->dir);
	*state = t;
	return sh(script);
}

static int teardown(void **state)
{
	struct tree *t = *state;
	int r = fs_rmtree_at(AT_FDCWD, t->dir);
	free(t);
	return r;
}

static void check_gnu(struct tree *t, const char *options, bool long_names)
{
	cleanup_free char *script =
		xasprintf("cd %s; %s tar %s -cf out.tar --sort=name -C in .", t->dir,
			  long_names ? "touch in/$(printf 'x%.0s' $(seq 120))-$(printf 'y%.0s' $(seq 100));"
				     : "rm -f in/x*;",
			  options);
	assert_int_equal(sh(script), 0);
	cleanup_free char *path = xasprintf("%s/out.tar", t->dir), *bytes = NULL;
	size_t n, found = 0;
	assert_int_equal(fs_read_file_at(AT_FDCWD, path, (size_t)16 << 20, &bytes, &n), 0);
	struct bytes src = { bytes, n, 0, 0 };
	cleanup_tar_reader struct tar_reader *r = tar_reader_new(give, &src);
	const struct tar_entry *ent;
	cleanup_err struct err *e = NULL;
	int k;
	while ((k = tar_next(r, &ent, &e)) > 0) {
		found++;
		if (str_eq(ent->path, "./plain") || str_eq(ent->path, "./hard")) {
			if (ent->type == TAR_REG) {
				cleanup_free char *text = data_of(r, ent->size);
				assert_string_equal(text, "hello");
				assert_int_equal(ent->mtime_s, 1234567890);
			} else {
				assert_int_equal(ent->type, TAR_HARDLINK);
			}
		} else if (str_eq(ent->path, "./sparse")) {
			assert_int_equal(ent->size, 3000000);
			cleanup_free char *text = data_of(r, ent->size);
			assert_string_equal(text, "first");
			assert_memory_equal(text + 1500000, "middle", 7);
		} else if (str_eq(ent->path, "./soft")) {
			assert_int_equal(ent->type, TAR_SYMLINK);
			assert_string_equal(ent->link, "plain");
		} else if (str_starts(ent->path, "./x")) {
			assert_int_equal(strlen(ent->path), 2 + 120 + 1 + 100);
		}
	}
	if (k < 0)
		fail_msg("%s: %s", options, err_text(e));
	assert_int_equal(found, (long_names ? 8 : 7) - (strstr(options, "v7") ? 1 : 0));
}

static void test_gnu_formats(void **state)
{
	static const struct {
		const char *options;
		bool long_names;
	} v[] = {
		{ "--format=v7 --exclude=./fifo", false },
		{ "--format=ustar", false },
		{ "--format=oldgnu", true },
		{ "--format=gnu", true },
		{ "--format=gnu -S", true },
		{ "--format=posix", true },
		{ "--format=posix -S --sparse-version=0.0", true },
		{ "--format=posix -S --sparse-version=0.1", true },
		{ "--format=posix -S --sparse-version=1.0", true },
	};
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check_gnu(*state, v[i].options, v[i].long_names);
}

/* --- headers made by hand --- */

static void seal(unsigned char *h)
{
	unsigned sum = 0;
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += h[i];
	(void)snprintf((char *)h + 148, 8, "%06o", sum);
}

static void header(unsigned char h[512], char type, const char *size)
{
	memset(h, 0, 512);
	memcpy(h, "name", 4);
	memcpy(h + 100, "0000644", 7);
	memcpy(h + 124, size, strlen(size));
	h[156] = (unsigned char)type;
	memcpy(h + 257, "ustar\00000", 8);
	seal(h);
}

static void expect(const void *p, size_t n, const char *why)
{
	struct bytes src = { p, n, 0, 0 };
	cleanup_tar_reader struct tar_reader *t = tar_reader_new(give, &src);
	const struct tar_entry *ent;
	cleanup_err struct err *e = NULL;
	int r;
	while ((r = tar_next(t, &ent, &e)) > 0)
		;
	assert_int_equal(r, -1);
	if (!strstr(err_text(e), why))
		fail_msg("'%s' does not say '%s'", err_text(e), why);
}

static void test_bad_headers(void **state)
{
	unsigned char h[2048] = { 0 };
	(void)state;
	header(h, '0', "0");
	h[0] = 'N';
	expect(h, 512, "checksum");
	header(h, 'Z', "0");
	expect(h, 512, "unsupported entry type");
	header(h, '0', "12x");
	expect(h, 512, "invalid number");
	header(h, '0', "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"); /* -1 in base 256 */
	expect(h, 512, "out of range");
	header(h, '0', "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
	expect(h, 512, "out of range");
	header(h, 'L', "77777");
	expect(h, 512, "name longer");
	header(h, 'x', "77777777");
	expect(h, 512, "extended header larger");
	header(h, '0', "0");
	h[0] = 0;
	seal(h);
	expect(h, 512, "without a name");
	/* One zero block, then more. */
	memset(h, 0, 512);
	header(h + 512, '0', "0");
	expect(h, 1024, "invalid header");
}

static void expect_pax(const char *records, size_t n, const char *why)
{
	unsigned char b[2048] = { 0 };
	char size[12];
	(void)snprintf(size, sizeof(size), "%011o", (unsigned)n);
	header(b, 'x', size);
	memcpy(b + 512, records, n);
	header(b + 1024, '0', "0");
	expect(b, 1536, why);
}

static void test_bad_pax(void **state)
{
	(void)state;
#define PAX(text, why) expect_pax(text, sizeof(text) - 1, why)
	PAX("junk\n", "invalid extended header");
	PAX("99 path=a\n", "invalid extended header");
	PAX("6 a=b", "invalid extended header");
	PAX("9 path=a\0", "invalid extended header");
	PAX("10 path=a\0", "invalid extended header");
	PAX("12 path=a\0b\n", "NUL in a name");
	PAX("11 path=a\0\n", "NUL in a name");
	PAX("10 size=x\n", "invalid size");
	PAX("11 size=-1\n", "invalid size");
	PAX("18 uid=4294967295\n", "invalid uid");
	PAX("13 mtime=1.x\n", "invalid time");
	PAX("18 SCHILY.xattr.=\n", "extended attribute without name");
	PAX("24 GNU.sparse.map=0,1,9\n", "invalid sparse map");
	PAX("26 GNU.sparse.numbytes=12\n", "sparse map without offset");
	PAX("24 GNU.sparse.map=0,100\n", "sparse file without size");
	PAX("24 GNU.sparse.map=0,100\n26 GNU.sparse.realsize=10\n", "invalid sparse map");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test_setup_teardown(test_gnu_formats, setup, teardown),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_bad_pax),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
