/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/fs.h"
#include "base/id.h"
#include "volume/copy.h"
#include "volume/volume.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/xattr.h>

static char root[64];
static struct volume_table *t;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/hoy-test-volume.XXXXXX");
	return mkdtemp(root) && volume_table_open(root, &t, NULL) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	volume_table_close(t);
	return fs_rmtree_at(AT_FDCWD, root);
}

static void reopen(void)
{
	volume_table_close(t);
	t = NULL;
	assert_int_equal(volume_table_open(root, &t, NULL), 0);
}

static struct volume *create(const char *name)
{
	struct volume *v = NULL;

	assert_int_equal(volume_create(t, &(struct volume_spec){ .name = name }, &v, NULL, NULL), 0);
	return v;
}

static void names(void **state)
{
	static const char *const bad[] = { "a", "/abs", "../x", ".hidden", "a/b", "a b", "-x", "a\nb" };
	cleanup_err struct err *e = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(volume_check_name(bad[i], NULL), -1);
	assert_int_equal(volume_check_name("ok_1.2-x", NULL), 0);
	assert_int_equal(volume_check_name("a/b", &e), -1);
	assert_int_equal(err_class(e), ERR_INVALID);
	assert_string_equal(err_text(e),
			    "create a/b: \"a/b\" includes invalid characters for a local volume name, only "
			    "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host "
			    "directory, use absolute path");
}

