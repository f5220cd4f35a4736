/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the generated objects (model/api.gen.h, model/oci.gen.h) stand on: the C forms of JSON's shapes, and
 * one decoder, one encoder and one copier that walk the generated type tables. Called by the generated inline
 * functions (api_host_config_decode() and so on); docs/model.md tells how schema files become structs.
 *
 * Memory: everything a decoded object points to is in the arena it was decoded into, or in the arena of the
 * parsed tree; use one arena for both. Objects that a caller fills himself may point to anything that lives
 * long enough. A zeroed object is valid: NULL strings are "", lists and maps with a NULL `v` are Go's nil.
 *
 * Decoding is strict: types, number ranges, list sizes; a string with a NUL inside is refused because C would
 * cut it. Unknown members are ignored, null leaves the zero value. API objects match names without case, as
 * Go does; one field named twice in two spellings is refused. Error texts are those of encoding/json, class
 * ERR_INVALID.
 *
 * Encoding prints what Go's encoding/json prints for the Docker or OCI struct: fields in the schema's order,
 * maps sorted, nil lists and maps as null, `omit` fields left out when they are zero.
 */
#pragma once

#include "codec/json.h"

#include <stddef.h>

/* gnu17 predefines it as 1; here it is a member of the OCI spec. */
#undef linux

#define MODEL_MAX_ITEMS 100000u /* members of one list or map */

/*
 * Lists and maps of plain values. Those of objects are generated beside the object: struct api_mount_list.
 * `cap` is the adders' business: 0 in a list whose `v` is somebody's own array.
 */
struct model_str_list {
	const char **v;
	size_t n, cap;
};
struct model_str_list_list {
	struct model_str_list *v;
	size_t n, cap;
};
struct model_str_entry {
	const char *k, *v;
};
struct model_str_map {
	struct model_str_entry *v;
	size_t n, cap;
};
struct model_str_map_list {
	struct model_str_map *v;
	size_t n, cap;
};
struct model_str_list_entry {
	const char *k;
	struct model_str_list v;
};
struct model_str_list_map {
	struct model_str_list_entry *v;
	size_t n, cap;
};
struct model_i64_list {
	int64_t *v;
	size_t n, cap;
};
struct model_u64_list {
	uint64_t *v;
	size_t n, cap;
};
struct model_u32_list {
	uint32_t *v;
	size_t n, cap;
};
struct model_u64_entry {
	const char *k;
	uint64_t v;
};
struct model_u64_map {
	struct model_u64_entry *v;
	size_t n, cap;
};
struct model_i64_entry {
	const char *k;
	int64_t v;
};
struct model_i64_map {
	struct model_i64_entry *v;
	size_t n, cap;
};
struct model_str_map_entry {
	const char *k;
	struct model_str_map v;
};
struct model_str_map_map {
	struct model_str_map_entry *v;
	size_t n, cap;
};
struct model_raw_list {
	struct sv *v;
	size_t n, cap;
};
struct model_raw_entry {
	const char *k;
	struct sv v;
};
struct model_raw_map {
	struct model_raw_entry *v;
	size_t n, cap;
};

/* Go's [2]uint: a terminal's height and width. */
struct model_pair {
	uint32_t height, width;
};

#define model_for_each(it, list)                                                                             \
	for (typeof((list)->v + 0) it = (list)->v; it && it < (list)->v + (list)->n; it++)

/* Building in an arena. Appending one by one costs amortised constant time. Text is copied. */
void model_strs_add(struct arena *a, struct model_str_list *l, const char *s);
void model_map_put(struct arena *a, struct model_str_map *m, const char *k, const char *v); /* replaces */
void model_map_del(struct model_str_map *m, const char *k);
/* An empty list or map that is not nil: printed as [] or {}. */
void model_strs_empty(struct arena *a, struct model_str_list *l);
/* NULL when absent. */
const char *model_map_get(const struct model_str_map *m, const char *k);
bool model_strs_has(const struct model_str_list *l, const char *s);
/* Room for one more zeroed element of a generated list: struct api_mount *m = model_list_add(a, &hc->mounts);
 */
#define model_list_add(a, list) ((typeof((list)->v))model_list_grow_((a), (list), sizeof(*(list)->v)))
void *model_list_grow_(struct arena *a, void *list, size_t size) __attribute__((returns_nonnull));

/* --- the tables --- */

