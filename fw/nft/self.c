// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules rely on loopback addresses leading back to this machine: a fence's resolver has one. But a
 * socket can name the device by which its packets go (SO_BINDTODEVICE, IP_UNICAST_IF, IP_PKTINFO).
 * Then packets to a loopback address leave by that device, and the next router sees what they
 * carry. Or an address of somebody far away is reached by lo: the kernel gives such a packet to
 * whoever has the port on this machine.
 *
 * The engine is asked about such packets on the way out: in out_N and out6_N about loopback
 * addresses, in unmarked4_N, to_learned4_N and those of IPv6 about any address of this machine, and
 * about any other one by lo. Where packets leave:
 *
 *     chain leave {
 *         meta mark & $PKT_ASK_MASK != 0x00000000 goto leave_marked
 *     }
 *     chain leave_marked {
 *         meta mark & $PKT_STAYS == $PKT_STAYS oif != "lo" counter name "stray" drop
 *         oif != "lo" ip daddr 127.0.0.0/8 counter name "stray" drop
 *         oif != "lo" ip6 daddr ::1 counter name "stray" drop
 *         meta mark & $PKT_ASK_MASK == $PKT_ASK_OWN accept
 *         meta mark & $PKT_ASK_MASK != $PKT_PASS \
 *             ct mark & $CT_TO_ITSELF == $CT_TO_ITSELF oif "lo" \
 *             meta mark set meta mark & ~$PKT_MARK_MASK | $PKT_ASK_OWN | $PKT_STAYS accept
 *         meta mark & $PKT_STAYS == $PKT_STAYS oif "lo" \
 *             meta mark set meta mark & ~$PKT_MARK_MASK | $PKT_PASS | $PKT_STAYS accept
 *         meta mark & ~$PKT_MARK_MASK == 0x00000000 \
 *             meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_PASS \
 *             accept                                       # if last look
 *         meta mark set meta mark & ~$PKT_MARK_MASK
 *     }
 *     chain last_look {                                    # if last look
 *         meta mark & $PKT_MARK_MASK == $PKT_ASK_OWN | $PKT_STAYS accept
 *         meta mark & ~$PKT_MARK_MASK != 0x00000000 ct label 117 \
 *             ct mark & $CT_TO_ITSELF == $CT_TO_ITSELF oif "lo" \
 *             meta mark set meta mark & ~$PKT_MARK_MASK | $PKT_ASK_OWN | $PKT_STAYS accept
 *         meta mark & ~$PKT_MARK_MASK != 0x00000000 ct label 117 \
 *             meta mark set meta mark & ~$PKT_MARK_MASK | $PKT_PASS
 *     }
 *
 * A packet that goes the way that was judged keeps PKT_PASS, for the last look behind all hooks.
 * Where there is no last look, or the host has marked the packet too, our bits are taken off: rules
 * of the host that compare the whole mark find their own. A packet that stays on this machine keeps
 * a mark until it comes in. The mark says who sent it (see base_in.c), while a conntrack entry says
 * only who had the ports.
 *
 * At the output a redirected packet still has the device of its first destination, so by which
 * device it goes is known only where it leaves. There no rule can match the cgroup or reject, so
 * the mark has to say what was judged. */
#include "fw/nft/self.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "fw/ipc/engine_msg.h"
#include "fw/ipc/holes.h"
#include "fw/nft/match.h"
#include "fw/nft/names.h"
#include "fw/nft/statement.h"
#include "fw/nft/verdict.h"

static void stray(struct batch *b, struct nftnl_rule *r)
{
	x_counter_ref(r, COUNTER_STRAY);
	x_verdict(r, NF_DROP, NULL);
	batch_rule(b, r);
}

static void stray_rules(struct batch *b)
{
	struct nftnl_rule *r = batch_rule_new(b, CHAIN_LEAVE_MARKED);

	batch_comment(b, r, "judged to stay, and about to leave");
	nft_match_way(r, true);
	nft_match_oif_lo(r, false);
	stray(b, r);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		r = batch_rule_new(b, CHAIN_LEAVE_MARKED);
		nft_match_oif_lo(r, false);
		nft_match_family(r, v6);
		nft_match_loopback(r, v6);
		stray(b, r);
	}
}

