/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by net's files. */
#pragma once

#include "net/net.h"

#include "base/list.h"
#include "kernel/netlink.h"
#include "kernel/nft.h"
#include "net/ipam.h"

#include <pthread.h>

struct net_ns {
	int fd;
	int nl; /* rtnetlink socket inside, or -1 */
};

/* A published port: the socket keeps host programs from taking it. */
struct held {
	enum net_proto proto;
	uint16_t port;
	struct in_addr ip;
	int fd; /* -1: taken by somebody while we were away; the rules still win */
	struct held *next;
};

/* What one container has. Removed by leave. */
struct member {
	struct in_addr ip;
	char veth[IFNAMSIZ];
	struct net_port *ports;
	size_t n_ports;
	struct held **held;
};

/* An address whose veth may still be there: given out again when it has gone. */
struct dying {
	struct in_addr ip;
	char veth[IFNAMSIZ];
};

struct net_pool {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool has_thread, stop;
	struct net_ns *v[16];
	unsigned n, want;
};

struct net {
	char bridge[IFNAMSIZ], table[IFNAMSIZ + 8];
	/* icc off without br_netfilter: the bridge itself keeps its ports apart. With it the rules do, and a port
	 * that is published stays reachable for neighbours. */
	bool isolate;
	bool made_bridge; /* by this process */
	bool has_bridge, nft, icc, ip_masq, ip_forward;
	uint32_t mtu;
	struct in_addr gateway, bind; /* gateway: what containers route through */
	struct in_addr bridge_ip;
	unsigned prefix;
	int bridge_index;

	pthread_mutex_t lock; /* addresses, ports, members */
	struct ipam ipam;
	struct map members; /* id → struct member */
	struct dying *dying;
	size_t n_dying, cap_dying;
	struct held **by_port[3]; /* [proto][port] */
	uint16_t port_first, port_last, port_next[3];

	pthread_mutex_t rt_lock; /* one conversation at a time */
	int rt;
	pthread_mutex_t nft_lock;
	int nft_fd;
	bool rules_written;

	struct net_pool pool;
};

/* ns.c */
void net_pool_open(struct net *n, unsigned want);
void net_pool_close(struct net *n);
/* rtnetlink socket inside the namespace. -errno */
int net_ns_rt(struct net_ns *ns);

/* publish.c; n->lock held. Ports chosen are written to out[]; on failure nothing is taken. */
int net_publish_locked(struct net *n, const struct net_port *want, size_t count, struct net_port *out,
		       struct held **held, struct err **e);
void net_unpublish_locked(struct net *n, struct held *h);
/* Reserves what was given before; a port somebody else has now is reserved without a socket. */
struct held *net_republish_locked(struct net *n, const struct net_port *p);
void net_publish_init(struct net *n);
void net_publish_release(struct net *n);

/* rules.c */
int net_rules_write(struct net *n, struct err **e);
void net_rules_remove(struct net *n);
int net_rules_add_ports(struct net *n, struct in_addr ip, const struct net_port *p, size_t count);
void net_rules_del_ports(struct net *n, struct in_addr ip, const struct net_port *p, size_t count);

/* endpoint.c */
void net_member_free(struct net *n, struct member *m);
