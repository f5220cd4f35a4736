/* SPDX-License-Identifier: Apache-2.0 */
#include "model/api.gen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void encode_host(const struct api_host_config *hc, struct strbuf *b)
{
	struct jw w = jw_to(b);
	api_host_config_encode(&w, hc);
}

/* An empty HostConfig is what Go prints for the zero struct of engine 28. */
static void test_zero_host_config(void **state)
{
	(void)state;
	struct api_host_config hc = { 0 };
	cleanup_strbuf struct strbuf b = { 0 };

	encode_host(&hc, &b);
	assert_string_equal(
		b.p,
		"{\"Binds\":null,\"ContainerIDFile\":\"\",\"LogConfig\":{\"Type\":\"\",\"Config\":null},"
		"\"NetworkMode\":\"\","
		"\"PortBindings\":null,\"RestartPolicy\":{\"Name\":\"\",\"MaximumRetryCount\":0},"
		"\"AutoRemove\":false,"
		"\"VolumeDriver\":\"\",\"VolumesFrom\":null,\"ConsoleSize\":[0,0],\"CapAdd\":null,"
		"\"CapDrop\":null,"
		"\"CgroupnsMode\":\"\",\"Dns\":null,\"DnsOptions\":null,\"DnsSearch\":null,\"ExtraHosts\":"
		"null,"
		"\"GroupAdd\":null,\"IpcMode\":\"\",\"Cgroup\":\"\",\"Links\":null,\"OomScoreAdj\":0,"
		"\"PidMode\":\"\","
		"\"Privileged\":false,\"PublishAllPorts\":false,\"ReadonlyRootfs\":false,\"SecurityOpt\":"
		"null,"
		"\"UTSMode\":\"\",\"UsernsMode\":\"\",\"ShmSize\":0,\"Isolation\":\"\",\"CpuShares\":0,"
		"\"Memory\":0,"
		"\"NanoCpus\":0,\"CgroupParent\":\"\",\"BlkioWeight\":0,\"BlkioWeightDevice\":null,"
		"\"BlkioDeviceReadBps\":null,\"BlkioDeviceWriteBps\":null,\"BlkioDeviceReadIOps\":null,"
		"\"BlkioDeviceWriteIOps\":null,\"CpuPeriod\":0,\"CpuQuota\":0,\"CpuRealtimePeriod\":0,"
		"\"CpuRealtimeRuntime\":0,\"CpusetCpus\":\"\",\"CpusetMems\":\"\",\"Devices\":null,"
		"\"DeviceCgroupRules\":null,\"DeviceRequests\":null,\"MemoryReservation\":0,\"MemorySwap\":0,"
		"\"MemorySwappiness\":null,\"OomKillDisable\":null,\"PidsLimit\":null,\"Ulimits\":null,"
		"\"CpuCount\":0,"
		"\"CpuPercent\":0,\"IOMaximumIOps\":0,\"IOMaximumBandwidth\":0,\"MaskedPaths\":null,"
		"\"ReadonlyPaths\":null}");
}

