/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/config.h"

#include "base/fs.h"
#include "base/mem.h"
#include "codec/json.h"

#include <assert.h>
#include <errno.h>

#define CONFIG_FILE_MAX ((size_t)1 << 20)

enum opt_kind { OPT_STR, OPT_BOOL, OPT_INT, OPT_BYTES, OPT_LIST, OPT_MAP, OPT_ULIMIT, OPT_RUNTIME };

struct opt {
	const char *flag; /* NULL: file only */
	char letter;
	const char *key; /* NULL: flag only */
	enum opt_kind kind;
	size_t off;
	const char *help; /* NULL: hidden */
};

#define O(field) offsetof(struct engine_config, field)

static const struct opt opts[] = {
	{ "add-runtime", 0, "runtimes", OPT_RUNTIME, O(runtimes),
	  "Register an additional OCI compatible runtime" },
	{ "authorization-plugin", 0, "authorization-plugins", OPT_LIST, O(authorization_plugins), NULL },
	{ "bip", 0, "bip", OPT_STR, O(bip), "IPv4 address for the default bridge" },
	{ "bip6", 0, "bip6", OPT_STR, O(bip6), NULL },
	{ "bridge", 'b', "bridge", OPT_STR, O(bridge),
	  "Attach containers to a network bridge (default hoy0)" },
	{ "cdi-spec-dir", 0, "cdi-spec-dirs", OPT_LIST, O(cdi_spec_dirs), NULL },
	{ "cgroup-parent", 0, "cgroup-parent", OPT_STR, O(cgroup_parent),
	  "Set parent cgroup for all containers" },
	{ "config-file", 0, NULL, OPT_STR, O(config_file),
	  "Daemon configuration file (default \"/etc/hoy/daemon.json\")" },
	{ "containerd", 0, "containerd", OPT_STR, O(ignored_str), NULL },
	{ "containerd-namespace", 0, "containerd-namespace", OPT_STR, O(ignored_str), NULL },
	{ "containerd-plugins-namespace", 0, "containerd-plugin-namespace", OPT_STR, O(ignored_str), NULL },
	{ "cri-containerd", 0, NULL, OPT_BOOL, O(ignored_bool), NULL },
	{ "data-root", 'g', "data-root", OPT_STR, O(data_root),
	  "Root directory of persistent state (default \"/var/lib/hoy\")" },
	{ "debug", 'D', "debug", OPT_BOOL, O(debug), "Enable debug mode" },
	{ "default-address-pool", 0, NULL, OPT_LIST, O(default_address_pools), NULL },
	{ "default-cgroupns-mode", 0, "default-cgroupns-mode", OPT_STR, O(default_cgroupns_mode),
	  "Default mode for containers cgroup namespace (\"host\" | \"private\")" },
	{ "default-gateway", 0, "default-gateway", OPT_STR, O(default_gateway),
	  "Default gateway IPv4 address" },
	{ "default-ipc-mode", 0, "default-ipc-mode", OPT_STR, O(default_ipc_mode),
	  "Default mode for containers ipc (\"shareable\" | \"private\")" },
	{ "default-network-opt", 0, NULL, OPT_LIST, O(default_network_opts), NULL },
	{ "default-runtime", 0, "default-runtime", OPT_STR, O(default_runtime),
	  "Default OCI runtime for containers" },
	{ "default-shm-size", 0, "default-shm-size", OPT_BYTES, O(default_shm_size),
	  "Default shm size for containers (default 64MiB)" },
	{ NULL, 0, "default-stop-timeout", OPT_INT, O(default_stop_timeout), NULL },
	{ "default-ulimit", 0, "default-ulimits", OPT_ULIMIT, O(ulimits), "Default ulimits for containers" },
	{ "dns", 0, "dns", OPT_LIST, O(dns), "DNS server to use" },
	{ "dns-opt", 0, "dns-opts", OPT_LIST, O(dns_opts), "DNS options to use" },
	{ "dns-search", 0, "dns-search", OPT_LIST, O(dns_search), "DNS search domains to use" },
	{ "exec-opt", 0, "exec-opts", OPT_LIST, O(exec_opts), "Runtime execution options" },
	{ "exec-root", 0, "exec-root", OPT_STR, O(exec_root),
	  "Root directory for execution state files (default \"/run/hoy\")" },
	{ "experimental", 0, "experimental", OPT_BOOL, O(experimental), "Enable experimental features" },
	{ "feature", 0, "features", OPT_MAP, O(features), NULL },
	{ "fixed-cidr", 0, "fixed-cidr", OPT_STR, O(fixed_cidr), "IPv4 subnet for fixed IPs" },
	{ "group", 'G', "group", OPT_STR, O(group), "Group for the unix socket (default \"docker\")" },
	{ "help", 'h', NULL, OPT_BOOL, O(show_help), "Print usage" },
	{ "host", 'H', "hosts", OPT_LIST, O(hosts), "Daemon socket(s) to connect to" },
	{ "host-gateway-ip", 0, "host-gateway-ips", OPT_LIST, O(host_gateway_ips),
	  "IP address that the special 'host-gateway' string in --add-host resolves to" },
	{ "http-proxy", 0, NULL, OPT_STR, O(http_proxy), NULL },
	{ "https-proxy", 0, NULL, OPT_STR, O(https_proxy), NULL },
	{ "icc", 0, "icc", OPT_BOOL, O(icc), "Enable inter-container communication (default true)" },
	{ "init", 0, "init", OPT_BOOL, O(init),
	  "Run an init in the container to forward signals and reap processes" },
	{ "init-path", 0, "init-path", OPT_STR, O(init_path), "Path to the init binary" },
	{ "insecure-registry", 0, "insecure-registries", OPT_LIST, O(insecure_registries), NULL },
	{ "insecure-tcp", 0, "insecure-tcp", OPT_BOOL, O(insecure_tcp),
	  "Serve plain TCP on addresses other than loopback: whoever reaches them is root" },
	{ "ip", 0, "ip", OPT_STR, O(ip), "Host IP for port publishing from the default bridge network" },
	{ "ip-forward", 0, "ip-forward", OPT_BOOL, O(ip_forward), "Enable IP forwarding (default true)" },
	{ "ip-forward-no-drop", 0, "ip-forward-no-drop", OPT_BOOL, O(ip_forward_no_drop), NULL },
	{ "ip-masq", 0, "ip-masq", OPT_BOOL, O(ip_masq), "Enable IP masquerading (default true)" },
	{ "ip6tables", 0, "ip6tables", OPT_BOOL, O(ip6tables), NULL },
	{ "iptables", 0, "iptables", OPT_BOOL, O(iptables),
	  "Enable addition of packet filter rules (default true)" },
	{ "ipv6", 0, "ipv6", OPT_BOOL, O(ipv6), NULL },
	{ "label", 0, "labels", OPT_LIST, O(labels), "Set key=value labels to the daemon" },
	{ "live-restore", 0, "live-restore", OPT_BOOL, O(live_restore),
	  "Accepted: containers always run on while the daemon is down" },
	{ "log-driver", 0, "log-driver", OPT_STR, O(log_driver),
	  "Default driver for container logs (default \"json-file\")" },
	{ "log-format", 0, "log-format", OPT_STR, O(log_format),
	  "Set the logging format (\"text\"|\"json\")" },
	{ "log-level", 'l', "log-level", OPT_STR, O(log_level),
	  "Set the logging level (\"debug\"|\"info\"|\"warn\"|\"error\")" },
	{ "log-opt", 0, "log-opts", OPT_MAP, O(log_opts), "Default log driver options for containers" },
	{ "max-concurrent-downloads", 0, "max-concurrent-downloads", OPT_INT, O(max_concurrent_downloads),
	  NULL },
	{ "max-concurrent-uploads", 0, "max-concurrent-uploads", OPT_INT, O(max_concurrent_uploads), NULL },
	{ "max-download-attempts", 0, "max-download-attempts", OPT_INT, O(max_download_attempts), NULL },
	{ "metrics-addr", 0, "metrics-addr", OPT_STR, O(metrics_addr), NULL },
	{ NULL, 0, "min-api-version", OPT_STR, O(min_api_version), NULL },
	{ "mtu", 0, "mtu", OPT_INT, O(mtu), "Set the MTU of the default bridge (default 1500)" },
	{ "network-control-plane-mtu", 0, "network-control-plane-mtu", OPT_INT, O(ignored_int), NULL },
	{ "no-new-privileges", 0, "no-new-privileges", OPT_BOOL, O(no_new_privileges),
	  "Set no-new-privileges by default for new containers" },
	{ "no-proxy", 0, NULL, OPT_STR, O(no_proxy), NULL },
	{ "node-generic-resource", 0, "node-generic-resources", OPT_LIST, O(node_generic_resources), NULL },
	{ "pidfile", 'p', "pidfile", OPT_STR, O(pidfile),
	  "Path to use for daemon PID file (default \"/run/hoy.pid\")" },
	{ "raw-logs", 0, "raw-logs", OPT_BOOL, O(raw_logs), NULL },
	{ "registry-mirror", 0, "registry-mirrors", OPT_LIST, O(registry_mirrors), NULL },
	{ "seccomp-profile", 0, "seccomp-profile", OPT_STR, O(seccomp_profile),
	  "Path to seccomp profile. Set to \"unconfined\" to disable the default one" },
	{ "selinux-enabled", 0, "selinux-enabled", OPT_BOOL, O(selinux_enabled), NULL },
	{ "shutdown-timeout", 0, "shutdown-timeout", OPT_INT, O(shutdown_timeout),
	  "Set the default shutdown timeout" },
	{ "storage-driver", 's', "storage-driver", OPT_STR, O(storage_driver),
	  "Storage driver to use (overlay2)" },
	{ "storage-opt", 0, "storage-opts", OPT_LIST, O(storage_opts), NULL },
	{ "swarm-default-advertise-addr", 0, "swarm-default-advertise-addr", OPT_STR, O(ignored_str), NULL },
	{ "tls", 0, "tls", OPT_BOOL, O(tls), "Use TLS; implied by --tlsverify" },
	{ "tlscacert", 0, "tlscacert", OPT_STR, O(tlscacert), "Trust certs signed only by this CA" },
	{ "tlscert", 0, "tlscert", OPT_STR, O(tlscert), "Path to TLS certificate file" },
	{ "tlskey", 0, "tlskey", OPT_STR, O(tlskey), "Path to TLS key file" },
	{ "tlsverify", 0, "tlsverify", OPT_BOOL, O(tlsverify), "Use TLS and verify the remote" },
	{ "userland-proxy", 0, "userland-proxy", OPT_BOOL, O(userland_proxy),
	  "Use userland proxy for loopback traffic" },
	{ "userland-proxy-path", 0, "userland-proxy-path", OPT_STR, O(userland_proxy_path), NULL },
	{ "userns-remap", 0, "userns-remap", OPT_STR, O(userns_remap),
	  "User/Group setting for user namespaces" },
	{ "validate", 0, NULL, OPT_BOOL, O(validate), "Validate daemon configuration and exit" },
	{ "version", 'v', NULL, OPT_BOOL, O(show_version), "Print version information and quit" },
};

