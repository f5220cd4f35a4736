/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: the keys of ExposedPorts and PortBindings, and the `-p` and `--expose` values of the CLI. Pure; error texts are
 * Docker's (go-connections), class ERR_INVALID.
 */
#pragma once

#include "model/api.gen.h"

/* A container port, or a range of them: "80", "53/udp", "8000-8010/tcp". Port 0 is let pass, as Docker does. */
struct port_range {
	uint16_t first, last;
	const char *proto; /* "tcp", "udp", "sctp": static */
};
int port_range_parse(struct sv s, struct port_range *out, struct err **e) NODISCARD;
/* "80-90" alone. 0 or -EINVAL. */
int port_numbers_parse(struct sv s, uint16_t *first, uint16_t *last) NODISCARD;
/* "tcp", "udp", "sctp" in any case as a static string; "" is tcp; NULL for anything else. */
const char *port_proto(struct sv s);
/* "80/tcp" */
const char *port_key(struct arena *a, uint16_t port, const char *proto);

/*
 * One `-p` value: [[ip]:][host[-range]]:container[-range][/proto]; adds to the maps of a create request. Docker's CLI
 * exposes what it publishes.
 */
int ports_publish(struct arena *a, struct sv spec, struct model_str_list *exposed,
		  struct api_port_binding_list_map *bindings, struct err **e) NODISCARD;
/* One `--expose` value: a port or a range. */
int ports_expose(struct arena *a, struct sv spec, struct model_str_list *exposed, struct err **e) NODISCARD;

/* The daemon's check of HostConfig.PortBindings and Config.ExposedPorts keys. */
int ports_check_bindings(const struct api_port_binding_list_map *bindings, struct err **e) NODISCARD;
int ports_check_exposed(const struct model_str_list *exposed, struct err **e) NODISCARD;

/* The binding list of a key, or NULL; with add: made when absent (the key as given). */
struct api_port_binding_list *ports_get(const struct api_port_binding_list_map *m, const char *key);
struct api_port_binding_list *ports_add(struct arena *a, struct api_port_binding_list_map *m,
					const char *key);
bool ip_is_valid(struct sv s); /* IPv4 or IPv6 text */
