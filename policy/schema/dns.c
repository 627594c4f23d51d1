// SPDX-License-Identifier: GPL-2.0-or-later
/* `dns`: servers, and names that are answered from the policy. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/schema/schema.h"

#define PIN_MAX     16 /* addresses of one name: what fits into an answer of 512 bytes */
#define SERVERS_MAX 16 /* a resolver asks them in turn; more only delays its failure */

static void on_server(struct yaml *y, void *arg)
{
	struct load *l = arg;
	const char *text = yaml_text(y, NULL);
	struct endpoint ep;
	char udp[80];

	snprintf(udp, sizeof(udp), "udp://%s%s", text ? text : "",
		 text && strchr(text, ':') ? "" : ":53");
	if (text && strlen(text) < 64 &&
	    (endpoint_parse(udp, strlen(udp), &ep, NULL, NULL) == 0 ||
	     (snprintf(udp, sizeof(udp), "udp://[%s]:53", text) > 0 &&
	      endpoint_parse(udp, strlen(udp), &ep, NULL, NULL) == 0)) &&
	    ep.host == HOST_PREFIX && ep.prefix.bits == (ep.prefix.addr.family == 4 ? 32 : 128) &&
	    ep.n_ports == 1) {
		if (l->n_servers++ == SERVERS_MAX)
			yaml_error(y, 0, NULL, "more than %d DNS servers", SERVERS_MAX);
		else
			schema_keep(l, compile_server(l->c, &ep.prefix.addr, ep.ports[0]));
	} else {
		yaml_error(y, 0, "write 10.0.0.2, 10.0.0.2:5353 or [2001:db8::1]:53",
			   "a DNS server is an address");
	}
	yaml_skip(y);
}

static void on_servers(struct yaml *y, void *arg)
{
	struct load *l = arg;
	unsigned line = yaml_line(y), col = yaml_col(y);
	bool list = yaml_is(y, YAML_SEQUENCE_START_EVENT);

	/* it would mean the host's servers, and looks like none at all */
	yaml_list(y, "'servers'", on_server, arg);
	if (list && !l->n_servers && !y->diags->n_errors)
		diags_add(y->diags, false, line, col,
			  "name a server; to ask those of the host leave the key out",
			  "the list of servers is empty");
}

struct pin {
	struct load *l;
	struct name name;
	bool named;
	size_t n;
};

static void on_pin_address(struct yaml *y, void *arg)
{
	struct pin *pin = arg;
	const char *text = yaml_text(y, NULL);
	struct addr a;

	if (!text || !addr_parse(text, strlen(text), &a))
		yaml_error(y, 0, "write 10.1.2.7, or [10.1.2.7, \"2001:db8::7\"]",
			   "an address is expected");
	else if (pin->named && pin->n++ == PIN_MAX)
		yaml_error(y, 0, NULL, "more than %d addresses of one name", PIN_MAX);
	else if (pin->named && pin->n <= PIN_MAX)
		schema_keep(pin->l, compile_pin(pin->l->c, &pin->name, &a));
	yaml_skip(y);
}

static void pin_item(struct yaml *y, struct load *l)
{
	struct pin pin = {.l = l};
	const char *text = yaml_text(y, NULL);

	pin.named = text && name_canon(text, strlen(text), &pin.name);
	if (!pin.named)
		yaml_error(y, 0, "a pin is {name: address}; wildcards cannot be pinned",
			   "a host name is expected");
	else
		schema_keep(l, pins_add(&l->pins, &pin.name, yaml_line(y), yaml_col(y)));
	yaml_skip(y);
	if (!yaml_is(y, YAML_SEQUENCE_START_EVENT)) {
		on_pin_address(y, &pin);
		return;
	}
	yaml_next(y);
	if (yaml_is(y, YAML_SEQUENCE_END_EVENT))
		yaml_error(y, 0, "write [10.1.2.7]", "the list of addresses is empty");
	while (!y->broken && !yaml_is(y, YAML_SEQUENCE_END_EVENT))
		on_pin_address(y, &pin);
	yaml_next(y);
}

static void on_hosts(struct yaml *y, void *arg)
{
	if (!yaml_is(y, YAML_MAPPING_START_EVENT)) {
		yaml_error(y, 0, "write {name: address}", "'hosts' must be a mapping");
		yaml_skip(y);
		return;
	}
	yaml_next(y);
	while (!y->broken && !yaml_is(y, YAML_MAPPING_END_EVENT))
		pin_item(y, arg);
	yaml_next(y);
}

void schema_dns(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {{"servers", on_servers}, {"hosts", on_hosts}};

	yaml_mapping(y, "'dns'", keys, 2, arg);
}
