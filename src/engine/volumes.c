/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes as the API has them: volume/ with events, filters and Docker's prune rules. */
#include "base/clock.h"
#include "base/log.h"
#include "engine/engine-internal.h"
#include "engine/events.h"
#include "engine/filter.h"
#include "engine/view.h"
#include "volume/volume.h"

void volume_event(struct engine *en, const char *name, const char *action, const char *const *kv)
{
	events_publish(en->events, "volume", action, name, kv);
}

void volumes_closed(struct container *c, const struct container_spec *s)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct container_mount *m = &s->mounts[i];
		if (m->name && volume_closed(c->en->volumes, m->name, c->id))
			volume_event(c->en, m->name, "unmount",
				     log_kv("container", c->id, "driver", m->driver));
	}
}

static void to_api(const struct volume *v, struct arena *a, struct api_volume *out)
{
	struct api_volume o = { .driver = v->driver,
				.labels = v->labels,
				.mountpoint = v->mountpoint,
				.name = v->name,
				.options = v->options,
				.scope = "local" };
	/* RFC 3339 without a fraction, as Docker shows it. */
	o.created_at = view_time(a, v->created_ns - v->created_ns % NS_PER_SEC);
	model_copy(a, &api_volume_type, &o, out);
}

int engine_volume_create(struct engine *en, const struct api_volume_create_request *rq, struct arena *a,
			 struct api_volume **out, struct err **e)
{
	struct volume_spec s = {
		.name = rq->name, .driver = rq->driver, .labels = rq->labels, .options = rq->driver_opts
	};
	cleanup_volume struct volume *v = NULL;
	bool existed;
	if (volume_create(en->volumes, &s, &v, &existed, e) < 0)
		return -1;
	if (!existed)
		volume_event(en, v->name, "create", log_kv("driver", v->driver));
	*out = ARENA_NEW(a, struct api_volume);
	to_api(v, a, *out);
	return 0;
}

int engine_volume_inspect(struct engine *en, const char *name, struct arena *a, struct api_volume **out,
			  struct err **e)
{
	cleanup_volume struct volume *v = volume_find(en->volumes, name);
	if (!v)
		return err_set(e, ERR_NOT_FOUND, "get %s: no such volume", name);
	*out = ARENA_NEW(a, struct api_volume);
	to_api(v, a, *out);
	return 0;
}

int engine_volume_list(struct engine *en, const struct filters *f, struct arena *a,
		       struct api_volume_list_response **out, struct err **e)
{
	bool dangling = false, has_dangling = f && filters_has(f, "dangling");
	if (has_dangling && filters_bool(f, "dangling", false, &dangling, e) < 0)
		return -1;
	struct api_volume_list_response *o = ARENA_NEW(a, struct api_volume_list_response);
	size_t n;
	struct volume **v = volume_list(en->volumes, &n);
	o->volumes.v = ARENA_NEW(a, struct api_volume); /* [], not null */
	for (size_t i = 0; i < n; i++) {
		if (has_dangling && dangling != (volume_holders(en->volumes, v[i]->name) == 0))
			continue;
		if (f &&
		    (!filters_regex(f, "name", v[i]->name) || !filters_exact(f, "driver", v[i]->driver) ||
		     !filters_labels(f, "label", &v[i]->labels)))
			continue;
		to_api(v[i], a, model_list_add(a, &o->volumes));
	}
	volume_list_free(v, n);
	*out = o;
	return 0;
}

int engine_volume_remove(struct engine *en, const char *name, bool force, struct err **e)
{
	if (volume_remove(en->volumes, name, force, e) < 0)
		return -1;
	volume_event(en, name, "destroy", log_kv("driver", "local"));
	return 0;
}

int engine_volume_prune(struct engine *en, const struct filters *f, unsigned api_minor,
			struct engine_pruned *out, struct err **e)
{
	bool all = api_minor < 42;
	struct prune_filter pf;
	if (f && filters_has(f, "all") && filters_bool(f, "all", false, &all, e) < 0)
		return -1;
	if (prune_filter_parse(f, &pf, e) < 0)
		return -1;
	size_t n;
	struct volume **v = volume_list(en->volumes, &n);
	for (size_t i = 0; i < n; i++) {
		if ((!all && !v[i]->is_anonymous) || volume_holders(en->volumes, v[i]->name) ||
		    !prune_filter_match(&pf, f, v[i]->created_ns, &v[i]->labels))
			continue;
		int64_t size = volume_usage(v[i]);
		if (engine_volume_remove(en, v[i]->name, false, NULL) < 0)
			continue; /* taken into use meanwhile */
		strlist_add(&out->ids, v[i]->name);
		out->reclaimed += size > 0 ? size : 0;
	}
	volume_list_free(v, n);
	char text[24];
	(void)snprintf(text, sizeof(text), "%lld", (long long)out->reclaimed);
	events_publish(en->events, "volume", "prune", "", log_kv("reclaimed", text));
	return 0;
}
