/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/fdpass.h"
#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

static char dir[64];
static int root = -1;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/hoy-test-fs.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	root = fs_open(dir, O_RDONLY | O_DIRECTORY, 0);
	return root < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	fd_close(&root);
	return fs_rmtree_at(AT_FDCWD, dir);
}

/* A root whose inhabitants laid links out of it. */
static void a_root_is_not_left(void **state)
{
	cleanup_close int jail = -1, fd = -1;
	char base[256];
	struct stat st;

	(void)state;
	assert_int_equal(fs_mkdir_at(root, "jail", 0755), 0);
	assert_int_equal(fs_replace_fast_at(root, "secret", "x", 1, 0600), 0);
	jail = fs_open_at(root, "jail", O_RDONLY | O_DIRECTORY, 0);
	assert_int_equal(symlinkat("../secret", jail, "up"), 0);
	assert_int_equal(symlinkat("/etc", jail, "abs"), 0);
	assert_int_equal(symlinkat("/proc/self/root", jail, "magic"), 0);
	assert_int_equal(fs_open_in(jail, "up", O_RDONLY, 0), -ENOENT);
	assert_int_equal(fs_open_in(jail, "abs/passwd", O_RDONLY, 0), -ENOENT);
	assert_int_equal(fs_open_in(jail, "../../../../etc/passwd", O_RDONLY, 0), -ENOENT);
	assert_int_equal(fs_stat_in(jail, "magic/etc", &st), -ENOENT);

	/* An absolute link means the same inside; mkdirs follows it and creates below the root only. */
	fd = fs_mkdirs_in(jail, "/abs2/x/y", 0755, 0, 0);
	assert_true(fd >= 0);
	assert_int_equal(fs_stat_in(jail, "abs2/x/y", &st), 0);
	assert_int_equal(symlinkat("/abs2", jail, "link"), 0);
	fd_close(&fd);
	fd = fs_mkdirs_in(jail, "link/z", 0700, 0, 0);
	assert_true(fd >= 0);
	assert_int_equal(fs_stat_in(jail, "abs2/z", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);

	fd_close(&fd);
	fd = fs_parent_in(jail, "link/x/file", base);
	assert_true(fd >= 0);
	assert_string_equal(base, "file");
	assert_int_equal(fs_parent_in(jail, "link/..", base), -EINVAL);
	assert_int_equal(fs_parent_in(jail, "/", base), -EINVAL);
}

static void replace_and_read(void **state)
{
	cleanup_free char *text = NULL;
	size_t n;

	(void)state;
	assert_int_equal(fs_replace_at(root, "f", "one", 3, 0640), 0);
	assert_int_equal(fs_replace_at(root, "f", "three", 5, 0640), 0);
	/* by path: the temporary file is made where the target is */
	assert_int_equal(fs_mkdir_at(root, "sub", 0755), 0);
	assert_int_equal(fs_replace_fast_at(root, "sub/g", "two", 3, 0640), 0);
	assert_int_equal(fs_replace_at(root, "none/g", "two", 3, 0640), -ENOENT);
	assert_int_equal(fs_read_file_at(root, "f", 5, &text, &n), 0);
	assert_string_equal(text, "three");
	assert_int_equal(n, 5);
	{
		char *no = NULL;

		assert_int_equal(fs_read_file_at(root, "f", 4, &no, NULL), -EFBIG);
		assert_int_equal(fs_read_file_at(root, "absent", 4, &no, NULL), -ENOENT);
	}
}

static void rmtree_takes_all_and_follows_nothing(void **state)
{
	struct stat st;
	cleanup_close int fd = -1;

	(void)state;
	assert_int_equal(fs_mkdir_at(root, "keep", 0755), 0);
	assert_int_equal(fs_replace_fast_at(root, "keep", "", 0, 0600), -EISDIR);
	fd = fs_mkdirs_in(root, "t/a/b", 0700, 0, 0);
	assert_true(fd >= 0);
	assert_int_equal(symlinkat("../keep", root, "t/link"), 0);
	assert_int_equal(fchmodat(root, "t/a", 0, 0), 0);
	assert_int_equal(fs_rmtree_at(root, "t"), 0);
	assert_int_equal(fs_stat_in(root, "t", &st), -ENOENT);
	assert_int_equal(fs_stat_in(root, "keep", &st), 0);
	assert_int_equal(fs_rmtree_at(root, "t"), 0);
}

static void *remove_deep(void *arg)
{
	*(int *)arg = fs_rmtree_at(root, "deep");
	return NULL;
}

/* What a container can make, a thread with a small stack and not many descriptors must be able to delete. */
static void rmtree_takes_a_tree_of_any_depth(void **state)
{
	struct rlimit old, few;
	pthread_attr_t attr;
	pthread_t t;
	int result = -1;

	(void)state;
	assert_int_equal(fs_mkdir_at(root, "deep", 0755), 0);
	int fd = fs_open_at(root, "deep", O_RDONLY | O_DIRECTORY, 0);
	for (int i = 0; i < 1500; i++) {
		assert_int_equal(fs_mkdir_at(fd, "d", i % 100 ? 0755 : 0), 0);
		if (i % 50 == 0)
			assert_int_equal(fs_replace_fast_at(fd, "f", "x", 1, 0600), 0);
		int next = fs_open_at(fd, "d", O_RDONLY | O_DIRECTORY, 0);
		assert_true(next >= 0);
		(void)close(fd);
		fd = next;
	}
	(void)close(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){ .rlim_cur = 256, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstacksize(&attr, 256 * 1024), 0);
	assert_int_equal(pthread_create(&t, &attr, remove_deep, &result), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	(void)pthread_attr_destroy(&attr);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(result, 0);
	assert_int_equal(fs_open_at(root, "deep", O_PATH, 0), -ENOENT);
}

static void descriptors_travel(void **state)
{
	int s[2], fds[2] = { -1, -1 };
	size_t n = 2;
	char buf[8];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	assert_int_equal(fdpass_send(s[0], "hello", 5, (int[]){ root }, 1), 0);
	assert_int_equal(fdpass_recv(s[1], buf, sizeof(buf), fds, &n), 5);
	assert_int_equal(n, 1);
	assert_int_equal(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	fd_close(&fds[0]);
	/* Too long, and too many descriptors: refused, nothing kept. */
	assert_int_equal(fdpass_send(s[0], "0123456789", 10, (int[]){ root }, 1), 0);
	n = 2;
	assert_int_equal(fdpass_recv(s[1], buf, sizeof(buf), fds, &n), -EMSGSIZE);
	assert_int_equal(fdpass_send(s[0], "x", 1, (int[]){ root, root, root }, 3), 0);
	n = 2;
	assert_int_equal(fdpass_recv(s[1], buf, sizeof(buf), fds, &n), -EMSGSIZE);
	assert_int_equal(n, 0);
	(void)close(s[0]);
	(void)close(s[1]);
}

static void long_socket_paths(void **state)
{
	char path[300];
	cleanup_close int l = -1, c = -1;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/%0120d", dir, 0);
	assert_int_equal(fs_mkdirs(path, 0700), 0);
	(void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/sock");
	l = unix_listen(path, SOCK_STREAM, 0660, 1);
	assert_true(l >= 0);
	c = unix_connect(path, SOCK_STREAM);
	assert_true(c >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_root_is_not_left),
		cmocka_unit_test(replace_and_read),
		cmocka_unit_test(rmtree_takes_all_and_follows_nothing),
		cmocka_unit_test(rmtree_takes_a_tree_of_any_depth),
		cmocka_unit_test(descriptors_travel),
		cmocka_unit_test(long_socket_paths),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
