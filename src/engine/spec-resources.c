/* SPDX-License-Identifier: Apache-2.0 */
/* Limits and devices: numbers for the runtime, settings for update. model/validate.h has checked them at create. */
#include "engine/spec.h"

#include "base/fs.h"
#include "model/options.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* --- numbers --- */

static int64_t swap_of(const struct api_resources *r)
{
	/* Unset: twice the memory. */
	return r->memory_swap ? r->memory_swap : r->memory > 0 ? r->memory * 2 : 0;
}

void resources_settings(const struct api_resources *r, struct cgroup_settings *out)
{
	*out = (struct cgroup_settings){ 0 };
#define SET(f, val) (out->f.set = true, out->f.v = (val))
	if (r->cpu_shares)
		SET(cpu_shares, (uint64_t)r->cpu_shares);
	if (r->nano_cpus) {
		SET(cpu_period, 100000);
		SET(cpu_quota, r->nano_cpus / 10000);
	}
	if (r->cpu_period)
		SET(cpu_period, (uint64_t)r->cpu_period);
	if (r->cpu_quota)
		SET(cpu_quota, r->cpu_quota);
	if (r->cpu_realtime_period)
		SET(cpu_rt_period, (uint64_t)r->cpu_realtime_period);
	if (r->cpu_realtime_runtime)
		SET(cpu_rt_runtime, r->cpu_realtime_runtime);
	out->cpuset_cpus = r->cpuset_cpus;
	out->cpuset_mems = r->cpuset_mems;
	if (r->memory)
		SET(mem_limit, r->memory);
	if (swap_of(r))
		SET(mem_swap, swap_of(r));
	if (r->memory_reservation)
		SET(mem_reservation, r->memory_reservation);
	if (r->has_memory_swappiness && r->memory_swappiness >= 0)
		SET(mem_swappiness, (uint64_t)r->memory_swappiness);
	if (r->has_pids_limit)
		SET(pids_limit, r->pids_limit);
	if (r->blkio_weight)
		SET(blkio_weight, r->blkio_weight);
#undef SET
}

static int device_numbers(const char *path, struct err **e, int64_t *major_out, int64_t *minor_out)
{
	cleanup_close int fd = fs_open(path, O_PATH, 0);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, fd < 0 ? -fd : errno,
			       "error gathering device information while adding custom device \"%s\"", path);
	if (!S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode))
		return err_set(e, ERR_INVALID, "\"%s\" is not a device node", path);
	*major_out = major(st.st_rdev);
	*minor_out = minor(st.st_rdev);
	return 0;
}

static int throttle(struct spec_build *b, const struct api_throttle_device_list *in,
		    struct oci_throttle_device_list *out, struct err **e)
{
	model_for_each(it, in)
	{
		int64_t maj, min;
		if (device_numbers(it->path ? it->path : "", e, &maj, &min) < 0)
			return -1;
		struct oci_throttle_device *t = model_list_add(b->a, out);
		t->major = maj;
		t->minor = min;
		t->rate = it->rate;
	}
	return 0;
}

