/* SPDX-License-Identifier: Apache-2.0 */
/* Groups that exist: kill, signal, freeze, list, remove. No allocation: walks use the stack, CGROUP_MAX_DEPTH
 * deep. */
#include "kernel/cgroup-internal.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>

#define MAX_ROUNDS 64 /* of killing what forks while it is killed */

struct linux_dirent64 {
	uint64_t d_ino;
	int64_t d_off;
	unsigned short d_reclen;
	unsigned char d_type;
	char d_name[];
};

typedef int (*walk_fn)(int dirfd, void *arg);

/* Calls fn for the group and for every group below it, children first. Groups that go away meanwhile are no
 * error. */
static int walk(int dirfd, int depth, walk_fn fn, walk_fn leave, void *arg);

static int walk_child(int dirfd, const char *name, int depth, walk_fn fn, walk_fn leave, void *arg)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	int r = walk(fd, depth + 1, fn, leave, arg);
	(void)close(fd);
	return r;
}

static int walk(int dirfd, int depth, walk_fn fn, walk_fn leave, void *arg)
{
	char buf[1024] __attribute__((aligned(8)));

	if (depth > CGROUP_MAX_DEPTH)
		return -ELOOP;
	for (;;) {
		long n = syscall(SYS_getdents64, dirfd, buf, sizeof(buf));

		if (n < 0)
			return errno == ENOENT || errno == ENODEV ? 0 : -errno;
		if (n == 0)
			break;
		for (long at = 0; at < n;) {
			const struct linux_dirent64 *d = (const void *)(buf + at);

			at += d->d_reclen;
			if (d->d_type != DT_DIR || d->d_name[0] == '.')
				continue;
			int r = walk_child(dirfd, d->d_name, depth, fn, leave, arg);
			if (r < 0)
				return r;
			if (leave && unlinkat(dirfd, d->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
				(void)leave(dirfd, arg);
		}
	}
	return fn ? fn(dirfd, arg) : 0;
}

/* --- listing --- */

struct pid_list {
	pid_t *pid;
	size_t room, n;
	int sig; /* > 0: send it instead of listing */
};

static void got_pid(struct pid_list *l, pid_t pid)
{
	if (l->sig > 0)
		(void)kill(pid, l->sig);
	else if (l->n < l->room)
		l->pid[l->n] = pid;
	l->n++;
}

static int read_procs(int dirfd, void *arg)
{
	struct pid_list *l = arg;
	char buf[512];
	pid_t pid = 0;
	bool digits = false;
	cleanup_close int fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) /* a threaded v2 group has no process list of its own */
			return errno == EOPNOTSUPP || errno == ENODEV ? 0 : -errno;
		if (n == 0)
			return 0;
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				pid = pid * 10 + (buf[i] - '0');
				digits = true;
			} else if (digits) {
				if (pid > 0) /* 0: a process of another pid namespace */
					got_pid(l, pid);
				pid = 0;
				digits = false;
			}
		}
	}
}

/* The hierarchy whose lists we trust: v2 when our processes are in it, else a v1 one. */
static bool is_populated(const struct cg_prog *p, const struct cg_op *g)
{
	char path[CGROUP_PATH_MAX * 2 + 256], buf[256];

	(void)snprintf(path, sizeof(path), "%s/cgroup.events", cg_path(p, g));
	return fs_read_small_at(AT_FDCWD, path, buf, sizeof(buf)) >= 0 && strstr(buf, "populated 1") != NULL;
}

static const struct cg_op *list_group(const struct cg_prog *p)
{
	const struct cg_op *g = cg_group_of(p, CG_V2);
	static const unsigned order[] = { CG_FREEZER, CG_DEVICES, CG_PIDS, CG_MEMORY,
					  ~0u & ~(unsigned)CG_V2 };

	if (g && (p->n_groups == 1 || is_populated(p, g)))
		return g;
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		const struct cg_op *v1 = cg_group_of(p, order[i]);

		if (v1 && !(v1->arg & CG_V2))
			return v1;
	}
	return g;
}

static int for_procs(const struct cg_prog *p, struct pid_list *l)
{
	const struct cg_op *g = list_group(p);

	l->n = 0;
	if (!g)
		return 0;
	cleanup_close int fd = cg_open_group(p, g);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	return walk(fd, 0, read_procs, NULL, l);
}

int cgroup_exec_procs(const void *prog, size_t n, pid_t *pids, size_t *count)
{
	const struct cg_prog *p = cg_prog_get(prog, n);
	struct pid_list l = { .pid = pids, .room = *count };

	if (!p)
		return -EBADMSG;
	int r = for_procs(p, &l);
	*count = l.n;
	return r;
}

