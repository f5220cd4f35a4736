/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api-internal.h"

/* Filters that each call takes. */
static const char *const list_filters[] = { "dangling", "driver", "label", "name", NULL };
static const char *const prune_filters[] = { "all", "label", "label!", NULL };

static int list(struct api_ctx *c, struct err **e)
{
	struct api_volume_list_response *out;
	struct filters *f;

	if (api_query_filters(c, list_filters, &f, e) < 0 || engine_volume_list(c->en, f, c->a, &out, e) < 0)
		return -1;
	return api_reply(c, 200, &api_volume_list_response_type, out);
}

static int inspect(struct api_ctx *c, struct err **e)
{
	struct api_volume *out;

	if (engine_volume_inspect(c->en, c->param[0], c->a, &out, e) < 0)
		return -1;
	return api_reply(c, 200, &api_volume_type, out);
}

static int create(struct api_ctx *c, struct err **e)
{
	struct api_volume_create_request *rq;
	struct api_volume *out;
	struct sv text;

	if (api_body(c, &text, e) < 0)
		return -1;
	if (!text.n)
		return err_set(e, ERR_INVALID, "invalid JSON: got EOF while reading request body");
	if (api_volume_create_request_parse(c->a, text, &rq, e) < 0)
		return -1;
	if (rq->cluster_volume_spec.n && !sv_eqs(rq->cluster_volume_spec, "null"))
		return err_set(e, ERR_UNAVAILABLE,
			       "This node is not a swarm manager. Use \"docker swarm init\" or "
			       "\"docker swarm join\" to connect this node to swarm and try again.");
	if (engine_volume_create(c->en, rq, c->a, &out, e) < 0)
		return -1;
	return api_reply(c, 201, &api_volume_type, out);
}

static int remove_(struct api_ctx *c, struct err **e)
{
	if (engine_volume_remove(c->en, c->param[0], api_query_bool(c, "force"), e) < 0)
		return -1;
	return api_reply_empty(c, 204);
}

static int prune(struct api_ctx *c, struct err **e)
{
	struct filters *f;
	struct engine_pruned p = { 0 };

	if (api_query_filters(c, prune_filters, &f, e) < 0 ||
	    engine_volume_prune(c->en, f, c->minor, &p, e) < 0)
		return -1;
	struct api_volumes_prune_report out = { .space_reclaimed = (uint64_t)p.reclaimed };
	for (size_t i = 0; i < p.ids.n; i++)
		model_strs_add(c->a, &out.volumes_deleted, p.ids.v[i]);
	strlist_release(&p.ids);
	return api_reply(c, 200, &api_volumes_prune_report_type, &out);
}

static int update(struct api_ctx *c, struct err **e)
{
	(void)c;
	return err_set(e, ERR_UNAVAILABLE,
		       "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm "
		       "join\" to connect this node to swarm and try again.");
}

const struct api_route api_volume_routes[] = {
	{ "GET", "/volumes", list },
	{ "GET", "/volumes/{name:.*}", inspect },
	{ "POST", "/volumes/create", create },
	{ "POST", "/volumes/prune", prune },
	{ "PUT", "/volumes/{name:.*}", update },
	{ "DELETE", "/volumes/{name:.*}", remove_ },
	{ NULL, NULL, NULL },
};
