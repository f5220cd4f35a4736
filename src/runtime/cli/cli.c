/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/cli.h"

#include "base/clock.h"
#include "base/fs.h"
#include "codec/json.h"
#include "kernel/ns.h"
#include "kernel/seccomp.h"

#include <stdio.h>
#include <sys/prctl.h>

static const struct command commands[] = {
	{ "checkpoint", "<container-id>", "checkpoint a running container (needs criu)", cmd_checkpoint },
	{ "create", "<container-id>", "create a container", cmd_create },
	{ "delete", "<container-id>", "delete any resources held by the container", cmd_delete },
	{ "events", "<container-id>", "display container events such as OOM notifications and statistics",
	  cmd_events },
	{ "exec", "<container-id> <command> [args]", "execute new process inside the container", cmd_exec },
	{ "features", "", "show the enabled features", cmd_features },
	{ "kill", "<container-id> [signal]",
	  "send the specified signal (default: SIGTERM) to the init process", cmd_kill },
	{ "list", "", "list containers started with the given root", cmd_list },
	{ "pause", "<container-id>", "suspend all processes inside the container", cmd_pause },
	{ "ps", "<container-id> [ps options]", "display the processes running inside a container", cmd_ps },
	{ "restore", "<container-id>", "restore a container from a checkpoint (needs criu)", cmd_restore },
	{ "resume", "<container-id>", "resume all processes that have been paused", cmd_resume },
	{ "run", "<container-id>", "create and run a container", cmd_run },
	{ "spec", "", "create a new specification file", cmd_spec },
	{ "start", "<container-id>", "execute the user defined process in a created container", cmd_start },
	{ "state", "<container-id>", "output the state of a container", cmd_state },
	{ "update", "<container-id>", "update container resource constraints", cmd_update },
};

const struct command *rt_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static void print_opts(const struct opt *o, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char left[64];

		(void)snprintf(left, sizeof(left), "--%s%s%c%s", o[i].name, o[i].letter ? ", -" : "",
			       o[i].letter ? o[i].letter : ' ', o[i].kind == OPT_BOOL ? "" : " value");
		printf("   %-34s %s\n", left, o[i].help ? o[i].help : "");
	}
}

static const struct opt *find(const struct opt *o, size_t n, struct sv name)
{
	for (size_t i = 0; i < n; i++)
		if (sv_eqs(name, o[i].name) || (name.n == 1 && o[i].letter == name.p[0]))
			return &o[i];
	return NULL;
}

static int assign(const struct opt *o, const char *v, struct err **e)
{
	int64_t n;
	bool b;

	switch (o->kind) {
	case OPT_BOOL:
		if (parse_bool(sv_of(v), &b) < 0)
			return err_set(e, ERR_INVALID, "invalid boolean value \"%s\" for -%s", v, o->name);
		*(bool *)o->dst = b;
		return 0;
	case OPT_STR: *(const char **)o->dst = v; return 0;
	case OPT_INT:
		if (parse_i64(sv_of(v), INT64_MIN, INT64_MAX, &n) < 0)
			return err_set(e, ERR_INVALID, "invalid value \"%s\" for flag -%s: parse error", v,
				       o->name);
		*(int64_t *)o->dst = n;
		return 0;
	case OPT_LIST: strlist_add(o->dst, v); return 0;
	}
	return 0;
}

int opts_parse(const struct command *cmd, const struct opt *o, size_t n, int argc, char **argv, int *rest,
	       struct err **e)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		struct sv a = sv_of(argv[i]), name, value;

		if (sv_eqs(a, "--")) {
			i++;
			break;
		}
		a = sv_sub(a, a.n > 1 && a.p[1] == '-' ? 2 : 1, a.n);
		bool has_value = sv_cut(a, '=', &name, &value);
		if (sv_eqs(name, "help") || (sv_eqs(name, "h") && !find(o, n, name))) {
			if (cmd)
				printf("NAME:\n   hoy-runtime %s - %s\n\nUSAGE:\n   hoy-runtime %s [command "
				       "options] %s\n\n"
				       "OPTIONS:\n",
				       cmd->name, cmd->help, cmd->name, cmd->usage);
			if (cmd)
				print_opts(o, n);
			return 1;
		}
		const struct opt *f = find(o, n, name);
		if (!f)
			return err_set(e, ERR_INVALID, "flag provided but not defined: -%.*s", (int)name.n,
				       name.p);
		const char *v = value.p;
		if (!has_value) {
			if (f->kind == OPT_BOOL)
				v = "true";
			else if (i + 1 < argc)
				v = argv[++i];
			else
				return err_set(e, ERR_INVALID, "flag needs an argument: -%.*s", (int)name.n,
					       name.p);
		}
		if (assign(f, v, e) < 0)
			return -1;
	}
	*rest = i;
	return 0;
}

