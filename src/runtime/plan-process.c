/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan-internal.h"

#include "base/fs.h"
#include "base/mem.h"
#include "kernel/caps.h"
#include "kernel/seccomp.h"
#include "model/oci.gen.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <sys/resource.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define PASSWD_MAX   (1u << 20)
#define MAX_GROUPS   65536

/* --- words to numbers --- */

struct word {
	const char *name;
	uint64_t v;
};

static const struct word rlimits[] = {
	{ "RLIMIT_CPU", 0 },       { "RLIMIT_FSIZE", 1 },  { "RLIMIT_DATA", 2 },
	{ "RLIMIT_STACK", 3 },     { "RLIMIT_CORE", 4 },   { "RLIMIT_RSS", 5 },
	{ "RLIMIT_NPROC", 6 },     { "RLIMIT_NOFILE", 7 }, { "RLIMIT_MEMLOCK", 8 },
	{ "RLIMIT_AS", 9 },        { "RLIMIT_LOCKS", 10 }, { "RLIMIT_SIGPENDING", 11 },
	{ "RLIMIT_MSGQUEUE", 12 }, { "RLIMIT_NICE", 13 },  { "RLIMIT_RTPRIO", 14 },
	{ "RLIMIT_RTTIME", 15 },
};
static const struct word policies[] = {
	{ "SCHED_OTHER", 0 }, { "SCHED_FIFO", 1 }, { "SCHED_RR", 2 },       { "SCHED_BATCH", 3 },
	{ "SCHED_ISO", 4 },   { "SCHED_IDLE", 5 }, { "SCHED_DEADLINE", 6 },
};
static const struct word sched_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", 0x01 },  { "SCHED_FLAG_RECLAIM", 0x02 },
	{ "SCHED_FLAG_DL_OVERRUN", 0x04 },     { "SCHED_FLAG_KEEP_POLICY", 0x08 },
	{ "SCHED_FLAG_KEEP_PARAMS", 0x10 },    { "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 },
};
static const struct word ioprios[] = { { "IOPRIO_CLASS_RT", 1 },
				       { "IOPRIO_CLASS_BE", 2 },
				       { "IOPRIO_CLASS_IDLE", 3 } };
static const struct word mempolicies[] = {
	{ "MPOL_DEFAULT", 0 },
	{ "MPOL_PREFERRED", 1 },
	{ "MPOL_BIND", 2 },
	{ "MPOL_INTERLEAVE", 3 },
	{ "MPOL_LOCAL", 4 },
	{ "MPOL_PREFERRED_MANY", 5 },
	{ "MPOL_WEIGHTED_INTERLEAVE", 6 },
};
static const struct word mempolicy_flags[] = {
	{ "MPOL_F_NUMA_BALANCING", 1 << 13 },
	{ "MPOL_F_RELATIVE_NODES", 1 << 14 },
	{ "MPOL_F_STATIC_NODES", 1 << 15 },
};

#define FIND(table, name, out) find(table, ARRAY_LEN(table), name, out)
static bool find(const struct word *t, size_t n, const char *name, uint64_t *out)
{
	for (size_t i = 0; name && i < n; i++)
		if (strcmp(t[i].name, name) == 0) {
			*out = t[i].v;
			return true;
		}
	return false;
}

/* "0-3,7" as a mask. */
static int cpu_list(const char *text, uint8_t mask[PLAN_CPU_BYTES])
{
	struct sv rest = sv_of(text), one, lo, hi;

	memset(mask, 0, PLAN_CPU_BYTES);
	while (rest.n) {
		uint32_t a, b = 0;

		(void)sv_cut(rest, ',', &one, &rest);
		one = sv_trim(one);
		bool range = sv_cut(one, '-', &lo, &hi);
		if (parse_u32(lo, PLAN_CPU_BYTES * 8 - 1, &a) < 0 ||
		    (range && parse_u32(hi, PLAN_CPU_BYTES * 8 - 1, &b) < 0))
			return -EINVAL;
		if (!range)
			b = a;
		if (b < a)
			return -EINVAL;
		for (; a <= b; a++)
			mask[a / 8] |= (uint8_t)(1u << a % 8);
	}
	return 0;
}

