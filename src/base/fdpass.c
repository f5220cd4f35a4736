/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fdpass.h"

#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

int fdpass_send(int sock, const void *buf, size_t n, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
	} c;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > FDPASS_MAX)
		return -EINVAL;
	if (n_fds) {
		struct cmsghdr *h;

		memset(&c, 0, sizeof(c));
		m.msg_control = c.space;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(h), fds, sizeof(int) * n_fds);
	}
	for (;;) {
		ssize_t r = sendmsg(sock, &m, MSG_NOSIGNAL);

		if (r >= 0)
			return (size_t)r == n ? 0 : -EMSGSIZE;
		if (errno != EINTR)
			return -errno;
	}
}

ssize_t fdpass_recv(int sock, void *buf, size_t n, int *fds, size_t *n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
	} c;
	struct iovec iov = { .iov_base = buf, .iov_len = n };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.space, .msg_controllen = sizeof(c)
	};
	size_t room = n_fds ? MIN(*n_fds, (size_t)FDPASS_MAX) : 0, got = 0;
	bool too_many = false;
	ssize_t r;

	do
		r = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		size_t count;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (got < room) {
				fds[got++] = fd;
			} else {
				(void)close(fd);
				too_many = true;
			}
		}
	}
	if (too_many || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		for (size_t i = 0; i < got; i++)
			(void)close(fds[i]);
		if (n_fds)
			*n_fds = 0;
		return -EMSGSIZE;
	}
	if (n_fds)
		*n_fds = got;
	return r;
}

/* sun_path holds 107 bytes: a longer path is named through its directory's descriptor. */
static int unix_addr(const char *path, struct sockaddr_un *a, int *dirfd)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir = NULL;

	*dirfd = -1;
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (strlen(path) < sizeof(a->sun_path)) {
		memcpy(a->sun_path, path, strlen(path) + 1);
		return 0;
	}
	if (!slash || slash == path)
		return -ENAMETOOLONG;
	dir = xstrndup(path, (size_t)(slash - path));
	*dirfd = fs_open(dir, O_PATH | O_DIRECTORY, 0);
	if (*dirfd < 0)
		return *dirfd;
	if (snprintf(a->sun_path, sizeof(a->sun_path), "/proc/self/fd/%d/%s", *dirfd, slash + 1) >=
	    (int)sizeof(a->sun_path)) {
		fd_close(dirfd);
		return -ENAMETOOLONG;
	}
	return 0;
}

int unix_listen(const char *path, int type, mode_t mode, int backlog)
{
	struct sockaddr_un a;
	cleanup_close int dirfd = -1;
	cleanup_close int s = -1;
	int r = unix_addr(path, &a, &dirfd);

	if (r < 0)
		return r;
	s = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -errno;
	(void)unlink(path);
	/* The mode is set on the socket before bind, so that there is no moment with a wider one. */
	if (fchmod(s, mode) < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	if (chmod(path, mode) < 0 || listen(s, backlog) < 0)
		return -errno;
	return TAKE_FD(s);
}

int unix_connect(const char *path, int type)
{
	struct sockaddr_un a;
	cleanup_close int dirfd = -1;
	cleanup_close int s = -1;
	int r = unix_addr(path, &a, &dirfd);

	if (r < 0)
		return r;
	s = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -errno;
	do
		r = connect(s, (struct sockaddr *)&a, sizeof(a));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return TAKE_FD(s);
}
