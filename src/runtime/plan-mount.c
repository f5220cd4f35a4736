/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan-internal.h"

#include "base/mem.h"
#include "kernel/cgroup.h"
#include "kernel/mount.h"
#include "kernel/ns.h"
#include "model/oci.gen.h"

#include <errno.h>
#include <sys/stat.h>

/* Files below /proc that may be covered by a bind mount (LXCFS and the like); anything else there is refused. */
static const char *const proc_allowed[] = {
	"/proc/cpuinfo",
	"/proc/diskstats",
	"/proc/meminfo",
	"/proc/stat",
	"/proc/swaps",
	"/proc/uptime",
	"/proc/loadavg",
	"/proc/slabinfo",
	"/proc/net/dev",
	"/proc/sys/kernel/ns_last_pid",
	"/proc/sys/crypto/fips_enabled",
	"/proc/sys/xen",
};

static struct plan_mount *add(struct plan_builder *pb)
{
	GROW(pb->mounts, pb->n_mounts, pb->cap_mounts);
	struct plan_mount *m = &pb->mounts[pb->n_mounts++];
	*m = (struct plan_mount){ .fd = PLAN_NO_FD, .note_fd = -1 };
	return m;
}

/* Lexical: "/a//b/./c/.." is "/a/b". Symlinks are the launcher's concern. */
static char *clean(struct arena *a, const char *path)
{
	char *out = arena_alloc(a, strlen(path) + 2), *w = out;
	struct sv rest = sv_of(path), name;

	while (rest.n) {
		(void)sv_cut(rest, '/', &name, &rest);
		if (name.n == 0 || sv_eqs(name, "."))
			continue;
		if (sv_eqs(name, "..")) {
			while (w > out && *--w != '/')
				;
			*w = '\0';
			continue;
		}
		*w++ = '/';
		memcpy(w, name.p, name.n);
		w += name.n;
		*w = '\0';
	}
	if (w == out)
		*w++ = '/';
	*w = '\0';
	return out;
}

/* What the options of one mount come to. */
struct opts {
	bool bind, rbind, remount, copyup, idmap, idmap_rec;
	unsigned set, clear, set_rec, clear_rec;
	unsigned n_props, prop[PLAN_MAX_PROPS], prop_rec;
	struct plan_kv *kv;
	size_t n_kv;
	bool has_mode;
	bool rw; /* asked for in so many words */
};

static void merge(unsigned *set, unsigned *clear, const struct mnt_option *o)
{
	/* A later option wins over an earlier one. */
	if (o->clear & MNT_ATTR_ATIME)
		*set &= ~MNT_ATTR_ATIME;
	*set &= ~o->clear;
	*clear &= ~(o->set & ~MNT_ATTR_ATIME);
	*set |= o->set;
	*clear |= o->clear;
}

static bool gid_is_mapped(const struct plan_builder *pb, struct sv gid)
{
	const struct oci_linux *l = pb->in->spec->linux;
	uint32_t g;

	if (!(pb->h.flags & PLAN_USERNS) || parse_u32(gid, UINT32_MAX, &g) < 0)
		return true;
	model_for_each(m, &l->gid_mappings) if (g >= m->container_id &&
						g - m->container_id < m->size) return true;
	return false;
}

