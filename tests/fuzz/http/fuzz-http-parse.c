/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, responses, query strings: any bytes; also that a longer input never changes a finished parse. */
#include "base/mem.h"
#include "http/parse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct http_head h, h2;
	const char *why = NULL;
	struct sv in = sv_n((const char *)data, n);

	ssize_t r = http_parse_request(in, &h, &why);
	if (r > (ssize_t)n || (r < 0 && !why))
		abort();
	if (r > 0) {
		cleanup_arena struct arena *a = arena_new();
		struct http_param *q;
		size_t n_q;
		if (http_parse_request(sv_n(in.p, (size_t)r), &h2, &why) != r)
			abort();
		(void)http_parse_query(a, h.target, &q, &n_q);
		(void)http_unescape(a, h.target, false);
	}
	if (http_parse_response(in, n & 1, &h, &why) > (ssize_t)n)
		abort();
	return 0;
}
