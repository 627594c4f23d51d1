/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does a packet stay on this machine? */
#ifndef AGENTFW_NFT_WAY_H
#define AGENTFW_NFT_WAY_H

#include "fw/nft/table.h"

/* Makes the table's chain CHAIN_WAY. It gives a fence's packet PKT_PASS, and PKT_STAYS if the
 * packet stays on this machine. */
void nft_way(const struct nft *n, struct batch *b);

#endif
