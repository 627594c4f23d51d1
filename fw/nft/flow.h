/* SPDX-License-Identifier: GPL-2.0-or-later */
/* On the way out, after the rules of out.c: flows with a mark of ours, and flows without one. */
#ifndef AGENTFW_NFT_FLOW_H
#define AGENTFW_NFT_FLOW_H

#include "fw/nft/table.h"

/* Makes the rules of a fence's chains marked, unmarked, to_learned and inspected of one family.
 * direct: the family's set of address rules holds something. */
void nft_flow(const struct nft *n, struct batch *b, const struct nft_fence *f, bool v6,
	      bool direct);

#endif
