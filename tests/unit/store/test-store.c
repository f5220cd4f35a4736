/* SPDX-License-Identifier: Apache-2.0 */
/* The store as the engine drives it: load, find, snapshots, removal, reopening. Needs root (overlay). */
#include "archive.h"

#include "base/fs.h"
#include "kernel/mount.h"
#include "model/oci.gen.h"
#include "store/store-internal.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#define ID1 "1111111111111111111111111111111111111111111111111111111111111111"
#define ID2 "2222222222222222222222222222222222222222222222222222222222222222"

struct place {
	char dir[64];
	struct store *s;
	struct strbuf messages;
};

static void on_message(void *ctx, struct sv json)
{
	struct place *p = ctx;
	sb_addsv(&p->messages, json);
	sb_addc(&p->messages, '\n');
}

static void must_open(struct place *p)
{
	cleanup_err struct err *e = NULL;
	struct store_config cfg = { .root = p->dir, .worker = getenv("HOY_WORKER") };
	if (store_open(&cfg, &p->s, &e) < 0)
		fail_msg("%s", err_text(e));
}

static void reopen(struct place *p)
{
	store_close(p->s);
	p->s = NULL;
	must_open(p);
}

static int setup(void **state)
{
	struct place *p = NEW(struct place);
	(void)snprintf(p->dir, sizeof(p->dir), "/var/tmp/hoy-store-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	*state = p;
	must_open(p);
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	store_close(p->s);
	int r = fs_rmtree_at(AT_FDCWD, p->dir);
	sb_release(&p->messages);
	free(p);
	return r;
}

static int load(struct place *p, const struct tb *archive, struct store_changes *c, struct err **e)
{
	struct mem_source m = { .p = archive->b.p, .n = archive->b.n };
	struct store_source src = { .read = mem_read, .ctx = &m };
	struct store_progress pr = { .message = on_message, .ctx = p };
	sb_reset(&p->messages);
	return store_load(p->s, &src, &pr, c, e);
}

static void must_load(struct place *p, const struct tb *archive)
{
	cleanup_err struct err *e = NULL;
	cleanup_changes struct store_changes c = { 0 };
	if (load(p, archive, &c, &e) < 0)
		fail_msg("%s", err_text(e));
}

/* base: /etc/passwd, /bin/sh, /var/run -> ../run; top: replaces passwd, removes /bin/sh, adds /var/run/x */
static void two_layers(struct tb *out, const char *tag)
{
	struct tb l[2];
	tb_init(&l[0]);
	tb_dir(&l[0], "etc", 0755);
	tb_file(&l[0], "etc/passwd", "root\n");
	tb_dir(&l[0], "bin", 0755);
	tb_file(&l[0], "bin/sh", "#!\n");
	tb_dir(&l[0], "run", 0755);
	tb_link(&l[0], TAR_SYMLINK, "var/run", "../run");
	tb_end(&l[0]);
	tb_init(&l[1]);
	tb_file(&l[1], "etc/passwd", "root\nme\n");
	tb_file(&l[1], "bin/.wh.sh", "");
	tb_file(&l[1], "var/run/x", "through the link");
	tb_link(&l[1], TAR_HARDLINK, "etc/copy", "etc/passwd");
	tb_end(&l[1]);
	tb_image(out, tag, l, 2, "");
	sb_release(&l[0].b);
	sb_release(&l[1].b);
}

static struct store_image *must_find(struct place *p, const char *ref)
{
	cleanup_err struct err *e = NULL;
	struct store_image *img = NULL;
	if (store_image_find(p->s, ref, &img, &e) < 0)
		fail_msg("%s", err_text(e));
	return img;
}

static char *cat(int root, const char *path)
{
	cleanup_close int fd = fs_open_in(root, path, O_RDONLY, 0);
	char *text = NULL;
	if (fd < 0)
		return NULL;
	if (fs_read_fd(fd, 4096, &text, NULL) < 0)
		return NULL;
	return text;
}

static void assert_file(int root, const char *path, const char *want)
{
	cleanup_free char *have = cat(root, path);
	if (want)
		assert_string_equal(have ? have : "(missing)", want);
	else
		assert_null(have);
}

static void test_load_and_mount(void **state)
{
	struct place *p = *state;
	cleanup_err struct err *e = NULL;
	struct tb a;
	two_layers(&a, "test:one");
	must_load(p, &a);
	assert_non_null(strstr(p->messages.p, "\"stream\":\"Loaded image: test:one\\n\""));
	assert_non_null(strstr(p->messages.p, "\"status\":\"Loading layer\""));

	cleanup_image struct store_image *img = must_find(p, "test:one");
	assert_int_equal(img->n_layers, 2);
	assert_int_equal(img->n_tags, 1);
	assert_string_equal(img->tags[0], "test:one");
	assert_int_equal(img->size, 5 + 3 + 8 + 16);
	assert_int_equal(img->config->config.env.n, 1);
	assert_string_equal(img->config->config.env.v[0], "A=b");

	assert_int_equal(store_snapshot_create(p->s, ID1, img, &e), 0);
	assert_int_equal(store_snapshot_create(p->s, ID1, img, NULL), -1);
	cleanup_close int root = -1;
	if (store_snapshot_mount(p->s, ID1, 0, -1, &root, &e) < 0)
		fail_msg("%s", err_text(e));
	assert_file(root, "etc/passwd", "root\nme\n");
	assert_file(root, "etc/copy", "root\nme\n");
	assert_file(root, "bin/sh", NULL);
	assert_file(root, "run/x", "through the link");
	assert_file(root, "var/run/x", "through the link");
	struct stat st, st2;
	assert_int_equal(fs_stat_in(root, "etc/passwd", &st), 0);
	assert_int_equal(fs_stat_in(root, "etc/copy", &st2), 0);
	assert_true(st.st_ino == st2.st_ino && st.st_nlink == 2);
	assert_int_equal(st.st_mtime, 1000);

	/* Writing goes to the snapshot alone. */
	cleanup_close int fd = fs_open_in(root, "etc/new", O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, "hello", 5), 0);
	uint64_t own, below;
	assert_int_equal(store_snapshot_usage(p->s, ID1, &own, &below, NULL), 0);
	assert_int_equal(own, 5);
	assert_int_equal(below, img->size);
	assert_int_equal(store_snapshot_create(p->s, ID2, img, NULL), 0);
	cleanup_close int root2 = -1;
	assert_int_equal(store_snapshot_mount(p->s, ID2, STORE_MOUNT_VOLATILE, -1, &root2, NULL), 0);
	assert_file(root2, "etc/new", NULL);
	fd_close(&root2);
	/* Again after volatile. */
	assert_int_equal(store_snapshot_mount(p->s, ID2, STORE_MOUNT_VOLATILE, -1, &root2, NULL), 0);
	fd_close(&root2);
	assert_int_equal(store_snapshot_remove(p->s, ID2, NULL), 0);
	assert_int_equal(store_snapshot_remove(p->s, ID2, NULL), 0);
	assert_false(store_snapshot_exists(p->s, ID2));
	sb_release(&a.b);
}

