// SPDX-License-Identifier: GPL-2.0-or-later
/* `ingress`: listeners inside the fence, and who may connect to them. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/entry.h"
#include "policy/schema/schema.h"

#define PEERS_MAX 256

struct item {
	struct load *l;
	char *to;
	unsigned line, col, quote; /* of `to` */
	bool have_to, have_from, broad;
	struct prefix peers[PEERS_MAX];
	size_t n_peers;
};

static void wrong(struct yaml *y, const struct item *it, size_t at, const char *hint,
		  const char *what)
{
	char shown[200];

	diags_add(y->diags, false, it->line, it->col + it->quote + (unsigned)at, hint, "'%s': %s",
		  str_escape(shown, sizeof(shown), it->to, strlen(it->to)), what);
}

/* What programs bind to; no packet goes there. */
static bool is_unspecified(const struct prefix *p)
{
	static const uint8_t zero[16];

	return p->bits == (p->addr.family == 4 ? 32 : 128) &&
	       memcmp(p->addr.b, zero, p->bits / 8) == 0;
}

static bool is_address(struct yaml *y, const struct item *it, const struct endpoint *ep)
{
	switch (ep->host) {
	case HOST_NAME:
	case HOST_WILDCARD:
		wrong(y, it, 0,
		      "write 127.0.0.1:PORT, localhost:PORT, or 0.0.0.0/0:PORT for any address",
		      "a listener is named by the address that it has, not by a name");
		return false;
	case HOST_ANY:
		wrong(y, it, 0, "write 0.0.0.0/0:PORT and \"[::/0]:PORT\"",
		      "a listener is named by the address that it has");
		return false;
	case HOST_PREFIX:
		if (!is_unspecified(&ep->prefix))
			return true;
		wrong(y, it, 0,
		      ep->prefix.addr.family == 4 ? "for any address write 0.0.0.0/0:PORT"
						  : "for any address write \"[::/0]:PORT\"",
		      "no peer connects to the address that means any address");
		return false;
	case HOST_LOCALHOST:
		break;
	}
	return true;
}

static bool other_family(const struct item *it, const struct endpoint *ep)
{
	for (size_t i = 0; ep->host == HOST_PREFIX && i < it->n_peers; i++)
		if (it->peers[i].addr.family != ep->prefix.addr.family)
			return true;
	return false;
}

/* Everybody's peers at any address: more than its writer may think. */
static bool too_broad(const struct item *it, const struct endpoint *ep)
{
	if (ep->host != HOST_PREFIX || !entry_prefix_broad(&ep->prefix))
		return false;
	for (size_t i = 0; i < it->n_peers; i++)
		if (entry_prefix_broad(&it->peers[i]))
			return true;
	return !it->have_from;
}

static bool fits(struct yaml *y, const struct item *it, const struct endpoint *ep)
{
	if (ep->scheme_written && ep->scheme != SCHEME_TCP && ep->scheme != SCHEME_UDP)
		wrong(y, it, 0, "write ADDRESS:PORT for TCP, udp://ADDRESS:PORT for UDP",
		      "who connects is known by the address alone, whatever is spoken");
	else if (!is_address(y, it, ep))
		return false;
	else if (!schema_port_written(it->to, ep))
		wrong(y, it, strlen(it->to), "write ADDRESS:PORT", "the port is missing");
	else if (other_family(it, ep))
		wrong(y, it, 0, "make two entries, one for IPv4 and one for IPv6",
		      "a peer in 'from' and the listener are not both IPv4 or both IPv6");
	else if (!it->broad && too_broad(it, ep))
		wrong(y, it, 0,
		      "say who: {to: ..., from: [10.0.0.0/8]}; if you mean it: "
		      "{to: ..., broad: true}",
		      "everybody may connect, at every address of the host");
	else
		return true;
	return false;
}

static void take(struct yaml *y, struct item *it)
{
	struct endpoint ep;
	struct err e = {0};
	size_t at = 0;

	if (endpoint_parse(it->to, strlen(it->to), &ep, &at, &e) < 0) {
		diags_add(y->diags, false, it->line, it->col + it->quote + (unsigned)at, e.hint,
			  "%s", e.msg);
		return;
	}
	if (!fits(y, it, &ep))
		return;
	if (!ep.scheme_written)
		ep.scheme = SCHEME_TCP;
	schema_keep(it->l, compile_ingress(it->l->c, &ep,
					   &(struct compile_rule){.broad = it->broad,
								  .line = it->line,
								  .col = it->col,
								  .addresses = it->peers,
								  .n_addresses = it->n_peers}));
}

static void on_to(struct yaml *y, void *arg)
{
	struct item *it = arg;
	const char *text = yaml_text(y, NULL);

	it->have_to = true;
	it->line = yaml_line(y);
	it->col = yaml_col(y);
	if (!text)
		yaml_error(y, 0, "write ADDRESS:PORT", "a listener must be text");
	else if (!it->to && !(it->to = strdup(text)))
		schema_keep(it->l, -ENOMEM);
	it->quote = text && y->ev.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	yaml_skip(y);
}

static void on_peer(struct yaml *y, void *arg)
{
	struct item *it = arg;
	const char *text = yaml_text(y, NULL);
	char fixed[PREFIX_STRLEN], hint[80] = "write 10.0.0.0/8, 10.1.2.3 or \"2001:db8::/32\"";
	struct prefix p;
	int r = text ? prefix_parse(text, strlen(text), &p) : -EINVAL;

	if (r == -ERANGE)
		snprintf(hint, sizeof(hint), "write %s", prefix_format(&p, fixed));
	if (r < 0)
		yaml_error(y, 0, hint, "a peer is an address or a prefix");
	else if (it->n_peers == PEERS_MAX)
		yaml_error(y, 0, "use wider prefixes", "more than %d peers", PEERS_MAX);
	else
		it->peers[it->n_peers++] = p;
	yaml_skip(y);
}

/* An empty list must not be taken for the one that is not there, which means everybody. */
static void on_from(struct yaml *y, void *arg)
{
	struct item *it = arg;
	unsigned line = yaml_line(y), col = yaml_col(y);
	size_t errors = y->diags->n_errors;

	it->have_from = true;
	yaml_list(y, "'from'", on_peer, it);
	if (!it->n_peers && !y->broken && errors == y->diags->n_errors)
		diags_add(y->diags, false, line, col,
			  "name the peers; for nobody leave the whole entry out",
			  "the list of peers is empty");
}

static void on_broad(struct yaml *y, void *arg)
{
	struct item *it = arg;

	schema_bool(y, "broad", &it->broad);
}

static void on_item(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {
	    {"to", on_to}, {"from", on_from}, {"broad", on_broad}};
	unsigned line = yaml_line(y), col = yaml_col(y);
	struct item it;

	memset(&it, 0, offsetof(struct item, peers));
	it.n_peers = 0;
	it.l = arg;
	if (yaml_is(y, YAML_MAPPING_START_EVENT)) {
		yaml_mapping(y, "this ingress entry", keys, ARRAY_SIZE(keys), &it);
		if (!it.have_to && !y->broken)
			diags_add(y->diags, false, line, col, "add `to: ADDRESS:PORT`",
				  "the entry has no 'to'");
	} else {
		on_to(y, &it);
	}
	if (it.to)
		take(y, &it);
	free(it.to);
}

void schema_ingress(struct yaml *y, void *arg)
{
	yaml_list(y, "'ingress'", on_item, arg);
}
