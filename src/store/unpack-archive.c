/* SPDX-License-Identifier: Apache-2.0 */
#include "store/unpack.h"

#include "base/fs.h"
#include "base/list.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/tar.h"
#include "model/oci.gen.h"
#include "store/unpack-internal.h"

#include <errno.h>
#include <stdio.h>

#define MAX_LINKS       10
#define MAX_INDEX_DEPTH 3
#define MAX_INDEX       1000u

#define MT_DOCKER_LIST     "application/vnd.docker.distribution.manifest.list.v2+json"
#define MT_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MT_OCI_INDEX       "application/vnd.oci.image.index.v1+json"
#define MT_OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"

/* A member of the archive: a file of ours, or a link to another member. */
struct member {
	int64_t number; /* -1: a link */
	char *link;     /* cleaned */
};

struct split {
	const struct unpack *u;
	const char *os, *arch;
	struct map members; /* cleaned name -> struct member */
	int64_t n_files;
	uint64_t n_entries, bytes;
	struct arena *arena;
	struct strbuf name, target;
	struct strbuf json;
	struct jw w;
	unsigned n_images;
};

static void member_put(struct split *s, const char *name, int64_t number, const char *link)
{
	struct member *m = NEW(struct member);
	m->number = number;
	m->link = xstrdup_opt(link);
	struct member *old = map_put(&s->members, name, m);
	if (old) {
		free(old->link);
		free(old);
	}
}

static int spool(struct split *s, struct tar_reader *t, const struct tar_entry *ent, struct err **e)
{
	char file[32];
	const void *p;
	uint64_t offset;
	ssize_t n;
	uint64_t max = s->u->max_bytes ? s->u->max_bytes : UNPACK_MAX_BYTES;

	if (ent->size > max - MIN(s->bytes, max))
		return err_set(e, ERR_INVALID, "archive: more than %llu bytes", (unsigned long long)max);
	s->bytes += ent->size;
	(void)snprintf(file, sizeof(file), "%lld", (long long)s->n_files);
	cleanup_close int fd =
		fs_open_at(s->u->root_fd, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, -fd, "archive: create '%s'", file);
	while ((n = tar_data(t, &p, &offset, e)) > 0) {
		if (ent->is_sparse && lseek(fd, (off_t)offset, SEEK_SET) < 0)
			return err_sys(e, errno, "archive: seek");
		int r = fd_write_full(fd, p, (size_t)n);
		if (r < 0)
			return err_sys(e, -r, "archive: write '%s'", ent->path);
	}
	if (n < 0)
		return -1;
	if (ent->is_sparse && ftruncate(fd, (off_t)ent->size) < 0)
		return err_sys(e, errno, "archive: size of '%s'", ent->path);
	member_put(s, s->name.p, s->n_files++, NULL);
	return 0;
}

/* A link's target as a member's name: a symlink's is relative to its directory, a hard link's to the root. */
static int link_target(struct split *s, const struct tar_entry *ent, struct err **e)
{
	cleanup_strbuf struct strbuf full = { 0 };
	if (ent->type == TAR_SYMLINK) {
		if (ent->link[0] == '/')
			return err_set(e, ERR_INVALID, "archive: '%s' links to the absolute path '%s'",
				       ent->path, ent->link);
		ssize_t slash = sv_rfind(sb_sv(&s->name), '/');
		sb_addsv(&full, sv_sub(sb_sv(&s->name), 0, (size_t)(slash + 1)));
	}
	sb_add(&full, ent->link);
	if (unpack_clean_path(sb_str(&full), &s->target, e) < 0)
		return err_wrap(e, "link '%s'", ent->path);
	member_put(s, s->name.p, -1, sb_str(&s->target));
	return 0;
}

