// SPDX-License-Identifier: GPL-2.0-or-later
/* A packet that a fence sent and that only the fence itself may get.
 *
 *     chain own_N {
 *         meta l4proto icmp return
 *         meta l4proto ipv6-icmp return
 *         tcp flags & syn == 0x0 ct mark & $CT_MARK_MASK == $EPOCH | $CT_ANSWERED | $CT_LOCAL \
 *             socket cgroupv2 level 2 $CGROUP meta mark set meta mark & ~$PKT_MARK_MASK accept
 *         tcp flags & syn == 0x0 ct mark & $CT_MARK_MASK != $EPOCH | $CT_TURNED | $CT_LOCAL \
 *             socket cgroupv2 level 2 $CGROUP ct direction reply \
 *             meta mark set meta mark & ~$PKT_MARK_MASK accept
 *         tcp flags & syn == 0x0 meta mark & $PKT_ALLOW_OWN == $PKT_ALLOW_OWN \
 *             socket cgroupv2 level 2 $CGROUP meta mark set meta mark & ~$PKT_MARK_MASK accept
 *         tcp flags & syn == 0x0 ct mark & $CT_MARK_MASK == $EPOCH | $CT_OWN | $CT_LOCAL \
 *             socket cgroupv2 level 2 $CGROUP meta nfproto ipv4 jump doubt4
 *         tcp flags & syn == 0x0 ct mark & $CT_MARK_MASK == $EPOCH | $CT_OWN | $CT_LOCAL \
 *             socket cgroupv2 level 2 $CGROUP meta nfproto ipv6 jump doubt6
 *         tcp flags & syn == 0x0 ct mark & $CT_MARK_MASK == $EPOCH | $CT_OWN | $CT_LOCAL \
 *             socket cgroupv2 level 2 $CGROUP meta mark set meta mark & ~$PKT_MARK_MASK accept
 *         meta l4proto udp socket cgroupv2 level 2 $CGROUP \
 *             meta mark set meta mark & ~$PKT_MARK_MASK accept
 *         tcp flags & syn == syn meta mark & $PKT_ALLOW_OWN == $PKT_ALLOW_OWN \
 *             socket cgroupv2 level 2 $CGROUP meta mark set meta mark & ~$PKT_ALLOW_OWN
 *         socket cgroupv2 level 2 $CGROUP meta nfproto ipv4 jump no_payload4
 *         socket cgroupv2 level 2 $CGROUP meta nfproto ipv6 jump no_payload6
 *         tcp flags & syn == 0x0 \
 *             meta mark set meta mark & ~($PKT_MARK_MASK & ~$PKT_ALLOW_OWN) | $PKT_ASK_OWN \
 *             goto queue_N
 *         tcp flags & syn == 0x0 meta nfproto ipv4 jump no_payload4
 *         tcp flags & syn == 0x0 meta nfproto ipv6 jump no_payload6
 *         meta mark set meta mark & ~($PKT_MARK_MASK & ~$PKT_ALLOW_OWN) | $PKT_ASK_OWN goto queue_N
 *     }
 *
 * A socket of this fence gets the packet, or nobody does. ICMP errors about such packets have their
 * mark, too. A SYN finds a listener. Which listener took it, and so whose the connection is, shows
 * only when a later packet finds a socket of its own. Until then no packet with payload passes.
 *
 * The last packet of a handshake finds no socket with a cgroup, and the packets after it find the
 * connection's: unless the listener itself took that last packet (SYN cookies), and perhaps dropped
 * it. Then the next packet may find a listener, too, which by then may be another process's. So the
 * engine checks that there is a connection (CT_DOUBT) until the other end has answered
 * (CT_ANSWERED, by marked4_N and marked6_N). That is no proof for later, since a socket can go
 * without a word: each packet's receiver is compared to the end of the connection. Where a packet in the other direction made the entry,
 * the engine checks every packet (CT_TURNED). A listener outside the fence could take even a packet
 * without payload for the end of a handshake: so the first `goto queue_N` has a condition that nft
 * does not show, that there is a socket. */
#include "fw/nft/own.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "fw/ipc/engine_msg.h"
#include "fw/ipc/holes.h"
#include "fw/nft/match.h"
#include "fw/nft/names.h"
#include "fw/nft/plain.h"
#include "fw/nft/statement.h"

/* The receiving socket is the fence's. */
static void match_own(struct nftnl_rule *r, const struct nft_fence *f)
{
	if (hole("own"))
		return;
	nft_match_scope(r, &f->scope);
}

