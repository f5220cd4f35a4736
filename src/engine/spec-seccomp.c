/* SPDX-License-Identifier: Apache-2.0 */
/* --security-opt, and the filter that follows from it: Docker's default, one of the client's, or none. */
#include "engine/spec.h"

#include "base/fs.h"
#include "kernel/seccomp.h"

#include <errno.h>

#define PROFILE_MAX ((size_t)1 << 20)

static bool opt_bool(const char *v, bool *out)
{
	if (!*v) {
		*out = true;
		return true;
	}
	return parse_bool(sv_of(v), out) == 0;
}

int security_opts_parse(const struct model_str_list *l, struct security_opts *out, struct err **e)
{
	*out = (struct security_opts){ 0 };
	model_for_each(it, l)
	{
		const char *o = *it;
		if (!strcmp(o, "no-new-privileges")) {
			out->has_nnp = out->no_new_privileges = true;
			continue;
		}
		if (!strcmp(o, "disable"))
			continue;
		size_t n = strcspn(o, "=:");
		const char *v = o[n] ? o + n + 1 : "";
		struct sv key = sv_n(o, n);
		if (!o[n])
			return err_set(e, ERR_INVALID, "invalid --security-opt 1: \"%s\"", o);
		if (sv_eqs(key, "seccomp")) {
			out->seccomp = v;
		} else if (sv_eqs(key, "apparmor")) {
			out->apparmor = v;
		} else if (sv_eqs(key, "no-new-privileges")) {
			out->has_nnp = true;
			if (!opt_bool(v, &out->no_new_privileges))
				return err_set(e, ERR_INVALID, "invalid --security-opt 2: \"%s\"", o);
		} else if (sv_eqs(key, "systempaths")) {
			if (strcmp(v, "unconfined") != 0)
				return err_set(e, ERR_INVALID, "invalid --security-opt 2: \"%s\"", o);
			out->systempaths_unconfined = true;
		} else if (sv_eqs(key, "writable-cgroups")) {
			if (!opt_bool(v, &out->writable_cgroups))
				return err_set(e, ERR_INVALID, "invalid --security-opt 2: \"%s\"", o);
		} else if (sv_eqs(key, "label")) {
			/* No SELinux here: labels have nothing to act on, as with Docker on such a host. */
		} else {
			return err_set(e, ERR_INVALID, "invalid --security-opt 2: \"%s\"", o);
		}
	}
	return 0;
}

static int rule_of(const struct oci_seccomp_rule *r, uint64_t caps, struct arena *a, struct seccomp_rule *out,
		   bool *holds, struct err **e)
{
	const struct oci_seccomp_filter *f[2] = { r->includes, r->excludes };
	*holds = true;
	for (int i = 0; i < 2; i++) {
		if (!f[i])
			continue;
		struct seccomp_cond c = { .caps = f[i]->caps.v,
					  .n_caps = f[i]->caps.n,
					  .arches = f[i]->arches.v,
					  .n_arches = f[i]->arches.n,
					  .min_kernel =
						  str_empty(f[i]->min_kernel) ? NULL : f[i]->min_kernel };
		bool yes;
		int n = i ? seccomp_cond_excludes(&c, caps, &yes) : seccomp_cond_includes(&c, caps, &yes);
		if (n < 0)
			return err_set(e, ERR_INVALID, "invalid kernel version in seccomp profile: %s",
				       f[i]->min_kernel);
		if (i ? yes : !yes)
			*holds = false;
	}
	if (!*holds)
		return 0;
	if (!str_empty(r->name) && r->names.n)
		return err_set(e, ERR_INVALID,
			       "'name' and 'names' were specified in the seccomp profile, use either 'name' "
			       "or 'names'");
	if (!str_empty(r->name)) {
		const char **one = arena_alloc(a, sizeof(char *));
		one[0] = r->name;
		out->names = one;
		out->n_names = 1;
	} else {
		out->names = r->names.v;
		out->n_names = r->names.n;
	}
	if (seccomp_action_parse(r->action ? r->action : "", r->has_errno_ret ? &r->errno_ret : NULL,
				 &out->action) < 0)
		return err_set(e, ERR_INVALID, "invalid seccomp action: %s", r->action ? r->action : "");
	struct seccomp_arg *args = arena_alloc(a, sizeof(*args) * (r->args.n + 1));
	for (size_t i = 0; i < r->args.n; i++) {
		const struct oci_seccomp_arg *g = &r->args.v[i];
		args[i] = (struct seccomp_arg){ .index = g->index,
						.value = g->value,
						.value_two = g->value_two };
		if (seccomp_cmp_parse(g->op ? g->op : "", &args[i].cmp) < 0)
			return err_set(e, ERR_INVALID, "invalid seccomp operator: %s", g->op ? g->op : "");
	}
	out->args = args;
	out->n_args = r->args.n;
	return 0;
}

