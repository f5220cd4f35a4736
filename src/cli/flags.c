/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags.h"

#include "base/clock.h"
#include "base/mem.h"
#include "model/size.h"

#include <assert.h>
#include <errno.h>

void flags_init(struct flags *f, const struct flag *def, size_t n)
{
	f->def = def;
	f->n = n;
	f->v = xcalloc(n, sizeof(*f->v));
	for (size_t i = 0; i < n; i++)
		f->v[i].b = (def[i].how & FLAG_TRUE) != 0;
}

void flags_release(struct flags *f)
{
	for (size_t i = 0; i < f->n; i++)
		strlist_release(&f->v[i].list);
	free(f->v);
	*f = (struct flags){ 0 };
}

static ssize_t find_name(const struct flags *f, struct sv name)
{
	for (size_t i = 0; i < f->n; i++) {
		if (!sv_eqs(name, f->def[i].name))
			continue;
		return f->def[i].how & FLAG_ALIAS ? find_name(f, sv_of(f->def[i].word)) : (ssize_t)i;
	}
	return -1;
}

static ssize_t find_letter(const struct flags *f, char c)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->def[i].letter == c)
			return f->def[i].how & FLAG_ALIAS ? find_name(f, sv_of(f->def[i].word)) : (ssize_t)i;
	return -1;
}

static int bad_value(const struct flag *d, const char *value, const char *why, struct err **e)
{
	if (d->letter)
		return err_set(e, ERR_INVALID, "invalid argument \"%s\" for \"-%c, --%s\" flag: %s", value,
			       d->letter, d->name, why);
	return err_set(e, ERR_INVALID, "invalid argument \"%s\" for \"--%s\" flag: %s", value, d->name, why);
}

/* "1.5" -> 1500000000; Go parses a rational and wants a whole number of nano units. */
static int parse_decimal(struct sv s, int64_t *out)
{
	struct sv whole, frac;
	int64_t w = 0, unit = 100000000, f = 0;
	bool neg = s.n && s.p[0] == '-';

	if (neg)
		s = sv_sub(s, 1, s.n);
	(void)sv_cut(s, '.', &whole, &frac);
	if ((whole.n == 0 && frac.n == 0) || (whole.n && parse_i64(whole, 0, 1000000000, &w) < 0) ||
	    frac.n > 9)
		return -EINVAL;
	for (size_t i = 0; i < frac.n; i++, unit /= 10) {
		if (frac.p[i] < '0' || frac.p[i] > '9')
			return -EINVAL;
		f += (frac.p[i] - '0') * unit;
	}
	*out = (neg ? -1 : 1) * (w * 1000000000 + f);
	return 0;
}

static int set_value(struct flags *f, size_t at, const char *value, struct err **e)
{
	const struct flag *d = &f->def[at];
	struct flag_value *v = &f->v[at];
	cleanup_err struct err *why = NULL;
	char text[160];
	int r = 0;

	if (d->how & FLAG_UNSUPPORTED)
		return err_set(e, ERR_NOT_IMPLEMENTED, "flag --%s is not supported", d->name);
	switch (d->kind) {
	case FLAG_BOOL:
		r = parse_bool(sv_of(value), &v->b);
		if (r < 0) {
			(void)snprintf(text, sizeof(text),
				       "strconv.ParseBool: parsing \"%.80s\": invalid syntax", value);
			return bad_value(d, value, text, e);
		}
		break;
	case FLAG_INT:
	case FLAG_UINT16:
		r = parse_i64(sv_of(value), d->kind == FLAG_UINT16 ? 0 : INT64_MIN,
			      d->kind == FLAG_UINT16 ? UINT16_MAX : INT64_MAX, &v->i);
		if (r < 0) {
			(void)snprintf(text, sizeof(text), "strconv.Parse%s: parsing \"%.80s\": %s",
				       d->kind == FLAG_UINT16 ? "Uint" : "Int", value,
				       r == -ERANGE ? "value out of range" : "invalid syntax");
			return bad_value(d, value, text, e);
		}
		break;
	case FLAG_BYTES:
		if ((d->how & FLAG_SIGNED) && strcmp(value, "-1") == 0)
			v->i = -1;
		else if (size_parse_ram(sv_of(value), &v->i, &why) < 0)
			return bad_value(d, value, err_text(why), e);
		break;
	case FLAG_DURATION:
		if (clock_parse_duration(sv_of(value), &v->i) < 0) {
			(void)snprintf(text, sizeof(text), "time: invalid duration \"%.80s\"", value);
			return bad_value(d, value, text, e);
		}
		break;
	case FLAG_DECIMAL:
		if (parse_decimal(sv_of(value), &v->i) < 0) {
			(void)snprintf(text, sizeof(text), "failed to parse %.80s as a rational number",
				       value);
			return bad_value(d, value, text, e);
		}
		break;
	case FLAG_LIST: strlist_add(&v->list, value); break;
	case FLAG_STRING: break;
	}
	v->is_set = true;
	v->s = value;
	return 0;
}

