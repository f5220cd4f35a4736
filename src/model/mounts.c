/* SPDX-License-Identifier: Apache-2.0 */
#include "model/mounts.h"

/* --- paths and words --- */

const char *path_clean(struct arena *a, const char *path)
{
	size_t n = strlen(path);
	char *out = arena_alloc(a, n + 2);
	size_t o = 0, floor = 0; /* below floor nothing is taken back by ".." */
	bool abs = path[0] == '/';
	struct sv rest = sv_of(path), part;
	bool more;

	if (abs)
		out[o++] = '/';
	floor = o;
	do {
		more = sv_cut(rest, '/', &part, &rest);
		if (!part.n || sv_eqs(part, "."))
			continue;
		if (sv_eqs(part, "..")) {
			if (o > floor) {
				while (o > floor && out[o - 1] != '/')
					o--;
				if (o > floor)
					o--;
				continue;
			}
			if (abs)
				continue;
		}
		if (o && out[o - 1] != '/')
			out[o++] = '/';
		memcpy(out + o, part.p, part.n);
		o += part.n;
		if (sv_eqs(part, ".."))
			floor = o;
	} while (more);
	if (!o)
		out[o++] = '.';
	out[o] = '\0';
	return out;
}

bool path_is_local(const char *path)
{
	struct sv rest = sv_of(path), part;
	long depth = 0;
	bool more;

	if (!*path || *path == '/')
		return false;
	do {
		more = sv_cut(rest, '/', &part, &rest);
		if (sv_eqs(part, ".."))
			depth--;
		else if (part.n && !sv_eqs(part, "."))
			depth++;
		if (depth < 0)
			return false;
	} while (more);
	return true;
}

const char *mount_propagation(struct sv s)
{
	static const char *const words[] = { "private", "rprivate", "shared", "rshared", "slave", "rslave" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (sv_eqs(s, words[i]))
			return words[i];
	}
	return NULL;
}

/* --- Binds --- */

struct bind_mode {
	bool read_only, no_copy;
	const char *propagation, *relabel;
};

/* The option list of a bind: at most one word of each kind. */
static bool parse_mode(const char *mode, struct bind_mode *out)
{
	struct bind_mode m = { .propagation = "", .relabel = "" };
	struct sv rest = sv_of(mode), w;
	int rw = 0, label = 0, prop = 0, copy = 0, consistency = 0;
	bool more;

	*out = m;
	if (!*mode)
		return true;
	do {
		more = sv_cut(rest, ',', &w, &rest);
		if (sv_eqs(w, "rw") || sv_eqs(w, "ro")) {
			m.read_only = sv_eqs(w, "ro");
			rw++;
		} else if (sv_eqs(w, "z") || sv_eqs(w, "Z")) {
			m.relabel = sv_eqs(w, "z") ? "z" : "Z";
			label++;
		} else if (mount_propagation(w)) {
			m.propagation = mount_propagation(w);
			prop++;
		} else if (sv_eqs(w, "nocopy")) {
			m.no_copy = true;
			copy++;
		} else if (sv_eqs(w, "consistent") || sv_eqs(w, "cached") || sv_eqs(w, "delegated") ||
			   sv_eqs(w, "default")) {
			consistency++;
		} else {
			return false;
		}
	} while (more);
	if (rw > 1 || label > 1 || prop > 1 || copy > 1 || consistency > 1)
		return false;
	*out = m;
	return true;
}

static int fail_config(const char *type, const char *why, struct err **e)
{
	return err_set(e, ERR_INVALID, "invalid mount config for type \"%s\": %s", type, why);
}

static int check_target(struct arena *a, const char *type, const char *target, struct err **e)
{
	if (str_empty(target))
		return fail_config(type, "field Target must not be empty", e);
	if (str_eq(path_clean(a, target), "/"))
		return fail_config(type, "invalid specification: destination can't be '/'", e);
	if (target[0] != '/')
		return fail_config(
			type, arena_printf(a, "invalid mount path: '%s' mount path must be absolute", target),
			e);
	return 0;
}

