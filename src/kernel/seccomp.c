/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler. A program is written from its end to its beginning, because classic BPF jumps forward only and
 * a target has to be known before the jump is written. Jumps reach 255 instructions; a return that is farther
 * away is written again (it costs no more than the jump that would reach it), anything else gets a long jump.
 */
#include "kernel/seccomp-internal.h"

#include "base/mem.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>

#define X32_BIT  0x40000000u
#define NEAR_MAX 240 /* leaves room for two long jumps written between */

/* --- emission --- */

struct prog {
	struct sock_filter *v; /* v[0] is the last instruction */
	size_t n, cap;
};

struct target {
	bool is_ret;
	uint32_t action;
	size_t at; /* index in v, when !is_ret */
};

static size_t put(struct prog *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	GROW(p->v, p->n, p->cap);
	p->v[p->n] = (struct sock_filter){ .code = code, .jt = jt, .jf = jf, .k = k };
	return p->n++;
}

static struct target ret_target(uint32_t action)
{
	return (struct target){ .is_ret = true, .action = action };
}

static struct target at(size_t i)
{
	return (struct target){ .at = i };
}

/* Index of an instruction near enough for a short jump that leads to t. */
static size_t reach(struct prog *p, struct target t)
{
	size_t from = p->n > NEAR_MAX ? p->n - NEAR_MAX : 0;

	if (t.is_ret) {
		for (size_t i = p->n; i-- > from;)
			if (p->v[i].code == (BPF_RET | BPF_K) && p->v[i].k == t.action)
				return i;
		return put(p, BPF_RET | BPF_K, t.action, 0, 0);
	}
	if (t.at >= from)
		return t.at;
	return put(p, BPF_JMP | BPF_JA, (uint32_t)(p->n - t.at - 1), 0, 0);
}

static struct target jump(struct prog *p, uint16_t op, uint32_t k, struct target yes, struct target no)
{
	size_t y = reach(p, yes), n = reach(p, no);
	uint8_t jt = (uint8_t)(p->n - y - 1), jf = (uint8_t)(p->n - n - 1);

	return at(put(p, (uint16_t)(BPF_JMP | BPF_K | op), k, jt, jf));
}

/* What was written last must be fallen into; only used right after a jump or another load. */
static struct target load(struct prog *p, uint32_t offset)
{
	return at(put(p, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0));
}

static uint32_t arg_offset(unsigned index, bool high)
{
	uint32_t o = (uint32_t)offsetof(struct seccomp_data, args) + index * 8;
	bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	return o + (high == little ? 4 : 0);
}

/* One condition; `narrow`: the architecture has 32-bit arguments. */
static struct target cond(struct prog *p, const struct seccomp_arg *a, bool narrow, struct target yes,
			  struct target no)
{
	bool wide = !narrow && !a->low32;
	uint32_t lo = (uint32_t)a->value, hi = (uint32_t)(a->value >> 32);
	uint16_t order = 0;
	bool invert = false;

	switch (a->cmp) {
	case SECCOMP_CMP_MASKED_EQ: {
		uint32_t lo2 = (uint32_t)a->value_two & lo, hi2 = (uint32_t)(a->value_two >> 32) & hi;
		jump(p, BPF_JEQ, lo2, yes, no);
		put(p, BPF_ALU | BPF_AND | BPF_K, lo, 0, 0);
		struct target low = load(p, arg_offset(a->index, false));
		if (!wide || hi == 0)
			return low;
		jump(p, BPF_JEQ, hi2, low, no);
		put(p, BPF_ALU | BPF_AND | BPF_K, hi, 0, 0);
		return load(p, arg_offset(a->index, true));
	}
	case SECCOMP_CMP_NE: invert = true; __attribute__((fallthrough));
	case SECCOMP_CMP_EQ: {
		struct target y = invert ? no : yes, n = invert ? yes : no;
		jump(p, BPF_JEQ, lo, y, n);
		struct target low = load(p, arg_offset(a->index, false));
		if (!wide)
			return low;
		jump(p, BPF_JEQ, hi, low, n);
		return load(p, arg_offset(a->index, true));
	}
	case SECCOMP_CMP_LT:
		order = BPF_JGE;
		invert = true;
		break;
	case SECCOMP_CMP_LE:
		order = BPF_JGT;
		invert = true;
		break;
	case SECCOMP_CMP_GE: order = BPF_JGE; break;
	case SECCOMP_CMP_GT: order = BPF_JGT; break;
	}
	struct target y = invert ? no : yes, n = invert ? yes : no;
	jump(p, order, lo, y, n);
	struct target low = load(p, arg_offset(a->index, false));
	if (!wide)
		return low;
	struct target equal = jump(p, BPF_JEQ, hi, low, n);
	jump(p, BPF_JGT, hi, y, equal);
	return load(p, arg_offset(a->index, true));
}

