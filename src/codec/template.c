/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/template-internal.h"

#include <errno.h>

#define MAX_VARS  64
#define MAX_STEPS 1000000

struct run {
	struct arena *a;
	bool strict; /* a missing member is an error */
	struct strbuf *out;
	struct err **e;
	unsigned line;
	unsigned steps;
	struct {
		const char *name;
		const struct json *value;
	} vars[MAX_VARS];
	size_t n_vars;
};

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE, FLOW_ERROR };

static int fail(struct run *r, const char *fmt, ...) PRINTF(2, 3);
static int fail(struct run *r, const char *fmt, ...)
{
	cleanup_strbuf struct strbuf b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	sb_vaddf(&b, fmt, ap);
	va_end(ap);
	return err_set(r->e, ERR_INVALID, "template: :%u: executing \"\" %s", r->line ? r->line : 1,
		       sb_str(&b));
}

static const struct json *make(struct run *r, enum json_type type, char *text)
{
	struct json *j = ARENA_NEW(r->a, struct json);

	j->type = type;
	j->b = type == JSON_BOOL && strcmp(text, "true") == 0;
	j->raw = j->str = sv_of(text);
	return j;
}

static const struct json *make_str(struct run *r, struct sv s)
{
	struct json *j = ARENA_NEW(r->a, struct json);

	j->type = JSON_STRING;
	j->str = sv_n(arena_strndup(r->a, s.p, s.n), s.n);
	return j;
}

static const struct json *make_i64(struct run *r, int64_t v)
{
	return make(r, JSON_NUMBER, arena_printf(r->a, "%lld", (long long)v));
}

static const struct json *make_bool(struct run *r, bool v)
{
	return make(r, JSON_BOOL, arena_strdup(r->a, v ? "true" : "false"));
}

/* --- values as text --- */

static int by_key(const void *a, const void *b)
{
	const struct json *const *x = a, *const *y = b;
	size_t n = MIN((*x)->key.n, (*y)->key.n);
	int c = n ? memcmp((*x)->key.p, (*y)->key.p, n) : 0;

	return c ? c : (int)((*x)->key.n > (*y)->key.n) - (int)((*x)->key.n < (*y)->key.n);
}

static const struct json **sorted(const struct json *j)
{
	const struct json **v = xcalloc(j->n + 1, sizeof(*v));
	size_t n = 0;

	json_for_each (it, j)
		v[n++] = it;
	if (n)
		qsort(v, n, sizeof(*v), by_key);
	return v;
}

static void print_value(const struct json *j, struct strbuf *out, unsigned depth)
{
	if (!j) {
		sb_add(out, "<no value>");
		return;
	}
	switch (j->type) {
	case JSON_NULL: sb_add(out, depth ? "<nil>" : "<no value>"); break;
	case JSON_BOOL: sb_add(out, j->b ? "true" : "false"); break;
	case JSON_NUMBER: sb_addsv(out, j->raw); break;
	case JSON_STRING: sb_addsv(out, j->str); break;
	case JSON_ARRAY:
		sb_addc(out, '[');
		json_for_each (it, j) {
			print_value(it, out, depth + 1);
			if (it->next)
				sb_addc(out, ' ');
		}
		sb_addc(out, ']');
		break;
	case JSON_OBJECT: {
		cleanup_free const struct json **v = sorted(j);

		sb_add(out, "map[");
		for (size_t i = 0; i < j->n; i++) {
			sb_addsv(out, v[i]->key);
			sb_addc(out, ':');
			print_value(v[i], out, depth + 1);
			if (i + 1 < j->n)
				sb_addc(out, ' ');
		}
		sb_addc(out, ']');
		break;
	}
	}
}

void template_print_value(const struct json *j, struct strbuf *out)
{
	print_value(j, out, 0);
}

static bool truth(const struct json *j)
{
	double d;

	if (!j)
		return false;
	switch (j->type) {
	case JSON_NULL: return false;
	case JSON_BOOL: return j->b;
	case JSON_NUMBER: return json_f64(j, &d) == 0 && d != 0;
	case JSON_STRING: return j->str.n != 0;
	case JSON_ARRAY:
	case JSON_OBJECT: return j->n != 0;
	}
	return false;
}

static const char *kind_name(const struct json *j)
{
	return j ? json_type_name(j) : "nil";
}