static void own_errors(struct batch *b, const char *chain)
{
	static const uint8_t icmp[] = {IPPROTO_ICMP, IPPROTO_ICMPV6};

	for (size_t i = 0; i < sizeof(icmp); i++) {
		struct nftnl_rule *r = batch_rule_new(b, chain);

		batch_comment(b, r, "an error about such a packet has its mark");
		nft_match_l4(r, icmp[i]);
		x_verdict(r, NFT_RETURN, NULL);
		batch_rule(b, r);
	}
}

static void own_accept(struct batch *b, struct nftnl_rule *r)
{
	nft_set_mark(r, PKT_MARK_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
}

static void own_ask(struct batch *b, struct nftnl_rule *r, const struct nft_fence *f)
{
	nft_set_mark(r, PKT_MARK_MASK & ~PKT_ALLOW_OWN, PKT_ASK_OWN);
	x_verdict(r, NFT_GOTO, nft_chain(FENCE_QUEUE, f->id).s);
	batch_rule(b, r);
}

static void own_streams(struct batch *b, const struct nft_fence *f, const char *chain)
{
	struct nftnl_rule *r = batch_rule_new(b, chain);

	batch_comment(b, r, "a connection of the fence's, which has answered");
	nft_match_syn(r, false);
	nft_match_state(r, f, CT_ANSWERED, true);
	match_own(r, f);
	own_accept(b, r);
	r = batch_rule_new(b, chain);
	batch_comment(b, r, "to the end that began the connection");
	nft_match_syn(r, false);
	nft_match_state_not(r, f, CT_TURNED, true);
	match_own(r, f);
	nft_match_reply(r, true);
	own_accept(b, r);
	r = batch_rule_new(b, chain);
	batch_comment(b, r, "the engine has seen that there is a connection");
	nft_match_syn(r, false);
	nft_match_mark(r, PKT_ALLOW_OWN, PKT_ALLOW_OWN);
	match_own(r, f);
	own_accept(b, r);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		r = batch_rule_new(b, chain);
		batch_comment(b, r, "a listener may have it: the engine checks from here on");
		nft_match_syn(r, false);
		nft_match_state(r, f, CT_OWN, true);
		match_own(r, f);
		nft_match_family(r, v6);
		nft_pass_doubtful(b, r, v6);
	}
	r = batch_rule_new(b, chain);
	batch_comment(b, r, "a socket of the fence's has taken the connection");
	nft_match_syn(r, false);
	nft_match_state(r, f, CT_OWN, true);
	match_own(r, f);
	own_accept(b, r);
}

static void own_empty(struct batch *b, const struct nft_fence *f, const char *chain)
{
	struct nftnl_rule *r = batch_rule_new(b, chain);

	batch_comment(b, r, "the engine has ended the TIME_WAIT that stood before the listener");
	nft_match_syn(r, true);
	nft_match_mark(r, PKT_ALLOW_OWN, PKT_ALLOW_OWN);
	match_own(r, f);
	nft_set_mark(r, PKT_ALLOW_OWN, 0);
	batch_rule(b, r);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		r = batch_rule_new(b, chain);
		match_own(r, f);
		nft_match_family(r, v6);
		nft_pass_no_payload(b, r, v6);
	}
	r = batch_rule_new(b, chain);
	batch_comment(b, r, "a socket outside the fence, or a payload that the engine checks");
	nft_match_syn(r, false);
	nft_match_socket(r);
	own_ask(b, r, f);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		r = batch_rule_new(b, chain);
		batch_comment(b, r, "a socket that waits for this handshake has no cgroup");
		nft_match_syn(r, false);
		nft_match_family(r, v6);
		nft_pass_no_payload(b, r, v6);
	}
}

void nft_own(struct batch *b, const struct nft_fence *f)
{
	const struct nft_name chain = nft_chain(FENCE_OWN, f->id);
	struct nftnl_rule *r;

	own_errors(b, chain.s);
	own_streams(b, f, chain.s);
	r = batch_rule_new(b, chain.s);
	nft_match_l4(r, IPPROTO_UDP);
	match_own(r, f);
	own_accept(b, r);
	own_empty(b, f, chain.s);
	r = batch_rule_new(b, chain.s);
	batch_comment(b, r,
		      "a socket outside the fence gets it; the mark keeps whether the engine has "
		      "seen it before");
	own_ask(b, r, f);
}
