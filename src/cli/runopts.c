/* SPDX-License-Identifier: Apache-2.0 */
/* From the options of run and create to the engine's create request. */
#include "cli/runopts.h"

#include "base/fs.h"
#include "cli/progress.h"
#include "model/env.h"
#include "model/mounts.h"
#include "model/options.h"
#include "model/ports.h"
#include "model/reference.h"

#include <errno.h>
#include <sys/ioctl.h>

#define PROFILE_MAX ((size_t)4 << 20)

static const char *lookup_env(void *ctx, const char *name)
{
	(void)ctx;
	return getenv(name);
}

static void copy_list(const struct flags *f, const char *name, struct model_str_list *out)
{
	const struct model_str_list *l = flag_list(f, name);

	for (size_t i = 0; i < l->n; i++)
		model_strs_add(f->a, out, l->v[i]);
}

static void copy_map(const struct flags *f, const char *name, struct model_str_map *out)
{
	env_to_map(f->a, flag_list(f, name), out);
}

static int read_lines(struct cli *c, const char *flag, bool is_label, struct model_str_list *out,
		      struct err **e)
{
	const struct model_str_list *files = flag_list(&c->f, flag);

	for (size_t i = 0; i < files->n; i++) {
		cleanup_free char *text = NULL;
		size_t n = 0;
		int r = fs_read_file_at(AT_FDCWD, files->v[i], ENV_FILE_MAX, &text, &n);

		if (r < 0)
			return err_sys_class(e, ERR_INVALID, -r, "open %s", files->v[i]);
		if (env_file_parse(c->a, files->v[i], sv_n(text, n), is_label, lookup_env, NULL, out, e) < 0)
			return -1;
	}
	return 0;
}

static int build_env(struct cli *c, struct api_container_config *cfg, struct err **e)
{
	const struct model_str_list *env = flag_list(&c->f, "env"), *labels = flag_list(&c->f, "label");
	struct model_str_list kv = { 0 };

	if (read_lines(c, "env-file", false, &cfg->env, e) < 0 ||
	    read_lines(c, "label-file", true, &kv, e) < 0)
		return -1;
	for (size_t i = 0; i < env->n; i++) {
		const char *v = env->v[i], *known = strchr(v, '=') ? NULL : getenv(v);

		if (*v == '\0' || *v == '=')
			return err_set(e, ERR_INVALID, "invalid environment variable: %s", v);
		model_strs_add(c->a, &cfg->env, known ? arena_printf(c->a, "%s=%s", v, known) : v);
	}
	for (size_t i = 0; i < labels->n; i++)
		model_strs_add(c->a, &kv, labels->v[i]);
	env_to_map(c->a, &kv, &cfg->labels);
	return 0;
}

int resources_build(struct cli *c, struct api_resources *r, struct err **e)
{
	const struct flags *f = &c->f;

	(void)e;
	r->cpu_shares = flag_num(f, "cpu-shares");
	r->memory = flag_num(f, "memory");
	r->nano_cpus = flag_num(f, "cpus");
	r->blkio_weight = (uint16_t)flag_num(f, "blkio-weight");
	r->cpu_period = flag_num(f, "cpu-period");
	r->cpu_quota = flag_num(f, "cpu-quota");
	r->cpu_realtime_period = flag_num(f, "cpu-rt-period");
	r->cpu_realtime_runtime = flag_num(f, "cpu-rt-runtime");
	r->cpuset_cpus = flag_str(f, "cpuset-cpus");
	r->cpuset_mems = flag_str(f, "cpuset-mems");
	r->memory_reservation = flag_num(f, "memory-reservation");
	r->memory_swap = flag_num(f, "memory-swap");
	return 0;
}

static int build_throttle(struct cli *c, const char *flag, bool is_bytes,
			  struct api_throttle_device_list *out, struct err **e)
{
	const struct model_str_list *l = flag_list(&c->f, flag);

	for (size_t i = 0; i < l->n; i++)
		if (throttle_parse(c->a, sv_of(l->v[i]), is_bytes, model_list_add(c->a, out), e) < 0)
			return -1;
	return 0;
}