int mount_parse_bind(struct arena *a, const char *raw, const char *volume_driver, struct mount_spec *out,
		     struct err **e)
{
	struct mount_spec m = {
		.propagation = "", .driver = "", .subpath = "", .tmpfs_options = "", .source = "", .mode = ""
	};
	struct bind_mode mode;
	const char *part[4] = { 0 };
	size_t n = 0;
	struct sv rest = sv_of(raw), head;
	bool more;

	do {
		if (n == 4)
			return err_set(e, ERR_INVALID, "invalid volume specification: '%s'", raw);
		more = sv_cut(rest, ':', &head, &rest);
		part[n++] = arena_strndup(a, head.p, head.n);
	} while (more);
	/* "/foo:rw": a mode, and nothing to put there. */
	if (n > 3 || !*part[0] || (n == 2 && *part[1] && parse_mode(part[1], &mode)))
		return err_set(e, ERR_INVALID, "invalid volume specification: '%s'", raw);
	if (n > 1)
		m.source = part[0];
	m.target = n > 1 ? part[1] : part[0];
	if (n > 2)
		m.mode = part[2];
	if (!parse_mode(m.mode, &mode))
		return err_set(e, ERR_INVALID, "invalid mode: %s", m.mode);
	m.type = m.source[0] == '/' ? MOUNT_BIND : MOUNT_VOLUME;
	m.read_only = mode.read_only;
	m.relabel = mode.relabel;
	m.propagation = mode.propagation;
	if (m.type == MOUNT_BIND)
		m.source = path_clean(a, m.source);
	if (m.type == MOUNT_VOLUME) {
		m.no_copy = mode.no_copy;
		m.driver = volume_driver ? volume_driver : "";
	}
	const char *type = m.type == MOUNT_BIND ? "bind" : "volume";
	int r = check_target(a, type, m.target, e);
	if (r == 0 && m.type == MOUNT_VOLUME && *m.propagation)
		r = fail_config(type, "field BindOptions must not be specified", e);
	if (r == 0 && m.type == MOUNT_VOLUME && !*m.source && m.read_only)
		r = fail_config(type, "must not set ReadOnly mode when using anonymous volumes", e);
	if (r < 0)
		return err_wrap(e, "invalid volume specification: '%s'", raw);
	m.target = path_clean(a, m.target);
	m.create_source = true;
	*out = m;
	return 0;
}

int mount_anonymous(struct arena *a, const char *target, struct mount_spec *out, struct err **e)
{
	struct mount_spec m = { .type = MOUNT_VOLUME,
				.source = "",
				.mode = "",
				.propagation = "",
				.driver = "",
				.subpath = "",
				.relabel = "",
				.tmpfs_options = "" };

	if (check_target(a, "volume", target, e) < 0)
		return -1;
	m.target = path_clean(a, target);
	*out = m;
	return 0;
}

int mount_parse_volumes_from(struct arena *a, const char *raw, const char **container, bool *read_only,
			     const char **mode, struct err **e)
{
	struct sv id, rest;
	struct bind_mode m;

	if (!*raw)
		return err_set(e, ERR_INVALID, "volumes-from specification cannot be an empty string");
	(void)sv_cut(sv_of(raw), ':', &id, &rest);
	const char *text = arena_strndup(a, rest.p ? rest.p : "", rest.n);
	/* Neither propagation nor copying is this container's to say. */
	if (!parse_mode(text, &m) || *m.propagation || m.no_copy)
		return err_set(e, ERR_INVALID, "invalid mode: %s", text);
	*container = arena_strndup(a, id.p, id.n);
	*read_only = m.read_only;
	*mode = *text ? text : "rw";
	return 0;
}

/* --- tmpfs --- */

static bool word_in(struct sv w, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (sv_eqs(w, list[i]))
			return true;
	}
	return false;
}

static bool tmpfs_option_ok(struct sv o, bool *has_value)
{
	static const char *const flags[] = {
		"rw",          "ro",          "exec",          "noexec",
		"suid",        "nosuid",      "dev",           "nodev",
		"sync",        "async",       "dirsync",       "mand",
		"nomand",      "atime",       "noatime",       "diratime",
		"nodiratime",  "bind",        "rbind",         "unbindable",
		"runbindable", "private",     "rprivate",      "shared",
		"rshared",     "slave",       "rslave",        "relatime",
		"norelatime",  "strictatime", "nostrictatime", "defaults",
	};
	static const char *const keys[] = { "mode", "uid", "gid", "nr_inodes", "nr_blocks", "size", "mpol" };
	struct sv k, v;

	*has_value = sv_cut(o, '=', &k, &v);
	return *has_value ? word_in(k, keys, ARRAY_LEN(keys)) : word_in(o, flags, ARRAY_LEN(flags));
}

