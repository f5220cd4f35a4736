/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include "cli/format.h"
#include "cli/runopts.h"
#include "model/options.h"

static const struct flag flags[] = {
	{ "blkio-weight", FLAG_UINT16, .def = "0",
	  .help = "Block IO (relative weight), between 10 and 1000, or 0 to disable" },
	{ "cpu-period", FLAG_INT, .help = "Limit CPU CFS (Completely Fair Scheduler) period" },
	{ "cpu-quota", FLAG_INT, .help = "Limit CPU CFS (Completely Fair Scheduler) quota" },
	{ "cpu-rt-period", FLAG_INT, .help = "Limit the CPU real-time period in microseconds" },
	{ "cpu-rt-runtime", FLAG_INT, .help = "Limit the CPU real-time runtime in microseconds" },
	{ "cpu-shares", FLAG_INT, 'c', .help = "CPU shares (relative weight)" },
	{ "cpus", FLAG_DECIMAL, .help = "Number of CPUs" },
	{ "cpuset-cpus", FLAG_STRING, .help = "CPUs in which to allow execution (0-3, 0,1)" },
	{ "cpuset-mems", FLAG_STRING, .help = "MEMs in which to allow execution (0-3, 0,1)" },
	{ "kernel-memory", FLAG_BYTES, .hidden = true, .help = "Kernel memory limit" },
	{ "memory", FLAG_BYTES, 'm', .help = "Memory limit" },
	{ "memory-reservation", FLAG_BYTES, .help = "Memory soft limit" },
	{ "memory-swap", FLAG_BYTES,
	  .help = "Swap limit equal to memory plus swap: -1 to enable unlimited swap" },
	{ "pids-limit", FLAG_INT, .help = "Tune container pids limit (set -1 for unlimited)" },
	{ "restart", FLAG_STRING, .help = "Restart policy to apply when a container exits" },
};

static int update(struct cli *c, struct err **e)
{
	struct api_update_request rq = { 0 };
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	bool some = false, failed = false;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		some |= flag_set(&c->f, flags[i].name);
	if (!some)
		return err_set(e, ERR_INVALID, "you must provide one or more flags when using this command");
	if (resources_build(c, &rq.resources, e) < 0)
		return -1;
	rq.resources.has_pids_limit = flag_set(&c->f, "pids-limit");
	rq.resources.pids_limit = flag_num(&c->f, "pids-limit");
	if (*flag_str(&c->f, "restart") &&
	    restart_policy_parse(c->a, sv_of(flag_str(&c->f, "restart")), &rq.restart_policy, e) < 0)
		return -1;
	api_update_request_encode(&w, &rq);
	for (size_t i = 0; i < c->f.args.n; i++) {
		cleanup_err struct err *why = NULL;
		const struct json *j = NULL;

		if (cli_json(c, "POST", client_path(c->a, "/containers/", cli_arg(c, i), "/update"), &b, &j,
			     &why) < 0) {
			(void)fflush(stdout);
			(void)fprintf(stderr, "%s\n", err_text(why));
			failed = true;
			continue;
		}
		(void)printf("%s\n", cli_arg(c, i));
		json_for_each (it, json_get(j, "Warnings"))
			(void)fprintf(stderr, "%s\n", str_of(it));
	}
	return failed;
}

const struct command cmd_update = {
	.name = "update",
	.group = "container",
	.top = "update",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.about = "Update configuration of one or more containers",
	FLAGS(flags),
	.min_args = 1,
	.max_args = -1,
	.run = update,
};
