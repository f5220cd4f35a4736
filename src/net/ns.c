/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces, a few of them made ahead. Making one costs about half a millisecond, which a container's start
 * need not wait for: a thread of ours does it after the last one was taken.
 */
#include "net/net-internal.h"

#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* In the new namespace: loopback up; interfaces born here get no IPv6 address of their own making. */
static int prepare(struct net_ns *ns)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	ns->fd = fs_open("/proc/thread-self/ns/net", O_RDONLY, 0);
	if (ns->fd < 0)
		return ns->fd;
	ns->nl = nl_open(NETLINK_ROUTE);
	if (ns->nl < 0)
		return ns->nl;
	cleanup_close int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0 || ioctl(s, SIOCSIFFLAGS, &ifr) < 0)
		return -errno;
	int r = fs_write_small_at(AT_FDCWD, "/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	if (r < 0)
		log_debug(NULL, "no IPv6 to switch off: %s", strerrorname_np(-r));
	return 0;
}

/* Enters a new namespace on this thread, and comes back. */
static int make(struct net_ns **out)
{
	cleanup_close int home = fs_open("/proc/thread-self/ns/net", O_RDONLY, 0);
	cleanup_net_ns struct net_ns *ns = NEW(struct net_ns);

	ns->fd = ns->nl = -1;
	if (home < 0)
		return home;
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	int r = prepare(ns);
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	if (r < 0)
		return r;
	*out = TAKE_PTR(ns);
	return 0;
}

static void *pool_main(void *arg)
{
	struct net *n = arg;
	struct net_pool *p = &n->pool;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		if (p->n >= p->want) {
			pthread_cond_wait(&p->wake, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		struct net_ns *ns = NULL;
		int r = make(&ns);
		pthread_mutex_lock(&p->lock);
		if (r < 0) {
			/* Tried again when somebody asks next. */
			pthread_cond_wait(&p->wake, &p->lock);
		} else if (p->n < p->want) {
			p->v[p->n++] = TAKE_PTR(ns);
		}
		net_ns_free(ns);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

void net_pool_open(struct net *n, unsigned want)
{
	struct net_pool *p = &n->pool;

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	p->want = MIN(want, (unsigned)ARRAY_LEN(p->v));
	if (!p->want)
		return;
	pthread_attr_t at;
	pthread_attr_init(&at);
	pthread_attr_setstacksize(&at, 128 * 1024);
	p->has_thread = pthread_create(&p->thread, &at, pool_main, n) == 0;
	pthread_attr_destroy(&at);
	if (!p->has_thread)
		log_warn(NULL, "cannot start the thread that makes network namespaces ahead");
}

void net_pool_close(struct net *n)
{
	struct net_pool *p = &n->pool;

	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	if (p->has_thread)
		pthread_join(p->thread, NULL);
	while (p->n)
		net_ns_free(p->v[--p->n]);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
}

int net_ns_create(struct net *n, struct net_ns **out, struct err **e)
{
	struct net_pool *p = &n->pool;
	struct net_ns *ns = NULL;

	pthread_mutex_lock(&p->lock);
	if (p->n)
		ns = p->v[--p->n];
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	if (!ns) {
		int r = make(&ns);
		if (r < 0)
			return err_sys(e, -r, "create network namespace");
	}
	*out = ns;
	return 0;
}

int net_ns_adopt(int nsfd, struct net_ns **out, struct err **e)
{
	int fd = fcntl(nsfd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return err_sys(e, errno, "duplicate network namespace descriptor");
	*out = NEW(struct net_ns);
	(*out)->fd = fd;
	(*out)->nl = -1;
	return 0;
}

int net_ns_fd(const struct net_ns *ns)
{
	return ns->fd;
}

int net_ns_rt(struct net_ns *ns)
{
	if (ns->nl < 0)
		ns->nl = nl_open_in(ns->fd, NETLINK_ROUTE);
	return ns->nl;
}

void net_ns_free(struct net_ns *ns)
{
	if (!ns)
		return;
	fd_close(&ns->fd);
	fd_close(&ns->nl);
	free(ns);
}
