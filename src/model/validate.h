/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon checks of a create or update request before it does anything: conflicts and ranges, in Docker's words.
 * Called by the engine. Pure: what depends on the machine comes in as struct validate_host. Class ERR_INVALID.
 */
#pragma once

#include "model/api.gen.h"

/* What the machine can, for checks and warnings. */
struct validate_host {
	unsigned n_cpus;         /* CPUs that may be asked for with --cpus */
	const char *cpus, *mems; /* lists of what is there, for cpuset checks: "0-3"; NULL: not checked */
	bool is_update;          /* `update` lets some combinations pass that create does not */
	bool no_memory_limit, no_swap_limit, no_cpu_cfs, no_cpu_rt,
		no_pids_limit; /* cgroup controllers that lack */
	bool cgroup_v2;
	const char *const *log_drivers; /* NULL-terminated names; NULL: not checked */
	const char *const *runtimes;    /* NULL-terminated names; NULL: not checked */
	bool systemd_cgroup;
};

/*
 * The whole of a create request. It may change what Docker changes too (memory swappiness -1 is unset, limits that the
 * kernel does not know are dropped) and adds to *warnings what Docker's reply warns about.
 */
int validate_create(struct arena *a, struct api_create_request *rq, const struct validate_host *host,
		    struct model_str_list *warnings, struct err **e) NODISCARD;
int validate_config(struct arena *a, struct api_container_config *c, struct err **e) NODISCARD;
int validate_host_config(struct arena *a, const struct api_container_config *c, struct api_host_config *hc,
			 const struct validate_host *host, struct model_str_list *warnings,
			 struct err **e) NODISCARD;
int validate_resources(struct arena *a, struct api_resources *r, const struct validate_host *host,
		       struct model_str_list *warnings, struct err **e) NODISCARD;
int validate_update(struct arena *a, struct api_update_request *rq, const struct validate_host *host,
		    struct model_str_list *warnings, struct err **e) NODISCARD;
int validate_health(const struct api_health_config *h, struct err **e) NODISCARD;
/* Options of json-file and local; drivers we do not know keep theirs unchecked. */
int validate_log_config(const struct api_log_config *l, const char *const *drivers, struct err **e) NODISCARD;
