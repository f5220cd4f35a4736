/* SPDX-License-Identifier: Apache-2.0 */
#include "http/listen-internal.h"

#include "base/fdpass.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define BACKLOG         1024
#define ACTIVATED_FIRST 3 /* SD_LISTEN_FDS_START */
#define ACTIVATED_MAX   64

struct http_listener http_listener_of(int fd, struct http_tls *tls)
{
	struct http_listener l = { .fd = fd, .tls = tls };
	socklen_t n = sizeof(l.family);

	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &l.family, &n);
	(void)fd_set_cloexec(fd, true);
	return l;
}

void http_listener_close(struct http_listener *l)
{
	if (l->unlink_path) {
		/* not when a later engine has put its own socket there */
		struct stat st;
		cleanup_close int fd = fs_open(l->unlink_path, O_PATH | O_NOFOLLOW, 0);
		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
			(void)unlinkat(AT_FDCWD, l->unlink_path, 0);
	}
	free(l->unlink_path);
	l->unlink_path = NULL;
	fd_close(&l->fd);
}

void http_listener_tune(const struct http_listener *l, int fd)
{
	int one = 1;

	if (l->family != AF_INET && l->family != AF_INET6)
		return;
	/* small frames leave at once; a peer that died is noticed */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

bool http_listener_peer(const struct http_listener *l, int fd, uid_t *uid, pid_t *pid)
{
	struct ucred c;
	socklen_t n = sizeof(c);

	if (l->family != AF_UNIX || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) < 0)
		return false;
	*uid = c.uid;
	*pid = c.pid;
	return true;
}

static int find_group(const char *group, gid_t *out, struct err **e)
{
	uint32_t gid;
	struct group g, *found = NULL;
	char buf[4096];

	if (parse_u32(sv_of(group), UINT32_MAX - 1, &gid) == 0) {
		*out = gid;
		return 0;
	}
	if (getgrnam_r(group, &g, buf, sizeof(buf), &found) != 0 || !found)
		return err_set(e, ERR_INVALID, "group %s not found", group);
	*out = found->gr_gid;
	return 0;
}

static int listen_unix(const char *path, const char *group, struct http_listener *out, struct err **e)
{
	struct stat st;
	gid_t gid = (gid_t)-1;

	if (!str_empty(group) && find_group(group, &gid, e) < 0)
		return -1;
	cleanup_close int old = fs_open(path, O_PATH | O_NOFOLLOW, 0);
	if (old >= 0 && (fstat(old, &st) < 0 || !S_ISSOCK(st.st_mode)))
		return err_set(e, ERR_INVALID, "listen on unix://%s: the path exists and is no socket", path);
	if (old >= 0) {
		int in_use = unix_connect(path, SOCK_STREAM);
		if (in_use >= 0) {
			(void)close(in_use);
			return err_set(e, ERR_CONFLICT, "listen on unix://%s: another process listens there",
				       path);
		}
	}
	cleanup_close int fd = unix_listen(path, SOCK_STREAM, 0660, BACKLOG);
	if (fd < 0)
		return err_sys(e, -fd, "listen on unix://%s", path);
	cleanup_close int node = fs_open(path, O_PATH | O_NOFOLLOW, 0);
	if (node < 0 || fstat(node, &st) < 0)
		return err_sys(e, node < 0 ? -node : errno, "open unix://%s", path);
	if (gid != (gid_t)-1 && fchownat(node, "", (uid_t)-1, gid, AT_EMPTY_PATH) < 0)
		return err_sys(e, errno, "give unix://%s to group %s", path, group);
	*out = http_listener_of(TAKE_FD(fd), NULL);
	out->unlink_path = xstrdup(path);
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	return 0;
}