/* "all", "2", or CSV: device=0,capabilities=compute */
static int parse_gpus(struct cli *c, const char *text, struct api_device_request *out, struct err **e)
{
	struct model_str_list fields = { 0 }, *caps = model_list_add(c->a, &out->capabilities);

	if (csv_fields(c->a, sv_of(text), &fields, e) < 0)
		return -1;
	model_strs_add(c->a, caps, "gpu");
	for (size_t i = 0; i < fields.n; i++) {
		struct sv k, v;
		bool has_value = sv_cut(sv_of(fields.v[i]), '=', &k, &v), list = false;

		if (!has_value) {
			v = k;
			k = SV("count");
		}
		if (sv_eqs(k, "count")) {
			if (sv_eqs(v, "all"))
				out->count = -1;
			else if (parse_i64(v, -1, INT32_MAX, &out->count) < 0)
				return err_set(
					e, ERR_INVALID,
					"invalid count (%s): value must be either \"all\" or an integer",
					v.p);
		} else if (sv_eqs(k, "driver")) {
			out->driver = v.p;
		} else if (sv_eqs(k, "device") || sv_eqs(k, "capabilities")) {
			struct sv item;
			list = true;
			while (list) {
				list = sv_cut(v, ',', &item, &v);
				model_strs_add(c->a, sv_eqs(k, "device") ? &out->device_ids : caps,
					       arena_strndup(c->a, item.p, item.n));
			}
		} else {
			return err_set(e, ERR_INVALID, "unexpected key '%.*s' in '%s'", (int)k.n, k.p,
				       fields.v[i]);
		}
	}
	if (out->count == 0 && out->device_ids.n == 0)
		out->count = 1;
	return 0;
}

static int build_devices(struct cli *c, struct api_resources *r, struct err **e)
{
	const struct model_str_list *l = flag_list(&c->f, "device"), *gpus = flag_list(&c->f, "gpus");
	struct model_str_list cdi = { 0 };

	for (size_t i = 0; i < l->n; i++) {
		struct sv s = sv_of(l->v[i]);
		if (device_is_cdi(s))
			model_strs_add(c->a, &cdi, l->v[i]);
		else if (device_parse(c->a, s, model_list_add(c->a, &r->devices), e) < 0)
			return -1;
	}
	if (cdi.n) {
		struct api_device_request *rq = model_list_add(c->a, &r->device_requests);
		rq->driver = "cdi";
		rq->device_ids = cdi;
	}
	for (size_t i = 0; i < gpus->n; i++)
		if (parse_gpus(c, gpus->v[i], model_list_add(c->a, &r->device_requests), e) < 0)
			return -1;
	copy_list(&c->f, "device-cgroup-rule", &r->device_cgroup_rules);
	return 0;
}

static int build_more_resources(struct cli *c, struct api_resources *r, struct err **e)
{
	const struct flags *f = &c->f;
	const struct model_str_list *weights = flag_list(f, "blkio-weight-device"),
				    *ulimits = flag_list(f, "ulimit");

	if (resources_build(c, r, e) < 0 || build_devices(c, r, e) < 0)
		return -1;
	r->cgroup_parent = flag_str(f, "cgroup-parent");
	r->kernel_memory = flag_num(f, "kernel-memory");
	for (size_t i = 0; i < weights->n; i++)
		if (weight_device_parse(c->a, sv_of(weights->v[i]),
					model_list_add(c->a, &r->blkio_weight_device), e) < 0)
			return -1;
	if (build_throttle(c, "device-read-bps", true, &r->blkio_device_read_bps, e) < 0 ||
	    build_throttle(c, "device-write-bps", true, &r->blkio_device_write_bps, e) < 0 ||
	    build_throttle(c, "device-read-iops", false, &r->blkio_device_read_iops, e) < 0 ||
	    build_throttle(c, "device-write-iops", false, &r->blkio_device_write_iops, e) < 0)
		return -1;
	for (size_t i = 0; i < ulimits->n; i++)
		if (ulimit_parse(c->a, sv_of(ulimits->v[i]), model_list_add(c->a, &r->ulimits), e) < 0)
			return -1;
	r->has_memory_swappiness = true;
	r->memory_swappiness = flag_num(f, "memory-swappiness");
	r->has_oom_kill_disable = true;
	r->oom_kill_disable = flag_bool(f, "oom-kill-disable");
	r->has_pids_limit = true;
	r->pids_limit = flag_num(f, "pids-limit");
	return 0;
}

