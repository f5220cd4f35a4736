/* SPDX-License-Identifier: Apache-2.0 */
#include "model/validate.h"

#include "model/caps.h"
#include "model/env.h"
#include "model/mounts.h"
#include "model/options.h"
#include "model/ports.h"
#include "model/signals.h"
#include "model/size.h"

#include <errno.h>

#define MIN_MEMORY INT64_C(6291456) /* 6 MiB: less does not even start */
#define MAX_CPUSET 8192u

#define INVALID(e, ...) err_set((e), ERR_INVALID, __VA_ARGS__)

static void warn(struct arena *a, struct model_str_list *warnings, const char *text)
{
	if (warnings)
		model_strs_add(a, warnings, text);
}

static bool in_list(const char *s, const char *const *list)
{
	for (; *list; list++) {
		if (str_eq(s, *list))
			return true;
	}
	return false;
}

/* --- Config --- */

static int check_ms(const char *what, int64_t ns, struct err **e)
{
	if (ns && ns < 1000000)
		return INVALID(e, "%s in Healthcheck cannot be less than 1ms", what);
	return 0;
}

int validate_health(const struct api_health_config *h, struct err **e)
{
	if (!h)
		return 0;
	if (check_ms("Interval", h->interval, e) < 0 || check_ms("Timeout", h->timeout, e) < 0)
		return -1;
	if (h->retries < 0)
		return INVALID(e, "Retries in Healthcheck cannot be negative");
	if (check_ms("StartPeriod", h->start_period, e) < 0 ||
	    check_ms("StartInterval", h->start_interval, e) < 0)
		return -1;
	return 0;
}

int validate_config(struct arena *a, struct api_container_config *c, struct err **e)
{
	int sig;

	if (!str_empty(c->working_dir)) {
		if (c->working_dir[0] != '/')
			return INVALID(
				e, "the working directory '%s' is invalid, it needs to be an absolute path",
				c->working_dir);
		c->working_dir = path_clean(a, c->working_dir);
	}
	if (!str_empty(c->stop_signal) && signal_check(sv_of(c->stop_signal), &sig, e) < 0)
		return -1;
	if (env_check(&c->env, e) < 0 || ports_check_exposed(&c->exposed_ports, e) < 0)
		return -1;
	return validate_health(c->healthcheck, e);
}

/* --- resources --- */