/* --- functions --- */

static int need_string(struct run *r, const char *fn, const struct json *j, struct sv *out)
{
	*out = SV("");
	if (!json_is(j, JSON_STRING))
		return fail(r, "at <%s>: wrong type for value; expected string; got %s", fn, kind_name(j));
	*out = j->str;
	return 0;
}

static int need_i64(struct run *r, const char *fn, const struct json *j, int64_t *out)
{
	*out = 0;
	if (json_i64(j, out) < 0)
		return fail(r, "at <%s>: wrong type for value; expected int; got %s", fn, kind_name(j));
	return 0;
}

/* A map whose members are all strings behaves like map[string]string: what is absent is "". */
static bool is_string_map(const struct json *j)
{
	json_for_each (it, j) {
		if (it->type != JSON_STRING)
			return false;
	}
	return true;
}

static int do_index(struct run *r, const struct json **args, size_t n, const struct json **out)
{
	const struct json *j = args[0];

	for (size_t i = 1; i < n; i++) {
		int64_t at;

		if (json_is(j, JSON_OBJECT)) {
			const struct json *member;

			if (!json_is(args[i], JSON_STRING))
				return fail(r,
					    "at <index>: error calling index: value has type %s; should be "
					    "string",
					    kind_name(args[i]));
			member = json_get(j, args[i]->str.p);
			j = member || !is_string_map(j) ? member : make_str(r, SV(""));
		} else if (json_is(j, JSON_ARRAY)) {
			if (json_i64(args[i], &at) < 0)
				return fail(r,
					    "at <index>: error calling index: cannot index slice/array with "
					    "type %s",
					    kind_name(args[i]));
			if (at < 0 || at >= (int64_t)j->n)
				return fail(r, "at <index>: error calling index: index out of range: %lld",
					    (long long)at);
			j = json_at(j, (size_t)at);
		} else if (json_is(j, JSON_STRING)) {
			if (json_i64(args[i], &at) < 0 || at < 0 || at >= (int64_t)j->str.n)
				return fail(r, "at <index>: error calling index: index out of range");
			j = make_i64(r, (unsigned char)j->str.p[at]);
		} else if (!j) {
			return fail(r, "at <index>: error calling index: index of untyped nil");
		} else {
			return fail(r, "at <index>: error calling index: can't index item of type %s",
				    kind_name(j));
		}
	}
	*out = j;
	return 0;
}

static int do_len(struct run *r, const struct json *j, const struct json **out)
{
	if (json_is(j, JSON_STRING))
		*out = make_i64(r, (int64_t)j->str.n);
	else if (json_is(j, JSON_ARRAY) || json_is(j, JSON_OBJECT))
		*out = make_i64(r, (int64_t)j->n);
	else
		return fail(r, "at <len>: error calling len: len of %s", j ? "type " : "nil pointer");
	return 0;
}

static int do_slice(struct run *r, const struct json **args, size_t n, const struct json **out)
{
	int64_t from = 0, to;
	const struct json *j = args[0];

	if (!json_is(j, JSON_STRING) && !json_is(j, JSON_ARRAY))
		return fail(r, "at <slice>: error calling slice: can't slice item of type %s", kind_name(j));
	to = (int64_t)(j->type == JSON_STRING ? j->str.n : j->n);
	if ((n > 1 && need_i64(r, "slice", args[1], &from) < 0) ||
	    (n > 2 && need_i64(r, "slice", args[2], &to) < 0))
		return -1;
	if (from < 0 || to < from || to > (int64_t)(j->type == JSON_STRING ? j->str.n : j->n))
		return fail(r, "at <slice>: error calling slice: index out of range: %lld", (long long)to);
	if (j->type == JSON_STRING) {
		*out = make_str(r, sv_sub(j->str, (size_t)from, (size_t)to));
	} else {
		struct json *list = ARENA_NEW(r->a, struct json), **tail = &list->first;
		size_t i = 0;

		list->type = JSON_ARRAY;
		json_for_each (it, j) {
			if ((int64_t)i >= from && (int64_t)i < to) {
				struct json *copy = ARENA_NEW(r->a, struct json);

				*copy = *it;
				copy->next = NULL;
				*tail = copy;
				tail = &copy->next;
				list->n++;
			}
			i++;
		}
		*out = list;
	}
	return 0;
}

