// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/wire/http.h"

#include <string.h>
#include <strings.h>

#define METHOD_MAX 32 /* the longest registered one has 17 letters */

static bool is_token_char(uint8_t ch)
{
	if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9'))
		return true;
	return ch != '\0' && strchr("!#$%&'*+-.^_`|~", ch) != NULL;
}

static bool slice_is(struct slice s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

static bool slice_is_nocase(struct slice s, const char *text)
{
	return s.n == strlen(text) && strncasecmp((const char *)s.p, text, s.n) == 0;
}

/* Takes the bytes before the first stop byte, and moves c past that. false: there is no stop byte,
 * or nothing before it. */
static bool take_until(struct cursor *c, uint8_t stop, struct slice *ret)
{
	const uint8_t *at = cursor_left(c) ? memchr(c->p, stop, cursor_left(c)) : NULL;

	if (at == NULL || at == c->p)
		return false;
	*ret = (struct slice){c->p, (size_t)(at - c->p)};
	c->p = at + 1;
	return true;
}

/* A line without its CRLF. Bare CR, bare LF and control bytes but tab are BAD at once. */
static enum wire_result take_line(struct cursor *c, struct slice *ret)
{
	const uint8_t *begin = c->p;

	for (const uint8_t *p = begin; p < c->end; p++) {
		if (*p == '\r') {
			if (p + 1 == c->end)
				return WIRE_MORE;
			if (p[1] != '\n')
				return WIRE_BAD;
			*ret = (struct slice){begin, (size_t)(p - begin)};
			c->p = p + 2;
			return WIRE_OK;
		}
		if ((*p < 0x20 && *p != '\t') || *p == 0x7f)
			return WIRE_BAD;
	}
	return WIRE_MORE;
}

/* host or [v6], with or without :port. No userinfo, no empty port, no escapes. */
static bool parse_authority(struct slice s, struct slice *ret_host, uint16_t *ret_port)
{
	size_t i = 0;
	bool bracket = s.n && s.p[0] == '[';

	for (i = bracket ? 1 : 0; i < s.n; i++) {
		uint8_t ch = s.p[i];
		bool hex = (ch >= '0' && ch <= '9') || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f');
		bool letter = (ch | 0x20) >= 'a' && (ch | 0x20) <= 'z';

		if (ch == '.' || hex)
			continue;
		if (bracket ? ch != ':' : !letter && ch != '-' && ch != '_')
			break;
	}
	if (bracket && (i == 1 || i == s.n || s.p[i++] != ']'))
		return false;
	if (i == 0)
		return false;
	*ret_host = (struct slice){s.p, i};
	*ret_port = 0;
	if (i == s.n)
		return true;
	if (s.p[i++] != ':' || i == s.n || s.n - i > 5)
		return false;
	uint32_t port = 0;
	for (; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		port = port * 10 + (s.p[i] - '0');
	}
	*ret_port = (uint16_t)port;
	return port >= 1 && port <= 65535;
}

/* The request line's and the headers' values, before head_agrees compares them. */
struct head {
	struct slice authority, host;
	uint16_t authority_port, host_port;
	bool has_authority, has_host, has_length, old;
};

static bool parse_target(struct slice target, struct http_request *ret, struct head *h)
{
	for (size_t i = 0; i < target.n;
	     i++) /* no client sends a fragment, and parsers may differ on its '@' */
		if (target.p[i] <= 0x20 || target.p[i] >= 0x7f || target.p[i] == '#')
			return false;
	if (ret->connect) {
		h->has_authority = true;
		return parse_authority(target, &h->authority, &h->authority_port) &&
		       h->authority_port != 0;
	}
	if (target.p[0] == '/')
		return true;
	if (slice_is(target, "*"))
		return slice_is(ret->method, "OPTIONS");
	if (target.n <= 7 || strncasecmp((const char *)target.p, "http://", 7) != 0)
		return false;
	struct slice authority = {target.p + 7, 0};
	while (authority.n < target.n - 7 && strchr("/?", authority.p[authority.n]) == NULL)
		authority.n++;
	h->has_authority = true;
	return parse_authority(authority, &h->authority, &h->authority_port);
}

static bool parse_request_line(struct slice line, struct http_request *ret, struct head *h)
{
	struct cursor c = cursor_of(line.p, line.n);
	struct slice target;

	if (!take_until(&c, ' ', &ret->method) || !take_until(&c, ' ', &target))
		return false;
	struct slice version = {c.p, cursor_left(&c)};
	h->old = slice_is(version, "HTTP/1.0");
	if (!h->old && !slice_is(version, "HTTP/1.1"))
		return false;
	ret->connect = slice_is(ret->method, "CONNECT");
	return parse_target(target, ret, h);
}

/* Checks the method as far as it has come, so that another protocol is known without a line end. */
static bool method_ok(struct cursor c)
{
	uint8_t ch;

	for (size_t i = 0; cursor_u8(&c, &ch); i++) {
		if (ch == ' ')
			return i > 0;
		if (i == METHOD_MAX || !is_token_char(ch))
			return false;
	}
	return true;
}

static bool parse_length(struct slice value, uint64_t *ret)
{
	uint64_t length = 0;

	if (value.n == 0 || value.n > 18) /* 18 digits fit into 64 bits, even signed */
		return false;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return false;
		length = length * 10 + (value.p[i] - '0');
	}
	*ret = length;
	return true;
}

