/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command-line options with pflag's grammar, which Docker's users have in their fingers: `-it` clusters, `-n1`, `-n 1`,
 * `-n=1`, `--name x`, `--name=x`, `--bool=false`, `--` ends options, options between positional arguments unless the
 * command stops at the first one (run, exec). A command has one table of `struct flag`; what was given lands in a
 * `struct flags` that is asked by name. Pure: no I/O. Error texts are pflag's and Docker's, class ERR_INVALID.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "model/schema.h"

enum flag_type {
	FLAG_BOOL,
	FLAG_STRING,
	FLAG_INT,
	FLAG_UINT16,
	FLAG_UINT64,
	FLAG_LIST,     /* repeatable, kept as given */
	FLAG_STRINGS,  /* repeatable, each a comma list */
	FLAG_MAP,      /* repeatable key=value */
	FLAG_BYTES,    /* 64m */
	FLAG_DECIMAL,  /* --cpus */
	FLAG_DURATION, /* 1m30s */
	FLAG_FILTER,   /* repeatable name=value */
};

struct flag {
	const char *name;
	enum flag_type type;
	char shorthand; /* 0: none */
	bool hidden;
	const char *alias_of; /* an older spelling of that flag; hidden */
	const char *def;      /* as help shows it, and the value of an INT that was not given; NULL: none */
	const char *value;    /* the word for the value in help; NULL: the type's */
	const char *help;
	/* Looks at a value when it is given. */
	int (*check)(struct arena *a, const char *v, struct err **e);
};

struct flag_value {
	bool is_set;
	bool b;
	int64_t num; /* INT, UINT, BYTES, DECIMAL (billionths), DURATION (ns) */
	const char *str;
	struct model_str_list list;
};

struct flags {
	struct arena *a;
	const struct flag *table;
	size_t n;
	struct flag_value *v;
	struct model_str_list args; /* positional */
	bool wants_help;
	bool short_help; /* as -h, where that is no flag of the command's */
};

/* `only_first`: the first positional argument ends options, and it and all after it are positional. */
int flags_parse(struct flags *f, struct arena *a, const struct flag *table, size_t n, char *const *argv,
		size_t argc, bool only_first, struct err **e) NODISCARD;

/* An unknown name is an assertion: it is a mistake in our tables. */
const struct flag_value *flag_get(const struct flags *f, const char *name);
bool flag_set(const struct flags *f, const char *name); /* it was given */
bool flag_bool(const struct flags *f, const char *name);
const char *flag_str(const struct flags *f, const char *name); /* "" when not given */
int64_t flag_num(const struct flags *f, const char *name);
const struct model_str_list *flag_list(const struct flags *f, const char *name);
bool flag_has(const struct flags *f, const char *name); /* the table has it */

/* The options part of a help page, wrapped to `columns`. */
void flags_usage(const struct flag *table, size_t n, unsigned columns, struct strbuf *out);
/* The word after the flag's name in help; NULL for a bool. */
const char *flag_value_name(const struct flag *f);
