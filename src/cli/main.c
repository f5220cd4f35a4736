/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the command, parses its flags, runs it, prints its error; help and usage. */
#include "cli/cli.h"

#include "base/fs.h"
#include "model/filters.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct flag global_flags[] = {
	{ "config", 0, FLAG_STRING, 0, NULL, "Directory of the client's configuration", NULL },
	{ "context", 'c', FLAG_STRING, 0, NULL,
	  "Context to use instead of the current one and of DOCKER_HOST", NULL },
	{ "debug", 'D', FLAG_BOOL, 0, NULL, "Say more", NULL },
	{ "host", 'H', FLAG_LIST, 0, NULL, "Daemon to talk to", NULL },
	{ "log-level", 'l', FLAG_STRING, 0, NULL,
	  "How much to say (\"debug\", \"info\", \"warn\", \"error\", \"fatal\")", "info" },
	{ "tls", 0, FLAG_BOOL, 0, NULL, "Use TLS", NULL },
	{ "tlscacert", 0, FLAG_STRING, 0, NULL, "Trust certificates that this CA signed", NULL },
	{ "tlscert", 0, FLAG_STRING, 0, NULL, "Our certificate", NULL },
	{ "tlskey", 0, FLAG_STRING, 0, NULL, "Our key", NULL },
	{ "tlsverify", 0, FLAG_BOOL, 0, NULL, "Use TLS and check the daemon's certificate", NULL },
	{ "version", 'v', FLAG_BOOL, 0, NULL, "Print the version and leave", NULL },
};

const char *js(const struct json *j, const char *key)
{
	const char *s = json_str(json_get(j, key));

	return s ? s : "";
}

int64_t ji(const struct json *j, const char *key)
{
	int64_t v = 0;

	return json_i64(json_get(j, key), &v) == 0 ? v : 0;
}

bool jb(const struct json *j, const char *key)
{
	return json_bool(json_get(j, key));
}

unsigned cli_width(void)
{
	struct winsize ws;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 20 ? ws.ws_col : 80;
}

/* "run" of "container run": the words of a path or of one of its aliases. -1, or how many words of argv matched. */
static int match_words(const char *words, size_t n, int argc, char **argv, int at)
{
	struct sv rest = sv_n(words, n), word;
	int k = 0;

	while (rest.n) {
		(void)sv_cut(rest, ' ', &word, &rest);
		if (at + k >= argc || !sv_eqs(word, argv[at + k]))
			return -1;
		k++;
	}
	return k;
}

static const struct command *find_command(int argc, char **argv, int at, int *words)
{
	const struct command *found = NULL;

	*words = 0;
	for (size_t i = 0; i < cli_n_commands; i++) {
		const struct command *c = cli_commands[i];
		struct sv rest = sv_of(c->alias ? c->alias : ""), one;
		int k = match_words(c->path, strlen(c->path), argc, argv, at);

		if (k > *words) {
			*words = k;
			found = c;
		}
		while (rest.n) {
			(void)sv_cut(rest, ',', &one, &rest);
			one = sv_trim(one);
			k = match_words(one.p, one.n, argc, argv, at);
			if (k > *words) {
				*words = k;
				found = c;
			}
		}
	}
	return found;
}

/* --- help --- */

static const struct {
	const char *group, *text;
} groups[] = {
	{ "container", "Manage containers" }, { "image", "Manage images" },
	{ "network", "Manage networks" },     { "system", "Manage hoy itself" },
	{ "volume", "Manage volumes" },
};

static void help_list(const char *title, const char *prefix, struct strbuf *out)
{
	size_t longest = 10;

	for (int pass = 0; pass < 2; pass++) {
		if (pass == 1)
			sb_addf(out, "\n%s:\n", title);
		for (size_t i = 0; i < cli_n_commands; i++) {
			const struct command *c = cli_commands[i];
			const char *name = NULL;

			if (c->is_hidden)
				continue;
			if (prefix && str_starts(c->path, prefix))
				name = c->path + strlen(prefix);
			else if (!prefix && c->alias && !strchr(c->alias, ' ') && !strchr(c->alias, ','))
				name = c->alias;
			else if (!prefix && !strchr(c->path, ' '))
				name = c->path;
			else if (!prefix && c->alias && strrchr(c->alias, ' ') && strchr(c->alias, ','))
				name = strrchr(c->alias, ' ') + 1;
			if (!name)
				continue;
			if (pass == 0)
				longest = MAX(longest, strlen(name));
			else
				sb_addf(out, "  %-*s  %s\n", (int)longest, name, c->text);
		}
	}
}

