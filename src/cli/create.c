/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/create.h"

#include "base/fs.h"
#include "cli/progress.h"
#include "model/env.h"
#include "model/mounts.h"
#include "model/options.h"
#include "model/ports.h"

#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define S(name, letter, text)                                                                                \
	{                                                                                                    \
		name, letter, FLAG_STRING, 0, NULL, text, NULL                                               \
	}
#define L(name, letter, text)                                                                                \
	{                                                                                                    \
		name, letter, FLAG_LIST, 0, NULL, text, NULL                                                 \
	}
#define B(name, letter, text)                                                                                \
	{                                                                                                    \
		name, letter, FLAG_BOOL, 0, NULL, text, NULL                                                 \
	}
#define I(name, letter, text)                                                                                \
	{                                                                                                    \
		name, letter, FLAG_INT, 0, NULL, text, NULL                                                  \
	}
#define NO(name, kind, text)                                                                                 \
	{                                                                                                    \
		name, 0, kind, FLAG_UNSUPPORTED | FLAG_HIDDEN, NULL, text, NULL                              \
	}

static const struct flag create_flags[] = {
	L("add-host", 0, "Add a line to /etc/hosts (host:ip)"),
	{ "annotation", 0, FLAG_LIST, 0, "map", "Add an annotation for the OCI runtime", NULL },
	L("attach", 'a', "Attach to STDIN, STDOUT or STDERR"),
	{ "blkio-weight", 0, FLAG_UINT16, 0, NULL, "Block IO weight, 10 to 1000, 0 for none", NULL },
	L("blkio-weight-device", 0, "Block IO weight of a device (path:weight)"),
	L("cap-add", 0, "Add a capability"),
	L("cap-drop", 0, "Drop a capability"),
	S("cgroup-parent", 0, "Parent cgroup"),
	S("cgroupns", 0, "Cgroup namespace (host|private)"),
	S("cidfile", 0, "Write the container's ID to this file"),
	I("cpu-period", 0, "CFS period in microseconds"),
	I("cpu-quota", 0, "CFS quota in microseconds"),
	I("cpu-rt-period", 0, "Real-time period in microseconds"),
	I("cpu-rt-runtime", 0, "Real-time runtime in microseconds"),
	I("cpu-shares", 'c', "CPU weight"),
	{ "cpus", 0, FLAG_DECIMAL, 0, NULL, "Number of CPUs", NULL },
	S("cpuset-cpus", 0, "CPUs to run on (0-3, 0,1)"),
	S("cpuset-mems", 0, "Memory nodes to use (0-3, 0,1)"),
	L("device", 0, "Add a device of the host"),
	L("device-cgroup-rule", 0, "Add a rule to the list of allowed devices"),
	L("device-read-bps", 0, "Limit reads from a device (bytes a second)"),
	L("device-read-iops", 0, "Limit reads from a device (operations a second)"),
	L("device-write-bps", 0, "Limit writes to a device (bytes a second)"),
	L("device-write-iops", 0, "Limit writes to a device (operations a second)"),
	{ "disable-content-trust", 0, FLAG_BOOL, FLAG_HIDDEN | FLAG_TRUE, NULL,
	  "Skip the check of signatures", NULL },
	L("dns", 0, "DNS server"),
	L("dns-option", 0, "Resolver option"),
	{ "dns-opt", 0, FLAG_LIST, FLAG_ALIAS, "dns-option", "", NULL },
	L("dns-search", 0, "DNS search domain"),
	S("domainname", 0, "NIS domain name"),
	S("entrypoint", 0, "Replace the image's ENTRYPOINT"),
	L("env", 'e', "Set an environment variable"),
	L("env-file", 0, "Read environment variables from a file"),
	L("expose", 0, "Expose a port or a range of ports"),
	NO("gpus", FLAG_STRING, "GPUs"),
	L("group-add", 0, "Join an additional group"),
	S("health-cmd", 0, "Command that checks health"),
	{ "health-interval", 0, FLAG_DURATION, 0, NULL, "Time between checks", NULL },
	I("health-retries", 0, "Failures in a row before unhealthy"),
	{ "health-start-interval", 0, FLAG_DURATION, 0, NULL, "Time between checks while starting", NULL },
	{ "health-start-period", 0, FLAG_DURATION, 0, NULL, "Time to start before failures count", NULL },
	{ "health-timeout", 0, FLAG_DURATION, 0, NULL, "Longest time of a check", NULL },
	S("hostname", 'h', "Host name"),
	B("init", 0, "Run an init inside that forwards signals and reaps processes"),
	B("interactive", 'i', "Keep STDIN open"),
	S("ip", 0, "IPv4 address"),
	S("ip6", 0, "IPv6 address"),
	S("ipc", 0, "IPC mode"),
	{ "isolation", 0, FLAG_STRING, FLAG_HIDDEN, NULL, "Isolation technology", NULL },
	I("kernel-memory", 0, "Kernel memory limit"),
	L("label", 'l', "Set a label"),
	L("label-file", 0, "Read labels from a file"),
	L("link", 0, "Link to another container"),
	L("link-local-ip", 0, "Link-local addresses"),
	S("log-driver", 0, "Logging driver"),
	L("log-opt", 0, "Option of the logging driver"),
	L("lxc-conf", 0, "LXC configuration of the network, as the first engines took it"),
	S("mac-address", 0, "MAC address"),
	{ "memory", 'm', FLAG_BYTES, 0, NULL, "Memory limit", NULL },
	{ "memory-reservation", 0, FLAG_BYTES, 0, NULL, "Soft memory limit", NULL },
	{ "memory-swap", 0, FLAG_BYTES, FLAG_SIGNED, NULL,
	  "Memory and swap together; -1 for no limit of swap", NULL },
	I("memory-swappiness", 0, "Swappiness, 0 to 100"),
	{ "mount", 0, FLAG_LIST, 0, "mount", "Attach a mount to the file system", NULL },
	S("name", 0, "Name of the container"),
	{ "network", 0, FLAG_LIST, 0, "network", "Connect to a network", NULL },
	{ "net", 0, FLAG_LIST, FLAG_ALIAS, "network", "", NULL },
	L("network-alias", 0, "Alias in the network"),
	{ "net-alias", 0, FLAG_LIST, FLAG_ALIAS, "network-alias", "", NULL },
	B("no-healthcheck", 0, "Turn off the image's HEALTHCHECK"),
	B("oom-kill-disable", 0, "Do not kill when memory runs out"),
	I("oom-score-adj", 0, "Preference of the OOM killer, -1000 to 1000"),
	S("pid", 0, "PID namespace"),
	I("pids-limit", 0, "Most processes; -1 for no limit"),
	S("platform", 0, "Platform, if the daemon has several"),
	B("privileged", 0, "Give all privileges"),
	L("publish", 'p', "Publish a port"),
	B("publish-all", 'P', "Publish all exposed ports to random ports"),
	{ "pull", 0, FLAG_STRING, 0, NULL, "Pull the image before (\"always\", \"missing\", \"never\")",
	  "missing" },
	B("quiet", 'q', "No output of a pull"),
	B("read-only", 0, "Make the root file system read-only"),
	{ "restart", 0, FLAG_STRING, 0, NULL, "Restart policy when the container exits", "no" },
	B("rm", 0, "Remove the container when it exits"),
	S("runtime", 0, "Runtime of this container"),
	L("security-opt", 0, "Security option"),
	{ "shm-size", 0, FLAG_BYTES, 0, NULL, "Size of /dev/shm", NULL },
	S("stop-signal", 0, "Signal that stops the container"),
	I("stop-timeout", 0, "Seconds before a stop kills"),
	L("storage-opt", 0, "Option of the storage driver"),
	{ "sysctl", 0, FLAG_LIST, 0, "map", "Sysctl of a namespace", NULL },
	L("tmpfs", 0, "Mount a tmpfs"),
	B("tty", 't', "Allocate a terminal"),
	{ "ulimit", 0, FLAG_LIST, 0, "ulimit", "Ulimit", NULL },
	S("user", 'u', "User, or user:group"),
	S("userns", 0, "User namespace"),
	S("uts", 0, "UTS namespace"),
	L("volume", 'v', "Bind mount, or volume"),
	S("volume-driver", 0, "Driver of the container's volumes"),
	L("volumes-from", 0, "Mount the volumes of another container"),
	S("workdir", 'w', "Working directory"),
	/* run alone, at the end: create takes a shorter table */
	B("detach", 'd', "Run in the background, print the ID"),
	S("detach-keys", 0, "Keys that detach"),
	{ "sig-proxy", 0, FLAG_BOOL, FLAG_TRUE, NULL, "Pass signals on to the process", "true" },
};
/* detach, detach-keys and sig-proxy are run's alone. */
#define RUN_ONLY 3

