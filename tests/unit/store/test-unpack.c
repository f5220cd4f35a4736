/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile and odd layers against a root that lies beside a canary. What the worker's chroot would stop anyway must be
 * stopped by the code alone here.
 */
#include "archive.h"

#include "base/fs.h"
#include "store/unpack.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <cmocka.h>

#define CANARY_TEXT "sing"

struct place {
	char dir[64];
	int top_fd, root_fd;
	struct unpack u;
	struct unpack_result r;
};

static int setup(void **state)
{
	struct place *p = NEW(struct place);
	(void)snprintf(p->dir, sizeof(p->dir), "/var/tmp/hoy-unpack-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	p->top_fd = fs_open(p->dir, O_RDONLY | O_DIRECTORY, 0);
	assert_int_equal(fs_mkdir_at(p->top_fd, "root", 0755), 0);
	assert_int_equal(fs_mkdir_at(p->top_fd, "canary", 0755), 0);
	int bird = fs_open_at(p->top_fd, "canary/bird", O_WRONLY | O_CREAT | O_EXCL, 0644);
	assert_true(bird >= 0);
	assert_int_equal(fd_write_full(bird, CANARY_TEXT, strlen(CANARY_TEXT)), 0);
	close(bird);
	p->root_fd = fs_open_at(p->top_fd, "root", O_RDONLY | O_DIRECTORY, 0);
	p->u = (struct unpack){ .in_fd = -1, .root_fd = p->root_fd, .tee_fd = -1, .is_base = true };
	*state = p;
	return 0;
}

/* Whatever a test did: the canary sings and stands alone. */
static int teardown(void **state)
{
	struct place *p = *state;
	cleanup_free char *text = NULL;
	struct stat st;
	int bad = 0;
	if (fs_read_file_at(p->top_fd, "canary/bird", 100, &text, NULL) < 0 || !str_eq(text, CANARY_TEXT))
		bad = 1;
	if (fstatat(p->top_fd, "canary/bird", &st, 0) < 0 || st.st_nlink != 1 ||
	    (st.st_mode & 07777) != 0644 || st.st_uid)
		bad = 1;
	DIR *d = fdopendir(fs_open_at(p->top_fd, "canary", O_RDONLY | O_DIRECTORY, 0));
	unsigned n = 0;
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	if (n != 3)
		bad = 1;
	d = fdopendir(fs_open_at(p->top_fd, ".", O_RDONLY | O_DIRECTORY, 0));
	for (n = 0; d && readdir(d);)
		n++;
	if (d)
		closedir(d);
	if (n != 4)
		bad = 1;
	close(p->root_fd);
	close(p->top_fd);
	if (fs_rmtree_at(AT_FDCWD, p->dir) < 0)
		bad = 1;
	free(p);
	if (bad)
		print_error("the canary was touched\n");
	return bad;
}

static int unpack_bytes(struct place *p, const void *data, size_t n, struct err **e)
{
	int fd = memfd_create("tar", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, data, n), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	p->u.in_fd = fd;
	int r = unpack_layer(&p->u, &p->r, e);
	close(fd);
	return r;
}

/* Ends the archive and applies it. */
static int apply(struct place *p, struct tb *t, struct err **e)
{
	tb_end(t);
	int r = unpack_bytes(p, t->b.p, t->b.n, e);
	sb_release(&t->b);
	return r;
}

static void must(struct place *p, struct tb *t)
{
	cleanup_err struct err *e = NULL;
	if (apply(p, t, &e) < 0)
		fail_msg("%s", err_text(e));
}

static void must_fail(struct place *p, struct tb *t, const char *why)
{
	cleanup_err struct err *e = NULL;
	assert_int_equal(apply(p, t, &e), -1);
	if (!strstr(err_text(e), why))
		fail_msg("'%s' does not say '%s'", err_text(e), why);
	assert_int_equal(err_class(e), ERR_INVALID);
}

static void assert_text(struct place *p, const char *path, const char *want)
{
	cleanup_free char *text = NULL;
	cleanup_close int fd = fs_open_in(p->root_fd, path, O_RDONLY | O_NOFOLLOW, 0);
	if (!want) {
		assert_int_equal(fd, -ENOENT);
		return;
	}
	assert_true(fd >= 0);
	assert_int_equal(fs_read_fd(fd, 100000, &text, NULL), 0);
	assert_string_equal(text, want);
}

static struct stat stat_of(struct place *p, const char *path)
{
	struct stat st = { 0 };
	cleanup_close int fd = fs_open_in(p->root_fd, path, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		fail_msg("no '%s'", path);
	return st;
}

/* --- names --- */

static void test_dotdot(void **state)
{
	static const char *const names[] = {
		"../canary/bird", "a/../../canary/bird", "..", "./../canary/bird", "../",
		"a/../..",        "/../canary/bird"
	};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct tb t;
		tb_init(&t);
		tb_file(&t, names[i], "dead");
		must_fail(*state, &t, "outside of the root");
	}
	struct tb t;
	tb_init(&t);
	tb_dir(&t, "../canary", 0777);
	must_fail(*state, &t, "outside of the root");
}

static void test_absolute_is_inside(void **state)
{
	struct place *p = *state;
	cleanup_free char *name = xasprintf("%s/canary/bird", p->dir);
	struct tb t;
	tb_init(&t);
	tb_file(&t, name, "inside");
	tb_file(&t, "/etc/x", "x");
	tb_file(&t, ".//a/./b//../c", "y");
	must(p, &t);
	assert_text(p, name, "inside");
	assert_text(p, "etc/x", "x");
	assert_text(p, "a/c", "y");
}

static void test_links_out(void **state)
{
	struct place *p = *state;
	cleanup_free char *absolute = xasprintf("%s/canary", p->dir);
	const char *const targets[] = { "../canary", absolute, "../../../../../../../../../..",
					"/proc/self/cwd/../canary", "../../../../../../proc/self/root" };
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		struct tb t;
		cleanup_free char *in = xasprintf("l%zu/bird", i), *link = xasprintf("l%zu", i);
		cleanup_err struct err *e = NULL;
		tb_init(&t);
		tb_link(&t, TAR_SYMLINK, link, targets[i]);
		tb_file(&t, in, "dead"); /* link, then write through it */
		/* It may fail or land inside; the canary tells whether it got out. */
		(void)!apply(p, &t, &e);
	}
	struct tb t;
	tb_init(&t);
	tb_link(&t, TAR_SYMLINK, "way", "../canary");
	tb_link(&t, TAR_SYMLINK, "way/way", "../canary");
	tb_file(&t, "way/way/bird", "dead");
	(void)!apply(p, &t, NULL);
}

