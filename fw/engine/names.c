// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/names.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "fw/engine/hash.h"

#define BUCKETS NAMES_BUCKETS
/* Ports that a pair opens, or that the kernel's sets still have. */
#define PORTS_MAX      (2 * NAMES_MAX)
#define NAMES_PINS_MAX 64
#define MAKE_ROOM      64 /* pairs that one new pair may push out */
#define SETS           (LEARN_OPEN + 1)

/* One (address, name) pair: in a bucket by both, and in the list of its address. */
struct pair {
	struct pair *next;
	struct pair *newer, *older; /* all pairs by age */
	struct pair *addr_newer, *addr_older;
	struct addr_names *of;
	struct name name;
	bool any; /* every entry for the name applies here */
	uint64_t until_ms;
};

/* An address and its pairs. */
struct addr_names {
	struct addr_names *next;
	struct addr addr;
	struct pair *newest;
};

/* A port of an address: what is open there, by how many pairs, and which of the kernel's sets have
 * it. */
struct port {
	struct port *next;
	struct addr addr;
	uint8_t l4proto;
	uint16_t port;
	bool told[SETS];
	uint32_t n_pairs;
	uint32_t rule;             /* of the newest pair */
	const struct pair *newest; /* NULL: forgotten */
	uint64_t until_ms[SCHEME_COUNT];
};

struct names {
	const struct policy *policy;
	size_t n_pairs, n_ports, n_told;
	uint64_t dropped;
	struct pair *oldest, *newest;
	struct pair *pairs[BUCKETS];
	struct addr_names *addrs[BUCKETS];
	struct port *ports[BUCKETS];
	size_t sweep; /* the bucket that names_expire looks at next */
};

static size_t addr_bucket(const struct addr *a)
{
	return hash_bytes(hash_key(), a->b, sizeof(a->b)) % BUCKETS;
}