extern const struct command cmd_run, cmd_create;

struct build {
	struct cli *c;
	struct arena *a;
	struct api_container_config *cfg;
	struct api_host_config *hc;
	struct api_networking_config *nc;
	struct err **e;
};

static int invalid(struct build *b, const char *value, const char *flag, struct err *why)
{
	return err_set(b->e, ERR_INVALID, "invalid argument \"%s\" for \"%s\" flag: %s", value, flag,
		       err_text(why));
}

static void copy_list(struct build *b, const char *flag, struct model_str_list *to)
{
	const struct strlist *l = flag_list(&b->c->f, flag);

	for (size_t i = 0; i < l->n; i++)
		model_strs_add(b->a, to, l->v[i]);
}

static const char *text_of(struct build *b, const char *flag)
{
	const char *s = flag_str(&b->c->f, flag);

	return s ? s : "";
}

/* k=v flags into a map; a key alone has the value "". */
static void copy_map(struct build *b, const char *flag, struct model_str_map *to)
{
	const struct strlist *l = flag_list(&b->c->f, flag);

	for (size_t i = 0; i < l->n; i++) {
		struct sv k, v;

		(void)sv_cut(sv_of(l->v[i]), '=', &k, &v);
		model_map_put(b->a, to, arena_strndup(b->a, k.p, k.n), arena_strndup(b->a, v.p, v.n));
	}
}

