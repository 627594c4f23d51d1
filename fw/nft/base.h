/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table's rules for packets that go out and come in: to which fence does a packet belong? */
#ifndef AGENTFW_NFT_BASE_H
#define AGENTFW_NFT_BASE_H

#include "fw/nft/table.h"

void nft_base_out(const struct nft *n, struct batch *b);
void nft_base_in(struct batch *b);
/* Sockets of this cgroup directory that are in no fence reach nothing. Adding it twice is no
 * error. */
void nft_above(struct batch *b, uint64_t above_id);
/* In chain: a new entry that a helper of conntrack expected loses the mark of another flow. */
void nft_expected(struct batch *b, const char *chain);
/* TCP is reset, other packets get an ICMP error, and what cannot be answered is dropped. So is a
 * packet with a foreign source address: the answer would go to that address. */
void nft_reject_all(const struct nft *n, struct batch *b, const char *chain);

#endif
