/* SPDX-License-Identifier: Apache-2.0 */
/* Help in Docker's layout, and man pages, from the command table. */
#include "cli/cli.h"

static const struct flag global_table[] = {
	{ "config", FLAG_STRING, .help = "Location of client config files (default \"~/.docker\")" },
	{ "context", FLAG_STRING, 'c',
	  .help = "Name of the context to use to connect to the daemon (overrides DOCKER_HOST env var and "
		  "default context "
		  "set with \"docker context use\")" },
	{ "debug", FLAG_BOOL, 'D', .help = "Enable debug mode" },
	{ "host", FLAG_LIST, 'H', .help = "Daemon socket to connect to" },
	{ "log-level", FLAG_STRING, 'l', .def = "info",
	  .help = "Set the logging level (\"debug\", \"info\", \"warn\", \"error\", \"fatal\")" },
	{ "tls", FLAG_BOOL, .help = "Use TLS; implied by --tlsverify" },
	{ "tlscacert", FLAG_STRING,
	  .help = "Trust certs signed only by this CA (default \"~/.docker/ca.pem\")" },
	{ "tlscert", FLAG_STRING, .help = "Path to TLS certificate file (default \"~/.docker/cert.pem\")" },
	{ "tlskey", FLAG_STRING, .help = "Path to TLS key file (default \"~/.docker/key.pem\")" },
	{ "tlsverify", FLAG_BOOL, .help = "Use TLS and verify the remote" },
	{ "version", FLAG_BOOL, 'v', .help = "Print version information and quit" },
};

const struct flag *global_flags(size_t *n)
{
	*n = ARRAY_LEN(global_table);
	return global_table;
}

static const char *top_name(const struct command *cmd)
{
	return cmd->group ? cmd->top : cmd->name;
}

const char *help_path(struct arena *a, const struct cli *c, const struct command *cmd)
{
	if (top_name(cmd))
		return arena_printf(a, "%s %s", c->prog, top_name(cmd));
	return arena_printf(a, "%s %s %s", c->prog, cmd->group, cmd->name);
}

static void add_aliases(const struct cli *c, const struct command *cmd, struct strbuf *b)
{
	sb_addf(b, "  %s %s %s", c->prog, cmd->group, cmd->name);
	for (const char *p = cmd->aliases; p && *p;) {
		size_t n = strcspn(p, " ");
		sb_addf(b, ", %s %s %.*s", c->prog, cmd->group, (int)n, p);
		p += n;
		p += strspn(p, " ");
	}
	if (cmd->top)
		sb_addf(b, ", %s %s", c->prog, cmd->top);
}

void help_command(const struct cli *c, const struct command *cmd, const char *path)
{
	cleanup_strbuf struct strbuf b = { 0 };

	sb_addf(&b, "Usage:  %s%s%s\n\n%s\n", path, *cmd->usage ? " " : "", cmd->usage, cmd->about);
	if (cmd->group && (cmd->aliases || cmd->top)) {
		sb_add(&b, "\nAliases:\n");
		add_aliases(c, cmd, &b);
		sb_addc(&b, '\n');
	}
	if (cmd->n_flags) {
		sb_add(&b, "\nOptions:\n");
		flags_usage(cmd->flags, cmd->n_flags, cli_columns() - 1, &b);
	}
	cli_out(b.p, b.n);
}

static void add_line(struct strbuf *b, const char *name, const char *about)
{
	sb_addf(b, "  %-11s %s\n", name, about);
}

static int by_text(const void *a, const void *b)
{
	const struct command *const *x = a, *const *y = b;

	return strcmp(top_name(*x), top_name(*y));
}