/* -abc, -avalue, -a=value, -a value. */
static int parse_letters(struct flags *f, int argc, char **argv, int *at, bool *help, struct err **e)
{
	const char *p = argv[*at] + 1;

	for (; *p; p++) {
		ssize_t i = find_letter(f, *p);

		if (i < 0 && *p == 'h') {
			*help = true;
			return 0;
		}
		if (i < 0)
			return err_set(e, ERR_INVALID, "unknown shorthand flag: '%c' in -%s", *p,
				       argv[*at] + 1);
		if (f->def[i].kind == FLAG_BOOL) {
			if (p[1] == '=')
				return set_value(f, (size_t)i, p + 2, e);
			if (set_value(f, (size_t)i, "true", e) < 0)
				return -1;
			continue;
		}
		if (p[1])
			return set_value(f, (size_t)i, p[1] == '=' ? p + 2 : p + 1, e);
		if (*at + 1 >= argc)
			return err_set(e, ERR_INVALID, "flag needs an argument: '%c' in -%s", *p,
				       argv[*at] + 1);
		return set_value(f, (size_t)i, argv[++*at], e);
	}
	return 0;
}

static int parse_long(struct flags *f, int argc, char **argv, int *at, bool *help, struct err **e)
{
	struct sv name, value;
	bool has_value = sv_cut(sv_of(argv[*at] + 2), '=', &name, &value);
	ssize_t i = find_name(f, name);

	if (name.n == 0 || name.p[0] == '-')
		return err_set(e, ERR_INVALID, "bad flag syntax: %s", argv[*at]);
	if (i < 0 && sv_eqs(name, "help")) {
		*help = true;
		return 0;
	}
	if (i < 0)
		return err_set(e, ERR_INVALID, "unknown flag: --%.*s", (int)name.n, name.p);
	if (has_value)
		return set_value(f, (size_t)i, value.p, e);
	if (f->def[i].kind == FLAG_BOOL)
		return set_value(f, (size_t)i, "true", e);
	if (*at + 1 >= argc)
		return err_set(e, ERR_INVALID, "flag needs an argument: --%.*s", (int)name.n, name.p);
	return set_value(f, (size_t)i, argv[++*at], e);
}

int flags_parse(struct flags *f, int argc, char **argv, int at, bool stop_at_word, struct strlist *words,
		bool *wants_help, struct err **e)
{
	for (; at < argc; at++) {
		const char *arg = argv[at];

		if (strcmp(arg, "--") == 0) {
			at++;
			break;
		}
		if (arg[0] != '-' || arg[1] == '\0') {
			if (stop_at_word)
				break;
			strlist_add(words, arg);
			continue;
		}
		if ((arg[1] == '-' ? parse_long : parse_letters)(f, argc, argv, &at, wants_help, e) < 0)
			return -1;
		if (*wants_help)
			return 0;
	}
	for (; at < argc; at++)
		strlist_add(words, argv[at]);
	return 0;
}

