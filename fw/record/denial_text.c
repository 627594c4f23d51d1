// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/record/denial_text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "fw/record/remedy.h"

static const struct {
	const char *name;
	const char *text;
	enum remedy remedy;
} codes[DENIED_CODE_COUNT] = {
    [DENIED_NO_RULE] = {"no-rule", "no rule allows it", REMEDY_ENDPOINT},
    [DENIED_BY_RULE] = {"deny-rule", "a deny rule forbids it", REMEDY_NONE},
    [DENIED_NOT_LEARNED] = {"not-learned",
			    "the name is allowed, but was not resolved to this address",
			    REMEDY_ADDRESS},
    [DENIED_OTHER_NAME] = {"other-name",
			   "the address is allowed for another name than was asked for",
			   REMEDY_ENDPOINT},
    [DENIED_NO_SNI] = {"no-sni", "the connection does not say which name it wants", REMEDY_ADDRESS},
    [DENIED_ECH] = {"ech", "the TLS hello hides the name it wants (ECH)", REMEDY_ECH},
    [DENIED_NOT_TLS] = {"not-tls", "what was sent is not a TLS hello", REMEDY_ADDRESS},
    [DENIED_NOT_HTTP] = {"not-http", "what was sent is not a proper HTTP request", REMEDY_ADDRESS},
    [DENIED_SILENCE] =
	{"silence",
	 "the first payload stayed incomplete: its pieces took over 200 ms, or were too many",
	 REMEDY_ADDRESS},
    [DENIED_TOO_LARGE] = {"too-large",
			  "the connection exceeds the limits on held packets and bytes",
			  REMEDY_ADDRESS},
    [DENIED_OVERLAP] = {"overlap", "TCP segments differ where they overlap", REMEDY_ADDRESS},
    [DENIED_URGENT] = {"urgent", "TCP urgent data, which receivers read in different ways",
		       REMEDY_ADDRESS},
    [DENIED_CHECKSUM] = {"checksum", "a wrong checksum", REMEDY_NONE},
    [DENIED_TTL] = {"ttl", "a time to live that may not reach the destination", REMEDY_ADDRESS},
    [DENIED_FRAGMENT] = {"fragment", "an IP fragment", REMEDY_NONE},
    [DENIED_IP_OPTIONS] = {"ip-options", "IP options or extension headers", REMEDY_NONE},
    [DENIED_MALFORMED] = {"malformed", "a malformed packet", REMEDY_NONE},
    [DENIED_PROTOCOL] = {"protocol", "a protocol other than TCP, UDP and ICMP echo", REMEDY_NONE},
    [DENIED_QUIC] = {"quic", "QUIC, which is refused so that TLS over TCP is used",
		     REMEDY_ENDPOINT},
    [DENIED_MULTICAST] = {"multicast", "a multicast or broadcast address", REMEDY_NONE},
    [DENIED_INBOUND] = {"inbound", "a peer outside connects to a listener in the fence",
			REMEDY_INGRESS},
    [DENIED_DNS_NAME] = {"dns-name", "no rule allows the name that was asked for", REMEDY_NAME},
    [DENIED_DNS_MALFORMED] = {"dns-malformed", "a malformed DNS message", REMEDY_NONE},
    [DENIED_DNS_REBIND] = {"dns-rebind",
			   "an allowed name was answered with an address that it may not have",
			   REMEDY_REBIND},
    [DENIED_DNS_SPOOFED] = {"dns-spoofed", "a DNS answer that does not fit its question",
			    REMEDY_NONE},
    [DENIED_DEVICE] = {"device", "by a device that does not lead to the address", REMEDY_NONE},
    [DENIED_SOURCE] = {"source", "a source address that is none of this machine's", REMEDY_NONE},
    [DENIED_STALE] = {"stale", "the beginning of the connection was not seen", REMEDY_NONE},
    [DENIED_CUT] = {"cut", "a packet longer than the 65,531 bytes that the kernel shows (BIG TCP)",
		    REMEDY_NONE},
    [DENIED_SOCKET_TYPE] = {"socket-type",
			    "a socket other than TCP, UDP or ping, which no rule could judge",
			    REMEDY_NONE},
    [DENIED_SOCKET_ADDRESS] = {"socket-address",
			       "a program in a fence may not name a link-local, multicast or "
			       "broadcast address, nor a source that its socket does not hold",
			       REMEDY_NONE},
    [DENIED_SOCKET_OPTION] = {"socket-option",
			      "a program in a fence may not set this option of a socket",
			      REMEDY_NONE},
};

