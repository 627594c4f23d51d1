// SPDX-License-Identifier: GPL-2.0-or-later
/* Does the packet stay on this machine? It gets PKT_PASS, and PKT_STAYS if so. A later rule that
 * asks the engine replaces PKT_PASS by its question.
 *
 *     chain way {
 *         ct label set 117                                 # if last look
 *         ct status dnat goto way_redirected
 *         meta mark set meta mark & ~$PKT_MARK_MASK | $PKT_PASS
 *         oif "lo" meta mark set meta mark | $PKT_STAYS
 *     }
 *     chain way_redirected {
 *         meta mark set meta mark & ~$PKT_MARK_MASK | $PKT_PASS
 *         fib daddr type local meta mark set meta mark | $PKT_STAYS            # if fib
 *         ip daddr 127.0.0.0/8 meta mark set meta mark | $PKT_STAYS            # if no fib
 *         ip6 daddr ::1 meta mark set meta mark | $PKT_STAYS                   # if no fib
 *     }
 */
#include "fw/nft/way.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include "fw/ipc/engine_msg.h"
#include "fw/nft/match.h"
#include "fw/nft/names.h"
#include "fw/nft/statement.h"

/* A redirected packet still has the device of its first destination. */
static void redirected(const struct nft *n, struct batch *b)
{
	struct nftnl_rule *r = batch_rule_new(b, CHAIN_WAY_REDIRECTED);

	nft_set_mark(r, PKT_MARK_MASK, PKT_PASS);
	batch_rule(b, r);
	for (unsigned v6 = 0; v6 < (n->fib ? 1 : 2); v6++) {
		r = batch_rule_new(b, CHAIN_WAY_REDIRECTED);
		batch_comment(b, r, "it stays on this machine");
		if (n->fib) {
			nft_match_destination_local(r, true);
		} else {
			nft_match_family(r, v6);
			nft_match_loopback(r, v6);
		}
		nft_set_mark(r, PKT_STAYS, PKT_STAYS);
		batch_rule(b, r);
	}
}

void nft_way(const struct nft *n, struct batch *b)
{
	struct nftnl_rule *r;

	if (n->last_look) {
		r = batch_rule_new(b, CHAIN_WAY);
		batch_comment(b, r,
			      "a fence has sent on this connection, whatever the host's rules do");
		nft_set_ct_label(r);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, CHAIN_WAY);
	x_ct_load(r, NFT_CT_STATUS, NFT_REG_1);
	x_mask(r, NFT_REG_1, IPS_DST_NAT, 0);
	x_cmp_ne32(r, NFT_REG_1, 0);
	x_verdict(r, NFT_GOTO, CHAIN_WAY_REDIRECTED);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_WAY);
	batch_comment(b, r, "it may go, if no rule behind this one asks the engine");
	nft_set_mark(r, PKT_MARK_MASK, PKT_PASS);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_WAY);
	batch_comment(b, r, "it stays on this machine");
	nft_match_oif_lo(r, true);
	nft_set_mark(r, PKT_STAYS, PKT_STAYS);
	batch_rule(b, r);
	redirected(n, b);
}
