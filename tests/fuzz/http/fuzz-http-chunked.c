/* SPDX-License-Identifier: Apache-2.0 */
/* The same chunked body whole and in pieces must give the same bytes and the same end. */
#include "base/mem.h"
#include "http/parse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int decode(const char *p, size_t n, size_t step, struct strbuf *out, size_t *used)
{
	struct http_chunked c = { 0 };
	int r = 1;

	*used = 0;
	while (*used < n && r == 1) {
		size_t eaten = 0;
		struct sv span;
		r = http_chunked_next(&c, sv_n(p + *used, MIN(step, n - *used)), &eaten, &span);
		if (r < 0)
			return r;
		if (eaten > n - *used || span.n > eaten || (!eaten && r == 1))
			abort();
		sb_addsv(out, span);
		*used += eaten;
	}
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_strbuf struct strbuf a = { 0 }, b = { 0 };
	size_t used_a, used_b;

	if (n < 1)
		return 0;
	int ra = decode((const char *)data + 1, n - 1, SIZE_MAX, &a, &used_a);
	int rb = decode((const char *)data + 1, n - 1, data[0] % 7 + 1u, &b, &used_b);
	if (ra != rb || (ra >= 0 && (used_a != used_b || !sv_eq(sb_sv(&a), sb_sv(&b)))))
		abort();
	return 0;
}