static void test_link_replaced_by_file(void **state)
{
	struct place *p = *state;
	cleanup_free char *absolute = xasprintf("%s/canary/bird", p->dir);
	struct tb t;
	tb_init(&t);
	tb_link(&t, TAR_SYMLINK, "bird", absolute);
	tb_file(&t, "bird", "file, not through the link");
	tb_link(&t, TAR_SYMLINK, "d", "../canary");
	tb_dir(&t, "d", 0700); /* a directory replaces the link, and does not chmod behind it */
	tb_file(&t, "d/bird", "new");
	must(p, &t);
	assert_text(p, "bird", "file, not through the link");
	assert_text(p, "d/bird", "new");
	assert_true(S_ISDIR(stat_of(p, "d").st_mode));
}

static void test_hard_links(void **state)
{
	struct place *p = *state;
	cleanup_free char *absolute = xasprintf("%s/canary/bird", p->dir);
	const char *const bad[] = { absolute, "link/bird", "none", "dir" };
	struct tb t;
	tb_init(&t);
	tb_link(&t, TAR_SYMLINK, "link", "../canary");
	tb_dir(&t, "dir", 0755);
	must(p, &t);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		tb_init(&t);
		tb_link(&t, TAR_HARDLINK, "h", bad[i]);
		must_fail(p, &t, "hard link");
	}
	tb_init(&t);
	tb_link(&t, TAR_HARDLINK, "h", "../canary/bird");
	must_fail(p, &t, "outside of the root");
	/* To a link: the link itself is linked, not what it names; writing replaces, never follows. */
	tb_init(&t);
	tb_link(&t, TAR_SYMLINK, "s", "../canary/bird");
	tb_link(&t, TAR_HARDLINK, "h", "s");
	tb_file(&t, "h", "mine");
	tb_link(&t, TAR_HARDLINK, "self", "self");
	must_fail(p, &t, "to itself");
	assert_text(p, "h", "mine");
}

