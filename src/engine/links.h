/* SPDX-License-Identifier: Apache-2.0 */
/* HostConfig.Links on the default bridge. */
#pragma once

#include "engine/engine-internal.h"

/* At create: the others exist, the network mode has room for links. */
int links_check(struct engine *en, const struct api_host_config *hc, struct err **e) NODISCARD;
/* At start: the variables and the lines of /etc/hosts (either may be NULL). ERR_CONFLICT: the other does not run. */
int links_resolve(struct container *c, const struct container_spec *s, struct arena *a,
		  struct model_str_list *env, struct strbuf *hosts, struct err **e) NODISCARD;
/* As inspect shows them: "/name:/me/alias". */
void links_show(const struct container_spec *s, struct arena *a, struct model_str_list *out);
