/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each fence's rules for the way out. */
#ifndef AGENTFW_NFT_OUT_H
#define AGENTFW_NFT_OUT_H

#include "fw/nft/table.h"

/* direct[v6]: the set of address rules holds something. */
void nft_out(const struct nft *n, struct batch *b, const struct nft_fence *f, const bool direct[2]);

#endif
