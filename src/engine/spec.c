/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/spec.h"

#include "base/fs.h"
#include "base/log.h"
#include "engine/network.h"
#include "kernel/seccomp.h"
#include "runtime/plan.h"

#include <sys/utsname.h>

int spec_add_fd(struct spec_build *b, int fd, struct err **e)
{
	if (b->n_fds == SPEC_MAX_FDS)
		return err_set(e, ERR_INVALID, "too many mounts and namespaces by descriptor");
	b->fds[b->n_fds] = fd;
	return (int)b->n_fds++;
}

void spec_build_release(struct spec_build *b)
{
	for (size_t i = b->owned_from; i < b->n_fds; i++)
		fd_close(&b->fds[i]);
	if (b->spill) {
		seccomp_filter_release(b->spill);
		free(b->spill);
	}
}

/* --- namespaces --- */

static int add_ns(struct spec_build *b, const char *type, int fd_index)
{
	size_t i = b->lx.namespaces.n;
	struct oci_namespace *ns = model_list_add(b->a, &b->lx.namespaces);
	ns->type = type;
	b->ns_fds[i] = fd_index;
	return 0;
}

static int join_ns(struct spec_build *b, const char *type, const char *kind, const char *ref, struct err **e)
{
	int fd = -1;
	if (container_join_ns(b->c->en, ref, kind, &fd, e) < 0)
		return -1;
	int i = spec_add_fd(b, fd, e);
	if (i < 0) {
		fd_close(&fd);
		return -1;
	}
	return add_ns(b, type, i);
}

static int namespaces(struct spec_build *b, struct err **e)
{
	const struct api_host_config *hc = b->s->host;
	(void)add_ns(b, "mount", PLAN_NO_FD);
	if (b->netns_fd >= 0) {
		/* Borrowed: it comes before the owned ones. */
		(void)add_ns(b, "network", 1);
	}
	if (!str_eq(hc->uts_mode, "host"))
		(void)add_ns(b, "uts", PLAN_NO_FD);
	const char *pid = hc->pid_mode ? hc->pid_mode : "";
	if (str_starts(pid, "container:")) {
		if (join_ns(b, "pid", "pid", pid + 10, e) < 0)
			return -1;
	} else if (strcmp(pid, "host") != 0) {
		(void)add_ns(b, "pid", PLAN_NO_FD);
	}
	const char *ipc = str_empty(hc->ipc_mode) ? cfg(b->c->en)->default_ipc_mode : hc->ipc_mode;
	if (str_starts(ipc, "container:")) {
		if (join_ns(b, "ipc", "ipc", ipc + 10, e) < 0)
			return -1;
	} else if (strcmp(ipc, "host") != 0) {
		(void)add_ns(b, "ipc", PLAN_NO_FD);
	}
	const char *cgns = str_empty(hc->cgroupns_mode) ? "host" : hc->cgroupns_mode;
	if (!strcmp(cgns, "private"))
		(void)add_ns(b, "cgroup", PLAN_NO_FD);
	return 0;
}

/* --- paths, sysctls, the rest of "linux" --- */

static const char *const masked[] = {
	"/proc/asound",      "/proc/acpi",          "/proc/interrupts", "/proc/kcore",
	"/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
	"/proc/sched_debug", "/proc/scsi",          "/sys/firmware",    "/sys/devices/virtual/powercap",
};
static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					 "/proc/sysrq-trigger" };

void spec_system_paths(const struct container_spec *s, struct spec_paths *out)
{
	struct security_opts so;
	*out = (struct spec_paths){ masked, read_only, ARRAY_LEN(masked), ARRAY_LEN(read_only) };
	if (s->host->privileged ||
	    (security_opts_parse(&s->host->security_opt, &so, NULL) == 0 && so.systempaths_unconfined))
		out->n_masked = out->n_read_only = 0;
}

static void system_paths(struct spec_build *b, bool unconfined)
{
	const struct api_host_config *hc = b->s->host;
	if (hc->privileged || unconfined)
		return;
	if (hc->masked_paths.v)
		b->lx.masked_paths = hc->masked_paths;
	else
		for (size_t i = 0; i < ARRAY_LEN(masked); i++)
			model_strs_add(b->a, &b->lx.masked_paths, masked[i]);
	if (hc->readonly_paths.v)
		b->lx.readonly_paths = hc->readonly_paths;
	else
		for (size_t i = 0; i < ARRAY_LEN(read_only); i++)
			model_strs_add(b->a, &b->lx.readonly_paths, read_only[i]);
}

static void sysctls(struct spec_build *b)
{
	if (b->own_net) {
		model_map_put(b->a, &b->lx.sysctl, "net.ipv4.ip_unprivileged_port_start", "0");
		model_map_put(b->a, &b->lx.sysctl, "net.ipv4.ping_group_range", "0 2147483647");
	}
	model_for_each(it, &b->s->host->sysctls) model_map_put(b->a, &b->lx.sysctl, it->k, it->v);
}

int spec_build_plan(struct spec_build *b, struct strbuf *plan, struct err **e)
{
	const struct container_spec *s = b->s;
	struct engine *en = b->c->en;
	struct security_opts so;
	struct oci_root root = { .path = "/", .readonly = s->host->readonly_rootfs };

	if (security_opts_parse(&s->host->security_opt, &so, e) < 0)
		return -1;
	b->fds[0] = b->rootfd;
	b->n_fds = 1;
	if (b->netns_fd >= 0)
		b->fds[b->n_fds++] = b->netns_fd;
	b->owned_from = b->n_fds;
	b->spec.oci_version = "1.2.0";
	b->spec.process = &b->process;
	b->spec.root = &root;
	b->spec.linux = &b->lx;
	b->lx.resources = &b->resources;
	b->spec.annotations = s->host->annotations;

	if (!str_eq(s->host->uts_mode, "host")) {
		b->spec.hostname = container_hostname(b->c, s, b->a);
		b->spec.domainname = str_empty(s->config->domainname) ? NULL : s->config->domainname;
	}
	b->process.no_new_privileges = so.has_nnp ? so.no_new_privileges : cfg(en)->no_new_privileges;
	if (namespaces(b, e) < 0 || spec_process(b, e) < 0 || spec_mounts(b, e) < 0 ||
	    spec_resources(b, e) < 0 || spec_seccomp(b, &so, e) < 0)
		return -1;
	system_paths(b, so.systempaths_unconfined);
	sysctls(b);

	struct plan_input in = {
		.spec = &b->spec,
		.id = b->c->id,
		.n_fds = (unsigned)b->n_fds,
		.root_fd = 0,
		.rootfs_dirfd = b->rootfd,
		.mount_fds = b->mount_fds,
		.ns_fds = b->ns_fds,
		.cgroups = &en->cgroups,
		.cgroup_path = b->c->cgroup_path,
		.cgroup_flags = CGROUP_BEST,
		.seccomp_bpf = b->bpf,
		.seccomp_bpf_n = b->bpf_n,
		.seccomp_flags = b->bpf_flags,
		.start_fd = PLAN_NO_FD,
	};
	return plan_compile(&in, plan, e);
}