/* A create body as the docker CLI sends it: flat config, nested host config, names in any case. */
static void test_create_request(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct api_create_request *rq;
	static const char body[] = "{\"hostname\":\"h\",\"Image\":\"busybox\",\"Cmd\":\"true\","
				   "\"Entrypoint\":null,\"Env\":[],\"Volumes\":{\"/v\":"
				   "{}},\"ExposedPorts\":{\"80/tcp\":{},\"53/"
				   "udp\":{}},\"Labels\":{\"b\":\"2\",\"a\":\"1\"},\"StopTimeout\":0,"
				   "\"HostConfig\":{\"Memory\":6291456,\"PortBindings\":{\"80/"
				   "tcp\":[{\"HostPort\":\"8080\"}],\"53/udp\":null},"
				   "\"Init\":true,\"PidsLimit\":-1,\"ConsoleSize\":[24,80],\"Ulimits\":[{"
				   "\"Name\":\"nofile\",\"Soft\":1,"
				   "\"Hard\":2}],\"NanoCpus\":1500000000,\"LxcConf\":[{\"Key\":\"lxc.network."
				   "type\",\"Value\":\"veth\"}]},"
				   "\"NetworkingConfig\":{\"EndpointsConfig\":{\"bridge\":null,\"n\":{"
				   "\"Aliases\":[\"x\"]}}},\"Unknown\":[1]}";

	if (api_create_request_parse(a, sv_of(body), &rq, &e) < 0)
		fail_msg("%s", err_text(e));
	const struct api_container_config *c = &rq->container_config;
	const struct api_host_config *hc = rq->host_config;
	assert_string_equal(c->hostname, "h");
	assert_int_equal(c->cmd.n, 1);
	assert_string_equal(c->cmd.v[0], "true");
	assert_null(c->entrypoint.v);
	assert_non_null(c->env.v);
	assert_int_equal(c->env.n, 0);
	assert_true(c->has_stop_timeout);
	assert_int_equal(c->exposed_ports.n, 2);
	assert_int_equal(hc->resources.memory, 6291456);
	assert_true(hc->has_init && hc->init);
	assert_true(hc->resources.has_pids_limit);
	assert_int_equal(hc->resources.pids_limit, -1);
	assert_int_equal(hc->console_size.width, 80);
	assert_int_equal(hc->resources.ulimits.v[0].hard, 2);
	assert_string_equal(hc->port_bindings.v[0].v.v[0].host_port, "8080");
	assert_null(hc->port_bindings.v[1].v.v);
	assert_string_equal(hc->lxc_conf.v[0].value, "veth");
	assert_int_equal(rq->networking_config->endpoints_config.n, 2);

	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	api_container_config_encode(&w, c);
	assert_string_equal(
		b.p,
		"{\"Hostname\":\"h\",\"Domainname\":\"\",\"User\":\"\",\"AttachStdin\":false,"
		"\"AttachStdout\":false,"
		"\"AttachStderr\":false,\"ExposedPorts\":{\"53/udp\":{},\"80/tcp\":{}},\"Tty\":false,"
		"\"OpenStdin\":false,\"StdinOnce\":false,\"Env\":[],\"Cmd\":[\"true\"],\"Image\":\"busybox\","
		"\"Volumes\":{\"/"
		"v\":{}},\"WorkingDir\":\"\",\"Entrypoint\":null,\"OnBuild\":null,\"Labels\":{"
		"\"a\":\"1\",\"b\":\"2\"},\"StopTimeout\":0}");
}

static void bad(const char *text, const char *want)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct api_create_request *rq;

	if (api_create_request_parse(a, sv_of(text), &rq, &e) == 0)
		fail_msg("accepted: %s", text);
	assert_int_equal(err_class(e), ERR_INVALID);
	assert_string_equal(err_text(e), want);
}

static void test_rejects(void **state)
{
	(void)state;
	bad("{", "invalid JSON: unexpected EOF");
	bad("{}{}", "unexpected content after JSON");
	bad("[]", "invalid JSON: json: cannot unmarshal array into Go value of type CreateRequest");
	bad("{\"Tty\":\"yes\"}", "invalid JSON: json: cannot unmarshal string into Go struct field "
				 "CreateRequest.Tty of type bool");
	bad("{\"HostConfig\":{\"Memory\":\"1g\"}}",
	    "invalid JSON: json: cannot unmarshal string into Go struct field "
	    "CreateRequest.HostConfig.Memory of type int64");
	bad("{\"HostConfig\":{\"Memory\":1.5}}",
	    "invalid JSON: json: cannot unmarshal number 1.5 into Go struct field "
	    "CreateRequest.HostConfig.Memory of type int64");
	bad("{\"HostConfig\":{\"BlkioWeight\":70000}}",
	    "invalid JSON: json: cannot unmarshal number 70000 into Go struct field "
	    "CreateRequest.HostConfig.BlkioWeight of "
	    "type uint16");
	bad("{\"HostConfig\":{\"PortBindings\":{\"80/tcp\":{}}}}",
	    "invalid JSON: json: cannot unmarshal object into Go struct field "
	    "CreateRequest.HostConfig.PortBindings of type "
	    "[]PortBinding");
	bad("{\"ExposedPorts\":[\"80\"]}", "invalid JSON: json: cannot unmarshal array into Go struct field "
					   "CreateRequest.ExposedPorts of type map[string]struct {}");
	bad("{\"ExposedPorts\":{\"80\":1}}",
	    "invalid JSON: json: cannot unmarshal number into Go struct field "
	    "CreateRequest.ExposedPorts of type map[string]struct {}");
	bad("{\"Image\":\"a\",\"image\":\"b\"}",
	    "invalid JSON: json: CreateRequest.Image: field is given twice");
	bad("{\"HostConfig\":{\"ConsoleSize\":[-1,0]}}",
	    "invalid JSON: json: cannot unmarshal number -1 into Go struct field "
	    "CreateRequest.HostConfig.ConsoleSize of type "
	    "[2]uint");
	bad("{\"Cmd\":[\"a\",1]}", "invalid JSON: json: cannot unmarshal number into Go struct field "
				   "CreateRequest.Cmd of type string");
}

