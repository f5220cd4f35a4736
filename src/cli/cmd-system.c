/* SPDX-License-Identifier: Apache-2.0 */
/* version, info, events, system df, system prune. */
#include "cli/format.h"

#include "base/clock.h"
#include "http/client.h"
#include "model/size.h"

#include <stdio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static const struct flag format_flags[] = { { "format", 'f', FLAG_STRING, 0, NULL,
					      "Print as 'json' or a Go template", NULL } };

static const struct json *parse(struct cli *c, struct strbuf *b)
{
	const struct json *j = NULL;

	if (json_parse(c->a, sv_n(arena_strndup(c->a, sb_str(b), b->n), b->n), NULL, &j, NULL) < 0)
		j = NULL;
	sb_release(b);
	return j;
}

/* --- version --- */

static const char *go_arch(void)
{
	static struct utsname u;

	(void)uname(&u);
	return strcmp(u.machine, "x86_64") == 0    ? "amd64"
	       : strcmp(u.machine, "aarch64") == 0 ? "arm64"
						   : u.machine;
}

static const struct json *version_object(struct cli *c, const struct json *server)
{
	struct strbuf b = { 0 };
	struct jw w = jw_to(&b);

	jw_obj(&w);
	jw_kobj(&w, "Client");
	jw_kstr(&w, "Version", HOY_VERSION);
	jw_kstr(&w, "ApiVersion", c->cfg.api_version ? c->cfg.api_version : "1.51");
	jw_kstr(&w, "APIVersion", c->cfg.api_version ? c->cfg.api_version : "1.51");
	jw_kstr(&w, "DefaultAPIVersion", "1.51");
	jw_kstr(&w, "GitCommit", "");
	jw_kstr(&w, "GoVersion", "");
	jw_kstr(&w, "Os", "linux");
	jw_kstr(&w, "Arch", go_arch());
	jw_kstr(&w, "BuildTime", "");
	jw_kstr(&w, "Context", "default");
	jw_end(&w);
	jw_key(&w, "Server");
	if (server) {
		jw_obj(&w);
		json_for_each (it, server) {
			jw_keysv(&w, it->key);
			jw_value(&w, it);
		}
		/* Templates name it as Go does. */
		jw_kstr(&w, "APIVersion", js(server, "ApiVersion"));
		jw_kstr(&w, "MinAPIVersion_", js(server, "MinAPIVersion"));
		jw_end(&w);
	} else {
		jw_null(&w);
	}
	jw_end(&w);
	return parse(c, &b);
}

static void print_server(const struct json *s)
{
	const struct json *platform = json_get(s, "Platform");

	(void)printf("\nServer:%s%s\n", *js(platform, "Name") ? " " : "", js(platform, "Name"));
	(void)printf(" Engine:\n  Version:          %s\n  API version:      %s (minimum version %s)\n",
		     js(s, "Version"), js(s, "ApiVersion"), js(s, "MinAPIVersion"));
	if (*js(s, "GoVersion"))
		(void)printf("  Go version:       %s\n", js(s, "GoVersion"));
	(void)printf("  Git commit:       %s\n  Built:            %s\n  OS/Arch:          %s/%s\n  "
		     "Experimental:     %s\n",
		     js(s, "GitCommit"), js(s, "BuildTime"), js(s, "Os"), js(s, "Arch"),
		     jb(s, "Experimental") ? "true" : "false");
	json_for_each (it, json_get(s, "Components")) {
		if (strcmp(js(it, "Name"), "Engine") == 0)
			continue;
		(void)printf(" %s:\n  Version:          %s\n", js(it, "Name"), js(it, "Version"));
		json_for_each (d, json_get(it, "Details"))
			(void)printf("  %s:%*s%s\n", d->key.p, (int)MAX(17 - (int)d->key.n, 1), "",
				     json_str(d) ? json_str(d) : "");
	}
}

static int version_run(struct cli *c, struct err **e)
{
	const char *format = flag_str(&c->f, "format");
	const struct json *server = NULL;
	cleanup_err struct err *why = NULL;
	int r = cli_call(c, "GET", "/version", SV(""), &server, &why);

	if (!str_empty(format)) {
		const struct json *both = version_object(c, r == 0 ? server : NULL);

		if (r < 0 && strstr(format, ".Server")) {
			err_move(e, &why);
			return -1;
		}
		if (print_objects(c, &both, strcmp(format, "json") == 0 ? 0 : 1,
				  strcmp(format, "json") == 0 ? "{{json .}}" : format, e) < 0)
			return -1;
		if (strcmp(format, "json") == 0 && print_objects(c, &both, 1, "{{json .}}", e) < 0)
			return -1;
	} else {
		(void)printf("Client:\n Version:           %s\n API version:       1.51\n OS/Arch:           "
			     "linux/%s\n Context:           default\n",
			     HOY_VERSION, go_arch());
		if (r == 0)
			print_server(server);
	}
	if (r < 0) {
		err_move(e, &why);
		return -1;
	}
	return 0;
}

