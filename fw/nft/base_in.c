// SPDX-License-Identifier: GPL-2.0-or-later
/* What comes in: by its receiver's cgroup to the fence's chain, and what a fence sent to itself.
 *
 *     chain in {
 *         ct status expected / expected,confirmed ct mark set ct mark & ~$CT_MARK_MASK
 *         iif "lo" meta mark & ($PKT_MARK_MASK & ~$PKT_ALLOW_OWN) == $PKT_ASK_OWN | $PKT_STAYS \
 *             goto in_own
 *         iif "lo" meta mark & $PKT_MARK_MASK != $PKT_PASS | $PKT_STAYS \
 *             ct mark & $CT_MARK_MASK vmap @fence_own
 *         iif "lo" meta l4proto udp ct direction reply \
 *             ct reply ip saddr . meta l4proto . ct reply proto-src vmap @resolved4
 *         iif "lo" meta l4proto udp ct direction reply \
 *             ct reply ip6 saddr . meta l4proto . ct reply proto-src vmap @resolved6
 *         iif "lo" meta l4proto udp meta mark & $PKT_MARK_MASK == $PKT_PASS | $PKT_STAYS \
 *             socket cgroupv2 level 2 vmap @fence_in
 *         ct direction reply accept
 *         ct direction original socket cgroupv2 level 2 vmap @fence_in
 *         ct state untracked socket cgroupv2 level 2 vmap @fence_in
 *     }
 *     chain in_own {
 *         ct mark & $CT_MARK_MASK vmap @fence_own
 *         counter name "stray" goto reject_all
 *     }
 *     chain in_verdict {
 *         meta mark & $PKT_JUDGED_MASK != 0x00000000 jump in_marked
 *     }
 *     chain in_marked {
 *         meta mark & $PKT_MARK_MASK == $PKT_PASS | $PKT_STAYS \
 *             meta mark set meta mark & ~$PKT_MARK_MASK accept
 *         meta mark & $PKT_VERDICT_MASK == 0x00000000 accept
 *         meta mark & $PKT_JUDGED_MASK == $PKT_ASK_OWN | $PKT_DENY \
 *             goto reject_all
 *         meta mark & $PKT_ASK_MASK == $PKT_ASK_OWN \
 *             ct mark & $CT_MARK_MASK vmap @fence_own_answered
 *         iif "lo" meta l4proto udp socket cgroupv2 level 2 vmap @fence_in_answered
 *         ct direction reply accept
 *         socket cgroupv2 level 2 vmap @fence_in_answered
 *     }
 */
#include "fw/nft/base.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "fw/ipc/engine_msg.h"
#include "fw/nft/match.h"
#include "fw/nft/names.h"
#include "fw/nft/resolver.h"
#include "fw/nft/statement.h"

/* What a fence sent that only the fence itself may get. The packet's mark says so, which `leave`
 * set. Rules of the host may have changed it on the way: then the conntrack entry says so, too. Who
 * is in no fence and has the same ports, and so the same entry, has taken our mark off it when they
 * sent (others_begin in base.c).
 * PKT_ALLOW_OWN: the engine has sent the packet round once more. */
static void own_rules(struct batch *b)
{
	struct nftnl_rule *r = batch_rule_new(b, CHAIN_IN);

	batch_comment(b, r, "a fence sent this to itself, as `leave` wrote into the mark");
	nft_match_iif_lo(r, true);
	nft_match_mark(r, PKT_MARK_MASK & ~PKT_ALLOW_OWN, PKT_ASK_OWN | PKT_STAYS);
	x_verdict(r, NFT_GOTO, CHAIN_IN_OWN);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_IN);
	batch_comment(b, r, "the same, where rules of the host have changed the packet's mark");
	nft_match_iif_lo(r, true);
	nft_match_mark_not(r, PKT_MARK_MASK, PKT_PASS | PKT_STAYS);
	nft_find_ct_mark(r, MAP_OWN);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_IN_OWN);
	nft_find_ct_mark(r, MAP_OWN);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_IN_OWN);
	batch_comment(b, r, "its connection has lost our mark: the fence is unknown");
	x_counter_ref(r, COUNTER_STRAY);
	x_verdict(r, NFT_GOTO, CHAIN_REJECT_ALL);
	batch_rule(b, r);
}

/* At the input only packets in the direction that their flow began are a question. Every one of
 * them is, not only the first: the flow may have begun with another socket that had the port
 * before. A datagram that a fence sends on this machine is one in the other direction, too: what
 * it answers may have been asked by who had the port before. Of what others send, only the entry
 * could tell, and rules of the host overwrite its mark. */
static void listener_rules(struct batch *b)
{
	struct nftnl_rule *r = batch_rule_new(b, CHAIN_IN);

	batch_comment(b, r, "a datagram of a fence's, in either direction");
	nft_match_iif_lo(r, true);
	nft_match_l4(r, IPPROTO_UDP);
	nft_match_mark(r, PKT_MARK_MASK, PKT_PASS | PKT_STAYS);
	nft_find_cgroup(r, SCOPE_CGROUP_LEVEL, MAP_IN);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_IN);
	batch_comment(b, r, "answers, in flows that the receiver began");
	nft_match_reply(r, true);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_IN);
	nft_match_reply(r, false);
	nft_find_cgroup(r, SCOPE_CGROUP_LEVEL, MAP_IN);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_IN);
	batch_comment(b, r, "each untracked packet opens a flow");
	nft_match_ct_state(r, NF_CT_STATE_UNTRACKED_BIT);
	nft_find_cgroup(r, SCOPE_CGROUP_LEVEL, MAP_IN);
	batch_rule(b, r);
}

/* At the input a packet may have a mark that the host's own rules set, often the connection's mark.
 * Packets to receivers outside any fence keep that mark. */
static void verdict_rules(struct batch *b)
{
	struct nftnl_rule *r = batch_rule_new(b, CHAIN_IN_VERDICT);

	nft_match_mark_not(r, PKT_JUDGED_MASK, 0);
	x_verdict(r, NFT_JUMP, CHAIN_IN_MARKED);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_IN_MARKED);
	batch_comment(b, r, "a fence sent it, and it may come in: our mark is taken off");
	nft_match_mark(r, PKT_MARK_MASK, PKT_PASS | PKT_STAYS);
	nft_set_mark(r, PKT_MARK_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_IN_MARKED);
	batch_comment(b, r, "no verdict: a mark of the host's");
	nft_match_mark(r, PKT_VERDICT_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_IN_MARKED);
	batch_comment(b, r, "from a fence to itself, and refused");
	nft_match_mark(r, PKT_JUDGED_MASK, PKT_ASK_OWN | PKT_DENY);
	x_verdict(r, NFT_GOTO, CHAIN_REJECT_ALL);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_IN_MARKED);
	nft_match_mark(r, PKT_ASK_MASK, PKT_ASK_OWN);
	nft_find_ct_mark(r, MAP_OWN_ANSWERED);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_IN_MARKED);
	nft_match_iif_lo(r, true);
	nft_match_l4(r, IPPROTO_UDP);
	nft_find_cgroup(r, SCOPE_CGROUP_LEVEL, MAP_IN_ANSWERED);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_IN_MARKED);
	nft_match_reply(r, true);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_IN_MARKED);
	nft_find_cgroup(r, SCOPE_CGROUP_LEVEL, MAP_IN_ANSWERED);
	batch_rule(b, r);
}

void nft_base_in(struct batch *b)
{
	nft_expected(b, CHAIN_IN);
	verdict_rules(b);
	own_rules(b);
	nft_resolver_answers(b);
	listener_rules(b);
}
