/* SPDX-License-Identifier: Apache-2.0 */
/* Lines "key=value": whatever is accepted keeps to its limits and its strings end. */
#include "net/lxc-internal.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct net_lxc_kv kv[NET_LXC_MAX_KEYS] = { 0 };
	char *own[NET_LXC_MAX_KEYS][2];
	size_t count = 0;
	struct sv rest = sv_n((const char *)data, n), one;
	cleanup_net_lxc struct net_lxc *l = NULL;

	while (rest.n && count < NET_LXC_MAX_KEYS) {
		(void)sv_cut(rest, '\n', &one, &rest);
		cleanup_free char *text = sv_dup(one);
		if (net_lxc_split(text, &own[count][0], &own[count][1], NULL) == 0) {
			kv[count] = (struct net_lxc_kv){ own[count][0], own[count][1] };
			count++;
		}
	}
	if (net_lxc_parse(kv, count, &l, NULL) == 0) {
		assert(l->n <= NET_LXC_MAX_SECTIONS && l->n_others <= count);
		for (size_t i = 0; i < l->n; i++) {
			assert(l->s[i]->n_addr <= NET_LXC_MAX_ADDRS);
			assert(strlen(l->s[i]->name) < IFNAMSIZ && strlen(l->s[i]->link) < IFNAMSIZ);
			assert(!(l->s[i]->mac[0] & 1));
		}
	}
	for (size_t i = 0; i < count; i++) {
		free(own[i][0]);
		free(own[i][1]);
	}
	return 0;
}
