/* SPDX-License-Identifier: Apache-2.0 */
/* What the parser accepts must survive its own layout and be accepted again, with the same compact text. */
#include "codec/json.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_arena struct arena *a = arena_new();
	struct json_limits l = { .last_key_wins = n && data[0] == ' ' };
	const struct json *j;

	if (json_parse(a, sv_n((const char *)data, n), &l, &j, NULL) < 0)
		return 0;
	cleanup_strbuf struct strbuf pretty = { 0 }, tight = { 0 }, tight2 = { 0 };
	json_indent(&pretty, j->raw, "", "\t");
	json_compact(&tight, j->raw);
	json_compact(&tight2, sb_sv(&pretty));
	assert(sv_eq(sb_sv(&tight), sb_sv(&tight2)));
	const struct json *k;
	assert(json_parse(a, sb_sv(&pretty), &l, &k, NULL) == 0);
	assert(k->type == j->type && k->n == j->n);
	if (json_is(j, JSON_STRING)) {
		cleanup_strbuf struct strbuf q = { 0 };
		json_quote(&q, j->str);
		assert(json_parse(a, sb_sv(&q), &l, &k, NULL) == 0);
		assert(sv_eq(k->str, j->str));
	}
	return 0;
}