int cgroup_exec_signal(const void *prog, size_t n, int sig)
{
	const struct cg_prog *p = cg_prog_get(prog, n);
	struct pid_list l = { .sig = sig };

	if (!p || sig <= 0)
		return p ? -EINVAL : -EBADMSG;
	int r = for_procs(p, &l);
	return r < 0 ? r : (int)l.n;
}

/* --- freeze --- */

static int freeze_v2(int dirfd, bool freeze, int timeout_ms)
{
	const char *want = freeze ? "frozen 1" : "frozen 0";
	int64_t end = clock_mono_ns() + timeout_ms * NS_PER_MS;
	char buf[256];
	cleanup_close int ev = openat(dirfd, "cgroup.events", O_RDONLY | O_CLOEXEC);

	if (ev < 0)
		return -errno;
	int r = fs_write_small_at(dirfd, "cgroup.freeze", freeze ? "1" : "0");
	if (r < 0)
		return r;
	for (;;) {
		ssize_t n = pread(ev, buf, sizeof(buf) - 1, 0);

		if (n < 0)
			return -errno;
		buf[n] = '\0';
		if (strstr(buf, want))
			return 0;
		int64_t left = end - clock_mono_ns();
		if (left <= 0)
			break;
		struct pollfd pf = { .fd = ev, .events = POLLPRI };
		if (poll(&pf, 1, (int)(left / NS_PER_MS) + 1) < 0 && errno != EINTR)
			return -errno;
	}
	(void)!fs_write_small_at(dirfd, "cgroup.freeze", freeze ? "0" : "1");
	return -ETIMEDOUT;
}

/* v1 tells nobody when it is done: ask again, ever more slowly. Writing FROZEN again catches what forked
 * meanwhile. */
static int freeze_v1(int dirfd, bool freeze, int timeout_ms)
{
	const char *want = freeze ? "FROZEN" : "THAWED";
	int64_t end = clock_mono_ns() + timeout_ms * NS_PER_MS;
	struct timespec pause = { 0, 100000 };
	char buf[64];

	for (;;) {
		int r = fs_write_small_at(dirfd, "freezer.state", want);

		if (r < 0)
			return r;
		r = fs_read_small_at(dirfd, "freezer.state", buf, sizeof(buf));
		if (r < 0)
			return r;
		if (strcmp(buf, want) == 0)
			return 0;
		if (clock_mono_ns() > end)
			break;
		(void)nanosleep(&pause, NULL);
		if (pause.tv_nsec < 5000000)
			pause.tv_nsec *= 2;
	}
	(void)!fs_write_small_at(dirfd, "freezer.state", freeze ? "THAWED" : "FROZEN");
	return -ETIMEDOUT;
}

static int freezer_group(const struct cg_prog *p, const struct cg_op **g)
{
	const struct cg_op *v2 = cg_group_of(p, CG_V2), *v1 = cg_group_of(p, CG_FREEZER);

	*g = v1 && !(v2 && is_populated(p, v2)) ? v1 : v2;
	return *g ? 0 : -EOPNOTSUPP;
}

int cgroup_exec_freeze(const void *prog, size_t n, bool freeze, int timeout_ms)
{
	const struct cg_prog *p = cg_prog_get(prog, n);
	const struct cg_op *g;

	if (!p)
		return -EBADMSG;
	int r = freezer_group(p, &g);
	if (r < 0)
		return r;
	cleanup_close int fd = cg_open_group(p, g);
	if (fd < 0)
		return fd;
	return g->arg & CG_V2 ? freeze_v2(fd, freeze, timeout_ms) : freeze_v1(fd, freeze, timeout_ms);
}

int cgroup_exec_is_frozen(const void *prog, size_t n, bool *out)
{
	const struct cg_prog *p = cg_prog_get(prog, n);
	const struct cg_op *v1, *v2;
	char path[CGROUP_PATH_MAX * 2 + 256], buf[64];
	bool frozen = false;

	if (!p)
		return -EBADMSG;
	v1 = cg_group_of(p, CG_FREEZER);
	v2 = cg_group_of(p, CG_V2);
	if (!v1 && !v2)
		return -EOPNOTSUPP;
	if (v2) {
		(void)snprintf(path, sizeof(path), "%s/cgroup.freeze", cg_path(p, v2));
		frozen = fs_read_small_at(AT_FDCWD, path, buf, sizeof(buf)) >= 0 && buf[0] == '1';
	}
	if (v1 && !frozen) {
		(void)snprintf(path, sizeof(path), "%s/freezer.state", cg_path(p, v1));
		int r = fs_read_small_at(AT_FDCWD, path, buf, sizeof(buf));
		if (r < 0)
			return v2 && r == -ENOENT ? (*out = false, 0) : r;
		frozen = strcmp(buf, "THAWED") != 0;
	}
	*out = frozen;
	return 0;
}