/* --- info --- */

static void list_line(const char *title, const struct json *list)
{
	(void)printf("  %s:", title);
	json_for_each (it, list)
		(void)printf(" %s", json_str(it) ? json_str(it) : "");
	(void)printf("\n");
}

static void print_security(const struct json *list)
{
	if (!list || !list->n)
		return;
	(void)printf(" Security Options:\n");
	json_for_each (it, list) {
		struct sv rest = sv_of(json_str(it) ? json_str(it) : ""), one;

		while (rest.n) {
			(void)sv_cut(rest, ',', &one, &rest);
			if (sv_starts(one, SV("name=")))
				(void)printf("  %.*s\n", (int)(one.n - 5), one.p + 5);
			else if (sv_starts(one, SV("profile=")))
				(void)printf("   Profile: %.*s\n", (int)(one.n - 8), one.p + 8);
		}
	}
}

static void print_info(const struct json *j)
{
	const struct json *plugins = json_get(j, "Plugins"), *registry = json_get(j, "RegistryConfig");

	(void)printf("Server:\n Containers: %lld\n  Running: %lld\n  Paused: %lld\n  Stopped: %lld\n Images: "
		     "%lld\n Server Version: %s\n Storage Driver: %s\n",
		     (long long)ji(j, "Containers"), (long long)ji(j, "ContainersRunning"),
		     (long long)ji(j, "ContainersPaused"), (long long)ji(j, "ContainersStopped"),
		     (long long)ji(j, "Images"), js(j, "ServerVersion"), js(j, "Driver"));
	json_for_each (pair, json_get(j, "DriverStatus"))
		(void)printf("  %s: %s\n", json_str(json_at(pair, 0)), json_str(json_at(pair, 1)));
	(void)printf(" Logging Driver: %s\n Cgroup Driver: %s\n Cgroup Version: %s\n Plugins:\n",
		     js(j, "LoggingDriver"), js(j, "CgroupDriver"), js(j, "CgroupVersion"));
	list_line("Volume", json_get(plugins, "Volume"));
	list_line("Network", json_get(plugins, "Network"));
	list_line("Log", json_get(plugins, "Log"));
	(void)printf(" Swarm: %s\n Runtimes:", *js(json_get(j, "Swarm"), "LocalNodeState")
						       ? js(json_get(j, "Swarm"), "LocalNodeState")
						       : "inactive");
	json_for_each (it, json_get(j, "Runtimes"))
		(void)printf(" %s", it->key.p);
	(void)printf("\n Default Runtime: %s\n Init Binary: %s\n", js(j, "DefaultRuntime"),
		     js(j, "InitBinary"));
	print_security(json_get(j, "SecurityOptions"));
	(void)printf(" Kernel Version: %s\n Operating System: %s\n OSType: %s\n Architecture: %s\n CPUs: "
		     "%lld\n Total Memory: %s\n Name: %s\n ID: %s\n",
		     js(j, "KernelVersion"), js(j, "OperatingSystem"), js(j, "OSType"), js(j, "Architecture"),
		     (long long)ji(j, "NCPU"), size_bytes((double)ji(j, "MemTotal")).s, js(j, "Name"),
		     js(j, "ID"));
	(void)printf(" Docker Root Dir: %s\n Debug Mode: %s\n Experimental: %s\n", js(j, "DockerRootDir"),
		     jb(j, "Debug") ? "true" : "false", jb(j, "ExperimentalBuild") ? "true" : "false");
	(void)printf(" Insecure Registries:\n");
	json_for_each (it, json_get(registry, "InsecureRegistryCIDRs"))
		(void)printf("  %s\n", json_str(it));
	(void)printf(" Live Restore Enabled: %s\n", jb(j, "LiveRestoreEnabled") ? "true" : "false");
	(void)fflush(stdout);
	json_for_each (it, json_get(j, "Warnings"))
		(void)fprintf(stderr, "%s\n", json_str(it));
}

