#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "policy/blob.h"
#include "policy/policy.h"

struct policy {
	const struct blob_header *h;
	const struct blob_rule *rules;
	const struct blob_entry *entries;
	const uint32_t *slots;
	const struct blob_addr_rule *addr_rules;
	const struct prefix *addresses;
	const struct blob_pin *pins;
	const struct blob_server *servers;
	const char *strings;
	uint8_t lengths[2][129]; /* which prefix lengths the rules have: IPv4, IPv6 */
};

/* ---- opening: every offset is checked once, here ----------------------------------------------- */

static const void *section(const void *blob, size_t bytes, const struct blob_section *s, size_t each)
{
	if (s->offset % 4 || s->offset > bytes || s->count > (bytes - s->offset) / each)
		return NULL;
	return (const char *)blob + s->offset;
}

static bool string_ok(const struct policy *p, uint32_t at)
{
	return at < p->h->strings.count;
}

static bool prefix_ok(const struct prefix *p)
{
	return (p->addr.family == 4 && p->bits <= 32) || (p->addr.family == 6 && p->bits <= 128);
}

static bool addr_ok(const struct addr *a)
{
	return a->family == 4 || a->family == 6;
}

static bool rules_ok(const struct policy *p)
{
	for (uint32_t i = 0; i < p->h->rules.count; i++) {
		const struct blob_rule *r = &p->rules[i];

		if (!string_ok(p, r->text) || !string_ok(p, r->group) || !string_ok(p, r->reason) ||
		    r->addresses > p->h->addresses.count ||
		    r->n_addresses > p->h->addresses.count - r->addresses)
			return false;
	}
	for (uint32_t i = 0; i < p->h->addresses.count; i++)
		if (!prefix_ok(&p->addresses[i]))
			return false;
	return true;
}

static bool names_ok(const struct policy *p)
{
	uint32_t free_slots = 0;

	for (uint32_t i = 0; i < p->h->entries.count; i++) {
		const struct blob_entry *e = &p->entries[i];

		if (e->name > p->h->strings.count || e->name_len > p->h->strings.count - e->name ||
		    (e->next != BLOB_NONE && e->next >= i) || e->rule >= p->h->rules.count ||
		    e->scheme >= SCHEME_COUNT || e->name_len > NAME_MAX_LEN)
			return false;
	}
	for (uint32_t i = 0; i < p->h->slots.count; i++) {
		if (p->slots[i] != BLOB_NONE && p->slots[i] >= p->h->entries.count)
			return false;
		free_slots += p->slots[i] == BLOB_NONE;
	}
	/* a power of two with room: probing ends */
	return p->h->slots.count && !(p->h->slots.count & (p->h->slots.count - 1)) && free_slots;
}

static int prefix_cmp(const struct prefix *a, const struct prefix *b)
{
	if (a->addr.family != b->addr.family)
		return a->addr.family < b->addr.family ? -1 : 1;
	if (a->bits != b->bits)
		return a->bits < b->bits ? -1 : 1;
	return memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));
}

static bool addrs_ok(struct policy *p)
{
	for (uint32_t i = 0; i < p->h->addr_rules.count; i++) {
		const struct blob_addr_rule *r = &p->addr_rules[i];

		if (!prefix_ok(&r->prefix) || r->rule >= p->h->rules.count ||
		    (i && prefix_cmp(&p->addr_rules[i - 1].prefix, &r->prefix) > 0))
			return false;
		p->lengths[r->prefix.addr.family == 6][r->prefix.bits] = 1;
	}
	for (uint32_t i = 0; i < p->h->servers.count; i++)
		if (!addr_ok(&p->servers[i].addr))
			return false;
	for (uint32_t i = 0; i < p->h->pins.count; i++)
		if (!addr_ok(&p->pins[i].addr) || p->pins[i].name > p->h->strings.count ||
		    p->pins[i].name_len > NAME_MAX_LEN ||
		    p->pins[i].name_len > p->h->strings.count - p->pins[i].name)
			return false;
	return true;
}

static bool attach(struct policy *p, const void *blob, size_t bytes)
{
	const struct blob_header *h = blob;

	p->h = h;
	p->rules = section(blob, bytes, &h->rules, sizeof(*p->rules));
	p->entries = section(blob, bytes, &h->entries, sizeof(*p->entries));
	p->slots = section(blob, bytes, &h->slots, sizeof(*p->slots));
	p->addr_rules = section(blob, bytes, &h->addr_rules, sizeof(*p->addr_rules));
	p->addresses = section(blob, bytes, &h->addresses, sizeof(*p->addresses));
	p->pins = section(blob, bytes, &h->pins, sizeof(*p->pins));
	p->servers = section(blob, bytes, &h->servers, sizeof(*p->servers));
	p->strings = section(blob, bytes, &h->strings, 1);
	return p->rules && p->entries && p->slots && p->addr_rules && p->addresses && p->pins &&
	       p->servers && p->strings && h->strings.count &&
	       p->strings[h->strings.count - 1] == '\0' && string_ok(p, h->file) &&
	       string_ok(p, h->user) && string_ok(p, h->audit_dir) && h->mode <= MODE_AUDIT &&
	       rules_ok(p) && names_ok(p) && addrs_ok(p);
}

