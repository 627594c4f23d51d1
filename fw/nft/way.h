/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does a packet stay on this machine? */
#ifndef AGENTFW_NFT_WAY_H
#define AGENTFW_NFT_WAY_H

#include "fw/nft/table.h"

/* Makes the rules of CHAIN_WAY, of the whole table: it gives a packet of a fence's PKT_PASS, and
 * PKT_STAYS where it stays on this machine. */
void nft_way(const struct nft *n, struct batch *b);

#endif
