/* A packet of the fence's that only the fence itself may get.
 *
 *     chain own_N {
 *         meta l4proto icmp return
 *         meta l4proto ipv6-icmp return
 *         tcp flags & syn == 0x0 socket cgroupv2 level 2 $CGROUP \
 *             meta mark set meta mark & ~$PKT_MARK_MASK \
 *             ct mark set ct mark & ~$CT_MARK_MASK | $EPOCH | $CT_VERIFIED | $CT_LOCAL accept
 *         meta l4proto udp socket cgroupv2 level 2 $CGROUP \
 *             meta mark set meta mark & ~$PKT_MARK_MASK accept
 *         tcp flags & syn == 0x0 meta nfproto ipv4 jump no_payload4
 *         tcp flags & syn == syn socket cgroupv2 level 2 $CGROUP meta nfproto ipv4 jump no_payload4
 *         tcp flags & syn == 0x0 meta nfproto ipv6 jump no_payload6
 *         tcp flags & syn == syn socket cgroupv2 level 2 $CGROUP meta nfproto ipv6 jump no_payload6
 *         meta mark set meta mark & ~($PKT_MARK_MASK & ~$PKT_ALLOW_OWN) | $PKT_ASK_OWN goto queue_N
 *     }
 *
 * Of this fence, or of nobody's business. Errors about such packets have their mark, too. A SYN
 * finds a listener; which one took it, and so whose the connection is, shows the first packet that
 * finds a socket of its own. Until then nothing passes that carries anything. */
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

/* The receiving socket is of the fence. */
static void match_own(struct nftnl_rule *r, const struct nft_fence *f)
{
	if (hole("own"))
		return;
	nft_match_cgroup(r, f->cgroup_id);
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

static void own_sockets(struct batch *b, const struct nft_fence *f, const char *chain)
{
	struct nftnl_rule *r = batch_rule_new(b, chain);

	batch_comment(b, r, "a socket of the fence's has taken the connection");
	nft_match_syn(r, false);
	match_own(r, f);
	nft_set_mark(r, PKT_MARK_MASK, 0);
	nft_set_state(r, f, CT_VERIFIED, true);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	nft_match_l4(r, IPPROTO_UDP);
	match_own(r, f);
	nft_set_mark(r, PKT_MARK_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
}

static void own_handshake(struct batch *b, const struct nft_fence *f, const char *chain, bool v6)
{
	struct nftnl_rule *r = batch_rule_new(b, chain);

	batch_comment(b, r, "a socket that waits for this handshake has no cgroup");
	nft_match_syn(r, false);
	nft_match_family(r, v6);
	nft_pass_no_payload(b, r, v6);
	r = batch_rule_new(b, chain);
	nft_match_syn(r, true);
	match_own(r, f);
	nft_match_family(r, v6);
	nft_pass_no_payload(b, r, v6);
}

void nft_own(struct batch *b, const struct nft_fence *f)
{
	const struct nft_name chain = nft_chain(FENCE_OWN, f->id);
	struct nftnl_rule *r;

	own_errors(b, chain.s);
	own_sockets(b, f, chain.s);
	for (unsigned v6 = 0; v6 < 2; v6++)
		own_handshake(b, f, chain.s, v6);
	r = batch_rule_new(b, chain.s);
	batch_comment(b, r, "somebody else gets it; that it was looked at twice stays in the mark");
	nft_set_mark(r, PKT_MARK_MASK & ~PKT_ALLOW_OWN, PKT_ASK_OWN);
	x_verdict(r, NFT_GOTO, nft_chain(FENCE_QUEUE, f->id).s);
	batch_rule(b, r);
}
