/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink sockets, messages and their answers. */
#include "kernel/netlink.h"

#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif
#define RECV_MAX (64 * 1024)

int nl_open(int protocol)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	const int on = 1;
	cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int nl_run_in(int nsfd, int (*fn)(void *arg), void *arg)
{
	cleanup_close int home = fs_open("/proc/thread-self/ns/net", O_RDONLY, 0);

	if (home < 0)
		return home;
	if (setns(nsfd, CLONE_NEWNET) < 0)
		return -errno;
	int r = fn(arg);
	/* A thread that stayed there would do the engine's work in a container's network. */
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	return r;
}

static int open_here(void *arg)
{
	return nl_open(*(int *)arg);
}

int nl_open_in(int nsfd, int protocol)
{
	return nl_run_in(nsfd, open_here, &protocol);
}

/* --- writing --- */

void nl_batch_release(struct nl_batch *b)
{
	free(b->p);
	*b = (struct nl_batch){ 0 };
}

void nl_batch_reset(struct nl_batch *b)
{
	b->n = 0;
	b->at = 0;
	b->n_msgs = 0;
}

static void *room(struct nl_batch *b, size_t n)
{
	size_t padded = NLMSG_ALIGN(n);

	if (b->n + padded > b->cap) {
		b->cap = MAX(b->cap * 2, b->n + padded + 1024);
		b->p = xreallocarray(b->p, b->cap, 1);
	}
	void *at = b->p + b->n;
	memset(at, 0, padded);
	b->n += padded;
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)(b->p + b->at);
	h->nlmsg_len = (uint32_t)(b->n - b->at);
	return at;
}

void nl_msg(struct nl_batch *b, uint16_t type, uint16_t flags, const void *payload, size_t n)
{
	b->at = b->n;
	struct nlmsghdr *h = room(b, sizeof(*h));
	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST | (b->no_ack_bit ? 0 : NLM_F_ACK));
	h->nlmsg_seq = ++b->n_msgs;
	nl_raw(b, payload, n);
}

void nl_raw(struct nl_batch *b, const void *data, size_t n)
{
	if (n)
		memcpy(room(b, n), data, n);
}

void nl_attr(struct nl_batch *b, uint16_t type, const void *data, size_t n)
{
	char *at = room(b, sizeof(struct nlattr) + n);
	struct nlattr a = { .nla_len = (uint16_t)(sizeof(a) + n), .nla_type = type };

	memcpy(at, &a, sizeof(a));
	if (n)
		memcpy(at + sizeof(a), data, n);
}

void nl_attr_u8(struct nl_batch *b, uint16_t type, uint8_t v)
{
	nl_attr(b, type, &v, sizeof(v));
}

void nl_attr_u16(struct nl_batch *b, uint16_t type, uint16_t v)
{
	nl_attr(b, type, &v, sizeof(v));
}

void nl_attr_u32(struct nl_batch *b, uint16_t type, uint32_t v)
{
	nl_attr(b, type, &v, sizeof(v));
}

void nl_attr_be32(struct nl_batch *b, uint16_t type, uint32_t v)
{
	v = htonl(v);
	nl_attr(b, type, &v, sizeof(v));
}

void nl_attr_str(struct nl_batch *b, uint16_t type, const char *s)
{
	nl_attr(b, type, s, strlen(s) + 1);
}

size_t nl_nest(struct nl_batch *b, uint16_t type)
{
	size_t at = b->n;

	nl_attr(b, (uint16_t)(type | NLA_F_NESTED), NULL, 0);
	return at;
}

void nl_nest_end(struct nl_batch *b, size_t nest)
{
	struct nlattr *a = (struct nlattr *)(void *)(b->p + nest);

	a->nla_len = (uint16_t)(b->n - nest);
}

/* --- reading --- */

void nl_parse(const void *data, size_t n, struct nl_attrs *out)
{
	const char *p = data;

	memset(out->attr, 0, sizeof(out->attr));
	memset(out->len, 0, sizeof(out->len));
	while (n >= sizeof(struct nlattr)) {
		struct nlattr a;
		memcpy(&a, p, sizeof(a));
		unsigned type = a.nla_type & NLA_TYPE_MASK;
		if (a.nla_len < sizeof(a) || a.nla_len > n)
			return;
		if (type < ARRAY_LEN(out->attr)) {
			out->attr[type] = p + sizeof(a);
			out->len[type] = (uint16_t)(a.nla_len - sizeof(a));
		}
		size_t step = NLA_ALIGN(a.nla_len);
		if (step >= n)
			return;
		p += step;
		n -= step;
	}
}

