/* SPDX-License-Identifier: Apache-2.0 */
#include "model/schema.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>

/* Every list and map looks like this; the generated ones differ in the type of v only. */
struct any_list {
	void *v;
	size_t n, cap;
};

/* A map's entry is its key and the value behind it: all values have the alignment of a pointer or less. */
#define MAP_VALUE_OFF sizeof(const char *)

#define SCALAR(id, go, k, sz, lo, hi)                                                                        \
	const struct model_type model_type_##id = { .name = go, .kind = k, .size = sz, .min = lo, .max = hi }

SCALAR(str, "string", MODEL_STR, sizeof(const char *), 0, 0);
SCALAR(str_opt, "string", MODEL_STR_OPT, sizeof(const char *), 0, 0);
SCALAR(time, "time.Time", MODEL_TIME, sizeof(const char *), 0, 0);
SCALAR(bool, "bool", MODEL_BOOL, sizeof(bool), 0, 0);
SCALAR(f64, "float64", MODEL_F64, sizeof(double), 0, 0);
SCALAR(i32, "int32", MODEL_INT, 4, INT32_MIN, INT32_MAX);
SCALAR(i64, "int64", MODEL_INT, 8, INT64_MIN, INT64_MAX);
SCALAR(int, "int", MODEL_INT, 8, INT64_MIN, INT64_MAX);
SCALAR(u16, "uint16", MODEL_UINT, 2, 0, UINT16_MAX);
SCALAR(u32, "uint32", MODEL_UINT, 4, 0, UINT32_MAX);
SCALAR(u64, "uint64", MODEL_UINT, 8, 0, UINT64_MAX);
SCALAR(raw, "json.RawMessage", MODEL_RAW, sizeof(struct sv), 0, 0);
SCALAR(set, "map[string]struct {}", MODEL_SET, sizeof(struct model_str_list), 0, 0);
SCALAR(cmd, "[]string", MODEL_CMD, sizeof(struct model_str_list), 0, 0);

SCALAR(pair, "[2]uint", MODEL_PAIR, sizeof(struct model_pair), 0, UINT32_MAX);

static size_t map_entry_size(const struct model_type *t)
{
	return MAP_VALUE_OFF + (t->elem->size + 7u) / 8u * 8u;
}

/* --- building --- */

void *model_list_grow_(struct arena *a, void *list, size_t size)
{
	struct any_list *l = list;

	if (l->n >= l->cap) {
		size_t cap = l->n < 4 ? 8 : l->n * 2;
		void *v = arena_alloc(a, cap * size);
		if (l->n)
			memcpy(v, l->v, l->n * size);
		l->v = v;
		l->cap = cap;
	}
	return (char *)l->v + l->n++ * size;
}

void model_strs_add(struct arena *a, struct model_str_list *l, const char *s)
{
	*model_list_add(a, l) = arena_strdup(a, s);
}

void model_strs_empty(struct arena *a, struct model_str_list *l)
{
	*l = (struct model_str_list){ .v = arena_alloc(a, sizeof(*l->v)), .cap = 1 };
}

bool model_strs_has(const struct model_str_list *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++) {
		if (str_eq(l->v[i], s))
			return true;
	}
	return false;
}

static struct model_str_entry *map_find(const struct model_str_map *m, const char *k)
{
	for (size_t i = 0; i < m->n; i++) {
		if (str_eq(m->v[i].k, k))
			return &m->v[i];
	}
	return NULL;
}

const char *model_map_get(const struct model_str_map *m, const char *k)
{
	const struct model_str_entry *en = map_find(m, k);
	return en ? (en->v ? en->v : "") : NULL;
}

void model_map_put(struct arena *a, struct model_str_map *m, const char *k, const char *v)
{
	struct model_str_entry *en = map_find(m, k);

	if (!en) {
		en = model_list_add(a, m);
		en->k = arena_strdup(a, k);
	}
	en->v = arena_strdup(a, v);
}

