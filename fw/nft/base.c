// SPDX-License-Identifier: GPL-2.0-or-later
/* What leaves: by its sender's cgroup to the fence's chain, and what belongs to no fence.
 *
 *     chain wash {
 *         meta mark & $PKT_MARK_MASK != 0x00000000 socket cgroupv2 level 1 vmap @any_fence
 *     }
 *     chain washed {
 *         meta mark set meta mark & ~$PKT_MARK_MASK
 *     }
 *     chain out {
 *         meta mark & $PKT_VERDICT_MASK != 0x00000000 \
 *             socket cgroupv2 level 2 vmap @fence_answered
 *         ct status expected / expected,confirmed ct mark set ct mark & ~$CT_MARK_MASK
 *         socket cgroupv2 level 2 vmap @fence_out
 *         socket cgroupv2 level 1 vmap @no_fence
 *         oif "lo" ct direction original ct mark & $CT_MARK_MASK vmap @fence_own_others
 *         oif "lo" meta l4proto udp ct mark & $CT_MARK_MASK vmap @fence_own_others
 *         oif "lo" tcp flags & (syn | ack) == syn ct mark & $CT_MARK_MASK vmap @fence_own_others
 *         meta skuid $ENGINE goto engine
 *         oif "lo" ip daddr . meta l4proto . th dport @resolvers4 goto reject_all
 *         oif "lo" ip6 daddr . meta l4proto . th dport @resolvers6 goto reject_all
 *         icmp type destination-unreachable @th,136,8 0x11 @th,224,16 0x35 drop
 *         icmpv6 type destination-unreachable @th,112,8 0x11 @th,384,16 0x35 drop
 *     }
 *     chain others_begin {
 *         ct mark set ct mark & ~$CT_MARK_MASK
 *     }
 *     chain dns {
 *         th dport 53 meta l4proto udp socket cgroupv2 level 2 vmap @fence_dns
 *         th dport 53 meta l4proto tcp socket cgroupv2 level 2 vmap @fence_dns
 *     }
 *     chain dns_zone {
 *         th dport 53 meta l4proto udp socket cgroupv2 level 2 vmap @fence_dns_zone
 *     }
 *     chain reject_all {
 *         oif != 0 fib saddr type != local drop            # if fib
 *         meta l4proto tcp reject with tcp reset
 *         reject with icmpx admin-prohibited
 *         drop
 *     }
 *
 * In the ICMP errors @th,136,8 and @th,112,8 are the protocol of the packet that the error is
 * about, @th,224,16 and @th,384,16 its source port. */
#include "fw/nft/base.h"

#include <arpa/inet.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "fw/ipc/engine_msg.h"
#include "fw/nft/engine.h"
#include "fw/nft/match.h"
#include "fw/nft/names.h"
#include "fw/nft/resolver.h"
#include "fw/nft/statement.h"

#define DNS_PORT          53
#define ICMP_HEADER_BYTES 8 /* then the packet that it is about: RFC 792, RFC 4443 */

void nft_above(struct batch *b, uint64_t above_id)
{
	struct set_key k = set_key_cgroup(above_id);
	static const char *const to[][2] = {{MAP_NO_FENCE, CHAIN_REJECT_ALL},
					    {MAP_ANY_FENCE, CHAIN_WASHED}};

	for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		struct nftnl_set *s = batch_elems_new(b, to[i][0]);

		batch_elem(s, &k, NULL, to[i][1]);
		batch_elems(b, NFT_MSG_NEWSETELEM, s);
	}
}

void nft_reject_all(const struct nft *n, struct batch *b, const char *chain)
{
	struct nftnl_rule *r;

	if (n->fib) {
		r = batch_rule_new(b, chain);
		batch_comment(b, r, "its source is not ours: the answer would go to a stranger");
		nft_match_leaving(r);
		nft_match_source_foreign(r);
		x_verdict(r, NF_DROP, NULL);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain);
	nft_match_l4(r, IPPROTO_TCP);
	x_reject(r, true);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	x_reject(r, false);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	batch_comment(b, r, "what cannot be answered");
	x_verdict(r, NF_DROP, NULL);
	batch_rule(b, r);
}

/* The port first: few packets match it. */
static void dns_rule(struct batch *b, const char *chain, uint8_t l4proto, const char *map)
{
	struct nftnl_rule *r = batch_rule_new(b, chain);

	nft_match_dport(r, DNS_PORT);
	nft_match_l4(r, l4proto);
	nft_find_cgroup(r, SCOPE_CGROUP_LEVEL, map);
	batch_rule(b, r);
}

/* A DNS answer that comes after its socket was closed makes the kernel send an ICMP error, with the
 * question in it, to the server that was asked. The error comes from no socket of the fence, so
 * nothing tells it from other errors, and conntrack does not look in the zone of the fence's
 * questions. So no such error about a datagram from port 53 leaves; servers have no use for
 * them. */
