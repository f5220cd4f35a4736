/* SPDX-License-Identifier: Apache-2.0 */
/* Who the process is: user, capabilities, environment, limits. */
#include "engine/links.h"
#include "engine/spec.h"

#include "base/fs.h"
#include "kernel/caps.h"
#include "model/caps.h"
#include "model/env.h"
#include "model/user.h"

#include <errno.h>
#include <stdio.h>
#include <sys/utsname.h>

/* Docker's fourteen. */
#define CAPS_DEFAULT                                                                                         \
	(CAPS_BIT(0) /* CHOWN */ | CAPS_BIT(1) /* DAC_OVERRIDE */ | CAPS_BIT(3) /* FOWNER */ |               \
	 CAPS_BIT(4) /* FSETID */ | CAPS_BIT(5) /* KILL */ | CAPS_BIT(6) /* SETGID */ |                      \
	 CAPS_BIT(7) /* SETUID */ | CAPS_BIT(8) /* SETPCAP */ | CAPS_BIT(10) /* NET_BIND_SERVICE */ |        \
	 CAPS_BIT(13) /* NET_RAW */ | CAPS_BIT(18) /* SYS_CHROOT */ | CAPS_BIT(27) /* MKNOD */ |             \
	 CAPS_BIT(29) /* AUDIT_WRITE */ | CAPS_BIT(31) /* SETFCAP */)

static int cap_bit(const char *name, uint64_t *out, bool *all, struct err **e)
{
	*all = false;
	if (sv_ieqs(sv_of(name), "ALL") || sv_ieqs(sv_of(name), "CAP_ALL")) {
		*all = true;
		return 0;
	}
	int n = caps_number(name);
	if (n < 0)
		return err_set(e, ERR_INVALID, "invalid capability: \"%s\"", name);
	*out = CAPS_BIT(n);
	return 0;
}

int spec_caps(const struct api_host_config *hc, bool privileged, uint64_t *out, struct err **e)
{
	if (caps_check(&hc->cap_add, &hc->cap_drop, e) < 0)
		return -1;
	uint64_t caps = CAPS_DEFAULT, bit = 0, add = 0, drop = 0;
	bool all, add_all = false, drop_all = false;
	model_for_each(it, &hc->cap_add)
	{
		if (cap_bit(*it, &bit, &all, e) < 0)
			return -1;
		add_all |= all;
		add |= all ? 0 : bit;
	}
	model_for_each(it, &hc->cap_drop)
	{
		if (cap_bit(*it, &bit, &all, e) < 0)
			return -1;
		drop_all |= all;
		drop |= all ? 0 : bit;
	}
	uint64_t own = caps_own_bounding();
	if (privileged)
		caps = own;
	else if (add_all)
		caps = own & ~drop;
	else if (drop_all)
		caps = add;
	else
		caps = (caps & ~drop) | add;
	/* What we do not have ourselves cannot be given; Docker leaves it to the runtime, which drops it, too. */
	*out = caps & own;
	return 0;
}

struct oci_capabilities *spec_caps_for_uid(uint64_t caps, uint32_t uid, struct arena *a)
{
	struct oci_capabilities *o = ARENA_NEW(a, struct oci_capabilities);
	model_strs_empty(a, &o->bounding);
	for (unsigned i = 0; i < 64; i++)
		if ((caps & CAPS_BIT(i)) && caps_name(i))
			model_strs_add(a, &o->bounding, caps_name(i));
	/* For others than root what execve would leave them: nothing but the bounding set. */
	if (uid == 0)
		o->effective = o->permitted = o->bounding;
	return o;
}

/* --- user --- */

