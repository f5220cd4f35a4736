/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler against libseccomp: both programs are run by a small interpreter over many (architecture, number,
 * arguments), and must agree. libseccomp is a dependency of this test alone.
 */
#include "../unit.h"

#include "kernel/seccomp-internal.h"

#include "base/mem.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define X32_BIT 0x40000000u

/* --- an interpreter for what seccomp filters may contain --- */

static uint32_t run(const struct sock_filter *f, size_t n, const struct seccomp_data *d, unsigned *steps)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &f[pc];
		if (steps)
			++*steps;
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k % 4 == 0 && i->k < sizeof(*d));
			memcpy(&a, (const char *)d + i->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K: a &= i->k; break;
		case BPF_JMP | BPF_JA: pc += i->k; break;
		case BPF_JMP | BPF_JEQ | BPF_K: pc += a == i->k ? i->jt : i->jf; break;
		case BPF_JMP | BPF_JGT | BPF_K: pc += a > i->k ? i->jt : i->jf; break;
		case BPF_JMP | BPF_JGE | BPF_K: pc += a >= i->k ? i->jt : i->jf; break;
		case BPF_RET | BPF_K: return i->k;
		default: fail_msg("unexpected instruction %#x", i->code);
		}
	}
	fail_msg("ran off the end");
	return 0;
}

/* xorshift: the same sequence in every run. */
static uint64_t rnd_state;
static uint64_t rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state;
}

static const uint32_t tokens[] = { 0, SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32, SCMP_ARCH_AARCH64 };
static const uint32_t audits[] = { 0, AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_X86_64,
				   AUDIT_ARCH_AARCH64 };

static const int lib_cmp[] = { SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE,       SCMP_CMP_EQ,
			       SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ };

/* Our table and libseccomp's agree on the name, for all architectures (it is older than the newest calls). */
static bool known_to_both(const char *name)
{
	for (enum seccomp_arch a = SECCOMP_ARCH_X86_64; a <= SECCOMP_ARCH_AARCH64; a++) {
		int theirs = seccomp_syscall_resolve_name_arch(tokens[a], name);
		if (theirs == __NR_SCMP_ERROR)
			return false;
		uint32_t which;
		if (a == SECCOMP_ARCH_X86 && seccomp_x86_mux(name, &which) >= 0)
			continue;
		if ((theirs < 0 ? -1 : theirs) != seccomp_nr(a, name))
			return false;
	}
	return true;
}

static struct sock_filter *lib_compile(const struct seccomp_profile *p, size_t *n)
{
	scmp_filter_ctx ctx = seccomp_init(p->default_action);
	assert_non_null(ctx);
	bool native = p->n_arches == 0;
	for (size_t i = 0; i < p->n_arches; i++) {
		if (p->arches[i] == seccomp_arch_native())
			native = true;
		else
			assert_int_equal(seccomp_arch_add(ctx, tokens[p->arches[i]]), 0);
	}
	if (!native)
		assert_int_equal(seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE), 0);
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct seccomp_rule *r = &p->rules[i];
		if (r->action == p->default_action)
			continue;
		for (size_t k = 0; k < r->n_names; k++) {
			int nr = seccomp_syscall_resolve_name(r->names[k]);
			if (nr == __NR_SCMP_ERROR)
				continue;
			struct scmp_arg_cmp args[6];
			for (size_t j = 0; j < r->n_args; j++)
				args[j] = (struct scmp_arg_cmp){ r->args[j].index,
								 (enum scmp_compare)lib_cmp[r->args[j].cmp],
								 r->args[j].value, r->args[j].value_two };
			int rc = seccomp_rule_add_array(ctx, r->action, nr, (unsigned)r->n_args, args);
			if (rc != 0 && rc != -EEXIST)
				fail_msg("seccomp_rule_add(%s): %d", r->names[k], rc);
		}
	}
	int fd = memfd_create("bpf", MFD_CLOEXEC);
	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	seccomp_release(ctx);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	struct sock_filter *v = xcalloc(1, (size_t)st.st_size);
	assert_int_equal(pread(fd, v, (size_t)st.st_size, 0), st.st_size);
	close(fd);
	*n = (size_t)st.st_size / sizeof(*v);
	return v;
}

