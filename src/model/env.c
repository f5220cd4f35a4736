/* SPDX-License-Identifier: Apache-2.0 */
#include "model/env.h"

static bool names(const char *kv, const char *name, size_t n)
{
	return kv && strncmp(kv, name, n) == 0 && (kv[n] == '=' || kv[n] == '\0');
}

static size_t name_len(const char *kv)
{
	const char *eq = strchr(kv, '=');
	return eq ? (size_t)(eq - kv) : strlen(kv);
}

const char *env_get(const struct model_str_list *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = env->n; i-- > 0;) {
		if (names(env->v[i], name, n) && env->v[i][n] == '=')
			return env->v[i] + n + 1;
	}
	return NULL;
}

static const char **find(struct model_str_list *env, const char *name, size_t n)
{
	for (size_t i = 0; i < env->n; i++) {
		if (names(env->v[i], name, n))
			return &env->v[i];
	}
	return NULL;
}

/* Writes into a list that may be somebody else's array: copied first. */
static void own(struct arena *a, struct model_str_list *env)
{
	if (env->n && !env->cap) {
		const char **v = arena_alloc(a, env->n * sizeof(*v));
		memcpy(v, env->v, env->n * sizeof(*v));
		env->v = v;
		env->cap = env->n;
	}
}

static void put(struct arena *a, struct model_str_list *env, const char *kv)
{
	own(a, env);
	const char **at = find(env, kv, name_len(kv));
	if (at)
		*at = kv;
	else
		*model_list_add(a, env) = kv;
}

void env_set(struct arena *a, struct model_str_list *env, const char *name, const char *value)
{
	put(a, env, arena_printf(a, "%s=%s", name, value));
}

void env_set_default(struct arena *a, struct model_str_list *env, const char *name, const char *value)
{
	if (!find(env, name, strlen(name)))
		env_set(a, env, name, value);
}

void env_merge(struct arena *a, struct model_str_list *env, const struct model_str_list *overrides)
{
	own(a, env);
	for (size_t i = 0; i < overrides->n; i++) {
		const char *kv = overrides->v[i];
		if (!kv)
			continue;
		if (strchr(kv, '=')) {
			put(a, env, arena_strdup(a, kv));
			continue;
		}
		const char **at = find(env, kv, strlen(kv));
		if (at) {
			size_t k = (size_t)(at - env->v);
			memmove(at, at + 1, (env->n - k - 1) * sizeof(*at));
			env->n--;
		}
	}
}

void env_inherit(struct arena *a, struct model_str_list *env, const struct model_str_list *image)
{
	for (size_t i = 0; i < image->n; i++) {
		if (image->v[i] && !find(env, image->v[i], name_len(image->v[i])))
			model_strs_add(a, env, image->v[i]);
	}
}

int env_check(const struct model_str_list *env, struct err **e)
{
	for (size_t i = 0; i < env->n; i++) {
		if (!env->v[i] || !name_len(env->v[i]))
			return err_set(e, ERR_INVALID, "invalid environment variable: %s",
				       env->v[i] ? env->v[i] : "");
	}
	return 0;
}

void env_to_map(struct arena *a, const struct model_str_list *kv, struct model_str_map *out)
{
	for (size_t i = 0; i < kv->n; i++) {
		size_t n = name_len(kv->v[i]);
		model_map_put(a, out, arena_strndup(a, kv->v[i], n), kv->v[i][n] ? kv->v[i] + n + 1 : "");
	}
}

static struct sv trim_left(struct sv s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\v' || s.p[0] == '\f' || s.p[0] == '\r'))
		s = sv_sub(s, 1, s.n);
	return s;
}

int env_file_parse(struct arena *a, const char *path, struct sv text, bool is_label, env_lookup_fn *lookup,
		   void *ctx, struct model_str_list *out, struct err **e)
{
	const char *kind = is_label ? "label" : "env";
	struct sv line, k, v;
	size_t no = 0;

	if (text.n > ENV_FILE_MAX)
		return err_set(e, ERR_INVALID, "invalid %s file (%s): too large", kind, path);
	if (memchr(text.p ? text.p : "", '\0', text.n))
		return err_set(e, ERR_INVALID, "invalid %s file (%s): contains a NUL byte", kind, path);
	if (sv_starts(text, SV("\xef\xbb\xbf")))
		text = sv_sub(text, 3, text.n);
	while (text.n) {
		(void)sv_cut(text, '\n', &line, &text);
		no++;
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		line = trim_left(line);
		if (!line.n || line.p[0] == '#')
			continue;
		bool has_value = sv_cut(line, '=', &k, &v);
		for (size_t i = 0; i < k.n; i++) {
			if (strchr(" \t\v\f\r", k.p[i]))
				return err_set(e, ERR_INVALID,
					       "invalid %s file (%s): variable '%.*s' contains whitespaces",
					       kind, path, (int)k.n, k.p);
		}
		if (!k.n)
			return err_set(e, ERR_INVALID,
				       "invalid %s file (%s): no variable name on line '%.*s'", kind, path,
				       (int)line.n, line.p);
		const char *name = arena_strndup(a, k.p, k.n);
		if (has_value) {
			model_strs_add(a, out, arena_printf(a, "%s=%.*s", name, (int)v.n, v.p));
		} else {
			const char *val = lookup ? lookup(ctx, name) : NULL;
			if (val)
				model_strs_add(a, out, arena_printf(a, "%s=%s", name, val));
			else if (is_label)
				model_strs_add(a, out, name);
		}
	}
	return 0;
}
