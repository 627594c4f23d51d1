// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the engine's own sockets may send: answers to those who asked its resolvers, and questions
 * to name servers. It reads strangers' bytes: one that was taken over must reach nothing else.
 * Its sockets are made by the parent with the engine's uid, which is nobody else's.
 *
 *     chain out {
 *         ...
 *         meta skuid $ENGINE goto engine
 *         ...
 *     }
 *     chain engine {
 *         oif "lo" meta nfproto ipv4 ct direction reply \
 *             ct reply ip saddr . meta l4proto . ct reply proto-src @resolvers4 accept
 *         oif "lo" meta nfproto ipv6 ct direction reply \
 *             ct reply ip6 saddr . meta l4proto . ct reply proto-src @resolvers6 accept
 *         ip daddr . meta l4proto . th dport @name_servers4 accept
 *         ip6 daddr . meta l4proto . th dport @name_servers6 accept
 *         counter name "engine_astray" drop
 *     }
 *
 * That a packet is a reply does not make it an answer: whoever sends to a port of the engine's begins
 * an entry, to which it could reply. */
#include "fw/nft/engine.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "fw/nft/match.h"
#include "fw/nft/names.h"
#include "fw/nft/nft.h"
#include "fw/nft/set.h"

static const char *const sets[] = {SET_NAME_SERVERS4, SET_NAME_SERVERS6};

void nft_engine_rules(const struct nft *n, struct batch *b)
{
	struct nftnl_rule *r = batch_rule_new(b, CHAIN_OUT);

	batch_comment(b, r, "the engine's own");
	x_meta_load(r, NFT_META_SKUID, NFT_REG_1);
	x_cmp32(r, NFT_REG_1, n->engine_uid);
	x_verdict(r, NFT_GOTO, CHAIN_ENGINE);
	batch_rule(b, r);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		const uint32_t next = NFT_REG32_00 + (v6 ? 4 : 1);

		r = batch_rule_new(b, CHAIN_ENGINE);
		batch_comment(b, r, "an answer of a resolver");
		nft_match_oif_lo(r, true);
		nft_match_family(r, v6);
		nft_match_reply(r, true);
		x_ct_load_reply(r, v6 ? NFT_CT_SRC_IP6 : NFT_CT_SRC_IP, NFT_REG32_00);
		x_meta_load(r, NFT_META_L4PROTO, next);
		x_ct_load_reply(r, NFT_CT_PROTO_SRC, next + 1);
		x_lookup(r, v6 ? SET_RESOLVERS6 : SET_RESOLVERS4, NFT_REG32_00, false);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	for (unsigned v6 = 0; v6 < 2; v6++) {
		r = batch_rule_new(b, CHAIN_ENGINE);
		batch_comment(b, r, "a question to a name server");
		nft_match_family(r, v6);
		nft_match_destination(r, sets[v6], v6);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	batch_counter(b, NFT_MSG_NEWOBJ, COUNTER_ENGINE);
	r = batch_rule_new(b, CHAIN_ENGINE);
	x_counter_ref(r, COUNTER_ENGINE);
	x_verdict(r, NF_DROP, NULL);
	batch_rule(b, r);
}

void nft_engine_uid(struct nft *n, uint32_t uid)
{
	n->engine_uid = uid;
}

int nft_name_servers(struct nft *n, const struct name_server *list, size_t count, bool add)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
	struct batch b;
	int r = batch_begin(&b, n->nl, NFT_TABLE);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count * sizeof(protocols); i++) {
		const struct name_server *s = &list[i / sizeof(protocols)];
		struct nftnl_set *set = batch_elems_new(&b, sets[s->addr.family == 6]);
		struct set_key k =
		    set_key_addr(&s->addr, protocols[i % sizeof(protocols)], s->port);

		batch_elem(set, &k, NULL, NULL);
		batch_elems(&b, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, set);
	}
	return batch_commit(&b);
}