static uint64_t interesting(const struct seccomp_profile *p)
{
	static const uint64_t fixed[] = { 0,          1,           2,           8,          38,
					  39,         40,          41,          0x7fffffff, 0x80000000,
					  0xffffffff, 0x100000000, 0x100000001, UINT64_MAX, 0x7e020000,
					  0x20000,    0x20008,     0x5412,      0x541c };
	uint64_t v = fixed[rnd() % ARRAY_LEN(fixed)];
	if (p->n_rules && rnd() % 2) {
		const struct seccomp_rule *r = &p->rules[rnd() % p->n_rules];
		if (r->n_args) {
			const struct seccomp_arg *a = &r->args[rnd() % r->n_args];
			v = rnd() % 2 ? a->value : a->value_two;
			v += rnd() % 3 - 1;
		}
	}
	if (rnd() % 8 == 0)
		v = rnd();
	return v;
}

static void compare(const struct seccomp_profile *p, bool low_args, unsigned rounds)
{
	struct seccomp_filter ours = { 0 };
	struct err *e = NULL;
	size_t n;

	if (seccomp_compile(p, &ours, &e) < 0)
		fail_msg("%s", err_text(e));
	struct sock_filter *theirs = lib_compile(p, &n);
	for (unsigned i = 0; i < rounds; i++) {
		struct seccomp_data d = { 0 };
		enum seccomp_arch a = (enum seccomp_arch)(rnd() % 5);
		bool is_32 = a == SECCOMP_ARCH_X86 || a == SECCOMP_ARCH_X32;
		d.arch = a ? audits[a] : 0x12345678;
		d.nr = (int)(i % 520);
		if (rnd() % 64 == 0)
			d.nr = (int)(uint32_t)rnd();
		if (rnd() % 128 == 0)
			d.nr = -1;
		if (a == SECCOMP_ARCH_X32)
			d.nr |= (int)X32_BIT;
		for (int k = 0; k < 6; k++) {
			d.args[k] = interesting(p);
			if (low_args || is_32)
				d.args[k] &= 0xffffffff;
		}
		uint32_t x = run(ours.insns, ours.n, &d, NULL), y = run(theirs, n, &d, NULL);
		if (x != y)
			fail_msg("arch %#x nr %#x args %#llx %#llx %#llx: ours %#x, libseccomp's %#x", d.arch,
				 (unsigned)d.nr, (unsigned long long)d.args[0], (unsigned long long)d.args[1],
				 (unsigned long long)d.args[2], x, y);
	}
	seccomp_filter_release(&ours);
	free(theirs);
}

static const uint64_t cap_sets[] = {
	0, 0xa80425fb, UINT64_MAX, 1ULL << CAP_SYS_ADMIN, 1ULL << CAP_SYS_PTRACE, 1ULL << CAP_SYS_TIME
};

/* Names libseccomp has not heard of would be compared with nothing. */
static void known_only(struct seccomp_profile *p, struct seccomp_rule *rules, struct arena *a)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct seccomp_rule *r = &p->rules[i];
		const char **names = arena_alloc(a, (r->n_names + 1) * sizeof(*names));
		size_t n = 0;
		for (size_t k = 0; k < r->n_names; k++)
			if (known_to_both(r->names[k]))
				names[n++] = r->names[k];
		rules[i] = *r;
		rules[i].names = names;
		/* libseccomp takes no two conditions on one argument. */
		bool twice = r->n_args == 2 && r->args[0].index == r->args[1].index;
		rules[i].n_names = twice ? 0 : n;
	}
	p->rules = rules;
}

static void default_profile_agrees(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cap_sets); i++) {
		cleanup_arena struct arena *a = arena_new();
		struct seccomp_default_storage st;
		struct seccomp_profile p;
		struct seccomp_rule rules[ARRAY_LEN(st.rules)];
		rnd_state = 88172645463325252ULL + i;
		seccomp_default_profile(cap_sets[i], &st, &p);
		assert_true(p.n_rules <= ARRAY_LEN(st.rules));
		p.new_calls_enosys = false;
		known_only(&p, rules, a);
		compare(&p, true, 40000);
	}
}

/*
 * A random profile in which a call has one unconditional rule (perhaps beside conditional ones), or one rule with up
 * to three conditions, or alternatives of one equality each on the same argument: libseccomp's tree does not go
 * back to a sibling once the first half of an alternative held, so on others it forgets rules.
 */
