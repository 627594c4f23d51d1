// SPDX-License-Identifier: GPL-2.0-or-later
/* `ingress` as the kernel's sets take it: pairs of prefixes that do not overlap. */
#include <errno.h>
#include <stdlib.h>

#include "policy/base/cleanup.h"
#include "policy/policy.h"

struct pairs {
	struct ingress_pair *list; /* port 0: another pair contains it */
	size_t n;
};

static bool within(const struct prefix *inner, const struct prefix *outer)
{
	return outer->bits <= inner->bits && prefix_contains(outer, &inner->addr);
}

static bool touch(const struct ingress_pair *a, const struct ingress_pair *b)
{
	return a->l4proto == b->l4proto && a->port == b->port &&
	       (within(&a->peer, &b->peer) || within(&b->peer, &a->peer)) &&
	       (within(&a->local, &b->local) || within(&b->local, &a->local));
}

/* The prefix of this many bits that differs from p's in its last bit alone. */
static struct prefix sibling(const struct prefix *p, unsigned bits)
{
	struct prefix s = {.addr = {.family = p->addr.family}, .bits = (uint8_t)bits};

	for (unsigned i = 0; i < bits; i++)
		s.addr.b[i / 8] |= p->addr.b[i / 8] & (uint8_t)(0x80 >> i % 8);
	s.addr.b[(bits - 1) / 8] ^= (uint8_t)(0x80 >> (bits - 1) % 8);
	return s;
}

static int add(struct pairs *to, size_t from, struct ingress_pair x);

/* What lies in x but not in y. Of peer and local, y is narrower in one and wider in the other. */
static int add_rest(struct pairs *to, size_t from, const struct ingress_pair *x,
		    const struct ingress_pair *y)
{
	bool by_peer = x->peer.bits < y->peer.bits;
	unsigned bits = by_peer ? x->peer.bits : x->local.bits;
	const struct prefix *hole = by_peer ? &y->peer : &y->local;
	int r = 0;

	while (r == 0 && bits < hole->bits) {
		struct ingress_pair part = *x;

		*(by_peer ? &part.peer : &part.local) = sibling(hole, ++bits);
		r = add(to, from, part);
	}
	return r;
}

static int add(struct pairs *to, size_t from, struct ingress_pair x)
{
	for (size_t i = from; i < to->n; i++) {
		struct ingress_pair *y = &to->list[i], old = *y;

		if (!y->port || !touch(&x, y))
			continue;
		if (within(&x.peer, &y->peer) && within(&x.local, &y->local))
			return 0;
		if (!within(&y->peer, &x.peer) || !within(&y->local, &x.local))
			return add_rest(to, i + 1, &x, &old);
		y->port = 0;
	}
	if (to->n == INGRESS_PAIRS_MAX)
		return -E2BIG;
	to->list[to->n++] = x;
	return 0;
}

static int pairs_add_rule(const struct policy *p, const struct ingress_rule *g, struct pairs *to)
{
	size_t peers = policy_rule_peers(p, g->rule);
	struct ingress_pair x = {.peer = {.addr = {.family = g->local.addr.family}},
				 .local = g->local,
				 .l4proto = g->l4proto,
				 .port = g->port};
	int r = 0;

	if (!peers)
		return add(to, 0, x);
	for (size_t k = 0; r == 0 && k < peers; k++) {
		x.peer = policy_rule_peer(p, g->rule, k);
		if (x.peer.addr.family == g->local.addr.family)
			r = add(to, 0, x);
	}
	return r;
}

int policy_ingress_pairs(const struct policy *p, unsigned family, struct ingress_pair **ret,
			 size_t *ret_n)
{
	struct pairs all = {.list = reallocarray(NULL, INGRESS_PAIRS_MAX, sizeof(*all.list))};
	size_t n = 0;
	int r = all.list ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < policy_ingress_rules(p); i++) {
		struct ingress_rule g;

		policy_ingress_rule(p, i, &g);
		if (g.local.addr.family == family)
			r = pairs_add_rule(p, &g, &all);
	}
	if (r < 0) {
		free(all.list);
		return r;
	}
	for (size_t i = 0; i < all.n; i++)
		if (all.list[i].port)
			all.list[n++] = all.list[i];
	*ret = all.list;
	*ret_n = n;
	return 0;
}