/* -1, 0, 1; or 2 when the kinds do not compare. */
static int compare(const struct json *a, const struct json *b)
{
	if (json_is(a, JSON_STRING) && json_is(b, JSON_STRING)) {
		size_t n = MIN(a->str.n, b->str.n);
		int c = n ? memcmp(a->str.p, b->str.p, n) : 0;

		return c ? (c < 0 ? -1 : 1) : (int)(a->str.n > b->str.n) - (int)(a->str.n < b->str.n);
	}
	if (json_is(a, JSON_NUMBER) && json_is(b, JSON_NUMBER)) {
		int64_t x, y;
		double dx, dy;

		if (json_i64(a, &x) == 0 && json_i64(b, &y) == 0)
			return (int)(x > y) - (int)(x < y);
		if (json_f64(a, &dx) < 0 || json_f64(b, &dy) < 0)
			return 2;
		return (int)(dx > dy) - (int)(dx < dy);
	}
	if (json_is(a, JSON_BOOL) && json_is(b, JSON_BOOL))
		return (int)a->b - (int)b->b;
	return 2;
}

static int do_compare(struct run *r, const char *fn, const struct json **args, size_t n,
		      const struct json **out)
{
	bool result = false;
	int c;

	if (strcmp(fn, "eq") == 0) {
		for (size_t i = 1; i < n && !result; i++) {
			c = compare(args[0], args[i]);
			if (c == 2 && args[0] && args[i] && args[0]->type != JSON_NULL &&
			    args[i]->type != JSON_NULL)
				return fail(r,
					    "at <eq>: error calling eq: incompatible types for comparison");
			result = c == 0 || (c == 2 && !truth(args[0]) && !truth(args[i]));
		}
		*out = make_bool(r, result);
		return 0;
	}
	c = compare(args[0], args[1]);
	if (c == 2 && !(strcmp(fn, "ne") == 0 && (!args[0] || !args[1])))
		return fail(r, "at <%s>: error calling %s: incompatible types for comparison", fn, fn);
	if (strcmp(fn, "ne") == 0)
		result = c != 0;
	else if (strcmp(fn, "lt") == 0)
		result = c < 0;
	else if (strcmp(fn, "le") == 0)
		result = c <= 0;
	else if (strcmp(fn, "gt") == 0)
		result = c > 0;
	else
		result = c >= 0;
	*out = make_bool(r, result);
	return 0;
}

/* Pads text to the width of a verb such as "%-10s". */
static void add_padded(struct strbuf *b, struct sv s, int64_t width, bool left)
{
	size_t runes = 0, pad;

	for (size_t i = 0; i < s.n; i++)
		runes += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	pad = width > (int64_t)runes ? (size_t)width - runes : 0;
	for (size_t i = 0; !left && i < pad; i++)
		sb_addc(b, ' ');
	sb_addsv(b, s);
	for (size_t i = 0; left && i < pad; i++)
		sb_addc(b, ' ');
}

static void quote(struct strbuf *b, struct sv s)
{
	struct strbuf q = { 0 };
	struct jw w = jw_to(&q);

	jw_strsv(&w, s);
	sb_addsv(b, sb_sv(&q));
	sb_release(&q);
}