static void random_profile(struct arena *a, const char *const *pool, size_t n_pool, bool with_args,
			   struct seccomp_profile *p)
{
	static const uint32_t actions[] = { SECCOMP_RET_ALLOW,      SECCOMP_RET_ERRNO | 1,
					    SECCOMP_RET_ERRNO | 38, SECCOMP_RET_KILL_PROCESS,
					    SECCOMP_RET_TRAP,       SECCOMP_RET_LOG,
					    SECCOMP_RET_TRACE | 7 };
	enum seccomp_arch *arches = arena_alloc(a, 4 * sizeof(*arches));
	size_t n_arches = 0, n_rules = 0;
	struct seccomp_rule *rules = arena_alloc(a, 400 * sizeof(*rules));
	for (enum seccomp_arch i = SECCOMP_ARCH_X86_64; i <= SECCOMP_ARCH_X32; i++)
		if (i == SECCOMP_ARCH_X86_64 ? true : rnd() % 2)
			arches[n_arches++] = i;
	uint32_t dflt = actions[rnd() % ARRAY_LEN(actions)];
	size_t count = 1 + rnd() % 55, from = rnd() % n_pool;
	for (size_t i = 0; i < count; i++) {
		const char **name = arena_alloc(a, sizeof(*name));
		*name = pool[(from + i) % n_pool];
		uint32_t which, act = actions[rnd() % ARRAY_LEN(actions)];
		size_t n_cond = with_args && seccomp_x86_mux(*name, &which) < 0 ? rnd() % 4 : 0;
		bool plain = !n_cond || rnd() % 8 == 0, plain_first = rnd() % 2;
		uint32_t plain_act = act;
		if (plain && plain_first)
			rules[n_rules++] = (struct seccomp_rule){ name, 1, plain_act, NULL, 0 };
		for (size_t k = 0; k < n_cond; k++) {
			size_t n_args = n_cond == 1 ? 1 + rnd() % 3 : 1;
			struct seccomp_arg *args = arena_alloc(a, n_args * sizeof(*args));
			unsigned first = n_cond == 1 ? (unsigned)(rnd() % 3) : 1;
			for (size_t j = 0; j < n_args; j++) {
				uint64_t v = rnd() % 3   ? rnd() % 16
					     : rnd() % 2 ? rnd()
							 : (rnd() % 4) << 32 | rnd() % 4;
				args[j] = (struct seccomp_arg){ .index = first + (unsigned)j,
								.cmp = n_cond == 1
									       ? (enum seccomp_cmp)(rnd() % 7)
									       : SECCOMP_CMP_EQ,
								.value = v,
								.value_two = rnd() % 2 ? rnd() & v : v };
			}
			rules[n_rules++] = (struct seccomp_rule){ name, 1, act, args, n_args };
		}
		if (plain && !plain_first)
			rules[n_rules++] = (struct seccomp_rule){ name, 1, plain_act, NULL, 0 };
	}
	*p = (struct seccomp_profile){ .default_action = dflt,
				       .arches = arches,
				       .n_arches = n_arches,
				       .rules = rules,
				       .n_rules = n_rules };
}

static void random_profiles_agree(void **state)
{
	static const char *const all[] = { "read",         "write",         "open",   "close",   "stat",
					   "fstat",        "poll",          "lseek",  "mmap",    "mprotect",
					   "ioctl",        "pread64",       "dup",    "pause",   "alarm",
					   "getpid",       "sendfile",      "socket", "connect", "accept4",
					   "sendto",       "bind",          "listen", "clone",   "fork",
					   "execve",       "exit",          "kill",   "uname",   "semget",
					   "shmget",       "fcntl",         "flock",  "fsync",   "truncate",
					   "chdir",        "rename",        "mkdir",  "ptrace",  "getuid",
					   "syslog",       "personality",   "prctl",  "mount",   "umount2",
					   "swapon",       "reboot",        "gettid", "futex",   "openat",
					   "unshare",      "setns",         "bpf",    "seccomp", "getrandom",
					   "memfd_create", "statx",         "clone3", "openat2", "pidfd_open",
					   "arch_prctl",   "close_range",   "tkill",  "tgkill",  "utimensat",
					   "epoll_wait",   "inotify_init1", "keyctl", "iopl",    "vhangup" };
	const char *pool[ARRAY_LEN(all)];
	size_t n = 0;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (known_to_both(all[i]))
			pool[n++] = all[i];
	assert_true(n > ARRAY_LEN(all) - 6);
	for (unsigned i = 0; i < 300; i++) {
		cleanup_arena struct arena *a = arena_new();
		struct seccomp_profile p;
		rnd_state = 0x9e3779b97f4a7c15ULL * (i + 1);
		random_profile(a, pool, n, i % 2, &p);
		compare(&p, false, 4000);
	}
}

