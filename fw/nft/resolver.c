/* Who may speak to a fence's resolver: the fence. What anybody else on this machine asks it would
 * be written down as a question of the fence's, and learned from.
 *
 *     out   what is of no fence, by the loopback device, to an address in @resolvers4, 6   -> dead
 */
#include "fw/nft/table.h"

#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

static const char *const sets[] = {"resolvers4", "resolvers6"};

void nft_resolver_rules(struct batch *b)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct nftnl_rule *r;

		batch_set(b, sets[v6], v6 ? KEY_V6 : KEY_V4, false);
		r = batch_rule_new(b, "out");
		x_meta_load(r, NFT_META_OIF, NFT_REG_1);
		x_cmp32(r, NFT_REG_1, NFT_LOOPBACK_IFINDEX);
		nft_match_family(r, v6);
		nft_load_key(r, v6);
		x_lookup(r, sets[v6], NFT_REG32_00, false);
		x_verdict(r, NFT_GOTO, NFT_DEAD_CHAIN);
		batch_rule(b, r);
	}
}

void nft_resolver_elems(struct batch *b, const struct nft_fence *f, uint16_t type)
{
	static const struct addr self[] = {{4, {127, 0, 0, 1}}, {6, {[15] = 1}}};
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};

	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct nftnl_set *s = batch_elems_new(b, sets[v6]);

		for (size_t i = 0; i < sizeof(protocols); i++) {
			struct set_key k = nft_addr_key(&self[v6], protocols[i], f->dns_port);

			batch_elem(s, &k, NULL, NULL);
		}
		batch_elems(b, type, s);
	}
}
