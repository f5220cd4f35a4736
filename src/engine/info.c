/* SPDX-License-Identifier: Apache-2.0 */
/* info and version: what the engine is and what it runs on. */
#include "base/clock.h"
#include "base/fs.h"
#include "engine/engine-internal.h"
#include "engine/events.h"
#include "engine/observe.h"
#include "store/store.h"

#include <dirent.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SMALL_FILE (64 * 1024)

static const char *go_arch(const char *machine)
{
	if (!strcmp(machine, "x86_64"))
		return "amd64";
	if (!strcmp(machine, "aarch64"))
		return "arm64";
	return machine;
}

static void count_containers(struct engine *en, struct api_system_info *out)
{
	size_t n;
	struct container **v = container_all(en, &n);

	for (size_t i = 0; i < n; i++) {
		(void)pthread_mutex_lock(&v[i]->lock);
		enum life s = v[i]->now.state;
		(void)pthread_mutex_unlock(&v[i]->lock);
		out->containers_running += s == LIFE_RUNNING;
		out->containers_paused += s == LIFE_PAUSED;
		out->containers_stopped += !life_is_running(s);
	}
	out->containers = (int64_t)n;
	container_list_free(v, n);
}

/* A key of /etc/os-release, unquoted. */
static const char *os_release(struct arena *a, const char *key, const char *otherwise)
{
	cleanup_free char *text = NULL;
	struct sv line, name, value, rest;

	if (fs_read_file_at(AT_FDCWD, "/etc/os-release", SMALL_FILE, &text, NULL) < 0 &&
	    fs_read_file_at(AT_FDCWD, "/usr/lib/os-release", SMALL_FILE, &text, NULL) < 0)
		return otherwise;
	rest = sv_of(text);
	while (rest.n) {
		(void)sv_cut(rest, '\n', &line, &rest);
		if (!sv_cut(line, '=', &name, &value) || !sv_eqs(name, key))
			continue;
		value = sv_trim(value);
		if (value.n >= 2 && (value.p[0] == '"' || value.p[0] == '\''))
			value = sv_sub(value, 1, value.n - 1);
		return arena_strndup(a, value.p, value.n);
	}
	return otherwise;
}