/* --- from rules to outcomes --- */

/* What happens with a call: an action, or alternatives tried in order before the default action. */
struct outcome {
	bool plain;
	uint32_t action;
	size_t first, n; /* in groups' alts */
	bool narrow;
	bool written;
	struct target where;
};

struct alt {
	const struct seccomp_rule *rule;
	bool has_mux; /* args[0] is replaced by `arg 0 == mux` */
	uint32_t mux;
};

struct use { /* one rule naming one number */
	uint32_t nr;
	uint32_t order;
	struct alt alt;
	bool narrow;
};

struct range {
	uint32_t lo;
	size_t outcome;
};

struct group { /* everything under one AUDIT_ARCH */
	const struct seccomp_profile *p;
	struct use *uses;
	size_t n_uses, cap_uses;
	struct alt *alts;
	size_t n_alts, cap_alts;
	struct outcome *outcomes;
	size_t n_outcomes, cap_outcomes;
	struct range *ranges;
	size_t n_ranges, cap_ranges;
};

static void group_release(struct group *g)
{
	free(g->uses);
	free(g->alts);
	free(g->outcomes);
	free(g->ranges);
}

static int use_cmp(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	if (x->nr != y->nr)
		return x->nr < y->nr ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static size_t outcome_plain(struct group *g, uint32_t action)
{
	for (size_t i = 0; i < g->n_outcomes; i++)
		if (g->outcomes[i].plain && g->outcomes[i].action == action)
			return i;
	GROW(g->outcomes, g->n_outcomes, g->cap_outcomes);
	g->outcomes[g->n_outcomes] = (struct outcome){ .plain = true, .action = action };
	return g->n_outcomes++;
}

static bool alt_eq(const struct alt *a, const struct alt *b)
{
	return a->rule == b->rule && a->has_mux == b->has_mux && a->mux == b->mux;
}

/* The outcome of one number, from its uses in rule order. */
static size_t outcome_of(struct group *g, const struct use *u, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!u[i].alt.rule->n_args && !u[i].alt.has_mux)
			return outcome_plain(g, u[i].alt.rule->action);
	for (size_t i = 0; i < g->n_outcomes; i++) {
		const struct outcome *o = &g->outcomes[i];
		if (o->plain || o->n != n || o->narrow != u->narrow)
			continue;
		size_t k = 0;
		while (k < n && alt_eq(&g->alts[o->first + k], &u[k].alt))
			k++;
		if (k == n)
			return i;
	}
	GROW(g->outcomes, g->n_outcomes, g->cap_outcomes);
	g->outcomes[g->n_outcomes] = (struct outcome){ .first = g->n_alts, .n = n, .narrow = u->narrow };
	for (size_t i = 0; i < n; i++) {
		GROW(g->alts, g->n_alts, g->cap_alts);
		g->alts[g->n_alts++] = u[i].alt;
	}
	return g->n_outcomes++;
}

static void range_add(struct group *g, uint32_t lo, size_t outcome)
{
	if (g->n_ranges && g->ranges[g->n_ranges - 1].lo == lo)
		g->n_ranges--;
	if (g->n_ranges && g->ranges[g->n_ranges - 1].outcome == outcome)
		return;
	GROW(g->ranges, g->n_ranges, g->cap_ranges);
	g->ranges[g->n_ranges++] = (struct range){ lo, outcome };
}

static void use_add(struct group *g, uint32_t nr, uint32_t order, struct alt alt, bool narrow)
{
	GROW(g->uses, g->n_uses, g->cap_uses);
	g->uses[g->n_uses++] = (struct use){ nr, order, alt, narrow };
}

/* Collects who names what on one architecture; *max becomes the highest number named, or stays -1. */
static void collect(struct group *g, enum seccomp_arch a, int64_t *max)
{
	const struct seccomp_profile *p = g->p;
	bool narrow = a == SECCOMP_ARCH_X86 || a == SECCOMP_ARCH_X32;

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct seccomp_rule *r = &p->rules[i];
		for (size_t k = 0; k < r->n_names; k++) {
			const struct seccomp_call *c = seccomp_call_find(r->names[k]);
			uint32_t which = 0;
			int nr = c ? c->nr[a - 1] : -1;
			int way_in = a == SECCOMP_ARCH_X86 ? seccomp_x86_mux(r->names[k], &which) : -1;
			int64_t top = MAX(nr, way_in);
			*max = MAX(*max, top);
			if (r->action == p->default_action)
				continue;
			if (nr >= 0)
				use_add(g, (uint32_t)nr, (uint32_t)i, (struct alt){ .rule = r }, narrow);
			if (way_in >= 0)
				use_add(g, (uint32_t)way_in, (uint32_t)i,
					(struct alt){ .rule = r, .has_mux = true, .mux = which }, narrow);
		}
	}
}

