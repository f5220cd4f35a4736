/* SPDX-License-Identifier: Apache-2.0 */
/* Create bodies as JSON, and what the daemon says to them. */
#include "model/validate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *const drivers[] = { "json-file", "none", NULL };
static const char *const runtimes[] = { "hoy", "runc", NULL };
static const struct validate_host machine = {
	.n_cpus = 2, .cpus = "0-1", .mems = "0", .log_drivers = drivers, .runtimes = runtimes
};

static int check(struct arena *a, const char *body, struct api_create_request **rq, struct model_str_list *w,
		 struct err **e)
{
	if (api_create_request_parse(a, sv_of(body), rq, e) < 0)
		return -1;
	return validate_create(a, *rq, &machine, w, e);
}

static void good(const char *body, const char *warning)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct api_create_request *rq;
	struct model_str_list w = { 0 };

	if (check(a, body, &rq, &w, &e) < 0)
		fail_msg("%s: %s", body, err_text(e));
	assert_int_equal(w.n, warning ? 1 : 0);
	if (warning)
		assert_string_equal(w.v[0], warning);
}

static void test_accepts(void **state)
{
	(void)state;
	good("{\"Image\":\"x\"}", NULL);
	good("{\"Image\":\"x\",\"HostConfig\":{}}", NULL);
	good("{\"WorkingDir\":\"/a/../"
	     "b\",\"Env\":[\"A=\",\"B\"],\"StopSignal\":\"SIGQUIT\",\"HostConfig\":{\"Memory\":6291456,"
	     "\"MemorySwap\":-1,\"NanoCpus\":2000000000,\"CpusetCpus\":\"0,1\",\"RestartPolicy\":{\"Name\":"
	     "\"always\"},"
	     "\"NetworkMode\":\"container:x\",\"Binds\":[\"/a:/"
	     "b:ro\"],\"CapAdd\":[\"ALL\"],\"PidMode\":\"container:x\","
	     "\"IpcMode\":\"shareable\",\"MemorySwappiness\":-1,\"Sysctls\":{\"net.core.somaxconn\":\"1\"},"
	     "\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"max-size\":\"10k\",\"max-file\":\"3\"}}}}",
	     NULL);
	good("{\"HostConfig\":{\"NetworkMode\":\"host\",\"PortBindings\":{\"80/tcp\":[{}]}}}",
	     "Published ports are discarded when using host network mode");
	good("{\"HostConfig\":{\"OomKillDisable\":true}}",
	     "OOM killer is disabled for the container, but no memory limit is set, this can result in the "
	     "system running out "
	     "of resources.");
}