void model_map_del(struct model_str_map *m, const char *k)
{
	struct model_str_entry *en = map_find(m, k);

	if (!en)
		return;
	size_t i = (size_t)(en - m->v);
	memmove(en, en + 1, (m->n - i - 1) * sizeof(*en));
	m->n--;
}

/* --- decoding --- */

/* Where we are, for messages: struct fields from the inside out. */
struct place {
	const struct place *up;
	const char *field;
	const struct model_type *owner;
};

static const char *go_name(const struct model_type *t, struct strbuf *b)
{
	switch (t->kind) {
	case MODEL_LIST:
		sb_add(b, "[]");
		(void)go_name(t->elem, b);
		break;
	case MODEL_MAP:
		sb_add(b, "map[string]");
		(void)go_name(t->elem, b);
		break;
	case MODEL_STR:
	case MODEL_STR_OPT:
	case MODEL_TIME:
	case MODEL_BOOL:
	case MODEL_INT:
	case MODEL_UINT:
	case MODEL_F64:
	case MODEL_RAW:
	case MODEL_OBJ:
	case MODEL_PTR:
	case MODEL_SET:
	case MODEL_PAIR:
	case MODEL_CMD: sb_add(b, t->kind == MODEL_PTR ? t->elem->name : t->name); break;
	}
	return sb_str(b);
}

static void place_path(const struct place *pl, struct strbuf *b)
{
	if (pl->up) {
		place_path(pl->up, b);
		sb_addc(b, '.');
	} else {
		sb_add(b, pl->owner->name);
		sb_addc(b, '.');
	}
	sb_add(b, pl->field);
}

static int fail_type(const struct place *pl, const struct model_type *t, const struct json *j, struct err **e)
{
	cleanup_strbuf struct strbuf type = { 0 }, path = { 0 }, what = { 0 };

	sb_add(&what, json_type_name(j));
	if (j->type == JSON_NUMBER &&
	    (t->kind == MODEL_INT || t->kind == MODEL_UINT || t->kind == MODEL_F64 || t->kind == MODEL_PAIR))
		sb_addf(&what, " %.*s", (int)MIN(j->raw.n, (size_t)40), j->raw.p);
	(void)go_name(t, &type);
	if (!pl)
		return err_set(e, ERR_INVALID, "json: cannot unmarshal %s into Go value of type %s", what.p,
			       type.p);
	place_path(pl, &path);
	return err_set(e, ERR_INVALID, "json: cannot unmarshal %s into Go struct field %s of type %s", what.p,
		       path.p, type.p);
}

static int fail_text(const struct place *pl, const char *why, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };

	if (pl)
		place_path(pl, &path);
	return err_set(e, ERR_INVALID, "json: %s%s%s", sb_str(&path), pl ? ": " : "", why);
}

struct decoder {
	struct arena *a;
	struct err **e;
};

static int decode(const struct decoder *d, const struct place *pl, const struct model_type *t,
		  const struct json *j, void *out);

static int decode_str(const struct decoder *d, const struct place *pl, const struct model_type *t,
		      const struct json *j, const char **out)
{
	if (j->type != JSON_STRING)
		return fail_type(pl, t, j, d->e);
	if (j->has_nul)
		return fail_text(pl, "string contains a NUL byte", d->e);
	*out = j->str.p;
	return 0;
}

