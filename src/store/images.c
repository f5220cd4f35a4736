/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of images and references, and what is asked of them. */
#include "store/store-internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/oci.gen.h"
#include "model/reference.h"

#include <assert.h>
#include <stdio.h>

/* --- bodies and views --- */

int body_new(struct sv json, const char *id, struct body **out, struct err **e)
{
	cleanup_body struct body *b = NEW(struct body);
	struct oci_image *config;
	char hex[HEX + 1];

	b->refs = 1;
	b->arena = arena_new();
	b->json = sv_n(arena_strndup(b->arena, json.p, json.n), json.n);
	sha256_of(json.p, json.n, hex);
	(void)snprintf(b->id, sizeof(b->id), "sha256:%s", hex);
	if (id && !str_eq(id, b->id))
		return err_set(e, ERR_DATA_LOSS, "image '%s' has a damaged configuration", id);
	if (oci_image_parse(b->arena, b->json, &config, e) < 0)
		return err_wrap(e, "image configuration");
	b->config = config;
	if (!str_eq(config->rootfs.type, "layers"))
		return err_set(e, ERR_INVALID, "image configuration: unknown rootfs type '%.40s'",
			       config->rootfs.type ? config->rootfs.type : "");
	b->n_layers = config->rootfs.diff_ids.n;
	b->diff_ids = (const char **)config->rootfs.diff_ids.v;
	for (size_t i = 0; i < b->n_layers; i++)
		if (!sha256_is_digest(sv_of(b->diff_ids[i])))
			return err_set(e, ERR_INVALID, "image configuration: invalid diff ID '%.80s'",
				       b->diff_ids[i]);
	if (config->created && clock_parse_rfc3339(sv_of(config->created), &b->created_ns) < 0)
		return err_set(e, ERR_INVALID, "image configuration: invalid time '%.60s'", config->created);
	*out = TAKE_PTR(b);
	return 0;
}

