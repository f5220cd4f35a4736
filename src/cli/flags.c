/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags.h"

#include "base/clock.h"
#include "model/mounts.h"
#include "model/options.h"
#include "model/size.h"

#include <assert.h>
#include <errno.h>

static struct flag_value *value_of(const struct flags *f, const struct flag *flag)
{
	return &f->v[flag - f->table];
}

static const struct flag *by_name(const struct flags *f, struct sv name)
{
	for (size_t i = 0; i < f->n; i++)
		if (sv_eqs(name, f->table[i].name))
			return &f->table[i];
	return NULL;
}

static const struct flag *by_shorthand(const struct flags *f, char c)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->table[i].shorthand == c)
			return &f->table[i];
	return NULL;
}

static const struct flag *real_flag(const struct flags *f, const struct flag *flag)
{
	return flag->alias_of ? by_name(f, sv_of(flag->alias_of)) : flag;
}

static int parse_number(const char *fn, struct sv s, int64_t min, int64_t max, int64_t *out, struct err **e)
{
	int r = parse_i64(s, min, max, out);

	if (r == -ERANGE)
		return err_set(e, ERR_INVALID, "%s: parsing \"%s\": value out of range", fn, s.p);
	if (r < 0)
		return err_set(e, ERR_INVALID, "%s: parsing \"%s\": invalid syntax", fn, s.p);
	return 0;
}

static int add_strings(struct flags *f, struct flag_value *v, const char *text, struct err **e)
{
	struct model_str_list fields = { 0 };

	if (csv_fields(f->a, sv_of(text), &fields, e) < 0)
		return -1;
	for (size_t i = 0; i < fields.n; i++)
		model_strs_add(f->a, &v->list, fields.v[i]);
	return 0;
}

static int convert(struct flags *f, const struct flag *flag, struct flag_value *v, const char *text,
		   struct err **e)
{
	struct sv s = sv_of(text);

	switch (flag->type) {
	case FLAG_BOOL:
		if (parse_bool(s, &v->b) < 0)
			return err_set(e, ERR_INVALID, "strconv.ParseBool: parsing \"%s\": invalid syntax",
				       text);
		return 0;
	case FLAG_STRING: v->str = arena_strdup(f->a, text); return 0;
	case FLAG_INT: return parse_number("strconv.ParseInt", s, INT64_MIN, INT64_MAX, &v->num, e);
	case FLAG_UINT16: return parse_number("strconv.ParseUint", s, 0, UINT16_MAX, &v->num, e);
	case FLAG_UINT64: return parse_number("strconv.ParseUint", s, 0, INT64_MAX, &v->num, e);
	case FLAG_LIST: model_strs_add(f->a, &v->list, text); return 0;
	case FLAG_STRINGS: return add_strings(f, v, text, e);
	case FLAG_MAP: model_strs_add(f->a, &v->list, text); return 0;
	case FLAG_BYTES:
		if (strcmp(text, "-1") == 0) {
			v->num = -1;
			return 0;
		}
		return size_parse_ram(s, &v->num, e);
	case FLAG_DECIMAL: return nano_cpus_parse(s, &v->num, e);
	case FLAG_DURATION:
		if (clock_parse_duration(s, &v->num) < 0)
			return err_set(e, ERR_INVALID, "time: invalid duration \"%s\"", text);
		return 0;
	case FLAG_FILTER:
		if (*text && !strchr(text, '='))
			return err_set(e, ERR_INVALID, "bad format of filter (expected name=value)");
		if (*text)
			model_strs_add(f->a, &v->list, text);
		return 0;
	}
	return 0;
}

static int give(struct flags *f, const struct flag *as, const char *text, struct err **e)
{
	const struct flag *flag = real_flag(f, as);
	struct flag_value *v = value_of(f, flag);
	cleanup_err struct err *why = NULL;

	v->is_set = true;
	if (convert(f, flag, v, text, &why) == 0 && (!flag->check || flag->check(f->a, text, &why) == 0))
		return 0;
	cleanup_strbuf struct strbuf name = { 0 };
	if (as->shorthand)
		sb_addf(&name, "-%c, ", as->shorthand);
	sb_addf(&name, "--%s", as->name);
	return err_set(e, ERR_INVALID, "invalid argument \"%s\" for \"%s\" flag: %s", text, sb_str(&name),
		       err_text(why));
}

