/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conditions of a rule that take more than one expression. Each has the text that nft prints for
 * it. All of them use NFT_REG_1, or the registers from NFT_REG32_00 on. */
#ifndef AGENTFW_NFT_MATCH_H
#define AGENTFW_NFT_MATCH_H

#include "fw/nft/expr.h"
#include "fw/nft/nft.h"
#include "fw/nft/set.h"

/* Places in headers: RFC 791, RFC 8200, RFC 9293. */
#define IP4_LENGTH_OFFSET 2
#define IP4_SADDR_OFFSET  12
#define IP4_DADDR_OFFSET  16
#define IP4_BYTES         20
#define IP6_LENGTH_OFFSET 4
#define IP6_NEXT_OFFSET   6
#define IP6_SADDR_OFFSET  8
#define IP6_DADDR_OFFSET  24
#define IP6_BYTES         40
#define L4_SPORT_OFFSET   0 /* TCP and UDP alike */
#define L4_DPORT_OFFSET   2
#define TCP_DOFF_OFFSET   12
#define TCP_FLAGS_OFFSET  13
#define TCP_HEADER_MAX    60

#define NFT_LOOPBACK_IFINDEX 1 /* in every network namespace (net/core/dev.c) */

/* meta nfproto ipv6 */
void nft_match_family(struct nftnl_rule *r, bool v6);
/* meta l4proto tcp */
void nft_match_l4(struct nftnl_rule *r, uint8_t l4proto);

/* meta mark & MASK == VALUE; meta mark & MASK != VALUE */
void nft_match_mark(struct nftnl_rule *r, uint32_t mask, uint32_t value);
void nft_match_mark_not(struct nftnl_rule *r, uint32_t mask, uint32_t value);
/* The packet stays on this machine, or leaves, as `local` says. */
void nft_match_way(struct nftnl_rule *r, bool local);
/* ct mark & MASK == VALUE */
void nft_match_ct_mark(struct nftnl_rule *r, uint32_t mask, uint32_t value);
/* ct mark & $CT_MARK_MASK == 0: no fence has marked the flow. */
void nft_match_ct_unmarked(struct nftnl_rule *r);
/* A connection mark: this fence, this state (CT_VERIFIED and so on), and whether that was judged of
 * packets that stay on this machine. */
uint32_t nft_state(const struct nft_fence *f, uint32_t state, bool local);
/* ct mark & $CT_MARK_MASK == $EPOCH | STATE | $CT_LOCAL */
void nft_match_state(struct nftnl_rule *r, const struct nft_fence *f, uint32_t state, bool local);
void nft_match_state_not(struct nftnl_rule *r, const struct nft_fence *f, uint32_t state,
			 bool local);
/* The same, for a packet whose PKT_STAYS agrees with `local`. */
void nft_match_flow(struct nftnl_rule *r, const struct nft_fence *f, uint32_t state, bool local);
/* ct label 117 */
void nft_match_ct_label(struct nftnl_rule *r);
/* ct direction reply: against the direction of the flow's first packet. */
void nft_match_reply(struct nftnl_rule *r, bool reply);
/* ct state related; any of these bits */
void nft_match_ct_state(struct nftnl_rule *r, uint32_t bits);

/* oif "lo"; oif != "lo" */
void nft_match_oif_lo(struct nftnl_rule *r, bool lo);
void nft_match_iif_lo(struct nftnl_rule *r, bool lo);
/* oif != 0: the packet leaves. What comes in has no output device. */
void nft_match_leaving(struct nftnl_rule *r);

/* ip daddr 127.0.0.0/8; ip6 daddr ::1 */
void nft_match_loopback(struct nftnl_rule *r, bool v6);
/* fib saddr type != local; fib daddr type local, or != local */
void nft_match_source_foreign(struct nftnl_rule *r);
void nft_match_destination_local(struct nftnl_rule *r, bool local);

/* tcp flags & (syn | ack) == syn, and != syn. The protocol is not checked: in UDP this is a byte of
 * the payload, and where that byte is missing the rule does not match. */
void nft_match_opens(struct nftnl_rule *r, bool opens);
/* meta l4proto tcp, tcp flags & syn == syn, and == 0 */
void nft_match_syn(struct nftnl_rule *r, bool syn);
/* tcp flags & (syn | rst) == 0, of TCP */
void nft_match_goes_on(struct nftnl_rule *r);
/* The packet finds a listener's or a connection's socket; one that waits for a handshake or for
 * late packets does not count. nft shows nothing for it. */
void nft_match_socket(struct nftnl_rule *r);
/* th dport PORT */
void nft_match_dport(struct nftnl_rule *r, uint16_t port);

/* A scope's key in the maps by cgroup; socket cgroupv2 level 2 ID; ... level N vmap @MAP */
struct set_key nft_scope_key(const struct scope *s);
void nft_match_scope(struct nftnl_rule *r, const struct scope *s);
void nft_find_cgroup(struct nftnl_rule *r, uint32_t level, const char *map);
/* ct mark & $CT_MARK_MASK vmap @MAP; the same with the packet's mark */
void nft_find_ct_mark(struct nftnl_rule *r, const char *map);

/* ip daddr . meta l4proto . th dport @SET */
void nft_match_destination(struct nftnl_rule *r, const char *set, bool v6);
/* ip saddr . ip daddr . meta l4proto . th dport @SET; an answer goes from the listener to the peer:
 * ip daddr . ip saddr . meta l4proto . th sport @SET */
void nft_match_pair(struct nftnl_rule *r, const char *set, bool v6, bool answer);

#endif
