/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include "cli/format.h"
#include "model/size.h"

static void line(const char *name, const struct json *j)
{
	(void)printf(" %s: %s\n", name, str_of(j));
}

static void number(const char *name, const struct json *j)
{
	(void)printf(" %s: %lld\n", name, (long long)num_of(j));
}

static void yes_no(const char *name, const struct json *j)
{
	(void)printf(" %s: %s\n", name, json_bool(j) ? "true" : "false");
}

static void line_if(const char *name, const struct json *j)
{
	if (*str_of(j))
		line(name, j);
}

static void words(const char *name, const struct json *list)
{
	(void)printf("  %s:", name);
	if (json_is(list, JSON_ARRAY)) {
		json_for_each (it, list)
			(void)printf(" %s", str_of(it));
	}
	(void)printf("\n");
}

static void items(const char *name, const struct json *list)
{
	if (!json_is(list, JSON_ARRAY) || list->n == 0)
		return;
	(void)printf(" %s:\n", name);
	json_for_each (it, list)
		(void)printf("  %s\n", str_of(it));
}

static int by_key(const void *x, const void *y)
{
	const struct json *const *a = x, *const *b = y;

	return strcmp((*a)->key.p, (*b)->key.p);
}

static void runtimes(const struct json *map)
{
	size_t n = 0;

	if (!json_is(map, JSON_OBJECT) || map->n == 0)
		return;
	cleanup_free const struct json **v = xcalloc(map->n, sizeof(*v));
	json_for_each (it, map)
		v[n++] = it;
	qsort((void *)v, n, sizeof(*v), by_key);
	(void)printf(" Runtimes:");
	for (size_t i = 0; i < n; i++)
		(void)printf(" %s", v[i]->key.p);
	(void)printf("\n");
}

/* "name=seccomp,profile=builtin" → seccomp, Profile: builtin */
static void security(const struct json *list)
{
	if (!json_is(list, JSON_ARRAY) || list->n == 0)
		return;
	(void)printf(" Security Options:\n");
	json_for_each (it, list) {
		struct sv rest = sv_of(str_of(it)), part, key, value;
		bool more = true;

		while (more) {
			more = sv_cut(rest, ',', &part, &rest);
			if (!sv_cut(part, '=', &key, &value))
				(void)printf("  %.*s\n", (int)part.n, part.p);
			else if (sv_eqs(key, "name"))
				(void)printf("  %.*s\n", (int)value.n, value.p);
			else if (key.n)
				(void)printf("   %c%.*s: %.*s\n",
					     key.p[0] >= 'a' && key.p[0] <= 'z' ? key.p[0] - 32 : key.p[0],
					     (int)key.n - 1, key.p + 1, (int)value.n, value.p);
		}
	}
}

static void registries(const struct json *config)
{
	const struct json *index = json_get(config, "IndexConfigs"),
			  *cidrs = json_get(config, "InsecureRegistryCIDRs");
	bool some = json_is(cidrs, JSON_ARRAY) && cidrs->n;

	json_for_each (it, index)
		some |= json_get(it, "Secure") && !json_bool(json_get(it, "Secure"));
	if (some) {
		(void)printf(" Insecure Registries:\n");
		json_for_each (it, index)
			if (json_get(it, "Secure") && !json_bool(json_get(it, "Secure")))
				(void)printf("  %s\n", str_of(json_get(it, "Name")));
		json_for_each (it, cidrs)
			(void)printf("  %s\n", str_of(it));
	}
	items("Registry Mirrors", json_get(config, "Mirrors"));
}