/* Both return how many of the arguments were used, or -1. */
static int parse_long(struct flags *f, char *const *argv, size_t left, struct err **e)
{
	const char *text = argv[0] + 2;
	struct sv name, value;
	bool has_value = sv_cut(sv_of(text), '=', &name, &value);

	if (name.n == 0 || name.p[0] == '-')
		return err_set(e, ERR_INVALID, "bad flag syntax: %s", argv[0]);
	const struct flag *flag = by_name(f, name);
	if (sv_eqs(name, "help")) {
		f->wants_help = true;
		return 1;
	}
	if (!flag)
		return err_set(e, ERR_INVALID, "unknown flag: --%.*s", (int)name.n, name.p);
	if (has_value)
		return give(f, flag, value.p, e) < 0 ? -1 : 1;
	if (flag->type == FLAG_BOOL)
		return give(f, flag, "true", e) < 0 ? -1 : 1;
	if (left < 2)
		return err_set(e, ERR_INVALID, "flag needs an argument: --%s", flag->name);
	return give(f, flag, argv[1], e) < 0 ? -1 : 2;
}

static int parse_short(struct flags *f, char *const *argv, size_t left, struct err **e)
{
	for (const char *p = argv[0] + 1; *p; p++) {
		const struct flag *flag = by_shorthand(f, *p);

		if (!flag && *p == 'h') {
			f->wants_help = f->short_help = true;
			return 1;
		}
		if (!flag)
			return err_set(e, ERR_INVALID, "unknown shorthand flag: '%c' in -%s", *p, p);
		if (p[1] == '=')
			return give(f, flag, p + 2, e) < 0 ? -1 : 1;
		if (flag->type == FLAG_BOOL) {
			if (give(f, flag, "true", e) < 0)
				return -1;
			continue;
		}
		if (p[1])
			return give(f, flag, p + 1, e) < 0 ? -1 : 1;
		if (left < 2)
			return err_set(e, ERR_INVALID, "flag needs an argument: '%c' in -%s", *p, p);
		return give(f, flag, argv[1], e) < 0 ? -1 : 2;
	}
	return 1;
}

int flags_parse(struct flags *f, struct arena *a, const struct flag *table, size_t n, char *const *argv,
		size_t argc, bool only_first, struct err **e)
{
	size_t i = 0;

	*f = (struct flags){ .a = a, .table = table, .n = n };
	f->v = arena_alloc(a, (n + 1) * sizeof(*f->v));
	for (size_t k = 0; k < n; k++) {
		const struct flag *flag = &table[k];

		if (!flag->def)
			continue;
		if (flag->type == FLAG_BOOL)
			f->v[k].b = strcmp(flag->def, "true") == 0;
		else if (flag->type == FLAG_INT)
			assert(parse_i64(sv_of(flag->def), INT64_MIN, INT64_MAX, &f->v[k].num) == 0);
		else if (flag->type == FLAG_STRING)
			f->v[k].str = flag->def;
	}
	while (i < argc && !f->wants_help) {
		const char *arg = argv[i];
		int used;

		if (arg[0] != '-' || !arg[1]) {
			model_strs_add(a, &f->args, arg);
			i++;
			if (only_first)
				break;
			continue;
		}
		if (strcmp(arg, "--") == 0) {
			i++;
			only_first = true;
			break;
		}
		used = arg[1] == '-' ? parse_long(f, argv + i, argc - i, e)
				     : parse_short(f, argv + i, argc - i, e);
		if (used < 0)
			return -1;
		i += (size_t)used;
	}
	for (; i < argc && !f->wants_help; i++)
		model_strs_add(a, &f->args, argv[i]);
	return 0;
}

const struct flag_value *flag_get(const struct flags *f, const char *name)
{
	const struct flag *flag = by_name(f, sv_of(name));

	assert(flag);
	return value_of(f, flag);
}

