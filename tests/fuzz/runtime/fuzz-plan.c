/* SPDX-License-Identifier: Apache-2.0 */
/* The walker over a plan's bytes: after it said yes, everything it vouches for is read. */
#include "runtime/plan-internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t total;

static void read_vec(const char *p, struct plan_vec v)
{
	const uint64_t *o = PLAN_LIST(p, const uint64_t, v);

	for (uint32_t i = 0; v.off && i < v.n; i++)
		total += strlen(p + o[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* The header's fixed words are given, or nothing ever gets past them. */
	struct plan_hdr *h;
	char *p;

	if (n < sizeof(*h) + 1 || n > 65536)
		return 0;
	p = aligned_alloc(8, (n + 7) / 8 * 8);
	if (!p)
		return 0;
	memcpy(p, data, n);
	p[n - 1] = '\0';
	h = PLAN_HDR(p);
	h->magic = PLAN_MAGIC;
	h->version = PLAN_VERSION;
	h->total = (uint32_t)n;
	h->kind = h->kind % 2 + 1;
	h->flags &= PLAN_ALL_FLAGS_;
	if (plan_check(p, n, 4) == 0) {
		const struct plan_mount *m = PLAN_LIST(p, const struct plan_mount, h->mounts);

		read_vec(p, h->argv);
		read_vec(p, h->envp);
		read_vec(p, h->lookup);
		total += strlen(plan_s(p, h->cwd));
		for (uint32_t i = 0; i < h->mounts.n; i++) {
			const struct plan_kv *kv = PLAN_LIST(p, const struct plan_kv, m[i].opts);

			total += strlen(plan_s(p, m[i].dest));
			for (uint32_t k = 0; k < m[i].opts.n; k++)
				total += strlen(plan_s(p, kv[k].k));
		}
		for (int k = 0; k < PLAN_N_HOOKS; k++) {
			const struct plan_hook *hk = PLAN_LIST(p, const struct plan_hook, h->hooks[k]);

			for (uint32_t i = 0; i < h->hooks[k].n; i++)
				read_vec(p, hk[i].argv);
		}
	}
	free(p);
	return 0;
}