static void test_hard_link_then_overwrite(void **state)
{
	struct place *p = *state;
	struct tb t;
	tb_init(&t);
	tb_file(&t, "a", "one");
	tb_link(&t, TAR_HARDLINK, "b", "a");
	tb_link(&t, TAR_HARDLINK, "b", "a"); /* again: nothing changes */
	tb_file(&t, "a", "two");
	must(p, &t);
	assert_text(p, "a", "two");
	assert_text(p, "b", "one");
}

static void test_long_names(void **state)
{
	struct place *p = *state;
	struct tb t;
	char component[300], *deep = xmalloc(20000);
	memset(component, 'n', sizeof(component));
	component[255] = 0;
	tb_init(&t);
	tb_file(&t, component, "255");
	must(p, &t);
	assert_text(p, component, "255");
	component[255] = 'n';
	component[256] = 0;
	tb_init(&t);
	tb_file(&t, component, "256");
	must_fail(p, &t, "too long");
	/* A long path of short names; then one that is too deep. */
	size_t n = 0;
	for (int i = 0; i < 900; i++)
		n += (size_t)snprintf(deep + n, 20000 - n, "d/");
	(void)snprintf(deep + n, 20000 - n, "f");
	tb_init(&t);
	tb_file(&t, deep, "deep");
	must(p, &t);
	for (int i = 0; i < 300; i++)
		n += (size_t)snprintf(deep + n, 20000 - n, "d/");
	(void)snprintf(deep + n, 20000 - n, "f");
	tb_init(&t);
	tb_file(&t, deep, "deep");
	must_fail(p, &t, "deep");
	for (int i = 0; i < 2000; i++)
		n += (size_t)snprintf(deep + n, 20000 - n, "d/");
	tb_init(&t);
	tb_file(&t, deep, "deep");
	must_fail(p, &t, "longer than");
	free(deep);
}

/* --- kinds --- */

static void test_nodes(void **state)
{
	struct place *p = *state;
	struct tb t;
	tb_init(&t);
	tb_entry(&t,
		 (struct tar_entry){ .type = TAR_CHAR, .path = "null", .mode = 0666, .major = 1, .minor = 3 },
		 NULL);
	tb_entry(&t,
		 (struct tar_entry){
			 .type = TAR_FIFO, .path = "etc/passwd", .mode = 04600, .uid = 7, .gid = 8 },
		 NULL);
	must(p, &t);
	struct stat st = stat_of(p, "null");
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3) && (st.st_mode & 07777) == 0666);
	st = stat_of(p, "etc/passwd");
	assert_true(S_ISFIFO(st.st_mode) && st.st_uid == 7 && st.st_gid == 8 &&
		    (st.st_mode & 07777) == 04600);
	/* A FIFO in the way of a file is replaced, not opened (which would hang). */
	tb_init(&t);
	tb_file(&t, "etc/passwd", "root");
	tb_file(&t, "null", "no device");
	must(p, &t);
	assert_text(p, "etc/passwd", "root");
	assert_text(p, "null", "no device");
	tb_init(&t);
	tb_entry(&t, (struct tar_entry){ .type = TAR_CHAR, .path = "w", .mode = 0 }, NULL);
	must_fail(p, &t, "whiteout device");
	p->u.no_devices = true;
	tb_init(&t);
	tb_entry(&t, (struct tar_entry){ .type = TAR_BLOCKDEV, .path = "sda", .mode = 0600, .major = 8 },
		 NULL);
	must(p, &t);
	assert_text(p, "sda", NULL);
}