static void add_verb(struct strbuf *b, char verb, const struct json *arg, int64_t width, int64_t prec,
		     bool left, bool zero)
{
	cleanup_strbuf struct strbuf one = { 0 };
	int64_t i = 0;
	double d = 0;
	bool is_int = json_i64(arg, &i) == 0, is_num = json_f64(arg, &d) == 0;

	switch (verb) {
	case 'v': print_value(arg, &one, 1); break;
	case 's':
		if (json_is(arg, JSON_NUMBER) || json_is(arg, JSON_BOOL)) {
			sb_addf(&one, "%%!s(%s=",
				json_is(arg, JSON_BOOL) ? "bool"
				: is_int                ? "int"
							: "float64");
			print_value(arg, &one, 1);
			sb_addc(&one, ')');
		} else {
			print_value(arg, &one, 1);
		}
		break;
	case 'q':
		print_value(arg, &one, 1);
		{
			cleanup_strbuf struct strbuf q = { 0 };

			quote(&q, sb_sv(&one));
			sb_reset(&one);
			sb_addsv(&one, sb_sv(&q));
		}
		break;
	case 'd':
		if (is_int) {
			sb_addf(&one, "%lld", (long long)i);
		} else {
			sb_addf(&one, "%%!d(%s=", json_is(arg, JSON_STRING) ? "string" : "float64");
			print_value(arg, &one, 1);
			sb_addc(&one, ')');
		}
		break;
	case 'x':
		if (is_int)
			sb_addf(&one, "%llx", (unsigned long long)i);
		else if (json_is(arg, JSON_STRING))
			for (size_t k = 0; k < arg->str.n; k++)
				sb_addf(&one, "%02x", (unsigned char)arg->str.p[k]);
		break;
	case 'f':
	case 'g':
	case 'e':
		if (is_num && verb == 'f')
			sb_addf(&one, "%.*f", (int)(prec < 0 ? 6 : prec), d);
		else if (is_num && verb == 'e')
			sb_addf(&one, "%.*e", (int)(prec < 0 ? 6 : prec), d);
		else if (is_num)
			sb_addf(&one, "%g", d);
		else
			sb_addf(&one, "%%!%c(%s)", verb, kind_name(arg));
		break;
	case 't': sb_add(&one, json_is(arg, JSON_BOOL) ? (arg->b ? "true" : "false") : "%!t(?)"); break;
	case 'T': sb_add(&one, kind_name(arg)); break;
	case 'c':
		if (is_int && i > 0 && i < 128)
			sb_addc(&one, (char)i);
		break;
	default:
		sb_addf(&one, "%%!%c(", verb);
		print_value(arg, &one, 1);
		sb_addc(&one, ')');
	}
	if (prec >= 0 && (verb == 's' || verb == 'v') && (size_t)prec < one.n) {
		one.n = (size_t)prec;
		one.p[one.n] = '\0';
	}
	if (zero && !left && (verb == 'd' || verb == 'x') && width > (int64_t)one.n) {
		size_t at = one.n && one.p[0] == '-' ? 1 : 0;

		sb_addsv(b, sv_sub(sb_sv(&one), 0, at));
		for (int64_t k = (int64_t)one.n; k < width; k++)
			sb_addc(b, '0');
		sb_addsv(b, sv_sub(sb_sv(&one), at, one.n));
		return;
	}
	add_padded(b, sb_sv(&one), width, left);
}

static int64_t take_int(struct sv *s, int64_t none)
{
	int64_t v = none;

	while (s->n && s->p[0] >= '0' && s->p[0] <= '9') {
		v = (v < 0 ? 0 : v) * 10 + (s->p[0] - '0');
		v = MIN(v, (int64_t)4096);
		*s = sv_sub(*s, 1, s->n);
	}
	return v;
}

static int do_printf(struct run *r, const struct json **args, size_t n, const struct json **out)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct sv f;
	size_t used = 1;

	if (need_string(r, "printf", args[0], &f) < 0)
		return -1;
	while (f.n) {
		bool left = false, zero = false;
		int64_t width, prec = -1;
		char verb;

		if (f.p[0] != '%') {
			sb_addc(&b, f.p[0]);
			f = sv_sub(f, 1, f.n);
			continue;
		}
		f = sv_sub(f, 1, f.n);
		while (f.n && strchr("-+# 0", f.p[0])) {
			left = left || f.p[0] == '-';
			zero = zero || f.p[0] == '0';
			f = sv_sub(f, 1, f.n);
		}
		width = take_int(&f, -1);
		if (f.n && f.p[0] == '.') {
			f = sv_sub(f, 1, f.n);
			prec = take_int(&f, 0);
		}
		if (f.n == 0) {
			sb_add(&b, "%!(NOVERB)");
			break;
		}
		verb = f.p[0];
		f = sv_sub(f, 1, f.n);
		if (verb == '%')
			sb_addc(&b, '%');
		else if (used >= n)
			sb_addf(&b, "%%!%c(MISSING)", verb);
		else
			add_verb(&b, verb, args[used++], width, prec, left, zero);
	}
	if (used < n) {
		sb_add(&b, "%!(EXTRA ");
		for (; used < n; used++) {
			sb_addf(&b, "%s=", kind_name(args[used]));
			print_value(args[used], &b, 1);
			if (used + 1 < n)
				sb_add(&b, ", ");
		}
		sb_addc(&b, ')');
	}
	*out = make_str(r, sb_sv(&b));
	return 0;
}

