/* SPDX-License-Identifier: Apache-2.0 */
/* Any config.json: refused, or compiled to a plan that the walker accepts. */
#include "model/oci.gen.h"
#include "runtime/plan.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_strbuf struct strbuf plan = { 0 };
	struct oci_spec *spec;

	if (n > 65536 || oci_spec_parse(a, sv_n((const char *)data, n), &spec, NULL) < 0)
		return 0;
	struct plan_input in = { .spec = spec,
				 .id = "fuzz",
				 .bundle = "/b",
				 .root_fd = PLAN_NO_FD,
				 .rootfs_dirfd = -1,
				 .start_fd = PLAN_NO_FD };
	if (plan_compile(&in, &plan, NULL) == 0)
		assert(plan_check(plan.p, plan.n, 0) == 0);
	return 0;
}
