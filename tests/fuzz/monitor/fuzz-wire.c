/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes between hoyd and hoy-monitor, and the exit file. */
#include "monitor/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* A copy of exactly that size, aligned as the real buffers are. */
	void *p = aligned_alloc(16, (n + 16) & ~(size_t)15);
	struct wire_head h;

	if (!p)
		return 0;
	memcpy(p, data, n);
	(void)!wire_check_exit_file(p, n);
	if (n >= sizeof(h)) {
		memcpy(&h, p, sizeof(h));
		(void)!wire_check(p, n, h.n_fds);
		/* Past the head's arithmetic, into each type's own checks. */
		wire_head_set(&h, h.type % WIRE_TYPES_, n, h.n_fds % 8);
		memcpy(p, &h, sizeof(h));
		(void)!wire_check(p, n, h.n_fds);
	}
	free(p);
	return 0;
}
