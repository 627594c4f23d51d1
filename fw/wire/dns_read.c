// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/wire/dns.h"

#include "fw/wire/dns_name.h"

#include <string.h>

#define CLASS_IN 1

#define FLAG_QR     0x8000
#define FLAG_OPCODE 0x7800
#define FLAG_TC     0x0200
#define FLAG_RD     0x0100
#define FLAG_CD     0x0010
#define FLAG_RCODE  0x000f

struct header {
	uint16_t id, flags, questions, answers, authorities, additionals;
};

static bool read_header(struct cursor *c, struct header *ret)
{
	return cursor_u16(c, &ret->id) && cursor_u16(c, &ret->flags) &&
	       cursor_u16(c, &ret->questions) && cursor_u16(c, &ret->answers) &&
	       cursor_u16(c, &ret->authorities) && cursor_u16(c, &ret->additionals);
}

/* A record, with its owner's name read and its rdata not. */
struct rr {
	struct wire_name owner;
	uint16_t type, class;
	uint32_t ttl;
	struct cursor rdata;
};

static bool read_rr(struct slice msg, struct cursor *c, struct rr *ret)
{
	uint16_t size;

	return wire_name_read(msg, c, &ret->owner) && cursor_u16(c, &ret->type) &&
	       cursor_u16(c, &ret->class) && cursor_u32(c, &ret->ttl) && cursor_u16(c, &size) &&
	       cursor_sub(c, size, &ret->rdata);
}

/* The OPT of a query, RFC 6891 §6.1: its options are checked, and otherwise ignored. */
static bool query_opt(struct slice msg, struct cursor *c, struct dns_query *ret)
{
	struct rr rr;
	uint16_t code, size;

	if (!read_rr(msg, c, &rr) || rr.type != DNS_TYPE_OPT || rr.owner.n != 1)
		return false;
	if (rr.ttl >> 16 & 0xff) /* version */
		return false;
	while (cursor_left(&rr.rdata))
		if (!cursor_u16(&rr.rdata, &code) || !cursor_u16(&rr.rdata, &size) ||
		    !cursor_skip(&rr.rdata, size))
			return false;
	ret->edns = true;
	ret->edns_udp = rr.class < 512 ? 512 : rr.class;
	return true;
}

static bool query_question(struct cursor *c, struct dns_query *ret, uint16_t *ret_class)
{
	struct wire_name name;
	const uint8_t *begin = c->p;

	if (!wire_name_read_plain(c, &name) || !cursor_u16(c, &ret->type) ||
	    !cursor_u16(c, ret_class))
		return false;
	ret->question = (struct slice){begin, (size_t)(c->p - begin)};
	if (wire_name_to_name(&name, &ret->name))
		memcpy(ret->shown, ret->name.s, (size_t)ret->name.len + 1);
	else
		wire_name_show(&name, ret->shown);
	return true;
}

/* Returns the rcode of the refusal, or DNS_NOERROR. */
static int query_parse(struct slice msg, struct cursor *c, const struct header *h,
		       struct dns_query *ret)
{
	uint16_t class = 0;

	if (h->questions != 1)
		return h->flags & FLAG_OPCODE ? DNS_NOTIMP : DNS_FORMERR;
	bool asked = query_question(c, ret, &class);
	if (h->flags & FLAG_QR)
		return DNS_FORMERR;
	if (h->flags & FLAG_OPCODE)
		return DNS_NOTIMP;
	if (!asked || h->flags & FLAG_TC || h->answers || h->authorities || h->additionals > 1)
		return DNS_FORMERR;
	if (h->additionals && !query_opt(msg, c, ret))
		return DNS_FORMERR;
	if (cursor_left(c))
		return DNS_FORMERR;
	return class == CLASS_IN ? DNS_NOERROR : DNS_REFUSED;
}

enum wire_result dns_query_parse(const void *bytes, size_t n, struct dns_query *ret, int *ret_rcode)
{
	struct cursor c = cursor_of(bytes, n);
	struct slice msg = {bytes, n};
	struct header h;

