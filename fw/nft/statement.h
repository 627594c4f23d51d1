/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a rule does with a packet that it matches, where that takes more than one expression. All
 * of them use NFT_REG_1. */
#ifndef AGENTFW_NFT_STATEMENT_H
#define AGENTFW_NFT_STATEMENT_H

#include "fw/nft/expr.h"
#include "fw/nft/nft.h"

/* (mark & ~mask) | bits becomes the packet's or the connection's mark. */
void nft_set_mark(struct nftnl_rule *r, uint32_t mask, uint32_t bits);
void nft_set_ct_mark(struct nftnl_rule *r, uint32_t mask, uint32_t bits);
/* The flow is this fence's, in this state: see nft_state in match.h. */
void nft_set_state(struct nftnl_rule *r, const struct nft_fence *f, uint32_t state, bool local);
/* Sets the connection's label (CT_LABEL_BIT). It cannot be taken off. */
void nft_set_ct_label(struct nftnl_rule *r);
/* Connections are looked up in this zone by their original direction. Only in a chain before
 * conntrack. */
void nft_set_zone(struct nftnl_rule *r, uint16_t zone);
void nft_redirect(struct nftnl_rule *r, uint16_t port);
/* That label, as the 128 bits that nft_match_ct_label compares. */
void nft_label_bits(uint32_t ret[4]);

#endif
