/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create: everything about a container is checked and decided here, so that start only does. Order of what lasts:
 * snapshot and volumes, then the row; a kill in between leaves things no row names, which the next start sweeps.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/links.h"
#include "engine/network.h"
#include "engine/spec.h"
#include "kernel/caps.h"
#include "kernel/seccomp.h"
#include "model/env.h"
#include "model/mounts.h"
#include "model/names.h"
#include "model/options.h"
#include "model/platform.h"
#include "model/ports.h"
#include "model/signals.h"
#include "model/validate.h"
#include "store/store.h"
#include "volume/copy.h"
#include "volume/volume.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define NAME_ATTEMPTS 32

bool path_exists(const char *path)
{
	cleanup_close int fd = fs_open(path, O_PATH, 0);
	return fd >= 0;
}

/* --- the image's defaults --- */

static bool is_nil(const struct model_str_list *l)
{
	return l->v == NULL;
}

/* Docker's runconfig.Merge. */
static void merge_image(struct api_container_config *c, const struct oci_image_config *ic, struct arena *a)
{
	if (str_empty(c->user))
		c->user = ic->user;
	model_for_each(it, &ic->exposed_ports) if (!model_strs_has(&c->exposed_ports, *it))
		model_strs_add(a, &c->exposed_ports, *it);
	env_inherit(a, &c->env, &ic->env);
	model_for_each(it, &ic->labels) if (!model_map_get(&c->labels, it->k))
		model_map_put(a, &c->labels, it->k, it->v);
	/* A client's entrypoint also drops the image's command. */
	if (!c->entrypoint.n) {
		if (!c->cmd.n)
			c->cmd = ic->cmd;
		if (is_nil(&c->entrypoint))
			c->entrypoint = ic->entrypoint;
	}
	if (str_empty(c->working_dir))
		c->working_dir = ic->working_dir;
	model_for_each(it, &ic->volumes) if (!model_strs_has(&c->volumes, *it))
		model_strs_add(a, &c->volumes, *it);
	if (str_empty(c->stop_signal))
		c->stop_signal = ic->stop_signal;
	if (is_nil(&c->on_build))
		c->on_build = ic->on_build;
	if (is_nil(&c->shell))
		c->shell = ic->shell;
}

/* --- checks --- */

/* What the machine has, for validate.h. */
struct facts {
	struct validate_host host;
	char cpus[256], mems[256];
};

void engine_facts(const struct engine *en, const struct api_resources *r, struct validate_host *out,
		  char *cpus, char *mems, size_t n)
{
	*out = (struct validate_host){
		.n_cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
		.no_memory_limit = !(en->cgroups.ctls & CG_MEMORY),
		.no_pids_limit = !(en->cgroups.ctls & CG_PIDS),
		.cgroup_v2 = en->cgroups.mode == CGROUP_V2,
	};
	if (!str_empty(r->cpuset_cpus) &&
	    fs_read_small_at(AT_FDCWD, "/sys/devices/system/cpu/online", cpus, n) > 0)
		out->cpus = cpus;
	if (!str_empty(r->cpuset_mems) &&
	    fs_read_small_at(AT_FDCWD, "/sys/devices/system/node/online", mems, n) > 0)
		out->mems = mems;
}

/* The request alone, before anything is looked up: Docker's 400s in Docker's words. */
static int check_request(struct engine *en, const struct engine_create *rq, struct arena *a,
			 struct model_str_list *warnings, struct err **e)
{
	static const char *const drivers[] = { "json-file", "none", NULL };
	struct facts f;

	engine_facts(en, &rq->host->resources, &f.host, f.cpus, f.mems, sizeof(f.cpus));
	f.host.log_drivers = drivers;
	if (validate_config(a, rq->config, e) < 0 ||
	    validate_host_config(a, rq->config, rq->host, &f.host, warnings, e) < 0)
		return -1;
	return 0;
}

/*
 * Another container that a request names must be there. That is the request's fault (400), as in Docker: a 404 would tell
 * the client that the image is missing, and it would pull.
 */