static const char *lookup_env(void *ctx, const char *name)
{
	(void)ctx;
	return getenv(name);
}

/* Files first, then flags; a name without "=" takes our own value, or none. */
static int read_kv_files(struct build *b, const char *flag, bool is_label, struct model_str_list *out)
{
	const struct strlist *files = flag_list(&b->c->f, flag);

	for (size_t i = 0; i < files->n; i++) {
		cleanup_free char *text = NULL;
		size_t n = 0;
		int r = fs_read_file_at(AT_FDCWD, files->v[i], 4 * 1024 * 1024, &text, &n);

		if (r < 0)
			return err_sys_class(b->e, ERR_INVALID, -r, "open %s", files->v[i]);
		if (env_file_parse(b->a, files->v[i], sv_n(text, n), is_label, lookup_env, NULL, out, b->e) <
		    0)
			return -1;
	}
	return 0;
}

static int set_env(struct build *b)
{
	const struct strlist *env = flag_list(&b->c->f, "env");

	if (read_kv_files(b, "env-file", false, &b->cfg->env) < 0)
		return -1;
	for (size_t i = 0; i < env->n; i++) {
		const char *value = strchr(env->v[i], '=') ? NULL : getenv(env->v[i]);

		if (!*env->v[i] || env->v[i][0] == '=')
			return err_set(b->e, ERR_INVALID, "invalid environment variable: %s", env->v[i]);
		if (strchr(env->v[i], '='))
			model_strs_add(b->a, &b->cfg->env, env->v[i]);
		else if (value)
			model_strs_add(b->a, &b->cfg->env, arena_printf(b->a, "%s=%s", env->v[i], value));
		else
			model_strs_add(b->a, &b->cfg->env, env->v[i]);
	}
	return 0;
}

static int set_labels(struct build *b)
{
	struct model_str_list kv = { 0 };

	if (read_kv_files(b, "label-file", true, &kv) < 0)
		return -1;
	copy_list(b, "label", &kv);
	env_to_map(b->a, &kv, &b->cfg->labels);
	return 0;
}