static_assert(ARRAY_LEN(opts) <= 128, "set_by_flag has 128 bits");

static void *field(struct engine_config *c, const struct opt *o)
{
	return (char *)c + o->off;
}

static int parse_bytes(struct sv s, int64_t *out)
{
	static const struct {
		const char *suffix;
		unsigned shift;
	} units[] = {
		{ "kib", 10 }, { "mib", 20 }, { "gib", 30 }, { "kb", 10 }, { "mb", 20 },
		{ "gb", 30 },  { "k", 10 },   { "m", 20 },   { "g", 30 },  { "b", 0 },
	};
	unsigned shift = 0;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		size_t n = strlen(units[i].suffix);
		if (s.n > n && sv_ieqs(sv_sub(s, s.n - n, s.n), units[i].suffix)) {
			shift = units[i].shift;
			s.n -= n;
			break;
		}
	}
	return parse_i64(s, 0, INT64_MAX >> 30, out) < 0 ? -EINVAL : (*out <<= shift, 0);
}

static void ulimit_add(struct engine_config *c, const char *name, size_t n, int64_t soft, int64_t hard)
{
	c->ulimits = xreallocarray(c->ulimits, c->n_ulimits + 1, sizeof(*c->ulimits));
	c->ulimits[c->n_ulimits++] = (struct engine_ulimit){ xstrndup(name, n), soft, hard };
}