static int do_split(struct run *r, const struct json **args, const struct json **out)
{
	struct json *list = ARENA_NEW(r->a, struct json), **tail = &list->first;
	struct sv s, sep;

	if (need_string(r, "split", args[0], &s) < 0 || need_string(r, "split", args[1], &sep) < 0)
		return -1;
	list->type = JSON_ARRAY;
	for (;;) {
		const char *at = sep.n && s.n ? memmem(s.p, s.n, sep.p, sep.n) : NULL;
		size_t len = at ? (size_t)(at - s.p) : sep.n || !s.n ? s.n : 1;
		struct json *one = ARENA_NEW(r->a, struct json);

		one->type = JSON_STRING;
		one->str = sv_n(arena_strndup(r->a, s.p, len), len);
		*tail = one;
		tail = &one->next;
		list->n++;
		if (!at && (sep.n || s.n <= 1))
			break;
		s = sv_sub(s, len + (at ? sep.n : 0), s.n);
	}
	*out = list;
	return 0;
}

static int do_join(struct run *r, const struct json **args, const struct json **out)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct sv sep;

	if (need_string(r, "join", args[1], &sep) < 0)
		return -1;
	if (args[0] && args[0]->type != JSON_ARRAY && args[0]->type != JSON_NULL)
		return fail(r, "at <join>: wrong type for value; expected []string; got %s",
			    kind_name(args[0]));
	json_for_each (it, args[0]) {
		print_value(it, &b, 1);
		if (it->next)
			sb_addsv(&b, sep);
	}
	*out = make_str(r, sb_sv(&b));
	return 0;
}

static int do_case(struct run *r, const char *fn, const struct json *arg, const struct json **out)
{
	struct sv s;
	char *copy;
	bool start = true;

	if (need_string(r, fn, arg, &s) < 0)
		return -1;
	copy = arena_strndup(r->a, s.p, s.n);
	for (size_t i = 0; i < s.n; i++) {
		char c = copy[i];
		bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z';

		if (lower && (fn[0] == 'u' || (fn[0] == 't' && start)))
			copy[i] = (char)(c - 'a' + 'A');
		else if (upper && fn[0] == 'l')
			copy[i] = (char)(c - 'A' + 'a');
		start = !lower && !upper && !(c >= '0' && c <= '9') && c != '_' && c != '\'';
	}
	*out = make_str(r, sv_n(copy, s.n));
	return 0;
}

static int do_pad(struct run *r, const struct json **args, const struct json **out)
{
	cleanup_strbuf struct strbuf b = { 0 };
	int64_t before, after;
	struct sv s;

	if (need_string(r, "pad", args[0], &s) < 0 || need_i64(r, "pad", args[1], &before) < 0 ||
	    need_i64(r, "pad", args[2], &after) < 0)
		return -1;
	for (int64_t i = 0; s.n && i < before && i < 4096; i++)
		sb_addc(&b, ' ');
	sb_addsv(&b, s);
	for (int64_t i = 0; s.n && i < after && i < 4096; i++)
		sb_addc(&b, ' ');
	*out = make_str(r, sb_sv(&b));
	return 0;
}

static int do_truncate(struct run *r, const struct json **args, const struct json **out)
{
	int64_t n;
	struct sv s;
	size_t i = 0;

	if (need_string(r, "truncate", args[0], &s) < 0 || need_i64(r, "truncate", args[1], &n) < 0)
		return -1;
	/* Docker's counts bytes; we do not cut a character in half. */
	i = n < 0 ? 0 : MIN((size_t)n, s.n);
	while (i < s.n && i && ((unsigned char)s.p[i] & 0xc0) == 0x80)
		i--;
	*out = make_str(r, sv_sub(s, 0, i));
	return 0;
}

