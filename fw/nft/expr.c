// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h> /* libnftnl/expr.h needs it */

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <stdlib.h>

#include "fw/nft/expr.h"

/* A rule that lacks an expression could let more pass than it says. Without its chain the kernel
 * refuses it, and the whole batch. */
static void spoil(struct nftnl_rule *r)
{
	nftnl_rule_unset(r, NFTNL_RULE_CHAIN);
}

/* A NULL rule (out of memory) takes no expressions: batch_rule_new has set the batch's failed
 * flag. */
static struct nftnl_expr *expr(struct nftnl_rule *r, const char *name)
{
	struct nftnl_expr *e = r ? nftnl_expr_alloc(name) : NULL;

	if (e)
		nftnl_rule_add_expr(r, e);
	else if (r)
		spoil(r);
	return e;
}

void x_meta_load(struct nftnl_rule *r, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = expr(r, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, reg);
}

void x_meta_store(struct nftnl_rule *r, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = expr(r, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, reg);
}

void x_ct_load(struct nftnl_rule *r, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = expr(r, "ct");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, reg);
}

void x_ct_load_reply(struct nftnl_rule *r, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = expr(r, "ct");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, reg);
	nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, IP_CT_DIR_REPLY);
}

void x_ct_store(struct nftnl_rule *r, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = expr(r, "ct");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_SREG, reg);
}

void x_ct_store_original(struct nftnl_rule *r, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = expr(r, "ct");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_SREG, reg);
}

void x_value(struct nftnl_rule *r, uint32_t reg, const void *data, uint32_t len)
{
	struct nftnl_expr *e = expr(r, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, reg);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, data, len);
}

void x_payload(struct nftnl_rule *r, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	struct nftnl_expr *e = expr(r, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

void x_socket_cgroup(struct nftnl_rule *r, uint32_t level, uint32_t reg)
{
	struct nftnl_expr *e = expr(r, "socket");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_KEY, NFT_SOCKET_CGROUPV2);
	nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_LEVEL, level);
	nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_DREG, reg);
}

void x_socket_mark(struct nftnl_rule *r, uint32_t reg)
{
	struct nftnl_expr *e = expr(r, "socket");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_KEY, NFT_SOCKET_MARK);
	nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_DREG, reg);
}

void x_bits(struct nftnl_rule *r, uint32_t reg, const void *mask, const void *xor_bits,
	    uint32_t len)
{
	struct nftnl_expr *e = expr(r, "bitwise");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, reg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, reg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, len);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, xor_bits, len);
}

void x_mask(struct nftnl_rule *r, uint32_t reg, uint32_t mask, uint32_t xor_bits)
{
	x_bits(r, reg, &mask, &xor_bits, sizeof(mask));
}

static void cmp(struct nftnl_rule *r, uint32_t op, uint32_t reg, const void *data, uint32_t len)
{
	struct nftnl_expr *e = expr(r, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, reg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
}

void x_cmp(struct nftnl_rule *r, uint32_t reg, const void *data, uint32_t len)
{
	cmp(r, NFT_CMP_EQ, reg, data, len);
}

void x_cmp_gt(struct nftnl_rule *r, uint32_t reg, const void *data, uint32_t len)
{
	cmp(r, NFT_CMP_GT, reg, data, len);
}

void x_cmp_ne32(struct nftnl_rule *r, uint32_t reg, uint32_t value)
{
	cmp(r, NFT_CMP_NEQ, reg, &value, sizeof(value));
}

void x_cmp32(struct nftnl_rule *r, uint32_t reg, uint32_t value)
{
	cmp(r, NFT_CMP_EQ, reg, &value, sizeof(value));
}

void x_cmp8(struct nftnl_rule *r, uint32_t reg, uint8_t value)
{
	cmp(r, NFT_CMP_EQ, reg, &value, sizeof(value));
}

void x_cmp_ne8(struct nftnl_rule *r, uint32_t reg, uint8_t value)
{
	cmp(r, NFT_CMP_NEQ, reg, &value, sizeof(value));
}

void x_lookup_not(struct nftnl_rule *r, const char *set, uint32_t reg)
{
	struct nftnl_expr *e = expr(r, "lookup");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, reg);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

void x_lookup(struct nftnl_rule *r, const char *set, uint32_t reg, bool verdict_map)
{
	struct nftnl_expr *e = expr(r, "lookup");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, reg);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set);
	if (verdict_map)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
}

void x_verdict(struct nftnl_rule *r, int verdict, const char *chain)
{
	struct nftnl_expr *e = expr(r, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	if (chain)
		nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
}

void x_counter_ref(struct nftnl_rule *r, const char *name)
{
	struct nftnl_expr *e = expr(r, "objref");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, name);
}

static void fib(struct nftnl_rule *r, uint32_t flag, uint32_t reg)
{
	struct nftnl_expr *e = expr(r, "fib");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, reg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, flag);
}

void x_fib_source(struct nftnl_rule *r, uint32_t reg)
{
	fib(r, NFTA_FIB_F_SADDR, reg);
}

void x_fib_destination(struct nftnl_rule *r, uint32_t reg)
{
	fib(r, NFTA_FIB_F_DADDR, reg);
}

/* Never with a bypass flag: no listener means drop. */
void x_queue(struct nftnl_rule *r, uint16_t num, bool native)
{
	struct nftnl_expr *e = expr(r, native ? "queue" : "target");

	if (!e)
		return;
	if (native) {
		nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_NUM, num);
		nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_TOTAL, 1);
		nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_FLAGS, 0);
	} else {
		struct xt_NFQ_info_v3 *info = calloc(1, sizeof(*info));

		if (!info) {
			spoil(r);
			return;
		}
		info->queuenum = num;
		info->queues_total = 1;
		nftnl_expr_set_str(e, NFTNL_EXPR_TG_NAME, "NFQUEUE");
		nftnl_expr_set_u32(e, NFTNL_EXPR_TG_REV, 3);
		nftnl_expr_set(e, NFTNL_EXPR_TG_INFO, info, sizeof(*info)); /* takes it over */
	}
}

void x_reject(struct nftnl_rule *r, bool tcp_reset)
{
	struct nftnl_expr *e = expr(r, "reject");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE,
			   tcp_reset ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMPX_UNREACH);
	nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE,
			  tcp_reset ? 0 : NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
}

void x_redirect(struct nftnl_rule *r, uint32_t reg)
{
	struct nftnl_expr *e = expr(r, "redir");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_REDIR_REG_PROTO_MIN, reg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_REDIR_REG_PROTO_MAX, reg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_REDIR_FLAGS, 2); /* NF_NAT_RANGE_PROTO_SPECIFIED */
}
