// SPDX-License-Identifier: GPL-2.0-or-later
/* The line of a policy that would let a refused thing pass. A person pastes it without a second
 * look, and what was refused has its name from the agent: a question for "10.0.0.0/8:22" or
 * "github" must not become a prefix, or a group. So a line is made of endpoints and never of texts;
 * each is written, read again by the policy's own reader, and compared (endpoint_entry). */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fw/record/denial_text.h"
#include "fw/record/remedy.h"
#include "policy/base/name.h"
#include "policy/base/quote.h"

#define PORT_HTTP   80
#define PORT_HTTPS  443
#define QUOTED(len) (2 * (len) + 3)

/* snprintf into buf; NULL: it is not there whole. */
__attribute__((format(printf, 3, 4))) static const char *line(char *buf, size_t bytes,
							      const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, bytes, fmt, ap);
	va_end(ap);
	return n >= 0 && (size_t)n < bytes ? buf : NULL;
}

/* ---- what was refused ---------------------------------------------------- */

static bool is_name(const struct denial *d, struct name *ret)
{
	return name_canon(d->name, strlen(d->name), ret);
}

static bool is_there(const struct denial *d, const struct endpoint *ep)
{
	struct name n;

	if (ep->host == HOST_NAME)
		return is_name(d, &n) && name_equal(&n, &ep->name);
	return ep->host == HOST_PREFIX && ep->prefix.bits == (d->dst.family == 4 ? 32 : 128) &&
	       addr_equal(&ep->prefix.addr, &d->dst);
}

/* The denial's endpoint, where its other fields say the same. */
static bool endpoint_of(const struct denial *d, struct endpoint *ret)
{
	uint8_t l4proto = d->l4proto == IPPROTO_ICMPV6 ? IPPROTO_ICMP : d->l4proto;

	return !d->dns && endpoint_parse(d->endpoint, strlen(d->endpoint), ret, NULL, NULL) == 0 &&
	       scheme_l4proto(ret->scheme) == l4proto && is_there(d, ret) &&
	       (l4proto == IPPROTO_ICMP || (ret->n_ports == 1 && ret->ports[0] == d->dport));
}

static bool address_of(const struct denial *d, struct endpoint *ret)
{
	*ret = (struct endpoint){.scheme = d->l4proto == IPPROTO_TCP ? SCHEME_TCP : SCHEME_UDP,
				 .host = HOST_PREFIX,
				 .prefix = {d->dst, d->dst.family == 4 ? 32 : 128},
				 .n_ports = 1,
				 .ports = {d->dport}};
	return !d->dns && d->dst.family && (d->l4proto == IPPROTO_TCP || d->l4proto == IPPROTO_UDP);
}

/* A name alone is https. */
static bool suggest_name_of(const struct denial *d, struct endpoint *ret)
{
	*ret = (struct endpoint){
	    .scheme = SCHEME_HTTPS, .host = HOST_NAME, .n_ports = 1, .ports = {PORT_HTTPS}};
	return d->dns && is_name(d, &ret->name);
}

static void add_port(struct endpoint *ep, uint16_t port)
{
	size_t at = ep->n_ports;

	if (at == ENDPOINT_MAX_PORTS)
		return;
	for (; at && ep->ports[at - 1] > port; at--)
		ep->ports[at] = ep->ports[at - 1];
	ep->ports[at] = port;
	ep->n_ports++;
}

/* The name as the policy allows it; of several schemes, by the first. */
static bool allowed_name(const struct denial *d, const struct policy *p, struct endpoint *ret)
{
	struct opening open[OPENINGS_MAX];
	size_t n;

	if (!suggest_name_of(d, ret))
		return false;
	n = p ? policy_name_openings(p, &ret->name, open, OPENINGS_MAX, NULL) : 0;
	if (!n)
		return true;
	ret->scheme = open[0].scheme;
	ret->n_ports = 0;
	for (size_t i = 0; i < n && ret->scheme != SCHEME_ICMP; i++)
		if (open[i].scheme == ret->scheme)
			add_port(ret, open[i].port);
	return true;
}

/* ---- lines --------------------------------------------------------------- */

static const char *quoted_entry(const struct endpoint *ep, bool flow,
				char buf[QUOTED(ENDPOINT_STRLEN)])
{
	char text[ENDPOINT_STRLEN];

	return endpoint_entry(ep, text) ? quote_scalar(text, flow, buf, QUOTED(ENDPOINT_STRLEN))
					: NULL;
}