	*ret = (struct dns_query){.edns_udp = 512};
	*ret_rcode = DNS_FORMERR;
	if (!read_header(&c, &h))
		return WIRE_TRUNCATED;
	ret->id = h.id;
	ret->rd = h.flags & FLAG_RD;
	ret->cd = h.flags & FLAG_CD;
	if (n > DNS_MAX_MESSAGE)
		return WIRE_BAD;
	*ret_rcode = query_parse(msg, &c, &h, ret);
	return *ret_rcode == DNS_NOERROR ? WIRE_OK : WIRE_BAD;
}

/* The state while an answer is read. */
struct search {
	struct slice msg;
	const uint8_t *records; /* the first record of the answer section */
	uint16_t n_answers, n_authorities;
	uint16_t type;
	struct wire_name chain[DNS_ANSWER_MAX_CHAIN + 1];
	size_t n_chain;
	uint32_t ttl;
};

static void lower_ttl(struct search *s, uint32_t ttl)
{
	if (ttl > INT32_MAX) /* RFC 2181 §8 */
		ttl = 0;
	if (ttl < s->ttl)
		s->ttl = ttl;
}

/* Reads every record of every section once: reading them again cannot fail. */
static bool check_records(struct search *s, struct cursor c, const struct header *h,
			  struct dns_answer *ret)
{
	size_t total = (size_t)h->answers + h->authorities + h->additionals;
	bool opt = false;
	struct rr rr;

	if (total > DNS_ANSWER_MAX_RRS)
		return false;
	for (size_t i = 0; i < total; i++) {
		if (!read_rr(s->msg, &c, &rr))
			return false;
		if (rr.type != DNS_TYPE_OPT)
			continue;
		if (opt || rr.owner.n != 1 || i < total - h->additionals)
			return false;
		opt = true;
		ret->rcode |= (int)(rr.ttl >> 24) << 4; /* RFC 6891 §6.1.3 */
	}
	return cursor_left(&c) == 0;
}

/* Follows a CNAME. OK with *ret_found; BAD for several CNAMEs with the same owner, and for a
 * loop. */
static enum wire_result follow(struct search *s, struct dns_answer *ret, bool *ret_found)
{
	const struct wire_name *owner = &s->chain[s->n_chain - 1];
	struct cursor c = {s->records, s->msg.p + s->msg.n};
	struct wire_name target;
	struct rr rr;

	*ret_found = false;
	for (uint16_t i = 0; i < s->n_answers; i++) {
		if (!read_rr(s->msg, &c, &rr))
			return WIRE_BAD;
		if (rr.type != DNS_TYPE_CNAME || rr.class != CLASS_IN ||
		    !wire_name_equal(&rr.owner, owner))
			continue;
		if (*ret_found || s->n_chain > DNS_ANSWER_MAX_CHAIN)
			return WIRE_BAD;
		if (!wire_name_read(s->msg, &rr.rdata, &target) || cursor_left(&rr.rdata))
			return WIRE_BAD;
		for (size_t k = 0; k < s->n_chain; k++)
			if (wire_name_equal(&s->chain[k], &target))
				return WIRE_BAD;
		if (!wire_name_to_name(&target, &ret->cnames[ret->n_cnames]))
			return WIRE_BAD;
		lower_ttl(s, rr.ttl);
		*ret_found = true;
	}
	if (*ret_found) {
		s->chain[s->n_chain++] = target;
		ret->n_cnames++;
	}
	return WIRE_OK;
}

/* The asked records at the chain's end. */
static bool collect(struct search *s, struct dns_answer *ret)
{
	const struct wire_name *owner = &s->chain[s->n_chain - 1];
	struct cursor c = {s->records, s->msg.p + s->msg.n};
	size_t addr_bytes = dns_type_address_bytes(s->type);
	struct rr rr;

	for (uint16_t i = 0; i < s->n_answers; i++) {
		if (!read_rr(s->msg, &c, &rr))
			return false;
		if (rr.type != s->type || rr.class != CLASS_IN ||
		    !wire_name_equal(&rr.owner, owner))
			continue;
		size_t size = cursor_left(&rr.rdata);
		if (addr_bytes && size != addr_bytes)
			return false;
		if (addr_bytes ? ret->n_addrs == DNS_ANSWER_MAX_ADDRS
			       : ret->n_rdata == sizeof(ret->rdata) / sizeof(ret->rdata[0]))
			continue;
		if (addr_bytes)
			memcpy(ret->addrs[ret->n_addrs++], rr.rdata.p, addr_bytes);
		else
			ret->rdata[ret->n_rdata++] = (struct slice){rr.rdata.p, size};
		lower_ttl(s, rr.ttl);
	}
	return true;
}

