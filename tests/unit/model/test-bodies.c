/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that no endpoint may accept: wrong types at every depth, ranges, spellings, bytes that are no JSON. */
#include "model/api.gen.h"
#include "model/oci.gen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct body {
	const struct model_type *type;
	const char *text;
};

static const struct body bad[] = {
	/* not JSON, or not one value */
	{ &api_create_request_type, "{\"Image\":\"x\"" },
	{ &api_create_request_type, "{\"Image\":\"x\"}}" },
	{ &api_create_request_type, "{\"Image\":\"x\"}{}" },
	{ &api_create_request_type, "{\"Image\":\"x\",}" },
	{ &api_create_request_type, "{'Image':'x'}" },
	{ &api_create_request_type, "{\"Image\":\"\xff\"}" },
	{ &api_create_request_type, "{\"Image\":\"\\ud800\"}" },
	{ &api_create_request_type, "Image=x" },
	{ &api_create_request_type, "true" },
	{ &api_create_request_type, "0" },
	{ &api_create_request_type, "\"\"" },
	{ &api_create_request_type, "[{}]" },
	/* strings where others belong, and the other way round */
	{ &api_create_request_type, "{\"Image\":1}" },
	{ &api_create_request_type, "{\"Image\":true}" },
	{ &api_create_request_type, "{\"Image\":{}}" },
	{ &api_create_request_type, "{\"Image\":[\"x\"]}" },
	{ &api_create_request_type, "{\"Image\":\"a\\u0000b\"}" },
	{ &api_create_request_type, "{\"Tty\":1}" },
	{ &api_create_request_type, "{\"Tty\":\"true\"}" },
	{ &api_create_request_type, "{\"Cmd\":1}" },
	{ &api_create_request_type, "{\"Cmd\":{}}" },
	{ &api_create_request_type, "{\"Cmd\":[[\"a\"]]}" },
	{ &api_create_request_type, "{\"Entrypoint\":false}" },
	{ &api_create_request_type, "{\"Env\":\"A=b\"}" },
	{ &api_create_request_type, "{\"Env\":{\"A\":\"b\"}}" },
	{ &api_create_request_type, "{\"Env\":[{}]}" },
	{ &api_create_request_type, "{\"Labels\":[\"a=b\"]}" },
	{ &api_create_request_type, "{\"Labels\":{\"a\":1}}" },
	{ &api_create_request_type, "{\"Labels\":{\"a\":{}}}" },
	{ &api_create_request_type, "{\"Volumes\":{\"/v\":\"x\"}}" },
	{ &api_create_request_type, "{\"Volumes\":[\"/v\"]}" },
	{ &api_create_request_type, "{\"ExposedPorts\":{\"80/tcp\":[]}}" },
	{ &api_create_request_type, "{\"StopTimeout\":\"10\"}" },
	{ &api_create_request_type, "{\"StopTimeout\":1.5}" },
	{ &api_create_request_type, "{\"StopTimeout\":99999999999999999999}" },
	{ &api_create_request_type, "{\"Healthcheck\":[]}" },
	{ &api_create_request_type, "{\"Healthcheck\":{\"Test\":\"true\"}}" },
	{ &api_create_request_type, "{\"Healthcheck\":{\"Interval\":\"30s\"}}" },
	/* one field in two spellings */
	{ &api_create_request_type, "{\"Image\":\"a\",\"IMAGE\":\"b\"}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Privileged\":false,\"privileged\":true}}" },
	{ &api_create_request_type, "{\"Image\":\"a\",\"Image\":\"a\"}" },
	/* HostConfig */
	{ &api_create_request_type, "{\"HostConfig\":[]}" },
	{ &api_create_request_type, "{\"HostConfig\":\"x\"}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Binds\":\"/a:/b\"}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Binds\":[1]}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Memory\":\"1g\"}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Memory\":1e9}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Memory\":9223372036854775808}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Memory\":-9223372036854775809}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"BlkioWeight\":-1}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"BlkioWeight\":65536}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"IOMaximumIOps\":-1}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"ConsoleSize\":24}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"ConsoleSize\":[\"a\",\"b\"]}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"ConsoleSize\":[4294967296,1]}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"PortBindings\":{\"80/tcp\":\"8080\"}}}" },
	{ &api_create_request_type,
	  "{\"HostConfig\":{\"PortBindings\":{\"80/tcp\":[{\"HostPort\":8080}]}}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"PortBindings\":[]}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"RestartPolicy\":\"always\"}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"RestartPolicy\":{\"MaximumRetryCount\":\"1\"}}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Mounts\":{}}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Mounts\":[\"x\"]}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Mounts\":[{\"ReadOnly\":\"yes\"}]}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Mounts\":[{\"TmpfsOptions\":{\"Mode\":-1}}]}}" },
	{ &api_create_request_type,
	  "{\"HostConfig\":{\"Mounts\":[{\"TmpfsOptions\":{\"Options\":[\"a\"]}}]}}" },
	{ &api_create_request_type,
	  "{\"HostConfig\":{\"Mounts\":[{\"VolumeOptions\":{\"DriverConfig\":\"local\"}}]}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Devices\":[\"/dev/null\"]}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":\"1\"}]}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Ulimits\":{\"nofile\":1}}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Sysctls\":[\"a=b\"]}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"LogConfig\":\"json-file\"}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"LogConfig\":{\"Config\":[\"a\"]}}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"DeviceRequests\":[{\"Capabilities\":[\"gpu\"]}]}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Init\":\"yes\"}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"PidsLimit\":\"max\"}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"LxcConf\":[\"a=b\"]}}" },
	{ &api_create_request_type, "{\"HostConfig\":{\"Tmpfs\":[\"/t\"]}}" },
	{ &api_create_request_type, "{\"NetworkingConfig\":{\"EndpointsConfig\":[]}}" },
	{ &api_create_request_type, "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"n\":\"x\"}}}" },
	{ &api_create_request_type,
	  "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"n\":{\"Aliases\":\"x\"}}}}" },
	{ &api_create_request_type,
	  "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"n\":{\"IPAMConfig\":[]}}}}" },
	/* the others */
	{ &api_update_request_type, "{\"Memory\":\"1\"}" },
	{ &api_update_request_type, "{\"RestartPolicy\":[]}" },
	{ &api_exec_create_request_type, "{\"Cmd\":\"sh\"}" },
	{ &api_exec_create_request_type, "{\"Cmd\":[1]}" },
	{ &api_exec_create_request_type, "{\"Tty\":null,\"tty\":true}" },
	{ &api_exec_create_request_type, "{\"ConsoleSize\":{}}" },
	{ &api_exec_start_request_type, "{\"Detach\":\"false\"}" },
	{ &api_exec_start_request_type, "[]" },
	{ &api_volume_create_request_type, "{\"Name\":5}" },
	{ &api_volume_create_request_type, "{\"DriverOpts\":[\"a\"]}" },
	{ &api_volume_create_request_type, "{\"Labels\":{\"a\":null,\"b\":1}}" },
	{ &api_network_create_request_type, "{\"IPAM\":{\"Config\":{}}}" },
	{ &api_network_create_request_type, "{\"Internal\":\"no\"}" },
	{ &api_network_connect_request_type, "{\"Container\":[]}" },
	{ &api_auth_config_type, "{\"username\":1}" },
	{ &api_daemon_config_type, "{\"debug\":\"true\"}" },
	{ &api_daemon_config_type, "{\"hosts\":\"unix:///x\"}" },
	{ &api_daemon_config_type, "{\"mtu\":\"1500\"}" },
	{ &oci_spec_type, "{\"process\":{\"args\":\"sh\"}}" },
	{ &oci_spec_type, "{\"process\":{\"rlimits\":[{\"hard\":-1}]}}" },
	{ &oci_spec_type, "{\"linux\":{\"devices\":[{\"major\":\"1\"}]}}" },
	{ &oci_spec_type, "{\"linux\":{\"seccomp\":{\"syscalls\":[{\"args\":[{\"value\":-1}]}]}}}" },
	{ &oci_descriptor_type, "{\"size\":-1}" },
	{ &oci_manifest_type, "{\"layers\":{}}" },
	{ &oci_index_type, "{\"manifests\":[[]]}" },
	{ &oci_image_type, "{\"rootfs\":{\"diff_ids\":\"x\"}}" },
	{ &oci_archive_item_type, "{\"RepoTags\":\"x\"}" },
};