/* "nofile=1024[:2048]" */
static int ulimit_parse(struct engine_config *c, const char *text)
{
	struct sv name, value, soft, hard;
	int64_t s, h;
	if (!sv_cut(sv_of(text), '=', &name, &value) || !name.n)
		return -EINVAL;
	bool two = sv_cut(value, ':', &soft, &hard);
	if (parse_i64(soft, -1, INT64_MAX, &s) < 0)
		return -EINVAL;
	h = s;
	if (two && parse_i64(hard, -1, INT64_MAX, &h) < 0)
		return -EINVAL;
	ulimit_add(c, name.p, name.n, s, h);
	return 0;
}

/* One value in text form, from a flag. */
static int opt_set(struct engine_config *c, const struct opt *o, const char *v)
{
	switch (o->kind) {
	case OPT_STR: {
		char **p = field(c, o);
		free(*p);
		*p = xstrdup(v);
		return 0;
	}
	case OPT_BOOL: return parse_bool(sv_of(v), field(c, o));
	case OPT_INT: return parse_i64(sv_of(v), INT32_MIN, INT32_MAX, field(c, o));
	case OPT_BYTES: return parse_bytes(sv_of(v), field(c, o));
	case OPT_LIST: strlist_add(field(c, o), v); return 0;
	case OPT_MAP:
	case OPT_RUNTIME:
		if (sv_find(sv_of(v), '=') <= 0)
			return -EINVAL;
		strlist_add(field(c, o), v);
		return 0;
	case OPT_ULIMIT: return ulimit_parse(c, v);
	}
	return -EINVAL;
}

