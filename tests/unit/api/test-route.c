/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "api/route-internal.h"

#include <string.h>

static void patterns_match(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool match;
		const char *a, *b;
	} cases[] = {
		{ "/info", "/info", true, NULL, NULL },
		{ "/info", "/info/", false, NULL, NULL },
		{ "/info", "/inf", false, NULL, NULL },
		{ "/containers/{name:.*}/json", "/containers/abc/json", true, "abc", NULL },
		{ "/containers/{name:.*}/json", "/containers//abc/json", true, "/abc", NULL },
		{ "/containers/{name:.*}/json", "/containers/json", false, NULL, NULL },
		{ "/images/{name:.*}/json", "/images/a/b/json:1/json", true, "a/b/json:1", NULL },
		{ "/images/{name:.*}/json", "/images/json/json", true, "json", NULL },
		{ "/images/{name:.*}", "/images/", true, "", NULL },
		{ "/nodes/{id}", "/nodes/a/b", false, NULL, NULL },
		{ "/nodes/{id}", "/nodes/", false, NULL, NULL },
		{ "/nodes/{id}/update", "/nodes/x/update", true, "x", NULL },
		{ "/containers/{name:.*}/checkpoints/{checkpoint}",
		  "/containers/a/checkpoints/b/checkpoints/c", true, "a/checkpoints/b", "c" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct api_match m;
		bool r = api_route_match(cases[i].pattern, cases[i].path, &m);
		if (r != cases[i].match)
			fail_msg("%s on %s: %d", cases[i].pattern, cases[i].path, r);
		if (r && cases[i].a)
			assert_true(sv_eqs(m.param[0], cases[i].a));
		if (r && cases[i].b)
			assert_true(sv_eqs(m.param[1], cases[i].b));
	}
}

static void versions_are_split_off(void **state)
{
	struct sv v;

	(void)state;
	assert_string_equal(api_version_split("/v1.51/info", &v), "/info");
	assert_true(sv_eqs(v, "1.51"));
	assert_string_equal(api_version_split("/info", &v), "/info");
	assert_null(v.p);
	assert_string_equal(api_version_split("/volumes", &v), "/volumes");
	assert_null(v.p);
	assert_string_equal(api_version_split("/v1.x/info", &v), "/v1.x/info");
	assert_string_equal(api_version_split("/v1", &v), "/");
}

static void versions_compare_by_number(void **state)
{
	(void)state;
	assert_true(api_version_compare(SV("1.9"), SV("1.24")) < 0);
	assert_true(api_version_compare(SV("1.51"), SV("1.51")) == 0);
	assert_true(api_version_compare(SV("1.51.1"), SV("1.51")) > 0);
	assert_true(api_version_compare(SV("2"), SV("1.99")) > 0);
	assert_true(api_version_compare(SV("1.051"), SV("1.51")) == 0);
	assert_true(api_version_compare(SV("1.99999999999999"), SV("1.51")) > 0);
	assert_true(api_version_compare(SV("."), SV("1")) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match),
		cmocka_unit_test(versions_are_split_off),
		cmocka_unit_test(versions_compare_by_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
