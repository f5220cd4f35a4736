/* SPDX-License-Identifier: Apache-2.0 */
/* From argv to the command's handler: global options, names and aliases, argument counts, errors. */
#include "cli/cli.h"

#include "base/fs.h"
#include "model/filters.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>

#define CONFIG_MAX ((size_t)4 << 20)

static const char docker_version[] = "28.5.2";

void cli_out(const char *p, size_t n)
{
	if (fwrite(p, 1, n, stdout) < n)
		exit(1); /* nobody reads us */
}

unsigned cli_columns(void)
{
	struct winsize ws;

	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
		return ws.ws_col;
	return 80;
}

static bool is_alias(const struct command *cmd, const char *name)
{
	for (const char *p = cmd->aliases; p && *p;) {
		size_t n = strcspn(p, " ");
		if (sv_eqs(sv_n(p, n), name))
			return true;
		p += n;
		p += strspn(p, " ");
	}
	return false;
}

const struct command *cli_find_command(const char *group, const char *name)
{
	for (size_t i = 0; i < n_commands; i++) {
		const struct command *cmd = commands[i];

		if (!group ? str_eq(cmd->group ? cmd->top : cmd->name, name)
			   : str_eq(cmd->group, group) && (str_eq(cmd->name, name) || is_alias(cmd, name)))
			return cmd;
	}
	return NULL;
}

static bool is_group(const char *name)
{
	for (size_t i = 0; i < n_command_groups; i++)
		if (strcmp(command_groups[i].name, name) == 0)
			return true;
	return false;
}

static void load_config(struct cli *c)
{
	cleanup_free char *text = NULL;
	const char *dir = flag_str(&c->global, "config"), *home = getenv("HOME");
	size_t n = 0;

	if (!*dir)
		dir = getenv("DOCKER_CONFIG");
	c->config_dir =
		!str_empty(dir) ? dir : arena_printf(c->a, "%s/.docker", str_empty(home) ? "/root" : home);
	if (fs_read_file_at(AT_FDCWD, arena_printf(c->a, "%s/config.json", c->config_dir), CONFIG_MAX, &text,
			    &n) < 0)
		return;
	cleanup_err struct err *why = NULL;
	char *kept = arena_strndup(c->a, text, n);
	if (json_parse(c->a, sv_n(kept, n), &(struct json_limits){ .last_key_wins = true }, &c->config,
		       &why) < 0)
		(void)fprintf(stderr, "WARNING: Error loading config file: %s/config.json: %s\n",
			      c->config_dir, err_text(why));
}

const char *cli_config_str(const struct cli *c, const char *key)
{
	const char *s = json_str(json_get(c->config, key));

	return s ? s : "";
}

static const char *tls_file(struct cli *c, const char *flag, const char *name)
{
	const char *given = flag_str(&c->global, flag), *dir = getenv("DOCKER_CERT_PATH"), *path;

	if (*given)
		return given;
	path = arena_printf(c->a, "%s/%s", str_empty(dir) ? c->config_dir : dir, name);
	return faccessat(AT_FDCWD, path, R_OK, 0) == 0 ? path : NULL;
}

static bool env_set_to_something(const char *name)
{
	return !str_empty(getenv(name));
}

static void add_headers(struct cli *c)
{
	const struct json *headers = json_get(c->config, "HttpHeaders");
	struct http_param *v;
	size_t n = 0;

	if (!json_is(headers, JSON_OBJECT) || headers->n == 0)
		return;
	v = arena_alloc(c->a, headers->n * sizeof(*v));
	json_for_each (it, headers)
		if (json_str(it))
			v[n++] = (struct http_param){ arena_strdup(c->a, it->key.p),
						      arena_strdup(c->a, json_str(it)) };
	c->where.headers = v;
	c->where.n_headers = n;
}

int cli_resolve(struct cli *c, struct err **e)
{
	const struct model_str_list *hosts = flag_list(&c->global, "host");
	struct client_choice choice = { .host = hosts->n ? hosts->v[hosts->n - 1] : NULL,
					.context = flag_str(&c->global, "context"),
					.config_dir = c->config_dir,
					.config = c->config };

	if (c->is_resolved)
		return 0;
	if (hosts->n > 1)
		return err_set(e, ERR_INVALID, "Specify only one -H");
	c->where.api_version = getenv("DOCKER_API_VERSION");
	c->where.tls_verify =
		flag_bool(&c->global, "tlsverify") ||
		(!flag_set(&c->global, "tlsverify") && env_set_to_something("DOCKER_TLS_VERIFY"));
	c->where.tls =
		c->where.tls_verify || flag_bool(&c->global, "tls") || env_set_to_something("DOCKER_TLS");
	if (c->where.tls) {
		c->where.ca = tls_file(c, "tlscacert", "ca.pem");
		c->where.cert = tls_file(c, "tlscert", "cert.pem");
		c->where.key = tls_file(c, "tlskey", "key.pem");
	}
	add_headers(c);
	if (client_resolve(c->a, &choice, &c->where, &c->context, e) < 0)
		return -1;
	if (str_starts(c->where.host, "unix://"))
		c->where.tls = false;
	c->is_resolved = true;
	return 0;
}

