/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "base/proc.h"
#include "kernel/cgroup.h"
#include "kernel/systemd.h"
#include "model/oci.gen.h"
#include "runtime/cli/cli.h"

#include <errno.h>
#include <stdio.h>

const char *status_word(enum status s)
{
	static const char *const words[] = { "creating", "created", "running", "paused", "stopped" };

	return words[s];
}

int id_check(const char *id, struct err **e)
{
	size_t n = strlen(id);

	if (n == 0)
		return err_set(e, ERR_INVALID, "container id cannot be empty");
	if (n > 1024)
		return err_set(e, ERR_INVALID, "invalid container ID format: longer than 1024 bytes");
	if (id[0] == '.' ||
	    strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.") != n)
		return err_set(e, ERR_INVALID,
			       "invalid container ID format: invalid character in container ID '%s'", id);
	return 0;
}

const struct cgroup_layout *rt_cgroups(struct rt *rt)
{
	struct cgroup_layout *l = ARENA_NEW(rt->arena, struct cgroup_layout);

	return cgroup_detect(l) < 0 ? NULL : l;
}

static int open_root(struct rt *rt, bool make)
{
	int r = make ? fs_mkdirs(rt->root, 0700) : 0;

	return r < 0 ? r : fs_open(rt->root, O_RDONLY | O_DIRECTORY, 0);
}

int state_dir_make(struct rt *rt, const char *id, int *dirfd, struct err **e)
{
	cleanup_close int root = open_root(rt, true);
	int fd;

	if (root < 0)
		return err_sys(e, -root, "open state directory '%s'", rt->root);
	if (mkdirat(root, id, 0700) < 0) {
		if (errno == EEXIST)
			return err_set(e, ERR_CONFLICT, "container with given ID already exists: %s", id);
		return err_sys(e, errno, "make state directory '%s/%s'", rt->root, id);
	}
	fd = fs_open_at(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return err_sys(e, -fd, "open state directory '%s/%s'", rt->root, id);
	*dirfd = fd;
	return 0;
}

void state_dir_remove(struct rt *rt, const char *id)
{
	cleanup_close int root = open_root(rt, false);

	if (root >= 0)
		(void)fs_rmtree_at(root, id);
}

int state_save(struct rt *rt, const struct state *s, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	int r;

	(void)rt;
	jw_obj(&w);
	jw_ki64(&w, "version", 1);
	jw_kstr(&w, "ociVersion", s->oci_version);
	jw_kstr(&w, "id", s->id);
	jw_ki64(&w, "init_process_pid", s->pid);
	jw_ku64(&w, "init_process_start", s->start_time);
	jw_kstr(&w, "created", s->created);
	jw_kstr(&w, "bundle", s->bundle);
	jw_kstr(&w, "rootfs", s->rootfs);
	if (s->cgroup_path)
		jw_kstr(&w, "cgroup_path", s->cgroup_path);
	jw_kbool(&w, "systemd_cgroup", s->systemd);
	jw_kbool(&w, "no_pivot", s->no_pivot);
	jw_end(&w);
	r = fs_replace_fast_at(s->dirfd, "state.json", b.p, b.n, 0600);
	return r < 0 ? err_sys(e, -r, "write state of '%s'", s->id) : 0;
}

int state_load(struct rt *rt, const char *id, struct state *out, struct err **e)
{
	cleanup_close int root = -1, dir = -1;
	cleanup_free char *raw = NULL;
	const struct json *j;
	int64_t start = 0;
	size_t n;
	int r;

	if (id_check(id, e) < 0)
		return -1;
	root = open_root(rt, false);
	dir = root < 0 ? root : fs_open_at(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir == -ENOENT)
		return err_set(e, ERR_NOT_FOUND, "container does not exist: %s", id);
	if (dir < 0)
		return err_sys(e, -dir, "open state of '%s'", id);
	r = fs_read_file_at(dir, "state.json", CONFIG_MAX, &raw, &n);
	if (r == -ENOENT) {
		/* Being created, or left by a create that was killed. */
		*out = (struct state){ .id = arena_strdup(rt->arena, id),
				       .dirfd = TAKE_FD(dir),
				       .bundle = "",
				       .oci_version = RUNTIME_VERSION_SPEC,
				       .created = "",
				       .rootfs = "" };
		return 0;
	}
	if (r < 0)
		return err_sys(e, -r, "read state of '%s'", id);
	if (json_parse(rt->arena, sv_n(arena_strndup(rt->arena, raw, n), n), NULL, &j, e) < 0)
		return err_wrap(e, "state of '%s'", id);
#define STR(key) (json_str(json_get(j, key)) ? json_str(json_get(j, key)) : "")
	*out = (struct state){ .id = STR("id"),
			       .bundle = STR("bundle"),
			       .rootfs = STR("rootfs"),
			       .created = STR("created"),
			       .oci_version = STR("ociVersion"),
			       .cgroup_path = json_str(json_get(j, "cgroup_path")),
			       .systemd = json_bool(json_get(j, "systemd_cgroup")),
			       .no_pivot = json_bool(json_get(j, "no_pivot")) };
#undef STR
	if (json_i64(json_get(j, "init_process_pid"), &out->pid) < 0 ||
	    json_i64(json_get(j, "init_process_start"), &start) < 0)
		return err_set(e, ERR_SYSTEM, "state of '%s' is damaged", id);
	out->start_time = (uint64_t)start;
	out->dirfd = TAKE_FD(dir);
	return 0;
}

bool state_alive(const struct state *s)
{
	char path[48], buf[512], *close_paren;
	unsigned long long start;

	if (s->pid <= 0 || proc_start_time((pid_t)s->pid, &start) < 0 || start != s->start_time)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)s->pid);
	if (fs_read_small_at(AT_FDCWD, path, buf, sizeof(buf)) < 0)
		return false;
	close_paren = strrchr(buf, ')');
	/* A zombie is not a container any more, it only has not been told about. */
	return close_paren && close_paren[1] == ' ' && close_paren[2] != 'Z' && close_paren[2] != 'X';
}

