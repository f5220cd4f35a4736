/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: what the daemon can do, as C calls. api/ translates HTTP into these and nothing else does;
 * hoyd's main opens one engine and serves it. Every verb may block and may be called from any thread. Verbs
 * take the API's objects (model/api.gen.h), validated here and not by the caller, and errors carry Docker's
 * words and a class that api/ maps to a status. `ref` is what a client wrote: full ID, name with or without
 * "/", or a unique ID prefix.
 *
 * Replies are model structs in the arena the caller gives (that of the request), so that api/ may trim them
 * for old API versions before it encodes them.
 *
 * A `struct ctx` (may be NULL) ends a blocking verb early where Docker lets a client's leaving cancel it:
 * wait, prune, stats. stop and kill go on.
 *
 *	struct engine *en;
 *	if (engine_open(cfg, &en, &e) < 0) ...
 *	engine_container_create(en, &rq, arena, &reply, &e);
 *	engine_container_start(en, reply->id, &e);
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct ctx;
struct engine;
struct engine_config; /* engine/config.h */
struct filters;       /* model/filters.h */

/* model/api.gen.h */
struct api_container_config;
struct api_host_config;
struct api_networking_config;
struct api_create_response;
struct api_container_inspect;
struct api_container_summary_list;
struct api_update_request;
struct api_update_response;
struct api_exec_create_request;
struct api_exec_inspect;
struct api_volume;
struct api_volume_create_request;
struct api_volume_list_response;

/* Opens the state below data_root and exec_root, takes the lock against a second engine, finds running
 * containers again, records exits that happened meanwhile, removes what half-done verbs left, and starts the
 * supervisor. Containers with a restart policy are started by engine_run(). */
int engine_open(const struct engine_config *cfg, struct engine **out, struct err **e) NODISCARD;
/* What belongs after the listeners are up: restart policies. */
void engine_run(struct engine *en);
/* Cancels what waits, flushes state, lets containers run on. */
void engine_close(struct engine *en);
/* SIGHUP: what daemon.json allows to change at run time. */
int engine_reload(struct engine *en, struct err **e) NODISCARD;
const struct engine_config *engine_config_get(const struct engine *en);
struct store;
struct store *engine_store(struct engine *en);

/* --- containers --- */

struct engine_create {
	const char *name;     /* NULL or "": a random one */
	const char *platform; /* NULL or "" */
	/* In the request's arena; defaults are filled in. host and networking may be NULL. */
	struct api_container_config *config;
	struct api_host_config *host;
	struct api_networking_config *networking;
};
int engine_container_create(struct engine *en, const struct engine_create *rq, struct arena *a,
			    struct api_create_response **out, struct err **e) NODISCARD;
/* ERR_NOT_MODIFIED when it runs already. */
int engine_container_start(struct engine *en, const char *ref, const char *detach_keys,
			   struct err **e) NODISCARD;
#define ENGINE_TIMEOUT_DEFAULT INT32_MIN
/* signal: NULL or "" = the container's stop signal; timeout in seconds, -1 for ever. ERR_NOT_MODIFIED when it
 * does not run. */
int engine_container_stop(struct engine *en, const char *ref, const char *signal, int timeout_s,
			  struct err **e) NODISCARD;
int engine_container_restart(struct engine *en, const char *ref, const char *signal, int timeout_s,
			     struct err **e) NODISCARD;
int engine_container_kill(struct engine *en, const char *ref, const char *signal, struct err **e) NODISCARD;
int engine_container_pause(struct engine *en, const char *ref, struct err **e) NODISCARD;
int engine_container_unpause(struct engine *en, const char *ref, struct err **e) NODISCARD;
int engine_container_resize(struct engine *en, const char *ref, uint32_t h, uint32_t w,
			    struct err **e) NODISCARD;
int engine_container_rename(struct engine *en, const char *ref, const char *name, struct err **e) NODISCARD;
/* raw is the request's text: fields that are absent there stay as they are. */
int engine_container_update(struct engine *en, const char *ref, const struct api_update_request *rq,
			    struct sv raw, struct arena *a, struct api_update_response **out,
			    struct err **e) NODISCARD;
int engine_container_remove(struct engine *en, const char *ref, bool force, bool volumes, bool link,
			    struct err **e) NODISCARD;

