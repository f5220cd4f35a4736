/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/clock.h"

static void rfc3339_both_ways(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
		const char *again;
	} t[] = {
		{ "1970-01-01T00:00:01Z", NS_PER_SEC, NULL },
		{ "2026-11-28T15:52:22.5Z", 1795881142500000000, NULL },
		{ "2024-02-29T23:59:59.999999999Z", 1709251199999999999, NULL },
		{ "2026-11-28T17:52:22.5+02:00", 1795881142500000000, "2026-11-28T15:52:22.5Z" },
		{ "0001-01-01T00:00:00Z", 0, NULL },
		{ "1969-12-31T23:59:59.25Z", -750000000, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int64_t ns = -1;

		assert_int_equal(clock_parse_rfc3339(sv_of(t[i].text), &ns), 0);
		assert_true(ns == t[i].ns);
		assert_string_equal(clock_rfc3339nano(ns).s, t[i].again ? t[i].again : t[i].text);
	}
	assert_string_equal(clock_rfc3339_fixed(NS_PER_SEC).s, "1970-01-01T00:00:01.000000000Z");
}

static void rfc3339_rejects(void **state)
{
	static const char *const bad[] = { "",
					   "2026",
					   "2026-13-01T00:00:00Z",
					   "2026-02-29T00:00:00Z",
					   "2026-01-01T24:00:00Z",
					   "2026-01-01T00:00:00",
					   "2026-01-01T00:00:00.Z",
					   "2026-01-01 00:00:00Z",
					   "2026-01-01T00:00:00Zx",
					   "9999-01-01T00:00:00Z" };
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(clock_parse_rfc3339(sv_of(bad[i]), &ns) < 0);
}

static void durations_are_gos(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
		{ "0", 0 },
		{ "5s", 5 * NS_PER_SEC },
		{ "1h15m30.5s", 4530500000000 },
		{ "300ms", 300 * NS_PER_MS },
		{ "-1.5h", -5400 * NS_PER_SEC },
		{ ".5s", NS_PER_SEC / 2 },
		{ "1.s", NS_PER_SEC },
		{ "1us", 1000 },
	};
	static const char *const bad[] = { "",      "5",       "s", ".s", "1x", "-", "9223372036854775808ns",
					   "1h 2m", "3000000h" };
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(clock_parse_duration(sv_of(good[i].text), &ns), 0);
		assert_true(ns == good[i].ns);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(clock_parse_duration(sv_of(bad[i]), &ns) < 0);
}

static void docker_timestamps(void **state)
{
	int64_t ns;

	(void)state;
	assert_int_equal(clock_parse_docker(SV("1136073600.000000001"), 0, &ns), 0);
	assert_true(ns == 1136073600000000001);
	assert_int_equal(clock_parse_docker(SV("10m"), 700 * NS_PER_SEC, &ns), 0);
	assert_true(ns == 100 * NS_PER_SEC);
	assert_int_equal(clock_parse_docker(SV("1970-01-02"), 0, &ns), 0);
	assert_true(ns == 86400 * NS_PER_SEC);
	assert_int_equal(clock_parse_docker(SV("1970-01-01T01:00"), 0, &ns), 0);
	assert_true(ns == 3600 * NS_PER_SEC);
	assert_true(clock_parse_docker(SV("yesterday"), 0, &ns) < 0);
	assert_true(clock_parse_docker(SV(""), 0, &ns) < 0);
}

static void human_durations(void **state)
{
	static const struct {
		int64_t sec;
		const char *text;
	} t[] = {
		{ 0, "Less than a second" }, { 1, "1 second" },         { 59, "59 seconds" },
		{ 60, "About a minute" },    { 119, "About a minute" }, { 120, "2 minutes" },
		{ 3599, "59 minutes" },      { 3600, "About an hour" }, { 5399, "About an hour" },
		{ 5400, "2 hours" },         { 172799, "2 days" },      { 172800, "2 days" },
		{ 1209600, "2 weeks" },      { 5184000, "2 months" },   { 63072000, "2 years" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_string_equal(clock_human_duration(t[i].sec * NS_PER_SEC).s, t[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc3339_both_ways), cmocka_unit_test(rfc3339_rejects),
		cmocka_unit_test(durations_are_gos), cmocka_unit_test(docker_timestamps),
		cmocka_unit_test(human_durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
