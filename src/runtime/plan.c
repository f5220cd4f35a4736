/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan.h"

#include "base/fs.h"
#include "base/mem.h"
#include "kernel/cgroup.h"
#include "kernel/idmap.h"
#include "kernel/mount.h"
#include "kernel/ns.h"
#include "model/oci.gen.h"
#include "runtime/plan-internal.h"
#include "runtime/resources.h"

#include <errno.h>

#define HOOK_MAX_TIMEOUT_S 86400

/* --- bytes --- */

uint32_t plan_put(struct plan_builder *pb, const void *p, size_t n, size_t align)
{
	static const char zero[PLAN_ALIGN];
	size_t pad = (align - pb->b.n % align) % align;

	sb_addn(&pb->b, zero, pad);
	uint32_t off = (uint32_t)pb->b.n;
	sb_addn(&pb->b, p, n);
	return off;
}

struct plan_str plan_put_bytes(struct plan_builder *pb, const void *p, size_t n)
{
	uint32_t off = plan_put(pb, p, n, PLAN_ALIGN);

	sb_addc(&pb->b, '\0');
	return (struct plan_str){ off, (uint32_t)n };
}

struct plan_str plan_put_str(struct plan_builder *pb, const char *s)
{
	uint32_t off;
	size_t n;

	if (!s)
		return (struct plan_str){ 0, 0 };
	n = strlen(s);
	off = plan_put(pb, s, n + 1, 1);
	return (struct plan_str){ off, (uint32_t)n };
}

struct plan_list plan_put_list(struct plan_builder *pb, const void *p, size_t n, size_t size)
{
	if (n == 0)
		return (struct plan_list){ 0, 0 };
	return (struct plan_list){ plan_put(pb, p, n * size, PLAN_ALIGN), (uint32_t)n };
}

struct plan_vec plan_put_vec(struct plan_builder *pb, const char *const *v, size_t n)
{
	cleanup_free uint64_t *off = xcalloc(n + 1, sizeof(*off));

	for (size_t i = 0; i < n; i++)
		off[i] = plan_put_str(pb, v[i] ? v[i] : "").off;
	return (struct plan_vec){ plan_put(pb, off, (n + 1) * sizeof(*off), PLAN_ALIGN), (uint32_t)n };
}

static int plan_finish(struct plan_builder *pb, struct strbuf *out, struct err **e)
{
	sb_addc(&pb->b, '\0');
	if (pb->b.n > PLAN_MAX_BYTES)
		return err_set(e, ERR_INVALID, "container configuration is too large: %zu bytes as a plan",
			       pb->b.n);
	pb->h.magic = PLAN_MAGIC;
	pb->h.version = PLAN_VERSION;
	pb->h.total = (uint32_t)pb->b.n;
	memcpy(pb->b.p, &pb->h, sizeof(pb->h));
	sb_release(out);
	*out = pb->b;
	pb->b = (struct strbuf){ 0 };
	return 0;
}

static void builder_start(struct plan_builder *pb)
{
	*pb = (struct plan_builder){ .arena = arena_new() };
	sb_addn(&pb->b, &pb->h, sizeof(pb->h));
	pb->h.root_fd = pb->h.start_fd = pb->h.exec_pidfd = pb->h.exec_root_fd = PLAN_NO_FD;
}

static void builder_release(struct plan_builder *pb)
{
	sb_release(&pb->b);
	arena_free(pb->arena);
	free(pb->mounts);
}

/* --- namespaces --- */

int plan_idmap_text(struct plan_builder *pb, const struct oci_id_mapping_list *l, struct plan_str *out,
		    struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };

	if (l->n > IDMAP_MAX_LINES)
		return err_set(e, ERR_INVALID, "too many id mappings: %zu", l->n);
	model_for_each(m, l)
	{
		if (m->size == 0)
			return err_set(e, ERR_INVALID, "id mapping of size 0");
		sb_addf(&b, "%u %u %u\n", m->container_id, m->host_id, m->size);
	}
	*out = plan_put_str(pb, sb_str(&b));
	return 0;
}