static int info_run(struct cli *c, struct err **e)
{
	const char *format = flag_str(&c->f, "format");
	const struct json *j = NULL;
	cleanup_err struct err *why = NULL;
	int r = cli_call(c, "GET", "/info", SV(""), &j, &why);

	if (!str_empty(format)) {
		if (r < 0) {
			err_move(e, &why);
			return -1;
		}
		return print_objects(c, &j, 1, strcmp(format, "json") == 0 ? "{{json .}}" : format, e);
	}
	(void)printf("Client:\n Version:    %s\n Context:    default\n Debug Mode: false\n\n", HOY_VERSION);
	if (r < 0) {
		(void)printf("Server:\n");
		(void)fflush(stdout);
		(void)fprintf(stderr, "ERROR: %s\nerrors pretty printing info\n", err_text(why));
		return 1;
	}
	print_info(j);
	return 0;
}

/* --- events --- */

static const struct flag events_flags[] = {
	{ "filter", 'f', FLAG_LIST, 0, "filter", "Show only what matches", NULL },
	{ "format", 0, FLAG_STRING, 0, NULL, "Print as 'json' or a Go template", NULL },
	{ "since", 0, FLAG_STRING, 0, NULL, "Show what happened since this time", NULL },
	{ "until", 0, FLAG_STRING, 0, NULL, "Stop at this time", NULL },
};

static int by_key(const void *a, const void *b)
{
	const struct json *const *x = a, *const *y = b;

	return strcmp((*x)->key.p, (*y)->key.p);
}

static void print_event(const struct json *j)
{
	const struct json *actor = json_get(j, "Actor"), *attrs = json_get(actor, "Attributes");
	cleanup_free const struct json **v = xcalloc(attrs ? attrs->n + 1 : 1, sizeof(*v));
	int64_t ns = ji(j, "timeNano") ? ji(j, "timeNano") : ji(j, "time") * NS_PER_SEC;
	time_t sec = (time_t)(ns / NS_PER_SEC);
	char when[64], zone[16];
	struct tm tm;
	size_t n = 0;

	(void)localtime_r(&sec, &tm);
	(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)strftime(zone, sizeof(zone), "%z", &tm);
	if (strcmp(zone, "+0000") == 0)
		(void)printf("%s.%09lldZ", when, (long long)(ns % NS_PER_SEC));
	else
		(void)printf("%s.%09lld%.3s:%s", when, (long long)(ns % NS_PER_SEC), zone, zone + 3);
	(void)printf(" %s %s %s", js(j, "Type"), js(j, "Action"), js(actor, "ID"));
	json_for_each (it, attrs)
		v[n++] = it;
	if (n) {
		qsort(v, n, sizeof(*v), by_key);
		(void)printf(" (");
		for (size_t i = 0; i < n; i++)
			(void)printf("%s%s=%s", i ? ", " : "", v[i]->key.p,
				     json_str(v[i]) ? json_str(v[i]) : "");
		(void)printf(")");
	}
	(void)printf("\n");
	(void)fflush(stdout);
}

static int add_time(struct strbuf *path, const char *key, const char *text, struct err **e)
{
	char value[48];
	int64_t ns;

	if (str_empty(text))
		return 0;
	if (clock_parse_docker(sv_of(text), clock_now_ns(), &ns) < 0)
		return err_set(e, ERR_INVALID,
			       "invalid value for \"%s\": failed to parse value as time or duration: \"%s\"",
			       key, text);
	(void)snprintf(value, sizeof(value), "%lld.%09lld", (long long)(ns / NS_PER_SEC),
		       (long long)(ns % NS_PER_SEC));
	client_query(path, key, value);
	return 0;
}

static int event_line(struct cli *c, struct sv line, const char *format, struct err **e)
{
	cleanup_arena struct arena *a = arena_new(), *kept = c->a;
	const struct json *j = NULL;
	int r = 0;

	if (json_parse(a, line, NULL, &j, e) < 0) {
		kept = NULL;
		return -1;
	}
	if (str_empty(format)) {
		print_event(j);
	} else {
		/* Templates name the fields as Go does. */
		struct strbuf b = { 0 };
		struct jw w = jw_to(&b);
		const struct json *both = NULL;

		jw_obj(&w);
		json_for_each (it, j) {
			jw_keysv(&w, it->key);
			jw_value(&w, it);
		}
		if (!json_get(j, "Scope"))
			jw_kstr(&w, "Scope", js(j, "scope"));
		jw_ki64(&w, "Time", ji(j, "time"));
		jw_ki64(&w, "TimeNano", ji(j, "timeNano"));
		if (!json_get(j, "ID"))
			jw_kstr(&w, "ID", js(j, "id"));
		jw_end(&w);
		c->a = a;
		if (strcmp(format, "json") == 0) {
			r = print_objects(c, &j, 1, "{{json .}}", e);
		} else if (json_parse(a, sb_sv(&b), NULL, &both, e) < 0) {
			r = -1;
		} else {
			r = print_objects(c, &both, 1, format, e);
		}
		c->a = TAKE_PTR(kept);
		sb_release(&b);
		(void)fflush(stdout);
	}
	kept = NULL;
	return r;
}

