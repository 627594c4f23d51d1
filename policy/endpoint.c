// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "policy/policy.h"

static const struct {
	const char *name;
	uint16_t port; /* default; 0: must be named */
	uint8_t l4proto;
} schemes[SCHEME_COUNT] = {
    [SCHEME_HTTPS] = {"https", 443, IPPROTO_TCP}, [SCHEME_HTTP] = {"http", 80, IPPROTO_TCP},
    [SCHEME_TLS] = {"tls", 0, IPPROTO_TCP},       [SCHEME_TCP] = {"tcp", 0, IPPROTO_TCP},
    [SCHEME_UDP] = {"udp", 0, IPPROTO_UDP},       [SCHEME_QUIC] = {"quic", 443, IPPROTO_UDP},
    [SCHEME_ICMP] = {"icmp", 0, IPPROTO_ICMP},
};

const char *scheme_name(enum scheme s)
{
	return s < SCHEME_COUNT ? schemes[s].name : "?";
}

uint8_t scheme_l4proto(enum scheme s)
{
	return s < SCHEME_COUNT ? schemes[s].l4proto : 0;
}

/* The text being parsed; a failure is told with its place. */
struct parse {
	const char *text;
	size_t len, at;
	struct endpoint *ep;
	struct err *e;
};

static int bad(struct parse *p, size_t at, const char *msg, const char *hint)
{
	char shown[200];

	p->at = at;
	err_set(p->e, EINVAL, "'%s' is not an endpoint: %s",
		str_escape(shown, sizeof(shown), p->text, p->len), msg);
	return err_hint(p->e, "%s", hint);
}

static int parse_scheme(struct parse *p, size_t *ret_end)
{
	const char *sep = memmem(p->text, p->len, "://", 3);

	p->ep->scheme = SCHEME_HTTPS;
	*ret_end = 0;
	if (!sep)
		return 0;
	for (enum scheme s = 0; s < SCHEME_COUNT; s++)
		if (strlen(schemes[s].name) == (size_t)(sep - p->text) &&
		    strncasecmp(schemes[s].name, p->text, (size_t)(sep - p->text)) == 0) {
			p->ep->scheme = s;
			p->ep->scheme_written = true;
			*ret_end = (size_t)(sep - p->text) + 3;
			return 0;
		}
	return bad(p, 0, "unknown scheme", "one of https, http, tls, tcp, udp, icmp");
}

static int parse_ports(struct parse *p, size_t at)
{
	struct endpoint *ep = p->ep;

	while (at < p->len) {
		unsigned port = 0;
		size_t start = at;

		while (at < p->len && p->text[at] >= '0' && p->text[at] <= '9' && port <= 65535)
			port = port * 10 + (unsigned)(p->text[at++] - '0');
		if (at == start || port == 0 || port > 65535 || p->text[start] == '0')
			return bad(p, start, "a port is a number from 1 to 65535",
				   "host:443 or host:80,443");
		if (ep->n_ports == ENDPOINT_MAX_PORTS)
			return bad(p, start, "more than 16 ports", "write a second entry");
		for (size_t i = 0; i < ep->n_ports; i++)
			if (ep->ports[i] == port)
				return bad(p, start, "a port is named twice", "name it once");
		ep->ports[ep->n_ports++] = (uint16_t)port;
		if (at == p->len)
			return 0;
		if (p->text[at] != ',')
			return bad(p, at, "unexpected text behind the port",
				   "an endpoint ends with its ports: no path, no query");
		at++;
	}
	return bad(p, at, "a port is missing behind ':' or ','", "host:443 or host:80,443");
}

static int host_name(struct parse *p, size_t at, const char *s, size_t n)
{
	struct endpoint *ep = p->ep;
	const char *star;

	ep->host = HOST_NAME;
	if (n == 1 && s[0] == '*') {
		ep->host = HOST_ANY;
		return 0;
	}
	if ((n == 9 || (n == 10 && s[9] == '.')) && strncasecmp(s, "localhost", 9) == 0) {
		ep->host = HOST_LOCALHOST;
		return 0;
	}
	if (n > 2 && s[0] == '*' && s[1] == '.') {
		ep->host = HOST_WILDCARD;
		s += 2;
		n -= 2;
		at += 2;
	}
	star = memchr(s, '*', n);
	if (star)
		return bad(p, at + (size_t)(star - s),
			   "a wildcard stands for whole labels, at the left only",
			   "write *.example.com");
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] >= 0x80)
			return bad(p, at + i, "the name is not ASCII",
				   "write its punycode form, xn--...");
	if (!name_canon(s, n, &ep->name))
		return bad(
		    p, at, "the host is neither a name nor an address",
		    "letters, digits, '-', '_' and '.'; an address as 192.0.2.1 or [2001:db8::1]");
	return 0;
}

static int host_bits(struct parse *p, size_t at)
{
	char fixed[PREFIX_STRLEN], shown[200];

	p->at = at;
	err_set(p->e, EINVAL, "'%s' has bits set behind its prefix length",
		str_escape(shown, sizeof(shown), p->text, p->len));
	return err_hint(p->e, "write %s", prefix_format(&p->ep->prefix, fixed));
}