static void print_root_help(const char *name, FILE *to)
{
	cleanup_strbuf struct strbuf b = { 0 };

	sb_addf(&b, "Usage:  %s [OPTIONS] COMMAND\n\nContainers at the cost the kernel asks\n", name);
	sb_add(&b, "\nManagement Commands:\n");
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		sb_addf(&b, "  %-11s %s\n", groups[i].group, groups[i].text);
	help_list("Commands", NULL, &b);
	sb_add(&b, "\nGlobal Options:\n");
	flags_help(global_flags, ARRAY_LEN(global_flags), cli_width(), &b);
	sb_addf(&b, "\nRun '%s COMMAND --help' for more information on a command.\n", name);
	(void)fwrite(b.p, 1, b.n, to);
}

static bool print_group_help(const char *name, const char *group, FILE *to)
{
	cleanup_strbuf struct strbuf b = { 0 };
	cleanup_free char *prefix = xasprintf("%s ", group);

	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		if (strcmp(groups[i].group, group) != 0)
			continue;
		sb_addf(&b, "Usage:  %s %s COMMAND\n\n%s\n", name, group, groups[i].text);
		help_list("Commands", prefix, &b);
		sb_addf(&b, "\nRun '%s %s COMMAND --help' for more information on a command.\n", name, group);
		(void)fwrite(b.p, 1, b.n, to);
		return true;
	}
	return false;
}

static void print_command_help(const struct cli *c)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct sv rest = sv_of(c->cmd->alias ? c->cmd->alias : ""), one;

	sb_addf(&b, "Usage:  %s %s%s%s\n\n%s\n", c->name, c->path, *c->cmd->usage ? " " : "", c->cmd->usage,
		c->cmd->text);
	if (rest.n) {
		sb_addf(&b, "\nAliases:\n  %s %s", c->name, c->cmd->path);
		while (rest.n) {
			(void)sv_cut(rest, ',', &one, &rest);
			one = sv_trim(one);
			sb_addf(&b, ", %s %.*s", c->name, (int)one.n, one.p);
		}
		sb_addc(&b, '\n');
	}
	if (c->cmd->n_flags) {
		sb_add(&b, "\nOptions:\n");
		flags_help(c->cmd->flags, c->cmd->n_flags, cli_width(), &b);
	}
	(void)fwrite(b.p, 1, b.n, stdout);
}

static void print_usage(const struct cli *c, const char *hint)
{
	(void)fprintf(stderr, "\nUsage:  %s %s%s%s\n\n%s '%s %s --help' for more information\n", c->name,
		      c->path, *c->cmd->usage ? " " : "", c->cmd->usage, hint, c->name, c->path);
}

static int check_args(const struct cli *c)
{
	int n = (int)c->args.n, min = c->cmd->min, max = c->cmd->max;

	if (n >= min && (max == CLI_NO_MAX || n <= max))
		return 0;
	(void)fprintf(stderr, "%s: '%s %s' ", c->name, c->name, c->path);
	if (max == 0)
		(void)fprintf(stderr, "accepts no arguments\n");
	else if (max == CLI_NO_MAX)
		(void)fprintf(stderr, "requires at least %d argument%s\n", min, min == 1 ? "" : "s");
	else if (min == max)
		(void)fprintf(stderr, "requires %d argument%s\n", min, min == 1 ? "" : "s");
	else if (n < min)
		(void)fprintf(stderr, "requires at least %d argument%s\n", min, min == 1 ? "" : "s");
	else
		(void)fprintf(stderr, "requires at most %d argument%s\n", max, max == 1 ? "" : "s");
	print_usage(c, max == 0 ? "Run" : "See");
	return 1;
}

