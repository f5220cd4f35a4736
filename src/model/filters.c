/* SPDX-License-Identifier: Apache-2.0 */
#include "model/filters.h"

#include <regex.h>

#define MAX_BYTES ((size_t)1 << 20)
#define REGEX_MAX                                                                                            \
	1024 /* a longer pattern is compared as text: the engine does not compile what anybody sends */

static struct model_str_list *find(const struct filters *f, const char *key)
{
	for (size_t i = 0; i < f->keys.n; i++) {
		if (str_eq(f->keys.v[i].k, key))
			return &f->keys.v[i].v;
	}
	return NULL;
}

bool filters_has(const struct filters *f, const char *key)
{
	const struct model_str_list *l = find(f, key);
	return l && l->n;
}

const struct model_str_list *filters_get(const struct filters *f, const char *key)
{
	static const struct model_str_list none;
	const struct model_str_list *l = find(f, key);
	return l ? l : &none;
}

void filters_add(struct arena *a, struct filters *f, const char *key, const char *value)
{
	struct model_str_list *l = find(f, key);

	if (!l) {
		struct model_str_list_entry *en = model_list_add(a, &f->keys);
		en->k = arena_strdup(a, key);
		l = &en->v;
	}
	if (!model_strs_has(l, value))
		model_strs_add(a, l, value);
}

static int fail(struct err **e)
{
	return err_set(e, ERR_INVALID, "invalid filter");
}

int filters_fail_value(const char *key, const char *value, struct err **e)
{
	return err_set(e, ERR_INVALID, "invalid filter '%s=%s'", key, value);
}

static int parse_values(struct arena *a, const struct json *j, struct model_str_list *out, struct err **e)
{
	if (j->type == JSON_NULL)
		return 0;
	if (j->type != JSON_ARRAY && j->type != JSON_OBJECT)
		return fail(e);
	json_for_each (m, j) {
		const char *v;
		if (j->type == JSON_ARRAY) {
			v = json_str(m);
		} else {
			if (m->type != JSON_BOOL)
				return fail(e);
			v = memchr(m->key.p, '\0', m->key.n) ? NULL : m->key.p;
		}
		if (!v)
			return fail(e);
		model_strs_add(a, out, v);
	}
	return 0;
}

int filters_parse(struct arena *a, struct sv text, const char *const *accepted, struct filters *out,
		  struct err **e)
{
	static const struct json_limits limits = { .max_bytes = MAX_BYTES,
						   .max_values = 20000,
						   .last_key_wins = true };
	struct filters f = { 0 };
	const struct json *j;

	if (!sv_trim(text).n) {
		*out = f;
		return 0;
	}
	if (json_parse(a, text, &limits, &j, NULL) < 0)
		return fail(e);
	if (j->type != JSON_OBJECT && j->type != JSON_NULL)
		return fail(e);
	json_for_each (m, j) {
		if (memchr(m->key.p, '\0', m->key.n))
			return fail(e);
		struct model_str_list_entry *en = model_list_add(a, &f.keys);
		en->k = m->key.p;
		if (parse_values(a, m, &en->v, e) < 0)
			return -1;
		size_t i = 0;
		while (accepted && accepted[i] && !str_eq(accepted[i], en->k))
			i++;
		if (accepted && !accepted[i])
			return err_set(e, ERR_INVALID, "invalid filter '%s'", en->k);
	}
	*out = f;
	return 0;
}

bool filters_exact(const struct filters *f, const char *key, const char *text)
{
	const struct model_str_list *l = filters_get(f, key);
	return !l->n || model_strs_has(l, text);
}

bool filters_prefix(const struct filters *f, const char *key, const char *text)
{
	const struct model_str_list *l = filters_get(f, key);

	for (size_t i = 0; i < l->n; i++) {
		if (str_starts(text, l->v[i]))
			return true;
	}
	return !l->n;
}

static bool regex_found(const char *pattern, const char *text)
{
	regex_t re;

	if (strlen(pattern) > REGEX_MAX || regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	bool hit = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return hit;
}

bool filters_regex(const struct filters *f, const char *key, const char *text)
{
	const struct model_str_list *l = filters_get(f, key);

	for (size_t i = 0; i < l->n; i++) {
		if (str_eq(l->v[i], text) || regex_found(l->v[i], text))
			return true;
	}
	return !l->n;
}

static bool label_holds(const char *want, const struct model_str_map *labels)
{
	struct sv k, v;
	bool with_value = sv_cut(sv_of(want), '=', &k, &v);

	for (size_t i = 0; labels && i < labels->n; i++) {
		if (sv_eqs(k, labels->v[i].k))
			return !with_value || sv_eqs(v, labels->v[i].v ? labels->v[i].v : "");
	}
	return false;
}

bool filters_labels(const struct filters *f, const char *key, const struct model_str_map *labels)
{
	const struct model_str_list *l = filters_get(f, key);

	for (size_t i = 0; i < l->n; i++) {
		if (!label_holds(l->v[i], labels))
			return false;
	}
	return true;
}

bool filters_not_labels(const struct filters *f, const char *key, const struct model_str_map *labels)
{
	const struct model_str_list *l = filters_get(f, key);

	for (size_t i = 0; i < l->n; i++) {
		if (label_holds(l->v[i], labels))
			return false;
	}
	return true;
}

/* All the values, as Go prints a list. */
static int fail_bool(const char *key, const struct model_str_list *l, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };

	for (size_t i = 0; i < l->n; i++)
		sb_addf(&b, "%s%s", i ? " " : "", l->v[i]);
	return err_set(e, ERR_INVALID, "invalid filter '%s=[%s]'", key, sb_str(&b));
}

int filters_bool(const struct filters *f, const char *key, bool absent, bool *out, struct err **e)
{
	const struct model_str_list *l = filters_get(f, key);
	bool yes = false, no = false;

	if (!l->n) {
		*out = absent;
		return 0;
	}
	for (size_t i = 0; i < l->n; i++) {
		if (str_eq(l->v[i], "1") || str_eq(l->v[i], "true"))
			yes = true;
		else if (str_eq(l->v[i], "0") || str_eq(l->v[i], "false"))
			no = true;
		else
			return fail_bool(key, l, e);
	}
	if (yes == no)
		return fail_bool(key, l, e);
	*out = yes;
	return 0;
}

int filters_add_arg(struct arena *a, struct filters *f, const char *arg, struct err **e)
{
	struct sv k, v;

	if (!*arg)
		return 0;
	if (!sv_cut(sv_of(arg), '=', &k, &v))
		return err_set(e, ERR_INVALID, "bad format of filter (expected name=value)");
	k = sv_trim(k);
	v = sv_trim(v);
	char *key = arena_strndup(a, k.p, k.n);
	for (char *p = key; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	}
	filters_add(a, f, key, arena_strndup(a, v.p, v.n));
	return 0;
}

void filters_encode(struct jw *w, const struct filters *f)
{
	jw_obj(w);
	for (size_t i = 0; i < f->keys.n; i++) {
		jw_kobj(w, f->keys.v[i].k);
		for (size_t k = 0; k < f->keys.v[i].v.n; k++)
			jw_kbool(w, f->keys.v[i].v.v[k], true);
		jw_end(w);
	}
	jw_end(w);
}