static void test_attributes(void **state)
{
	struct place *p = *state;
	static const char cap[] =
		"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
	const struct tar_xattr x[] = {
		{ "user.note", SV("hello") },          { "security.capability", { cap, 20 } },
		{ "trusted.overlay.opaque", SV("y") }, { "user.overlay.redirect", SV("/etc") },
		{ "security.selinux", SV("nobody") },
	};
	struct tb t;
	char buf[64];
	tb_init(&t);
	tb_entry(&t,
		 (struct tar_entry){ .type = TAR_REG,
				     .path = "f",
				     .mode = 06755,
				     .uid = 1000,
				     .gid = 3000000000u,
				     .mtime_s = -5,
				     .mtime_ns = 250000000,
				     .xattrs = x,
				     .n_xattrs = ARRAY_LEN(x) },
		 NULL);
	tb_dir(&t, "d", 01777);
	tb_file(&t, "d/inside", "x");
	tb_link(&t, TAR_SYMLINK, "l", "f");
	tb_entry(&t, (struct tar_entry){ .type = TAR_DIR, .path = "./", .mode = 0711, .uid = 3, .gid = 4 },
		 NULL);
	must(p, &t);
	struct stat st = stat_of(p, "f");
	assert_true((st.st_mode & 07777) == 06755 && st.st_uid == 1000 && st.st_gid == 3000000000u);
	assert_true(st.st_mtim.tv_sec == -5 && st.st_mtim.tv_nsec == 250000000);
	assert_int_equal(stat_of(p, "d").st_mode & 07777, 01777);
	assert_int_equal(stat_of(p, "d").st_mtime, 2000); /* not the time of d/inside's making */
	st = stat_of(p, "/");
	assert_true((st.st_mode & 07777) == 0711 && st.st_uid == 3 && st.st_gid == 4);
	cleanup_close int fd = fs_open_in(p->root_fd, "f", O_RDONLY, 0);
	assert_int_equal(fgetxattr(fd, "user.note", buf, sizeof(buf)), 5);
	assert_int_equal(fgetxattr(fd, "security.capability", buf, sizeof(buf)), 20);
	assert_int_equal(fgetxattr(fd, "trusted.overlay.opaque", buf, sizeof(buf)), -1);
	assert_int_equal(fgetxattr(fd, "user.overlay.redirect", buf, sizeof(buf)), -1);
}

/* --- whiteouts --- */

static void lower(struct place *p)
{
	struct tb t;
	tb_init(&t);
	tb_file(&t, "d/a", "a");
	tb_file(&t, "d/b", "b");
	tb_file(&t, "d/sub/c", "c");
	tb_file(&t, "e", "e");
	must(p, &t);
	p->u.is_base = false;
}

static void test_whiteouts(void **state)
{
	struct place *p = *state;
	struct tb t;
	lower(p);
	tb_init(&t);
	tb_file(&t, "d/.wh.a", "");
	tb_file(&t, "d/.wh.sub", "");
	tb_file(&t, ".wh.none", "");
	tb_file(&t, "d/new", "n");
	tb_file(&t, "d/.wh.new", ""); /* its own file stays */
	tb_file(&t, ".wh..wh.plnk", "aufs");
	must(p, &t);
	assert_text(p, "d/a", NULL);
	assert_text(p, "d/b", "b");
	assert_text(p, "d/sub/c", NULL);
	assert_text(p, "d/new", "n");
	assert_text(p, ".wh..wh.plnk", NULL);
}

static void test_opaque(void **state)
{
	struct place *p = *state;
	struct tb t;
	lower(p);
	/* The marker counts for what was there before, wherever it stands in the archive. */
	tb_init(&t);
	tb_file(&t, "d/new", "n");
	tb_file(&t, "d/sub/new", "n");
	tb_file(&t, "d/.wh..wh..opq", "");
	tb_file(&t, "d/later", "l");
	must(p, &t);
	assert_text(p, "d/a", NULL);
	assert_text(p, "d/b", NULL);
	assert_text(p, "d/sub/c", NULL);
	assert_text(p, "d/new", "n");
	assert_text(p, "d/sub/new", "n");
	assert_text(p, "d/later", "l");
	/* A whiteout of a directory that the layer brings as well takes what was below. */
	tb_init(&t);
	tb_file(&t, "d/sub/again", "a");
	tb_file(&t, "d/.wh.sub", "");
	must(p, &t);
	assert_text(p, "d/sub/new", NULL);
	assert_text(p, "d/sub/again", "a");
	assert_text(p, "e", "e");
}

static void test_whiteout_traversal(void **state)
{
	static const char *const names[] = { ".wh.", ".wh..", ".wh...", "d/.wh...", "d/.wh." };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct tb t;
		tb_init(&t);
		tb_file(&t, names[i], "");
		must_fail(*state, &t, "invalid whiteout");
	}
	struct place *p = *state;
	struct tb t;
	p->u.is_base = false;
	tb_init(&t);
	tb_link(&t, TAR_SYMLINK, "link", "../canary");
	tb_file(&t, "link/.wh.bird", "");
	(void)!apply(p, &t, NULL);
	tb_init(&t);
	tb_file(&t, "../.wh.canary", "");
	must_fail(p, &t, "outside of the root");
	tb_init(&t);
	tb_link(&t, TAR_SYMLINK, "o", "../canary");
	tb_file(&t, "o/.wh..wh..opq", "");
	(void)!apply(p, &t, NULL);
}

