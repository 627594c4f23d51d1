// SPDX-License-Identifier: GPL-2.0-or-later
/* Each fence's rules for the way out. What is said of IPv4 holds for the chains of IPv6, but for
 * the rules that have "if IPv6".
 *
 *     chain out_N {
 *         meta nfproto ipv6 goto out6_N
 *         @nh,0,8 != 0x45 goto options4_N                  # version and length of the header
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_VERIFIED @th,104,8 & 0x12 != 0x2 oif != "lo" \
 *             meta mark set meta mark & ~$PKT_MARK_MASK | $PKT_PASS accept
 *         jump way
 *         @nh,128,8 0x7f meta mark & $PKT_STAYS == 0x00000000 \
 *             meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK_DEVICE goto queue_N
 *         ct mark & $CT_MARK_MASK == 0x00000000 goto unmarked4_N
 *         jump marked4_N
 *         goto unmarked4_N
 *     }
 *     chain out6_N {
 *         @nh,48,8 != @plain6 jump options6_N              # the next header
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_VERIFIED @th,104,8 & 0x12 != 0x2 oif != "lo" \
 *             meta mark set meta mark & ~$PKT_MARK_MASK | $PKT_PASS accept
 *         jump way
 *         @nh,192,128 0x1 meta mark & $PKT_STAYS == 0x00000000 \
 *             meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK_DEVICE goto queue_N
 *         ct mark & $CT_MARK_MASK == 0x00000000 goto unmarked6_N
 *         jump marked6_N
 *         goto unmarked6_N
 *     }
 *     chain verified_N {
 *         meta mark & $PKT_STAYS == 0x00000000 \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_VERIFIED accept
 *         meta mark & $PKT_STAYS == $PKT_STAYS \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_VERIFIED | $CT_LOCAL accept
 *     }
 *
 * @th,104,8 & 0x12 are TCP's flags SYN and ACK: 0x2 in a SYN that opens a connection. The chains
 * for flows with and without a mark are in flow.c.
 *
 * A flow's conntrack mark holds its state, and whether that was judged of packets that stay on this
 * machine: the same ports by another device lead to another receiver.
 *
 * Each expression costs some 15 ns per packet that comes to it: the usual cases come first. */
#include "fw/nft/out.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "fw/ipc/engine_msg.h"
#include "fw/ipc/holes.h"
#include "fw/nft/flow.h"
#include "fw/nft/match.h"
#include "fw/nft/names.h"
#include "fw/nft/plain.h"
#include "fw/nft/self.h"
#include "fw/nft/statement.h"
#include "fw/nft/verdict.h"

static void verified_chain(struct batch *b, const struct nft_fence *f)
{
	for (unsigned local = 0; local < 2; local++) {
		struct nftnl_rule *r = batch_rule_new(b, nft_chain(FENCE_VERIFIED, f->id).s);

		nft_match_way(r, local);
		nft_set_state(r, f, CT_VERIFIED, local);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
}

/* The end of out_N and out6_N. */
static void by_mark(struct batch *b, const struct nft_fence *f, const char *chain, bool v6)
{
	const struct nft_name unmarked = nft_chain(FENCE_UNMARKED4 + v6, f->id);
	struct nftnl_rule *r = batch_rule_new(b, chain);

	nft_match_ct_unmarked(r);
	x_verdict(r, NFT_GOTO, unmarked.s);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	x_verdict(r, NFT_JUMP, nft_chain(FENCE_MARKED4 + v6, f->id).s);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	batch_comment(b, r, "another fence's flow, or no connection at all, or it begins");
	x_verdict(r, NFT_GOTO, unmarked.s);
	batch_rule(b, r);
}

/* out_N from its second rule on, and out6_N. */
static void family_chain(struct batch *b, const struct nft_fence *f, bool v6)
{
	const struct nft_name chain = nft_chain(v6 ? FENCE_OUT6 : FENCE_OUT, f->id);
	struct nftnl_rule *r;

	nft_not_plain(b, f, chain.s, v6);
	r = batch_rule_new(b, chain.s);
	batch_comment(b, r, "verified, and no SYN that opens another connection: the usual packet");
	nft_match_state(r, f, CT_VERIFIED, false);
	nft_match_opens(r, false);
	nft_match_oif_lo(r, false);
	nft_set_mark(r, PKT_MARK_MASK, PKT_PASS);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, chain.s);
	x_verdict(r, NFT_JUMP, CHAIN_WAY);
	batch_rule(b, r);
	nft_self(b, f, chain.s, v6);
	by_mark(b, f, chain.s, v6);
}

void nft_out(const struct nft *n, struct batch *b, const struct nft_fence *f, const bool direct[2])
{
	const struct nft_name chain = nft_chain(FENCE_OUT, f->id);
	struct nftnl_rule *r;

	if (hole("no-kernel-wall")) {
		r = batch_rule_new(b, chain.s);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain.s);
	nft_match_family(r, true);
	x_verdict(r, NFT_GOTO, nft_chain(FENCE_OUT6, f->id).s);
	batch_rule(b, r);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		family_chain(b, f, v6);
		nft_flow(n, b, f, v6, direct[v6]);
		nft_options(b, f, v6);
	}
	verified_chain(b, f);
}
