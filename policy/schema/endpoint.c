// SPDX-License-Identifier: GPL-2.0-or-later
/* `egress` and `deny`: entries and what they come to. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/nearest.h"
#include "policy/entry.h"
#include "policy/schema/schema.h"

#define ADDRESSES_MAX 256

struct item {
	struct load *l;
	bool deny, have_to;
	struct endpoint ep;
	char *to, *reason;
	unsigned line, col;
	yaml_scalar_style_t style; /* of `to` */
	bool broad, ech_allow;
	struct prefix addresses[ADDRESSES_MAX];
	size_t n_addresses;
};

static void add_rule(struct load *l, const struct endpoint *ep, const struct item *it,
		     const char *group)
{
	const struct compile_rule r = {
	    .deny = it->deny,
	    .broad = it->broad,
	    .ech_allow = it->ech_allow,
	    .line = it->line,
	    .col = it->col,
	    .group = group,
	    .reason = it->reason,
	    .addresses = it->addresses,
	    .n_addresses = it->n_addresses,
	    .any = it->deny && !group && !ep->scheme_written && !it->ep.n_ports,
	};

	schema_keep(l, compile_rule(l->c, ep, &r));
}

static void add_group(struct load *l, const struct item *it, const struct policy_group *g)
{
	for (size_t i = 0; g->endpoints[i]; i++) {
		struct endpoint ep;

		if (endpoint_parse(g->endpoints[i], strlen(g->endpoints[i]), &ep, NULL, NULL) == 0)
			add_rule(l, &ep, it, g->name);
	}
}

bool schema_port_written(const char *text, const struct endpoint *ep)
{
	const char *host = strstr(text, "://"), *colon;

	host = host ? host + 3 : text;
	if (host[0] == '[')
		return strstr(host, "]:") != NULL;
	colon = strchr(host, ':');
	return colon && !(ep->host == HOST_PREFIX && ep->prefix.addr.family == 6);
}

/* A word without a dot or a scheme, and no group to be had here. */
static void no_group(struct yaml *y, size_t quote, const char *text, bool deny)
{
	struct nearest nearest = {.written = text};
	char shown[100], hint[300];

	str_escape(shown, sizeof(shown), text, strlen(text));
	if (deny) {
		snprintf(hint, sizeof(hint),
			 entry_group(text) ? "name its endpoints: agentctl policy groups %s"
					   : "a host of one label is written with its scheme: "
					     "https://%s",
			 shown);
		yaml_error(y, quote, hint, "a deny entry is an endpoint, and '%s' is %s", shown,
			   entry_group(text) ? "a group" : "none");
		return;
	}
	for (size_t i = 0; i < policy_groups_n; i++)
		nearest_try(&nearest, policy_groups[i].name);
	snprintf(hint, sizeof(hint),
		 "%s%s%s; a host of one label is written with its scheme: https://%s",
		 nearest.found ? "did you mean '"
			       : "the groups are listed by `agentctl policy groups",
		 nearest.found ? nearest.found : "", nearest.found ? "'?" : "`", shown);
	yaml_error(y, quote, hint, "there is no group '%s'", shown);
}

/* Where the port stands in the text. */
static size_t port_at(const char *text)
{
	const char *p = text + strlen(text);

	while (p > text && (p[-1] == ',' || (p[-1] >= '0' && p[-1] <= '9')))
		p--;
	for (; *p; p += strcspn(p, ","), p += *p == ',')
		if (strcspn(p, ",") == 2 && memcmp(p, "53", 2) == 0)
			return (size_t)(p - text);
	return 0;
}

/* The endpoint's text is the current event. */
static void take_endpoint(struct yaml *y, struct item *it)
{
	const char *text = yaml_text(y, NULL), *broad;
	const struct policy_group *g = text && !it->deny ? entry_group(text) : NULL;
	struct err e = {0};
	size_t at = 0, quote = y->ev.type == YAML_SCALAR_EVENT &&
			       y->ev.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;

	it->have_to = true;
	it->line = yaml_line(y);
	it->col = yaml_col(y);
	if (g) {
		add_group(it->l, it, g);
	} else if (!text) {
		yaml_error(y, 0, "write host, scheme://host:port, or the name of a group",
			   "an endpoint must be text");
	} else if (endpoint_parse(text, strlen(text), &it->ep, &at, &e) < 0) {
		yaml_error(y, at + quote, e.hint, "%s", e.msg);
	} else if (it->ep.scheme == SCHEME_QUIC) {
		schema_not_yet(y, "quic:// endpoints",
			       "UDP 443 is refused and clients fall back to https: write that");
	} else if (entry_is_word(text, &it->ep)) {
		no_group(y, quote, text, it->deny);
	} else if (!it->deny && entry_to_resolver(&it->ep)) {
		yaml_error(
		    y, quote + port_at(text),
		    "other name servers: dns.servers; an address for a name: dns.hosts",
		    "'%s': every packet to port 53 goes to the fence's own resolver, so this "
		    "would never work",
		    text);
	} else if (!it->deny && !it->broad && (broad = entry_too_broad(&it->ep))) {
		yaml_error(y, quote,
			   "name the hosts you need; if you mean it: {to: ..., broad: true}",
			   "'%s': %s", text, broad);
	} else {
		struct endpoint ep = it->ep;

		if (!it->deny || schema_port_written(text, &ep))
			it->ep.n_ports = ep.n_ports;
		else
			it->ep.n_ports = 0;
		if (!it->deny && entry_never_named(&ep))
			diags_add(y->diags, true, it->line, it->col, "take it away",
				  "'%s': no program in a fence may name a link-local IPv6, "
				  "multicast or broadcast address, so this has no effect",
				  text);
		add_rule(it->l, &ep, it, NULL);
	}
}

