/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removal of references and images by Docker's rules. What shall go is planned against the tables, committed to the
 * database, and only then taken out of the tables: an error on the way (a full disk) changes nothing.
 */
#include "store/store-internal.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/reference.h"

#include <errno.h>
#include <stdio.h>

void change_add(struct store_changes *c, enum store_change_kind kind, const char *text, const char *image_id,
		bool is_layer)
{
	GROW(c->v, c->n, c->cap);
	c->v[c->n++] = (struct store_change){
		.kind = kind, .text = xstrdup(text), .image_id = xstrdup_opt(image_id), .is_layer = is_layer
	};
}

void store_changes_release(struct store_changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].text);
		free(c->v[i].image_id);
	}
	free(c->v);
	*c = (struct store_changes){ 0 };
}

struct short_id {
	char s[13];
};

static struct short_id short_id(const char *id)
{
	struct short_id r;
	(void)snprintf(r.s, sizeof(r.s), "%.12s",
		       str_starts(id, DIGEST_PREFIX) ? id + strlen(DIGEST_PREFIX) : id);
	return r;
}

/* What shall happen, in order; and the questions, answered as if it had happened. */
struct plan {
	struct store *s;
	unsigned flags;
	const struct store_use *uses;
	size_t n_uses;
	struct strlist untag, delete;
	struct store_changes changes;
};

static void plan_release(struct plan *p)
{
	strlist_release(&p->untag);
	strlist_release(&p->delete);
	store_changes_release(&p->changes);
}

static const struct store_use *use_of(const struct plan *p, const char *id, bool running)
{
	for (size_t i = 0; i < p->n_uses; i++)
		if (str_eq(p->uses[i].image_id, id) && p->uses[i].is_running == running)
			return &p->uses[i];
	return NULL;
}

static void refs_of(const struct plan *p, const char *id, struct strlist *out)
{
	map_for_each (it, &p->s->refs)
		if (str_eq(((struct ref *)it->value)->image, id) && !strlist_has(&p->untag, it->key))
			strlist_add(out, it->key);
}

static size_t ref_count(const struct plan *p, const char *id)
{
	cleanup_strlist struct strlist refs = { 0 };
	refs_of(p, id, &refs);
	return refs.n;
}

static bool has_children(const struct plan *p, const char *id)
{
	map_for_each (it, &p->s->images)
		if (str_eq(((struct view *)it->value)->body->parent, id) && !strlist_has(&p->delete, it->key))
			return true;
	return false;
}

/* One repository: at most one tag, and digests of the same name. */
static bool is_single_reference(const struct plan *p, const char *id)
{
	cleanup_strlist struct strlist refs = { 0 };
	const char *tag = NULL, *digest = NULL, *first = NULL;
	refs_of(p, id, &refs);
	if (refs.n <= 1)
		return true;
	for (size_t i = 0; i < refs.n; i++) {
		const struct ref *r = map_get(&p->s->refs, refs.v[i]);
		if (!first)
			first = r->name;
		if (!r->is_digest) {
			if (tag)
				return false;
			tag = r->name;
			continue;
		}
		if (digest && !str_eq(digest, r->name))
			return false;
		digest = r->name;
	}
	return digest && str_eq(digest, tag ? tag : first);
}

enum conflict { CONFLICT_HARD = 1, CONFLICT_STOPPED = 2, CONFLICT_REFERENCED = 4 };

static int check_conflicts(const struct plan *p, const char *id, unsigned mask, struct err **e)
{
	struct short_id at = short_id(id);
	const struct store_use *use;
	if (has_children(p, id))
		return err_set(
			e, ERR_CONFLICT,
			"conflict: unable to delete %s (cannot be forced) - image has dependent child images",
			at.s);
	use = use_of(p, id, true);
	if (use)
		return err_set(
			e, ERR_CONFLICT,
			"conflict: unable to delete %s (cannot be forced) - image is being used by running "
			"container %.12s",
			at.s, use->container);
	if ((mask & CONFLICT_REFERENCED) && ref_count(p, id) > 0)
		return err_set(
			e, ERR_CONFLICT,
			"conflict: unable to delete %s (must be forced) - image is referenced in multiple "
			"repositories",
			at.s);
	use = use_of(p, id, false);
	if ((mask & CONFLICT_STOPPED) && use)
		return err_set(
			e, ERR_CONFLICT,
			"conflict: unable to delete %s (must be forced) - image is being used by stopped "
			"container %.12s",
			at.s, use->container);
	return 0;
}

