/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker save: an OCI image layout that is a docker-archive as well (what Docker writes since 25). Deterministic: members
 * sorted, times 0. Layer blobs go out as they came in, checked against their digest on the way.
 */
#include "store/store-internal.h"

#include "base/fs.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/tar.h"
#include "model/oci.gen.h"
#include "model/reference.h"

#include <errno.h>
#include <stdio.h>

#define MT_INDEX    "application/vnd.oci.image.index.v1+json"
#define MT_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MT_CONFIG   "application/vnd.oci.image.config.v1+json"
#define MT_LAYER    "application/vnd.oci.image.layer.v1.tar"
#define COPY_SIZE   ((size_t)256 << 10)

struct blob {
	struct sv text; /* configuration or manifest; else a layer's file */
	bool is_file;
	uint64_t size;
};

struct saved {
	struct store_image *img;
	struct layer *top;   /* a reference */
	struct strlist tags; /* canonical */
	char manifest[HEX + 1];
	uint64_t manifest_size;
};

struct save {
	struct store *s;
	struct arena *a;
	struct saved *v;
	size_t n, cap;
	struct map blobs; /* hex -> struct blob, in the arena */
	struct tar_writer w;
};

static void save_release(struct save *sv)
{
	for (size_t i = 0; i < sv->n; i++) {
		(void)layer_release(sv->s, sv->v[i].top, NULL);
		store_image_unref(sv->v[i].img);
		strlist_release(&sv->v[i].tags);
	}
	free(sv->v);
	map_release(&sv->blobs);
	arena_free(sv->a);
}

/* --- what is asked for --- */

static struct saved *saved_of(struct save *sv, struct store_image *img)
{
	for (size_t i = 0; i < sv->n; i++)
		if (str_eq(sv->v[i].img->id, img->id))
			return &sv->v[i];
	GROW(sv->v, sv->n, sv->cap);
	struct saved *x = &sv->v[sv->n++];
	*x = (struct saved){ .img = store_image_ref(img) };
	if (img->chain) {
		pthread_mutex_lock(&sv->s->lock);
		x->top = layer_ref_locked(map_get(&sv->s->layers, img->chain));
		pthread_mutex_unlock(&sv->s->lock);
	}
	return x;
}

static void add_tag(struct saved *x, const char *canonical)
{
	if (!strlist_has(&x->tags, canonical))
		strlist_add(&x->tags, canonical);
}

/* A bare repository name means all its tags. */
static bool add_repository(struct save *sv, const struct reference *r)
{
	const char *name = reference_name(sv->a, r);
	cleanup_strlist struct strlist refs = { 0 };
	pthread_mutex_lock(&sv->s->lock);
	map_for_each (it, &sv->s->refs) {
		const struct ref *ref = it->value;
		if (!ref->is_digest && str_eq(ref->name, name))
			strlist_add(&refs, it->key);
	}
	pthread_mutex_unlock(&sv->s->lock);
	for (size_t i = 0; i < refs.n; i++) {
		cleanup_image struct store_image *img = NULL;
		if (store_image_find(sv->s, refs.v[i], &img, NULL) == 0)
			add_tag(saved_of(sv, img), refs.v[i]);
	}
	return refs.n > 0;
}

static int add_name(struct save *sv, const char *name, struct err **e)
{
	cleanup_image struct store_image *img = NULL;
	struct reference r;
	bool is_ref = reference_parse(sv->a, sv_of(name), &r, NULL) == 0;
	if (is_ref && !r.tag && !r.digest && add_repository(sv, &r))
		return 0;
	if (store_image_find(sv->s, name, &img, e) < 0)
		return -1;
	struct saved *x = saved_of(sv, img);
	/* "sha256:…" parses as a tag of a repository of that name, but it is an ID: the image goes without its tags */
	bool is_id = str_starts(img->id, name) && str_starts(name, "sha256:");
	if (is_ref && r.tag && !r.digest && !is_id)
		add_tag(x, reference_string(sv->a, &r));
	return x->top || !img->chain ? 0 : err_set(e, ERR_NOT_FOUND, "No such image: %s", name);
}

/* --- blobs --- */

static void put_text(struct save *sv, struct sv text, char hex[HEX + 1])
{
	struct blob *b = ARENA_NEW(sv->a, struct blob);
	sha256_of(text.p, text.n, hex);
	b->text = text;
	b->size = text.n;
	(void)map_put(&sv->blobs, hex, b);
}

static int put_layer(struct save *sv, struct jw *w, const struct layer *l, struct err **e)
{
	unsigned char head[COMPRESS_SNIFF];
	struct stat st;
	cleanup_close int fd = fs_open_at(sv->s->blobs_fd, l->blob, O_RDONLY | O_NOFOLLOW, 0);
	ssize_t n = fd < 0 ? fd : pread(fd, head, sizeof(head), 0);
	if (n < 0 || fstat(fd, &st) < 0)
		return err_sys_class(e, ERR_DATA_LOSS, fd < 0 ? -fd : errno, "blob sha256:%s", l->blob);
	struct blob *b = ARENA_NEW(sv->a, struct blob);
	b->is_file = true;
	b->size = (uint64_t)st.st_size;
	(void)map_put(&sv->blobs, l->blob, b);
	enum compression c = compression_sniff(head, (size_t)n);
	jw_obj(w);
	jw_kstr(w, "mediaType",
		c == COMPRESS_NONE ? MT_LAYER : arena_printf(sv->a, MT_LAYER "+%s", compression_name(c)));
	jw_kstr(w, "digest", arena_printf(sv->a, "sha256:%s", l->blob));
	jw_ku64(w, "size", b->size);
	jw_end(w);
	return 0;
}

