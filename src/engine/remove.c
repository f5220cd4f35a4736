/* SPDX-License-Identifier: Apache-2.0 */
/* rm, prune, rename. */
#include "base/fault.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/engine-internal.h"
#include "engine/events.h"
#include "engine/filter.h"
#include "engine/spec.h"
#include "model/names.h"
#include "monitor/client.h"
#include "store/store.h"
#include "volume/volume.h"

#include <errno.h>
#include <stdio.h>

static void remove_volumes(struct engine *en, const struct container_spec *s)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		if (!s->mounts[i].is_anonymous)
			continue;
		cleanup_err struct err *e = NULL;
		if (engine_volume_remove(en, s->mounts[i].name, true, &e) < 0 && err_class(e) != ERR_CONFLICT)
			log_warn(log_kv("volume", s->mounts[i].name), "cannot remove it: %s", err_text(e));
	}
}

/* From REMOVING to gone. The row goes first of all durable things: what is left after a kill is swept at start. */
static int take_away(struct container *c, const struct container_spec *s, bool volumes, struct err **e)
{
	struct engine *en = c->en;
	if (fault_point("engine.remove.marked") < 0)
		return err_set(e, ERR_SYSTEM, "injected failure");
	container_shm_drop(c);
	if (store_snapshot_remove(en->store, c->id, e) < 0)
		return -1;
	(void)fault_point("engine.remove.snapshot");
	if (container_db_delete(en, c->id, e) < 0)
		return -1;
	(void)fault_point("engine.remove.row");
	for (size_t i = 0; i < s->n_mounts; i++)
		if (s->mounts[i].name)
			volume_release(en->volumes, s->mounts[i].name, c->id);
	if (volumes)
		remove_volumes(en, s);
	return 0;
}

int container_remove_now(struct container *c, bool force, bool volumes, struct err **e)
{
	struct engine *en = c->en;
	for (;;) {
		pthread_mutex_lock(&c->lock);
		container_settle_locked(c);
		enum life s = c->now.state;
		if (s == LIFE_GONE) {
			pthread_mutex_unlock(&c->lock);
			return err_set(e, ERR_NOT_FOUND, "No such container: %s", c->id);
		}
		if (s == LIFE_REMOVING && force) {
			/* Somebody else is at it (--rm): what was asked for is done when it is. */
			while (c->now.state == LIFE_REMOVING)
				(void)pthread_cond_wait(&c->changed, &c->lock);
			pthread_mutex_unlock(&c->lock);
			continue;
		}
		if (s == LIFE_REMOVING) {
			pthread_mutex_unlock(&c->lock);
			return err_set(e, ERR_CONFLICT, "removal of container %s is already in progress",
				       c->id);
		}
		if (!life_is_running(s))
			break;
		const char *name = c->spec->name;
		if (!force) {
			if (s == LIFE_PAUSED)
				(void)err_set(e, ERR_CONFLICT,
					      "cannot remove container \"/%s\": container is paused and must "
					      "be unpaused first",
					      name);
			else
				(void)err_set(e, ERR_CONFLICT,
					      "cannot remove container \"/%s\": container is running: stop "
					      "the container before "
					      "removing or force remove",
					      name);
			pthread_mutex_unlock(&c->lock);
			return -1;
		}
		pthread_mutex_unlock(&c->lock);
		if (container_kill_and_wait(c, e) < 0)
			return err_wrap(e, "cannot remove container %s: could not kill", c->id);
	}
	/* Locked, not running. */
	if (c->now.state == LIFE_RESTARTING && !force) {
		int r = err_set(e, ERR_CONFLICT,
				"cannot remove container \"/%s\": container is restarting: stop the "
				"container before removing or "
				"force remove",
				c->spec->name);
		pthread_mutex_unlock(&c->lock);
		return r;
	}
	struct container_spec *spec = container_spec_ref(c->spec);
	struct run *last = TAKE_PTR(c->last_run);
	int r = container_move_locked(c, LIFE_REMOVING, e);
	pending_attach_close_locked(c);
	pthread_mutex_unlock(&c->lock);
	/* Its monitor may still be taking the control group away: that needs nothing of what goes now. */
	run_unref(last);
	cleanup_err struct err *own = NULL;
	if (r == 0 && take_away(c, spec, volumes, &own) < 0) {
		pthread_mutex_lock(&c->lock);
		free(c->now.error);
		c->now.error = xstrdup(err_text(own));
		container_fire_locked(c, ENGINE_WAIT_REMOVED, c->now.exit_code, c->now.error);
		container_must_move_locked(c, LIFE_DEAD);
		pthread_mutex_unlock(&c->lock);
		err_move(e, &own);
		r = -1;
	} else if (r == 0) {
		container_unpublish(c);
		exec_container_removed(c);
		container_event_spec(c, spec, "destroy", NULL);
		pthread_mutex_lock(&c->lock);
		container_fire_locked(c, ENGINE_WAIT_REMOVED, c->now.exit_code, NULL);
		container_fire_locked(c, ENGINE_WAIT_NEXT_EXIT, c->now.exit_code, NULL);
		c->now.state = LIFE_GONE;
		container_fire_locked(c, ENGINE_WAIT_NOT_RUNNING, c->now.exit_code, NULL);
		(void)pthread_cond_broadcast(&c->changed);
		pthread_mutex_unlock(&c->lock);
		/* Nobody waits for these: no row names them, and a start sweeps them. */
		(void)fs_rmtree_at(en->containers_dirfd, c->id);
		(void)fs_rmtree_at(en->exec_dirfd, c->id);
	}
	container_spec_unref(spec);
	return r;
}

