/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "engine/network.h"
#include "engine/view.h"
#include "model/filters.h"
#include "model/ports.h"
#include "store/store.h"

const char *view_status(const struct container_look *l, struct arena *a)
{
	const struct container_now *n = &l->now;
	int64_t now = clock_now_ns();
	switch (n->state) {
	case LIFE_RUNNING: return arena_printf(a, "Up %s", clock_human_duration(now - n->started_ns).s);
	case LIFE_PAUSED:
		return arena_printf(a, "Up %s (Paused)", clock_human_duration(now - n->started_ns).s);
	case LIFE_RESTARTING:
		return arena_printf(a, "Restarting (%d) %s ago", n->exit_code,
				    clock_human_duration(now - n->finished_ns).s);
	case LIFE_REMOVING:
	case LIFE_GONE: return "Removal In Progress";
	case LIFE_DEAD: return "Dead";
	case LIFE_CREATING:
	case LIFE_CREATED:
	case LIFE_STARTING: return "Created";
	case LIFE_EXITED: break;
	}
	if (!n->finished_ns)
		return "";
	return arena_printf(a, "Exited (%d) %s ago", n->exit_code,
			    clock_human_duration(now - n->finished_ns).s);
}

static const char *image_shown(struct engine *en, const struct container_spec *s, struct arena *a)
{
	/* A tag that moved away shows the ID. */
	struct store_image *img = NULL;
	cleanup_err struct err *e = NULL;
	const char *shown = s->image_ref;
	if (store_image_find(en->store, s->image_ref, &img, &e) < 0 || strcmp(img->id, s->image_id) != 0)
		shown = s->image_id;
	store_image_unref(img);
	return arena_strdup(a, shown);
}

static const char *command_text(const struct container_spec *s, struct arena *a)
{
	cleanup_strbuf struct strbuf b = { 0 };
	sb_add(&b, s->path);
	for (size_t i = 0; i < s->n_args; i++) {
		if (strchr(s->args[i], ' '))
			sb_addf(&b, " '%s'", s->args[i]);
		else
			sb_addf(&b, " %s", s->args[i]);
	}
	return arena_strdup(a, sb_str(&b));
}

int view_summary(struct container *c, const struct container_look *l, bool size, struct arena *a,
		 struct api_container_summary *out, struct err **e)
{
	const struct container_spec *s = l->spec;
	struct api_container_summary o = { 0 };
	o.id = c->id;
	model_strs_add(a, &o.names, arena_printf(a, "/%s", s->name));
	o.image = image_shown(c->en, s, a);
	o.image_id = s->image_id;
	o.command = command_text(s, a);
	o.created = c->created_ns / NS_PER_SEC;
	network_ports(c, l, a, &o.ports);
	if (!o.ports.v)
		o.ports.v = ARENA_NEW(a, struct api_port);
	o.labels = s->config->labels;
	if (!o.labels.v)
		o.labels.v = ARENA_NEW(a, struct model_str_entry);
	o.state = life_word(l->now.state);
	o.status = view_status(l, a);
	o.host_config.network_mode = str_empty(s->host->network_mode) ? "default" : s->host->network_mode;
	o.host_config.annotations = s->host->annotations;
	struct api_network_settings ns = { 0 };
	struct api_summary_network_settings sum = { 0 };
	network_describe(c, l, a, &ns);
	sum.networks = ns.networks;
	o.network_settings = &sum;
	view_mounts(s, a, &o.mounts);
	if (!o.mounts.v)
		o.mounts.v = ARENA_NEW(a, struct api_mount_point);
	if (size) {
		if (view_sizes(c->en, c->id, &o.size_rw, &o.size_root_fs, e) < 0)
			return -1;
		o.has_size_rw = o.has_size_root_fs = true;
	}
	model_copy(a, &api_container_summary_type, &o, out);
	return 0;
}

/* --- filters --- */