static int arches_of(const struct oci_seccomp_profile *p, struct arena *a, struct seccomp_profile *out,
		     struct err **e)
{
	size_t n = p->architectures.n + p->arch_map.n * 8 + 8, k = 0;
	enum seccomp_arch *v = arena_alloc(a, sizeof(*v) * n), one;
	if (p->architectures.n && p->arch_map.n)
		return err_set(
			e, ERR_INVALID,
			"both 'architectures' and 'archMap' are specified in the seccomp profile, use either "
			"'architectures' or 'archMap'");
	model_for_each(it, &p->architectures)
	{
		if (seccomp_arch_parse(*it, &one) < 0)
			return err_set(e, ERR_INVALID, "invalid architecture in seccomp profile: %s", *it);
		if (one != SECCOMP_ARCH_FOREIGN)
			v[k++] = one;
	}
	model_for_each(it, &p->arch_map)
	{
		if (seccomp_arch_parse(it->architecture ? it->architecture : "", &one) < 0)
			return err_set(e, ERR_INVALID, "invalid architecture in seccomp profile: %s",
				       it->architecture);
		if (one != seccomp_arch_native())
			continue;
		v[k++] = one;
		for (size_t i = 0; i < it->sub_architectures.n && k + 1 < n; i++) {
			if (seccomp_arch_parse(it->sub_architectures.v[i], &one) < 0)
				return err_set(e, ERR_INVALID, "invalid architecture in seccomp profile: %s",
					       it->sub_architectures.v[i]);
			if (one != SECCOMP_ARCH_FOREIGN)
				v[k++] = one;
		}
	}
	out->arches = v;
	out->n_arches = k;
	return 0;
}

static int custom_profile(const char *text, uint64_t caps, struct arena *a, struct seccomp_profile *out,
			  struct err **e)
{
	struct oci_seccomp_profile *p;
	*out = (struct seccomp_profile){ 0 };
	if (strlen(text) > PROFILE_MAX)
		return err_set(e, ERR_INVALID, "seccomp profile is too large");
	if (oci_seccomp_profile_parse(a, sv_of(text), &p, e) < 0)
		return err_wrap(e, "Decoding seccomp profile failed");
	if (!str_empty(p->listener_path))
		return err_set(e, ERR_NOT_IMPLEMENTED, "seccomp listenerPath is not supported by the engine");
	if (seccomp_action_parse(p->default_action ? p->default_action : "",
				 p->has_default_errno_ret ? &p->default_errno_ret : NULL,
				 &out->default_action) < 0)
		return err_set(e, ERR_INVALID, "invalid seccomp action: %s",
			       p->default_action ? p->default_action : "");
	if (arches_of(p, a, out, e) < 0)
		return -1;
	struct seccomp_rule *rules = arena_alloc(a, sizeof(*rules) * (p->syscalls.n + 1));
	for (size_t i = 0; i < p->syscalls.n; i++) {
		bool holds;
		if (rule_of(&p->syscalls.v[i], caps, a, &rules[out->n_rules], &holds, e) < 0)
			return -1;
		out->n_rules += holds;
	}
	out->rules = rules;
	model_for_each(it, &p->flags)
	{
		unsigned bit;
		if (seccomp_flag_parse(*it, &bit) < 0)
			return err_set(e, ERR_INVALID, "invalid seccomp flag: %s", *it);
		out->flags |= bit;
	}
	out->new_calls_enosys = true;
	return 0;
}

int seccomp_for(struct engine *en, const struct container_spec *s, uint64_t caps, struct arena *a,
		const void **bpf, size_t *n, unsigned *flags, struct seccomp_filter **spill, struct err **e)
{
	struct security_opts so;
	struct seccomp_profile p;
	struct seccomp_default_storage st;
	const struct seccomp_filter *f;
	const char *want = NULL;
	cleanup_free char *file = NULL;

	*bpf = NULL;
	*n = 0;
	*flags = 0;
	if (security_opts_parse(&s->host->security_opt, &so, e) < 0)
		return -1;
	want = so.seccomp;
	if (!want && !s->host->privileged && !str_empty(cfg(en)->seccomp_profile)) {
		want = cfg(en)->seccomp_profile;
		if (strcmp(want, "unconfined") != 0 && strcmp(want, "builtin") != 0) {
			int r = fs_read_file_at(AT_FDCWD, want, PROFILE_MAX, &file, NULL);
			if (r < 0)
				return err_sys(e, -r, "opening seccomp profile (%s) failed", want);
			want = file;
		}
	}
	if ((s->host->privileged && !so.seccomp) || str_eq(want, "unconfined"))
		return 0;
	if (!want || !strcmp(want, "builtin"))
		seccomp_default_profile(caps, &st, &p);
	else if (custom_profile(want, caps, a, &p, e) < 0)
		return -1;
	struct seccomp_filter own = { 0 };
	if (seccomp_cache_compile(en->seccomp, &p, &own, &f, e) < 0)
		return -1;
	if (f->has_notify) {
		seccomp_filter_release(&own);
		return err_set(e, ERR_NOT_IMPLEMENTED,
			       "seccomp action SCMP_ACT_NOTIFY is not supported by the engine");
	}
	if (own.insns) {
		*spill = NEW(struct seccomp_filter);
		**spill = own;
		f = *spill;
	}
	*bpf = f->insns;
	*n = f->n * sizeof(*f->insns);
	*flags = f->flags;
	return 0;
}

int spec_seccomp(struct spec_build *b, const struct security_opts *so, struct err **e)
{
	if (!str_empty(so->apparmor) && strcmp(so->apparmor, "unconfined") != 0)
		b->process.apparmor_profile = so->apparmor;
	return seccomp_for(b->c->en, b->s, b->caps, b->a, &b->bpf, &b->bpf_n, &b->bpf_flags, &b->spill, e);
}
