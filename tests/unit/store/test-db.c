/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"

#include "base/fs.h"
#include "base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

struct place {
	char dir[64];
	char *path;
};

static int setup(void **state)
{
	struct place *p = NEW(struct place);
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/hoy-db-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	p->path = xasprintf("%s/t.db", p->dir);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	int r = fs_rmtree_at(AT_FDCWD, p->dir);
	free(p->path);
	free(p);
	return r;
}

static const char *const schema[] = {
	"CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER, b BLOB) WITHOUT ROWID",
	"ALTER TABLE t ADD COLUMN extra TEXT DEFAULT 'x'; CREATE INDEX t_n ON t (n)",
};

static struct db *must_open(struct place *p, unsigned flags, size_t n)
{
	struct db *db = NULL;
	cleanup_err struct err *e = NULL;
	if (db_open(p->path, flags, schema, n, &db, &e) < 0)
		fail_msg("%s", err_text(e));
	return db;
}

static void test_values(void **state)
{
	struct place *p = *state;
	cleanup_db struct db *db = must_open(p, DB_DURABLE, 2);
	cleanup_err struct err *e = NULL;
	const char blob[] = { 1, 0, 2 };
	assert_int_equal(db_exec(db, &e, "INSERT INTO t (k, n, b) VALUES (?, ?, ?)", "sib", "a", INT64_MIN,
				 blob, sizeof(blob)),
			 1);
	assert_int_equal(db_exec(db, &e, "INSERT INTO t (k, n, b) VALUES (?, ?, ?)", "vdn", SV("b"), 7), 1);
	assert_int_equal(db_exec(db, &e, "INSERT INTO t (k, n, b) VALUES (?, ?, ?)", "ssn", "c", NULL), 1);

	cleanup_query struct db_query q = { 0 };
	assert_int_equal(db_query(db, &q, &e, "SELECT k, n, b, extra FROM t ORDER BY k", ""), 0);
	assert_int_equal(db_step(&q, &e), 1);
	assert_string_equal(db_col_str(&q, 0), "a");
	assert_true(db_col_i64(&q, 1) == INT64_MIN);
	struct sv b = db_col_blob(&q, 2);
	assert_int_equal(b.n, 3);
	assert_memory_equal(b.p, blob, 3);
	assert_string_equal(db_col_str(&q, 3), "x");
	assert_int_equal(db_step(&q, &e), 1);
	assert_int_equal(db_col_i64(&q, 1), 7);
	assert_true(db_col_null(&q, 2));
	assert_int_equal(db_step(&q, &e), 1);
	assert_null(db_col_str(&q, 1));

	/* The same text inside itself. */
	struct db_query q2 = { 0 };
	assert_int_equal(db_query(db, &q2, &e, "SELECT k, n, b, extra FROM t ORDER BY k", ""), 0);
	assert_int_equal(db_step(&q2, &e), 1);
	assert_string_equal(db_col_str(&q2, 0), "a");
	db_done(&q2);
	db_done(&q2);

	assert_int_equal(db_step(&q, &e), 0);
	assert_null(e);
}

static void test_conflict_and_rollback(void **state)
{
	struct place *p = *state;
	cleanup_db struct db *db = must_open(p, 0, 2);
	cleanup_err struct err *e = NULL;
	int64_t n;
	{
		cleanup_tx struct db *tx = NULL;
		assert_int_equal(db_tx(db, &tx, &e), 0);
		assert_int_equal(db_exec(db, &e, "INSERT INTO t (k) VALUES (?)", "s", "a"), 1);
		assert_int_equal(db_exec(db, &e, "INSERT INTO t (k) VALUES (?)", "s", "a"), -1);
		assert_int_equal(err_class(e), ERR_CONFLICT);
	}
	assert_int_equal(db_get_i64(db, -1, &n, NULL, "SELECT count(*) FROM t", ""), 0);
	assert_int_equal(n, 0);
	assert_int_equal(db_get_i64(db, -1, &n, NULL, "SELECT n FROM t", ""), 0);
	assert_int_equal(n, -1);

	struct db *tx = NULL;
	assert_int_equal(db_tx(db, &tx, NULL), 0);
	assert_int_equal(db_exec(db, NULL, "INSERT INTO t (k) VALUES (?)", "s", "a"), 1);
	assert_int_equal(db_tx_commit(&tx, NULL), 0);
	assert_null(tx);
	assert_int_equal(db_get_i64(db, -1, &n, NULL, "SELECT count(*) FROM t", ""), 0);
	assert_int_equal(n, 1);
	assert_int_equal(db_exec(db, NULL, "UPDATE t SET n = 1 WHERE k = ?", "s", "nobody"), 0);
}

