// SPDX-License-Identifier: GPL-2.0-or-later
/* Which packets a rule may judge by the fixed places of their headers, and which carry nothing.
 *
 *     chain no_payload4 {
 *         @nh,16,16 0x34 @th,96,8 & 0xf0 0x80 accept       # length of the packet, of its header
 *         @nh,16,16 0x3c @th,96,8 & 0xf0 0xa0 accept
 *         @nh,16,16 > 0x50 return
 *         @nh,16,16 0x28 @th,96,8 & 0xf0 0x50 accept
 *         @nh,16,16 0x30 @th,96,8 & 0xf0 0x70 accept
 *         @nh,16,16 0x2c @th,96,8 & 0xf0 0x60 accept
 *         @nh,16,16 0x38 @th,96,8 & 0xf0 0x90 accept
 *         @nh,16,16 0x40 @th,96,8 & 0xf0 0xb0 accept
 *         @nh,16,16 0x44 @th,96,8 & 0xf0 0xc0 accept
 *         @nh,16,16 0x48 @th,96,8 & 0xf0 0xd0 accept
 *         @nh,16,16 0x4c @th,96,8 & 0xf0 0xe0 accept
 *         @nh,16,16 0x50 @th,96,8 & 0xf0 0xf0 accept
 *     }
 *     chain no_payload6 {                                  # the length without the IPv6 header
 *         @nh,32,16 0x20 @th,96,8 & 0xf0 0x80 accept
 *         @nh,32,16 0x28 @th,96,8 & 0xf0 0xa0 accept
 *         @nh,32,16 > 0x3c return
 *         @nh,32,16 0x14 @th,96,8 & 0xf0 0x50 accept
 *         @nh,32,16 0x1c @th,96,8 & 0xf0 0x70 accept
 *         @nh,32,16 0x18 @th,96,8 & 0xf0 0x60 accept
 *         @nh,32,16 0x24 @th,96,8 & 0xf0 0x90 accept
 *         @nh,32,16 0x2c @th,96,8 & 0xf0 0xb0 accept
 *         @nh,32,16 0x30 @th,96,8 & 0xf0 0xc0 accept
 *         @nh,32,16 0x34 @th,96,8 & 0xf0 0xd0 accept
 *         @nh,32,16 0x38 @th,96,8 & 0xf0 0xe0 accept
 *         @nh,32,16 0x3c @th,96,8 & 0xf0 0xf0 accept
 *     }
 *     chain doubt4 {
 *         @nh,16,16 0x34 @th,96,8 & 0xf0 0x80 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,16,16 0x3c @th,96,8 & 0xf0 0xa0 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,16,16 > 0x50 return
 *         @nh,16,16 0x28 @th,96,8 & 0xf0 0x50 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,16,16 0x30 @th,96,8 & 0xf0 0x70 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,16,16 0x2c @th,96,8 & 0xf0 0x60 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,16,16 0x38 @th,96,8 & 0xf0 0x90 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,16,16 0x40 @th,96,8 & 0xf0 0xb0 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,16,16 0x44 @th,96,8 & 0xf0 0xc0 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,16,16 0x48 @th,96,8 & 0xf0 0xd0 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,16,16 0x4c @th,96,8 & 0xf0 0xe0 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,16,16 0x50 @th,96,8 & 0xf0 0xf0 ct mark set ct mark | 0x30000000 \
 *             accept
 *     }
 *     chain doubt6 {
 *         @nh,32,16 0x20 @th,96,8 & 0xf0 0x80 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,32,16 0x28 @th,96,8 & 0xf0 0xa0 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,32,16 > 0x3c return
 *         @nh,32,16 0x14 @th,96,8 & 0xf0 0x50 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,32,16 0x1c @th,96,8 & 0xf0 0x70 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,32,16 0x18 @th,96,8 & 0xf0 0x60 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,32,16 0x24 @th,96,8 & 0xf0 0x90 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,32,16 0x2c @th,96,8 & 0xf0 0xb0 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,32,16 0x30 @th,96,8 & 0xf0 0xc0 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,32,16 0x34 @th,96,8 & 0xf0 0xd0 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,32,16 0x38 @th,96,8 & 0xf0 0xe0 ct mark set ct mark | 0x30000000 \
 *             accept
 *         @nh,32,16 0x3c @th,96,8 & 0xf0 0xf0 ct mark set ct mark | 0x30000000 \
 *             accept
 *     }
 *     chain options4_N {
 *         jump way
 *         meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK goto queue_N
 *     }
 *     chain options6_N {
 *         @nh,32,16 0x0 @nh,48,8 0x0 @nh,320,32 0x600c204 return       # BIG TCP
 *         jump way
 *         meta mark set meta mark & ~$PKT_JUDGED_MASK | $PKT_ASK goto queue_N
 *     }
 */
#include "fw/nft/plain.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "fw/ipc/engine_msg.h"
#include "fw/nft/match.h"
#include "fw/nft/names.h"
#include "fw/nft/statement.h"
#include "fw/nft/verdict.h"

static const char *no_payload_chain(bool v6, bool doubt)
{
	if (doubt)
		return v6 ? CHAIN_DOUBT6 : CHAIN_DOUBT4;
	return v6 ? CHAIN_NO_PAYLOAD6 : CHAIN_NO_PAYLOAD4;
}

