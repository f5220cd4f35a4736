/* SPDX-License-Identifier: Apache-2.0 */
/* config.json, image configs, manifests and indexes, seccomp profiles: the first byte picks. */
#include "fuzz-objects.h"

#include "model/oci.gen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct model_type *const types[] = {
		&oci_spec_type,      &oci_spec_type,
		&oci_image_type,     &oci_manifest_type,
		&oci_index_type,     &oci_layout_type,
		&oci_features_type,  &oci_state_type,
		&oci_process_type,   &oci_seccomp_profile_type,
		&oci_resources_type,
	};
	void *v;

	if (!n)
		return 0;
	cleanup_arena struct arena *a = arena_new();
	check_object(a, types[data[0] % ARRAY_LEN(types)], sv_n((const char *)data + 1, n - 1), &v);
	return 0;
}