static const char *entry_line(const struct endpoint *ep, char *buf, size_t bytes)
{
	char to[QUOTED(ENDPOINT_STRLEN)];

	return quoted_entry(ep, false, to) ? line(buf, bytes, "  - %s", to) : NULL;
}

static const char *quoted_address(const struct addr *a, char buf[QUOTED(PREFIX_STRLEN)])
{
	const struct prefix one = {*a, a->family == 4 ? 32 : 128};
	char text[PREFIX_STRLEN];
	struct prefix read;

	prefix_format(&one, text);
	return prefix_parse(text, strlen(text), &read) == 0 && read.bits == one.bits &&
		       addr_equal(&read.addr, a)
		   ? quote_scalar(text, true, buf, QUOTED(PREFIX_STRLEN))
		   : NULL;
}

/* tcp://NAME:443 was a guess of a packet without payload: a rule by name says more. */
static const char *endpoint_line(const struct denial *d, char *buf, size_t bytes)
{
	struct endpoint ep;

	if (!endpoint_of(d, &ep))
		return NULL;
	if (ep.scheme == SCHEME_TCP && ep.host == HOST_NAME &&
	    (ep.ports[0] == PORT_HTTPS || ep.ports[0] == PORT_HTTP))
		ep.scheme = ep.ports[0] == PORT_HTTPS ? SCHEME_HTTPS : SCHEME_HTTP;
	return entry_line(&ep, buf, bytes);
}

static const char *ech_line(const struct denial *d, char *buf, size_t bytes)
{
	char to[QUOTED(ENDPOINT_STRLEN)];
	struct endpoint ep;

	return endpoint_of(d, &ep) && (ep.scheme == SCHEME_HTTPS || ep.scheme == SCHEME_TLS) &&
		       quoted_entry(&ep, true, to)
		   ? line(buf, bytes, "  - {to: %s, tls: {ech: allow}}", to)
		   : NULL;
}

/* The address that was refused, beside what the rule gives the name anyway. */
static const char *rebind_line(const struct denial *d, const struct policy *p, char *buf,
			       size_t bytes)
{
	char to[QUOTED(ENDPOINT_STRLEN)], at[QUOTED(PREFIX_STRLEN)];
	struct endpoint ep;

	return d->dst.family && allowed_name(d, p, &ep) && quoted_entry(&ep, true, to) &&
		       quoted_address(&d->dst, at)
		   ? line(buf, bytes, "  - {to: %s, addresses: [%s]}", to, at)
		   : NULL;
}

/* The listener, for this peer. */
static const char *ingress_line(const struct denial *d, char *buf, size_t bytes)
{
	static const struct addr none = {0};
	char text[ENDPOINT_STRLEN], to[QUOTED(ENDPOINT_STRLEN)], peer[QUOTED(PREFIX_STRLEN)];
	struct endpoint ep, read;

	if (!address_of(d, &ep) || d->src.family != d->dst.family ||
	    memcmp(d->dst.b, none.b, sizeof(none.b)) == 0)
		return NULL;
	endpoint_format(&ep, text);
	return endpoint_parse(text, strlen(text), &read, NULL, NULL) == 0 &&
		       endpoint_equal(&ep, &read) && quote_scalar(text, true, to, sizeof(to)) &&
		       quoted_address(&d->src, peer)
		   ? line(buf, bytes, "ingress: [{to: %s, from: [%s]}]", to, peer)
		   : NULL;
}

const char *denial_suggest(const struct denial *d, const struct policy *p, char *buf, size_t bytes)
{
	struct endpoint ep;

	if (d->inbound && d->code != DENIED_INBOUND)
		return NULL;
	switch (denial_remedy((enum denial_code)d->code)) {
	case REMEDY_NONE:
		return NULL;
	case REMEDY_ENDPOINT:
		return endpoint_line(d, buf, bytes);
	case REMEDY_ADDRESS:
		return address_of(d, &ep) ? entry_line(&ep, buf, bytes) : NULL;
	case REMEDY_NAME:
		return suggest_name_of(d, &ep) ? entry_line(&ep, buf, bytes) : NULL;
	case REMEDY_ECH:
		return ech_line(d, buf, bytes);
	case REMEDY_REBIND:
		return rebind_line(d, p, buf, bytes);
	case REMEDY_INGRESS:
		return ingress_line(d, buf, bytes);
	}
	return NULL;
}
