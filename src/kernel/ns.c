/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/ns.h"

#include "base/fs.h"
#include "kernel/mount.h"

#include <errno.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#define PROC_ROOT_INODE 1

static const struct {
	unsigned bit;
	const char *name, *file;
} kinds[] = {
	{ NS_USER, "user", "user" },  { NS_CGROUP, "cgroup", "cgroup" }, { NS_IPC, "ipc", "ipc" },
	{ NS_UTS, "uts", "uts" },     { NS_NET, "network", "net" },      { NS_PID, "pid", "pid" },
	{ NS_MOUNT, "mount", "mnt" }, { NS_TIME, "time", "time" },
};

unsigned ns_from_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].bit;
	return 0;
}

const char *ns_name(unsigned bit)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].bit == bit)
			return kinds[i].name;
	return "?";
}

const char *ns_file(unsigned bit)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].bit == bit)
			return kinds[i].file;
	return "?";
}

unsigned ns_at(size_t i)
{
	return i < ARRAY_LEN(kinds) ? kinds[i].bit : 0;
}

pid_t ns_clone(uint64_t flags, int *pidfd, int cgroup_fd)
{
	int fd = -1;
	struct clone_args args = {
		.flags = flags | CLONE_CLEAR_SIGHAND,
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
	};
	long pid;

	if (pidfd) {
		args.flags |= CLONE_PIDFD;
		args.pidfd = (uint64_t)(uintptr_t)&fd;
	}
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)(unsigned)cgroup_fd;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		return -errno;
	if (pid > 0 && pidfd)
		*pidfd = fd;
	return (pid_t)pid;
}

int ns_join(int fd, unsigned bits)
{
	return setns(fd, (int)bits) < 0 ? -errno : 0;
}

int ns_unshare(unsigned bits)
{
	return unshare((int)bits) < 0 ? -errno : 0;
}

int procfs_open(void)
{
	cleanup_close int fd = fs_open("/proc", O_PATH | O_DIRECTORY, 0);
	struct stat st;

	if (fd < 0)
		return fd;
	if (!mnt_is_procfs(fd) || fstat(fd, &st) < 0 || st.st_ino != PROC_ROOT_INODE)
		return -EXDEV;
	return TAKE_FD(fd);
}

int procfs_open_at(int procfd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	cleanup_close int fd = (int)syscall(SYS_openat2, procfd, path, &how, sizeof(how));

	if (fd < 0)
		return -errno;
	return mnt_is_procfs(fd) ? TAKE_FD(fd) : -EXDEV;
}

int procfs_write(int procfd, const char *path, const char *text, size_t n)
{
	cleanup_close int fd = procfs_open_at(procfd, path, O_WRONLY);
	ssize_t r;

	if (fd < 0)
		return fd;
	do
		r = write(fd, text, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : (size_t)r == n ? 0 : -EIO;
}

int ns_differing(int procfd, pid_t pid, unsigned *out)
{
	unsigned bits = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		char path[64], a[64], b[64];
		ssize_t an, bn;

		(void)snprintf(path, sizeof(path), "%d/ns/%s", (int)pid, kinds[i].file);
		an = readlinkat(procfd, path, a, sizeof(a));
		if (an < 0 && errno == ENOENT) {
			/* Gone, or a kernel without this kind. */
			(void)snprintf(path, sizeof(path), "self/ns/%s", kinds[i].file);
			if (readlinkat(procfd, path, b, sizeof(b)) < 0)
				continue;
			return -ESRCH;
		}
		if (an < 0)
			return -errno;
		(void)snprintf(path, sizeof(path), "self/ns/%s", kinds[i].file);
		bn = readlinkat(procfd, path, b, sizeof(b));
		if (bn < 0)
			return -errno;
		if (an != bn || memcmp(a, b, (size_t)an) != 0)
			bits |= kinds[i].bit;
	}
	*out = bits;
	return 0;
}