static uint32_t result(const struct seccomp_filter *f, uint32_t arch, uint32_t nr, uint64_t a0, uint64_t a1)
{
	struct seccomp_data d = { .arch = arch, .nr = (int)nr, .args = { a0, a1 } };
	return run(f->insns, f->n, &d, NULL);
}

static void default_profile_decides(void **state)
{
	struct seccomp_default_storage st;
	struct seccomp_profile p;
	struct seccomp_filter f;
	const uint32_t eperm = (uint32_t)SECCOMP_RET_ERRNO | EPERM,
		       enosys = (uint32_t)SECCOMP_RET_ERRNO | ENOSYS, allow = SECCOMP_RET_ALLOW,
		       x86_64 = AUDIT_ARCH_X86_64;
	(void)state;
	if (seccomp_arch_native() != SECCOMP_ARCH_X86_64)
		skip();
	seccomp_default_profile(0xa80425fb, &st, &p);
	assert_int_equal(seccomp_compile(&p, &f, NULL), 0);
	assert_int_equal(result(&f, x86_64, 0, 0, 0), allow);
	assert_int_equal(result(&f, x86_64, 165, 0, 0), eperm);  /* mount */
	assert_int_equal(result(&f, x86_64, 435, 0, 0), enosys); /* clone3 */
	assert_int_equal(result(&f, x86_64, 425, 0, 0), eperm);  /* io_uring_setup */
	assert_int_equal(result(&f, x86_64, 56, 0x1200011, 0), allow);
	assert_int_equal(result(&f, x86_64, 56, 0x10000000, 0), eperm); /* CLONE_NEWUSER */
	assert_int_equal(result(&f, x86_64, 462, 0, 0), allow);         /* mseal */
	assert_int_equal(result(&f, x86_64, 600, 0, 0), enosys);
	assert_int_equal(result(&f, x86_64, 100000, 0, 0), enosys);
	assert_int_equal(result(&f, x86_64, 41, 2, 0), allow);
	assert_int_equal(result(&f, x86_64, 41, 40, 0), eperm);
	/* The kernel cuts an int: what is above must not help. */
	assert_int_equal(result(&f, x86_64, 41, 0x100000028, 0), eperm);
	assert_int_equal(result(&f, x86_64, 16, 0, 0x5401), allow);
	assert_int_equal(result(&f, x86_64, 16, 0, 0x5412), eperm);
	assert_int_equal(result(&f, x86_64, 16, 0, 0xdead00005412), eperm);
	assert_int_equal(result(&f, x86_64, 16, 0, 0x5413), allow);
	assert_int_equal(result(&f, x86_64, 16, 0, 0x541c), eperm);
	assert_int_equal(result(&f, x86_64, X32_BIT | 0, 0, 0), allow);
	assert_int_equal(result(&f, x86_64, X32_BIT | 165, 0, 0), eperm);
	assert_int_equal(result(&f, AUDIT_ARCH_I386, 102, 1, 0), allow);
	assert_int_equal(result(&f, AUDIT_ARCH_AARCH64, 63, 0, 0), SECCOMP_RET_KILL_THREAD);
	unsigned steps = 0;
	struct seccomp_data d = { .arch = AUDIT_ARCH_X86_64, .nr = 257 };
	run(f.insns, f.n, &d, &steps);
	assert_true(steps <= 14);
	assert_true(f.n < 600);
	seccomp_filter_release(&f);
}

