/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/format.h"

#include "base/clock.h"

#include <assert.h>
#include <time.h>

/* In list formats the letters \t and \n stand for what they say. */
static const char *unescape(struct arena *a, const char *s)
{
	cleanup_strbuf struct strbuf b = { 0 };

	for (; *s; s++) {
		if (*s == '\\' && (s[1] == 't' || s[1] == 'n'))
			sb_addc(&b, *++s == 't' ? '\t' : '\n');
		else
			sb_addc(&b, *s);
	}
	return arena_strdup(a, sb_str(&b));
}

static int parse(struct cli *c, const char *text, struct template **t, struct err **e)
{
	if (template_parse(c->a, sv_of(text), t, e) < 0)
		return err_wrap(e, "failed to parse template");
	return 0;
}

int format_open(struct format *f, struct cli *c, const char *user, const char *default_table,
		const struct column *columns, size_t n, struct err **e)
{
	*f = (struct format){ .c = c, .columns = columns, .n_columns = n };
	if (!*user || strcmp(user, "table") == 0)
		user = default_table;
	if (strcmp(user, "json") == 0) {
		f->is_json = true;
		return 0;
	}
	if (str_starts(user, "table") &&
	    (user[5] == ' ' || user[5] == '\0' || user[5] == '{' || user[5] == '\\')) {
		f->is_table = true;
		user += 5;
	}
	struct sv trimmed = sv_trim(sv_of(user));
	return parse(c, unescape(c->a, arena_strndup(c->a, trimmed.p, trimmed.n)), &f->t, e);
}

void row_begin(struct format *f)
{
	f->n_cells = 0;
	f->labels = NULL;
}

void row_add(struct format *f, const char *field, const char *value)
{
	assert(f->n_cells < ARRAY_LEN(f->cells));
	f->cells[f->n_cells++] = (struct row_cell){ .field = field, .value = value };
}

void row_add_json(struct format *f, const char *field, const struct json *value)
{
	assert(f->n_cells < ARRAY_LEN(f->cells));
	f->cells[f->n_cells++] = (struct row_cell){ .field = field, .raw = value };
}

void row_labels(struct format *f, const struct json *labels)
{
	f->labels = labels;
	row_add(f, "Labels", cell_labels(f->c, labels));
}

static int by_field(const void *x, const void *y)
{
	const struct row_cell *a = x, *b = y;

	return strcmp(a->field, b->field);
}

/* A member that templates find and {{json .}} does not print. */
static void add_hidden(struct arena *a, struct json *object, const char *key, struct json *value)
{
	struct json **end = &object->first;

	while (*end)
		end = &(*end)->next;
	value->key = sv_of(arena_strdup(a, key));
	value->next = NULL;
	*end = value;
	object->n++;
}

static const struct json *row_object(struct arena *a, struct row_cell *cells, size_t n, struct sv *text)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	const struct json *j = NULL;

	qsort(cells, n, sizeof(*cells), by_field);
	jw_obj(&w);
	for (size_t i = 0; i < n; i++) {
		jw_key(&w, cells[i].field);
		if (cells[i].value)
			jw_str(&w, cells[i].value);
		else if (cells[i].raw)
			jw_value(&w, cells[i].raw);
		else
			jw_null(&w);
	}
	jw_end(&w);
	*text = sv_n(arena_strndup(a, b.p, b.n), b.n);
	return json_parse(a, *text, NULL, &j, NULL) < 0 ? NULL : j;
}

static int execute(struct format *f, const struct json *j, struct err **e)
{
	if (template_execute(f->t, j, true, &f->out, e) < 0)
		return err_wrap(e, "failed to execute template");
	sb_addc(&f->out, '\n');
	return 0;
}