/* --- configuration --- */

static void read_config(struct cli *c)
{
	cleanup_free char *path = xasprintf("%s/config.json", c->config_dir);
	char *text = NULL;
	struct json_limits lenient = { .last_key_wins = true };
	size_t n;

	if (fs_read_file_at(AT_FDCWD, path, 4 * 1024 * 1024, &text, &n) < 0)
		return;
	if (json_parse(c->a, sv_n(arena_strndup(c->a, text, n), n), &lenient, &c->config, NULL) < 0)
		(void)fprintf(stderr, "WARNING: Error loading config file: %s: not valid JSON\n", path);
	free(text);
}

static char *in_dir(struct cli *c, const char *dir, const char *name)
{
	return arena_printf(c->a, "%s/%s", dir, name);
}

/* --context, -H, DOCKER_HOST, DOCKER_CONTEXT, config.json's currentContext, in this order. */
static int choose_host(struct cli *c, const struct flags *g, struct err **e)
{
	const struct strlist *hosts = flag_list(g, "host");
	const char *context = flag_str(g, "context"), *env = getenv("DOCKER_HOST"),
		   *cert_dir = getenv("DOCKER_CERT_PATH");

	if (hosts->n > 1)
		return err_set(e, ERR_INVALID, "specify only one -H");
	if (hosts->n && !str_empty(context))
		return err_set(e, ERR_INVALID,
			       "conflicting options: cannot specify both --host and --context");
	if (hosts->n)
		c->cfg.host = hosts->v[0];
	else if (str_empty(context) && !str_empty(env))
		c->cfg.host = env;
	else if (str_empty(context) && !str_empty(getenv("DOCKER_CONTEXT")))
		context = getenv("DOCKER_CONTEXT");
	if (!c->cfg.host && str_empty(context) && c->config)
		context = js(c->config, "currentContext");
	if (!c->cfg.host && !str_empty(context) && strcmp(context, "default") != 0)
		return err_set(e, ERR_NOT_IMPLEMENTED, "context \"%s\": contexts are not supported", context);
	c->cfg.tls_verify = flag_bool(g, "tlsverify") ||
			    (!flag_is_set(g, "tlsverify") && !str_empty(getenv("DOCKER_TLS_VERIFY")));
	c->cfg.tls = flag_bool(g, "tls") || c->cfg.tls_verify || !str_empty(getenv("DOCKER_TLS"));
	if (c->cfg.tls) {
		const char *dir = str_empty(cert_dir) ? c->config_dir : cert_dir;

		c->cfg.ca = flag_is_set(g, "tlscacert") ? flag_str(g, "tlscacert") : in_dir(c, dir, "ca.pem");
		c->cfg.cert = flag_is_set(g, "tlscert") ? flag_str(g, "tlscert") : in_dir(c, dir, "cert.pem");
		c->cfg.key = flag_is_set(g, "tlskey") ? flag_str(g, "tlskey") : in_dir(c, dir, "key.pem");
		if (access(c->cfg.ca, R_OK) != 0 && !flag_is_set(g, "tlscacert"))
			c->cfg.ca = NULL;
		if (access(c->cfg.cert, R_OK) != 0 && !flag_is_set(g, "tlscert"))
			c->cfg.cert = c->cfg.key = NULL;
	}
	if (!str_empty(getenv("DOCKER_API_VERSION")))
		c->cfg.api_version = getenv("DOCKER_API_VERSION");
	return 0;
}

struct client *cli_client(struct cli *c, struct err **e)
{
	if (!c->client && client_open(&c->cfg, &c->client, e) < 0)
		return NULL;
	return c->client;
}

int cli_call(struct cli *c, const char *method, const char *path, struct sv body, const struct json **out,
	     struct err **e)
{
	struct json_limits limits = { .max_bytes = 256UL * 1024 * 1024,
				      .max_values = 20UL * 1000 * 1000,
				      .last_key_wins = true };
	struct client *cl = cli_client(c, e);
	struct client_reply r = { 0 };

