/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/launch-internal.h"

#include "base/fdpass.h"
#include "kernel/mount.h"
#include "kernel/ns.h"

#include <errno.h>
#include <linux/openat2.h>
#include <linux/tty.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define DEVPTS_MAGIC 0x1cd1
#define MAX_LINKS    40

int lc_open_in(int rootfd, const char *path, int flags, uint64_t extra_resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | extra_resolve,
	};

	for (;;) {
		long fd = syscall(SYS_openat2, rootfd, *path ? path : ".", &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
}

/*
 * One pass over path (rewritten in place when a dangling link is met: then 1 is returned and the caller starts
 * again). Components are made one at a time in the directory whose descriptor we hold.
 */
static int make_pass(int rootfd, char path[PATH_MAX], bool is_dir, bool *made, int *out)
{
	cleanup_close int cur = lc_open_in(rootfd, "/", O_PATH | O_DIRECTORY, 0);
	size_t pos = 0, start = 0;

	if (cur < 0)
		return cur;
	for (;;) {
		char saved, target[PATH_MAX], rest[PATH_MAX];
		bool last;
		ssize_t n;
		int next, r;

		while (path[pos] == '/')
			pos++;
		if (!path[pos]) {
			*out = TAKE_FD(cur);
			return 0;
		}
		start = pos;
		pos += strcspn(path + pos, "/");
		last = path[pos + strspn(path + pos, "/")] == '\0';
		saved = path[pos];
		path[pos] = '\0';
		next = lc_open_in(rootfd, path, O_PATH | (last ? 0 : O_DIRECTORY), 0);
		if (next == -ENOENT) {
			if (last && !is_dir) {
				r = openat(cur, path + start,
					   O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0644);
				if (r >= 0)
					(void)close(r);
			} else {
				r = mkdirat(cur, path + start, 0755);
			}
			r = r < 0 ? -errno : 0;
			if (r == 0) {
				*made = true;
				next = lc_open_in(rootfd, path, O_PATH | (last ? 0 : O_DIRECTORY), 0);
			} else if (r != -EEXIST) {
				return r;
			} else {
				/* There, and yet not: a link to nowhere. Go on where it points to. */
				n = readlinkat(cur, path + start, target, sizeof(target) - 1);
				if (n < 0)
					return -errno;
				target[n] = '\0';
				path[pos] = saved;
				if (snprintf(rest, sizeof(rest), "%s", path + pos) >= PATH_MAX)
					return -ENAMETOOLONG;
				if (target[0] == '/')
					start = 0;
				if ((size_t)snprintf(path + start, PATH_MAX - start, "%s%s", target, rest) >=
				    PATH_MAX - start)
					return -ENAMETOOLONG;
				return 1;
			}
		}
		path[pos] = saved;
		if (next < 0)
			return next;
		(void)close(cur);
		cur = next;
	}
}

int lc_make_in(int rootfd, const char *path, bool is_dir, bool *made)
{
	char buf[PATH_MAX];
	int fd = lc_open_in(rootfd, path, O_PATH, 0);

	*made = false;
	if (fd != -ENOENT)
		return fd;
	if ((size_t)snprintf(buf, sizeof(buf), "%s", path) >= sizeof(buf))
		return -ENAMETOOLONG;
	/* Mostly only the last component is missing. */
	char *slash = strrchr(buf, '/');
	if (is_dir && slash && slash > buf && slash[1]) {
		*slash = '\0';
		cleanup_close int dir = lc_open_in(rootfd, buf, O_PATH | O_DIRECTORY, 0);
		*slash = '/';
		if (dir >= 0 && mkdirat(dir, slash + 1, 0755) == 0) {
			*made = true;
			return lc_open_in(rootfd, path, O_PATH, 0);
		}
	}
	for (int i = 0; i < MAX_LINKS; i++) {
		int out = -1, r = make_pass(rootfd, buf, is_dir, made, &out);

		if (r <= 0)
			return r < 0 ? r : out;
	}
	return -ELOOP;
}

/* The directory a path's last component is in, made when missing, and that component. */
static int parent_in(struct lc *c, const char *path, const char **base)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	bool made;

	if (!slash || !slash[1] || strcmp(slash + 1, "..") == 0 || strcmp(slash + 1, ".") == 0)
		return -EINVAL;
	if ((size_t)(slash - path) >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	*base = slash + 1;
	return lc_make_in(c->rootfd, *dir ? dir : "/", true, &made);
}

/* --- mounts --- */

static int mount_failed(struct lc *c, const struct plan_mount *m, int sys, const char *what)
{
	const char *src = m->source.off ? plan_s(c->p, m->source) : "";

	if (what && *what)
		return lc_fail(c, LAUNCH_MOUNT, sys, "error mounting \"%s\" to rootfs at \"%s\": %s", src,
			       plan_s(c->p, m->dest), what);
	return lc_fail(c, LAUNCH_MOUNT, sys, "error mounting \"%s\" to rootfs at \"%s\"", src,
		       plan_s(c->p, m->dest));
}

static int make_fs(struct lc *c, const struct plan_mount *m, char *why, size_t why_n)
{
	const struct plan_kv *kv = PLAN_LIST(c->p, const struct plan_kv, m->opts);
	cleanup_close int fs = mnt_fs_open(plan_s(c->p, m->type));
	int r;

	if (fs < 0)
		return fs;
	r = mnt_fs_set(fs, "source", plan_s(c->p, m->source));
	for (uint32_t i = 0; r >= 0 && i < m->opts.n; i++) {
		const char *v = plan_s(c->p, kv[i].v), *k = plan_s(c->p, kv[i].k);

		r = v ? mnt_fs_set(fs, k, v) : mnt_fs_flag(fs, k);
	}
	/* Without SELinux there is no such option. */
	if (r >= 0 && c->h->mount_label.off && mnt_fs_set(fs, "context", plan_s(c->p, c->h->mount_label)) < 0)
		lc_warn(c, "mount label is not supported by %s", plan_s(c->p, m->type));
	if (r >= 0)
		r = mnt_fs_mount(fs, m->set & ~MNT_ATTR_IDMAP);
	if (r < 0)
		(void)mnt_fs_message(fs, why, why_n);
	return r;
}

int launch_prepare_mount(const char *plan, const struct plan_mount *m, int fd)
{
	const struct plan_idmap *im = PLAN_LIST(plan, const struct plan_idmap, PLAN_HDR(plan)->idmaps);
	int r = 0;

	if (m->idmap)
		r = mnt_setattr(fd, "", m->flags & PLAN_M_IDMAP_REC, MNT_ATTR_IDMAP, 0, 0,
				im[m->idmap - 1].note_fd);
	if (r == 0 && m->set | m->clear)
		r = mnt_setattr(fd, "", false, m->set, m->clear, 0, -1);
	if (r == 0 && m->set_rec | m->clear_rec)
		r = mnt_setattr(fd, "", true, m->set_rec, m->clear_rec, 0, -1);
	for (uint32_t i = 0; r == 0 && i < m->n_props; i++)
		r = mnt_setattr(fd, "", m->prop_rec >> i & 1, 0, 0, m->prop[i], -1);
	return r;
}

/*
 * All mounts are made before any is attached: in the specification's order, which is the order the kernel lists them
 * in, and while ours is still a peer of the host's tree, so that a shared or slave bind follows its source.
 */
static int open_mount(struct lc *c, struct plan_mount *m)
{
	char why[256] = "";
	int r;

	if (m->kind == PLAN_MOUNT_BIND) {
		if (m->fd >= 0 || launch_parent_binds(c->h))
			return 0;
		m->note_fd = mnt_clone(AT_FDCWD, plan_s(c->p, m->source), m->flags & PLAN_M_RECURSIVE);
		if (m->note_fd == -ENOENT && m->flags & PLAN_M_OPTIONAL)
			return 0;
		if (m->note_fd < 0)
			return mount_failed(c, m, -m->note_fd, "open source");
	} else if (m->kind == PLAN_MOUNT_FS) {
		r = make_fs(c, m, why, sizeof(why));
		if ((r == -EPERM || r == -EBUSY || r == -ENODEV) && m->fallback.off) {
			r = mnt_clone(AT_FDCWD, plan_s(c->p, m->fallback), true);
			if (r >= 0) {
				m->note_fd = r;
				r = mnt_setattr(r, "", true, m->set, 0, MNT_PRIVATE, -1);
			}
			if (r < 0)
				return mount_failed(c, m, -r, plan_s(c->p, m->fallback));
			return 0;
		}
		if (r < 0)
			return mount_failed(c, m, -r, why);
		m->note_fd = r;
	} else {
		return 0;
	}
	r = launch_prepare_mount(c->p, m, m->note_fd);
	return r < 0 ? mount_failed(c, m, -r, "set attributes") : 0;
}

static int do_symlink(struct lc *c, const struct plan_mount *m)
{
	const char *base;
	cleanup_close int dir = parent_in(c, plan_s(c->p, m->dest), &base);

	if (dir < 0)
		return mount_failed(c, m, -dir, "link");
	if (symlinkat(plan_s(c->p, m->source), dir, base) < 0 && errno != EEXIST)
		return mount_failed(c, m, errno, "link");
	return 0;
}

static int do_mount(struct lc *c, struct plan_mount *m)
{
	const char *dest = plan_s(c->p, m->dest);
	cleanup_close int target = -1, mfd = -1, old = -1;
	bool made = false, is_dir = true;
	struct stat st;
	int r;

	if (m->kind == PLAN_MOUNT_SYMLINK)
		return do_symlink(c, m);
	if (m->kind == PLAN_MOUNT_BIND || m->kind == PLAN_MOUNT_FS) {
		mfd = m->fd >= 0 ? fcntl(c->fds[m->fd], F_DUPFD_CLOEXEC, 3) : m->note_fd;
		m->note_fd = -1;
		if (mfd < 0)
			return m->flags & PLAN_M_OPTIONAL ? 0 : mount_failed(c, m, EBADF, "source");
		if (fstat(mfd, &st) < 0)
			return mount_failed(c, m, errno, "stat");
		is_dir = S_ISDIR(st.st_mode);
	}
	if (m->flags & PLAN_M_NO_SYMLINK) {
		target = lc_open_in(c->rootfd, dest, O_PATH, RESOLVE_NO_SYMLINKS);
		if (target == -ELOOP || (target >= 0 && (fstat(target, &st) < 0 || !S_ISDIR(st.st_mode))))
			return lc_fail(c, LAUNCH_MOUNT, 0,
				       "filesystem \"%s\" must be mounted on ordinary directory",
				       plan_s(c->p, m->type));
		fd_close(&target);
	}
	if (m->kind == PLAN_MOUNT_REMOUNT)
		target = lc_open_in(c->rootfd, dest, O_PATH, 0);
	else
		target = lc_make_in(c->rootfd, dest, is_dir, &made);
	if (target < 0)
		return mount_failed(c, m, -target, "create mountpoint");
	if (m->kind == PLAN_MOUNT_DIR)
		return 0;
	if (m->kind == PLAN_MOUNT_REMOUNT) {
		r = launch_prepare_mount(c->p, m, target);
		return r < 0 ? mount_failed(c, m, -r, "remount") : 0;
	}
	if (!(m->flags & PLAN_M_IN_PROC) && mnt_is_procfs(target))
		return lc_fail(c, LAUNCH_MOUNT, 0, "\"%s\" cannot be mounted because it is inside /proc",
			       dest);
	if (m->flags & PLAN_M_COPYUP)
		old = lc_open_in(c->rootfd, dest, O_RDONLY | O_DIRECTORY, 0);
	if (m->flags & PLAN_M_KEEP_MODE && fstat(target, &st) < 0)
		return mount_failed(c, m, errno, "stat");
	if (m->fd >= 0) {
		r = launch_prepare_mount(c->p, m, mfd);
		if (r < 0)
			return mount_failed(c, m, -r, "set attributes");
	}
	r = mnt_attach(mfd, target);
	if (r < 0)
		return mount_failed(c, m, -r, "");
	if (m->flags & PLAN_M_KEEP_MODE && fchmodat(mfd, ".", st.st_mode & 07777, 0) < 0)
		return mount_failed(c, m, errno, "set the mode");
	if (old >= 0) {
		r = lc_copy_tree(old, mfd);
		if (r < 0)
			return mount_failed(c, m, -r, "tmpcopyup");
	}
	if (m->late_set)
		m->note_fd = TAKE_FD(mfd);
	return 0;
}

/* --- devices --- */

static int device_failed(struct lc *c, const struct plan_device *d, int sys)
{
	return lc_fail(c, LAUNCH_DEVICE, sys, "error creating device nodes: mknod %s", plan_s(c->p, d->path));
}

static int make_device(struct lc *c, struct plan_device *d)
{
	const char *path = plan_s(c->p, d->path), *base;
	struct stat st;

	if (d->bind) {
		bool made;
		cleanup_close int mfd = d->note_fd, target = lc_make_in(c->rootfd, path, false, &made);
		int r;

		d->note_fd = -1;
		if (mfd < 0)
			return device_failed(c, d, ENOENT);
		if (target < 0)
			return device_failed(c, d, -target);
		r = mnt_attach(mfd, target);
		return r < 0 ? device_failed(c, d, -r) : 0;
	}
	cleanup_close int dir = parent_in(c, path, &base);
	if (dir < 0)
		return device_failed(c, d, -dir);
	if (mknodat(dir, base, d->mode, makedev(d->major, d->minor)) < 0) {
		int sys = errno;

		if (sys != EEXIST || fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return device_failed(c, d, sys);
		if ((st.st_mode & S_IFMT) != (d->mode & S_IFMT) ||
		    (!S_ISFIFO(d->mode) && st.st_rdev != makedev(d->major, d->minor)))
			return device_failed(c, d, EEXIST);
	}
	if ((d->uid || d->gid) && fchownat(dir, base, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return device_failed(c, d, errno);
	return 0;
}

/* Nodes are not made where somebody's link leads to. */
static int check_dev(struct lc *c)
{
	cleanup_close int dev = lc_open_in(c->rootfd, "/dev", O_PATH, RESOLVE_NO_SYMLINKS);

	if (dev == -ELOOP)
		return lc_fail(c, LAUNCH_DEVICE, 0,
			       "error creating device nodes: /dev of the container is a symbolic link");
	return 0;
}

static int make_links(struct lc *c)
{
	const struct plan_kv *l = PLAN_LIST(c->p, const struct plan_kv, c->h->links);

	for (uint32_t i = 0; i < c->h->links.n; i++) {
		const char *path = plan_s(c->p, l[i].k), *to = plan_s(c->p, l[i].v), *base;
		cleanup_close int dir = parent_in(c, path, &base);

		if (dir < 0)
			return lc_fail(c, LAUNCH_DEVICE, -dir, "symlink %s", path);
		if (strcmp(base, "core") == 0 && faccessat(c->procfd, "kcore", F_OK, 0) < 0)
			continue;
		/* A ptmx node of the image would lead to the host's devpts. */
		if (strcmp(base, "ptmx") == 0)
			(void)unlinkat(dir, base, 0);
		if (symlinkat(to, dir, base) < 0 && errno != EEXIST)
			return lc_fail(c, LAUNCH_DEVICE, errno, "symlink %s %s", to, path);
	}
	return 0;
}

int lc_open_console(struct lc *c)
{
	cleanup_close int master = lc_open_in(c->rootfd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0);
	struct launch_msg m = { .kind = LM_CONSOLE };
	struct winsize ws = { .ws_row = c->io->rows, .ws_col = c->io->cols };
	int zero = 0;

	if (master < 0)
		return lc_fail(c, LAUNCH_CONSOLE, -master, "open /dev/pts/ptmx");
	if (!mnt_is_type(master, DEVPTS_MAGIC))
		return lc_fail(c, LAUNCH_CONSOLE, EINVAL, "/dev/pts/ptmx is not on a devpts");
	if (ioctl(master, TIOCSPTLCK, &zero) < 0)
		return lc_fail(c, LAUNCH_CONSOLE, errno, "unlock pty");
	c->ttyfd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->ttyfd < 0)
		return lc_fail(c, LAUNCH_CONSOLE, errno, "open the pty's other end");
	if (!ws.ws_row && !ws.ws_col) {
		ws.ws_row = (unsigned short)c->h->rows;
		ws.ws_col = (unsigned short)c->h->cols;
	}
	if ((ws.ws_row || ws.ws_col) && ioctl(master, TIOCSWINSZ, &ws) < 0)
		return lc_fail(c, LAUNCH_CONSOLE, errno, "set terminal size");
	if (c->h->kind == PLAN_INIT && c->h->flags & PLAN_HAS_ROOT) {
		bool made;
		cleanup_close int target = lc_make_in(c->rootfd, "/dev/console", false, &made);
		cleanup_close int node = target < 0 ? target : mnt_clone(c->ttyfd, "", false);
		int r = node < 0 ? node : mnt_attach(node, target);

		if (r < 0)
			return lc_fail(c, LAUNCH_CONSOLE, -r, "mount the terminal on /dev/console");
	}
	int r = fdpass_send(c->sync, &m, sizeof(m), &master, 1);
	return r < 0 ? lc_fail(c, LAUNCH_CONSOLE, -r, "send the terminal") : 0;
}

/* --- the root --- */

static int make_cwd(struct lc *c)
{
	bool made;
	int fd;

	if (!(c->h->flags & PLAN_MKDIR_CWD))
		return 0;
	fd = lc_make_in(c->rootfd, plan_s(c->p, c->h->cwd), true, &made);
	if (fd >= 0)
		(void)close(fd);
	/* What is wrong with it will show at chdir, with a better message. */
	return 0;
}

/* On its own path, where createContainer hooks look for it; else (a detached mount we were given, a path we may not
 * reach from a new user namespace) over the old root. */
static int attach_root(struct lc *c)
{
	const char *path = plan_s(c->p, c->h->root_path);

	if (path && !(c->h->flags & PLAN_NO_PIVOT)) {
		cleanup_close int at = fs_open(path, O_PATH | O_DIRECTORY, 0);

		if (at >= 0 && mnt_attach(c->rootfd, at) == 0)
			return 0;
	}
	return mnt_attach_path(c->rootfd, "/");
}

int lc_build_root(struct lc *c)
{
	struct plan_hdr *h = c->h;
	struct plan_mount *m = PLAN_LIST(c->p, struct plan_mount, h->mounts);
	struct plan_device *d = PLAN_LIST(c->p, struct plan_device, h->devices);
	int r;

	if (!(h->flags & PLAN_HAS_ROOT))
		return 0;
	for (uint32_t i = 0; i < h->mounts.n; i++)
		if (open_mount(c, &m[i]) < 0)
			return -1;
	/* What happens below the old root from here on must not reach the host. */
	r = mnt_setattr(AT_FDCWD, "/", true, 0, 0,
			h->root_prop == MNT_SHARED || h->root_prop == MNT_SLAVE ? MNT_SLAVE : MNT_PRIVATE,
			-1);
	if (r < 0)
		return lc_fail(c, LAUNCH_ROOT, -r, "make the old root private");
	r = attach_root(c);
	if (r < 0)
		return lc_fail(c, LAUNCH_ROOT, -r, "attach the root file system");
	(void)umask(0022);
	for (uint32_t i = 0; i < h->mounts.n; i++)
		if (do_mount(c, &m[i]) < 0)
			return -1;
	(void)umask(0);
	if (h->devices.n && check_dev(c) < 0)
		return -1;
	for (uint32_t i = 0; i < h->devices.n; i++)
		if (make_device(c, &d[i]) < 0)
			return -1;
	if (make_links(c) < 0)
		return -1;
	(void)umask(0022);
	if (make_cwd(c) < 0)
		return -1;
	return h->flags & PLAN_TTY ? lc_open_console(c) : 0;
}

static int mask(struct lc *c, const char *path)
{
	cleanup_close int target = lc_open_in(c->rootfd, path, O_PATH, 0);
	cleanup_close int over = -1;
	struct stat st;
	int r;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0 || fstat(target, &st) < 0)
		return lc_fail(c, LAUNCH_MASK, target < 0 ? -target : errno, "mask path \"%s\"", path);
	if (!S_ISDIR(st.st_mode)) {
		over = mnt_clone(c->nullfd, "", false);
		r = over < 0 ? over : mnt_attach(over, target);
		return r < 0 ? lc_fail(c, LAUNCH_MASK, -r, "mask path \"%s\"", path) : 0;
	}
	if (c->mask_tmpfs >= 0) {
		over = mnt_clone(c->mask_tmpfs, "", false);
	} else {
		cleanup_close int fs = mnt_fs_open("tmpfs");

		r = fs < 0 ? fs : mnt_fs_set(fs, "source", "tmpfs");
		over = r < 0 ? r : mnt_fs_mount(fs, MNT_ATTR_RDONLY);
	}
	r = over < 0 ? over : mnt_attach(over, target);
	if (r < 0)
		return lc_fail(c, LAUNCH_MASK, -r, "mask path \"%s\"", path);
	if (c->mask_tmpfs < 0)
		c->mask_tmpfs = TAKE_FD(over);
	return 0;
}

static int make_readonly(struct lc *c, const char *path)
{
	cleanup_close int target = lc_open_in(c->rootfd, path, O_PATH, 0);
	cleanup_close int copy = -1;
	int r;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	copy = target < 0 ? target : mnt_clone(target, "", true);
	r = copy < 0 ? copy : mnt_setattr(copy, "", true, MNT_ATTR_RDONLY, 0, 0, -1);
	if (r == 0)
		r = mnt_attach(copy, target);
	return r < 0 ? lc_fail(c, LAUNCH_READONLY, -r, "make path \"%s\" read-only", path) : 0;
}

static int open_null(struct lc *c)
{
	struct stat st;

	c->nullfd = fs_open("/dev/null", O_PATH | O_NOFOLLOW, 0);
	if (c->nullfd < 0)
		return lc_fail(c, LAUNCH_MASK, -c->nullfd, "open /dev/null");
	if (fstat(c->nullfd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return lc_fail(c, LAUNCH_MASK, 0, "/dev/null of the host is not the null device");
	return 0;
}

int lc_finish_root(struct lc *c)
{
	struct plan_hdr *h = c->h;
	struct plan_mount *m = PLAN_LIST(c->p, struct plan_mount, h->mounts);
	const struct plan_str *s;
	int r;

	if (!(h->flags & PLAN_HAS_ROOT)) {
		if (!(h->flags & PLAN_CHROOT_ONLY))
			return 0;
		if (fchdir(c->rootfd) < 0 || chroot(".") < 0) /* lint: allow chroot: by descriptor */
			return lc_fail(c, LAUNCH_PIVOT, errno, "chroot");
		return 0;
	}
	for (uint32_t i = 0; i < h->mounts.n; i++) {
		if (!m[i].late_set || m[i].note_fd < 0)
			continue;
		r = mnt_setattr(m[i].note_fd, "", false, m[i].late_set, 0, 0, -1);
		if (r < 0)
			return mount_failed(c, &m[i], -r, "make read-only");
		fd_close(&m[i].note_fd);
	}
	s = PLAN_LIST(c->p, const struct plan_str, h->readonly);
	for (uint32_t i = 0; i < h->readonly.n; i++)
		if (make_readonly(c, plan_s(c->p, s[i])) < 0)
			return -1;
	if (h->masked.n && open_null(c) < 0)
		return -1;
	s = PLAN_LIST(c->p, const struct plan_str, h->masked);
	for (uint32_t i = 0; i < h->masked.n; i++)
		if (mask(c, plan_s(c->p, s[i])) < 0)
			return -1;
	if (h->flags & PLAN_ROOT_READONLY) {
		r = mnt_setattr(c->rootfd, "", false, MNT_ATTR_RDONLY, 0, 0, -1);
		if (r < 0)
			return lc_fail(c, LAUNCH_ROOT, -r, "make the root read-only");
	}
	if (h->flags & PLAN_NO_PIVOT) {
		/* The root lies over the old one already; leave through it. */
		if (fchdir(c->rootfd) < 0 || chroot(".") < 0) /* lint: allow chroot: by descriptor */
			return lc_fail(c, LAUNCH_PIVOT, errno, "chroot");
	} else {
		r = mnt_pivot(c->rootfd);
		if (r < 0)
			return lc_fail(c, LAUNCH_PIVOT, -r, "pivot_root");
	}
	if (h->root_prop) {
		r = mnt_setattr(AT_FDCWD, "/", false, 0, 0, h->root_prop, -1);
		if (r < 0)
			return lc_fail(c, LAUNCH_PIVOT, -r, "set the propagation of the root");
	}
	return 0;
}
