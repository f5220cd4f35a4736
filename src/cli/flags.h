/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flags as Docker's users know them (pflag's grammar): --x v, --x=v, -xv, -x v, grouped -it; a bool takes a value only with
 * "="; "--" ends flags; some commands stop at the first word that is no flag. A command names its flags in one static
 * table, from which parsing, help and completion come.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum flag_kind {
	FLAG_BOOL,
	FLAG_STRING,
	FLAG_LIST, /* repeatable, each value as it is */
	FLAG_INT,  /* int64 */
	FLAG_UINT16,
	FLAG_BYTES,    /* 64m; -1 where signed (FLAG_SIGNED) */
	FLAG_DURATION, /* nanoseconds in .i */
	FLAG_DECIMAL,  /* --cpus: thousand-millionths in .i */
};

enum {
	FLAG_HIDDEN = 1 << 0,      /* works, not in help */
	FLAG_SIGNED = 1 << 1,      /* FLAG_BYTES: -1 allowed */
	FLAG_UNSUPPORTED = 1 << 2, /* known to Docker, refused by us with a clear error */
	FLAG_ALIAS = 1 << 3,       /* `word` is the flag it stands for */
	FLAG_TRUE = 1 << 4,        /* FLAG_BOOL: on unless turned off */
};

struct flag {
	const char *name;
	char letter; /* or 0 */
	enum flag_kind kind;
	unsigned how;
	const char *word; /* kind word in help: "string", "list", … NULL: by kind */
	const char *text;
	const char *def; /* shown in help as (default …), and the value when a string */
};

struct flag_value {
	bool is_set, b;
	int64_t i;
	const char *s; /* last value as written */
	struct strlist list;
};

struct flags {
	const struct flag *def;
	size_t n;
	struct flag_value *v; /* n of them */
};

void flags_init(struct flags *f, const struct flag *def, size_t n);
void flags_release(struct flags *f);

/*
 * Parses argv[*at…]. Words that are no flags go to `words` in order (all of them, or, with stop_at_word, the first and
 * everything after it). ERR_INVALID in pflag's words. *wants_help for --help.
 */
int flags_parse(struct flags *f, int argc, char **argv, int at, bool stop_at_word, struct strlist *words,
		bool *wants_help, struct err **e) NODISCARD;

/* Values by name; the name must be in the table. */
const struct flag_value *flag_get(const struct flags *f, const char *name);
bool flag_bool(const struct flags *f, const char *name);
/* The value, the table's default, or NULL. */
const char *flag_str(const struct flags *f, const char *name);
int64_t flag_i64(const struct flags *f, const char *name, int64_t none);
bool flag_is_set(const struct flags *f, const char *name);
const struct strlist *flag_list(const struct flags *f, const char *name);

/* The "Options:" block of help, wrapped at `width` columns. */
void flags_help(const struct flag *def, size_t n, unsigned width, struct strbuf *out);