static bool default_lets_through(uint32_t action)
{
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_TRACE: return true;
	default: return false;
	}
}

#define ENOSYS_ACTION ((uint32_t)SECCOMP_RET_ERRNO | ENOSYS)

/* Numbers [base, end] that belong to one architecture. */
static void add_span(struct group *g, uint32_t base, uint32_t end, int64_t max)
{
	const struct seccomp_profile *p = g->p;
	size_t dflt = outcome_plain(g, p->default_action);
	bool enosys = p->new_calls_enosys && max >= 0 && !default_lets_through(p->default_action) &&
		      p->default_action != ENOSYS_ACTION;

	range_add(g, base, dflt);
	for (size_t i = 0; i < g->n_uses;) {
		size_t n = 1;
		uint32_t nr = g->uses[i].nr;
		while (i + n < g->n_uses && g->uses[i + n].nr == nr)
			n++;
		if (nr >= base && nr <= end) {
			range_add(g, nr, outcome_of(g, &g->uses[i], n));
			range_add(g, nr + 1, dflt);
		}
		i += n;
	}
	if (enosys)
		range_add(g, (uint32_t)max + 1, outcome_plain(g, ENOSYS_ACTION));
}

static bool repeats_arg(const struct seccomp_rule *r)
{
	unsigned seen = 0;

	for (size_t i = 0; i < r->n_args; i++) {
		if (seen & 1u << r->args[i].index)
			return true;
		seen |= 1u << r->args[i].index;
	}
	return false;
}

static void write_outcome(struct prog *p, struct group *g, struct outcome *o)
{
	struct target next = ret_target(g->p->default_action);

	for (size_t i = o->n; i-- > 0;) {
		const struct alt *al = &g->alts[o->first + i];
		const struct seccomp_rule *r = al->rule;
		struct target yes = ret_target(r->action);
		bool any = !g->p->repeated_arg_is_and && repeats_arg(r);
		struct target otherwise = next, found = yes;
		for (size_t k = r->n_args; k-- > 0;) {
			if (al->has_mux && r->args[k].index == 0)
				continue;
			if (any)
				yes = otherwise = cond(p, &r->args[k], o->narrow, found, otherwise);
			else
				yes = cond(p, &r->args[k], o->narrow, yes, next);
		}
		if (al->has_mux)
			yes = cond(p, &(struct seccomp_arg){ .cmp = SECCOMP_CMP_EQ, .value = al->mux }, true,
				   yes, next);
		next = yes;
	}
	o->where = next;
	o->written = true;
}

/* Binary search over ranges [from, to). */
static struct target write_search(struct prog *p, const struct group *g, size_t from, size_t to)
{
	if (to - from == 1) {
		const struct outcome *o = &g->outcomes[g->ranges[from].outcome];
		return o->plain ? ret_target(o->action) : o->where;
	}
	size_t mid = from + (to - from) / 2;
	struct target right = write_search(p, g, mid, to), left = write_search(p, g, from, mid);
	return jump(p, BPF_JGE, g->ranges[mid].lo, right, left);
}

static struct target write_group(struct prog *p, struct group *g)
{
	for (size_t i = 0; i < g->n_outcomes; i++)
		if (!g->outcomes[i].plain)
			write_outcome(p, g, &g->outcomes[i]);
	struct target t = write_search(p, g, 0, g->n_ranges);
	/* A load falls into what follows: it must be the search's first jump, or be made to lead there. */
	if (t.is_ret)
		return t;
	if (t.at != p->n - 1)
		put(p, BPF_JMP | BPF_JA, (uint32_t)(p->n - t.at - 1), 0, 0);
	return load(p, offsetof(struct seccomp_data, nr));
}

static const uint32_t audit_arches[] = {
	AUDIT_ARCH_X86_64,
	AUDIT_ARCH_I386,
	AUDIT_ARCH_AARCH64,
};