static const struct {
	const char *name;
	size_t min, max;
} arity[] = {
	{ "and", 1, 64 },  { "or", 1, 64 },   { "not", 1, 1 },      { "index", 1, 64 },  { "len", 1, 1 },
	{ "slice", 1, 3 }, { "eq", 2, 64 },   { "ne", 2, 2 },       { "lt", 2, 2 },      { "le", 2, 2 },
	{ "gt", 2, 2 },    { "ge", 2, 2 },    { "print", 0, 64 },   { "printf", 1, 64 }, { "println", 0, 64 },
	{ "json", 1, 1 },  { "split", 2, 2 }, { "join", 2, 2 },     { "title", 1, 1 },   { "lower", 1, 1 },
	{ "upper", 1, 1 }, { "pad", 3, 3 },   { "truncate", 2, 2 },
};

static int call(struct run *r, const char *fn, const struct json **args, size_t n, const struct json **out)
{
	cleanup_strbuf struct strbuf b = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(arity); i++) {
		if (strcmp(arity[i].name, fn) != 0)
			continue;
		if (n < arity[i].min || n > arity[i].max)
			return fail(r, "at <%s>: wrong number of args for %s: want %s%zu got %zu", fn, fn,
				    arity[i].max > arity[i].min ? "at least " : "", arity[i].min, n);
	}
	if (strcmp(fn, "index") == 0)
		return do_index(r, args, n, out);
	if (strcmp(fn, "len") == 0)
		return do_len(r, args[0], out);
	if (strcmp(fn, "slice") == 0)
		return do_slice(r, args, n, out);
	if (strcmp(fn, "printf") == 0)
		return do_printf(r, args, n, out);
	if (strcmp(fn, "split") == 0)
		return do_split(r, args, out);
	if (strcmp(fn, "join") == 0)
		return do_join(r, args, out);
	if (strcmp(fn, "pad") == 0)
		return do_pad(r, args, out);
	if (strcmp(fn, "truncate") == 0)
		return do_truncate(r, args, out);
	if (strcmp(fn, "title") == 0 || strcmp(fn, "lower") == 0 || strcmp(fn, "upper") == 0)
		return do_case(r, fn, args[0], out);
	if (strcmp(fn, "and") == 0 || strcmp(fn, "or") == 0) {
		*out = args[0];
		for (size_t i = 0; i < n; i++) {
			*out = args[i];
			if (truth(args[i]) == (fn[0] == 'o'))
				break;
		}
		return 0;
	}
	if (strcmp(fn, "not") == 0) {
		*out = make_bool(r, !truth(args[0]));
		return 0;
	}
	if (strcmp(fn, "json") == 0) {
		struct jw w = jw_to(&b);

		if (args[0])
			jw_value(&w, args[0]);
		else
			jw_null(&w);
		*out = make_str(r, sb_sv(&b));
		return 0;
	}
	if (strcmp(fn, "print") == 0 || strcmp(fn, "println") == 0) {
		for (size_t i = 0; i < n; i++) {
			bool strings =
				i && json_is(args[i], JSON_STRING) && json_is(args[i - 1], JSON_STRING);

			if (i && (fn[5] || (!strings && !json_is(args[i], JSON_STRING) &&
					    !json_is(args[i - 1], JSON_STRING))))
				sb_addc(&b, ' ');
			print_value(args[i], &b, 1);
		}
		if (fn[5])
			sb_addc(&b, '\n');
		*out = make_str(r, sb_sv(&b));
		return 0;
	}
	return do_compare(r, fn, args, n, out);
}

/* --- evaluation --- */

static int eval_pipe(struct run *r, const struct pipe *p, const struct json *dot, const struct json **out);

static int eval_fields(struct run *r, const struct expr *x, const struct json *j, const struct json **out)
{
	for (const char *const *f = x->fields; f && *f; f++) {
		const struct json *member;

		if (!j || j->type == JSON_NULL) {
			if (r->strict && f != x->fields)
				return fail(r, "at <%s>: nil pointer evaluating interface {}.%s", x->chain,
					    *f);
			j = NULL;
			continue;
		}
		if (j->type != JSON_OBJECT)
			return fail(r, "at <%s>: can't evaluate field %s in type %s", x->chain, *f,
				    json_type_name(j));
		member = json_get(j, *f);
		if (!member && r->strict)
			return fail(r, "at <%s>: map has no entry for key \"%s\"", x->chain, *f);
		j = member;
	}
	*out = j;
	return 0;
}

static int eval_expr(struct run *r, const struct expr *x, const struct json *dot, const struct json *last,
		     bool has_last, const struct json **out);

