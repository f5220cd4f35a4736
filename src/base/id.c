/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *p, size_t n)
{
	unsigned char *b = p;

	while (n) {
		ssize_t r = getrandom(b, n, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			abort();
		b += r;
		n -= (size_t)r;
	}
}

uint64_t random_u64(void)
{
	uint64_t v;

	random_bytes(&v, sizeof(v));
	return v;
}

void id_new(char out[ID_LEN + 1])
{
	unsigned char raw[ID_LEN / 2];
	bool digits_only;

	do {
		random_bytes(raw, sizeof(raw));
		hex_encode(raw, sizeof(raw), out);
		digits_only = true;
		for (int i = 0; i < 12; i++)
			if (out[i] > '9')
				digits_only = false;
	} while (digits_only);
}

bool id_is_full(struct sv s)
{
	if (s.n != ID_LEN)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
	return true;
}