int state_cgroup(struct rt *rt, const struct state *s, struct strbuf *prog, struct err **e)
{
	const struct cgroup_layout *l;

	if (str_empty(s->cgroup_path))
		return 0;
	l = rt_cgroups(rt);
	if (!l || l->mode == CGROUP_NONE)
		return 0;
	return cgroup_ref(l, s->cgroup_path, prog, e);
}

enum status state_status(struct rt *rt, const struct state *s)
{
	cleanup_strbuf struct strbuf prog = { 0 };
	bool frozen = false;

	if (s->pid == 0)
		return ST_CREATING;
	if (!state_alive(s))
		return ST_STOPPED;
	if (faccessat(s->dirfd, "start.sock", F_OK, 0) == 0)
		return ST_CREATED;
	if (state_cgroup(rt, s, &prog, NULL) == 0 && prog.n &&
	    cgroup_exec_is_frozen(prog.p, prog.n, &frozen) == 0 && frozen)
		return ST_PAUSED;
	return ST_RUNNING;
}

int spec_read(struct rt *rt, int dirfd, const char *name, struct sv *text, struct oci_spec **out,
	      struct err **e)
{
	cleanup_free char *raw = NULL;
	size_t n;
	int r = fs_read_file_at(dirfd, name, CONFIG_MAX, &raw, &n);

	if (r == -ENOENT)
		return err_set(e, ERR_NOT_FOUND, "JSON specification file %s not found", name);
	if (r < 0)
		return err_sys(e, -r, "read %s", name);
	*text = sv_n(arena_strndup(rt->arena, raw, n), n);
	return oci_spec_parse(rt->arena, *text, out, e);
}

int state_spec(struct rt *rt, const struct state *s, struct oci_spec **out, struct err **e)
{
	struct sv text;

	return spec_read(rt, s->dirfd, "config.json", &text, out, e);
}

int state_json(struct rt *rt, const struct state *s, struct strbuf *out, struct err **e)
{
	enum status st = state_status(rt, s);
	struct oci_spec *spec = NULL;
	struct jw w = jw_to(out);

	if (st != ST_CREATING && state_spec(rt, s, &spec, e) < 0)
		return -1;
	jw_obj(&w);
	jw_kstr(&w, "ociVersion", s->oci_version);
	jw_kstr(&w, "id", s->id);
	jw_ki64(&w, "pid", st == ST_STOPPED ? 0 : s->pid);
	jw_kstr(&w, "status", status_word(st));
	jw_kstr(&w, "bundle", s->bundle);
	jw_kstr(&w, "rootfs", s->rootfs);
	jw_kstr(&w, "created", s->created);
	if (spec && spec->annotations.n) {
		jw_kobj(&w, "annotations");
		model_for_each(a, &spec->annotations) jw_kstr(&w, a->k, a->v);
		jw_end(&w);
	}
	jw_kstr(&w, "owner", "");
	jw_end(&w);
	return 0;
}

void state_scope_stop(const struct state *s)
{
	const char *unit = s->systemd && s->cgroup_path ? strrchr(s->cgroup_path, '/') : NULL;

	/* systemd collects an empty scope by itself; where it is not told of that (v1), this does it. */
	if (unit && str_ends(unit, ".scope"))
		(void)!systemd_unit_stop(unit + 1, NULL);
}