static void print_server(const struct json *j)
{
	number("Containers", json_get(j, "Containers"));
	(void)printf("  Running: %lld\n  Paused: %lld\n  Stopped: %lld\n",
		     (long long)num_of(json_get(j, "ContainersRunning")),
		     (long long)num_of(json_get(j, "ContainersPaused")),
		     (long long)num_of(json_get(j, "ContainersStopped")));
	number("Images", json_get(j, "Images"));
	line_if("Server Version", json_get(j, "ServerVersion"));
	line("Storage Driver", json_get(j, "Driver"));
	json_for_each (it, json_get(j, "DriverStatus"))
		(void)printf("  %s: %s\n", str_of(json_at(it, 0)), str_of(json_at(it, 1)));
	line("Logging Driver", json_get(j, "LoggingDriver"));
	line("Cgroup Driver", json_get(j, "CgroupDriver"));
	line("Cgroup Version", json_get(j, "CgroupVersion"));
	(void)printf(" Plugins:\n");
	words("Volume", json_path(j, "Plugins.Volume"));
	words("Network", json_path(j, "Plugins.Network"));
	if (json_is(json_path(j, "Plugins.Authorization"), JSON_ARRAY) &&
	    json_path(j, "Plugins.Authorization")->n)
		words("Authorization", json_path(j, "Plugins.Authorization"));
	words("Log", json_path(j, "Plugins.Log"));
	items("CDI spec directories", json_get(j, "CDISpecDirs"));
	const char *swarm = json_str(json_path(j, "Swarm.LocalNodeState"));
	(void)printf(" Swarm: %s\n", str_empty(swarm) ? "inactive" : swarm);
	runtimes(json_get(j, "Runtimes"));
	line("Default Runtime", json_get(j, "DefaultRuntime"));
	line("Init Binary", json_get(j, "InitBinary"));
	line("containerd version", json_path(j, "ContainerdCommit.ID"));
	line("runc version", json_path(j, "RuncCommit.ID"));
	line("init version", json_path(j, "InitCommit.ID"));
	security(json_get(j, "SecurityOptions"));
	line_if("Kernel Version", json_get(j, "KernelVersion"));
	line_if("Operating System", json_get(j, "OperatingSystem"));
	line_if("OSType", json_get(j, "OSType"));
	line_if("Architecture", json_get(j, "Architecture"));
	number("CPUs", json_get(j, "NCPU"));
	(void)printf(" Total Memory: %s\n", size_bytes((double)num_of(json_get(j, "MemTotal"))).s);
	line_if("Name", json_get(j, "Name"));
	line_if("ID", json_get(j, "ID"));
	line("Docker Root Dir", json_get(j, "DockerRootDir"));
	yes_no("Debug Mode", json_get(j, "Debug"));
	if (json_bool(json_get(j, "Debug"))) {
		(void)printf("  File Descriptors: %lld\n  Goroutines: %lld\n  System Time: %s\n  "
			     "EventsListeners: %lld\n",
			     (long long)num_of(json_get(j, "NFd")),
			     (long long)num_of(json_get(j, "NGoroutines")), str_of(json_get(j, "SystemTime")),
			     (long long)num_of(json_get(j, "NEventsListener")));
	}
	line_if("HTTP Proxy", json_get(j, "HttpProxy"));
	line_if("HTTPS Proxy", json_get(j, "HttpsProxy"));
	line_if("No Proxy", json_get(j, "NoProxy"));
	items("Labels", json_get(j, "Labels"));
	yes_no("Experimental", json_get(j, "ExperimentalBuild"));
	registries(json_get(j, "RegistryConfig"));
	yes_no("Live Restore Enabled", json_get(j, "LiveRestoreEnabled"));
	line_if("Product License", json_get(j, "ProductLicense"));
	if (json_is(json_get(j, "DefaultAddressPools"), JSON_ARRAY) &&
	    json_get(j, "DefaultAddressPools")->n) {
		(void)printf(" Default Address Pools:\n");
		json_for_each (it, json_get(j, "DefaultAddressPools"))
			(void)printf("   Base: %s, Size: %lld\n", str_of(json_get(it, "Base")),
				     (long long)num_of(json_get(it, "Size")));
	}
	line_if("Firewall Backend", json_path(j, "FirewallBackend.Driver"));
	(void)printf("\n");
	(void)fflush(stdout);
	json_for_each (it, json_get(j, "Warnings"))
		(void)fprintf(stderr, "%s\n", str_of(it));
}

static int with_format(struct cli *c, const char *format, const struct json *server, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	const struct json *all = NULL;

	jw_obj(&w);
	json_for_each (it, server) {
		jw_keysv(&w, it->key);
		jw_value(&w, it);
	}
	jw_kobj(&w, "ClientInfo");
	jw_kbool(&w, "Debug", flag_bool(&c->global, "debug"));
	jw_kstr(&w, "Version", HOY_VERSION);
	jw_kstr(&w, "Context", c->context);
	jw_karr(&w, "Plugins");
	jw_end(&w);
	jw_knull(&w, "Warnings");
	jw_end(&w);
	jw_end(&w);
	char *kept = arena_strndup(c->a, b.p, b.n);
	if (json_parse(c->a, sv_n(kept, b.n), &(struct json_limits){ .last_key_wins = true }, &all, e) < 0)
		return -1;
	return format_value(c, format, all, e);
}

static int info(struct cli *c, struct err **e)
{
	const char *format = flag_str(&c->f, "format");
	cleanup_err struct err *why = NULL;
	const struct json *j = NULL;
	int r;

	if (cli_resolve(c, e) < 0)
		return -1;
	r = cli_json(c, "GET", "/info", NULL, &j, &why);
	if (*format) {
		if (r == 0)
			return with_format(c, format, j, e);
		err_move(e, &why);
		return -1;
	}
	(void)printf("Client: hoy\n Version:    %s\n Context:    %s\n Debug Mode: %s\n\nServer:\n",
		     HOY_VERSION, c->context, flag_bool(&c->global, "debug") ? "true" : "false");
	if (r == 0) {
		print_server(j);
		return 0;
	}
	err_move(e, &why);
	return -1;
}

static const struct flag flags[] = { { "format", FLAG_STRING, 'f', .help = FORMAT_HELP } };

const struct command cmd_info = {
	.name = "info",
	.group = "system",
	.top = "info",
	.usage = "[OPTIONS]",
	.about = "Display system-wide information",
	FLAGS(flags),
	.is_common = true,
	.run = info,
};
