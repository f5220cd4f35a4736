/* SPDX-License-Identifier: Apache-2.0 */
/* The three networks that are always there, as the API shows them. */
#include "base/clock.h"
#include "engine/engine-internal.h"
#include "engine/network.h"
#include "engine/observe.h"
#include "model/filters.h"
#include "net/net.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *driver;
} networks[] = { { "bridge", "bridge" }, { "host", "host" }, { "none", "null" } };

static void fill_bridge(struct engine *en, struct arena *a, struct api_network *n)
{
	struct net_bridge_info b;
	char subnet[INET_ADDRSTRLEN], gateway[INET_ADDRSTRLEN], bind[INET_ADDRSTRLEN];

	net_bridge_info(en->net, &b);
	if (!b.name[0] || !inet_ntop(AF_INET, &b.subnet, subnet, sizeof(subnet)) ||
	    !inet_ntop(AF_INET, &b.gateway, gateway, sizeof(gateway)) ||
	    !inet_ntop(AF_INET, &b.bind, bind, sizeof(bind)))
		return;
	struct api_ipam_config *c = model_list_add(a, &n->ipam.config);
	c->subnet = arena_printf(a, "%s/%u", subnet, b.prefix);
	c->gateway = arena_strdup(a, gateway);
	model_map_put(a, &n->options, "com.docker.network.bridge.default_bridge", "true");
	model_map_put(a, &n->options, "com.docker.network.bridge.enable_icc", b.icc ? "true" : "false");
	model_map_put(a, &n->options, "com.docker.network.bridge.enable_ip_masquerade",
		      b.ip_masq ? "true" : "false");
	model_map_put(a, &n->options, "com.docker.network.bridge.host_binding_ipv4", bind);
	model_map_put(a, &n->options, "com.docker.network.bridge.name", b.name);
	model_map_put(a, &n->options, "com.docker.network.driver.mtu", arena_printf(a, "%u", b.mtu));
}

/* The containers that run on it. */
static void fill_containers(struct engine *en, struct arena *a, struct api_network *n)
{
	size_t k;
	struct container **v = container_all(en, &k);

	for (size_t i = 0; i < k; i++) {
		cleanup_look struct container_look l = { 0 };
		struct net_endpoint ep = { 0 };
		container_look(v[i], &l);
		const char *mode = network_mode(l.spec);
		if (!life_is_running(l.now.state) ||
		    strcmp(!strcmp(mode, "default") ? "bridge" : mode, n->name) != 0)
			continue;
		struct api_endpoint_resource_entry *en_ = model_list_add(a, &n->containers);
		en_->k = arena_strdup(a, v[i]->id);
		en_->v.name = arena_strdup(a, l.spec->name);
		if (!network_endpoint(v[i], &ep))
			continue;
		char ip[INET_ADDRSTRLEN];
		en_->v.endpoint_id = arena_strdup(a, ep.endpoint_id);
		en_->v.mac_address = arena_printf(a, "%02x:%02x:%02x:%02x:%02x:%02x", ep.mac[0], ep.mac[1],
						  ep.mac[2], ep.mac[3], ep.mac[4], ep.mac[5]);
		if (inet_ntop(AF_INET, &ep.ip, ip, sizeof(ip)))
			en_->v.ipv4_address = arena_printf(a, "%s/%u", ip, ep.prefix);
	}
	container_list_free(v, k);
}

static struct api_network describe(struct engine *en, struct arena *a, size_t i)
{
	struct api_network n = {
		.name = networks[i].name,
		.id = network_id(en, networks[i].name),
		.created = arena_strdup(a, clock_rfc3339nano(en->started_ns).s),
		.scope = "local",
		.driver = networks[i].driver,
		.enable_ipv4 = true,
		.ipam = { .driver = "default" },
	};

	/* {} and [], not null */
	model_map_put(a, &n.labels, "", "");
	model_map_del(&n.labels, "");
	model_map_put(a, &n.options, "", "");
	model_map_del(&n.options, "");
	n.ipam.config.v = arena_alloc(a, sizeof(*n.ipam.config.v));
	if (!strcmp(n.name, "bridge"))
		fill_bridge(en, a, &n);
	fill_containers(en, a, &n);
	return n;
}

static bool any_is(const struct filters *f, const char *key, const char *value)
{
	return !filters_has(f, key) || model_strs_has(filters_get(f, key), value);
}

static int check_values(const struct filters *f, struct err **e)
{
	const struct model_str_list *types = filters_get(f, "type"), *scopes = filters_get(f, "scope");
	bool ignored;

	for (size_t i = 0; i < types->n; i++)
		if (strcmp(types->v[i], "custom") != 0 && strcmp(types->v[i], "builtin") != 0)
			return filters_fail_value("type", types->v[i], e);
	for (size_t i = 0; i < scopes->n; i++)
		if (strcmp(scopes->v[i], "local") != 0 && strcmp(scopes->v[i], "swarm") != 0 &&
		    strcmp(scopes->v[i], "global") != 0)
			return filters_fail_value("scope", scopes->v[i], e);
	return filters_bool(f, "dangling", false, &ignored, e);
}

static bool matches(const struct filters *f, const struct api_network *n)
{
	bool dangling = false;

	if (filters_bool(f, "dangling", false, &dangling, NULL) < 0 ||
	    (filters_has(f, "dangling") && dangling))
		return false; /* the builtin ones are never unused */
	return filters_exact(f, "driver", n->driver) && filters_prefix(f, "id", n->id) &&
	       filters_regex(f, "name", n->name) && any_is(f, "scope", "local") &&
	       any_is(f, "type", "builtin") && filters_labels(f, "label", &n->labels);
}

int engine_network_list(struct engine *en, const struct filters *f, struct arena *a,
			struct engine_networks *out, struct err **e)
{
	if (f && check_values(f, e) < 0)
		return -1;
	out->v = arena_alloc(a, ARRAY_LEN(networks) * sizeof(*out->v));
	out->n = 0;
	for (size_t i = 0; i < ARRAY_LEN(networks); i++) {
		struct api_network n = describe(en, a, i);
		if (!f || matches(f, &n))
			out->v[out->n++] = n;
	}
	return 0;
}

int engine_network_inspect(struct engine *en, const char *ref, struct arena *a, struct api_network **out,
			   struct err **e)
{
	size_t n_ref = strlen(ref);

	for (size_t i = 0; n_ref && i < ARRAY_LEN(networks); i++) {
		struct api_network n = describe(en, a, i);
		if (strcmp(n.name, ref) != 0 && strncmp(n.id, ref, n_ref) != 0)
			continue;
		*out = ARENA_NEW(a, struct api_network);
		**out = n;
		return 0;
	}
	return err_set(e, ERR_NOT_FOUND, "network %s not found", ref);
}