static struct container *find_named(struct engine *en, const char *ref, struct err **e)
{
	cleanup_err struct err *why = NULL;
	struct container *c = container_find(en, ref, &why);
	if (!c)
		(void)err_set(e, ERR_INVALID, "%s", err_text(why));
	return c;
}

static int check_other(struct engine *en, const char *mode, struct err **e)
{
	const char *other = mode_container(mode);
	if (!other)
		return 0;
	cleanup_container struct container *c = find_named(en, other, e);
	return c ? 0 : -1;
}

static int check_config(const struct api_container_config *c, struct err **e)
{
	int sig;
	/* The image's signal has not been looked at yet. */
	if (!str_empty(c->stop_signal) && signal_check(sv_of(c->stop_signal), &sig, e) < 0)
		return -1;
	if (!str_empty(c->hostname) && !hostname_is_valid(sv_of(c->hostname)))
		return err_set(e, ERR_INVALID, "invalid hostname format: %s", c->hostname);
	if (c->healthcheck && c->healthcheck->test.n && strcmp(c->healthcheck->test.v[0], "NONE") != 0)
		return err_set(e, ERR_NOT_IMPLEMENTED, "Config.Healthcheck is not supported");
	if (c->has_stop_timeout && c->stop_timeout < -1)
		return err_set(e, ERR_INVALID, "invalid stop timeout: %lld", (long long)c->stop_timeout);
	return 0;
}

/* What Docker has and we have not: said, not skipped. */
static int check_log(const struct api_host_config *hc, struct err **e)
{
	static const char *const missing[] = { "labels-regex", "env-regex",       "tag", "compress",
					       "mode",         "max-buffer-size", NULL };
	uint64_t n;
	if (!str_eq(hc->log_config.type, "json-file"))
		return 0;
	model_for_each(it, &hc->log_config.config)
	{
		for (size_t i = 0; missing[i]; i++)
			if (!strcmp(it->k, missing[i]) && !str_empty(it->v) && strcmp(it->v, "false") != 0 &&
			    strcmp(it->v, "blocking") != 0)
				return err_set(e, ERR_NOT_IMPLEMENTED, "log opt '%s' is not supported",
					       it->k);
		if ((!strcmp(it->k, "max-size") || !strcmp(it->k, "max-file")) &&
		    log_size_parse(it->v, &n) < 0)
			return err_set(e, ERR_INVALID, "invalid value for %s: %s", it->k, it->v);
	}
	return 0;
}

static int check_host(struct engine *en, const struct api_host_config *hc, struct err **e)
{
	cleanup_arena struct arena *a = arena_new();
	struct security_opts so;
	uint64_t caps;
	if (check_other(en, hc->pid_mode, e) < 0 || check_other(en, hc->ipc_mode, e) < 0 ||
	    links_check(en, hc, e) < 0 || check_log(hc, e) < 0 ||
	    security_opts_parse(&hc->security_opt, &so, e) < 0 || spec_caps(hc, hc->privileged, &caps, e) < 0)
		return -1;
	/* "a/b" and "a.b" name the same file: only the one form, so that the check of the name holds. */
	model_for_each(it, &hc->sysctls) if (strchr(it->k, '/') || strstr(it->k, "..")) return err_set(
		e, ERR_INVALID, "sysctl \"%s\" is not allowed: names are written with dots", it->k);
	if (hc->resources.device_requests.n)
		return err_set(e, ERR_INVALID,
			       "could not select device driver \"%s\" with capabilities: "
			       "HostConfig.DeviceRequests is "
			       "not supported",
			       hc->resources.device_requests.v[0].driver
				       ? hc->resources.device_requests.v[0].driver
				       : "");
	if (!str_empty(so.apparmor) && strcmp(so.apparmor, "unconfined") != 0 &&
	    !path_exists("/sys/kernel/security/apparmor"))
		return err_set(e, ERR_INVALID,
			       "AppArmor is not available on this host: --security-opt apparmor=%s",
			       so.apparmor);
	/* A profile of the client's is compiled now, so that nonsense is told here and not at the start. */
	if (so.seccomp) {
		struct container_spec probe = { .host = hc };
		struct seccomp_filter *spill = NULL;
		const void *bpf;
		size_t n;
		unsigned flags;
		if (seccomp_for(en, &probe, caps, a, &bpf, &n, &flags, &spill, e) < 0)
			return -1;
		if (spill)
			seccomp_filter_release(spill);
		free(spill);
	}
	if (hc->storage_opt.n)
		return err_set(e, ERR_INVALID,
			       "--storage-opt is not supported by overlay2 without project quotas: %s",
			       hc->storage_opt.v[0].k);
	if (!str_empty(hc->cgroup) && !str_starts(hc->cgroup, "container:"))
		return err_set(e, ERR_INVALID, "invalid cgroup mode: %s", hc->cgroup);
	if (!str_empty(hc->cgroup))
		return err_set(e, ERR_NOT_IMPLEMENTED, "HostConfig.Cgroup is not supported");
	if (!str_empty(hc->runtime) && strcmp(hc->runtime, cfg(en)->default_runtime) != 0 &&
	    strcmp(hc->runtime, "hoy-runtime") != 0 && strcmp(hc->runtime, "runc") != 0) {
		if (engine_config_opt(&cfg(en)->runtimes, hc->runtime))
			return err_set(e, ERR_NOT_IMPLEMENTED,
				       "HostConfig.Runtime \"%s\": foreign runtimes are not supported",
				       hc->runtime);
		return err_set(e, ERR_INVALID, "unknown or invalid runtime name: %s", hc->runtime);
	}
	if (!str_empty(hc->resources.cgroup_parent) &&
	    (strstr(hc->resources.cgroup_parent, "..") || str_ends(hc->resources.cgroup_parent, ".slice")))
		return err_set(e, ERR_INVALID, "invalid CgroupParent: %s", hc->resources.cgroup_parent);
	return 0;
}