int policy_open(const void *blob, size_t bytes, struct policy **ret, struct err *e)
{
	const struct blob_header *h = blob;
	struct policy *p;

	if (bytes < sizeof(*h) || bytes > BLOB_MAX || h->magic != BLOB_MAGIC ||
	    h->version != BLOB_VERSION || h->bytes != bytes)
		return err_set(e, EINVAL, "not a compiled policy of this version");
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(e, ENOMEM, "out of memory");
	if (!attach(p, blob, bytes)) {
		free(p);
		return err_set(e, EINVAL, "the compiled policy is damaged");
	}
	*ret = p;
	return 0;
}

void policy_free(struct policy *p)
{
	free(p);
}

/* ---- what it says ------------------------------------------------------------------------------ */

static const char *string(const struct policy *p, uint32_t at)
{
	return at ? p->strings + at : NULL;
}

enum policy_mode policy_mode(const struct policy *p)
{
	return (enum policy_mode)p->h->mode;
}

const char *policy_file(const struct policy *p)
{
	return p->strings + p->h->file;
}

const char *policy_agent_user(const struct policy *p)
{
	return string(p, p->h->user);
}

const char *policy_audit_dir(const struct policy *p)
{
	return p->strings + p->h->audit_dir;
}

uint32_t policy_snaplen(const struct policy *p)
{
	return p->h->snaplen;
}

size_t policy_dns_servers(const struct policy *p)
{
	return p->h->servers.count;
}

void policy_dns_server(const struct policy *p, size_t i, struct addr *ret, uint16_t *ret_port)
{
	*ret = p->servers[i].addr;
	*ret_port = p->servers[i].port;
}

size_t policy_pin(const struct policy *p, const struct name *name, struct addr *ret, size_t max)
{
	size_t n = 0;

	for (uint32_t i = 0; i < p->h->pins.count; i++) {
		const struct blob_pin *pin = &p->pins[i];

		if (pin->name_len != name->len ||
		    memcmp(p->strings + pin->name, name->s, name->len) != 0)
			continue;
		if (n < max)
			ret[n] = pin->addr;
		n++;
	}
	return n;
}

size_t policy_rules(const struct policy *p)
{
	return p->h->rules.count;
}

void policy_rule(const struct policy *p, uint32_t i, struct rule *ret)
{
	const struct blob_rule *r = &p->rules[i];

	*ret = (struct rule){ .deny = r->deny,
			      .broad = r->broad,
			      .ech_allow = r->ech_allow,
			      .line = r->line,
			      .col = r->col,
			      .text = p->strings + r->text,
			      .group = string(p, r->group),
			      .reason = string(p, r->reason) };
}

bool policy_rule_address_ok(const struct policy *p, uint32_t i, const struct addr *a)
{
	const struct blob_rule *r = &p->rules[i];

	for (uint32_t k = 0; k < r->n_addresses; k++)
		if (prefix_contains(&p->addresses[r->addresses + k], a))
			return true;
	return false;
}

size_t policy_addr_rules(const struct policy *p)
{
	return p->h->addr_rules.count;
}

void policy_addr_rule(const struct policy *p, size_t i, struct addr_rule *ret)
{
	const struct blob_addr_rule *r = &p->addr_rules[i];

	*ret = (struct addr_rule){ .deny = r->deny,
				   .any = r->any,
				   .l4proto = r->l4proto,
				   .prefix = r->prefix,
				   .port = r->port,
				   .rule = r->rule };
}

/* ---- matching ---------------------------------------------------------------------------------- */

/* Deny wins; of several allows the first, which is the most specific. true: nothing can change any more. */
static bool take(struct match *m, bool deny, uint32_t rule)
{
	if (!deny && m->verdict == VERDICT_ALLOW)
		return false;
	*m = (struct match){ deny ? VERDICT_DENY : VERDICT_ALLOW, rule };
	return deny;
}

