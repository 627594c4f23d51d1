// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/nft/match.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "fw/ipc/engine_msg.h"
#include "fw/nft/statement.h"

#define IP4_LOOPBACK 127

void nft_match_family(struct nftnl_rule *r, bool v6)
{
	x_meta_load(r, NFT_META_NFPROTO, NFT_REG_1);
	x_cmp8(r, NFT_REG_1, v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
}

void nft_match_l4(struct nftnl_rule *r, uint8_t l4proto)
{
	x_meta_load(r, NFT_META_L4PROTO, NFT_REG_1);
	x_cmp8(r, NFT_REG_1, l4proto);
}

/* ---- marks ----------------------------------------------------------------------------------- */

static void load_mark(struct nftnl_rule *r, uint32_t mask)
{
	x_meta_load(r, NFT_META_MARK, NFT_REG_1);
	x_mask(r, NFT_REG_1, mask, 0);
}

static void load_ct_mark(struct nftnl_rule *r, uint32_t mask)
{
	x_ct_load(r, NFT_CT_MARK, NFT_REG_1);
	x_mask(r, NFT_REG_1, mask, 0);
}

void nft_match_mark(struct nftnl_rule *r, uint32_t mask, uint32_t value)
{
	load_mark(r, mask);
	x_cmp32(r, NFT_REG_1, value);
}

void nft_match_mark_not(struct nftnl_rule *r, uint32_t mask, uint32_t value)
{
	load_mark(r, mask);
	x_cmp_ne32(r, NFT_REG_1, value);
}

void nft_match_way(struct nftnl_rule *r, bool local)
{
	nft_match_mark(r, PKT_STAYS, local ? PKT_STAYS : 0);
}

void nft_match_ct_mark(struct nftnl_rule *r, uint32_t mask, uint32_t value)
{
	load_ct_mark(r, mask);
	x_cmp32(r, NFT_REG_1, value);
}

void nft_match_ct_unmarked(struct nftnl_rule *r)
{
	nft_match_ct_mark(r, CT_MARK_MASK, 0);
}

uint32_t nft_state(const struct nft_fence *f, uint32_t state, bool local)
{
	return f->epoch << CT_EPOCH_SHIFT | state | (local ? CT_LOCAL : 0);
}

void nft_match_state(struct nftnl_rule *r, const struct nft_fence *f, uint32_t state, bool local)
{
	nft_match_ct_mark(r, CT_MARK_MASK, nft_state(f, state, local));
}

void nft_match_state_not(struct nftnl_rule *r, const struct nft_fence *f, uint32_t state,
			 bool local)
{
	load_ct_mark(r, CT_MARK_MASK);
	x_cmp_ne32(r, NFT_REG_1, nft_state(f, state, local));
}

void nft_match_flow(struct nftnl_rule *r, const struct nft_fence *f, uint32_t state, bool local)
{
	nft_match_state(r, f, state, local);
	nft_match_way(r, local);
}

void nft_match_ct_label(struct nftnl_rule *r)
{
	static const uint32_t none[4];
	uint32_t bits[4];

	nft_label_bits(bits);
	x_ct_load(r, NFT_CT_LABELS, NFT_REG_1);
	x_bits(r, NFT_REG_1, bits, none, sizeof(bits));
	x_cmp(r, NFT_REG_1, bits, sizeof(bits));
}

void nft_match_reply(struct nftnl_rule *r, bool reply)
{
	x_ct_load(r, NFT_CT_DIRECTION, NFT_REG_1);
	x_cmp8(r, NFT_REG_1, reply ? IP_CT_DIR_REPLY : IP_CT_DIR_ORIGINAL);
}

void nft_match_ct_state(struct nftnl_rule *r, uint32_t bits)
{
	x_ct_load(r, NFT_CT_STATE, NFT_REG_1);
	x_mask(r, NFT_REG_1, bits, 0);
	x_cmp_ne32(r, NFT_REG_1, 0);
}

/* ---- devices and addresses ------------------------------------------------------------------- */

static void match_lo(struct nftnl_rule *r, uint32_t key, bool lo)
{
	x_meta_load(r, key, NFT_REG_1);
	if (lo)
		x_cmp32(r, NFT_REG_1, NFT_LOOPBACK_IFINDEX);
	else
		x_cmp_ne32(r, NFT_REG_1, NFT_LOOPBACK_IFINDEX);
}

void nft_match_oif_lo(struct nftnl_rule *r, bool lo)
{
	match_lo(r, NFT_META_OIF, lo);
}

void nft_match_iif_lo(struct nftnl_rule *r, bool lo)
{
	match_lo(r, NFT_META_IIF, lo);
}

void nft_match_leaving(struct nftnl_rule *r)
{
	x_meta_load(r, NFT_META_OIF, NFT_REG_1);
	x_cmp_ne32(r, NFT_REG_1, 0);
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

void nft_match_source_foreign(struct nftnl_rule *r)
{
	x_fib_source(r, NFT_REG_1);
	x_cmp_ne32(r, NFT_REG_1, RTN_LOCAL);
}

void nft_match_destination_local(struct nftnl_rule *r, bool local)
{
	x_fib_destination(r, NFT_REG_1);
	if (local)
		x_cmp32(r, NFT_REG_1, RTN_LOCAL);
	else
		x_cmp_ne32(r, NFT_REG_1, RTN_LOCAL);
}

/* ---- TCP and UDP ----------------------------------------------------------------------------- */

static void load_tcp_flags(struct nftnl_rule *r, uint8_t mask)
{
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, 1, NFT_REG_1);
	x_mask(r, NFT_REG_1, mask, 0);
}

void nft_match_opens(struct nftnl_rule *r, bool opens)
{
	load_tcp_flags(r, TH_SYN | TH_ACK);
	if (opens)
		x_cmp8(r, NFT_REG_1, TH_SYN);
	else
		x_cmp_ne8(r, NFT_REG_1, TH_SYN);
}

void nft_match_syn(struct nftnl_rule *r, bool syn)
{
	nft_match_l4(r, IPPROTO_TCP);
	load_tcp_flags(r, TH_SYN);
	x_cmp8(r, NFT_REG_1, syn ? TH_SYN : 0);
}

void nft_match_goes_on(struct nftnl_rule *r)
{
	load_tcp_flags(r, TH_SYN | TH_RST);
	x_cmp8(r, NFT_REG_1, 0);
}

void nft_match_socket(struct nftnl_rule *r)
{
	x_socket_mark(r, NFT_REG_1); /* loading it fails for any other socket */
}

void nft_match_dport(struct nftnl_rule *r, uint16_t port)
{
	uint16_t be = htons(port);

	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, L4_DPORT_OFFSET, sizeof(be), NFT_REG_1);
	x_cmp(r, NFT_REG_1, &be, sizeof(be));
}

