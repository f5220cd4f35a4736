/* SPDX-License-Identifier: Apache-2.0 */
/* A container's events carry its labels, its image and its name (api.md 2.6). */
#include "engine/engine-internal.h"
#include "engine/events.h"

void container_event_spec(struct container *c, const struct container_spec *s, const char *action,
			  const char *const *kv)
{
	size_t n_labels = s->config ? s->config->labels.n : 0, n_kv = 0, n = 0;

	while (kv && kv[n_kv])
		n_kv++;
	const char **all = xcalloc(2 * n_labels + 4 + n_kv + 1, sizeof(*all));
	for (size_t i = 0; i < n_labels; i++) {
		all[n++] = s->config->labels.v[i].k;
		all[n++] = s->config->labels.v[i].v ? s->config->labels.v[i].v : "";
	}
	all[n++] = "image";
	all[n++] = s->image_ref ? s->image_ref : "";
	all[n++] = "name";
	all[n++] = s->name ? s->name : "";
	for (size_t i = 0; i < n_kv; i++)
		all[n++] = kv[i];
	events_publish(c->en->events, "container", action, c->id, all);
	free(all);
}

void container_event(struct container *c, const char *action, const char *const *kv)
{
	struct container_look l;

	container_look(c, &l);
	container_event_spec(c, l.spec, action, kv);
	container_look_release(&l);
}