/* The first rule of this prefix, or the count. */
static uint32_t lower_bound(const struct policy *p, const struct prefix *want)
{
	uint32_t from = 0, to = p->h->addr_rules.count;

	while (from < to) {
		uint32_t mid = from + (to - from) / 2;

		if (prefix_cmp(&p->addr_rules[mid].prefix, want) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static struct prefix cut(const struct addr *a, unsigned bits)
{
	struct prefix p = { .addr = { .family = a->family }, .bits = (uint8_t)bits };

	memcpy(p.addr.b, a->b, bits / 8);
	if (bits % 8)
		p.addr.b[bits / 8] = a->b[bits / 8] & (uint8_t)(0xff00 >> (bits % 8));
	return p;
}

struct match policy_match_addr(const struct policy *p, uint8_t l4proto, const struct addr *a,
			       uint16_t port)
{
	const uint8_t *lengths = p->lengths[a->family == 6];
	struct match m = { VERDICT_NONE, RULE_NONE };

	for (int bits = a->family == 4 ? 32 : 128; bits >= 0; bits--) {
		struct prefix want;

		if (!lengths[bits])
			continue;
		want = cut(a, (unsigned)bits);
		for (uint32_t i = lower_bound(p, &want); i < p->h->addr_rules.count; i++) {
			const struct blob_addr_rule *r = &p->addr_rules[i];

			if (prefix_cmp(&r->prefix, &want) != 0)
				break;
			if ((r->any || (r->l4proto == l4proto && r->port == port)) &&
			    take(&m, r->deny, r->rule))
				return m;
		}
	}
	return m;
}

/* The first entry of a name, or BLOB_NONE. */
static uint32_t find(const struct policy *p, const char *s, size_t n, unsigned wildcard)
{
	uint32_t mask = p->h->slots.count - 1;

	for (uint32_t at = blob_hash(s, n, wildcard) & mask;; at = (at + 1) & mask) {
		const struct blob_entry *e;

		if (p->slots[at] == BLOB_NONE)
			return BLOB_NONE;
		e = &p->entries[p->slots[at]];
		if (e->name_len == n && e->wildcard == wildcard &&
		    memcmp(p->strings + e->name, s, n) == 0)
			return p->slots[at];
	}
}

/* Every entry that speaks of a name, most specific first: itself, wildcards upwards, `*`. */
struct walk {
	const struct policy *p;
	const struct name *name;
	size_t at; /* of the suffix looked up next; name->len + 1: over */
	bool exact_done;
	uint32_t entry;
};

static const struct blob_entry *walk_next(struct walk *w)
{
	while (w->entry == BLOB_NONE) {
		const char *dot;

		if (w->at > w->name->len)
			return NULL;
		if (!w->exact_done) {
			w->exact_done = true;
			w->entry = find(w->p, w->name->s, w->name->len, 0);
			continue;
		}
		dot = w->at < w->name->len ?
			      memchr(w->name->s + w->at, '.', w->name->len - w->at) :
			      NULL;
		if (dot) {
			w->at = (size_t)(dot - w->name->s) + 1;
			w->entry = find(w->p, w->name->s + w->at, w->name->len - w->at, 1);
		} else {
			w->at = (size_t)w->name->len + 1;
			w->entry = find(w->p, "", 0, 1);
		}
	}
	{
		const struct blob_entry *e = &w->p->entries[w->entry];

		w->entry = e->next;
		return e;
	}
}

static struct walk walk_of(const struct policy *p, const struct name *name)
{
	return (struct walk){ .p = p, .name = name, .entry = BLOB_NONE };
}

struct match policy_match_name(const struct policy *p, enum scheme scheme, const struct name *name,
			       uint16_t port)
{
	struct match m = { VERDICT_NONE, RULE_NONE };
	struct walk w = walk_of(p, name);
	const struct blob_entry *e;

	if (scheme == SCHEME_TLS)
		scheme = SCHEME_HTTPS;
	while ((e = walk_next(&w)))
		if ((e->any || (e->scheme == scheme && e->port == port)) && take(&m, e->deny, e->rule))
			break;
	return m;
}

size_t policy_name_openings(const struct policy *p, const struct name *name, struct opening *ret,
			    size_t max, struct match *ret_why)
{
	struct match why = { VERDICT_NONE, RULE_NONE };
	struct walk w = walk_of(p, name);
	const struct blob_entry *e;
	size_t n = 0;

	while ((e = walk_next(&w)) && n < max) {
		struct match m;

		if (e->deny) {
			if (why.verdict == VERDICT_NONE)
				why = (struct match){ VERDICT_DENY, e->rule };
			continue;
		}
		m = policy_match_name(p, (enum scheme)e->scheme, name, e->port);
		if (m.verdict == VERDICT_ALLOW)
			ret[n++] = (struct opening){ (enum scheme)e->scheme, e->port, e->rule };
	}
	if (ret_why)
		*ret_why = why;
	return n;
}
