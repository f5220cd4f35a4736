/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of one subnet: a bit each, the lowest free one first. No locks, no kernel; net.c calls it under its own.
 * Addresses are in host order here.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

#define IPAM_MIN_PREFIX 8 /* 2 MiB of bits */

struct ipam {
	uint32_t net;         /* first address of the subnet */
	uint32_t first, last; /* what may be given out */
	unsigned prefix;
	uint64_t *bits; /* from net on; set: taken */
	uint32_t hint;  /* nothing below is free */
};

/* range_prefix 0: the whole subnet. Network and broadcast addresses are taken from the start. -EINVAL: the range is
 * not inside the subnet, or the prefix is not in 8..30. */
int ipam_init(struct ipam *i, uint32_t net, unsigned prefix, uint32_t range, unsigned range_prefix) NODISCARD;
void ipam_release(struct ipam *i);
/* -ENOSPC */
int ipam_take(struct ipam *i, uint32_t *out) NODISCARD;
/* -EADDRINUSE, or -EINVAL outside the subnet. */
int ipam_take_one(struct ipam *i, uint32_t ip);
void ipam_give(struct ipam *i, uint32_t ip);
bool ipam_has(const struct ipam *i, uint32_t ip); /* inside the subnet */

/* "172.17.0.1/16": the address and the prefix. 0 or -EINVAL. */
int ipam_parse_cidr(const char *s, uint32_t *ip, unsigned *prefix) NODISCARD;
static inline uint32_t ipam_mask(unsigned prefix)
{
	return prefix ? ~0u << (32 - prefix) : 0;
}