/* --- messages --- */

static void log_line(struct rt *rt, const char *level, const char *text)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct time_text now = clock_rfc3339nano(clock_now_ns());
	int fd = rt->logfd >= 0 ? rt->logfd : 2;

	if (str_eq(rt->log_format, "json")) {
		struct jw w = jw_to(&b);

		jw_obj(&w);
		jw_kstr(&w, "level", level);
		jw_kstr(&w, "msg", text);
		jw_kstr(&w, "time", now.s);
		jw_end(&w);
	} else {
		sb_addf(&b, "time=\"%s\" level=%s msg=", now.s, level);
		json_quote(&b, sv_of(text));
	}
	sb_addc(&b, '\n');
	(void)!fd_write_full(fd, b.p, b.n);
}

void rt_warn(struct rt *rt, const char *text)
{
	log_line(rt, "warning", text);
}

static int usage(void)
{
	printf("NAME:\n   hoy-runtime - Open Container Initiative runtime\n\n"
	       "USAGE:\n   hoy-runtime [global options] command [command options] [arguments...]\n\n"
	       "VERSION:\n   " HOY_VERSION "\nspec: " RUNTIME_VERSION_SPEC "\n\nCOMMANDS:\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("   %-12s %s\n", commands[i].name, commands[i].help);
	printf("\nGLOBAL OPTIONS:\n"
	       "   --debug             enable debug logging\n"
	       "   --log value         set the log file to write errors to (default: stderr)\n"
	       "   --log-format value  set the log format ('text' (default), or 'json')\n"
	       "   --root value        root directory for storage of container state (default: "
	       "\"/run/hoy-runtime\")\n"
	       "   --systemd-cgroup    the cgroup path is of the form \"slice:prefix:name\"\n"
	       "   --criu value        the criu binary to use\n"
	       "   --version, -v       print the version\n");
	return 0;
}

int runtime_cli(int argc, char **argv)
{
	struct rt rt = { .root = "/run/hoy-runtime", .log_format = "text", .logfd = -1 };
	const char *rootless = NULL, *manager = NULL;
	bool version = false;
	const struct opt globals[] = {
		{ "root", 0, OPT_STR, &rt.root, NULL },
		{ "log", 0, OPT_STR, &rt.log, NULL },
		{ "log-format", 0, OPT_STR, &rt.log_format, NULL },
		{ "debug", 0, OPT_BOOL, &rt.debug, NULL },
		{ "systemd-cgroup", 0, OPT_BOOL, &rt.systemd_cgroup, NULL },
		{ "rootless", 0, OPT_STR, &rootless, NULL },
		{ "criu", 0, OPT_STR, &rt.criu, NULL },
		{ "cgroup-manager", 0, OPT_STR, &manager, NULL },
		{ "version", 'v', OPT_BOOL, &version, NULL },
	};
	cleanup_err struct err *e = NULL;
	int at, code;

	if (argc < 2 || str_eq(argv[1], "--help") || str_eq(argv[1], "-h") || str_eq(argv[1], "help"))
		return usage();
	int r = opts_parse(NULL, globals, ARRAY_LEN(globals), argc, argv, &at, &e);
	if (r > 0)
		return usage();
	if (r < 0) {
		fprintf(stderr, "%s\n", err_text(e));
		return 1;
	}
	if (version) {
		printf("hoy-runtime version %s\nspec: %s\nlibseccomp: none (own compiler)\n", HOY_VERSION,
		       RUNTIME_VERSION_SPEC);
		return 0;
	}
	if (!str_eq(rt.log_format, "text") && !str_eq(rt.log_format, "json")) {
		fprintf(stderr, "invalid log-format: %s\n", rt.log_format);
		return 1;
	}
	if (manager && str_eq(manager, "systemd"))
		rt.systemd_cgroup = true;
	if (at >= argc)
		return usage();
	const struct command *cmd = rt_command(argv[at]);
	if (!cmd) {
		fprintf(stderr, "No help topic for '%s'\n", argv[at]);
		return 1;
	}
	rt.command = cmd->name;
	rt.arena = arena_new();
	if (!str_empty(rt.log)) {
		rt.logfd = fs_open(rt.log, O_WRONLY | O_CREAT | O_APPEND, 0644);
		if (rt.logfd < 0) {
			fprintf(stderr, "cannot open log file %s\n", rt.log);
			return 1;
		}
	}
	code = cmd->run(&rt, argc - at, argv + at, &e);
	if (code < 0) {
		log_line(&rt, "error", err_text(e));
		if (rt.logfd >= 0)
			fprintf(stderr, "%s\n", err_text(e));
		/* exec passes its program's code on; ours must not look like one. */
		code = str_eq(rt.command, "exec") ? 255 : 1;
	}
	fd_close(&rt.logfd);
	arena_free(rt.arena);
	return code;
}
