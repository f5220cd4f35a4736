/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small option values with a grammar of their own: --ulimit, --restart, --device, --add-host, --security-opt and so on.
 * The CLI parses them, the engine checks what came over the API. Pure; error texts are Docker's, class ERR_INVALID.
 */
#pragma once

#include "model/api.gen.h"

/* "nofile=1024[:2048]"; -1 is unlimited. */
int ulimit_parse(struct arena *a, struct sv s, struct api_ulimit *out, struct err **e) NODISCARD;
/* RLIMIT_NOFILE's number for "nofile", or -1. The OCI name is "RLIMIT_" and the upper-case name. */
int ulimit_number(const char *name);
int ulimit_check(const struct api_ulimit *u, struct err **e) NODISCARD;

/* "on-failure:3", "always", "" */
int restart_policy_parse(struct arena *a, struct sv s, struct api_restart_policy *out,
			 struct err **e) NODISCARD;
int restart_policy_check(const struct api_restart_policy *p, struct err **e) NODISCARD;
bool restart_policy_is_none(const struct api_restart_policy *p);

/* "/dev/a[:/dev/b][:rwm]"; a CDI name (vendor.com/class=name) is not for this: device_is_cdi(). */
int device_parse(struct arena *a, struct sv s, struct api_device_mapping *out, struct err **e) NODISCARD;
bool device_is_cdi(struct sv s);
bool device_mode_is_valid(struct sv mode); /* some of "rwm", each at most once */

/* "c 1:3 rwm", "a *:* rwm" */
struct device_rule {
	char type;            /* a, b, c */
	int64_t major, minor; /* -1: any */
	bool r, w, m;
};
int device_rule_parse(struct sv s, struct device_rule *out, struct err **e) NODISCARD;

/* "/dev/sda:1mb" (bytes) or "/dev/sda:1000" (operations): --device-read-bps and its three sisters. */
int throttle_parse(struct arena *a, struct sv s, bool is_bytes, struct api_throttle_device *out,
		   struct err **e) NODISCARD;
/* "/dev/sda:100" */
int weight_device_parse(struct arena *a, struct sv s, struct api_weight_device *out,
			struct err **e) NODISCARD;

/* --add-host: "name:ip", "name=ip", ip may be in brackets or "host-gateway"; *out is "name:ip" for HostConfig. */
int extra_host_parse(struct arena *a, struct sv s, const char **out, struct err **e) NODISCARD;
int extra_host_check(const char *s, struct err **e) NODISCARD;

/* "1.5": --cpus in billionths. */
int nano_cpus_parse(struct sv s, int64_t *out, struct err **e) NODISCARD;

/* --lxc-conf: "lxc.network.type=veth" with spaces around either side; the key's first word becomes "lxc". */
int lxc_conf_parse(struct arena *a, struct sv s, struct api_key_value *out, struct err **e) NODISCARD;

/* HostConfig.SecurityOpt taken apart. */
struct security_options {
	const char *seccomp;  /* NULL: the default; "unconfined", "builtin", or a profile's JSON */
	const char *apparmor; /* NULL: the default */
	struct model_str_list labels;
	bool has_no_new_privileges, no_new_privileges;
	bool has_writable_cgroups, writable_cgroups;
	bool systempaths_unconfined; /* the stock CLI says it with empty MaskedPaths; ours and scripts may say it here */
};
int security_options_parse(struct arena *a, const struct model_str_list *opts, struct security_options *out,
			   struct err **e) NODISCARD;

/* "0-3,7": every number is below `limit`. The mask is optional: limit bits, as bytes. 0 or -EINVAL, -ERANGE. */
int cpu_list_parse(struct sv s, unsigned limit, unsigned char *mask) NODISCARD;

/* Modes such as NetworkMode, PidMode, IpcMode: "container:X" gives X, else NULL. */
const char *mode_container(const char *mode);

/* Whether a container of its own namespaces may have the sysctl; runc's words. */
struct sysctl_scope {
	bool host_net, host_ipc, host_uts;
	bool has_hostname, has_domainname;
};
int sysctl_check(const char *key, const struct sysctl_scope *s, struct err **e) NODISCARD;

/* "ctrl-p,ctrl-q" or "a,b,DEL": the bytes; n is how many. At most DETACH_KEYS_MAX. */
#define DETACH_KEYS_MAX 32
int detach_keys_parse(struct sv s, unsigned char out[DETACH_KEYS_MAX], size_t *n, struct err **e) NODISCARD;