static int split_member(struct split *s, struct tar_reader *t, const struct tar_entry *ent, struct err **e)
{
	if (++s->n_entries > ARCHIVE_MAX_MEMBERS)
		return err_set(e, ERR_INVALID, "archive: more than %u members", ARCHIVE_MAX_MEMBERS);
	if (ent->path[0] == '/')
		return err_set(e, ERR_INVALID, "archive: absolute name '%s'", ent->path);
	for (struct sv rest = sv_of(ent->path), part; rest.n;) {
		(void)sv_cut(rest, '/', &part, &rest);
		if (sv_eqs(part, ".."))
			return err_set(e, ERR_INVALID, "archive: '..' in the name '%s'", ent->path);
	}
	if (unpack_clean_path(ent->path, &s->name, e) < 0)
		return -1;
	switch (ent->type) {
	case TAR_DIR: return 0;
	case TAR_REG:
		return s->name.n ? spool(s, t, ent, e)
				 : err_set(e, ERR_INVALID, "archive: file without a name");
	case TAR_SYMLINK:
	case TAR_HARDLINK: return s->name.n ? link_target(s, ent, e) : 0;
	case TAR_CHAR:
	case TAR_BLOCKDEV:
	case TAR_FIFO: break;
	}
	return err_set(e, ERR_INVALID, "archive: '%s' is neither file nor directory", ent->path);
}

/* --- the manifests --- */

static int find_file(struct split *s, const char *name, int64_t *number, struct err **e)
{
	cleanup_strbuf struct strbuf clean = { 0 };
	if (unpack_clean_path(name, &clean, e) < 0)
		return -1;
	const char *at = sb_str(&clean);
	for (int i = 0; i < MAX_LINKS; i++) {
		const struct member *m = map_get(&s->members, at);
		if (!m)
			return err_set(e, ERR_INVALID, "archive: there is no file '%s'", name);
		if (m->number >= 0) {
			*number = m->number;
			return 0;
		}
		at = m->link;
	}
	return err_set(e, ERR_INVALID, "archive: too many links at '%s'", name);
}

/* A small member as JSON, checked against its digest where one is claimed. */
static int read_json(struct split *s, const char *name, const char *digest, const struct json **out,
		     struct err **e)
{
	char file[32], hex[SHA256_HEX + 1];
	int64_t number;
	cleanup_free char *text = NULL;
	size_t n;

	if (find_file(s, name, &number, e) < 0)
		return -1;
	(void)snprintf(file, sizeof(file), "%lld", (long long)number);
	int r = fs_read_file_at(s->u->root_fd, file, ARCHIVE_MAX_MANIFEST, &text, &n);
	if (r == -EFBIG)
		return err_set(e, ERR_INVALID, "archive: '%s' is larger than %zu bytes", name,
			       ARCHIVE_MAX_MANIFEST);
	if (r < 0)
		return err_sys(e, -r, "archive: read '%s'", name);
	if (digest) {
		sha256_of(text, n, hex);
		if (!str_eq(sha256_digest_hex(digest), hex))
			return err_set(e, ERR_INVALID, "archive: '%s' has digest sha256:%s", name, hex);
	}
	/* The tree's raw spans point into the text, which must live as long. */
	if (json_parse(s->arena, sv_n(arena_strndup(s->arena, text, n), n), NULL, out, e) < 0)
		return err_wrap(e, "archive: '%s'", name);
	return 0;
}

static int begin_image(struct split *s, const char *config, struct err **e)
{
	int64_t number;
	if (++s->n_images > ARCHIVE_MAX_IMAGES)
		return err_set(e, ERR_INVALID, "archive: more than %u images", ARCHIVE_MAX_IMAGES);
	if (find_file(s, config, &number, e) < 0)
		return -1;
	jw_obj(&s->w);
	jw_ki64(&s->w, "config", number);
	return 0;
}

static int docker_item(struct split *s, const struct json *j, struct err **e)
{
	struct oci_archive_item *item;
	if (oci_archive_item_decode(s->arena, j, &item, e) < 0)
		return err_wrap(e, "archive: manifest.json");
	if (str_empty(item->config))
		return err_set(e, ERR_INVALID, "archive: manifest.json names no configuration");
	if (begin_image(s, item->config, e) < 0)
		return -1;
	if (item->layers.n > ARCHIVE_MAX_LAYERS)
		return err_set(e, ERR_INVALID, "archive: more than %u layers", ARCHIVE_MAX_LAYERS);
	jw_karr(&s->w, "layers");
	for (size_t i = 0; i < item->layers.n; i++) {
		int64_t number;
		if (find_file(s, item->layers.v[i], &number, e) < 0)
			return -1;
		jw_i64(&s->w, number);
	}
	jw_end(&s->w);
	jw_karr(&s->w, "tags");
	for (size_t i = 0; i < item->repo_tags.n; i++)
		jw_str(&s->w, item->repo_tags.v[i]);
	jw_end(&s->w);
	jw_end(&s->w);
	return 0;
}

