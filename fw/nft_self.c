/* Loopback addresses lead back to this machine, whoever names them, and more than one rule relies
 * on that: a fence's resolver is at one, and what listens there is asked for by sock_diag. But a
 * socket can name the device by which its packets go (SO_BINDTODEVICE, IP_UNICAST_IF, IP_PKTINFO),
 * and then they leave by it, with whatever they carry, for the next router to see.
 *
 *     from f<N>, f6_<N>     to a loopback address by another device                    -> s<N>
 *     s<N>                  the device was chosen before the address was changed: goes on; else:
 * ask leave  filter postrouting   an address that was changed, by another device: dropped, counted
 *
 * At the output a redirected question still has the device of the server that it named, so where it
 * really goes is known only when it goes; there no rule can ask for the cgroup, or reject. */
#include "fw/nft_table.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#define IP4_LOOPBACK  127
#define CHANGED_CHAIN "leave_changed"

static void match_elsewhere(struct nftnl_rule *r)
{
	x_meta_load(r, NFT_META_OIF, NFT_REG_1);
	x_cmp_ne32(r, NFT_REG_1, NFT_LOOPBACK_IFINDEX);
}

static void match_loopback(struct nftnl_rule *r, bool v6)
{
	static const uint8_t self[16] = {[15] = 1};

	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, v6 ? IP6_DADDR_OFFSET : IP4_DADDR_OFFSET,
		  v6 ? 16 : 1, NFT_REG_1);
	if (v6)
		x_cmp(r, NFT_REG_1, self, sizeof(self));
	else
		x_cmp8(r, NFT_REG_1, IP4_LOOPBACK);
}

static void match_changed(struct nftnl_rule *r)
{
	x_ct_load(r, NFT_CT_STATUS, NFT_REG_1);
	x_mask(r, NFT_REG_1, IPS_DST_NAT, 0);
	x_cmp_ne32(r, NFT_REG_1, 0);
}

void nft_self_leave(struct batch *b)
{
	struct nftnl_rule *r = batch_rule_new(b, "leave");

	batch_chain(b, CHANGED_CHAIN, -1, 0, NULL);
	match_changed(r);
	x_verdict(r, NFT_GOTO, CHANGED_CHAIN);
	batch_rule(b, r);
	batch_counter(b, NFT_MSG_NEWOBJ, NFT_STRAY_COUNTER);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		r = batch_rule_new(b, CHANGED_CHAIN);
		match_elsewhere(r);
		nft_match_family(r, v6);
		match_loopback(r, v6);
		x_counter_ref(r, NFT_STRAY_COUNTER);
		x_verdict(r, NF_DROP, NULL);
		batch_rule(b, r);
	}
}

void nft_self_chain(struct batch *b, const struct nft_fence *f)
{
	char chain[NFT_NAME_BYTES], ask[NFT_NAME_BYTES];
	struct nftnl_rule *r = batch_rule_new(b, nft_name(chain, "s", f->id));

	match_changed(r);
	x_verdict(r, NFT_RETURN, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	x_verdict(r, NFT_GOTO, nft_name(ask, "q", f->id));
	batch_rule(b, r);
}

void nft_self(struct batch *b, const struct nft_fence *f, const char *chain, bool v6)
{
	char other[NFT_NAME_BYTES];
	struct nftnl_rule *r = batch_rule_new(b, chain);

	match_loopback(r, v6);
	match_elsewhere(r);
	x_verdict(r, NFT_JUMP, nft_name(other, "s", f->id));
	batch_rule(b, r);
}
