/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include "base/clock.h"
#include "cli/format.h"
#include "model/platform.h"

#include <time.h>

static void build_client(struct cli *c, struct jw *w)
{
	struct platform host = platform_host();

	jw_kobj(w, "Client");
	jw_kobj(w, "Platform");
	jw_kstr(w, "Name", "hoy");
	jw_end(w);
	jw_kstr(w, "Version", HOY_VERSION);
	jw_kstr(w, "ApiVersion", c->client ? client_api_version(c->client) : CLIENT_API_VERSION);
	jw_kstr(w, "DefaultAPIVersion", CLIENT_API_VERSION);
	jw_kstr(w, "Os", host.os);
	jw_kstr(w, "Arch", host.arch);
	jw_kstr(w, "Context", c->context);
	jw_end(w);
}

static void print_client(struct cli *c)
{
	struct platform host = platform_host();
	const char *v = c->client ? client_api_version(c->client) : CLIENT_API_VERSION;

	(void)printf("Client: hoy\n Version:           %s\n API version:       %s", HOY_VERSION, v);
	if (strcmp(v, CLIENT_API_VERSION) != 0)
		(void)printf(" (downgraded from %s)", CLIENT_API_VERSION);
	(void)printf("\n OS/Arch:           %s/%s\n Context:           %s\n", host.os, host.arch, c->context);
}

/* RFC 3339 to ANSIC, as docker shows build times. */
static const char *build_time(struct cli *c, const char *when)
{
	int64_t ns;
	struct tm tm;
	char text[64];

	if (clock_parse_rfc3339(sv_of(when), &ns) < 0)
		return when;
	time_t t = (time_t)(ns / NS_PER_SEC);
	if (!gmtime_r(&t, &tm) || strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm) == 0)
		return when;
	return arena_strdup(c->a, text);
}

static void print_details(struct cli *c, const struct json *component)
{
	const struct json *d = json_get(component, "Details");
	const char *api = json_str(json_get(d, "ApiVersion"));

	(void)printf("  %-17s %s\n", "Version:", str_of(json_get(component, "Version")));
	if (api) {
		(void)printf("  %-17s %s (minimum version %s)\n", "API version:", api,
			     str_of(json_get(d, "MinAPIVersion")));
		if (json_get(d, "GoVersion"))
			(void)printf("  %-17s %s\n", "Go version:", str_of(json_get(d, "GoVersion")));
		(void)printf("  %-17s %s\n", "Git commit:", str_of(json_get(d, "GitCommit")));
		(void)printf("  %-17s %s\n", "Built:", build_time(c, str_of(json_get(d, "BuildTime"))));
		(void)printf("  %-17s %s/%s\n", "OS/Arch:", str_of(json_get(d, "Os")),
			     str_of(json_get(d, "Arch")));
		(void)printf("  %-17s %s\n", "Experimental:", str_of(json_get(d, "Experimental")));
		return;
	}
	json_for_each (it, d)
		(void)printf("  %s:%*s %s\n", it->key.p, (int)(it->key.n < 16 ? 16 - it->key.n : 0), "",
			     str_of(it));
}

static void print_server(struct cli *c, const struct json *j)
{
	const char *platform = json_str(json_path(j, "Platform.Name"));

	(void)printf("\nServer:%s%s\n", str_empty(platform) ? "" : " ", platform ? platform : "");
	json_for_each (it, json_get(j, "Components")) {
		(void)printf(" %s:\n", str_of(json_get(it, "Name")));
		print_details(c, it);
	}
}

/* Templates name Go's field, JSON says ApiVersion: both are found, {{json .}} shows the one. */
static void add_go_name(struct arena *a, const struct json *part)
{
	const struct json *found = json_get(part, "ApiVersion");
	struct json *copy, **end;

	if (!found)
		return;
	copy = ARENA_NEW(a, struct json);
	*copy = *found;
	copy->key = SV("APIVersion");
	copy->next = NULL;
	/* the tree is this command's own */
	for (end = &((struct json *)(uintptr_t)part)->first; *end; end = &(*end)->next)
		continue;
	*end = copy;
}

static int version(struct cli *c, struct err **e)
{
	const char *format = flag_str(&c->f, "format");
	const struct json *server = NULL, *all = NULL;
	cleanup_err struct err *why = NULL;
	int r;

	if (cli_resolve(c, e) < 0)
		return -1;
	r = cli_json(c, "GET", "/version", NULL, &server, &why);
	if (*format) {
		cleanup_strbuf struct strbuf b = { 0 };
		struct jw w = jw_to(&b);

		jw_obj(&w);
		build_client(c, &w);
		if (server)
			jw_kraw(&w, "Server", server->raw);
		else
			jw_knull(&w, "Server");
		jw_end(&w);
		char *kept = arena_strndup(c->a, b.p, b.n);
		if (json_parse(c->a, sv_n(kept, b.n), NULL, &all, e) < 0)
			return -1;
		add_go_name(c->a, json_get(all, "Client"));
		add_go_name(c->a, json_get(all, "Server"));
		if (format_value(c, format, all, e) < 0)
			return -1;
	} else {
		print_client(c);
		if (server)
			print_server(c, server);
	}
	if (r < 0) {
		err_move(e, &why);
		return -1;
	}
	return 0;
}

static const struct flag flags[] = { { "format", FLAG_STRING, 'f', .help = FORMAT_HELP } };

const struct command cmd_version = {
	.name = "version",
	.usage = "[OPTIONS]",
	.about = "Show the Docker version information",
	FLAGS(flags),
	.is_common = true,
	.run = version,
};
