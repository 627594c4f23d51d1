// SPDX-License-Identifier: GPL-2.0-or-later
/* Each fence's rules for what comes in: who may connect to its listeners, and that these may
 * answer. What is said of IPv4 holds for the chains of IPv6.
 *
 *     chain in_N {
 *         iif "lo" meta mark & $PKT_MARK_MASK == $PKT_PASS | $PKT_STAYS \
 *             ct mark & ($CT_EPOCH_MASK | $CT_LOCAL) == $EPOCH | $CT_LOCAL \
 *             meta mark set meta mark & ~$PKT_MARK_MASK accept
 *         iif "lo" meta mark & ($CT_EPOCH_MASK | $CT_LOCAL) == $EPOCH | $CT_LOCAL \
 *             ct mark & ($CT_EPOCH_MASK | $CT_LOCAL) == $EPOCH | $CT_LOCAL \
 *             meta mark set meta mark & ~$PKT_MARK_MASK accept
 *         iif "lo" meta l4proto udp ct direction reply \
 *             ct mark & $CT_MARK_MASK == $EPOCH | $CT_VERIFIED | $CT_LOCAL \
 *             meta mark set meta mark & ~$PKT_MARK_MASK accept
 *         tcp flags & syn == 0x0 meta mark & $PKT_MARK_MASK != $PKT_PASS | $PKT_STAYS \
 *             meta mark set meta mark & ~$PKT_MARK_MASK accept
 *         meta mark set meta mark & ~$PKT_MARK_MASK
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_INBOUND iif != "lo" accept       # if ingress
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_INBOUND | $CT_LOCAL iif "lo" \
 *             accept                                                   # if ingress
 *         meta l4proto icmp ct state related accept
 *         meta l4proto ipv6-icmp ct state related accept
 *         meta nfproto ipv4 jump listener4_N                           # if ingress
 *         meta nfproto ipv6 jump listener6_N                           # if ingress
 *         meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK goto queue_N
 *     }
 *     chain listener4_N {                                  # if ingress
 *         @nh,0,8 != 0x45 goto options4_N                              # if IPv4
 *         @nh,48,8 != @plain6 jump options6_N                          # if IPv6
 *         @nh,96,32 . @nh,128,32 . meta l4proto . th dport @pairs4_N goto let_in_N
 *     }
 *     chain reply4_N {                                     # if ingress
 *         meta l4proto udp ct mark & $CT_MARK_MASK == 0x00000000 return
 *         @nh,128,32 . @nh,96,32 . meta l4proto . th sport @pairs4_N goto let_in_N
 *     }
 *     chain let_in_N {                                     # if ingress
 *         ct mark & $CT_MARK_MASK == 0x00000000 iif != "lo" \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_INBOUND \
 *             counter name "passed_N" accept
 *         ct mark & $CT_MARK_MASK == 0x00000000 iif "lo" \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_INBOUND | $CT_LOCAL \
 *             counter name "passed_N" accept
 *         accept
 *     }
 *
 * Which process listens at an address of this machine may change from one packet to the next, so
 * the sender's rules do not decide it. Every packet comes here, where the kernel knows which socket
 * gets it. A TCP connection belongs to the process that took it. What only the fence itself may get
 * is in own.c.
 *
 * Only an answer may use the mark of a flow that was let in: in the other direction the same ports
 * may lead to another listener by then. Where the peer is in a fence of its own, the mark is that
 * fence's, and every packet of the flow is looked up in the set instead. */
#include "fw/nft/ingress.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "fw/ipc/engine_msg.h"
#include "fw/nft/match.h"
#include "fw/nft/names.h"
#include "fw/nft/own.h"
#include "fw/nft/plain.h"
#include "fw/nft/statement.h"
#include "fw/nft/verdict.h"
#include "policy/base/cleanup.h"

bool nft_has_ingress(const struct nft_fence *f)
{
	return policy_ingress_rules(f->policy) > 0;
}