static int set_mounts(struct build *b)
{
	const struct strlist *v = flag_list(&b->c->f, "volume"), *m = flag_list(&b->c->f, "mount"),
			     *t = flag_list(&b->c->f, "tmpfs");
	char cwd[4096];

	if (!getcwd(cwd, sizeof(cwd)))
		cwd[0] = '\0';
	for (size_t i = 0; i < v->n; i++) {
		cleanup_err struct err *why = NULL;
		const char *bind, *volume;

		if (mount_cli_volume(b->a, v->v[i], cwd, &bind, &volume, &why) < 0)
			return err_set(b->e, ERR_INVALID, "%s", err_text(why));
		model_strs_add(b->a, bind ? &b->hc->binds : &b->cfg->volumes, bind ? bind : volume);
	}
	for (size_t i = 0; i < m->n; i++) {
		cleanup_err struct err *why = NULL;

		if (mount_cli_parse(b->a, m->v[i], cwd, model_list_add(b->a, &b->hc->mounts), &why) < 0)
			return invalid(b, m->v[i], "--mount", why);
	}
	for (size_t i = 0; i < t->n; i++) {
		struct sv path, options;

		(void)sv_cut(sv_of(t->v[i]), ':', &path, &options);
		model_map_put(b->a, &b->hc->tmpfs, arena_strndup(b->a, path.p, path.n),
			      arena_strndup(b->a, options.p, options.n));
	}
	return 0;
}

static int set_ports(struct build *b)
{
	const struct strlist *p = flag_list(&b->c->f, "publish"), *x = flag_list(&b->c->f, "expose");

	for (size_t i = 0; i < p->n; i++) {
		cleanup_err struct err *why = NULL;

		if (ports_publish(b->a, sv_of(p->v[i]), &b->cfg->exposed_ports, &b->hc->port_bindings, &why) <
		    0)
			return invalid(b, p->v[i], "-p, --publish", why);
	}
	for (size_t i = 0; i < x->n; i++)
		if (ports_expose(b->a, sv_of(x->v[i]), &b->cfg->exposed_ports, b->e) < 0)
			return -1;
	b->hc->publish_all_ports = flag_bool(&b->c->f, "publish-all");
	return 0;
}

static int set_devices(struct build *b)
{
	struct api_resources *r = &b->hc->resources;
	const struct strlist *d = flag_list(&b->c->f, "device"),
			     *w = flag_list(&b->c->f, "blkio-weight-device"),
			     *u = flag_list(&b->c->f, "ulimit");
	static const struct {
		const char *flag;
		bool bytes;
	} throttles[] = { { "device-read-bps", true },
			  { "device-write-bps", true },
			  { "device-read-iops", false },
			  { "device-write-iops", false } };
	struct api_throttle_device_list *const lists[] = { &r->blkio_device_read_bps,
							   &r->blkio_device_write_bps,
							   &r->blkio_device_read_iops,
							   &r->blkio_device_write_iops };
	cleanup_err struct err *why = NULL;

	for (size_t i = 0; i < d->n; i++) {
		if (device_is_cdi(sv_of(d->v[i]))) {
			struct api_device_request *rq = model_list_add(b->a, &r->device_requests);

			rq->driver = "cdi";
			model_strs_add(b->a, &rq->device_ids, d->v[i]);
		} else if (device_parse(b->a, sv_of(d->v[i]), model_list_add(b->a, &r->devices), &why) < 0) {
			return invalid(b, d->v[i], "--device", why);
		}
	}
	for (size_t i = 0; i < w->n; i++)
		if (weight_device_parse(b->a, sv_of(w->v[i]), model_list_add(b->a, &r->blkio_weight_device),
					&why) < 0)
			return invalid(b, w->v[i], "--blkio-weight-device", why);
	for (size_t k = 0; k < ARRAY_LEN(throttles); k++) {
		const struct strlist *t = flag_list(&b->c->f, throttles[k].flag);

		for (size_t i = 0; i < t->n; i++) {
			cleanup_free char *name = xasprintf("--%s", throttles[k].flag);

			if (throttle_parse(b->a, sv_of(t->v[i]), throttles[k].bytes,
					   model_list_add(b->a, lists[k]), &why) < 0)
				return invalid(b, t->v[i], name, why);
		}
	}
	for (size_t i = 0; i < u->n; i++)
		if (ulimit_parse(b->a, sv_of(u->v[i]), model_list_add(b->a, &r->ulimits), &why) < 0)
			return invalid(b, u->v[i], "--ulimit", why);
	copy_list(b, "device-cgroup-rule", &r->device_cgroup_rules);
	return 0;
}