static void unwanted_answers(struct batch *b, bool v6)
{
	const uint32_t ip_bytes = v6 ? IP6_BYTES : IP4_BYTES, proto_offset = v6 ? 6 : 9;
	uint16_t port = htons(DNS_PORT);
	struct nftnl_rule *r = batch_rule_new(b, CHAIN_OUT);

	batch_comment(b, r, "the kernel's error about a late DNS answer: it holds the question");
	nft_match_l4(r, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
	x_cmp8(r, NFT_REG_1, v6 ? ICMPV6_DEST_UNREACH : ICMP_DEST_UNREACH);
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, ICMP_HEADER_BYTES + proto_offset, 1, NFT_REG_1);
	x_cmp8(r, NFT_REG_1, IPPROTO_UDP);
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, ICMP_HEADER_BYTES + ip_bytes, sizeof(port),
		  NFT_REG_1);
	x_cmp(r, NFT_REG_1, &port, sizeof(port));
	x_verdict(r, NF_DROP, NULL);
	batch_rule(b, r);
}

/* A sender may put a forged verdict into our bits of the mark. It is taken off before `out`, where
 * only the engine's verdicts have any of these bits. */
static void wash(struct batch *b)
{
	struct nftnl_rule *r = batch_rule_new(b, CHAIN_WASH);

	nft_match_mark_not(r, PKT_MARK_MASK, 0);
	nft_find_cgroup(r, NFT_ABOVE_LEVEL, MAP_ANY_FENCE);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_WASHED);
	nft_set_mark(r, PKT_MARK_MASK, 0);
	batch_rule(b, r);
}

/* Who is in no fence, and has the ports that a fence had, and so the entry of its flow to itself: what
 * they send is none of the fence's. The fence's own packets are judged anew then. In the reply
 * direction the kernel sends for the fence, too, from sockets that have no cgroup: but no datagram,
 * and no SYN that asks. */
static void others_begin(struct batch *b)
{
	static const char why[] = "an entry of a fence's, which somebody else uses after it";
	struct nftnl_rule *r = batch_rule_new(b, CHAIN_OUT);

	batch_comment(b, r, why);
	nft_match_oif_lo(r, true);
	nft_match_reply(r, false);
	nft_find_ct_mark(r, MAP_OWN_OTHERS);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_OUT);
	batch_comment(b, r, why);
	nft_match_oif_lo(r, true);
	nft_match_l4(r, IPPROTO_UDP);
	nft_find_ct_mark(r, MAP_OWN_OTHERS);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_OUT);
	batch_comment(b, r, why);
	nft_match_oif_lo(r, true);
	nft_match_l4(r, IPPROTO_TCP);
	nft_match_opens(r, true);
	nft_find_ct_mark(r, MAP_OWN_OTHERS);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_OTHERS_BEGIN);
	nft_set_ct_mark(r, CT_MARK_MASK, 0);
	batch_rule(b, r);
}

/* A flow that a helper of conntrack expected (FTP's data, SIP's voice) begins with the mark of the
 * flow that announced it, so as if it had been judged. Only an entry that is not confirmed yet is
 * new: errors about a flow, and our resets, carry the entry of that flow. */
void nft_expected(struct batch *b, const char *chain)
{
	struct nftnl_rule *r = batch_rule_new(b, chain);

	batch_comment(b, r, "a helper expected it: the mark is of another flow");
	x_ct_load(r, NFT_CT_STATUS, NFT_REG_1);
	x_mask(r, NFT_REG_1, IPS_EXPECTED | IPS_CONFIRMED, 0);
	x_cmp32(r, NFT_REG_1, IPS_EXPECTED);
	nft_set_ct_mark(r, CT_MARK_MASK, 0);
	batch_rule(b, r);
}

void nft_base_out(const struct nft *n, struct batch *b)
{
	struct nftnl_rule *r;

	wash(b);
	r = batch_rule_new(b, CHAIN_OUT);
	batch_comment(b, r, "from the queue once more, with the engine's verdict in its mark");
	nft_match_mark_not(r, PKT_VERDICT_MASK, 0);
	nft_find_cgroup(r, SCOPE_CGROUP_LEVEL, MAP_ANSWERED);
	batch_rule(b, r);
	nft_expected(b, CHAIN_OUT);
	r = batch_rule_new(b, CHAIN_OUT);
	nft_find_cgroup(r, SCOPE_CGROUP_LEVEL, MAP_OUT);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_OUT);
	batch_comment(b, r, "a socket that outlived its fence, or of an earlier daemon");
	nft_find_cgroup(r, NFT_ABOVE_LEVEL, MAP_NO_FENCE);
	batch_rule(b, r);
	others_begin(b);
	nft_engine_rules(n, b);
	nft_resolver_rules(b);
	dns_rule(b, CHAIN_DNS, IPPROTO_UDP, MAP_DNS);
	dns_rule(b, CHAIN_DNS, IPPROTO_TCP, MAP_DNS);
	/* See dns_chains in fence.c; TCP begins anew with a SYN. */
	dns_rule(b, CHAIN_DNS_ZONE, IPPROTO_UDP, MAP_DNS_ZONE);
	for (unsigned v6 = 0; v6 < 2; v6++)
		unwanted_answers(b, v6);
	nft_reject_all(n, b, CHAIN_REJECT_ALL);
}