static void host_defaults(struct engine *en, struct api_host_config *hc)
{
	if (str_empty(hc->network_mode))
		hc->network_mode = "default";
	if (str_empty(hc->ipc_mode))
		hc->ipc_mode = cfg(en)->default_ipc_mode;
	if (str_empty(hc->cgroupns_mode)) {
		const char *d = cfg(en)->default_cgroupns_mode;
		hc->cgroupns_mode = hc->privileged                  ? "host"
				    : !str_empty(d)                 ? d
				    : en->cgroups.mode == CGROUP_V2 ? "private"
								    : "host";
	}
	if (!hc->shm_size)
		hc->shm_size = cfg(en)->default_shm_size;
	if (str_empty(hc->log_config.type))
		hc->log_config.type = cfg(en)->log_driver;
	if (str_empty(hc->runtime))
		hc->runtime = cfg(en)->default_runtime;
	if (str_empty(hc->restart_policy.name))
		hc->restart_policy.name = "no";
	struct api_resources *r = &hc->resources;
	if (r->memory > 0 && r->memory_swap == 0)
		r->memory_swap = r->memory * 2;
	if (r->memory > 0 && !r->has_memory_swappiness)
		r->has_memory_swappiness = false;
}

/* --- mounts --- */

struct creating {
	struct engine *en;
	struct container *c;
	struct arena *a;
	struct store_image *img;
	struct container_mount *mounts;
	size_t n_mounts, cap_mounts;
	struct strlist held; /* volumes */
	struct strlist made; /* anonymous volumes to take away again */
	struct model_str_list warnings;
	bool has_snapshot, has_dir;
};

static struct container_mount *mount_at(struct creating *cr, const char *dst)
{
	for (size_t i = 0; i < cr->n_mounts; i++)
		if (!strcmp(cr->mounts[i].destination, dst))
			return &cr->mounts[i];
	if (cr->n_mounts == cr->cap_mounts) {
		size_t cap = cr->cap_mounts ? cr->cap_mounts * 2 : 8;
		struct container_mount *v = arena_alloc(cr->a, cap * sizeof(*v));
		if (cr->n_mounts)
			memcpy(v, cr->mounts, cr->n_mounts * sizeof(*v));
		cr->mounts = v;
		cr->cap_mounts = cap;
	}
	struct container_mount *m = &cr->mounts[cr->n_mounts++];
	*m = (struct container_mount){ .destination = dst };
	return m;
}