static int docker_manifest(struct split *s, struct err **e)
{
	const struct json *j;
	if (read_json(s, "manifest.json", NULL, &j, e) < 0)
		return -1;
	if (!json_is(j, JSON_ARRAY))
		return err_set(e, ERR_INVALID, "archive: manifest.json is no array");
	json_for_each (it, j)
		if (docker_item(s, it, e) < 0)
			return -1;
	return 0;
}

static int blob_name(const char *digest, char out[96], struct err **e)
{
	if (!digest || !sha256_is_digest(sv_of(digest)))
		return err_set(e, ERR_INVALID, "archive: invalid digest '%.80s'", digest ? digest : "");
	(void)snprintf(out, 96, "blobs/sha256/%s", sha256_digest_hex(digest));
	return 0;
}

static int oci_manifest(struct split *s, const struct json *j, const char *tag, struct err **e)
{
	struct oci_manifest *m;
	char name[96];
	if (oci_manifest_decode(s->arena, j, &m, e) < 0)
		return err_wrap(e, "archive: manifest");
	if (json_get(j, "manifests"))
		return err_set(e, ERR_INVALID, "archive: a manifest that is an index, too");
	/* Artifacts that are no images (signatures, attestations) lie in layouts as well. */
	if (m->artifact_type && *m->artifact_type)
		return 0;
	if (m->layers.n > ARCHIVE_MAX_LAYERS)
		return err_set(e, ERR_INVALID, "archive: more than %u layers", ARCHIVE_MAX_LAYERS);
	if (blob_name(m->config.digest, name, e) < 0 || begin_image(s, name, e) < 0)
		return -1;
	jw_kstr(&s->w, "config_digest", m->config.digest);
	jw_karr(&s->w, "layers");
	for (size_t i = 0; i < m->layers.n; i++) {
		int64_t number;
		if (blob_name(m->layers.v[i].digest, name, e) < 0 || find_file(s, name, &number, e) < 0)
			return -1;
		jw_i64(&s->w, number);
	}
	jw_end(&s->w);
	jw_karr(&s->w, "digests");
	for (size_t i = 0; i < m->layers.n; i++)
		jw_str(&s->w, m->layers.v[i].digest);
	jw_end(&s->w);
	jw_karr(&s->w, "tags");
	if (tag)
		jw_str(&s->w, tag);
	jw_end(&s->w);
	jw_end(&s->w);
	return 0;
}

static const char *annotation(const struct oci_descriptor *d, const char *key)
{
	return model_map_get(&d->annotations, key);
}

static bool platform_fits(const struct split *s, const struct oci_descriptor *d)
{
	return !d->platform || (str_eq(d->platform->os, s->os) && str_eq(d->platform->architecture, s->arch));
}

static int oci_index(struct split *s, const struct json *j, const char *tag, unsigned depth, struct err **e);

static int oci_entry(struct split *s, const struct oci_descriptor *d, const char *tag, unsigned depth,
		     struct err **e)
{
	char name[96];
	const struct json *j;
	if (blob_name(d->digest, name, e) < 0 || read_json(s, name, d->digest, &j, e) < 0)
		return -1;
	if (str_eq(d->media_type, MT_OCI_INDEX) || str_eq(d->media_type, MT_DOCKER_LIST))
		return oci_index(s, j, tag, depth + 1, e);
	return oci_manifest(s, j, tag, e);
}

