/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/launch-internal.h"

#include <errno.h>
#include <stdio.h>

int launch_netdevs_move(const char *plan, pid_t pid, char *text, size_t text_n, int *sys)
{
	const struct plan_hdr *h = PLAN_HDR(plan);

	(void)pid;
	if (!h->netdevs.n)
		return 0;
	*sys = EOPNOTSUPP;
	(void)snprintf(text, text_n, "moving network devices is not supported");
	return -1;
}
