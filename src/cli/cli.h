/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line `hoy`: one table entry a command (commands.c), one file a command or a family of commands that differ
 * in a word. programs/hoy.c calls cli_main(). What goes to stdout is data, the rest goes to stderr. A handler returns the
 * exit code, or -1 with an error, which becomes text on stderr and exit code 1.
 *
 * Everything a command allocates lives in c->a and ends with the process.
 */
#pragma once

#include "cli/flags.h"
#include "client/client.h"

enum { EXIT_USAGE = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

struct cli;

struct command {
	const char *name;    /* in its group, or alone */
	const char *group;   /* "container", "image", …; NULL: at the top only */
	const char *top;     /* its old spelling at the top ("ps" of "container ls"); NULL: none */
	const char *aliases; /* further names in the group, separated by spaces; NULL: none */
	const char *usage;   /* "[OPTIONS] IMAGE [COMMAND] [ARG...]" */
	const char *about;
	const struct flag *flags;
	size_t n_flags;
	int min_args, max_args; /* max < 0: any number */
	bool only_first;        /* options end at the first argument */
	bool is_common;         /* shown first in help */
	bool is_hidden;         /* help does not list it */
	int (*run)(struct cli *c, struct err **e);
};

struct command_group {
	const char *name, *about;
};

extern const struct command *const commands[];
extern const size_t n_commands;
extern const struct command_group command_groups[];
extern const size_t n_command_groups;

struct cli {
	const char *prog; /* "hoy", or "docker" when called so */
	struct arena *a;
	const struct command *cmd;
	const char *path; /* "docker run": what the user typed */
	struct flags global, f;
	const struct json *config; /* ~/.docker/config.json or NULL */
	const char *config_dir, *context;
	bool is_resolved;
	struct client_config where;
	struct client *client;
};

int cli_main(int argc, char **argv);

/* --- for the commands --- */

static inline UNUSED const char *cli_arg(const struct cli *c, size_t i)
{
	return i < c->f.args.n ? c->f.args.v[i] : NULL;
}
/* The engine; connects at the first call. NULL on a bad address. */
struct client *cli_client(struct cli *c, struct err **e);
/* Where the engine is, without talking to it. */
int cli_resolve(struct cli *c, struct err **e) NODISCARD;
/* One request. body: JSON text or NULL. */
int cli_json(struct cli *c, const char *method, const char *path, const struct strbuf *body,
	     const struct json **out, struct err **e) NODISCARD;
/* fn for each argument; what it returns 0 for is echoed (unless quiet), errors are collected: exit code 1 then. */
int cli_each(struct cli *c, int (*fn)(struct cli *c, const char *arg, struct err **e), bool quiet,
	     struct err **e);
/* The filters query value of --filter flags; NULL when there are none. */
const char *cli_filters(struct cli *c, const struct model_str_list *args, struct err **e);
/* Asks "… [y/N] " on stdout; true for y. */
bool cli_confirm(const char *question);
/* config.json's text setting, or "". */
const char *cli_config_str(const struct cli *c, const char *key);
/* "docker: TEXT\n\nRun 'docker run --help' for more information" on stderr; returns code. */
int cli_fail_help(struct cli *c, int code, const char *text);
/* fwrite of all of it. */
/* group NULL: by the spelling at the top. NULL: there is none. */
const struct command *cli_find_command(const char *group, const char *name);
void cli_out(const char *p, size_t n);
unsigned cli_columns(void);

/* --- help.c --- */
void help_command(const struct cli *c, const struct command *cmd, const char *path);
void help_group(const struct cli *c, const char *group);
void help_top(const struct cli *c);
int help_man(const struct cli *c, const char *name); /* a man page in roff; NULL: that of hoy itself */
const char *help_path(struct arena *a, const struct cli *c, const struct command *cmd);
const struct flag *global_flags(size_t *n);

/* --- complete.c --- */
/* What may stand in place of the last word, to stdout. */
int complete_words(struct cli *c, char *const *argv, size_t argc);

/* Shared rows of flag tables. */
#define FORMAT_HELP_TABLE                                                                                    \
	"Format output using a custom template:\n"                                                           \
	"'table':            Print output in table format with column headers (default)\n"                   \
	"'table TEMPLATE':   Print output in table format using the given Go template\n"                     \
	"'json':             Print in JSON format\n"                                                         \
	"'TEMPLATE':         Print output using the given Go template.\n"                                    \
	"Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with " \
	"templates"
#define FORMAT_HELP                                                                                          \
	"Format output using a custom template:\n"                                                           \
	"'json':             Print in JSON format\n"                                                         \
	"'TEMPLATE':         Print output using the given Go template.\n"                                    \
	"Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with " \
	"templates"
#define FLAGS(t) .flags = (t), .n_flags = ARRAY_LEN(t)
