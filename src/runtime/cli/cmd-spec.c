/* SPDX-License-Identifier: Apache-2.0 */
/* spec: a config.json to begin with. features: what this runtime knows. */
#include "base/fs.h"
#include "codec/json.h"
#include "kernel/caps.h"
#include "kernel/cgroup.h"
#include "kernel/mount.h"
#include "kernel/ns.h"
#include "kernel/seccomp.h"
#include "runtime/cli/cli.h"

#include <errno.h>
#include <stdio.h>

static void strings(struct jw *w, const char *key, const char *const *v)
{
	jw_karr(w, key);
	for (; *v; v++)
		jw_str(w, *v);
	jw_end(w);
}
#define STRS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void a_mount(struct jw *w, const char *dest, const char *type, const char *source,
		    const char *const *options)
{
	jw_obj(w);
	jw_kstr(w, "destination", dest);
	jw_kstr(w, "type", type);
	jw_kstr(w, "source", source);
	if (*options)
		strings(w, "options", options);
	jw_end(w);
}

static void a_process(struct jw *w)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };

	jw_kobj(w, "process");
	jw_kbool(w, "terminal", true);
	jw_kobj(w, "user");
	jw_ki64(w, "uid", 0);
	jw_ki64(w, "gid", 0);
	jw_end(w);
	strings(w, "args", STRS("sh"));
	strings(w, "env",
		STRS("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"));
	jw_kstr(w, "cwd", "/");
	jw_kobj(w, "capabilities");
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		strings(w, sets[i], STRS("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"));
	jw_end(w);
	jw_karr(w, "rlimits");
	jw_obj(w);
	jw_kstr(w, "type", "RLIMIT_NOFILE");
	jw_ki64(w, "hard", 1024);
	jw_ki64(w, "soft", 1024);
	jw_end(w);
	jw_end(w);
	jw_kbool(w, "noNewPrivileges", true);
	jw_end(w);
}

static void mapping(struct jw *w, const char *key, unsigned host)
{
	jw_karr(w, key);
	jw_obj(w);
	jw_ki64(w, "containerID", 0);
	jw_ki64(w, "hostID", host);
	jw_ki64(w, "size", 1);
	jw_end(w);
	jw_end(w);
}

static void a_linux(struct jw *w, bool rootless)
{
	static const char *const kinds[] = { "pid", "network", "ipc", "uts", "mount", "cgroup" };

	jw_kobj(w, "linux");
	if (rootless) {
		mapping(w, "uidMappings", (unsigned)geteuid());
		mapping(w, "gidMappings", (unsigned)getegid());
	} else {
		jw_kobj(w, "resources");
		jw_karr(w, "devices");
		jw_obj(w);
		jw_kbool(w, "allow", false);
		jw_kstr(w, "access", "rwm");
		jw_end(w);
		jw_end(w);
		jw_end(w);
	}
	jw_karr(w, "namespaces");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (rootless && str_eq(kinds[i], "network"))
			continue;
		jw_obj(w);
		jw_kstr(w, "type", kinds[i]);
		jw_end(w);
	}
	if (rootless) {
		jw_obj(w);
		jw_kstr(w, "type", "user");
		jw_end(w);
	}
	jw_end(w);
	strings(w, "maskedPaths",
		STRS("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		     "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware",
		     "/proc/scsi"));
	strings(w, "readonlyPaths",
		STRS("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"));
	jw_end(w);
}

static void a_spec(struct jw *w, bool rootless)
{
	jw_obj(w);
	jw_kstr(w, "ociVersion", RUNTIME_VERSION_SPEC);
	a_process(w);
	jw_kobj(w, "root");
	jw_kstr(w, "path", "rootfs");
	jw_kbool(w, "readonly", true);
	jw_end(w);
	jw_kstr(w, "hostname", "hoy");
	jw_karr(w, "mounts");
	a_mount(w, "/proc", "proc", "proc", STRS(NULL));
	a_mount(w, "/dev", "tmpfs", "tmpfs", STRS("nosuid", "strictatime", "mode=755", "size=65536k"));
	if (rootless)
		a_mount(w, "/dev/pts", "devpts", "devpts",
			STRS("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"));
	else
		a_mount(w, "/dev/pts", "devpts", "devpts",
			STRS("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"));
	a_mount(w, "/dev/shm", "tmpfs", "shm", STRS("nosuid", "noexec", "nodev", "mode=1777", "size=65536k"));
	a_mount(w, "/dev/mqueue", "mqueue", "mqueue", STRS("nosuid", "noexec", "nodev"));
	if (rootless)
		a_mount(w, "/sys", "none", "/sys", STRS("rbind", "nosuid", "noexec", "nodev", "ro"));
	else
		a_mount(w, "/sys", "sysfs", "sysfs", STRS("nosuid", "noexec", "nodev", "ro"));
	if (!rootless)
		a_mount(w, "/sys/fs/cgroup", "cgroup", "cgroup",
			STRS("nosuid", "noexec", "nodev", "relatime", "ro"));
	jw_end(w);
	a_linux(w, rootless);
	jw_end(w);
}

