// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/record/denial_text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "policy/base/name.h"

#define PORT_HTTP  80
#define PORT_HTTPS 443

/* Which line of the policy would let such an attempt pass. */
enum remedy {
	REMEDY_NONE = 0, /* no line may allow it */
	REMEDY_ENDPOINT, /* the endpoint itself */
	REMEDY_ADDRESS,  /* the address, without inspection: the payload fits no name rule */
	REMEDY_NAME,     /* the name that was asked for */
	REMEDY_ECH,
	REMEDY_REBIND,
	REMEDY_INGRESS, /* the listener, in the ingress list */
};

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
    [DENIED_MULTICAST] = {"multicast", "a multicast or broadcast address", REMEDY_ENDPOINT},
    [DENIED_INBOUND] = {"inbound", "a peer outside connects to a listener in the fence",
			REMEDY_INGRESS},
    [DENIED_DNS_NAME] = {"dns-name", "no rule allows the name that was asked for", REMEDY_NAME},
    [DENIED_DNS_MALFORMED] = {"dns-malformed", "a malformed DNS message", REMEDY_NONE},
    [DENIED_DNS_REBIND] = {"dns-rebind",
			   "an allowed name was answered with an address that it may not have",
			   REMEDY_REBIND},
    [DENIED_DNS_SPOOFED] = {"dns-spoofed", "a DNS answer that does not fit its question",
			    REMEDY_NONE},
    [DENIED_DEVICE] = {"device", "an address of this machine, by a device that does not lead there",
		       REMEDY_NONE},
    [DENIED_SOURCE] = {"source", "a source address that is none of this machine's", REMEDY_NONE},
    [DENIED_STALE] = {"stale", "the beginning of the connection was not seen", REMEDY_NONE},
    [DENIED_CUT] = {"cut", "a packet longer than the 65,531 bytes that the kernel shows (BIG TCP)",
		    REMEDY_NONE},
    [DENIED_SOCKET_TYPE] = {"socket-type",
			    "a socket other than TCP, UDP or ping, which no rule could judge",
			    REMEDY_NONE},
    [DENIED_SOCKET_ADDRESS] = {"socket-address",
			       "a program in a fence may not name a link-local, multicast or "
			       "broadcast address",
			       REMEDY_NONE},
    [DENIED_SOCKET_OPTION] = {"socket-option",
			      "a program in a fence may not set this option of a socket",
			      REMEDY_NONE},
};

static bool known(enum denial_code code)
{
	return (unsigned)code < DENIED_CODE_COUNT && codes[code].name;
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
	else if (d->code == DENIED_BY_RULE && d->endpoint[0])
		snprintf(buf, bytes, "a deny rule forbids %s", d->endpoint);
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

/* ---- the line that would help ---------------------------------------------------------------- */

/* A person may paste the line: only names and text that we formatted go into it. */
static bool is_plain(const char *s)
{
	return *s && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "-._:/[]*,")] == '\0';
}

static const char *quote(const char *s, bool flow)
{
	return strchr("[*-,:", s[0]) || (flow && strpbrk(s, ":[],")) ? "\"" : "";
}

static const char *line(const char *endpoint, char *buf, size_t bytes)
{
	const char *q;

	if (!is_plain(endpoint))
		return NULL;
	q = quote(endpoint, false);
	snprintf(buf, bytes, "  - %s%s%s", q, endpoint, q);
	return buf;
}

/* For a packet without payload the endpoint tcp://NAME:443 is a guess: a rule by name is
 * narrower. */
static const char *endpoint_line(const struct denial *d, char *buf, size_t bytes)
{
	struct name n;
	char text[NAME_MAX_LEN + 16];

	if (d->l4proto != IPPROTO_TCP || strncmp(d->endpoint, "tcp://", 6) != 0 ||
	    (d->dport != PORT_HTTPS && d->dport != PORT_HTTP) ||
	    !name_canon(d->name, strlen(d->name), &n))
		return line(d->endpoint, buf, bytes);
	snprintf(text, sizeof(text), "%s%s", d->dport == PORT_HTTP ? "http://" : "", n.s);
	return line(text, buf, bytes);
}