static void on_reason(struct yaml *y, void *arg)
{
	struct item *it = arg;
	const char *text = yaml_text(y, NULL);

	if (!text || !*text || strlen(text) > 300 || !schema_printable(text))
		yaml_error(y, 0, NULL, "a reason is a line of text, at most 300 bytes");
	else if (!it->reason && !(it->reason = strdup(text)))
		schema_keep(it->l, -ENOMEM);
	yaml_skip(y);
}

static void on_address(struct yaml *y, void *arg)
{
	struct item *it = arg;
	const char *text = yaml_text(y, NULL);
	struct prefix p;
	char fixed[PREFIX_STRLEN], hint[80] = "write 10.0.0.0/8 or 10.1.2.3";
	int r = text ? prefix_parse(text, strlen(text), &p) : -EINVAL;

	if (r == -ERANGE)
		snprintf(hint, sizeof(hint), "write %s", prefix_format(&p, fixed));
	if (r < 0)
		yaml_error(y, 0, hint, "an address or a prefix is expected");
	else if (it->n_addresses == ADDRESSES_MAX)
		yaml_error(y, 0, "use wider prefixes", "more than %d addresses", ADDRESSES_MAX);
	else
		it->addresses[it->n_addresses++] = p;
	yaml_skip(y);
}

static void on_addresses(struct yaml *y, void *arg)
{
	yaml_list(y, "'addresses'", on_address, arg);
}

static void on_broad(struct yaml *y, void *arg)
{
	struct item *it = arg;

	schema_bool(y, "broad", &it->broad);
}

static void on_ech(struct yaml *y, void *arg)
{
	static const char *const words[] = {"deny", "allow"};
	struct item *it = arg;
	size_t i;

	if (!schema_choice(y, words, 2, &i))
		yaml_error(y, 0, NULL, "'ech' is deny or allow");
	else
		it->ech_allow = i == 1;
	yaml_skip(y);
}

static void on_tls(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {{"ech", on_ech}};

	yaml_mapping(y, "'tls'", keys, 1, arg);
}

static void on_quic(struct yaml *y, void *arg)
{
	const char *text = yaml_text(y, NULL);

	if (text && strcmp(text, "check") == 0)
		schema_not_yet(y, "'quic: check'",
			       "leave it out: UDP 443 is refused and clients fall back to https");
	else if (!text || strcmp(text, "deny") != 0)
		yaml_error(y, 0, NULL, "'quic' is deny");
	yaml_skip(y);
}

/* `to` comes first or last: what the other keys say must be known before the rule is made, so its
 * text and place are kept. */
static void on_to(struct yaml *y, void *arg)
{
	struct item *it = arg;
	const char *text = yaml_text(y, NULL);

	it->have_to = true;
	it->line = yaml_line(y);
	it->col = yaml_col(y);
	if (!text)
		yaml_error(y, 0, NULL, "an endpoint must be text");
	else if (!it->to && !(it->to = strdup(text)))
		schema_keep(it->l, -ENOMEM);
	it->style = text ? y->ev.data.scalar.style : YAML_PLAIN_SCALAR_STYLE;
	yaml_skip(y);
}

/* An entry written as a mapping. The endpoint is taken at the end, as if it stood there alone. */
static void mapping_item(struct yaml *y, struct item *it)
{
	static const struct yaml_key egress[] = {{"to", on_to},
						 {"addresses", on_addresses},
						 {"tls", on_tls},
						 {"quic", on_quic},
						 {"broad", on_broad}};
	static const struct yaml_key deny[] = {{"to", on_to}, {"reason", on_reason}};
	unsigned line = yaml_line(y), col = yaml_col(y);
	struct yaml at = {.diags = y->diags, .ev.type = YAML_SCALAR_EVENT};

	if (it->deny)
		yaml_mapping(y, "this deny entry", deny, 2, it);
	else
		yaml_mapping(y, "this egress entry", egress, 5, it);
	at.broken = y->broken;
	if (!it->have_to) {
		at.ev.start_mark.line = line - 1;
		at.ev.start_mark.column = col - 1;
		yaml_error(&at, 0, "add `to: host`", "the entry has no 'to'");
		return;
	}
	if (!it->to)
		return;
	at.ev.start_mark.line = it->line - 1;
	at.ev.start_mark.column = it->col - 1;
	at.ev.data.scalar.style = it->style;
	at.ev.data.scalar.value = (yaml_char_t *)it->to;
	at.ev.data.scalar.length = strlen(it->to);
	take_endpoint(&at, it);
}

static void on_item(struct yaml *y, struct load *l, bool deny)
{
	struct item it;

	/* not all of it: the addresses are large and a policy has many entries */
	memset(&it, 0, offsetof(struct item, addresses));
	it.n_addresses = 0;
	it.l = l;
	it.deny = deny;
	if (yaml_is(y, YAML_MAPPING_START_EVENT)) {
		mapping_item(y, &it);
		free(it.to);
		free(it.reason);
	} else {
		take_endpoint(y, &it);
		yaml_skip(y);
	}
}

static void on_egress_item(struct yaml *y, void *arg)
{
	on_item(y, arg, false);
}

static void on_deny_item(struct yaml *y, void *arg)
{
	on_item(y, arg, true);
}

void schema_egress(struct yaml *y, void *arg)
{
	yaml_list(y, "'egress'", on_egress_item, arg);
}

void schema_deny(struct yaml *y, void *arg)
{
	yaml_list(y, "'deny'", on_deny_item, arg);
}