static int decode_number(const struct decoder *d, const struct place *pl, const struct model_type *t,
			 const struct json *j, void *out)
{
	int64_t i;
	uint64_t u;

	switch (t->kind) {
	case MODEL_INT:
		if (json_i64(j, &i) < 0 || i < t->min || (i > 0 && (uint64_t)i > t->max))
			return fail_type(pl, t, j, d->e);
		if (t->size == 4)
			*(int32_t *)out = (int32_t)i;
		else
			*(int64_t *)out = i;
		return 0;
	case MODEL_UINT:
		if (json_u64(j, &u) < 0 || u > t->max)
			return fail_type(pl, t, j, d->e);
		if (t->size == 2)
			*(uint16_t *)out = (uint16_t)u;
		else if (t->size == 4)
			*(uint32_t *)out = (uint32_t)u;
		else
			*(uint64_t *)out = u;
		return 0;
	case MODEL_F64:
		if (json_f64(j, (double *)out) < 0)
			return fail_type(pl, t, j, d->e);
		return 0;
	case MODEL_STR:
	case MODEL_STR_OPT:
	case MODEL_TIME:
	case MODEL_BOOL:
	case MODEL_RAW:
	case MODEL_OBJ:
	case MODEL_PTR:
	case MODEL_LIST:
	case MODEL_MAP:
	case MODEL_SET:
	case MODEL_PAIR:
	case MODEL_CMD: break;
	}
	return fail_type(pl, t, j, d->e);
}

static const struct model_field *find_field(const struct model_type *t, struct sv key)
{
	for (unsigned i = 0; i < t->n_fields; i++) {
		const struct model_field *f = &t->fields[i];
		if (f->key_n == key.n && memcmp(f->key, key.p, key.n) == 0)
			return f;
	}
	if (!t->icase)
		return NULL;
	for (unsigned i = 0; i < t->n_fields; i++) {
		const struct model_field *f = &t->fields[i];
		if (f->key_n == key.n && sv_ieqs(key, f->key))
			return f;
	}
	return NULL;
}

/* A list or map of j's size, never nil. */
static int alloc_items(const struct decoder *d, const struct place *pl, const struct json *j, size_t size,
		       struct any_list *out)
{
	if (j->n > MODEL_MAX_ITEMS)
		return fail_text(pl, "too many items", d->e);
	out->v = arena_alloc(d->a, (j->n ? j->n : 1) * size);
	out->n = j->n;
	out->cap = j->n ? j->n : 1;
	return 0;
}

/* {"a":"b"} where [{"Key":"a","Value":"b"}] is meant: both members of the element are strings, in this order. */
static int decode_pairs(const struct decoder *d, const struct place *pl, const struct model_type *t,
			const struct json *j, void *out)
{
	struct any_list l = { 0 };

	assert(t->elem->n_fields == 2 && t->elem->size == 2 * sizeof(const char *));
	if (alloc_items(d, pl, j, t->elem->size, &l) < 0)
		return -1;
	const char **p = l.v;
	json_for_each (m, j) {
		if (memchr(m->key.p, '\0', m->key.n))
			return fail_text(pl, "key contains a NUL byte", d->e);
		p[0] = m->key.p;
		if (decode_str(d, pl, &model_type_str, m, &p[1]) < 0)
			return -1;
		p += 2;
	}
	*(struct any_list *)out = l;
	return 0;
}

static int decode_obj(const struct decoder *d, const struct place *pl, const struct model_type *t,
		      const struct json *j, void *out)
{
	uint64_t seen[MODEL_MAX_FIELDS / 64] = { 0 };

	if (j->type != JSON_OBJECT)
		return fail_type(pl, t, j, d->e);
	json_for_each (m, j) {
		const struct model_field *f = find_field(t, m->key);
		if (!f)
			continue;
		struct place here = { .up = pl, .field = f->key, .owner = t };
		size_t i = (size_t)(f - t->fields);
		if (seen[i / 64] >> (i % 64) & 1)
			return fail_text(&here, "field is given twice", d->e);
		seen[i / 64] |= UINT64_C(1) << (i % 64);
		if (m->type == JSON_NULL && f->type->kind != MODEL_RAW)
			continue;
		bool pairs = (f->flags & MODEL_PAIRS) && m->type == JSON_OBJECT;
		if (pairs ? decode_pairs(d, &here, f->type, m, (char *)out + f->off) < 0
			  : decode(d, &here, f->type, m, (char *)out + f->off) < 0)
			return -1;
		if (f->flags & MODEL_NULLABLE)
			*(bool *)((char *)out + f->has_off) = true;
	}
	for (unsigned i = 0; i < t->n_fields; i++) {
		if ((t->fields[i].flags & MODEL_REQUIRED) && !(seen[i / 64] >> (i % 64) & 1)) {
			struct place here = { .up = pl, .field = t->fields[i].key, .owner = t };
			return fail_text(&here, "required field is missing", d->e);
		}
	}
	return 0;
}

