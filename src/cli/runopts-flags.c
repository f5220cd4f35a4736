/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/runopts.h"

#include "model/mounts.h"
#include "model/options.h"

static int check_mount(struct arena *a, const char *v, struct err **e)
{
	struct api_mount m = { 0 };

	return mount_cli_parse(a, v, "/", &m, e);
}

static int check_ulimit(struct arena *a, const char *v, struct err **e)
{
	struct api_ulimit u = { 0 };

	return ulimit_parse(a, sv_of(v), &u, e);
}

static int check_host(struct arena *a, const char *v, struct err **e)
{
	const char *out;

	return extra_host_parse(a, sv_of(v), &out, e);
}

static int check_attach(struct arena *a, const char *v, struct err **e)
{
	(void)a;
	if (sv_ieqs(sv_of(v), "stdin") || sv_ieqs(sv_of(v), "stdout") || sv_ieqs(sv_of(v), "stderr"))
		return 0;
	return err_set(e, ERR_INVALID, "valid streams are STDIN, STDOUT and STDERR");
}

static int check_rate_bps(struct arena *a, const char *v, struct err **e)
{
	struct api_throttle_device d = { 0 };

	return throttle_parse(a, sv_of(v), true, &d, e);
}

static int check_rate_iops(struct arena *a, const char *v, struct err **e)
{
	struct api_throttle_device d = { 0 };

	return throttle_parse(a, sv_of(v), false, &d, e);
}

static int check_weight(struct arena *a, const char *v, struct err **e)
{
	struct api_weight_device d = { 0 };

	return weight_device_parse(a, sv_of(v), &d, e);
}

static int check_device_rule(struct arena *a, const char *v, struct err **e)
{
	struct device_rule rule;

	(void)a;
	return device_rule_parse(sv_of(v), &rule, e);
}

static int check_lxc(struct arena *a, const char *v, struct err **e)
{
	struct api_key_value kv = { 0 };

	return lxc_conf_parse(a, sv_of(v), &kv, e);
}

static int check_env(struct arena *a, const char *v, struct err **e)
{
	(void)a;
	if (*v == '\0' || *v == '=')
		return err_set(e, ERR_INVALID, "invalid environment variable: %s", v);
	return 0;
}

static int check_link(struct arena *a, const char *v, struct err **e)
{
	(void)a;
	if (!*v)
		return err_set(e, ERR_INVALID, "empty string specified for links");
	return 0;
}

#define ROWS_A                                                                                               \
	{ "add-host", FLAG_LIST, .check = check_host, .help = "Add a custom host-to-IP mapping (host:ip)" }, \
		{ "annotation", FLAG_MAP, .def = "map[]",                                                    \
		  .help = "Add an annotation to the container (passed through to the OCI runtime)" },        \
		{ "attach", FLAG_LIST, 'a', .check = check_attach,                                           \
		  .help = "Attach to STDIN, STDOUT or STDERR" },                                             \
		{ "blkio-weight", FLAG_UINT16, .def = "0",                                                   \
		  .help = "Block IO (relative weight), between 10 and 1000, or 0 to disable" },              \
		{ "blkio-weight-device", FLAG_LIST, .def = "[]", .check = check_weight,                      \
		  .help = "Block IO weight (relative device weight)" },                                      \
		{ "cap-add", FLAG_LIST, .help = "Add Linux capabilities" },                                  \
		{ "cap-drop", FLAG_LIST, .help = "Drop Linux capabilities" },                                \
		{ "cgroup-parent", FLAG_STRING, .help = "Optional parent cgroup for the container" },        \
		{ "cgroupns", FLAG_STRING, .help = "Cgroup namespace to use (host|private)" },               \
		{ "cidfile", FLAG_STRING, .help = "Write the container ID to the file" },                    \
		{ "cpu-period", FLAG_INT, .help = "Limit CPU CFS (Completely Fair Scheduler) period" },      \
		{ "cpu-quota", FLAG_INT, .help = "Limit CPU CFS (Completely Fair Scheduler) quota" },        \
		{ "cpu-rt-period", FLAG_INT, .help = "Limit CPU real-time period in microseconds" },         \
		{ "cpu-rt-runtime", FLAG_INT, .help = "Limit CPU real-time runtime in microseconds" },       \
		{ "cpu-shares", FLAG_INT, 'c', .help = "CPU shares (relative weight)" },                     \
		{ "cpus", FLAG_DECIMAL, .help = "Number of CPUs" },                                          \
		{ "cpuset-cpus", FLAG_STRING, .help = "CPUs in which to allow execution (0-3, 0,1)" },       \
	{                                                                                                    \
		"cpuset-mems", FLAG_STRING, .help = "MEMs in which to allow execution (0-3, 0,1)"            \
	}