struct list_filter {
	const struct filters *f;
	int64_t before_ns, since_ns; /* 0: none */
	const char *before_id, *since_id;
	struct model_i64_list exited;
	struct model_str_list ancestors; /* image IDs */
	bool has_ancestor, none;
};

static int exited_codes(struct list_filter *lf, struct arena *a, struct err **e)
{
	model_for_each(it, filters_get(lf->f, "exited"))
	{
		int64_t n;
		if (parse_i64(sv_of(*it), INT32_MIN, INT32_MAX, &n) < 0)
			return filters_fail_value("exited", *it, e);
		*model_list_add(a, &lf->exited) = n;
	}
	return 0;
}

static int check_words(const struct filters *f, const char *key, const char *const *words, struct err **e)
{
	model_for_each(it, filters_get(f, key))
	{
		bool ok = false;
		for (size_t i = 0; words[i]; i++)
			ok |= !strcmp(*it, words[i]);
		if (!ok)
			return filters_fail_value(key, *it, e);
	}
	return 0;
}

static int filter_prepare(struct engine *en, const struct filters *f, struct list_filter *lf, struct arena *a,
			  struct err **e)
{
	static const char *const states[] = { "created", "restarting", "running", "removing",
					      "paused",  "exited",     "dead",    NULL };
	static const char *const healths[] = { "starting", "healthy", "unhealthy", "none", NULL };
	*lf = (struct list_filter){ .f = f };
	if (!f)
		return 0;
	if (exited_codes(lf, a, e) < 0 || check_words(f, "status", states, e) < 0 ||
	    check_words(f, "health", healths, e) < 0)
		return -1;
	const struct model_str_list *before = filters_get(f, "before"), *since = filters_get(f, "since");
	if (before->n) {
		cleanup_container struct container *c = container_find(en, before->v[0], e);
		if (!c)
			return -1;
		lf->before_ns = c->created_ns;
	}
	if (since->n) {
		cleanup_container struct container *c = container_find(en, since->v[0], e);
		if (!c)
			return -1;
		lf->since_ns = c->created_ns;
	}
	lf->has_ancestor = filters_has(f, "ancestor");
	model_for_each(it, filters_get(f, "ancestor"))
	{
		struct store_image *img = NULL;
		cleanup_err struct err *own = NULL;
		if (store_image_find(en->store, *it, &img, &own) == 0)
			model_strs_add(a, &lf->ancestors, img->id);
		store_image_unref(img);
	}
	return 0;
}

static bool has_status(const struct filters *f, enum life s)
{
	return !filters_has(f, "status") || filters_exact(f, "status", life_word(s));
}

/* "80", "80/tcp", "8000-8010/udp" against one port. */
static bool port_in(const struct model_str_list *specs, unsigned port, const char *proto)
{
	model_for_each(it, specs)
	{
		struct port_range r;
		if (port_range_parse(sv_of(*it), &r, NULL) == 0 && port >= r.first && port <= r.last &&
		    str_eq(r.proto, proto))
			return true;
	}
	return false;
}

static bool ports_match(struct container *c, const struct container_look *l, const struct filters *f,
			struct arena *a)
{
	bool ok = true;
	if (filters_has(f, "publish")) {
		struct api_port_list ports = { 0 };
		bool any = false;
		network_ports(c, l, a, &ports);
		model_for_each(p, &ports) any |=
			p->public_port && port_in(filters_get(f, "publish"), p->public_port, p->type);
		ok &= any;
	}
	if (filters_has(f, "expose")) {
		bool any = false;
		model_for_each(it, &l->spec->config->exposed_ports)
		{
			struct port_range r;
			if (port_range_parse(sv_of(*it), &r, NULL) == 0)
				any |= port_in(filters_get(f, "expose"), r.first, r.proto);
		}
		ok &= any;
	}
	return ok;
}

static bool volumes_match(const struct container_spec *s, const struct filters *f)
{
	if (!filters_has(f, "volume"))
		return true;
	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct container_mount *m = &s->mounts[i];
		if ((m->name && filters_exact(f, "volume", m->name)) ||
		    filters_exact(f, "volume", m->destination) ||
		    (m->source && filters_exact(f, "volume", m->source)))
			return true;
	}
	return false;
}