static int parse_opts(struct plan_builder *pb, const struct oci_mount *m, struct opts *o, struct err **e)
{
	size_t max = 2;

	model_for_each(s, &m->options) for (const char *c = *s; (max++, c = strchr(c, ',')); c++);
	*o = (struct opts){ .kv = arena_alloc(pb->arena, max * sizeof(*o->kv)) };
	model_for_each(s, &m->options)
	{
		const struct mnt_option *k = mnt_option_find(*s);
		struct sv rest = sv_of(*s), one;

		if (k) {
			switch (k->kind) {
			case MNT_OPT_ATTR: merge(&o->set, &o->clear, k); break;
			case MNT_OPT_ATTR_REC: merge(&o->set_rec, &o->clear_rec, k); break;
			case MNT_OPT_PROPAGATION:
				if (o->n_props == PLAN_MAX_PROPS)
					return err_set(e, ERR_INVALID,
						       "mount '%s': too many propagation options",
						       m->destination);
				o->prop_rec |= (unsigned)k->recursive << o->n_props;
				o->prop[o->n_props++] = k->set;
				break;
			case MNT_OPT_BIND:
				o->bind = true;
				o->rbind = k->recursive;
				break;
			case MNT_OPT_SUPER: o->kv[o->n_kv++].k = plan_put_str(pb, k->name); break;
			case MNT_OPT_REMOUNT: o->remount = true; break;
			case MNT_OPT_COPYUP: o->copyup = true; break;
			case MNT_OPT_IDMAP:
				o->idmap = true;
				o->idmap_rec = k->recursive;
				break;
			case MNT_OPT_IGNORE: break;
			}
			if (strcmp(k->name, "rw") == 0)
				o->rw = true;
			continue;
		}
		while (rest.n) {
			struct sv key, val;

			(void)sv_cut(rest, ',', &one, &rest);
			if (one.n == 0)
				continue;
			bool has_val = sv_cut(one, '=', &key, &val);
			if (has_val && sv_eqs(key, "gid") && str_eq(m->type, "devpts") &&
			    !gid_is_mapped(pb, val))
				continue;
			if (sv_eqs(key, "mode"))
				o->has_mode = true;
			o->kv[o->n_kv].k = plan_put_str(pb, arena_strndup(pb->arena, key.p, key.n));
			if (has_val)
				o->kv[o->n_kv].v = plan_put_str(pb, arena_strndup(pb->arena, val.p, val.n));
			o->n_kv++;
		}
	}
	return 0;
}

static void apply_opts(struct plan_builder *pb, struct plan_mount *pm, const struct opts *o, bool bind)
{
	unsigned def = pb->h.root_prop;

	pm->set = o->set;
	pm->clear = o->clear;
	pm->set_rec = o->set_rec;
	pm->clear_rec = o->clear_rec;
	pm->n_props = o->n_props;
	memcpy(pm->prop, o->prop, sizeof(pm->prop));
	pm->prop_rec = o->prop_rec;
	/* A bind is born a peer of its source; without a word it must not stay one. */
	if (bind && !pm->n_props && def != MNT_SHARED) {
		pm->prop[0] = def == MNT_SLAVE ? MNT_SLAVE : MNT_PRIVATE;
		pm->prop_rec = 1;
		pm->n_props = 1;
	}
}

static int add_idmap(struct plan_builder *pb, const struct oci_mount *m, struct plan_idmap *maps, uint32_t *n,
		     const struct opts *o, struct plan_mount *pm, struct err **e)
{
	const struct oci_linux *l = pb->in->spec->linux;
	struct plan_idmap im = { .note_fd = -1 };

	if (!m->uid_mappings.n && !m->gid_mappings.n && !o->idmap)
		return 0;
	if (m->uid_mappings.n || m->gid_mappings.n) {
		if (!m->uid_mappings.n || !m->gid_mappings.n)
			return err_set(e, ERR_INVALID,
				       "mount '%s': uidMappings and gidMappings must be given together",
				       m->destination);
		if (plan_idmap_text(pb, &m->uid_mappings, &im.uid, e) < 0 ||
		    plan_idmap_text(pb, &m->gid_mappings, &im.gid, e) < 0)
			return -1;
	} else {
		if (!(pb->h.flags & PLAN_USERNS))
			return err_set(e, ERR_INVALID, "mount '%s': idmap needs mappings or a user namespace",
				       m->destination);
		if (plan_idmap_text(pb, &l->uid_mappings, &im.uid, e) < 0 ||
		    plan_idmap_text(pb, &l->gid_mappings, &im.gid, e) < 0)
			return -1;
	}
	maps[(*n)++] = im;
	pm->idmap = *n;
	if (o->idmap_rec)
		pm->flags |= PLAN_M_IDMAP_REC;
	return 0;
}