static int set_resources(struct build *b)
{
	const struct flags *f = &b->c->f;
	struct api_resources *r = &b->hc->resources;

	r->cpu_shares = flag_i64(f, "cpu-shares", 0);
	r->memory = flag_i64(f, "memory", 0);
	r->memory_reservation = flag_i64(f, "memory-reservation", 0);
	r->memory_swap = flag_i64(f, "memory-swap", 0);
	r->kernel_memory = flag_i64(f, "kernel-memory", 0);
	r->nano_cpus = flag_i64(f, "cpus", 0);
	r->cgroup_parent = text_of(b, "cgroup-parent");
	r->blkio_weight = (uint16_t)flag_i64(f, "blkio-weight", 0);
	r->cpu_period = flag_i64(f, "cpu-period", 0);
	r->cpu_quota = flag_i64(f, "cpu-quota", 0);
	r->cpu_realtime_period = flag_i64(f, "cpu-rt-period", 0);
	r->cpu_realtime_runtime = flag_i64(f, "cpu-rt-runtime", 0);
	r->cpuset_cpus = text_of(b, "cpuset-cpus");
	r->cpuset_mems = text_of(b, "cpuset-mems");
	r->has_memory_swappiness = true;
	r->memory_swappiness = flag_i64(f, "memory-swappiness", -1);
	if (r->memory_swappiness != -1 && (r->memory_swappiness < 0 || r->memory_swappiness > 100))
		return err_set(b->e, ERR_INVALID,
			       "invalid value: %lld. Valid memory swappiness range is 0-100",
			       (long long)r->memory_swappiness);
	r->has_oom_kill_disable = true;
	r->oom_kill_disable = flag_bool(f, "oom-kill-disable");
	r->has_pids_limit = flag_is_set(f, "pids-limit");
	r->pids_limit = flag_i64(f, "pids-limit", 0);
	b->hc->oom_score_adj = flag_i64(f, "oom-score-adj", 0);
	b->hc->shm_size = flag_i64(f, "shm-size", 0);
	return set_devices(b);
}

static int set_health(struct build *b)
{
	const struct flags *f = &b->c->f;
	struct api_health_config *h;
	bool any = flag_is_set(f, "health-cmd") || flag_is_set(f, "health-interval") ||
		   flag_is_set(f, "health-timeout") || flag_is_set(f, "health-start-period") ||
		   flag_is_set(f, "health-start-interval") || flag_is_set(f, "health-retries");

	if (flag_bool(f, "no-healthcheck")) {
		if (any)
			return err_set(b->e, ERR_INVALID,
				       "--no-healthcheck conflicts with --health-* options");
		h = ARENA_NEW(b->a, struct api_health_config);
		model_strs_add(b->a, &h->test, "NONE");
		b->cfg->healthcheck = h;
		return 0;
	}
	if (!any)
		return 0;
	h = ARENA_NEW(b->a, struct api_health_config);
	if (!str_empty(text_of(b, "health-cmd"))) {
		model_strs_add(b->a, &h->test, "CMD-SHELL");
		model_strs_add(b->a, &h->test, text_of(b, "health-cmd"));
	}
	h->interval = flag_i64(f, "health-interval", 0);
	h->timeout = flag_i64(f, "health-timeout", 0);
	h->start_period = flag_i64(f, "health-start-period", 0);
	h->start_interval = flag_i64(f, "health-start-interval", 0);
	h->retries = flag_i64(f, "health-retries", 0);
	if (h->interval < 0)
		return err_set(b->e, ERR_INVALID, "--health-interval cannot be negative");
	if (h->timeout < 0)
		return err_set(b->e, ERR_INVALID, "--health-timeout cannot be negative");
	if (h->retries < 0)
		return err_set(b->e, ERR_INVALID, "--health-retries cannot be negative");
	if (h->start_period < 0)
		return err_set(b->e, ERR_INVALID, "--health-start-period cannot be negative");
	b->cfg->healthcheck = h;
	return 0;
}