static int decode_items(const struct decoder *d, const struct place *pl, const struct model_type *t,
			const struct json *j, void *out)
{
	struct any_list l = { 0 };
	bool is_map = t->kind == MODEL_MAP;
	size_t size = is_map ? map_entry_size(t) : t->elem->size;

	if (j->type != (is_map ? JSON_OBJECT : JSON_ARRAY))
		return fail_type(pl, t, j, d->e);
	if (alloc_items(d, pl, j, size, &l) < 0)
		return -1;
	char *p = l.v;
	json_for_each (m, j) {
		if (is_map) {
			if (memchr(m->key.p, '\0', m->key.n))
				return fail_text(pl, "key contains a NUL byte", d->e);
			*(const char **)(void *)p = m->key.p;
		}
		/* Go's zero value, and no NULL in the middle of an argv. */
		if (m->type == JSON_NULL && t->elem->kind == MODEL_STR)
			*(const char **)(void *)(p + (is_map ? MAP_VALUE_OFF : 0)) = "";
		if ((m->type != JSON_NULL || t->elem->kind == MODEL_RAW) &&
		    decode(d, pl, t->elem, m, p + (is_map ? MAP_VALUE_OFF : 0)) < 0)
			return -1;
		p += size;
	}
	*(struct any_list *)out = l;
	return 0;
}

/* As Go fills an array: what is missing is 0, what is too many is let go. */
static int decode_pair(const struct decoder *d, const struct place *pl, const struct model_type *t,
		       const struct json *j, struct model_pair *out)
{
	struct model_pair p = { 0 };
	size_t i = 0;

	if (j->type != JSON_ARRAY)
		return fail_type(pl, t, j, d->e);
	json_for_each (m, j) {
		uint64_t v;
		if (json_u64(m, &v) < 0 || v > t->max)
			return fail_type(pl, t, m, d->e);
		if (i == 0)
			p.height = (uint32_t)v;
		else if (i == 1)
			p.width = (uint32_t)v;
		i++;
	}
	*out = p;
	return 0;
}

static int decode_set(const struct decoder *d, const struct place *pl, const struct model_type *t,
		      const struct json *j, struct model_str_list *out)
{
	struct any_list l = { 0 };

	if (j->type != JSON_OBJECT)
		return fail_type(pl, t, j, d->e);
	if (alloc_items(d, pl, j, sizeof(*out->v), &l) < 0)
		return -1;
	const char **v = l.v;
	json_for_each (m, j) {
		if (m->type != JSON_OBJECT && m->type != JSON_NULL)
			return fail_type(pl, t, m, d->e);
		if (memchr(m->key.p, '\0', m->key.n))
			return fail_text(pl, "key contains a NUL byte", d->e);
		*v++ = m->key.p;
	}
	memcpy(out, &l, sizeof(*out));
	return 0;
}