/* A negative answer's TTL, RFC 2308 §5: the lesser of TTL and MINIMUM of the SOA of a zone that has
 * the name. */
static bool negative_ttl(struct search *s, bool *ret_found)
{
	const struct wire_name *owner = &s->chain[s->n_chain - 1];
	struct cursor c = {s->records, s->msg.p + s->msg.n};
	struct wire_name name;
	uint32_t minimum;
	struct rr rr;

	*ret_found = false;
	for (unsigned i = 0; i < (unsigned)s->n_answers + s->n_authorities; i++) {
		if (!read_rr(s->msg, &c, &rr))
			return false;
		if (i < s->n_answers || rr.type != DNS_TYPE_SOA || rr.class != CLASS_IN ||
		    !wire_name_within(owner, &rr.owner))
			continue;
		if (!wire_name_read(s->msg, &rr.rdata, &name) ||
		    !wire_name_read(s->msg, &rr.rdata, &name) || !cursor_skip(&rr.rdata, 16) ||
		    !cursor_u32(&rr.rdata, &minimum) || cursor_left(&rr.rdata))
			return false;
		lower_ttl(s, rr.ttl);
		lower_ttl(s, minimum);
		*ret_found = true;
	}
	return true;
}

static enum wire_result answer_records(struct search *s, struct cursor c, const struct header *h,
				       struct dns_answer *ret)
{
	bool more = s->type != DNS_TYPE_CNAME, soa = true;

	if (!check_records(s, c, h, ret))
		return WIRE_BAD;
	while (more)
		if (follow(s, ret, &more) != WIRE_OK)
			return WIRE_BAD;
	if (!collect(s, ret))
		return WIRE_BAD;
	if (ret->n_addrs == 0 && ret->n_rdata == 0 && !negative_ttl(s, &soa))
		return WIRE_BAD;
	ret->ttl_s = soa ? s->ttl : 0;
	return WIRE_OK;
}

enum wire_result dns_answer_parse(const void *bytes, size_t n, uint16_t id, const struct name *name,
				  uint16_t type, struct dns_answer *ret)
{
	struct cursor c = cursor_of(bytes, n);
	struct search s = {.msg = {bytes, n}, .type = type, .n_chain = 1, .ttl = INT32_MAX};
	struct wire_name asked;
	uint16_t asked_type, class;
	struct header h;

	/* Not the arrays, which are large: their counts tell what is valid. */
	ret->rcode = 0;
	ret->truncated = false;
	ret->ttl_s = 0;
	ret->n_cnames = ret->n_addrs = ret->n_rdata = 0;
	if (n > DNS_MAX_MESSAGE || !read_header(&c, &h))
		return WIRE_BAD;
	if (h.id != id || !(h.flags & FLAG_QR) || h.flags & FLAG_OPCODE || h.questions != 1)
		return WIRE_BAD;
	wire_name_of(name, &s.chain[0]);
	if (!wire_name_read_plain(&c, &asked) || !cursor_u16(&c, &asked_type) ||
	    !cursor_u16(&c, &class))
		return WIRE_BAD;
	if (!wire_name_equal(&asked, &s.chain[0]) || asked_type != type || class != CLASS_IN)
		return WIRE_BAD;
	ret->rcode = h.flags & FLAG_RCODE;
	ret->truncated = h.flags & FLAG_TC;
	if (ret->truncated) /* it may be cut anywhere: nothing of it is used */
		return WIRE_OK;
	s.records = c.p;
	s.n_answers = h.answers;
	s.n_authorities = h.authorities;
	return answer_records(&s, c, &h, ret);
}
