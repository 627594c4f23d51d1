/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine is asked, and its verdict takes effect. */
#ifndef AGENTFW_NFT_VERDICT_H
#define AGENTFW_NFT_VERDICT_H

#include "fw/nft/table.h"

/* Ends the rule and adds it: the engine is asked, with this in the mark (PKT_ASK...). */
void nft_ask(struct batch *b, struct nftnl_rule *r, const struct nft_fence *f, uint32_t question);
/* Makes the rules of a fence's queue, and of what the engine says about what leaves. */
void nft_verdict(const struct nft *n, struct batch *b, const struct nft_fence *f);
/* What it says about what comes in; chain: FENCE_IN_ANSWERED or FENCE_OWN_ANSWERED. */
void nft_in_verdict(const struct nft *n, struct batch *b, const struct nft_fence *f,
		    unsigned chain);

#endif