static int decode(const struct decoder *d, const struct place *pl, const struct model_type *t,
		  const struct json *j, void *out)
{
	static const struct model_type strings = { .kind = MODEL_LIST,
						   .elem = &model_type_str,
						   .size = sizeof(struct model_str_list) };
	int64_t ns;

	switch (t->kind) {
	case MODEL_STR:
	case MODEL_STR_OPT: return decode_str(d, pl, t, j, out);
	case MODEL_TIME:
		if (decode_str(d, pl, t, j, out) < 0)
			return -1;
		if (clock_parse_rfc3339(j->str, &ns) < 0)
			return fail_text(pl, "not an RFC 3339 time", d->e);
		return 0;
	case MODEL_BOOL:
		if (j->type != JSON_BOOL)
			return fail_type(pl, t, j, d->e);
		*(bool *)out = j->b;
		return 0;
	case MODEL_INT:
	case MODEL_UINT:
	case MODEL_F64: return decode_number(d, pl, t, j, out);
	case MODEL_RAW: {
		struct sv *raw = out;
		*raw = (struct sv){ arena_strndup(d->a, j->raw.p, j->raw.n), j->raw.n };
		return 0;
	}
	case MODEL_OBJ: return decode_obj(d, pl, t, j, out);
	case MODEL_PTR: {
		void *v = arena_alloc(d->a, t->elem->size);
		if (decode_obj(d, pl, t->elem, j, v) < 0)
			return -1;
		*(void **)out = v;
		return 0;
	}
	case MODEL_LIST:
	case MODEL_MAP: return decode_items(d, pl, t, j, out);
	case MODEL_SET: return decode_set(d, pl, t, j, out);
	case MODEL_PAIR: return decode_pair(d, pl, t, j, out);
	case MODEL_CMD:
		if (j->type == JSON_STRING) {
			struct model_str_list l = { .v = ARENA_NEW(d->a, const char *), .n = 1, .cap = 1 };
			if (decode_str(d, pl, t, j, &l.v[0]) < 0)
				return -1;
			*(struct model_str_list *)out = l;
			return 0;
		}
		return decode_items(d, pl, &strings, j, out);
	}
	return -1;
}

int model_decode(struct arena *a, const struct model_type *t, const struct json *j, void *out, struct err **e)
{
	struct decoder d = { .a = a, .e = e };

	if (json_is(j, JSON_NULL))
		return 0;
	return decode(&d, NULL, t, j, out);
}

int model_parse(struct arena *a, const struct model_type *t, struct sv text, void *out, struct err **e)
{
	cleanup_err struct err *why = NULL;
	const struct json *j;
	size_t used;

	if (sv_trim(text).n == 0)
		return 0;
	if (json_parse_next(a, text, NULL, &j, &used, &why) < 0) {
		/* A body that ends too soon, in the words of Go's stream decoder. */
		if (str_eq(err_text(why), "unexpected end of JSON input"))
			return err_set(e, ERR_INVALID, "invalid JSON: unexpected EOF");
		err_move(e, &why);
		return err_wrap(e, "invalid JSON");
	}
	if (sv_trim(sv_sub(text, used, text.n)).n)
		return err_set(e, ERR_INVALID, "unexpected content after JSON");
	if (model_decode(a, t, j, out, e) < 0)
		return err_wrap(e, "invalid JSON");
	return 0;
}

void model_unknown_keys(const struct model_type *t, const struct json *j, struct strlist *out)
{
	if (!json_is(j, JSON_OBJECT))
		return;
	json_for_each (m, j) {
		if (!find_field(t, m->key))
			strlist_addn(out, m->key.p, m->key.n);
	}
}

/* --- encoding --- */

bool model_is_zero(const struct model_type *t, const void *v)
{
	switch (t->kind) {
	case MODEL_STR:
	case MODEL_TIME: {
		const char *s = *(const char *const *)v;
		return !s || !*s;
	}
	case MODEL_STR_OPT:
	case MODEL_PTR: return *(const void *const *)v == NULL;
	case MODEL_BOOL: return !*(const bool *)v;
	case MODEL_INT:
	case MODEL_UINT: {
		static const uint64_t zero;
		return memcmp(v, &zero, t->size) == 0;
	}
	case MODEL_F64: {
		double d = *(const double *)v;
		return !(d < 0 || d > 0);
	}
	case MODEL_RAW: return ((const struct sv *)v)->n == 0;
	case MODEL_PAIR:
		return ((const struct model_pair *)v)->height == 0 &&
		       ((const struct model_pair *)v)->width == 0;
	case MODEL_LIST:
	case MODEL_MAP:
	case MODEL_SET:
	case MODEL_CMD: return ((const struct any_list *)v)->n == 0;
	case MODEL_OBJ:
		for (unsigned i = 0; i < t->n_fields; i++) {
			const struct model_field *f = &t->fields[i];
			if ((f->flags & MODEL_NULLABLE) ? *(const bool *)((const char *)v + f->has_off)
							: !model_is_zero(f->type, (const char *)v + f->off))
				return false;
		}
		return true;
	}
	return false;
}