static int time_offsets(struct plan_builder *pb, const struct oci_linux *l, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };

	for (size_t i = 0; i < l->time_offsets.n; i++) {
		const struct oci_time_offset_entry *t = &l->time_offsets.v[i];

		if (!str_eq(t->k, "monotonic") && !str_eq(t->k, "boottime"))
			return err_set(e, ERR_INVALID, "timeOffsets: unknown clock '%s'", t->k);
		sb_addf(&b, "%s %lld %u\n", t->k, (long long)t->v.secs, t->v.nanosecs);
	}
	if (b.n)
		pb->h.time_offsets = plan_put_str(pb, sb_str(&b));
	return 0;
}

static int build_namespaces(struct plan_builder *pb, const struct oci_linux *l, struct err **e)
{
	const struct plan_input *in = pb->in;
	struct plan_ns joins[8];
	size_t n_joins = 0;
	unsigned seen = 0, fresh = 0, joined = 0;

	for (size_t i = 0; i < l->namespaces.n; i++) {
		const struct oci_namespace *ns = &l->namespaces.v[i];
		unsigned bit = ns_from_name(ns->type ? ns->type : "");
		int fd = in->ns_fds ? in->ns_fds[i] : PLAN_NO_FD;

		if (!bit)
			return err_set(e, ERR_INVALID, "invalid namespace type '%s'",
				       ns->type ? ns->type : "");
		if (seen & bit)
			return err_set(e, ERR_INVALID, "malformed spec file: duplicated ns \"%s\"", ns->type);
		seen |= bit;
		if (fd == PLAN_NO_FD && str_empty(ns->path)) {
			fresh |= bit;
			continue;
		}
		if (fd == PLAN_NO_FD && ns->path[0] != '/')
			return err_set(e, ERR_INVALID, "namespace path '%s' is not absolute", ns->path);
		joined |= bit;
		joins[n_joins++] = (struct plan_ns){
			.bit = bit,
			.fd = fd,
			.path = fd == PLAN_NO_FD ? plan_put_str(pb, ns->path) : (struct plan_str){ 0 },
		};
	}
	/* The user namespace decides what the others may be: it goes first. */
	for (size_t i = 1; i < n_joins; i++)
		if (joins[i].bit == NS_USER) {
			struct plan_ns t = joins[0];

			joins[0] = joins[i];
			joins[i] = t;
		}
	pb->h.joins = plan_put_list(pb, joins, n_joins, sizeof(joins[0]));

	if (fresh & NS_USER) {
		pb->h.flags |= PLAN_USERNS;
		pb->has_userns = true;
		if (!l->uid_mappings.n || !l->gid_mappings.n)
			return err_set(e, ERR_INVALID,
				       "user namespaces enabled, but no %s mappings found in the config",
				       l->uid_mappings.n ? "gid" : "uid");
		if (plan_idmap_text(pb, &l->uid_mappings, &pb->h.uid_map, e) < 0 ||
		    plan_idmap_text(pb, &l->gid_mappings, &pb->h.gid_map, e) < 0)
			return -1;
	} else if (joined & NS_USER) {
		pb->has_userns = true;
		pb->h.flags |= PLAN_JOINED_USERNS;
	} else if (l->uid_mappings.n || l->gid_mappings.n) {
		return err_set(
			e, ERR_INVALID,
			"user namespace mappings specified, but user namespace isn't enabled in the config");
	}
	if (l->time_offsets.n) {
		if (!(fresh & NS_TIME))
			return err_set(e, ERR_INVALID,
				       joined & NS_TIME
					       ? "time namespace enabled, but both namespace path and time "
						 "offsets specified -- you may only provide one"
					       : "time namespace offsets specified, but time namespace isn't "
						 "enabled in the config");
		if (time_offsets(pb, l, e) < 0)
			return -1;
	}
	pb->h.clone_flags = fresh & ~NS_CGROUP & ~(pb->h.time_offsets.off ? NS_TIME : 0u);
	pb->h.unshare_flags = fresh & NS_CGROUP;
	/*
	 * Joining pid and time works for children only; a namespace of the host's cannot be joined from inside a
	 * new user namespace; new namespaces must belong to a joined one. All of these are done by a process in
	 * between, which clones the container's init as our child.
	 */
	if ((fresh & NS_USER && joined) || (joined & NS_USER && fresh & ~NS_CGROUP) ||
	    joined & (NS_PID | NS_TIME) || pb->h.time_offsets.off)
		pb->h.flags |= PLAN_MIDDLE;

	if ((fresh | joined) & NS_MOUNT)
		pb->h.flags |= PLAN_HAS_ROOT;
	else
		pb->h.flags |= PLAN_CHROOT_ONLY;

	const struct oci_spec *spec = in->spec;
	if (!str_empty(spec->hostname)) {
		if (!((fresh | joined) & NS_UTS))
			return err_set(e, ERR_INVALID,
				       "unable to set hostname without a private UTS namespace");
		pb->h.hostname = plan_put_str(pb, spec->hostname);
	}
	if (!str_empty(spec->domainname)) {
		if (!((fresh | joined) & NS_UTS))
			return err_set(e, ERR_INVALID,
				       "unable to set domainname without a private UTS namespace");
		pb->h.domainname = plan_put_str(pb, spec->domainname);
	}
	return 0;
}

