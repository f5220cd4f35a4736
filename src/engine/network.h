/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container's network is while it runs: the bridge between docker's modes and net/. For start, exit, inspect.
 */
#pragma once

#include "engine/engine-internal.h"

struct net_ns;

/* The container's network namespace, with everything in it: its own with an interface, its own and empty, or another
 * container's; *ns NULL: the host's. On success c->net is set where there is an endpoint. */
int network_join(struct container *c, const struct container_spec *s, struct net_ns **ns,
		 struct err **e) NODISCARD;
/* Another container's namespace ("net", "ipc", "pid" …) as a descriptor; ERR_CONFLICT when it does not run. */
int container_join_ns(struct engine *en, const char *ref, const char *kind, int *fd,
		      struct err **e) NODISCARD;
/* Checks HostConfig's mode, ports and lxc lines at create. */
int network_check(const struct api_container_config *cc, const struct api_host_config *hc,
		  const struct api_networking_config *nc, struct err **e) NODISCARD;
/* One line for the database, or NULL; heap. */
char *network_text(struct container *c);
/* Takes down what network_join made; before the end is told, so that ports are free for whoever was waiting. */
void network_leave(struct container *c, const struct container_spec *s);
/* After an engine restart: what a running container has, from its line. */
void network_adopt(struct container *c, const struct container_spec *s, const char *text);
void container_net_free(struct container_net *n);
/* inspect's NetworkSettings, and the Ports column. */
void network_describe(struct container *c, const struct container_look *l, struct arena *a,
		      struct api_network_settings *out);
void network_ports(struct container *c, const struct container_look *l, struct arena *a,
		   struct api_port_list *out);
/* "bridge", "host", "none": the ID that is the same at every start, and another one in another engine; others: "". */
const char *network_id(const struct engine *en, const char *name);
void network_ids_make(struct engine *en);
/* "bridge" for "default" and "" — what HostConfig.NetworkMode means here. */
const char *network_mode(const struct container_spec *s);
/* The address for /etc/hosts, or NULL. */
const char *network_address(struct container *c, struct arena *a);
/* For stats: true and the endpoint (copied, without ports) when there is one. */
struct net_endpoint;
bool network_endpoint(struct container *c, struct net_endpoint *out);