static int build_mounts(struct cli *c, struct api_create_request *rq, struct err **e)
{
	const struct model_str_list *volumes = flag_list(&c->f, "volume"),
				    *mounts = flag_list(&c->f, "mount"), *tmpfs = flag_list(&c->f, "tmpfs");
	cleanup_free char *cwd = getcwd(NULL, 0);

	for (size_t i = 0; i < volumes->n; i++) {
		const char *bind = NULL, *volume = NULL;

		if (mount_cli_volume(c->a, volumes->v[i], cwd ? cwd : "/", &bind, &volume, e) < 0)
			return -1;
		if (bind)
			model_strs_add(c->a, &rq->host_config->binds, bind);
		else
			model_strs_add(c->a, &rq->container_config.volumes, volume);
	}
	for (size_t i = 0; i < mounts->n; i++)
		if (mount_cli_parse(c->a, mounts->v[i], cwd ? cwd : "/",
				    model_list_add(c->a, &rq->host_config->mounts), e) < 0)
			return -1;
	for (size_t i = 0; i < tmpfs->n; i++) {
		struct sv path, opts;

		if (!sv_cut(sv_of(tmpfs->v[i]), ':', &path, &opts))
			opts = SV("");
		model_map_put(c->a, &rq->host_config->tmpfs, arena_strndup(c->a, path.p, path.n), opts.p);
	}
	return 0;
}

static int build_security(struct cli *c, struct api_host_config *hc, struct err **e)
{
	const struct model_str_list *l = flag_list(&c->f, "security-opt");

	for (size_t i = 0; i < l->n; i++) {
		const char *opt = l->v[i];
		const char *value = strpbrk(opt, "=:");

		if (strcmp(opt, "systempaths=unconfined") == 0) {
			model_strs_empty(c->a, &hc->masked_paths);
			model_strs_empty(c->a, &hc->readonly_paths);
			continue;
		}
		if (!value && strcmp(opt, "no-new-privileges") != 0)
			return err_set(e, ERR_INVALID, "invalid --security-opt: %s", opt);
		if (value && str_starts(opt, "seccomp") && value == opt + 7 &&
		    strcmp(value + 1, "unconfined") != 0 && strcmp(value + 1, "builtin") != 0) {
			cleanup_free char *text = NULL;
			cleanup_strbuf struct strbuf b = { 0 };
			const struct json *j;
			size_t n = 0;
			int r = fs_read_file_at(AT_FDCWD, value + 1, PROFILE_MAX, &text, &n);

			if (r < 0)
				return err_sys_class(e, ERR_INVALID, -r,
						     "opening seccomp profile (%s) failed: open %s",
						     value + 1, value + 1);
			if (json_parse(c->a, sv_n(text, n), NULL, &j, e) < 0)
				return err_wrap(e, "compacting json for seccomp profile (%s) failed",
						value + 1);
			sb_add(&b, "seccomp=");
			json_compact(&b, sv_n(text, n));
			model_strs_add(c->a, &hc->security_opt, b.p);
			continue;
		}
		model_strs_add(c->a, &hc->security_opt, opt);
	}
	return 0;
}

/* --network: a name, or CSV with name=, alias=, ip=, ip6=, mac-address=, link-local-ip=, driver-opt=, gw-priority= */
static int parse_network(struct cli *c, const char *text, const char **target,
			 struct api_endpoint_settings *ep, struct err **e)
{
	struct model_str_list fields = { 0 };