static const char *address_text(const struct denial *d, char text[ENDPOINT_STRLEN])
{
	struct endpoint ep = {.scheme = d->l4proto == IPPROTO_TCP ? SCHEME_TCP : SCHEME_UDP,
			      .scheme_written = true,
			      .host = HOST_PREFIX,
			      .prefix = {d->dst, d->dst.family == 4 ? 32 : 128},
			      .n_ports = 1,
			      .ports = {d->dport}};

	return d->dst.family && has_ports(d) ? endpoint_format(&ep, text) : NULL;
}

static const char *address_line(const struct denial *d, char *buf, size_t bytes)
{
	char text[ENDPOINT_STRLEN];

	return address_text(d, text) ? line(text, buf, bytes) : NULL;
}

/* Only the host's processes connect to a loopback address; elsewhere the line names this peer. */
static const char *ingress_line(const struct denial *d, char *buf, size_t bytes)
{
	char text[ENDPOINT_STRLEN], peer[ADDR_STRLEN];
	const char *q;

	if (!address_text(d, text) || !d->src.family)
		return NULL;
	q = quote(addr_format(&d->src, peer), true);
	if (addr_kind(&d->dst) == ADDR_LOOPBACK)
		snprintf(buf, bytes, "ingress: [\"%s\"]", text);
	else
		snprintf(buf, bytes, "ingress: [{to: \"%s\", from: [%s%s%s]}]", text, q, peer, q);
	return buf;
}

static bool address_in(const char *text, struct addr *ret)
{
	while (*text) {
		size_t n = strspn(text, "0123456789abcdefABCDEF.:");

		while (n && !addr_parse(text, n, ret) && strchr(".:", text[n - 1]))
			n--; /* the end of a sentence */
		if (n && addr_parse(text, n, ret))
			return true;
		text += n;
		text += strcspn(text, " ,;()[]");
		text += strspn(text, " ,;()[]");
	}
	return false;
}

/* The line widens the rule that allowed the name, and names it as written there. */
static const char *rebind_line(const struct denial *d, const char *to, char *buf, size_t bytes)
{
	struct addr a;
	char text[PREFIX_STRLEN];
	const char *q = quote(to, true), *qa;

	if (!is_plain(to) || !address_in(d->detail, &a))
		return NULL;
	prefix_format(&(struct prefix){a, a.family == 4 ? 32 : 128}, text);
	qa = quote(text, true);
	snprintf(buf, bytes, "  - {to: %s%s%s, addresses: [%s%s%s]}", q, to, q, qa, text, qa);
	return buf;
}

const char *denial_suggest(const struct denial *d, const struct policy *p, char *buf, size_t bytes)
{
	struct rule rule = {.text = d->name};
	const char *q;

	if (p && d->rule < policy_rules(p))
		policy_rule(p, d->rule, &rule);
	if (!known(d->code) || (d->inbound && d->code != DENIED_INBOUND))
		return NULL;
	switch (codes[d->code].remedy) {
	case REMEDY_NONE:
		return NULL;
	case REMEDY_ENDPOINT:
		return endpoint_line(d, buf, bytes);
	case REMEDY_ADDRESS:
		return address_line(d, buf, bytes);
	case REMEDY_NAME:
		return line(d->name, buf, bytes);
	case REMEDY_ECH:
		if (!is_plain(rule.text))
			return NULL;
		q = quote(rule.text, true);
		snprintf(buf, bytes, "  - {to: %s%s%s, tls: {ech: allow}}", q, rule.text, q);
		return buf;
	case REMEDY_REBIND:
		return rebind_line(d, rule.text, buf, bytes);
	case REMEDY_INGRESS:
		return ingress_line(d, buf, bytes);
	}
	return NULL;
}
