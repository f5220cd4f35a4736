/* SPDX-License-Identifier: Apache-2.0 */
/* What is mounted: the default file systems, the injected files, and the user's volumes, binds and tmpfs. */
#include "engine/links.h"
#include "engine/network.h"
#include "engine/spec.h"

#include "base/fs.h"
#include "base/log.h"
#include "kernel/mount.h"
#include "net/net.h"
#include "runtime/plan.h"
#include "volume/volume.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#define FILE_MAX ((size_t)1 << 20)

static struct oci_mount *add_mount(struct spec_build *b, const char *dst, const char *type,
				   const char *source, const char *options)
{
	size_t i = b->spec.mounts.n;
	if (i == ARRAY_LEN(b->mount_fds))
		return NULL;
	struct oci_mount *m = model_list_add(b->a, &b->spec.mounts);
	m->destination = dst;
	m->type = type;
	m->source = source;
	b->mount_fds[i] = PLAN_NO_FD;
	struct sv head, rest = sv_of(options);
	while (rest.n) {
		(void)sv_cut(rest, ',', &head, &rest);
		if (head.n)
			model_strs_add(b->a, &m->options, arena_strndup(b->a, head.p, head.n));
	}
	return m;
}

/* Does a mount of the user's stand there, or (for things in /dev) above? */
static bool is_user_target(const struct container_spec *s, const char *dst)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		const char *d = s->mounts[i].destination;
		size_t n = strlen(d);
		if (!strcmp(d, dst) || (!strcmp(d, "/dev") && !strncmp(dst, "/dev/", 5)) ||
		    (!strcmp(d, "/proc") && !strcmp(dst, "/proc")) ||
		    (n > 1 && !strcmp(d, "/sys") && !strncmp(dst, "/sys", 4)))
			return true;
	}
	return false;
}

static void default_mounts(struct spec_build *b)
{
	const struct api_host_config *hc = b->s->host;
	const char *ipc = str_empty(hc->ipc_mode) ? cfg(b->c->en)->default_ipc_mode : hc->ipc_mode;
	bool rw = hc->privileged;
	struct security_opts so;
	bool rw_cgroups =
		rw || (security_opts_parse(&hc->security_opt, &so, NULL) == 0 && so.writable_cgroups);
	/* A host without a mount of its queues: mqueue in its IPC namespace shows the same ones. */
	bool host_queues = !strcmp(ipc, "host") && path_exists("/dev/mqueue");
	const struct {
		const char *dst, *type, *source, *options;
		bool skip;
	} defaults[] = {
		{ "/proc", "proc", "proc", "nosuid,noexec,nodev", false },
		{ "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k", false },
		{ "/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5",
		  false },
		{ "/sys", "sysfs", "sysfs", rw ? "nosuid,noexec,nodev,rw" : "nosuid,noexec,nodev,ro", false },
		{ "/sys/fs/cgroup", "cgroup", "cgroup",
		  rw_cgroups ? "rw,nosuid,noexec,nodev" : "ro,nosuid,noexec,nodev", false },
		{ "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev", host_queues },
	};
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
		if (!defaults[i].skip && !is_user_target(b->s, defaults[i].dst))
			(void)add_mount(b, defaults[i].dst, defaults[i].type, defaults[i].source,
					defaults[i].options);
	if (host_queues && !is_user_target(b->s, "/dev/mqueue"))
		(void)add_mount(b, "/dev/mqueue", "bind", "/dev/mqueue", "rbind,nosuid,noexec,nodev");
}

/* --- /dev/shm --- */

static int64_t shm_size(const struct container *c, const struct api_host_config *hc)
{
	return hc->shm_size > 0 ? hc->shm_size : cfg(c->en)->default_shm_size;
}

static bool shm_is_shared(const struct container *c, const struct container_spec *s)
{
	const char *ipc = str_empty(s->host->ipc_mode) ? cfg(c->en)->default_ipc_mode : s->host->ipc_mode;
	return !strcmp(ipc, "shareable");
}

static char *shm_path(const struct container *c)
{
	return xasprintf("%s/%s/shm", c->en->exec_dir, c->id);
}

int container_shm_prepare(struct container *c, const struct container_spec *s, struct err **e)
{
	char size[32];
	if (!shm_is_shared(c, s))
		return 0;
	cleanup_free char *path = shm_path(c);
	int r = fs_mkdirs(path, 0700);
	cleanup_close int fsfd = r < 0 ? r : mnt_fs_open("tmpfs");
	if (fsfd < 0)
		return err_sys(e, -fsfd, "mount shared memory");
	(void)snprintf(size, sizeof(size), "%lld", (long long)shm_size(c, s->host));
	if ((r = mnt_fs_set(fsfd, "size", size)) < 0 || (r = mnt_fs_set(fsfd, "mode", "1777")) < 0)
		return err_sys(e, -r, "mount shared memory");
	cleanup_close int m = mnt_fs_mount(fsfd, MNT_ATTR_NOSUID | MNT_ATTR_NODEV | MNT_ATTR_NOEXEC);
	if (m < 0 || (r = mnt_attach_path(m, path)) < 0)
		return err_sys(e, m < 0 ? -m : -r, "mount shared memory");
	return 0;
}