static int64_t count_entries(const char *path)
{
	cleanup_close int fd = fs_open(path, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int64_t n = 0;

	if (!d)
		return 0;
	(void)TAKE_FD(fd);
	for (const struct dirent *it = readdir(d); it; it = readdir(d))
		n += it->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

static void pairs(struct arena *a, const char *const *kv, struct model_str_list_list *out)
{
	for (; kv && kv[0] && kv[1]; kv += 2) {
		struct model_str_list *pair = model_list_add(a, out);
		model_strs_add(a, pair, kv[0]);
		model_strs_add(a, pair, kv[1]);
	}
}

static void fill_registry(struct arena *a, const struct engine_config *c, struct api_registry_config *out)
{
	struct api_index_info_entry *hub = model_list_add(a, &out->index_configs);

	model_strs_add(a, &out->insecure_registry_cidrs, "::1/128");
	model_strs_add(a, &out->insecure_registry_cidrs, "127.0.0.0/8");
	model_strs_empty(a, &out->mirrors);
	for (size_t i = 0; i < c->registry_mirrors.n; i++)
		model_strs_add(a, &out->mirrors, c->registry_mirrors.v[i]);
	hub->k = "docker.io";
	hub->v = (struct api_index_info){
		.name = "docker.io", .mirrors = out->mirrors, .secure = true, .official = true
	};
	for (size_t i = 0; i < c->insecure_registries.n; i++) {
		struct api_index_info_entry *en = model_list_add(a, &out->index_configs);
		en->k = arena_strdup(a, c->insecure_registries.v[i]);
		en->v = (struct api_index_info){ .name = en->k };
		model_strs_empty(a, &en->v.mirrors);
	}
}

static void fill_cgroups(const struct engine *en, struct api_system_info *out)
{
	const struct cgroup_layout *l = &en->cgroups;
	/* hybrid uses the controllers of v1 */
	bool v2 = l->mode == CGROUP_V2;

	out->cgroup_driver = l->mode == CGROUP_NONE ? "none" : "cgroupfs";
	out->cgroup_version = v2 ? "2" : "1";
	out->memory_limit = l->ctls & CG_MEMORY;
	out->swap_limit = l->has_swap;
	out->cpu_cfs_period = out->cpu_cfs_quota = out->cpu_shares = l->ctls & CG_CPU;
	out->cpu_set = l->ctls & CG_CPUSET;
	out->pids_limit = l->ctls & CG_PIDS;
	out->oom_kill_disable = !v2 && l->ctls & CG_MEMORY;
}

static void fill_warnings(struct arena *a, struct api_system_info *out)
{
	struct model_str_list *w = &out->warnings;

	model_strs_empty(a, w);
	if (!out->memory_limit)
		model_strs_add(a, w, "WARNING: No memory limit support");
	if (!out->swap_limit)
		model_strs_add(a, w, "WARNING: No swap limit support");
	if (!out->cpu_cfs_quota)
		model_strs_add(a, w, "WARNING: No cpu cfs quota support");
	if (!out->cpu_cfs_period)
		model_strs_add(a, w, "WARNING: No cpu cfs period support");
	if (!out->cpu_shares)
		model_strs_add(a, w, "WARNING: No cpu shares support");
	if (!out->cpu_set)
		model_strs_add(a, w, "WARNING: No cpuset support");
	if (!out->pids_limit)
		model_strs_add(a, w, "WARNING: No pids limit support");
	if (!out->ipv4_forwarding)
		model_strs_add(a, w, "WARNING: IPv4 forwarding is disabled");
}

static void fill_runtimes(struct arena *a, const struct engine_config *c, struct api_system_info *out)
{
	struct api_runtime_entry *own = model_list_add(a, &out->runtimes);

	own->k = "hoy-runtime";
	own->v.path = "hoy-runtime";
	for (size_t i = 0; i < c->runtimes.n; i++) {
		struct sv name, path;
		if (!sv_cut(sv_of(c->runtimes.v[i]), '=', &name, &path))
			continue;
		struct api_runtime_entry *en = model_list_add(a, &out->runtimes);
		en->k = arena_strndup(a, name.p, name.n);
		en->v.path = arena_strndup(a, path.p, path.n);
	}
	out->default_runtime = str_empty(c->default_runtime) ? "hoy-runtime" : c->default_runtime;
}

static void fill_security(struct arena *a, const struct engine *en, const struct engine_config *c,
			  struct api_system_info *out)
{
	char on[8];

	if (!str_empty(c->seccomp_profile) && strcmp(c->seccomp_profile, "builtin") != 0)
		model_strs_add(a, &out->security_options,
			       arena_printf(a, "name=seccomp,profile=%s", c->seccomp_profile));
	else
		model_strs_add(a, &out->security_options, "name=seccomp,profile=builtin");
	if (fs_read_small_at(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", on, sizeof(on)) > 0 &&
	    on[0] == 'Y')
		model_strs_add(a, &out->security_options, "name=apparmor");
	if (en->cgroups.mode == CGROUP_V2)
		model_strs_add(a, &out->security_options, "name=cgroupns");
	if (c->no_new_privileges)
		model_strs_add(a, &out->security_options, "name=no-new-privileges");
}

static void fill_host(struct arena *a, struct api_system_info *out)
{
	struct utsname u;
	struct sysinfo si;
	char on[8];

	if (uname(&u) == 0) {
		out->kernel_version = arena_strdup(a, u.release);
		out->architecture = arena_strdup(a, u.machine);
		out->name = arena_strdup(a, u.nodename);
	}
	if (sysinfo(&si) == 0)
		out->mem_total = (int64_t)((uint64_t)si.totalram * si.mem_unit);
	out->ncpu = MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L);
	out->operating_system = os_release(a, "PRETTY_NAME", "Linux");
	out->os_version = os_release(a, "VERSION_ID", "");
	out->os_type = "linux";
	out->ipv4_forwarding =
		fs_read_small_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_forward", on, sizeof(on)) > 0 &&
		on[0] == '1';
	out->nfd = count_entries("/proc/self/fd");
	out->n_goroutines = count_entries("/proc/self/task");
	out->system_time = arena_strdup(a, clock_rfc3339nano(clock_now_ns()).s);
}

int engine_info(struct engine *en, struct arena *a, struct api_system_info **out, struct err **e)
{
	static const char *const logs[] = { "json-file", "none" };
	static const char *const networks[] = { "bridge", "host", "null" };
	const struct engine_config *c = engine_config_get(en);
	struct api_system_info *i = ARENA_NEW(a, struct api_system_info);

	(void)e;
	count_containers(en, i);
	fill_host(a, i);
	fill_cgroups(en, i);
	i->registry_config = ARENA_NEW(a, struct api_registry_config);
	fill_registry(a, c, i->registry_config);
	fill_runtimes(a, c, i);
	fill_security(a, en, c, i);
	fill_warnings(a, i);
	i->id = en->id;
	i->images = (int64_t)store_image_count(en->store);
	i->driver = store_driver_name(en->store);
	pairs(a, store_driver_status(en->store), &i->driver_status);
	model_strs_add(a, &i->plugins.volume, "local");
	for (size_t k = 0; k < ARRAY_LEN(networks); k++)
		model_strs_add(a, &i->plugins.network, networks[k]);
	for (size_t k = 0; k < ARRAY_LEN(logs); k++)
		model_strs_add(a, &i->plugins.log, logs[k]);
	i->debug = c->debug;
	i->logging_driver = str_empty(c->log_driver) ? "json-file" : c->log_driver;
	i->n_events_listener = events_listeners(en->events);
	i->index_server_address = "https://index.docker.io/v1/";
	i->docker_root_dir = c->data_root;
	i->http_proxy = c->http_proxy;
	i->https_proxy = c->https_proxy;
	i->no_proxy = c->no_proxy;
	for (size_t k = 0; k < c->labels.n; k++)
		model_strs_add(a, &i->labels, c->labels.v[k]);
	i->experimental_build = false;
	i->server_version = ENGINE_DOCKER_VERSION;
	i->swarm.local_node_state = "inactive";
	i->live_restore_enabled = true;
	i->init_binary = "hoy-init";
	i->containerd_commit.id = "N/A";
	i->runc_commit.id = HOY_VERSION;
	i->init_commit.id = HOY_VERSION;
	i->firewall_backend = ARENA_NEW(a, struct api_firewall_info);
	i->firewall_backend->driver = c->iptables ? "nftables" : "none";
	*out = i;
	return 0;
}

static void add_component(struct arena *a, struct api_version *v, const char *name, const char *version)
{
	struct api_version_component *c = model_list_add(a, &v->components);

	c->name = name;
	c->version = version;
	model_map_put(a, &c->details, "GitCommit", "");
}

int engine_version(struct engine *en, struct arena *a, struct api_version **out, struct err **e)
{
	struct api_version *v = ARENA_NEW(a, struct api_version);
	struct utsname u;

	(void)en;
	(void)e;
	if (uname(&u) < 0)
		memset(&u, 0, sizeof(u));
	v->platform.name = "hoy " HOY_VERSION;
	v->version = ENGINE_DOCKER_VERSION;
	v->api_version = ENGINE_API_MAX;
	v->min_api_version = ENGINE_API_MIN;
	v->git_commit = "";
	v->go_version = "";
	v->os = "linux";
	v->arch = arena_strdup(a, go_arch(u.machine));
	v->kernel_version = arena_strdup(a, u.release);
	v->build_time = "";
	struct api_version_component *c = model_list_add(a, &v->components);
	c->name = "Engine";
	c->version = ENGINE_DOCKER_VERSION;
	const struct {
		const char *k, *v;
	} details[] = {
		{ "ApiVersion", v->api_version },
		{ "Arch", v->arch },
		{ "BuildTime", v->build_time },
		{ "Experimental", "false" },
		{ "GitCommit", v->git_commit },
		{ "GoVersion", v->go_version },
		{ "KernelVersion", v->kernel_version },
		{ "MinAPIVersion", v->min_api_version },
		{ "Os", v->os },
	};
	for (size_t i = 0; i < ARRAY_LEN(details); i++)
		model_map_put(a, &c->details, details[i].k, details[i].v);
	add_component(a, v, "hoyd", HOY_VERSION);
	add_component(a, v, "hoy-runtime", HOY_VERSION);
	add_component(a, v, "hoy-init", HOY_VERSION);
	*out = v;
	return 0;
}
