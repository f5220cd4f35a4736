/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists as Docker prints them: `--format table|json|TEMPLATE|table TEMPLATE`, columns padded as Go's text/tabwriter pads
 * them. Used by every command that lists, and (format_value) by those that show one object.
 *
 *	struct format f;
 *	if (format_open(&f, c, flag_str(&c->f, "format"), default_table, columns, ARRAY_LEN(columns), e) < 0)
 *		return -1;
 *	for each thing:
 *		row_begin(&f);
 *		row_add(&f, "ID", id);
 *		if (row_end(&f, e) < 0)
 *			return -1;
 *	return format_end(&f, e);
 */
#pragma once

#include "cli/cli.h"
#include "codec/template.h"

struct column {
	const char *field, *heading;
};

struct row_cell {
	const char *field, *value;
	const struct json *raw; /* a JSON value instead */
};

struct format {
	struct cli *c;
	const struct column *columns;
	size_t n_columns;
	struct template *t;
	bool is_table, is_json, is_headless;
	struct strbuf out;
	struct row_cell cells[48];
	size_t n_cells;
	const struct json *labels;
};

/* user: what --format said ("" or "table": the default table). */
int format_open(struct format *f, struct cli *c, const char *user, const char *default_table,
		const struct column *columns, size_t n, struct err **e) NODISCARD;
void row_begin(struct format *f);
void row_add(struct format *f, const char *field, const char *value); /* borrowed until row_end */
void row_add_json(struct format *f, const char *field, const struct json *value);
void row_labels(struct format *f, const struct json *labels); /* also what .Label "x" asks */
int row_end(struct format *f, struct err **e) NODISCARD;
/* Prints what is not printed yet, and frees. */
int format_end(struct format *f, struct err **e) NODISCARD;
/* Frees; nothing is printed. */
void format_release(struct format *f);

/* One object through a template ("json" is {{json .}}), and a newline. */
int format_value(struct cli *c, const char *template, const struct json *j, struct err **e) NODISCARD;

/* Tab-separated lines to padded columns: at least 10 wide, 3 blanks between, the last cell as it is. */
void table_align(struct sv text, unsigned min_width, unsigned padding, struct strbuf *out);

/* --- cells --- */
const char *cell_trunc_id(struct cli *c, const char *id);                  /* 12 digits, without "sha256:" */
const char *cell_ellipsis(struct cli *c, const char *s, size_t max_runes); /* cut with "…" */
const char *cell_ago(struct cli *c, int64_t unix_seconds);                 /* "2 hours ago" */
const char *cell_time(struct cli *c, int64_t unix_seconds);                /* 2006-01-02 15:04:05 -0700 MST */
const char *cell_labels(struct cli *c, const struct json *labels);         /* k=v,k=v sorted */
const char *cell_quote(struct cli *c, const char *s);                      /* Go's strconv.Quote */
int64_t num_of(const struct json *j);                                      /* 0 when it is none */
const char *str_of(const struct json *j);                                  /* "" when it is none */