static int events_run(struct cli *c, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 }, buf = { 0 };
	cleanup_http_reply struct http_reply *r = NULL;
	struct client *cl = cli_client(c, e);

	sb_add(&path, "/events");
	if (!cl || add_time(&path, "since", flag_str(&c->f, "since"), e) < 0 ||
	    add_time(&path, "until", flag_str(&c->f, "until"), e) < 0 ||
	    cli_filters(c, flag_list(&c->f, "filter"), &path, e) < 0)
		return -1;
	r = client_stream(cl, "GET", path.p, NULL, SV(""), -1, e);
	if (!r)
		return -1;
	for (;;) {
		struct sv piece;
		int n = http_reply_next(r, &piece);
		size_t done = 0;
		ssize_t nl;

		if (n < 0)
			return err_sys(e, -n, "read from the daemon");
		if (piece.n == 0)
			return 0;
		sb_addsv(&buf, piece);
		while ((nl = sv_find(sv_sub(sb_sv(&buf), done, buf.n), '\n')) >= 0) {
			struct sv line = sv_trim(sv_sub(sb_sv(&buf), done, done + (size_t)nl));

			done += (size_t)nl + 1;
			if (line.n && event_line(c, line, flag_str(&c->f, "format"), e) < 0)
				return -1;
		}
		memmove(buf.p, buf.p + done, buf.n - done + 1);
		buf.n -= done;
	}
}

/* --- system df --- */

static const struct flag df_flags[] = {
	{ "format", 0, FLAG_STRING, 0, NULL, "Print as 'table', 'table TEMPLATE', 'json' or a Go template",
	  NULL },
	{ "verbose", 'v', FLAG_BOOL, FLAG_UNSUPPORTED | FLAG_HIDDEN, NULL, "Every object", NULL },
};

static const struct column df_columns[] = { { "Type", "TYPE" },
					    { "TotalCount", "TOTAL" },
					    { "Active", "ACTIVE" },
					    { "Size", "SIZE" },
					    { "Reclaimable", "RECLAIMABLE" } };

static void df_row(struct list *l, const char *type, int64_t total, int64_t active, int64_t size,
		   int64_t reclaimable, bool percent)
{
	list_row(l);
	list_field(l, "Type", type);
	list_fieldf(l, "TotalCount", "%lld", (long long)total);
	list_fieldf(l, "Active", "%lld", (long long)active);
	list_field(l, "Size", size_human((double)size).s);
	if (percent && size > 0)
		list_fieldf(l, "Reclaimable", "%s (%lld%%)", size_human((double)reclaimable).s,
			    (long long)(reclaimable * 100 / size));
	else
		list_field(l, "Reclaimable", size_human((double)reclaimable).s);
	list_end_row(l);
}

static int df_run(struct cli *c, struct err **e)
{
	const struct json *j = NULL;
	int64_t active, size, used;
	struct list l;

	if (cli_call(c, "GET", "/system/df", SV(""), &j, e) < 0)
		return -1;
	list_init(&l, c, df_columns, ARRAY_LEN(df_columns),
		  "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}", "Type");
	active = used = 0;
	json_for_each (it, json_get(j, "Images")) {
		if (ji(it, "Containers") > 0) {
			active++;
			used += ji(it, "Size") - MAX(ji(it, "SharedSize"), (int64_t)0);
		}
	}
	size = ji(j, "LayersSize");
	df_row(&l, "Images", (int64_t)(json_get(j, "Images") ? json_get(j, "Images")->n : 0), active, size,
	       MAX(size - used, (int64_t)0), true);
	active = used = size = 0;
	json_for_each (it, json_get(j, "Containers")) {
		bool runs = strcmp(js(it, "State"), "running") == 0 ||
			    strcmp(js(it, "State"), "paused") == 0 ||
			    strcmp(js(it, "State"), "restarting") == 0;

		size += ji(it, "SizeRw");
		active += runs;
		used += runs ? ji(it, "SizeRw") : 0;
	}
	df_row(&l, "Containers", (int64_t)(json_get(j, "Containers") ? json_get(j, "Containers")->n : 0),
	       active, size, size - used, true);
	active = used = size = 0;
	json_for_each (it, json_get(j, "Volumes")) {
		const struct json *u = json_get(it, "UsageData");
		int64_t bytes = MAX(ji(u, "Size"), (int64_t)0);

		size += bytes;
		if (ji(u, "RefCount") > 0) {
			active++;
			used += bytes;
		}
	}
	df_row(&l, "Local Volumes", (int64_t)(json_get(j, "Volumes") ? json_get(j, "Volumes")->n : 0), active,
	       size, size - used, true);
	df_row(&l, "Build Cache", 0, 0, 0, 0, false);
	return list_print(&l, flag_str(&c->f, "format"), false, e);
}

