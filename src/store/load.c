/* SPDX-License-Identifier: Apache-2.0 */
/* docker load: the worker splits the archive, its images are added one after the other. */
#include "store/store-internal.h"

#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"
#include "codec/json.h"
#include "model/oci.gen.h"
#include "model/reference.h"
#include "store/progress.h"
#include "store/unpack.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#if defined(__aarch64__)
#define OUR_ARCH "arm64"
#else
#define OUR_ARCH "amd64"
#endif

struct load {
	struct store *s;
	const struct store_source *src;
	const struct store_progress *p;
	struct store_changes *out;
	struct staging st;
	int in_fd; /* the directory with the members */
	struct arena *a;
	/* of the layer being unpacked, for its bar */
	uint64_t layer_total;
	char layer_id[13];
};

static int split(struct load *l, struct err **e)
{
	struct store *s = l->s;
	cleanup_sandbox struct sandbox_proc w = SANDBOX_PROC_INIT;
	const struct json *done;
	char word[][8] = { "unpack", "archive", "linux" }, arch[] = OUR_ARCH;
	char *argv[] = { s->worker, word[0], word[1], word[2], arch, NULL };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socketpair");
	cleanup_close int ours = pair[0];
	cleanup_close int theirs = pair[1];
	struct proc_fd fds[] = { { .from = theirs, .to = 0 }, { .from = l->in_fd, .to = 4 } };
	if (sandbox_start(s->worker, argv, fds, ARRAY_LEN(fds), &w, e) < 0)
		return -1;
	fd_close(&theirs);
	return worker_run(&w, TAKE_FD(ours), l->src, NULL, NULL, l->a, &done, e);
}

/* A member's file, by the number the worker gave it. */
static int member_name(const struct json *j, char name[24], struct err **e)
{
	uint64_t n;
	if (json_u64(j, &n) < 0 || n > ARCHIVE_MAX_MEMBERS)
		return err_set(e, ERR_SYSTEM, "worker gave no file");
	(void)snprintf(name, 24, "%llu", (unsigned long long)n);
	return 0;
}

static void layer_progress(void *ctx, uint64_t consumed)
{
	struct load *l = ctx;
	progress_bar(l->p, "Loading layer", l->layer_id, MIN(consumed, l->layer_total), l->layer_total);
}

static int load_layer(struct load *l, struct new_image *ni, size_t i, const struct json *item, struct err **e)
{
	struct new_layer *nl = &ni->layers[i];
	const char *claimed = json_str(json_at(json_get(item, "digests"), i));
	char name[24], path[32];
	struct stat st;

	if (member_name(json_at(json_get(item, "layers"), i), name, e) < 0)
		return -1;
	cleanup_close int fd = fs_open_at(l->in_fd, name, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, ERR_SYSTEM, "worker gave no file for layer %zu", i);
	(void)snprintf(l->layer_id, sizeof(l->layer_id), "%.12s", nl->diff);
	l->layer_total = (uint64_t)st.st_size;
	layer_progress(l, 0);
	if (new_image_unpack(l->s, ni, i, fd, false, NULL, layer_progress, l, nl->blob, e) < 0)
		return -1;
	if (!str_empty(claimed) && !str_eq(sha256_digest_hex(claimed), nl->blob))
		return err_set(e, ERR_INVALID, "archive: layer %zu has digest sha256:%s, not %s", i, nl->blob,
			       claimed);
	layer_progress(l, l->layer_total);
	/* The same file may serve two layers (an empty one): each gets a name of its own. */
	(void)snprintf(nl->file, sizeof(nl->file), "b%zu", i);
	(void)snprintf(path, sizeof(path), "in/%s", name);
	if (linkat(ni->st->fd, path, ni->st->fd, nl->file, 0) < 0)
		return err_sys(e, errno, "keep layer %zu", i);
	return 0;
}

static int check_config(const struct body *b, size_t n_layers, struct err **e)
{
	if (b->n_layers != n_layers)
		return err_set(e, ERR_INVALID,
			       "invalid manifest, layers length mismatch: expected %zu, got %zu", n_layers,
			       b->n_layers);
	if (n_layers > ARCHIVE_MAX_LAYERS)
		return err_set(e, ERR_INVALID, "max depth exceeded");
	if (!str_empty(b->config->os) && !str_eq(b->config->os, "linux"))
		return err_set(e, ERR_INVALID, "cannot load %.40s image on linux", b->config->os);
	return 0;
}

static int parse_tags(struct load *l, const struct json *item, const char ***canonical,
		      const char ***familiar, size_t *n, struct err **e)
{
	const struct json *tags = json_get(item, "tags");
	size_t k = 0;
	*canonical = arena_alloc(l->a, (tags ? tags->n : 0) * sizeof(char *) + 1);
	*familiar = arena_alloc(l->a, (tags ? tags->n : 0) * sizeof(char *) + 1);
	json_for_each (it, tags) {
		struct reference r;
		const char *text = json_str(it);
		/* Docker's Load takes references that have a tag, and passes over others. */
		if (!text || reference_parse(l->a, sv_of(text), &r, NULL) < 0)
			return err_set(e, ERR_INVALID, "invalid tag \"%.200s\"", text ? text : "");
		if (!r.tag || r.digest)
			continue;
		if (tag_parse(l->a, text, NULL, &(*canonical)[k], &(*familiar)[k], e) < 0)
			return -1;
		k++;
	}
	*n = k;
	return 0;
}

