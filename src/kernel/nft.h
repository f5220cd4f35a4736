/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nftables, the hot part: elements of sets and maps that exist, added and deleted by raw nfnetlink in one
 * transaction. Tables, chains and rules are written by the `nft` program when the engine starts (net/rules.c).
 * Called by net/. Primitives: 0 or -errno; all or nothing.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NFT_ELEM_MAX 32 /* bytes of a key or a value */

struct nft_elem {
	const char *set;
	/* As the kernel holds them: network order, each part of a concatenation padded to four bytes. */
	uint8_t key[NFT_ELEM_MAX], data[NFT_ELEM_MAX];
	uint8_t key_n, data_n; /* data_n 0: a set */
};
/* A netlink socket for the calls below, with room for large batches. */
int nft_open(void) NODISCARD;
int nft_elems_add(int fd, const char *table, const struct nft_elem *v, size_t n) NODISCARD;
/* -ENOENT if one of them is not there: then none was deleted. */
int nft_elems_del(int fd, const char *table, const struct nft_elem *v, size_t n) NODISCARD;