static const struct opt *opt_by_flag(struct sv name)
{
	for (size_t i = 0; i < ARRAY_LEN(opts); i++)
		if (opts[i].flag && sv_eqs(name, opts[i].flag))
			return &opts[i];
	return NULL;
}

static const struct opt *opt_by_letter(char l)
{
	for (size_t i = 0; i < ARRAY_LEN(opts); i++)
		if (l && opts[i].letter == l)
			return &opts[i];
	return NULL;
}

static int flag_set(struct engine_config *c, const struct opt *o, const char *shown, const char *v,
		    struct err **e)
{
	if (opt_set(c, o, v) < 0)
		return err_set(e, ERR_INVALID, "invalid argument \"%s\" for \"%s\" flag", v, shown);
	size_t i = (size_t)(o - opts);
	c->set_by_flag[i / 32] |= 1u << (i % 32);
	return 0;
}

static int parse_flags(struct engine_config *c, struct err **e)
{
	for (int i = 1; i < c->argc; i++) {
		const char *a = c->argv[i];
		if (a[0] != '-' || !a[1])
			return err_set(e, ERR_INVALID, "\"hoyd\" accepts no arguments, got \"%s\"", a);
		if (a[1] == '-') {
			struct sv name, value;
			bool has = sv_cut(sv_of(a + 2), '=', &name, &value);
			const struct opt *o = opt_by_flag(name);
			if (!o)
				return err_set(e, ERR_INVALID, "unknown flag: --%.*s", (int)name.n, name.p);
			cleanup_free char *shown = xasprintf("--%s", o->flag);
			const char *v = has ? value.p : "true";
			if (!has && o->kind != OPT_BOOL) {
				if (++i >= c->argc)
					return err_set(e, ERR_INVALID, "flag needs an argument: --%s",
						       o->flag);
				v = c->argv[i];
			}
			if (flag_set(c, o, shown, v, e) < 0)
				return -1;
			continue;
		}
		for (const char *p = a + 1; *p; p++) {
			const struct opt *o = opt_by_letter(*p);
			if (!o)
				return err_set(e, ERR_INVALID, "unknown shorthand flag: '%c' in %s", *p, a);
			char shown[3] = { '-', *p, 0 };
			if (o->kind == OPT_BOOL && p[1] != '=') {
				if (flag_set(c, o, shown, "true", e) < 0)
					return -1;
				continue;
			}
			const char *v = p[1] == '=' ? p + 2 : p + 1;
			if (!*v) {
				if (++i >= c->argc)
					return err_set(e, ERR_INVALID, "flag needs an argument: '%c' in %s",
						       *p, a);
				v = c->argv[i];
			}
			if (flag_set(c, o, shown, v, e) < 0)
				return -1;
			break;
		}
	}
	return 0;
}

