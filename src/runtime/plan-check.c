/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan-internal.h"

#include "kernel/cgroup.h"
#include "kernel/mount.h"
#include "kernel/ns.h"

#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/stat.h>

/* One walk over a plan whose bytes nobody vouches for. Everything launch.c follows is looked at here. */
struct walk {
	const char *p;
	size_t n, n_fds;
	bool bad;
};

static void str(struct walk *w, struct plan_str s)
{
	if (s.off == 0 && s.n == 0)
		return;
	if (s.off < sizeof(struct plan_hdr) || s.off >= w->n || s.n >= w->n - s.off ||
	    w->p[s.off + s.n] != '\0')
		w->bad = true;
}

/* A string that must be there, and must be nothing but a string. */
static void text(struct walk *w, struct plan_str s)
{
	str(w, s);
	if (!w->bad && (s.off == 0 || memchr(w->p + s.off, 0, s.n)))
		w->bad = true;
}

static void *list(struct walk *w, struct plan_list l, size_t size)
{
	if (l.n == 0)
		return NULL;
	if (l.n > PLAN_MAX_LIST || l.off < sizeof(struct plan_hdr) || l.off % PLAN_ALIGN || l.off >= w->n ||
	    l.n * size > w->n - l.off) {
		w->bad = true;
		return NULL;
	}
	return (char *)(uintptr_t)w->p + l.off;
}

static void vec(struct walk *w, struct plan_vec v, bool needed)
{
	const uint64_t *o;

	if (v.off == 0 && v.n == 0 && !needed)
		return;
	if (needed && v.n == 0)
		w->bad = true;
	o = list(w, (struct plan_list){ v.off, v.n + 1 }, sizeof(uint64_t));
	if (!o || v.n >= PLAN_MAX_LIST || o[v.n] != 0) {
		w->bad = true;
		return;
	}
	for (uint32_t i = 0; i < v.n; i++)
		if (o[i] < sizeof(struct plan_hdr) || o[i] >= w->n)
			w->bad = true;
}

static void fd(struct walk *w, int32_t i)
{
	if (i != PLAN_NO_FD && (i < 0 || (size_t)i >= w->n_fds))
		w->bad = true;
}

static void kvs(struct walk *w, struct plan_list l, bool value_needed)
{
	const struct plan_kv *kv = list(w, l, sizeof(*kv));

	for (uint32_t i = 0; kv && i < l.n; i++) {
		text(w, kv[i].k);
		if (value_needed || kv[i].v.off)
			text(w, kv[i].v);
	}
}

static void strs(struct walk *w, struct plan_list l)
{
	const struct plan_str *s = list(w, l, sizeof(*s));

	for (uint32_t i = 0; s && i < l.n; i++)
		text(w, s[i]);
}

static bool is_prop(uint32_t p)
{
	return p == MNT_SHARED || p == MNT_SLAVE || p == MNT_PRIVATE || p == MNT_UNBINDABLE;
}

static void mounts(struct walk *w, const struct plan_hdr *h)
{
	const struct plan_mount *m = list(w, h->mounts, sizeof(*m));

	for (uint32_t i = 0; m && i < h->mounts.n && !w->bad; i++, m++) {
		if (m->kind < PLAN_MOUNT_FS || m->kind > PLAN_MOUNT_DIR ||
		    m->flags & ~(uint32_t)PLAN_M_ALL_FLAGS_ || m->n_props > PLAN_MAX_PROPS ||
		    m->idmap > h->idmaps.n)
			w->bad = true;
		for (uint32_t k = 0; !w->bad && k < m->n_props; k++)
			if (!is_prop(m->prop[k]))
				w->bad = true;
		if ((m->set | m->clear | m->set_rec | m->clear_rec | m->late_set) & ~MNT_ATTR_ALL ||
		    (m->set | m->set_rec | m->late_set) & MNT_ATTR_IDMAP)
			w->bad = true;
		text(w, m->dest);
		str(w, m->type);
		str(w, m->source);
		str(w, m->fallback);
		kvs(w, m->opts, false);
		fd(w, m->fd);
		if (m->kind == PLAN_MOUNT_FS)
			text(w, m->type);
		if ((m->kind == PLAN_MOUNT_BIND && m->fd < 0) || m->kind == PLAN_MOUNT_SYMLINK)
			text(w, m->source);
	}
}

static void devices(struct walk *w, const struct plan_hdr *h)
{
	const struct plan_device *d = list(w, h->devices, sizeof(*d));

	for (uint32_t i = 0; d && i < h->devices.n; i++) {
		text(w, d[i].path);
		if (d[i].bind > PLAN_DEV_MADE)
			w->bad = true;
		if (!S_ISCHR(d[i].mode) && !S_ISBLK(d[i].mode) && !S_ISFIFO(d[i].mode))
			w->bad = true;
	}
}

static void hooks(struct walk *w, const struct plan_hdr *h)
{
	bool any = false;

	for (int k = 0; k < PLAN_N_HOOKS; k++) {
		const struct plan_hook *hk = list(w, h->hooks[k], sizeof(*hk));

		for (uint32_t i = 0; hk && i < h->hooks[k].n; i++) {
			any = true;
			text(w, hk[i].path);
			vec(w, hk[i].argv, true);
			vec(w, hk[i].envp, false);
			if (hk[i].timeout_ms < 0)
				w->bad = true;
		}
	}
	str(w, h->bundle);
	if (any || h->listener_path.off) {
		text(w, h->state_head);
		text(w, h->state_tail);
	}
}

