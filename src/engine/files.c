/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/files.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/engine-internal.h"
#include "engine/images-internal.h"
#include "engine/spec.h"
#include "model/oci.gen.h"
#include "store/changes.h"
#include "store/files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- the root --- */

static int running_root(const struct container_now *now, int *fd)
{
	char path[40];
	unsigned long long start;

	(void)snprintf(path, sizeof(path), "/proc/%d/root", now->pid);
	*fd = fs_open(path, O_PATH | O_DIRECTORY, 0);
	if (*fd < 0)
		return *fd;
	/* the pid may have been another's by the time it was opened */
	if (proc_start_time(now->pid, &start) < 0 || (int64_t)start != now->pid_start) {
		fd_close(fd);
		return -ESRCH;
	}
	return 0;
}

static int root_open(struct container *c, int *fd, struct err **e)
{
	struct container_look cleanup_look l;

	container_look(c, &l);
	if (l.now.state == LIFE_REMOVING || l.now.state == LIFE_DEAD || l.now.state == LIFE_GONE)
		return err_set(e, ERR_CONFLICT, "container %s is marked for removal", c->id);
	if (life_is_running(l.now.state) && l.now.pid > 0 && running_root(&l.now, fd) == 0)
		return 0;
	return store_snapshot_mount(c->en->store, c->id, 0, -1, fd, e);
}

/* Docker's words for a path that is not there. */
static int say_not_found(struct err **e, struct err **why, const char *path, const char *ref)
{
	if (err_class(*why) == ERR_NOT_FOUND)
		return err_set(e, ERR_NOT_FOUND, "Could not find the file %s in container %s", path, ref);
	err_move(e, why);
	return -1;
}

/* --- cp --- */

int engine_container_stat_path(struct engine *en, const char *ref, const char *path, struct strbuf *json,
			       struct err **e)
{
	cleanup_container struct container *c = container_find(en, ref, e);
	cleanup_close int root = -1;
	cleanup_err struct err *why = NULL;

	if (!c || root_open(c, &root, e) < 0)
		return -1;
	if (store_files_stat(en->store, root, path, json, &why) < 0)
		return say_not_found(e, &why, path, ref);
	return 0;
}

int engine_container_get_archive(struct engine *en, const char *ref, const char *path,
				 void (*on_stat)(void *ctx, struct sv json), void *ctx,
				 const struct store_sink *sink, struct err **e)
{
	cleanup_container struct container *c = container_find(en, ref, e);
	cleanup_close int root = -1;
	cleanup_err struct err *why = NULL;

	if (!c || root_open(c, &root, e) < 0)
		return -1;
	if (store_files_get(en->store, root, path, on_stat, ctx, sink, &why) < 0)
		return say_not_found(e, &why, path, ref);
	container_event(c, "archive-path", NULL);
	return 0;
}

/* A read-only root takes nothing, but a volume on it may. */
static bool is_read_only(const struct container_spec *s, const char *path)
{
	if (!s->host->readonly_rootfs)
		return false;
	for (size_t i = 0; i < s->n_mounts; i++) {
		const char *dst = s->mounts[i].destination;
		size_t n = strlen(dst);
		if (!s->mounts[i].read_only && str_starts(path, dst) && (path[n] == '/' || !path[n]))
			return false;
	}
	return true;
}

int engine_container_put_archive(struct engine *en, const char *ref, const char *path, bool no_overwrite,
				 bool copy_uid_gid, const struct store_source *src, struct err **e)
{
	cleanup_container struct container *c = container_find(en, ref, e);
	cleanup_arena struct arena *a = arena_new();
	cleanup_close int root = -1;
	cleanup_err struct err *why = NULL;
	struct store_put how = { .no_overwrite = no_overwrite };
	struct oci_user user;

	if (!c)
		return -1;
	struct container_look cleanup_look l;
	container_look(c, &l);
	if (is_read_only(l.spec, path))
		return err_set(e, ERR_FORBIDDEN, "container rootfs is marked read-only");
	if (root_open(c, &root, e) < 0)
		return -1;
	if (copy_uid_gid && !str_empty(l.spec->config->user)) {
		if (spec_user(root, l.spec->config->user, NULL, a, &user, e) < 0)
			return -1;
		how.has_owner = true;
		how.uid = user.uid;
		how.gid = user.gid;
	}
	if (store_files_put(en->store, root, path, &how, src, &why) < 0)
		return say_not_found(e, &why, path, ref);
	container_event(c, "extract-to-dir", NULL);
	return 0;
}

/* --- export, diff, commit --- */

int engine_container_export(struct engine *en, const char *ref, const struct store_sink *sink, struct err **e)
{
	cleanup_container struct container *c = container_find(en, ref, e);
	cleanup_close int root = -1;

	/* a second mount of the same layers: only what is in them, no volumes, no /proc */
	if (!c || store_snapshot_mount(en->store, c->id, STORE_MOUNT_READONLY, -1, &root, e) < 0 ||
	    store_files_export(en->store, root, sink, e) < 0)
		return -1;
	container_event(c, "export", NULL);
	return 0;
}

