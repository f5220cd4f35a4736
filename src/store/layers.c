/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store-internal.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

struct layer no_layer;

struct layer *layer_ref_locked(struct layer *l)
{
	if (l && l != &no_layer)
		l->refs++;
	return l;
}

void layer_unref_locked(struct store *s, struct layer *l, struct layer **dead)
{
	while (l && l != &no_layer) {
		assert(l->refs > 0);
		if (--l->refs > 0)
			return;
		struct layer *parent = l->parent;
		(void)map_del(&s->layers, l->chain);
		/* Dead layers are chained by `parent`, the topmost first. */
		struct layer **end = dead;
		while (*end)
			end = &(*end)->parent;
		l->parent = NULL;
		*end = l;
		l = parent;
	}
}

int layers_forget(struct store *s, struct layer *dead, struct err **e)
{
	for (struct layer *l = dead; l; l = l->parent)
		if (db_exec(s->db, e, "DELETE FROM layers WHERE chain = ?", "s", l->chain) < 0)
			return -1;
	return 0;
}

static bool blob_in_use(struct store *s, const char *blob)
{
	int64_t n;
	if (db_get_i64(s->db, 0, &n, NULL, "SELECT count(*) FROM layers WHERE blob = ?", "s", blob) < 0)
		return true;
	return n > 0;
}

void layers_bury(struct store *s, struct layer *dead, struct store_changes *changes)
{
	while (dead) {
		struct layer *l = dead;
		dead = l->parent;
		int r = trash(s, s->layers_fd, l->chain);
		if (r < 0)
			log_warn(log_kv("layer", l->chain), "cannot remove layer; next start tries again");
		if (!blob_in_use(s, l->blob))
			(void)trash(s, s->blobs_fd, l->blob);
		if (changes) {
			cleanup_free char *text = xasprintf("sha256:%s", l->chain);
			change_add(changes, STORE_DELETED, text, NULL, true);
			changes->reclaimed += l->size;
		}
		free(l);
	}
}

int layer_release(struct store *s, struct layer *l, struct err **e)
{
	struct layer *dead = NULL;
	if (!l || l == &no_layer)
		return 0;
	pthread_mutex_lock(&s->lock);
	bool last = l->refs == 1;
	if (!last)
		l->refs--;
	pthread_mutex_unlock(&s->lock);
	if (!last)
		return 0;
	/* Nobody may publish the same layer between its leaving the table and its directory's going. */
	pthread_mutex_lock(&s->ingest);
	pthread_mutex_lock(&s->lock);
	layer_unref_locked(s, l, &dead);
	pthread_mutex_unlock(&s->lock);
	int r = layers_forget(s, dead, e);
	layers_bury(s, dead, NULL);
	pthread_mutex_unlock(&s->ingest);
	return r;
}

void chain_of(const char *parent, const char *diff, char out[HEX + 1])
{
	if (!parent) {
		memcpy(out, diff, HEX + 1);
		return;
	}
	char text[2 * DIGEST_LEN + 2];
	int n = snprintf(text, sizeof(text), "sha256:%s sha256:%s", parent, diff);
	sha256_of(text, (size_t)n, out);
}

int layer_open_all(struct store *s, const struct layer *top, int *fds, size_t *n, struct err **e)
{
	char path[HEX + 8];
	size_t i = 0;
	for (const struct layer *l = top; l && l != &no_layer; l = l->parent, i++) {
		(void)snprintf(path, sizeof(path), "%s/diff", l->chain);
		fds[i] = fs_open_at(s->layers_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
		if (fds[i] < 0) {
			int r = fds[i];
			while (i-- > 0)
				fd_close(&fds[i]);
			return err_sys_class(e, ERR_DATA_LOSS, -r, "layer sha256:%s", l->chain);
		}
	}
	*n = i;
	return 0;
}

/* Rows come in the order of insertion, parents first. */
int layers_load(struct store *s, struct err **e)
{
	cleanup_query struct db_query q = { 0 };
	int r;
	if (db_query(s->db, &q, e, "SELECT chain, diff, blob, parent, size FROM layers ORDER BY n", "") < 0)
		return -1;
	while ((r = db_step(&q, e)) > 0) {
		const char *chain = db_col_str(&q, 0), *diff = db_col_str(&q, 1), *blob = db_col_str(&q, 2);
		const char *parent = db_col_str(&q, 3);
		if (!chain || !diff || !blob || strlen(chain) != HEX || strlen(diff) != HEX ||
		    strlen(blob) != HEX)
			return err_set(e, ERR_DATA_LOSS, "images.db: damaged row in layers");
		struct layer *l = NEW(struct layer);
		memcpy(l->chain, chain, HEX);
		memcpy(l->diff, diff, HEX);
		memcpy(l->blob, blob, HEX);
		l->size = (uint64_t)db_col_i64(&q, 4);
		l->depth = 1;
		if (parent) {
			l->parent = map_get(&s->layers, parent);
			if (!l->parent) {
				free(l);
				return err_set(e, ERR_DATA_LOSS, "images.db: layer without its parent");
			}
			l->depth = l->parent->depth + 1;
			(void)layer_ref_locked(l->parent);
		}
		(void)map_put(&s->layers, l->chain, l);
	}
	return r;
}
