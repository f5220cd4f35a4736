/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "cli/cli.h"
#include "cli/runopts.h"

static const struct flag table[] = {
	{ "all", FLAG_BOOL, 'a' },
	{ "interactive", FLAG_BOOL, 'i' },
	{ "proxy", FLAG_BOOL, .def = "true" },
	{ "number", FLAG_INT, 'n', .def = "-1" },
	{ "name", FLAG_STRING, .def = "none" },
	{ "env", FLAG_LIST, 'e' },
	{ "platform", FLAG_STRINGS },
	{ "memory", FLAG_BYTES, 'm' },
	{ "cpus", FLAG_DECIMAL },
	{ "weight", FLAG_UINT16 },
	{ "every", FLAG_DURATION },
	{ "filter", FLAG_FILTER, 'f' },
	{ "net", FLAG_STRING, .alias_of = "name" },
};

struct given {
	struct arena *a;
	struct flags f;
	struct err *e;
	int r;
};

#define PARSE(g, first, ...)                                                                                 \
	do {                                                                                                 \
		static const char *const argv_[] = { __VA_ARGS__ };                                          \
		(g)->a = arena_new();                                                                        \
		(g)->e = NULL;                                                                               \
		(g)->r = flags_parse(&(g)->f, (g)->a, table, ARRAY_LEN(table),                               \
				     (char *const *)(uintptr_t)argv_, ARRAY_LEN(argv_), (first), &(g)->e);   \
	} while (0)

static void done(struct given *g)
{
	err_free(g->e);
	arena_free(g->a);
}

static void forms(void **state)
{
	struct given g;

	(void)state;
	PARSE(&g, false, "-ai", "--name=x", "-n5", "-e", "A=1", "-eB=2", "-e=C", "word", "--memory", "64m");
	assert_int_equal(g.r, 0);
	assert_true(flag_bool(&g.f, "all") && flag_bool(&g.f, "interactive") && flag_bool(&g.f, "proxy"));
	assert_string_equal(flag_str(&g.f, "name"), "x");
	assert_int_equal(flag_num(&g.f, "number"), 5);
	assert_int_equal(flag_num(&g.f, "memory"), 64 << 20);
	assert_int_equal(flag_list(&g.f, "env")->n, 3);
	assert_string_equal(flag_list(&g.f, "env")->v[2], "C");
	assert_int_equal(g.f.args.n, 1);
	done(&g);

	PARSE(&g, false, "--all=false", "--proxy=0", "-n", "-3", "--every=1m30s", "--cpus", "1.5",
	      "--platform=a,b");
	assert_int_equal(g.r, 0);
	assert_false(flag_bool(&g.f, "all") || flag_bool(&g.f, "proxy"));
	assert_true(flag_set(&g.f, "all"));
	assert_int_equal(flag_num(&g.f, "number"), -3);
	assert_int_equal(flag_num(&g.f, "every"), 90000000000LL);
	assert_int_equal(flag_num(&g.f, "cpus"), 1500000000);
	assert_int_equal(flag_list(&g.f, "platform")->n, 2);
	done(&g);
}

static void defaults(void **state)
{
	struct given g;

	(void)state;
	PARSE(&g, false, "x");
	assert_int_equal(flag_num(&g.f, "number"), -1);
	assert_string_equal(flag_str(&g.f, "name"), "none");
	assert_false(flag_set(&g.f, "name"));
	done(&g);
}

static void where_options_end(void **state)
{
	struct given g;

	(void)state;
	PARSE(&g, true, "-a", "image", "-i", "--unknown");
	assert_int_equal(g.r, 0);
	assert_int_equal(g.f.args.n, 3);
	assert_false(flag_bool(&g.f, "interactive"));
	done(&g);
	PARSE(&g, false, "image", "-i", "--", "-a", "--");
	assert_int_equal(g.f.args.n, 3);
	assert_true(flag_bool(&g.f, "interactive"));
	assert_false(flag_bool(&g.f, "all"));
	done(&g);
	PARSE(&g, false, "-");
	assert_int_equal(g.f.args.n, 1);
	done(&g);
}

static void aliases_and_help(void **state)
{
	struct given g;

	(void)state;
	PARSE(&g, false, "--net", "host");
	assert_string_equal(flag_str(&g.f, "name"), "host");
	done(&g);
	PARSE(&g, false, "--help", "--unknown");
	assert_int_equal(g.r, 0);
	assert_true(g.f.wants_help && !g.f.short_help);
	done(&g);
	PARSE(&g, false, "-ah");
	assert_true(g.f.wants_help && g.f.short_help);
	done(&g);
}

