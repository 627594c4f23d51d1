/* Loopback addresses lead back to this machine, whoever names them, and more than one rule relies
 * on that: a fence's resolver is at one, and what listens there is the host's. But a socket can
 * name the device by which its packets go (SO_BINDTODEVICE, IP_UNICAST_IF, IP_PKTINFO), and then
 * they leave by it, with whatever they carry, for the next router to see.
 *
 *     from f<N>, f6_<N>     does not stay here, and is for a loopback address: ask
 *     from u<N>, l4_<N> …   does not stay here, and is for any address of this machine: ask
 *     leave  filter postrouting -1000  has our mark -> leave_marked
 *     leave_marked          it goes otherwise than it was judged: dropped, counted; else it keeps
 *                           the mark of what may go, for the last look behind all hooks. Where
 *                           nobody looks, or the host has marked it too, it has none from here on:
 *                           rules of the host's that compare the whole mark find their own
 *                           What stays on this machine keeps a mark until it comes in, which says
 *                           who sent it (see nft_ingress.c): an entry only says who had the ports
 *     last   filter postrouting 1000  only for a last look. The host has marked it: where its
 * socket is in a cgroup of ours it has come this way, and gets our mark again
 *
 * At the output a redirected packet still has the device of the server that it named, so where
 * anything really goes is known only when it goes; there no rule can ask for the cgroup, or reject,
 * so the mark has to say what was judged. */
#include "fw/nft/table.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include "fw/ipc/holes.h"

#define IP4_LOOPBACK 127
#define MARKED_CHAIN "leave_marked"

void nft_match_elsewhere(struct nftnl_rule *r)
{
	x_meta_load(r, NFT_META_OIF, NFT_REG_1);
	x_cmp_ne32(r, NFT_REG_1, NFT_LOOPBACK_IFINDEX);
}

static void match_oif_lo(struct nftnl_rule *r)
{
	x_meta_load(r, NFT_META_OIF, NFT_REG_1);
	x_cmp32(r, NFT_REG_1, NFT_LOOPBACK_IFINDEX);
}

void nft_match_loopback(struct nftnl_rule *r, bool v6)
{
	static const uint8_t self[16] = {[15] = 1};

	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, v6 ? IP6_DADDR_OFFSET : IP4_DADDR_OFFSET,
		  v6 ? 16 : 1, NFT_REG_1);
	if (v6)
		x_cmp(r, NFT_REG_1, self, sizeof(self));
	else
		x_cmp8(r, NFT_REG_1, IP4_LOOPBACK);
}

static void stray(struct batch *b, struct nftnl_rule *r)
{
	x_counter_ref(r, NFT_STRAY_COUNTER);
	x_verdict(r, NF_DROP, NULL);
	batch_rule(b, r);
}

void nft_self_leave(const struct nft *n, struct batch *b)
{
	struct nftnl_rule *r;

	batch_chain(b, MARKED_CHAIN, -1, 0, NULL);
	batch_counter(b, NFT_MSG_NEWOBJ, NFT_STRAY_COUNTER);
	if (hole("device"))
		return;
	r = batch_rule_new(b, "leave");
	x_meta_load(r, NFT_META_MARK, NFT_REG_1);
	x_mask(r, NFT_REG_1, PKT_ASK_MASK, 0);
	x_cmp_ne32(r, NFT_REG_1, 0);
	x_verdict(r, NFT_GOTO, MARKED_CHAIN);
	batch_rule(b, r);
	r = batch_rule_new(b, MARKED_CHAIN);
	nft_match_mark(r, PKT_STAYS, PKT_STAYS);
	nft_match_elsewhere(r);
	stray(b, r);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		r = batch_rule_new(b, MARKED_CHAIN);
		nft_match_elsewhere(r);
		nft_match_family(r, v6);
		nft_match_loopback(r, v6);
		stray(b, r);
	}
	r = batch_rule_new(b, MARKED_CHAIN); /* by m<N> */
	nft_match_mark(r, PKT_ASK_MASK, PKT_ASK_OWN);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	for (unsigned doubt = 0; doubt < 2; doubt++) {
		/* by a verdict; an answer of somebody's has PKT_PASS */
		r = batch_rule_new(b, MARKED_CHAIN);
		x_meta_load(r, NFT_META_MARK, NFT_REG_1);
		x_mask(r, NFT_REG_1, PKT_ASK_MASK, 0);
		x_cmp_ne32(r, NFT_REG_1, PKT_PASS);
		x_ct_load(r, NFT_CT_MARK, NFT_REG_1);
		x_mask(r, NFT_REG_1, CT_STATE_MASK, 0);
		x_cmp32(r, NFT_REG_1, (doubt ? CT_DOUBT : CT_OWN) | CT_LOCAL);
		match_oif_lo(r);
		x_meta_mark(r, PKT_MARK_MASK, PKT_ASK_OWN | PKT_STAYS);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, MARKED_CHAIN);
	nft_match_mark(r, PKT_STAYS, PKT_STAYS);
	match_oif_lo(r);
	x_meta_mark(r, PKT_MARK_MASK, PKT_PASS | PKT_STAYS);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	for (unsigned host = 0; host < 2; host++) {
		r = batch_rule_new(b, MARKED_CHAIN);
		if (n->last_look && !host) {
			nft_match_mark(r, ~PKT_MARK_MASK, 0);
			x_meta_mark(r, PKT_ASK_MASK | PKT_VERDICT_MASK, PKT_PASS);
			x_verdict(r, NF_ACCEPT, NULL);
		} else {
			x_meta_mark(r, PKT_MARK_MASK, 0);
		}
		batch_rule(b, r);
	}
}

void nft_self_last(struct batch *b)
{
	struct nftnl_rule *r = batch_rule_new(b, "last");

	x_meta_load(r, NFT_META_MARK, NFT_REG_1);
	x_mask(r, NFT_REG_1, ~PKT_MARK_MASK, 0);
	x_cmp_ne32(r, NFT_REG_1, 0);
	x_ct_label_match(r);
	x_meta_mark(r, PKT_MARK_MASK, PKT_PASS);
	batch_rule(b, r);
}

static void match_leaves(struct nftnl_rule *r)
{
	nft_match_mark(r, PKT_STAYS, 0);
}

void nft_self(struct batch *b, const struct nft_fence *f, const char *chain, bool v6)
{
	struct nftnl_rule *r;

	if (hole("device"))
		return;
	r = batch_rule_new(b, chain);
	nft_match_loopback(r, v6);
	match_leaves(r);
	nft_ask(r, f, PKT_ASK_DEVICE);
	batch_rule(b, r);
}

void nft_self_new(const struct nft *n, struct batch *b, const struct nft_fence *f,
		  const char *chain)
{
	struct nftnl_rule *r;

	if (!n->fib || hole("device"))
		return;
	r = batch_rule_new(b, chain);
	match_leaves(r);
	x_fib_destination(r, NFT_REG_1);
	x_cmp32(r, NFT_REG_1, RTN_LOCAL);
	nft_ask(r, f, PKT_ASK_DEVICE);
	batch_rule(b, r);
}
