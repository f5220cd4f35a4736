/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Go's text/template, as far as Docker's --format needs it, over parsed JSON. Called by cli/ for every --format, and by
 * logs for tags. Pure: no I/O, no globals.
 *
 * Data is a `struct json`; what a template computes is JSON too. A missing member prints as "<no value>", unless
 * `missing_is_error`, which is what `docker inspect` wants. Maps print sorted: map[a:1 b:2]; lists as [x y].
 *
 * Actions: fields and chains, pipelines, parentheses, variables ($x := …, $), if/else if/else, range/else with one or two
 * variables, with/else, break, continue, comments, trim markers. Functions: and or not len index slice eq ne lt le gt ge
 * print printf println, and Docker's json split join title lower upper pad truncate.
 *
 * Errors are ERR_INVALID and read like Go's: `template: :1: function "x" not defined`.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/json.h"

#define TEMPLATE_MAX_BYTES  (64 * 1024)
#define TEMPLATE_MAX_DEPTH  64
#define TEMPLATE_MAX_OUTPUT (64 * 1024 * 1024)

struct template;

/* The template lives in the arena, and so does what it computes. */
int template_parse(struct arena *a, struct sv text, struct template **out, struct err **e) NODISCARD;
/* Appends to out. data may be NULL (nil). */
int template_execute(const struct template *t, const struct json *data, bool missing_is_error,
		     struct strbuf *out, struct err **e) NODISCARD;

/* Names of the fields of the top level (".Name") in the order they appear, a name once: the columns of a table. */
void template_fields(const struct template *t, struct strlist *out);
/* A value as Go prints it. */
void template_print_value(const struct json *j, struct strbuf *out);
