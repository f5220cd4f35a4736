/* SPDX-License-Identifier: Apache-2.0 */
/*
 * v2 has no devices controller: a small BPF program at the group answers each access. The rules are reduced
 * the way v1's kernel code does it (a default, and exceptions to it), so that both versions decide alike.
 */
#include "kernel/cgroup-internal.h"

#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>

#define MAX_EXCEPTIONS 1024

struct exception {
	char type;
	int64_t major, minor;
	unsigned access; /* BPF_DEVCG_ACC_* */
};

static unsigned access_bits(const char a[4])
{
	unsigned bits = 0;

	for (size_t i = 0; i < 4 && a[i]; i++)
		bits |= a[i] == 'r'   ? BPF_DEVCG_ACC_READ
			: a[i] == 'w' ? BPF_DEVCG_ACC_WRITE
				      : BPF_DEVCG_ACC_MKNOD;
	return bits ? bits : BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD;
}

static int reduce(const struct cgroup_device_rule *r, size_t n, struct exception *x, size_t *n_x, bool *allow)
{
	*allow = false;
	*n_x = 0;
	for (size_t i = 0; i < n; i++) {
		size_t at = 0;

		if (r[i].type == 'a') {
			*allow = r[i].allow;
			*n_x = 0;
			continue;
		}
		while (at < *n_x &&
		       !(x[at].type == r[i].type && x[at].major == r[i].major && x[at].minor == r[i].minor))
			at++;
		if (r[i].allow == *allow) { /* back to the default */
			if (at < *n_x && !(x[at].access &= ~access_bits(r[i].access)))
				x[at] = x[--*n_x];
			continue;
		}
		if (at == *n_x) {
			if (*n_x == MAX_EXCEPTIONS)
				return -E2BIG;
			x[(*n_x)++] = (struct exception){ r[i].type, r[i].major, r[i].minor, 0 };
		}
		x[at].access |= access_bits(r[i].access);
	}
	return 0;
}

static void put(struct strbuf *out, unsigned code, unsigned dst, unsigned src, int off, int32_t imm)
{
	struct bpf_insn in = { .code = (uint8_t)code,
			       .dst_reg = (uint8_t)(dst & 0xf),
			       .src_reg = (uint8_t)(src & 0xf),
			       .off = (int16_t)off,
			       .imm = imm };

	sb_addn(out, &in, sizeof(in));
}

/* r2 type, r3 access, r4 major, r5 minor. A test that fails jumps over the rest of its exception. */
static void put_exception(struct strbuf *out, const struct exception *x, bool allow)
{
	bool any_access = x->access == (BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD);
	int left = 1 + (x->major >= 0) + (x->minor >= 0) + (any_access ? 0 : 3) + 2;

	left--;
	put(out, BPF_JMP | BPF_JNE | BPF_K, 2, 0, left,
	    x->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (x->major >= 0) {
		left--;
		put(out, BPF_JMP32 | BPF_JNE | BPF_K, 4, 0, left, (int32_t)(uint32_t)x->major);
	}
	if (x->minor >= 0) {
		left--;
		put(out, BPF_JMP32 | BPF_JNE | BPF_K, 5, 0, left, (int32_t)(uint32_t)x->minor);
	}
	if (!any_access) {
		/* Allowed: all that is asked for is in the rule. Denied: anything asked for is. */
		left -= 3;
		put(out, BPF_ALU | BPF_MOV | BPF_X, 1, 3, 0, 0);
		put(out, BPF_ALU | BPF_AND | BPF_K, 1, 0, 0, (int32_t)x->access);
		if (!allow)
			put(out, BPF_JMP32 | BPF_JNE | BPF_X, 1, 3, left, 0);
		else
			put(out, BPF_JMP32 | BPF_JEQ | BPF_K, 1, 0, left, 0);
	}
	put(out, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, !allow);
	put(out, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

int cg_device_program(const struct cgroup_device_rule *r, size_t n, struct strbuf *out)
{
	cleanup_free struct exception *x = xcalloc(MAX_EXCEPTIONS, sizeof(*x));
	size_t n_x;
	bool allow;
	int rc = reduce(r, n, x, &n_x, &allow);

	if (rc < 0)
		return rc;
	put(out, BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	put(out, BPF_ALU | BPF_MOV | BPF_X, 3, 2, 0, 0);
	put(out, BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
	put(out, BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16);
	put(out, BPF_LDX | BPF_MEM | BPF_W, 4, 1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	put(out, BPF_LDX | BPF_MEM | BPF_W, 5, 1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
	for (size_t i = 0; i < n_x; i++)
		put_exception(out, &x[i], allow);
	put(out, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, allow);
	put(out, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return 0;
}

static int sys_bpf(int cmd, union bpf_attr *a)
{
	long r = syscall(SYS_bpf, cmd, a, sizeof(*a));

	return r < 0 ? -errno : (int)r;
}

/* Adds the new program, then takes away what was there: at no time is the group without one. */
int cg_device_attach(const char *dir, const void *insns, size_t n_bytes)
{
	union bpf_attr a;
	uint32_t old[64];
	cleanup_close int dirfd = openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0)
		return -errno;
	memset(&a, 0, sizeof(a));
	a.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	a.insns = (uintptr_t)insns;
	a.insn_cnt = (uint32_t)(n_bytes / sizeof(struct bpf_insn));
	a.license = (uintptr_t) "Apache-2.0";
	cleanup_close int prog = sys_bpf(BPF_PROG_LOAD, &a);
	if (prog < 0)
		return prog;

	memset(&a, 0, sizeof(a));
	a.query.target_fd = (uint32_t)dirfd;
	a.query.attach_type = BPF_CGROUP_DEVICE;
	a.query.prog_ids = (uintptr_t)old;
	a.query.prog_cnt = ARRAY_LEN(old);
	uint32_t n_old =
		sys_bpf(BPF_PROG_QUERY, &a) < 0 ? 0 : MIN(a.query.prog_cnt, (uint32_t)ARRAY_LEN(old));

	memset(&a, 0, sizeof(a));
	a.target_fd = (uint32_t)dirfd;
	a.attach_bpf_fd = (uint32_t)prog;
	a.attach_type = BPF_CGROUP_DEVICE;
	a.attach_flags = BPF_F_ALLOW_MULTI;
	int r = sys_bpf(BPF_PROG_ATTACH, &a);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < n_old; i++) {
		memset(&a, 0, sizeof(a));
		a.prog_id = old[i];
		cleanup_close int fd = sys_bpf(BPF_PROG_GET_FD_BY_ID, &a);
		if (fd < 0)
			continue;
		memset(&a, 0, sizeof(a));
		a.target_fd = (uint32_t)dirfd;
		a.attach_bpf_fd = (uint32_t)fd;
		a.attach_type = BPF_CGROUP_DEVICE;
		(void)sys_bpf(BPF_PROG_DETACH, &a);
	}
	return 0;
}
