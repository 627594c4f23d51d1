// SPDX-License-Identifier: GPL-2.0-or-later
#include <netinet/in.h>
#include <string.h>

#include "policy/blob/opened.h"

/* Deny wins; of several allows the first, which is the most specific. true: it is final. */
static bool take(struct match *m, bool deny, uint32_t rule)
{
	if (!deny && m->verdict == VERDICT_ALLOW)
		return false;
	*m = (struct match){deny ? VERDICT_DENY : VERDICT_ALLOW, rule};
	return deny;
}

/* The rule that speaks of exactly this prefix, protocol and port, deny before allow. */
static const struct blob_addr_rule *find_addr(const struct policy *p,
					      const struct blob_addr_rule *want)
{
	uint32_t from = 0, to = p->h->addr_rules.count;

	while (from < to) {
		uint32_t mid = from + (to - from) / 2;

		if (blob_addr_cmp(&p->addr_rules[mid], want) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	if (from == p->h->addr_rules.count || blob_addr_cmp(&p->addr_rules[from], want) != 0)
		return NULL;
	return &p->addr_rules[from];
}

static struct prefix cut(const struct addr *a, unsigned bits)
{
	struct prefix p = {.addr = {.family = a->family}, .bits = (uint8_t)bits};

	memcpy(p.addr.b, a->b, bits / 8);
	if (bits % 8)
		p.addr.b[bits / 8] = a->b[bits / 8] & (uint8_t)(0xff00 >> (bits % 8));
	return p;
}

/* Looks up every prefix of a that is at most bits long, the longest first: a rule for this protocol
 * and port, then one for all protocols and ports. */
static struct match match_prefixes(const struct policy *p, const struct addr *a, int bits,
				   uint8_t l4proto, uint16_t port)
{
	const bool *lengths = p->lengths[a->family == 6];
	struct match m = {VERDICT_NONE, RULE_NONE};

	for (; bits >= 0; bits--) {
		struct blob_addr_rule want = {.l4proto = l4proto, .port = port};
		const struct blob_addr_rule *r;

		if (!lengths[bits])
			continue;
		want.prefix = cut(a, (unsigned)bits);
		r = find_addr(p, &want);
		if (r && take(&m, r->deny, r->rule))
			return m;
		want.l4proto = 0;
		want.port = 0;
		r = find_addr(p, &want);
		if (r && take(&m, r->deny, r->rule))
			return m;
	}
	return m;
}

struct match policy_match_addr(const struct policy *p, uint8_t l4proto, const struct addr *a,
			       uint16_t port)
{
	if (a->family != 4 && a->family != 6)
		return (struct match){VERDICT_NONE, RULE_NONE};
	if (l4proto == IPPROTO_ICMPV6)
		l4proto = IPPROTO_ICMP;
	if (l4proto == IPPROTO_ICMP)
		port = 0;
	return match_prefixes(p, a, a->family == 4 ? 32 : 128, l4proto, port);
}

bool opened_prefix_denied(const struct policy *p, const struct blob_addr_rule *r,
			  uint32_t *ret_rule)
{
	struct match m = match_prefixes(p, &r->prefix.addr, r->prefix.bits, r->l4proto, r->port);

	*ret_rule = m.rule;
	return m.verdict == VERDICT_DENY;
}

static bool is_peer(const struct policy *p, uint32_t rule, const struct addr *peer)
{
	return policy_rule_peers(p, rule) == 0 || policy_rule_address_ok(p, rule, peer);
}

struct match policy_match_ingress(const struct policy *p, uint8_t l4proto, const struct addr *local,
				  uint16_t port, const struct addr *peer)
{
	struct match m = {VERDICT_NONE, RULE_NONE};
	uint32_t from = 0, to = p->h->ingress.count;

	while (from < to) {
		uint32_t mid = from + (to - from) / 2;
		const struct blob_ingress *g = &p->ingress[mid];

		if (g->l4proto < l4proto || (g->l4proto == l4proto && g->port < port))
			from = mid + 1;
		else
			to = mid;
	}
	for (; from < p->h->ingress.count; from++) {
		const struct blob_ingress *g = &p->ingress[from];

		if (g->l4proto != l4proto || g->port != port)
			break;
		if (!prefix_contains(&g->local, local))
			continue;
		if (is_peer(p, g->rule, peer))
			return (struct match){VERDICT_ALLOW, g->rule};
		m = (struct match){VERDICT_DENY, g->rule}; /* the last is the most specific */
	}
	return m;
}

/* The first entry of a name, or BLOB_NONE. Probing ends: open.c checked that a slot is free. */
static uint32_t find(const struct policy *p, const char *s, size_t n, unsigned wildcard)
{
	uint32_t mask = p->h->slots.count - 1, hash = blob_hash(s, n, wildcard);

	for (uint32_t at = hash & mask;; at = (at + 1) & mask) {
		const struct blob_entry *e;

		if (p->slots[at].entry == BLOB_NONE)
			return BLOB_NONE;
		if (p->slots[at].hash != hash)
			continue;
		e = &p->entries[p->slots[at].entry];
		if (e->name_len == n && (e->bits & BLOB_WILDCARD) == wildcard &&
		    memcmp(p->strings + e->name, s, n) == 0)
			return p->slots[at].entry;
	}
}

/* Every entry that speaks of a name, most specific first: itself, wildcards upwards, `*`. */
struct walk {
	const struct policy *p;
	const struct name *name;
	size_t at;       /* of the suffix that was looked up */
	unsigned labels; /* of it */
	uint32_t entry;
	bool over;
};

static struct walk walk_of(const struct policy *p, const struct name *name)
{
	return (struct walk){.p = p,
			     .name = name,
			     .labels = p->wildcards ? name_labels(name) : 0,
			     .entry = find(p, name->s, name->len, 0)};
}

/* Goes to the next suffix that has entries. */
static void walk_up(struct walk *w)
{
	const struct name *n = w->name;

	while (w->entry == BLOB_NONE && w->labels > 1) {
		w->at =
		    (size_t)((const char *)memchr(n->s + w->at, '.', n->len - w->at) - n->s) + 1;
		w->labels--;
		if (w->p->depths[w->labels])
			w->entry = find(w->p, n->s + w->at, n->len - w->at, BLOB_WILDCARD);
	}
	if (w->entry == BLOB_NONE && !w->over) {
		w->over = true;
		if (w->p->depths[0])
			w->entry = find(w->p, "", 0, BLOB_WILDCARD);
	}
}

static const struct blob_entry *walk_next(struct walk *w)
{
	const struct blob_entry *e;

	if (w->entry == BLOB_NONE)
		walk_up(w);
	if (w->entry == BLOB_NONE)
		return NULL;
	e = &w->p->entries[w->entry];
	w->entry = e->next;
	return e;
}

static bool speaks_of(const struct blob_entry *e, enum scheme scheme, uint16_t port)
{
	return (e->bits & BLOB_ANY) || ((e->bits & BLOB_SCHEME) == scheme && e->port == port);
}

/* at NULL: whatever address the name has. */
static bool holds_at(const struct policy *p, const struct blob_entry *e, const struct addr *at)
{
	return !at || (e->bits & BLOB_DENY) || policy_rule_address_ok(p, e->rule, at);
}

struct match policy_match_name_at(const struct policy *p, enum scheme scheme,
				  const struct name *name, uint16_t port, const struct addr *at)
{
	struct match m = {VERDICT_NONE, RULE_NONE};
	struct walk w = walk_of(p, name);
	const struct blob_entry *e;

	if (scheme == SCHEME_TLS)
		scheme = SCHEME_HTTPS;
	while ((e = walk_next(&w)))
		if (speaks_of(e, scheme, port) && holds_at(p, e, at) &&
		    take(&m, e->bits & BLOB_DENY, e->rule))
			break;
	return m;
}

struct match policy_match_name(const struct policy *p, enum scheme scheme, const struct name *name,
			       uint16_t port)
{
	return policy_match_name_at(p, scheme, name, port, NULL);
}

static bool opened(const struct opening *list, size_t n, const struct blob_entry *e)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].scheme == (enum scheme)(e->bits & BLOB_SCHEME) &&
		    list[i].port == e->port)
			return true;
	return false;
}

