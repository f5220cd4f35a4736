/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "engine/engine-internal.h"

#include <errno.h>

struct engine_wait {
	struct container *c;
	struct waiter *w; /* NULL: over already */
	int32_t exit_code;
};

int engine_wait_condition_parse(const char *s, enum engine_wait_condition *out, struct err **e)
{
	if (str_empty(s) || str_eq(s, "not-running"))
		*out = ENGINE_WAIT_NOT_RUNNING;
	else if (str_eq(s, "next-exit"))
		*out = ENGINE_WAIT_NEXT_EXIT;
	else if (str_eq(s, "removed"))
		*out = ENGINE_WAIT_REMOVED;
	else
		return err_set(e, ERR_INVALID, "invalid condition: \"%s\"", s);
	return 0;
}

int engine_container_wait_begin(struct engine *en, const char *ref, enum engine_wait_condition cond,
				struct engine_wait **out, struct err **e)
{
	cleanup_container struct container *c = container_find(en, ref, e);
	if (!c)
		return -1;
	struct engine_wait *w = NEW(struct engine_wait);
	pthread_mutex_lock(&c->lock);
	bool over = c->now.state == LIFE_GONE ||
		    (cond == ENGINE_WAIT_NOT_RUNNING && !life_is_running(c->now.state) &&
		     c->now.state != LIFE_STARTING && c->now.state != LIFE_RESTARTING);
	w->exit_code = c->now.exit_code;
	if (!over)
		w->w = waiter_add_locked(c, cond);
	int sys = errno;
	pthread_mutex_unlock(&c->lock);
	if (!over && !w->w) {
		free(w);
		return err_sys(e, sys, "wait for the container");
	}
	w->c = TAKE_PTR(c);
	*out = w;
	return 0;
}

int engine_container_wait_end(struct engine_wait *w, const struct ctx *ctx, struct arena *a,
			      int64_t *exit_code, const char **message, struct err **e)
{
	*message = NULL;
	*exit_code = w->exit_code;
	if (!w->w)
		return 0;
	int r = waiter_wait(w->w, ctx, -1);
	if (r < 0)
		return err_sys_class(e, ERR_CANCELLED, -r, "wait for the container");
	pthread_mutex_lock(&w->c->lock);
	*exit_code = w->w->exit_code;
	if (w->w->message)
		*message = arena_strdup(a, w->w->message);
	pthread_mutex_unlock(&w->c->lock);
	return 0;
}

void engine_wait_free(struct engine_wait *w)
{
	if (!w)
		return;
	waiter_remove(w->c, w->w);
	container_unref(w->c);
	free(w);
}
