/* SPDX-License-Identifier: Apache-2.0 */
/* Which hierarchies this machine has, and where we stand in them: /proc/self/mountinfo and /proc/self/cgroup.
 */
#include "kernel/cgroup.h"

#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>

#define MOUNTINFO_MAX (4 << 20)

static const struct {
	const char *name;
	enum cgroup_ctl bit;
} ctl_names[] = {
	{ "cpu", CG_CPU },         { "cpuacct", CG_CPUACCT }, { "cpuset", CG_CPUSET },
	{ "memory", CG_MEMORY },   { "devices", CG_DEVICES }, { "freezer", CG_FREEZER },
	{ "blkio", CG_BLKIO },     { "io", CG_BLKIO },        { "pids", CG_PIDS },
	{ "hugetlb", CG_HUGETLB }, { "net_cls", CG_NET_CLS }, { "net_prio", CG_NET_PRIO },
	{ "perf_event", CG_PERF }, { "rdma", CG_RDMA },       { "misc", CG_MISC },
};

const char *cgroup_ctl_name(enum cgroup_ctl c)
{
	for (size_t i = 0; i < ARRAY_LEN(ctl_names); i++)
		if (ctl_names[i].bit == c)
			return ctl_names[i].name;
	return c == CG_V2 ? "unified" : "name";
}

/* Bits of a list such as "cpu,cpuacct" or "cpuset cpu io"; words that are no controller are passed over. */
static unsigned ctl_bits(struct sv list, char sep)
{
	unsigned bits = 0;
	struct sv word;

	while (list.n) {
		(void)sv_cut(list, sep, &word, &list);
		for (size_t i = 0; i < ARRAY_LEN(ctl_names); i++)
			if (sv_eqs(word, ctl_names[i].name))
				bits |= ctl_names[i].bit;
		if (sv_starts(word, SV("name=")))
			bits |= CG_NAMED;
	}
	return bits;
}

static struct sv named_part(struct sv list)
{
	struct sv word;

	while (list.n) {
		(void)sv_cut(list, ',', &word, &list);
		if (sv_starts(word, SV("name=")))
			return word;
	}
	return SV("");
}

/* Escapes of mountinfo: \040 and friends. False if it does not fit. */
static bool unescape(struct sv s, char *out, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		uint64_t v;

		if (c == '\\' && i + 3 < s.n && parse_octal(sv_sub(s, i + 1, i + 4), 255, &v) == 0) {
			c = (char)v;
			i += 3;
		}
		if (n + 1 >= room)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

/* One line of mountinfo, if it is a cgroup mount we can use. */
static void add_mount(struct cgroup_layout *l, struct sv line)
{
	struct sv f[6], rest = line, word, fstype, super;

	for (size_t i = 0; i < ARRAY_LEN(f); i++)
		if (!sv_cut(rest, ' ', &f[i], &rest))
			return;
	do {
		if (!sv_cut(rest, ' ', &word, &rest))
			return;
	} while (!sv_eqs(word, "-"));
	if (!sv_cut(rest, ' ', &fstype, &rest) || !sv_cut(rest, ' ', &word, &super))
		return;
	bool v2 = sv_eqs(fstype, "cgroup2");
	if (!v2 && !sv_eqs(fstype, "cgroup"))
		return;
	if (l->n == CGROUP_MAX_HIER)
		return;

	struct cgroup_hier *h = &l->h[l->n];
	*h = (struct cgroup_hier){ .v2 = v2 };
	h->ctls = v2 ? (unsigned)CG_V2 : ctl_bits(super, ',');
	if (!h->ctls)
		return;
	for (unsigned i = 0; i < l->n;
	     i++) /* the first mount of a hierarchy counts: later ones are bind mounts */
		if (l->h[i].ctls & h->ctls && l->h[i].v2 == v2 && !(h->ctls & CG_NAMED))
			return;
	/* The mount's root may be a group (inside a container): paths in /proc/self/cgroup then start with
	 * it. */
	if (!unescape(f[4], h->mount, sizeof(h->mount)) || !unescape(f[3], h->self, sizeof(h->self)))
		return;
	if (!v2 && h->ctls & CG_NAMED) {
		struct sv name = named_part(super);

		if (name.n >= sizeof(h->name))
			return;
		memcpy(h->name, name.p, name.n);
		h->name[name.n] = '\0';
		for (unsigned i = 0; i < l->n; i++)
			if (str_eq(l->h[i].name, h->name))
				return;
	}
	l->n++;
}

/* "4:memory:/path": our own group, made relative to the mount's root. */
static void add_self(struct cgroup_layout *l, struct sv line)
{
	struct sv id, list, path;

	if (!sv_cut(line, ':', &id, &line) || !sv_cut(line, ':', &list, &path))
		return;
	for (unsigned i = 0; i < l->n; i++) {
		struct cgroup_hier *h = &l->h[i];
		bool mine = list.n == 0  ? h->v2
			    : h->name[0] ? sv_eqs(list, h->name)
					 : !h->v2 && (ctl_bits(list, ',') & h->ctls) != 0;
		if (!mine)
			continue;
		if (list.n < sizeof(h->name) && !h->name[0]) {
			memcpy(h->name, list.p, list.n);
			h->name[list.n] = '\0';
		}
		struct sv root = sv_of(h->self), rel = path;

		if (root.n > 1 && sv_starts(rel, root))
			rel = sv_sub(rel, root.n, rel.n);
		if (rel.n == 0)
			rel = SV("/");
		if (rel.n >= sizeof(h->self))
			rel = SV("/");
		memmove(h->self, rel.p, rel.n);
		h->self[rel.n] = '\0';
	}
}

static bool has_file(const struct cgroup_hier *h, const char *rel)
{
	char path[2300];

	if (!h || snprintf(path, sizeof(path), "%s%s", h->mount, rel) >= (int)sizeof(path))
		return false;
	return access(path, F_OK) == 0;
}

const struct cgroup_hier *cgroup_hier_of(const struct cgroup_layout *l, enum cgroup_ctl c)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->h[i].ctls & (unsigned)c)
			return &l->h[i];
	return NULL;
}