/* --- pieces --- */

static uint64_t cap_set(const struct model_str_list *l)
{
	uint64_t set = 0;

	/* A name we do not know is a warning in the specification, not an error. */
	model_for_each(c, l)
	{
		int n = caps_number(*c ? *c : "");

		if (n >= 0)
			set |= CAPS_BIT(n);
	}
	return set;
}

static void build_caps(struct plan_builder *pb, const struct oci_capabilities *c)
{
	uint64_t known = caps_supported();

	if (!c)
		return;
	pb->h.flags |= PLAN_HAS_CAPS;
	pb->h.bounding = cap_set(&c->bounding) & known;
	pb->h.permitted = cap_set(&c->permitted) & known;
	pb->h.effective = cap_set(&c->effective) & pb->h.permitted;
	pb->h.inheritable = cap_set(&c->inheritable) & known;
	pb->h.ambient = cap_set(&c->ambient) & pb->h.permitted & pb->h.inheritable;
}

static int build_rlimits(struct plan_builder *pb, const struct oci_process *p, struct err **e)
{
	struct plan_rlimit *r = arena_alloc(pb->arena, p->rlimits.n * sizeof(*r) + 1);

	for (size_t i = 0; i < p->rlimits.n; i++) {
		const struct oci_rlimit *x = &p->rlimits.v[i];
		uint64_t res;

		if (!FIND(rlimits, x->type, &res))
			return err_set(e, ERR_INVALID, "invalid rlimit type: \"%s\"", x->type ? x->type : "");
		if (x->soft > x->hard)
			return err_set(e, ERR_INVALID,
				       "rlimit %s: soft limit %llu is above the hard limit %llu", x->type,
				       (unsigned long long)x->soft, (unsigned long long)x->hard);
		for (size_t k = 0; k < i; k++)
			if (r[k].resource == res)
				return err_set(e, ERR_INVALID, "rlimit %s is given twice", x->type);
		r[i] = (struct plan_rlimit){ .resource = (uint32_t)res, .soft = x->soft, .hard = x->hard };
	}
	pb->h.rlimits = plan_put_list(pb, r, p->rlimits.n, sizeof(*r));
	return 0;
}

/* The kernel's own bounds of one period: 100 us to 4 s; 1024 ns is its shortest runtime. */
static int check_deadline(const struct oci_scheduler *s, struct err **e)
{
#define DL "sched_setattr: `SCHED_DEADLINE` "
	const uint64_t period = s->period ? s->period : s->deadline;

	if (!s->runtime)
		return err_set(e, ERR_INVALID, DL "requires `runtime`: " DL "runtime must be greater than 0");
	if (!s->deadline)
		return err_set(e, ERR_INVALID, DL "requires `deadline`");
	if (s->runtime < 1024 || s->runtime >= UINT64_C(1) << 63)
		return err_set(e, ERR_INVALID, DL "runtime %llu must be between 1024 and 2^63",
			       (unsigned long long)s->runtime);
	if (s->runtime > s->deadline)
		return err_set(e, ERR_INVALID, DL "runtime %llu must be <= deadline %llu",
			       (unsigned long long)s->runtime, (unsigned long long)s->deadline);
	if (s->deadline > period)
		return err_set(e, ERR_INVALID, DL "deadline %llu must be <= period %llu",
			       (unsigned long long)s->deadline, (unsigned long long)period);
#undef DL
	return 0;
}

