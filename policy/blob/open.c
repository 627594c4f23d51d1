// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/blob/opened.h"
#include "policy/profile.h"

/* ---- opening: every offset is checked once, here --------------------------------------------- */

static const void *section(const void *blob, size_t bytes, const struct blob_section *s,
			   size_t each)
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

static bool rules_ok(struct policy *p)
{
	for (uint32_t i = 0; i < p->h->rules.count; i++) {
		const struct blob_rule *r = &p->rules[i];

		if (!string_ok(p, r->text) ||
		    (r->extra != BLOB_NONE && r->extra >= p->h->extras.count))
			return false;
		p->denies |= r->deny != 0;
	}
	for (uint32_t i = 0; i < p->h->extras.count; i++) {
		const struct blob_extra *x = &p->extras[i];

		if (!string_ok(p, x->group) || !string_ok(p, x->reason) ||
		    x->addresses > p->h->addresses.count ||
		    x->n_addresses > p->h->addresses.count - x->addresses)
			return false;
	}
	for (uint32_t i = 0; i < p->h->addresses.count; i++)
		if (!prefix_ok(&p->addresses[i]))
			return false;
	return true;
}

static unsigned labels(const char *s, size_t n)
{
	unsigned count = n > 0;

	for (size_t i = 0; i < n; i++)
		count += s[i] == '.';
	return count;
}

static bool names_ok(struct policy *p)
{
	uint32_t free_slots = 0;

	for (uint32_t i = 0; i < p->h->entries.count; i++) {
		const struct blob_entry *e = &p->entries[i];

		if (e->name > p->h->strings.count || e->name_len > p->h->strings.count - e->name ||
		    (e->next != BLOB_NONE && e->next >= i) || e->rule >= p->h->rules.count ||
		    (e->bits & BLOB_SCHEME) >= SCHEME_COUNT || e->name_len > NAME_MAX_LEN)
			return false;
		if (e->bits & BLOB_WILDCARD) {
			p->depths[labels(p->strings + e->name, e->name_len) & 127] = true;
			p->wildcards = true;
		}
	}
	for (uint32_t i = 0; i < p->h->slots.count; i++) {
		if (p->slots[i].entry != BLOB_NONE && p->slots[i].entry >= p->h->entries.count)
			return false;
		free_slots += p->slots[i].entry == BLOB_NONE;
	}
	/* a power of two with room: probing ends */
	return p->h->slots.count && !(p->h->slots.count & (p->h->slots.count - 1)) && free_slots;
}

static bool pins_ok(const struct policy *p)
{
	for (uint32_t i = 0; i < p->h->pins.count; i++) {
		const struct blob_pin *pin = &p->pins[i];

		if (!addr_ok(&pin->addr) || !string_ok(p, pin->name) ||
		    (i && strcmp(p->strings + pin[-1].name, p->strings + pin->name) > 0))
			return false;
	}
	return true;
}

static bool addrs_ok(struct policy *p)
{
	for (uint32_t i = 0; i < p->h->addr_rules.count; i++) {
		const struct blob_addr_rule *r = &p->addr_rules[i];

		if (!prefix_ok(&r->prefix) || r->rule >= p->h->rules.count ||
		    (i && blob_addr_cmp(&p->addr_rules[i - 1], r) > 0))
			return false;
		p->lengths[r->prefix.addr.family == 6][r->prefix.bits] = true;
	}
	for (uint32_t i = 0; i < p->h->servers.count; i++)
		if (!addr_ok(&p->servers[i].addr))
			return false;
	return true;
}

static bool ingress_ok(const struct policy *p)
{
	for (uint32_t i = 0; i < p->h->ingress.count; i++) {
		const struct blob_ingress *g = &p->ingress[i];

		if (!prefix_ok(&g->local) || !g->port ||
		    (g->l4proto != IPPROTO_TCP && g->l4proto != IPPROTO_UDP) ||
		    g->rule >= p->h->rules.count ||
		    !(p->rules[g->rule].flags & BLOB_RULE_INGRESS) ||
		    (i && blob_ingress_cmp(g - 1, g) > 0))
			return false;
	}
	return true;
}

