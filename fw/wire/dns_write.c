// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/wire/dns.h"

#include "fw/wire/dns_name.h"

#include <string.h>

#define CLASS_IN     1
#define HEADER_BYTES 12
#define OPT_BYTES    11
#define EDE_TEXT_MAX 200 /* the answer must fit into 512 bytes with it */
#define EDNS_EDE     15
#define FLAGS_QR_RA  0x8080
#define FLAG_TC      0x0200
#define FLAG_RD      0x0100
#define FLAG_CD      0x0010

enum svcb_key { /* RFC 9460 §14.3.2, RFC 9848 */
		SVCB_MANDATORY = 0,
		SVCB_IPV4HINT = 4,
		SVCB_ECH = 5,
		SVCB_IPV6HINT = 6,
};

static void put_bytes(struct dns_builder *b, const void *bytes, size_t n)
{
	if (b->overflow || n > b->max - b->n) {
		b->overflow = true;
		return;
	}
	if (n)
		memcpy(b->buf + b->n, bytes, n);
	b->n += n;
}

static void put_u16(struct dns_builder *b, unsigned value)
{
	const uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

	put_bytes(b, bytes, sizeof(bytes));
}

static void put_u32(struct dns_builder *b, uint32_t value)
{
	put_u16(b, value >> 16);
	put_u16(b, value & 0xffff);
}

static void put_name(struct dns_builder *b, const struct name *name)
{
	struct wire_name w;

	wire_name_of(name, &w);
	put_bytes(b, w.b, w.n);
}

static void put_header(struct dns_builder *b, uint16_t id, unsigned flags, unsigned questions,
		       unsigned additionals)
{
	put_u16(b, id);
	put_u16(b, flags);
	put_u16(b, questions);
	put_u32(b, 0); /* no answers and authorities so far */
	put_u16(b, additionals);
}

/* An OPT up to its rdata's length. */
static void put_opt(struct dns_builder *b, size_t rdata_bytes)
{
	put_bytes(b, "", 1);
	put_u16(b, DNS_TYPE_OPT);
	put_u16(b, DNS_EDNS_UDP);
	put_u32(b, 0);
	put_u16(b, (unsigned)rdata_bytes);
}

static struct dns_builder builder_of(void *buf, size_t max)
{
	return (struct dns_builder){
	    .buf = buf,
	    .max = max < DNS_MAX_MESSAGE ? max : DNS_MAX_MESSAGE,
	};
}

size_t dns_query_build(void *buf, size_t max, uint16_t id, const struct name *name, uint16_t type)
{
	struct dns_builder b = builder_of(buf, max);

	put_header(&b, id, FLAG_RD, 1, 1);
	put_name(&b, name);
	put_u16(&b, type);
	put_u16(&b, CLASS_IN);
	put_opt(&b, 0);
	return b.overflow ? 0 : b.n;
}

void dns_reply_begin(struct dns_builder *b, void *buf, size_t max, const struct dns_query *q,
		     int rcode)
{
	unsigned flags = FLAGS_QR_RA | ((unsigned)rcode & 0xf);

	*b = builder_of(buf, max);
	b->opt = q->edns;
	if (q->rd)
		flags |= FLAG_RD;
	if (q->cd)
		flags |= FLAG_CD;
	put_header(b, q->id, flags, q->question.n ? 1 : 0, 0);
	put_bytes(b, q->question.p, q->question.n);
	if (!b->overflow)
		b->base = b->n;
}

static void put_rr(struct dns_builder *b, const struct name *owner, uint16_t type, uint32_t ttl_s,
		   const void *rdata, size_t n)
{
	if (n > UINT16_MAX || b->base == HEADER_BYTES) /* no question, no answer */
		b->overflow = true;
	if (owner)
		put_name(b, owner);
	else
		put_u16(b, 0xc000 | HEADER_BYTES);
	put_u16(b, type);
	put_u16(b, CLASS_IN);
	put_u32(b, ttl_s);
	put_u16(b, (unsigned)n);
	put_bytes(b, rdata, n);
	if (!b->overflow)
		b->answers++;
}

void dns_reply_cname(struct dns_builder *b, const struct name *owner, const struct name *target,
		     uint32_t ttl_s)
{
	struct wire_name w;

	wire_name_of(target, &w);
	put_rr(b, owner, DNS_TYPE_CNAME, ttl_s, w.b, w.n);
}

void dns_reply_addr(struct dns_builder *b, const struct name *owner, uint16_t type,
		    const uint8_t *addr, uint32_t ttl_s)
{
	put_rr(b, owner, type, ttl_s, addr, type == DNS_TYPE_A ? 4 : 16);
}