	if (!cl || client_call(cl, method, path, body, c->a, &r, e) < 0)
		return -1;
	if (out && r.body.n && json_parse(c->a, r.body, &limits, out, e) < 0)
		return err_wrap(e, "the daemon's reply to %s", path);
	return 0;
}

char *cli_path(struct cli *c, const char *fmt, const char *arg)
{
	cleanup_strbuf struct strbuf b = { 0 };

	for (; *fmt; fmt++) {
		if (fmt[0] == '%' && fmt[1] == 's') {
			client_escape(&b, arg);
			fmt++;
		} else {
			sb_addc(&b, *fmt);
		}
	}
	return arena_strdup(c->a, sb_str(&b));
}

/* {"label":{"a=b":true}}: the form that every API version takes. */
int cli_filters(struct cli *c, const struct strlist *list, struct strbuf *path, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);

	if (list->n == 0)
		return 0;
	jw_obj(&w);
	for (size_t i = 0; i < list->n; i++) {
		struct sv key, value;
		bool seen = false;

		if (!sv_cut(sv_of(list->v[i]), '=', &key, &value))
			return err_set(e, ERR_INVALID,
				       "invalid argument \"%s\" for \"-f, --filter\" flag: invalid filter "
				       "format (should be name=[value])",
				       list->v[i]);
		for (size_t k = 0; k < i; k++)
			seen = seen || sv_starts(sv_of(list->v[k]), sv_n(list->v[i], key.n + 1));
		if (seen)
			continue;
		jw_keysv(&w, key);
		jw_obj(&w);
		for (size_t k = i; k < list->n; k++) {
			struct sv kk, vv;

			if (sv_cut(sv_of(list->v[k]), '=', &kk, &vv) && sv_eq(kk, key)) {
				bool twice = false;

				for (size_t m = i; m < k; m++)
					twice = twice || strcmp(list->v[m], list->v[k]) == 0;
				if (!twice) {
					jw_keysv(&w, vv);
					jw_bool(&w, true);
				}
			}
		}
		jw_end(&w);
	}
	jw_end(&w);
	client_query(path, "filters", sb_str(&b));
	(void)c;
	return 0;
}

bool cli_confirm(const char *question)
{
	char line[16] = "";

	(void)fprintf(stdout, "%s [y/N] ", question);
	(void)fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return false;
	return line[0] == 'y' || line[0] == 'Y';
}

void cli_print_error(const struct cli *c, const struct err *e)
{
	(void)c;
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s\n", err_text(e));
}

int cli_each(struct cli *c, int (*fn)(struct cli *c, const char *arg, struct err **e), bool echo)
{
	int rc = 0;

	for (size_t i = 0; i < c->args.n; i++) {
		cleanup_err struct err *e = NULL;

		if (fn(c, c->args.v[i], &e) < 0) {
			cli_print_error(c, e);
			rc = 1;
			continue;
		}
		if (echo)
			(void)printf("%s\n", c->args.v[i]);
	}
	return rc;
}

/* --- dispatch --- */

static int unknown_command(const struct cli *c, int argc, char **argv, int at)
{
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		if (strcmp(argv[at], groups[i].group) != 0)
			continue;
		if (at + 1 >= argc || strcmp(argv[at + 1], "--help") == 0) {
			(void)print_group_help(c->name, argv[at], at + 1 >= argc ? stderr : stdout);
			return 0;
		}
		(void)fprintf(stderr,
			      "%s: unknown command: %s %s %s\n\nUsage:  %s %s\n\nRun '%s %s --help' for more "
			      "information\n",
			      c->name, c->name, argv[at], argv[at + 1], c->name, argv[at], c->name, argv[at]);
		return 1;
	}
	(void)fprintf(stderr, "%s: unknown command: %s %s\n\nRun '%s --help' for more information\n", c->name,
		      c->name, argv[at], c->name);
	return 1;
}