/* One rule per data offset, the usual ones (bare ACK, SYN) first. A packet longer than the longest
 * header has payload. Only plain TCP comes here: see nft_not_plain. doubt: what passes turns its
 * flow from CT_OWN into CT_DOUBT. */
static void no_payload(struct batch *b, bool v6, bool doubt)
{
	static const uint8_t doffs[] = {8, 10, 5, 7, 6, 9, 11, 12, 13, 14, 15};
	const uint32_t offset = v6 ? IP6_LENGTH_OFFSET : IP4_LENGTH_OFFSET;
	const unsigned ip_bytes = v6 ? 0 : IP4_BYTES; /* that the length counts */
	struct nftnl_rule *r;

	for (size_t i = 0; i < sizeof(doffs); i++) {
		uint16_t len = htons((uint16_t)(ip_bytes + 4 * doffs[i])),
			 most = htons((uint16_t)(ip_bytes + TCP_HEADER_MAX));

		if (i == 2) {
			r = batch_rule_new(b, no_payload_chain(v6, doubt));
			batch_comment(b, r, "longer than the longest header");
			x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof(most), NFT_REG_1);
			x_cmp_gt(r, NFT_REG_1, &most, sizeof(most));
			x_verdict(r, NFT_RETURN, NULL);
			batch_rule(b, r);
		}
		r = batch_rule_new(b, no_payload_chain(v6, doubt));
		if (i == 0)
			batch_comment(
			    b, r, "the packet is as long as its headers: a rule per data offset");
		x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof(len), NFT_REG_1);
		x_cmp(r, NFT_REG_1, &len, sizeof(len));
		x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_DOFF_OFFSET, 1, NFT_REG_1);
		x_mask(r, NFT_REG_1, 0xf0, 0);
		x_cmp32(r, NFT_REG_1, (uint32_t)doffs[i] << 4);
		if (doubt)
			nft_set_ct_mark(r, CT_OWN ^ CT_DOUBT, CT_OWN ^ CT_DOUBT);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
}

static void plain_set(struct batch *b)
{
	static const uint8_t plain[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6};
	static const struct set_spec spec = {SET_PLAIN6, KEY_PROTO,
					     .comment = "what may follow an IPv6 header at once"};
	struct nftnl_set *s;

	batch_set(b, &spec);
	s = batch_elems_new(b, SET_PLAIN6);
	for (size_t i = 0; i < sizeof(plain); i++)
		batch_elem(s, &(struct set_key){.b = {plain[i]}, .n = 1}, NULL, NULL);
	batch_elems(b, NFT_MSG_NEWSETELEM, s);
}

void nft_no_payload(struct batch *b)
{
	plain_set(b);
	for (unsigned doubt = 0; doubt < 2; doubt++)
		for (unsigned v6 = 0; v6 < 2; v6++)
			no_payload(b, v6, doubt);
}

void nft_pass_no_payload(struct batch *b, struct nftnl_rule *r, bool v6)
{
	x_verdict(r, NFT_JUMP, no_payload_chain(v6, false));
	batch_rule(b, r);
}

void nft_pass_doubtful(struct batch *b, struct nftnl_rule *r, bool v6)
{
	x_verdict(r, NFT_JUMP, no_payload_chain(v6, true));
	batch_rule(b, r);
}

void nft_not_plain(struct batch *b, const struct nft_fence *f, const char *chain, bool v6)
{
	struct nftnl_rule *r = batch_rule_new(b, chain);

	batch_comment(b, r, v6 ? "an extension header" : "IP options, or what is not IPv4");
	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, v6 ? IP6_NEXT_OFFSET : 0, 1, NFT_REG_1);
	if (v6)
		x_lookup_not(r, SET_PLAIN6, NFT_REG_1);
	else
		x_cmp_ne8(r, NFT_REG_1, 0x45);
	x_verdict(r, v6 ? NFT_JUMP : NFT_GOTO, nft_chain(FENCE_OPTIONS4 + v6, f->id).s);
	batch_rule(b, r);
}

/* Over loopback the kernel hands on TCP segments of more than 64 kB (BIG TCP), which have a
 * hop-by-hop header with the length, TCP right behind it, and a length of zero in the IPv6 header.
 * No other extension header passes: any other may change where the packet goes. */
void nft_options(struct batch *b, const struct nft_fence *f, bool v6)
{
	static const uint8_t zero[2], hop_by_hop, jumbo[] = {IPPROTO_TCP, 0, 194, 4};
	const struct nft_name chain = nft_chain(FENCE_OPTIONS4 + v6, f->id);
	struct nftnl_rule *r;

	if (v6) {
		r = batch_rule_new(b, chain.s);
		batch_comment(b, r, "BIG TCP: a header that says nothing but the length");
		x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, IP6_LENGTH_OFFSET, 2, NFT_REG_1);
		x_cmp(r, NFT_REG_1, zero, sizeof(zero));
		x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, IP6_NEXT_OFFSET, 1, NFT_REG_1);
		x_cmp(r, NFT_REG_1, &hop_by_hop, 1);
		x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, IP6_BYTES, sizeof(jumbo), NFT_REG_1);
		x_cmp(r, NFT_REG_1, jumbo, sizeof(jumbo));
		x_verdict(r, NFT_RETURN, NULL);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain.s);
	x_verdict(r, NFT_JUMP, CHAIN_WAY);
	batch_rule(b, r);
	r = batch_rule_new(b, chain.s);
	nft_ask(b, r, f, PKT_ASK);
}