static const char *tmpfs_options(struct creating *cr, const struct mount_spec *m)
{
	cleanup_strbuf struct strbuf b = { 0 };
	sb_addf(&b, "%s%s%s%s", m->read_only ? "ro" : "rw", m->tmpfs_noexec ? ",noexec" : "",
		m->tmpfs_nosuid ? ",nosuid" : "", m->tmpfs_nodev ? ",nodev" : "");
	if (!str_empty(m->tmpfs_options))
		sb_addf(&b, ",%s", m->tmpfs_options);
	return arena_strdup(cr->a, sb_str(&b));
}

/* From now until the container is gone the volume stays. */
static int hold(struct creating *cr, const char *name, struct err **e)
{
	if (volume_hold(cr->en->volumes, name, cr->c->id, e) < 0)
		return -1;
	strlist_add(&cr->held, name);
	return 0;
}

static int add_volume(struct creating *cr, const struct mount_spec *m, struct container_mount *o,
		      struct err **e)
{
	bool existed = false;
	cleanup_volume struct volume *v = NULL;
	struct volume_spec vs = {
		.name = m->source, .driver = m->driver, .labels = m->labels, .options = m->driver_opts
	};
	if (volume_create(cr->en->volumes, &vs, &v, &existed, e) < 0)
		return -1;
	if (!existed) {
		if (v->is_anonymous)
			strlist_add(&cr->made, v->name);
		volume_event(cr->en, v->name, "create", log_kv("driver", v->driver));
	}
	if (hold(cr, v->name, e) < 0)
		return -1;
	o->type = "volume";
	o->name = arena_strdup(cr->a, v->name);
	o->source = arena_strdup(cr->a, v->mountpoint);
	o->driver = arena_strdup(cr->a, v->driver);
	o->is_anonymous = str_empty(m->source);
	return 0;
}

static int add_mount(struct creating *cr, const struct mount_spec *m, struct err **e)
{
	struct container_mount *o = mount_at(cr, m->target);
	*o = (struct container_mount){ .destination = m->target,
				       .mode = m->mode,
				       .propagation = m->propagation,
				       .subpath = m->subpath,
				       .read_only = m->read_only,
				       .no_copy = m->no_copy,
				       .non_recursive = m->non_recursive,
				       .ro_non_recursive = m->read_only_non_recursive,
				       .ro_force_recursive = m->read_only_force_recursive,
				       .from_mounts = m->from_mounts,
				       .create_source = m->create_source };
	switch (m->type) {
	case MOUNT_BIND:
		o->type = "bind";
		o->source = m->source;
		if (str_empty(o->propagation))
			o->propagation = "rprivate";
		if (m->from_mounts && !m->create_source && !path_exists(m->source))
			return err_set(
				e, ERR_INVALID,
				"invalid mount config for type \"bind\": bind source path does not exist: %s",
				m->source);
		/* Old -v makes the directory. */
		if (!m->from_mounts)
			o->create_source = true;
		return 0;
	case MOUNT_VOLUME: return add_volume(cr, m, o, e);
	case MOUNT_TMPFS:
		o->type = "tmpfs";
		o->options = tmpfs_options(cr, m);
		return 0;
	case MOUNT_IMAGE: return err_set(e, ERR_NOT_IMPLEMENTED, "mounts of type image are not supported");
	}
	return 0;
}

static int volumes_from(struct creating *cr, const char *raw, struct err **e)
{
	const char *ref, *mode;
	bool ro;
	if (mount_parse_volumes_from(cr->a, raw, &ref, &ro, &mode, e) < 0)
		return -1;
	cleanup_container struct container *other = find_named(cr->en, ref, e);
	if (!other)
		return -1;
	cleanup_look struct container_look l;
	container_look(other, &l);
	for (size_t i = 0; i < l.spec->n_mounts; i++) {
		const struct container_mount *m = &l.spec->mounts[i];
		if (str_eq(m->type, "tmpfs"))
			continue;
		if (m->name && hold(cr, m->name, e) < 0)
			return -1;
		struct container_mount *o = mount_at(cr, arena_strdup(cr->a, m->destination));
		const char *dst = o->destination;
		*o = *m;
		o->destination = dst;
		o->type = str_eq(m->type, "volume") ? "volume" : "bind";
		o->name = m->name ? arena_strdup(cr->a, m->name) : NULL;
		o->source = m->source ? arena_strdup(cr->a, m->source) : NULL;
		o->driver = m->driver ? arena_strdup(cr->a, m->driver) : NULL;
		o->mode = mode;
		o->propagation = m->propagation ? arena_strdup(cr->a, m->propagation) : NULL;
		o->options = NULL;
		o->subpath = m->subpath ? arena_strdup(cr->a, m->subpath) : NULL;
		o->read_only = m->read_only || ro;
		o->no_copy = true;
	}
	return 0;
}