int engine_container_remove(struct engine *en, const char *ref, bool force, bool volumes, bool link,
			    struct err **e)
{
	if (link)
		return err_set(e, ERR_NOT_IMPLEMENTED, "removal of legacy links is not supported");
	cleanup_container struct container *c = container_find(en, ref, e);
	if (!c)
		return -1;
	int r = container_remove_now(c, force, volumes, e);
	/* Somebody else (--rm) was faster after our kill: what was asked for is done. */
	if (r < 0 && force && e && *e && (err_class(*e) == ERR_NOT_FOUND)) {
		err_free(*e);
		*e = NULL;
		r = 0;
	}
	return r;
}

int engine_container_prune(struct engine *en, const struct filters *f, const struct ctx *ctx,
			   struct engine_pruned *out, struct err **e)
{
	struct prune_filter pf;
	if (prune_filter_parse(f, &pf, e) < 0)
		return -1;
	pthread_mutex_lock(&en->table_lock);
	bool busy = en->prune_busy;
	en->prune_busy = true;
	pthread_mutex_unlock(&en->table_lock);
	if (busy)
		return err_set(e, ERR_CONFLICT, "a prune operation is already running");
	size_t n;
	struct container **v = container_all(en, &n);
	for (size_t i = 0; i < n && ctx_check(ctx) == 0; i++) {
		cleanup_look struct container_look l;
		container_look(v[i], &l);
		if (life_is_running(l.now.state) || l.now.state == LIFE_STARTING ||
		    l.now.state == LIFE_RESTARTING || l.now.state == LIFE_REMOVING ||
		    !prune_filter_match(&pf, f, v[i]->created_ns, &l.spec->config->labels))
			continue;
		uint64_t own = 0, below = 0;
		if (store_snapshot_usage(en->store, v[i]->id, &own, &below, NULL) < 0)
			own = 0;
		cleanup_err struct err *one = NULL;
		if (container_remove_now(v[i], false, false, &one) < 0) {
			if (err_class(one) != ERR_NOT_FOUND && err_class(one) != ERR_CONFLICT)
				log_warn(log_kv("container", v[i]->id), "prune: %s", err_text(one));
			continue;
		}
		strlist_add(&out->ids, v[i]->id);
		out->reclaimed += (int64_t)own;
	}
	container_list_free(v, n);
	pthread_mutex_lock(&en->table_lock);
	en->prune_busy = false;
	pthread_mutex_unlock(&en->table_lock);
	char text[24];
	(void)snprintf(text, sizeof(text), "%lld", (long long)out->reclaimed);
	events_publish(en->events, "container", "prune", "", log_kv("reclaimed", text));
	return 0;
}

int engine_container_rename(struct engine *en, const char *ref, const char *name, struct err **e)
{
	struct sv n;
	cleanup_container struct container *c = container_find(en, ref, e);
	if (!c)
		return -1;
	if (str_empty(name))
		return err_set(e, ERR_INVALID, "Neither old nor new names may be empty");
	if (container_name_check(sv_of(name), &n, e) < 0)
		return -1;
	cleanup_free char *clean = sv_dup(n);

	pthread_mutex_lock(&c->spec_lock);
	pthread_mutex_lock(&c->lock);
	container_settle_locked(c);
	bool going = c->now.state == LIFE_REMOVING || c->now.state == LIFE_GONE;
	struct container_spec *old = container_spec_ref(c->spec);
	pthread_mutex_unlock(&c->lock);
	int r = -1;
	struct container_spec *s = NULL;
	if (going)
		(void)err_set(e, ERR_NOT_FOUND, "No such container: %s", ref);
	else if (!strcmp(old->name, clean))
		(void)err_set(e, ERR_INVALID, "Renaming a container with the same name as its current name");
	else if (container_name_reserve(en, c, clean, e) == 0) {
		s = container_spec_clone(old);
		s->name = arena_strdup(s->arena, clean);
		r = container_db_update_spec(c, s, e);
		if (r < 0) {
			container_name_release(en, c, clean);
			container_spec_unref(s);
		}
	}
	if (r == 0) {
		(void)fault_point("engine.rename.recorded");
		pthread_mutex_lock(&c->lock);
		container_set_spec_locked(c, s);
		pthread_mutex_unlock(&c->lock);
		container_name_release(en, c, old->name);
		cleanup_free char *slash = xasprintf("/%s", old->name);
		container_event(c, "rename", log_kv("oldName", slash));
	}
	pthread_mutex_unlock(&c->spec_lock);
	container_spec_unref(old);
	return r;
}
