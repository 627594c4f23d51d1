// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/wire/packet.h"

#include <string.h>

#define EXT_MAX 8 /* more than any honest sender chains */

enum {
	PROTO_HOPOPTS = 0,
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_AH = 51,
	PROTO_ICMPV6 = 58,
	PROTO_DSTOPTS = 60,
	PROTO_UDPLITE = 136,
};

#define OPTION_PAD1  0x00
#define OPTION_JUMBO 0xc2 /* RFC 2675 */

/* A read past the end: TRUNCATED if the capture has cut the packet, else BAD. */
static enum wire_result short_of(bool cut)
{
	return cut ? WIRE_TRUNCATED : WIRE_BAD;
}

static enum wire_result parse_tcp(struct packet *pk, struct cursor *c, bool cut)
{
	uint8_t doff, flags;
	uint16_t window, sum;

	if (!cursor_u16(c, &pk->sport) || !cursor_u16(c, &pk->dport) || !cursor_u32(c, &pk->seq) ||
	    !cursor_u32(c, &pk->ack) || !cursor_u8(c, &doff) || !cursor_u8(c, &flags) ||
	    !cursor_u16(c, &window) || !cursor_u16(c, &sum) || !cursor_u16(c, &pk->urgent))
		return short_of(cut);
	pk->tcp_flags = flags & 0x3f;
	size_t header = (size_t)(doff >> 4) * 4;
	if (header < 20)
		return WIRE_BAD;
	if (!cursor_skip(c, header - 20))
		return short_of(cut);
	pk->payload = (struct slice){c->p, cursor_left(c)};
	return cut ? WIRE_TRUNCATED : WIRE_OK;
}

/* Bytes after the datagram's end in the IP packet would leave uninspected: they are BAD. UDP-Lite
 * has the checksum's coverage in the place of UDP's length (RFC 3828): 0, or at least the
 * header. */
static enum wire_result parse_udp(struct packet *pk, struct cursor *c, bool cut)
{
	size_t whole = cursor_left(c);
	uint16_t length, sum;

	if (!cursor_u16(c, &pk->sport) || !cursor_u16(c, &pk->dport) || !cursor_u16(c, &length) ||
	    !cursor_u16(c, &sum))
		return short_of(cut);
	pk->payload = (struct slice){c->p, cursor_left(c)};
	if (pk->l4proto == PROTO_UDPLITE && length == 0)
		return cut ? WIRE_TRUNCATED : WIRE_OK;
	if (length < 8)
		return WIRE_BAD;
	if (cut)
		return WIRE_TRUNCATED;
	if (pk->l4proto == PROTO_UDPLITE)
		return length <= whole ? WIRE_OK : WIRE_BAD;
	return length == whole ? WIRE_OK : WIRE_BAD;
}

/* ICMP's payload is the whole message: the type decides what its later words mean. */
static enum wire_result parse_icmp(struct packet *pk, struct cursor *c, bool cut)
{
	size_t least = pk->version == 4 ? 8 : 4; /* RFC 792, RFC 4443 §2.1 */

	if (!cursor_u8(c, &pk->icmp_type) || !cursor_u8(c, &pk->icmp_code))
		return short_of(cut);
	if (pk->payload.n < least)
		return short_of(cut);
	return cut ? WIRE_TRUNCATED : WIRE_OK;
}

static enum wire_result parse_l4(struct packet *pk, struct cursor *c, bool cut)
{
	pk->l4_offset = (size_t)(c->p - pk->ip.p);
	pk->payload = (struct slice){c->p, cursor_left(c)};
	if (pk->fragment)
		return cut ? WIRE_TRUNCATED : WIRE_OK;
	if (pk->l4proto == PROTO_TCP)
		return parse_tcp(pk, c, cut);
	if (pk->l4proto == PROTO_UDP || pk->l4proto == PROTO_UDPLITE)
		return parse_udp(pk, c, cut);
	if (pk->l4proto == (pk->version == 4 ? PROTO_ICMP : PROTO_ICMPV6))
		return parse_icmp(pk, c, cut);
	return cut ? WIRE_TRUNCATED : WIRE_OK;
}

static enum wire_result parse_ipv4(struct packet *pk, const uint8_t *bytes, size_t n)
{
	struct cursor c = cursor_of(bytes, n);
	uint8_t first, tos;
	uint16_t total, id, frag, sum;
	struct slice src, dst;

	if (!cursor_u8(&c, &first) || !cursor_u8(&c, &tos) || !cursor_u16(&c, &total) ||
	    !cursor_u16(&c, &id) || !cursor_u16(&c, &frag) || !cursor_u8(&c, &pk->ttl) ||
	    !cursor_u8(&c, &pk->l4proto) || !cursor_u16(&c, &sum) || !cursor_slice(&c, 4, &src) ||
	    !cursor_slice(&c, 4, &dst))
		return WIRE_BAD;
	memcpy(pk->src, src.p, 4);
	memcpy(pk->dst, dst.p, 4);
	pk->fragment = (frag & 0x3fff) != 0; /* more fragments, or an offset */

