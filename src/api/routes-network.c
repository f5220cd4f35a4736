/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api-internal.h"

/* Filters that each call takes. */
static const char *const list_filters[] = {
	"dangling", "driver", "id", "label", "name", "scope", "type", NULL
};
static const char *const prune_filters[] = { "label", "label!", "until", NULL };

static int list(struct api_ctx *c, struct err **e)
{
	struct engine_networks l;
	struct filters *f;

	if (api_query_filters(c, list_filters, &f, e) < 0 || engine_network_list(c->en, f, c->a, &l, e) < 0)
		return -1;
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	jw_arr(&w);
	for (size_t i = 0; i < l.n; i++) {
		/* the list has had no containers since 1.28 */
		if (c->minor >= 28)
			l.v[i].containers = (struct api_endpoint_resource_map){ 0 };
		api_network_encode(&w, &l.v[i]);
	}
	jw_end(&w);
	return api_reply_text(c, 200, &b);
}

static int inspect(struct api_ctx *c, struct err **e)
{
	struct api_network *out;

	if (engine_network_inspect(c->en, c->param[0], c->a, &out, e) < 0)
		return -1;
	return api_reply(c, 200, &api_network_type, out);
}

static int remove_(struct api_ctx *c, struct err **e)
{
	struct api_network *n;

	if (engine_network_inspect(c->en, c->param[0], c->a, &n, e) < 0)
		return -1;
	return err_set(e, ERR_FORBIDDEN, "%s is a pre-defined network and cannot be removed", n->name);
}

static int prune(struct api_ctx *c, struct err **e)
{
	struct filters *f;
	struct api_networks_prune_report out = { 0 };

	/* only networks that somebody created can go, and there are none */
	if (api_query_filters(c, prune_filters, &f, e) < 0)
		return -1;
	return api_reply(c, 200, &api_networks_prune_report_type, &out);
}

static int not_yet(struct api_ctx *c, struct err **e)
{
	(void)c;
	return err_set(e, ERR_NOT_IMPLEMENTED, "user-defined networks are not implemented");
}

const struct api_route api_network_routes[] = {
	{ "GET", "/networks", list },
	{ "GET", "/networks/", list },
	{ "GET", "/networks/{id:.*}", inspect },
	{ "POST", "/networks/create", not_yet },
	{ "POST", "/networks/{id:.*}/connect", not_yet },
	{ "POST", "/networks/{id:.*}/disconnect", not_yet },
	{ "POST", "/networks/prune", prune },
	{ "DELETE", "/networks/{id:.*}", remove_ },
	{ NULL, NULL, NULL },
};