static int limits(struct spec_build *b, struct err **e)
{
	const struct api_resources *r = &b->s->host->resources;
	struct oci_memory *m = b->resources.memory = ARENA_NEW(b->a, struct oci_memory);
	struct oci_cpu *c = b->resources.cpu = ARENA_NEW(b->a, struct oci_cpu);
	struct oci_block_io *io = b->resources.block_io = ARENA_NEW(b->a, struct oci_block_io);
#define PUT(o, f, cond, val) ((o)->has_##f = (cond), (o)->f = (val))
	PUT(m, limit, r->memory > 0, r->memory);
	PUT(m, swap, swap_of(r) != 0, swap_of(r));
	PUT(m, reservation, r->memory_reservation > 0, r->memory_reservation);
	PUT(m, swappiness, r->has_memory_swappiness && r->memory_swappiness >= 0,
	    (uint64_t)r->memory_swappiness);
	PUT(m, disable_oom_killer, r->has_oom_kill_disable && r->oom_kill_disable, true);
	PUT(c, shares, r->cpu_shares > 0, (uint64_t)r->cpu_shares);
	PUT(c, period, r->cpu_period > 0, (uint64_t)r->cpu_period);
	PUT(c, quota, r->cpu_quota != 0, r->cpu_quota);
	if (r->nano_cpus > 0) {
		PUT(c, period, true, 100000);
		PUT(c, quota, true, r->nano_cpus / 10000);
	}
	PUT(c, realtime_period, r->cpu_realtime_period > 0, (uint64_t)r->cpu_realtime_period);
	PUT(c, realtime_runtime, r->cpu_realtime_runtime > 0, r->cpu_realtime_runtime);
	c->cpus = r->cpuset_cpus;
	c->mems = r->cpuset_mems;
	PUT(io, weight, r->blkio_weight > 0, r->blkio_weight);
	if (r->has_pids_limit && r->pids_limit > 0) {
		b->resources.pids = ARENA_NEW(b->a, struct oci_pids);
		PUT(b->resources.pids, limit, true, r->pids_limit);
	}
	model_for_each(it, &r->blkio_weight_device)
	{
		int64_t maj, min;
		if (device_numbers(it->path ? it->path : "", e, &maj, &min) < 0)
			return -1;
		struct oci_weight_device *d = model_list_add(b->a, &io->weight_device);
		d->major = maj;
		d->minor = min;
		PUT(d, weight, true, it->weight);
	}
#undef PUT
	return throttle(b, &r->blkio_device_read_bps, &io->throttle_read_bps_device, e) < 0 ||
			       throttle(b, &r->blkio_device_write_bps, &io->throttle_write_bps_device, e) <
				       0 ||
			       throttle(b, &r->blkio_device_read_iops, &io->throttle_read_iops_device, e) <
				       0 ||
			       throttle(b, &r->blkio_device_write_iops, &io->throttle_write_iops_device, e) <
				       0
		       ? -1
		       : 0;
}

/* --- devices --- */

static void allow(struct spec_build *b, bool yes, const char *type, int64_t maj, int64_t min,
		  const char *access)
{
	struct oci_device_cgroup *d = model_list_add(b->a, &b->resources.devices);
	d->allow = yes;
	d->type = type;
	d->has_major = maj >= 0;
	d->major = maj;
	d->has_minor = min >= 0;
	d->minor = min;
	d->access = access;
}

static void add_device(struct spec_build *b, const struct stat *st, const char *path, const char *access)
{
	struct oci_device *d = model_list_add(b->a, &b->lx.devices);
	d->path = path;
	d->type = S_ISBLK(st->st_mode) ? "b" : "c";
	d->major = major(st->st_rdev);
	d->minor = minor(st->st_rdev);
	d->has_file_mode = d->has_uid = d->has_gid = true;
	d->file_mode = st->st_mode & 07777;
	d->uid = st->st_uid;
	d->gid = st->st_gid;
	if (access)
		allow(b, true, d->type, d->major, d->minor, access);
}

static bool in_list(const char *name, const char *const *l)
{
	for (; *l; l++)
		if (!strcmp(name, *l))
			return true;
	return false;
}