bool flag_has(const struct flags *f, const char *name)
{
	return by_name(f, sv_of(name)) != NULL;
}

bool flag_set(const struct flags *f, const char *name)
{
	return flag_get(f, name)->is_set;
}

bool flag_bool(const struct flags *f, const char *name)
{
	return flag_get(f, name)->b;
}

const char *flag_str(const struct flags *f, const char *name)
{
	const char *s = flag_get(f, name)->str;

	return s ? s : "";
}

int64_t flag_num(const struct flags *f, const char *name)
{
	return flag_get(f, name)->num;
}

const struct model_str_list *flag_list(const struct flags *f, const char *name)
{
	return &flag_get(f, name)->list;
}

const char *flag_value_name(const struct flag *f)
{
	if (f->value)
		return f->value;
	switch (f->type) {
	case FLAG_BOOL: return NULL;
	case FLAG_STRING: return "string";
	case FLAG_INT: return "int";
	case FLAG_UINT16: return "uint16";
	case FLAG_UINT64: return "uint";
	case FLAG_LIST: return "list";
	case FLAG_STRINGS: return "strings";
	case FLAG_MAP: return "map";
	case FLAG_BYTES: return "bytes";
	case FLAG_DECIMAL: return "decimal";
	case FLAG_DURATION: return "duration";
	case FLAG_FILTER: return "filter";
	}
	return NULL;
}

/* pflag's way of breaking lines: the last blank within the width, unless the rest is only a few letters longer. */
static size_t line_length(const char *s, size_t width, size_t slop)
{
	size_t n = strlen(s), cut = 0, newline = 0;

	if (width + slop > n)
		return n;
	for (size_t i = 0; i < width; i++) {
		if (s[i] == ' ' || s[i] == '\t' || s[i] == '\n')
			cut = i;
		if (s[i] == '\n')
			newline = i;
	}
	if (cut == 0)
		return n;
	return newline > 0 && newline < cut ? newline : cut;
}

static void add_wrapped(struct strbuf *out, const char *text, size_t column, size_t columns)
{
	size_t width = columns > column + 29 ? columns - column - 5 : 24;
	bool first = true;

	while (*text) {
		size_t n = line_length(text, width, 5);

		if (!first)
			sb_addf(out, "\n%*s", (int)column, "");
		first = false;
		for (size_t i = 0; i < n; i++) {
			if (text[i] == '\n')
				sb_addf(out, "\n%*s", (int)column, "");
			else
				sb_addc(out, text[i]);
		}
		text += n;
		if (*text)
			text++;
	}
}

static void add_flag_head(struct strbuf *b, const struct flag *f)
{
	const char *value = flag_value_name(f);

	if (f->shorthand)
		sb_addf(b, "  -%c, --%s", f->shorthand, f->name);
	else
		sb_addf(b, "      --%s", f->name);
	if (value)
		sb_addf(b, " %s", value);
}

void flags_usage(const struct flag *table, size_t n, unsigned columns, struct strbuf *out)
{
	size_t widest = 0;

	for (size_t i = 0; i < n; i++) {
		cleanup_strbuf struct strbuf head = { 0 };

		if (table[i].hidden || table[i].alias_of)
			continue;
		add_flag_head(&head, &table[i]);
		widest = MAX(widest, head.n);
	}
	for (size_t i = 0; i < n; i++) {
		const struct flag *f = &table[i];
		cleanup_strbuf struct strbuf head = { 0 }, text = { 0 };

		if (f->hidden || f->alias_of)
			continue;
		add_flag_head(&head, f);
		sb_addf(out, "%-*s   ", (int)widest, head.p);
		sb_add(&text, f->help);
		if (f->def && *f->def && !(f->type == FLAG_BOOL && strcmp(f->def, "false") == 0))
			sb_addf(&text, f->type == FLAG_STRING ? " (default \"%s\")" : " (default %s)",
				f->def);
		add_wrapped(out, sb_str(&text), widest + 3, columns);
		sb_addc(out, '\n');
	}
}
