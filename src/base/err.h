/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors above the primitives. A function that can fail for a reason worth telling takes `struct err **e`
 * last and returns 0 or -1 (pointers: NULL). On success *e is left alone. `e` may be NULL: the text is
 * dropped.
 *
 *	if (fd < 0)
 *		return err_sys(e, -fd, "open image config '%s'", path);
 *
 * The macros' value is the constant -1, so compilers follow the path. A class maps to an HTTP status in one
 * table in api/ and to an exit code in one table in cli/. Handle or return, not both; log where handled,
 * once.
 */
#pragma once

#include "base/attr.h"

enum err_class {
	ERR_SYSTEM,          /* 500 */
	ERR_INVALID,         /* 400 */
	ERR_NOT_FOUND,       /* 404 */
	ERR_CONFLICT,        /* 409 */
	ERR_NOT_MODIFIED,    /* 304 */
	ERR_UNAUTHORIZED,    /* 401 */
	ERR_FORBIDDEN,       /* 403 */
	ERR_UNAVAILABLE,     /* 503 */
	ERR_NOT_IMPLEMENTED, /* 501 */
	ERR_CANCELLED,       /* 500 */
	ERR_DEADLINE,        /* 500 */
	ERR_DATA_LOSS,       /* 500 */
};

struct err;

/* Do not call the functions with a trailing underscore; use the macros. */
void err_set_(struct err **e, enum err_class c, int sys, const char *fmt, ...) PRINTF(4, 5);
void err_wrap_(struct err **e, const char *fmt, ...) PRINTF(2, 3);

/* A new error of class `c`. An error already in *e is kept (the first one counts). */
#define err_set(e, c, ...) (err_set_((e), (c), 0, __VA_ARGS__), -1)
/* A failed system call; the text gets ": strerror(sys)" appended; class ERR_SYSTEM. */
#define err_sys(e, sys, ...) (err_set_((e), ERR_SYSTEM, (sys), __VA_ARGS__), -1)
/* The same with a class of the caller's. */
#define err_sys_class(e, c, sys, ...) (err_set_((e), (c), (sys), __VA_ARGS__), -1)
/* Put "text: " before the message already in *e. */
#define err_wrap(e, ...) (err_wrap_((e), __VA_ARGS__), -1)

enum err_class err_class(const struct err *e);
/* errno of the failed call, or 0. */
int err_errno(const struct err *e);
const char *err_text(const struct err *e);
/* The text of an errno as Go's and Docker's messages have it: "no such file or directory". Returns buf. */
const char *err_sys_text(int sys, char *buf, size_t n);
/* Moves *src into *dst (dropped if dst is NULL). */
void err_move(struct err **dst, struct err **src);
void err_free(struct err *e);
DEFINE_CLEANUP(struct err *, err_free)
#define cleanup_err CLEANUP(err_free)