static int read_in(int rootfd, const char *path, char **out)
{
	cleanup_close int fd = fs_open_in(rootfd, path, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	return fs_read_fd(fd, USER_FILE_MAX, out, NULL);
}

int spec_user(int rootfd, const char *user, const struct model_str_list *group_add, struct arena *a,
	      struct oci_user *out, struct err **e)
{
	cleanup_free char *passwd = NULL, *group = NULL;
	struct user_id id;
	*out = (struct oci_user){ 0 };
	if (read_in(rootfd, "/etc/passwd", &passwd) < 0)
		passwd = NULL;
	if (read_in(rootfd, "/etc/group", &group) < 0)
		group = NULL;
	struct sv pw = sv_of(passwd ? passwd : ""), gr = sv_of(group ? group : "");
	if (user_lookup(a, sv_of(user ? user : ""), pw, gr, &id, e) < 0)
		return -1;
	if (group_add && user_add_groups(a, group_add->v, group_add->n, gr, &id, e) < 0)
		return -1;
	out->uid = id.uid;
	out->gid = id.gid;
	/* The primary group too, as the kernel's checks of the others need it (CVE-2022-36109). */
	*model_list_add(a, &out->additional_gids) = id.gid;
	for (size_t i = 0; i < id.n_groups; i++)
		if (id.groups[i] != id.gid)
			*model_list_add(a, &out->additional_gids) = id.groups[i];
	return 0;
}

/* --- environment --- */

const char *container_hostname(struct container *c, const struct container_spec *s, struct arena *a)
{
	const char *m = s->host->network_mode;
	if (!str_empty(s->config->hostname))
		return s->config->hostname;
	if (str_eq(m, "host") || str_eq(s->host->uts_mode, "host")) {
		struct utsname u;
		if (uname(&u) == 0)
			return arena_strdup(a, u.nodename);
	}
	return arena_strndup(a, c->id, 12);
}

void spec_env(const struct container_spec *s, const char *hostname, bool tty,
	      const struct model_str_list *more, struct arena *a, struct model_str_list *out)
{
	model_strs_add(a, out, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	model_strs_add(a, out, arena_printf(a, "HOSTNAME=%s", hostname));
	if (tty)
		model_strs_add(a, out, "TERM=xterm");
	env_merge(a, out, &s->config->env);
	if (more)
		env_merge(a, out, more);
}

/* --- limits --- */

/* The daemon's defaults, and the container's own in their place. */
void spec_rlimits(const struct engine_config *ec, const struct container_spec *s, struct arena *a,
		  struct oci_rlimit_list *out)
{
	for (size_t i = 0; i < ec->n_ulimits; i++) {
		bool own = false;
		model_for_each(it, &s->host->resources.ulimits) own |= str_eq(it->name, ec->ulimits[i].name);
		if (own)
			continue;
		struct oci_rlimit *r = model_list_add(a, out);
		r->type = arena_printf(a, "RLIMIT_%s", ec->ulimits[i].name);
		r->soft = (uint64_t)ec->ulimits[i].soft;
		r->hard = (uint64_t)ec->ulimits[i].hard;
	}
	model_for_each(it, &s->host->resources.ulimits)
	{
		struct oci_rlimit *r = model_list_add(a, out);
		r->type = arena_printf(a, "RLIMIT_%s", it->name);
		r->soft = (uint64_t)it->soft; /* -1 is "unlimited", all bits set */
		r->hard = (uint64_t)it->hard;
	}
	model_for_each(it, out)
	{
		char *t = arena_strdup(a, it->type);
		for (char *p = t; *p; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		it->type = t;
	}
}

int spec_process(struct spec_build *b, struct err **e)
{
	const struct container_spec *s = b->s;
	struct oci_process *p = &b->process;
	bool init = s->host->has_init ? s->host->init : cfg(b->c->en)->init;
	if (init && !str_eq(s->host->pid_mode, "host") &&
	    !str_starts(s->host->pid_mode ? s->host->pid_mode : "", "container:")) {
		model_strs_add(b->a, &p->args, "/sbin/docker-init");
		model_strs_add(b->a, &p->args, "--");
	}
	model_strs_add(b->a, &p->args, s->path);
	for (size_t i = 0; i < s->n_args; i++)
		model_strs_add(b->a, &p->args, s->args[i]);
	p->terminal = s->is_tty;
	p->cwd = str_empty(s->config->working_dir) ? "/" : s->config->working_dir;
	if (s->is_tty && s->host->console_size.height && s->host->console_size.width) {
		p->console_size = ARENA_NEW(b->a, struct oci_box);
		p->console_size->height = s->host->console_size.height;
		p->console_size->width = s->host->console_size.width;
	}
	if (spec_user(b->rootfd, s->config->user, &s->host->group_add, b->a, &p->user, e) < 0 ||
	    spec_caps(s->host, s->host->privileged, &b->caps, e) < 0)
		return -1;
	p->capabilities = spec_caps_for_uid(b->caps, p->user.uid, b->a);
	if (links_resolve(b->c, s, b->a, &p->env, NULL, e) < 0)
		return -1;
	spec_env(s, container_hostname(b->c, s, b->a), s->is_tty, NULL, b->a, &p->env);
	/* Also 0: hoyd's own, which a unit file lowers, is not for containers. */
	p->has_oom_score_adj = true;
	p->oom_score_adj = s->host->oom_score_adj;
	spec_rlimits(cfg(b->c->en), s, b->a, &p->rlimits);
	return 0;
}
