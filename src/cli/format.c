/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/format.h"

#include "base/clock.h"
#include "codec/template.h"

#include <stdio.h>

void list_init(struct list *l, struct cli *c, const struct column *columns, size_t n_columns,
	       const char *table, const char *quiet)
{
	*l = (struct list){
		.c = c, .columns = columns, .n_columns = n_columns, .table = table, .quiet = quiet
	};
	l->w = jw_to(&l->json);
	jw_arr(&l->w);
}

void list_row(struct list *l)
{
	jw_obj(&l->w);
	l->n++;
}

void list_field(struct list *l, const char *field, const char *value)
{
	jw_kstr(&l->w, field, value ? value : "");
}

void list_fieldf(struct list *l, const char *field, const char *fmt, ...)
{
	cleanup_strbuf struct strbuf b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	sb_vaddf(&b, fmt, ap);
	va_end(ap);
	list_field(l, field, sb_str(&b));
}

void list_end_row(struct list *l)
{
	jw_end(&l->w);
}

/* Width on a terminal: code points, those of East Asian width not told apart. */
static size_t text_width(struct sv s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

/* A column is as wide as its widest cell; the last cell of a line has no column. */
void table_write(struct sv text, struct strbuf *out)
{
	table_write_wide(text, 10, 3, out);
}

void table_write_wide(struct sv text, size_t minimum, size_t padding, struct strbuf *out)
{
	size_t width[64] = { 0 };
	struct sv rest = text, line, cell;

	while (rest.n) {
		size_t col = 0;

		(void)sv_cut(rest, '\n', &line, &rest);
		while (sv_cut(line, '\t', &cell, &line)) {
			if (col < ARRAY_LEN(width))
				width[col] = MAX(width[col], text_width(cell));
			col++;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(width); i++)
		width[i] = MAX(width[i] + padding, minimum);
	rest = text;
	while (rest.n) {
		size_t col = 0;
		bool more;

		(void)sv_cut(rest, '\n', &line, &rest);
		do {
			more = sv_cut(line, '\t', &cell, &line);
			sb_addsv(out, cell);
			if (more && col < ARRAY_LEN(width))
				for (size_t pad = text_width(cell); pad < width[col]; pad++)
					sb_addc(out, ' ');
			col++;
		} while (more);
		sb_addc(out, '\n');
	}
}

/* Users write "\t" and "\n" in a shell's single quotes. */
static char *unescape(struct arena *a, const char *s)
{
	char *out = arena_alloc(a, strlen(s) + 1), *o = out;

	for (; *s; s++) {
		if (s[0] == '\\' && (s[1] == 't' || s[1] == 'n')) {
			*o++ = s[1] == 't' ? '\t' : '\n';
			s++;
		} else {
			*o++ = *s;
		}
	}
	return out;
}

/* The header row: the same template over an object that names each column. */
static const struct json *header_row(struct list *l, const struct strlist *fields)
{
	struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	const struct json *j = NULL;

	jw_obj(&w);
	for (size_t i = 0; i < fields->n; i++) {
		const char *header = NULL;
		cleanup_free char *upper = xstrdup(fields->v[i]);

		for (size_t k = 0; k < l->n_columns; k++)
			if (strcmp(l->columns[k].field, fields->v[i]) == 0)
				header = l->columns[k].header;
		for (char *p = upper; *p; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		jw_kstr(&w, fields->v[i], header ? header : upper);
	}
	jw_end(&w);
	if (json_parse(l->c->a, sv_n(arena_strndup(l->c->a, b.p, b.n), b.n), NULL, &j, NULL) < 0)
		j = NULL;
	sb_release(&b);
	return j;
}

static int print_template(struct list *l, const struct json *rows, const char *format, bool table,
			  struct err **e)
{
	cleanup_strbuf struct strbuf out = { 0 }, laid = { 0 };
	cleanup_strlist struct strlist fields = { 0 };
	struct template *t = NULL;

	if (template_parse(l->c->a, sv_of(unescape(l->c->a, format)), &t, e) < 0)
		return err_wrap(e, "template parsing error");
	if (table) {
		template_fields(t, &fields);
		if (template_execute(t, header_row(l, &fields), false, &out, e) < 0)
			return -1;
		sb_addc(&out, '\n');
	}
	json_for_each (row, rows) {
		if (template_execute(t, row, true, &out, e) < 0)
			return err_wrap(e, "template parsing error");
		sb_addc(&out, '\n');
	}
	if (table)
		table_write(sb_sv(&out), &laid);
	else
		sb_addsv(&laid, sb_sv(&out));
	(void)fwrite(sb_str(&laid), 1, laid.n, stdout);
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct json *const *x = a, *const *y = b;

	return strcmp((*x)->key.p, (*y)->key.p);
}

/* Rows as JSON have their fields sorted, as Go prints a map. */
static void print_json_row(const struct json *row, struct strbuf *out)
{
	const struct json **v = xcalloc(row->n + 1, sizeof(*v));
	struct jw w = jw_to(out);
	size_t n = 0;

	json_for_each (it, row)
		v[n++] = it;
	if (n)
		qsort(v, n, sizeof(*v), by_key);
	jw_obj(&w);
	for (size_t i = 0; i < n; i++) {
		jw_keysv(&w, v[i]->key);
		jw_value(&w, v[i]);
	}
	jw_end(&w);
	sb_addc(out, '\n');
	free(v);
}

int list_print(struct list *l, const char *format, bool quiet, struct err **e)
{
	struct json_limits limits = { .max_bytes = 512UL * 1024 * 1024, .max_values = 50UL * 1000 * 1000 };
	cleanup_strbuf struct strbuf out = { 0 };
	const struct json *rows = NULL;
	int r = 0;

	jw_end(&l->w);
	if (json_parse(l->c->a, sb_sv(&l->json), &limits, &rows, e) < 0) {
		r = -1;
	} else if (quiet && (str_empty(format) || str_starts(format, "table"))) {
		json_for_each (row, rows)
			sb_addf(&out, "%s\n", js(row, l->quiet));
	} else if (str_eq(format, "json") || str_eq(format, "{{json .}}")) {
		json_for_each (row, rows)
			print_json_row(row, &out);
	} else if (str_empty(format) || strcmp(format, "table") == 0) {
		r = print_template(l, rows, l->table + strlen("table "), true, e);
	} else if (str_starts(format, "table ")) {
		r = print_template(l, rows, format + strlen("table "), true, e);
	} else {
		r = print_template(l, rows, format, false, e);
	}
	if (out.n)
		(void)fwrite(out.p, 1, out.n, stdout);
	sb_release(&l->json);
	return r;
}

void json_pretty(const struct json *j, unsigned depth, struct strbuf *out)
{
	bool is_obj = json_is(j, JSON_OBJECT);

	if ((!is_obj && !json_is(j, JSON_ARRAY)) || j->n == 0) {
		struct jw w = jw_to(out);

		jw_value(&w, j);
		return;
	}
	sb_addc(out, is_obj ? '{' : '[');
	json_for_each (it, j) {
		sb_addf(out, "\n%*s", (int)(depth + 1) * 4, "");
		if (is_obj) {
			struct jw w = jw_to(out);

			jw_strsv(&w, it->key);
			sb_add(out, ": ");
		}
		json_pretty(it, depth + 1, out);
		if (it->next)
			sb_addc(out, ',');
	}
	sb_addf(out, "\n%*s%c", (int)depth * 4, "", is_obj ? '}' : ']');
}

int print_objects(struct cli *c, const struct json *const *v, size_t n, const char *format, struct err **e)
{
	cleanup_strbuf struct strbuf out = { 0 };
	struct template *t = NULL;

	if (str_empty(format)) {
		sb_add(&out, "[");
		for (size_t i = 0; i < n; i++) {
			sb_addf(&out, "%s\n    ", i ? "," : "");
			json_pretty(v[i], 1, &out);
		}
		sb_add(&out, n ? "\n]\n" : "]\n");
	} else if (strcmp(format, "json") == 0) {
		struct jw w = jw_to(&out);

		jw_arr(&w);
		for (size_t i = 0; i < n; i++)
			jw_value(&w, v[i]);
		jw_end(&w);
		sb_addc(&out, '\n');
	} else {
		if (template_parse(c->a, sv_of(unescape(c->a, format)), &t, e) < 0)
			return err_wrap(e, "template parsing error");
		for (size_t i = 0; i < n; i++) {
			if (template_execute(t, v[i], true, &out, e) < 0)
				return err_wrap(e, "template parsing error");
			sb_addc(&out, '\n');
		}
	}
	(void)fwrite(sb_str(&out), 1, out.n, stdout);
	return 0;
}

char *ago(struct cli *c, int64_t then_ns)
{
	return arena_printf(c->a, "%s ago", clock_human_duration(clock_now_ns() - then_ns).s);
}

char *ago_text(struct cli *c, const char *rfc3339)
{
	int64_t ns;

	if (clock_parse_rfc3339(sv_of(rfc3339), &ns) < 0 || ns == 0)
		return arena_strdup(c->a, "N/A");
	return ago(c, ns);
}

char *ellipsis(struct cli *c, const char *s, size_t n)
{
	size_t chars = 0, cut = 0, i = 0;

	for (; s[i]; i++) {
		if (((unsigned char)s[i] & 0xc0) == 0x80)
			continue;
		if (chars == n - 1)
			cut = i;
		chars++;
	}
	if (chars <= n)
		return arena_strdup(c->a, s);
	return arena_printf(c->a, "%.*s\xe2\x80\xa6", (int)cut, s);
}

char *short_id(struct cli *c, const char *id)
{
	const char *colon = strchr(id, ':');

	return arena_strndup(c->a, colon ? colon + 1 : id, MIN(strlen(colon ? colon + 1 : id), (size_t)12));
}
