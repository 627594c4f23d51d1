/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the engine is asked, and how its verdict takes effect. */
#ifndef AGENTFW_NFT_VERDICT_H
#define AGENTFW_NFT_VERDICT_H

#include "fw/nft/table.h"

/* Ends the rule and adds it: the engine is asked, with `question` (PKT_ASK...) in the mark. */
void nft_ask(struct batch *b, struct nftnl_rule *r, const struct nft_fence *f, uint32_t question);
/* Makes the rules of a fence's queue, and for the engine's verdicts on what leaves. */
void nft_verdict(const struct nft *n, struct batch *b, const struct nft_fence *f);
/* The engine's verdicts on what comes in; chain: FENCE_IN_ANSWERED or FENCE_OWN_ANSWERED. */
void nft_in_verdict(const struct nft *n, struct batch *b, const struct nft_fence *f,
		    unsigned chain);

#endif
