// SPDX-License-Identifier: GPL-2.0-or-later
/* Each fence's part of the table: its chains, its sets, and its elements in the maps.
 *
 *     map fence_out { $CGROUP : goto out_N }
 *     map fence_in { $CGROUP : goto in_N }
 *     map fence_answered { $CGROUP : goto answered_N }
 *     map fence_in_answered { $CGROUP : goto in_answered_N }
 *     map fence_dns { $CGROUP : goto dns_N }
 *     map fence_dns_zone { $CGROUP : goto dns_zone_N }
 *     map fence_own { $EPOCH | $CT_OWN | $CT_LOCAL : goto own_N }
 *     map fence_own_others { $EPOCH | $CT_OWN | $CT_LOCAL : goto others_begin }
 *     map fence_own_answered { $EPOCH | $CT_OWN | $CT_LOCAL : goto own_answered_N }
 *     map fence_own { $EPOCH | $CT_DOUBT | $CT_LOCAL : goto own_N }
 *     map fence_own_others { $EPOCH | $CT_DOUBT | $CT_LOCAL : goto others_begin }
 *     map fence_own_answered { $EPOCH | $CT_DOUBT | $CT_LOCAL : goto own_answered_N }
 *     map fence_own { $EPOCH | $CT_TURNED | $CT_LOCAL : goto own_N }
 *     map fence_own_others { $EPOCH | $CT_TURNED | $CT_LOCAL : goto others_begin }
 *     map fence_own_answered { $EPOCH | $CT_TURNED | $CT_LOCAL : goto own_answered_N }
 *     map fence_own { $EPOCH | $CT_ANSWERED | $CT_LOCAL : goto own_N }
 *     map fence_own_others { $EPOCH | $CT_ANSWERED | $CT_LOCAL : goto others_begin }
 *     map fence_own_answered { $EPOCH | $CT_ANSWERED | $CT_LOCAL : goto own_answered_N }
 *     chain dns_N {
 *         redirect to :$PORT
 *     }
 *     chain dns_zone_N {
 *         ct original zone set $ZONE
 *     }
 */
#include "fw/nft/base.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <string.h>

#include "fw/nft/ingress.h"
#include "fw/nft/match.h"
#include "fw/nft/names.h"
#include "fw/nft/out.h"
#include "fw/nft/resolver.h"
#include "fw/nft/statement.h"
#include "fw/nft/verdict.h"
#include "policy/base/cleanup.h"

/* A question would take over an existing conntrack entry with the same ports, of another fence or
 * of no fence, with or without a redirection. So each fence's questions have a zone. */
static void dns_chains(struct batch *b, const struct nft_fence *f)
{
	struct nftnl_rule *r = batch_rule_new(b, nft_chain(FENCE_DNS, f->id).s);

	nft_redirect(r, f->dns_port);
	batch_rule(b, r);
	r = batch_rule_new(b, nft_chain(FENCE_DNS_ZONE, f->id).s);
	nft_set_zone(r, (uint16_t)(1 + f->epoch % UINT16_MAX));
	batch_rule(b, r);
}

/* ---- what it has ----------------------------------------------------------------------------- */

static bool has_set(const struct nft_fence *f, size_t i)
{
	return !nft_fence_sets[i].ingress || nft_has_ingress(f);
}

static bool has_chain(const struct nft_fence *f, size_t i)
{
	return !nft_fence_chains[i].ingress || nft_has_ingress(f);
}

static void fence_parts(struct batch *b, const struct nft_fence *f)
{
	batch_counter(b, NFT_MSG_NEWOBJ, nft_passed(f->id).s);
	for (unsigned i = 0; i < FENCE_SETS; i++) {
		const struct fence_set_spec *s = &nft_fence_sets[i];
		const struct nft_name name = nft_set(i, f->id);

		if (has_set(f, i))
			batch_set(b, &(struct set_spec){name.s, s->shape, s->interval, s->comment,
							s->most});
	}
	for (unsigned i = 0; i < FENCE_CHAINS; i++) {
		const struct nft_name name = nft_chain(i, f->id);

		if (has_chain(f, i))
			batch_chain(b, &(struct chain_spec){
					   .name = name.s, .comment = nft_fence_chains[i].comment});
	}
}

struct place {
	const char *map;
	unsigned chain; /* enum fence_chain */
};
static const struct place by_cgroup[] = {
    {MAP_OUT, FENCE_OUT}, {MAP_ANSWERED, FENCE_ANSWERED},
    {MAP_IN, FENCE_IN},   {MAP_IN_ANSWERED, FENCE_IN_ANSWERED},
    {MAP_DNS, FENCE_DNS}, {MAP_DNS_ZONE, FENCE_DNS_ZONE},
};
/* By the connection mark of flows whose packets go to the fence itself or nowhere. */
static const struct place by_mark[] = {
    {MAP_OWN, FENCE_OWN},
    {MAP_OWN_ANSWERED, FENCE_OWN_ANSWERED},
};
static const uint32_t own_states[] = {CT_OWN, CT_DOUBT, CT_TURNED, CT_ANSWERED};

static void map_to(struct batch *b, uint16_t type, const char *map, const struct set_key *key,
		   const char *chain)
{
	struct nftnl_set *s = batch_elems_new(b, map);

	batch_elem(s, key, NULL, type == NFT_MSG_NEWSETELEM ? chain : NULL);
	batch_elems(b, type, s);
}

static void map_elem(struct batch *b, const struct nft_fence *f, uint16_t type,
		     const struct place *p, const struct set_key *key)
{
	map_to(b, type, p->map, key, nft_chain(p->chain, f->id).s);
}

