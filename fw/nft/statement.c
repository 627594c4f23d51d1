// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/nft/statement.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>

#include "fw/ipc/engine_msg.h"
#include "fw/nft/match.h"

void nft_set_mark(struct nftnl_rule *r, uint32_t mask, uint32_t bits)
{
	x_meta_load(r, NFT_META_MARK, NFT_REG_1);
	x_mask(r, NFT_REG_1, ~mask, bits);
	x_meta_store(r, NFT_META_MARK, NFT_REG_1);
}

void nft_set_ct_mark(struct nftnl_rule *r, uint32_t mask, uint32_t bits)
{
	x_ct_load(r, NFT_CT_MARK, NFT_REG_1);
	x_mask(r, NFT_REG_1, ~mask, bits);
	x_ct_store(r, NFT_CT_MARK, NFT_REG_1);
}

void nft_set_state(struct nftnl_rule *r, const struct nft_fence *f, uint32_t state, bool local)
{
	nft_set_ct_mark(r, CT_MARK_MASK, nft_state(f, state, local));
}

void nft_label_bits(uint32_t ret[4])
{
	for (int i = 0; i < 4; i++)
		ret[i] = 0;
	ret[CT_LABEL_BIT / 32] = 1u << CT_LABEL_BIT % 32;
}

void nft_set_ct_label(struct nftnl_rule *r)
{
	uint32_t bits[4];

	nft_label_bits(bits);
	x_value(r, NFT_REG_1, bits, sizeof(bits));
	x_ct_store(r, NFT_CT_LABELS, NFT_REG_1);
}

void nft_set_zone(struct nftnl_rule *r, uint16_t zone)
{
	x_value(r, NFT_REG_1, &zone, sizeof(zone));
	x_ct_store_original(r, NFT_CT_ZONE, NFT_REG_1);
}

void nft_redirect(struct nftnl_rule *r, uint16_t port)
{
	uint16_t be = htons(port);

	x_value(r, NFT_REG_1, &be, sizeof(be));
	x_redirect(r, NFT_REG_1);
}
