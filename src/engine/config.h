/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's configuration: dockerd's flags and daemon.json, one table (config.c). hoyd's main parses it; rooms read
 * it. Immutable once parsed; a reload makes a new one. Both sources may not set the same key, as in dockerd.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct json;

struct engine_ulimit {
	char *name;
	int64_t soft, hard;
};

struct engine_config {
	/* Where things are. */
	struct strlist hosts; /* empty: unix:///run/hoy.sock */
	char *data_root, *exec_root, *config_file, *pidfile, *group;
	bool validate, insecure_tcp, show_help, show_version;

	/* TLS of tcp:// listeners. */
	bool tls, tlsverify;
	char *tlscacert, *tlscert, *tlskey;

	/* Default network. */
	char *bridge, *bip, *bip6, *fixed_cidr, *default_gateway, *ip;
	int64_t mtu;
	bool icc, iptables, ip6tables, ip_forward, ip_forward_no_drop, ip_masq, ipv6, userland_proxy;
	char *userland_proxy_path;
	struct strlist dns, dns_opts, dns_search, host_gateway_ips, default_address_pools,
		default_network_opts;

	/* Containers' defaults. */
	char *default_runtime, *cgroup_parent, *default_cgroupns_mode, *default_ipc_mode, *seccomp_profile,
		*init_path;
	struct strlist runtimes; /* "name=path" */
	int64_t default_shm_size, shutdown_timeout, default_stop_timeout;
	bool init, no_new_privileges, selinux_enabled;
	struct engine_ulimit *ulimits;
	size_t n_ulimits;
	char *log_driver;
	struct strlist log_opts; /* "k=v" */
	char *userns_remap;

	/* Talk. */
	bool debug, raw_logs, experimental, live_restore;
	char *log_level, *log_format;
	struct strlist labels, features;

	/* Kept for what reads them later: registries, storage. */
	struct strlist insecure_registries, registry_mirrors, storage_opts, exec_opts, authorization_plugins,
		cdi_spec_dirs, node_generic_resources;
	char *storage_driver, *http_proxy, *https_proxy, *no_proxy, *metrics_addr, *min_api_version;
	int64_t max_concurrent_downloads, max_concurrent_uploads, max_download_attempts;

	/* Accepted for dockerd's sake, without effect. */
	char *ignored_str;
	bool ignored_bool;
	int64_t ignored_int;
	struct strlist ignored_list;

	/* For a reload: the arguments as given. */
	int argc;
	char *const *argv;
	uint32_t set_by_flag[4]; /* bit per table row */
};

/* Flags, then the file. argv must outlive the result. */
int engine_config_parse(int argc, char *const *argv, struct engine_config **out, struct err **e) NODISCARD;
void engine_config_free(struct engine_config *c);
DEFINE_CLEANUP(struct engine_config *, engine_config_free)
#define cleanup_engine_config CLEANUP(engine_config_free)
/* The text of --help. */
void engine_config_help(struct strbuf *b);
/* "k=v" list lookup, NULL if absent. */
const char *engine_config_opt(const struct strlist *l, const char *key);
