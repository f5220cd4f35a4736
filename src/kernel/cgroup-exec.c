/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a program: directories, settings, attach. No allocation, no parsing; the bytes may be hostile. */
#include "kernel/cgroup-internal.h"

#include "base/fs.h"

#include <errno.h>
#include <stdio.h>

/* openat throughout: musl's open() spends a second system call on O_CLOEXEC. */

const struct cg_prog *cg_prog_get(const void *prog, size_t n)
{
	const struct cg_prog *p = prog;

	if (!p || n < sizeof(*p) || n > CGROUP_PROG_MAX || (uintptr_t)p % 8)
		return NULL;
	if (p->magic != CG_MAGIC || p->size != n || p->n_ops > CG_MAX_OPS || p->n_groups > CGROUP_MAX_HIER ||
	    p->n_groups > p->n_ops)
		return NULL;
	size_t head = sizeof(*p) + (size_t)p->n_ops * sizeof(struct cg_op);
	if (head > n)
		return NULL;
	for (uint32_t i = 0; i < p->n_ops; i++) {
		const struct cg_op *o = &p->ops[i];
		const char *text = (const char *)p;

		if (o->kind < CG_OP_GROUP || o->kind > CG_OP_DEVICES ||
		    (o->kind == CG_OP_GROUP) != (i < p->n_groups))
			return NULL;
		if (o->group >= p->n_groups || (o->kind == CG_OP_GROUP && o->group != i))
			return NULL;
		if (o->path < head || o->path_n >= n || o->path > n - o->path_n - 1 || o->path_n == 0)
			return NULL;
		if (text[o->path + o->path_n] != '\0' || text[o->path] != '/' ||
		    memchr(text + o->path, 0, o->path_n))
			return NULL;
		if (o->value == 0) {
			if (o->value_n || o->kind == CG_OP_GROUP || o->kind == CG_OP_WRITE ||
			    o->kind == CG_OP_ENABLE || o->kind == CG_OP_DEVICES)
				return NULL;
			continue;
		}
		if (o->value < head || o->value_n >= n || o->value > n - o->value_n - 1 ||
		    text[o->value + o->value_n] != '\0')
			return NULL;
		if (o->kind == CG_OP_DEVICES && (o->value % 8 || o->value_n % 8))
			return NULL;
	}
	return p;
}

int cgroup_prog_check(const void *prog, size_t n)
{
	return cg_prog_get(prog, n) ? 0 : -EBADMSG;
}

const struct cg_op *cg_group_of(const struct cg_prog *p, unsigned c)
{
	for (uint32_t i = 0; i < p->n_groups; i++)
		if (p->ops[i].arg & c)
			return &p->ops[i];
	return NULL;
}

int cg_open_group(const struct cg_prog *p, const struct cg_op *g)
{
	int fd = openat(AT_FDCWD, cg_path(p, g), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

const char *cgroup_prog_path(const void *prog, size_t n, enum cgroup_ctl c)
{
	const struct cg_prog *p = cg_prog_get(prog, n);
	const struct cg_op *g = p ? cg_group_of(p, (unsigned)c) : NULL;

	return g ? cg_path(p, g) : NULL;
}

const char *cgroup_prog_hier(const void *prog, size_t n, unsigned i, unsigned *ctls)
{
	const struct cg_prog *p = cg_prog_get(prog, n);

	if (!p || i >= p->n_groups)
		return NULL;
	if (ctls)
		*ctls = p->ops[i].arg;
	return cg_path(p, &p->ops[i]);
}

static int failed(struct cgroup_fail *f, int sys, const char *op, const char *path, const char *value)
{
	if (f)
		*f = (struct cgroup_fail){ .sys = sys, .op = op, .path = path, .value = value };
	return -sys;
}

/* --- directories --- */

/* "+cpu +memory": at once, else word by word, so that one refused controller does not keep the others away.
 */
static void enable(const char *path, const char *list, size_t n)
{
	cleanup_close int fd = openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, list, n) == (ssize_t)n)
		return;
	for (size_t at = 0; at < n;) {
		const char *sp = memchr(list + at, ' ', n - at);
		size_t len = sp ? (size_t)(sp - (list + at)) : n - at;

		(void)!pwrite(fd, list + at, len, 0);
		at += len + 1;
	}
}

/* A new v1 cpuset group has no cpus and memory nodes, and nobody could join: take the parent's. */
static int inherit(const char *dir, bool is_leaf)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	cleanup_close int fd = openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char buf[1024];

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char up[32];
		int r = fs_read_small_at(fd, files[i], buf, sizeof(buf));

		if (r < 0)
			return r;
		if (buf[0])
			continue;
		(void)snprintf(up, sizeof(up), "../%s", files[i]);
		r = fs_read_small_at(fd, up, buf, sizeof(buf));
		if (r < 0)
			return r;
		if (!buf[0])
			continue;
		r = fs_write_small_at(fd, files[i], buf);
		if (r < 0)
			return r;
	}
	if (!is_leaf) /* the kernel does it for the groups to come */
		(void)!fs_write_small_at(fd, "cgroup.clone_children", "1");
	return 0;
}

