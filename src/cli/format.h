/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --format for lists: a row is a JSON object of the fields that users name in templates; a list prints rows as Docker's
 * table, as a template, or as JSON.
 */
#pragma once

#include "cli/cli.h"

struct column {
	const char *field;  /* "ID" */
	const char *header; /* "CONTAINER ID" */
};

struct list {
	struct cli *c;
	const struct column *columns; /* headers of all fields; the first n_default make the default table */
	size_t n_columns;
	const char *table;  /* default format: "table {{.ID}}\t{{.Names}}" */
	const char *quiet;  /* field that -q prints */
	struct strbuf json; /* rows */
	struct jw w;
	size_t n;
};

/* Starts a list. format: what the user gave, or NULL/"" for the default table. */
void list_init(struct list *l, struct cli *c, const struct column *columns, size_t n_columns,
	       const char *table, const char *quiet);
void list_row(struct list *l); /* begins a row; fields follow */
void list_field(struct list *l, const char *field, const char *value);
void list_fieldf(struct list *l, const char *field, const char *fmt, ...) PRINTF(3, 4);
void list_end_row(struct list *l);
/* Prints everything and releases. */
int list_print(struct list *l, const char *format, bool quiet, struct err **e) NODISCARD;

/* Columns as Go's tabwriter lays them out for Docker (minimum 10, padding 3). Lines end in \n, cells in \t. */
void table_write(struct sv text, struct strbuf *out);
void table_write_wide(struct sv text, size_t minimum, size_t padding, struct strbuf *out);

/* `docker inspect`'s output: an array of objects, pretty with four spaces, or a template a line each. */
int print_objects(struct cli *c, const struct json *const *v, size_t n, const char *format,
		  struct err **e) NODISCARD;
void json_pretty(const struct json *j, unsigned depth, struct strbuf *out);

/* "2 hours ago", "4 seconds ago" from an RFC 3339 time or seconds. */
char *ago(struct cli *c, int64_t then_ns);
char *ago_text(struct cli *c, const char *rfc3339);
/* Cut to n characters with an ellipsis, as Docker does. */
char *ellipsis(struct cli *c, const char *s, size_t n);
/* "sha256:0123…" -> first 12 digits. */
char *short_id(struct cli *c, const char *id);