void container_shm_drop(struct container *c)
{
	cleanup_free char *path = shm_path(c);
	(void)mnt_detach(path);
}

static int shm_mount(struct spec_build *b, struct err **e)
{
	const struct api_host_config *hc = b->s->host;
	const char *ipc = str_empty(hc->ipc_mode) ? cfg(b->c->en)->default_ipc_mode : hc->ipc_mode;
	if (!strcmp(ipc, "none") || is_user_target(b->s, "/dev/shm") || model_map_get(&hc->tmpfs, "/dev/shm"))
		return 0;
	if (!strcmp(ipc, "host")) {
		(void)add_mount(b, "/dev/shm", "bind", "/dev/shm", "rbind,nosuid,noexec,nodev");
		return 0;
	}
	if (str_starts(ipc, "container:")) {
		cleanup_container struct container *other = container_find(b->c->en, ipc + 10, e);
		if (!other)
			return -1;
		cleanup_free char *path = shm_path(other);
		(void)add_mount(b, "/dev/shm", "bind", arena_strdup(b->a, path), "rbind,nosuid,noexec,nodev");
		return 0;
	}
	if (shm_is_shared(b->c, b->s)) {
		cleanup_free char *path = shm_path(b->c);
		(void)add_mount(b, "/dev/shm", "bind", arena_strdup(b->a, path), "rbind,nosuid,noexec,nodev");
		return 0;
	}
	(void)add_mount(
		b, "/dev/shm", "tmpfs", "shm",
		arena_printf(b->a, "nosuid,noexec,nodev,mode=1777,size=%lld", (long long)shm_size(b->c, hc)));
	return 0;
}

/* --- the user's mounts --- */

static const char *bind_options(struct spec_build *b, const struct container_mount *m)
{
	cleanup_strbuf struct strbuf o = { 0 };
	sb_add(&o, m->non_recursive ? "bind" : "rbind");
	if (m->read_only)
		sb_add(&o, m->ro_non_recursive || m->non_recursive ? ",ro" : ",rro");
	sb_addf(&o, ",%s", str_empty(m->propagation) ? "rprivate" : m->propagation);
	return arena_strdup(b->a, sb_str(&o));
}

/* A volume: by descriptor, so that a subpath cannot lead out of it. */
static int volume_mount(struct spec_build *b, const struct container_mount *m, struct err **e)
{
	cleanup_volume struct volume *v = volume_find(b->c->en->volumes, m->name);
	cleanup_close int dirfd = v ? volume_open(b->c->en->volumes, v, b->c->id, e)
				    : err_set(e, ERR_NOT_FOUND, "get %s: no such volume", m->name);
	if (dirfd < 0)
		return -1;
	if (!str_empty(m->subpath)) {
		int sub = fs_open_in(dirfd, m->subpath, O_PATH, 0);
		if (sub < 0)
			return err_sys_class(e, ERR_INVALID, -sub, "cannot access path %s in volume %s",
					     m->subpath, m->name);
		fd_close(&dirfd);
		dirfd = sub;
	}
	int fd = mnt_clone(dirfd, "", true);
	if (fd < 0)
		return err_sys(e, -fd, "mount volume %s", m->name);
	int i = spec_add_fd(b, fd, e);
	if (i < 0) {
		fd_close(&fd);
		return -1;
	}
	struct oci_mount *o =
		add_mount(b, m->destination, "bind", m->source ? m->source : m->name, bind_options(b, m));
	if (!o)
		return err_set(e, ERR_INVALID, "too many mounts");
	b->mount_fds[b->spec.mounts.n - 1] = i;
	volume_event(b->c->en, m->name, "mount",
		     log_kv("container", b->c->id, "destination", m->destination, "driver", m->driver,
			    "propagation", m->propagation ? m->propagation : "", "read/write",
			    m->read_only ? "false" : "true"));
	return 0;
}

