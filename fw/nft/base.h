/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of the whole table where packets go out and come in: to which fence they belong. */
#ifndef AGENTFW_NFT_BASE_H
#define AGENTFW_NFT_BASE_H

#include "fw/nft/table.h"

void nft_base_out(const struct nft *n, struct batch *b);
void nft_base_in(struct batch *b);
/* What is in this directory, and in no fence, reaches nothing. That may be known already. */
void nft_above(struct batch *b, uint64_t above_id);
/* TCP is reset, the rest gets an ICMP error, and what cannot be answered is dropped. So is what
 * goes out in the name of somebody else: the answer would go to him. */
void nft_reject_all(const struct nft *n, struct batch *b, const char *chain);

#endif