static int build_sched(struct plan_builder *pb, const struct oci_process *p, struct err **e)
{
	const struct oci_scheduler *s = p->scheduler;
	uint64_t v;

	if (s) {
		struct plan_sched a = { .size = sizeof(a),
					.nice = s->nice,
					.runtime = s->runtime,
					.deadline = s->deadline,
					.period = s->period };

		if (!FIND(policies, s->policy, &v))
			return err_set(e, ERR_INVALID, "invalid scheduler policy: \"%s\"",
				       s->policy ? s->policy : "");
		a.policy = (uint32_t)v;
		if (s->nice < -20 || s->nice > 19)
			return err_set(e, ERR_INVALID, "invalid scheduler.nice: '%d'", s->nice);
		if (s->priority && a.policy != SCHED_FIFO && a.policy != SCHED_RR)
			return err_set(
				e, ERR_INVALID,
				"scheduler.priority can only be specified for SchedFIFO or SchedRR policy");
		if (s->priority < 0 || s->priority > 99)
			return err_set(e, ERR_INVALID, "invalid scheduler.priority: '%d'", s->priority);
		if (a.policy != 6 && (s->runtime || s->deadline || s->period))
			return err_set(e, ERR_INVALID,
				       "scheduler runtime/deadline/period can only be specified for "
				       "SchedDeadline policy");
		if (a.policy == 6 && check_deadline(s, e) < 0)
			return -1;
		a.priority = (uint32_t)s->priority;
		model_for_each(f, &s->flags)
		{
			if (!FIND(sched_flags, *f, &v))
				return err_set(e, ERR_INVALID, "invalid scheduler flag: \"%s\"", *f);
			a.flags |= v;
		}
		pb->h.sched = a;
		pb->h.flags |= PLAN_HAS_SCHED;
	}
	if (p->io_priority) {
		if (!FIND(ioprios, p->io_priority->class, &v))
			return err_set(e, ERR_INVALID, "invalid ioPriority.Class: \"%s\"",
				       p->io_priority->class ? p->io_priority->class : "");
		if (p->io_priority->priority < 0 || p->io_priority->priority > 7)
			return err_set(e, ERR_INVALID, "invalid ioPriority.Priority: %lld",
				       (long long)p->io_priority->priority);
		pb->h.ioprio = (uint32_t)(v << 13 | (uint64_t)p->io_priority->priority);
		pb->h.flags |= PLAN_HAS_IOPRIO;
	}
	return 0;
}

static int build_affinity(struct plan_builder *pb, const struct oci_cpu_affinity *a, struct err **e)
{
	uint8_t mask[PLAN_CPU_BYTES];

	if (!a)
		return 0;
	if (!str_empty(a->initial)) {
		if (cpu_list(a->initial, mask) < 0)
			return err_set(e, ERR_INVALID, "bad CPU affinity '%s'", a->initial);
		pb->h.cpu_initial = plan_put_bytes(pb, mask, sizeof(mask));
	}
	if (!str_empty(a->final)) {
		if (cpu_list(a->final, mask) < 0)
			return err_set(e, ERR_INVALID, "bad CPU affinity '%s'", a->final);
		pb->h.cpu_final = plan_put_bytes(pb, mask, sizeof(mask));
	}
	return 0;
}

static int build_linux(struct plan_builder *pb, const struct oci_linux *l, struct err **e)
{
	uint8_t mask[PLAN_CPU_BYTES];
	uint64_t v;

	if (l->personality) {
		const char *d = l->personality->domain;

		if (str_eq(d, "LINUX"))
			pb->h.personality = 0;
		else if (str_eq(d, "LINUX32"))
			pb->h.personality = 8;
		else
			return err_set(e, ERR_INVALID, "invalid personality domain '%s'", d ? d : "");
		if (l->personality->flags.n)
			return err_set(e, ERR_INVALID, "personality flags are not supported");
		pb->h.flags |= PLAN_HAS_PERSONALITY;
	}
	if (l->memory_policy) {
		if (!FIND(mempolicies, l->memory_policy->mode, &v))
			return err_set(e, ERR_INVALID, "invalid memory policy mode '%s'",
				       l->memory_policy->mode ? l->memory_policy->mode : "");
		pb->h.mempolicy_mode = (uint32_t)v;
		model_for_each(f, &l->memory_policy->flags)
		{
			if (!FIND(mempolicy_flags, *f, &v))
				return err_set(e, ERR_INVALID, "invalid memory policy flag '%s'", *f);
			pb->h.mempolicy_mode |= (uint32_t)v;
		}
		if (!str_empty(l->memory_policy->nodes)) {
			if (cpu_list(l->memory_policy->nodes, mask) < 0)
				return err_set(e, ERR_INVALID, "invalid memory policy nodes '%s'",
					       l->memory_policy->nodes);
			pb->h.mempolicy_nodes = plan_put_bytes(pb, mask, sizeof(mask));
		}
		pb->h.flags |= PLAN_HAS_MEMPOLICY;
	}
	return 0;
}