static int by_group_name(const void *a, const void *b)
{
	const struct command *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static const struct command **sorted(size_t *n, const char *group, bool want_common)
{
	const struct command **v = xcalloc(n_commands, sizeof(*v));

	*n = 0;
	for (size_t i = 0; i < n_commands; i++) {
		const struct command *cmd = commands[i];
		if (cmd->is_hidden)
			continue;
		if (group ? str_eq(cmd->group, group) : top_name(cmd) && cmd->is_common == want_common)
			v[(*n)++] = cmd;
	}
	/* the common ones stand in the table's order */
	if (group)
		qsort((void *)v, *n, sizeof(*v), by_group_name);
	else if (!want_common)
		qsort((void *)v, *n, sizeof(*v), by_text);
	return v;
}

void help_group(const struct cli *c, const char *group)
{
	cleanup_strbuf struct strbuf b = { 0 };
	size_t n;
	cleanup_free const struct command **v = sorted(&n, group, false);

	sb_addf(&b, "Usage:  %s %s COMMAND\n\n", c->prog, group);
	for (size_t i = 0; i < n_command_groups; i++)
		if (strcmp(command_groups[i].name, group) == 0)
			sb_addf(&b, "%s\n", command_groups[i].about);
	sb_add(&b, "\nCommands:\n");
	for (size_t i = 0; i < n; i++)
		add_line(&b, v[i]->name, v[i]->about);
	sb_addf(&b, "\nRun '%s %s COMMAND --help' for more information on a command.\n", c->prog, group);
	cli_out(b.p, b.n);
}

void help_top(const struct cli *c)
{
	cleanup_strbuf struct strbuf b = { 0 };
	size_t n_common, n_other, n_flags;
	cleanup_free const struct command **common = sorted(&n_common, NULL, true);
	cleanup_free const struct command **other = sorted(&n_other, NULL, false);
	const struct flag *flags = global_flags(&n_flags);

	sb_addf(&b,
		"Usage:  %s [OPTIONS] COMMAND\n\nA self-sufficient runtime for containers\n\nCommon "
		"Commands:\n",
		c->prog);
	for (size_t i = 0; i < n_common; i++)
		add_line(&b, top_name(common[i]), common[i]->about);
	sb_add(&b, "\nManagement Commands:\n");
	for (size_t i = 0; i < n_command_groups; i++)
		add_line(&b, command_groups[i].name, command_groups[i].about);
	sb_add(&b, "\nCommands:\n");
	for (size_t i = 0; i < n_other; i++)
		add_line(&b, top_name(other[i]), other[i]->about);
	sb_add(&b, "\nGlobal Options:\n");
	flags_usage(flags, n_flags, cli_columns() - 1, &b);
	sb_addf(&b, "\nRun '%s COMMAND --help' for more information on a command.\n", c->prog);
	cli_out(b.p, b.n);
}

/* --- man pages --- */

static void add_roff(struct strbuf *b, const char *text)
{
	for (const char *p = text; *p; p++) {
		if ((*p == '.' || *p == '\'') && (p == text || p[-1] == '\n'))
			sb_add(b, "\\&");
		if (*p == '\\')
			sb_add(b, "\\e");
		else if (*p == '-')
			sb_add(b, "\\-");
		else if (*p == '\n')
			sb_add(b, "\n.br\n");
		else
			sb_addc(b, *p);
	}
}

static void add_man_flags(struct strbuf *b, const struct flag *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct flag *f = &table[i];

		if (f->hidden || f->alias_of)
			continue;
		sb_add(b, ".TP\n.B ");
		if (f->shorthand)
			sb_addf(b, "\\-%c, ", f->shorthand);
		sb_add(b, "\\-\\-");
		add_roff(b, f->name);
		if (flag_value_name(f))
			sb_addf(b, " \\fI%s\\fR", flag_value_name(f));
		sb_addc(b, '\n');
		add_roff(b, f->help);
		sb_addc(b, '\n');
	}
}

static void add_man_head(struct strbuf *b, const char *title, const char *about)
{
	sb_add(b, ".TH \"");
	for (const char *p = title; *p; p++)
		sb_addc(b, (*p >= 'a' && *p <= 'z') ? (char)(*p - 32) : *p);
	sb_add(b, "\" 1 \"\" \"hoy " HOY_VERSION "\"\n.SH NAME\n");
	add_roff(b, title);
	sb_add(b, " \\- ");
	add_roff(b, about);
	sb_addc(b, '\n');
}

static const struct command *man_command(struct arena *a, const char *name)
{
	for (size_t i = 0; i < n_commands; i++) {
		const struct command *cmd = commands[i];
		if (str_eq(top_name(cmd), name) ||
		    (cmd->group && str_eq(arena_printf(a, "%s-%s", cmd->group, cmd->name), name)))
			return cmd;
	}
	return NULL;
}

int help_man(const struct cli *c, const char *name)
{
	cleanup_strbuf struct strbuf b = { 0 };
	size_t n_flags;

	if (!name) {
		const struct flag *flags = global_flags(&n_flags);
		add_man_head(&b, "hoy", "a self-sufficient runtime for containers");
		sb_add(&b, ".SH SYNOPSIS\n.B hoy\n[OPTIONS] COMMAND [ARG...]\n.SH OPTIONS\n");
		add_man_flags(&b, flags, n_flags);
		sb_add(&b, ".SH COMMANDS\n");
		for (size_t i = 0; i < n_commands; i++) {
			sb_add(&b, ".TP\n.B ");
			add_roff(&b, help_path(c->a, c, commands[i]));
			sb_addc(&b, '\n');
			add_roff(&b, commands[i]->about);
			sb_addc(&b, '\n');
		}
	} else {
		const struct command *cmd = man_command(c->a, name);
		if (!cmd) {
			(void)fprintf(stderr, "unknown help topic: %s\n", name);
			return 1;
		}
		add_man_head(&b, arena_printf(c->a, "hoy-%s", name), cmd->about);
		sb_add(&b, ".SH SYNOPSIS\n.B ");
		add_roff(&b, help_path(c->a, c, cmd));
		sb_addc(&b, '\n');
		add_roff(&b, cmd->usage);
		sb_add(&b, "\n");
		if (cmd->n_flags) {
			sb_add(&b, ".SH OPTIONS\n");
			add_man_flags(&b, cmd->flags, cmd->n_flags);
		}
	}
	cli_out(b.p, b.n);
	return 0;
}