size_t policy_name_openings_at(const struct policy *p, const struct name *name,
			       const struct addr *at, struct opening *ret, size_t max,
			       struct match *ret_why)
{
	struct match why = {VERDICT_NONE, RULE_NONE};
	struct walk w = walk_of(p, name);
	const struct blob_entry *e;
	size_t n = 0;

	while (n < max && (e = walk_next(&w))) {
		enum scheme scheme = (enum scheme)(e->bits & BLOB_SCHEME);
		struct match m = {VERDICT_DENY, e->rule};

		if (!(e->bits & BLOB_DENY)) {
			if (!holds_at(p, e, at) || opened(ret, n, e))
				continue;
			m = (struct match){VERDICT_ALLOW, e->rule};
			if (p->denies)
				m = policy_match_name(p, scheme, name, e->port);
		}
		if (m.verdict == VERDICT_ALLOW)
			ret[n++] = (struct opening){scheme, e->port, e->rule};
		else if (why.verdict == VERDICT_NONE)
			why = m;
	}
	if (ret_why)
		*ret_why = why;
	return n;
}

size_t policy_name_openings(const struct policy *p, const struct name *name, struct opening *ret,
			    size_t max, struct match *ret_why)
{
	return policy_name_openings_at(p, name, NULL, ret, max, ret_why);
}
