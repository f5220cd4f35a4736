/* SPDX-License-Identifier: Apache-2.0 */
/* What the API has and hoy has not yet: a clear 501 (503 for swarm, in the words clients know) instead of a 404. */
#include "api/api-internal.h"

static int not_yet(struct api_ctx *c, struct err **e)
{
	return err_set(e, ERR_NOT_IMPLEMENTED, "%s %s is not implemented by this engine", c->rq->method,
		       c->rq->path);
}

static int no_registry(struct api_ctx *c, struct err **e)
{
	(void)c;
	return err_set(e, ERR_NOT_IMPLEMENTED, "this engine does not speak to registries yet");
}

static int no_build(struct api_ctx *c, struct err **e)
{
	(void)c;
	return err_set(e, ERR_NOT_IMPLEMENTED, "this engine does not build images yet");
}

static int no_swarm(struct api_ctx *c, struct err **e)
{
	(void)c;
	return err_set(e, ERR_UNAVAILABLE,
		       "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm "
		       "join\" to connect this node to swarm and try again.");
}

/* `docker inspect NAME` asks here too: there is no plugin by that name, and 404 lets it go on. */
static int no_plugin(struct api_ctx *c, struct err **e)
{
	return err_set(e, ERR_NOT_FOUND, "plugin \"%s\" not found", c->param[0]);
}

const struct api_route api_missing_routes[] = {
	{ "POST", "/auth", no_registry },
	{ "GET", "/images/search", no_registry },
	{ "POST", "/images/{name:.*}/push", no_registry },
	{ "GET", "/distribution/{name:.*}/json", no_registry },
	{ "POST", "/build", no_build },
	{ "POST", "/build/cancel", no_build },
	{ "POST", "/session", no_build },
	{ "POST", "/grpc", no_build },
	{ "GET", "/containers/{name:.*}/checkpoints", not_yet },
	{ "POST", "/containers/{name:.*}/checkpoints", not_yet },
	{ "DELETE", "/containers/{name:.*}/checkpoints/{checkpoint}", not_yet },
	{ "GET", "/plugins/privileges", not_yet },
	{ "GET", "/plugins/{name:.*}/json", no_plugin },
	{ "POST", "/plugins/{name:.*}", not_yet },
	{ "DELETE", "/plugins/{name:.*}", not_yet },
	{ "GET", "/swarm", no_swarm },
	{ "POST", "/swarm/init", not_yet },
	{ "POST", "/swarm/join", not_yet },
	{ "POST", "/swarm/{verb}", no_swarm },
	{ "GET", "/swarm/unlockkey", no_swarm },
	{ "GET", "/nodes", no_swarm },
	{ "GET", "/nodes/{id}", no_swarm },
	{ "DELETE", "/nodes/{id}", no_swarm },
	{ "POST", "/nodes/{id}/update", no_swarm },
	{ "GET", "/services", no_swarm },
	{ "GET", "/services/{id}", no_swarm },
	{ "POST", "/services/create", no_swarm },
	{ "POST", "/services/{id}/update", no_swarm },
	{ "DELETE", "/services/{id}", no_swarm },
	{ "GET", "/services/{id}/logs", no_swarm },
	{ "GET", "/tasks", no_swarm },
	{ "GET", "/tasks/{id}", no_swarm },
	{ "GET", "/tasks/{id}/logs", no_swarm },
	{ "GET", "/secrets", no_swarm },
	{ "POST", "/secrets/create", no_swarm },
	{ "GET", "/secrets/{id}", no_swarm },
	{ "DELETE", "/secrets/{id}", no_swarm },
	{ "POST", "/secrets/{id}/update", no_swarm },
	{ "GET", "/configs", no_swarm },
	{ "POST", "/configs/create", no_swarm },
	{ "GET", "/configs/{id}", no_swarm },
	{ "DELETE", "/configs/{id}", no_swarm },
	{ "POST", "/configs/{id}/update", no_swarm },
	{ NULL, NULL, NULL },
};
