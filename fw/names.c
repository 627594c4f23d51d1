#include "fw/names.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "fw/hash.h"

#define BUCKETS 4096

/* One (address, name) pair: in the bucket of both, and among those of its address. */
struct pair {
	struct pair *next;
	struct pair *newer, *older; /* all pairs by age */
	struct pair *addr_newer, *addr_older;
	struct addr_names *of;
	struct name name;
	uint64_t until_ms;
};

/* An address, and the pairs that it is in. */
struct addr_names {
	struct addr_names *next;
	struct addr addr;
	struct pair *newest;
};

/* One element of a kernel set; lives as long as the longest-lived pair that needs it. */
struct element {
	struct element *next;
	struct learn_entry entry;
	uint64_t until_ms;
};

struct names {
	const struct policy *policy;
	size_t n_pairs, n_elements;
	struct pair *oldest, *newest;
	struct pair *pairs[BUCKETS];
	struct addr_names *addrs[BUCKETS];
	struct element *elements[BUCKETS];
	size_t sweep; /* the bucket that names_expire looks at next */
};

static size_t addr_bucket(const struct addr *a)
{
	return hash_bytes(hash_key(), a->b, sizeof(a->b)) % BUCKETS;
}

static size_t pair_bucket(const struct name *name, const struct addr *a)
{
	uint64_t key = hash_key() ^ (uint64_t)hash_bytes(hash_key(), a->b, sizeof(a->b)) << 32;

	return hash_bytes(key, name->s, name->len) % BUCKETS;
}

int names_new(const struct policy *policy, struct names **ret)
{
	struct names *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->policy = policy;
	*ret = n;
	return 0;
}

static void unlink_age(struct names *n, struct pair *p)
{
	*(p->newer ? &p->newer->older : &n->newest) = p->older;
	*(p->older ? &p->older->newer : &n->oldest) = p->newer;
	*(p->addr_newer ? &p->addr_newer->addr_older : &p->of->newest) = p->addr_older;
	if (p->addr_older)
		p->addr_older->addr_newer = p->addr_newer;
}

static void link_newest(struct names *n, struct pair *p)
{
	p->newer = p->addr_newer = NULL;
	p->older = n->newest;
	*(n->newest ? &n->newest->newer : &n->oldest) = p;
	n->newest = p;
	p->addr_older = p->of->newest;
	if (p->of->newest)
		p->of->newest->addr_newer = p;
	p->of->newest = p;
}

static struct addr_names **addr_find(struct names *n, const struct addr *a)
{
	struct addr_names **at = &n->addrs[addr_bucket(a)];

	while (*at && !addr_equal(&(*at)->addr, a))
		at = &(*at)->next;
	return at;
}

static void addr_drop_if_empty(struct names *n, const struct addr *a)
{
	struct addr_names **at = addr_find(n, a), *of = *at;

	if (!of || of->newest)
		return;
	*at = of->next;
	free(of);
}

static void pair_drop(struct names *n, struct pair *p)
{
	struct pair **at = &n->pairs[pair_bucket(&p->name, &p->of->addr)];
	struct addr a = p->of->addr;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	unlink_age(n, p);
	n->n_pairs--;
	free(p);
	addr_drop_if_empty(n, &a);
}

void names_free(struct names *n)
{
	if (!n)
		return;
	while (n->oldest)
		pair_drop(n, n->oldest);
	for (size_t i = 0; i < BUCKETS; i++)
		while (n->elements[i]) {
			struct element *e = n->elements[i];

			n->elements[i] = e->next;
			free(e);
		}
	free(n);
}

static struct pair *pair_find(const struct names *n, const struct name *name, const struct addr *a)
{
	for (struct pair *p = n->pairs[pair_bucket(name, a)]; p; p = p->next)
		if (addr_equal(&p->of->addr, a) && name_equal(&p->name, name))
			return p;
	return NULL;
}

static bool same_element(const struct learn_entry *x, const struct learn_entry *y)
{
	return x->set == y->set && x->l4proto == y->l4proto && x->port == y->port &&
	       addr_equal(&x->addr, &y->addr);
}

static struct element **element_find(struct names *n, const struct learn_entry *entry)
{
	struct element **at = &n->elements[addr_bucket(&entry->addr)];

	while (*at && !same_element(&(*at)->entry, entry))
		at = &(*at)->next;
	return at;
}

/* Returns 1: new for the kernel, 0: there already, -ENOMEM. */
static int element_keep(struct names *n, const struct learn_entry *entry, uint64_t until_ms)
{
	struct element **at = element_find(n, entry);

	if (*at) {
		if ((*at)->until_ms < until_ms)
			(*at)->until_ms = until_ms;
		return 0;
	}
	if (n->n_elements == NAMES_MAX || !(*at = calloc(1, sizeof(**at))))
		return -ENOMEM;
	(*at)->entry = *entry;
	(*at)->until_ms = until_ms;
	n->n_elements++;
	return 1;
}