	size_t header = (size_t)(first & 0xf) * 4;
	size_t said = total == 0 && n > 20 ? n : total;
	bool cut = said > n;
	if (header < 20 || said < header)
		return WIRE_BAD;
	pk->ip.n = cut ? n : said;
	pk->options = header > 20;
	c = cursor_of(bytes, pk->ip.n);
	if (!cursor_skip(&c, header))
		return WIRE_TRUNCATED;
	return parse_l4(pk, &c, cut);
}

/* Checks the options of a hop-by-hop header: a jumbo payload would contradict the length that was
 * taken, and two parsers may read a malformed list differently. */
static bool options_ok(struct cursor o)
{
	uint8_t type, length;

	while (cursor_u8(&o, &type)) {
		if (type == OPTION_PAD1)
			continue;
		if (type == OPTION_JUMBO || !cursor_u8(&o, &length) || !cursor_skip(&o, length))
			return false;
	}
	return true;
}

static bool is_extension(uint8_t proto)
{
	return proto == PROTO_HOPOPTS || proto == PROTO_ROUTING || proto == PROTO_FRAGMENT ||
	       proto == PROTO_AH || proto == PROTO_DSTOPTS;
}

static enum wire_result parse_extensions(struct packet *pk, struct cursor *c, bool cut)
{
	for (unsigned i = 0; is_extension(pk->l4proto) && !pk->fragment; i++) {
		uint8_t kind = pk->l4proto, next, words;
		struct cursor rest;

		pk->options = true;
		if (i == EXT_MAX || (kind == PROTO_HOPOPTS && i > 0)) /* RFC 8200 §4.3: first */
			return WIRE_BAD;
		if (!cursor_u8(c, &next) || !cursor_u8(c, &words))
			return short_of(cut);
		size_t size = ((size_t)words + 1) * 8;
		if (kind == PROTO_FRAGMENT)
			size = 8; /* the second byte is reserved */
		else if (kind == PROTO_AH)
			size = ((size_t)words + 2) * 4; /* RFC 4302 §2.2 */
		if (!cursor_sub(c, size - 2, &rest))
			return short_of(cut);
		if (kind == PROTO_HOPOPTS && !options_ok(rest))
			return WIRE_BAD;
		pk->fragment = kind == PROTO_FRAGMENT; /* an atomic fragment, too */
		pk->l4proto = next;
	}
	return parse_l4(pk, c, cut);
}

/* The kernel puts a hop-by-hop header with nothing but the length before a TCP segment of more than
 * 64 kB (BIG TCP). That header does not change where the packet goes. */
static bool take_jumbo(struct packet *pk, struct cursor *c, size_t *ret_length)
{
	struct cursor at = *c;
	uint8_t next, words, type, size;
	uint32_t length;

	if (pk->l4proto != PROTO_HOPOPTS || !cursor_u8(&at, &next) || !cursor_u8(&at, &words) ||
	    !cursor_u8(&at, &type) || !cursor_u8(&at, &size) || !cursor_u32(&at, &length) ||
	    next != PROTO_TCP || words != 0 || type != OPTION_JUMBO || size != 4 ||
	    length <= UINT16_MAX)
		return false;
	pk->l4proto = next;
	*ret_length = length - 8;
	*c = at;
	return true;
}

static enum wire_result parse_ipv6(struct packet *pk, const uint8_t *bytes, size_t n)
{
	struct cursor c = cursor_of(bytes, n);
	uint32_t label;
	uint16_t length;
	struct slice src, dst;

	if (!cursor_u32(&c, &label) || !cursor_u16(&c, &length) || !cursor_u8(&c, &pk->l4proto) ||
	    !cursor_u8(&c, &pk->ttl) || !cursor_slice(&c, 16, &src) || !cursor_slice(&c, 16, &dst))
		return WIRE_BAD;
	memcpy(pk->src, src.p, 16);
	memcpy(pk->dst, dst.p, 16);

	size_t said = length;
	if (length == 0 && !take_jumbo(pk, &c, &said))
		said = cursor_left(&c);
	bool cut = said > cursor_left(&c);
	if (!cut)
		c.end = c.p + said;
	pk->ip.n = (size_t)(c.end - bytes);
	return parse_extensions(pk, &c, cut);
}

enum wire_result packet_parse(const void *bytes, size_t n, struct packet *ret)
{
	const uint8_t *p = bytes;

	*ret = (struct packet){.ip = {p, n}};
	if (n == 0)
		return WIRE_BAD;
	switch (p[0] >> 4) {
	case 4:
		ret->version = 4;
		return parse_ipv4(ret, p, n);
	case 6:
		ret->version = 6;
		return parse_ipv6(ret, p, n);
	default:
		return WIRE_BAD;
	}
}