static bool ancestor_match(struct engine *en, const struct list_filter *lf, const struct container_spec *s)
{
	if (!lf->has_ancestor)
		return true;
	if (model_strs_has(&lf->ancestors, s->image_id))
		return true;
	/* Images built on one of them. */
	struct store_image *img = NULL;
	bool found = false;
	if (store_image_find(en->store, s->image_id, &img, NULL) == 0) {
		for (size_t i = 0; i < lf->ancestors.n && !found; i++) {
			struct store_image *anc = NULL;
			if (store_image_find(en->store, lf->ancestors.v[i], &anc, NULL) == 0) {
				found = anc->n_layers && anc->n_layers <= img->n_layers;
				for (size_t k = 0; found && k < anc->n_layers; k++)
					found = !strcmp(anc->diff_ids[k], img->diff_ids[k]);
			}
			store_image_unref(anc);
		}
	}
	store_image_unref(img);
	return found;
}

static bool passes(struct container *c, const struct container_look *l, const struct list_filter *lf,
		   bool all, struct arena *a)
{
	const struct filters *f = lf->f;
	const struct container_spec *s = l->spec;
	bool running = life_is_running(l->now.state) || l->now.state == LIFE_RESTARTING;
	if (!f)
		return all || running;
	if (!all && !running && !filters_has(f, "status") && !filters_has(f, "exited"))
		return false;
	cleanup_free char *slash = xasprintf("/%s", s->name);
	if (!has_status(f, l->now.state) || !filters_prefix(f, "id", c->id) ||
	    (!filters_regex(f, "name", s->name) && !filters_regex(f, "name", slash)) ||
	    !filters_labels(f, "label", &s->config->labels))
		return false;
	if (lf->before_ns && c->created_ns >= lf->before_ns)
		return false;
	if (lf->since_ns && c->created_ns <= lf->since_ns)
		return false;
	if (lf->exited.n) {
		bool any = false;
		for (size_t i = 0; i < lf->exited.n; i++)
			any |= lf->exited.v[i] == l->now.exit_code;
		if (!any || l->now.state != LIFE_EXITED)
			return false;
	}
	if (filters_has(f, "health") && !filters_exact(f, "health", "none"))
		return false;
	if (filters_has(f, "is-task")) {
		bool task;
		if (filters_bool(f, "is-task", false, &task, NULL) == 0 && task)
			return false;
	}
	if (filters_has(f, "network")) {
		const char *m = network_mode(s);
		if (!filters_exact(f, "network", m))
			return false;
	}
	return volumes_match(s, f) && ports_match(c, l, f, a) && ancestor_match(c->en, lf, s);
}

int engine_container_list(struct engine *en, const struct engine_list *rq, struct arena *a,
			  struct api_container_summary_list **out, struct err **e)
{
	struct list_filter lf;
	struct api_container_summary_list *o = ARENA_NEW(a, struct api_container_summary_list);
	if (filter_prepare(en, rq->filters, &lf, a, e) < 0)
		return -1;
	size_t n;
	struct container **v = container_all(en, &n);
	int r = 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		cleanup_look struct container_look l;
		if (rq->limit > 0 && o->n >= (size_t)rq->limit)
			continue;
		container_look(v[i], &l);
		if (l.now.state == LIFE_GONE || l.now.state == LIFE_CREATING ||
		    !passes(v[i], &l, &lf, rq->all || rq->limit > 0, a))
			continue;
		cleanup_err struct err *own = NULL;
		struct api_container_summary *row = model_list_add(a, o);
		if (view_summary(v[i], &l, rq->size, a, row, &own) < 0) {
			/* Removed under our eyes: it is no longer one of them. */
			o->n--;
		}
	}
	container_list_free(v, n);
	*out = o;
	return r;
}