static int headings(struct format *f, struct err **e)
{
	struct row_cell *cells = arena_alloc(f->c->a, (f->n_columns + 1) * sizeof(*cells));
	struct json *label = ARENA_NEW(f->c->a, struct json);
	struct sv text;

	f->is_headless = true;
	for (size_t i = 0; i < f->n_columns; i++)
		cells[i] = (struct row_cell){ .field = f->columns[i].field, .value = f->columns[i].heading };
	/* the object is this function's own: nobody else holds it const */
	struct json *j = (struct json *)(uintptr_t)row_object(f->c->a, cells, f->n_columns, &text);
	*label = (struct json){ .type = JSON_STRING, .str = SV("LABEL"), .raw = SV("\"LABEL\"") };
	add_hidden(f->c->a, j, "Label", label);
	return execute(f, j, e);
}

/* Go's json.Marshal keeps text safe inside HTML; these three letters stand in strings only. */
static void add_html_safe(struct strbuf *out, struct sv text)
{
	for (size_t i = 0; i < text.n; i++) {
		char ch = text.p[i];
		if (ch == '<' || ch == '>' || ch == '&')
			sb_addf(out, "\\u%04x", (unsigned)ch);
		else
			sb_addc(out, ch);
	}
}

int row_end(struct format *f, struct err **e)
{
	struct sv text;
	struct json *j = (struct json *)(uintptr_t)row_object(f->c->a, f->cells, f->n_cells, &text);

	if (f->is_json) {
		add_html_safe(&f->out, text);
		sb_addc(&f->out, '\n');
		return 0;
	}
	if (f->is_table && !f->is_headless && headings(f, e) < 0)
		return -1;
	struct json *label = ARENA_NEW(f->c->a, struct json);
	if (json_is(f->labels, JSON_OBJECT))
		*label = *f->labels;
	else
		*label = (struct json){ .type = JSON_OBJECT, .raw = SV("{}") };
	add_hidden(f->c->a, j, "Label", label);
	return execute(f, j, e);
}

void format_release(struct format *f)
{
	sb_release(&f->out);
}

int format_end(struct format *f, struct err **e)
{
	int r = 0;

	if (f->is_table && !f->is_headless)
		r = headings(f, e);
	if (r == 0 && f->is_table) {
		cleanup_strbuf struct strbuf b = { 0 };
		table_align(sb_sv(&f->out), 10, 3, &b);
		cli_out(sb_str(&b), b.n);
	} else if (r == 0) {
		cli_out(sb_str(&f->out), f->out.n);
	}
	format_release(f);
	return r;
}

int format_value(struct cli *c, const char *template, const struct json *j, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct template *t;

	if (strcmp(template, "json") == 0)
		template = "{{json .}}";
	if (template_parse(c->a, sv_of(template), &t, e) < 0)
		return err_wrap(e, "template parsing error");
	if (template_execute(t, j, true, &b, e) < 0)
		return err_wrap(e, "template parsing error");
	sb_addc(&b, '\n');
	cli_out(b.p, b.n);
	return 0;
}

/* --- alignment --- */

struct cell {
	struct sv s;
	size_t width;
};
struct line {
	size_t first, n; /* cells; the last one is not ended by a tab */
};