#define ROWS_B                                                                                               \
	{ "device", FLAG_LIST, .help = "Add a host device to the container" },                               \
		{ "device-cgroup-rule", FLAG_LIST, .check = check_device_rule,                               \
		  .help = "Add a rule to the cgroup allowed devices list" },                                 \
		{ "device-read-bps", FLAG_LIST, .def = "[]", .check = check_rate_bps,                        \
		  .help = "Limit read rate (bytes per second) from a device" },                              \
		{ "device-read-iops", FLAG_LIST, .def = "[]", .check = check_rate_iops,                      \
		  .help = "Limit read rate (IO per second) from a device" },                                 \
		{ "device-write-bps", FLAG_LIST, .def = "[]", .check = check_rate_bps,                       \
		  .help = "Limit write rate (bytes per second) to a device" },                               \
		{ "device-write-iops", FLAG_LIST, .def = "[]", .check = check_rate_iops,                     \
		  .help = "Limit write rate (IO per second) to a device" },                                  \
		{ "disable-content-trust", FLAG_BOOL, .def = "true", .help = "Skip image verification" },    \
		{ "dns", FLAG_LIST, .help = "Set custom DNS servers" },                                      \
		{ "dns-opt", FLAG_LIST, .alias_of = "dns-option" },                                          \
		{ "dns-option", FLAG_LIST, .help = "Set DNS options" },                                      \
		{ "dns-search", FLAG_LIST, .help = "Set custom DNS search domains" },                        \
		{ "domainname", FLAG_STRING, .help = "Container NIS domain name" },                          \
		{ "entrypoint", FLAG_STRING, .help = "Overwrite the default ENTRYPOINT of the image" },      \
		{ "env", FLAG_LIST, 'e', .check = check_env, .help = "Set environment variables" },          \
		{ "env-file", FLAG_LIST, .help = "Read in a file of environment variables" },                \
		{ "expose", FLAG_LIST, .help = "Expose a port or a range of ports" },                        \
		{ "gpus", FLAG_LIST, .value = "gpu-request",                                                 \
		  .help = "GPU devices to add to the container ('all' to pass all GPUs)" },                  \
		{ "group-add", FLAG_LIST, .help = "Add additional groups to join" },                         \
		{ "health-cmd", FLAG_STRING, .help = "Command to run to check health" },                     \
		{ "health-interval", FLAG_DURATION, .def = "0s",                                             \
		  .help = "Time between running the check (ms|s|m|h)" },                                     \
		{ "health-retries", FLAG_INT, .help = "Consecutive failures needed to report unhealthy" },   \
		{ "health-start-interval", FLAG_DURATION, .def = "0s",                                       \
		  .help = "Time between running the check during the start period (ms|s|m|h)" },             \
		{ "health-start-period", FLAG_DURATION, .def = "0s",                                         \
		  .help = "Start period for the container to initialize before starting health-retries "     \
			  "countdown "                                                                       \
			  "(ms|s|m|h)" },                                                                    \
		{ "health-timeout", FLAG_DURATION, .def = "0s",                                              \
		  .help = "Maximum time to allow one check to run (ms|s|m|h)" },                             \
		{ "help", FLAG_BOOL, .help = "Print usage" },                                                \
		{ "hostname", FLAG_STRING, 'h', .help = "Container host name" },                             \
		{ "init", FLAG_BOOL,                                                                         \
		  .help = "Run an init inside the container that forwards signals and reaps processes" },    \
		{ "interactive", FLAG_BOOL, 'i', .help = "Keep STDIN open even if not attached" },           \
		{ "ip", FLAG_STRING, .help = "IPv4 address (e.g., 172.30.100.104)" },                        \
		{ "ip6", FLAG_STRING, .help = "IPv6 address (e.g., 2001:db8::33)" },                         \
		{ "ipc", FLAG_STRING, .help = "IPC mode to use" },                                           \
		{ "isolation", FLAG_STRING, .help = "Container isolation technology" },                      \
		{ "kernel-memory", FLAG_BYTES, .help = "Kernel memory limit" },                              \
		{ "label", FLAG_LIST, 'l', .help = "Set meta data on a container" },                         \
		{ "label-file", FLAG_LIST, .help = "Read in a line delimited file of labels" },              \
		{ "link", FLAG_LIST, .check = check_link, .help = "Add link to another container" },         \
		{ "link-local-ip", FLAG_LIST, .help = "Container IPv4/IPv6 link-local addresses" },          \
		{ "log-driver", FLAG_STRING, .help = "Logging driver for the container" },                   \
		{ "log-opt", FLAG_LIST, .help = "Log driver options" },                                      \
		{ "lxc-conf", FLAG_LIST, .check = check_lxc,                                                 \
		  .help = "Add custom LXC network options (lxc.network.type=veth, ...)" },                   \
		{ "mac-address", FLAG_STRING, .help = "Container MAC address (e.g., 92:d0:c6:0a:29:33)" },   \
		{ "memory", FLAG_BYTES, 'm', .help = "Memory limit" },                                       \
		{ "memory-reservation", FLAG_BYTES, .help = "Memory soft limit" },                           \
		{ "memory-swap", FLAG_BYTES,                                                                 \
		  .help = "Swap limit equal to memory plus swap: '-1' to enable unlimited swap" },           \
		{ "memory-swappiness", FLAG_INT, .def = "-1",                                                \
		  .help = "Tune container memory swappiness (0 to 100)" },                                   \
		{ "mount", FLAG_LIST, .value = "mount", .check = check_mount,                                \
		  .help = "Attach a filesystem mount to the container" },                                    \
		{ "name", FLAG_STRING, .help = "Assign a name to the container" },                           \
		{ "net", FLAG_LIST, .alias_of = "network" },                                                 \
		{ "net-alias", FLAG_LIST, .alias_of = "network-alias" },                                     \
		{ "network", FLAG_LIST, .value = "network", .help = "Connect a container to a network" },    \
		{ "network-alias", FLAG_LIST, .help = "Add network-scoped alias for the container" },        \
		{ "no-healthcheck", FLAG_BOOL, .help = "Disable any container-specified HEALTHCHECK" },      \
		{ "oom-kill-disable", FLAG_BOOL, .help = "Disable OOM Killer" },                             \
		{ "oom-score-adj", FLAG_INT, .help = "Tune host's OOM preferences (-1000 to 1000)" },        \
		{ "pid", FLAG_STRING, .help = "PID namespace to use" },                                      \
		{ "pids-limit", FLAG_INT, .help = "Tune container pids limit (set -1 for unlimited)" },      \
		{ "platform", FLAG_STRING, .help = "Set platform if server is multi-platform capable" },     \
		{ "privileged", FLAG_BOOL, .help = "Give extended privileges to this container" },           \
		{ "publish", FLAG_LIST, 'p', .help = "Publish a container's port(s) to the host" },          \
		{ "publish-all", FLAG_BOOL, 'P', .help = "Publish all exposed ports to random ports" },      \
		{ "pull", FLAG_STRING, .def = "missing",                                                     \
		  .help = "Pull image before running (\"always\", \"missing\", \"never\")" },                \
		{ "quiet", FLAG_BOOL, 'q', .help = "Suppress the pull output" },                             \
		{ "read-only", FLAG_BOOL, .help = "Mount the container's root filesystem as read only" },    \
		{ "restart", FLAG_STRING, .def = "no",                                                       \
		  .help = "Restart policy to apply when a container exits" },                                \
		{ "rm", FLAG_BOOL,                                                                           \
		  .help = "Automatically remove the container and its associated anonymous volumes when it " \
			  "exits" },                                                                         \
		{ "runtime", FLAG_STRING, .help = "Runtime to use for this container" },                     \
		{ "security-opt", FLAG_LIST, .help = "Security Options" },                                   \
	{                                                                                                    \
		"shm-size", FLAG_BYTES, .help = "Size of /dev/shm"                                           \
	}

