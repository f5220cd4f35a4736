/* SPDX-License-Identifier: Apache-2.0 */
/* nfnetlink batches of set elements. */
#include "kernel/nft.h"

#include "kernel/netlink.h"

#include "base/fs.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#define ELEMS_PER_MSG 500 /* nla_len has 16 bits */
#define SEND_ROOM     (4 << 20)

int nft_open(void)
{
	const int size = SEND_ROOM;
	cleanup_close int fd = nl_open(NETLINK_NETFILTER);

	if (fd >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	}
	return TAKE_FD(fd);
}

static void marker(struct nl_batch *b, uint16_t type)
{
	struct nfgenmsg g = { .nfgen_family = AF_UNSPEC,
			      .version = NFNETLINK_V0,
			      .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	b->no_ack_bit = true;
	nl_msg(b, type, 0, &g, sizeof(g));
	b->no_ack_bit = false;
}

static void value(struct nl_batch *b, uint16_t type, const uint8_t *p, size_t n)
{
	size_t nest = nl_nest(b, type);

	nl_attr(b, NFTA_DATA_VALUE, p, n);
	nl_nest_end(b, nest);
}

static size_t put_elems(struct nl_batch *b, const char *table, const struct nft_elem *v, size_t n, bool add)
{
	struct nfgenmsg g = { .nfgen_family = NFPROTO_IPV4, .version = NFNETLINK_V0 };
	size_t done = 0;

	nl_msg(b, NFNL_SUBSYS_NFTABLES << 8 | (add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM),
	       add ? NLM_F_CREATE : 0, &g, sizeof(g));
	nl_attr_str(b, NFTA_SET_ELEM_LIST_TABLE, table);
	nl_attr_str(b, NFTA_SET_ELEM_LIST_SET, v->set);
	size_t list = nl_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	while (done < n && done < ELEMS_PER_MSG && strcmp(v[done].set, v->set) == 0) {
		size_t el = nl_nest(b, NFTA_LIST_ELEM);
		value(b, NFTA_SET_ELEM_KEY, v[done].key, v[done].key_n);
		if (add && v[done].data_n)
			value(b, NFTA_SET_ELEM_DATA, v[done].data, v[done].data_n);
		nl_nest_end(b, el);
		done++;
	}
	nl_nest_end(b, list);
	return done;
}

/* The kernel works through a batch inside sendmsg(): the answers are there when it returns. */
static int transact(int fd, const struct nl_batch *b)
{
	char buf[8192] __attribute__((aligned(8)));
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	int first = 0;

	if (sendto(fd, b->p, b->n, 0, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? first : -errno;
		NL_FOR_EACH (h, buf, n) {
			const struct nlmsgerr *er = NLMSG_DATA(h);
			if (h->nlmsg_type == NLMSG_ERROR && er->error && !first)
				first = er->error;
		}
	}
}

static int elems(int fd, const char *table, const struct nft_elem *v, size_t n, bool add)
{
	cleanup_nl_batch struct nl_batch b = { 0 };

	if (!n)
		return 0;
	marker(&b, NFNL_MSG_BATCH_BEGIN);
	for (size_t i = 0; i < n;)
		i += put_elems(&b, table, v + i, n - i, add);
	marker(&b, NFNL_MSG_BATCH_END);
	return transact(fd, &b);
}

int nft_elems_add(int fd, const char *table, const struct nft_elem *v, size_t n)
{
	return elems(fd, table, v, n, true);
}

int nft_elems_del(int fd, const char *table, const struct nft_elem *v, size_t n)
{
	return elems(fd, table, v, n, false);
}