/* --- sysctl --- */

static bool sysctl_allowed(const char *k, unsigned own, const char **why)
{
	static const char *const ipc[] = { "kernel/msgmax", "kernel/msgmnb",         "kernel/msgmni",
					   "kernel/sem",    "kernel/shmall",         "kernel/shmmax",
					   "kernel/shmmni", "kernel/shm_rmid_forced" };

	*why = "is not in a separate kernel namespace";
	for (size_t i = 0; i < ARRAY_LEN(ipc); i++)
		if (strcmp(k, ipc[i]) == 0)
			return own & NS_IPC || (*why = "is not allowed in the hosts ipc namespace", false);
	if (str_starts(k, "fs/mqueue/"))
		return own & NS_IPC || (*why = "is not allowed in the hosts ipc namespace", false);
	if (str_starts(k, "net/"))
		return own & NS_NET || (*why = "not allowed in host network namespace", false);
	if (strcmp(k, "kernel/domainname") == 0)
		return own & NS_UTS || (*why = "is not allowed in the hosts uts namespace", false);
	if (strcmp(k, "kernel/hostname") == 0)
		*why = "is conflicting with the OCI runtime-spec config parameter 'hostname'";
	if (str_starts(k, "user/"))
		return own & NS_USER;
	return false;
}

static int build_sysctls(struct plan_builder *pb, const struct oci_linux *l, struct err **e)
{
	size_t n = l->sysctl.n;
	struct plan_kv *kv = arena_alloc(pb->arena, n * sizeof(*kv) + 1);
	const struct plan_ns *j = PLAN_LIST(pb->b.p, const struct plan_ns, pb->h.joins);
	unsigned own = pb->h.clone_flags;

	for (uint32_t i = 0; i < pb->h.joins.n; i++)
		own |= j[i].bit;
	for (size_t i = 0; i < n; i++) {
		char *k = arena_strdup(pb->arena, l->sysctl.v[i].k);
		const char *v = l->sysctl.v[i].v ? l->sysctl.v[i].v : "", *why;
		char *first = strpbrk(k, "./");

		/* "net.ipv4.conf.eth0/1.forwarding" and "net/ipv4/conf/eth0.1/forwarding" name one file. */
		if (first && *first == '.')
			for (char *c = k; *c; c++)
				*c = *c == '.' ? '/' : *c == '/' ? '.' : *c;
		if (strcmp(k, "kernel/domainname") == 0 && pb->h.domainname.off &&
		    !str_eq(v, pb->in->spec->domainname))
			return err_set(e, ERR_INVALID, "sysctl \"%s\" conflicts with domainname",
				       l->sysctl.v[i].k);
		if (!sysctl_allowed(k, own, &why))
			return err_set(e, ERR_INVALID, "sysctl \"%s\" %s", l->sysctl.v[i].k, why);
		if (strstr(k, "..") || strstr(k, "//") || str_ends(k, "/"))
			return err_set(e, ERR_INVALID, "invalid sysctl \"%s\"", l->sysctl.v[i].k);
		kv[i].k = plan_put_str(pb, arena_printf(pb->arena, "sys/%s", k));
		kv[i].v = plan_put_str(pb, v);
	}
	pb->h.sysctls = plan_put_list(pb, kv, n, sizeof(*kv));
	return 0;
}

