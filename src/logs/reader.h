/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a container's json-file log while its monitor writes and rotates it: name.N (oldest) … name.1, name. The
 * engine opens one reader per request; bytes come out ready for the client: stdcopy frames, or raw for a tty.
 *
 *	logs_reader_open(&(struct logs_request){ .dirfd = dir, .name = "ID-json.log", .stdout_ = true, … }, &r, e);
 *	while (logs_reader_read(r, &piece, e) > 0)
 *		write(piece);
 *
 * A reader without `follow` ends where the log ended when it was opened. With follow, 0 means "no more now": wait (see
 * watch.h, or for the container's end) and read again; rotation is noticed and nothing is skipped, unless files are
 * deleted before they are read. Records that are no JSON (torn by a crash) are skipped. One thread per reader.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define LOGS_MAX_FILES  1000          /* rotated files looked at */
#define LOGS_MAX_RECORD (1024 * 1024) /* bytes of one line in the file; longer ones are skipped */

struct logs_reader;

struct logs_request {
	int dirfd; /* borrowed until close */
	const char *name;
	bool stdout_, stderr_, timestamps, details;
	bool mux; /* 8-byte frames, one a record */
	bool follow;
	int64_t since_ns, until_ns; /* 0: none */
	int64_t tail;               /* records, -1: all */
};

/* A log that does not exist yet is an empty one. */
int logs_reader_open(const struct logs_request *rq, struct logs_reader **out, struct err **e) NODISCARD;
/* 1 and a piece, valid until the next call; 0: nothing (more) for now; -1. */
int logs_reader_read(struct logs_reader *r, struct sv *out, struct err **e) NODISCARD;
/* `until` has been passed: following on is of no use. */
bool logs_reader_is_over(const struct logs_reader *r);
void logs_reader_close(struct logs_reader *r);
DEFINE_CLEANUP(struct logs_reader *, logs_reader_close)
#define cleanup_logs_reader CLEANUP(logs_reader_close)