/* --- daemon.json --- */

static int bad_key(const struct json *j, const char *want, struct err **e)
{
	return err_set(e, ERR_INVALID, "cannot unmarshal %s into field \"%.*s\" of type %s",
		       json_type_name(j), (int)j->key.n, j->key.p, want);
}

static int key_map(struct engine_config *c, const struct opt *o, const struct json *j, struct err **e)
{
	if (j->type != JSON_OBJECT)
		return bad_key(j, "object", e);
	json_for_each (m, j) {
		if (m->type == JSON_BOOL) {
			cleanup_free char *kv = xasprintf("%s=%s", m->key.p, m->b ? "true" : "false");
			strlist_add(field(c, o), kv);
			continue;
		}
		if (!json_str(m))
			return bad_key(m, "string", e);
		cleanup_free char *kv = xasprintf("%s=%s", m->key.p, json_str(m));
		strlist_add(field(c, o), kv);
	}
	return 0;
}

static int key_ulimits(struct engine_config *c, const struct json *j, struct err **e)
{
	if (j->type != JSON_OBJECT)
		return bad_key(j, "object", e);
	json_for_each (m, j) {
		int64_t soft = 0, hard = 0;
		const struct json *s = json_get_icase(m, "Soft"), *h = json_get_icase(m, "Hard");
		if ((s && json_i64(s, &soft) < 0) || (h && json_i64(h, &hard) < 0) || m->type != JSON_OBJECT)
			return bad_key(m, "ulimit", e);
		ulimit_add(c, m->key.p, m->key.n, soft, hard);
	}
	return 0;
}

static int key_runtimes(struct engine_config *c, const struct opt *o, const struct json *j, struct err **e)
{
	if (j->type != JSON_OBJECT)
		return bad_key(j, "object", e);
	json_for_each (m, j) {
		const char *path = json_str(json_get(m, "path"));
		if (!path)
			return err_set(e, ERR_INVALID,
				       "runtime \"%s\": only runtimes with a path are supported", m->key.p);
		if (json_get(m, "runtimeArgs") && json_get(m, "runtimeArgs")->n)
			return err_set(e, ERR_NOT_IMPLEMENTED,
				       "runtime \"%s\": runtimeArgs are not supported", m->key.p);
		cleanup_free char *kv = xasprintf("%s=%s", m->key.p, path);
		strlist_add(field(c, o), kv);
	}
	return 0;
}

