/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "engine/links.h"
#include "engine/network.h"
#include "engine/spec.h"
#include "engine/view.h"
#include "store/store.h"

#include <stdio.h>

const char *view_time(struct arena *a, int64_t ns)
{
	return arena_strdup(a, clock_rfc3339nano(ns).s);
}

static struct api_container_state *state_of(const struct container_look *l, struct arena *a)
{
	struct api_container_state *s = ARENA_NEW(a, struct api_container_state);
	const struct container_now *n = &l->now;
	s->status = life_word(n->state);
	s->running = life_is_running(n->state) || n->state == LIFE_RESTARTING;
	s->paused = n->state == LIFE_PAUSED;
	s->restarting = n->state == LIFE_RESTARTING;
	s->dead = n->state == LIFE_DEAD;
	s->oom_killed = n->oom_killed;
	s->pid = life_is_running(n->state) ? n->pid : 0;
	s->exit_code = n->exit_code;
	s->error = n->error ? arena_strdup(a, n->error) : "";
	s->started_at = view_time(a, n->started_ns);
	s->finished_at = view_time(a, n->finished_ns);
	return s;
}

void view_mounts(const struct container_spec *s, struct arena *a, struct api_mount_point_list *out)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct container_mount *m = &s->mounts[i];
		if (str_eq(m->type, "tmpfs") && !m->from_mounts)
			continue;
		struct api_mount_point *p = model_list_add(a, out);
		p->type = m->type;
		p->name = m->name;
		p->source = m->source ? m->source : "";
		p->destination = m->destination;
		p->driver = m->driver;
		p->mode = m->mode ? m->mode : "";
		p->rw = !m->read_only;
		p->propagation = str_eq(m->type, "bind") && m->propagation ? m->propagation : "";
	}
}

int view_sizes(struct engine *en, const char *id, int64_t *rw, int64_t *root_fs, struct err **e)
{
	uint64_t own, below;
	if (store_snapshot_usage(en->store, id, &own, &below, e) < 0)
		return -1;
	*rw = (int64_t)own;
	*root_fs = (int64_t)(own + below);
	return 0;
}

int engine_container_inspect(struct engine *en, const char *ref, bool size, struct arena *a,
			     struct api_container_inspect **out, struct err **e)
{
	cleanup_container struct container *c = container_find(en, ref, e);
	if (!c)
		return -1;
	struct container_look l;
	container_look(c, &l);
	struct api_container_inspect *o = ARENA_NEW(a, struct api_container_inspect);
	const struct container_spec *s = l.spec;
	o->id = arena_strdup(a, c->id);
	o->created = view_time(a, c->created_ns);
	o->path = arena_strdup(a, s->path);
	model_strs_empty(a, &o->args);
	for (size_t i = 0; i < s->n_args; i++)
		model_strs_add(a, &o->args, s->args[i]);
	o->state = state_of(&l, a);
	o->image = arena_strdup(a, s->image_id);
	o->resolv_conf_path = arena_printf(a, "%s/%s/resolv.conf", en->containers_dir, c->id);
	o->hostname_path = arena_printf(a, "%s/%s/hostname", en->containers_dir, c->id);
	o->hosts_path = arena_printf(a, "%s/%s/hosts", en->containers_dir, c->id);
	o->log_path = c->log_path ? arena_strdup(a, c->log_path) : "";
	o->name = arena_printf(a, "/%s", s->name);
	o->restart_count = l.now.restart_count;
	o->driver = "overlay2";
	o->platform = "linux";
	o->app_armor_profile = "";
	exec_list_ids(c, a, &o->exec_ids);

	/* The reply outlives the spec: copies. */
	o->config = api_container_config_dup(a, s->config);
	o->host_config = api_host_config_dup(a, s->host);
	if (s->host->links.n)
		links_show(s, a, &o->host_config->links);
	/* null asks for the default: inspect shows what that is, as dockerd does. */
	struct spec_paths paths;
	spec_system_paths(s, &paths);
	if (!o->host_config->masked_paths.v && !s->host->privileged) {
		for (size_t i = 0; i < paths.n_masked; i++)
			model_strs_add(a, &o->host_config->masked_paths, paths.masked[i]);
		for (size_t i = 0; i < paths.n_read_only; i++)
			model_strs_add(a, &o->host_config->readonly_paths, paths.read_only[i]);
	}

	cleanup_strlist struct strlist pairs = { 0 };
	o->graph_driver.name = "overlay2";
	if (store_snapshot_describe(en->store, c->id, &pairs, NULL) == 0)
		for (size_t i = 0; i + 1 < pairs.n; i += 2)
			model_map_put(a, &o->graph_driver.data, pairs.v[i], pairs.v[i + 1]);

	struct api_mount_point_list mounts = { 0 };
	view_mounts(s, a, &mounts);
	struct api_network_settings ns = { 0 };
	network_describe(c, &l, a, &ns);
	/* Shallow views of the spec's strings: copied like the configs. */
	struct api_container_inspect tmp = { .mounts = mounts, .network_settings = &ns };
	struct api_container_inspect *deep = api_container_inspect_dup(a, &tmp);
	o->mounts = deep->mounts;
	o->network_settings = deep->network_settings;

	int r = 0;
	if (size) {
		r = view_sizes(en, c->id, &o->size_rw, &o->size_root_fs, e);
		o->has_size_rw = o->has_size_root_fs = r == 0;
	}
	container_look_release(&l);
	if (r == 0)
		*out = o;
	return r;
}