static void announce(struct load *l, const char *id, const char **familiar, char **renamed, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (renamed[i])
			progress_stream(l->p,
					"The image %s already exists, renaming the old one with ID %s to "
					"empty string\n",
					familiar[i], renamed[i]);
		progress_stream(l->p, "Loaded image: %s\n", familiar[i]);
		change_add(l->out, STORE_LOADED, familiar[i], id, false);
	}
	if (n == 0) {
		progress_stream(l->p, "Loaded image ID: %s\n", id);
		change_add(l->out, STORE_LOADED, "", id, false);
	}
}

static int add_image(struct load *l, struct new_image *ni, const struct json *item, struct err **e)
{
	const char **canonical, **familiar;
	char id[DIGEST_LEN + 1];
	size_t n;
	if (parse_tags(l, item, &canonical, &familiar, &n, e) < 0)
		return -1;
	ni->tags = canonical;
	ni->n_tags = n;
	for (size_t i = 0; i < ni->n_layers; i++) {
		memcpy(ni->layers[i].diff, sha256_digest_hex(ni->body->diff_ids[i]), HEX + 1);
		chain_of(i ? ni->layers[i - 1].chain : NULL, ni->layers[i].diff, ni->layers[i].chain);
	}
	new_image_pin(l->s, ni);
	for (size_t i = 0; i < ni->n_layers; i++)
		if (!ni->layers[i].have && load_layer(l, ni, i, item, e) < 0)
			return -1;
	memcpy(id, ni->body->id, sizeof(id));
	cleanup_free char **renamed = xcalloc(n + 1, sizeof(*renamed));
	int r = new_image_publish(l->s, ni, renamed, e);
	if (r == 0)
		announce(l, id, familiar, renamed, n);
	for (size_t i = 0; i < n; i++)
		free(renamed[i]);
	return r;
}

static int load_one(struct load *l, const struct json *item, struct err **e)
{
	cleanup_body struct body *body = NULL;
	cleanup_free char *text = NULL;
	char name[24];
	size_t n, n_layers = json_get(item, "layers") ? json_get(item, "layers")->n : 0;

	if (member_name(json_get(item, "config"), name, e) < 0)
		return -1;
	int r = fs_read_file_at(l->in_fd, name, JSON_MAX_BYTES, &text, &n);
	if (r < 0)
		return r == -EFBIG ? err_set(e, ERR_INVALID, "image configuration is too large")
				   : err_sys(e, -r, "read image configuration");
	if (body_new(sv_n(text, n), NULL, &body, e) < 0 || check_config(body, n_layers, e) < 0)
		return -1;
	const char *claimed = json_str(json_get(item, "config_digest"));
	if (claimed && !str_eq(claimed, body->id))
		return err_set(e, ERR_INVALID, "archive: image configuration has digest %s, not %s", body->id,
			       claimed);
	cleanup_free struct new_layer *layers = xcalloc(n_layers + 1, sizeof(*layers));
	struct new_image ni = { .st = &l->st, .body = body, .layers = layers, .n_layers = n_layers };
	r = add_image(l, &ni, item, e);
	body = ni.body; /* taken when it is new */
	new_image_unpin(l->s, &ni);
	/* The next image of the archive may need other layers under the same names. */
	for (size_t i = 0; i < n_layers; i++) {
		if (layers[i].dir[0])
			(void)trash(l->s, l->st.fd, layers[i].dir);
		if (layers[i].file[0])
			(void)unlinkat(l->st.fd, layers[i].file, 0);
	}
	return r;
}

static int load_all(struct load *l, struct err **e)
{
	cleanup_free char *text = NULL;
	const struct json *j;
	size_t n;

	int r = fs_mkdir_at(l->st.fd, "in", 0700);
	if (r == 0)
		r = l->in_fd = fs_open_at(l->st.fd, "in", O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return err_sys(e, -r, "create staging directory");
	if (split(l, e) < 0)
		return -1;
	r = fs_read_file_at(l->in_fd, ARCHIVE_RESULT, JSON_MAX_BYTES, &text, &n);
	if (r < 0)
		return err_sys(e, -r, "read the worker's result");
	if (json_parse(l->a, sv_n(text, n), NULL, &j, e) < 0)
		return -1;
	json_for_each (it, json_get(j, "images"))
		if (load_one(l, it, e) < 0)
			return -1;
	return 0;
}

int store_load(struct store *s, const struct store_source *src, const struct store_progress *p,
	       struct store_changes *out, struct err **e)
{
	cleanup_arena struct arena *a = arena_new();
	struct load l = { .s = s, .src = src, .p = p, .out = out, .a = a, .in_fd = -1, .st = { .fd = -1 } };
	if (staging_open(s, &l.st, e) < 0)
		return -1;
	int r = load_all(&l, e);
	fd_close(&l.in_fd);
	staging_close(s, &l.st);
	return r;
}