static int run_command(struct cli *c, int argc, char **argv, int at, int words)
{
	cleanup_strbuf struct strbuf path = { 0 };
	cleanup_err struct err *e = NULL;
	bool help = false;
	int rc;

	for (int i = 0; i < words; i++)
		sb_addf(&path, "%s%s", i ? " " : "", argv[at + i]);
	c->path = sb_str(&path);
	flags_init(&c->f, c->cmd->flags, c->cmd->n_flags);
	if (flags_parse(&c->f, argc, argv, at + words, c->cmd->stop_at_word, &c->args, &help, &e) < 0) {
		cli_print_error(c, e);
		if (err_class(e) == ERR_INVALID)
			print_usage(c, "Run");
		rc = 125;
	} else if (help) {
		print_command_help(c);
		rc = 0;
	} else {
		rc = check_args(c);
		if (rc == 0) {
			rc = c->cmd->run(c, &e);
			if (e) {
				if (c->cmd->is_125)
					(void)fprintf(stderr,
						      "%s: %s\n\nRun '%s %s --help' for more information\n",
						      c->name, err_text(e), c->name, c->path);
				else
					cli_print_error(c, e);
				rc = rc < 0 ? (c->cmd->is_125 ? 125 : 1) : rc;
			}
			rc = rc < 0 ? 1 : rc;
		}
	}
	flags_release(&c->f);
	strlist_release(&c->args);
	return rc;
}

static int help_command(struct cli *c, int argc, char **argv, int at)
{
	int words;

	if (at >= argc) {
		print_root_help(c->name, stdout);
		return 0;
	}
	c->cmd = find_command(argc, argv, at, &words);
	if (c->cmd) {
		cleanup_strbuf struct strbuf path = { 0 };

		for (int i = 0; i < words; i++)
			sb_addf(&path, "%s%s", i ? " " : "", argv[at + i]);
		c->path = sb_str(&path);
		print_command_help(c);
		return 0;
	}
	return print_group_help(c->name, argv[at], stdout) ? 0 : unknown_command(c, argc, argv, at);
}

int cli_main(int argc, char **argv)
{
	const char *slash = argc ? strrchr(argv[0], '/') : NULL, *self = slash  ? slash + 1
									 : argc ? argv[0]
										: "hoy";
	cleanup_arena struct arena *a = arena_new();
	cleanup_strlist struct strlist rest = { 0 };
	cleanup_err struct err *e = NULL;
	struct cli c = { .name = strcmp(self, "docker") == 0 ? "docker" : "hoy", .a = a };
	struct flags g;
	bool help = false;
	int at, words, rc = 0;

	(void)signal(SIGPIPE, SIG_IGN);
	flags_init(&g, global_flags, ARRAY_LEN(global_flags));
	if (flags_parse(&g, argc, argv, 1, true, &rest, &help, &e) < 0) {
		(void)fprintf(stderr,
			      "%s\n\nUsage:  %s [OPTIONS] COMMAND [ARG...]\n\nRun '%s --help' for more "
			      "information\n",
			      err_text(e), c.name, c.name);
		flags_release(&g);
		return 125;
	}
	at = argc - (int)rest.n;
	c.config_dir = flag_is_set(&g, "config") ? xstrdup(flag_str(&g, "config"))
		       : !str_empty(getenv("DOCKER_CONFIG"))
			       ? xstrdup(getenv("DOCKER_CONFIG"))
			       : xasprintf("%s/.docker", getenv("HOME") ? getenv("HOME") : "");
	if (flag_bool(&g, "version")) {
		(void)printf("hoy version %s\n", HOY_VERSION);
	} else if (help || rest.n == 0) {
		print_root_help(c.name, help ? stdout : stderr);
	} else if (strcmp(argv[at], "help") == 0) {
		rc = help_command(&c, argc, argv, at + 1);
	} else {
		read_config(&c);
		c.cmd = find_command(argc, argv, at, &words);
		if (!c.cmd) {
			rc = unknown_command(&c, argc, argv, at);
		} else if (choose_host(&c, &g, &e) < 0) {
			cli_print_error(&c, e);
			rc = 1;
		} else {
			rc = run_command(&c, argc, argv, at, words);
		}
	}
	if (fflush(stdout) != 0 && errno != EPIPE && rc == 0)
		rc = 1;
	client_close(c.client);
	free(c.config_dir);
	flags_release(&g);
	return rc;
}