static int open_blob(const void *blob, size_t bytes, bool nested, struct policy **ret,
		     struct err *e);

static bool range_ok(const struct blob_range *r, uint32_t count)
{
	return r->first <= count && r->n <= count - r->first;
}

/* The policy of a tool's network has no such networks in it. */
static bool net_ok(const struct policy *p, const struct blob_profile *f, bool nested)
{
	struct policy *net;

	if (!f->net_bytes)
		return true;
	if (nested || f->net % 8 || f->net > p->h->nets.count ||
	    f->net_bytes > p->h->nets.count - f->net ||
	    open_blob(p->nets + f->net, f->net_bytes, true, &net, NULL) < 0)
		return false;
	policy_free(net);
	return true;
}

static bool profiles_ok(const struct policy *p, bool nested)
{
	for (uint32_t i = 0; i < p->h->profiles.count; i++) {
		const struct blob_profile *f = &p->profiles[i];

		if (!string_ok(p, f->name) || !string_ok(p, f->user) || !string_ok(p, f->cwd) ||
		    (i == 0) != (f->name == 0) || !range_ok(&f->paths, p->h->paths.count) ||
		    !range_ok(&f->env, p->h->env.count) ||
		    !range_ok(&f->command, p->h->words.count) ||
		    !range_ok(&f->unprotect, p->h->words.count) || !net_ok(p, f, nested))
			return false;
	}
	for (uint32_t i = 0; i < p->h->paths.count; i++) {
		const struct blob_path *x = &p->paths[i];
		char first = string_ok(p, x->path) ? p->strings[x->path] : 0;

		if (x->right & ~RIGHTS_FILE || x->right & (x->right - 1) ||
		    (first != '/' && first != '~' && first != '$'))
			return false;
	}
	for (uint32_t i = 0; i < p->h->env.count; i++)
		if (!string_ok(p, p->env[i].name) || !string_ok(p, p->env[i].value))
			return false;
	for (uint32_t i = 0; i < p->h->words.count; i++)
		if (!string_ok(p, p->words[i]))
			return false;
	return p->h->profiles.count >= 1 && (!nested || p->h->profiles.count == 1);
}

static bool attach(struct policy *p, const void *blob, size_t bytes, bool nested)
{
	const struct blob_header *h = blob;

	p->h = h;
	p->rules = section(blob, bytes, &h->rules, sizeof(*p->rules));
	p->extras = section(blob, bytes, &h->extras, sizeof(*p->extras));
	p->entries = section(blob, bytes, &h->entries, sizeof(*p->entries));
	p->slots = section(blob, bytes, &h->slots, sizeof(*p->slots));
	p->addr_rules = section(blob, bytes, &h->addr_rules, sizeof(*p->addr_rules));
	p->ingress = section(blob, bytes, &h->ingress, sizeof(*p->ingress));
	p->addresses = section(blob, bytes, &h->addresses, sizeof(*p->addresses));
	p->pins = section(blob, bytes, &h->pins, sizeof(*p->pins));
	p->servers = section(blob, bytes, &h->servers, sizeof(*p->servers));
	p->profiles = section(blob, bytes, &h->profiles, sizeof(*p->profiles));
	p->paths = section(blob, bytes, &h->paths, sizeof(*p->paths));
	p->env = section(blob, bytes, &h->env, sizeof(*p->env));
	p->words = section(blob, bytes, &h->words, sizeof(*p->words));
	p->nets = section(blob, bytes, &h->nets, 1);
	p->strings = section(blob, bytes, &h->strings, 1);
	return p->profiles && p->paths && p->env && p->words && p->nets &&
	       h->profiles.offset % 8 == 0 && h->nets.offset % 8 == 0 && p->rules && p->extras &&
	       p->entries && p->slots && p->addr_rules && p->ingress && p->addresses && p->pins &&
	       p->servers && p->strings && h->strings.count &&
	       p->strings[h->strings.count - 1] == '\0' && string_ok(p, h->file) &&
	       string_ok(p, h->audit_dir) && string_ok(p, h->workspace) && h->mode <= MODE_AUDIT &&
	       h->snaplen >= SNAPLEN_MIN && h->snaplen <= SNAPLEN_MAX && rules_ok(p) &&
	       names_ok(p) && addrs_ok(p) && ingress_ok(p) && pins_ok(p) && profiles_ok(p, nested);
}

