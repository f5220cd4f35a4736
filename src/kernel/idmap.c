/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/idmap.h"

#include "base/fs.h"
#include "kernel/ns.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

int idmap_write(int procfd, pid_t pid, const char *uid_map, size_t uid_n, const char *gid_map, size_t gid_n)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "%d/gid_map", (int)pid);
	r = gid_n ? procfs_write(procfd, path, gid_map, gid_n) : 0;
	if (r == -EPERM) {
		/* Without privilege over the parent: one's own id alone, and setgroups given up. */
		(void)snprintf(path, sizeof(path), "%d/setgroups", (int)pid);
		r = procfs_write(procfd, path, "deny", 4);
		if (r < 0)
			return r;
		(void)snprintf(path, sizeof(path), "%d/gid_map", (int)pid);
		r = procfs_write(procfd, path, gid_map, gid_n);
	}
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%d/uid_map", (int)pid);
	return uid_n ? procfs_write(procfd, path, uid_map, uid_n) : 0;
}

int idmap_userns(int procfd, const char *uid_map, size_t uid_n, const char *gid_map, size_t gid_n)
{
	int hold[2], nsfd = -1, r;
	char path[64];
	pid_t pid;

	if (pipe2(hold, O_CLOEXEC) < 0)
		return -errno;
	pid = ns_clone(NS_USER, NULL, -1);
	if (pid == 0) {
		char c;

		(void)close(hold[1]);
		while (read(hold[0], &c, 1) < 0 && errno == EINTR)
			;
		_exit(0);
	}
	fd_close(&hold[0]);
	if (pid < 0) {
		fd_close(&hold[1]);
		return pid;
	}
	r = idmap_write(procfd, pid, uid_map, uid_n, gid_map, gid_n);
	if (r == 0) {
		/* A namespace file is reached by a magic link: followed here on purpose, the procfs is checked. */
		(void)snprintf(path, sizeof(path), "%d/ns/user", (int)pid);
		nsfd = openat(procfd, path, O_RDONLY | O_CLOEXEC);
		if (nsfd < 0)
			r = -errno;
	}
	fd_close(&hold[1]);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? r : nsfd;
}