static void map_elems(struct batch *b, const struct nft_fence *f, uint16_t type)
{
	const struct set_key cgroup = nft_scope_key(&f->scope);

	for (size_t i = 0; i < ARRAY_SIZE(by_cgroup); i++)
		map_elem(b, f, type, &by_cgroup[i], &cgroup);
	for (size_t i = 0; i < ARRAY_SIZE(own_states); i++) {
		const struct set_key mark = set_key_mark(nft_state(f, own_states[i], true));

		for (size_t k = 0; k < ARRAY_SIZE(by_mark); k++)
			map_elem(b, f, type, &by_mark[k], &mark);
		map_to(b, type, MAP_OWN_OTHERS, &mark, CHAIN_OTHERS_BEGIN);
	}
}

/* ---- address rules --------------------------------------------------------------------------- */

/* What the kernel may decide alone: TCP and UDP rules that no deny rule overlaps and no wider rule
 * for the same port contains (the kernel's interval sets take no overlaps). The engine knows all
 * rules, so a rule left out costs time, not a refusal. */
static bool kernel_decides(const struct policy *p, size_t i, const struct addr_rule *ar)
{
	size_t n = policy_addr_rules(p);

	if (ar->deny || (ar->l4proto != IPPROTO_TCP && ar->l4proto != IPPROTO_UDP))
		return false;
	for (size_t j = 0; j < n; j++) {
		struct addr_rule o;
		bool wider, narrower;

		policy_addr_rule(p, j, &o);
		if (j == i || o.prefix.addr.family != ar->prefix.addr.family)
			continue;
		wider = o.prefix.bits <= ar->prefix.bits &&
			prefix_contains(&o.prefix, &ar->prefix.addr);
		narrower = o.prefix.bits >= ar->prefix.bits &&
			   prefix_contains(&ar->prefix, &o.prefix.addr);
		if (o.deny && (wider || narrower))
			return false;
		if (!o.deny && o.l4proto == ar->l4proto && o.port == ar->port && wider &&
		    (!narrower || j < i))
			return false;
	}
	return true;
}

#define KERNEL_RULES_MAX 4096 /* kernel_decides is quadratic; past this the engine decides */

/* Fills the direct set of one family; false: it stays empty. */
static bool direct_elems(struct batch *b, const struct nft_fence *f, bool v6)
{
	size_t n = policy_addr_rules(f->policy), in_message = 0;
	struct nftnl_set *s = NULL;
	bool any = false;

	for (size_t i = 0; i < n && n <= KERNEL_RULES_MAX; i++) {
		struct addr_rule ar;
		struct set_key from, to;
		struct addr last;

		policy_addr_rule(f->policy, i, &ar);
		if ((ar.prefix.addr.family == 6) != v6 || !kernel_decides(f->policy, i, &ar))
			continue;
		if (!s)
			s = batch_elems_new(b, nft_set(FENCE_DIRECT4 + v6, f->id).s);
		last = set_prefix_last(&ar.prefix);
		from = set_key_addr(&ar.prefix.addr, ar.l4proto, ar.port);
		to = set_key_addr(&last, ar.l4proto, ar.port);
		batch_elem(s, &from, &to, NULL);
		any = true;
		if (++in_message == SET_ELEMS_PER_MESSAGE) {
			batch_elems(b, NFT_MSG_NEWSETELEM, s);
			s = NULL;
			in_message = 0;
		}
	}
	if (s)
		batch_elems(b, NFT_MSG_NEWSETELEM, s);
	return any;
}

int nft_fence_add(struct nft *n, const struct nft_fence *f, struct err *e)
{
	bool direct[2];
	struct batch b;
	int r = batch_begin(&b, n->nl, NFT_TABLE);

	if (r < 0)
		return err_set(e, -r, "out of memory");
	fence_parts(&b, f);
	for (unsigned v6 = 0; v6 < 2; v6++)
		direct[v6] = direct_elems(&b, f, v6);
	nft_out(n, &b, f, direct);
	nft_verdict(n, &b, f);
	if ((r = nft_ingress(n, &b, f)) < 0) {
		batch_drop(&b);
		return err_set(e, -r, "`ingress`: %s",
			       r == -E2BIG ? "too many pairs of peers and listeners"
					   : strerror(-r));
	}
	dns_chains(&b, f);
	nft_resolved(&b, f);
	nft_above(&b, f->scope.above_id); /* the directory may be a new one */
	nft_resolver_elems(&b, f, NFT_MSG_NEWSETELEM);
	map_elems(&b, f, NFT_MSG_NEWSETELEM);
	r = batch_commit(&b);
	if (r < 0)
		return err_set(e, -r, "the kernel refused the fence's rules: %s", strerror(-r));
	return 0;
}

int nft_fence_del(struct nft *n, const struct nft_fence *f)
{
	struct batch b;
	int r = batch_begin(&b, n->nl, NFT_TABLE);

	if (r < 0)
		return r;
	map_elems(&b, f, NFT_MSG_DELSETELEM);
	nft_resolver_elems(&b, f, NFT_MSG_DELSETELEM);
	for (unsigned i = FENCE_CHAINS; i-- > 0;)
		if (has_chain(f, i))
			batch_chain_del(&b, nft_chain(i, f->id).s);
	for (unsigned i = 0; i < FENCE_SETS; i++)
		if (has_set(f, i))
			batch_set_del(&b, nft_set(i, f->id).s);
	batch_counter(&b, NFT_MSG_DELOBJ, nft_passed(f->id).s);
	return batch_commit(&b);
}