/*
 * `.Label "name"`: the one method Docker's rows have. A member that is an object answers with its entry, "" when there is
 * none; a member that is a string (a table's headings) with the last word of the name.
 */
static int eval_method(struct run *r, const struct expr *x, const struct json *dot, const struct json **out)
{
	const struct json *object = x->kind == EXPR_DOT ? dot : NULL, *arg, *found;
	const char *name, *dotted;

	if (!x->fields[0] || x->fields[1] || !json_is(object, JSON_OBJECT) || !json_get(object, x->fields[0]))
		return fail(r, "at <%s>: %s is not a method but has arguments", x->chain ? x->chain : ".",
			    x->chain ? x->chain : ".");
	object = json_get(object, x->fields[0]);
	if (eval_expr(r, x->args[0], dot, NULL, false, &arg) < 0)
		return -1;
	name = json_str(arg);
	if (!name)
		return fail(r, "at <%s>: wrong type of argument; expected string", x->chain);
	if (object->type == JSON_STRING) {
		dotted = strrchr(name, '.');
		char *word = arena_strdup(r->a, dotted ? dotted + 1 : name);
		for (char *p = word; *p; p++)
			if (*p == '-' || *p == '_')
				*p = ' ';
		*out = make_str(r, sv_of(word));
		return 0;
	}
	if (object->type != JSON_OBJECT)
		return fail(r, "at <%s>: %s is not a method but has arguments", x->chain, x->chain);
	found = json_get(object, name);
	*out = found ? found : make_str(r, SV(""));
	return 0;
}

static int eval_expr(struct run *r, const struct expr *x, const struct json *dot, const struct json *last,
		     bool has_last, const struct json **out)
{
	const struct json *j = NULL;

	if (++r->steps > MAX_STEPS)
		return fail(r, "at <>: takes too long");
	if (x->kind == EXPR_CALL) {
		const struct json *args[65];
		size_t n = 0;

		if (x->n_args + has_last >= ARRAY_LEN(args))
			return fail(r, "at <%s>: too many arguments", x->name);
		for (size_t i = 0; i < x->n_args; i++)
			if (eval_expr(r, x->args[i], dot, NULL, false, &args[n++]) < 0)
				return -1;
		if (has_last)
			args[n++] = last;
		return call(r, x->name, args, n, out);
	}
	if (x->n_args == 1 && !has_last && x->fields)
		return eval_method(r, x, dot, out);
	if (x->n_args || has_last)
		return fail(r, "at <%s>: %s is not a method but has arguments", x->chain ? x->chain : ".",
			    x->chain ? x->chain : ".");
	switch (x->kind) {
	case EXPR_VALUE: j = x->value; break;
	case EXPR_DOT: j = dot; break;
	case EXPR_VAR: {
		bool found = false;

		for (size_t i = r->n_vars; i-- > 0 && !found;) {
			if (strcmp(r->vars[i].name, x->name) == 0) {
				j = r->vars[i].value;
				found = true;
			}
		}
		if (!found)
			return err_set(r->e, ERR_INVALID, "template: :%u: undefined variable \"%s\"", r->line,
				       x->name);
		break;
	}
	case EXPR_PIPE:
		if (eval_pipe(r, x->pipe, dot, &j) < 0)
			return -1;
		break;
	case EXPR_CALL: break;
	}
	return eval_fields(r, x, j, out);
}

static int set_var(struct run *r, const char *name, const struct json *value, bool assign)
{
	if (assign) {
		for (size_t i = r->n_vars; i-- > 0;) {
			if (strcmp(r->vars[i].name, name) == 0) {
				r->vars[i].value = value;
				return 0;
			}
		}
		return err_set(r->e, ERR_INVALID, "template: :%u: undefined variable \"%s\"", r->line, name);
	}
	if (r->n_vars == MAX_VARS)
		return fail(r, "at <%s>: too many variables", name);
	r->vars[r->n_vars].name = name;
	r->vars[r->n_vars++].value = value;
	return 0;
}

static int eval_pipe_value(struct run *r, const struct pipe *p, const struct json *dot,
			   const struct json **out)
{
	const struct json *j = NULL;

	for (size_t i = 0; i < p->n_cmds; i++)
		if (eval_expr(r, p->cmds[i], dot, j, i > 0, &j) < 0)
			return -1;
	*out = j;
	return 0;
}