/* Later words win over earlier ones of their pair. */
static void tmpfs_flag(struct mount_spec *m, struct sv o)
{
	if (sv_eqs(o, "ro") || sv_eqs(o, "rw"))
		m->read_only = sv_eqs(o, "ro");
	else if (sv_eqs(o, "exec") || sv_eqs(o, "noexec"))
		m->tmpfs_noexec = sv_eqs(o, "noexec");
	else if (sv_eqs(o, "suid") || sv_eqs(o, "nosuid"))
		m->tmpfs_nosuid = sv_eqs(o, "nosuid");
	else if (sv_eqs(o, "dev") || sv_eqs(o, "nodev"))
		m->tmpfs_nodev = sv_eqs(o, "nodev");
}

static void add_option(struct arena *a, struct mount_spec *m, struct sv o)
{
	m->tmpfs_options =
		arena_printf(a, "%s%s%.*s", m->tmpfs_options, *m->tmpfs_options ? "," : "", (int)o.n, o.p);
}

/* The last value given for a key stands; the order of what stays is kept. */
static void add_value(struct arena *a, struct mount_spec *m, struct sv o)
{
	struct sv rest = sv_of(m->tmpfs_options), one, key;
	const char *kept = "";
	bool more;

	(void)sv_cut(o, '=', &key, &one);
	do {
		more = sv_cut(rest, ',', &one, &rest);
		if (one.n && !(one.n > key.n && sv_eq(sv_sub(one, 0, key.n), key) && one.p[key.n] == '='))
			kept = arena_printf(a, "%s%s%.*s", kept, *kept ? "," : "", (int)one.n, one.p);
	} while (more);
	m->tmpfs_options = kept;
	add_option(a, m, o);
}

int mount_parse_tmpfs(struct arena *a, const char *target, const char *options, struct mount_spec *out,
		      struct err **e)
{
	struct mount_spec m = { .type = MOUNT_TMPFS,
				.source = "",
				.mode = options ? options : "",
				.propagation = "",
				.driver = "",
				.subpath = "",
				.relabel = "",
				.tmpfs_options = "",
				.tmpfs_noexec = true,
				.tmpfs_nosuid = true,
				.tmpfs_nodev = true };
	struct sv rest = sv_of(options ? options : ""), o;
	bool more, has_value;

	/* Tmpfs of HostConfig is no mount config, and the text does not say it is. */
	if (target[0] != '/')
		return err_set(e, ERR_INVALID, "invalid mount path: '%s' mount path must be absolute",
			       target);
	m.target = path_clean(a, target);
	if (str_eq(m.target, "/"))
		return err_set(e, ERR_INVALID, "invalid specification: destination can't be '/'");
	do {
		more = sv_cut(rest, ',', &o, &rest);
		if (!o.n && !more && str_empty(options))
			break;
		if (!tmpfs_option_ok(o, &has_value))
			return err_set(e, ERR_INVALID, "invalid tmpfs option \"%.*s\"", (int)o.n, o.p);
		if (has_value)
			add_value(a, &m, o);
		else
			tmpfs_flag(&m, o);
	} while (more);
	*out = m;
	return 0;
}

/* TmpfsOptions.Options: [["noexec"],["uid","1000"]] */
static int api_tmpfs_options(struct arena *a, const struct api_tmpfs_options *o, struct mount_spec *m,
			     struct err **e)
{
	for (size_t i = 0; i < o->options.n; i++) {
		const struct model_str_list *w = &o->options.v[i];
		bool has_value;
		if (w->n != 1 && w->n != 2)
			return fail_config("tmpfs", "invalid option array length", e);
		const char *text =
			w->n == 2 ? arena_printf(a, "%s=%s", w->v[0] ? w->v[0] : "", w->v[1] ? w->v[1] : "")
				  : w->v[0];
		if (!text || strchr(text, ',') || !tmpfs_option_ok(sv_of(text), &has_value) ||
		    has_value != (w->n == 2))
			return fail_config("tmpfs", arena_printf(a, "invalid option: %s", text ? text : ""),
					   e);
		if (has_value)
			add_value(a, m, sv_of(text));
		else
			tmpfs_flag(m, sv_of(text));
	}
	return 0;
}