static void fill_group(struct group *g, uint32_t audit, const bool has[SECCOMP_N_ARCHES])
{
	int64_t max = -1, max_x32 = -1;

	switch (audit) {
	case AUDIT_ARCH_X86_64:
		if (has[SECCOMP_ARCH_X86_64])
			collect(g, SECCOMP_ARCH_X86_64, &max);
		if (has[SECCOMP_ARCH_X32])
			collect(g, SECCOMP_ARCH_X32, &max_x32);
		break;
	case AUDIT_ARCH_I386: collect(g, SECCOMP_ARCH_X86, &max); break;
	default: collect(g, SECCOMP_ARCH_AARCH64, &max); break;
	}
	if (g->n_uses)
		qsort(g->uses, g->n_uses, sizeof(*g->uses), use_cmp);
	if (audit != AUDIT_ARCH_X86_64) {
		add_span(g, 0, UINT32_MAX - 1, max);
		return;
	}
	if (has[SECCOMP_ARCH_X86_64])
		add_span(g, 0, X32_BIT - 1, max);
	else
		range_add(g, 0, outcome_plain(g, SECCOMP_RET_KILL_THREAD));
	if (has[SECCOMP_ARCH_X32]) {
		add_span(g, X32_BIT, UINT32_MAX - 1, max_x32);
	} else {
		range_add(g, X32_BIT, outcome_plain(g, SECCOMP_RET_KILL_THREAD));
		/* -1 is what a tracer writes to skip a call: no call of another architecture. */
		range_add(g, UINT32_MAX, outcome_plain(g, g->p->default_action));
	}
}

static int check(const struct seccomp_profile *p, bool *has_notify, struct err **e)
{
	size_t names = 0, args = 0;

	if (p->n_rules > SECCOMP_MAX_RULES)
		return err_set(e, ERR_INVALID, "seccomp: too many rules");
	*has_notify = p->default_action == SECCOMP_RET_USER_NOTIF;
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct seccomp_rule *r = &p->rules[i];
		names += r->n_names;
		args += r->n_args;
		if (names > SECCOMP_MAX_NAMES || args > SECCOMP_MAX_ARGS || r->n_args > 64)
			return err_set(e, ERR_INVALID, "seccomp: profile too large");
		for (size_t k = 0; k < r->n_args; k++)
			if (r->args[k].index > 5)
				return err_set(e, ERR_INVALID, "seccomp: invalid syscall argument index %u",
					       r->args[k].index);
		if (r->action == SECCOMP_RET_USER_NOTIF)
			*has_notify = true;
	}
	return 0;
}

int seccomp_compile(const struct seccomp_profile *p, struct seccomp_filter *out, struct err **e)
{
	bool has[SECCOMP_N_ARCHES] = { false }, notify;
	struct prog pr = { 0 };

	if (check(p, &notify, e) < 0)
		return -1;
	for (size_t i = 0; i < p->n_arches; i++)
		has[p->arches[i]] = true;
	if (!p->n_arches)
		has[seccomp_arch_native()] = true;
	const bool wanted[] = { has[SECCOMP_ARCH_X86_64] || has[SECCOMP_ARCH_X32], has[SECCOMP_ARCH_X86],
				has[SECCOMP_ARCH_AARCH64] };
	struct target first[ARRAY_LEN(audit_arches)];
	for (size_t i = ARRAY_LEN(audit_arches); i-- > 0;) {
		if (!wanted[i])
			continue;
		struct group g = { .p = p };
		fill_group(&g, audit_arches[i], has);
		first[i] = write_group(&pr, &g);
		group_release(&g);
	}
	struct target next = ret_target(SECCOMP_RET_KILL_THREAD);
	bool any = false;
	for (size_t i = ARRAY_LEN(audit_arches); i-- > 0;) {
		if (wanted[i]) {
			next = jump(&pr, BPF_JEQ, audit_arches[i], first[i], next);
			any = true;
		}
	}
	if (any)
		load(&pr, offsetof(struct seccomp_data, arch));
	else
		put(&pr, BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD, 0, 0);
	if (pr.n > BPF_MAXINSNS) {
		free(pr.v);
		return err_set(e, ERR_INVALID,
			       "seccomp: the filter has %zu instructions, the kernel takes %d", pr.n,
			       BPF_MAXINSNS);
	}
	for (size_t i = 0; i < pr.n / 2; i++) {
		struct sock_filter t = pr.v[i];
		pr.v[i] = pr.v[pr.n - 1 - i];
		pr.v[pr.n - 1 - i] = t;
	}
	*out = (struct seccomp_filter){ .insns = pr.v, .n = pr.n, .flags = p->flags, .has_notify = notify };
	return 0;
}

void seccomp_filter_release(struct seccomp_filter *f)
{
	free(f->insns);
	*f = (struct seccomp_filter){ 0 };
}