static int bind_mount(struct spec_build *b, const struct container_mount *m, struct err **e)
{
	cleanup_close int fd = fs_open(m->source, O_PATH, 0);
	if (fd == -ENOENT && m->create_source) {
		int r = fs_mkdirs(m->source, 0755);
		if (r < 0)
			return err_sys(e, -r, "error while creating mount source path '%s': mkdir %s",
				       m->source, m->source);
	} else if (fd < 0) {
		return err_sys(e, -fd, "invalid mount config for type \"bind\": bind source path '%s'",
			       m->source);
	}
	const char *p = m->propagation;
	if (str_eq(p, "shared") || str_eq(p, "rshared"))
		b->lx.rootfs_propagation = "shared";
	else if ((str_eq(p, "slave") || str_eq(p, "rslave")) && !str_eq(b->lx.rootfs_propagation, "shared"))
		b->lx.rootfs_propagation = "rslave";
	return add_mount(b, m->destination, "bind", m->source, bind_options(b, m))
		       ? 0
		       : err_set(e, ERR_INVALID, "too many mounts");
}

static unsigned depth(const char *p)
{
	unsigned n = 0;
	for (; *p; p++)
		n += *p == '/';
	return n;
}

static int by_depth(const void *x, const void *y)
{
	const struct container_mount *a = *(const struct container_mount *const *)x,
				     *b = *(const struct container_mount *const *)y;
	unsigned da = depth(a->destination), db = depth(b->destination);
	return da != db ? (da < db ? -1 : 1) : strcmp(a->destination, b->destination);
}

/* Parents before what is mounted below them. */
static int user_mounts(struct spec_build *b, struct err **e)
{
	size_t n = b->s->n_mounts;
	const struct container_mount **v = arena_alloc(b->a, sizeof(struct container_mount *) * (n + 1));
	for (size_t i = 0; i < n; i++)
		v[i] = &b->s->mounts[i];
	qsort(v, n, sizeof(*v), by_depth);
	for (size_t i = 0; i < n; i++) {
		int r = 0;
		if (str_eq(v[i]->type, "volume"))
			r = volume_mount(b, v[i], e);
		else if (str_eq(v[i]->type, "bind"))
			r = bind_mount(b, v[i], e);
		else if (str_eq(v[i]->type, "tmpfs") &&
			 !add_mount(b, v[i]->destination, "tmpfs", "tmpfs", v[i]->options))
			r = err_set(e, ERR_INVALID, "too many mounts");
		if (r < 0)
			return -1;
	}
	return 0;
}

/* --- injected files --- */

static void own_file(struct spec_build *b, const char *name, const char *dst)
{
	if (is_user_target(b->s, dst))
		return;
	(void)add_mount(b, dst, "bind",
			arena_printf(b->a, "%s/%s/%s", b->c->en->containers_dir, b->c->id, name),
			"rbind,rprivate");
}

