/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --lxc-conf: the network keys of LXC's configuration (lxc.network.* and lxc.net.N.*), on a namespace of
 * ours. Docker once appended these lines to the configuration it gave lxc-start; here they are parsed,
 * checked when the container is created, and applied when it starts.
 *
 * Keys that are no network keys are sorted into what the engine can honour (enum net_lxc_other) or refused by
 * name. Limits: NET_LXC_MAX_KEYS lines, NET_LXC_MAX_SECTIONS interfaces.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "net/net.h"

#define NET_LXC_MAX_KEYS     256
#define NET_LXC_MAX_SECTIONS 32
#define NET_LXC_MAX_ADDRS    32

struct net_lxc;

/* A line that is not ours to do; the engine maps it to a field of the container's configuration. */
enum net_lxc_other {
	NET_LXC_CGROUP,   /* name "cpuset.cpus", value as written: a file of the container's cgroup */
	NET_LXC_UTSNAME,  /* hostname */
	NET_LXC_APPARMOR, /* profile */
	NET_LXC_SELINUX,  /* label */
	NET_LXC_CAP_DROP, /* words without CAP_, separated by spaces; "none" */
	NET_LXC_CAP_KEEP,
	NET_LXC_MOUNT_ENTRY, /* an fstab line, relative target */
	NET_LXC_STOP_SIGNAL,
};
struct net_lxc_line {
	enum net_lxc_other kind;
	const char *name, *value; /* name: the part after "lxc.cgroup.", otherwise the whole key */
};

struct net_lxc_kv {
	const char *key, *value; /* HostConfig.LxcConf */
};
/* Docker's rule for the flag: "key=value", spaces around either dropped. out's strings are the caller's heap.
 */
int net_lxc_split(const char *flag, char **key, char **value, struct err **e) NODISCARD;
/* ERR_INVALID naming the key. */
int net_lxc_parse(const struct net_lxc_kv *kv, size_t n, struct net_lxc **out, struct err **e) NODISCARD;
void net_lxc_free(struct net_lxc *l);
DEFINE_CLEANUP(struct net_lxc *, net_lxc_free)
#define cleanup_net_lxc CLEANUP(net_lxc_free)

size_t net_lxc_sections(const struct net_lxc *l);
/* A section of type `none`: the container shares the host's network. */
bool net_lxc_wants_host(const struct net_lxc *l);
const struct net_lxc_line *net_lxc_others(const struct net_lxc *l, size_t *n);

/* Makes the interfaces in the namespace. On failure those made go again. `phys` devices come back when the
 * namespace ends if they are hardware; net_lxc_undo() brings the others (veths, vlans) back before. */
int net_lxc_apply(const struct net_lxc *l, struct net_ns *ns, struct err **e) NODISCARD;
bool net_lxc_needs_undo(const struct net_lxc *l); /* has a phys section */
void net_lxc_undo(const struct net_lxc *l, int nsfd);