struct client *cli_client(struct cli *c, struct err **e)
{
	if (!c->client) {
		if (cli_resolve(c, e) < 0)
			return NULL;
		c->client = client_new(&c->where);
	}
	return c->client;
}

int cli_json(struct cli *c, const char *method, const char *path, const struct strbuf *body,
	     const struct json **out, struct err **e)
{
	struct client *cl = cli_client(c, e);

	if (!cl)
		return -1;
	return client_json(cl, c->a,
			   &(struct client_call){ .method = method,
						  .path = path,
						  .body = body ? sb_sv(body) : (struct sv){ 0 } },
			   out, e);
}

int cli_each(struct cli *c, int (*fn)(struct cli *c, const char *arg, struct err **e), bool quiet,
	     struct err **e)
{
	bool failed = false;

	(void)e;
	for (size_t i = 0; i < c->f.args.n; i++) {
		cleanup_err struct err *why = NULL;

		if (fn(c, c->f.args.v[i], &why) < 0) {
			(void)fflush(stdout);
			(void)fprintf(stderr, "%s\n", err_text(why));
			failed = true;
			/* the engine is not there: once is enough */
			if (err_class(why) == ERR_UNAVAILABLE && str_starts(err_text(why), "Cannot connect"))
				break;
		} else if (!quiet) {
			(void)printf("%s\n", c->f.args.v[i]);
		}
	}
	return failed ? 1 : 0;
}

const char *cli_filters(struct cli *c, const struct model_str_list *args, struct err **e)
{
	struct filters f = { 0 };
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);

	for (size_t i = 0; i < args->n; i++)
		if (filters_add_arg(c->a, &f, args->v[i], e) < 0)
			return NULL;
	filters_encode(&w, &f);
	return arena_strdup(c->a, sb_str(&b));
}

bool cli_confirm(const char *question)
{
	char line[64];

	(void)printf("%s [y/N] ", question);
	(void)fflush(stdout);
	if (!fgets(line, sizeof(line), stdin)) {
		(void)printf("\n");
		return false;
	}
	struct sv answer = sv_trim(sv_of(line));
	return sv_ieqs(answer, "y");
}

int cli_fail_help(struct cli *c, int code, const char *text)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s: %s\n\nRun '%s --help' for more information\n", c->prog, text, c->path);
	return code;
}

static int unknown_command(const struct cli *c, const char *group, const char *name)
{
	(void)fprintf(stderr, "%s: unknown command: %s %s%s%s\n\n", c->prog, c->prog, group ? group : "",
		      group ? " " : "", name);
	if (group)
		(void)fprintf(stderr, "Usage:  %s %s\n\nRun '%s %s --help' for more information\n", c->prog,
			      group, c->prog, group);
	else
		(void)fprintf(stderr, "Run '%s --help' for more information\n", c->prog);
	return 1;
}

static const char *plural(int n)
{
	return n == 1 ? "argument" : "arguments";
}

/* 0, or the text goes to stderr and the exit code comes back. */
static int check_args(const struct cli *c)
{
	const struct command *cmd = c->cmd;
	int n = (int)MIN(c->f.args.n, (size_t)INT32_MAX), min = cmd->min_args, max = cmd->max_args;
	cleanup_strbuf struct strbuf b = { 0 };

	if (n >= min && (max < 0 || n <= max))
		return 0;
	if (max == 0)
		sb_add(&b, "accepts no arguments");
	else if (max < 0)
		sb_addf(&b, "requires at least %d %s", min, plural(min));
	else if (min == max)
		sb_addf(&b, "requires %d %s", min, plural(min));
	else if (min == 0)
		sb_addf(&b, "requires at most %d %s", max, plural(max));
	else
		sb_addf(&b, "requires at least %d and at most %d %s", min, max, plural(max));
	(void)fprintf(stderr, "%s: '%s' %s\n\nUsage:  %s %s\n\n%s '%s --help' for more information\n",
		      c->prog, c->path, b.p, c->path, cmd->usage, max < 0 ? "See" : "Run", c->path);
	return 1;
}

static int usage_error(const struct cli *c, const char *usage, const char *path, const struct err *why)
{
	(void)fprintf(stderr, "%s\n\nUsage:  %s%s%s\n\nRun '%s --help' for more information\n", err_text(why),
		      path, *usage ? " " : "", usage, path);
	(void)c;
	return EXIT_USAGE;
}