enum model_kind {
	MODEL_STR,     /* const char *; NULL prints "" */
	MODEL_STR_OPT, /* const char *; NULL prints null */
	MODEL_TIME,    /* const char *, RFC 3339; NULL prints Go's zero time */
	MODEL_BOOL,
	MODEL_INT,  /* signed, of `size` bytes, in [min, max] */
	MODEL_UINT, /* unsigned, of `size` bytes, up to max */
	MODEL_F64,
	MODEL_RAW,  /* struct sv: the value's text, kept as it is; NULL prints null */
	MODEL_OBJ,  /* inline struct */
	MODEL_PTR,  /* pointer to a struct; NULL prints null */
	MODEL_LIST, /* { T *v; size_t n, cap; } */
	MODEL_MAP,  /* { struct { const char *k; T v; } *v; size_t n, cap; } */
	MODEL_SET,  /* struct model_str_list: the keys of a JSON object whose values say nothing */
	MODEL_PAIR, /* struct model_pair */
	MODEL_CMD,  /* struct model_str_list: a list of strings, or on input one string */
};

enum model_field_flags {
	MODEL_OMIT = 1,     /* not printed when zero (Go's omitempty) */
	MODEL_NULLABLE = 2, /* a bool at has_off tells whether there is a value */
	MODEL_REQUIRED = 4, /* decoding fails without it */
	MODEL_PAIRS = 8,    /* a list of {Key, Value}; on input an object of strings as well, in its order */
};

struct model_type;

struct model_field {
	const char *key;
	const struct model_type *type;
	uint32_t off, has_off;
	uint8_t key_n, flags;
};

struct model_type {
	const char *name; /* in messages, as Go would call it */
	const struct model_type *elem;
	const struct model_field *fields;
	int64_t min;
	uint64_t max;
	uint32_t size; /* of the C value */
	uint16_t n_fields;
	enum model_kind kind;
	bool icase;
};

#define MODEL_MAX_FIELDS 192

extern const struct model_type model_type_str, model_type_str_opt, model_type_time, model_type_bool,
	model_type_f64, model_type_i32, model_type_i64, model_type_int, model_type_u16, model_type_u32,
	model_type_u64, model_type_raw, model_type_set, model_type_cmd, model_type_pair;

int model_decode(struct arena *a, const struct model_type *t, const struct json *j, void *out,
		 struct err **e) NODISCARD;
/* Text to object: "invalid JSON: " stands before every error but "unexpected content after JSON". Empty text leaves the
 * zero object. */
int model_parse(struct arena *a, const struct model_type *t, struct sv text, void *out,
		struct err **e) NODISCARD;
/* Names in the object that the type has no member for: daemon.json refuses them. */
void model_unknown_keys(const struct model_type *t, const struct json *j, struct strlist *out);
void model_encode(struct jw *w, const struct model_type *t, const void *v);
/* Deep copy into the arena. */
void model_copy(struct arena *a, const struct model_type *t, const void *from, void *to);
/* Go's zero test of omitempty; for an object: all its fields are zero. */
bool model_is_zero(const struct model_type *t, const void *v);
/* Same encoding. */
bool model_equal(const struct model_type *t, const void *a, const void *b);

/*
 * What every generated object has:
 *	int x_decode(arena, json, &out, e)	from a parsed value
 *	int x_parse(arena, text, &out, e)	from text; "invalid JSON: ..." on errors
 *	void x_encode(jw, x)
 *	struct x *x_dup(arena, x)
 */
#define MODEL_OBJECT(c)                                                                                      \
	extern const struct model_type c##_type;                                                             \
	static inline UNUSED NODISCARD int c##_decode(struct arena *a, const struct json *j, struct c **out, \
						      struct err **e)                                        \
	{                                                                                                    \
		struct c *v_ = ARENA_NEW(a, struct c);                                                       \
		if (model_decode(a, &c##_type, j, v_, e) < 0)                                                \
			return -1;                                                                           \
		*out = v_;                                                                                   \
		return 0;                                                                                    \
	}                                                                                                    \
	static inline UNUSED NODISCARD int c##_parse(struct arena *a, struct sv text, struct c **out,        \
						     struct err **e)                                         \
	{                                                                                                    \
		struct c *v_ = ARENA_NEW(a, struct c);                                                       \
		if (model_parse(a, &c##_type, text, v_, e) < 0)                                              \
			return -1;                                                                           \
		*out = v_;                                                                                   \
		return 0;                                                                                    \
	}                                                                                                    \
	static inline UNUSED void c##_encode(struct jw *w, const struct c *v)                                \
	{                                                                                                    \
		model_encode(w, &c##_type, v);                                                               \
	}                                                                                                    \
	static inline UNUSED struct c *c##_dup(struct arena *a, const struct c *v)                           \
	{                                                                                                    \
		struct c *c_ = ARENA_NEW(a, struct c);                                                       \
		model_copy(a, &c##_type, v, c_);                                                             \
		return c_;                                                                                   \
	}
