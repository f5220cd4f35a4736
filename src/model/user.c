/* SPDX-License-Identifier: Apache-2.0 */
#include "model/user.h"

#include <errno.h>

#define ID_MAX 2147483647u /* what Docker takes: 1<<31 - 1 */

struct pw {
	struct sv name, home;
	uint32_t uid, gid;
};

struct gr {
	struct sv name, members;
	uint32_t gid;
};

static bool next_line(struct sv *file, struct sv *line)
{
	if (!file->n)
		return false;
	(void)sv_cut(*file, '\n', line, file);
	*line = sv_trim(*line);
	return true;
}

/* name:password:uid:gid:gecos:home:shell */
static bool parse_pw(struct sv line, struct pw *out)
{
	struct sv f[7] = { 0 };

	for (size_t i = 0; i < 7; i++) {
		if (!sv_cut(line, ':', &f[i], &line))
			break;
	}
	if (!f[0].n || parse_u32(f[2], ID_MAX, &out->uid) < 0 || parse_u32(f[3], ID_MAX, &out->gid) < 0)
		return false;
	out->name = f[0];
	out->home = f[5];
	return true;
}

/* name:password:gid:member,member */
static bool parse_gr(struct sv line, struct gr *out)
{
	struct sv f[4] = { 0 };

	for (size_t i = 0; i < 4; i++) {
		if (!sv_cut(line, ':', &f[i], &line))
			break;
	}
	if (!f[0].n || parse_u32(f[2], ID_MAX, &out->gid) < 0)
		return false;
	out->name = f[0];
	out->members = f[3];
	return true;
}

/* 0, -EINVAL (not a number) or -ERANGE. */
static int parse_id(struct sv s, uint32_t *out)
{
	uint64_t v;
	int64_t neg;
	int r = parse_u64(s, ID_MAX, &v);

	if (r == 0)
		*out = (uint32_t)v;
	else if (r == -EINVAL && parse_i64(s, INT64_MIN, -1, &neg) == 0)
		r = -ERANGE;
	return r;
}

static int fail_range(struct err **e)
{
	return err_set(e, ERR_INVALID, "uids and gids must be in range 0-2147483647");
}

static void add_group(struct arena *a, struct user_id *u, uint32_t gid)
{
	for (size_t i = 0; i < u->n_groups; i++) {
		if (u->groups[i] == gid)
			return;
	}
	if (u->n_groups >= USER_GROUPS_MAX)
		return;
	/* Grows by doubling at powers of two. */
	if ((u->n_groups & (u->n_groups - 1)) == 0) {
		size_t cap = u->n_groups ? u->n_groups * 2 : 1;
		uint32_t *v = arena_alloc(a, cap * sizeof(*v));
		if (u->n_groups)
			memcpy(v, u->groups, u->n_groups * sizeof(*v));
		u->groups = v;
	}
	u->groups[u->n_groups++] = gid;
}

static bool is_member(struct sv members, struct sv name)
{
	struct sv one;
	bool more;

	do {
		more = sv_cut(members, ',', &one, &members);
		if (sv_eq(one, name))
			return true;
	} while (more);
	return false;
}

static bool find_pw(struct sv passwd, struct sv who, bool by_id, uint32_t id, struct pw *out)
{
	struct sv line;
	struct pw p;

	while (next_line(&passwd, &line)) {
		if (parse_pw(line, &p) && (sv_eq(p.name, who) || (by_id && p.uid == id))) {
			*out = p;
			return true;
		}
	}
	return false;
}

static bool find_gr(struct sv group, struct sv who, bool by_id, uint32_t id, struct gr *out)
{
	struct sv line;
	struct gr g;

	while (next_line(&group, &line)) {
		if (parse_gr(line, &g) && (sv_eq(g.name, who) || (by_id && g.gid == id))) {
			*out = g;
			return true;
		}
	}
	return false;
}

static int lookup_group(struct sv name, struct sv group, uint32_t *gid, struct err **e)
{
	struct gr g;
	uint32_t id = 0;
	int r = parse_id(name, &id);

	if (find_gr(group, name, r == 0, id, &g)) {
		*gid = g.gid;
		return 0;
	}
	if (r == -ERANGE)
		return fail_range(e);
	if (r < 0)
		return err_set(e, ERR_INVALID, "unable to find group %.*s: no matching entries in group file",
			       (int)name.n, name.p);
	*gid = id;
	return 0;
}

int user_lookup(struct arena *a, struct sv spec, struct sv passwd, struct sv group, struct user_id *out,
		struct err **e)
{
	struct user_id u = { .name = "", .home = "/" };
	struct sv user, grp, line;
	struct pw p;
	struct gr g;
	uint32_t id = 0;

	if (passwd.n > USER_FILE_MAX || group.n > USER_FILE_MAX)
		return err_set(e, ERR_INVALID, "the passwd or group file is too large");
	(void)sv_cut(spec, ':', &user, &grp);
	int r = user.n ? parse_id(user, &id) : 0;
	if (find_pw(passwd, user, r == 0, id, &p)) {
		u.uid = p.uid;
		u.gid = p.gid;
		u.name = arena_strndup(a, p.name.p, p.name.n);
		if (p.home.n)
			u.home = arena_strndup(a, p.home.p, p.home.n);
		/* A group named with the user stands alone. */
		struct sv rest = group;
		while (!grp.n && next_line(&rest, &line)) {
			if (parse_gr(line, &g) && is_member(g.members, p.name))
				add_group(a, &u, g.gid);
		}
	} else if (r == -ERANGE) {
		return fail_range(e);
	} else if (r < 0) {
		return err_set(e, ERR_INVALID, "unable to find user %.*s: no matching entries in passwd file",
			       (int)user.n, user.p);
	} else {
		u.uid = id;
	}
	if (grp.n && lookup_group(grp, group, &u.gid, e) < 0)
		return -1;
	*out = u;
	return 0;
}

int user_add_groups(struct arena *a, const char *const *names, size_t n, struct sv group, struct user_id *out,
		    struct err **e)
{
	uint32_t gid;

	for (size_t i = 0; i < n; i++) {
		struct sv name = sv_of(names[i]);
		cleanup_err struct err *why = NULL;
		if (lookup_group(name, group, &gid, &why) < 0) {
			if (parse_id(name, &gid) == -ERANGE)
				return fail_range(e);
			return err_set(e, ERR_INVALID,
				       "Unable to find group %s: no matching entries in group file",
				       names[i] ? names[i] : "");
		}
		add_group(a, out, gid);
	}
	return 0;
}