/* --- hooks --- */

static int build_hooks_of(struct plan_builder *pb, const struct oci_hook_list *l, struct plan_list *out,
			  struct err **e)
{
	struct plan_hook *h = arena_alloc(pb->arena, l->n * sizeof(*h) + 1);

	for (size_t i = 0; i < l->n; i++) {
		const struct oci_hook *k = &l->v[i];

		if (str_empty(k->path) || k->path[0] != '/')
			return err_set(e, ERR_INVALID, "hook path '%s' is not absolute",
				       k->path ? k->path : "");
		if (k->has_timeout && (k->timeout <= 0 || k->timeout > HOOK_MAX_TIMEOUT_S))
			return err_set(e, ERR_INVALID, "hook '%s': invalid timeout %lld", k->path,
				       (long long)k->timeout);
		h[i].path = plan_put_str(pb, k->path);
		h[i].argv = k->args.n ? plan_put_vec(pb, (const char *const *)k->args.v, k->args.n)
				      : plan_put_vec(pb, &k->path, 1);
		/* Not given at all: the runtime's own. */
		if (k->env.v)
			h[i].envp = plan_put_vec(pb, (const char *const *)k->env.v, k->env.n);
		h[i].timeout_ms = k->has_timeout ? k->timeout * 1000 : 0;
	}
	*out = plan_put_list(pb, h, l->n, sizeof(*h));
	return 0;
}

static int build_hooks(struct plan_builder *pb, struct err **e)
{
	const struct oci_spec *spec = pb->in->spec;
	const struct oci_hooks *h = spec->hooks;
	bool notify = spec->linux && spec->linux->seccomp && !str_empty(spec->linux->seccomp->listener_path);
	cleanup_strbuf struct strbuf b = { 0 };

	if (h && (build_hooks_of(pb, &h->prestart, &pb->h.hooks[PLAN_PRESTART], e) < 0 ||
		  build_hooks_of(pb, &h->create_runtime, &pb->h.hooks[PLAN_CREATE_RUNTIME], e) < 0 ||
		  build_hooks_of(pb, &h->create_container, &pb->h.hooks[PLAN_CREATE_CONTAINER], e) < 0 ||
		  build_hooks_of(pb, &h->start_container, &pb->h.hooks[PLAN_START_CONTAINER], e) < 0 ||
		  build_hooks_of(pb, &h->poststart, &pb->h.hooks[PLAN_POSTSTART], e) < 0 ||
		  build_hooks_of(pb, &h->poststop, &pb->h.hooks[PLAN_POSTSTOP], e) < 0))
		return -1;
	if (!h && !notify)
		return 0;

	pb->h.bundle = plan_put_str(pb, pb->in->bundle);
	/* {"ociVersion":…,"id":…,"status":"| STATUS |","pid":| PID |,"bundle":…} */
	struct jw w = jw_to(&b);
	jw_obj(&w);
	jw_kstr(&w, "ociVersion", spec->oci_version);
	jw_kstr(&w, "id", pb->in->id);
	sb_add(&b, ",\"status\":\"");
	pb->h.state_head = plan_put_str(pb, sb_str(&b));

	sb_reset(&b);
	w = jw_to(&b);
	jw_obj(&w);
	jw_kstr(&w, "bundle", pb->in->bundle);
	if (spec->annotations.n) {
		jw_kobj(&w, "annotations");
		model_for_each(a, &spec->annotations) jw_kstr(&w, a->k, a->v);
		jw_end(&w);
	}
	jw_end(&w);
	b.p[0] = ',';
	pb->h.state_tail = plan_put_str(pb, sb_str(&b));
	return 0;
}

/* --- control groups --- */