/* Later ones win over earlier ones at the same place: the image's, others' volumes, the request's. */
static int collect_mounts(struct creating *cr, const struct api_container_config *cc,
			  const struct api_host_config *hc, struct err **e)
{
	struct mount_spec m;
	if (mounts_check(cr->a, cc, hc, e) < 0)
		return -1;
	model_for_each(it, &hc->volumes_from) if (volumes_from(cr, *it, e) < 0) return -1;
	model_for_each(it, &hc->binds) if (mount_parse_bind(cr->a, *it, hc->volume_driver, &m, e) < 0 ||
					   add_mount(cr, &m, e) < 0) return -1;
	model_for_each(it, &hc->mounts) if (mount_from_api(cr->a, it, &m, e) < 0 ||
					    add_mount(cr, &m, e) < 0) return -1;
	model_for_each(it, &hc->tmpfs) if (mount_parse_tmpfs(cr->a, it->k, it->v, &m, e) < 0 ||
					   add_mount(cr, &m, e) < 0) return -1;
	model_for_each(it, &cc->volumes)
	{
		bool there = false;
		if (mount_anonymous(cr->a, *it, &m, e) < 0)
			return -1;
		for (size_t i = 0; i < cr->n_mounts; i++)
			there |= !strcmp(cr->mounts[i].destination, m.target);
		if (!there && add_mount(cr, &m, e) < 0)
			return -1;
	}
	return 0;
}

/* What the image has at a volume's place fills a volume that is empty. */
static int copy_up(struct creating *cr, struct err **e)
{
	cleanup_close int rootfd = -1;
	for (size_t i = 0; i < cr->n_mounts; i++) {
		const struct container_mount *m = &cr->mounts[i];
		if (!str_eq(m->type, "volume") || m->no_copy || !str_empty(m->subpath))
			continue;
		cleanup_volume struct volume *v = volume_find(cr->en->volumes, m->name);
		cleanup_close int dst = v ? volume_open(cr->en->volumes, v, cr->c->id, e)
					  : err_set(e, ERR_NOT_FOUND, "get %s: no such volume", m->name);
		if (dst < 0)
			return -1;
		if (!volume_dir_is_empty(dst))
			continue;
		if (rootfd < 0 && store_snapshot_mount(cr->en->store, cr->c->id, 0, -1, &rootfd, e) < 0)
			return -1;
		cleanup_close int src = fs_open_in(rootfd, m->destination, O_RDONLY | O_DIRECTORY, 0);
		if (src >= 0 && volume_copy_tree(src, dst, e) < 0)
			return -1;
	}
	return 0;
}

/* --- put together --- */

static int choose_name(struct creating *cr, const char *want, const char **out, struct err **e)
{
	if (!str_empty(want)) {
		struct sv n;
		if (container_name_check(sv_of(want), &n, e) < 0)
			return -1;
		*out = arena_strndup(cr->a, n.p, n.n);
		return container_name_reserve(cr->en, cr->c, *out, e);
	}
	for (unsigned i = 0; i < NAME_ATTEMPTS; i++) {
		char name[NAME_RANDOM_MAX];
		name_random(name, i);
		if (container_name_reserve(cr->en, cr->c, name, NULL) == 0) {
			*out = arena_strdup(cr->a, name);
			return 0;
		}
	}
	*out = arena_strndup(cr->a, cr->c->id, 12);
	return container_name_reserve(cr->en, cr->c, *out, e);
}