/* name=X,alias=Y,ip=Z or a plain name. */
static int set_network(struct build *b)
{
	const struct strlist *nets = flag_list(&b->c->f, "network");
	const char *name = nets->n ? nets->v[0] : "default";
	bool has_settings = flag_is_set(&b->c->f, "ip") || flag_is_set(&b->c->f, "ip6") ||
			    flag_list(&b->c->f, "network-alias")->n || flag_is_set(&b->c->f, "mac-address");
	struct model_str_list aliases = { 0 };
	const char *ip = text_of(b, "ip"), *ip6 = text_of(b, "ip6"), *mac = text_of(b, "mac-address");

	if (nets->n > 1)
		return err_set(b->e, ERR_NOT_IMPLEMENTED, "more than one --network is not supported");
	copy_list(b, "network-alias", &aliases);
	if (strchr(name, '=')) {
		struct model_str_list fields = { 0 };

		if (csv_fields(b->a, sv_of(name), &fields, b->e) < 0)
			return -1;
		name = "";
		for (size_t i = 0; i < fields.n; i++) {
			struct sv k, v;

			if (!sv_cut(sv_of(fields.v[i]), '=', &k, &v))
				return err_set(
					b->e, ERR_INVALID,
					"invalid argument \"%s\" for \"--network\" flag: invalid field %s",
					nets->v[0], fields.v[i]);
			has_settings = true;
			if (sv_eqs(k, "name")) {
				name = v.p;
			} else if (sv_eqs(k, "alias")) {
				model_strs_add(b->a, &aliases, v.p);
			} else if (sv_eqs(k, "ip")) {
				ip = v.p;
			} else if (sv_eqs(k, "ip6")) {
				ip6 = v.p;
			} else if (sv_eqs(k, "mac-address")) {
				mac = v.p;
			} else {
				return err_set(b->e, ERR_INVALID,
					       "invalid argument \"%s\" for \"--network\" flag: invalid "
					       "field key %.*s",
					       nets->v[0], (int)k.n, k.p);
			}
		}
		if (!*name)
			return err_set(b->e, ERR_INVALID,
				       "invalid argument \"%s\" for \"--network\" flag: network name/id is "
				       "not specified",
				       nets->v[0]);
	}
	b->hc->network_mode = name;
	b->cfg->mac_address = mac;
	if (has_settings) {
		struct api_endpoint_settings_entry *en = model_list_add(b->a, &b->nc->endpoints_config);

		en->k = name;
		en->v.aliases = aliases;
		en->v.mac_address = mac;
		if (*ip || *ip6 || flag_list(&b->c->f, "link-local-ip")->n) {
			en->v.ipam_config = ARENA_NEW(b->a, struct api_endpoint_ipam_config);
			en->v.ipam_config->ipv4_address = ip;
			en->v.ipam_config->ipv6_address = ip6;
			copy_list(b, "link-local-ip", &en->v.ipam_config->link_local_ips);
		}
	}
	return 0;
}

/* seccomp=FILE: the daemon wants the profile's text. */
static int set_security(struct build *b)
{
	const struct strlist *l = flag_list(&b->c->f, "security-opt");

	for (size_t i = 0; i < l->n; i++) {
		struct sv k, v;
		cleanup_free char *text = NULL;
		size_t n = 0;
		int r;

		if (!sv_cut(sv_of(l->v[i]), '=', &k, &v))
			(void)sv_cut(sv_of(l->v[i]), ':', &k, &v);
		if (!sv_eqs(k, "seccomp") || sv_eqs(v, "unconfined") || sv_eqs(v, "builtin") || !v.n) {
			model_strs_add(b->a, &b->hc->security_opt, l->v[i]);
			continue;
		}
		r = fs_read_file_at(AT_FDCWD, v.p, 4 * 1024 * 1024, &text, &n);
		if (r < 0)
			return err_sys_class(b->e, ERR_INVALID, -r,
					     "opening seccomp profile (%s) failed: open %s", v.p, v.p);
		model_strs_add(b->a, &b->hc->security_opt, arena_printf(b->a, "seccomp=%s", text));
	}
	return 0;
}

static int set_streams(struct build *b)
{
	const struct strlist *attach = flag_list(&b->c->f, "attach");
	bool detach = b->c->cmd == &cmd_run && flag_bool(&b->c->f, "detach");
	struct api_container_config *g = b->cfg;

	g->tty = flag_bool(&b->c->f, "tty");
	g->open_stdin = flag_bool(&b->c->f, "interactive");
	for (size_t i = 0; i < attach->n; i++) {
		struct sv s = sv_of(attach->v[i]);

		if (sv_ieqs(s, "stdin"))
			g->attach_stdin = true;
		else if (sv_ieqs(s, "stdout"))
			g->attach_stdout = true;
		else if (sv_ieqs(s, "stderr"))
			g->attach_stderr = true;
		else
			return err_set(b->e, ERR_INVALID,
				       "invalid argument \"%s\" for \"-a, --attach\" flag: valid streams are "
				       "STDIN, STDOUT and STDERR",
				       attach->v[i]);
	}
	if (detach && attach->n)
		return err_set(b->e, ERR_INVALID,
			       "conflicting options: cannot specify both --attach and --detach");
	if (attach->n == 0 && !detach) {
		g->attach_stdout = g->attach_stderr = true;
		g->attach_stdin = g->open_stdin;
	}
	g->stdin_once = g->open_stdin && g->attach_stdin;
	return 0;
}