/* "host:port", "[v6]:port", ":port". */
static int split_host(const char *s, char **host, char **port)
{
	struct sv in = sv_of(s), h;
	ssize_t colon = sv_rfind(in, ':');

	if (colon < 0 || (size_t)colon + 1 == in.n)
		return -1;
	h = sv_sub(in, 0, (size_t)colon);
	if (h.n >= 2 && h.p[0] == '[' && h.p[h.n - 1] == ']')
		h = sv_sub(h, 1, h.n - 1);
	*host = sv_dup(h);
	*port = sv_dup(sv_sub(in, (size_t)colon + 1, in.n));
	return 0;
}

static int listen_tcp(const char *addr, struct http_listener *out, struct err **e)
{
	cleanup_free char *host = NULL, *port = NULL;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV },
			*list;
	int sys = 0, one = 1;

	if (split_host(addr, &host, &port) < 0)
		return err_set(e, ERR_INVALID, "invalid address tcp://%s: a port is needed", addr);
	int r = getaddrinfo(host[0] ? host : NULL, port, &hints, &list);
	if (r)
		return err_set(e, ERR_INVALID, "invalid address tcp://%s: %s", addr, gai_strerror(r));
	cleanup_close int fd = -1;
	for (struct addrinfo *it = list; it && fd < 0; it = it->ai_next) {
		fd = socket(it->ai_family, it->ai_socktype | SOCK_CLOEXEC, it->ai_protocol);
		if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		    bind(fd, it->ai_addr, it->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
			sys = errno;
			fd_close(&fd);
		}
	}
	freeaddrinfo(list);
	if (fd < 0)
		return err_sys(e, sys, "listen on tcp://%s", addr);
	*out = http_listener_of(TAKE_FD(fd), NULL);
	return 0;
}

/* The sockets systemd passed: all, by number, or by name (LISTEN_FDNAMES). */
static int listen_activated(const char *which, struct http_listener *out, size_t max, struct err **e)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS"),
		   *names = getenv("LISTEN_FDNAMES");
	uint32_t pid_n, fds_n, number = 0;
	size_t n = 0;

	if (!pid || !fds || parse_u32(sv_of(pid), INT32_MAX, &pid_n) < 0 || (pid_t)pid_n != getpid() ||
	    parse_u32(sv_of(fds), ACTIVATED_MAX, &fds_n) < 0 || !fds_n)
		return err_set(e, ERR_INVALID,
			       "no sockets found via socket activation: make sure the service was started "
			       "by systemd");
	bool by_number = *which && parse_u32(sv_of(which), INT32_MAX, &number) == 0;
	struct sv rest = sv_of(names ? names : ""), name;
	for (uint32_t i = 0; i < fds_n; i++) {
		int fd = ACTIVATED_FIRST + (int)i;
		(void)sv_cut(rest, ':', &name, &rest);
		if (by_number ? number != (uint32_t)fd : *which && !sv_eqs(name, which))
			continue;
		if (n == max)
			return err_set(e, ERR_INVALID, "too many listening sockets");
		out[n++] = http_listener_of(fd, NULL);
	}
	if (!n)
		return err_set(e, ERR_INVALID, "failed to find the activated socket fd://%s", which);
	return (int)n;
}

int http_listen_spec(const char *spec, const char *group, struct http_tls *tls, struct http_listener *out,
		     size_t max, struct err **e)
{
	int n = 1;

	if (!max)
		return err_set(e, ERR_INVALID, "too many listeners");
	if (str_starts(spec, "unix://")) {
		if (listen_unix(spec + 7, group, out, e) < 0)
			return -1;
		tls = NULL;
	} else if (str_starts(spec, "tcp://")) {
		if (listen_tcp(spec + 6, out, e) < 0)
			return -1;
	} else if (str_starts(spec, "fd://")) {
		n = listen_activated(spec + 5, out, max, e);
	} else {
		return err_set(e, ERR_INVALID, "invalid bind address format: %s", spec);
	}
	for (int i = 0; i < n; i++)
		out[i].tls = out[i].family == AF_UNIX ? NULL : tls;
	return n;
}