static size_t port_bucket(const struct addr *a, uint8_t l4proto, uint16_t port)
{
	uint64_t key = hash_key() ^ (uint64_t)port << 40 ^ (uint64_t)l4proto << 32;

	return hash_bytes(key, a->b, sizeof(a->b)) % BUCKETS;
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

/* ---- ports --------------------------------------------------------------- */

static struct port **port_find(struct names *n, const struct addr *a, uint8_t l4proto,
			       uint16_t port)
{
	struct port **at = &n->ports[port_bucket(a, l4proto, port)];

	while (*at &&
	       !((*at)->port == port && (*at)->l4proto == l4proto && addr_equal(&(*at)->addr, a)))
		at = &(*at)->next;
	return at;
}

static void port_free_if_idle(struct names *n, struct port **at)
{
	struct port *p = *at;

	if (p->n_pairs || p->told[LEARN_NAMED] || p->told[LEARN_OPEN])
		return;
	*at = p->next;
	free(p);
	n->n_ports--;
}

static size_t openings_of(const struct names *n, const struct pair *p, struct opening *ret)
{
	return policy_name_openings_at(n->policy, &p->name, p->any ? NULL : &p->of->addr, ret,
				       OPENINGS_MAX, NULL);
}

/* The pair is about to go: it leaves its port. */
static void port_leave(struct names *n, const struct pair *p, const struct opening *o)
{
	struct port **at = port_find(n, &p->of->addr, scheme_l4proto(o->scheme), o->port);
	struct port *x = *at;

	if (!x)
		return;
	if (x->newest == p)
		x->newest = NULL;
	if (--x->n_pairs == 0)
		memset(x->until_ms, 0, sizeof(x->until_ms));
	port_free_if_idle(n, at);
}

static int port_enter(struct names *n, const struct pair *p, const struct opening *o)
{
	struct port **at = port_find(n, &p->of->addr, scheme_l4proto(o->scheme), o->port);

	if (!*at) {
		if (!(*at = calloc(1, sizeof(**at))))
			return -ENOMEM;
		(*at)->addr = p->of->addr;
		(*at)->l4proto = scheme_l4proto(o->scheme);
		(*at)->port = o->port;
		n->n_ports++;
	}
	(*at)->n_pairs++;
	return 0;
}

/* Which of the kernel's sets takes an opening; SETS: the engine alone decides. */
static size_t set_of(enum scheme s)
{
	switch (s) {
	case SCHEME_HTTPS:
	case SCHEME_TLS:
	case SCHEME_HTTP:
		return LEARN_NAMED;
	case SCHEME_TCP:
	case SCHEME_UDP:
		return LEARN_OPEN;
	case SCHEME_QUIC:
	case SCHEME_ICMP:
	case SCHEME_COUNT:
		break;
	}
	return SETS;
}

static uint64_t set_until(const struct port *p, size_t set)
{
	uint64_t until = 0;

	for (enum scheme s = 0; s < SCHEME_COUNT; s++)
		if (set_of(s) == set && p->until_ms[s] > until)
			until = p->until_ms[s];
	return until;
}

/* ---- pairs --------------------------------------------------------------- */

static void pair_drop(struct names *n, struct pair *p)
{
	struct pair **at = &n->pairs[pair_bucket(&p->name, &p->of->addr)];
	struct opening o[OPENINGS_MAX];
	struct addr a = p->of->addr;

	for (size_t k = openings_of(n, p, o); k > 0; k--)
		port_leave(n, p, &o[k - 1]);
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
		while (n->ports[i]) {
			struct port *p = n->ports[i];

			n->ports[i] = p->next;
			free(p);
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

static bool is_pinned(const struct policy *p, const struct name *name, const struct addr *a)
{
	struct addr pins[NAMES_PINS_MAX];
	size_t n = policy_pin(p, name, pins, NAMES_PINS_MAX);

	for (size_t i = 0; i < n && i < NAMES_PINS_MAX; i++)
		if (addr_equal(&pins[i], a))
			return true;
	return false;
}

/* p is new and in no list yet. */
static int enter_ports(struct names *n, const struct pair *p, const struct opening *o, size_t n_o)
{
	for (size_t i = 0; i < n_o; i++)
		if (port_enter(n, p, &o[i]) < 0) {
			while (i)
				port_leave(n, p, &o[--i]);
			return -ENOMEM;
		}
	return 0;
}

/* The oldest pairs make room, but only a few at a time: other work waits. */
static bool names_make_room(struct names *n, size_t n_ports)
{
	for (int i = 0; i < MAKE_ROOM && n->oldest; i++) {
		if (n->n_pairs < NAMES_MAX && n->n_ports + n_ports <= PORTS_MAX)
			return true;
		n->dropped++;
		pair_drop(n, n->oldest);
	}
	return n->n_pairs < NAMES_MAX && n->n_ports + n_ports <= PORTS_MAX;
}

static int pair_new(struct names *n, const struct name *name, const struct addr *a, bool any,
		    struct pair **ret)
{
	struct opening o[OPENINGS_MAX];
	struct addr_names **of;
	struct pair *p;
	size_t n_o;

	if (!names_make_room(n, OPENINGS_MAX))
		return -ENOMEM;
	p = calloc(1, sizeof(*p));
	of = addr_find(n, a);
	if (p && !*of && (*of = calloc(1, sizeof(**of))))
		(*of)->addr = *a;
	if (p) {
		p->of = *of;
		p->name = *name;
		p->any = any;
	}
	if (!p || !p->of || ((n_o = openings_of(n, p, o)) && enter_ports(n, p, o, n_o) < 0)) {
		free(p);
		addr_drop_if_empty(n, a);
		return -ENOMEM;
	}
	p->next = n->pairs[pair_bucket(name, a)];
	n->pairs[pair_bucket(name, a)] = p;
	link_newest(n, p);
	n->n_pairs++;
	*ret = p;
	return 0;
}

static int pair_keep(struct names *n, const struct name *name, const struct addr *a, bool any,
		     uint64_t until_ms, struct pair **ret)
{
	struct pair *p = pair_find(n, name, a);
	int r;

	if (p && p->any != any) { /* the pair opens other ports now */
		pair_drop(n, p);
		p = NULL;
	}
	if (p) {
		unlink_age(n, p);
		link_newest(n, p);
	} else if ((r = pair_new(n, name, a, any, &p)) < 0) {
		return r;
	}
	if (p->until_ms < until_ms)
		p->until_ms = until_ms;
	*ret = p;
	return 0;
}

/* Another opening of the pair. Returns 1 with *ret when a kernel set lacks it and shall have it. An
 * address that a deny rule excludes is left to the engine. */
static size_t port_keep(struct names *n, const struct pair *p, const struct opening *o,
			struct learn_entry *ret, size_t max)
{
	uint8_t l4proto = scheme_l4proto(o->scheme);
	struct port *x = *port_find(n, &p->of->addr, l4proto, o->port);
	size_t set = set_of(o->scheme);

	if (x->until_ms[o->scheme] < p->until_ms)
		x->until_ms[o->scheme] = p->until_ms;
	x->newest = p;
	x->rule = o->rule;
	/* What the kernel's sets do not hold only costs the way to the engine. */
	if (set == SETS || x->told[set] || n->n_told == NAMES_MAX || !max ||
	    policy_match_addr(n->policy, l4proto, &x->addr, o->port).verdict == VERDICT_DENY)
		return 0;
	x->told[set] = true;
	n->n_told++;
	*ret = (struct learn_entry){
	    .addr = x->addr, .add = 1, .set = (uint8_t)set, .l4proto = l4proto, .port = o->port};
	return 1;
}

int names_learn(struct names *n, const struct name *name, const struct addr *a, bool plain,
		uint32_t ttl_s, uint64_t now_ms, struct learn_entry *ret, size_t max, size_t *ret_n)
{
	uint64_t ttl_ms = (uint64_t)ttl_s * 1000;
	uint64_t until_ms =
	    now_ms + (ttl_ms < NAMES_MIN_TTL_MS ? NAMES_MIN_TTL_MS : ttl_ms) + NAMES_GRACE_MS;
	struct opening o[OPENINGS_MAX];
	struct pair *p;
	size_t n_o;
	int r;

	*ret_n = 0;
	r = pair_keep(n, name, a, plain || is_pinned(n->policy, name, a), until_ms, &p);
	if (r < 0)
		return r;
	n_o = openings_of(n, p, o);
	for (size_t i = 0; i < n_o; i++)
		*ret_n += port_keep(n, p, &o[i], ret + *ret_n, max - *ret_n);
	return 0;
}

/* ---- asking -------------------------------------------------------------- */

bool names_has(const struct names *n, const struct name *name, const struct addr *a,
	       uint64_t now_ms, bool *ret_any)
{
	const struct pair *p = pair_find(n, name, a);

	if (!p || p->until_ms <= now_ms)
		return false;
	if (ret_any)
		*ret_any = p->any;
	return true;
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

bool names_opens(const struct names *n, const struct addr *a, uint8_t l4proto, uint16_t port,
		 uint64_t now_ms, struct names_open *ret)
{
	const struct port *p = *port_find((struct names *)n, a, l4proto, port);
	const uint64_t *until = p ? p->until_ms : NULL;

	*ret = (struct names_open){.rule = UINT32_MAX};
	if (!p)
		return false;
	ret->all =
	    until[SCHEME_TCP] > now_ms || until[SCHEME_UDP] > now_ms || until[SCHEME_ICMP] > now_ms;
	ret->tls = until[SCHEME_HTTPS] > now_ms || until[SCHEME_TLS] > now_ms;
	ret->http = until[SCHEME_HTTP] > now_ms;
	if (!ret->all && !ret->tls && !ret->http)
		return false;
	ret->rule = p->rule;
	ret->name = p->newest ? &p->newest->name : NULL;
	return true;
}

uint64_t names_dropped(const struct names *n)
{
	return n->dropped;
}

bool names_empty(const struct names *n)
{
	return !n->n_pairs && !n->n_ports;
}

/* ---- forgetting ---------------------------------------------------------- */

static size_t expire_ports(struct names *n, uint64_t now_ms, struct learn_entry *ret, size_t max)
{
	struct port **at = &n->ports[n->sweep], *p;
	size_t out = 0;

	while ((p = *at)) {
		for (size_t set = 0; set < SETS; set++) {
			if (!p->told[set] || set_until(p, set) > now_ms)
				continue;
			if (out == max)
				return out;
			ret[out++] = (struct learn_entry){.addr = p->addr,
							  .set = (uint8_t)set,
							  .l4proto = p->l4proto,
							  .port = p->port};
			p->told[set] = false;
			n->n_told--;
		}
		port_free_if_idle(n, at);
		if (*at == p)
			at = &p->next;
	}
	return out;
}

size_t names_expire(struct names *n, uint64_t now_ms, size_t buckets, struct learn_entry *ret,
		    size_t max)
{
	size_t out = 0;

	/* All buckets in turn: the list by age is in the order of use, not of expiry. */
	for (size_t looked = 0; looked < buckets && out < max; looked++) {
		struct pair *p = n->pairs[n->sweep], *next;

		for (; p; p = next) {
			next = p->next;
			if (p->until_ms <= now_ms)
				pair_drop(n, p);
		}
		out += expire_ports(n, now_ms, ret + out, max - out);
		if (out < max)
			n->sweep = (n->sweep + 1) % BUCKETS;
	}
	return out;
}