static int set_identity(struct build *b)
{
	const struct flags *f = &b->c->f;
	struct api_container_config *g = b->cfg;
	struct api_host_config *h = b->hc;
	cleanup_err struct err *why = NULL;
	const struct strlist *hosts = flag_list(f, "add-host"), *lxc = flag_list(f, "lxc-conf");

	g->hostname = text_of(b, "hostname");
	g->domainname = text_of(b, "domainname");
	g->user = text_of(b, "user");
	g->working_dir = text_of(b, "workdir");
	g->stop_signal = text_of(b, "stop-signal");
	g->has_stop_timeout = flag_is_set(f, "stop-timeout");
	g->stop_timeout = flag_i64(f, "stop-timeout", 0);
	if (flag_is_set(f, "entrypoint"))
		model_strs_add(b->a, &g->entrypoint, text_of(b, "entrypoint"));
	for (size_t i = 0; i < hosts->n; i++) {
		const char *line;

		if (extra_host_parse(b->a, sv_of(hosts->v[i]), &line, &why) < 0)
			return invalid(b, hosts->v[i], "--add-host", why);
		model_strs_add(b->a, &h->extra_hosts, line);
	}
	for (size_t i = 0; i < lxc->n; i++)
		if (lxc_conf_parse(b->a, sv_of(lxc->v[i]), model_list_add(b->a, &h->lxc_conf), &why) < 0)
			return invalid(b, lxc->v[i], "--lxc-conf", why);
	if (restart_policy_parse(b->a, sv_of(text_of(b, "restart")), &h->restart_policy, b->e) < 0)
		return -1;
	h->auto_remove = flag_bool(f, "rm");
	if (h->auto_remove && !restart_policy_is_none(&h->restart_policy))
		return err_set(b->e, ERR_INVALID,
			       "conflicting options: cannot specify both --restart and --rm");
	h->container_id_file = text_of(b, "cidfile");
	h->cgroupns_mode = text_of(b, "cgroupns");
	h->ipc_mode = text_of(b, "ipc");
	h->pid_mode = text_of(b, "pid");
	h->uts_mode = text_of(b, "uts");
	h->userns_mode = text_of(b, "userns");
	h->runtime = text_of(b, "runtime");
	h->isolation = text_of(b, "isolation");
	h->volume_driver = text_of(b, "volume-driver");
	h->privileged = flag_bool(f, "privileged");
	h->readonly_rootfs = flag_bool(f, "read-only");
	h->has_init = flag_is_set(f, "init");
	h->init = flag_bool(f, "init");
	h->log_config.type = text_of(b, "log-driver");
	copy_map(b, "log-opt", &h->log_config.config);
	if (str_eq(h->log_config.type, "none") && h->log_config.config.n)
		return err_set(b->e, ERR_INVALID, "invalid logging opts for driver none");
	copy_list(b, "volumes-from", &h->volumes_from);
	copy_list(b, "cap-add", &h->cap_add);
	copy_list(b, "cap-drop", &h->cap_drop);
	copy_list(b, "dns", &h->dns);
	copy_list(b, "dns-option", &h->dns_options);
	copy_list(b, "dns-search", &h->dns_search);
	copy_list(b, "group-add", &h->group_add);
	copy_list(b, "link", &h->links);
	copy_map(b, "annotation", &h->annotations);
	copy_map(b, "sysctl", &h->sysctls);
	copy_map(b, "storage-opt", &h->storage_opt);
	return 0;
}