static void find_v2_controllers(struct cgroup_layout *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		struct cgroup_hier *h = &l->h[i];
		char path[200], buf[512];

		if (!h->v2)
			continue;
		(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", h->mount);
		if (fs_read_small_at(AT_FDCWD, path, buf, sizeof(buf)) < 0)
			continue;
		l->v2_ctls = ctl_bits(sv_of(buf), ' ');
		h->ctls |= l->v2_ctls;
		if (l->v2_ctls & CG_CPU)
			h->ctls |= CG_CPUACCT;
	}
}

int cgroup_detect(struct cgroup_layout *out)
{
	cleanup_free char *mounts = NULL, *self = NULL;
	struct cgroup_layout *l = out;
	size_t n = 0;
	bool v1 = false, v2 = false;
	struct sv line, rest;

	memset(l, 0, sizeof(*l));
	int r = fs_read_file_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &mounts, &n);
	if (r < 0)
		return r;
	rest = sv_n(mounts, n);
	while (rest.n) {
		(void)sv_cut(rest, '\n', &line, &rest);
		add_mount(l, line);
	}
	r = fs_read_file_at(AT_FDCWD, "/proc/self/cgroup", 1 << 20, &self, &n);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	rest = sv_n(self, n);
	while (rest.n) {
		(void)sv_cut(rest, '\n', &line, &rest);
		add_self(l, line);
	}
	find_v2_controllers(l);
	for (unsigned i = 0; i < l->n; i++) {
		l->ctls |= l->h[i].ctls;
		v2 = v2 || l->h[i].v2;
		v1 = v1 || (!l->h[i].v2 && l->h[i].ctls & ~(unsigned)CG_NAMED);
	}
	l->mode = v1 && v2 ? CGROUP_HYBRID : v1 ? CGROUP_V1 : v2 ? CGROUP_V2 : CGROUP_NONE;

	const struct cgroup_hier *mem = cgroup_hier_of(l, CG_MEMORY), *cpu = cgroup_hier_of(l, CG_CPU);
	const struct cgroup_hier *uni = cgroup_hier_of(l, CG_V2);
	/* The root group has no limit files on v2: there the kernel's own switch tells (swap accounting is
	 * always on since 5.8 with v2), and our own group where it is not the root. */
	l->has_swap = mem && (mem->v2 ? true : has_file(mem, "/memory.memsw.limit_in_bytes"));
	l->has_cpu_rt = cpu && !cpu->v2 && has_file(cpu, "/cpu.rt_runtime_us");
	l->has_cpu_burst = cpu != NULL;
	l->has_cpu_idle = cpu != NULL;
	l->has_kill = uni != NULL; /* 5.14; the executor falls back when the file is not there */
	return 0;
}
