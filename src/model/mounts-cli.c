/* SPDX-License-Identifier: Apache-2.0 */
/* -v and --mount as the CLI takes them. */
#include "model/mounts.h"

#include "model/size.h"

static const char *absolute(struct arena *a, const char *path, const char *cwd)
{
	return path_clean(a, path[0] == '/' ? path : arena_printf(a, "%s/%s", cwd, path));
}

int mount_cli_volume(struct arena *a, const char *raw, const char *cwd, const char **bind,
		     const char **volume, struct err **e)
{
	struct sv host, target;

	*bind = *volume = NULL;
	if (!*raw)
		return err_set(e, ERR_INVALID, "invalid empty volume spec");
	if (!sv_cut(sv_of(raw), ':', &host, &target)) {
		*volume = arena_strdup(a, raw);
		return 0;
	}
	ssize_t second = sv_find(target, ':');
	if (second >= 0 && sv_find(sv_sub(target, (size_t)second + 1, target.n), ':') >= 0)
		return err_set(e, ERR_INVALID, "invalid spec: %s: too many colons", raw);
	if (!host.n || !target.n)
		return err_set(e, ERR_INVALID, "invalid spec: %s: empty section between colons", raw);
	const char *src = arena_strndup(a, host.p, host.n);
	if (src[0] == '.')
		src = absolute(a, src, cwd);
	*bind = arena_printf(a, "%s:%.*s", src, (int)target.n, target.p);
	return 0;
}

int csv_fields(struct arena *a, struct sv s, struct model_str_list *out, struct err **e)
{
	size_t i = 0;

	for (;;) {
		char *field = arena_alloc(a, s.n - i + 1);
		size_t n = 0;
		if (i < s.n && s.p[i] == '"') {
			for (i++;; i++) {
				if (i >= s.n)
					return err_set(e, ERR_INVALID,
						       "parse error on line 1, column %zu: extraneous or "
						       "missing \" in quoted-field",
						       i + 1);
				if (s.p[i] == '"') {
					if (i + 1 >= s.n || s.p[i + 1] != '"')
						break;
					i++;
				}
				field[n++] = s.p[i];
			}
			i++;
			if (i < s.n && s.p[i] != ',')
				return err_set(e, ERR_INVALID,
					       "parse error on line 1, column %zu: extraneous or missing \" "
					       "in quoted-field",
					       i + 1);
		} else {
			for (; i < s.n && s.p[i] != ','; i++) {
				if (s.p[i] == '"')
					return err_set(e, ERR_INVALID,
						       "parse error on line 1, column %zu: bare \" in "
						       "non-quoted field",
						       i + 1);
				field[n++] = s.p[i];
			}
		}
		*model_list_add(a, out) = field;
		if (i >= s.n)
			return 0;
		i++; /* the comma; after a last one stands an empty field */
	}
}

static struct api_bind_options *bind_options(struct arena *a, struct api_mount *m)
{
	if (!m->bind_options)
		m->bind_options = ARENA_NEW(a, struct api_bind_options);
	return m->bind_options;
}

static struct api_volume_options *volume_options(struct arena *a, struct api_mount *m)
{
	if (!m->volume_options)
		m->volume_options = ARENA_NEW(a, struct api_volume_options);
	return m->volume_options;
}

static struct api_driver *volume_driver(struct arena *a, struct api_mount *m)
{
	struct api_volume_options *o = volume_options(a, m);

	if (!o->driver_config)
		o->driver_config = ARENA_NEW(a, struct api_driver);
	return o->driver_config;
}

static struct api_tmpfs_options *tmpfs_options(struct arena *a, struct api_mount *m)
{
	if (!m->tmpfs_options)
		m->tmpfs_options = ARENA_NEW(a, struct api_tmpfs_options);
	return m->tmpfs_options;
}

static int bad_value(const char *key, const char *val, struct err **e)
{
	return err_set(e, ERR_INVALID, "invalid value for %s: %s", key, val);
}

static int bool_value(const char *key, const char *val, bool *out, struct err **e)
{
	if (!val) {
		*out = true;
		return 0;
	}
	return parse_bool(sv_of(val), out) < 0 ? bad_value(key, val, e) : 0;
}

static void map_value(struct arena *a, struct model_str_map *m, const char *text)
{
	struct sv k, v;

	if (!sv_cut(sv_of(text), '=', &k, &v))
		v = SV("");
	model_map_put(a, m, arena_strndup(a, k.p, k.n), arena_strndup(a, v.p, v.n));
}

static int set_recursive(struct arena *a, struct api_mount *m, const char *key, const char *val,
			 struct err **e)
{
	if (str_eq(val, "enabled"))
		return 0;
	if (str_eq(val, "disabled"))
		bind_options(a, m)->non_recursive = true;
	else if (str_eq(val, "writable"))
		bind_options(a, m)->read_only_non_recursive = true;
	else if (str_eq(val, "readonly"))
		bind_options(a, m)->read_only_force_recursive = true;
	else
		return err_set(e, ERR_INVALID,
			       "invalid value for %s: %s (must be \"enabled\", \"disabled\", \"writable\", "
			       "or \"readonly\")",
			       key, val);
	return 0;
}