static void test_bad_bodies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup_arena struct arena *a = arena_new();
		cleanup_err struct err *e = NULL;
		void *v = arena_alloc(a, bad[i].type->size);
		if (model_parse(a, bad[i].type, sv_of(bad[i].text), v, &e) == 0)
			fail_msg("%s accepted: %s", bad[i].type->name, bad[i].text);
		assert_int_equal(err_class(e), ERR_INVALID);
		assert_true(str_starts(err_text(e), "invalid JSON: ") ||
			    str_eq(err_text(e), "unexpected content after JSON"));
	}
}

/* Deep, wide and long bodies end in an error, not in memory or stack. */
static void test_sizes(void **state)
{
	(void)state;
	cleanup_strbuf struct strbuf b = { 0 };
	struct api_create_request *rq;
	cleanup_err struct err *e = NULL, *e2 = NULL;
	cleanup_arena struct arena *a = arena_new();

	sb_add(&b, "{\"X\":");
	for (int i = 0; i < 100; i++)
		sb_add(&b, "[");
	for (int i = 0; i < 100; i++)
		sb_add(&b, "]");
	sb_add(&b, "}");
	assert_int_equal(api_create_request_parse(a, sb_sv(&b), &rq, &e), -1);
	assert_string_equal(err_text(e), "invalid JSON: exceeded max depth");

	sb_reset(&b);
	sb_add(&b, "{\"Env\":[\"A=1\"");
	for (unsigned i = 0; i < MODEL_MAX_ITEMS; i++)
		sb_add(&b, ",\"\"");
	sb_add(&b, "]}");
	assert_int_equal(api_create_request_parse(a, sb_sv(&b), &rq, &e2), -1);
	assert_string_equal(err_text(e2), "invalid JSON: json: CreateRequest.Env: too many items");
}

