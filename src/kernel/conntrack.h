/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connection tracking: forgetting flows. A UDP client that keeps its port keeps its entry alive, with the
 * translation it was made with; when a published port comes or goes, what was decided before must be forgotten,
 * or the flow leads to nobody. Called by net/. Primitives: 0 or -errno.
 */
#pragma once

#include "base/attr.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One UDP flow over IPv4, as it began and as it is answered. */
struct ct_flow {
	struct in_addr src, dst;     /* of the first packet */
	uint16_t src_port, dst_port; /* host order */
	struct in_addr reply_src;    /* who answers: dst unless translated */
};
/* Walks over the UDP flows of this namespace and deletes those `wanted` picks. *n (may be NULL): how many. */
int ct_forget_udp(bool (*wanted)(void *arg, const struct ct_flow *f), void *arg, size_t *n) NODISCARD;