static void test_rejects(void **state)
{
	(void)state;
	static const struct {
		const char *body, *want;
	} t[] = {
		{ "{\"WorkingDir\":\"a\"}",
		  "the working directory 'a' is invalid, it needs to be an absolute path" },
		{ "{\"StopSignal\":\"SIGFOO\"}", "invalid signal: SIGFOO" },
		{ "{\"Env\":[\"=a\"]}", "invalid environment variable: =a" },
		{ "{\"ExposedPorts\":{\"x\":{}}}", "invalid port specification: \"x\"" },
		{ "{\"Healthcheck\":{\"Interval\":1}}", "Interval in Healthcheck cannot be less than 1ms" },
		{ "{\"Healthcheck\":{\"Retries\":-1}}", "Retries in Healthcheck cannot be negative" },
		{ "{\"HostConfig\":{\"AutoRemove\":true,\"RestartPolicy\":{\"Name\":\"always\"}}}",
		  "can't create 'AutoRemove' container with restart policy" },
		{ "{\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"always\",\"MaximumRetryCount\":1}}}",
		  "invalid restart policy: maximum retry count can only be used with 'on-failure'" },
		{ "{\"HostConfig\":{\"RestartPolicy\":{\"MaximumRetryCount\":1}}}",
		  "invalid restart policy: maximum retry count can only be used with 'on-failure'" },
		{ "{\"HostConfig\":{\"Tmpfs\":{\"t\":\"\"}}}",
		  "invalid mount path: 't' mount path must be absolute" },
		{ "{\"Hostname\":\"h\",\"HostConfig\":{\"NetworkMode\":\"container:x\"}}",
		  "conflicting options: hostname and the network mode" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"container:\"}}",
		  "Invalid network mode: invalid container format container:<name|id>" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"container:x\",\"Links\":[\"a\"]}}",
		  "conflicting options: container type network can't be used with links. This would result "
		  "in undefined "
		  "behavior" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"host\",\"Links\":[\"a\"]}}",
		  "conflicting options: host type networking can't be used with links. This would result in "
		  "undefined "
		  "behavior" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"container:x\",\"Dns\":[\"1.1.1.1\"]}}",
		  "conflicting options: dns and the network mode" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"container:x\",\"ExtraHosts\":[\"a:1.1.1.1\"]}}",
		  "conflicting options: custom host-to-IP mapping and the network mode" },
		{ "{\"HostConfig\":{\"NetworkMode\":\"container:x\",\"PublishAllPorts\":true}}",
		  "conflicting options: port publishing and the container type network mode" },
		{ "{\"ExposedPorts\":{\"80/tcp\":{}},\"HostConfig\":{\"NetworkMode\":\"container:x\"}}",
		  "conflicting options: port exposing and the container type network mode" },
		{ "{\"Hostname\":\"h\",\"HostConfig\":{\"UTSMode\":\"host\"}}",
		  "conflicting options: hostname and the UTS mode" },
		{ "{\"HostConfig\":{\"PidMode\":\"x\"}}", "invalid PID mode: x" },
		{ "{\"HostConfig\":{\"PidMode\":\"container:\"}}", "invalid PID mode: container:" },
		{ "{\"HostConfig\":{\"IpcMode\":\"x\"}}", "invalid IPC mode: x" },
		{ "{\"HostConfig\":{\"UTSMode\":\"x\"}}", "invalid UTS mode: x" },
		{ "{\"HostConfig\":{\"CgroupnsMode\":\"x\"}}", "invalid cgroup namespace mode: x" },
		{ "{\"HostConfig\":{\"Isolation\":\"hyperv\"}}",
		  "Invalid isolation: \"hyperv\" - linux only supports 'default'" },
		{ "{\"HostConfig\":{\"Memory\":1}}", "Minimum memory limit allowed is 6MB" },
		{ "{\"HostConfig\":{\"Memory\":-5}}", "Minimum memory limit allowed is 6MB" },
		{ "{\"HostConfig\":{\"Memory\":10000000,\"MemorySwap\":9000000}}",
		  "Minimum memoryswap limit should be larger than memory limit, see usage" },
		{ "{\"HostConfig\":{\"MemorySwap\":9000000}}",
		  "You should always set the Memory limit when using Memoryswap limit, see usage" },
		{ "{\"HostConfig\":{\"MemorySwappiness\":101}}",
		  "Invalid value: 101, valid memory swappiness range is 0-100" },
		{ "{\"HostConfig\":{\"Memory\":7000000,\"MemoryReservation\":8000000}}",
		  "Minimum memory limit can not be less than memory reservation limit, see usage" },
		{ "{\"HostConfig\":{\"MemoryReservation\":1}}", "Minimum memory reservation allowed is 6MB" },
		{ "{\"HostConfig\":{\"NanoCpus\":3000000000}}",
		  "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available" },
		{ "{\"HostConfig\":{\"NanoCpus\":1,\"CpuQuota\":5000}}",
		  "Conflicting options: Nano CPUs and CPU Quota cannot both be set" },
		{ "{\"HostConfig\":{\"NanoCpus\":1,\"CpuPeriod\":5000}}",
		  "Conflicting options: Nano CPUs and CPU Period cannot both be set" },
		{ "{\"HostConfig\":{\"CpuPeriod\":5}}",
		  "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)" },
		{ "{\"HostConfig\":{\"CpuQuota\":5}}", "CPU cfs quota can not be less than 1ms (i.e. 1000)" },
		{ "{\"HostConfig\":{\"CpuShares\":-1}}",
		  "invalid CPU shares (-1): value must be a positive integer" },
		{ "{\"HostConfig\":{\"CpusetCpus\":\"a\"}}",
		  "Invalid value a for cpuset cpus: invalid format: a" },
		{ "{\"HostConfig\":{\"CpusetCpus\":\"0-9\"}}",
		  "Requested CPUs are not available - requested 0-9, available: 0-1" },
		{ "{\"HostConfig\":{\"CpusetMems\":\"1\"}}",
		  "Requested memory nodes are not available - requested 1, available: 0" },
		{ "{\"HostConfig\":{\"BlkioWeight\":5}}", "Range of blkio weight is from 10 to 1000" },
		{ "{\"HostConfig\":{\"ShmSize\":-1}}", "SHM size can not be less than 0" },
		{ "{\"HostConfig\":{\"OomScoreAdj\":1001}}",
		  "Invalid value 1001, range for oom score adj is [-1000, 1000]" },
		{ "{\"HostConfig\":{\"CapAdd\":[\"FLY\"]}}",
		  "invalid CapAdd: unknown capability: \"CAP_FLY\"" },
		{ "{\"HostConfig\":{\"Sysctls\":{\"vm.x\":\"1\"}}}",
		  "sysctl \"vm.x\" is not in a separate kernel namespace" },
		{ "{\"HostConfig\":{\"ExtraHosts\":[\"x\"]}}", "bad format for add-host: \"x\"" },
		{ "{\"HostConfig\":{\"Annotations\":{\"\":\"x\"}}}",
		  "invalid Annotations: the empty string is not permitted as an annotation key" },
		{ "{\"HostConfig\":{\"Runtime\":\"kata\"}}", "unknown or invalid runtime name: kata" },
		{ "{\"HostConfig\":{\"CgroupParent\":\"../../x\"}}", "invalid cgroup parent: ../../x" },
		{ "{\"HostConfig\":{\"LogConfig\":{\"Type\":\"gelf\"}}}",
		  "error looking up logging plugin gelf: plugin \"gelf\" not found" },
		{ "{\"HostConfig\":{\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"x\":\"1\"}}}}",
		  "unknown log opt 'x' for json-file log driver" },
		{ "{\"HostConfig\":{\"LogConfig\":{\"Config\":{\"max-file\":\"0\"}}}}",
		  "max-file cannot be less than 1" },
		{ "{\"HostConfig\":{\"LogConfig\":{\"Config\":{\"max-size\":\"x\"}}}}",
		  "invalid value for max-size: x" },
		{ "{\"HostConfig\":{\"Ulimits\":[{\"Name\":\"x\"}]}}", "invalid ulimit type: x" },
		{ "{\"HostConfig\":{\"DeviceCgroupRules\":[\"x\"]}}",
		  "invalid device cgroup rule format: 'x'" },
		{ "{\"HostConfig\":{\"SecurityOpt\":[\"x\"]}}", "invalid --security-opt 1: \"x\"" },
		{ "{\"HostConfig\":{\"Binds\":[\"/a:/b\",\"/c:/b\"]}}", "Duplicate mount point: /b" },
		{ "{\"HostConfig\":{\"PortBindings\":{\"80-81/tcp\":[]}}}",
		  "invalid port specification: \"80-81\"" },
		{ "{\"HostConfig\":{\"IOMaximumIOps\":1}}",
		  "Invalid QoS settings: linux does not support configuration of maximum IOPs" },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		cleanup_arena struct arena *a = arena_new();
		cleanup_err struct err *e = NULL;
		struct api_create_request *rq;
		struct model_str_list w = { 0 };
		if (check(a, t[i].body, &rq, &w, &e) == 0)
			fail_msg("accepted: %s", t[i].body);
		assert_int_equal(err_class(e), ERR_INVALID);
		assert_string_equal(err_text(e), t[i].want);
	}
}

static void test_update(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct api_update_request *rq = NULL;
	struct model_str_list w = { 0 };

	assert_int_equal(
		api_update_request_parse(
			a, SV("{\"MemorySwap\":9000000,\"RestartPolicy\":{\"Name\":\"no\"}}"), &rq, NULL),
		0);
	assert_int_equal(validate_update(a, rq, &machine, &w, NULL), 0);
	assert_int_equal(api_update_request_parse(a, SV("{\"RestartPolicy\":{\"Name\":\"x\"}}"), &rq, NULL),
			 0);
	assert_int_equal(validate_update(a, rq, &machine, &w, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts),
		cmocka_unit_test(test_rejects),
		cmocka_unit_test(test_update),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