void dns_reply_rdata(struct dns_builder *b, const struct name *owner, uint16_t type,
		     struct slice rdata, uint32_t ttl_s)
{
	put_rr(b, owner, type, ttl_s, rdata.p, rdata.n);
}

/* The OPT at the end. Without room the error's text is left out first, then the error. */
static void put_reply_opt(struct dns_builder *b, int ede, const char *text)
{
	size_t room = b->max - b->n;
	size_t text_bytes = text ? strnlen(text, EDE_TEXT_MAX) : 0;
	size_t ede_bytes = ede < 0 ? 0 : 6 + text_bytes;

	if (ede_bytes > 6 && room < OPT_BYTES + ede_bytes)
		ede_bytes = 6;
	if (room < OPT_BYTES + ede_bytes)
		ede_bytes = 0;
	if (room < OPT_BYTES)
		return;
	put_opt(b, ede_bytes);
	if (ede_bytes) {
		put_u16(b, EDNS_EDE);
		put_u16(b, (unsigned)ede_bytes - 4);
		put_u16(b, (unsigned)ede);
		put_bytes(b, text, ede_bytes - 6);
	}
	b->buf[HEADER_BYTES - 1] = 1;
}

size_t dns_reply_end(struct dns_builder *b, int ede, const char *text)
{
	if (b->base == 0)
		return 0;
	if (b->overflow || (b->opt && b->max - b->n < OPT_BYTES)) {
		b->overflow = false;
		b->n = b->base;
		b->answers = 0;
		b->buf[2] |= FLAG_TC >> 8;
	}
	b->buf[6] = (uint8_t)(b->answers >> 8);
	b->buf[7] = (uint8_t)b->answers;
	if (b->opt)
		put_reply_opt(b, ede, text);
	return b->n;
}

static bool is_dropped(uint16_t key)
{
	return key == SVCB_ECH || key == SVCB_IPV4HINT || key == SVCB_IPV6HINT;
}

static bool next_param(struct cursor *c, uint16_t *ret_key, struct cursor *ret_value)
{
	uint16_t size;

	return cursor_u16(c, ret_key) && cursor_u16(c, &size) && cursor_sub(c, size, ret_value);
}

static bool has_param(struct cursor params, uint16_t wanted)
{
	struct cursor value;
	uint16_t key;

	while (next_param(&params, &key, &value))
		if (key == wanted)
			return true;
	return false;
}

/* The list of mandatory keys, RFC 9460 §8: ascending, each present, and not `mandatory` itself.
 * Keys that we drop are left out; if none is left, so is the parameter. */
static bool put_mandatory(struct dns_builder *b, struct cursor value, struct cursor params)
{
	struct cursor again = value;
	uint16_t key, last = SVCB_MANDATORY;
	unsigned kept = 0;

	if (cursor_left(&value) == 0)
		return false;
	while (cursor_left(&value)) {
		if (!cursor_u16(&value, &key) || key <= last || !has_param(params, key))
			return false;
		last = key;
		kept += !is_dropped(key);
	}
	if (kept == 0)
		return true;
	put_u16(b, SVCB_MANDATORY);
	put_u16(b, kept * 2);
	while (cursor_u16(&again, &key))
		if (!is_dropped(key))
			put_u16(b, key);
	return true;
}

static bool put_params(struct dns_builder *b, struct cursor params)
{
	struct cursor c = params, value;
	uint16_t key;
	int last = -1;

	while (cursor_left(&c)) {
		if (!next_param(&c, &key, &value) || key <= last)
			return false;
		last = key;
		if (key == SVCB_MANDATORY) {
			if (!put_mandatory(b, value, params))
				return false;
		} else if (!is_dropped(key)) {
			put_u16(b, key);
			put_u16(b, (unsigned)cursor_left(&value));
			put_bytes(b, value.p, cursor_left(&value));
		}
	}
	return true;
}

size_t dns_svcb_sanitize(struct slice rdata, void *buf, size_t max, struct name *ret_target)
{
	struct dns_builder b = builder_of(buf, max);
	struct cursor c = cursor_of(rdata.p, rdata.n);
	struct wire_name target;
	uint16_t priority;

	*ret_target = (struct name){.len = 0};
	if (!cursor_u16(&c, &priority) || priority == 0 || !wire_name_read_plain(&c, &target))
		return 0;
	if (target.n > 1 && !wire_name_to_name(&target, ret_target))
		return 0;
	put_u16(&b, priority);
	put_bytes(&b, target.b, target.n);
	if (!put_params(&b, c) || b.overflow)
		return 0;
	return b.n;
}
