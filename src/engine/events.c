/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/events.h"

#include "base/clock.h"
#include "base/ctx.h"
#include "base/fs.h"
#include "base/list.h"
#include "base/mem.h"
#include "model/api.gen.h"
#include "model/filters.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

/* One event, shared by the ring and the queues; immutable; one allocation. */
struct kept {
	unsigned int refs; /* under events->lock */
	struct event ev;
	struct model_str_map attrs;
	char bytes[];
};

struct events {
	pthread_mutex_t lock;
	struct kept *ring[EVENTS_KEPT];
	uint64_t n; /* published so far: ring[n % EVENTS_KEPT] is the next place */
	struct list subs;
	unsigned int n_subs;
	int64_t last_ns;
};

struct event_sub {
	struct events *bus;
	struct list link;
	struct event_range range;
	int fd; /* eventfd: something is queued */
	/* under bus->lock */
	struct kept **queue;
	size_t head, n, cap; /* a ring of `cap` places */
	/* the listener's */
	struct kept *current;
};

struct events *events_new(void)
{
	struct events *ev = NEW(struct events);

	(void)pthread_mutex_init(&ev->lock, NULL);
	list_init(&ev->subs);
	return ev;
}

static void unref_locked(struct kept *k)
{
	if (k && --k->refs == 0)
		free(k);
}

void events_free(struct events *ev)
{
	if (!ev)
		return;
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		unref_locked(ev->ring[i]);
	(void)pthread_mutex_destroy(&ev->lock);
	free(ev);
}

unsigned int events_listeners(struct events *ev)
{
	(void)pthread_mutex_lock(&ev->lock);
	unsigned int n = ev->n_subs;
	(void)pthread_mutex_unlock(&ev->lock);
	return n;
}

/* --- making one --- */

static void print(struct strbuf *b, const char *type, const char *action, const char *id, int64_t ns,
		  const struct model_str_map *attrs)
{
	bool is_container = !strcmp(type, "container"), is_image = !strcmp(type, "image");
	struct api_event ev = {
		.status = is_container || is_image ? action : NULL,
		.id = is_container || is_image ? id : NULL,
		.from = is_container ? model_map_get(attrs, "image") : NULL,
		.type = type,
		.action = action,
		.actor = { .id = id, .attributes = *attrs },
		.scope = "local",
		.time = ns / NS_PER_SEC,
		.time_nano = ns,
	};
	struct jw w = jw_to(b);

	api_event_encode(&w, &ev);
}

static char *put(char **at, const char *s)
{
	size_t n = strlen(s) + 1;
	char *out = memcpy(*at, s, n);

	*at += n;
	return out;
}

static struct kept *make(const char *type, const char *action, const char *id, int64_t ns,
			 const char *const *kv)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_strbuf struct strbuf json = { 0 };
	struct model_str_map attrs = { 0 };

	model_map_put(a, &attrs, "", "");
	model_map_del(&attrs, ""); /* empty, not nil: printed as {} */
	for (size_t i = 0; kv && kv[i]; i += 2)
		model_map_put(a, &attrs, kv[i], kv[i + 1] ? kv[i + 1] : "");
	print(&json, type, action, id, ns, &attrs);

	size_t n = strlen(type) + strlen(action) + strlen(id) + json.n + 4;
	model_for_each(it, &attrs)
	{
		n += strlen(it->k) + strlen(it->v) + 2;
	}
	size_t pairs_n = attrs.n * sizeof(*attrs.v);
	struct kept *k = xcalloc(1, sizeof(*k) + pairs_n + n);
	char *at = k->bytes + pairs_n;
	k->attrs = (struct model_str_map){ .v = (struct model_str_entry *)(void *)k->bytes, .n = attrs.n };
	for (size_t i = 0; i < attrs.n; i++) {
		k->attrs.v[i].k = put(&at, attrs.v[i].k);
		k->attrs.v[i].v = put(&at, attrs.v[i].v);
	}
	k->ev.time_ns = ns;
	k->ev.type = put(&at, type);
	k->ev.action = put(&at, action);
	k->ev.id = put(&at, id);
	k->ev.json = sv_n(put(&at, json.p), json.n);
	return k;
}

/* --- who wants it --- */

/* exec_create, exec_start and health_status carry a suffix; asked for without it, they match by prefix. */
static bool matches_action(const struct filters *f, const char *action)
{
	const struct model_str_list *l = filters_get(f, "event");

	if (model_strs_has(l, "exec_create") || model_strs_has(l, "exec_start") ||
	    model_strs_has(l, "health_status"))
		return filters_prefix(f, "event", action);
	return filters_exact(f, "event", action);
}

/* The beginning of the actor's id, or of its name. */
static bool matches_actor(const struct filters *f, const char *key, const struct kept *k, const char *name)
{
	return filters_prefix(f, key, k->ev.id) || (name && filters_prefix(f, key, name));
}

/* "repo:tag" without the tag; a registry's port is no tag. */
static char *without_tag(const char *s)
{
	const char *colon = strrchr(s, ':');

	return !colon || strchr(colon, '/') ? xstrdup(s) : xstrndup(s, (size_t)(colon - s));
}

