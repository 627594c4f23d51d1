/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Only the fence itself speaks to its resolver. */
#ifndef AGENTFW_NFT_RESOLVER_H
#define AGENTFW_NFT_RESOLVER_H

#include "fw/nft/table.h"

void nft_resolver_rules(struct batch *b);   /* of the whole table, at the end of `out` */
void nft_resolver_answers(struct batch *b); /* the same, of `in` */
/* The fence's chain for what its resolver answers. */
void nft_resolved(struct batch *b, const struct nft_fence *f);
/* type: NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM, for this fence's resolver. */
void nft_resolver_elems(struct batch *b, const struct nft_fence *f, uint16_t type);

#endif
