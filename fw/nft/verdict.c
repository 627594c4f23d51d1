// SPDX-License-Identifier: GPL-2.0-or-later
/* The way to the engine and back.
 *
 *     chain queue_N {
 *         oif != 0 meta mark set meta mark & ~$PKT_MARK_MASK | $PKT_PASS accept
 *         queue to queue
 *         drop
 *     }
 *     chain answered_N {
 *         meta mark & $PKT_VERDICT_MASK == $PKT_ALLOW_FLOW meta mark & $PKT_STAYS == 0x00000000 \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_VERIFIED \
 *             meta mark set meta mark & ~$PKT_VERDICT_MASK accept
 *         meta mark & $PKT_VERDICT_MASK == $PKT_ALLOW_FLOW meta mark & $PKT_STAYS == $PKT_STAYS \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_VERIFIED | $CT_LOCAL \
 *             meta mark set meta mark & ~$PKT_VERDICT_MASK accept
 *         meta mark & $PKT_VERDICT_MASK == $PKT_ALLOW_INSPECT \
 *             meta mark & $PKT_STAYS == 0x00000000 \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_INSPECT \
 *             meta mark set meta mark & ~$PKT_VERDICT_MASK accept
 *         meta mark & $PKT_VERDICT_MASK == $PKT_ALLOW_INSPECT \
 *             meta mark & $PKT_STAYS == $PKT_STAYS \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_INSPECT | $CT_LOCAL \
 *             meta mark set meta mark & ~$PKT_VERDICT_MASK accept
 *         meta mark & $PKT_VERDICT_MASK == $PKT_ALLOW_ONCE tcp flags & (syn | ack) == syn \
 *             meta mark & $PKT_STAYS == 0x00000000 \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_FRESH \
 *             meta mark set meta mark & ~$PKT_VERDICT_MASK accept
 *         meta mark & $PKT_VERDICT_MASK == $PKT_ALLOW_ONCE tcp flags & (syn | ack) == syn \
 *             meta mark & $PKT_STAYS == $PKT_STAYS \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_FRESH | $CT_LOCAL \
 *             meta mark set meta mark & ~$PKT_VERDICT_MASK accept
 *         meta mark & $PKT_VERDICT_MASK == $PKT_ALLOW_ONCE \
 *             meta mark set meta mark & ~$PKT_VERDICT_MASK accept
 *         meta mark & $PKT_VERDICT_MASK == $PKT_ALLOW_OWN meta l4proto tcp ct direction reply \
 *             meta mark & $PKT_STAYS == $PKT_STAYS \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_TURNED | $CT_LOCAL \
 *             meta mark set meta mark & ~$PKT_VERDICT_MASK accept
 *         meta mark & $PKT_VERDICT_MASK == $PKT_ALLOW_OWN meta mark & $PKT_STAYS == $PKT_STAYS \
 *             ct mark & $CT_MARK_MASK == $EPOCH | $CT_TURNED | $CT_LOCAL \
 *             meta mark set meta mark & ~$PKT_VERDICT_MASK accept
 *         meta mark & $PKT_VERDICT_MASK == $PKT_ALLOW_OWN tcp flags & syn == 0x0 \
 *             meta mark & $PKT_STAYS == $PKT_STAYS \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_DOUBT | $CT_LOCAL \
 *             meta mark set meta mark & ~$PKT_VERDICT_MASK accept
 *         meta mark & $PKT_VERDICT_MASK == $PKT_ALLOW_OWN meta mark & $PKT_STAYS == $PKT_STAYS \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_OWN | $CT_LOCAL \
 *             meta mark set meta mark & ~$PKT_VERDICT_MASK accept
 *         meta l4proto tcp ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_REFUSED
 *         oif != 0 fib saddr type != local drop            # if fib
 *         meta l4proto tcp reject with tcp reset
 *         reject with icmpx admin-prohibited
 *         drop
 *     }
 *     chain in_answered_N {
 *         meta mark & $PKT_VERDICT_MASK == $PKT_ALLOW_FLOW iif != "lo" \
 *             meta mark set meta mark & ~$PKT_MARK_MASK \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_VERIFIED accept
 *         meta mark & $PKT_VERDICT_MASK == $PKT_ALLOW_FLOW iif "lo" \
 *             meta mark set meta mark & ~$PKT_MARK_MASK \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_VERIFIED | $CT_LOCAL accept
 *         oif != 0 fib saddr type != local drop            # if fib
 *         meta l4proto tcp reject with tcp reset
 *         reject with icmpx admin-prohibited
 *         drop
 *     }
 *
 * own_answered_N has the rules of in_answered_N. The first rule of queue_N matches only packets
 * with a link header, which nft does not show: the rule loads a byte of that header and compares it
 * with nothing.
 *
 * The engine answers with NF_REPEAT: the packet comes to the chain `out` again, with the verdict in
 * its mark, and answered_N takes that off before the kernel compares the mark with what it was in
 * the queue. So no verdict makes the kernel look for another route, which it would do without the
 * socket's own settings (its user, a device). */
#include "fw/nft/verdict.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "fw/ipc/engine_msg.h"
#include "fw/nft/base.h"
#include "fw/nft/match.h"
#include "fw/nft/names.h"
#include "fw/nft/statement.h"

void nft_ask(struct batch *b, struct nftnl_rule *r, const struct nft_fence *f, uint32_t question)
{
	nft_set_mark(r, PKT_JUDGED_MASK, question);
	x_verdict(r, NFT_GOTO, nft_chain(FENCE_QUEUE, f->id).s);
	batch_rule(b, r);
}

/* A packet that a kernel tunnel sends keeps the socket whose packet it carries. The inner packet
 * was judged when it went into the tunnel. No sender can forge that: a packet has a link header,
 * where the kernel looks for one, only after it went through a device or through IPsec, which notes
 * there what it changes. */
