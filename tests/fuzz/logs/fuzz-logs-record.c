/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a record: what is taken decodes within its bounds. */
#include "logs/record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_strbuf struct strbuf b = { 0 };
	struct logs_record rec;
	char time[31];

	if (!logs_record_parse(a, sv_n((const char *)data, n), &rec))
		return 0;
	char *out = malloc(rec.text.n + 1);
	if (!out || logs_unescape(rec.text, out) > rec.text.n)
		abort();
	free(out);
	(void)logs_time_fixed(rec.time, time);
	logs_details(a, rec.attrs, &b);
	return 0;
}