/* /sys/fs/cgroup: v2 is one file system; v1 is a tmpfs with the container's own group of each hierarchy. */
static int add_cgroup_mount(struct plan_builder *pb, const char *dest, const struct opts *o, struct err **e)
{
	const struct cgroup_layout *l = pb->in->cgroups;
	const char *prog = plan_s(pb->b.p, pb->h.cgroup);
	bool own = pb->h.unshare_flags & NS_CGROUP;
	struct plan_mount *pm;
	char **paths;
	size_t n = 0;

	if (!l || l->mode == CGROUP_NONE) {
		/* No layout: leave the directory empty rather than guess. */
		pm = add(pb);
		pm->kind = PLAN_MOUNT_DIR;
		pm->dest = plan_put_str(pb, dest);
		return 0;
	}
	/* Where our group is in each hierarchy: copied, because adding to the plan moves it. */
	paths = arena_alloc(pb->arena, sizeof(*paths) * (CGROUP_MAX_HIER + 1));
	for (unsigned i = 0; i < l->n; i++) {
		const struct cgroup_hier *h = &l->h[i];
		size_t mn = strlen(h->mount);
		const char *p;

		paths[i] = NULL;
		for (unsigned k = 0; prog; k++) {
			unsigned ctls;

			p = cgroup_prog_hier(prog, pb->h.cgroup.n, k, &ctls);
			if (!p)
				break;
			if (strncmp(p, h->mount, mn) == 0 && (p[mn] == '/' || !p[mn])) {
				paths[i] = arena_strdup(pb->arena, p);
				break;
			}
		}
		if (!paths[i])
			paths[i] = arena_printf(pb->arena, "%s%s", h->mount,
						str_eq(h->self, "/") ? "" : h->self);
		n++;
	}
	if (l->mode == CGROUP_V2) {
		pm = add(pb);
		pm->kind = PLAN_MOUNT_FS;
		pm->type = plan_put_str(pb, "cgroup2");
		pm->source = plan_put_str(pb, "cgroup");
		pm->dest = plan_put_str(pb, dest);
		pm->fallback = plan_put_str(pb, own ? paths[0] : l->h[0].mount);
		apply_opts(pb, pm, o, false);
		return 0;
	}
	pm = add(pb);
	pm->kind = PLAN_MOUNT_FS;
	pm->type = plan_put_str(pb, "tmpfs");
	pm->source = plan_put_str(pb, "cgroup");
	pm->dest = plan_put_str(pb, dest);
	struct plan_kv mode = { plan_put_str(pb, "mode"), plan_put_str(pb, "755") };
	pm->opts = plan_put_list(pb, &mode, 1, sizeof(mode));
	apply_opts(pb, pm, o, false);
	pm->late_set = pm->set & MNT_ATTR_RDONLY;
	pm->set &= ~MNT_ATTR_RDONLY;

	for (unsigned i = 0; i < n; i++) {
		const struct cgroup_hier *h = &l->h[i];
		const char *base = strrchr(h->mount, '/');
		struct sv rest, one;

		if (h->v2)
			continue;
		base = base ? base + 1 : h->mount;
		pm = add(pb);
		pm->kind = PLAN_MOUNT_BIND;
		pm->flags = PLAN_M_OPTIONAL;
		pm->source = plan_put_str(pb, paths[i]);
		pm->dest = plan_put_str(pb, arena_printf(pb->arena, "%s/%s", dest, base));
		apply_opts(pb, pm, o, true);
		rest = sv_of(base);
		if (sv_find(rest, ',') < 0)
			continue;
		while (rest.n) {
			(void)sv_cut(rest, ',', &one, &rest);
			pm = add(pb);
			pm->kind = PLAN_MOUNT_SYMLINK;
			pm->dest =
				plan_put_str(pb, arena_printf(pb->arena, "%s/%.*s", dest, (int)one.n, one.p));
			pm->source = plan_put_str(pb, base);
		}
	}
	(void)e;
	return 0;
}

