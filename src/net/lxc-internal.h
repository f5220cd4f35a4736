/* SPDX-License-Identifier: Apache-2.0 */
/* What the parser (lxc.c) leaves for the hands (lxc-apply.c). */
#pragma once

#include "net/lxc.h"

#include "kernel/netlink.h"

enum lxc_type { LXC_EMPTY, LXC_NONE, LXC_VETH, LXC_MACVLAN, LXC_VLAN, LXC_IPVLAN, LXC_PHYS };

struct lxc_addr {
	struct nl_ip ip, broadcast; /* broadcast.family 0: derived */
	unsigned prefix;
};

enum lxc_gateway_kind { LXC_GW_NONE, LXC_GW_ADDR, LXC_GW_AUTO, LXC_GW_DEV };
struct lxc_gateway {
	enum lxc_gateway_kind kind;
	struct nl_ip ip;
};

struct lxc_section {
	enum lxc_type type;
	int number; /* N of lxc.net.N, or -1 */
	bool up, has_mac;
	uint8_t mac[6];
	char link[IFNAMSIZ], name[IFNAMSIZ], pair[IFNAMSIZ];
	uint32_t mtu, macvlan_mode, ipvlan_mode;
	uint16_t vlan_id;
	bool has_vlan_id;
	struct lxc_addr addr[NET_LXC_MAX_ADDRS];
	size_t n_addr;
	struct lxc_gateway gateway4, gateway6;
};

struct net_lxc {
	struct arena *arena;
	struct lxc_section *s[NET_LXC_MAX_SECTIONS];
	size_t n;
	struct net_lxc_line others[NET_LXC_MAX_KEYS];
	size_t n_others;
};