/* --- kill --- */

int cgroup_exec_kill(const void *prog, size_t n)
{
	const struct cg_prog *p = cg_prog_get(prog, n);
	struct pid_list l = { .sig = SIGKILL };
	const struct cg_op *v2, *v1;

	if (!p)
		return -EBADMSG;
	v2 = cg_group_of(p, CG_V2);
	v1 = cg_group_of(p, CG_FREEZER);
	cleanup_close int v1fd = v1 && !(v1->arg & CG_V2) ? cg_open_group(p, v1) : -ENOENT;
	if (v2 && (p->n_groups == 1 || is_populated(p, v2))) {
		cleanup_close int fd = cg_open_group(p, v2);
		int r = fd < 0 ? fd : fs_write_small_at(fd, "cgroup.kill", "1");

		if (r == 0 && v1fd >= 0) /* a frozen v1 group dies only when it thaws */
			(void)!fs_write_small_at(v1fd, "freezer.state", "THAWED");
		if (r == 0 || (r == -ENOENT && p->n_groups == 1 && fd < 0))
			return 0;
	}
	/* Frozen processes cannot fork away from the list. */
	if (v1fd >= 0) {
		(void)freeze_v1(v1fd, true, 1000);
		int r = for_procs(p, &l);
		(void)!fs_write_small_at(v1fd, "freezer.state", "THAWED");
		return r;
	}
	for (int i = 0; i < MAX_ROUNDS; i++) {
		int r = for_procs(p, &l);

		if (r < 0 || l.n == 0)
			return r;
	}
	return 0;
}

/* --- remove --- */

/* Waits for one process of the group to end, or for v2's word that all did. */
static void wait_for_exit(const struct cg_prog *p, const struct cg_op *g, int64_t end)
{
	pid_t pid = 0;
	struct pid_list l = { .pid = &pid, .room = 1 };
	int64_t left = end - clock_mono_ns();
	struct pollfd pf = { .fd = -1 };
	cleanup_close int fd = cg_open_group(p, g);

	if (fd < 0 || left <= 0)
		return;
	cleanup_close int ev = g->arg & CG_V2 ? openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC) : -1;
	cleanup_close int pidfd = -1;
	if (ev >= 0) {
		char buf[64];

		(void)!read(ev, buf, sizeof(buf)); /* arms the notification */
		pf = (struct pollfd){ .fd = ev, .events = POLLPRI };
	}
	if (walk(fd, 0, read_procs, NULL, &l) == 0 && pid > 0) {
		pidfd = proc_pidfd_open(pid);
		if (pidfd >= 0 && ev < 0)
			pf = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	}
	/* Nobody listed but busy: the last one is on its way out, between the list and the count. */
	bool waits = pf.fd >= 0 && (pid > 0);
	(void)poll(&pf, 1, waits ? (int)(left / NS_PER_MS) + 1 : 1);
}

static int still_there(int dirfd, void *arg)
{
	(void)dirfd;
	*(bool *)arg = true;
	return 0;
}

static int remove_group(const struct cg_prog *p, const struct cg_op *g, int64_t end)
{
	const char *path = cg_path(p, g);

	for (;;) {
		if (rmdir(path) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY && errno != ENOTEMPTY)
			return -errno;
		/* Groups that the container made. */
		int fd = cg_open_group(p, g);
		if (fd >= 0) {
			bool left = false;

			(void)walk(fd, 0, NULL, still_there, &left);
			(void)close(fd);
		}
		if (rmdir(path) == 0 || errno == ENOENT)
			return 0;
		if (clock_mono_ns() >= end)
			return -EBUSY;
		wait_for_exit(p, g, end);
	}
}

int cgroup_exec_destroy(const void *prog, size_t n, int timeout_ms)
{
	const struct cg_prog *p = cg_prog_get(prog, n);
	int64_t end = clock_mono_ns() + timeout_ms * NS_PER_MS;
	int rc = 0;

	if (!p)
		return -EBADMSG;
	for (uint32_t g = 0; g < p->n_groups; g++) {
		/* The mount point itself ("/") is never ours to remove. */
		if (strcmp(cg_path(p, &p->ops[g]), cg_value(p, &p->ops[g])) == 0)
			continue;
		int r = remove_group(p, &p->ops[g], end);
		if (r < 0 && rc == 0 && !(p->ops[g].flags & CG_MAY_FAIL))
			rc = r;
	}
	return rc;
}