static size_t runes(struct sv s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

void table_align(struct sv text, unsigned min_width, unsigned padding, struct strbuf *out)
{
	struct cell *cells = NULL;
	struct line *lines = NULL;
	size_t n_cells = 0, cap_cells = 0, n_lines = 0, cap_lines = 0;

	for (size_t i = 0; i < text.n;) {
		const char *nl = memchr(text.p + i, '\n', text.n - i);
		size_t end = nl ? (size_t)(nl - text.p) : text.n;
		struct sv line = sv_sub(text, i, end), cell, rest;

		GROW(lines, n_lines, cap_lines);
		lines[n_lines] = (struct line){ .first = n_cells };
		for (bool more = true; more; line = rest) {
			more = sv_cut(line, '\t', &cell, &rest);
			GROW(cells, n_cells, cap_cells);
			cells[n_cells++] = (struct cell){ cell, runes(cell) };
			lines[n_lines].n++;
		}
		n_lines++;
		i = end + 1;
	}
	/* A column is a run of lines that all have a tab-ended cell there. */
	for (size_t l = 0; l < n_lines; l++) {
		for (size_t k = 0; k + 1 < lines[l].n; k++) {
			size_t width = 0;

			if (l > 0 && k + 1 < lines[l - 1].n)
				continue; /* part of a run that began above */
			size_t last = l;
			while (last < n_lines && k + 1 < lines[last].n) {
				width = MAX(width, cells[lines[last].first + k].width);
				last++;
			}
			width = MAX(width + padding, (size_t)min_width);
			for (size_t m = l; m < last; m++)
				cells[lines[m].first + k].width = width - cells[lines[m].first + k].width;
		}
	}
	for (size_t l = 0; l < n_lines; l++) {
		for (size_t k = 0; k < lines[l].n; k++) {
			const struct cell *cell = &cells[lines[l].first + k];
			sb_addsv(out, cell->s);
			if (k + 1 < lines[l].n)
				sb_addf(out, "%*s", (int)cell->width, "");
		}
		sb_addc(out, '\n');
	}
	free(cells);
	free(lines);
}

/* --- cells --- */

int64_t num_of(const struct json *j)
{
	int64_t v = 0;
	double d;

	if (json_i64(j, &v) == 0)
		return v;
	return json_f64(j, &d) == 0 && d > -9e18 && d < 9e18 ? (int64_t)d : 0;
}

const char *str_of(const struct json *j)
{
	const char *s = json_str(j);

	return s ? s : "";
}

const char *cell_trunc_id(struct cli *c, const char *id)
{
	const char *colon = strchr(id, ':');

	if (colon)
		id = colon + 1;
	return arena_strndup(c->a, id, strnlen(id, 12));
}

const char *cell_ellipsis(struct cli *c, const char *s, size_t max_runes)
{
	size_t n = 0, i = 0;

	if (runes(sv_of(s)) <= max_runes)
		return s;
	while (s[i]) {
		if (((unsigned char)s[i] & 0xc0) != 0x80 && n++ == max_runes - 1)
			break;
		i++;
	}
	return arena_printf(c->a, "%.*s…", (int)i, s);
}

const char *cell_ago(struct cli *c, int64_t unix_seconds)
{
	return arena_printf(c->a, "%s ago",
			    clock_human_duration(clock_now_ns() - unix_seconds * NS_PER_SEC).s);
}

const char *cell_time(struct cli *c, int64_t unix_seconds)
{
	time_t t = (time_t)unix_seconds;
	struct tm tm;
	char text[80];

	if (!localtime_r(&t, &tm) || strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z %Z", &tm) == 0)
		return "";
	return arena_strdup(c->a, text);
}

static int by_key(const void *x, const void *y)
{
	const struct json *const *a = x, *const *b = y;

	return strcmp((*a)->key.p, (*b)->key.p);
}

const char *cell_labels(struct cli *c, const struct json *labels)
{
	cleanup_strbuf struct strbuf b = { 0 };
	cleanup_free const struct json **v = NULL;
	size_t n = 0;

	if (!json_is(labels, JSON_OBJECT) || labels->n == 0)
		return "";
	v = xcalloc(labels->n, sizeof(*v));
	json_for_each (it, labels)
		v[n++] = it;
	qsort((void *)v, n, sizeof(*v), by_key);
	for (size_t i = 0; i < n; i++)
		sb_addf(&b, "%s%s=%s", i ? "," : "", v[i]->key.p, str_of(v[i]));
	return arena_strdup(c->a, sb_str(&b));
}

const char *cell_quote(struct cli *c, const char *s)
{
	cleanup_strbuf struct strbuf b = { 0 };

	sb_addc(&b, '"');
	for (; *s; s++) {
		unsigned char ch = (unsigned char)*s;
		static const char letters[] = "abtnvfr"; /* 7 to 13 */

		if (ch == '"' || ch == '\\')
			sb_addf(&b, "\\%c", ch);
		else if (ch >= 7 && ch <= 13)
			sb_addf(&b, "\\%c", letters[ch - 7]);
		else if (ch < 32 || ch == 127)
			sb_addf(&b, "\\x%02x", ch);
		else
			sb_addc(&b, (char)ch);
	}
	sb_addc(&b, '"');
	return arena_strdup(c->a, b.p);
}
