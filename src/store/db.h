/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite, as the engine's rooms use it: one file, one connection, schema by numbered migrations, statements
 * prepared once. Called by store (images) and engine (containers, volumes, networks).
 *
 * Threads: a `struct db` may be used by all threads. It owns one recursive lock; a query holds it from
 * db_query() to db_done(), a transaction from db_begin() to db_commit() or db_rollback(). So: read the rows
 * into your own memory, end the query, then do what is slow; and never wait for another thread between
 * db_query() and db_done().
 *
 * Durability: DB_DURABLE commits survive power loss (WAL, synchronous=FULL). Otherwise a commit survives kill
 * -9 of the process (WAL, synchronous=OFF), which costs no fsync.
 *
 * The file is locked exclusively while open (unless DB_SHARED): a second engine on the same root gets
 * ERR_CONFLICT.
 *
 *	static const char *const migrations[] = { "CREATE TABLE c (id TEXT PRIMARY KEY, spec TEXT)" };
 *	if (db_open(path, DB_DURABLE, migrations, ARRAY_LEN(migrations), &db, e) < 0)
 *		return -1;
 *	if (db_exec(db, e, "INSERT INTO c VALUES (?, ?)", "ss", id, json) < 0)
 *		return -1;
 *	cleanup_query struct db_query q = { 0 };
 *	if (db_query(db, &q, e, "SELECT spec FROM c WHERE id = ?", "s", id) < 0)
 *		return -1;
 *	while ((r = db_step(&q, e)) > 0)
 *		use(db_col_str(&q, 0));
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct db;
struct sqlite3_stmt;

enum {
	DB_DURABLE = 1 << 0, /* synchronous=FULL */
	DB_SHARED = 1 << 1,  /* other processes may open the file too */
};

/* Opens or creates `path` (mode 0600) and runs the migrations the file has not seen yet, each in its
 * transaction. migrations[i] is SQL (several statements allowed) that leads from version i to i+1; never edit
 * one that shipped. A file of a newer version is refused with ERR_CONFLICT; a damaged one with ERR_DATA_LOSS.
 */
int db_open(const char *path, unsigned flags, const char *const *migrations, size_t n_migrations,
	    struct db **out, struct err **e) NODISCARD;
/* Checkpoints the WAL. No query or transaction may be open. NULL is fine. */
void db_close(struct db *db);
DEFINE_CLEANUP(struct db *, db_close)
#define cleanup_db CLEANUP(db_close)

/*
 * Parameters: `types` has a letter for each '?': s const char * (NULL gives NULL), v struct sv, i int64_t, u
 * uint64_t (at most INT64_MAX), d int, b const void * and size_t (a blob), n nothing (NULL). Values are
 * copied. SQL text is a literal: it is the key of the statement cache, and never has data pasted in.
 */

/* Runs a statement that gives no rows. Returns the number of rows it changed, or -1. A violated UNIQUE or
 * PRIMARY KEY is ERR_CONFLICT, a full disk has err_errno() ENOSPC. */
int db_exec(struct db *db, struct err **e, const char *sql, const char *types, ...) NODISCARD;

struct db_query {
	struct db *db;
	struct sqlite3_stmt *st;
	bool is_cached;
};
/* Starts a query and takes the lock. Always ends with db_done() (cleanup_query does it). */
int db_query(struct db *db, struct db_query *q, struct err **e, const char *sql, const char *types,
	     ...) NODISCARD;
/* 1: there is a row; 0: no more; -1: error. */
int db_step(struct db_query *q, struct err **e) NODISCARD;
/* Columns of the current row, valid until the next step; borrowed. NULL column: NULL, 0, empty. */
const char *db_col_str(struct db_query *q, int col);
struct sv db_col_blob(struct db_query *q, int col);
int64_t db_col_i64(struct db_query *q, int col);
bool db_col_null(struct db_query *q, int col);
/* Ends the query and gives the lock back; does nothing on a zeroed or ended one. */
void db_done(struct db_query *q);
#define cleanup_query __attribute__((cleanup(db_done)))

/* A single number: first column of the first row, or `none` when there is no row. */
int db_get_i64(struct db *db, int64_t none, int64_t *out, struct err **e, const char *sql, const char *types,
	       ...) NODISCARD;

/* BEGIN IMMEDIATE; takes the lock. Does not nest. After an error of a statement inside, call db_rollback().
 */
int db_begin(struct db *db, struct err **e) NODISCARD;
/* On error the transaction is rolled back. Gives the lock back either way. */
int db_commit(struct db *db, struct err **e) NODISCARD;
void db_rollback(struct db *db);

/*
 * Scoped transaction: rolled back unless committed.
 *
 *	cleanup_tx struct db *tx = NULL;
 *	if (db_tx(db, &tx, e) < 0 || db_exec(db, e, …) < 0)
 *		return -1;
 *	return db_tx_commit(&tx, e);
 */
int db_tx(struct db *db, struct db **tx, struct err **e) NODISCARD;
int db_tx_commit(struct db **tx, struct err **e) NODISCARD;
DEFINE_CLEANUP(struct db *, db_rollback)
#define cleanup_tx CLEANUP(db_rollback)

/* Several statements in one text, no parameters, no rows: for maintenance. */
int db_script(struct db *db, const char *sql, struct err **e) NODISCARD;