static int build_cgroup(struct plan_builder *pb, struct err **e)
{
	const struct plan_input *in = pb->in;
	const struct oci_linux *l = in->spec->linux;
	const char *path = !str_empty(in->cgroup_path) ? in->cgroup_path : l->cgroups_path;
	cleanup_strbuf struct strbuf prog = { 0 };
	struct cgroup_settings s = { 0 };
	static const struct oci_resources none;

	if (!in->cgroups || in->cgroups->mode == CGROUP_NONE || str_empty(path))
		return 0;
	if (runtime_cgroup_settings(pb->arena, l->resources ? l->resources : &none, true, &s, e) < 0 ||
	    cgroup_compile(in->cgroups, path, &s, in->cgroup_flags, &prog, e) < 0)
		return -1;
	pb->h.cgroup = plan_put_bytes(pb, prog.p, prog.n);
	return 0;
}

static int build_netdevs(struct plan_builder *pb, const struct oci_linux *l, struct err **e)
{
	size_t n = l->net_devices.n;
	struct plan_netdev *nd = arena_alloc(pb->arena, n * sizeof(*nd) + 1);
	const struct plan_ns *j = PLAN_LIST(pb->b.p, const struct plan_ns, pb->h.joins);
	unsigned own = pb->h.clone_flags;

	for (uint32_t i = 0; i < pb->h.joins.n; i++)
		own |= j[i].bit;
	if (n && !(own & NS_NET))
		return err_set(e, ERR_INVALID,
			       "unable to move network devices without a private NET namespace");
	for (size_t i = 0; i < n; i++) {
		const char *k = l->net_devices.v[i].k, *to = l->net_devices.v[i].v.name;

		if (str_empty(to))
			to = k;
		if (!*k || strlen(k) > 15 || strlen(to) > 15 || strpbrk(k, "/: \t") || strpbrk(to, "/: \t") ||
		    str_eq(k, ".") || str_eq(k, ".."))
			return err_set(e, ERR_INVALID, "invalid network device name '%s'", k);
		nd[i].name = plan_put_str(pb, k);
		nd[i].new_name = plan_put_str(pb, to);
	}
	pb->h.netdevs = plan_put_list(pb, nd, n, sizeof(*nd));
	return 0;
}

/* --- the whole --- */

static int check_version(const char *v, struct err **e)
{
	if (str_empty(v))
		return err_set(e, ERR_INVALID, "unsupported spec version \"\": no ociVersion");
	if (!str_starts(v, "1.") || strspn(v + 2, "0123456789") == 0)
		return err_set(e, ERR_INVALID, "unsupported spec version \"%s\"", v);
	return 0;
}

static int refuse(const struct oci_spec *s, struct err **e)
{
	if (s->linux->intel_rdt)
		return err_set(e, ERR_NOT_IMPLEMENTED, "intelRdt is not supported");
	if (s->process && !str_empty(s->process->command_line))
		return err_set(e, ERR_INVALID, "process.commandLine is for Windows");
	return 0;
}

/* `create` may be asked without a process (runtime-spec, "start"); then it is `start` that fails. */
static const struct oci_process *no_process(struct plan_builder *pb)
{
	struct oci_process *p = ARENA_NEW(pb->arena, struct oci_process);

	model_strs_add(pb->arena, &p->args, "/");
	p->cwd = "/";
	pb->h.flags |= PLAN_NO_PROCESS;
	return p;
}

