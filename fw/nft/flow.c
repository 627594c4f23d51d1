// SPDX-License-Identifier: GPL-2.0-or-later
/* A fence's flows: those with a mark, but for the usual case in out.c, and those without one. What
 * is said of IPv4 holds for the chains of IPv6, but for the rules that have "if IPv6".
 *
 *     chain marked4_N {
 *         tcp flags & (syn | ack) == syn \
 *             meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK goto queue_N
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_VERIFIED \
 *             meta mark & $PKT_STAYS == 0x00000000 accept
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_FRESH \
 *             meta mark & $PKT_STAYS == 0x00000000 goto to_learned4_N
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_INSPECT \
 *             meta mark & $PKT_STAYS == 0x00000000 goto inspected4_N
 *         meta l4proto tcp ct mark & $CT_MARK_MASK == $EPOCH | $CT_VERIFIED | $CT_LOCAL \
 *             meta mark & $PKT_STAYS == $PKT_STAYS accept
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_FRESH | $CT_LOCAL \
 *             meta mark & $PKT_STAYS == $PKT_STAYS goto to_learned4_N
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_INSPECT | $CT_LOCAL \
 *             meta mark & $PKT_STAYS == $PKT_STAYS goto inspected4_N
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_REFUSED \
 *             meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK_AGAIN goto queue_N
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_OWN | $CT_LOCAL \
 *             meta mark & $PKT_STAYS == $PKT_STAYS ct direction reply \
 *             tcp flags & (syn | rst) == 0x0 \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_ANSWERED | $CT_LOCAL \
 *             meta mark set meta mark & ~$PKT_ASK_MASK | $PKT_ASK_OWN accept
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_OWN | $CT_LOCAL \
 *             meta mark & $PKT_STAYS == $PKT_STAYS \
 *             meta mark set meta mark & ~$PKT_ASK_MASK | $PKT_ASK_OWN accept
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_DOUBT | $CT_LOCAL \
 *             meta mark & $PKT_STAYS == $PKT_STAYS ct direction reply \
 *             tcp flags & (syn | rst) == 0x0 \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_ANSWERED | $CT_LOCAL \
 *             meta mark set meta mark & ~$PKT_ASK_MASK | $PKT_ASK_OWN accept
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_DOUBT | $CT_LOCAL \
 *             meta mark & $PKT_STAYS == $PKT_STAYS \
 *             meta mark set meta mark & ~$PKT_ASK_MASK | $PKT_ASK_OWN accept
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_TURNED | $CT_LOCAL \
 *             meta mark & $PKT_STAYS == $PKT_STAYS \
 *             meta mark set meta mark & ~$PKT_ASK_MASK | $PKT_ASK_OWN accept
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_ANSWERED | $CT_LOCAL \
 *             meta mark & $PKT_STAYS == $PKT_STAYS \
 *             meta mark set meta mark & ~$PKT_ASK_MASK | $PKT_ASK_OWN accept
 *     }
 *     chain unmarked4_N {
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_INBOUND ct direction reply \
 *             meta mark & $PKT_STAYS == 0x00000000 accept              # if ingress
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_INBOUND | $CT_LOCAL ct direction reply \
 *             meta mark & $PKT_STAYS == $PKT_STAYS accept              # if ingress
 *         ct direction reply jump reply4_N                             # if ingress
 *         meta mark & $PKT_STAYS == $PKT_STAYS fib saddr type != local \
 *             meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK_FOREIGN \
 *             goto queue_N                                             # if IPv6, fib
 *         @nh,128,32 . meta l4proto . th dport @learned4_N goto to_learned4_N
 *         fib saddr type != local \
 *             meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK_FOREIGN \
 *             goto queue_N                                             # if IPv6, fib
 *         meta mark & $PKT_STAYS == 0x00000000 fib daddr type local \
 *             meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK_DEVICE \
 *             goto queue_N                                             # if fib
 *         meta mark & $PKT_STAYS == $PKT_STAYS fib daddr type != local \
 *             meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK_DEVICE \
 *             goto queue_N                                             # if fib
 *         @nh,128,32 . meta l4proto . th dport @open4_N counter name "passed_N" goto verified_N
 *         @nh,128,32 . meta l4proto . th dport @direct4_N counter name "passed_N" \
 *             goto verified_N                                          # if direct
 *         @nh,128,32 0x7f000001 udp dport $PORT goto verified_N        # the resolver
 *         @nh,128,32 0x7f000001 tcp dport $PORT goto verified_N
 *         meta l4proto tcp ct mark & $CT_MARK_MASK == 0x00000000 \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_ASKED
 *         meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK goto queue_N
 *     }
 *     chain to_learned4_N {
 *         @th,104,8 & 0x12 0x2 meta mark & $PKT_STAYS == 0x00000000 \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_FRESH
 *         @th,104,8 & 0x12 0x2 meta mark & $PKT_STAYS == $PKT_STAYS \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_FRESH | $CT_LOCAL
 *         jump no_payload4
 *         meta mark & $PKT_STAYS == 0x00000000 fib daddr type local \
 *             meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK_DEVICE \
 *             goto queue_N                                             # if fib
 *         meta mark & $PKT_STAYS == $PKT_STAYS fib daddr type != local \
 *             meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK_DEVICE \
 *             goto queue_N                                             # if fib
 *         @nh,128,32 . meta l4proto . th dport @open4_N counter name "passed_N" goto verified_N
 *         @nh,128,32 . meta l4proto . th dport @direct4_N counter name "passed_N" \
 *             goto verified_N                                          # if direct
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_FRESH meta mark & $PKT_STAYS == 0x00000000 \
 *             meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK_FIRST goto queue_N
 *         ct mark & $CT_MARK_MASK == $EPOCH | $CT_FRESH | $CT_LOCAL \
 *             meta mark & $PKT_STAYS == $PKT_STAYS \
 *             meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK_FIRST goto queue_N
 *         meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK goto queue_N
 *     }
 *     chain inspected4_N {
 *         meta l4proto tcp jump no_payload4
 *         meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK_AGAIN goto queue_N
 *     }
 */