/* No body is no request, not an error: Docker lets it pass to the checks that follow. */
static void test_empty_body(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct api_create_request *rq;

	assert_int_equal(api_create_request_parse(a, SV(" \n"), &rq, NULL), 0);
	assert_null(rq->container_config.image);
}

static void test_times_and_pointers(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct api_image_metadata m = { 0 };
	struct api_exec_inspect ei = { .id = "x" };
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);

	api_image_metadata_encode(&w, &m);
	assert_string_equal(b.p, "{\"LastTagTime\":\"0001-01-01T00:00:00Z\"}");
	sb_reset(&b);
	w = jw_to(&b);
	api_exec_inspect_encode(&w, &ei);
	assert_string_equal(
		b.p, "{\"ID\":\"x\",\"Running\":false,\"ExitCode\":null,\"ProcessConfig\":null,\"OpenStdin\":"
		     "false,"
		     "\"OpenStderr\":false,\"OpenStdout\":false,\"CanRemove\":false,\"ContainerID\":\"\","
		     "\"DetachKeys\":\"\",\"Pid\":0}");
	struct api_image_metadata *got;
	assert_int_equal(api_image_metadata_parse(a, SV("{\"LastTagTime\":\"2024-02-30\"}"), &got, NULL), -1);
	assert_int_equal(api_image_metadata_parse(a, SV("{\"LastTagTime\":\"2024-02-03T04:05:06.7+01:00\"}"),
						  &got, NULL),
			 0);
}

/* --lxc-conf came as a list first and as a map later. */
static void test_pairs(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct api_host_config hc = { 0 };

	assert_int_equal(
		model_parse(a, &api_host_config_type,
			    SV("{\"LxcConf\":{\"lxc.network.type\":\"veth\",\"lxc.utsname\":\"x\"}}"), &hc,
			    NULL),
		0);
	assert_int_equal(hc.lxc_conf.n, 2);
	assert_string_equal(hc.lxc_conf.v[0].key, "lxc.network.type");
	assert_string_equal(hc.lxc_conf.v[1].value, "x");
	assert_int_equal(model_parse(a, &api_host_config_type, SV("{\"LxcConf\":{\"a\":1}}"), &hc, &e), -1);
	assert_string_equal(
		err_text(e),
		"invalid JSON: json: cannot unmarshal number into Go struct field HostConfig.LxcConf of "
		"type string");
}

static void test_unknown_keys(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	cleanup_strlist struct strlist l = { 0 };
	const struct json *j;

	assert_int_equal(
		json_parse(a, SV("{\"debug\":true,\"nonsense\":1,\"data-root\":\"/x\"}"), NULL, &j, NULL), 0);
	model_unknown_keys(&api_daemon_config_type, j, &l);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.v[0], "nonsense");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_host_config),
		cmocka_unit_test(test_create_request),
		cmocka_unit_test(test_rejects),
		cmocka_unit_test(test_empty_body),
		cmocka_unit_test(test_times_and_pointers),
		cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test(test_pairs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