static int check_proc(const char *dest, const struct oci_mount *m, struct err **e)
{
	if (!str_starts(dest, "/proc/"))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(proc_allowed); i++)
		if (strcmp(dest, proc_allowed[i]) == 0)
			return 0;
	/* A procfs of another place over a part of this one is how containers nest. */
	if (m->source && str_starts(m->source, "/proc"))
		return 0;
	return err_set(e, ERR_INVALID, "\"%s\" cannot be mounted because it is inside /proc", dest);
}

static int add_mount(struct plan_builder *pb, size_t i, struct plan_idmap *maps, uint32_t *n_maps,
		     bool *dev_is_bind, struct err **e)
{
	const struct plan_input *in = pb->in;
	const struct oci_mount *m = &in->spec->mounts.v[i];
	int fd = in->mount_fds ? in->mount_fds[i] : PLAN_NO_FD;
	const char *type = m->type ? m->type : "", *src = m->source;
	struct plan_mount *pm;
	struct opts o;
	char *dest;
	bool bind;

	if (str_empty(m->destination))
		return err_set(e, ERR_INVALID, "mount without a destination");
	dest = clean(pb->arena, m->destination);
	if (parse_opts(pb, m, &o, e) < 0)
		return -1;
	bind = o.bind || fd != PLAN_NO_FD || strcmp(type, "bind") == 0;
	if (o.remount && !bind)
		bind = false;
	if (!bind && strcmp(type, "cgroup") == 0)
		return add_cgroup_mount(pb, dest, &o, e);
	if (bind && check_proc(dest, m, e) < 0)
		return -1;
	if (strcmp(dest, "/") == 0)
		return err_set(e, ERR_INVALID, "mount destination '%s' is the container's root",
			       m->destination);

	pm = add(pb);
	pm->dest = plan_put_str(pb, dest);
	pm->fd = fd;
	apply_opts(pb, pm, &o, bind);
	if (o.remount) {
		pm->kind = PLAN_MOUNT_REMOUNT;
		return 0;
	}
	if (bind) {
		pm->kind = PLAN_MOUNT_BIND;
		if (o.rbind)
			pm->flags |= PLAN_M_RECURSIVE;
		if (str_starts(dest, "/proc/"))
			pm->flags |= PLAN_M_IN_PROC;
		if (strcmp(dest, "/dev") == 0)
			*dev_is_bind = true;
		if (fd == PLAN_NO_FD) {
			if (str_empty(src))
				return err_set(e, ERR_INVALID, "bind mount on '%s' without a source", dest);
			if (src[0] != '/') {
				if (!in->bundle)
					return err_set(e, ERR_INVALID, "mount source '%s' is not absolute",
						       src);
				src = arena_printf(pb->arena, "%s/%s", in->bundle, src);
			}
			pm->source = plan_put_str(pb, src);
		} else {
			pm->source = plan_put_str(pb, src ? src : "");
		}
		return add_idmap(pb, m, maps, n_maps, &o, pm, e);
	}
	pm->kind = PLAN_MOUNT_FS;
	if (!*type)
		return err_set(e, ERR_INVALID, "mount on '%s' has neither a type nor bind", dest);
	pm->type = plan_put_str(pb, type);
	pm->source = plan_put_str(pb, str_empty(src) ? type : src);
	if (strcmp(type, "proc") == 0) {
		pm->flags |= PLAN_M_NO_SYMLINK | PLAN_M_IN_PROC;
	} else if (strcmp(type, "sysfs") == 0) {
		pm->flags |= PLAN_M_NO_SYMLINK;
		pm->fallback = plan_put_str(pb, "/sys");
	} else if (strcmp(type, "mqueue") == 0) {
		pm->fallback = plan_put_str(pb, "/dev/mqueue");
	} else if (strcmp(type, "tmpfs") == 0) {
		if (o.copyup)
			pm->flags |= PLAN_M_COPYUP;
		if (!o.has_mode)
			pm->flags |= PLAN_M_KEEP_MODE;
		/* Other mounts and devices may have to be made inside first. */
		pm->late_set = pm->set & MNT_ATTR_RDONLY;
		pm->set &= ~MNT_ATTR_RDONLY;
	} else if (strcmp(type, "cgroup2") == 0 && in->cgroups) {
		for (unsigned k = 0; k < in->cgroups->n; k++)
			if (in->cgroups->h[k].v2)
				pm->fallback = plan_put_str(pb, in->cgroups->h[k].mount);
	}
	if (o.copyup && strcmp(type, "tmpfs") != 0)
		return err_set(e, ERR_INVALID, "tmpcopyup on '%s' needs a tmpfs", dest);
	pm->opts = plan_put_list(pb, o.kv, o.n_kv, sizeof(*o.kv));
	return add_idmap(pb, m, maps, n_maps, &o, pm, e);
}