/* --- Mounts --- */

static int type_of(const char *type, enum mount_type *out)
{
	static const struct {
		const char *name;
		enum mount_type type;
	} types[] = { { "bind", MOUNT_BIND },
		      { "volume", MOUNT_VOLUME },
		      { "tmpfs", MOUNT_TMPFS },
		      { "image", MOUNT_IMAGE } };

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (str_eq(type, types[i].name)) {
			*out = types[i].type;
			return 0;
		}
	}
	return -1;
}

static int check_extra(const struct api_mount *m, const char *type, enum mount_type t, struct err **e)
{
	const char *extra = m->bind_options && t != MOUNT_BIND          ? "BindOptions"
			    : m->volume_options && t != MOUNT_VOLUME    ? "VolumeOptions"
			    : m->image_options && t != MOUNT_IMAGE      ? "ImageOptions"
			    : m->tmpfs_options && t != MOUNT_TMPFS      ? "TmpfsOptions"
			    : t == MOUNT_TMPFS && !str_empty(m->source) ? "Source"
									: NULL;

	if (!extra)
		return 0;
	return err_set(e, ERR_INVALID, "invalid mount config for type \"%s\": field %s must not be specified",
		       type, extra);
}

static int from_bind(struct arena *a, const struct api_mount *m, struct mount_spec *out, struct err **e)
{
	const struct api_bind_options *o = m->bind_options;

	if (str_empty(m->source))
		return fail_config("bind", "field Source must not be empty", e);
	if (o && !str_empty(o->propagation) && !mount_propagation(sv_of(o->propagation)))
		return fail_config("bind", arena_printf(a, "invalid propagation mode: %s", o->propagation),
				   e);
	if (m->source[0] != '/')
		return fail_config(
			"bind",
			arena_printf(a, "invalid mount path: '%s' mount path must be absolute", m->source),
			e);
	out->source = path_clean(a, m->source);
	if (!o)
		return 0;
	if (o->read_only_force_recursive) {
		if (o->read_only_non_recursive)
			return fail_config(
				"bind",
				"ReadOnlyNonRecursive and ReadOnlyForceRecursive are mutually exclusive", e);
		if (!str_empty(o->propagation) && !str_eq(o->propagation, "private") &&
		    !str_eq(o->propagation, "rprivate"))
			return fail_config(
				"bind",
				"ReadOnlyForceRecursive needs the propagation to be private or rprivate", e);
	}
	out->propagation = o->propagation ? o->propagation : "";
	out->non_recursive = o->non_recursive;
	out->create_source = o->create_mountpoint;
	out->read_only_non_recursive = o->read_only_non_recursive;
	out->read_only_force_recursive = o->read_only_force_recursive;
	return 0;
}

static int from_volume(const struct api_mount *m, struct mount_spec *out, struct err **e)
{
	const struct api_volume_options *o = m->volume_options;
	bool anonymous = str_empty(m->source);

	out->source = m->source ? m->source : "";
	if (anonymous && m->read_only)
		return fail_config("volume", "must not set ReadOnly mode when using anonymous volumes", e);
	if (!o)
		return 0;
	if (!str_empty(o->subpath)) {
		if (anonymous)
			return fail_config("volume", "must not set Subpath when using anonymous volumes", e);
		if (!path_is_local(o->subpath))
			return fail_config("volume", "subpath must be a relative path within the volume", e);
		out->subpath = o->subpath;
	}
	out->no_copy = o->no_copy;
	out->labels = o->labels;
	if (o->driver_config) {
		out->driver = o->driver_config->name ? o->driver_config->name : "";
		out->driver_opts = o->driver_config->options;
	}
	return 0;
}

