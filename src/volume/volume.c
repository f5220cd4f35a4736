/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/volume-internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/list.h"
#include "base/log.h"
#include "codec/json.h"
#include "kernel/mount.h"
#include "store/db.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>

#define DB_NAME   "volumes.db"
#define ANONYMOUS "com.docker.volume.anonymous"

static const char *const migrations[] = {
	"CREATE TABLE volume (name TEXT PRIMARY KEY, driver TEXT NOT NULL, created INTEGER NOT NULL,"
	" options TEXT NOT NULL, labels TEXT NOT NULL) WITHOUT ROWID",
};

/* A volume in the table, with who holds it. */
struct entry {
	struct volume *v;
	struct strlist holders;
	struct strlist openers; /* holders whose process may see the mount */
};

struct volume_table {
	pthread_mutex_t lock;
	struct db *db;
	char *root;
	int rootfd;
	struct map by_name; /* struct entry * */
};

struct volume *volume_ref(struct volume *v)
{
	__atomic_add_fetch(&v->refs, 1, __ATOMIC_RELAXED);
	return v;
}

void volume_unref(struct volume *v)
{
	if (v && __atomic_sub_fetch(&v->refs, 1, __ATOMIC_ACQ_REL) == 0)
		arena_free(v->arena); /* v lives in it */
}

static void entry_free(struct entry *en)
{
	volume_unref(en->v);
	strlist_release(&en->holders);
	strlist_release(&en->openers);
	free(en);
}

static void strlist_drop(struct strlist *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->v[i], s) != 0)
			continue;
		free(l->v[i]);
		memmove(&l->v[i], &l->v[i + 1], (l->n - i) * sizeof(*l->v)); /* with the NULL at the end */
		l->n--;
		return;
	}
}

int volume_check_name(const char *name, struct err **e)
{
	size_t n = strlen(name);

	if (n == 1)
		return err_set(e, ERR_INVALID,
			       "create %s: volume name is too short, names should be at least two "
			       "alphanumeric characters",
			       name);
	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!alnum && (i == 0 || !strchr("_.-", c)))
			return err_set(
				e, ERR_INVALID,
				"create %s: \"%s\" includes invalid characters for a local volume name, only "
				"\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host "
				"directory, use absolute path",
				name, name);
	}
	if (n > 255)
		return err_set(e, ERR_INVALID, "create %s: volume name is too long", name);
	return 0;
}

static void map_copy(struct arena *a, struct model_str_map *to, const struct model_str_map *from)
{
	for (size_t i = 0; i < from->n; i++)
		model_map_put(a, to, from->v[i].k, from->v[i].v ? from->v[i].v : "");
}

static char *map_print(const struct model_str_map *m)
{
	struct strbuf b = { 0 };
	struct jw w = jw_to(&b);

	jw_obj(&w);
	for (size_t i = 0; i < m->n; i++)
		jw_kstr(&w, m->v[i].k, m->v[i].v);
	jw_end(&w);
	return sb_take(&b);
}

static int map_parse(struct arena *a, const char *text, struct model_str_map *out, struct err **e)
{
	const struct json *j = NULL;

	/* The text lives as long as the volume: parsed strings may point into it. */
	if (json_parse(a, sv_of(arena_strdup(a, text)), NULL, &j, e) < 0)
		return -1;
	json_for_each (it, j)
		model_map_put(a, out, it->key.p, json_str(it));
	return 0;
}

static struct volume *volume_new(struct volume_table *t, const char *name, const char *driver,
				 int64_t created_ns)
{
	struct arena *a = arena_new();
	struct volume *v = ARENA_NEW(a, struct volume);

	v->arena = a;
	v->refs = 1;
	v->name = arena_strdup(a, name);
	v->driver = arena_strdup(a, driver);
	v->mountpoint = arena_printf(a, "%s/%s/_data", t->root, name);
	v->created_ns = created_ns;
	return v;
}

static void table_add(struct volume_table *t, struct volume *v)
{
	struct entry *en = NEW(struct entry);

	en->v = v;
	v->is_anonymous = model_map_get(&v->labels, ANONYMOUS) != NULL;
	(void)map_put(&t->by_name, v->name, en);
}

static int table_load(struct volume_table *t, struct err **e)
{
	cleanup_query struct db_query q = { 0 };
	int r;

	if (db_query(t->db, &q, e, "SELECT name, driver, created, options, labels FROM volume", "") < 0)
		return -1;
	while ((r = db_step(&q, e)) > 0) {
		struct volume *v = volume_new(t, db_col_str(&q, 0), db_col_str(&q, 1), db_col_i64(&q, 2));

		if (map_parse(v->arena, db_col_str(&q, 3), &v->options, e) < 0 ||
		    map_parse(v->arena, db_col_str(&q, 4), &v->labels, e) < 0) {
			volume_unref(v);
			return -1;
		}
		table_add(t, v);
	}
	return r;
}

