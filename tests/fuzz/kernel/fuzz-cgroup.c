/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroup programs as hoy-monitor gets them from a socket. Only the check: executing would write to the machine. */
#include "kernel/cgroup.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	void *p = aligned_alloc(16, (n + 16) & ~(size_t)15);
	unsigned ctls;

	if (!p)
		return 0;
	memcpy(p, data, n);
	if (cgroup_prog_check(p, n) == 0) {
		for (unsigned i = 0; cgroup_prog_hier(p, n, i, &ctls); i++)
			;
		(void)cgroup_prog_path(p, n, CG_MEMORY);
	}
	free(p);
	return 0;
}