static int command(const struct api_container_config *cc, struct arena *a, struct container_spec *s,
		   struct err **e)
{
	struct model_str_list argv = { 0 };
	bool cleared = cc->entrypoint.n == 1 && !*cc->entrypoint.v[0];
	if (!cleared)
		model_for_each(it, &cc->entrypoint) model_strs_add(a, &argv, *it);
	model_for_each(it, &cc->cmd) model_strs_add(a, &argv, *it);
	if (!argv.n)
		return err_set(e, ERR_INVALID, "no command specified");
	s->path = argv.v[0];
	s->args = argv.v + 1;
	s->n_args = argv.n - 1;
	return 0;
}

static char *cgroup_path_of(const struct engine *en, const struct api_host_config *hc, const char *id)
{
	const char *parent = !str_empty(hc->resources.cgroup_parent) ? hc->resources.cgroup_parent
			     : !str_empty(cfg(en)->cgroup_parent)    ? cfg(en)->cgroup_parent
								     : "/hoy";
	return xasprintf("%s%s/%s", parent[0] == '/' ? "" : "/", parent, id);
}

int container_derive(struct container *c, const struct container_spec *s, struct err **e)
{
	cleanup_strbuf struct strbuf prog = { 0 };
	c->cgroup_path = cgroup_path_of(c->en, s->host, c->id);
	if (!str_eq(s->host->log_config.type, "none"))
		c->log_path = xasprintf("%s/%s/%s-json.log", c->en->containers_dir, c->id, c->id);
	if (cgroup_ref(&c->en->cgroups, c->cgroup_path, &prog, e) < 0)
		return -1;
	c->cgroup_prog_n = prog.n;
	c->cgroup_prog = sb_take(&prog);
	return 0;
}

static void warn_if(int r, const char *id, const char *what)
{
	if (r < 0)
		log_warn(log_kv("container", id), "a %s is left by a failed create", what);
}

static void undo(struct creating *cr, const char *name)
{
	if (cr->has_snapshot)
		warn_if(store_snapshot_remove(cr->en->store, cr->c->id, NULL), cr->c->id, "snapshot");
	for (size_t i = 0; i < cr->held.n; i++)
		volume_release(cr->en->volumes, cr->held.v[i], cr->c->id);
	for (size_t i = 0; i < cr->made.n; i++)
		warn_if(volume_remove(cr->en->volumes, cr->made.v[i], true, NULL), cr->c->id, "volume");
	if (cr->has_dir)
		(void)fs_rmtree_at(cr->en->containers_dirfd, cr->c->id);
	if (name)
		container_name_release(cr->en, cr->c, name);
}

static int make(struct creating *cr, struct container_spec *s, const struct engine_create *rq, struct err **e)
{
	struct engine *en = cr->en;
	struct container *c = cr->c;
	cleanup_close int dirfd = container_data_dirfd(c, true);
	if (dirfd < 0)
		return err_sys(e, -dirfd, "create the directory of container %s", c->id);
	cr->has_dir = true;
	if (store_snapshot_create(en->store, c->id, cr->img, e) < 0)
		return -1;
	cr->has_snapshot = true;
	if (fault_point("engine.create.snapshot") < 0)
		return err_set(e, ERR_SYSTEM, "injected failure");
	if (collect_mounts(cr, rq->config, rq->host, e) < 0 || copy_up(cr, e) < 0)
		return -1;
	s->mounts = cr->mounts;
	s->n_mounts = cr->n_mounts;
	if (fault_point("engine.create.volumes") < 0)
		return err_set(e, ERR_SYSTEM, "injected failure");
	c->spec = container_spec_clone(s);
	if (container_derive(c, c->spec, e) < 0 || container_db_insert(c, e) < 0)
		return -1;
	(void)fault_point("engine.create.row");
	return 0;
}

/* Others' names are kept as IDs, so that a rename does not lead elsewhere. A container that is not there is an
 * error of start. */
static void resolve_shared(struct creating *cr, const char **mode)
{
	if (!str_starts(*mode, "container:"))
		return;
	cleanup_container struct container *other = container_find(cr->en, *mode + 10, NULL);
	if (other)
		*mode = arena_printf(cr->a, "container:%s", other->id);
}