static void namespaces(struct walk *w, const struct plan_hdr *h)
{
	const struct plan_ns *ns = list(w, h->joins, sizeof(*ns));
	const struct plan_idmap *im = list(w, h->idmaps, sizeof(*im));

	for (uint32_t i = 0; ns && i < h->joins.n; i++) {
		if ((ns[i].bit & ~NS_ALL) || ns[i].bit == 0 || (ns[i].bit & (ns[i].bit - 1)))
			w->bad = true;
		fd(w, ns[i].fd);
		if (ns[i].fd < 0)
			text(w, ns[i].path);
	}
	for (uint32_t i = 0; im && i < h->idmaps.n; i++) {
		text(w, im[i].uid);
		text(w, im[i].gid);
	}
	if ((h->clone_flags | h->unshare_flags | h->exec_ns) & ~NS_ALL)
		w->bad = true;
	str(w, h->uid_map);
	str(w, h->gid_map);
	str(w, h->time_offsets);
}

static void process(struct walk *w, const struct plan_hdr *h)
{
	const struct plan_netdev *nd = list(w, h->netdevs, sizeof(*nd));

	vec(w, h->argv, true);
	vec(w, h->envp, false);
	vec(w, h->lookup, false);
	text(w, h->cwd);
	(void)list(w, h->groups, sizeof(uint32_t));
	(void)list(w, h->rlimits, sizeof(struct plan_rlimit));
	str(w, h->apparmor);
	str(w, h->selinux);
	str(w, h->keyring);
	str(w, h->cpu_initial);
	str(w, h->cpu_final);
	str(w, h->mempolicy_nodes);
	if ((h->cpu_initial.off && h->cpu_initial.n != PLAN_CPU_BYTES) ||
	    (h->cpu_final.off && h->cpu_final.n != PLAN_CPU_BYTES) ||
	    (h->mempolicy_nodes.off && h->mempolicy_nodes.n != PLAN_CPU_BYTES))
		w->bad = true;
	for (uint32_t i = 0; nd && i < h->netdevs.n; i++) {
		text(w, nd[i].name);
		text(w, nd[i].new_name);
	}
	if (h->bpf.n > BPF_MAXINSNS)
		w->bad = true;
	else
		(void)list(w, h->bpf, sizeof(struct sock_filter));
	if (h->preserve_fds > PLAN_MAX_FDS * 16)
		w->bad = true;
	str(w, h->listener_path);
	if (h->listener_path.off) {
		text(w, h->listener_path);
		text(w, h->listener_head);
		text(w, h->listener_middle);
		text(w, h->listener_tail);
	}
	if (h->flags & PLAN_SECCOMP_NOTIFY && !h->listener_path.off)
		w->bad = true;
}

int plan_check(const void *plan, size_t n, size_t n_fds)
{
	const struct plan_hdr *h = plan;
	struct walk w = { .p = plan, .n = n, .n_fds = n_fds };

	if (n < sizeof(*h) + 1 || n > PLAN_MAX_BYTES || (uintptr_t)plan % PLAN_ALIGN || w.p[n - 1] != '\0')
		return -EBADMSG;
	if (h->magic != PLAN_MAGIC || h->version != PLAN_VERSION || h->total != n ||
	    (h->kind != PLAN_INIT && h->kind != PLAN_EXEC) || h->n_fds > n_fds ||
	    h->flags & ~(uint32_t)PLAN_ALL_FLAGS_)
		return -EBADMSG;
	namespaces(&w, h);
	str(&w, h->cgroup);
	if (!w.bad && h->cgroup.off && cgroup_prog_check(w.p + h->cgroup.off, h->cgroup.n) < 0)
		return -EBADMSG;
	fd(&w, h->root_fd);
	fd(&w, h->start_fd);
	fd(&w, h->exec_pidfd);
	fd(&w, h->exec_root_fd);
	str(&w, h->root_path);
	if (h->kind == PLAN_INIT && h->flags & (PLAN_HAS_ROOT | PLAN_CHROOT_ONLY) && h->root_fd < 0)
		text(&w, h->root_path);
	if (h->root_prop && !is_prop(h->root_prop))
		w.bad = true;
	mounts(&w, h);
	devices(&w, h);
	kvs(&w, h->links, true);
	strs(&w, h->masked);
	strs(&w, h->readonly);
	str(&w, h->hostname);
	str(&w, h->domainname);
	str(&w, h->mount_label);
	kvs(&w, h->sysctls, true);
	hooks(&w, h);
	process(&w, h);
	return w.bad ? -EBADMSG : 0;
}

enum plan_kind plan_kind(const void *plan)
{
	return PLAN_HDR(plan)->kind == PLAN_EXEC ? PLAN_EXEC : PLAN_INIT;
}

bool plan_has_tty(const void *plan)
{
	return PLAN_HDR(plan)->flags & PLAN_TTY;
}