char *plan_home_of(int rootfs_dirfd, uint32_t uid)
{
	cleanup_free char *text = NULL;
	cleanup_close int fd = fs_open_in(rootfs_dirfd, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct sv rest, line, f, tail;
	struct stat st;
	size_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || fs_read_fd(fd, PASSWD_MAX, &text, &n) < 0)
		return NULL;
	rest = sv_n(text, n);
	while (rest.n) {
		struct sv v[7] = { 0 };
		uint32_t u;
		int k = 0;

		(void)sv_cut(rest, '\n', &line, &rest);
		for (tail = line; k < 7; k++) {
			bool more = sv_cut(tail, ':', &f, &tail);

			v[k] = f;
			if (!more)
				break;
		}
		if (v[0].n && v[0].p[0] != '#' && parse_u32(v[2], UINT32_MAX, &u) == 0 && u == uid &&
		    v[5].n && !memchr(v[5].p, 0, v[5].n))
			return sv_dup(v[5]);
	}
	return NULL;
}

/* Env with HOME, and where argv[0] may be. */
static int build_argv(struct plan_builder *pb, const struct oci_process *p, int rootfs_dirfd, struct err **e)
{
	const char **env = arena_alloc(pb->arena, (p->env.n + 2) * sizeof(*env));
	const char *path = DEFAULT_PATH;
	bool home = false;
	size_t n = 0;

	model_for_each(x, &p->env)
	{
		if (str_empty(*x))
			continue;
		if (str_starts(*x, "HOME=") && (*x)[5])
			home = true;
		if (str_starts(*x, "PATH="))
			path = *x + 5;
		/* The last of one name counts, in the place of the first. */
		const char *eq = strchr(*x, '=');
		size_t i = 0, len = eq ? (size_t)(eq - *x) + 1 : strlen(*x) + 1;

		while (i < n && strncmp(env[i], *x, len) != 0)
			i++;
		env[i] = *x;
		if (i == n)
			n++;
	}
	if (!home && rootfs_dirfd >= 0) {
		cleanup_free char *h = plan_home_of(rootfs_dirfd, p->user.uid);
		const char *set = arena_printf(pb->arena, "HOME=%s", h ? h : "/");
		size_t i;

		for (i = 0; i < n && !str_starts(env[i], "HOME="); i++)
			;
		env[i] = set;
		if (i == n)
			n++;
	}
	pb->h.envp = plan_put_vec(pb, env, n);
	if (!p->args.n || str_empty(p->args.v[0]))
		return err_set(e, ERR_INVALID, "args must not be empty");
	pb->h.argv = plan_put_vec(pb, (const char *const *)p->args.v, p->args.n);
	if (strchr(p->args.v[0], '/')) {
		pb->h.lookup = plan_put_vec(pb, (const char *const *)p->args.v, 1);
		return 0;
	}
	const char **try = arena_alloc(pb->arena, (strlen(path) + 2) * sizeof(*try));
	size_t n_try = 0;
	for (const char *s = path;; s++) {
		const char *end = strchrnul(s, ':');

		if (end == s)
			try[n_try++] = arena_printf(pb->arena, "./%s", p->args.v[0]);
		else
			try[n_try++] = arena_printf(pb->arena, "%.*s/%s", (int)(end - s), s, p->args.v[0]);
		s = end;
		if (!*s)
			break;
	}
	pb->h.lookup = plan_put_vec(pb, try, n_try);
	pb->h.flags |= PLAN_SEARCH;
	return 0;
}