/* One field. val is NULL for a word without '='. */
static int set_field(struct arena *a, struct api_mount *m, const char *key, const char *val,
		     const char *field, const char *cwd, struct err **e)
{
	int64_t n;
	uint64_t mode;

	if (str_eq(key, "readonly") || str_eq(key, "ro"))
		return bool_value(key, val, &m->read_only, e);
	if (str_eq(key, "volume-nocopy"))
		return bool_value(key, val, &volume_options(a, m)->no_copy, e);
	if (str_eq(key, "bind-nonrecursive"))
		return bool_value(key, val, &bind_options(a, m)->non_recursive, e);
	if (str_eq(key, "bind-create-src") || str_eq(key, "bind-create-mountpoint"))
		return bool_value(key, val, &bind_options(a, m)->create_mountpoint, e);
	if (!val)
		return err_set(e, ERR_INVALID, "invalid field '%s' must be a key=value pair", field);

	if (str_eq(key, "type")) {
		char *t = arena_strdup(a, val);
		for (char *p = t; *p; p++) {
			if (*p >= 'A' && *p <= 'Z')
				*p = (char)(*p - 'A' + 'a');
		}
		m->type = t;
	} else if (str_eq(key, "source") || str_eq(key, "src")) {
		m->source = str_eq(val, ".") || str_starts(val, "./") || str_eq(val, "..") ||
					    str_starts(val, "../")
				    ? absolute(a, val, cwd)
				    : val;
	} else if (str_eq(key, "target") || str_eq(key, "dst") || str_eq(key, "destination")) {
		m->target = val;
	} else if (str_eq(key, "consistency")) {
		m->consistency = val;
	} else if (str_eq(key, "bind-propagation")) {
		bind_options(a, m)->propagation = val;
	} else if (str_eq(key, "bind-recursive")) {
		return set_recursive(a, m, key, val, e);
	} else if (str_eq(key, "volume-subpath")) {
		volume_options(a, m)->subpath = val;
	} else if (str_eq(key, "volume-label")) {
		map_value(a, &volume_options(a, m)->labels, val);
	} else if (str_eq(key, "volume-driver")) {
		volume_driver(a, m)->name = val;
	} else if (str_eq(key, "volume-opt")) {
		map_value(a, &volume_driver(a, m)->options, val);
	} else if (str_eq(key, "image-subpath")) {
		if (!m->image_options)
			m->image_options = ARENA_NEW(a, struct api_image_options);
		m->image_options->subpath = val;
	} else if (str_eq(key, "tmpfs-size")) {
		if (size_parse_ram(sv_of(val), &n, NULL) < 0)
			return bad_value(key, val, e);
		tmpfs_options(a, m)->size_bytes = n;
	} else if (str_eq(key, "tmpfs-mode")) {
		if (parse_octal(sv_of(val), UINT32_MAX, &mode) < 0)
			return bad_value(key, val, e);
		tmpfs_options(a, m)->mode = (uint32_t)mode;
	} else {
		return err_set(e, ERR_INVALID, "unexpected key '%s' in '%s'", key, field);
	}
	return 0;
}

static int check_kinds(const struct api_mount *m, struct err **e)
{
	const char *kind = m->volume_options && !str_eq(m->type, "volume") ? "volume"
			   : m->bind_options && !str_eq(m->type, "bind")   ? "bind"
			   : m->image_options && !str_eq(m->type, "image") ? "image"
			   : m->tmpfs_options && !str_eq(m->type, "tmpfs") ? "tmpfs"
									   : NULL;
	const struct api_bind_options *o = m->bind_options;

	if (kind)
		return err_set(e, ERR_INVALID, "cannot mix '%s-*' options with mount type '%s'", kind,
			       m->type);
	if (o && o->read_only_non_recursive && !m->read_only)
		return err_set(e, ERR_INVALID,
			       "option 'bind-recursive=writable' requires 'readonly' to be specified in "
			       "conjunction");
	if (o && o->read_only_force_recursive && !m->read_only)
		return err_set(e, ERR_INVALID,
			       "option 'bind-recursive=readonly' requires 'readonly' to be specified in "
			       "conjunction");
	if (o && o->read_only_force_recursive && !str_eq(o->propagation, "rprivate"))
		return err_set(e, ERR_INVALID,
			       "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to "
			       "be specified in conjunction");
	return 0;
}

int mount_cli_parse(struct arena *a, const char *raw, const char *cwd, struct api_mount *out, struct err **e)
{
	struct api_mount m = { .type = "volume" };
	struct model_str_list fields = { 0 };

	if (!*raw)
		return err_set(e, ERR_INVALID, "EOF"); /* what Go's CSV reader says */
	if (csv_fields(a, sv_of(raw), &fields, e) < 0)
		return -1;
	for (size_t i = 0; i < fields.n; i++) {
		struct sv k, v;
		bool has = sv_cut(sv_of(fields.v[i]), '=', &k, &v);
		char *key = arena_strndup(a, k.p, k.n);
		for (char *p = key; *p; p++) {
			if (*p >= 'A' && *p <= 'Z')
				*p = (char)(*p - 'A' + 'a');
		}
		if (set_field(a, &m, key, has ? arena_strndup(a, v.p, v.n) : NULL, fields.v[i], cwd, e) < 0)
			return -1;
	}
	if (str_empty(m.type))
		return err_set(e, ERR_INVALID, "type is required");
	if (str_empty(m.target))
		return err_set(e, ERR_INVALID, "target is required");
	if (check_kinds(&m, e) < 0)
		return -1;
	*out = m;
	return 0;
}