static void test_migrate(void **state)
{
	struct place *p = *state;
	cleanup_err struct err *e = NULL;
	struct db *db = must_open(p, DB_DURABLE, 1);
	assert_int_equal(db_exec(db, NULL, "INSERT INTO t (k) VALUES ('old')", ""), 1);
	db_close(db);
	db = must_open(p, DB_DURABLE, 2);
	int64_t n;
	assert_int_equal(db_get_i64(db, 0, &n, NULL, "SELECT count(*) FROM t WHERE extra = 'x'", ""), 0);
	assert_int_equal(n, 1);
	db_close(db);
	struct db *none = NULL;
	assert_int_equal(db_open(p->path, DB_DURABLE, schema, 1, &none, &e), -1);
	assert_int_equal(err_class(e), ERR_CONFLICT);

	/* A migration that fails leaves the version as it was. */
	const char *const bad[] = { schema[0], schema[1], "CREATE TABLE u (a); CREATE TABLE t (b)" };
	assert_int_equal(db_open(p->path, 0, bad, 3, &none, NULL), -1);
	db = must_open(p, 0, 2);
	assert_int_equal(
		db_get_i64(db, 0, &n, NULL, "SELECT count(*) FROM sqlite_master WHERE name = 'u'", ""), 0);
	assert_int_equal(n, 0);
	db_close(db);
}

static void test_exclusive_and_garbage(void **state)
{
	struct place *p = *state;
	cleanup_err struct err *e = NULL, *e2 = NULL;
	struct db *db = must_open(p, DB_DURABLE, 2), *none = NULL;
	assert_int_equal(db_open(p->path, DB_DURABLE, schema, 2, &none, &e), -1);
	assert_int_equal(err_class(e), ERR_CONFLICT);
	db_close(db);
	struct stat st;
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	int fd = fs_open(p->path, O_WRONLY | O_TRUNC, 0);
	assert_true(fd >= 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(fd_write_full(fd, "this is no database, not at all ", 32), 0);
	close(fd);
	assert_int_equal(db_open(p->path, DB_DURABLE, schema, 2, &none, &e2), -1);
	assert_int_equal(err_class(e2), ERR_DATA_LOSS);
}

struct job {
	struct db *db;
	int id;
};

static void *work(void *arg)
{
	struct job *j = arg;
	for (int i = 0; i < 50; i++) {
		char key[32];
		(void)snprintf(key, sizeof(key), "%d-%d", j->id, i);
		struct db *tx = NULL;
		int64_t n;
		if (db_tx(j->db, &tx, NULL) < 0 ||
		    db_exec(j->db, NULL, "INSERT INTO t (k) VALUES (?)", "s", key) < 0 ||
		    db_tx_commit(&tx, NULL) < 0 ||
		    db_get_i64(j->db, 0, &n, NULL, "SELECT count(*) FROM t WHERE k = ?", "s", key) < 0 ||
		    n != 1)
			return arg;
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct place *p = *state;
	cleanup_db struct db *db = must_open(p, 0, 2);
	pthread_t t[4];
	struct job jobs[4];
	for (int i = 0; i < 4; i++) {
		jobs[i] = (struct job){ db, i };
		assert_int_equal(pthread_create(&t[i], NULL, work, &jobs[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		void *r;
		pthread_join(t[i], &r);
		assert_null(r);
	}
	int64_t n;
	assert_int_equal(db_get_i64(db, 0, &n, NULL, "SELECT count(*) FROM t", ""), 0);
	assert_int_equal(n, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_conflict_and_rollback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_migrate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exclusive_and_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