static bool parse_header(struct slice line, struct http_request *ret, struct head *h)
{
	struct cursor c = cursor_of(line.p, line.n);
	struct slice name;

	if (!take_until(&c, ':', &name))
		return false;
	for (size_t i = 0; i < name.n;
	     i++) /* refuses a folded line, too, and a blank before the colon */
		if (!is_token_char(name.p[i]))
			return false;
	while (c.p < c.end && (*c.p == ' ' || *c.p == '\t'))
		c.p++;
	while (c.p < c.end && (c.end[-1] == ' ' || c.end[-1] == '\t'))
		c.end--;
	struct slice value = {c.p, cursor_left(&c)};

	if (slice_is_nocase(name, "host")) {
		if (h->has_host)
			return false;
		h->has_host = true;
		return parse_authority(value, &h->host, &h->host_port);
	}
	if (slice_is_nocase(name, "content-length")) {
		if (h->has_length)
			return false;
		h->has_length = true;
		return parse_length(value, &ret->body_bytes);
	}
	if (slice_is_nocase(name, "transfer-encoding")) {
		if (ret->chunked)
			return false;
		ret->chunked = true;
		return slice_is(value, "chunked");
	}
	ret->upgrade |= slice_is_nocase(name, "upgrade");
	return true;
}

static bool same_host(struct slice a, struct slice b)
{
	return a.n == b.n && strncasecmp((const char *)a.p, (const char *)b.p, a.n) == 0;
}

/* Compares the parts: they must agree on the host and the length. */
static bool head_agrees(const struct head *h, struct http_request *ret)
{
	if (!h->has_host && !(h->old && h->has_authority))
		return false;
	if (ret->chunked && (h->has_length || h->old)) /* RFC 9112 §6.1 */
		return false;
	if (ret->connect && (ret->chunked || h->has_length))
		return false;
	ret->host = h->has_host ? h->host : h->authority;
	ret->port = h->has_host ? h->host_port : h->authority_port;
	if (!h->has_host || !h->has_authority)
		return true;
	if (!same_host(h->host, h->authority))
		return false;
	if (ret->port == 0)
		ret->port = h->authority_port;
	if (ret->connect)
		return ret->port == h->authority_port;
	return (h->host_port ? h->host_port : 80) == (h->authority_port ? h->authority_port : 80);
}

static enum wire_result parse_head(struct cursor *c, struct http_request *ret)
{
	struct head h = {.has_host = false};
	struct slice line;
	enum wire_result r;

	if (!method_ok(*c))
		return WIRE_BAD;
	r = take_line(c, &line);
	if (r != WIRE_OK)
		return r;
	if (!parse_request_line(line, ret, &h))
		return WIRE_BAD;
	while ((r = take_line(c, &line)) == WIRE_OK) {
		if (line.n == 0)
			return head_agrees(&h, ret) ? WIRE_OK : WIRE_BAD;
		if (!parse_header(line, ret, &h))
			return WIRE_BAD;
	}
	return r;
}

enum wire_result http_request_parse(const void *bytes, size_t n, struct http_request *ret)
{
	struct cursor c = cursor_of(bytes, n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX);

	*ret = (struct http_request){.port = 0};
	enum wire_result r = parse_head(&c, ret);
	if (r == WIRE_MORE && n >= HTTP_HEAD_MAX)
		return WIRE_BAD;
	if (r == WIRE_OK)
		ret->head_bytes = (size_t)(c.p - (const uint8_t *)bytes);
	return r;
}