static void encode(struct jw *w, const struct model_type *t, const void *v);

static void encode_obj(struct jw *w, const struct model_type *t, const void *v)
{
	jw_obj(w);
	for (unsigned i = 0; i < t->n_fields; i++) {
		const struct model_field *f = &t->fields[i];
		const void *p = (const char *)v + f->off;
		bool absent = (f->flags & MODEL_NULLABLE) && !*(const bool *)((const char *)v + f->has_off);
		if (f->flags & MODEL_OMIT) {
			/* Go leaves a pointer out only when it is nil. */
			if (f->flags & MODEL_NULLABLE ? absent : model_is_zero(f->type, p))
				continue;
		}
		jw_keysv(w, (struct sv){ f->key, f->key_n });
		if (absent)
			jw_null(w);
		else
			encode(w, f->type, p);
	}
	jw_end(w);
}

static int key_cmp(const void *a, const void *b)
{
	return strcmp(**(const char *const *const *)a, **(const char *const *const *)b);
}

/* Go sorts maps by key. Entries begin with their key, those of a set are nothing else. */
static void encode_map(struct jw *w, const struct model_type *elem, const struct any_list *l, size_t size)
{
	cleanup_free const void **at = xreallocarray(NULL, l->n ? l->n : 1, sizeof(*at));

	for (size_t i = 0; i < l->n; i++)
		at[i] = (const char *)l->v + i * size;
	if (l->n > 1)
		qsort(at, l->n, sizeof(*at), key_cmp);
	jw_obj(w);
	for (size_t i = 0; i < l->n; i++) {
		jw_key(w, *(const char *const *)at[i]);
		if (elem) {
			encode(w, elem, (const char *)at[i] + MAP_VALUE_OFF);
		} else {
			jw_obj(w);
			jw_end(w);
		}
	}
	jw_end(w);
}

static void encode_list(struct jw *w, const struct model_type *elem, const struct any_list *l)
{
	jw_arr(w);
	for (size_t i = 0; i < l->n; i++)
		encode(w, elem, (const char *)l->v + i * elem->size);
	jw_end(w);
}

static void encode(struct jw *w, const struct model_type *t, const void *v)
{
	const struct any_list *l = v;
	const char *s;

	switch (t->kind) {
	case MODEL_STR: jw_str(w, *(const char *const *)v); return;
	case MODEL_STR_OPT:
		s = *(const char *const *)v;
		if (s)
			jw_str(w, s);
		else
			jw_null(w);
		return;
	case MODEL_TIME:
		s = *(const char *const *)v;
		jw_str(w, s && *s ? s : "0001-01-01T00:00:00Z");
		return;
	case MODEL_BOOL: jw_bool(w, *(const bool *)v); return;
	case MODEL_INT: jw_i64(w, t->size == 4 ? *(const int32_t *)v : *(const int64_t *)v); return;
	case MODEL_UINT:
		jw_u64(w, t->size == 2   ? *(const uint16_t *)v
			  : t->size == 4 ? *(const uint32_t *)v
					 : *(const uint64_t *)v);
		return;
	case MODEL_F64: jw_f64(w, *(const double *)v); return;
	case MODEL_RAW: jw_raw(w, *(const struct sv *)v); return;
	case MODEL_PAIR:
		jw_arr(w);
		jw_u64(w, ((const struct model_pair *)v)->height);
		jw_u64(w, ((const struct model_pair *)v)->width);
		jw_end(w);
		return;
	case MODEL_OBJ: encode_obj(w, t, v); return;
	case MODEL_PTR:
		v = *(const void *const *)v;
		if (v)
			encode_obj(w, t->elem, v);
		else
			jw_null(w);
		return;
	case MODEL_LIST:
	case MODEL_CMD:
		if (l->v)
			encode_list(w, t->kind == MODEL_CMD ? &model_type_str : t->elem, l);
		else
			jw_null(w);
		return;
	case MODEL_MAP:
	case MODEL_SET:
		if (l->v)
			encode_map(w, t->elem, l,
				   t->kind == MODEL_SET ? sizeof(const char *) : map_entry_size(t));
		else
			jw_null(w);
		return;
	}
}

