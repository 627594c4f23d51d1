// SPDX-License-Identifier: GPL-2.0-or-later
/* Only the fence itself may speak to its resolver. A question from any other process on this
 * machine would be recorded as the fence's, and its addresses learned.
 *
 *     chain out {
 *         ...
 *         oif "lo" ip daddr . meta l4proto . th dport @resolvers4 goto reject_all
 *         oif "lo" ip6 daddr . meta l4proto . th dport @resolvers6 goto reject_all
 *         ...
 *     }
 *
 * And only the fence gets its answers, which have the question in them. Who asked may have closed
 * the socket meanwhile, and somebody else may have the port. (A connection is nobody else's.)
 *
 *     chain in {
 *         ...
 *         iif "lo" meta l4proto udp ct direction reply \
 *             ct reply ip saddr . meta l4proto . ct reply proto-src vmap @resolved4
 *         iif "lo" meta l4proto udp ct direction reply \
 *             ct reply ip6 saddr . meta l4proto . ct reply proto-src vmap @resolved6
 *         ...
 *     }
 *     map resolved4 { 127.0.0.1 . udp . $PORT : goto resolved_N }
 *     map resolved6 { ::1 . udp . $PORT : goto resolved_N }
 *     chain resolved_N {
 *         socket cgroupv2 level 2 $CGROUP meta mark set meta mark & ~$PKT_MARK_MASK accept
 *         drop
 *     }
 */
#include "fw/nft/resolver.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "fw/ipc/engine_msg.h"
#include "fw/nft/match.h"
#include "fw/nft/names.h"
#include "fw/nft/set.h"
#include "fw/nft/statement.h"

static const char *const sets[] = {SET_RESOLVERS4, SET_RESOLVERS6}, *const maps[] = {MAP_RESOLVED4,
										     MAP_RESOLVED6};

void nft_resolver_rules(struct batch *b)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct nftnl_rule *r = batch_rule_new(b, CHAIN_OUT);

		batch_comment(b, r, "a process outside all fences may not ask a fence's resolver");
		nft_match_oif_lo(r, true);
		nft_match_family(r, v6);
		nft_match_destination(r, sets[v6], v6);
		x_verdict(r, NFT_GOTO, CHAIN_REJECT_ALL);
		batch_rule(b, r);
	}
}

/* The question may have been to any address, so what the packet shows may be that one: the
 * connection's reply direction has the resolver's. */
void nft_resolver_answers(struct batch *b)
{
	struct nftnl_rule *r;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		const uint32_t next = NFT_REG32_00 + (v6 ? 4 : 1);

		r = batch_rule_new(b, CHAIN_IN);
		batch_comment(b, r, "an answer of a resolver");
		nft_match_iif_lo(r, true);
		nft_match_l4(r, IPPROTO_UDP);
		nft_match_reply(r, true);
		x_ct_load_reply(r, v6 ? NFT_CT_SRC_IP6 : NFT_CT_SRC_IP, NFT_REG32_00);
		x_meta_load(r, NFT_META_L4PROTO, next);
		x_ct_load_reply(r, NFT_CT_PROTO_SRC, next + 1);
		x_lookup(r, maps[v6], NFT_REG32_00, true);
		batch_rule(b, r);
	}
}

void nft_resolved(struct batch *b, const struct nft_fence *f)
{
	const struct nft_name chain = nft_chain(FENCE_RESOLVED, f->id);
	struct nftnl_rule *r = batch_rule_new(b, chain.s);

	nft_match_scope(r, &f->scope);
	nft_set_mark(r, PKT_MARK_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, chain.s);
	batch_comment(b, r, "the port of who asked is somebody else's now");
	x_verdict(r, NF_DROP, NULL);
	batch_rule(b, r);
}

void nft_resolver_elems(struct batch *b, const struct nft_fence *f, uint16_t type)
{
	static const struct addr self[] = {{4, {127, 0, 0, 1}}, {6, {[15] = 1}}};
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
	const struct nft_name chain = nft_chain(FENCE_RESOLVED, f->id);
	struct set_key key;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct nftnl_set *s = batch_elems_new(b, sets[v6]);

		for (size_t i = 0; i < sizeof(protocols); i++) {
			struct set_key k = set_key_addr(&self[v6], protocols[i], f->dns_port);

			batch_elem(s, &k, NULL, NULL);
		}
		batch_elems(b, type, s);
		s = batch_elems_new(b, maps[v6]);
		key = set_key_addr(&self[v6], IPPROTO_UDP, f->dns_port);
		batch_elem(s, &key, NULL, type == NFT_MSG_NEWSETELEM ? chain.s : NULL);
		batch_elems(b, type, s);
	}
}
