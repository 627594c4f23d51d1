/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which packets a rule may judge by the fixed places of their headers, and which carry nothing. */
#ifndef AGENTFW_NFT_PLAIN_H
#define AGENTFW_NFT_PLAIN_H

#include "fw/nft/table.h"

/* Of the whole table: CHAIN_NO_PAYLOAD4 and 6, and the set of protocols that may follow an IPv6
 * header at once. TCP without payload is accepted, anything else returns. Only for plain TCP. */
void nft_no_payload(struct batch *b);
/* Ends the rule with a jump to those chains, and adds it. */
void nft_pass_no_payload(struct batch *b, struct nftnl_rule *r, bool v6);
/* The same for a flow in CT_OWN: what passes turns it into CT_DOUBT. */
void nft_pass_doubtful(struct batch *b, struct nftnl_rule *r, bool v6);
/* IPv4 options and IPv6 extension headers can name another destination (source routing): no packet
 * that has them is let through without being looked at. */
void nft_not_plain(struct batch *b, const struct nft_fence *f, const char *chain, bool v6);
/* Makes the rules of FENCE_OPTIONS4 or 6, where nft_not_plain sends such packets. */
void nft_options(struct batch *b, const struct nft_fence *f, bool v6);

#endif