static void create_find_and_survive(void **state)
{
	struct model_str_entry label[] = { { "k", "v \"quoted\"" } };
	struct volume_spec spec = { .name = "data", .labels = { .v = label, .n = 1, .cap = 1 } };
	cleanup_volume struct volume *v = NULL, *again = NULL, *found = NULL;
	bool existed = true;
	struct stat st;

	(void)state;
	assert_int_equal(volume_create(t, &spec, &v, &existed, NULL), 0);
	assert_false(existed);
	assert_int_equal(stat(v->mountpoint, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(volume_create(t, &spec, &again, &existed, NULL), 0);
	assert_true(existed && again == v);
	reopen();
	found = volume_find(t, "data");
	assert_non_null(found);
	assert_string_equal(model_map_get(&found->labels, "k"), "v \"quoted\"");
	assert_true(found->created_ns == v->created_ns);
	assert_null(volume_find(t, "other"));
}

static void anonymous_ones_say_so(void **state)
{
	cleanup_volume struct volume *v = create(NULL);

	(void)state;
	assert_true(id_is_full(sv_of(v->name)));
	assert_true(v->is_anonymous);
	reopen();
	{
		cleanup_volume struct volume *found = volume_find(t, v->name);

		assert_true(found && found->is_anonymous);
	}
	assert_int_equal(volume_remove(t, v->name, false, NULL), 0);
}

static void held_ones_stay(void **state)
{
	cleanup_volume struct volume *v = create("held");
	cleanup_err struct err *e = NULL, *gone = NULL;

	(void)state;
	assert_int_equal(volume_hold(t, "held", "c1", NULL), 0);
	assert_int_equal(volume_hold(t, "held", "c1", NULL), 0);
	assert_int_equal(volume_hold(t, "held", "c2", NULL), 0);
	assert_int_equal(volume_holders(t, "held"), 2);
	assert_int_equal(volume_remove(t, "held", true, &e), -1);
	assert_int_equal(err_class(e), ERR_CONFLICT);
	assert_string_equal(err_text(e), "remove held: volume is in use - [c1, c2]");
	volume_release(t, "held", "c1");
	volume_release(t, "held", "c2");
	assert_int_equal(volume_remove(t, "held", false, NULL), 0);
	assert_int_equal(access(v->mountpoint, F_OK), -1);
	assert_int_equal(volume_remove(t, "held", false, &gone), -1);
	assert_string_equal(err_text(gone), "get held: no such volume");
	assert_int_equal(volume_remove(t, "held", true, NULL), 0);
}

static void options_are_checked(void **state)
{
	struct model_str_entry unknown[] = { { "what", "x" } }, half[] = { { "type", "tmpfs" } };
	struct volume *v = NULL;
	cleanup_err struct err *e = NULL, *e2 = NULL, *e3 = NULL;

	(void)state;
	assert_int_equal(volume_create(t, &(struct volume_spec){ .name = "o1", .options = { unknown, 1, 1 } },
				       &v, NULL, &e),
			 -1);
	assert_string_equal(err_text(e), "create o1: invalid option: \"what\"");
	assert_int_equal(volume_create(t, &(struct volume_spec){ .name = "o1", .options = { half, 1, 1 } },
				       &v, NULL, &e2),
			 -1);
	assert_string_equal(err_text(e2), "create o1: missing device in volume options");
	assert_int_equal(
		volume_create(t, &(struct volume_spec){ .name = "o1", .driver = "nosuch" }, &v, NULL, &e3),
		-1);
	assert_int_equal(err_class(e3), ERR_NOT_FOUND);
	assert_null(volume_find(t, "o1"));
}

static void leftovers_are_swept(void **state)
{
	cleanup_free char *stray = NULL;

	(void)state;
	stray = xasprintf("%s/stray", root);
	assert_int_equal(fs_mkdirs(stray, 0755), 0);
	reopen();
	assert_int_equal(access(stray, F_OK), -1);
}

/* Losing the database loses no data. */
static void a_lost_database_gives_volumes_back(void **state)
{
	cleanup_volume struct volume *v = create("precious"), *back = NULL;
	cleanup_free char *db = xasprintf("%s/volumes.db", root), *file = xasprintf("%s/file", v->mountpoint);
	cleanup_close int dir = fs_open(v->mountpoint, O_RDONLY | O_DIRECTORY, 0);

	(void)state;
	assert_int_equal(fs_replace_at(dir, "file", "x", 1, 0600), 0);
	volume_table_close(t);
	t = NULL;
	assert_int_equal(unlink(db), 0);
	assert_int_equal(volume_table_open(root, &t, NULL), 0);
	back = volume_find(t, "precious");
	assert_non_null(back);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(volume_remove(t, "precious", false, NULL), 0);
}

static void usage_counts_an_inode_once(void **state)
{
	cleanup_volume struct volume *v = create("used");
	cleanup_close int dir = -1;
	static char data[65536];
	int64_t before, after;

	(void)state;
	before = volume_usage(v);
	dir = fs_open(v->mountpoint, O_RDONLY | O_DIRECTORY, 0);
	assert_true(dir >= 0);
	assert_int_equal(fs_replace_at(dir, "one", data, sizeof(data), 0600), 0);
	after = volume_usage(v);
	assert_true(after >= before + (int64_t)sizeof(data));
	assert_int_equal(linkat(dir, "one", dir, "two", 0), 0);
	assert_true(volume_usage(v) == after);
	assert_int_equal(volume_remove(t, "used", false, NULL), 0);
}

/* Needs the right to mount; a machine without it says so. */
static void a_tmpfs_volume_is_mounted_while_open(void **state)
{
	struct model_str_entry o[] = { { "type", "tmpfs" },
				       { "device", "tmpfs" },
				       { "o", "size=64k,noexec" } };
	cleanup_volume struct volume *v = NULL;
	cleanup_err struct err *e = NULL;
	struct stat before, during, after;
	cleanup_close int fd = -1, second = -1;

	(void)state;
	if (geteuid() != 0) {
		print_message("not root: cannot mount\n");
		skip();
	}
	assert_int_equal(volume_create(t, &(struct volume_spec){ .name = "tm", .options = { o, 3, 3 } }, &v,
				       NULL, NULL),
			 0);
	assert_int_equal(volume_hold(t, "tm", "c1", NULL), 0);
	assert_int_equal(volume_hold(t, "tm", "c2", NULL), 0);
	assert_int_equal(stat(v->mountpoint, &before), 0);
	fd = volume_open(t, v, "c1", &e);
	assert_string_equal(err_text(e), "");
	assert_true(fd >= 0);
	second = volume_open(t, v, "c2", &e);
	assert_true(second >= 0);
	assert_int_equal(fstat(fd, &during), 0);
	assert_true(during.st_dev != before.st_dev);
	volume_closed(t, "tm", "c1");
	assert_int_equal(stat(v->mountpoint, &during), 0);
	assert_true(during.st_dev != before.st_dev);
	volume_release(t, "tm", "c2");
	volume_release(t, "tm", "c1");
	assert_int_equal(stat(v->mountpoint, &after), 0);
	assert_true(after.st_dev == before.st_dev);
	assert_int_equal(volume_remove(t, "tm", false, NULL), 0);
}

struct deep {
	int src, dst, result;
};

static void *copy_deep(void *arg)
{
	struct deep *d = arg;
	d->result = volume_copy_tree(d->src, d->dst, NULL);
	return NULL;
}

/* On a stack as small as the engine's threads have; a new owner must not cost the file what came with the old one. */
static void a_copy_keeps_privileges_and_bears_depth(void **state)
{
	/* VFS_CAP_REVISION_2, effective, CAP_NET_BIND_SERVICE */
	static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 4 };
	unsigned char got[20];
	cleanup_close int top = fs_open(root, O_RDONLY | O_DIRECTORY, 0);
	pthread_attr_t attr;
	pthread_t th;
	struct stat st;

	(void)state;
	assert_int_equal(fs_mkdir_at(top, "from", 0755), 0);
	assert_int_equal(fs_mkdir_at(top, "to", 0755), 0);
	cleanup_close int from = fs_open_at(top, "from", O_RDONLY | O_DIRECTORY, 0);
	cleanup_close int to = fs_open_at(top, "to", O_RDONLY | O_DIRECTORY, 0);
	cleanup_close int f = fs_open_at(from, "f", O_WRONLY | O_CREAT | O_EXCL, 0755);
	assert_true(f >= 0);
	assert_int_equal(fchown(f, 12, 34), 0);
	assert_int_equal(fchmod(f, 06755), 0);
	assert_int_equal(fsetxattr(f, "security.capability", cap, sizeof(cap), 0), 0);
	int dir = fs_open_at(from, ".", O_RDONLY | O_DIRECTORY, 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(fs_mkdir_at(dir, "d", 0755), 0);
		int next = fs_open_at(dir, "d", O_RDONLY | O_DIRECTORY, 0);
		assert_true(next >= 0);
		(void)close(dir);
		dir = next;
	}
	(void)close(dir);
	struct deep d = { .src = from, .dst = to, .result = -1 };
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstacksize(&attr, 256 * 1024), 0);
	assert_int_equal(pthread_create(&th, &attr, copy_deep, &d), 0);
	assert_int_equal(pthread_join(th, NULL), 0);
	(void)pthread_attr_destroy(&attr);
	assert_int_equal(d.result, 0);
	cleanup_close int c = fs_open_at(to, "f", O_RDONLY, 0);
	assert_true(c >= 0);
	assert_int_equal(fstat(c, &st), 0);
	assert_true(st.st_uid == 12 && st.st_gid == 34);
	assert_int_equal(st.st_mode & 07777, 06755);
	assert_int_equal(fgetxattr(c, "security.capability", got, sizeof(got)), sizeof(cap));
	assert_memory_equal(got, cap, sizeof(cap));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(create_find_and_survive),
		cmocka_unit_test(anonymous_ones_say_so),
		cmocka_unit_test(held_ones_stay),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(leftovers_are_swept),
		cmocka_unit_test(a_lost_database_gives_volumes_back),
		cmocka_unit_test(usage_counts_an_inode_once),
		cmocka_unit_test(a_tmpfs_volume_is_mounted_while_open),
		cmocka_unit_test(a_copy_keeps_privileges_and_bears_depth),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
