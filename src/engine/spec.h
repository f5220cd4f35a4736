/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a container's configuration to the launch plan: which namespaces, mounts, capabilities, limits and filters the
 * process gets. Called by start.c and exec.c; each part in its own file. Policy lives here, mechanism in runtime/.
 */
#pragma once

#include "engine/engine-internal.h"
#include "model/oci.gen.h"

#define SPEC_MAX_FDS 48

struct spec_build {
	struct container *c;
	const struct container_spec *s;
	struct arena *a;
	struct oci_spec spec;
	struct oci_linux lx;
	struct oci_process process;
	struct oci_resources resources;
	int rootfd;    /* the root file system's mount; borrowed, also fds[0] */
	int netns_fd;  /* -1: the host's; borrowed */
	bool own_net;  /* a network namespace nobody else is in by our doing */
	uint64_t caps; /* bounding set */
	/* Descriptors the plan names by index. Those from `owned` on are closed by spec_build_release(). */
	int fds[SPEC_MAX_FDS];
	size_t n_fds, owned_from;
	int mount_fds[1024];
	int ns_fds[16];
	const void *bpf;
	size_t bpf_n;
	unsigned bpf_flags;
	struct seccomp_filter *spill; /* NULL: the cache owns it */
};

/* Compiles the plan into *plan. b's c, s, a, rootfd, netns_fd and own_net are set before. */
int spec_build_plan(struct spec_build *b, struct strbuf *plan, struct err **e) NODISCARD;
void spec_build_release(struct spec_build *b);
/* Index of an fd for the plan; owned: closed later. -1: too many. */
int spec_add_fd(struct spec_build *b, int fd, struct err **e) NODISCARD;

/* Masked and read-only paths of a container that names none itself. */
struct spec_paths {
	const char *const *masked, *const *read_only;
	size_t n_masked, n_read_only;
};
void spec_system_paths(const struct container_spec *s, struct spec_paths *out);

/* spec-process.c */
int spec_process(struct spec_build *b, struct err **e) NODISCARD;
/* The numbers behind "user[:group]", looked up in the image through rootfd; groups are the additional ones. */
int spec_user(int rootfd, const char *user, const struct model_str_list *group_add, struct arena *a,
	      struct oci_user *out, struct err **e) NODISCARD;
/* The capability set of a container or a privileged exec. ERR_INVALID for unknown names. */
int spec_caps(const struct api_host_config *hc, bool privileged, uint64_t *out, struct err **e) NODISCARD;
struct oci_capabilities *spec_caps_for_uid(uint64_t caps, uint32_t uid, struct arena *a);
/* Of the container's init and of its execs. */
void spec_rlimits(const struct engine_config *ec, const struct container_spec *s, struct arena *a,
		  struct oci_rlimit_list *out);
/* PATH, HOSTNAME, TERM, then config's. */
void spec_env(const struct container_spec *s, const char *hostname, bool tty,
	      const struct model_str_list *more, struct arena *a, struct model_str_list *out);
const char *container_hostname(struct container *c, const struct container_spec *s, struct arena *a);

/* spec-mounts.c */
int spec_mounts(struct spec_build *b, struct err **e) NODISCARD;
/* hosts, hostname, resolv.conf in the container's directory. */
int container_write_files(struct container *c, const struct container_spec *s, struct err **e) NODISCARD;
/* Host side of an IPC mode that others may join. */
int container_shm_prepare(struct container *c, const struct container_spec *s, struct err **e) NODISCARD;
void container_shm_drop(struct container *c);

/* spec-resources.c */
int spec_resources(struct spec_build *b, struct err **e) NODISCARD;
/* For update: limits only, no devices. */
void resources_settings(const struct api_resources *r, struct cgroup_settings *out);

/* spec-seccomp.c */
struct security_opts {
	const char *seccomp; /* NULL: default; "unconfined"; JSON text */
	const char *apparmor;
	bool no_new_privileges, has_nnp;
	bool systempaths_unconfined;
	bool writable_cgroups;
};
int security_opts_parse(const struct model_str_list *l, struct security_opts *out, struct err **e) NODISCARD;
int spec_seccomp(struct spec_build *b, const struct security_opts *so, struct err **e) NODISCARD;
/* For exec: the container's filter, for a capability set. */
int seccomp_for(struct engine *en, const struct container_spec *s, uint64_t caps, struct arena *a,
		const void **bpf, size_t *n, unsigned *flags, struct seccomp_filter **spill,
		struct err **e) NODISCARD;