int plan_build_process(struct plan_builder *pb, const struct oci_process *p, int rootfs_dirfd, bool is_exec,
		       struct err **e)
{
	if (str_empty(p->cwd) || p->cwd[0] != '/')
		return err_set(e, ERR_INVALID, "Cwd must be an absolute path");
	pb->h.cwd = plan_put_str(pb, p->cwd);
	if (!is_exec)
		pb->h.flags |= PLAN_MKDIR_CWD;
	pb->h.uid = p->user.uid;
	pb->h.gid = p->user.gid;
	if (p->user.additional_gids.n > MAX_GROUPS)
		return err_set(e, ERR_INVALID, "too many additional groups: %zu", p->user.additional_gids.n);
	pb->h.groups =
		plan_put_list(pb, p->user.additional_gids.v, p->user.additional_gids.n, sizeof(uint32_t));
	if (p->user.has_umask) {
		pb->h.umask = p->user.umask & 0777;
		pb->h.flags |= PLAN_HAS_UMASK;
	}
	if (p->terminal) {
		pb->h.flags |= PLAN_TTY;
		if (p->console_size) {
			pb->h.rows = MIN(p->console_size->height, 0xffffu);
			pb->h.cols = MIN(p->console_size->width, 0xffffu);
		}
	}
	if (p->no_new_privileges)
		pb->h.flags |= PLAN_NO_NEW_PRIVS;
	if (p->has_oom_score_adj) {
		if (p->oom_score_adj < -1000 || p->oom_score_adj > 1000)
			return err_set(e, ERR_INVALID, "oomScoreAdj %lld is not between -1000 and 1000",
				       (long long)p->oom_score_adj);
		pb->h.oom_score_adj = (int32_t)p->oom_score_adj;
		pb->h.flags |= PLAN_HAS_OOM;
	}
	/* Labels of a module that this kernel does not run mean nothing. */
	if (!str_empty(p->apparmor_profile) && faccessat(AT_FDCWD, "/sys/module/apparmor", F_OK, 0) == 0)
		pb->h.apparmor = plan_put_str(pb, arena_printf(pb->arena, "exec %s", p->apparmor_profile));
	if (!str_empty(p->selinux_label) && faccessat(AT_FDCWD, "/sys/fs/selinux/enforce", F_OK, 0) == 0)
		pb->h.selinux = plan_put_str(pb, p->selinux_label);
	build_caps(pb, p->capabilities);
	if (build_rlimits(pb, p, e) < 0 || build_sched(pb, p, e) < 0 ||
	    build_argv(pb, p, rootfs_dirfd, e) < 0)
		return -1;
	if (is_exec)
		return build_affinity(pb, p->exec_cpu_affinity, e);
	return build_linux(pb, pb->in->spec->linux, e);
}

/* --- seccomp --- */

static int compile_profile(struct arena *a, const struct oci_seccomp *s, struct seccomp_filter *f,
			   struct err **e)
{
	struct seccomp_profile p = { 0 };
	enum seccomp_arch *arches = arena_alloc(a, s->architectures.n * sizeof(*arches) + 1);
	struct seccomp_rule *rules = arena_alloc(a, s->syscalls.n * sizeof(*rules) + 1);

