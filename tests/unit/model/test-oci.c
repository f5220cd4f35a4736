/* SPDX-License-Identifier: Apache-2.0 */
#include "model/oci.gen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char config[] =
	"{\"ociVersion\":\"1.2.0\",\"process\":{\"terminal\":true,\"user\":{\"uid\":0,\"gid\":0,\"umask\":18,"
	"\"additionalGids\":[1,2]},\"args\":[\"sh\"],\"env\":[\"A=b\"],\"cwd\":\"/\",\"rlimits\":[{\"type\":"
	"\"RLIMIT_NOFILE\",\"hard\":18446744073709551615,\"soft\":1024}],\"oomScoreAdj\":0},\"root\":{"
	"\"path\":"
	"\"rootfs\",\"readonly\":true},\"mounts\":[{\"destination\":\"/"
	"proc\",\"type\":\"proc\",\"source\":\"proc\"}],"
	"\"annotations\":{\"a\":\"1\",\"b\":\"2\"},\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,"
	"\"access\":"
	"\"rwm\"}],\"memory\":{\"limit\":-1,\"swappiness\":0},\"unified\":{\"memory.max\":\"1\"}},"
	"\"namespaces\":[{"
	"\"type\":\"pid\"},{\"type\":\"network\",\"path\":\"/proc/1/ns/"
	"net\"}],\"timeOffsets\":{\"boottime\":{"
	"\"secs\":-5,\"nanosecs\":7}}}}";

/* What is decoded and encoded again is the same text, and so is a copy. */
static void test_round_trip(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct oci_spec *s;

	if (oci_spec_parse(a, sv_of(config), &s, &e) < 0)
		fail_msg("%s", err_text(e));
	assert_true(s->process->has_oom_score_adj);
	assert_int_equal(s->process->oom_score_adj, 0);
	assert_true(s->process->user.has_umask);
	assert_int_equal(s->process->user.umask, 18);
	assert_true(s->process->rlimits.v[0].hard == UINT64_MAX);
	assert_int_equal(s->linux->namespaces.n, 2);
	assert_string_equal(s->linux->namespaces.v[1].path, "/proc/1/ns/net");
	assert_true(s->linux->resources->memory->has_swappiness);
	assert_false(s->linux->resources->memory->has_swap);
	assert_int_equal(s->linux->time_offsets.v[0].v.secs, -5);
	assert_string_equal(model_map_get(&s->annotations, "b"), "2");

	struct oci_spec *copy = oci_spec_dup(a, s);
	cleanup_strbuf struct strbuf one = { 0 }, two = { 0 };
	struct jw w1 = jw_to(&one), w2 = jw_to(&two);
	oci_spec_encode(&w1, s);
	oci_spec_encode(&w2, copy);
	assert_string_equal(one.p, config);
	assert_string_equal(two.p, config);
	assert_true(model_equal(&oci_spec_type, s, copy));
	copy->process->args.v[0] = "other";
	assert_false(model_equal(&oci_spec_type, s, copy));
}

static void bad(const char *text, const char *want)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct oci_spec *s;

	if (oci_spec_parse(a, sv_of(text), &s, &e) == 0)
		fail_msg("accepted: %s", text);
	assert_int_equal(err_class(e), ERR_INVALID);
	assert_string_equal(err_text(e), want);
}

static void test_types(void **state)
{
	(void)state;
	bad("{\"process\":{\"user\":{\"uid\":-1}}}", "invalid JSON: json: cannot unmarshal number -1 into Go "
						     "struct field Spec.process.user.uid of type uint32");
	bad("{\"process\":{\"user\":{\"uid\":4294967296}}}",
	    "invalid JSON: json: cannot unmarshal number 4294967296 into Go struct field "
	    "Spec.process.user.uid of type uint32");
	bad("{\"process\":{\"args\":\"sh\"}}", "invalid JSON: json: cannot unmarshal string into Go struct "
					       "field Spec.process.args of type []string");
	bad("{\"process\":{\"args\":[1]}}", "invalid JSON: json: cannot unmarshal number into Go struct "
					    "field Spec.process.args of type string");
	bad("{\"hostname\":\"a\\u0000b\"}", "invalid JSON: json: Spec.hostname: string contains a NUL byte");
	bad("{\"annotations\":{\"a\\u0000\":\"\"}}",
	    "invalid JSON: json: Spec.annotations: key contains a NUL byte");
	bad("{\"linux\":[]}",
	    "invalid JSON: json: cannot unmarshal array into Go struct field Spec.linux of type Linux");
	bad("[]", "invalid JSON: json: cannot unmarshal array into Go value of type Spec");
	bad("{\"hostname\":\"a\",\"hostname\":\"b\"}",
	    "invalid JSON: duplicate key \"hostname\" in JSON object");
}

/* Null is "not there", names match exactly, and what the specification does not know is let pass. */
static void test_lenient(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct oci_spec *s;

	assert_int_equal(
		oci_spec_parse(a,
			       SV("{\"process\":null,\"Hostname\":\"x\",\"vm\":{\"a\":[1]},\"mounts\":[]}"),
			       &s, NULL),
		0);
	assert_null(s->process);
	assert_null(s->hostname);
	assert_non_null(s->mounts.v);
	assert_int_equal(s->mounts.n, 0);
}

static void test_lists_grow(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct oci_spec *s;

	assert_int_equal(oci_spec_parse(a, sv_of(config), &s, NULL), 0);
	for (int i = 0; i < 100; i++) {
		struct oci_mount *m = model_list_add(a, &s->mounts);
		m->destination = arena_printf(a, "/m%d", i);
		model_strs_add(a, &s->process->args, "x");
	}
	assert_int_equal(s->mounts.n, 101);
	assert_string_equal(s->mounts.v[0].destination, "/proc");
	assert_string_equal(s->mounts.v[100].destination, "/m99");
	assert_int_equal(s->process->args.n, 101);
	model_map_put(a, &s->annotations, "a", "new");
	model_map_put(a, &s->annotations, "c", "3");
	assert_string_equal(model_map_get(&s->annotations, "a"), "new");
	model_map_del(&s->annotations, "a");
	assert_null(model_map_get(&s->annotations, "a"));
	assert_int_equal(s->annotations.n, 2);

	/* A caller's own array is not written to. */
	const char *own[] = { "one" };
	struct model_str_list l = { .v = own, .n = 1 };
	model_strs_add(a, &l, "two");
	assert_ptr_not_equal(l.v, own);
	assert_string_equal(l.v[1], "two");
}

static void test_image_config(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct oci_image *im;
	static const char text[] =
		"{\"created\":\"2024-01-01T00:00:00Z\",\"architecture\":\"amd64\",\"os\":\"linux\","
		"\"config\":{\"ExposedPorts\":"
		"{\"80/tcp\":{}},\"Env\":[\"PATH=/"
		"bin\"],\"Cmd\":[\"sh\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":["
		"\"sha256:a\"]},\"history\":[{\"created_by\":\"x\",\"empty_layer\":true}]}";

	assert_int_equal(oci_image_parse(a, sv_of(text), &im, NULL), 0);
	assert_string_equal(im->config.exposed_ports.v[0], "80/tcp");
	assert_string_equal(im->rootfs.diff_ids.v[0], "sha256:a");
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	oci_image_encode(&w, im);
	assert_string_equal(b.p, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_types),
		cmocka_unit_test(test_lenient),      cmocka_unit_test(test_lists_grow),
		cmocka_unit_test(test_image_config),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
