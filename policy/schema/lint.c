// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/schema/lint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/blob/opened.h"
#include "policy/profile.h"
#include "policy/schema/yaml.h"

/* Entries of one name that are compared: with very many ports all pairs would take too long. */
#define CHAIN_MAX 64

/* ---- pins ------------------------------------------------------------------------------------ */

int pins_add(struct pins *pins, const struct name *name, unsigned line, unsigned col)
{
	if (pins->n == pins->room) {
		size_t room = pins->room ? pins->room * 2 : 16;
		struct pin_place *list = reallocarray(pins->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		pins->list = list;
		pins->room = room;
	}
	pins->list[pins->n++] = (struct pin_place){*name, line, col};
	return 0;
}

static int by_name_and_place(const void *a, const void *b)
{
	const struct pin_place *x = a, *y = b;
	int d = strcmp(x->name.s, y->name.s);

	if (d)
		return d;
	return x->line != y->line ? (x->line < y->line ? -1 : 1)
				  : (x->col > y->col) - (x->col < y->col);
}

void pins_check(struct pins *pins, struct diags *d)
{
	if (pins->n)
		qsort(pins->list, pins->n, sizeof(*pins->list), by_name_and_place);
	for (size_t i = 1; i < pins->n; i++)
		if (name_equal(&pins->list[i].name, &pins->list[i - 1].name))
			diags_add(d, false, pins->list[i].line, pins->list[i].col,
				  "merge the two: {name: [10.1.2.7, 10.1.2.8]}",
				  "'%s' is pinned twice", pins->list[i].name.s);
}

/* By the agent's rules, or by those of a tool. */
static bool opened_for_some(const struct policy *p, struct policy *const *nets, size_t n_nets,
			    const struct name *name)
{
	struct opening o;
	bool found = policy_name_openings(p, name, &o, 1, NULL) != 0;

	for (size_t i = 0; i < n_nets && !found; i++)
		found = policy_name_openings(nets[i], name, &o, 1, NULL) != 0;
	return found;
}

static int unused_pins(const struct policy *p, const struct pins *pins, struct diags *d)
{
	size_t n_nets = 0, bytes;
	_cleanup_free_ struct policy **nets = calloc(policy_profiles(p), sizeof(struct policy *));

	if (!nets)
		return -ENOMEM;
	for (size_t i = 0; pins->n && i < policy_profiles(p); i++) {
		const void *blob = profile_network(p, i, &bytes);

		if (blob && policy_open(blob, bytes, &nets[n_nets], NULL) == 0)
			n_nets++;
	}
	for (size_t i = 0; i < pins->n; i++) {
		const struct pin_place *pin = &pins->list[i];

		if (!opened_for_some(p, nets, n_nets, &pin->name))
			diags_add(d, true, pin->line, pin->col,
				  "add it to 'egress', or take the pin away",
				  "'%s' is pinned, but no egress entry allows it", pin->name.s);
	}
	for (size_t i = 0; i < n_nets; i++)
		policy_free(nets[i]);
	return 0;
}

/* ---- endpoints ------------------------------------------------------------------------------- */

/* What has been seen of a rule. */
#define LIVE      1u /* an allowed port that no deny entry covers */
#define SHADOWED  2u
#define DUPLICATE 4u

struct lint {
	const struct policy *p;
	struct diags *d;
	uint8_t *seen;    /* per rule */
	uint32_t *denier; /* per rule; NULL when nothing is denied */
};

/* A group and an entry may name the same host: that is no mistake. */
static void duplicate(struct lint *l, uint32_t later, uint32_t earlier)
{
	struct rule x, y;

	policy_rule(l->p, later, &x);
	policy_rule(l->p, earlier, &y);
	if ((l->seen[later] & DUPLICATE) || (x.line == y.line && x.col == y.col) ||
	    !x.group != !y.group || (x.group && strcmp(x.group, y.group) != 0))
		return;
	l->seen[later] |= DUPLICATE;
	diags_add(l->d, true, x.line, x.col, "take one of them away",
		  "'%s' stands in line %u already", x.text, y.line);
}

static void mark(struct lint *l, uint32_t rule, struct match m)
{
	l->seen[rule] |= m.verdict == VERDICT_DENY ? SHADOWED : LIVE;
	if (m.verdict == VERDICT_DENY)
		l->denier[rule] = m.rule;
}

/* The match of an allowed name. For a wildcard, of a made-up name below it: only a deny entry that
 * is a wildcard itself can cover it whole. */
static struct match match_entry(const struct lint *l, const struct blob_entry *e)
{
	static const char below[] = "_any_.";
	struct name n = {.len = e->name_len};
	size_t at = e->bits & BLOB_WILDCARD ? sizeof(below) - 1 : 0;

	if (e->name_len + at > NAME_MAX_LEN || !e->name_len)
		return (struct match){VERDICT_ALLOW, e->rule};
	n.len = (uint8_t)(n.len + at);
	memcpy(n.s, below, at);
	memcpy(n.s + at, l->p->strings + e->name, e->name_len);
	return policy_match_name(l->p, (enum scheme)(e->bits & BLOB_SCHEME), &n, e->port);
}

static void names(struct lint *l)
{
	const struct policy *p = l->p;

	for (uint32_t i = 0; i < p->h->entries.count; i++) {
		const struct blob_entry *e = &p->entries[i];
		uint32_t j = e->next;

		for (size_t n = 0; j != BLOB_NONE && n < CHAIN_MAX; n++, j = p->entries[j].next)
			if (p->entries[j].bits == e->bits && p->entries[j].port == e->port) {
				duplicate(l, e->rule, p->entries[j].rule);
				break;
			}
		if (l->denier && !(e->bits & BLOB_DENY))
			mark(l, e->rule, match_entry(l, e));
	}
}

static void addresses(struct lint *l)
{
	const struct policy *p = l->p;

	for (uint32_t i = 0; i < p->h->addr_rules.count; i++) {
		const struct blob_addr_rule *r = &p->addr_rules[i];
		struct match m = {VERDICT_ALLOW, RULE_NONE};

		if (i && blob_addr_cmp(r - 1, r) == 0 && r[-1].deny == r->deny)
			duplicate(l, r->rule, r[-1].rule);
		if (!l->denier || r->deny)
			continue;
		if (opened_prefix_denied(p, r, &m.rule))
			m.verdict = VERDICT_DENY;
		mark(l, r->rule, m);
	}
}

/* Two entries for one listener may name different peers; with the same peers one is too many. */
static bool same_peers(const struct policy *p, uint32_t a, uint32_t b)
{
	size_t n = policy_rule_peers(p, a);
	bool same = n == policy_rule_peers(p, b);

	for (size_t i = 0; same && i < n; i++) {
		const struct prefix x = policy_rule_peer(p, a, i), y = policy_rule_peer(p, b, i);

		same = blob_prefix_cmp(&x, &y) == 0;
	}
	return same;
}

static void listeners(struct lint *l)
{
	const struct policy *p = l->p;

	for (uint32_t i = 1; i < p->h->ingress.count; i++) {
		const struct blob_ingress *g = &p->ingress[i];

		if (g[-1].l4proto == g->l4proto && g[-1].port == g->port &&
		    blob_prefix_cmp(&g[-1].local, &g->local) == 0 &&
		    same_peers(p, g[-1].rule, g->rule))
			duplicate(l, g->rule, g[-1].rule);
	}
}

static void shadowed(struct lint *l)
{
	struct rule x, by;

	for (uint32_t i = 0; i < policy_rules(l->p); i++) {
		if ((l->seen[i] & (LIVE | SHADOWED)) != SHADOWED)
			continue;
		policy_rule(l->p, i, &x);
		policy_rule(l->p, l->denier[i], &by);
		diags_add(l->d, true, x.line, x.col, "deny wins: take one of the two away",
			  "'%s' is denied whole by line %u", x.text, by.line);
	}
}

/* Endpoints of an agent with `network: none`. For a tool the two together are an error. */
static void cut_off(struct lint *l)
{
	struct profile agent;
	struct rule r;

	policy_profile(l->p, PROFILE_AGENT, &agent);
	for (uint32_t i = 0; agent.no_network && i < policy_rules(l->p); i++) {
		policy_rule(l->p, i, &r);
		if (r.deny)
			continue;
		diags_add(l->d, true, r.line, r.col, "take one of the two away",
			  "the agent has `network: none`: '%s' does nothing", r.text);
		return;
	}
}

int lint(const struct policy *p, const struct pins *pins, struct diags *d)
{
	struct lint l = {.p = p, .d = d, .seen = calloc(policy_rules(p) + 1, 1)};

	if (p->denies)
		l.denier = calloc(policy_rules(p) + 1, sizeof(*l.denier));
	if (!l.seen || (p->denies && !l.denier)) {
		free(l.seen);
		free(l.denier);
		return -ENOMEM;
	}
	names(&l);
	addresses(&l);
	listeners(&l);
	cut_off(&l);
	if (l.denier)
		shadowed(&l);
	free(l.seen);
	free(l.denier);
	return unused_pins(p, pins, d);
}
