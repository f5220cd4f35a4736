/* SPDX-License-Identifier: Apache-2.0 */
/* Any path against patterns of each kind, and any version prefix: results stay inside the input. */
#include "api/route-internal.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const patterns[] = { "/info", "/containers/{name:.*}/json", "/nodes/{id}/update",
						"/containers/{name:.*}/checkpoints/{checkpoint}",
						"/images/{name:.*}" };
	char *path = xstrndup((const char *)data, n);
	struct sv version;
	struct api_match m;

	const char *rest = api_version_split(path, &version);
	if (version.p && (api_version_compare(version, version) != 0 || version.p < path || !version.n))
		abort();
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		if (!api_route_match(patterns[i], rest, &m))
			continue;
		for (size_t k = 0; k < m.n; k++)
			if (m.param[k].p < rest || m.param[k].p + m.param[k].n > rest + strlen(rest))
				abort();
	}
	free(path);
	return 0;
}