static void plan_untag(struct plan *p, const char *canonical)
{
	const struct ref *r = map_get(&p->s->refs, canonical);
	strlist_add(&p->untag, canonical);
	change_add(&p->changes, STORE_UNTAGGED, r->familiar, r->image, false);
}

static void plan_untag_all(struct plan *p, const char *id)
{
	cleanup_strlist struct strlist refs = { 0 };
	refs_of(p, id, &refs);
	for (size_t i = 0; i < refs.n; i++)
		plan_untag(p, refs.v[i]);
}

static int plan_delete(struct plan *p, const char *id, unsigned mask, bool quiet, struct err **e)
{
	while (id) {
		if (check_conflicts(p, id, mask, quiet ? NULL : e) < 0)
			return quiet ? 0 : -1;
		plan_untag_all(p, id);
		strlist_add(&p->delete, id);
		change_add(&p->changes, STORE_DELETED, id, id, false);
		const char *parent = view_find_locked(p->s, id)->body->parent;
		if ((p->flags & STORE_NO_PRUNE) || !parent || !view_find_locked(p->s, parent) ||
		    ref_count(p, parent) > 0)
			return 0;
		/* Parents that nobody names any more go too, as far as nothing holds them. */
		id = parent;
		mask = CONFLICT_HARD | CONFLICT_STOPPED | CONFLICT_REFERENCED;
		quiet = true;
	}
	return 0;
}

static unsigned mask_of(const struct plan *p)
{
	return p->flags & STORE_FORCE ? CONFLICT_HARD
				      : CONFLICT_HARD | CONFLICT_STOPPED | CONFLICT_REFERENCED;
}

static int plan_reference(struct plan *p, const char *id, const char *text, struct err **e)
{
	struct store *s = p->s;
	cleanup_arena struct arena *a = arena_new();
	struct reference ref;
	if (!(p->flags & STORE_FORCE) && is_single_reference(p, id)) {
		const struct store_use *use = use_of(p, id, true);
		if (!use)
			use = use_of(p, id, false);
		if (use)
			return err_set(e, ERR_CONFLICT,
				       "conflict: unable to remove repository reference \"%s\" (must force) "
				       "- container "
				       "%.12s is using its referenced image %s",
				       text, use->container, short_id(id).s);
	}
	if (reference_parse(a, sv_of(text), &ref, e) < 0)
		return -1;
	if (ref.digest)
		ref.tag = NULL;
	reference_default_tag(&ref);
	const char *canonical = reference_string(a, &ref), *name = reference_name(a, &ref);
	if (!map_has(&s->refs, canonical))
		return err_set(e, ERR_NOT_FOUND, "No such image: %s", reference_familiar(a, &ref));
	plan_untag(p, canonical);
	if (!ref.digest) {
		/* With the last tag of a repository go the digests of it. */
		cleanup_strlist struct strlist refs = { 0 };
		bool has_tag = false;
		refs_of(p, id, &refs);
		for (size_t i = 0; i < refs.n; i++) {
			const struct ref *r = map_get(&s->refs, refs.v[i]);
			has_tag |= !r->is_digest && str_eq(r->name, name);
		}
		for (size_t i = 0; !has_tag && i < refs.n; i++) {
			const struct ref *r = map_get(&s->refs, refs.v[i]);
			if (r->is_digest && str_eq(r->name, name))
				plan_untag(p, refs.v[i]);
		}
	}
	return ref_count(p, id) > 0 ? 0 : plan_delete(p, id, mask_of(p), true, e);
}

static int plan_id(struct plan *p, const char *id, struct err **e)
{
	if (is_single_reference(p, id)) {
		if (check_conflicts(p, id, mask_of(p) & ~(unsigned)CONFLICT_REFERENCED, e) < 0)
			return -1;
		plan_untag_all(p, id);
	}
	return plan_delete(p, id, mask_of(p), false, e);
}