uint32_t nl_get_u32(const struct nl_attrs *a, unsigned type)
{
	uint32_t v = 0;

	if (a->attr[type] && a->len[type] >= sizeof(v))
		memcpy(&v, a->attr[type], sizeof(v));
	return v;
}

/* An NLMSG_ERROR: 0 is an acknowledgement. */
static int error_of(const struct nlmsghdr *h, struct nl_fail *fail)
{
	const struct nlmsgerr *er = NLMSG_DATA(h);
	size_t fixed = NLMSG_LENGTH(sizeof(*er));

	if (h->nlmsg_len < fixed)
		return -EBADMSG;
	if (er->error == 0)
		return 0;
	if (fail && (h->nlmsg_flags & NLM_F_ACK_TLVS)) {
		struct nl_attrs at;
		size_t skip = fixed;
		if (!(h->nlmsg_flags & NLM_F_CAPPED))
			skip += NLMSG_ALIGN(er->msg.nlmsg_len) - sizeof(er->msg);
		if (skip < h->nlmsg_len) {
			nl_parse((const char *)h + skip, h->nlmsg_len - skip, &at);
			if (at.attr[NLMSGERR_ATTR_MSG])
				(void)snprintf(fail->text, sizeof(fail->text), "%.*s",
					       (int)at.len[NLMSGERR_ATTR_MSG],
					       (const char *)at.attr[NLMSGERR_ATTR_MSG]);
		}
	}
	return er->error;
}

static int send_batch(int fd, const struct nl_batch *b)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	ssize_t r;

	do
		r = sendto(fd, b->p, b->n, 0, (struct sockaddr *)&sa, sizeof(sa));
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static ssize_t receive(int fd, void *buf, size_t n)
{
	for (;;) {
		struct sockaddr_nl sa = { 0 };
		socklen_t sl = sizeof(sa);
		ssize_t r = recvfrom(fd, buf, n, MSG_TRUNC, (struct sockaddr *)&sa, &sl);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if ((size_t)r > n)
			return -EMSGSIZE;
		if (sa.nl_pid == 0) /* from the kernel */
			return r;
	}
}

int nl_send(int fd, struct nl_batch *b, struct nl_fail *fail)
{
	char buf[8192] __attribute__((aligned(8)));
	unsigned answered = 0;
	int first = 0;

	if (fail)
		*fail = (struct nl_fail){ 0 };
	int r = send_batch(fd, b);
	while (r == 0 && answered < b->n_msgs) {
		ssize_t n = receive(fd, buf, sizeof(buf));
		if (n < 0)
			return (int)n;
		NL_FOR_EACH (h, buf, n) {
			/* An answer to something an earlier caller gave up on is not ours. */
			if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_seq == 0 || h->nlmsg_seq > b->n_msgs)
				continue;
			answered++;
			int er = error_of(h, first ? NULL : fail);
			if (er && !first) {
				first = er;
				if (fail)
					fail->index = h->nlmsg_seq - 1;
			}
		}
	}
	return r ? r : first;
}

int nl_query(int fd, struct nl_batch *b, bool dump, size_t hdr, nl_visit fn, void *arg)
{
	struct nlmsghdr *q = (struct nlmsghdr *)(void *)(b->p + b->at);
	struct nl_attrs at;

	if (dump)
		q->nlmsg_flags |= NLM_F_DUMP;
	q->nlmsg_flags &= (uint16_t)~NLM_F_ACK;
	int r = send_batch(fd, b);
	if (r < 0)
		return r;
	cleanup_free char *buf = xreallocarray(NULL, RECV_MAX, 1);
	int stop = 0;
	for (;;) {
		ssize_t n = receive(fd, buf, RECV_MAX);
		if (n < 0)
			return (int)n;
		NL_FOR_EACH (h, buf, n) {
			if (h->nlmsg_seq != q->nlmsg_seq)
				continue;
			if (h->nlmsg_type == NLMSG_ERROR)
				return error_of(h, NULL);
			if (h->nlmsg_type == NLMSG_DONE)
				return stop;
			size_t fixed = NLMSG_LENGTH(NLMSG_ALIGN(hdr));
			if (h->nlmsg_len < fixed)
				return -EBADMSG;
			at.type = h->nlmsg_type;
			at.payload = NLMSG_DATA(h);
			nl_parse((const char *)h + fixed, h->nlmsg_len - fixed, &at);
			if (stop == 0)
				stop = fn(arg, &at);
			if (!dump)
				return stop;
		}
	}
}
