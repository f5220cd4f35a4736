/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"

#include "base/fs.h"
#include "base/list.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>

#define BUSY_TIMEOUT_MS 5000

struct db {
	sqlite3 *sq;
	pthread_mutex_t lock;  /* recursive */
	struct map statements; /* SQL text -> struct cached */
	bool in_tx;
};

struct cached {
	sqlite3_stmt *st;
	bool in_use;
};

static int db_err(struct db *db, int rc, struct err **e, const char *what)
{
	const char *text = sqlite3_errmsg(db->sq);
	switch (rc & 0xff) {
	case SQLITE_CONSTRAINT:
		if (sqlite3_extended_errcode(db->sq) == SQLITE_CONSTRAINT_UNIQUE ||
		    sqlite3_extended_errcode(db->sq) == SQLITE_CONSTRAINT_PRIMARYKEY)
			return err_set(e, ERR_CONFLICT, "database: %s: %s", what, text);
		break;
	case SQLITE_FULL: return err_sys(e, ENOSPC, "database: %s", what);
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return err_set(e, ERR_CONFLICT, "database: %s: in use by another process", what);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return err_set(e, ERR_DATA_LOSS, "database: %s: %s", what, text);
	case SQLITE_IOERR:
		if (sqlite3_system_errno(db->sq))
			return err_sys(e, sqlite3_system_errno(db->sq), "database: %s", what);
		break;
	default: break;
	}
	return err_set(e, ERR_SYSTEM, "database: %s: %s", what, text);
}

int db_script(struct db *db, const char *sql, struct err **e)
{
	pthread_mutex_lock(&db->lock);
	int rc = sqlite3_exec(db->sq, sql, NULL, NULL, NULL);
	int r = rc == SQLITE_OK ? 0 : db_err(db, rc, e, "script");
	pthread_mutex_unlock(&db->lock);
	return r;
}

static int migrate(struct db *db, const char *path, const char *const *migrations, size_t n, struct err **e)
{
	int64_t version;
	if (db_get_i64(db, 0, &version, e, "PRAGMA user_version", "") < 0)
		return -1;
	if (version < 0 || (uint64_t)version > n)
		return err_set(e, ERR_CONFLICT,
			       "database '%s' has version %lld, this program knows %zu: it was written by a "
			       "newer one",
			       path, (long long)version, n);
	for (size_t i = (size_t)version; i < n; i++) {
		char bump[64];
		(void)snprintf(bump, sizeof(bump), "PRAGMA user_version = %zu", i + 1);
		if (db_begin(db, e) < 0)
			return -1;
		if (db_script(db, migrations[i], e) < 0 || db_script(db, bump, e) < 0) {
			db_rollback(db);
			return err_wrap(e, "migrate '%s' to version %zu", path, i + 1);
		}
		if (db_commit(db, e) < 0)
			return -1;
	}
	return 0;
}

int db_open(const char *path, unsigned flags, const char *const *migrations, size_t n_migrations,
	    struct db **out, struct err **e)
{
	cleanup_db struct db *db = NEW(struct db);
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&db->lock, &attr);
	pthread_mutexattr_destroy(&attr);

	/* SQLite gives the journal files the main file's mode. */
	int fd = fs_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, -fd, "open database '%s'", path);
	fd_close(&fd);
	int rc = sqlite3_open_v2(path, &db->sq,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_extended_result_codes(db->sq, 1);
		sqlite3_busy_timeout(db->sq, flags & DB_SHARED ? BUSY_TIMEOUT_MS : 0);
		rc = sqlite3_exec(db->sq,
				  flags & DB_SHARED ? "PRAGMA locking_mode=NORMAL"
						    : "PRAGMA locking_mode=EXCLUSIVE",
				  NULL, NULL, NULL);
	}
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db->sq, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db->sq,
				  flags & DB_DURABLE ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF",
				  NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db->sq,
				  "PRAGMA foreign_keys=ON; PRAGMA cache_size=-512; PRAGMA temp_store=MEMORY;"
				  "PRAGMA trusted_schema=OFF",
				  NULL, NULL, NULL);
	if (rc != SQLITE_OK) {
		if (!db->sq)
			return err_set(e, ERR_SYSTEM, "open database '%s': out of memory", path);
		(void)db_err(db, rc, e, "open");
		return err_wrap(e, "'%s'", path);
	}
	if (migrate(db, path, migrations, n_migrations, e) < 0)
		return -1;
	*out = TAKE_PTR(db);
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	assert(!db->in_tx);
	map_for_each (it, &db->statements) {
		struct cached *c = it->value;
		assert(!c->in_use);
		sqlite3_finalize(c->st);
		free(c);
	}
	map_release(&db->statements);
	int rc = sqlite3_close(db->sq);
	assert(rc == SQLITE_OK);
	pthread_mutex_destroy(&db->lock);
	free(db);
}

/* The lock is held when this returns 0. */
static int query_start(struct db *db, struct db_query *q, const char *sql, struct err **e)
{
	pthread_mutex_lock(&db->lock);
	struct cached *c = map_get(&db->statements, sql);
	if (!c || c->in_use) {
		sqlite3_stmt *st = NULL;
		int rc = sqlite3_prepare_v3(db->sq, sql, -1, c ? 0 : SQLITE_PREPARE_PERSISTENT, &st, NULL);
		if (rc != SQLITE_OK) {
			(void)db_err(db, rc, e, "prepare");
			pthread_mutex_unlock(&db->lock);
			return -1;
		}
		if (c) { /* the same text is running further up: a statement for this once */
			*q = (struct db_query){ .db = db, .st = st };
			return 0;
		}
		c = NEW(struct cached);
		c->st = st;
		(void)map_put(&db->statements, sql, c);
	}
	c->in_use = true;
	*q = (struct db_query){ .db = db, .st = c->st, .is_cached = true };
	return 0;
}