/* What only the fence itself may get, and other packets that stay on this machine. */
static void staying_rules(struct batch *b)
{
	struct nftnl_rule *r = batch_rule_new(b, CHAIN_LEAVE_MARKED);

	batch_comment(b, r, "to the fence itself only: marked4 and marked6 said so");
	nft_match_mark(r, PKT_ASK_MASK, PKT_ASK_OWN);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_LEAVE_MARKED);
	batch_comment(b, r, "the same by a verdict; an answer to a peer has PKT_PASS");
	nft_match_mark_not(r, PKT_ASK_MASK, PKT_PASS);
	nft_match_ct_mark(r, CT_TO_ITSELF, CT_TO_ITSELF);
	nft_match_oif_lo(r, true);
	nft_set_mark(r, PKT_MARK_MASK, PKT_ASK_OWN | PKT_STAYS);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_LEAVE_MARKED);
	batch_comment(b, r, "it stays: the mark tells the receiver's rules that a fence sent it");
	nft_match_way(r, true);
	nft_match_oif_lo(r, true);
	nft_set_mark(r, PKT_MARK_MASK, PKT_PASS | PKT_STAYS);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
}

static void last_look(struct batch *b)
{
	struct nftnl_rule *r;

	batch_chain(b, &nft_last_look_chain);
	r = batch_rule_new(b, CHAIN_LAST_LOOK);
	batch_comment(b, r, "to the fence itself only, as `leave` wrote into the mark");
	nft_match_mark(r, PKT_MARK_MASK, PKT_ASK_OWN | PKT_STAYS);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_LAST_LOOK);
	batch_comment(b, r,
		      "to the fence itself only, and rules of the host have changed the mark");
	nft_match_mark_not(r, ~PKT_MARK_MASK, 0);
	nft_match_ct_label(r);
	nft_match_ct_mark(r, CT_TO_ITSELF, CT_TO_ITSELF);
	nft_match_oif_lo(r, true);
	nft_set_mark(r, PKT_MARK_MASK, PKT_ASK_OWN | PKT_STAYS);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_LAST_LOOK);
	batch_comment(b, r, "a fence has sent on this connection, so it has come by `leave`");
	nft_match_mark_not(r, ~PKT_MARK_MASK, 0);
	nft_match_ct_label(r);
	nft_set_mark(r, PKT_MARK_MASK, PKT_PASS);
	batch_rule(b, r);
}

void nft_self_leave(const struct nft *n, struct batch *b)
{
	struct nftnl_rule *r;

	batch_counter(b, NFT_MSG_NEWOBJ, COUNTER_STRAY);
	if (n->last_look)
		last_look(b);
	if (hole("device"))
		return;
	r = batch_rule_new(b, CHAIN_LEAVE);
	nft_match_mark_not(r, PKT_ASK_MASK, 0);
	x_verdict(r, NFT_GOTO, CHAIN_LEAVE_MARKED);
	batch_rule(b, r);
	stray_rules(b);
	staying_rules(b);
	if (n->last_look) {
		r = batch_rule_new(b, CHAIN_LEAVE_MARKED);
		batch_comment(b, r, "it may go: for the look behind all hooks");
		nft_match_mark(r, ~PKT_MARK_MASK, 0);
		nft_set_mark(r, PKT_JUDGED_MASK, PKT_PASS);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, CHAIN_LEAVE_MARKED);
	batch_comment(b, r, "the host's rules find their own mark and no more");
	nft_set_mark(r, PKT_MARK_MASK, 0);
	batch_rule(b, r);
}

void nft_self(struct batch *b, const struct nft_fence *f, const char *chain, bool v6)
{
	struct nftnl_rule *r;

	if (hole("device"))
		return;
	r = batch_rule_new(b, chain);
	batch_comment(b, r, "a loopback address by another device than lo");
	nft_match_loopback(r, v6);
	nft_match_way(r, false);
	nft_ask(b, r, f, PKT_ASK_DEVICE);
}

void nft_self_new(const struct nft *n, struct batch *b, const struct nft_fence *f,
		  const char *chain)
{
	struct nftnl_rule *r;

	if (!n->fib || hole("device"))
		return;
	r = batch_rule_new(b, chain);
	batch_comment(b, r, "an address of this machine by a device that leads away");
	nft_match_way(r, false);
	nft_match_destination_local(r, true);
	nft_ask(b, r, f, PKT_ASK_DEVICE);
	r = batch_rule_new(b, chain);
	batch_comment(b, r, "another address by lo: a socket of this machine would get it");
	nft_match_way(r, true);
	nft_match_destination_local(r, false);
	nft_ask(b, r, f, PKT_ASK_DEVICE);
}