static int compile(struct plan_builder *pb, struct err **e)
{
	const struct plan_input *in = pb->in;
	const struct oci_spec *spec = in->spec;
	static const char *const props[] = { "shared", "slave", "private", "unbindable" };
	const char *prop;

	if (check_version(spec->oci_version, e) < 0)
		return -1;
	if (!spec->process && in->start_fd == PLAN_NO_FD)
		return err_set(e, ERR_INVALID, "process property must not be empty");
	if (!spec->linux)
		return err_set(e, ERR_INVALID, "linux property must not be empty");
	if (!spec->root || str_empty(spec->root->path))
		return err_set(e, ERR_INVALID, "root property must not be empty");
	if (refuse(spec, e) < 0)
		return -1;
	prop = spec->linux->rootfs_propagation;
	if (!str_empty(prop)) {
		const struct mnt_option *o = mnt_option_find(prop);
		bool known = false;

		for (size_t i = 0; i < ARRAY_LEN(props); i++)
			known |= str_eq(prop, props[i]) || (prop[0] == 'r' && str_eq(prop + 1, props[i]));
		if (!known || !o)
			return err_set(e, ERR_INVALID, "rootfsPropagation=%s is not supported", prop);
		pb->h.root_prop = o->set;
	}
	pb->h.kind = PLAN_INIT;
	pb->h.n_fds = in->n_fds;
	pb->h.root_fd = in->root_fd;
	pb->h.start_fd = in->start_fd;
	pb->h.preserve_fds = in->preserve_fds;
	if (spec->root->readonly)
		pb->h.flags |= PLAN_ROOT_READONLY;
	if (in->no_pivot)
		pb->h.flags |= PLAN_NO_PIVOT;
	if (!in->no_new_keyring) {
		pb->h.flags |= PLAN_NEW_KEYRING;
		pb->h.keyring = plan_put_str(pb, arena_printf(pb->arena, "_ses.%s", in->id ? in->id : ""));
	}
	if (build_namespaces(pb, spec->linux, e) < 0 || build_cgroup(pb, e) < 0 ||
	    build_sysctls(pb, spec->linux, e) < 0 || build_hooks(pb, e) < 0 ||
	    build_netdevs(pb, spec->linux, e) < 0 || plan_build_root(pb, e) < 0 ||
	    plan_build_process(pb, spec->process ? spec->process : no_process(pb), in->rootfs_dirfd, false,
			       e) < 0 ||
	    plan_build_seccomp(pb, in->seccomp_bpf, in->seccomp_bpf_n, in->seccomp_flags,
			       spec->linux->seccomp, e) < 0)
		return -1;
	return 0;
}

int plan_compile(const struct plan_input *in, struct strbuf *out, struct err **e)
{
	struct plan_builder pb;
	int r;

	builder_start(&pb);
	pb.in = in;
	r = compile(&pb, e);
	if (r == 0)
		r = plan_finish(&pb, out, e);
	builder_release(&pb);
	return r;
}

int plan_compile_exec(const struct plan_exec_input *in, struct strbuf *out, struct err **e)
{
	cleanup_strbuf struct strbuf prog = { 0 };
	struct plan_builder pb;
	int r = 0;

	builder_start(&pb);
	pb.h.kind = PLAN_EXEC;
	pb.h.n_fds = in->n_fds;
	pb.h.exec_pidfd = in->pidfd;
	pb.h.exec_pid = in->pid;
	pb.h.exec_ns = in->namespaces;
	pb.h.exec_root_fd = in->root_fd;
	pb.h.preserve_fds = in->preserve_fds;
	pb.has_userns = in->namespaces & NS_USER;
	if (pb.has_userns)
		pb.h.flags |= PLAN_JOINED_USERNS;
	/* Not ours, which is hoyd's or the caller's session: its keys are none of the container's business. */
	if (!in->no_new_keyring) {
		pb.h.flags |= PLAN_NEW_KEYRING;
		pb.h.keyring = plan_put_str(&pb, arena_printf(pb.arena, "_ses.%s", in->id ? in->id : ""));
	}
	if (in->cgroups && in->cgroups->mode != CGROUP_NONE && !str_empty(in->cgroup_path)) {
		r = cgroup_ref(in->cgroups, in->cgroup_path, &prog, e);
		if (r == 0)
			pb.h.cgroup = plan_put_bytes(&pb, prog.p, prog.n);
	}
	if (r == 0)
		r = plan_build_process(&pb, in->process, in->rootfs_dirfd, true, e);
	if (r == 0)
		r = plan_build_seccomp(&pb, in->seccomp_bpf, in->seccomp_bpf_n, in->seccomp_flags,
				       in->seccomp, e);
	if (r == 0)
		r = plan_finish(&pb, out, e);
	builder_release(&pb);
	return r;
}

int plan_exec_ns(pid_t pid, unsigned *out)
{
	cleanup_close int procfd = procfs_open();

	return procfd < 0 ? procfd : ns_differing(procfd, pid, out);
}