static int run_command(struct cli *c, char *const *argv, size_t argc)
{
	cleanup_err struct err *why = NULL;
	int code;

	if (flags_parse(&c->f, c->a, c->cmd->flags, c->cmd->n_flags, argv, argc, c->cmd->only_first, &why) <
	    0)
		return usage_error(c, c->cmd->usage, c->path, why);
	if (c->f.short_help)
		(void)fprintf(stderr, "Flag shorthand -h has been deprecated, use --help\n");
	if (c->f.wants_help) {
		help_command(c, c->cmd, c->path);
		return 0;
	}
	code = check_args(c);
	if (code)
		return code;
	load_config(c);
	code = c->cmd->run(c, &why);
	if (code < 0) {
		(void)fflush(stdout);
		(void)fprintf(stderr, "%s\n", err_text(why));
		return 1;
	}
	return code;
}

static int show_help(struct cli *c, char *const *argv, size_t argc)
{
	if (argc > 0 && strcmp(argv[0], "--man") == 0)
		return help_man(c, argc > 1 ? argv[1] : NULL);
	if (argc == 0) {
		help_top(c);
		return 0;
	}
	const struct command *cmd = argc > 1 && is_group(argv[0]) ? cli_find_command(argv[0], argv[1])
								  : cli_find_command(NULL, argv[0]);
	if (cmd) {
		help_command(c, cmd, help_path(c->a, c, cmd));
	} else if (argc == 1 && is_group(argv[0])) {
		help_group(c, argv[0]);
	} else {
		(void)fprintf(stderr, "unknown help topic: %s\n", argv[0]);
		return 1;
	}
	return 0;
}

static int dispatch(struct cli *c, char *const *argv, size_t argc)
{
	if (argc == 0) {
		help_top(c);
		return 0;
	}
	if (strcmp(argv[0], "help") == 0)
		return show_help(c, argv + 1, argc - 1);
	if (strcmp(argv[0], "__complete") == 0) {
		load_config(c);
		return complete_words(c, argv + 1, argc - 1);
	}
	c->cmd = cli_find_command(NULL, argv[0]);
	if (c->cmd) {
		c->path = arena_printf(c->a, "%s %s", c->prog, argv[0]);
		return run_command(c, argv + 1, argc - 1);
	}
	if (!is_group(argv[0]))
		return unknown_command(c, NULL, argv[0]);
	const char *group = argv[0];
	if (argc == 1 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		help_group(c, group);
		return 0;
	}
	c->cmd = cli_find_command(group, argv[1]);
	if (!c->cmd && argv[1][0] == '-') {
		cleanup_err struct err *why = NULL;
		(void)err_set(&why, ERR_INVALID, "unknown flag: %s", argv[1]);
		return usage_error(c, "", arena_printf(c->a, "%s %s", c->prog, group), why);
	}
	if (!c->cmd)
		return unknown_command(c, group, argv[1]);
	c->path = arena_printf(c->a, "%s %s %s", c->prog, group, argv[1]);
	return run_command(c, argv + 2, argc - 2);
}

/* A descriptor 0, 1 or 2 that is not there would become a connection to the engine. */
static void open_standard(void)
{
	int fd;

	do
		fd = fs_open("/dev/null", O_RDWR, 0);
	while (fd >= 0 && fd <= STDERR_FILENO);
	fd_close(&fd);
}

int cli_main(int argc, char **argv)
{
	struct cli c = { .prog = "hoy", .a = arena_new() };
	const char *base = argc > 0 ? strrchr(argv[0], '/') : NULL;
	cleanup_err struct err *why = NULL;
	size_t n_global, n = argc > 0 ? (size_t)argc - 1 : 0;
	const struct flag *table = global_flags(&n_global);
	int code;

	if (str_eq(base ? base + 1 : argc > 0 ? argv[0] : "", "docker"))
		c.prog = "docker";
	open_standard();
	(void)signal(SIGPIPE, SIG_IGN);
	if (flags_parse(&c.global, c.a, table, n_global, argv + 1, n, true, &why) < 0) {
		code = usage_error(&c, "[OPTIONS] COMMAND [ARG...]", c.prog, why);
	} else if (c.global.wants_help && c.global.args.n == 0) {
		help_top(&c);
		code = 0;
	} else if (flag_bool(&c.global, "version")) {
		(void)printf("%s version %s, build %s\n", strcmp(c.prog, "docker") == 0 ? "Docker" : "hoy",
			     strcmp(c.prog, "docker") == 0 ? docker_version : HOY_VERSION, HOY_VERSION);
		code = 0;
	} else {
		code = dispatch(&c, argv + 1 + (n - c.global.args.n), c.global.args.n);
	}
	if (fflush(stdout) != 0 && code == 0)
		code = 1;
	client_free(c.client);
	arena_free(c.a);
	return code;
}