static int check_memory(struct arena *a, struct api_resources *r, const struct validate_host *h,
			struct model_str_list *w, struct err **e)
{
	if (r->has_memory_swappiness && r->memory_swappiness == -1)
		r->has_memory_swappiness = false;
	if (r->memory != 0 && r->memory < MIN_MEMORY)
		return INVALID(e, "Minimum memory limit allowed is 6MB");
	if (r->memory > 0 && h->no_memory_limit) {
		warn(a, w,
		     "Your kernel does not support memory limit capabilities or the cgroup is not mounted. "
		     "Limitation discarded.");
		r->memory = 0;
		r->memory_swap = -1;
	}
	if (r->memory > 0 && r->memory_swap != -1 && h->no_swap_limit) {
		warn(a, w,
		     "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
		     "Memory "
		     "limited without swap.");
		r->memory_swap = -1;
	}
	if (r->memory > 0 && r->memory_swap > 0 && r->memory_swap < r->memory)
		return INVALID(e, "Minimum memoryswap limit should be larger than memory limit, see usage");
	if (r->memory == 0 && r->memory_swap > 0 && !h->is_update)
		return INVALID(
			e, "You should always set the Memory limit when using Memoryswap limit, see usage");
	if (r->has_memory_swappiness) {
		if (r->memory_swappiness < 0 || r->memory_swappiness > 100)
			return INVALID(e, "Invalid value: %lld, valid memory swappiness range is 0-100",
				       (long long)r->memory_swappiness);
		if (h->cgroup_v2 || h->no_memory_limit) {
			warn(a, w,
			     "Your kernel does not support memory swappiness capabilities or the cgroup is "
			     "not "
			     "mounted. Memory swappiness discarded.");
			r->has_memory_swappiness = false;
		}
	}
	if (r->memory_reservation > 0 && h->no_memory_limit) {
		warn(a, w,
		     "Your kernel does not support memory soft limit capabilities or the cgroup is not "
		     "mounted. "
		     "Limitation discarded.");
		r->memory_reservation = 0;
	}
	if (r->memory_reservation > 0 && r->memory_reservation < MIN_MEMORY)
		return INVALID(e, "Minimum memory reservation allowed is 6MB");
	if (r->memory > 0 && r->memory_reservation > 0 && r->memory < r->memory_reservation)
		return INVALID(
			e, "Minimum memory limit can not be less than memory reservation limit, see usage");
	if (r->kernel_memory > 0) {
		if (r->kernel_memory < MIN_MEMORY)
			return INVALID(e, "Minimum kernel memory limit allowed is 6MB");
		warn(a, w,
		     "Specifying a kernel memory limit is deprecated and will be removed in a future "
		     "release.");
		r->kernel_memory = 0;
	}
	if (r->kernel_memory_tcp > 0) {
		warn(a, w,
		     "Your kernel does not support kernel memory TCP limit capabilities or the cgroup is not "
		     "mounted. "
		     "Limitation discarded.");
		r->kernel_memory_tcp = 0;
	}
	if (r->has_oom_kill_disable && r->oom_kill_disable) {
		if (h->cgroup_v2 || h->no_memory_limit) {
			warn(a, w, "Your kernel does not support OomKillDisable. OomKillDisable discarded.");
			r->has_oom_kill_disable = false;
		} else if (!r->memory) {
			warn(a, w,
			     "OOM killer is disabled for the container, but no memory limit is set, this can "
			     "result "
			     "in the system running out of resources.");
		}
	}
	return 0;
}