static void test_survives_reopening(void **state)
{
	struct place *p = *state;
	struct tb a;
	two_layers(&a, "test:one");
	must_load(p, &a);
	cleanup_image struct store_image *img = must_find(p, "test:one");
	assert_int_equal(store_snapshot_create(p->s, ID1, img, NULL), 0);
	cleanup_free char *id = xstrdup(img->id);
	store_image_unref(img);
	img = NULL;
	reopen(p);
	img = must_find(p, "test:one");
	assert_string_equal(img->id, id);
	assert_true(store_snapshot_exists(p->s, ID1));
	cleanup_close int root = -1;
	assert_int_equal(store_snapshot_mount(p->s, ID1, 0, -1, &root, NULL), 0);
	assert_file(root, "etc/passwd", "root\nme\n");
	sb_release(&a.b);
}

static size_t count_dir(struct place *p, const char *name);

/* A configuration that this engine cannot read costs nobody the layers, and loading the image again mends it. */
static void test_damaged_image_keeps_layers(void **state)
{
	struct place *p = *state;
	struct tb a;
	two_layers(&a, "test:one");
	must_load(p, &a);
	assert_int_equal(db_exec(p->s->db, NULL, "UPDATE images SET config = ?", "s", "{"), 1);
	reopen(p);
	assert_int_equal(store_image_count(p->s), 0);
	assert_int_equal(count_dir(p, "layers"), 2);
	must_load(p, &a);
	cleanup_image struct store_image *img = must_find(p, "test:one");
	assert_int_equal(store_image_count(p->s), 1);
	assert_non_null(img);
	assert_int_equal(count_dir(p, "layers"), 2);
	sb_release(&a.b);
}