/* ---- maps and sets --------------------------------------------------------------------------- */

struct set_key nft_scope_key(const struct scope *s)
{
	switch (s->kind) {
	case SCOPE_CGROUP:
		return set_key_cgroup(s->cgroup_id);
	}
	return (struct set_key){0}; /* no key: the kernel takes no such element */
}

void nft_match_scope(struct nftnl_rule *r, const struct scope *s)
{
	switch (s->kind) {
	case SCOPE_CGROUP:
		x_socket_cgroup(r, SCOPE_CGROUP_LEVEL, NFT_REG_1);
		x_cmp(r, NFT_REG_1, &s->cgroup_id, sizeof(s->cgroup_id));
		break;
	}
}

void nft_find_cgroup(struct nftnl_rule *r, uint32_t level, const char *map)
{
	x_socket_cgroup(r, level, NFT_REG_1);
	x_lookup(r, map, NFT_REG_1, true);
}

void nft_find_ct_mark(struct nftnl_rule *r, const char *map)
{
	load_ct_mark(r, CT_MARK_MASK);
	x_lookup(r, map, NFT_REG_1, true);
}

void nft_match_destination(struct nftnl_rule *r, const char *set, bool v6)
{
	uint32_t next = NFT_REG32_00 + (v6 ? 4 : 1);

	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, v6 ? IP6_DADDR_OFFSET : IP4_DADDR_OFFSET,
		  v6 ? 16 : 4, NFT_REG32_00);
	x_meta_load(r, NFT_META_L4PROTO, next);
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, L4_DPORT_OFFSET, 2, next + 1);
	x_lookup(r, set, NFT_REG32_00, false);
}

void nft_match_pair(struct nftnl_rule *r, const char *set, bool v6, bool answer)
{
	uint32_t words = v6 ? 4 : 1, bytes = v6 ? 16 : 4;
	uint32_t src = v6 ? IP6_SADDR_OFFSET : IP4_SADDR_OFFSET,
		 dst = v6 ? IP6_DADDR_OFFSET : IP4_DADDR_OFFSET;

	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, answer ? dst : src, bytes, NFT_REG32_00);
	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, answer ? src : dst, bytes, NFT_REG32_00 + words);
	x_meta_load(r, NFT_META_L4PROTO, NFT_REG32_00 + 2 * words);
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, answer ? L4_SPORT_OFFSET : L4_DPORT_OFFSET, 2,
		  NFT_REG32_00 + 2 * words + 1);
	x_lookup(r, set, NFT_REG32_00, false);
}