static int commit_once(struct plan *p, struct err **e)
{
	cleanup_tx struct db *tx = NULL;
	int r = fault_point("store.remove.begin");
	if (r < 0)
		return err_sys(e, -r, "remove image");
	if (db_tx(p->s->db, &tx, e) < 0)
		return -1;
	for (size_t i = 0; i < p->untag.n; i++)
		if (db_exec(tx, e, "DELETE FROM refs WHERE ref = ?", "s", p->untag.v[i]) < 0)
			return -1;
	for (size_t i = 0; i < p->delete.n; i++)
		if (db_exec(tx, e, "DELETE FROM images WHERE id = ?", "s", p->delete.v[i]) < 0)
			return -1;
	return db_tx_commit(&tx, e);
}

static int commit(struct plan *p, struct err **e)
{
	cleanup_err struct err *first = NULL;
	if (commit_once(p, &first) == 0)
		return 0;
	if (err_errno(first) == ENOSPC && store_reserve_release(p->s)) {
		int r = commit_once(p, e);
		store_reserve_refill(p->s);
		return r;
	}
	err_move(e, &first);
	return -1;
}

static void apply_locked(struct plan *p, struct layer **dead)
{
	struct store *s = p->s;
	for (size_t i = 0; i < p->untag.n; i++) {
		struct ref *r = map_del(&s->refs, p->untag.v[i]);
		cleanup_free char *image = xstrdup(r->image);
		ref_free(r);
		view_renew_locked(s, image);
	}
	for (size_t i = 0; i < p->delete.n; i++) {
		struct view *v = map_del(&s->images, p->delete.v[i]);
		layer_unref_locked(s, v->body->top, dead);
		store_image_unref(&v->pub);
	}
}

static int run(struct plan *p, const char *id, const char *text, struct store_changes *out, struct err **e)
{
	struct store *s = p->s;
	struct layer *dead = NULL;
	int r;

	pthread_mutex_lock(&s->ingest);
	pthread_mutex_lock(&s->lock);
	if (!view_find_locked(s, id))
		r = err_set(e, ERR_NOT_FOUND, "No such image: %s", text ? text : id);
	else if (!text || str_starts(id, text) || str_starts(id + strlen(DIGEST_PREFIX), text))
		r = plan_id(p, id, e);
	else
		r = plan_reference(p, id, text, e);
	if (r == 0 && (p->untag.n || p->delete.n))
		r = commit(p, e);
	if (r == 0)
		apply_locked(p, &dead);
	pthread_mutex_unlock(&s->lock);
	if (r == 0) {
		/* Committed: what fails now is mended at the next start. */
		if (layers_forget(s, dead, NULL) < 0)
			log_warn(log_kv("image", id), "cannot forget layers; next start tries again");
		(void)fault_point("store.remove.bury");
		layers_bury(s, dead, &p->changes);
		*out = p->changes;
		p->changes = (struct store_changes){ 0 };
	}
	pthread_mutex_unlock(&s->ingest);
	return r;
}

int store_image_remove(struct store *s, const char *ref, unsigned flags, const struct store_use *uses,
		       size_t n_uses, struct store_changes *out, struct err **e)
{
	cleanup_image struct store_image *img = NULL;
	if (store_image_find(s, ref, &img, e) < 0)
		return -1;
	__attribute__((cleanup(
		plan_release))) struct plan p = { .s = s, .flags = flags, .uses = uses, .n_uses = n_uses };
	return run(&p, img->id, ref, out, e);
}

int store_image_prune_one(struct store *s, const char *id, const struct store_use *uses, size_t n_uses,
			  struct store_changes *out, struct err **e)
{
	__attribute__((cleanup(plan_release))) struct plan p = {
		.s = s, .flags = STORE_FORCE | STORE_NO_PRUNE, .uses = uses, .n_uses = n_uses
	};
	cleanup_err struct err *why = NULL;
	for (size_t i = 0; i < n_uses; i++)
		if (str_eq(uses[i].image_id, id))
			return 0;
	if (run(&p, id, NULL, out, &why) == 0 || err_class(why) == ERR_CONFLICT ||
	    err_class(why) == ERR_NOT_FOUND)
		return 0;
	err_move(e, &why);
	return -1;
}
