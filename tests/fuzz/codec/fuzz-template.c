/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a template, a NUL, the JSON it is executed over (a fixed one when there is none). */
#include "codec/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char fixed[] =
		"{\"A\":{\"B\":[1,\"two\",null,true]},\"C\":\"text\",\"D\":{\"k\":\"v\"}}";
	cleanup_arena struct arena *a = arena_new();
	cleanup_strbuf struct strbuf out = { 0 };
	cleanup_strlist struct strlist fields = { 0 };
	struct sv text, doc;
	const struct json *j = NULL;
	struct template *t = NULL;

	if (!sv_cut(sv_n((const char *)data, size), '\0', &text, &doc))
		doc = sv_of(fixed);
	if (json_parse(a, doc, NULL, &j, NULL) < 0)
		j = NULL;
	if (template_parse(a, text, &t, NULL) < 0)
		return 0;
	template_fields(t, &fields);
	if (template_execute(t, j, size & 1, &out, NULL) < 0)
		return 0;
	return 0;
}