static int parse_host(struct parse *p, size_t at, size_t end)
{
	const char *s = p->text + at;
	size_t n = end - at;
	bool bracket = n && s[0] == '[', v6;
	int r;

	if (n == 0)
		return bad(p, at, "the host is missing", "write a name or an address");
	if (bracket) {
		if (n < 2 || s[n - 1] != ']')
			return bad(p, at, "']' is missing", "write [2001:db8::1]:443");
		s++;
		n -= 2;
	}
	v6 = memchr(s, ':', n);
	if (bracket && !v6)
		return bad(p, at, "only an IPv6 address stands in brackets",
			   "leave the brackets out");
	r = prefix_parse(s, n, &p->ep->prefix);
	if (r == -ERANGE)
		return host_bits(p, at);
	if (r == 0 && v6 && !bracket && !memchr(s, '/', n))
		return bad(p, at, "it cannot be told whether the last group is a port",
			   "write the IPv6 address in brackets: [2001:db8::1]");
	if (r == 0) {
		p->ep->host = HOST_PREFIX;
		return 0;
	}
	if (memchr(s, '/', n))
		return bad(p, at, "neither a CIDR prefix nor a host",
			   "an endpoint has no path; a prefix is written 10.0.0.0/8");
	return host_name(p, at, s, n);
}

/* Where the host ends and ":port" begins: behind ']', or at the only ':' there is. */
static size_t host_end(const struct parse *p, size_t at)
{
	const char *close =
	    at < p->len && p->text[at] == '[' ? memchr(p->text + at, ']', p->len - at) : NULL;
	const char *colon = memchr(p->text + at, ':', p->len - at);

	if (close)
		return (size_t)(close - p->text) + 1;
	if (!colon)
		return p->len;
	/* several colons: an IPv6 address without brackets, and so without a port */
	if (memchr(colon + 1, ':', (size_t)(p->text + p->len - colon - 1)))
		return p->len;
	return (size_t)(colon - p->text);
}

static int default_port(struct parse *p)
{
	struct endpoint *ep = p->ep;

	if (ep->n_ports && ep->scheme == SCHEME_ICMP)
		return bad(p, 0, "icmp has no ports", "write icmp://host");
	if (ep->n_ports || ep->scheme == SCHEME_ICMP)
		return 0;
	if (!schemes[ep->scheme].port)
		return bad(p, p->len, "a port is missing", "write scheme://host:port");
	ep->ports[ep->n_ports++] = schemes[ep->scheme].port;
	return 0;
}

int endpoint_parse(const char *text, size_t len, struct endpoint *ret, size_t *ret_offset,
		   struct err *e)
{
	struct endpoint ep = {0};
	struct err own;
	struct parse p = {.text = text, .len = len, .ep = &ep, .e = e ? e : &own};
	size_t at, end;
	int r = len >= ENDPOINT_STRLEN - 16
		    ? bad(&p, 0, "it is too long", "a name has at most 253 characters")
		    : parse_scheme(&p, &at);

	if (r == 0) {
		end = host_end(&p, at);
		r = parse_host(&p, at, end);
		if (r == 0 && end < len)
			r = text[end] == ':' ? parse_ports(&p, end + 1)
					     : bad(&p, end, "unexpected text behind the host",
						   "write host:port");
		if (r == 0)
			r = default_port(&p);
	}
	if (r < 0) {
		if (ret_offset)
			*ret_offset = p.at < len ? p.at : len;
		return r;
	}
	*ret = ep;
	return 0;
}

const char *endpoint_format(const struct endpoint *ep, char *buf)
{
	char host[NAME_MAX_LEN + 8], addr[PREFIX_STRLEN];
	size_t n = 0;
	bool bracket;
	bool port_written = ep->scheme != SCHEME_ICMP &&
			    !(ep->n_ports == 1 && ep->ports[0] == schemes[ep->scheme].port);

	switch (ep->host) {
	case HOST_NAME:
	case HOST_WILDCARD:
		snprintf(host, sizeof(host), "%s%s", ep->host == HOST_WILDCARD ? "*." : "",
			 ep->name.s);
		break;
	case HOST_PREFIX:
		prefix_format(&ep->prefix, addr);
		bracket = ep->prefix.addr.family == 6 && (port_written || ep->prefix.bits == 128);
		snprintf(host, sizeof(host), bracket ? "[%s]" : "%s", addr);
		break;
	case HOST_LOCALHOST:
		strcpy(host, "localhost");
		break;
	case HOST_ANY:
		strcpy(host, "*");
		break;
	}
	/* a word alone is the name of a group */
	if (ep->scheme != SCHEME_HTTPS ||
	    (ep->host == HOST_NAME && !port_written && !strchr(host, '.')))
		n += (size_t)snprintf(buf, ENDPOINT_STRLEN, "%s://", scheme_name(ep->scheme));
	n += (size_t)snprintf(buf + n, ENDPOINT_STRLEN - n, "%s", host);
	for (size_t i = 0; port_written && i < ep->n_ports; i++)
		n += (size_t)snprintf(buf + n, ENDPOINT_STRLEN - n, "%c%u", i ? ',' : ':',
				      ep->ports[i]);
	return buf;
}