#include "fw/nft/flow.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "fw/ipc/engine_msg.h"
#include "fw/ipc/holes.h"
#include "fw/nft/ingress.h"
#include "fw/nft/match.h"
#include "fw/nft/names.h"
#include "fw/nft/plain.h"
#include "fw/nft/self.h"
#include "fw/nft/statement.h"
#include "fw/nft/verdict.h"

/* What is in the set passes without the engine, and is counted. */
static void pass_set(struct batch *b, const char *chain, const struct nft_fence *f, unsigned set,
		     bool v6)
{
	struct nftnl_rule *r = batch_rule_new(b, chain);

	nft_match_destination(r, nft_set(set, f->id).s, v6);
	x_counter_ref(r, nft_passed(f->id).s);
	x_verdict(r, NFT_GOTO, nft_chain(FENCE_VERIFIED, f->id).s);
	batch_rule(b, r);
}

/* A look-up in an interval set is expensive: there is none where the set is empty. */
static void pass_sets(struct batch *b, const char *chain, const struct nft_fence *f, bool v6,
		      bool direct)
{
	pass_set(b, chain, f, FENCE_OPEN4 + v6, v6);
	if (direct)
		pass_set(b, chain, f, FENCE_DIRECT4 + v6, v6);
}

static void own_resolver(struct batch *b, const struct nft_fence *f, const char *chain, bool v6,
			 uint8_t l4proto)
{
	static const uint8_t lo6[16] = {[15] = 1}, lo4[4] = {127, 0, 0, 1};
	struct nftnl_rule *r = batch_rule_new(b, chain);

	batch_comment(b, r, "the fence's resolver");
	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, v6 ? IP6_DADDR_OFFSET : IP4_DADDR_OFFSET,
		  v6 ? 16 : 4, NFT_REG_1);
	x_cmp(r, NFT_REG_1, v6 ? lo6 : lo4, v6 ? 16 : 4);
	nft_match_l4(r, l4proto);
	nft_match_dport(r, f->dns_port);
	x_verdict(r, NFT_GOTO, nft_chain(FENCE_VERIFIED, f->id).s);
	batch_rule(b, r);
}