static void queue_chain(struct batch *b, const struct nft_fence *f, bool native)
{
	const struct nft_name chain = nft_chain(FENCE_QUEUE, f->id);
	struct nftnl_rule *r = batch_rule_new(b, chain.s);

	batch_comment(b, r, "a tunnel's packet (it has a link header): what it carries was judged");
	nft_match_leaving(r);
	x_payload(r, NFT_PAYLOAD_LL_HEADER, 0, 1, NFT_REG_1);
	nft_set_mark(r, PKT_MARK_MASK, PKT_PASS);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, chain.s);
	batch_comment(b, r, "to the fence's queue of the engine");
	x_queue(r, f->queue, native);
	batch_rule(b, r);
	r = batch_rule_new(b, chain.s);
	x_verdict(r, NF_DROP, NULL);
	batch_rule(b, r);
}

/* Only the verdict is taken off: the rest of the mark stays as it was in the queue. */
static void pass_on(struct batch *b, struct nftnl_rule *r)
{
	nft_set_mark(r, PKT_VERDICT_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
}

static struct nftnl_rule *on_verdict(struct batch *b, const char *chain, uint32_t verdict)
{
	struct nftnl_rule *r = batch_rule_new(b, chain);

	nft_match_mark(r, PKT_VERDICT_MASK, verdict);
	return r;
}

/* What is allowed only if the fence itself gets it. A conntrack entry keeps the direction of the
 * packet that made it, whoever begins a connection on it later. So an entry that saw beginnings in
 * both directions does not tell which end answers. */
static void own_rules(struct batch *b, const struct nft_fence *f, const char *chain)
{
	struct nftnl_rule *r = on_verdict(b, chain, PKT_ALLOW_OWN);

	batch_comment(b, r, "against the direction of its entry: replies are no answers");
	nft_match_l4(r, IPPROTO_TCP);
	nft_match_reply(r, true);
	nft_match_way(r, true);
	nft_set_state(r, f, CT_TURNED, true);
	pass_on(b, r);
	r = on_verdict(b, chain, PKT_ALLOW_OWN);
	batch_comment(b, r, "such an entry stays so");
	nft_match_way(r, true);
	nft_match_state(r, f, CT_TURNED, true);
	pass_on(b, r);
	r = on_verdict(b, chain, PKT_ALLOW_OWN);
	batch_comment(b, r, "in the middle of a connection: which socket took it was not seen");
	nft_match_syn(r, false);
	nft_match_way(r, true);
	nft_set_state(r, f, CT_DOUBT, true);
	pass_on(b, r);
	r = on_verdict(b, chain, PKT_ALLOW_OWN);
	batch_comment(b, r, "allowed if the fence itself gets it: checked where it comes in");
	nft_match_way(r, true);
	nft_set_state(r, f, CT_OWN, true);
	pass_on(b, r);
}

static void allow_rules(struct batch *b, const struct nft_fence *f, const char *chain)
{
	static const struct {
		uint32_t verdict, state;
		const char *comment;
	} flows[] = {
	    {PKT_ALLOW_FLOW, CT_VERIFIED, "allowed: the flow passes from now on"},
	    {PKT_ALLOW_INSPECT, CT_INSPECT, "allowed; the next payload is a question again"}};
	struct nftnl_rule *r;

	for (unsigned i = 0; i < 4; i++) {
		r = on_verdict(b, chain, flows[i / 2].verdict);
		batch_comment(b, r, flows[i / 2].comment);
		nft_match_way(r, i & 1);
		nft_set_state(r, f, flows[i / 2].state, i & 1);
		pass_on(b, r);
	}
	for (unsigned local = 0; local < 2; local++) {
		r = on_verdict(b, chain, PKT_ALLOW_ONCE);
		batch_comment(b, r, "allowed to begin: it carries nothing yet");
		nft_match_l4(r, IPPROTO_TCP);
		nft_match_opens(r, true);
		nft_match_way(r, local);
		nft_set_state(r, f, CT_FRESH, local);
		pass_on(b, r);
	}
	r = on_verdict(b, chain, PKT_ALLOW_ONCE);
	batch_comment(b, r, "allowed, this packet only");
	pass_on(b, r);
	own_rules(b, f, chain);
}

static void verdict_out(const struct nft *n, struct batch *b, const struct nft_fence *f)
{
	const struct nft_name chain = nft_chain(FENCE_ANSWERED, f->id);
	struct nftnl_rule *r;

	allow_rules(b, f, chain.s);
	r = batch_rule_new(b, chain.s);
	batch_comment(b, r, "refused, and the connection with it");
	nft_match_l4(r, IPPROTO_TCP);
	nft_set_state(r, f, CT_REFUSED, false);
	batch_rule(b, r);
	nft_reject_all(n, b, chain.s);
}

void nft_verdict(const struct nft *n, struct batch *b, const struct nft_fence *f)
{
	queue_chain(b, f, n->native_queue);
	verdict_out(n, b, f);
}

void nft_in_verdict(const struct nft *n, struct batch *b, const struct nft_fence *f, unsigned chain)
{
	const struct nft_name name = nft_chain(chain, f->id);

	for (unsigned local = 0; local < 2; local++) {
		struct nftnl_rule *r = batch_rule_new(b, name.s);

		batch_comment(b, r, "audit mode lets all in; or the fence itself gets it");
		nft_match_mark(r, PKT_VERDICT_MASK, PKT_ALLOW_FLOW);
		nft_match_iif_lo(r, local);
		nft_set_mark(r, PKT_MARK_MASK, 0);
		nft_set_state(r, f, CT_VERIFIED, local);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	nft_reject_all(n, b, name.s);
}