/* What Go lets pass must pass here as well: nulls everywhere, unknown fields, other spellings, empty things. */
static void test_good_bodies(void **state)
{
	(void)state;
	static const struct body good[] = {
		{ &api_create_request_type, "null" },
		{ &api_create_request_type, "" },
		{ &api_create_request_type, "{}" },
		{ &api_create_request_type, "{\"image\":\"x\",\"hostconfig\":{\"memory\":0}}" },
		{ &api_create_request_type,
		  "{\"Image\":null,\"Cmd\":null,\"Env\":null,\"Labels\":null,\"Volumes\":null,"
		  "\"HostConfig\":null,\"NetworkingConfig\":null,\"Healthcheck\":null}" },
		{ &api_create_request_type,
		  "{\"Cmd\":\"a b\",\"Entrypoint\":[],\"Volumes\":{\"/a\":null},\"Foo\":{\"Bar\":[1]}}" },
		{ &api_create_request_type,
		  "{\"HostConfig\":{\"PortBindings\":{\"80/tcp\":null,\"81/tcp\":[null]},"
		  "\"Mounts\":[null],\"CapAdd\":\"NET_ADMIN\",\"ConsoleSize\":[1,2,3]}}" },
		{ &api_exec_create_request_type, "{\"Cmd\":[\"sh\",null]}" },
		{ &api_volume_create_request_type, "{\"Labels\":{\"a\":null}}" },
		{ &oci_spec_type, "{\"vm\":{},\"windows\":{},\"linux\":{\"new\":1}}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		cleanup_arena struct arena *a = arena_new();
		cleanup_err struct err *e = NULL;
		void *v = arena_alloc(a, good[i].type->size);
		if (model_parse(a, good[i].type, sv_of(good[i].text), v, &e) < 0)
			fail_msg("%s: %s: %s", good[i].type->name, good[i].text, err_text(e));
	}
}

/* A null among strings is an empty string, as in Go: nobody meets a NULL inside a list. */
static void test_null_items(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct api_create_request rq = { 0 };

	assert_int_equal(model_parse(a, &api_create_request_type,
				     SV("{\"Cmd\":[\"sh\",null],\"Labels\":{\"a\":null}}"), &rq, NULL),
			 0);
	assert_int_equal(rq.container_config.cmd.n, 2);
	assert_true(str_eq(rq.container_config.cmd.v[1], ""));
	assert_true(str_eq(model_map_get(&rq.container_config.labels, "a"), ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_bodies),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_good_bodies),
		cmocka_unit_test(test_null_items),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
