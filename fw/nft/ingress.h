/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each fence's rules for what comes in. */
#ifndef AGENTFW_NFT_INGRESS_H
#define AGENTFW_NFT_INGRESS_H

#include "fw/nft/table.h"

bool nft_has_ingress(const struct nft_fence *f);
/* Makes the chains for what comes in. 0, or -errno of policy_ingress_pairs. */
int nft_ingress(const struct nft *n, struct batch *b, const struct nft_fence *f);
/* On one family's way out: answers in flows that were let in. */
void nft_answers(struct batch *b, const struct nft_fence *f, const char *chain, bool v6);

#endif