static int eval_pipe(struct run *r, const struct pipe *p, const struct json *dot, const struct json **out)
{
	if (eval_pipe_value(r, p, dot, out) < 0)
		return -1;
	for (size_t i = 0; i < p->n_vars; i++)
		if (set_var(r, p->vars[i], *out, p->is_assign) < 0)
			return -1;
	return 0;
}

static enum flow run_list(struct run *r, const struct node *n, const struct json *dot);

static enum flow run_range(struct run *r, const struct node *n, const struct json *dot)
{
	cleanup_free const struct json **v = NULL;
	size_t vars = r->n_vars, count, i = 0;
	const struct json *over;
	int64_t times = 0;
	enum flow flow = FLOW_ON;
	bool by_number;

	if (eval_pipe_value(r, n->pipe, dot, &over) < 0)
		return FLOW_ERROR;
	by_number = json_is(over, JSON_NUMBER) && json_i64(over, &times) == 0;
	if (over && !by_number && over->type != JSON_ARRAY && over->type != JSON_OBJECT &&
	    over->type != JSON_NULL) {
		(void)fail(r, "at <range>: range can't iterate over %s", kind_name(over));
		return FLOW_ERROR;
	}
	count = by_number ? (size_t)(times < 0 ? 0 : times) : over ? over->n : 0;
	if (count == 0)
		return run_list(r, n->other, dot);
	if (json_is(over, JSON_OBJECT))
		v = sorted(over);
	for (const struct json *it = by_number || v ? NULL : over->first; i < count && flow != FLOW_BREAK;
	     i++) {
		const struct json *value = by_number ? make_i64(r, (int64_t)i) : v ? v[i] : it;
		const struct json *key = v ? make_str(r, value->key) : make_i64(r, (int64_t)i);

		if ((n->pipe->n_vars == 1 && set_var(r, n->pipe->vars[0], value, n->pipe->is_assign) < 0) ||
		    (n->pipe->n_vars == 2 && (set_var(r, n->pipe->vars[0], key, n->pipe->is_assign) < 0 ||
					      set_var(r, n->pipe->vars[1], value, n->pipe->is_assign) < 0)))
			return FLOW_ERROR;
		flow = run_list(r, n->body, value);
		r->n_vars = vars;
		if (flow == FLOW_ERROR)
			return flow;
		if (it)
			it = it->next;
	}
	return FLOW_ON;
}

static enum flow run_list(struct run *r, const struct node *n, const struct json *dot)
{
	size_t vars = r->n_vars;
	enum flow flow = FLOW_ON;

	for (; n && flow == FLOW_ON; n = n->next) {
		const struct json *j = NULL;

		r->line = n->line;
		if (++r->steps > MAX_STEPS || r->out->n > TEMPLATE_MAX_OUTPUT) {
			(void)fail(r, "at <>: takes too long");
			return FLOW_ERROR;
		}
		switch (n->kind) {
		case NODE_TEXT: sb_addsv(r->out, n->text); break;
		case NODE_ACTION:
			if (eval_pipe(r, n->pipe, dot, &j) < 0)
				return FLOW_ERROR;
			if (n->pipe->n_vars == 0)
				print_value(j, r->out, 0);
			break;
		case NODE_IF:
		case NODE_WITH: {
			size_t mark = r->n_vars;

			if (eval_pipe(r, n->pipe, dot, &j) < 0)
				return FLOW_ERROR;
			flow = truth(j) ? run_list(r, n->body, n->kind == NODE_WITH ? j : dot)
					: run_list(r, n->other, dot);
			r->n_vars = mark;
			break;
		}
		case NODE_RANGE: flow = run_range(r, n, dot); break;
		case NODE_BREAK: flow = FLOW_BREAK; break;
		case NODE_CONTINUE: flow = FLOW_CONTINUE; break;
		}
	}
	r->n_vars = vars;
	return flow;
}

int template_execute(const struct template *t, const struct json *data, bool missing_is_error,
		     struct strbuf *out, struct err **e)
{
	struct run r = { .a = t->a, .strict = missing_is_error, .out = out, .e = e, .line = 1 };

	r.vars[r.n_vars].name = "$";
	r.vars[r.n_vars++].value = data;
	return run_list(&r, t->first, data) == FLOW_ERROR ? -1 : 0;
}
