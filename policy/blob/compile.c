// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/blob/compiling.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/cleanup.h"

void *compiling_add(struct array *a, size_t n)
{
	if (a->n + n > a->room) {
		size_t room = a->room ? a->room * 2 : 64;
		void *p;

		while (room < a->n + n)
			room *= 2;
		if (room * a->each > BLOB_MAX)
			return NULL;
		p = reallocarray(a->p, room, a->each);
		if (!p)
			return NULL;
		a->p = p;
		a->room = room;
	}
	a->n += n;
	return (char *)a->p + (a->n - n) * a->each;
}

/* Strings are terminated; offset 0 is the empty string that means none. */
int compiling_string(struct compile *c, const char *s, uint32_t *ret)
{
	size_t n;
	char *to;

	*ret = 0;
	if (!s)
		return 0;
	n = strlen(s) + 1;
	*ret = (uint32_t)c->strings.n;
	to = compiling_add(&c->strings, n);
	if (!to)
		return -ENOMEM;
	memcpy(to, s, n);
	return 0;
}

int compile_new(struct compile **ret)
{
	struct compile *c = calloc(1, sizeof(*c));
	uint32_t at;

	if (!c)
		return -ENOMEM;
	c->rules.each = sizeof(struct blob_rule);
	c->extras.each = sizeof(struct blob_extra);
	c->entries.each = sizeof(struct blob_entry);
	c->addr_rules.each = sizeof(struct blob_addr_rule);
	c->ingress.each = sizeof(struct blob_ingress);
	c->addresses.each = sizeof(struct prefix);
	c->pins.each = sizeof(struct blob_pin);
	c->servers.each = sizeof(struct blob_server);
	c->profiles.each = sizeof(struct blob_profile);
	c->paths.each = sizeof(struct blob_path);
	c->env.each = sizeof(struct blob_env);
	c->words.each = sizeof(uint32_t);
	c->nets.each = 1;
	c->strings.each = 1;
	c->h = (struct blob_header){.magic = BLOB_MAGIC, .version = BLOB_VERSION, .snaplen = 2048};
	if (compiling_string(c, "", &at) < 0 || compile_profile(c, NULL, 0, 0, &at) < 0) {
		compile_free(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

void compile_free(struct compile *c)
{
	if (!c)
		return;
	free(c->rules.p);
	free(c->extras.p);
	free(c->entries.p);
	free(c->addr_rules.p);
	free(c->ingress.p);
	free(c->addresses.p);
	free(c->pins.p);
	free(c->servers.p);
	free(c->profiles.p);
	free(c->paths.p);
	free(c->env.p);
	free(c->words.p);
	free(c->nets.p);
	free(c->strings.p);
	free(c->slots);
	free(c);
}

/* ---- rules ----------------------------------------------------------------------------------- */

static int add_prefix(struct compile *c, const struct endpoint *ep, const struct compile_rule *r,
		      uint32_t rule, const struct prefix *p)
{
	size_t ports = r->any || ep->scheme == SCHEME_ICMP ? 1 : ep->n_ports;

	for (size_t i = 0; i < ports; i++) {
		struct blob_addr_rule *a = compiling_add(&c->addr_rules, 1);

		if (!a)
			return -ENOMEM;
		*a = (struct blob_addr_rule){
		    .prefix = *p,
		    .deny = r->deny,
		    .l4proto = r->any ? 0 : scheme_l4proto(ep->scheme),
		    .port = r->any || ep->scheme == SCHEME_ICMP ? 0 : ep->ports[i],
		    .rule = rule};
	}
	return 0;
}

/* The name is part of the rule's text already: it is not stored twice. */
static int add_name(struct compile *c, const struct endpoint *ep, const struct compile_rule *r,
		    uint32_t rule, uint32_t text)
{
	const char *s = (const char *)c->strings.p + text, *at;
	size_t ports = r->any || ep->scheme == SCHEME_ICMP ? 1 : ep->n_ports;
	size_t len = ep->host == HOST_ANY ? 0 : ep->name.len;

	at = len ? strstr(s, ep->name.s) : s;
	for (size_t i = 0; i < ports; i++) {
		struct blob_entry *e = compiling_add(&c->entries, 1);

		if (!e)
			return -ENOMEM;
		*e = (struct blob_entry){
		    .name = (uint32_t)(at - (const char *)c->strings.p),
		    .next = BLOB_NONE,
		    .rule = rule,
		    .port = r->any || ep->scheme == SCHEME_ICMP ? 0 : ep->ports[i],
		    .name_len = (uint8_t)len,
		    .bits = (uint8_t)((r->any                     ? BLOB_ANY
				       : ep->scheme == SCHEME_TLS ? SCHEME_HTTPS
								  : ep->scheme) |
				      (ep->host != HOST_NAME ? BLOB_WILDCARD : 0) |
				      (r->deny ? BLOB_DENY : 0)),
		};
	}
	return 0;
}

static const struct prefix local[] = {{{4, {127, 0, 0, 1}}, 32}, {{6, {[15] = 1}}, 128}};

static int add_hosts(struct compile *c, const struct endpoint *ep, const struct compile_rule *r,
		     uint32_t rule, uint32_t text)
{
	static const struct prefix every[] = {{{4, {0}}, 0}, {{6, {0}}, 0}};
	const struct prefix *two = ep->host == HOST_ANY ? every : local;
	int e;

	switch (ep->host) {
	case HOST_NAME:
	case HOST_WILDCARD:
		return add_name(c, ep, r, rule, text);
	case HOST_PREFIX:
		return add_prefix(c, ep, r, rule, &ep->prefix);
	case HOST_ANY:
		/* Every name, still by both keys; a literal address is no name. A deny rule takes
		 * literal addresses too. */
		if ((e = add_name(c, ep, r, rule, text)) < 0 || !r->deny)
			return e;
		break;
	case HOST_LOCALHOST:
		break;
	}
	e = add_prefix(c, ep, r, rule, &two[0]);
	return e < 0 ? e : add_prefix(c, ep, r, rule, &two[1]);
}

/* The entries of a group follow each other and share one extra. */
int compiling_extra(struct compile *c, const struct compile_rule *r, uint32_t *ret)
{
	struct blob_extra x = {.addresses = (uint32_t)c->addresses.n,
			       .n_addresses = (uint32_t)r->n_addresses};
	const struct blob_extra *last;
	void *addresses = NULL;
	struct blob_extra *to;
	int e;

	*ret = BLOB_NONE;
	if (!r->group && !r->reason && !r->n_addresses)
		return 0;
	last = c->extras.n ? (struct blob_extra *)c->extras.p + c->extras.n - 1 : NULL;
	if (last && r->group && !r->reason && !r->n_addresses && !last->n_addresses &&
	    !last->reason && strcmp((char *)c->strings.p + last->group, r->group) == 0) {
		*ret = (uint32_t)c->extras.n - 1;
		return 0;
	}
	if ((e = compiling_string(c, r->group, &x.group)) < 0 ||
	    (e = compiling_string(c, r->reason, &x.reason)) < 0)
		return e;
	if (r->n_addresses)
		addresses = compiling_add(&c->addresses, r->n_addresses);
	to = compiling_add(&c->extras, 1);
	if (!to || (r->n_addresses && !addresses))
		return -ENOMEM;
	if (r->n_addresses)
		memcpy(addresses, r->addresses, r->n_addresses * sizeof(*r->addresses));
	*to = x;
	*ret = (uint32_t)c->extras.n - 1;
	return 0;
}

static int add_rule(struct compile *c, const struct endpoint *ep, const struct compile_rule *r,
		    unsigned flags, uint32_t *ret_text)
{
	struct blob_rule b = {.line = r->line,
			      .col = r->col < UINT16_MAX ? (uint16_t)r->col : UINT16_MAX,
			      .deny = r->deny,
			      .flags = (uint8_t)(flags | (r->broad ? BLOB_RULE_BROAD : 0) |
						 (r->ech_allow ? BLOB_RULE_ECH : 0))};
	char text[ENDPOINT_STRLEN + 8];
	struct blob_rule *to;
	int e;

	endpoint_format(ep, text);
	/* a bare host in `deny` is denied whole: a rule for https alone must not read like one */
	if (r->deny && !r->any && !strstr(text, "://")) {
		memmove(text + 8, text, strlen(text) + 1);
		memcpy(text, "https://", 8);
	}
	if ((e = compiling_string(c, text, &b.text)) < 0 ||
	    (e = compiling_extra(c, r, &b.extra)) < 0)
		return e;
	to = compiling_add(&c->rules, 1);
	if (!to)
		return -ENOMEM;
	*to = b;
	*ret_text = b.text;
	return 0;
}

int compile_rule(struct compile *c, const struct endpoint *ep, const struct compile_rule *r)
{
	uint32_t text;
	int e = add_rule(c, ep, r, 0, &text);

	return e < 0 ? e : add_hosts(c, ep, r, (uint32_t)c->rules.n - 1, text);
}

int compile_ingress(struct compile *c, const struct endpoint *ep, const struct compile_rule *r)
{
	size_t hosts = ep->host == HOST_LOCALHOST ? ARRAY_SIZE(local) : 1;
	uint32_t text;
	int e = add_rule(c, ep, r, BLOB_RULE_INGRESS, &text);

	for (size_t i = 0; e == 0 && i < hosts * ep->n_ports; i++) {
		struct blob_ingress *to = compiling_add(&c->ingress, 1);

		if (!to)
			return -ENOMEM;
		*to = (struct blob_ingress){
		    .local = ep->host == HOST_LOCALHOST ? local[i / ep->n_ports] : ep->prefix,
		    .l4proto = scheme_l4proto(ep->scheme),
		    .port = ep->ports[i % ep->n_ports],
		    .rule = (uint32_t)c->rules.n - 1};
	}
	return e;
}

int compile_pin(struct compile *c, const struct name *name, const struct addr *a)
{
	struct blob_pin pin = {.name_len = name->len, .addr = *a}, *to;
	int e = compiling_string(c, name->s, &pin.name);

	if (e < 0)
		return e;
	to = compiling_add(&c->pins, 1);
	if (!to)
		return -ENOMEM;
	*to = pin;
	return 0;
}

int compile_server(struct compile *c, const struct addr *a, uint16_t port)
{
	struct blob_server *to = compiling_add(&c->servers, 1);

	if (!to)
		return -ENOMEM;
	*to = (struct blob_server){.addr = *a, .port = port};
	return 0;
}

void compile_mode(struct compile *c, enum policy_mode mode)
{
	c->h.mode = mode;
}

void compile_snaplen(struct compile *c, uint32_t snaplen)
{
	c->h.snaplen = snaplen;
}

int compile_file(struct compile *c, const char *file)
{
	return compiling_string(c, file, &c->h.file);
}

int compile_audit_dir(struct compile *c, const char *dir)
{
	return compiling_string(c, dir, &c->h.audit_dir);
}

/* ---- the blob ------------------------------------------------------------ */

static int by_prefix(const void *a, const void *b)
{
	const struct blob_addr_rule *x = a, *y = b;
	int d = blob_addr_cmp(x, y);

	d = d ? d : y->deny - x->deny;
	return d ? d : (x->rule > y->rule) - (x->rule < y->rule);
}

static int by_listener(const void *a, const void *b)
{
	return blob_ingress_cmp(a, b);
}

static int by_name(const void *a, const void *b, void *strings)
{
	const struct blob_pin *x = a, *y = b;
	const char *s = strings;
	int d = strcmp(s + x->name, s + y->name);

	return d ? d : memcmp(&x->addr, &y->addr, sizeof(x->addr));
}

static bool same_name(const struct compile *c, const struct blob_entry *a,
		      const struct blob_entry *b)
{
	const char *s = c->strings.p;

	return a->name_len == b->name_len && ((a->bits ^ b->bits) & BLOB_WILDCARD) == 0 &&
	       memcmp(s + a->name, s + b->name, a->name_len) == 0;
}

/* Twice as many slots as entries. An entry of a known name goes to the head of that name's list. */
static int make_slots(struct compile *c)
{
	struct blob_entry *entries = c->entries.p;
	size_t mask;

	c->n_slots = 16;
	while (c->n_slots < c->entries.n * 2)
		c->n_slots *= 2;
	mask = c->n_slots - 1;
	c->slots = reallocarray(NULL, c->n_slots, sizeof(*c->slots));
	if (!c->slots)
		return -ENOMEM;
	memset(c->slots, 0xff, c->n_slots * sizeof(*c->slots));
	for (size_t i = 0; i < c->entries.n; i++) {
		const char *name = (const char *)c->strings.p + entries[i].name;
		uint32_t hash =
		    blob_hash(name, entries[i].name_len, entries[i].bits & BLOB_WILDCARD);
		size_t at = hash & mask;

		while (c->slots[at].entry != BLOB_NONE &&
		       (c->slots[at].hash != hash ||
			!same_name(c, &entries[c->slots[at].entry], &entries[i])))
			at = (at + 1) & mask;
		entries[i].next = c->slots[at].entry;
		c->slots[at] = (struct blob_slot){hash, (uint32_t)i};
	}
	return 0;
}

struct part {
	struct blob_section *section;
	void **p; /* freed once it is copied: the copy is as large as all of them */
	size_t n, each;
};

static void *join(struct compile *c, struct part *parts, size_t n_parts, size_t bytes)
{
	char *blob = calloc(1, bytes);

	if (!blob)
		return NULL;
	memcpy(blob, &c->h, sizeof(c->h));
	for (size_t i = 0; i < n_parts; i++) {
		if (parts[i].n)
			memcpy(blob + parts[i].section->offset, *parts[i].p,
			       parts[i].n * parts[i].each);
		free(steal_ptr(*parts[i].p));
	}
	return blob;
}

int compile_finish(struct compile *c, void **ret_blob, size_t *ret_bytes)
{
	int e = make_slots(c);
	size_t bytes = sizeof(c->h);

	if (e < 0)
		return e;
	if (c->addr_rules.n)
		qsort(c->addr_rules.p, c->addr_rules.n, c->addr_rules.each, by_prefix);
	if (c->ingress.n)
		qsort(c->ingress.p, c->ingress.n, c->ingress.each, by_listener);
	if (c->pins.n)
		qsort_r(c->pins.p, c->pins.n, c->pins.each, by_name, c->strings.p);
	void *slots = c->slots;
	struct part parts[] = {
	    {&c->h.rules, &c->rules.p, c->rules.n, c->rules.each},
	    {&c->h.extras, &c->extras.p, c->extras.n, c->extras.each},
	    {&c->h.entries, &c->entries.p, c->entries.n, c->entries.each},
	    {&c->h.slots, &slots, c->n_slots, sizeof(*c->slots)},
	    {&c->h.addr_rules, &c->addr_rules.p, c->addr_rules.n, c->addr_rules.each},
	    {&c->h.ingress, &c->ingress.p, c->ingress.n, c->ingress.each},
	    {&c->h.addresses, &c->addresses.p, c->addresses.n, c->addresses.each},
	    {&c->h.pins, &c->pins.p, c->pins.n, c->pins.each},
	    {&c->h.servers, &c->servers.p, c->servers.n, c->servers.each},
	    {&c->h.profiles, &c->profiles.p, c->profiles.n, c->profiles.each},
	    {&c->h.paths, &c->paths.p, c->paths.n, c->paths.each},
	    {&c->h.env, &c->env.p, c->env.n, c->env.each},
	    {&c->h.words, &c->words.p, c->words.n, c->words.each},
	    {&c->h.nets, &c->nets.p, c->nets.n, c->nets.each},
	    {&c->h.strings, &c->strings.p, c->strings.n, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		bytes = (bytes + 7) & ~(size_t)7;
		*parts[i].section = (struct blob_section){(uint32_t)bytes, (uint32_t)parts[i].n};
		bytes += parts[i].n * parts[i].each;
	}
	if (bytes > BLOB_MAX)
		return -E2BIG;
	c->h.bytes = bytes;
	*ret_blob = join(c, parts, ARRAY_SIZE(parts), bytes);
	c->slots = slots;
	*ret_bytes = bytes;
	return *ret_blob ? 0 : -ENOMEM;
}