static int write_file(int dirfd, const char *name, const struct strbuf *b)
{
	cleanup_close int fd = fs_open_at(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
	return fd < 0 ? fd : fd_write_full(fd, sb_str(b), b->n);
}

static void hosts_text(struct container *c, const struct container_spec *s, struct arena *a, struct strbuf *b)
{
	const char *ip = network_address(c, a), *host = container_hostname(c, s, a);
	sb_add(b, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n"
		  "ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
	model_for_each(it, &s->host->extra_hosts)
	{
		struct sv name, addr;
		if (!sv_cut(sv_of(*it), ':', &name, &addr))
			continue;
		if (sv_eqs(addr, "host-gateway")) {
			struct net_bridge_info info;
			char text[INET_ADDRSTRLEN] = "";
			const struct strlist *own = &cfg(c->en)->host_gateway_ips;
			net_bridge_info(c->en->net, &info);
			if (own->n)
				sb_addf(b, "%s\t%.*s\n", own->v[0], (int)name.n, name.p);
			else if (inet_ntop(AF_INET, &info.gateway, text, sizeof(text)))
				sb_addf(b, "%s\t%.*s\n", text, (int)name.n, name.p);
			continue;
		}
		sb_addf(b, "%.*s\t%.*s\n", (int)addr.n, addr.p, (int)name.n, name.p);
	}
	if (ip) {
		if (str_empty(s->config->domainname))
			sb_addf(b, "%s\t%s\n", ip, host);
		else
			sb_addf(b, "%s\t%s.%s %s\n", ip, host, s->config->domainname, host);
	}
}

static void add_lines(struct strbuf *b, const char *word, const struct model_str_list *own,
		      const struct strlist *def)
{
	if (own->n)
		model_for_each(it, own) sb_addf(b, "%s %s\n", word, *it);
	else
		for (size_t i = 0; i < def->n; i++)
			sb_addf(b, "%s %s\n", word, def->v[i]);
}

static bool is_loopback_server(struct sv line)
{
	return sv_starts(line, SV("nameserver 127.")) || sv_starts(line, SV("nameserver ::1"));
}

/* The host's file, without servers that only the host can reach; then what the user or the daemon said. */
static void resolv_text(struct container *c, const struct container_spec *s, struct strbuf *b)
{
	const struct api_host_config *hc = s->host;
	const struct engine_config *ec = cfg(c->en);
	bool host_net = str_eq(network_mode(s), "host"), own_dns = hc->dns.n || ec->dns.n;
	bool own_search = hc->dns_search.n || ec->dns_search.n,
	     own_opts = hc->dns_options.n || ec->dns_opts.n;
	cleanup_free char *text = NULL;
	if (fs_read_file_at(AT_FDCWD, "/etc/resolv.conf", FILE_MAX, &text, NULL) < 0)
		text = NULL;
	/* systemd-resolved's stub: its real servers are in another file. */
	if (text && !host_net && strstr(text, "nameserver 127.0.0.53")) {
		char *real = NULL;
		if (fs_read_file_at(AT_FDCWD, "/run/systemd/resolve/resolv.conf", FILE_MAX, &real, NULL) ==
		    0) {
			free(text);
			text = real;
		}
	}
	bool any = false;
	struct sv line, rest = sv_of(text ? text : "");
	while (rest.n) {
		(void)sv_cut(rest, '\n', &line, &rest);
		if (sv_starts(line, SV("nameserver"))) {
			if (own_dns || (!host_net && is_loopback_server(line)))
				continue;
			any = true;
		} else if ((own_search && (sv_starts(line, SV("search")) || sv_starts(line, SV("domain")))) ||
			   (own_opts && sv_starts(line, SV("options")))) {
			continue;
		}
		sb_addsv(b, line);
		sb_addc(b, '\n');
	}
	add_lines(b, "nameserver", &hc->dns, &ec->dns);
	if (!own_dns && !any && !host_net)
		sb_add(b, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
	if (own_search && !(hc->dns_search.n == 1 && !strcmp(hc->dns_search.v[0], "."))) {
		sb_add(b, "search");
		if (hc->dns_search.n)
			model_for_each(it, &hc->dns_search) sb_addf(b, " %s", *it);
		else
			for (size_t i = 0; i < ec->dns_search.n; i++)
				sb_addf(b, " %s", ec->dns_search.v[i]);
		sb_addc(b, '\n');
	}
	if (own_opts) {
		sb_add(b, "options");
		if (hc->dns_options.n)
			model_for_each(it, &hc->dns_options) sb_addf(b, " %s", *it);
		else
			for (size_t i = 0; i < ec->dns_opts.n; i++)
				sb_addf(b, " %s", ec->dns_opts.v[i]);
		sb_addc(b, '\n');
	}
}

int container_write_files(struct container *c, const struct container_spec *s, struct err **e)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_close int dirfd = container_data_dirfd(c, true);
	if (dirfd < 0)
		return err_sys(e, -dirfd, "open the directory of container %s", c->id);
	cleanup_strbuf struct strbuf b = { 0 };
	sb_addf(&b, "%s\n", container_hostname(c, s, a));
	int r = write_file(dirfd, "hostname", &b);
	sb_reset(&b);
	if (str_eq(network_mode(s), "host") && !s->host->extra_hosts.n) {
		cleanup_free char *text = NULL;
		if (fs_read_file_at(AT_FDCWD, "/etc/hosts", FILE_MAX, &text, NULL) == 0)
			sb_add(&b, text);
	} else {
		hosts_text(c, s, a, &b);
		if (links_resolve(c, s, a, NULL, &b, e) < 0)
			return -1;
	}
	if (r == 0)
		r = write_file(dirfd, "hosts", &b);
	sb_reset(&b);
	resolv_text(c, s, &b);
	if (r == 0)
		r = write_file(dirfd, "resolv.conf", &b);
	return r < 0 ? err_sys(e, -r, "write the files of container %s", c->id) : 0;
}

int spec_mounts(struct spec_build *b, struct err **e)
{
	default_mounts(b);
	if (shm_mount(b, e) < 0)
		return -1;
	own_file(b, "resolv.conf", "/etc/resolv.conf");
	own_file(b, "hostname", "/etc/hostname");
	own_file(b, "hosts", "/etc/hosts");
	if (user_mounts(b, e) < 0)
		return -1;
	bool init = b->process.args.n && !strcmp(b->process.args.v[0], "/sbin/docker-init");
	if (init) {
		if (!b->c->en->init_path)
			return err_set(e, ERR_SYSTEM,
				       "--init: no hoy-init beside hoyd and none given by --init-path");
		(void)add_mount(b, "/sbin/docker-init", "bind", b->c->en->init_path, "bind,ro");
	}
	return 0;
}