#define ROWS_C                                                                                               \
	{ "stop-signal", FLAG_STRING, .help = "Signal to stop the container" },                              \
		{ "stop-timeout", FLAG_INT, .help = "Timeout (in seconds) to stop a container" },            \
		{ "storage-opt", FLAG_LIST, .help = "Storage driver options for the container" },            \
		{ "sysctl", FLAG_MAP, .def = "map[]", .help = "Sysctl options" },                            \
		{ "tmpfs", FLAG_LIST, .help = "Mount a tmpfs directory" },                                   \
		{ "tty", FLAG_BOOL, 't', .help = "Allocate a pseudo-TTY" }, { "ulimit",                      \
									      FLAG_LIST,                     \
									      .value = "ulimit",             \
									      .def = "[]",                   \
									      .check = check_ulimit,         \
									      .help = "Ulimit options" },    \
		{ "user", FLAG_STRING, 'u', .help = "Username or UID (format: <name|uid>[:<group|gid>])" },  \
		{ "userns", FLAG_STRING, .help = "User namespace to use" },                                  \
		{ "uts", FLAG_STRING, .help = "UTS namespace to use" },                                      \
		{ "volume", FLAG_LIST, 'v', .help = "Bind mount a volume" },                                 \
		{ "volume-driver", FLAG_STRING, .help = "Optional volume driver for the container" },        \
		{ "volumes-from", FLAG_LIST, .help = "Mount volumes from the specified container(s)" },      \
	{                                                                                                    \
		"workdir", FLAG_STRING, 'w', .help = "Working directory inside the container"                \
	}

enum { COUNTED = sizeof((const struct flag[]){ ROWS_A, ROWS_B, ROWS_C }) / sizeof(struct flag) };
_Static_assert((int)COUNTED == (int)N_CREATE_FLAGS, "runopts.h has the number of rows");

const struct flag create_flags[N_CREATE_FLAGS] = { ROWS_A, ROWS_B, ROWS_C };

const struct flag run_flags[N_RUN_FLAGS] = {
	ROWS_A,
	{ "detach", FLAG_BOOL, 'd', .help = "Run container in background and print container ID" },
	{ "detach-keys", FLAG_STRING, .help = "Override the key sequence for detaching a container" },
	ROWS_B,
	{ "sig-proxy", FLAG_BOOL, .def = "true", .help = "Proxy received signals to the process" },
	ROWS_C,
};