int engine_container_changes(struct engine *en, const char *ref, struct strbuf *json, struct err **e)
{
	cleanup_container struct container *c = container_find(en, ref, e);

	if (!c || store_snapshot_changes(en->store, c->id, json, e) < 0)
		return -1;
	if (sv_eqs(sb_sv(json), "[]")) {
		sb_reset(json);
		sb_add(json, "null");
	}
	return 0;
}

/* The container's configuration as an image's: the same member names, so JSON is the bridge. */
static int image_config(struct arena *a, const struct container_spec *s, struct oci_image_config **out,
			struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);

	api_container_config_encode(&w, s->config);
	if (oci_image_config_parse(a, sv_n(arena_strndup(a, b.p, b.n), b.n), out, e) < 0)
		return -1;
	struct oci_image_config *c = *out;
	/* what belongs to the run, not to the image */
	c->hostname = c->domainname = NULL;
	c->attach_stdin = c->attach_stdout = c->attach_stderr = false;
	c->tty = c->open_stdin = c->stdin_once = false;
	return 0;
}

static void merge(struct arena *a, struct oci_image_config *c, const struct oci_image_config *over)
{
	if (!str_empty(over->user))
		c->user = over->user;
	if (over->cmd.n)
		c->cmd = over->cmd;
	if (over->entrypoint.n)
		c->entrypoint = over->entrypoint;
	if (!str_empty(over->working_dir))
		c->working_dir = over->working_dir;
	if (!str_empty(over->stop_signal))
		c->stop_signal = over->stop_signal;
	if (over->healthcheck)
		c->healthcheck = over->healthcheck;
	for (size_t i = 0; i < over->env.n; i++) {
		size_t n = strcspn(over->env.v[i], "="), k;
		for (k = 0; k < c->env.n; k++)
			if (strncmp(c->env.v[k], over->env.v[i], n + 1) == 0)
				break;
		if (k < c->env.n)
			c->env.v[k] = over->env.v[i];
		else
			model_strs_add(a, &c->env, over->env.v[i]);
	}
	for (size_t i = 0; i < over->labels.n; i++)
		model_map_put(a, &c->labels, over->labels.v[i].k, over->labels.v[i].v);
	for (size_t i = 0; i < over->exposed_ports.n; i++)
		if (!model_strs_has(&c->exposed_ports, over->exposed_ports.v[i]))
			model_strs_add(a, &c->exposed_ports, over->exposed_ports.v[i]);
	for (size_t i = 0; i < over->volumes.n; i++)
		if (!model_strs_has(&c->volumes, over->volumes.v[i]))
			model_strs_add(a, &c->volumes, over->volumes.v[i]);
}

static int commit_config(struct arena *a, const struct container_spec *s, const struct engine_commit *rq,
			 struct oci_image_config **out, struct err **e)
{
	struct oci_image_config *over;

	if (image_config(a, s, out, e) < 0)
		return -1;
	if (rq->config.n && !sv_eqs(sv_trim(rq->config), "null")) {
		if (oci_image_config_parse(a, rq->config, &over, e) < 0)
			return -1;
		merge(a, *out, over);
	}
	for (size_t i = 0; i < rq->n_changes; i++)
		if (image_config_change(a, *out, rq->changes[i], e) < 0)
			return -1;
	return 0;
}

int engine_container_commit(struct engine *en, const char *ref, const struct engine_commit *rq, char **id,
			    struct err **e)
{
	cleanup_container struct container *c = container_find(en, ref, e);
	cleanup_arena struct arena *a = arena_new();
	cleanup_image struct store_image *parent = NULL;
	cleanup_strbuf struct strbuf command = { 0 };
	cleanup_free char *shown = NULL;
	struct oci_image_config *config;

	if (!c)
		return -1;
	struct container_look cleanup_look l;
	container_look(c, &l);
	if (l.now.state == LIFE_REMOVING || l.now.state == LIFE_DEAD || l.now.state == LIFE_GONE)
		return err_set(e, ERR_CONFLICT,
			       "You cannot commit container %s which is Dead or Removal In Progress", c->id);
	if (commit_config(a, l.spec, rq, &config, e) < 0)
		return -1;
	/* an image that was forced away leaves the layers, but no history to go on */
	if (store_image_find(en->store, l.spec->image_id, &parent, e) < 0)
		return -1;
	sb_add(&command, l.spec->path ? l.spec->path : "");
	for (size_t i = 0; i < l.spec->n_args; i++)
		sb_addf(&command, " %s", l.spec->args[i]);
	const struct store_commit how = {
		.parent = parent,
		.config = config,
		.author = rq->author,
		.comment = rq->comment,
		.created_by = sb_str(&command),
		.container = c->id,
		.repo = rq->repo,
		.tag = rq->tag,
	};
	bool paused =
		rq->pause && l.now.state == LIFE_RUNNING && engine_container_pause(en, c->id, NULL) == 0;
	int r = store_snapshot_commit(en->store, c->id, &how, id, &shown, e);
	if (paused && engine_container_unpause(en, c->id, r < 0 ? NULL : e) < 0 && r == 0) {
		free(*id);
		*id = NULL;
		return -1;
	}
	if (r == 0)
		container_event(c, "commit",
				log_kv("comment", rq->comment ? rq->comment : "", "imageID", *id, "imageRef",
				       shown ? shown : ""));
	return r;
}