static void test_find_rules(void **state)
{
	struct place *p = *state;
	struct tb a;
	cleanup_err struct err *e = NULL, *e2 = NULL, *e3 = NULL;
	struct store_image *none = NULL;
	two_layers(&a, "test");
	/* A tag that is missing is no tag at all for load: Docker passes over it. */
	must_load(p, &a);
	assert_non_null(strstr(p->messages.p, "Loaded image ID: sha256:"));
	cleanup_image struct store_image *img = NULL;
	struct store_image **all;
	size_t n;
	assert_int_equal(store_images(p->s, &all, &n, NULL), 0);
	assert_int_equal(n, 1);
	img = store_image_ref(all[0]);
	store_images_free(all, n);
	cleanup_free char *shown = NULL;
	assert_int_equal(store_tag(p->s, img, "test", NULL, &shown, NULL), 0);
	assert_string_equal(shown, "test:latest");
	assert_int_equal(store_tag(p->s, img, "localhost:5000/x/y", "1", NULL, NULL), 0);
	static const char *const good[] = { "test", "test:latest", "docker.io/library/test",
					    "localhost:5000/x/y:1" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		store_image_unref(must_find(p, good[i]));
	char prefix[13];
	(void)snprintf(prefix, sizeof(prefix), "%.12s", img->id + 7);
	store_image_unref(must_find(p, prefix));
	store_image_unref(must_find(p, img->id));
	store_image_unref(must_find(p, img->id + 7));
	assert_int_equal(store_image_find(p->s, "other", &none, &e), -1);
	assert_string_equal(err_text(e), "No such image: other:latest");
	assert_int_equal(err_class(e), ERR_NOT_FOUND);
	assert_int_equal(store_image_find(p->s, "Bad", &none, &e2), -1);
	assert_int_equal(err_class(e2), ERR_INVALID);
	assert_int_equal(store_tag(p->s, img, "a@sha256:" ID1, NULL, NULL, &e3), -1);
	assert_string_equal(err_text(e3), "refusing to create a tag with a digest reference");
	sb_release(&a.b);
}

static size_t count_dir(struct place *p, const char *name)
{
	cleanup_free char *path = xasprintf("%s/%s", p->dir, name);
	DIR *d = opendir(path);
	size_t n = 0;
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void test_remove_rules(void **state)
{
	struct place *p = *state;
	struct tb a;
	two_layers(&a, "test:one");
	must_load(p, &a);
	cleanup_image struct store_image *img = must_find(p, "test:one");
	assert_int_equal(store_tag(p->s, img, "other", "two", NULL, NULL), 0);
	cleanup_err struct err *e1 = NULL, *e2 = NULL, *e3 = NULL, *e4 = NULL;
	cleanup_changes struct store_changes c = { 0 }, c2 = { 0 }, c3 = { 0 };

	assert_int_equal(store_image_remove(p->s, img->id, 0, NULL, 0, &c, &e1), -1);
	assert_non_null(
		strstr(err_text(e1), "(must be forced) - image is referenced in multiple repositories"));
	assert_int_equal(err_class(e1), ERR_CONFLICT);

	assert_int_equal(store_image_remove(p->s, "other:two", 0, NULL, 0, &c, &e2), 0);
	assert_int_equal(c.n, 1);
	assert_int_equal(c.v[0].kind, STORE_UNTAGGED);
	assert_string_equal(c.v[0].text, "other:two");

	struct store_use use = { .image_id = img->id, .ref = "test:one", .container = ID1 };
	assert_int_equal(store_image_remove(p->s, "test:one", 0, &use, 1, &c2, &e3), -1);
	assert_non_null(strstr(err_text(e3),
			       "conflict: unable to remove repository reference \"test:one\" (must force) - "
			       "container 111111111111 is using its referenced image "));
	use.is_running = true;
	assert_int_equal(store_image_remove(p->s, img->id, STORE_FORCE, &use, 1, &c2, &e4), -1);
	assert_non_null(strstr(err_text(e4),
			       "(cannot be forced) - image is being used by running container 111111111111"));

	/* A snapshot keeps its layers when the image is forced away. */
	assert_int_equal(store_snapshot_create(p->s, ID1, img, NULL), 0);
	use.is_running = false;
	assert_int_equal(store_image_remove(p->s, "test:one", STORE_FORCE, &use, 1, &c2, NULL), 0);
	assert_int_equal(c2.n, 2);
	assert_int_equal(c2.v[1].kind, STORE_DELETED);
	assert_string_equal(c2.v[1].text, img->id);
	assert_int_equal(store_image_count(p->s), 0);
	assert_int_equal(count_dir(p, "layers"), 2);
	store_image_unref(img);
	img = NULL;
	reopen(p);
	cleanup_close int root = -1;
	assert_int_equal(store_snapshot_mount(p->s, ID1, 0, -1, &root, NULL), 0);
	assert_file(root, "etc/passwd", "root\nme\n");
	fd_close(&root);
	/* Whoever still looks at them (ps -s, cp) keeps them, too. */
	struct layer *held = snapshot_layers(p->s, ID1, NULL);
	assert_non_null(held);
	assert_int_equal(store_snapshot_remove(p->s, ID1, NULL), 0);
	assert_int_equal(count_dir(p, "layers"), 2);
	assert_int_equal(layer_release(p->s, held, NULL), 0);
	assert_int_equal(count_dir(p, "layers"), 0);
	assert_int_equal(count_dir(p, "blobs/sha256"), 0);

	/* And the whole at once. */
	must_load(p, &a);
	img = must_find(p, "test:one");
	assert_int_equal(store_image_remove(p->s, "test:one", 0, NULL, 0, &c3, NULL), 0);
	assert_int_equal(c3.n, 4); /* untagged, image, two layers */
	assert_true(c3.v[3].is_layer);
	assert_int_equal(c3.reclaimed, img->size);
	assert_int_equal(count_dir(p, "layers"), 0);
	sb_release(&a.b);
}

static void test_tag_moves(void **state)
{
	struct place *p = *state;
	struct tb a, b, l;
	two_layers(&a, "test:one");
	tb_init(&l);
	tb_file(&l, "file", "x");
	tb_end(&l);
	tb_image(&b, "test:one", &l, 1, "");
	must_load(p, &a);
	cleanup_image struct store_image *first = must_find(p, "test:one");
	must_load(p, &b);
	assert_non_null(strstr(p->messages.p,
			       "The image test:one already exists, renaming the old one with ID sha256:"));
	cleanup_image struct store_image *second = must_find(p, "test:one");
	assert_string_not_equal(first->id, second->id);
	cleanup_image struct store_image *again = must_find(p, first->id);
	assert_int_equal(again->n_tags, 0);
	assert_int_equal(first->n_tags, 1); /* a view does not change */
	/* Loading what is there is no new image. */
	must_load(p, &b);
	assert_int_equal(store_image_count(p->s), 2);
	sb_release(&a.b);
	sb_release(&b.b);
	sb_release(&l.b);
}

static void test_refused_leaves_nothing(void **state)
{
	struct place *p = *state;
	struct tb a;
	two_layers(&a, "test:one");
	/* Cut at many places: always an error, never a rest. */
	for (size_t n = 0; n < a.b.n; n += 1 + a.b.n / 12) {
		struct tb cut = { .b = { .p = a.b.p, .n = n } };
		cleanup_err struct err *e = NULL;
		cleanup_changes struct store_changes c = { 0 };
		assert_int_equal(load(p, &cut, &c, &e), -1);
		assert_int_equal(err_class(e), ERR_INVALID);
	}
	assert_int_equal(store_image_count(p->s), 0);
	assert_int_equal(count_dir(p, "layers"), 0);
	assert_int_equal(count_dir(p, "blobs/sha256"), 0);
	assert_int_equal(count_dir(p, "tmp"), 0);
	sb_release(&a.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_load_and_mount, setup, teardown),
		cmocka_unit_test_setup_teardown(test_survives_reopening, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_image_keeps_layers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tag_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_leaves_nothing, setup, teardown),
	};
	if (geteuid() != 0)
		return 77; /* overlay mounts need root */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
