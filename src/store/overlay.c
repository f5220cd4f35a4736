/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store-internal.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "kernel/mount.h"

#include <errno.h>
#include <stdio.h>

#define FSCONFIG_MAX 255 /* bytes of one value */

static int add_lower(const struct store *s, int fs, const struct overlay *o)
{
	int r = 0;
	if (s->overlay == OVERLAY_CLASSIC) {
		cleanup_strbuf struct strbuf b = { 0 };
		for (size_t i = 0; i < o->n_lower; i++)
			sb_addf(&b, "%s%s", i ? ":" : "", fd_path(o->lower[i]).s);
		return b.n > FSCONFIG_MAX ? -E2BIG : mnt_fs_set(fs, "lowerdir", sb_str(&b));
	}
	for (size_t i = 0; r == 0 && i < o->n_lower; i++)
		r = s->overlay == OVERLAY_FDS ? mnt_fs_set_fd(fs, "lowerdir+", o->lower[i])
					      : mnt_fs_set(fs, "lowerdir+", fd_path(o->lower[i]).s);
	return r;
}

static int set_dir(const struct store *s, int fs, const char *key, int fd)
{
	return s->overlay == OVERLAY_FDS ? mnt_fs_set_fd(fs, key, fd) : mnt_fs_set(fs, key, fd_path(fd).s);
}

static int configure(const struct store *s, int fs, const struct overlay *o)
{
	int r = add_lower(s, fs, o);
	if (r == 0 && o->upper_fd >= 0)
		r = set_dir(s, fs, "upperdir", o->upper_fd);
	if (r == 0 && o->upper_fd >= 0)
		r = set_dir(s, fs, "workdir", o->work_fd);
	/* What a layer means must not depend on the kernel's defaults. */
	if (r == 0)
		r = mnt_fs_set(fs, "index", "off");
	if (r == 0)
		r = mnt_fs_set(fs, "metacopy", "off");
	if (r == 0)
		r = mnt_fs_set(fs, "redirect_dir", "off");
	if (r == 0 && o->is_volatile && o->upper_fd >= 0)
		r = mnt_fs_flag(fs, "volatile");
	return r;
}

int overlay_mount(const struct store *s, const struct overlay *o, struct err **e)
{
	char text[256];
	cleanup_close int fs = mnt_fs_open("overlay");
	if (fs < 0)
		return err_sys(e, -fs, "overlay: fsopen");
	int r = configure(s, fs, o);
	if (r == -E2BIG)
		return err_set(e, ERR_NOT_IMPLEMENTED,
			       "overlay: this kernel takes no more than %u layers (newer than 6.5 takes 500)",
			       FSCONFIG_MAX / 18u);
	if (r == 0)
		r = mnt_fs_mount(fs, o->is_readonly ? MNT_ATTR_RDONLY : 0);
	if (r < 0) {
		const char *said = mnt_fs_message(fs, text, sizeof(text));
		return err_sys(e, -r, "overlay: mount%s%s", *said ? ": " : "", said);
	}
	return r;
}

static int try_kind(struct store *s, enum overlay_kind kind, struct err **e)
{
	int lower[2] = { -1, -1 }, upper = -1, work = -1, fd = -1, r;
	static const char *const names[] = { "probe", "probe/a", "probe/b", "probe/u", "probe/w" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if ((r = fs_mkdir_at(s->tmp_fd, names[i], 0700)) < 0)
			return err_sys(e, -r, "create '%s'", names[i]);
	lower[0] = fs_open_at(s->tmp_fd, "probe/a", O_PATH | O_DIRECTORY, 0);
	lower[1] = fs_open_at(s->tmp_fd, "probe/b", O_PATH | O_DIRECTORY, 0);
	upper = fs_open_at(s->tmp_fd, "probe/u", O_PATH | O_DIRECTORY, 0);
	work = fs_open_at(s->tmp_fd, "probe/w", O_PATH | O_DIRECTORY, 0);
	struct overlay o = {
		.lower = lower, .n_lower = 2, .upper_fd = upper, .work_fd = work, .is_volatile = true
	};
	s->overlay = kind;
	if (lower[0] >= 0 && lower[1] >= 0 && upper >= 0 && work >= 0)
		fd = overlay_mount(s, &o, e);
	r = fd < 0 ? -1 : 0;
	fd_close(&fd);
	fd_close(&lower[0]);
	fd_close(&lower[1]);
	fd_close(&upper);
	fd_close(&work);
	(void)fs_rmtree_at(s->tmp_fd, "probe");
	return r;
}

int overlay_probe(struct store *s, struct err **e)
{
	static const char *const names[] = { "fds", "strings", "classic" };
	const char *forced = getenv("HOY_OVERLAY");
	cleanup_err struct err *last = NULL;
	for (int k = OVERLAY_FDS; k <= OVERLAY_CLASSIC; k++) {
		if (forced && *forced && !str_eq(forced, names[k]))
			continue;
		err_free(last);
		last = NULL;
		if (try_kind(s, (enum overlay_kind)k, &last) == 0) {
			log_debug(log_kv("how", names[k]), "overlay probed");
			return 0;
		}
	}
	if (!last)
		return err_set(e, ERR_INVALID, "HOY_OVERLAY is none of fds, strings, classic");
	err_move(e, &last);
	return err_wrap(e, "the data root '%s' cannot hold containers", s->root);
}