/* The layers, base first. */
static size_t layers_of(const struct saved *x, const struct layer **v)
{
	size_t n = x->img->n_layers, i = n;
	for (const struct layer *l = x->top; l && i > 0; l = l->parent)
		v[--i] = l;
	return n;
}

static int put_image(struct save *sv, struct saved *x, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	const struct layer **layers = arena_alloc(sv->a, (x->img->n_layers + 1) * sizeof(*layers));
	size_t n = layers_of(x, layers);
	char config[HEX + 1];

	put_text(sv, x->img->config_json, config);
	jw_obj(&w);
	jw_ki64(&w, "schemaVersion", 2);
	jw_kstr(&w, "mediaType", MT_MANIFEST);
	jw_kobj(&w, "config");
	jw_kstr(&w, "mediaType", MT_CONFIG);
	jw_kstr(&w, "digest", x->img->id);
	jw_ku64(&w, "size", x->img->config_json.n);
	jw_end(&w);
	jw_karr(&w, "layers");
	for (size_t i = 0; i < n; i++)
		if (put_layer(sv, &w, layers[i], e) < 0)
			return -1;
	jw_end(&w);
	jw_end(&w);
	x->manifest_size = b.n;
	put_text(sv, sv_n(arena_strndup(sv->a, b.p, b.n), b.n), x->manifest);
	return 0;
}

/* --- the small files --- */

static void index_entry(struct save *sv, struct jw *w, const struct saved *x, const char *canonical)
{
	struct reference r;
	jw_obj(w);
	jw_kstr(w, "mediaType", MT_MANIFEST);
	jw_kstr(w, "digest", arena_printf(sv->a, "sha256:%s", x->manifest));
	jw_ku64(w, "size", x->manifest_size);
	if (canonical && reference_parse(sv->a, sv_of(canonical), &r, NULL) == 0) {
		jw_kobj(w, "annotations");
		jw_kstr(w, "io.containerd.image.name", canonical);
		jw_kstr(w, "org.opencontainers.image.ref.name", r.tag ? r.tag : "latest");
		jw_end(w);
	}
	jw_end(w);
}

static void write_index(struct save *sv, struct strbuf *b)
{
	struct jw w = jw_to(b);
	jw_obj(&w);
	jw_ki64(&w, "schemaVersion", 2);
	jw_kstr(&w, "mediaType", MT_INDEX);
	jw_karr(&w, "manifests");
	for (size_t i = 0; i < sv->n; i++) {
		const struct saved *x = &sv->v[i];
		if (x->tags.n == 0)
			index_entry(sv, &w, x, NULL);
		for (size_t k = 0; k < x->tags.n; k++)
			index_entry(sv, &w, x, x->tags.v[k]);
	}
	jw_end(&w);
	jw_end(&w);
}

static const char *familiar(struct save *sv, const char *canonical, struct reference *r)
{
	return reference_parse(sv->a, sv_of(canonical), r, NULL) < 0 ? canonical
								     : reference_familiar(sv->a, r);
}

static void write_manifest(struct save *sv, struct strbuf *b)
{
	struct jw w = jw_to(b);
	struct reference r;
	jw_arr(&w);
	for (size_t i = 0; i < sv->n; i++) {
		const struct saved *x = &sv->v[i];
		const struct layer **layers = arena_alloc(sv->a, (x->img->n_layers + 1) * sizeof(*layers));
		size_t n = layers_of(x, layers);
		jw_obj(&w);
		jw_kstr(&w, "Config", arena_printf(sv->a, "blobs/sha256/%s", sha256_digest_hex(x->img->id)));
		if (x->tags.n == 0)
			jw_knull(&w, "RepoTags");
		else
			jw_karr(&w, "RepoTags");
		for (size_t k = 0; k < x->tags.n; k++)
			jw_str(&w, familiar(sv, x->tags.v[k], &r));
		if (x->tags.n)
			jw_end(&w);
		jw_karr(&w, "Layers");
		for (size_t k = 0; k < n; k++)
			jw_str(&w, arena_printf(sv->a, "blobs/sha256/%s", layers[k]->blob));
		jw_end(&w);
		jw_end(&w);
	}
	jw_end(&w);
}