static int check_cpu(struct arena *a, struct api_resources *r, const struct validate_host *h,
		     struct model_str_list *w, struct err **e)
{
	if (r->nano_cpus > 0 && r->cpu_period > 0)
		return INVALID(e, "Conflicting options: Nano CPUs and CPU Period cannot both be set");
	if (r->nano_cpus > 0 && r->cpu_quota > 0)
		return INVALID(e, "Conflicting options: Nano CPUs and CPU Quota cannot both be set");
	if (r->nano_cpus > 0 && h->no_cpu_cfs)
		return INVALID(e, "NanoCPUs can not be set, as your kernel does not support CPU CFS "
				  "scheduler or the cgroup "
				  "is not mounted");
	if (r->nano_cpus < 0 || (h->n_cpus && r->nano_cpus > (int64_t)h->n_cpus * 1000000000))
		return INVALID(e, "Range of CPUs is from 0.01 to %u.00, as there are only %u CPUs available",
			       h->n_cpus, h->n_cpus);
	if (r->cpu_shares < 0)
		return INVALID(e, "invalid CPU shares (%lld): value must be a positive integer",
			       (long long)r->cpu_shares);
	if (h->no_cpu_cfs && (r->cpu_period || r->cpu_quota)) {
		warn(a, w, "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.");
		r->cpu_period = r->cpu_quota = 0;
	}
	if (r->cpu_period && (r->cpu_period < 1000 || r->cpu_period > 1000000))
		return INVALID(e, "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s "
				  "(i.e. 1000000)");
	if (r->cpu_quota > 0 && r->cpu_quota < 1000)
		return INVALID(e, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
	if (r->cpu_percent > 0) {
		warn(a, w, "linux does not support CPU percent. Percent discarded.");
		r->cpu_percent = 0;
	}
	if (r->cpu_count > 0) {
		warn(a, w, "linux does not support CPU count. Count discarded.");
		r->cpu_count = 0;
	}
	if (r->cpu_realtime_period > 0 && h->no_cpu_rt)
		return INVALID(e, "kernel does not support CPU real-time scheduler");
	if (r->cpu_realtime_runtime != 0 && h->no_cpu_rt)
		return INVALID(e, "kernel does not support CPU real-time scheduler");
	if (r->cpu_realtime_period != 0 && r->cpu_realtime_runtime != 0 &&
	    r->cpu_realtime_runtime > r->cpu_realtime_period)
		return INVALID(e, "cpu real-time runtime cannot be higher than cpu real-time period");
	return 0;
}

/* Every number of `asked` is in the list of what there is. */
static bool subset(const char *asked, const char *there)
{
	unsigned char want[MAX_CPUSET / 8] = { 0 }, have[MAX_CPUSET / 8] = { 0 };

	if (cpu_list_parse(sv_of(asked), MAX_CPUSET, want) < 0 ||
	    cpu_list_parse(sv_of(there), MAX_CPUSET, have) < 0)
		return false;
	for (size_t i = 0; i < sizeof(want); i++) {
		if (want[i] & ~have[i])
			return false;
	}
	return true;
}

static int check_cpuset(const struct api_resources *r, const struct validate_host *h, struct err **e)
{
	if (!str_empty(r->cpuset_cpus)) {
		if (cpu_list_parse(sv_of(r->cpuset_cpus), UINT32_MAX, NULL) < 0)
			return INVALID(e, "Invalid value %s for cpuset cpus: invalid format: %s",
				       r->cpuset_cpus, r->cpuset_cpus);
		if (h->cpus && !subset(r->cpuset_cpus, h->cpus))
			return INVALID(e, "Requested CPUs are not available - requested %s, available: %s",
				       r->cpuset_cpus, h->cpus);
	}
	if (!str_empty(r->cpuset_mems)) {
		if (cpu_list_parse(sv_of(r->cpuset_mems), UINT32_MAX, NULL) < 0)
			return INVALID(e, "Invalid value %s for cpuset mems: invalid format: %s",
				       r->cpuset_mems, r->cpuset_mems);
		if (h->mems && !subset(r->cpuset_mems, h->mems))
			return INVALID(
				e, "Requested memory nodes are not available - requested %s, available: %s",
				r->cpuset_mems, h->mems);
	}
	return 0;
}

static int check_devices(const struct api_resources *r, struct err **e)
{
	struct device_rule rule;

	for (size_t i = 0; i < r->devices.n; i++) {
		const struct api_device_mapping *d = &r->devices.v[i];
		if (str_empty(d->path_on_host))
			return INVALID(e, "invalid device specification: the host path is empty");
		if (!str_empty(d->cgroup_permissions) && !device_mode_is_valid(sv_of(d->cgroup_permissions)))
			return INVALID(e, "bad mode specified: %s", d->cgroup_permissions);
	}
	for (size_t i = 0; i < r->device_cgroup_rules.n; i++) {
		const char *s = r->device_cgroup_rules.v[i];
		if (device_rule_parse(sv_of(s ? s : ""), &rule, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < r->ulimits.n; i++) {
		if (ulimit_check(&r->ulimits.v[i], e) < 0)
			return -1;
	}
	return 0;
}

static int check_blkio(const struct api_resources *r, struct err **e)
{
	if (r->blkio_weight > 0 && (r->blkio_weight < 10 || r->blkio_weight > 1000))
		return INVALID(e, "Range of blkio weight is from 10 to 1000");
	if (r->io_maximum_bandwidth)
		return INVALID(
			e, "Invalid QoS settings: linux does not support configuration of maximum bandwidth");
	if (r->io_maximum_iops)
		return INVALID(e,
			       "Invalid QoS settings: linux does not support configuration of maximum IOPs");
	for (size_t i = 0; i < r->blkio_weight_device.n; i++) {
		uint16_t v = r->blkio_weight_device.v[i].weight;
		if (v && (v < 10 || v > 1000))
			return INVALID(e, "Range of blkio weight is from 10 to 1000");
	}
	return 0;
}

int validate_resources(struct arena *a, struct api_resources *r, const struct validate_host *h,
		       struct model_str_list *w, struct err **e)
{
	if (check_memory(a, r, h, w, e) < 0)
		return -1;
	if (r->has_pids_limit && r->pids_limit > 0 && h->no_pids_limit) {
		warn(a, w,
		     "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. "
		     "PIDs limit "
		     "discarded.");
		r->pids_limit = 0;
	}
	if (check_cpu(a, r, h, w, e) < 0 || check_cpuset(r, h, e) < 0 || check_blkio(r, e) < 0 ||
	    check_devices(r, e) < 0)
		return -1;
	return 0;
}

int validate_update(struct arena *a, struct api_update_request *rq, const struct validate_host *host,
		    struct model_str_list *w, struct err **e)
{
	struct validate_host h = *host;

	h.is_update = true;
	if (validate_resources(a, &rq->resources, &h, w, e) < 0)
		return -1;
	return restart_policy_check(&rq->restart_policy, e);
}

/* --- log options --- */

int validate_log_config(const struct api_log_config *l, const char *const *drivers, struct err **e)
{
	static const char *const file_keys[] = { "max-file",
						 "max-size",
						 "compress",
						 "labels",
						 "labels-regex",
						 "env",
						 "env-regex",
						 "tag",
						 "mode",
						 "max-buffer-size",
						 "cache-disabled",
						 "cache-max-size",
						 "cache-max-file",
						 "cache-compress",
						 NULL };
	const char *type = str_empty(l->type) ? "json-file" : l->type;
	uint64_t files = 1;
	int64_t size;
	bool compress = false;

	if (drivers && !in_list(type, drivers))
		return INVALID(e, "error looking up logging plugin %s: plugin \"%s\" not found", type, type);
	const char *mode = model_map_get(&l->config, "mode");
	if (mode && !in_list(mode, (const char *const[]){ "", "blocking", "non-blocking", NULL }))
		return INVALID(e, "logger: logging mode not supported: %s", mode);
	const char *buffer = model_map_get(&l->config, "max-buffer-size");
	if (buffer) {
		if (!str_eq(mode, "non-blocking"))
			return INVALID(
				e,
				"logger: max-buffer-size option is only supported with 'mode=non-blocking'");
		if (size_parse_ram(sv_of(buffer), &size, NULL) < 0)
			return INVALID(e, "error parsing option max-buffer-size: invalid size: '%s'", buffer);
	}
	if (!str_eq(type, "json-file") && !str_eq(type, "local"))
		return 0;
	for (size_t i = 0; i < l->config.n; i++) {
		const char *k = l->config.v[i].k, *v = l->config.v[i].v ? l->config.v[i].v : "";
		if (!in_list(k, file_keys))
			return INVALID(e, "unknown log opt '%s' for %s log driver", k, type);
		if (str_eq(k, "max-size") && !str_eq(v, "-1") && size_parse_human(sv_of(v), &size, NULL) < 0)
			return INVALID(e, "invalid value for max-size: %s", v);
		if (str_eq(k, "max-file")) {
			if (parse_u64(sv_of(v), INT32_MAX, &files) < 0)
				return INVALID(e, "invalid value for max-file: %s", v);
			if (files < 1)
				return INVALID(e, "max-file cannot be less than 1");
		}
		if (str_eq(k, "compress") && parse_bool(sv_of(v), &compress) < 0)
			return INVALID(e, "invalid value for compress: %s", v);
	}
	if (compress && str_eq(type, "json-file") && (files < 2 || !model_map_get(&l->config, "max-size")))
		return INVALID(e,
			       "compress cannot be true when max-file is less than 2 or max-size is not set");
	return 0;
}

/* --- HostConfig --- */

#define CONTAINER_UNDEFINED "This would result in undefined behavior"

static int check_network_mode(const struct api_container_config *c, const struct api_host_config *hc,
			      struct err **e)
{
	const char *net = hc->network_mode ? hc->network_mode : "";
	const char *other = mode_container(net);
	bool host = str_eq(net, "host");

	if ((other && !*other) || str_eq(net, "container"))
		return INVALID(e, "Invalid network mode: invalid container format container:<name|id>");
	if (str_eq(hc->uts_mode, "host") && !str_empty(c->hostname))
		return INVALID(e, "conflicting options: hostname and the UTS mode");
	if (host && hc->links.n)
		return INVALID(e, "conflicting options: host type networking can't be used with "
				  "links. " CONTAINER_UNDEFINED);
	if (!other)
		return 0;
	if (!str_empty(c->hostname))
		return INVALID(e, "conflicting options: hostname and the network mode");
	if (hc->links.n)
		return INVALID(e, "conflicting options: container type network can't be used with "
				  "links. " CONTAINER_UNDEFINED);
	if (hc->dns.n)
		return INVALID(e, "conflicting options: dns and the network mode");
	if (hc->extra_hosts.n)
		return INVALID(e, "conflicting options: custom host-to-IP mapping and the network mode");
	if (hc->port_bindings.n || hc->publish_all_ports)
		return INVALID(e, "conflicting options: port publishing and the container type network mode");
	if (c->exposed_ports.n)
		return INVALID(e, "conflicting options: port exposing and the container type network mode");
	if (!str_empty(c->mac_address))
		return INVALID(e, "conflicting options: mac-address and the network mode");
	return 0;
}

static int check_modes(const struct api_host_config *hc, struct err **e)
{
	const char *pid = hc->pid_mode ? hc->pid_mode : "", *ipc = hc->ipc_mode ? hc->ipc_mode : "";
	const char *pid_of = mode_container(pid), *ipc_of = mode_container(ipc);

	if (pid_of ? !*pid_of : !in_list(pid, (const char *const[]){ "", "host", NULL }))
		return INVALID(e, "invalid PID mode: %s", pid);
	if (ipc_of ? !*ipc_of
		   : !in_list(ipc, (const char *const[]){ "", "none", "private", "shareable", "host", NULL }))
		return INVALID(e, "invalid IPC mode: %s", ipc);
	if (!str_empty(hc->uts_mode) && !str_eq(hc->uts_mode, "host"))
		return INVALID(e, "invalid UTS mode: %s", hc->uts_mode);
	if (!str_empty(hc->userns_mode) && !str_eq(hc->userns_mode, "host"))
		return INVALID(e, "invalid user namespace mode: %s", hc->userns_mode);
	if (!in_list(hc->cgroupns_mode ? hc->cgroupns_mode : "",
		     (const char *const[]){ "", "private", "host", NULL }))
		return INVALID(e, "invalid cgroup namespace mode: %s", hc->cgroupns_mode);
	if (!in_list(hc->isolation ? hc->isolation : "", (const char *const[]){ "", "default", NULL }))
		return INVALID(e, "Invalid isolation: \"%s\" - linux only supports 'default'", hc->isolation);
	return 0;
}

static int check_sysctls(const struct api_container_config *c, const struct api_host_config *hc,
			 struct err **e)
{
	struct sysctl_scope scope = {
		.host_net = str_eq(hc->network_mode, "host"),
		.host_ipc = str_eq(hc->ipc_mode, "host"),
		.host_uts = str_eq(hc->uts_mode, "host"),
		.has_hostname = true, /* the engine gives every container one */
		.has_domainname = !str_empty(c->domainname),
	};

	for (size_t i = 0; i < hc->sysctls.n; i++) {
		if (!*hc->sysctls.v[i].k)
			return INVALID(e, "invalid sysctl: the name is empty");
		if (sysctl_check(hc->sysctls.v[i].k, &scope, e) < 0)
			return -1;
	}
	return 0;
}

static int check_names(const struct api_host_config *hc, const struct validate_host *h, struct err **e)
{
	for (size_t i = 0; i < hc->extra_hosts.n; i++) {
		if (extra_host_check(hc->extra_hosts.v[i] ? hc->extra_hosts.v[i] : "", e) < 0)
			return -1;
	}
	for (size_t i = 0; i < hc->annotations.n; i++) {
		if (!*hc->annotations.v[i].k)
			return INVALID(e, "invalid Annotations: the empty string is not permitted as an "
					  "annotation key");
	}
	for (size_t i = 0; i < hc->dns.n; i++) {
		if (!hc->dns.v[i] || !ip_is_valid(sv_of(hc->dns.v[i])))
			return INVALID(e, "invalid IP address in DNS: \"%s\"",
				       hc->dns.v[i] ? hc->dns.v[i] : "");
	}
	for (size_t i = 0; i < hc->links.n; i++) {
		struct sv name, alias;
		struct sv s = sv_of(hc->links.v[i] ? hc->links.v[i] : "");
		if (!s.n)
			return INVALID(e, "empty string specified for links");
		if (sv_cut(s, ':', &name, &alias) && sv_find(alias, ':') >= 0)
			return INVALID(e, "bad format for links: %.*s", (int)s.n, s.p);
	}
	if (h->runtimes && !str_empty(hc->runtime) && !in_list(hc->runtime, h->runtimes))
		return INVALID(e, "unknown or invalid runtime name: %s", hc->runtime);
	if (h->systemd_cgroup && !str_empty(hc->resources.cgroup_parent) &&
	    (!str_ends(hc->resources.cgroup_parent, ".slice") || strlen(hc->resources.cgroup_parent) <= 6))
		return INVALID(
			e, "cgroup-parent for systemd cgroup should be a valid slice named as \"xxx.slice\"");
	/* It is joined to the path of the hierarchy. */
	if (!str_empty(hc->resources.cgroup_parent) && strstr(hc->resources.cgroup_parent, ".."))
		return INVALID(e, "invalid cgroup parent: %s", hc->resources.cgroup_parent);
	return 0;
}

int validate_host_config(struct arena *a, const struct api_container_config *c, struct api_host_config *hc,
			 const struct validate_host *h, struct model_str_list *w, struct err **e)
{
	struct security_options so;

	if (hc->auto_remove && !restart_policy_is_none(&hc->restart_policy))
		return INVALID(e, "can't create 'AutoRemove' container with restart policy");
	if (check_network_mode(c, hc, e) < 0 || check_modes(hc, e) < 0 || mounts_check(a, c, hc, e) < 0 ||
	    check_names(hc, h, e) < 0 || ports_check_bindings(&hc->port_bindings, e) < 0 ||
	    restart_policy_check(&hc->restart_policy, e) < 0 ||
	    caps_check(&hc->cap_add, &hc->cap_drop, e) < 0 ||
	    security_options_parse(a, &hc->security_opt, &so, e) < 0 || check_sysctls(c, hc, e) < 0 ||
	    validate_log_config(&hc->log_config, h->log_drivers, e) < 0 ||
	    validate_resources(a, &hc->resources, h, w, e) < 0)
		return -1;
	if (hc->shm_size < 0)
		return INVALID(e, "SHM size can not be less than 0");
	if (hc->oom_score_adj < -1000 || hc->oom_score_adj > 1000)
		return INVALID(e, "Invalid value %lld, range for oom score adj is [-1000, 1000]",
			       (long long)hc->oom_score_adj);
	if (str_eq(hc->network_mode, "host") && (hc->port_bindings.n || hc->publish_all_ports))
		warn(a, w, "Published ports are discarded when using host network mode");
	return 0;
}

int validate_create(struct arena *a, struct api_create_request *rq, const struct validate_host *h,
		    struct model_str_list *w, struct err **e)
{
	if (validate_config(a, &rq->container_config, e) < 0)
		return -1;
	if (!rq->host_config)
		return 0;
	return validate_host_config(a, &rq->container_config, rq->host_config, h, w, e);
}