static bool known(enum denial_code code)
{
	return (unsigned)code < DENIED_CODE_COUNT && codes[code].name;
}

enum remedy denial_remedy(enum denial_code code)
{
	return known(code) ? codes[code].remedy : REMEDY_NONE;
}

const char *denial_code_name(enum denial_code code)
{
	return known(code) ? codes[code].name : "unknown";
}

static const char *denial_code_text(enum denial_code code)
{
	return known(code) ? codes[code].text : "refused";
}

static bool has_ports(const struct denial *d)
{
	return d->l4proto == IPPROTO_TCP || d->l4proto == IPPROTO_UDP;
}

static const char *destination(const struct denial *d, char *buf, size_t bytes)
{
	char addr[ADDR_STRLEN];

	if (!d->dst.family)
		return d->endpoint;
	addr_format(&d->dst, addr);
	if (!has_ports(d))
		snprintf(buf, bytes, "%s", addr);
	else if (d->dst.family == 6)
		snprintf(buf, bytes, "[%s]:%u", addr, d->dport);
	else
		snprintf(buf, bytes, "%s:%u", addr, d->dport);
	return buf;
}

static void specific(const struct denial *d, char *buf, size_t bytes)
{
	const char *text = denial_code_text(d->code);
	char to[ADDR_STRLEN + 10], peer[ADDR_STRLEN];

	destination(d, to, sizeof(to));
	if (d->code == DENIED_NO_RULE && d->endpoint[0])
		snprintf(buf, bytes, "no rule allows %s", d->endpoint);
	else if (d->code == DENIED_BY_RULE && (d->endpoint[0] || d->name[0]))
		snprintf(buf, bytes, "a deny rule forbids %s",
			 d->endpoint[0] ? d->endpoint : d->name);
	else if (d->code == DENIED_DNS_NAME)
		snprintf(buf, bytes, "no rule allows the name %s", d->name);
	else if (d->code == DENIED_DNS_REBIND)
		snprintf(buf, bytes, "%s was answered with an address that it may not have",
			 d->name);
	else if (d->code == DENIED_NOT_LEARNED && d->name[0] && d->dst.family)
		snprintf(buf, bytes, "%s is allowed, but was not resolved to %s", d->name, to);
	else if (d->code == DENIED_OTHER_NAME && d->name[0] && d->dst.family)
		snprintf(buf, bytes, "the connection to %s asked for %s, which no rule allows", to,
			 d->name);
	else if (d->dns && d->name[0])
		snprintf(buf, bytes, "%s: the question for %s", text, d->name);
	else if (d->code == DENIED_INBOUND && d->src.family && has_ports(d))
		snprintf(buf, bytes, "%s may not connect to the listener at %s: %s",
			 addr_format(&d->src, peer), to,
			 d->rule == RULE_NONE ? "no ingress entry names it"
					      : "the ingress entry names other peers");
	else if (d->inbound)
		snprintf(buf, bytes, "%s: port %u", text, d->dport);
	else if (d->dst.family || d->endpoint[0])
		snprintf(buf, bytes, "%s: to %s", text, d->dst.family ? to : d->endpoint);
	else
		snprintf(buf, bytes, "%s", text);
}

const char *denial_reason(const struct denial *d, const struct policy *p, char *buf, size_t bytes)
{
	struct rule rule = {0};
	size_t n;

	specific(d, buf, bytes);
	n = strlen(buf);
	if (d->detail[0])
		n += (size_t)snprintf(buf + n, bytes - n, " (%s)", d->detail);
	if (d->code != DENIED_BY_RULE || !p || d->rule >= policy_rules(p) || n >= bytes)
		return buf;
	policy_rule(p, d->rule, &rule);
	if (rule.reason)
		snprintf(buf + n, bytes - n, ": %s", rule.reason);
	return buf;
}