/* {"busybox":{"latest":"<top layer>"}}: old readers look there. */
static bool write_repositories(struct save *sv, struct strbuf *b)
{
	struct jw w = jw_to(b);
	struct reference r;
	struct map repos = { 0 }; /* familiar name -> nothing */
	bool any = false;
	jw_obj(&w);
	for (size_t i = 0; i < sv->n; i++)
		for (size_t k = 0; k < sv->v[i].tags.n; k++) {
			(void)familiar(sv, sv->v[i].tags.v[k], &r);
			(void)map_put(&repos, reference_familiar_name(sv->a, &r), &repos);
		}
	map_for_each (repo, &repos) {
		jw_kobj(&w, repo->key);
		for (size_t i = 0; i < sv->n; i++)
			for (size_t k = 0; k < sv->v[i].tags.n; k++) {
				(void)familiar(sv, sv->v[i].tags.v[k], &r);
				if (!str_eq(reference_familiar_name(sv->a, &r), repo->key))
					continue;
				jw_kstr(&w, r.tag, sv->v[i].top ? sv->v[i].top->blob : "");
				any = true;
			}
		jw_end(&w);
	}
	jw_end(&w);
	map_release(&repos);
	return any;
}

/* --- the archive --- */

static int out_header(struct save *sv, const char *path, bool is_dir, uint64_t size, struct err **e)
{
	struct tar_entry ent = { .type = is_dir ? TAR_DIR : TAR_REG,
				 .path = path,
				 .link = "",
				 .mode = is_dir ? 0755 : 0644,
				 .size = size };
	return tar_write_header(&sv->w, &ent, e);
}

static int out_text(struct save *sv, const char *path, struct sv text, struct err **e)
{
	if (out_header(sv, path, false, text.n, e) < 0)
		return -1;
	return tar_write_data(&sv->w, text.p, text.n, e);
}

static int out_file(struct save *sv, const char *hex, const struct blob *b, struct err **e)
{
	cleanup_sha256 struct sha256 *h = sha256_new();
	cleanup_free char *buf = xmalloc(COPY_SIZE);
	char have[HEX + 1];
	uint64_t left = b->size;
	cleanup_close int fd = fs_open_at(sv->s->blobs_fd, hex, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return err_sys_class(e, ERR_DATA_LOSS, -fd, "blob sha256:%s", hex);
	while (left > 0) {
		ssize_t n = read_from_fd(&fd, buf, MIN(left, (uint64_t)COPY_SIZE), e);
		if (n < 0)
			return -1;
		if (n == 0)
			return err_set(e, ERR_DATA_LOSS, "blob sha256:%s is cut short", hex);
		sha256_update(h, buf, (size_t)n);
		if (tar_write_data(&sv->w, buf, (size_t)n, e) < 0)
			return -1;
		left -= (uint64_t)n;
	}
	sha256_hex(h, have);
	return str_eq(have, hex) ? 0 : err_set(e, ERR_DATA_LOSS, "blob sha256:%s is damaged", hex);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct map_entry *)a)->key, ((const struct map_entry *)b)->key);
}

static int out_all(struct save *sv, struct err **e)
{
	cleanup_strbuf struct strbuf index = { 0 }, manifest = { 0 }, repositories = { 0 };
	struct map_entry *sorted = arena_alloc(sv->a, (sv->blobs.n + 1) * sizeof(*sorted));
	memcpy(sorted, sv->blobs.e, sv->blobs.n * sizeof(*sorted));
	qsort(sorted, sv->blobs.n, sizeof(*sorted), by_key);
	if (out_header(sv, "blobs", true, 0, e) < 0 || out_header(sv, "blobs/sha256", true, 0, e) < 0)
		return -1;
	for (size_t i = 0; i < sv->blobs.n; i++) {
		const struct blob *b = sorted[i].value;
		const char *path = arena_printf(sv->a, "blobs/sha256/%s", sorted[i].key);
		if (!b->is_file) {
			if (out_text(sv, path, b->text, e) < 0)
				return -1;
			continue;
		}
		if (out_header(sv, path, false, b->size, e) < 0 || out_file(sv, sorted[i].key, b, e) < 0)
			return -1;
	}
	write_index(sv, &index);
	write_manifest(sv, &manifest);
	if (out_text(sv, "index.json", sb_sv(&index), e) < 0 ||
	    out_text(sv, "manifest.json", sb_sv(&manifest), e) < 0 ||
	    out_text(sv, "oci-layout", SV("{\"imageLayoutVersion\": \"1.0.0\"}"), e) < 0)
		return -1;
	if (write_repositories(sv, &repositories) &&
	    out_text(sv, "repositories", sb_sv(&repositories), e) < 0)
		return -1;
	return tar_write_end(&sv->w, e);
}

int store_save(struct store *s, const char *const *names, size_t n, const struct store_sink *sink,
	       struct err **e)
{
	__attribute__((cleanup(save_release))) struct save sv = { .s = s, .a = arena_new() };
	sv.w = tar_writer_to(sink->write, sink->ctx);
	/* Everything that can be missing is found before the first byte goes out. */
	for (size_t i = 0; i < n; i++)
		if (add_name(&sv, names[i], e) < 0)
			return -1;
	for (size_t i = 0; i < sv.n; i++)
		if (put_image(&sv, &sv.v[i], e) < 0)
			return -1;
	return out_all(&sv, e);
}
