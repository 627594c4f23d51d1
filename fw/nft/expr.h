/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's expressions, one per function, each put at the end of a rule. A rule that is NULL
 * takes none. Registers are NFT_REG_1 (16 bytes) or NFT_REG32_00 and up (4 bytes each). */
#ifndef AGENTFW_NFT_EXPR_H
#define AGENTFW_NFT_EXPR_H

#include <libnftnl/rule.h>
#include <stdbool.h>
#include <stdint.h>

/* Into a register: a property of the packet or its connection, bytes of a header, a value. */
void x_meta_load(struct nftnl_rule *r, uint32_t key, uint32_t reg);
void x_ct_load(struct nftnl_rule *r, uint32_t key, uint32_t reg);
void x_ct_load_reply(struct nftnl_rule *r, uint32_t key, uint32_t reg); /* of the reply direction */
void x_payload(struct nftnl_rule *r, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg);
void x_socket_cgroup(struct nftnl_rule *r, uint32_t level, uint32_t reg);
void x_socket_mark(struct nftnl_rule *r, uint32_t reg);
/* What kind of address the source or destination is (RTN_LOCAL and so on) by the routing table. */
void x_fib_source(struct nftnl_rule *r, uint32_t reg);
void x_fib_destination(struct nftnl_rule *r, uint32_t reg);
void x_value(struct nftnl_rule *r, uint32_t reg, const void *data, uint32_t len);

/* In a register: (register & mask) ^ xor_bits. */
void x_mask(struct nftnl_rule *r, uint32_t reg, uint32_t mask, uint32_t xor_bits);
void x_bits(struct nftnl_rule *r, uint32_t reg, const void *mask, const void *xor_bits,
	    uint32_t len);

/* The rule goes on only if the register compares so. */
void x_cmp(struct nftnl_rule *r, uint32_t reg, const void *data, uint32_t len);
void x_cmp_gt(struct nftnl_rule *r, uint32_t reg, const void *data,
	      uint32_t len); /* in the order of memcmp: numbers as they are in headers */
void x_cmp32(struct nftnl_rule *r, uint32_t reg, uint32_t value);
void x_cmp_ne32(struct nftnl_rule *r, uint32_t reg, uint32_t value);
void x_cmp8(struct nftnl_rule *r, uint32_t reg, uint8_t value);
void x_cmp_ne8(struct nftnl_rule *r, uint32_t reg, uint8_t value);
/* ... if it is (not) in the set; verdict_map: with the verdict that the map has for it. */
void x_lookup(struct nftnl_rule *r, const char *set, uint32_t reg, bool verdict_map);
void x_lookup_not(struct nftnl_rule *r, const char *set, uint32_t reg);

/* From a register. */
void x_meta_store(struct nftnl_rule *r, uint32_t key, uint32_t reg);
void x_ct_store(struct nftnl_rule *r, uint32_t key, uint32_t reg);
void x_ct_store_original(struct nftnl_rule *r, uint32_t key,
			 uint32_t reg); /* of the original direction */

/* What ends a rule, and a counter. chain: of a jump or goto, else NULL. */
void x_verdict(struct nftnl_rule *r, int verdict, const char *chain);
void x_counter_ref(struct nftnl_rule *r, const char *name);
void x_queue(struct nftnl_rule *r, uint16_t num, bool native);
void x_reject(struct nftnl_rule *r, bool tcp_reset);
void x_redirect(struct nftnl_rule *r, uint32_t reg); /* to the port in the register */

#endif