/* wait: registered (so that a client may be told 200 and then start the container), then awaited. */
enum engine_wait_condition { ENGINE_WAIT_NOT_RUNNING, ENGINE_WAIT_NEXT_EXIT, ENGINE_WAIT_REMOVED };
struct engine_wait;
int engine_wait_condition_parse(const char *s, enum engine_wait_condition *out, struct err **e) NODISCARD;
int engine_container_wait_begin(struct engine *en, const char *ref, enum engine_wait_condition c,
				struct engine_wait **out, struct err **e) NODISCARD;
/* 0 and the exit code (removal errors as text in *message, arena; NULL if none), or -1 when cancelled. */
int engine_container_wait_end(struct engine_wait *w, const struct ctx *ctx, struct arena *a,
			      int64_t *exit_code, const char **message, struct err **e) NODISCARD;
void engine_wait_free(struct engine_wait *w);

/* attach: begin checks (404, 409 paused/restarting, 400 detach keys) before the connection is hijacked; `run`
 * hands the client's socket to the monitor and returns when the session is over. */
struct engine_attach {
	bool logs, stream, stdin_, stdout_, stderr_;
	const char *detach_keys; /* NULL: the default */
	bool no_mux;             /* websocket: never framed */
};
struct engine_attachment;
int engine_container_attach_begin(struct engine *en, const char *ref, const struct engine_attach *rq,
				  struct engine_attachment **out, struct err **e) NODISCARD;
bool engine_attachment_is_tty(const struct engine_attachment *at);
/* Takes sockfd. `early`: bytes the client sent before the switch. Errors after the switch are for the raw
 * socket; the caller gets them with the socket untouched only if *sock_taken is false. */
int engine_attachment_run(struct engine_attachment *at, int sockfd, struct sv early, struct err **e);
void engine_attachment_free(struct engine_attachment *at);

int engine_container_inspect(struct engine *en, const char *ref, bool size, struct arena *a,
			     struct api_container_inspect **out, struct err **e) NODISCARD;
struct engine_list {
	bool all, size;
	int limit;                     /* <= 0: none */
	const struct filters *filters; /* may be NULL */
};
int engine_container_list(struct engine *en, const struct engine_list *rq, struct arena *a,
			  struct api_container_summary_list **out, struct err **e) NODISCARD;
struct engine_pruned {
	struct strlist ids;
	int64_t reclaimed;
};
int engine_container_prune(struct engine *en, const struct filters *f, const struct ctx *ctx,
			   struct engine_pruned *out, struct err **e) NODISCARD;

/* --- exec --- */

int engine_exec_create(struct engine *en, const char *ref, const struct api_exec_create_request *rq,
		       char id[65], struct err **e) NODISCARD;
/* Starts it. Detached: sockfd -1, returns when the process runs. Attached: `begin` checks before the hijack,
 * `run` takes the socket, starts the process and returns when its streams are over. */
struct engine_exec_run;
int engine_exec_start_begin(struct engine *en, const char *id, bool detach, bool tty, const uint32_t hw[2],
			    struct engine_exec_run **out, struct err **e) NODISCARD;
bool engine_exec_run_is_tty(const struct engine_exec_run *r);
int engine_exec_start_run(struct engine_exec_run *r, int sockfd, struct sv early, struct err **e);
void engine_exec_run_free(struct engine_exec_run *r);
int engine_exec_resize(struct engine *en, const char *id, uint32_t h, uint32_t w, struct err **e) NODISCARD;
int engine_exec_inspect(struct engine *en, const char *id, struct arena *a, struct api_exec_inspect **out,
			struct err **e) NODISCARD;

/* --- volumes --- */

int engine_volume_create(struct engine *en, const struct api_volume_create_request *rq, struct arena *a,
			 struct api_volume **out, struct err **e) NODISCARD;
int engine_volume_list(struct engine *en, const struct filters *f, struct arena *a,
		       struct api_volume_list_response **out, struct err **e) NODISCARD;
int engine_volume_inspect(struct engine *en, const char *name, struct arena *a, struct api_volume **out,
			  struct err **e) NODISCARD;
int engine_volume_remove(struct engine *en, const char *name, bool force, struct err **e) NODISCARD;
/* api_minor: below 42 all unused ones, from then on anonymous ones unless the filter all=1 is there. */
int engine_volume_prune(struct engine *en, const struct filters *f, unsigned api_minor,
			struct engine_pruned *out, struct err **e) NODISCARD;
