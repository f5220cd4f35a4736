/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/keys.h"

#include <string.h>

void keys_init(struct keys *k, const char *seq, size_t n)
{
	memset(k, 0, sizeof(*k));
	k->n = (uint8_t)MIN(n, (size_t)MONITOR_MAX_KEYS);
	if (k->n)
		memcpy(k->seq, seq, k->n);
}

size_t keys_feed(struct keys *k, const char *in, size_t n, char *out, bool *detached)
{
	size_t o = 0;

	*detached = false;
	if (k->n == 0) {
		memcpy(out, in, n);
		return n;
	}
	for (size_t i = 0; i < n; i++) {
		/* The longest tail of what was held back that still begins the sequence stays held back. */
		while (k->matched && in[i] != k->seq[k->matched]) {
			uint8_t keep = (uint8_t)(k->matched - 1);

			while (keep && memcmp(k->seq, k->seq + k->matched - keep, keep) != 0)
				keep--;
			memcpy(out + o, k->seq, (size_t)(k->matched - keep));
			o += (size_t)(k->matched - keep);
			k->matched = keep;
		}
		if (in[i] != k->seq[k->matched]) {
			out[o++] = in[i];
			continue;
		}
		if (++k->matched == k->n) {
			*detached = true;
			k->matched = 0;
			return o;
		}
	}
	return o;
}
