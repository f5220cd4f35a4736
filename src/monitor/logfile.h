/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The json-file log: {"log":"line\n","stream":"stdout","attrs":{…},"time":"…"} a record, one a line; lines longer than
 * 16 KiB are split, the parts but the last without the newline. Called by hoy-monitor; allocates nothing: all memory is
 * in the struct (of which a quiet container touches a few pages).
 *
 * Records are collected and written by log_flush(), which the event loop calls when nothing more is readable: one
 * write(2) a batch, always of whole records, so that a concurrent reader sees at most one unfinished line at the end.
 * Rotation: name → name.1 → … before a record that would go to a file of max_size bytes or more. A failing disk costs
 * records (counted), never the container.
 */
#pragma once

#include "monitor/client.h"

#define LOG_LINE_MAX  16384
#define LOG_OUT_MAX   (160 * 1024)
#define LOG_OUT_FLUSH (32 * 1024)

enum log_stream { LOG_STDOUT, LOG_STDERR };

struct log_line {
	uint32_t n;
	bool partial; /* an earlier part of this line was written */
	char buf[LOG_LINE_MAX];
};

struct logfile {
	int dirfd, fd; /* fd -1: no log, everything here does nothing */
	uint64_t size, max_size;
	uint32_t max_file;
	uint32_t name_n, attrs_n;
	char name[192];
	char attrs[MONITOR_MAX_LOG_ATTRS];
	/* for the owner to look at and reset */
	int error;        /* errno of the last failure; 0 after a success */
	uint64_t dropped; /* bytes of records that could not be written */
	bool rotated;
	/* the text of the current second */
	int64_t second;
	char second_text[24];
	uint32_t out_n;
	uint32_t out_used; /* high-water mark since the last log_trim() */
	struct log_line line[2];
	char out[LOG_OUT_MAX] __attribute__((aligned(4096)));
};

/* Opens (appends to) dirfd/name. dirfd is borrowed for the log's life. 0 or -errno. */
int log_open(struct logfile *l, int dirfd, const char *name, uint64_t max_size, uint32_t max_file,
	     const char *attrs, size_t attrs_n) NODISCARD;
void log_feed(struct logfile *l, enum log_stream s, const char *data, size_t n, int64_t now_ns);
/* The stream ended: what is left becomes a last record without newline. */
void log_end(struct logfile *l, enum log_stream s, int64_t now_ns);
void log_flush(struct logfile *l);
/* Gives back the pages of the buffers a burst touched. */
void log_trim(struct logfile *l);
void log_close(struct logfile *l);
