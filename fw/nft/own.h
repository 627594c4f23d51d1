/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules for what a fence sends to an address of this machine that only the fence itself may
 * get. */
#ifndef AGENTFW_NFT_OWN_H
#define AGENTFW_NFT_OWN_H

#include "fw/nft/table.h"

void nft_own(struct batch *b, const struct nft_fence *f);

#endif