void model_encode(struct jw *w, const struct model_type *t, const void *v)
{
	encode(w, t, v);
}

bool model_equal(const struct model_type *t, const void *a, const void *b)
{
	cleanup_strbuf struct strbuf x = { 0 }, y = { 0 };
	struct jw wx = jw_to(&x), wy = jw_to(&y);

	encode(&wx, t, a);
	encode(&wy, t, b);
	return sv_eq(sb_sv(&x), sb_sv(&y));
}

/* --- copying --- */

static void copy_items(struct arena *a, const struct model_type *elem, const struct any_list *from,
		       size_t size, size_t value_off, struct any_list *to)
{
	*to = (struct any_list){ 0 };
	if (!from->v)
		return;
	to->cap = from->n ? from->n : 1;
	to->n = from->n;
	to->v = arena_alloc(a, to->cap * size);
	for (size_t i = 0; i < from->n; i++) {
		const char *src = (const char *)from->v + i * size;
		char *dst = (char *)to->v + i * size;
		if (value_off)
			*(const char **)(void *)dst =
				arena_strdup(a, *(const char *const *)(const void *)src);
		model_copy(a, elem, src + value_off, dst + value_off);
	}
}

void model_copy(struct arena *a, const struct model_type *t, const void *from, void *to)
{
	switch (t->kind) {
	case MODEL_STR:
	case MODEL_STR_OPT:
	case MODEL_TIME: {
		const char *s = *(const char *const *)from;
		*(const char **)to = s ? arena_strdup(a, s) : NULL;
		return;
	}
	case MODEL_RAW: {
		const struct sv *s = from;
		*(struct sv *)to =
			s->p ? (struct sv){ arena_strndup(a, s->p, s->n), s->n } : (struct sv){ 0 };
		return;
	}
	case MODEL_BOOL:
	case MODEL_INT:
	case MODEL_UINT:
	case MODEL_PAIR:
	case MODEL_F64: memcpy(to, from, t->size); return;
	case MODEL_OBJ:
		for (unsigned i = 0; i < t->n_fields; i++) {
			const struct model_field *f = &t->fields[i];
			model_copy(a, f->type, (const char *)from + f->off, (char *)to + f->off);
			if (f->flags & MODEL_NULLABLE)
				memcpy((char *)to + f->has_off, (const char *)from + f->has_off,
				       sizeof(bool));
		}
		return;
	case MODEL_PTR: {
		const void *v = *(const void *const *)from;
		void *c = v ? arena_alloc(a, t->elem->size) : NULL;
		if (v)
			model_copy(a, t->elem, v, c);
		*(void **)to = c;
		return;
	}
	case MODEL_LIST: copy_items(a, t->elem, from, t->elem->size, 0, to); return;
	case MODEL_SET:
	case MODEL_CMD: copy_items(a, &model_type_str, from, sizeof(const char *), 0, to); return;
	case MODEL_MAP: copy_items(a, t->elem, from, map_entry_size(t), MAP_VALUE_OFF, to); return;
	}
}