static int make_one(const struct cg_prog *p, const struct cg_op *o, struct cgroup_fail *f)
{
	const char *path = cg_path(p, o);
	int r = 0;

	switch ((enum cg_kind)o->kind) {
	case CG_OP_MKDIR:
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return failed(f, errno, "mkdir", path, NULL);
		return 0;
	case CG_OP_INHERIT:
		r = inherit(path, o->flags & CG_LEAF);
		return r < 0 ? failed(f, -r, "write", path, NULL) : 0;
	case CG_OP_ENABLE: enable(path, cg_value(p, o), o->value_n); return 0;
	case CG_OP_GROUP:
	case CG_OP_WRITE:
	case CG_OP_DEVICES: break;
	}
	return 0;
}

static bool is_dir_op(const struct cg_op *o)
{
	return o->kind == CG_OP_MKDIR || o->kind == CG_OP_INHERIT || o->kind == CG_OP_ENABLE;
}

/* The parents nearly always exist: the group itself is tried first. */
static int make_group(const struct cg_prog *p, uint32_t g, struct cgroup_fail *f)
{
	bool made = false, fresh = false;

	for (uint32_t i = p->n_groups; i < p->n_ops; i++) {
		const struct cg_op *o = &p->ops[i];

		if (o->group != g || o->kind != CG_OP_MKDIR || !(o->flags & CG_LEAF))
			continue;
		made = mkdir(cg_path(p, o), 0755) == 0;
		fresh = made;
		if (!made && errno != ENOENT && errno != EEXIST)
			return failed(f, errno, "mkdir", cg_path(p, o), NULL);
		made = made || errno == EEXIST;
	}
	for (uint32_t i = p->n_groups; i < p->n_ops; i++) {
		const struct cg_op *o = &p->ops[i];

		if (o->group != g || !is_dir_op(o))
			continue;
		if (made && o->kind != CG_OP_ENABLE && !(o->flags & CG_LEAF))
			continue;
		if (fresh && o->kind == CG_OP_MKDIR)
			continue;
		int r = make_one(p, o, f);
		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_exec_create(const void *prog, size_t n, struct cgroup_fail *f)
{
	const struct cg_prog *p = cg_prog_get(prog, n);

	if (!p)
		return failed(f, EBADMSG, "check", "", NULL);
	for (uint32_t g = 0; g < p->n_groups; g++) {
		int r = make_group(p, g, f);

		if (r < 0 && !(p->ops[g].flags & CG_MAY_FAIL))
			return r;
	}
	return 0;
}

/* --- settings --- */

struct writer {
	int fd;
	const char *path; /* of fd: several values for one file are common (devices) */
};

static int write_one(struct writer *w, const struct cg_prog *p, const struct cg_op *o, struct cgroup_fail *f)
{
	const char *path = cg_path(p, o), *value = cg_value(p, o);

	if (w->fd < 0 || strcmp(w->path, path) != 0) {
		fd_close(&w->fd);
		w->fd = openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
		w->path = path;
		if (w->fd < 0)
			return failed(f, errno, "open", path, value);
	}
	ssize_t r;
	do
		r = pwrite(w->fd, value, o->value_n, 0);
	while (r < 0 && errno == EINTR);
	return r < 0 ? failed(f, errno, "write", path, value) : 0;
}

static int apply_pair(struct writer *w, const struct cg_prog *p, const struct cg_op *a, const struct cg_op *b,
		      struct cgroup_fail *f)
{
	int r = write_one(w, p, a, f);

	if (r == 0)
		return write_one(w, p, b, f);
	if (r != -EINVAL && r != -EBUSY)
		return r;
	r = write_one(w, p, b, f);
	return r < 0 ? r : write_one(w, p, a, f);
}

int cgroup_exec_apply(const void *prog, size_t n, struct cgroup_fail *f)
{
	const struct cg_prog *p = cg_prog_get(prog, n);
	struct writer w = { .fd = -1 };
	int r = 0;

	if (!p)
		return failed(f, EBADMSG, "check", "", NULL);
	for (uint32_t i = p->n_groups; i < p->n_ops && r == 0; i++) {
		const struct cg_op *o = &p->ops[i];
		bool more = i + 1 < p->n_ops && o[1].kind == CG_OP_WRITE;

		if (o->kind == CG_OP_DEVICES) {
			r = cg_device_attach(cg_path(p, o), cg_value(p, o), o->value_n);
			if (r < 0)
				r = failed(f, -r, "bpf", cg_path(p, o), NULL);
			continue;
		}
		if (o->kind != CG_OP_WRITE)
			continue;
		if (o->flags & CG_TRY_PAIR && more) {
			r = apply_pair(&w, p, o, o + 1, f);
			i++;
			continue;
		}
		r = write_one(&w, p, o, f);
		if (o->flags & CG_OR_NEXT && more) {
			if (r == -ENOENT)
				r = 0;
			else
				i++;
		}
		if (r < 0 && (o->flags & CG_MAY_FAIL || (o->flags & CG_IF_EXISTS && r == -ENOENT)))
			r = 0;
	}
	fd_close(&w.fd);
	return r;
}

/* --- attach --- */

/*
 * v1's `tasks` with "0" moves the calling thread without the lock that stops every fork and exec of the
 * machine; the same by cgroup.procs waits for an RCU grace period (10 ms).
 */
static int write_pid(const char *dir, pid_t pid, bool v2)
{
	char path[CGROUP_PATH_MAX * 2 + 256], text[24];

	if (snprintf(path, sizeof(path), "%s/%s", dir, pid == 0 && !v2 ? "tasks" : "cgroup.procs") >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	int n = snprintf(text, sizeof(text), "%d", (int)pid);
	cleanup_close int fd = openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, (size_t)n) < 0 ? -errno : 0;
}

int cgroup_exec_attach(const void *prog, size_t n, pid_t pid, bool skip_v2, struct cgroup_fail *f)
{
	const struct cg_prog *p = cg_prog_get(prog, n);

	if (!p)
		return failed(f, EBADMSG, "check", "", NULL);
	for (uint32_t g = 0; g < p->n_groups; g++) {
		const struct cg_op *o = &p->ops[g];

		if (o->arg & CG_V2 && skip_v2)
			continue;
		int r = write_pid(cg_path(p, o), pid, o->arg & CG_V2);
		if (r < 0 && !(o->flags & CG_MAY_FAIL))
			return failed(f, -r, "attach", cg_path(p, o), NULL);
	}
	return 0;
}

int cgroup_exec_v2_fd(const void *prog, size_t n)
{
	const struct cg_prog *p = cg_prog_get(prog, n);
	const struct cg_op *g = p ? cg_group_of(p, CG_V2) : NULL;

	if (!p)
		return -EBADMSG;
	return g ? cg_open_group(p, g) : -ENOENT;
}

/* --- words --- */

static uint64_t read_number(const char *file)
{
	char buf[32];
	uint64_t v = 0;

	if (fs_read_small_at(AT_FDCWD, file, buf, sizeof(buf)) < 0 ||
	    parse_u64(sv_of(buf), UINT64_MAX, &v) < 0)
		return 0;
	return v;
}

/* Go's words for an errno, which runc's messages carry. */
static const char *lower_error(int sys, char *buf, size_t n)
{
	errno = sys;
	(void)snprintf(buf, n, "%m");
	if (buf[0] >= 'A' && buf[0] <= 'Z' && !(buf[1] >= 'A' && buf[1] <= 'Z'))
		buf[0] = (char)(buf[0] + ('a' - 'A'));
	return buf;
}

void cgroup_fail_text(const struct cgroup_fail *f, char *buf, size_t n)
{
	char text[96];
	const char *why = lower_error(f->sys, text, sizeof(text));

	if (strcmp(f->op, "write") == 0 && f->value && f->sys == EBUSY &&
	    str_ends(f->path, "/memory.limit_in_bytes")) {
		char peak[CGROUP_PATH_MAX * 2 + 256], usage[CGROUP_PATH_MAX * 2 + 256];
		int dir = (int)(strlen(f->path) - strlen("memory.limit_in_bytes"));

		(void)snprintf(usage, sizeof(usage), "%.*smemory.usage_in_bytes", dir, f->path);
		(void)snprintf(peak, sizeof(peak), "%.*smemory.max_usage_in_bytes", dir, f->path);
		(void)snprintf(buf, n,
			       "unable to set memory limit to %s (current usage: %llu, peak usage: %llu)",
			       f->value, (unsigned long long)read_number(usage),
			       (unsigned long long)read_number(peak));
	} else if (strcmp(f->op, "write") == 0 && f->value) {
		(void)snprintf(buf, n, "failed to write \"%s\": write %s: %s", f->value, f->path, why);
	} else if (strcmp(f->op, "open") == 0) {
		(void)snprintf(buf, n, "open %s: %s", f->path, why);
	} else if (strcmp(f->op, "attach") == 0) {
		(void)snprintf(buf, n, "failed to write to %s/cgroup.procs: %s", f->path, why);
	} else if (strcmp(f->op, "bpf") == 0) {
		(void)snprintf(buf, n, "failed to set the device filter of %s: %s", f->path, why);
	} else {
		(void)snprintf(buf, n, "%s %s: %s", f->op, f->path, why);
	}
}
