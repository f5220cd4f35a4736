/* SPDX-License-Identifier: Apache-2.0 */
/* ctnetlink: dump, then delete what was picked. */
#include "kernel/conntrack.h"

#include "kernel/netlink.h"

#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

struct walk {
	bool (*wanted)(void *arg, const struct ct_flow *f);
	void *arg;
	struct nl_batch doomed;
	size_t n;
};

static void put_header(struct nl_batch *b, uint16_t type)
{
	struct nfgenmsg g = { .nfgen_family = AF_INET, .version = NFNETLINK_V0 };

	nl_msg(b, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type), 0, &g, sizeof(g));
}

static bool copy(const struct nl_attrs *a, unsigned type, void *out, size_t n)
{
	if (!a->attr[type] || a->len[type] < n)
		return false;
	memcpy(out, a->attr[type], n);
	return true;
}

static bool nested(const struct nl_attrs *a, unsigned type, struct nl_attrs *out)
{
	if (!a->attr[type])
		return false;
	nl_parse(a->attr[type], a->len[type], out);
	return true;
}

static int visit(void *arg, const struct nl_attrs *a)
{
	struct walk *w = arg;
	struct nl_attrs tuple, ip, proto;
	struct ct_flow f = { 0 };
	uint8_t num;

	if (!nested(a, CTA_TUPLE_ORIG, &tuple) || !nested(&tuple, CTA_TUPLE_PROTO, &proto) ||
	    !nested(&tuple, CTA_TUPLE_IP, &ip) || !copy(&proto, CTA_PROTO_NUM, &num, 1) ||
	    num != IPPROTO_UDP || !copy(&proto, CTA_PROTO_SRC_PORT, &f.src_port, 2) ||
	    !copy(&proto, CTA_PROTO_DST_PORT, &f.dst_port, 2) || !copy(&ip, CTA_IP_V4_SRC, &f.src, 4) ||
	    !copy(&ip, CTA_IP_V4_DST, &f.dst, 4))
		return 0;
	if (!nested(a, CTA_TUPLE_REPLY, &tuple) || !nested(&tuple, CTA_TUPLE_IP, &ip) ||
	    !copy(&ip, CTA_IP_V4_SRC, &f.reply_src, 4))
		return 0;
	f.src_port = ntohs(f.src_port);
	f.dst_port = ntohs(f.dst_port);
	if (!w->wanted(w->arg, &f))
		return 0;
	put_header(&w->doomed, IPCTNL_MSG_CT_DELETE);
	nl_attr(&w->doomed, CTA_TUPLE_ORIG | NLA_F_NESTED, a->attr[CTA_TUPLE_ORIG], a->len[CTA_TUPLE_ORIG]);
	if (a->attr[CTA_ZONE])
		nl_attr(&w->doomed, CTA_ZONE, a->attr[CTA_ZONE], a->len[CTA_ZONE]);
	w->n++;
	return 0;
}

int ct_forget_udp(bool (*wanted)(void *arg, const struct ct_flow *f), void *arg, size_t *n)
{
	cleanup_nl_batch struct nl_batch b = { 0 };
	struct walk w = { .wanted = wanted, .arg = arg };
	cleanup_close int fd = nl_open(NETLINK_NETFILTER);

	if (fd < 0)
		return fd;
	put_header(&b, IPCTNL_MSG_CT_GET);
	int r = nl_query(fd, &b, true, sizeof(struct nfgenmsg), visit, &w);
	if (r == 0 && w.n) {
		r = nl_send(fd, &w.doomed, NULL);
		/* One that ended by itself meanwhile. */
		if (r == -ENOENT)
			r = 0;
	}
	nl_batch_release(&w.doomed);
	if (r == 0 && n)
		*n = w.n;
	return r;
}
