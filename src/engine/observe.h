/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine tells about itself and its containers without changing anything: info, version, disk usage, stats,
 * top, logs, networks, events. api/ calls these; see engine.h for the verbs, and for the rules both share (refs,
 * arenas, errors).
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/events.h"

#include <stdbool.h>
#include <stdint.h>

struct ctx;
struct engine;
struct filters;
struct model_str_list;
struct api_system_info;
struct api_version;
struct api_disk_usage;
struct api_top_response;
struct api_network;

#define ENGINE_API_MAX       "1.51"
#define ENGINE_API_MIN       "1.24"
#define ENGINE_API_MAX_MINOR 51
#define ENGINE_API_MIN_MINOR 24
/* What Docker's clients parse in `Server` and /version; the release whose API this is. */
#define ENGINE_DOCKER_VERSION "28.5.2"

int engine_info(struct engine *en, struct arena *a, struct api_system_info **out, struct err **e) NODISCARD;
int engine_version(struct engine *en, struct arena *a, struct api_version **out, struct err **e) NODISCARD;

enum { ENGINE_DF_CONTAINERS = 1, ENGINE_DF_IMAGES = 2, ENGINE_DF_VOLUMES = 4, ENGINE_DF_BUILD_CACHE = 8 };
int engine_df(struct engine *en, unsigned int what, const struct ctx *ctx, struct arena *a,
	      struct api_disk_usage **out, struct err **e) NODISCARD;

struct events *engine_events(struct engine *en);

/* top: the host's ps, rows of the container's processes. */
int engine_container_top(struct engine *en, const char *ref, const char *ps_args, struct arena *a,
			 struct api_top_response **out, struct err **e) NODISCARD;

/* stats: open once, sample as often as asked; each sample is the JSON object without a newline. */
struct engine_stats;
int engine_stats_open(struct engine *en, const char *ref, struct engine_stats **out,
		      struct err **e) NODISCARD;
/* with_previous: precpu_stats are those of the sample before; else zeroes. */
int engine_stats_sample(struct engine_stats *s, bool with_previous, struct strbuf *json,
			struct err **e) NODISCARD;
bool engine_stats_is_running(struct engine_stats *s);
bool engine_stats_is_gone(struct engine_stats *s); /* removed */
void engine_stats_close(struct engine_stats *s);   /* NULL is fine */
DEFINE_CLEANUP(struct engine_stats *, engine_stats_close)
#define cleanup_engine_stats CLEANUP(engine_stats_close)

/* logs: frames (or raw bytes of a tty) ready for the client. */
struct engine_logs_request {
	bool follow, stdout_, stderr_, timestamps, details;
	int64_t since_ns, until_ns; /* 0: not given */
	int64_t tail;               /* -1: all */
};
struct engine_logs;
int engine_logs_open(struct engine *en, const char *ref, const struct engine_logs_request *rq,
		     struct engine_logs **out, struct err **e) NODISCARD;
bool engine_logs_is_tty(const struct engine_logs *l);
/* The next piece, valid until the next call: 1; 0 at the end; -1. With follow it waits for more. */
int engine_logs_next(struct engine_logs *l, const struct ctx *ctx, struct sv *out, struct err **e) NODISCARD;
void engine_logs_close(struct engine_logs *l);
DEFINE_CLEANUP(struct engine_logs *, engine_logs_close)
#define cleanup_engine_logs CLEANUP(engine_logs_close)

/* networks: the three that are always there */
struct engine_networks {
	struct api_network *v;
	size_t n;
};
int engine_network_list(struct engine *en, const struct filters *f, struct arena *a,
			struct engine_networks *out, struct err **e) NODISCARD;
int engine_network_inspect(struct engine *en, const char *ref, struct arena *a, struct api_network **out,
			   struct err **e) NODISCARD;