static bool matches_image(const struct filters *f, const struct kept *k)
{
	if (!filters_has(f, "image"))
		return true;
	const char *name = model_map_get(&k->attrs, !strcmp(k->ev.type, "image") ? "name" : "image");
	cleanup_free char *id_bare = without_tag(k->ev.id), *name_bare = without_tag(name ? name : "");
	return filters_exact(f, "image", k->ev.id) || filters_exact(f, "image", id_bare) ||
	       (name && (filters_exact(f, "image", name) || filters_exact(f, "image", name_bare)));
}

static bool wanted(const struct event_range *r, const struct kept *k)
{
	static const char *const actors[] = { "daemon",  "container", "plugin", "volume", "network",
					      "service", "node",      "secret", "config" };
	const struct filters *f = r->filters;

	if (r->until_ns && k->ev.time_ns > r->until_ns)
		return false;
	if (!f)
		return true;
	if (!matches_action(f, k->ev.action) || !filters_exact(f, "type", k->ev.type) ||
	    !filters_exact(f, "scope", "local") || !matches_image(f, k) ||
	    !filters_labels(f, "label", &k->attrs))
		return false;
	const char *name = model_map_get(&k->attrs, "name");
	for (size_t i = 0; i < ARRAY_LEN(actors); i++)
		if (!matches_actor(f, actors[i], k, name))
			return false;
	return true;
}

/* --- the bus --- */

static void enqueue_locked(struct event_sub *s, struct kept *k)
{
	uint64_t one = 1;

	if (s->n == EVENTS_QUEUE_MAX) {
		unref_locked(s->queue[s->head]);
		s->head = (s->head + 1) % s->cap;
		s->n--;
	}
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 16;
		struct kept **q = xcalloc(cap, sizeof(struct kept *));
		for (size_t i = 0; i < s->n; i++)
			q[i] = s->queue[(s->head + i) % s->cap];
		free(s->queue);
		s->queue = q;
		s->cap = cap;
		s->head = 0;
	}
	k->refs++;
	s->queue[(s->head + s->n++) % s->cap] = k;
	if (write(s->fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: the listener has been told long ago */
}

void events_publish(struct events *ev, const char *type, const char *action, const char *id,
		    const char *const *kv)
{
	int64_t now = clock_now_ns();

	(void)pthread_mutex_lock(&ev->lock);
	/* times grow strictly, so that `since` the last one seen neither repeats nor skips */
	if (now <= ev->last_ns)
		now = ev->last_ns + 1;
	ev->last_ns = now;
	/* made under the lock, so that times and places have one order */
	struct kept *k = make(type, action, id, now, kv);
	struct kept **place = &ev->ring[ev->n++ % EVENTS_KEPT];
	unref_locked(*place);
	*place = k;
	k->refs = 1;
	list_for_each (it, &ev->subs) {
		struct event_sub *s = LIST_ENTRY(it, struct event_sub, link);
		if (wanted(&s->range, k))
			enqueue_locked(s, k);
	}
	(void)pthread_mutex_unlock(&ev->lock);
}

int events_subscribe(struct events *ev, const struct event_range *r, struct event_sub **out, struct err **e)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return err_sys(e, errno, "create the event descriptor");
	struct event_sub *s = NEW(struct event_sub);
	s->bus = ev;
	s->range = *r;
	s->fd = fd;
	(void)pthread_mutex_lock(&ev->lock);
	if (r->since_ns) {
		uint64_t first = ev->n > EVENTS_KEPT ? ev->n - EVENTS_KEPT : 0;
		for (uint64_t i = first; i < ev->n; i++) {
			struct kept *k = ev->ring[i % EVENTS_KEPT];
			if (k->ev.time_ns >= r->since_ns && wanted(r, k))
				enqueue_locked(s, k);
		}
	}
	list_add_tail(&ev->subs, &s->link);
	ev->n_subs++;
	(void)pthread_mutex_unlock(&ev->lock);
	*out = s;
	return 0;
}

void events_unsubscribe(struct event_sub *s)
{
	if (!s)
		return;
	(void)pthread_mutex_lock(&s->bus->lock);
	list_del(&s->link);
	s->bus->n_subs--;
	for (size_t i = 0; i < s->n; i++)
		unref_locked(s->queue[(s->head + i) % s->cap]);
	unref_locked(s->current);
	(void)pthread_mutex_unlock(&s->bus->lock);
	(void)close(s->fd);
	free(s->queue);
	free(s);
}

static struct kept *take(struct event_sub *s)
{
	struct kept *k = NULL;

	(void)pthread_mutex_lock(&s->bus->lock);
	unref_locked(s->current);
	if (s->n) {
		k = s->queue[s->head];
		s->head = (s->head + 1) % s->cap;
		s->n--;
	}
	s->current = k;
	(void)pthread_mutex_unlock(&s->bus->lock);
	return k;
}

int events_next(struct event_sub *s, const struct ctx *ctx, const struct event **out)
{
	for (;;) {
		uint64_t count;
		struct kept *k = take(s);
		if (k) {
			*out = &k->ev;
			return 1;
		}
		int timeout_ms = -1;
		if (s->range.until_ns) {
			int64_t left = s->range.until_ns - clock_now_ns();
			if (left <= 0)
				return 0;
			timeout_ms = (int)MIN(left / NS_PER_MS + 1, (int64_t)3600 * 1000);
		}
		struct pollfd p = { .fd = s->fd, .events = POLLIN };
		int r = ctx_poll(ctx, &p, 1, timeout_ms);
		if (r < 0)
			return -ECANCELED;
		if (r > 0 && read(s->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
			return -ECANCELED;
	}
}