void body_unref(struct body *b)
{
	if (!b || __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	arena_free(b->arena);
	free(b->parent);
	free(b);
}

struct store_image *store_image_ref(struct store_image *img)
{
	struct view *v = CONTAINER_OF(img, struct view, pub);
	__atomic_add_fetch(&v->refs, 1, __ATOMIC_RELAXED);
	return img;
}

void store_image_unref(struct store_image *img)
{
	if (!img)
		return;
	struct view *v = CONTAINER_OF(img, struct view, pub);
	if (__atomic_sub_fetch(&v->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	body_unref(v->body);
	arena_free(v->arena);
	free(v);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct view *view_new_locked(struct store *s, struct body *b)
{
	struct view *v = NEW(struct view);
	v->refs = 1;
	v->body = b;
	v->arena = arena_new();
	struct store_image *p = &v->pub;
	p->id = b->id;
	p->parent = b->parent;
	p->chain = b->top ? b->top->chain : NULL;
	p->created_ns = b->created_ns;
	p->size = b->size;
	p->diff_ids = b->diff_ids;
	p->n_layers = b->n_layers;
	p->config = b->config;
	p->config_json = b->json;
	size_t n[2] = { 0 };
	map_for_each (it, &s->refs) {
		const struct ref *r = it->value;
		if (str_eq(r->image, b->id))
			n[r->is_digest]++;
	}
	const char **list[2];
	for (int k = 0; k < 2; k++)
		list[k] = arena_alloc(v->arena, (n[k] + 1) * sizeof(char *));
	n[0] = n[1] = 0;
	map_for_each (it, &s->refs) {
		const struct ref *r = it->value;
		if (!str_eq(r->image, b->id))
			continue;
		list[r->is_digest][n[r->is_digest]++] = arena_strdup(v->arena, r->familiar);
		p->tagged_ns = MAX(p->tagged_ns, r->updated_ns);
	}
	for (int k = 0; k < 2; k++)
		qsort(list[k], n[k], sizeof(char *), by_text);
	p->tags = list[0];
	p->n_tags = n[0];
	p->digests = list[1];
	p->n_digests = n[1];
	return v;
}

struct view *view_find_locked(struct store *s, const char *id)
{
	return map_get(&s->images, id);
}

void view_renew_locked(struct store *s, const char *id)
{
	struct view *old = map_get(&s->images, id);
	if (!old)
		return;
	__atomic_add_fetch(&old->body->refs, 1, __ATOMIC_RELAXED);
	(void)map_put(&s->images, id, view_new_locked(s, old->body));
	store_image_unref(&old->pub);
}

void image_enter_locked(struct store *s, struct body *b)
{
	struct view *old = map_put(&s->images, b->id, view_new_locked(s, b));
	assert(!old);
}

/* --- references --- */

static int ref_parse(struct arena *a, const char *canonical, struct reference *r, struct err **e)
{
	return reference_parse(a, sv_of(canonical), r, e);
}

void ref_free(struct ref *r)
{
	if (!r)
		return;
	free(r->image);
	free(r->familiar);
	free(r->name);
	free(r);
}

int ref_write(struct store *s, const char *canonical, const char *image, bool is_digest, int64_t now,
	      struct err **e)
{
	int r = db_exec(s->db, e,
			"INSERT INTO refs (ref, image, is_digest, updated) VALUES (?, ?, ?, ?) "
			"ON CONFLICT (ref) DO UPDATE SET image = excluded.image, updated = excluded.updated",
			"ssdi", canonical, image, (int)is_digest, now);
	return r < 0 ? -1 : 0;
}

char *ref_enter_locked(struct store *s, const char *canonical, const char *image, bool is_digest, int64_t now)
{
	cleanup_arena struct arena *a = arena_new();
	struct reference parsed;
	if (ref_parse(a, canonical, &parsed, NULL) < 0)
		return NULL; /* was checked when it was written */
	struct ref *r = NEW(struct ref);
	r->image = xstrdup(image);
	r->familiar = xstrdup(reference_familiar(a, &parsed));
	r->name = xstrdup(reference_name(a, &parsed));
	r->updated_ns = now;
	r->is_digest = is_digest;
	struct ref *old = map_put(&s->refs, canonical, r);
	char *before = old ? xstrdup(old->image) : NULL;
	ref_free(old);
	if (before && !str_eq(before, image))
		view_renew_locked(s, before);
	view_renew_locked(s, image);
	return before;
}

int tag_parse(struct arena *a, const char *repo, const char *tag, const char **canonical,
	      const char **familiar, struct err **e)
{
	struct reference r;
	if (reference_parse(a, sv_of(repo), &r, e) < 0)
		return -1;
	if (r.digest)
		return err_set(e, ERR_INVALID, "refusing to create a tag with a digest reference");
	if (!str_empty(tag)) {
		if (!reference_tag_is_valid(sv_of(tag)))
			return err_set(e, ERR_INVALID, "invalid tag format");
		r.tag = arena_strdup(a, tag);
	}
	reference_default_tag(&r);
	*familiar = reference_familiar(a, &r);
	if (str_starts(*familiar, "sha256:"))
		return err_set(e, ERR_INVALID,
			       "refusing to create an ambiguous tag using digest algorithm as name");
	*canonical = reference_string(a, &r);
	return 0;
}

int store_tag(struct store *s, const struct store_image *img, const char *repo, const char *tag,
	      char **familiar, struct err **e)
{
	cleanup_arena struct arena *a = arena_new();
	const char *canonical, *shown;
	int64_t now = clock_now_ns();
	int r = -1;

	if (tag_parse(a, repo, tag, &canonical, &shown, e) < 0)
		return -1;
	pthread_mutex_lock(&s->lock);
	if (!view_find_locked(s, img->id)) {
		(void)err_set(e, ERR_NOT_FOUND, "No such image: %s", img->id);
	} else if (ref_write(s, canonical, img->id, false, now, e) == 0) {
		free(ref_enter_locked(s, canonical, img->id, false, now));
		r = 0;
	}
	pthread_mutex_unlock(&s->lock);
	if (r == 0 && familiar)
		*familiar = xstrdup(shown);
	return r;
}

/* --- finding --- */

static struct view *find_ref(struct store *s, struct arena *a, struct reference ref)
{
	if (ref.digest)
		ref.tag = NULL; /* the digest says which; the tag is for readers */
	reference_default_tag(&ref);
	const struct ref *r = map_get(&s->refs, reference_string(a, &ref));
	return r ? view_find_locked(s, r->image) : NULL;
}

static struct view *find_prefix(struct store *s, const char *hex)
{
	struct view *found = NULL;
	map_for_each (it, &s->images) {
		if (!str_starts(it->key + strlen(DIGEST_PREFIX), hex))
			continue;
		if (found)
			return NULL; /* ambiguous: Docker says "no such image", too */
		found = it->value;
	}
	return found;
}

int store_image_find(struct store *s, const char *text, struct store_image **out, struct err **e)
{
	cleanup_arena struct arena *a = arena_new();
	struct image_ref r;
	struct view *v = NULL;
	char id[DIGEST_LEN + 1];

	if (image_ref_parse(a, sv_of(text), &r, e) < 0)
		return -1;
	pthread_mutex_lock(&s->lock);
	switch (r.kind) {
	case IMAGE_REF_ID:
		(void)snprintf(id, sizeof(id), "sha256:%s", r.hex);
		v = view_find_locked(s, id);
		break;
	case IMAGE_REF_PREFIX:
		v = r.has_name ? find_ref(s, a, r.ref) : NULL;
		if (!v)
			v = find_prefix(s, r.hex);
		break;
	case IMAGE_REF_NAME: v = find_ref(s, a, r.ref); break;
	}
	if (v)
		(void)store_image_ref(&v->pub);
	pthread_mutex_unlock(&s->lock);
	if (v) {
		*out = &v->pub;
		return 0;
	}
	if (r.kind == IMAGE_REF_NAME || (r.kind == IMAGE_REF_PREFIX && r.has_name)) {
		reference_default_tag(&r.ref);
		return err_set(e, ERR_NOT_FOUND, "No such image: %s", reference_familiar(a, &r.ref));
	}
	return err_set(e, ERR_NOT_FOUND, "No such image: %s%s",
		       str_starts(text, "sha256:") ? "" : "sha256:", text);
}

static int newest_first(const void *a, const void *b)
{
	const struct store_image *x = *(struct store_image *const *)a, *y = *(struct store_image *const *)b;
	if (x->created_ns != y->created_ns)
		return x->created_ns < y->created_ns ? 1 : -1;
	return strcmp(x->id, y->id);
}

int store_images(struct store *s, struct store_image ***out, size_t *n, struct err **e)
{
	(void)e;
	pthread_mutex_lock(&s->lock);
	struct store_image **v = xcalloc(s->images.n + 1, sizeof(*v));
	size_t k = 0;
	map_for_each (it, &s->images) {
		struct view *view = it->value;
		v[k++] = store_image_ref(&view->pub);
	}
	pthread_mutex_unlock(&s->lock);
	qsort(v, k, sizeof(*v), newest_first);
	*out = v;
	*n = k;
	return 0;
}

void store_images_free(struct store_image **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		store_image_unref(v[i]);
	free(v);
}

size_t store_image_count(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	size_t n = s->images.n;
	pthread_mutex_unlock(&s->lock);
	return n;
}

bool store_image_has_children(struct store *s, const char *id)
{
	bool r = false;
	pthread_mutex_lock(&s->lock);
	map_for_each (it, &s->images)
		if (str_eq(((struct view *)it->value)->body->parent, id))
			r = true;
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* --- sizes --- */

uint64_t store_image_shared_size(struct store *s, const struct store_image *img)
{
	uint64_t shared = 0;
	pthread_mutex_lock(&s->lock);
	/* A layer is shared when another image stands on it: count how many images have it in their chain. */
	for (const struct layer *l = img->chain ? map_get(&s->layers, img->chain) : NULL; l; l = l->parent) {
		unsigned users = 0;
		map_for_each (it, &s->images) {
			const struct layer *k = ((struct view *)it->value)->body->top;
			while (k && k->depth > l->depth)
				k = k->parent;
			users += k == l;
		}
		if (users > 1)
			shared += l->size;
	}
	pthread_mutex_unlock(&s->lock);
	return shared;
}

uint64_t store_layers_size(struct store *s)
{
	uint64_t sum = 0;
	pthread_mutex_lock(&s->lock);
	map_for_each (it, &s->layers)
		sum += ((struct layer *)it->value)->size;
	pthread_mutex_unlock(&s->lock);
	return sum;
}

uint64_t store_image_layer_size(struct store *s, const struct store_image *img, size_t i)
{
	uint64_t size = 0;
	pthread_mutex_lock(&s->lock);
	for (const struct layer *l = img->chain ? map_get(&s->layers, img->chain) : NULL; l; l = l->parent)
		if (l->depth == i + 1)
			size = l->size;
	pthread_mutex_unlock(&s->lock);
	return size;
}

/* --- at start and end --- */

/* An image whose layers are not all there cannot run: it is dropped, with a word in the log. */
static int load_image(struct store *s, const char *id, struct sv json, const char *top, const char *parent)
{
	cleanup_err struct err *e = NULL;
	cleanup_body struct body *b = NULL;
	if (body_new(json, id, &b, &e) < 0) {
		log_error(log_kv("image", id), "%s", err_text(e));
		/* its layers stay: an engine that understands it, or loading it again, finds them */
		(void)layer_ref_locked(top ? map_get(&s->layers, top) : NULL);
		return -1;
	}
	b->parent = xstrdup_opt(parent);
	b->top = top ? map_get(&s->layers, top) : NULL;
	if (b->n_layers != (b->top ? b->top->depth : 0)) {
		log_error(log_kv("image", id), "layers of the image are missing");
		return -1;
	}
	(void)layer_ref_locked(b->top);
	for (const struct layer *l = b->top; l; l = l->parent)
		b->size += l->size;
	image_enter_locked(s, TAKE_PTR(b));
	return 0;
}

int images_load(struct store *s, struct err **e)
{
	int r;
	{
		cleanup_query struct db_query q = { 0 };
		if (db_query(s->db, &q, e, "SELECT id, config, top, parent FROM images", "") < 0)
			return -1;
		while ((r = db_step(&q, e)) > 0)
			(void)load_image(s, db_col_str(&q, 0), db_col_blob(&q, 1), db_col_str(&q, 2),
					 db_col_str(&q, 3));
		if (r < 0)
			return -1;
	}
	cleanup_query struct db_query q = { 0 };
	if (db_query(s->db, &q, e, "SELECT ref, image, is_digest, updated FROM refs", "") < 0)
		return -1;
	while ((r = db_step(&q, e)) > 0)
		if (view_find_locked(s, db_col_str(&q, 1)))
			free(ref_enter_locked(s, db_col_str(&q, 0), db_col_str(&q, 1), db_col_i64(&q, 2) != 0,
					      db_col_i64(&q, 3)));
	return r;
}

void images_release(struct store *s)
{
	map_for_each (it, &s->images)
		store_image_unref(&((struct view *)it->value)->pub);
	map_release(&s->images);
	map_for_each (it, &s->refs)
		ref_free(it->value);
	map_release(&s->refs);
}