/* --- devices --- */

static const struct {
	const char *path;
	uint32_t major, minor;
} default_devices[] = {
	{ "/dev/null", 1, 3 }, { "/dev/random", 1, 8 }, { "/dev/full", 1, 7 },
	{ "/dev/tty", 5, 0 },  { "/dev/zero", 1, 5 },   { "/dev/urandom", 1, 9 },
};
static const struct {
	const char *path, *target;
} default_links[] = {
	{ "/dev/ptmx", "pts/ptmx" },          { "/dev/fd", "/proc/self/fd" },
	{ "/dev/stdin", "/proc/self/fd/0" },  { "/dev/stdout", "/proc/self/fd/1" },
	{ "/dev/stderr", "/proc/self/fd/2" }, { "/dev/core", "/proc/kcore" },
};

/* A node that is made outside of the user namespace is given to the id as the host counts. */
static uint32_t host_id(const struct plan_builder *pb, const struct oci_id_mapping_list *maps, uint32_t id,
			uint32_t type)
{
	if (!(pb->h.flags & PLAN_USERNS) || type == S_IFIFO)
		return id;
	model_for_each(m,
		       maps) if (id >= m->container_id && id - m->container_id < m->size) return m->host_id +
		(id - m->container_id);
	return id;
}

static int add_devices(struct plan_builder *pb, struct err **e)
{
	const struct oci_linux *l0 = pb->in->spec->linux;
	const struct oci_device_list *l = &l0->devices;
	struct plan_device *d = arena_alloc(pb->arena, sizeof(*d) * (ARRAY_LEN(default_devices) + l->n));
	struct plan_kv links[ARRAY_LEN(default_links)];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(default_devices); i++) {
		bool given = false;

		model_for_each(x, l) if (x->path && strcmp(clean(pb->arena, x->path),
							   default_devices[i].path) == 0) given = true;
		if (given)
			continue;
		d[n++] = (struct plan_device){
			.path = plan_put_str(pb, default_devices[i].path),
			.mode = S_IFCHR | 0666,
			.major = default_devices[i].major,
			.minor = default_devices[i].minor,
			.bind = pb->has_userns ? PLAN_DEV_BIND : PLAN_DEV_MKNOD,
			.note_fd = -1,
		};
	}
	model_for_each(x, l)
	{
		uint32_t type;

		if (str_empty(x->path) || x->path[0] != '/')
			return err_set(e, ERR_INVALID, "device path '%s' is not absolute",
				       x->path ? x->path : "");
		if (str_eq(x->type, "c") || str_eq(x->type, "u"))
			type = S_IFCHR;
		else if (str_eq(x->type, "b"))
			type = S_IFBLK;
		else if (str_eq(x->type, "p"))
			type = S_IFIFO;
		else
			return err_set(e, ERR_INVALID, "invalid device type '%s' of '%s'",
				       x->type ? x->type : "", x->path);
		if (type != S_IFIFO &&
		    (x->major < 0 || x->major > 0xfff || x->minor < 0 || x->minor > 0xfffff))
			return err_set(e, ERR_INVALID, "invalid device number %lld:%lld of '%s'",
				       (long long)x->major, (long long)x->minor, x->path);
		d[n++] = (struct plan_device){
			.path = plan_put_str(pb, clean(pb->arena, x->path)),
			.mode = type | ((x->has_file_mode ? x->file_mode : 0666) & 07777),
			.major = type == S_IFIFO ? 0 : (uint32_t)x->major,
			.minor = type == S_IFIFO ? 0 : (uint32_t)x->minor,
			.uid = host_id(pb, &l0->uid_mappings, x->has_uid ? x->uid : 0, type),
			.gid = host_id(pb, &l0->gid_mappings, x->has_gid ? x->gid : 0, type),
			.bind = pb->has_userns && type != S_IFIFO ? PLAN_DEV_MADE : PLAN_DEV_MKNOD,
			.note_fd = -1,
		};
	}
	pb->h.devices = plan_put_list(pb, d, n, sizeof(*d));
	for (size_t i = 0; i < ARRAY_LEN(default_links); i++)
		links[i] = (struct plan_kv){ plan_put_str(pb, default_links[i].path),
					     plan_put_str(pb, default_links[i].target) };
	pb->h.links = plan_put_list(pb, links, ARRAY_LEN(links), sizeof(links[0]));
	return 0;
}