static void one_argument_twice(void **state)
{
	static const char *const names[] = { "personality" };
	static const struct seccomp_arg args[] = { { .cmp = SECCOMP_CMP_GE, .value = 5 },
						   { .cmp = SECCOMP_CMP_LE, .value = 7 },
						   { .index = 1, .cmp = SECCOMP_CMP_EQ, .value = 9 } };
	struct seccomp_rule r = { names, 1, SECCOMP_RET_LOG, args, 2 };
	enum seccomp_arch arch = SECCOMP_ARCH_X86_64;
	struct seccomp_profile p = { .default_action = SECCOMP_RET_ALLOW,
				     .arches = &arch,
				     .n_arches = 1,
				     .rules = &r,
				     .n_rules = 1,
				     .repeated_arg_is_and = true };
	struct seccomp_filter f;
	(void)state;
	assert_int_equal(seccomp_compile(&p, &f, NULL), 0);
	assert_int_equal(result(&f, AUDIT_ARCH_X86_64, 135, 4, 9), SECCOMP_RET_ALLOW);
	assert_int_equal(result(&f, AUDIT_ARCH_X86_64, 135, 6, 9), SECCOMP_RET_LOG);
	assert_int_equal(result(&f, AUDIT_ARCH_X86_64, 135, 8, 9), SECCOMP_RET_ALLOW);
	seccomp_filter_release(&f);
	p.repeated_arg_is_and = false;
	static const struct seccomp_arg either[] = { { .cmp = SECCOMP_CMP_EQ, .value = 5 },
						     { .cmp = SECCOMP_CMP_EQ, .value = 7 } };
	r.args = either;
	assert_int_equal(seccomp_compile(&p, &f, NULL), 0);
	assert_int_equal(result(&f, AUDIT_ARCH_X86_64, 135, 5, 0), SECCOMP_RET_LOG);
	assert_int_equal(result(&f, AUDIT_ARCH_X86_64, 135, 6, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(result(&f, AUDIT_ARCH_X86_64, 135, 7, 0), SECCOMP_RET_LOG);
	seccomp_filter_release(&f);
}

static void newest_calls(void **state)
{
	static const char *const names[] = { "read", "openat2" };
	struct seccomp_rule r = { names, 2, SECCOMP_RET_ALLOW, NULL, 0 };
	enum seccomp_arch arch = SECCOMP_ARCH_X86_64;
	struct seccomp_profile p = { .default_action = (uint32_t)SECCOMP_RET_ERRNO | EPERM,
				     .arches = &arch,
				     .n_arches = 1,
				     .rules = &r,
				     .n_rules = 1,
				     .new_calls_enosys = true };
	struct seccomp_filter f;
	(void)state;
	assert_int_equal(seccomp_compile(&p, &f, NULL), 0);
	assert_int_equal(result(&f, AUDIT_ARCH_X86_64, 436, 0, 0), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(result(&f, AUDIT_ARCH_X86_64, 437, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(result(&f, AUDIT_ARCH_X86_64, 438, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(result(&f, AUDIT_ARCH_X86_64, X32_BIT, 0, 0), SECCOMP_RET_KILL_THREAD);
	seccomp_filter_release(&f);
	p.default_action = SECCOMP_RET_LOG;
	assert_int_equal(seccomp_compile(&p, &f, NULL), 0);
	assert_int_equal(result(&f, AUDIT_ARCH_X86_64, 438, 0, 0), SECCOMP_RET_LOG);
	seccomp_filter_release(&f);
}

/* Long programs: every call its own errno, so that returns are far from the jumps that lead to them. */
static void far_targets(void **state)
{
	static const char *const *const none = NULL;
	cleanup_arena struct arena *a = arena_new();
	struct seccomp_rule *rules = arena_alloc(a, 400 * sizeof(*rules));
	size_t n = 0;
	(void)state;
	(void)none;
	struct seccomp_default_storage st;
	struct seccomp_profile dflt, p = { .default_action = SECCOMP_RET_ALLOW };
	seccomp_default_profile(0, &st, &dflt);
	struct seccomp_arg *arg = arena_alloc(a, 2 * sizeof(*arg));
	arg[0] = (struct seccomp_arg){ .index = 2, .cmp = SECCOMP_CMP_GE, .value = 0x100000005 };
	for (size_t i = 0; i < dflt.rules[0].n_names && n < 380; i++) {
		const char *const *name = &dflt.rules[0].names[i];
		uint32_t which;
		if (known_to_both(*name) && seccomp_nr(SECCOMP_ARCH_X86_64, *name) >= 0 &&
		    seccomp_x86_mux(*name, &which) < 0) {
			rules[n] = (struct seccomp_rule){ name, 1,
							  (uint32_t)SECCOMP_RET_ERRNO | (uint32_t)(n + 100),
							  arg, n % 3 == 0 };
			n++;
		}
	}
	p.rules = rules;
	p.n_rules = n;
	rnd_state = 4711;
	compare(&p, false, 50000);
}

static void refusals(void **state)
{
	static const char *const names[] = { "read" };
	struct seccomp_arg arg = { .index = 6 };
	struct seccomp_rule r = { names, 1, SECCOMP_RET_ALLOW, &arg, 1 };
	struct seccomp_profile p = { .default_action = SECCOMP_RET_KILL_PROCESS, .rules = &r, .n_rules = 1 };
	struct seccomp_filter f;
	struct err *e = NULL;
	uint32_t act, ret = 70000;
	enum seccomp_arch arch;
	(void)state;
	assert_int_equal(seccomp_compile(&p, &f, &e), -1);
	assert_int_equal(err_class(e), ERR_INVALID);
	err_free(e);
	assert_int_equal(seccomp_action_parse("SCMP_ACT_ERRNO", &ret, &act), -EINVAL);
	assert_int_equal(seccomp_action_parse("SCMP_ACT_ERRNO", NULL, &act), 0);
	assert_int_equal(act, SECCOMP_RET_ERRNO | EPERM);
	ret = 2;
	assert_int_equal(seccomp_action_parse("SCMP_ACT_ALLOW", &ret, &act), -EINVAL);
	assert_int_equal(seccomp_action_parse("ALLOW", NULL, &act), -EINVAL);
	assert_int_equal(seccomp_arch_parse("SCMP_ARCH_S390X", &arch), 0);
	assert_int_equal(arch, SECCOMP_ARCH_FOREIGN);
	assert_int_equal(seccomp_arch_parse("SCMP_ARCH_VAX", &arch), -EINVAL);
	/* Only foreign architectures named: nothing is let through. */
	p = (struct seccomp_profile){ .default_action = SECCOMP_RET_ALLOW,
				      .arches = &(enum seccomp_arch){ SECCOMP_ARCH_FOREIGN },
				      .n_arches = 1 };
	assert_int_equal(seccomp_compile(&p, &f, NULL), 0);
	assert_int_equal(result(&f, AUDIT_ARCH_X86_64, 0, 0, 0), SECCOMP_RET_KILL_THREAD);
	seccomp_filter_release(&f);
}

static void conditions(void **state)
{
	static const char *const admin[] = { "CAP_SYS_ADMIN" };
	struct seccomp_cond c = { .caps = admin, .n_caps = 1 };
	bool holds;
	(void)state;
	assert_int_equal(seccomp_cond_includes(&c, 0, &holds), 0);
	assert_false(holds);
	assert_int_equal(seccomp_cond_includes(&c, 1ULL << CAP_SYS_ADMIN, &holds), 0);
	assert_true(holds);
	assert_int_equal(seccomp_cond_excludes(&c, 1ULL << CAP_SYS_ADMIN, &holds), 0);
	assert_true(holds);
	assert_int_equal(seccomp_cond_excludes(&c, 0, &holds), 0);
	assert_false(holds);
	c = (struct seccomp_cond){ .min_kernel = "4.8" };
	assert_int_equal(seccomp_cond_includes(&c, 0, &holds), 0);
	assert_true(holds);
	c.min_kernel = "99.0";
	assert_int_equal(seccomp_cond_includes(&c, 0, &holds), 0);
	assert_false(holds);
	c.min_kernel = "four";
	assert_int_equal(seccomp_cond_includes(&c, 0, &holds), -EINVAL);
}

static void cache_shares(void **state)
{
	struct seccomp_cache *c = seccomp_cache_new();
	struct seccomp_default_storage st;
	struct seccomp_profile p;
	struct seccomp_filter spill = { 0 };
	const struct seccomp_filter *one, *two, *three;
	(void)state;
	seccomp_default_profile(0, &st, &p);
	assert_int_equal(seccomp_cache_compile(c, &p, &spill, &one, NULL), 0);
	assert_int_equal(seccomp_cache_compile(c, &p, &spill, &two, NULL), 0);
	seccomp_default_profile(1ULL << CAP_SYS_ADMIN, &st, &p);
	assert_int_equal(seccomp_cache_compile(c, &p, &spill, &three, NULL), 0);
	assert_ptr_equal(one, two);
	assert_ptr_not_equal(one, three);
	for (uint64_t i = 0; i < 100; i++) {
		seccomp_filter_release(&spill);
		p.default_action = (uint32_t)SECCOMP_RET_ERRNO | (uint32_t)(i + 2);
		assert_int_equal(seccomp_cache_compile(c, &p, &spill, &three, NULL), 0);
		assert_true(three->n > 10);
	}
	assert_ptr_equal(three, &spill);
	seccomp_filter_release(&spill);
	seccomp_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_profile_agrees),
		cmocka_unit_test(random_profiles_agree),
		cmocka_unit_test(default_profile_decides),
		cmocka_unit_test(one_argument_twice),
		cmocka_unit_test(newest_calls),
		cmocka_unit_test(far_targets),
		cmocka_unit_test(refusals),
		cmocka_unit_test(conditions),
		cmocka_unit_test(cache_shares),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