int create_request(struct cli *c, struct api_create_request *rq, struct err **e)
{
	struct build b = { .c = c, .a = c->a, .cfg = &rq->container_config, .e = e };
	struct winsize ws;

	b.hc = rq->host_config = ARENA_NEW(c->a, struct api_host_config);
	b.nc = rq->networking_config = ARENA_NEW(c->a, struct api_networking_config);
	if (set_streams(&b) < 0 || set_identity(&b) < 0 || set_env(&b) < 0 || set_labels(&b) < 0 ||
	    set_mounts(&b) < 0 || set_ports(&b) < 0 || set_resources(&b) < 0 || set_health(&b) < 0 ||
	    set_network(&b) < 0 || set_security(&b) < 0)
		return -1;
	b.cfg->image = c->args.v[0];
	for (size_t i = 1; i < c->args.n; i++)
		model_strs_add(c->a, &b.cfg->cmd, c->args.v[i]);
	if (b.cfg->tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0)
		b.hc->console_size = (struct model_pair){ ws.ws_row, ws.ws_col };
	return 0;
}

static int pull(struct cli *c, const char *image, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };
	struct http_reply *r;
	struct client *cl = cli_client(c, e);

	if (!cl)
		return -1;
	sb_add(&path, "/images/create");
	client_query(&path, "fromImage", image);
	client_query(&path, "tag", strchr(image, ':') || strchr(image, '@') ? NULL : "latest");
	client_query(&path, "platform", flag_str(&c->f, "platform"));
	(void)fprintf(stderr, "Unable to find image '%s%s' locally\n", image,
		      strchr(image, ':') || strchr(image, '@') ? "" : ":latest");
	r = client_stream(cl, "POST", path.p, NULL, SV(""), -1, e);
	if (!r)
		return -1;
	return progress_print(r, flag_bool(&c->f, "quiet"), stderr, e);
}

int create_container(struct cli *c, struct api_create_request *rq, const char **id, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 }, body = { 0 };
	const char *cidfile = flag_str(&c->f, "cidfile"), *policy = flag_str(&c->f, "pull");
	const struct json *reply = NULL;
	cleanup_err struct err *why = NULL;
	struct jw w = jw_to(&body);
	int r;

	if (strcmp(policy, "missing") != 0 && strcmp(policy, "always") != 0 && strcmp(policy, "never") != 0)
		return err_set(
			e, ERR_INVALID,
			"invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"",
			policy);
	if (!str_empty(cidfile) && access(cidfile, F_OK) == 0)
		return err_set(
			e, ERR_CONFLICT,
			"container ID file found, make sure the other container isn't running or delete %s",
			cidfile);
	sb_add(&path, "/containers/create");
	client_query(&path, "name", flag_str(&c->f, "name"));
	client_query(&path, "platform", flag_str(&c->f, "platform"));
	api_create_request_encode(&w, rq);
	if (strcmp(policy, "always") == 0 && pull(c, c->args.v[0], e) < 0)
		return -1;
	r = cli_call(c, "POST", path.p, sb_sv(&body), &reply, &why);
	if (r < 0 && err_class(why) == ERR_NOT_FOUND && strcmp(policy, "missing") == 0 &&
	    strstr(err_text(why), "No such image")) {
		if (pull(c, c->args.v[0], e) < 0)
			return -1;
		r = cli_call(c, "POST", path.p, sb_sv(&body), &reply, e);
		if (r < 0)
			return -1;
	}
	if (r < 0) {
		err_move(e, &why);
		return -1;
	}
	json_for_each (it, json_get(reply, "Warnings"))
		(void)fprintf(stderr, "WARNING: %s\n", json_str(it) ? json_str(it) : "");
	*id = js(reply, "Id");
	if (!str_empty(cidfile)) {
		r = fs_replace_fast_at(AT_FDCWD, cidfile, *id, strlen(*id), 0644);
		if (r < 0)
			return err_sys(e, -r, "failed to write the container ID to the file");
	}
	return 0;
}

const struct command cmd_run = { "container run",
				 "run",
				 "[OPTIONS] IMAGE [COMMAND] [ARG...]",
				 "Create and run a container",
				 FLAGS(create_flags),
				 .min = 1,
				 .max = CLI_NO_MAX,
				 .stop_at_word = true,
				 .is_125 = true,
				 .run = run_run };
const struct command cmd_create = { "container create",
				    "create",
				    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
				    "Create a container",
				    .flags = create_flags,
				    .n_flags = ARRAY_LEN(create_flags) - RUN_ONLY,
				    .min = 1,
				    .max = CLI_NO_MAX,
				    .stop_at_word = true,
				    .run = create_run };