static int open_blob(const void *blob, size_t bytes, bool nested, struct policy **ret,
		     struct err *e)
{
	const struct blob_header *h = blob;
	struct policy *p;

	if (bytes < sizeof(*h) || bytes > BLOB_MAX || h->magic != BLOB_MAGIC ||
	    h->version != BLOB_VERSION || h->bytes != bytes)
		return err_set(e, EINVAL, "not a compiled policy of this version");
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(e, ENOMEM, "out of memory");
	if (!attach(p, blob, bytes, nested)) {
		free(p);
		return err_set(e, EINVAL, "the compiled policy is damaged");
	}
	*ret = p;
	return 0;
}

int policy_open(const void *blob, size_t bytes, struct policy **ret, struct err *e)
{
	return open_blob(blob, bytes, false, ret, e);
}

void policy_free(struct policy *p)
{
	free(p);
}

/* ---- what it says ---------------------------------------------------------------------------- */

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
	return string(p, p->profiles[0].user);
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
	uint32_t from = 0, to = p->h->pins.count;
	size_t n = 0;

	while (from < to) {
		uint32_t mid = from + (to - from) / 2;

		if (strcmp(p->strings + p->pins[mid].name, name->s) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	for (; from < p->h->pins.count; from++, n++) {
		if (strcmp(p->strings + p->pins[from].name, name->s) != 0)
			break;
		if (n < max)
			ret[n] = p->pins[from].addr;
	}
	return n;
}

size_t policy_rules(const struct policy *p)
{
	return p->h->rules.count;
}

static struct blob_extra extra(const struct policy *p, uint32_t rule)
{
	uint32_t i = p->rules[rule].extra;

	return i == BLOB_NONE ? (struct blob_extra){0} : p->extras[i];
}

void policy_rule(const struct policy *p, uint32_t i, struct rule *ret)
{
	const struct blob_rule *r = &p->rules[i];
	const struct blob_extra x = extra(p, i);

	*ret = (struct rule){.deny = r->deny,
			     .broad = r->flags & BLOB_RULE_BROAD,
			     .ech_allow = r->flags & BLOB_RULE_ECH,
			     .ingress = r->flags & BLOB_RULE_INGRESS,
			     .line = r->line,
			     .col = r->col,
			     .text = p->strings + r->text,
			     .group = string(p, x.group),
			     .reason = string(p, x.reason)};
}

bool policy_rule_address_ok(const struct policy *p, uint32_t i, const struct addr *a)
{
	const struct blob_extra x = extra(p, i);

	for (uint32_t k = 0; k < x.n_addresses; k++)
		if (prefix_contains(&p->addresses[x.addresses + k], a))
			return true;
	return false;
}

size_t policy_rule_peers(const struct policy *p, uint32_t i)
{
	return extra(p, i).n_addresses;
}

struct prefix policy_rule_peer(const struct policy *p, uint32_t i, size_t k)
{
	return p->addresses[extra(p, i).addresses + k];
}

size_t policy_ingress_rules(const struct policy *p)
{
	return p->h->ingress.count;
}

void policy_ingress_rule(const struct policy *p, size_t i, struct ingress_rule *ret)
{
	const struct blob_ingress *g = &p->ingress[i];

	*ret = (struct ingress_rule){
	    .l4proto = g->l4proto, .local = g->local, .port = g->port, .rule = g->rule};
}

size_t policy_addr_rules(const struct policy *p)
{
	return p->h->addr_rules.count;
}

void policy_addr_rule(const struct policy *p, size_t i, struct addr_rule *ret)
{
	const struct blob_addr_rule *r = &p->addr_rules[i];

	*ret = (struct addr_rule){.deny = r->deny,
				  .any = r->l4proto == 0,
				  .l4proto = r->l4proto,
				  .prefix = r->prefix,
				  .port = r->port,
				  .rule = r->rule};
}