static int key_set(struct engine_config *c, const struct opt *o, const struct json *j, struct err **e)
{
	switch (o->kind) {
	case OPT_STR: return json_str(j) ? opt_set(c, o, json_str(j)) : bad_key(j, "string", e);
	case OPT_BOOL:
		if (j->type != JSON_BOOL)
			return bad_key(j, "bool", e);
		*(bool *)field(c, o) = j->b;
		return 0;
	case OPT_INT: return json_i64(j, field(c, o)) < 0 ? bad_key(j, "int", e) : 0;
	case OPT_BYTES:
		if (j->type == JSON_NUMBER)
			return json_i64(j, field(c, o)) < 0 ? bad_key(j, "int64", e) : 0;
		return !json_str(j) || opt_set(c, o, json_str(j)) < 0 ? bad_key(j, "bytes", e) : 0;
	case OPT_LIST:
		if (json_str(j) && sv_eqs(j->key, "hosts") == false)
			return bad_key(j, "[]string", e);
		if (j->type != JSON_ARRAY)
			return bad_key(j, "[]string", e);
		json_for_each (v, j) {
			if (!json_str(v))
				return bad_key(j, "[]string", e);
			strlist_add(field(c, o), json_str(v));
		}
		return 0;
	case OPT_MAP: return key_map(c, o, j, e);
	case OPT_ULIMIT: return key_ulimits(c, j, e);
	case OPT_RUNTIME: return key_runtimes(c, o, j, e);
	}
	return -1;
}

static int read_keys(struct engine_config *c, const struct json *top, struct strbuf *both,
		     struct strbuf *unknown, struct err **e)
{
	json_for_each (j, top) {
		const struct opt *o = NULL;
		for (size_t i = 0; i < ARRAY_LEN(opts) && !o; i++)
			if (opts[i].key && sv_eqs(j->key, opts[i].key))
				o = &opts[i];
		if (sv_eqs(j->key, "proxies") && j->type == JSON_OBJECT) {
			c->http_proxy = xstrdup_opt(json_str(json_get(j, "http-proxy")));
			c->https_proxy = xstrdup_opt(json_str(json_get(j, "https-proxy")));
			c->no_proxy = xstrdup_opt(json_str(json_get(j, "no-proxy")));
			continue;
		}
		if (sv_eqs(j->key, "builder") || sv_eqs(j->key, "default-address-pools") ||
		    sv_eqs(j->key, "default-network-opts"))
			continue; /* for later rooms */
		if (!o) {
			sb_addf(unknown, "%s%.*s", unknown->n ? ", " : "", (int)j->key.n, j->key.p);
			continue;
		}
		size_t i = (size_t)(o - opts);
		/* Lists of flag and file are a conflict, too; dockerd merges none of them. */
		if (c->set_by_flag[i / 32] & 1u << (i % 32)) {
			cleanup_free char *text = xstrndup(j->raw.p, j->raw.n);
			sb_addf(both, "%s%s: (from flag, from file: %s)", both->n ? ", " : "", o->key, text);
			continue;
		}
		if (key_set(c, o, j, e) < 0)
			return -1;
	}
	return 0;
}

static int parse_file(struct engine_config *c, struct err **e)
{
	bool named = c->config_file != NULL;
	const char *path = named ? c->config_file : "/etc/hoy/daemon.json";
	cleanup_free char *text = NULL;
	size_t n;
	int r = fs_read_file_at(AT_FDCWD, path, CONFIG_FILE_MAX, &text, &n);
	if (r == -ENOENT && !named)
		return 0;
	if (r < 0)
		return err_sys_class(e, ERR_INVALID, -r,
				     "unable to configure the daemon with file %s: open %s", path, path);
	if (!sv_trim(sv_n(text, n)).n)
		return 0;
	cleanup_arena struct arena *a = arena_new();
	const struct json *top;
	if (json_parse(a, sv_n(text, n), NULL, &top, e) < 0)
		return err_wrap(e, "unable to configure the daemon with file %s", path);
	if (top->type != JSON_OBJECT)
		return err_set(e, ERR_INVALID, "unable to configure the daemon with file %s: not an object",
			       path);
	cleanup_strbuf struct strbuf both = { 0 }, unknown = { 0 };
	if (read_keys(c, top, &both, &unknown, e) < 0)
		return err_wrap(e, "unable to configure the daemon with file %s", path);
	if (unknown.n)
		return err_set(e, ERR_INVALID,
			       "unable to configure the daemon with file %s: the following directives don't "
			       "match any "
			       "configuration option: %s",
			       path, unknown.p);
	if (both.n)
		return err_set(e, ERR_INVALID,
			       "unable to configure the daemon with file %s: the following directives are "
			       "specified both as a "
			       "flag and in the configuration file: %s",
			       path, both.p);
	return 0;
}