static void fill_pairs(struct batch *b, const char *set, const struct ingress_pair *list, size_t n)
{
	struct nftnl_set *s = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct ingress_pair *x = &list[i];
		struct addr peer = set_prefix_last(&x->peer), local = set_prefix_last(&x->local);
		struct set_key from = set_key_pair(x, &x->peer.addr, &x->local.addr),
			       to = set_key_pair(x, &peer, &local);

		if (!s)
			s = batch_elems_new(b, set);
		batch_elem(s, &from, &to, NULL);
		if (i % SET_ELEMS_PER_MESSAGE == SET_ELEMS_PER_MESSAGE - 1 || i == n - 1) {
			batch_elems(b, NFT_MSG_NEWSETELEM, s);
			s = NULL;
		}
	}
}

/* Marks the flow, unless another fence has marked it. The packet passes in either case. */
static void let_in_chain(struct batch *b, const struct nft_fence *f)
{
	const struct nft_name chain = nft_chain(FENCE_LET_IN, f->id);
	struct nftnl_rule *r;

	for (unsigned local = 0; local < 2; local++) {
		r = batch_rule_new(b, chain.s);
		nft_match_ct_unmarked(r);
		nft_match_iif_lo(r, local);
		nft_set_state(r, f, CT_INBOUND, local);
		x_counter_ref(r, nft_passed(f->id).s);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain.s);
	batch_comment(b, r, "the peer is in a fence, and the mark is that fence's");
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
}

static void let_pair_in(struct batch *b, const struct nft_fence *f, const char *chain, bool v6,
			bool answer)
{
	struct nftnl_rule *r = batch_rule_new(b, chain);

	nft_match_pair(r, nft_set(FENCE_PAIRS4 + v6, f->id).s, v6, answer);
	x_verdict(r, NFT_GOTO, nft_chain(FENCE_LET_IN, f->id).s);
	batch_rule(b, r);
}

static void listener_chain(struct batch *b, const struct nft_fence *f, bool v6)
{
	const struct nft_name chain = nft_chain(FENCE_LISTENER4 + v6, f->id);

	nft_not_plain(b, f, chain.s, v6);
	let_pair_in(b, f, chain.s, v6, false);
}

/* Answers in flows without this fence's mark. A UDP flow without any mark may have begun with
 * another socket that had the port before; a TCP socket has had its peer's handshake. */
static void reply_chain(struct batch *b, const struct nft_fence *f, bool v6)
{
	const struct nft_name chain = nft_chain(FENCE_REPLY4 + v6, f->id);
	struct nftnl_rule *r = batch_rule_new(b, chain.s);

	batch_comment(b, r, "it may have begun with another socket that had the port before");
	nft_match_l4(r, IPPROTO_UDP);
	nft_match_ct_unmarked(r);
	x_verdict(r, NFT_RETURN, NULL);
	batch_rule(b, r);
	let_pair_in(b, f, chain.s, v6, true);
}

void nft_answers(struct batch *b, const struct nft_fence *f, const char *chain, bool v6)
{
	struct nftnl_rule *r;

	if (!nft_has_ingress(f))
		return;
	for (unsigned local = 0; local < 2; local++) {
		r = batch_rule_new(b, chain);
		batch_comment(b, r, "a listener's answer, in a flow that was let in");
		nft_match_state(r, f, CT_INBOUND, local);
		nft_match_reply(r, true);
		nft_match_way(r, local);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain);
	nft_match_reply(r, true);
	x_verdict(r, NFT_JUMP, nft_chain(FENCE_REPLY4 + v6, f->id).s);
	batch_rule(b, r);
}

/* The fence's own flows were marked on their way out, and come in by loopback. A packet by another
 * device is from a stranger that goes on with a connection begun under its address. Others may have
 * the same ports by now, so the packet's mark must say who sent it, too, unless rules of the host
 * have replaced that mark by the entry's. */