/* --- limits, damage --- */

static void test_limits(void **state)
{
	struct place *p = *state;
	struct tb t;
	p->u.max_entries = 3;
	tb_init(&t);
	for (int i = 0; i < 4; i++)
		tb_file(&t, "same", "x");
	must_fail(p, &t, "more than 3 entries");
	p->u.max_entries = 0;
	p->u.max_bytes = 1000;
	cleanup_free char *big = xcalloc(1, 2000);
	tb_init(&t);
	tb_bytes(&t, "big", big, 1001);
	must_fail(p, &t, "more than 1000 bytes");
	tb_init(&t);
	tb_bytes(&t, "one", big, 600);
	tb_bytes(&t, "two", big, 600);
	must_fail(p, &t, "more than 1000 bytes");
}

static void test_truncated_and_flipped(void **state)
{
	struct place *p = *state;
	struct tb t;
	tb_init(&t);
	tb_file(&t, "a", "some text");
	tb_dir(&t, "d", 0755);
	tb_link(&t, TAR_SYMLINK, "d/l", "../a");
	tb_end(&t);
	for (size_t n = 1; n < t.b.n - 1024; n += 37)
		if (n % 512 != 0 || n == 512 + 512) { /* a cut at a header boundary is a shorter archive */
			cleanup_err struct err *e = NULL;
			if (n == 1024)
				continue;
			assert_int_equal(unpack_bytes(p, t.b.p, n, &e), -1);
			assert_int_equal(err_class(e), ERR_INVALID);
		}
	for (size_t i = 0; i < 512; i += 3) {
		cleanup_free char *copy = xmemdup(t.b.p, t.b.n);
		cleanup_err struct err *e = NULL;
		copy[i] = (char)(copy[i] ^ 0x41);
		(void)!unpack_bytes(p, copy, t.b.n,
				    &e); /* error or not: no crash, and the canary is looked at */
	}
	sb_release(&t.b);
}

static void test_digest_and_counts(void **state)
{
	struct place *p = *state;
	struct tb t;
	char hex[SHA256_HEX + 1];
	tb_init(&t);
	tb_file(&t, "a", "12345");
	tb_end(&t);
	sb_addn(&t.b, "trailing bytes count", 20);
	sha256_of(t.b.p, t.b.n, hex);
	assert_int_equal(unpack_bytes(p, t.b.p, t.b.n, NULL), 0);
	assert_string_equal(p->r.diff_id, hex);
	assert_string_equal(p->r.blob_digest, hex);
	assert_int_equal(p->r.diff_bytes, t.b.n);
	assert_int_equal(p->r.file_bytes, 5);
	assert_int_equal(p->r.entries, 1);
	sb_release(&t.b);
}

/* A directory swapped for a link between two entries that share it: the descriptor held open must not be used on. */
static void test_parent_replaced(void **state)
{
	struct place *p = *state;
	struct tb t;
	tb_init(&t);
	tb_file(&t, "d/a", "first");
	tb_file(&t, "d", "now a file");
	tb_file(&t, "e/x", "x");
	tb_link(&t, TAR_SYMLINK, "e", "f");
	tb_dir(&t, "f", 0755);
	tb_file(&t, "e/y", "through the link");
	must(p, &t);
	assert_text(p, "d", "now a file");
	assert_text(p, "f/y", "through the link");
	tb_init(&t);
	tb_file(&t, "g/h/a", "1");
	tb_file(&t, "g", "file");
	tb_file(&t, "g/h/b", "2");
	must_fail(p, &t, "directory of 'g/h/b'");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_dotdot),
		T(test_absolute_is_inside),
		T(test_links_out),
		T(test_link_replaced_by_file),
		T(test_hard_links),
		T(test_hard_link_then_overwrite),
		T(test_long_names),
		T(test_nodes),
		T(test_attributes),
		T(test_whiteouts),
		T(test_opaque),
		T(test_whiteout_traversal),
		T(test_limits),
		T(test_truncated_and_flipped),
		T(test_digest_and_counts),
		T(test_parent_replaced),
	};
	if (geteuid() != 0)
		return 77; /* owners and devices need root */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