	*target = text;
	if (!strchr(text, '='))
		return 0;
	*target = "";
	if (csv_fields(c->a, sv_of(text), &fields, e) < 0)
		return -1;
	for (size_t i = 0; i < fields.n; i++) {
		struct sv k, v;
		const char *value;

		if (!sv_cut(sv_of(fields.v[i]), '=', &k, &v))
			return err_set(e, ERR_INVALID, "invalid field '%s' must be a key=value pair",
				       fields.v[i]);
		value = arena_strdup(c->a, v.p);
		if ((sv_eqs(k, "ip") || sv_eqs(k, "ip6") || sv_eqs(k, "link-local-ip")) && !ep->ipam_config)
			ep->ipam_config = ARENA_NEW(c->a, struct api_endpoint_ipam_config);
		if (sv_eqs(k, "name"))
			*target = value;
		else if (sv_eqs(k, "alias"))
			model_strs_add(c->a, &ep->aliases, value);
		else if (sv_eqs(k, "ip"))
			ep->ipam_config->ipv4_address = value;
		else if (sv_eqs(k, "ip6"))
			ep->ipam_config->ipv6_address = value;
		else if (sv_eqs(k, "link-local-ip"))
			model_strs_add(c->a, &ep->ipam_config->link_local_ips, value);
		else if (sv_eqs(k, "mac-address"))
			ep->mac_address = value;
		else if (sv_eqs(k, "driver-opt") && strchr(value, '='))
			model_map_put(c->a, &ep->driver_opts, arena_strndup(c->a, value, strcspn(value, "=")),
				      strchr(value, '=') + 1);
		else if (!sv_eqs(k, "gw-priority") ||
			 parse_i64(v, INT32_MIN, INT32_MAX, &ep->gw_priority) < 0)
			return err_set(e, ERR_INVALID, "invalid value for network option: '%s'", fields.v[i]);
	}
	return **target ? 0 : err_set(e, ERR_INVALID, "network name must be specified");
}

/* The options that say it without --network belong to the first network. */
static void endpoint_options(struct cli *c, struct api_endpoint_settings *ep)
{
	const struct flags *f = &c->f;
	const struct model_str_list *links = flag_list(f, "link"), *local = flag_list(f, "link-local-ip");

	copy_list(f, "network-alias", &ep->aliases);
	for (size_t i = 0; i < links->n; i++)
		model_strs_add(c->a, &ep->links, links->v[i]);
	if ((*flag_str(f, "ip") || *flag_str(f, "ip6") || local->n) && !ep->ipam_config)
		ep->ipam_config = ARENA_NEW(c->a, struct api_endpoint_ipam_config);
	if (*flag_str(f, "ip"))
		ep->ipam_config->ipv4_address = flag_str(f, "ip");
	if (*flag_str(f, "ip6"))
		ep->ipam_config->ipv6_address = flag_str(f, "ip6");
	for (size_t i = 0; i < local->n; i++)
		model_strs_add(c->a, &ep->ipam_config->link_local_ips, local->v[i]);
	if (*flag_str(f, "mac-address"))
		ep->mac_address = flag_str(f, "mac-address");
}

static int build_network(struct cli *c, struct api_create_request *rq, struct err **e)
{
	const struct model_str_list *nets = flag_list(&c->f, "network");
	struct api_endpoint_settings_map *map;
	size_t n = nets->n ? nets->n : 1;

	rq->networking_config = ARENA_NEW(c->a, struct api_networking_config);
	map = &rq->networking_config->endpoints_config;
	copy_list(&c->f, "link", &rq->host_config->links);
	rq->container_config.mac_address = flag_str(&c->f, "mac-address");
	for (size_t i = 0; i < n; i++) {
		struct api_endpoint_settings ep = { 0 };
		const char *target = "default";

		if (nets->n && parse_network(c, nets->v[i], &target, &ep, e) < 0)
			return -1;
		if (i == 0) {
			rq->host_config->network_mode = target;
			/* without --network, links stay with the host configuration alone */
			if (nets->n || !flag_list(&c->f, "link")->n)
				endpoint_options(c, &ep);
		}
		for (size_t k = 0; k < map->n; k++)
			if (strcmp(map->v[k].k, target) == 0)
				return err_set(e, ERR_INVALID, "network \"%s\" is specified multiple times",
					       target);
		if (i == 0 && n == 1 && model_is_zero(&api_endpoint_settings_type, &ep))
			continue;
		typeof(map->v) entry = model_list_add(c->a, map);
		entry->k = target;
		entry->v = ep;
	}
	return 0;
}