/* Every device below a directory of the host's, as Docker walks /dev. */
static int device_tree(struct spec_build *b, const char *host, const char *inside, const char *access,
		       unsigned deep)
{
	static const char *const skip_dirs[] = { "pts",  "shm",         "fd",    "mqueue",
						 ".lxc", ".lxd-mounts", ".udev", NULL };
	if (deep > 8)
		return 0;
	int fd = fs_open(host, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	DIR *d = fdopendir(fd);
	if (!d) {
		fd_close(&fd);
		return -ENOMEM;
	}
	struct dirent *ent;
	while ((ent = readdir(d))) {
		struct stat st;
		if (ent->d_name[0] == '.' && (!ent->d_name[1] || (ent->d_name[1] == '.' && !ent->d_name[2])))
			continue;
		if (fstatat(dirfd(d), ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		const char *h = arena_printf(b->a, "%s/%s", host, ent->d_name),
			   *in = arena_printf(b->a, "%s/%s", inside, ent->d_name);
		if (S_ISDIR(st.st_mode)) {
			if (!in_list(ent->d_name, skip_dirs))
				(void)device_tree(b, h, in, access, deep + 1);
		} else if ((S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) &&
			   strcmp(ent->d_name, "console") != 0) {
			add_device(b, &st, in, access);
		}
	}
	(void)closedir(d);
	return 0;
}

static bool is_default_device(const char *path)
{
	static const char *const names[] = { "/dev/null",   "/dev/zero",    "/dev/full",
					     "/dev/random", "/dev/urandom", "/dev/tty",
					     "/dev/ptmx",   "/dev/console", NULL };
	return in_list(path, names);
}

static int devices(struct spec_build *b, struct err **e)
{
	const struct api_resources *r = &b->s->host->resources;
	static const struct {
		int maj, min;
	} usual[] = { { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 }, { 5, 1 }, { 5, 2 } };

	if (b->s->host->privileged) {
		allow(b, true, "a", -1, -1, "rwm");
		int n = device_tree(b, "/dev", "/dev", NULL, 0);
		if (n < 0)
			return err_sys(e, -n, "read the host's /dev");
		/* The default ones come from the runtime. */
		size_t k = 0;
		for (size_t i = 0; i < b->lx.devices.n; i++)
			if (!is_default_device(b->lx.devices.v[i].path))
				b->lx.devices.v[k++] = b->lx.devices.v[i];
		b->lx.devices.n = k;
	} else {
		allow(b, false, "a", -1, -1, "rwm");
		allow(b, true, "c", -1, -1, "m");
		allow(b, true, "b", -1, -1, "m");
		for (size_t i = 0; i < ARRAY_LEN(usual); i++)
			allow(b, true, "c", usual[i].maj, usual[i].min, "rwm");
		allow(b, true, "c", 136, -1, "rwm");
		allow(b, false, "c", 10, 229, "rwm");
	}
	model_for_each(it, &r->devices)
	{
		const char *host = it->path_on_host ? it->path_on_host : "";
		const char *inside = str_empty(it->path_in_container) ? host : it->path_in_container;
		const char *access = str_empty(it->cgroup_permissions) ? "rwm" : it->cgroup_permissions;
		cleanup_close int fd = fs_open(host, O_PATH, 0);
		struct stat st;
		if (fd < 0 || fstat(fd, &st) < 0)
			return err_sys(e, fd < 0 ? -fd : errno,
				       "error gathering device information while adding custom device \"%s\"",
				       host);
		if (S_ISDIR(st.st_mode)) {
			int n = device_tree(b, host, inside, access, 0);
			if (n < 0)
				return err_sys(e, -n,
					       "error gathering device information while adding custom "
					       "device \"%s\"",
					       host);
		} else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
			add_device(b, &st, inside, access);
		} else {
			return err_set(e, ERR_INVALID,
				       "error gathering device information while adding custom device "
				       "\"%s\": not a device node",
				       host);
		}
	}
	model_for_each(it, &r->device_cgroup_rules)
	{
		struct device_rule rule;
		if (device_rule_parse(sv_of(*it), &rule, e) < 0)
			return -1;
		allow(b, true,
		      rule.type == 'a'   ? "a"
		      : rule.type == 'b' ? "b"
					 : "c",
		      rule.major, rule.minor,
		      arena_printf(b->a, "%s%s%s", rule.r ? "r" : "", rule.w ? "w" : "", rule.m ? "m" : ""));
	}
	return 0;
}

int spec_resources(struct spec_build *b, struct err **e)
{
	return limits(b, e) < 0 || devices(b, e) < 0 ? -1 : 0;
}
