/* SPDX-License-Identifier: Apache-2.0 */
/* A bitmap of addresses. */
#include "net/ipam.h"

#include "base/mem.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>

static bool get(const struct ipam *i, uint32_t at)
{
	return i->bits[at / 64] >> (at % 64) & 1;
}

static void set(struct ipam *i, uint32_t at)
{
	i->bits[at / 64] |= 1ULL << (at % 64);
}

int ipam_init(struct ipam *i, uint32_t net, unsigned prefix, uint32_t range, unsigned range_prefix)
{
	if (prefix < IPAM_MIN_PREFIX || prefix > 30)
		return -EINVAL;
	uint32_t mask = ipam_mask(prefix), size = ~mask + 1;

	*i = (struct ipam){ .net = net & mask, .prefix = prefix };
	i->first = i->net + 1;
	i->last = i->net + size - 2;
	if (range_prefix) {
		uint32_t rmask = ipam_mask(range_prefix);
		if (range_prefix < prefix || range_prefix > 32 || (range & mask) != i->net)
			return -EINVAL;
		i->first = MAX(i->first, range & rmask);
		i->last = MIN(i->last, (range & rmask) | ~rmask);
	}
	i->bits = xcalloc((size + 63) / 64, sizeof(*i->bits));
	set(i, 0);
	set(i, size - 1);
	i->hint = i->first;
	return 0;
}

void ipam_release(struct ipam *i)
{
	free(i->bits);
	*i = (struct ipam){ 0 };
}

int ipam_take(struct ipam *i, uint32_t *out)
{
	for (uint32_t at = i->hint - i->net; at <= i->last - i->net;) {
		if (at % 64 == 0 && i->bits[at / 64] == UINT64_MAX) {
			at += 64;
			continue;
		}
		if (!get(i, at)) {
			set(i, at);
			i->hint = i->net + at + 1;
			*out = i->net + at;
			return 0;
		}
		at++;
	}
	i->hint = i->last + 1;
	return -ENOSPC;
}

bool ipam_has(const struct ipam *i, uint32_t ip)
{
	return i->bits && (ip & ipam_mask(i->prefix)) == i->net;
}

int ipam_take_one(struct ipam *i, uint32_t ip)
{
	if (!ipam_has(i, ip))
		return -EINVAL;
	if (get(i, ip - i->net))
		return -EADDRINUSE;
	set(i, ip - i->net);
	return 0;
}

void ipam_give(struct ipam *i, uint32_t ip)
{
	uint32_t at = ip - i->net;

	if (!ipam_has(i, ip) || at == 0 || at == ~ipam_mask(i->prefix))
		return;
	i->bits[at / 64] &= ~(1ULL << (at % 64));
	if (ip >= i->first && ip < i->hint)
		i->hint = ip;
}

int ipam_parse_cidr(const char *s, uint32_t *ip, unsigned *prefix)
{
	struct sv addr, len;
	struct in_addr a;
	char buf[INET_ADDRSTRLEN];
	uint32_t p;

	if (!sv_cut(sv_of(s), '/', &addr, &len) || addr.n >= sizeof(buf) || parse_u32(len, 32, &p) < 0)
		return -EINVAL;
	memcpy(buf, addr.p, addr.n);
	buf[addr.n] = '\0';
	if (inet_pton(AF_INET, buf, &a) != 1)
		return -EINVAL;
	*ip = ntohl(a.s_addr);
	*prefix = p;
	return 0;
}