/* What an opening of a name means for the kernel's sets. An address that a deny rule carves out is
 * left to the engine; so is ICMP. */
static bool opening_entry(const struct names *n, const struct opening *o, const struct addr *a,
			  struct learn_entry *ret)
{
	uint8_t l4proto = scheme_l4proto(o->scheme);

	*ret = (struct learn_entry){.addr = *a, .add = 1, .l4proto = l4proto, .port = o->port};
	if (policy_match_addr(n->policy, l4proto, a, o->port).verdict == VERDICT_DENY)
		return false;
	switch (o->scheme) {
	case SCHEME_HTTPS:
	case SCHEME_TLS:
	case SCHEME_HTTP:
		ret->set = LEARN_NAMED;
		ret->http = o->scheme == SCHEME_HTTP;
		return true;
	case SCHEME_TCP:
	case SCHEME_UDP:
		ret->set = LEARN_OPEN;
		return true;
	case SCHEME_QUIC:
	case SCHEME_ICMP:
	case SCHEME_COUNT:
		break;
	}
	return false;
}

static int pair_keep(struct names *n, const struct name *name, const struct addr *a,
		     uint64_t until_ms)
{
	struct pair *p = pair_find(n, name, a);
	struct addr_names **of;

	if (p) {
		if (p->until_ms < until_ms)
			p->until_ms = until_ms;
		unlink_age(n, p);
		link_newest(n, p);
		return 0;
	}
	if (n->n_pairs == NAMES_MAX)
		pair_drop(n, n->oldest);
	p = calloc(1, sizeof(*p));
	of = addr_find(n, a);
	if (p && !*of && (*of = calloc(1, sizeof(**of))))
		(*of)->addr = *a;
	if (!p || !*of) {
		free(p);
		addr_drop_if_empty(n, a);
		return -ENOMEM;
	}
	p->of = *of;
	p->name = *name;
	p->until_ms = until_ms;
	p->next = n->pairs[pair_bucket(name, a)];
	n->pairs[pair_bucket(name, a)] = p;
	link_newest(n, p);
	n->n_pairs++;
	return 0;
}

int names_learn(struct names *n, const struct name *name, const struct addr *a, uint32_t ttl_s,
		uint64_t now_ms, struct learn_entry *ret, size_t max, size_t *ret_n)
{
	uint64_t ttl_ms = (uint64_t)ttl_s * 1000;
	uint64_t until_ms =
	    now_ms + (ttl_ms < NAMES_MIN_TTL_MS ? NAMES_MIN_TTL_MS : ttl_ms) + NAMES_GRACE_MS;
	struct opening openings[OPENINGS_MAX];
	size_t n_openings = policy_name_openings(n->policy, name, openings, OPENINGS_MAX, NULL);

	*ret_n = 0;
	if (pair_keep(n, name, a, until_ms) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n_openings && *ret_n < max; i++) {
		struct learn_entry entry;

		/* An element that could not be kept costs a trip to the engine, no more. */
		if (opening_entry(n, &openings[i], a, &entry) &&
		    element_keep(n, &entry, until_ms) == 1)
			ret[(*ret_n)++] = entry;
	}
	return 0;
}

bool names_has(const struct names *n, const struct name *name, const struct addr *a,
	       uint64_t now_ms)
{
	const struct pair *p = pair_find(n, name, a);

	return p && p->until_ms > now_ms;
}

size_t names_of(const struct names *n, const struct addr *a, uint64_t now_ms, struct name *ret,
		size_t max)
{
	const struct addr_names *of = *addr_find((struct names *)n, a);
	size_t found = 0;

	for (struct pair *p = of ? of->newest : NULL; p && found < max; p = p->addr_older)
		if (p->until_ms > now_ms)
			ret[found++] = p->name;
	return found;
}

/* A name rule's element that is over, or every element once its bucket is looked at. */
static size_t expire_elements(struct names *n, uint64_t now_ms, struct learn_entry *ret, size_t max)
{
	struct element **at = &n->elements[n->sweep];
	size_t out = 0;

	while (*at && out < max) {
		struct element *e = *at;

		if (e->until_ms > now_ms) {
			at = &e->next;
			continue;
		}
		ret[out] = e->entry;
		ret[out++].add = 0;
		*at = e->next;
		free(e);
		n->n_elements--;
	}
	return out;
}

size_t names_expire(struct names *n, uint64_t now_ms, struct learn_entry *ret, size_t max)
{
	size_t out = 0;

	/* Every pair once in a while: pairs are found by age of use, not of end. */
	for (size_t looked = 0; looked < BUCKETS && out < max; looked++) {
		struct pair *p = n->pairs[n->sweep], *next;

		for (; p; p = next) {
			next = p->next;
			if (p->until_ms <= now_ms)
				pair_drop(n, p);
		}
		out += expire_elements(n, now_ms, ret + out, max - out);
		if (out < max)
			n->sweep = (n->sweep + 1) % BUCKETS;
	}
	return out;
}