/* A database that was lost: its directories are somebody's data, and become volumes again, without their labels. */
static void adopt(struct volume_table *t, const char *name)
{
	cleanup_free char *data = xasprintf("%s/_data", name);
	cleanup_err struct err *e = NULL;
	struct stat st;

	if (volume_check_name(name, NULL) < 0 || fstatat(t->rootfd, data, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISDIR(st.st_mode))
		return;
	if (db_exec(t->db, &e, "INSERT INTO volume VALUES (?, 'local', ?, '{}', '{}')", "si", name,
		    clock_now_ns()) < 0) {
		log_warn(log_kv("volume", name), "cannot take it back: %s", err_text(e));
		return;
	}
	log_warn(log_kv("volume", name),
		 "the database of volumes is new: took this one back, without its labels");
}

/* A directory without a row is what a killed create or remove left: nobody was told that it exists. */
static void sweep(struct volume_table *t, bool is_new)
{
	int fd = fs_open_at(t->rootfd, ".", O_RDONLY | O_DIRECTORY, 0);
	struct dirent *d;
	DIR *dir;

	if (fd < 0)
		return;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return;
	}
	while ((d = readdir(dir))) {
		if (d->d_type != DT_DIR || d->d_name[0] == '.' || map_has(&t->by_name, d->d_name))
			continue;
		if (is_new) {
			adopt(t, d->d_name);
			continue;
		}
		log_info(log_kv("volume", d->d_name), "removing what an interrupted call left");
		if (fs_rmtree_at(t->rootfd, d->d_name) < 0)
			log_warn(log_kv("volume", d->d_name), "could not remove it");
	}
	(void)closedir(dir);
}

int volume_table_open(const char *root, struct volume_table **out, struct err **e)
{
	struct volume_table *t = NEW(struct volume_table);
	cleanup_free char *path = xasprintf("%s/" DB_NAME, root);
	bool is_new = false;
	int r;

	(void)pthread_mutex_init(&t->lock, NULL);
	t->root = xstrdup(root);
	t->rootfd = -1;
	r = fs_mkdirs(root, 0701);
	if (r < 0) {
		(void)err_sys(e, -r, "create '%s'", root);
		goto fail;
	}
	t->rootfd = fs_open(root, O_RDONLY | O_DIRECTORY, 0);
	if (t->rootfd < 0) {
		(void)err_sys(e, -t->rootfd, "open '%s'", root);
		goto fail;
	}
	is_new = faccessat(t->rootfd, DB_NAME, F_OK, 0) < 0 && errno == ENOENT;
	if (db_open(path, DB_DURABLE, migrations, ARRAY_LEN(migrations), &t->db, e) < 0)
		goto fail;
	if (is_new)
		sweep(t, true);
	if (table_load(t, e) < 0)
		goto fail;
	if (!is_new)
		sweep(t, false);
	*out = t;
	return 0;
fail:
	volume_table_close(t);
	return -1;
}

void volume_table_close(struct volume_table *t)
{
	if (!t)
		return;
	map_for_each (it, &t->by_name)
		entry_free(it->value);
	map_release(&t->by_name);
	db_close(t->db);
	fd_close(&t->rootfd);
	(void)pthread_mutex_destroy(&t->lock);
	free(t->root);
	free(t);
}

