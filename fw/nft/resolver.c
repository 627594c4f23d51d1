// SPDX-License-Identifier: GPL-2.0-or-later
/* Only the fence itself may speak to its resolver. A question from any other process on this
 * machine would be recorded as the fence's, and its addresses learned.
 *
 *     chain out {
 *         ...
 *         oif "lo" ip daddr . meta l4proto . th dport @resolvers4 goto reject_all
 *         oif "lo" ip6 daddr . meta l4proto . th dport @resolvers6 goto reject_all
 *         ...
 *     }
 */
#include "fw/nft/resolver.h"

#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "fw/nft/match.h"
#include "fw/nft/names.h"
#include "fw/nft/set.h"

static const char *const sets[] = {SET_RESOLVERS4, SET_RESOLVERS6};

void nft_resolver_rules(struct batch *b)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct nftnl_rule *r = batch_rule_new(b, CHAIN_OUT);

		batch_comment(b, r, "a process outside all fences may not ask a fence's resolver");
		nft_match_oif_lo(r, true);
		nft_match_family(r, v6);
		nft_match_destination(r, sets[v6], v6);
		x_verdict(r, NFT_GOTO, CHAIN_REJECT_ALL);
		batch_rule(b, r);
	}
}

void nft_resolver_elems(struct batch *b, const struct nft_fence *f, uint16_t type)
{
	static const struct addr self[] = {{4, {127, 0, 0, 1}}, {6, {[15] = 1}}};
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};

	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct nftnl_set *s = batch_elems_new(b, sets[v6]);

		for (size_t i = 0; i < sizeof(protocols); i++) {
			struct set_key k = set_key_addr(&self[v6], protocols[i], f->dns_port);

			batch_elem(s, &k, NULL, NULL);
		}
		batch_elems(b, type, s);
	}
}