static int build_health(struct cli *c, struct api_container_config *cfg, struct err **e)
{
	const struct flags *f = &c->f;
	bool some = flag_set(f, "health-cmd") || flag_num(f, "health-interval") ||
		    flag_num(f, "health-timeout") || flag_num(f, "health-start-period") ||
		    flag_num(f, "health-start-interval") || flag_num(f, "health-retries");

	if (flag_bool(f, "no-healthcheck")) {
		if (some)
			return err_set(e, ERR_INVALID, "--no-healthcheck conflicts with --health-* options");
		cfg->healthcheck = ARENA_NEW(c->a, struct api_health_config);
		model_strs_add(c->a, &cfg->healthcheck->test, "NONE");
		return 0;
	}
	if (!some)
		return 0;
	static const char *const names[] = { "health-interval", "health-timeout", "health-start-period",
					     "health-start-interval" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (flag_num(f, names[i]) < 0)
			return err_set(e, ERR_INVALID, "--%s cannot be negative", names[i]);
	if (flag_num(f, "health-retries") < 0)
		return err_set(e, ERR_INVALID, "--health-retries cannot be negative");
	cfg->healthcheck = ARENA_NEW(c->a, struct api_health_config);
	if (*flag_str(f, "health-cmd")) {
		model_strs_add(c->a, &cfg->healthcheck->test, "CMD-SHELL");
		model_strs_add(c->a, &cfg->healthcheck->test, flag_str(f, "health-cmd"));
	}
	cfg->healthcheck->interval = flag_num(f, "health-interval");
	cfg->healthcheck->timeout = flag_num(f, "health-timeout");
	cfg->healthcheck->start_period = flag_num(f, "health-start-period");
	cfg->healthcheck->start_interval = flag_num(f, "health-start-interval");
	cfg->healthcheck->retries = flag_num(f, "health-retries");
	return 0;
}

static int build_config(struct cli *c, struct api_container_config *cfg, struct err **e)
{
	const struct flags *f = &c->f;
	const struct model_str_list *attach = flag_list(f, "attach");
	bool detach = flag_has(f, "detach") && flag_bool(f, "detach");

	cfg->hostname = flag_str(f, "hostname");
	cfg->domainname = flag_str(f, "domainname");
	cfg->user = flag_str(f, "user");
	cfg->tty = flag_bool(f, "tty");
	cfg->open_stdin = flag_bool(f, "interactive");
	cfg->working_dir = flag_str(f, "workdir");
	cfg->stop_signal = flag_str(f, "stop-signal");
	cfg->has_stop_timeout = flag_set(f, "stop-timeout");
	cfg->stop_timeout = flag_num(f, "stop-timeout");
	cfg->image = f->args.v[0];
	for (size_t i = 1; i < f->args.n; i++)
		model_strs_add(c->a, &cfg->cmd, f->args.v[i]);
	if (flag_set(f, "entrypoint"))
		model_strs_add(c->a, &cfg->entrypoint, flag_str(f, "entrypoint"));
	for (size_t i = 0; i < attach->n; i++) {
		struct sv s = sv_of(attach->v[i]);
		cfg->attach_stdin |= sv_ieqs(s, "stdin");
		cfg->attach_stdout |= sv_ieqs(s, "stdout");
		cfg->attach_stderr |= sv_ieqs(s, "stderr");
	}
	if (attach->n == 0 && !detach) {
		cfg->attach_stdout = cfg->attach_stderr = true;
		cfg->attach_stdin = cfg->open_stdin;
	}
	cfg->stdin_once = cfg->open_stdin && cfg->attach_stdin;
	return build_env(c, cfg, e) < 0 ? -1 : build_health(c, cfg, e);
}

static int build_host(struct cli *c, struct api_create_request *rq, struct err **e)
{
	struct api_host_config *hc = rq->host_config;
	const struct flags *f = &c->f;
	const struct model_str_list *expose = flag_list(f, "expose"), *publish = flag_list(f, "publish"),
				    *hosts = flag_list(f, "add-host"), *lxc = flag_list(f, "lxc-conf");

	hc->container_id_file = flag_str(f, "cidfile");
	hc->log_config.type = flag_str(f, "log-driver");
	copy_map(f, "log-opt", &hc->log_config.config);
	hc->auto_remove = flag_bool(f, "rm");
	hc->volume_driver = flag_str(f, "volume-driver");
	copy_list(f, "volumes-from", &hc->volumes_from);
	copy_map(f, "annotation", &hc->annotations);
	copy_list(f, "cap-add", &hc->cap_add);
	copy_list(f, "cap-drop", &hc->cap_drop);
	hc->cgroupns_mode = flag_str(f, "cgroupns");
	copy_list(f, "dns", &hc->dns);
	copy_list(f, "dns-option", &hc->dns_options);
	copy_list(f, "dns-search", &hc->dns_search);
	copy_list(f, "group-add", &hc->group_add);
	hc->ipc_mode = flag_str(f, "ipc");
	hc->oom_score_adj = flag_num(f, "oom-score-adj");
	hc->pid_mode = flag_str(f, "pid");
	hc->privileged = flag_bool(f, "privileged");
	hc->publish_all_ports = flag_bool(f, "publish-all");
	hc->readonly_rootfs = flag_bool(f, "read-only");
	copy_map(f, "storage-opt", &hc->storage_opt);
	hc->uts_mode = flag_str(f, "uts");
	hc->userns_mode = flag_str(f, "userns");
	hc->shm_size = flag_num(f, "shm-size");
	copy_map(f, "sysctl", &hc->sysctls);
	hc->runtime = flag_str(f, "runtime");
	hc->isolation = flag_str(f, "isolation");
	hc->has_init = flag_set(f, "init");
	hc->init = flag_bool(f, "init");
	if (restart_policy_parse(c->a, sv_of(flag_str(f, "restart")), &hc->restart_policy, e) < 0)
		return -1;
	if (hc->auto_remove && !restart_policy_is_none(&hc->restart_policy))
		return err_set(e, ERR_INVALID, "conflicting options: cannot specify both --restart and --rm");
	for (size_t i = 0; i < hosts->n; i++) {
		const char *host = NULL;
		if (extra_host_parse(c->a, sv_of(hosts->v[i]), &host, e) < 0)
			return -1;
		model_strs_add(c->a, &hc->extra_hosts, host);
	}
	for (size_t i = 0; i < lxc->n; i++)
		if (lxc_conf_parse(c->a, sv_of(lxc->v[i]), model_list_add(c->a, &hc->lxc_conf), e) < 0)
			return -1;
	for (size_t i = 0; i < publish->n; i++)
		if (ports_publish(c->a, sv_of(publish->v[i]), &rq->container_config.exposed_ports,
				  &hc->port_bindings, e) < 0)
			return -1;
	for (size_t i = 0; i < expose->n; i++)
		if (ports_expose(c->a, sv_of(expose->v[i]), &rq->container_config.exposed_ports, e) < 0)
			return -1;
	return build_security(c, hc, e) < 0 ? -1 : build_more_resources(c, &hc->resources, e);
}

int run_request_build(struct cli *c, struct run_request *out, struct err **e)
{
	struct winsize ws;

	*out = (struct run_request){ .name = flag_str(&c->f, "name"),
				     .platform = flag_str(&c->f, "platform"),
				     .pull = flag_str(&c->f, "pull"),
				     .image = c->f.args.v[0],
				     .quiet = flag_bool(&c->f, "quiet") };
	if (!*out->platform && getenv("DOCKER_DEFAULT_PLATFORM"))
		out->platform = getenv("DOCKER_DEFAULT_PLATFORM");
	if (strcmp(out->pull, "always") != 0 && strcmp(out->pull, "missing") != 0 &&
	    strcmp(out->pull, "never") != 0)
		return err_set(
			e, ERR_INVALID,
			"invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"",
			out->pull);
	out->rq.host_config = ARENA_NEW(c->a, struct api_host_config);
	if (build_config(c, &out->rq.container_config, e) < 0 || build_host(c, &out->rq, e) < 0 ||
	    build_mounts(c, &out->rq, e) < 0 || build_network(c, &out->rq, e) < 0)
		return -1;
	if (out->rq.container_config.tty && isatty(STDOUT_FILENO) &&
	    ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0)
		out->rq.host_config->console_size = (struct model_pair){ ws.ws_row, ws.ws_col };
	return 0;
}

static int post_create(struct cli *c, const struct run_request *r, const struct json **reply, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	const char *path = "/containers/create";

	if (*r->name)
		path = client_query(c->a, path, "name", r->name);
	if (*r->platform)
		path = client_query(c->a, path, "platform", r->platform);
	api_create_request_encode(&w, &r->rq);
	return cli_json(c, "POST", path, &b, reply, e);
}

static int check_cidfile(const struct run_request *r, struct err **e)
{
	const char *path = r->rq.host_config->container_id_file;

	if (*path && faccessat(AT_FDCWD, path, F_OK, 0) == 0)
		return err_set(
			e, ERR_CONFLICT,
			"container ID file found, make sure the other container isn't running or delete %s",
			path);
	return 0;
}

static int write_cidfile(const struct run_request *r, const char *id, struct err **e)
{
	const char *path = r->rq.host_config->container_id_file;
	cleanup_close int fd = -1;
	int w;

	if (!*path)
		return 0;
	fd = fs_open(path, O_WRONLY | O_CREAT | O_EXCL | O_TRUNC, 0666);
	w = fd < 0 ? fd : fd_write_full(fd, id, strlen(id));
	if (w < 0)
		return err_sys(e, -w, "failed to create the container ID file: open %s", path);
	return 0;
}

int run_request_create(struct cli *c, const struct run_request *r, const char **id, struct err **e)
{
	cleanup_err struct err *why = NULL;
	const struct json *reply = NULL;
	int created;

	if (check_cidfile(r, e) < 0)
		return -1;
	if (strcmp(r->pull, "always") == 0 && image_pull(c, r->image, r->platform, r->quiet, true, e) < 0)
		return -1;
	created = post_create(c, r, &reply, &why);
	if (created < 0 && err_class(why) == ERR_NOT_FOUND && strstr(err_text(why), "No such image") &&
	    strcmp(r->pull, "missing") == 0) {
		struct reference ref;

		if (reference_parse(c->a, sv_of(r->image), &ref, e) < 0)
			return -1;
		reference_default_tag(&ref);
		(void)fprintf(stderr, "Unable to find image '%s' locally\n", reference_familiar(c->a, &ref));
		if (image_pull(c, r->image, r->platform, r->quiet, true, e) < 0)
			return -1;
		created = post_create(c, r, &reply, e);
	} else if (created < 0) {
		err_move(e, &why);
	}
	if (created < 0)
		return -1;
	const struct json *warnings = json_get(reply, "Warnings");
	if (json_is(warnings, JSON_ARRAY)) {
		json_for_each (it, warnings)
			(void)fprintf(stderr, "WARNING: %s\n", json_str(it));
	}
	*id = json_str(json_get(reply, "Id"));
	if (str_empty(*id))
		return err_set(e, ERR_SYSTEM, "the engine gave no container ID");
	return write_cidfile(r, *id, e);
}

int start_error_code(const char *text)
{
	if (strstr(text, "executable file not found") || strstr(text, "no such file or directory") ||
	    strstr(text, "system cannot find the file specified"))
		return EXIT_NOT_FOUND;
	if (strstr(text, "permission denied") || strstr(text, "is a directory"))
		return EXIT_NOT_EXECUTABLE;
	return EXIT_USAGE;
}