static int oci_index(struct split *s, const struct json *j, const char *tag, unsigned depth, struct err **e)
{
	struct oci_index *x;
	if (depth > MAX_INDEX_DEPTH)
		return err_set(e, ERR_INVALID, "archive: indexes nest too deep");
	if (oci_index_decode(s->arena, j, &x, e) < 0)
		return err_wrap(e, "archive: index");
	if (json_get(j, "layers"))
		return err_set(e, ERR_INVALID, "archive: an index that is a manifest, too");
	if (x->manifests.n > MAX_INDEX)
		return err_set(e, ERR_INVALID, "archive: more than %u entries in an index", MAX_INDEX);
	for (size_t i = 0; i < x->manifests.n; i++) {
		const struct oci_descriptor *d = &x->manifests.v[i];
		const char *ref = tag;
		bool is_index = str_eq(d->media_type, MT_OCI_INDEX) || str_eq(d->media_type, MT_DOCKER_LIST);
		if (!is_index && !str_eq(d->media_type, MT_OCI_MANIFEST) &&
		    !str_eq(d->media_type, MT_DOCKER_MANIFEST))
			continue;
		if (!is_index && !platform_fits(s, d)) {
			/* The top level lists images; below it, the platforms of one. */
			if (depth == 0)
				return err_set(e, ERR_INVALID, "archive: no image for %s/%s", s->os, s->arch);
			continue;
		}
		if (depth == 0) {
			ref = annotation(d, "io.containerd.image.name");
			if (!ref) {
				/* A bare tag ("latest") names no repository. */
				ref = annotation(d, "org.opencontainers.image.ref.name");
				if (ref && !strpbrk(ref, ":/"))
					ref = NULL;
			}
		}
		if (oci_entry(s, d, ref, depth, e) < 0)
			return -1;
		if (depth > 0)
			break; /* first match */
	}
	return 0;
}

static int oci_layout(struct split *s, struct err **e)
{
	const struct json *j;
	struct oci_layout *l;
	if (read_json(s, "oci-layout", NULL, &j, e) < 0)
		return -1;
	if (oci_layout_decode(s->arena, j, &l, e) < 0)
		return err_wrap(e, "archive: oci-layout");
	if (!str_eq(l->image_layout_version, "1.0.0"))
		return err_set(e, ERR_INVALID, "archive: unknown image layout version '%.32s'",
			       l->image_layout_version ? l->image_layout_version : "");
	if (read_json(s, "index.json", NULL, &j, e) < 0)
		return -1;
	return oci_index(s, j, NULL, 0, e);
}

static int read_manifests(struct split *s, struct err **e)
{
	s->w = jw_to(&s->json);
	jw_obj(&s->w);
	jw_karr(&s->w, "images");
	if (map_has(&s->members, "manifest.json")) {
		if (docker_manifest(s, e) < 0)
			return -1;
	} else if (map_has(&s->members, "index.json")) {
		if (oci_layout(s, e) < 0)
			return -1;
	} else {
		return err_set(e, ERR_INVALID,
			       "invalid archive: it has neither manifest.json nor index.json");
	}
	jw_end(&s->w);
	jw_end(&s->w);
	int r = fs_replace_fast_at(s->u->root_fd, ARCHIVE_RESULT, s->json.p, s->json.n, 0600);
	return r < 0 ? err_sys(e, -r, "archive: write result") : 0;
}

static void split_release(struct split *s)
{
	map_for_each (it, &s->members) {
		struct member *m = it->value;
		free(m->link);
		free(m);
	}
	map_release(&s->members);
	arena_free(s->arena);
	sb_release(&s->name);
	sb_release(&s->target);
	sb_release(&s->json);
}

int unpack_archive(const struct unpack *u, const char *os, const char *arch, struct err **e)
{
	__attribute__((cleanup(
		split_release))) struct split s = { .u = u, .os = os, .arch = arch, .arena = arena_new() };
	cleanup_unpack_input struct unpack_input in = UNPACK_INPUT_INIT(u);
	struct unpack_result unused;
	const struct tar_entry *ent;
	int r;

	if (unpack_input_open(&in, e) < 0)
		return -1;
	cleanup_tar_reader struct tar_reader *t = tar_reader_new(unpack_input_read, &in);
	while ((r = tar_next(t, &ent, e)) > 0)
		if (split_member(&s, t, ent, e) < 0)
			return -1;
	if (r < 0 || tar_drain(t, e) < 0 || unpack_input_finish(&in, &unused, e) < 0)
		return -1;
	return read_manifests(&s, e);
}