int cmd_spec(struct rt *rt, int argc, char **argv, struct err **e)
{
	const char *bundle = ".";
	bool rootless = false;
	const struct opt opts[] = {
		{ "bundle", 'b', OPT_STR, &bundle, "path to the root of the bundle directory" },
		{ "rootless", 0, OPT_BOOL, &rootless, "generate a configuration for a rootless container" }
	};
	cleanup_strbuf struct strbuf b = { 0 }, out = { 0 };
	cleanup_close int dir = -1, fd = -1;
	struct jw w = jw_to(&b);
	int at, r = opts_parse(rt_command("spec"), opts, ARRAY_LEN(opts), argc, argv, &at, e);

	(void)rt;
	if (r != 0)
		return r < 0 ? -1 : 0;
	dir = fs_open(bundle, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return err_sys(e, -dir, "open '%s'", bundle);
	a_spec(&w, rootless);
	json_indent(&out, sb_sv(&b), "", "\t");
	sb_addc(&out, '\n');
	fd = fs_open_at(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL, 0666);
	if (fd == -EEXIST)
		return err_set(e, ERR_CONFLICT, "File config.json exists. Remove it first");
	r = fd < 0 ? fd : fd_write_full(fd, out.p, out.n);
	return r < 0 ? err_sys(e, -r, "write config.json") : 0;
}

static void enabled(struct jw *w, const char *key, bool yes)
{
	jw_kobj(w, key);
	jw_kbool(w, "enabled", yes);
	jw_end(w);
}

static void features_linux(struct jw *w)
{
	uint64_t caps = caps_supported();

	jw_kobj(w, "linux");
	jw_karr(w, "namespaces");
	for (size_t i = 0; ns_at(i); i++)
		jw_str(w, ns_name(ns_at(i)));
	jw_end(w);
	jw_karr(w, "capabilities");
	for (unsigned i = 0; i <= CAPS_LAST_KNOWN; i++)
		if (caps & CAPS_BIT(i))
			jw_str(w, caps_name(i));
	jw_end(w);
	jw_kobj(w, "cgroup");
	jw_kbool(w, "v1", true);
	jw_kbool(w, "v2", true);
	jw_kbool(w, "systemd", false);
	jw_kbool(w, "systemdUser", false);
	jw_kbool(w, "rdma", true);
	jw_end(w);
	jw_kobj(w, "seccomp");
	jw_kbool(w, "enabled", true);
	strings(w, "actions", seccomp_action_words);
	strings(w, "operators", seccomp_cmp_words);
	strings(w, "archs", seccomp_arch_words);
	strings(w, "knownFlags", seccomp_flag_words);
	strings(w, "supportedFlags", seccomp_flag_words);
	jw_end(w);
	enabled(w, "apparmor", true);
	enabled(w, "selinux", true);
	enabled(w, "intelRdt", false);
	jw_kobj(w, "mountExtensions");
	enabled(w, "idmap", true);
	jw_end(w);
	enabled(w, "netDevices", false);
	jw_end(w);
}

int cmd_features(struct rt *rt, int argc, char **argv, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 }, out = { 0 };
	struct jw w = jw_to(&b);
	int at, r = opts_parse(rt_command("features"), NULL, 0, argc, argv, &at, e);

	(void)rt;
	if (r != 0)
		return r < 0 ? -1 : 0;
	jw_obj(&w);
	jw_kstr(&w, "ociVersionMin", "1.0.0");
	jw_kstr(&w, "ociVersionMax", RUNTIME_VERSION_SPEC);
	strings(&w, "hooks",
		STRS("prestart", "createRuntime", "createContainer", "startContainer", "poststart",
		     "poststop"));
	jw_karr(&w, "mountOptions");
	for (size_t i = 0; mnt_option_at(i); i++)
		jw_str(&w, mnt_option_at(i)->name);
	jw_end(&w);
	features_linux(&w);
	jw_kobj(&w, "annotations");
	jw_kstr(&w, "org.hoy.runtime.version", HOY_VERSION);
	jw_end(&w);
	jw_end(&w);
	json_indent(&out, sb_sv(&b), "", "  ");
	printf("%s\n", out.p);
	return 0;
}