static int add_paths(struct plan_builder *pb, const struct model_str_list *l, const char *what,
		     struct plan_list *out, struct err **e)
{
	struct plan_str *s = arena_alloc(pb->arena, sizeof(*s) * l->n + 1);
	size_t n = 0;

	model_for_each(p, l)
	{
		if (str_empty(*p) || (*p)[0] != '/')
			return err_set(e, ERR_INVALID, "%s '%s' is not absolute", what, *p ? *p : "");
		s[n++] = plan_put_str(pb, clean(pb->arena, *p));
	}
	*out = plan_put_list(pb, s, n, sizeof(*s));
	return 0;
}

int plan_build_root(struct plan_builder *pb, struct err **e)
{
	const struct plan_input *in = pb->in;
	const struct oci_spec *spec = in->spec;
	const struct oci_linux *l = spec->linux;
	const char *root = spec->root->path;
	struct plan_idmap *maps = arena_alloc(pb->arena, sizeof(*maps) * (spec->mounts.n + 1));
	uint32_t n_maps = 0;
	bool dev_is_bind = false;

	if (in->root_fd == PLAN_NO_FD) {
		if (root[0] != '/') {
			if (!in->bundle)
				return err_set(e, ERR_INVALID, "root path '%s' is not absolute", root);
			root = arena_printf(pb->arena, "%s/%s", in->bundle, root);
		}
		pb->h.root_path = plan_put_str(pb, root);
	}
	if (!(pb->h.flags & PLAN_HAS_ROOT)) {
		/* As runc: nothing is mounted then, but nothing may be left unprotected in silence. */
		if (l->masked_paths.n || l->readonly_paths.n || spec->root->readonly)
			return err_set(e, ERR_INVALID, "unable to %s without a private MNT namespace",
				       spec->root->readonly ? "make the root read-only"
							    : "restrict sys entries");
		return 0;
	}
	if (spec->mounts.n > PLAN_MAX_MOUNTS)
		return err_set(e, ERR_INVALID, "too many mounts: %zu", spec->mounts.n);
	for (size_t i = 0; i < spec->mounts.n; i++)
		if (add_mount(pb, i, maps, &n_maps, &dev_is_bind, e) < 0)
			return -1;
	pb->h.mounts = plan_put_list(pb, pb->mounts, pb->n_mounts, sizeof(*pb->mounts));
	pb->h.idmaps = plan_put_list(pb, maps, n_maps, sizeof(*maps));
	if (!dev_is_bind && add_devices(pb, e) < 0)
		return -1;
	if (!str_empty(l->mount_label))
		pb->h.mount_label = plan_put_str(pb, l->mount_label);
	return add_paths(pb, &l->masked_paths, "masked path", &pb->h.masked, e) < 0 ||
			       add_paths(pb, &l->readonly_paths, "read-only path", &pb->h.readonly, e) < 0
		       ? -1
		       : 0;
}