/* --- system prune --- */

static const struct flag prune_flags[] = {
	{ "all", 'a', FLAG_BOOL, 0, NULL, "Remove all unused images, not only dangling ones", NULL },
	{ "filter", 0, FLAG_LIST, 0, "filter", "Remove only what matches (\"label=<key>=<value>\")", NULL },
	{ "force", 'f', FLAG_BOOL, 0, NULL, "Do not ask", NULL },
	{ "volumes", 0, FLAG_BOOL, 0, NULL, "Remove anonymous volumes too", NULL },
};

static int prune_part(struct cli *c, const char *endpoint, const char *extra, const char *title,
		      const char *key, int64_t *total, struct err **e)
{
	const struct strlist *given = flag_list(&c->f, "filter");
	cleanup_strbuf struct strbuf path = { 0 };
	cleanup_strlist struct strlist filters = { 0 };
	const struct json *j = NULL, *list;

	for (size_t i = 0; i < given->n; i++)
		strlist_add(&filters, given->v[i]);
	if (extra)
		strlist_add(&filters, extra);
	sb_add(&path, endpoint);
	if (cli_filters(c, &filters, &path, e) < 0 || cli_call(c, "POST", path.p, SV(""), &j, e) < 0)
		return -1;
	list = json_get(j, key);
	if (list && list->n) {
		(void)printf("%s:\n", title);
		json_for_each (it, list) {
			if (it->type == JSON_STRING)
				(void)printf("%s\n", json_str(it));
			else if (json_get(it, "Untagged"))
				(void)printf("untagged: %s\n", js(it, "Untagged"));
			else
				(void)printf("deleted: %s\n", js(it, "Deleted"));
		}
		(void)printf("\n");
	}
	*total += ji(j, "SpaceReclaimed");
	return 0;
}

static int system_prune_run(struct cli *c, struct err **e)
{
	bool all = flag_bool(&c->f, "all"), volumes = flag_bool(&c->f, "volumes");
	int64_t total = 0;

	if (!flag_bool(&c->f, "force")) {
		char *text = arena_printf(
			c->a,
			"WARNING! This will remove:\n  - all stopped containers\n%s  - %s\n\nAre you sure "
			"you want to continue?",
			volumes ? "  - all anonymous volumes not used by at least one container\n" : "",
			all ? "all images without at least one container associated to them"
			    : "all dangling images");

		if (!cli_confirm(text))
			return err_set(e, ERR_CANCELLED, "system prune has been cancelled");
	}
	if (prune_part(c, "/containers/prune", NULL, "Deleted Containers", "ContainersDeleted", &total, e) <
		    0 ||
	    (volumes &&
	     prune_part(c, "/volumes/prune", NULL, "Deleted Volumes", "VolumesDeleted", &total, e) < 0) ||
	    prune_part(c, "/images/prune", all ? "dangling=false" : "dangling=true", "Deleted Images",
		       "ImagesDeleted", &total, e) < 0)
		return -1;
	(void)printf("Total reclaimed space: %s\n", size_human((double)total).s);
	return 0;
}

const struct command cmd_version = { "version",           NULL,
				     "[OPTIONS]",         "Show the versions of client and engine",
				     FLAGS(format_flags), .run = version_run };
const struct command cmd_info = { "system info",       "info",
				  "[OPTIONS]",         "Show what the engine is and has",
				  FLAGS(format_flags), .run = info_run };
const struct command cmd_events = { "system events",     "events",
				    "[OPTIONS]",         "Show what happens, as it happens",
				    FLAGS(events_flags), .run = events_run };
const struct command cmd_df = { "system df",     NULL,         "[OPTIONS]", "Show the use of the disk",
				FLAGS(df_flags), .run = df_run };
const struct command cmd_system_prune = { "system prune",     NULL,
					  "[OPTIONS]",        "Remove what is not used",
					  FLAGS(prune_flags), .run = system_prune_run };