const struct flag_value *flag_get(const struct flags *f, const char *name)
{
	ssize_t i = find_name(f, sv_of(name));

	assert(i >= 0);
	return &f->v[i];
}

bool flag_bool(const struct flags *f, const char *name)
{
	return flag_get(f, name)->b;
}

bool flag_is_set(const struct flags *f, const char *name)
{
	return flag_get(f, name)->is_set;
}

const char *flag_str(const struct flags *f, const char *name)
{
	ssize_t i = find_name(f, sv_of(name));

	assert(i >= 0);
	return f->v[i].is_set ? f->v[i].s : f->def[i].def;
}

int64_t flag_i64(const struct flags *f, const char *name, int64_t none)
{
	const struct flag_value *v = flag_get(f, name);

	return v->is_set ? v->i : none;
}

const struct strlist *flag_list(const struct flags *f, const char *name)
{
	return &flag_get(f, name)->list;
}

static const char *kind_word(const struct flag *d)
{
	if (d->word)
		return d->word;
	switch (d->kind) {
	case FLAG_BOOL: return "";
	case FLAG_STRING: return "string";
	case FLAG_LIST: return "list";
	case FLAG_INT: return "int";
	case FLAG_UINT16: return "uint16";
	case FLAG_BYTES: return "bytes";
	case FLAG_DURATION: return "duration";
	case FLAG_DECIMAL: return "decimal";
	}
	return "";
}

static int by_name(const void *a, const void *b)
{
	const struct flag *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Adds text from column `indent` on, broken at spaces before `width`. */
static void wrap(struct strbuf *out, const char *text, size_t indent, size_t width)
{
	size_t room = width > indent + 24 ? width - indent : 24;
	struct sv rest = sv_of(text);

	while (rest.n > room) {
		size_t cut = room;

		while (cut && rest.p[cut] != ' ')
			cut--;
		if (!cut)
			break;
		sb_addn(out, rest.p, cut);
		sb_addf(out, "\n%*s", (int)indent, "");
		rest = sv_sub(rest, cut + 1, rest.n);
	}
	sb_addsv(out, rest);
	sb_addc(out, '\n');
}

void flags_help(const struct flag *def, size_t n, unsigned width, struct strbuf *out)
{
	cleanup_free const struct flag **v = xcalloc(n + 1, sizeof(*v));
	size_t count = 0, longest = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len;

		if (def[i].how & (FLAG_HIDDEN | FLAG_ALIAS))
			continue;
		v[count++] = &def[i];
		len = strlen(def[i].name) + (*kind_word(&def[i]) ? strlen(kind_word(&def[i])) + 1 : 0);
		longest = MAX(longest, len);
	}
	if (count)
		qsort(v, count, sizeof(*v), by_name);
	for (size_t i = 0; i < count; i++) {
		const char *word = kind_word(v[i]);
		cleanup_strbuf struct strbuf left = { 0 }, text = { 0 };
		char letter[5] = "    ";

		if (v[i]->letter)
			(void)snprintf(letter, sizeof(letter), "-%c, ", v[i]->letter);
		sb_addf(&left, "  %s--%s%s%s", letter, v[i]->name, *word ? " " : "", word);
		sb_add(&text, v[i]->text);
		if (v[i]->def && *v[i]->def)
			sb_addf(&text, v[i]->kind == FLAG_STRING ? " (default \"%s\")" : " (default %s)",
				v[i]->def);
		if (v[i]->how & FLAG_UNSUPPORTED)
			sb_add(&text, " (not supported)");
		sb_addf(out, "%-*s", (int)(longest + 11), left.p);
		wrap(out, text.p, longest + 11, width);
	}
}
