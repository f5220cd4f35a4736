/* SPDX-License-Identifier: Apache-2.0 */
/* The record of an endpoint: what is read can be written and read again, the same. */
#include "net/net.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_net_endpoint struct net_endpoint ep = { 0 }, back = { 0 };
	cleanup_strbuf struct strbuf a = { 0 }, b = { 0 };

	if (net_endpoint_decode(sv_n((const char *)data, n), &ep, NULL) < 0)
		return 0;
	net_endpoint_encode(&ep, &a);
	assert(net_endpoint_decode(sb_sv(&a), &back, NULL) == 0);
	net_endpoint_encode(&back, &b);
	assert(sv_eq(sb_sv(&a), sb_sv(&b)));
	return 0;
}