/* An image of another platform is, for the asker, not there: the client pulls then. */
static int check_platform(struct creating *cr, const struct engine_create *rq, const struct oci_image *im,
			  struct err **e)
{
	struct platform asked, have;
	if (str_empty(rq->platform))
		return 0;
	if (platform_parse(cr->a, sv_of(rq->platform), &asked, e) < 0)
		return -1;
	have = platform_normalize(cr->a, (struct platform){ im->os, im->architecture, im->variant });
	if (!platform_matches(asked, have))
		return err_set(e, ERR_NOT_FOUND,
			       "image with reference %s was found but does not match the specified platform: "
			       "wanted %s, actual: %s",
			       rq->config->image, platform_text(cr->a, asked), platform_text(cr->a, have));
	return 0;
}

static int create(struct creating *cr, const struct engine_create *rq, struct err **e)
{
	struct engine *en = cr->en;
	struct api_container_config *cc = rq->config;
	struct container_spec s = { 0 };
	if (str_empty(cc->image))
		return err_set(e, ERR_INVALID, "No image specified");
	if (check_request(en, rq, cr->a, &cr->warnings, e) < 0)
		return -1;
	if (store_image_find(en->store, cc->image, &cr->img, e) < 0)
		return -1;
	if (cr->img->config) {
		const struct oci_image *im = cr->img->config;
		if (!str_empty(im->os) && strcmp(im->os, "linux") != 0)
			return err_set(e, ERR_INVALID,
				       "image operating system \"%s\" cannot be used on this platform",
				       im->os);
		if (check_platform(cr, rq, im, e) < 0)
			return -1;
		merge_image(cc, &im->config, cr->a);
	}
	host_defaults(en, rq->host);
	if (check_config(cc, e) < 0 || check_host(en, rq->host, e) < 0 ||
	    network_check(cc, rq->host, rq->networking, e) < 0)
		return -1;
	resolve_shared(cr, &rq->host->network_mode);
	if (!str_empty(cc->working_dir)) {
		if (cc->working_dir[0] != '/')
			return err_set(
				e, ERR_INVALID,
				"the working directory '%s' is invalid, it needs to be an absolute path",
				cc->working_dir);
		cc->working_dir = path_clean(cr->a, cc->working_dir);
	}
	if (command(cc, cr->a, &s, e) < 0)
		return -1;
	if (str_empty(cc->hostname) && !str_eq(rq->host->network_mode, "host") &&
	    !str_eq(rq->host->uts_mode, "host") && !str_starts(rq->host->network_mode, "container:"))
		cc->hostname = arena_strndup(cr->a, cr->c->id, 12);
	s.image_ref = cc->image;
	s.image_id = cr->img->id;
	s.config = cc;
	s.host = rq->host;
	s.networking = rq->networking;
	if (choose_name(cr, rq->name, &s.name, e) < 0)
		return -1;
	int r = make(cr, &s, rq, e);
	if (r < 0)
		undo(cr, s.name);
	return r;
}

int engine_container_create(struct engine *en, const struct engine_create *rq_in, struct arena *a,
			    struct api_create_response **out, struct err **e)
{
	char id[ID_LEN + 1];
	struct engine_create rq = *rq_in;
	struct creating cr = { .en = en, .a = a };
	struct platform asked;
	if (!str_empty(rq.platform) && platform_parse(a, sv_of(rq.platform), &asked, e) < 0)
		return -1;
	if (!rq.host)
		rq.host = ARENA_NEW(a, struct api_host_config);
	do
		id_new(id);
	while (container_id_taken(en, id));
	struct container *c = cr.c = container_new(en, id);
	c->created_ns = clock_now_ns();
	int r = create(&cr, &rq, e);
	store_image_unref(cr.img);
	strlist_release(&cr.made);
	strlist_release(&cr.held);
	if (r == 0) {
		c->now.state = LIFE_CREATED;
		container_publish(c);
		container_event(c, "create", NULL);
		struct api_create_response *o = ARENA_NEW(a, struct api_create_response);
		o->id = arena_strdup(a, c->id);
		o->warnings = cr.warnings;
		if (!o->warnings.v)
			model_strs_empty(a, &o->warnings);
		*out = o;
	}
	container_unref(c);
	return r;
}