void db_done(struct db_query *q)
{
	struct db *db = q->db;
	if (!db)
		return;
	if (q->is_cached) {
		struct cached *c = map_get(&db->statements, sqlite3_sql(q->st));
		assert(c && c->st == q->st);
		sqlite3_reset(q->st);
		sqlite3_clear_bindings(q->st);
		c->in_use = false;
	} else {
		sqlite3_finalize(q->st);
	}
	*q = (struct db_query){ 0 };
	pthread_mutex_unlock(&db->lock);
}

static void bind(struct db_query *q, const char *types, va_list ap)
{
	assert((size_t)sqlite3_bind_parameter_count(q->st) == strlen(types));
	for (int i = 1; *types; types++, i++) {
		int rc = SQLITE_OK;
		switch (*types) {
		case 's':
			rc = sqlite3_bind_text(q->st, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
			break;
		case 'v': {
			struct sv v = va_arg(ap, struct sv);
			rc = sqlite3_bind_text64(q->st, i, v.p ? v.p : "", v.n, SQLITE_TRANSIENT,
						 SQLITE_UTF8);
			break;
		}
		case 'i': rc = sqlite3_bind_int64(q->st, i, va_arg(ap, int64_t)); break;
		case 'u': {
			uint64_t u = va_arg(ap, uint64_t);
			assert(u <= INT64_MAX);
			rc = sqlite3_bind_int64(q->st, i, (int64_t)u);
			break;
		}
		case 'd': rc = sqlite3_bind_int(q->st, i, va_arg(ap, int)); break;
		case 'b': {
			const void *p = va_arg(ap, const void *);
			size_t n = va_arg(ap, size_t);
			rc = sqlite3_bind_blob64(q->st, i, p ? p : "", n, SQLITE_TRANSIENT);
			break;
		}
		case 'n': rc = sqlite3_bind_null(q->st, i); break;
		default: assert(!"db: unknown parameter type");
		}
		assert(rc == SQLITE_OK);
	}
}

static int db_vquery(struct db *db, struct db_query *q, struct err **e, const char *sql, const char *types,
		     va_list ap)
{
	if (query_start(db, q, sql, e) < 0)
		return -1;
	bind(q, types, ap);
	return 0;
}

int db_query(struct db *db, struct db_query *q, struct err **e, const char *sql, const char *types, ...)
{
	va_list ap;
	va_start(ap, types);
	int r = db_vquery(db, q, e, sql, types, ap);
	va_end(ap);
	return r;
}

int db_step(struct db_query *q, struct err **e)
{
	int rc = sqlite3_step(q->st);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return db_err(q->db, rc, e, "step");
}

int db_exec(struct db *db, struct err **e, const char *sql, const char *types, ...)
{
	cleanup_query struct db_query q = { 0 };
	va_list ap;
	va_start(ap, types);
	int r = db_vquery(db, &q, e, sql, types, ap);
	va_end(ap);
	if (r < 0)
		return -1;
	r = db_step(&q, e);
	if (r < 0)
		return -1;
	assert(r == 0);
	return sqlite3_changes(db->sq);
}

int db_get_i64(struct db *db, int64_t none, int64_t *out, struct err **e, const char *sql, const char *types,
	       ...)
{
	cleanup_query struct db_query q = { 0 };
	va_list ap;
	va_start(ap, types);
	int r = db_vquery(db, &q, e, sql, types, ap);
	va_end(ap);
	if (r < 0 || (r = db_step(&q, e)) < 0)
		return -1;
	*out = r ? db_col_i64(&q, 0) : none;
	return 0;
}

const char *db_col_str(struct db_query *q, int col)
{
	return (const char *)sqlite3_column_text(q->st, col);
}

struct sv db_col_blob(struct db_query *q, int col)
{
	const char *p = sqlite3_column_blob(q->st, col);
	return sv_n(p ? p : "", (size_t)sqlite3_column_bytes(q->st, col));
}

int64_t db_col_i64(struct db_query *q, int col)
{
	return sqlite3_column_int64(q->st, col);
}

bool db_col_null(struct db_query *q, int col)
{
	return sqlite3_column_type(q->st, col) == SQLITE_NULL;
}

int db_begin(struct db *db, struct err **e)
{
	pthread_mutex_lock(&db->lock);
	assert(!db->in_tx);
	if (db_exec(db, e, "BEGIN IMMEDIATE", "") < 0) {
		pthread_mutex_unlock(&db->lock);
		return -1;
	}
	db->in_tx = true;
	return 0;
}

void db_rollback(struct db *db)
{
	assert(db->in_tx);
	/* Some errors (a full disk) have rolled back already. */
	if (!sqlite3_get_autocommit(db->sq) && db_exec(db, NULL, "ROLLBACK", "") < 0)
		assert(sqlite3_get_autocommit(db->sq));
	db->in_tx = false;
	pthread_mutex_unlock(&db->lock);
}

int db_commit(struct db *db, struct err **e)
{
	assert(db->in_tx);
	if (db_exec(db, e, "COMMIT", "") < 0) {
		db_rollback(db);
		return -1;
	}
	db->in_tx = false;
	pthread_mutex_unlock(&db->lock);
	return 0;
}

int db_tx(struct db *db, struct db **tx, struct err **e)
{
	if (db_begin(db, e) < 0)
		return -1;
	*tx = db;
	return 0;
}

int db_tx_commit(struct db **tx, struct err **e)
{
	struct db *db = *tx;
	*tx = NULL;
	return db_commit(db, e);
}