/* A new connection from the same port may get the conntrack entry of one that was reset, with its
 * mark. So every SYN is judged, whatever the mark. The engine judges it, behind the packets of the
 * old connection that still wait in the queue: their verdict, which marks the entry, may come after
 * the SYN was sent. */
static void begins_anew(struct batch *b, const struct nft_fence *f, const char *chain)
{
	struct nftnl_rule *r = batch_rule_new(b, chain);

	batch_comment(b, r, "it begins anew, with the mark of one that was reset");
	nft_match_l4(r, IPPROTO_TCP);
	nft_match_opens(r, true);
	nft_ask(b, r, f, PKT_ASK);
}

/* A listener answers with SYN-ACK or reset only. Any other reply comes from a connection of the
 * fence. */
static void own_flow(struct batch *b, const struct nft_fence *f, const char *chain, uint32_t state)
{
	struct nftnl_rule *r;

	if (state == CT_OWN || state == CT_DOUBT) {
		r = batch_rule_new(b, chain);
		batch_comment(b, r, "a connection of the fence answers");
		nft_match_flow(r, f, state, true);
		nft_match_l4(r, IPPROTO_TCP);
		nft_match_reply(r, true);
		nft_match_goes_on(r);
		nft_set_state(r, f, CT_ANSWERED, true);
		nft_set_mark(r, PKT_ASK_MASK, PKT_ASK_OWN);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain);
	batch_comment(b, r, "only the fence itself may get it: checked when it comes in");
	nft_match_flow(r, f, state, true);
	nft_set_mark(r, PKT_ASK_MASK, PKT_ASK_OWN);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
}

/* A datagram within this machine is judged each time: an entry of UDP says nothing about the socket
 * that is at its end by now, in either direction. A connection has a SYN, which is judged. */
static void marked_chain(struct batch *b, const struct nft_fence *f, bool v6)
{
	static const struct {
		uint32_t state;
		unsigned chain; /* FENCE_CHAINS: it passes */
	} states[] = {{CT_VERIFIED, FENCE_CHAINS},
		      {CT_FRESH, FENCE_TO_LEARNED4},
		      {CT_INSPECT, FENCE_INSPECTED4}};
	const struct nft_name chain = nft_chain(FENCE_MARKED4 + v6, f->id);
	struct nftnl_rule *r;

	begins_anew(b, f, chain.s);
	for (size_t i = 0; i < 2 * sizeof(states) / sizeof(states[0]); i++) {
		const bool local = i >= sizeof(states) / sizeof(states[0]);
		const unsigned s = i % (sizeof(states) / sizeof(states[0]));

		r = batch_rule_new(b, chain.s);
		if (local && states[s].state == CT_VERIFIED && !hole("udp"))
			nft_match_l4(r, IPPROTO_TCP);
		nft_match_flow(r, f, states[s].state, local);
		if (states[s].chain == FENCE_CHAINS)
			x_verdict(r, NF_ACCEPT, NULL);
		else
			x_verdict(r, NFT_GOTO, nft_chain(states[s].chain + v6, f->id).s);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain.s);
	batch_comment(b, r, "refused before: the sender ignored our reset");
	nft_match_state(r, f, CT_REFUSED, false);
	nft_ask(b, r, f, PKT_ASK_AGAIN);
	own_flow(b, f, chain.s, CT_OWN);
	own_flow(b, f, chain.s, CT_DOUBT);
	own_flow(b, f, chain.s, CT_TURNED);
	own_flow(b, f, chain.s, CT_ANSWERED);
}

static void inspected_chain(struct batch *b, const struct nft_fence *f, bool v6)
{
	const struct nft_name chain = nft_chain(FENCE_INSPECTED4 + v6, f->id);
	struct nftnl_rule *r = batch_rule_new(b, chain.s);

	nft_match_l4(r, IPPROTO_TCP);
	nft_pass_no_payload(b, r, v6);
	r = batch_rule_new(b, chain.s);
	nft_ask(b, r, f, PKT_ASK_AGAIN);
}