/* --- rules over the whole --- */

static int check_words(const char *what, const char *v, const char *const *words, struct err **e)
{
	if (!v)
		return 0;
	for (size_t i = 0; words[i]; i++)
		if (!strcmp(v, words[i]))
			return 0;
	return err_set(e, ERR_INVALID, "invalid %s: %s", what, v);
}

static int check(struct engine_config *c, struct err **e)
{
	static const char *const levels[] = { "debug", "info", "warn", "error", "fatal", NULL };
	static const char *const formats[] = { "text", "json", NULL };
	static const char *const cgns[] = { "host", "private", NULL };
	static const char *const ipc[] = { "private", "shareable", "host", "none", NULL };
	static const char *const drivers[] = { "json-file", "none", NULL };
	if (check_words("logging level", c->log_level, levels, e) < 0 ||
	    check_words("log format", c->log_format, formats, e) < 0 ||
	    check_words("default cgroup namespace mode", c->default_cgroupns_mode, cgns, e) < 0 ||
	    check_words("default ipc mode", c->default_ipc_mode, ipc, e) < 0)
		return -1;
	if (check_words("log driver", c->log_driver, drivers, NULL) < 0)
		return err_set(e, ERR_INVALID, "logger: no log driver named '%s' is registered",
			       c->log_driver);
	if (c->storage_driver && strcmp(c->storage_driver, "overlay2") != 0 &&
	    strcmp(c->storage_driver, "overlayfs") != 0)
		return err_set(e, ERR_INVALID, "unknown storage driver: %s (hoyd has overlay2)",
			       c->storage_driver);
	if (c->userns_remap && *c->userns_remap)
		return err_set(e, ERR_NOT_IMPLEMENTED, "userns-remap is not supported");
	if (c->authorization_plugins.n)
		return err_set(e, ERR_NOT_IMPLEMENTED, "authorization plugins are not supported");
	if (c->metrics_addr && *c->metrics_addr)
		return err_set(e, ERR_NOT_IMPLEMENTED, "metrics-addr is not supported");
	for (size_t i = 0; i < c->exec_opts.n; i++) {
		const char *o = c->exec_opts.v[i];
		if (!strcmp(o, "native.cgroupdriver=systemd"))
			return err_set(e, ERR_NOT_IMPLEMENTED,
				       "native.cgroupdriver=systemd is not supported");
		if (strcmp(o, "native.cgroupdriver=cgroupfs") != 0)
			return err_set(e, ERR_INVALID, "invalid exec-opt: %s", o);
	}
	for (size_t i = 0; i < c->labels.n; i++)
		if (sv_find(sv_of(c->labels.v[i]), '=') <= 0)
			return err_set(e, ERR_INVALID, "bad attribute format: %s", c->labels.v[i]);
	if (c->mtu < 0 || c->mtu > 65535)
		return err_set(e, ERR_INVALID, "invalid default MTU: %lld", (long long)c->mtu);
	if (c->bridge && *c->bridge && c->bip && *c->bip && strcmp(c->bridge, "none") == 0)
		return err_set(
			e, ERR_INVALID,
			"You specified -b & --bip, mutually exclusive options. Please specify only one");
	if (c->bridge && strlen(c->bridge) > 15)
		return err_set(e, ERR_INVALID, "invalid bridge name: %s", c->bridge);
	for (size_t i = 0; i < c->hosts.n; i++) {
		const char *h = c->hosts.v[i];
		if (!str_starts(h, "unix://") && !str_starts(h, "tcp://") && !str_starts(h, "fd://"))
			return err_set(e, ERR_INVALID, "invalid bind address (%s): unsupported proto", h);
	}
	return 0;
}