#define FAILS(text, ...)                                                                                     \
	do {                                                                                                 \
		struct given g_;                                                                             \
		PARSE(&g_, false, __VA_ARGS__);                                                              \
		assert_int_equal(g_.r, -1);                                                                  \
		assert_string_equal(err_text(g_.e), text);                                                   \
		done(&g_);                                                                                   \
	} while (0)

static void errors(void **state)
{
	(void)state;
	FAILS("unknown flag: --foo", "--foo");
	FAILS("unknown flag: --foo", "--foo=bar");
	FAILS("unknown shorthand flag: 'z' in -zz", "-azz");
	FAILS("flag needs an argument: --name", "--name");
	FAILS("flag needs an argument: 'e' in -e", "-ae");
	FAILS("bad flag syntax: --=x", "--=x");
	FAILS("bad flag syntax: ---x", "---x");
	FAILS("invalid argument \"x\" for \"-n, --number\" flag: strconv.ParseInt: parsing \"x\": invalid "
	      "syntax",
	      "-nx");
	FAILS("invalid argument \"maybe\" for \"-a, --all\" flag: strconv.ParseBool: parsing \"maybe\": "
	      "invalid syntax",
	      "--all=maybe");
	FAILS("invalid argument \"x\" for \"-m, --memory\" flag: invalid size: 'x'", "-m", "x");
	FAILS("invalid argument \"x\" for \"--cpus\" flag: failed to parse x as a rational number",
	      "--cpus=x");
	FAILS("invalid argument \"99999\" for \"--weight\" flag: strconv.ParseUint: parsing \"99999\": value "
	      "out of range",
	      "--weight", "99999");
	FAILS("invalid argument \"x\" for \"-f, --filter\" flag: bad format of filter (expected name=value)",
	      "-f", "x");
	FAILS("invalid argument \"x\" for \"--every\" flag: time: invalid duration \"x\"", "--every", "x");
}

static void usage_wraps(void **state)
{
	static const struct flag some[] = {
		{ "last", FLAG_INT, 'n', .def = "-1",
		  .help = "Show n last created containers (includes all states)" },
		{ "all", FLAG_BOOL, 'a', .help = "Show all" },
		{ "secret", FLAG_BOOL, .hidden = true, .help = "x" },
	};
	cleanup_strbuf struct strbuf b = { 0 };

	(void)state;
	flags_usage(some, ARRAY_LEN(some), 60, &b);
	assert_string_equal(b.p, "  -n, --last int   Show n last created containers\n"
				 "                   (includes all states) (default -1)\n"
				 "  -a, --all        Show all\n");
}

/* What two tables say of one command must not contradict. */
static void the_command_table(void **state)
{
	(void)state;
	assert_true(n_commands > 40);
	for (size_t i = 0; i < n_commands; i++) {
		const struct command *c = commands[i];
		size_t known = 0;

		assert_true(c->name && c->usage && c->about && c->run);
		assert_true(c->max_args < 0 || c->max_args >= c->min_args);
		for (size_t k = 0; k < n_command_groups; k++)
			known += c->group && strcmp(c->group, command_groups[k].name) == 0;
		assert_true(!c->group || known == 1);
		for (size_t k = 0; k < n_commands; k++) {
			const struct command *d = commands[k];
			if (k != i && c->group && d->group && strcmp(c->group, d->group) == 0)
				assert_string_not_equal(c->name, d->name);
		}
		for (size_t f = 0; f < c->n_flags; f++) {
			assert_true(c->flags[f].name && (c->flags[f].help || c->flags[f].alias_of));
			for (size_t g = 0; g < f; g++) {
				assert_string_not_equal(c->flags[f].name, c->flags[g].name);
				if (c->flags[f].shorthand)
					assert_int_not_equal(c->flags[f].shorthand, c->flags[g].shorthand);
			}
		}
	}
}

static void start_errors(void **state)
{
	(void)state;
	assert_int_equal(start_error_code("exec: \"x\": executable file not found in $PATH"), 127);
	assert_int_equal(start_error_code("exec: \"/x\": stat /x: no such file or directory"), 127);
	assert_int_equal(start_error_code("exec: \"/etc\": permission denied"), 126);
	assert_int_equal(start_error_code("exec: \"/etc\": is a directory"), 126);
	assert_int_equal(start_error_code("port is already allocated"), 125);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(defaults),
		cmocka_unit_test(where_options_end),
		cmocka_unit_test(aliases_and_help),
		cmocka_unit_test(errors),
		cmocka_unit_test(usage_wraps),
		cmocka_unit_test(the_command_table),
		cmocka_unit_test(start_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
