/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's Engine API over HTTP: routes, versions, JSON in and out. It translates and decides nothing: each route calls
 * one verb of engine/ and prints what it answered. hoyd's main plugs it into an HTTP server:
 *
 *	struct api *api = api_new(en);
 *	struct http_server_config hc = { .handler = api_handle, .handler_ctx = api, .fixed_headers = api_headers(api) };
 *
 * Threads: api_handle runs on every connection's thread; struct api is immutable.
 */
#pragma once

#include "base/attr.h"

struct engine;
struct http_req;
struct http_res;
struct api;

struct api *api_new(struct engine *en) __attribute__((returns_nonnull));
void api_free(struct api *api); /* after the server has stopped; NULL is fine */
const char *api_headers(const struct api *api);
void api_handle(void *api, struct http_req *rq, struct http_res *rs);