static void defaults(struct engine_config *c)
{
	c->icc = c->iptables = c->ip6tables = c->ip_forward = c->ip_masq = c->live_restore = true;
	c->userland_proxy = true;
	c->shutdown_timeout = 15;
	c->default_stop_timeout = 10;
	c->default_shm_size = 64 << 20;
	c->max_concurrent_downloads = 3;
	c->max_concurrent_uploads = c->max_download_attempts = 5;
}

static void set_default(char **p, const char *v)
{
	if (str_empty(*p)) {
		free(*p);
		*p = xstrdup(v);
	}
}

int engine_config_parse(int argc, char *const *argv, struct engine_config **out, struct err **e)
{
	cleanup_engine_config struct engine_config *c = NEW(struct engine_config);
	c->argc = argc;
	c->argv = argv;
	defaults(c);
	if (parse_flags(c, e) < 0)
		return -1;
	if (!c->show_help && !c->show_version && parse_file(c, e) < 0)
		return -1;
	set_default(&c->data_root, "/var/lib/hoy");
	set_default(&c->exec_root, "/run/hoy");
	set_default(&c->pidfile, "/run/hoy.pid");
	set_default(&c->bridge, "hoy0");
	set_default(&c->default_runtime, "hoy-runtime");
	set_default(&c->log_driver, "json-file");
	set_default(&c->log_level, "info");
	set_default(&c->default_ipc_mode, "private");
	if (check(c, e) < 0)
		return -1;
	*out = TAKE_PTR(c);
	return 0;
}

void engine_config_free(struct engine_config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < ARRAY_LEN(opts); i++) {
		switch (opts[i].kind) {
		case OPT_STR: {
			char **p = field(c, &opts[i]);
			free(*p);
			*p = NULL;
			break;
		}
		case OPT_LIST:
		case OPT_MAP:
		case OPT_RUNTIME: strlist_release(field(c, &opts[i])); break;
		case OPT_ULIMIT:
			for (size_t k = 0; k < c->n_ulimits; k++)
				free(c->ulimits[k].name);
			free(c->ulimits);
			c->ulimits = NULL;
			c->n_ulimits = 0;
			break;
		case OPT_BOOL:
		case OPT_INT:
		case OPT_BYTES: break;
		}
	}
	free(c);
}

void engine_config_help(struct strbuf *b)
{
	static const char *const arg[] = { "string", "", "int", "bytes", "list", "map", "ulimit", "runtime" };
	sb_add(b, "\nUsage:  hoyd [OPTIONS]\n\nThe engine of the hoy container platform\n\nOptions:\n");
	for (size_t i = 0; i < ARRAY_LEN(opts); i++) {
		const struct opt *o = &opts[i];
		if (!o->help || !o->flag)
			continue;
		cleanup_free char *left = xasprintf("--%s %s", o->flag, arg[o->kind]);
		if (o->letter)
			sb_addf(b, "  -%c, %-36s %s\n", o->letter, left, o->help);
		else
			sb_addf(b, "      %-36s %s\n", left, o->help);
	}
}

const char *engine_config_opt(const struct strlist *l, const char *key)
{
	size_t n = strlen(key);
	for (size_t i = l->n; i-- > 0;)
		if (!strncmp(l->v[i], key, n) && l->v[i][n] == '=')
			return l->v[i] + n + 1;
	return NULL;
}
