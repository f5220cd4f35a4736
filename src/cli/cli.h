/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: one table entry a command, one file a family. main() (programs/hoy.c) calls cli_main() and nothing
 * else. Data goes to stdout, everything else to stderr.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/flags.h"
#include "client/client.h"
#include "codec/json.h"

#include <stdbool.h>

struct command;

struct cli {
	const char *name; /* "hoy", or "docker" when called so */
	struct arena *a;  /* of this invocation */
	const struct command *cmd;
	const char *path; /* as the user called it: "ps", "container ls" */
	struct flags f;
	struct strlist args;
	struct client_config cfg;
	struct client *client;     /* cli_client() */
	const struct json *config; /* config.json, or NULL */
	char *config_dir;
};

enum { CLI_NO_MAX = -1 };

struct command {
	const char *path; /* "container run" */
	const char *
		alias; /* other spellings, separated by ", ": "run" or "image rm, rmi"; first word of each is shown in help */
	const char *usage; /* "[OPTIONS] IMAGE [COMMAND] [ARG...]" */
	const char *text;
	const struct flag *flags;
	size_t n_flags;
	int min, max; /* arguments; max CLI_NO_MAX: any */
	bool stop_at_word;
	bool is_125; /* trouble before the container exists exits with 125 */
	bool is_hidden;
	/* Exit code. An error in *e is printed by cli_main(); with is_125 a code of -1 and an error means 125, else 1. */
	int (*run)(struct cli *c, struct err **e);
};

#define FLAGS(t) .flags = (t), .n_flags = ARRAY_LEN(t)

int cli_main(int argc, char **argv);

/* Every command's table, defined by its file. */
extern const struct command *const cli_commands[];
extern const size_t cli_n_commands;

/* The connection, opened at first use; NULL and an error. */
struct client *cli_client(struct cli *c, struct err **e);
/* GET/POST/DELETE with the reply parsed; *out may be NULL. path is built with cli_path(). */
int cli_call(struct cli *c, const char *method, const char *path, struct sv body, const struct json **out,
	     struct err **e) NODISCARD;
/* "/containers/%s/json" with %s escaped. */
char *cli_path(struct cli *c, const char *fmt, const char *arg);
/* What `--filter k=v` lists and a filters query need. */
int cli_filters(struct cli *c, const struct strlist *list, struct strbuf *path, struct err **e) NODISCARD;
/* "[y/N]" on stderr/stdin. */
bool cli_confirm(const char *question);
/* Runs fn for each argument; echoes the argument after success; prints errors; exit code 0 or 1. */
int cli_each(struct cli *c, int (*fn)(struct cli *c, const char *arg, struct err **e), bool echo);
/* Prints an error the way a command's end does. */
void cli_print_error(const struct cli *c, const struct err *e);
unsigned cli_width(void);

/* Numbers and text of a reply. */
const char *js(const struct json *j, const char *key); /* "" when absent */
int64_t ji(const struct json *j, const char *key);     /* 0 when absent */
bool jb(const struct json *j, const char *key);