static void own_flows(struct batch *b, const struct nft_fence *f, const char *chain)
{
	const uint32_t mask = CT_EPOCH_MASK | CT_LOCAL, ours = nft_state(f, 0, true);

	for (unsigned copied = 0; copied < 2; copied++) {
		struct nftnl_rule *r = batch_rule_new(b, chain);

		batch_comment(b, r,
			      copied ? "the same, where the host has copied the connection's mark"
				     : "a flow of the fence's own: packet and connection say so");
		nft_match_iif_lo(r, true);
		if (copied)
			nft_match_mark(r, mask, ours);
		else
			nft_match_mark(r, PKT_MARK_MASK, PKT_PASS | PKT_STAYS);
		nft_match_ct_mark(r, mask, ours);
		nft_set_mark(r, PKT_MARK_MASK, 0);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
}

/* Errors of the network, or of our own rejects, about a packet that the fence sent. */
static void related_errors(struct batch *b, const char *chain)
{
	static const uint8_t icmp[] = {IPPROTO_ICMP, IPPROTO_ICMPV6};

	for (size_t i = 0; i < sizeof(icmp); i++) {
		struct nftnl_rule *r = batch_rule_new(b, chain);

		batch_comment(b, r, "an error about a packet that the fence sent");
		nft_match_l4(r, icmp[i]);
		nft_match_ct_state(r, NF_CT_STATE_BIT(IP_CT_RELATED));
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
}

static void in_chain(struct batch *b, const struct nft_fence *f)
{
	const struct nft_name chain = nft_chain(FENCE_IN, f->id);
	const bool ingress = nft_has_ingress(f);
	struct nftnl_rule *r;

	own_flows(b, f, chain.s);
	r = batch_rule_new(b, chain.s);
	batch_comment(b, r, "a service of this machine answers what the fence asked");
	nft_match_iif_lo(r, true);
	nft_match_l4(r, IPPROTO_UDP);
	nft_match_reply(r, true);
	nft_match_state(r, f, CT_VERIFIED, true);
	nft_set_mark(r, PKT_MARK_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	/* Not for packets that another fence sent: with SYN cookies a listener does have a use for
	 * them. */
	r = batch_rule_new(b, chain.s);
	batch_comment(b, r, "its entry timed out, and a listener has no use for it");
	nft_match_syn(r, false);
	nft_match_mark_not(r, PKT_MARK_MASK, PKT_PASS | PKT_STAYS);
	nft_set_mark(r, PKT_MARK_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, chain.s);
	batch_comment(b, r, "a mark here is not the engine's");
	nft_set_mark(r, PKT_MARK_MASK, 0);
	batch_rule(b, r);
	for (unsigned local = 0; ingress && local < 2; local++) {
		r = batch_rule_new(b, chain.s);
		batch_comment(b, r, "let in before");
		nft_match_state(r, f, CT_INBOUND, local);
		nft_match_iif_lo(r, local);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	related_errors(b, chain.s);
	for (unsigned v6 = 0; ingress && v6 < 2; v6++) {
		r = batch_rule_new(b, chain.s);
		nft_match_family(r, v6);
		x_verdict(r, NFT_JUMP, nft_chain(FENCE_LISTENER4 + v6, f->id).s);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain.s);
	nft_ask(b, r, f, PKT_ASK);
}

int nft_ingress(const struct nft *n, struct batch *b, const struct nft_fence *f)
{
	in_chain(b, f);
	nft_own(b, f);
	nft_in_verdict(n, b, f, FENCE_IN_ANSWERED);
	nft_in_verdict(n, b, f, FENCE_OWN_ANSWERED);
	if (!nft_has_ingress(f))
		return 0;
	let_in_chain(b, f);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		_cleanup_free_ struct ingress_pair *list = NULL;
		size_t pairs;
		int r = policy_ingress_pairs(f->policy, v6 ? 6 : 4, &list, &pairs);

		if (r < 0)
			return r;
		fill_pairs(b, nft_set(FENCE_PAIRS4 + v6, f->id).s, list, pairs);
		listener_chain(b, f, v6);
		reply_chain(b, f, v6);
	}
	return 0;
}
