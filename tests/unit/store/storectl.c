/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storectl ROOT VERB …: drives the store without an engine, for tests that kill it between two steps and for measuring.
 *
 *	load < archive · images · tag IMAGE REPO TAG · rm [-f] IMAGE · save IMAGE… > archive
 *	import [REPO[:TAG]] < tar · create ID IMAGE · remove ID · cat ID PATH · bench IMAGE N · check
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/mem.h"
#include "codec/compress.h"
#include "store/store.h"

#include <stdio.h>

static ssize_t from_stdin(void *ctx, void *buf, size_t n, struct err **e)
{
	(void)ctx;
	return read_from_fd(&(int){ 0 }, buf, n, e);
}

static int to_stdout(void *ctx, const void *buf, size_t n, struct err **e)
{
	(void)ctx;
	int r = fd_write_full(1, buf, n);
	return r < 0 ? err_sys(e, -r, "write") : 0;
}

static void print_message(void *ctx, struct sv json)
{
	(void)ctx;
	printf("%.*s\n", (int)json.n, json.p);
}

static void print_changes(const struct store_changes *c)
{
	static const char *const words[] = { "Untagged", "Deleted", "Loaded" };
	for (size_t i = 0; i < c->n; i++)
		printf("%s: %s\n", words[c->v[i].kind], c->v[i].text);
}

static const struct store_source source = { .read = from_stdin };
static const struct store_progress progress = { .message = print_message, .quiet = true };

static int do_load(struct store *s, struct err **e)
{
	cleanup_changes struct store_changes c = { 0 };
	if (store_load(s, &source, &progress, &c, e) < 0)
		return -1;
	print_changes(&c);
	return 0;
}

static int do_images(struct store *s, struct err **e)
{
	struct store_image **v;
	size_t n = 0;
	if (store_images(s, &v, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		printf("%s %llu %zu", v[i]->id, (unsigned long long)v[i]->size, v[i]->n_layers);
		for (size_t k = 0; k < v[i]->n_tags; k++)
			printf(" %s", v[i]->tags[k]);
		printf("\n");
	}
	store_images_free(v, n);
	return 0;
}

static int do_rm(struct store *s, int argc, char **argv, struct err **e)
{
	cleanup_changes struct store_changes c = { 0 };
	bool force = argc > 1 && str_eq(argv[0], "-f");
	if (store_image_remove(s, argv[argc - 1], force ? STORE_FORCE : 0, NULL, 0, &c, e) < 0)
		return -1;
	print_changes(&c);
	return 0;
}

static int do_create(struct store *s, const char *id, const char *image, struct err **e)
{
	cleanup_image struct store_image *img = NULL;
	return store_image_find(s, image, &img, e) < 0 ? -1 : store_snapshot_create(s, id, img, e);
}

static int do_cat(struct store *s, const char *id, const char *path, struct err **e)
{
	cleanup_close int root = -1;
	cleanup_free char *text = NULL;
	size_t n = 0;
	if (store_snapshot_mount(s, id, 0, -1, &root, e) < 0)
		return -1;
	cleanup_close int fd = fs_open_in(root, path, O_RDONLY, 0);
	int r = fd < 0 ? fd : fs_read_fd(fd, (size_t)1 << 20, &text, &n);
	if (r < 0)
		return err_sys(e, -r, "read '%s'", path);
	(void)fwrite(text, 1, n, stdout);
	return 0;
}

static int do_bench(struct store *s, const char *image, uint64_t n, struct err **e)
{
	cleanup_image struct store_image *img = NULL;
	int64_t t[4] = { 0 };
	if (store_image_find(s, image, &img, e) < 0)
		return -1;
	for (uint64_t i = 0; i < n; i++) {
		char id[ID_LEN + 1];
		cleanup_close int root = -1;
		id_new(id);
		int64_t a = clock_mono_ns();
		if (store_snapshot_create(s, id, img, e) < 0)
			return -1;
		int64_t b = clock_mono_ns();
		if (store_snapshot_mount(s, id, STORE_MOUNT_VOLATILE, -1, &root, e) < 0)
			return -1;
		int64_t c = clock_mono_ns();
		fd_close(&root);
		int64_t d = clock_mono_ns();
		if (store_snapshot_remove(s, id, e) < 0)
			return -1;
		int64_t f = clock_mono_ns();
		t[0] += b - a;
		t[1] += c - b;
		t[2] += d - c;
		t[3] += f - d;
	}
	printf("create %lld us, mount %lld us, close %lld us, remove %lld us\n",
	       (long long)(t[0] / (int64_t)n / 1000), (long long)(t[1] / (int64_t)n / 1000),
	       (long long)(t[2] / (int64_t)n / 1000), (long long)(t[3] / (int64_t)n / 1000));
	return 0;
}

static int run(struct store *s, int argc, char **argv, struct err **e)
{
	const char *verb = argv[0];
	uint64_t n;
	if (str_eq(verb, "load"))
		return do_load(s, e);
	if (str_eq(verb, "images"))
		return do_images(s, e);
	if (str_eq(verb, "check"))
		return 0; /* opening repairs */
	if (str_eq(verb, "rm") && argc >= 2)
		return do_rm(s, argc - 1, argv + 1, e);
	if (str_eq(verb, "create") && argc == 3)
		return do_create(s, argv[1], argv[2], e);
	if (str_eq(verb, "remove") && argc == 2)
		return store_snapshot_remove(s, argv[1], e);
	if (str_eq(verb, "cat") && argc == 3)
		return do_cat(s, argv[1], argv[2], e);
	if (str_eq(verb, "bench") && argc == 3 && parse_u64(sv_of(argv[2]), 100000, &n) == 0 && n > 0)
		return do_bench(s, argv[1], n, e);
	if (str_eq(verb, "save") && argc >= 2) {
		struct store_sink sink = { .write = to_stdout };
		return store_save(s, (const char *const *)argv + 1, (size_t)argc - 1, &sink, e);
	}
	if (str_eq(verb, "tag") && argc == 4) {
		cleanup_image struct store_image *img = NULL;
		return store_image_find(s, argv[1], &img, e) < 0
			       ? -1
			       : store_tag(s, img, argv[2], argv[3], NULL, e);
	}
	if (str_eq(verb, "import")) {
		cleanup_free char *id = NULL, *ref = NULL;
		struct store_import im = { .repo = argc > 1 ? argv[1] : NULL };
		return store_import(s, &source, &im, &progress, &id, &ref, e);
	}
	return err_set(e, ERR_INVALID, "unknown verb '%s'", verb);
}

int main(int argc, char **argv)
{
	cleanup_err struct err *e = NULL;
	cleanup_store struct store *s = NULL;
	struct store_config cfg = { .root = argc > 1 ? argv[1] : "", .worker = getenv("HOY_WORKER") };
	if (argc < 3 || store_open(&cfg, &s, &e) < 0 || run(s, argc - 2, argv + 2, &e) < 0) {
		(void)fprintf(stderr, "storectl: %s\n", e ? err_text(e) : "usage");
		return 1;
	}
	return 0;
}