static int from_tmpfs(struct arena *a, const struct api_mount *m, struct mount_spec *out, struct err **e)
{
	const struct api_tmpfs_options *o = m->tmpfs_options;

	out->source = "";
	out->tmpfs_nosuid = out->tmpfs_nodev = out->tmpfs_noexec = true;
	if (!o)
		return 0;
	if (o->size_bytes < 0)
		return fail_config("tmpfs", "size must not be negative", e);
	if (api_tmpfs_options(a, o, out, e) < 0)
		return -1;
	if (o->mode) {
		out->has_tmpfs_mode = true;
		out->tmpfs_mode = o->mode & 07777;
		add_value(a, out, sv_of(arena_printf(a, "mode=%o", out->tmpfs_mode)));
	}
	if (o->size_bytes) {
		out->tmpfs_size = o->size_bytes;
		add_value(a, out, sv_of(arena_printf(a, "size=%lld", (long long)o->size_bytes)));
	}
	return 0;
}

int mount_from_api(struct arena *a, const struct api_mount *m, struct mount_spec *out, struct err **e)
{
	struct mount_spec s = { .mode = "",
				.propagation = "",
				.driver = "",
				.subpath = "",
				.relabel = "",
				.source = "",
				.tmpfs_options = "",
				.read_only = m->read_only,
				.from_mounts = true };
	const char *type = m->type ? m->type : "";
	int r = 0;

	if (str_empty(m->target))
		return fail_config(type, "field Target must not be empty", e);
	if (type_of(type, &s.type) < 0)
		return fail_config(type, "mount type unknown", e);
	if (check_target(a, type, m->target, e) < 0 || check_extra(m, type, s.type, e) < 0)
		return -1;
	s.target = path_clean(a, m->target);
	switch (s.type) {
	case MOUNT_BIND: r = from_bind(a, m, &s, e); break;
	case MOUNT_VOLUME: r = from_volume(m, &s, e); break;
	case MOUNT_TMPFS: r = from_tmpfs(a, m, &s, e); break;
	case MOUNT_IMAGE:
		if (str_empty(m->source))
			return fail_config(type, "field Source must not be empty", e);
		s.source = m->source;
		if (m->image_options && !str_empty(m->image_options->subpath)) {
			if (!path_is_local(m->image_options->subpath))
				return fail_config(type, "subpath must be a relative path within the image",
						   e);
			s.subpath = m->image_options->subpath;
		}
		break;
	}
	if (r < 0)
		return -1;
	*out = s;
	return 0;
}

/* --- all of them --- */

static int note_target(struct arena *a, struct model_str_list *seen, const char *target, struct err **e)
{
	if (model_strs_has(seen, target))
		return err_set(e, ERR_INVALID, "Duplicate mount point: %s", target);
	model_strs_add(a, seen, target);
	return 0;
}

int mounts_check(struct arena *a, const struct api_container_config *c, const struct api_host_config *hc,
		 struct err **e)
{
	struct model_str_list seen = { 0 };
	struct mount_spec m;
	const char *container, *mode;
	bool ro;

	for (size_t i = 0; c && i < c->volumes.n; i++) {
		if (mount_anonymous(a, c->volumes.v[i], &m, e) < 0)
			return -1;
	}
	if (!hc)
		return 0;
	for (size_t i = 0; i < hc->binds.n; i++) {
		if (mount_parse_bind(a, hc->binds.v[i] ? hc->binds.v[i] : "", hc->volume_driver, &m, e) < 0 ||
		    note_target(a, &seen, m.target, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < hc->mounts.n; i++) {
		if (mount_from_api(a, &hc->mounts.v[i], &m, e) < 0 || note_target(a, &seen, m.target, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < hc->tmpfs.n; i++) {
		if (mount_parse_tmpfs(a, hc->tmpfs.v[i].k, hc->tmpfs.v[i].v, &m, e) < 0 ||
		    note_target(a, &seen, m.target, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < hc->volumes_from.n; i++) {
		if (mount_parse_volumes_from(a, hc->volumes_from.v[i] ? hc->volumes_from.v[i] : "",
					     &container, &ro, &mode, e) < 0)
			return -1;
	}
	return 0;
}