/* The directory, durable; the row is written after it. */
static int make_dirs(struct volume_table *t, const char *name, struct err **e)
{
	cleanup_close int dir = -1, data = -1;
	int r;

	r = fault_point("volume.create.mkdir");
	/* What a remove could not delete is no start for a new volume. */
	if (r == 0)
		r = fs_rmtree_at(t->rootfd, name);
	if (r == 0)
		r = fs_mkdir_at(t->rootfd, name, 0701);
	if (r == 0) {
		dir = fs_open_at(t->rootfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		r = dir < 0 ? dir : fs_mkdir_at(dir, "_data", 0755);
	}
	if (r == 0) {
		/* Whatever our umask is, a volume is readable like any directory. */
		data = fs_open_at(dir, "_data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		r = data < 0 ? data : (fchmod(data, 0755) < 0 ? -errno : 0);
	}
	if (r == 0 && (fsync(dir) < 0 || fsync(t->rootfd) < 0))
		r = -errno;
	if (r < 0)
		return err_sys(e, -r, "create volume '%s'", name);
	return 0;
}

/* What the caller asks of a name that exists already. */
static int check_existing(const struct volume *v, const char *driver, struct err **e)
{
	if (!str_eq(v->driver, driver))
		return err_set(e, ERR_CONFLICT,
			       "create %s: a volume with this name already exists: volume already exists "
			       "with driver %s",
			       v->name, v->driver);
	return 0;
}

int volume_create(struct volume_table *t, const struct volume_spec *spec, struct volume **out, bool *existed,
		  struct err **e)
{
	const char *driver = str_empty(spec->driver) ? "local" : spec->driver;
	cleanup_free char *options = NULL, *labels = NULL;
	cleanup_volume struct volume *v = NULL;
	char random[ID_LEN + 1];
	const char *name = spec->name;
	struct entry *en;
	int r = -1;

	if (str_empty(name)) {
		id_new(random);
		name = random;
	} else if (volume_check_name(name, e) < 0) {
		return -1;
	}
	if (!str_eq(driver, "local"))
		return err_set(e, ERR_NOT_FOUND, "error looking up volume plugin %s: plugin \"%s\" not found",
			       driver, driver);

	(void)pthread_mutex_lock(&t->lock);
	en = map_get(&t->by_name, name);
	if (en) {
		r = check_existing(en->v, driver, e);
		if (r == 0) {
			*out = volume_ref(en->v);
			if (existed)
				*existed = true;
		}
		(void)pthread_mutex_unlock(&t->lock);
		return r;
	}
	if (volume_check_options(&spec->options, e) < 0) {
		(void)err_wrap(e, "create %s", name);
		goto out;
	}
	v = volume_new(t, name, driver, clock_now_ns());
	map_copy(v->arena, &v->options, &spec->options);
	map_copy(v->arena, &v->labels, &spec->labels);
	if (name == random)
		model_map_put(v->arena, &v->labels, ANONYMOUS, "");
	options = map_print(&v->options);
	labels = map_print(&v->labels);
	if (make_dirs(t, name, e) < 0)
		goto undo;
	if ((r = fault_point("volume.create.record")) < 0) {
		r = err_sys(e, -r, "record volume '%s'", name);
		goto undo;
	}
	r = db_exec(t->db, e, "INSERT INTO volume VALUES (?, ?, ?, ?, ?)", "ssiss", name, driver,
		    v->created_ns, options, labels);
	if (r < 0)
		goto undo;
	r = 0;
	*out = volume_ref(v);
	table_add(t, TAKE_PTR(v));
	if (existed)
		*existed = false;
	goto out;
undo:
	r = -1;
	(void)fs_rmtree_at(t->rootfd, name);
out:
	(void)pthread_mutex_unlock(&t->lock);
	return r;
}

struct volume *volume_find(struct volume_table *t, const char *name)
{
	struct volume *v = NULL;
	struct entry *en;

	(void)pthread_mutex_lock(&t->lock);
	en = map_get(&t->by_name, name);
	if (en)
		v = volume_ref(en->v);
	(void)pthread_mutex_unlock(&t->lock);
	return v;
}

static int by_name(const void *a, const void *b)
{
	const struct volume *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

struct volume **volume_list(struct volume_table *t, size_t *n)
{
	struct volume **v;

	(void)pthread_mutex_lock(&t->lock);
	v = xcalloc(t->by_name.n + 1, sizeof(*v));
	*n = 0;
	map_for_each (it, &t->by_name)
		v[(*n)++] = volume_ref(((struct entry *)it->value)->v);
	(void)pthread_mutex_unlock(&t->lock);
	if (*n)
		qsort(v, *n, sizeof(*v), by_name);
	return v;
}

void volume_list_free(struct volume **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		volume_unref(v[i]);
	free(v);
}

/* _data is a mount point of ours: another mount than the directory it is in. */
static bool is_mounted(struct volume_table *t, const char *name)
{
	cleanup_free char *path = xasprintf("%s/_data", name);
	struct statx a, b;

	return statx(t->rootfd, name, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &a) == 0 &&
	       statx(t->rootfd, path, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &b) == 0 &&
	       a.stx_mnt_id != b.stx_mnt_id;
}

int volume_remove(struct volume_table *t, const char *name, bool force, struct err **e)
{
	struct entry *en;
	int r = -1;

	(void)pthread_mutex_lock(&t->lock);
	en = map_get(&t->by_name, name);
	if (!en) {
		r = force ? 0 : err_set(e, ERR_NOT_FOUND, "get %s: no such volume", name);
		goto out;
	}
	if (en->holders.n) {
		cleanup_strbuf struct strbuf ids = { 0 };

		for (size_t i = 0; i < en->holders.n; i++)
			sb_addf(&ids, "%s%s", i ? ", " : "", en->holders.v[i]);
		r = err_set(e, ERR_CONFLICT, "remove %s: volume is in use - [%s]", name, ids.p);
		goto out;
	}
	if (is_mounted(t, name))
		(void)mnt_detach(en->v->mountpoint);
	if ((r = fault_point("volume.remove.record")) < 0) {
		r = err_sys(e, -r, "remove volume '%s'", name);
		goto out;
	}
	if (db_exec(t->db, e, "DELETE FROM volume WHERE name = ?", "s", name) < 0) {
		r = -1;
		goto out;
	}
	(void)map_del(&t->by_name, name);
	(void)fault_point("volume.remove.data");
	r = fs_rmtree_at(t->rootfd, name);
	if (r < 0) {
		/* The volume is gone for everybody; its bytes go at the next start. */
		log_warn(log_kv("volume", name), "its data could not be removed whole");
		r = 0;
	}
	entry_free(en);
out:
	(void)pthread_mutex_unlock(&t->lock);
	return r;
}

int volume_hold(struct volume_table *t, const char *name, const char *holder, struct err **e)
{
	struct entry *en;
	int r = 0;

	(void)pthread_mutex_lock(&t->lock);
	en = map_get(&t->by_name, name);
	if (!en)
		r = err_set(e, ERR_NOT_FOUND, "get %s: no such volume", name);
	else if (!strlist_has(&en->holders, holder))
		strlist_add(&en->holders, holder);
	(void)pthread_mutex_unlock(&t->lock);
	return r;
}

static bool closed_locked(struct volume_table *t, struct entry *en, const char *holder)
{
	if (!strlist_has(&en->openers, holder))
		return false;
	strlist_drop(&en->openers, holder);
	if (en->openers.n == 0 && en->v->options.n && is_mounted(t, en->v->name))
		(void)mnt_detach(en->v->mountpoint);
	return true;
}

void volume_release(struct volume_table *t, const char *name, const char *holder)
{
	struct entry *en;

	(void)pthread_mutex_lock(&t->lock);
	en = map_get(&t->by_name, name);
	if (en) {
		(void)closed_locked(t, en, holder);
		strlist_drop(&en->holders, holder);
	}
	(void)pthread_mutex_unlock(&t->lock);
}

bool volume_closed(struct volume_table *t, const char *name, const char *holder)
{
	struct entry *en;

	(void)pthread_mutex_lock(&t->lock);
	en = map_get(&t->by_name, name);
	bool was_open = en && closed_locked(t, en, holder);
	(void)pthread_mutex_unlock(&t->lock);
	return was_open;
}

void volume_opened(struct volume_table *t, const char *name, const char *holder)
{
	struct entry *en;

	(void)pthread_mutex_lock(&t->lock);
	en = map_get(&t->by_name, name);
	if (en && !strlist_has(&en->openers, holder))
		strlist_add(&en->openers, holder);
	(void)pthread_mutex_unlock(&t->lock);
}

size_t volume_holders(struct volume_table *t, const char *name)
{
	struct entry *en;
	size_t n;

	(void)pthread_mutex_lock(&t->lock);
	en = map_get(&t->by_name, name);
	n = en ? en->holders.n : 0;
	(void)pthread_mutex_unlock(&t->lock);
	return n;
}

static int open_data(struct volume_table *t, const char *name)
{
	cleanup_close int dir = fs_open_at(t->rootfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);

	return dir < 0 ? dir : fs_open_at(dir, "_data", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
}

int volume_open(struct volume_table *t, struct volume *v, const char *holder, struct err **e)
{
	struct entry *en;
	int fd = -1;

	(void)pthread_mutex_lock(&t->lock);
	en = map_get(&t->by_name, v->name);
	if (!en || en->v != v) {
		(void)err_set(e, ERR_NOT_FOUND, "get %s: no such volume", v->name);
		goto out;
	}
	if (v->options.n && !is_mounted(t, v->name)) {
		cleanup_close int mount = volume_mount_options(v, e);
		int r;

		if (mount < 0)
			goto out;
		r = mnt_attach_path(mount, v->mountpoint);
		if (r < 0) {
			(void)err_sys(e, -r, "mount volume '%s'", v->name);
			goto out;
		}
	}
	fd = open_data(t, v->name);
	if (fd < 0) {
		(void)err_sys(e, -fd, "open volume '%s'", v->name);
		fd = -1;
		goto out;
	}
	if (!strlist_has(&en->openers, holder))
		strlist_add(&en->openers, holder);
out:
	(void)pthread_mutex_unlock(&t->lock);
	return fd;
}
