/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event bus: what happened, to whom, told to whoever listens (GET /events) and kept for `since` (the last 256).
 * Verbs publish after the fact, without holding a lock; publishing never blocks on a listener: one that does not
 * keep up loses the oldest of what waits for it.
 *
 * Threads: all of it may be called from any thread. A subscription belongs to one thread.
 * container_event() (engine-internal.h) adds a container's usual attributes; it is in container-event.c.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct ctx;
struct filters;
struct events;
struct event_sub;

#define EVENTS_KEPT      256  /* for `since` */
#define EVENTS_QUEUE_MAX 4096 /* waiting for one listener */

struct events *events_new(void) __attribute__((returns_nonnull));
void events_free(struct events *ev); /* no subscription may be left; NULL is fine */

/*
 * type "container", "image", "volume", "network", "daemon"; action "start", "exec_create: sh"; id: of the actor.
 * kv: key, value pairs ended by NULL (log_kv()); a later key replaces an earlier one. May be NULL.
 */
void events_publish(struct events *ev, const char *type, const char *action, const char *id,
		    const char *const *kv);

struct event {
	int64_t time_ns;
	const char *type, *action, *id;
	struct sv json; /* the object as the API prints it, with the old status, id and from; no newline */
};

struct event_range {
	int64_t since_ns, until_ns;    /* 0: not given */
	const struct filters *filters; /* borrowed while subscribed; NULL: everything */
};
/* ERR_INVALID for a filter that is not known. */
int events_subscribe(struct events *ev, const struct event_range *r, struct event_sub **out,
		     struct err **e) NODISCARD;
void events_unsubscribe(struct event_sub *s); /* NULL is fine */
DEFINE_CLEANUP(struct event_sub *, events_unsubscribe)
#define cleanup_event_sub CLEANUP(events_unsubscribe)
/* The next event that passes the filters, valid until the next call: 1; 0 when `until` has been reached; -ECANCELED
 * when ctx ended. Waits as long as it takes. */
int events_next(struct event_sub *s, const struct ctx *ctx, const struct event **out) NODISCARD;
unsigned int events_listeners(struct events *ev); /* for /info */