/* Any process may bind an IPv6 socket to a foreign address (IPV6_FREEBIND). A listener of the fence
 * or our resolver would send its answer there, with the question in it, and the address itself can
 * carry data. The kernel does not let unprivileged IPv4 sockets do that. */
static void foreign(const struct nft *n, struct batch *b, const struct nft_fence *f,
		    const char *chain, bool only_to_self)
{
	struct nftnl_rule *r;

	if (!n->fib)
		return;
	r = batch_rule_new(b, chain);
	batch_comment(b, r, "its source is none of this machine's addresses");
	if (only_to_self)
		nft_match_way(r, true);
	nft_match_source_foreign(r);
	nft_ask(b, r, f, PKT_ASK_FOREIGN);
}

static void unmarked_chain(const struct nft *n, struct batch *b, const struct nft_fence *f, bool v6,
			   bool direct)
{
	const struct nft_name chain = nft_chain(FENCE_UNMARKED4 + v6, f->id);
	struct nftnl_rule *r;

	nft_answers(b, f, chain.s, v6);
	if (v6)
		foreign(n, b, f, chain.s, true);
	r = batch_rule_new(b, chain.s);
	batch_comment(b, r, "an address of an allowed name; the set has TCP only");
	nft_match_destination(r, nft_set(FENCE_LEARNED4 + v6, f->id).s, v6);
	x_verdict(r, NFT_GOTO, nft_chain(FENCE_TO_LEARNED4 + v6, f->id).s);
	batch_rule(b, r);
	if (v6)
		foreign(n, b, f, chain.s, false);
	nft_self_new(n, b, f, chain.s);
	pass_sets(b, chain.s, f, v6, direct);
	own_resolver(b, f, chain.s, v6, IPPROTO_UDP);
	own_resolver(b, f, chain.s, v6, IPPROTO_TCP);
	r = batch_rule_new(b, chain.s);
	batch_comment(b, r, "a SYN that comes before the verdict has to wait, too");
	nft_match_l4(r, IPPROTO_TCP);
	nft_match_ct_unmarked(r);
	nft_set_state(r, f, CT_ASKED, false);
	batch_rule(b, r);
	r = batch_rule_new(b, chain.s);
	nft_ask(b, r, f, PKT_ASK);
}

/* A SYN makes its connection a fresh one, and no payload leaves before the engine has seen it. So
 * the first payload of a fresh connection is its beginning, whatever was lost meanwhile. */
static void to_learned_chain(const struct nft *n, struct batch *b, const struct nft_fence *f,
			     bool v6, bool direct)
{
	const struct nft_name chain = nft_chain(FENCE_TO_LEARNED4 + v6, f->id);
	struct nftnl_rule *r;

	for (unsigned local = 0; local < 2; local++) {
		r = batch_rule_new(b, chain.s);
		batch_comment(b, r, "a SYN: no payload of this connection has left");
		nft_match_opens(r, true);
		nft_match_way(r, local);
		nft_set_state(r, f, CT_FRESH, local);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain.s);
	nft_pass_no_payload(b, r, v6);
	nft_self_new(n, b, f, chain.s);
	pass_sets(b, chain.s, f, v6, direct); /* by another rule */
	for (unsigned local = 0; local < 2; local++) {
		r = batch_rule_new(b, chain.s);
		batch_comment(b, r, "the first payload: which name does it ask for?");
		nft_match_flow(r, f, CT_FRESH, local);
		nft_ask(b, r, f, PKT_ASK_FIRST);
	}
	r = batch_rule_new(b, chain.s);
	nft_ask(b, r, f, PKT_ASK);
}

void nft_flow(const struct nft *n, struct batch *b, const struct nft_fence *f, bool v6, bool direct)
{
	unmarked_chain(n, b, f, v6, direct);
	marked_chain(b, f, v6);
	to_learned_chain(n, b, f, v6, direct);
	inspected_chain(b, f, v6);
}