	if (seccomp_action_parse(s->default_action ? s->default_action : "",
				 s->has_default_errno_ret ? &s->default_errno_ret : NULL,
				 &p.default_action) < 0)
		return err_set(e, ERR_INVALID, "invalid seccomp action '%s'",
			       s->default_action ? s->default_action : "");
	if (str_eq(s->default_action, "SCMP_ACT_NOTIFY"))
		return err_set(e, ERR_INVALID, "SCMP_ACT_NOTIFY cannot be used as default action");
	model_for_each(w, &s->architectures) if (seccomp_arch_parse(*w, &arches[p.n_arches++]) <
						 0) return err_set(e, ERR_INVALID,
								   "invalid seccomp architecture '%s'", *w);
	model_for_each(w, &s->flags)
	{
		unsigned bit;

		if (seccomp_flag_parse(*w, &bit) < 0)
			return err_set(e, ERR_INVALID, "seccomp flag \"%s\" not known to runtime", *w);
		p.flags |= bit;
	}
	for (size_t i = 0; i < s->syscalls.n; i++) {
		const struct oci_seccomp_syscall *x = &s->syscalls.v[i];
		struct seccomp_rule *r = &rules[p.n_rules++];
		struct seccomp_arg *args = arena_alloc(a, x->args.n * sizeof(*args) + 1);

		if (seccomp_action_parse(x->action ? x->action : "", x->has_errno_ret ? &x->errno_ret : NULL,
					 &r->action) < 0)
			return err_set(e, ERR_INVALID, "invalid seccomp action '%s'",
				       x->action ? x->action : "");
		if (!x->names.n)
			return err_set(e, ERR_INVALID, "seccomp rule without a system call name");
		r->names = (const char *const *)x->names.v;
		r->n_names = x->names.n;
		for (size_t k = 0; k < x->args.n; k++) {
			const struct oci_seccomp_arg *in = &x->args.v[k];

			args[k].index = in->index;
			args[k].value = in->value;
			args[k].value_two = in->value_two;
			if (in->index > 5 || seccomp_cmp_parse(in->op ? in->op : "", &args[k].cmp) < 0)
				return err_set(e, ERR_INVALID, "invalid seccomp argument of '%s'",
					       x->names.v[0]);
		}
		r->args = args;
		r->n_args = x->args.n;
		if (str_eq(x->action, "SCMP_ACT_NOTIFY")) {
			if (str_empty(s->listener_path))
				return err_set(e, ERR_INVALID, "SCMP_ACT_NOTIFY needs listenerPath");
			if (model_strs_has(&x->names, "write"))
				return err_set(e, ERR_INVALID,
					       "SCMP_ACT_NOTIFY cannot be used for the write syscall");
		}
	}
	p.arches = arches;
	p.rules = rules;
	p.new_calls_enosys = true;
	return seccomp_compile(&p, f, e);
}

/* What goes to the listener with the descriptor: head PID middle STATE tail. */
static void build_listener(struct plan_builder *pb, const struct oci_seccomp *s)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	const char *version = pb->in ? pb->in->spec->oci_version : "1.2.0";

	pb->h.listener_path = plan_put_str(pb, s->listener_path);
	jw_obj(&w);
	jw_kstr(&w, "ociVersion", version);
	jw_karr(&w, "fds");
	jw_str(&w, "seccompFd");
	jw_end(&w);
	sb_add(&b, ",\"pid\":");
	pb->h.listener_head = plan_put_str(pb, sb_str(&b));
	sb_reset(&b);
	if (!str_empty(s->listener_metadata)) {
		sb_add(&b, ",\"metadata\":");
		json_quote(&b, sv_of(s->listener_metadata));
	}
	sb_add(&b, ",\"state\":");
	pb->h.listener_middle = plan_put_str(pb, sb_str(&b));
	pb->h.listener_tail = plan_put_str(pb, "}");
}

int plan_build_seccomp(struct plan_builder *pb, const void *bpf, size_t bpf_n, unsigned flags,
		       const struct oci_seccomp *s, struct err **e)
{
	if (bpf && bpf_n) {
		pb->h.bpf = plan_put_list(pb, bpf, bpf_n / sizeof(struct sock_filter),
					  sizeof(struct sock_filter));
		pb->h.seccomp_flags = flags;
		return 0;
	}
	if (!s || str_empty(s->default_action))
		return 0;
	struct seccomp_filter f = { 0 };

	if (compile_profile(pb->arena, s, &f, e) < 0)
		return err_wrap(e, "unable to init seccomp");
	pb->h.bpf = plan_put_list(pb, f.insns, f.n, sizeof(*f.insns));
	pb->h.seccomp_flags = f.flags;
	if (f.has_notify || !str_empty(s->listener_path)) {
		pb->h.flags |= PLAN_SECCOMP_NOTIFY;
		build_listener(pb, s);
	}
	seccomp_filter_release(&f);
	return 0;
}
