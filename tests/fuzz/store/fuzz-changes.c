/* SPDX-License-Identifier: Apache-2.0 */
/* --change lines, one a line; and the whole as an image configuration. */
#include "store/changes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_arena struct arena *a = arena_new();
	struct oci_image_config c = { 0 };
	struct oci_image *img;
	struct sv rest = sv_n((const char *)data, n), line;
	if (oci_image_parse(a, rest, &img, NULL) == 0)
		return 0;
	while (rest.n) {
		(void)sv_cut(rest, '\n', &line, &rest);
		if (image_config_change(a, &c, arena_strndup(a, line.p, line.n), NULL) < 0)
			continue;
	}
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	oci_image_config_encode(&w, &c);
	return 0;
}
