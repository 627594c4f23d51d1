// SPDX-License-Identifier: GPL-2.0-or-later
/* What is taken of an upstream server's answer, and the replies to clients. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "fw/engine/dns/resolving.h"
#include "policy/base/clock.h"

#define NEGATIVE_TTL_S 30 /* at most, whatever the SOA record says */
#define TTL_MAX_S      3600
/* Per answer; the rest is left out, for the client, too. For each address the routing table is
 * asked whether it is this host's, which takes 4 us while other fences wait. */
#define ADDRS_MAX 128

/* ---- replies ------------------------------------------------------------- */

static size_t reply_max(const struct dns_client *c, const struct dns_query *q)
{
	if (c->tcp)
		return DNS_MAX_MESSAGE;
	if (!q->edns)
		return 512;
	return q->edns_udp < DNS_EDNS_UDP ? q->edns_udp : DNS_EDNS_UDP;
}

void answer_error(struct resolver_fence *rf, const struct dns_client *c, const struct dns_query *q,
		  int rcode, int ede, const char *text)
{
	uint8_t buf[DNS_EDNS_UDP];
	size_t max = reply_max(c, q), n;
	struct dns_builder b;

	dns_reply_begin(&b, buf, max < sizeof(buf) ? max : sizeof(buf), q, rcode);
	n = dns_reply_end(&b, ede, text);
	if (n)
		dns_server_reply(rf->server, c, buf, n);
}

/* A refusal's reply that waits for its ticket. */
struct late_reply {
	struct dns_client client;
	size_t n;
	uint8_t msg[512];
};

static void reply_late(void *owner, const void *what)
{
	const struct resolver_fence *rf = owner;
	const struct late_reply *late = what;

	dns_server_reply(rf->server, &late->client, late->msg, late->n);
}

void answer_refused(struct resolver_fence *rf, const struct dns_client *c,
		    const struct dns_query *q, int rcode, int ede, const char *text,
		    uint32_t ticket)
{
	struct late_reply late = {.client = *c};
	struct dns_builder b;

	if (ticket) {
		dns_reply_begin(&b, late.msg, sizeof(late.msg), q, rcode);
		late.n = dns_reply_end(&b, ede, text);
	}
	if (!late.n || !verdict_wait_add(rf->r->waits, VERDICT_REPLY, ticket, rf, reply_late, &late,
					 sizeof(late)))
		answer_error(rf, c, q, rcode, ede, text);
}

void answer_result(struct resolver_fence *rf, const struct dns_client *c, const struct dns_query *q,
		   const struct dns_result *res)
{
	static uint8_t buf[DNS_MAX_MESSAGE];
	uint32_t ttl = dns_result_ttl(res, loop_now_ms(rf->r->loop));
	struct dns_builder b;
	size_t n;

	dns_reply_begin(&b, buf, reply_max(c, q), q, res->rcode);
	for (size_t i = 0; i < res->n_addrs; i++)
		dns_reply_addr(&b, NULL, q->type, res->addrs[i].b, ttl);
	for (size_t i = 0; i < res->n_rdata; i++)
		dns_reply_rdata(&b, NULL, q->type,
				(struct slice){res->rdata + res->rdata_at[i],
					       (size_t)(res->rdata_at[i + 1] - res->rdata_at[i])},
				ttl);
	n = dns_reply_end(&b, -1, NULL);
	if (n)
		dns_server_reply(rf->server, c, buf, n);
}

/* ---- events -------------------------------------------------------------- */

/* Of these refusals the program hears at once, and may end. */
static bool may_end_it(enum denial_code code)
{
	return code == DENIED_DNS_NAME || code == DENIED_BY_RULE || code == DENIED_DNS_REBIND;
}

uint32_t answer_tell(struct resolver_fence *rf, const struct dns_client *c, enum denial_code code,
		     const char *name, uint16_t type, uint32_t rule, const struct addr *bad,
		     const char *detail)
{
	struct denial d = {.fence = rf->c.fence,
			   .code = (uint16_t)code,
			   .would = rf->c.audit,
			   .go = !rf->c.audit && may_end_it(code),
			   .l4proto = c && c->tcp ? IPPROTO_TCP : IPPROTO_UDP,
			   .dns = 1,
			   .qtype = type,
			   .dport = 53,
			   .uid = UINT32_MAX,
			   .rule = rule};
	d.time_ns = clock_wall_ns();
	if (c) {
		d.src = c->addr;
		d.sport = c->port;
		d.dst.family = c->addr.family;
		if (c->addr.family == 4)
			memcpy(d.dst.b, (const uint8_t[]){127, 0, 0, 1}, 4);
		else
			d.dst.b[15] = 1;
	}
	if (bad)
		d.dst = *bad;
	snprintf(d.name, sizeof(d.name), "%.255s", name);
	snprintf(d.detail, sizeof(d.detail), "%.159s", detail ? detail : "");
	return rf->r->ops.denied(rf->r->arg, rf, &d);
}

static void bad_text(const struct resolver_fence *rf, const struct addr *bad, char *buf, size_t max)
{
	char text[ADDR_STRLEN];

	addr_format(bad, text);
	snprintf(buf, max, "it resolves to %s (%s)", text,
		 rf->r->ops.is_local(rf->r->arg, bad) ? "this host"
						      : addr_kind_name(addr_kind(bad)));
}

static uint32_t tell_rebound(struct resolver_fence *rf, const struct dns_client *c,
			     const struct question *q, const struct addr *bad)
{
	char detail[160];

	bad_text(rf, bad, detail, sizeof(detail));
	return answer_tell(rf, c, DENIED_DNS_REBIND, q->name.s, q->type, RULE_NONE, bad, detail);
}

void answer_rebound(struct resolver_fence *rf, const struct dns_client *c,
		    const struct dns_query *dq, const struct question *q, const struct addr *bad)
{
	char ede[300], detail[160];
	uint32_t go = tell_rebound(rf, c, q, bad);

	bad_text(rf, bad, detail, sizeof(detail));
	snprintf(ede, sizeof(ede), "agentfw: %.80s: %s; name it under addresses: or dns.hosts",
		 q->name.s, detail);
	answer_refused(rf, c, dq, DNS_REFUSED, DNS_EDE_FILTERED, ede, go);
}

/* ---- the guard against rebinding ----------------------------------------- */

void answer_learn(struct resolver_fence *rf, const struct name *name, struct dns_result *res)
{
	struct resolver *r = rf->r;

	if (!res->n_addrs)
		return;
	r->ops.learn(r->arg, rf, name, res->addrs, res->plain, res->n_addrs, res->ttl_s);
	res->learned = r->ops.forgotten(r->arg, rf);
}

static bool pinned(const struct policy *p, const struct name *name, const struct addr *a)
{
	struct addr pins[64];
	size_t n = policy_pin(p, name, pins, 64);

	for (size_t i = 0; i < n && i < 64; i++)
		if (addr_equal(&pins[i], a))
			return true;
	return false;
}

/* May any allowed name have this address, without `addresses:`? */
static bool is_plain(const struct resolver_fence *rf, const struct addr *a)
{
	const struct resolver *r = rf->r;
	enum addr_kind kind = addr_kind(a);
	struct addr inner[ADDR_EMBEDDED_MAX];
	size_t n_inner = addr_embedded_v4(a, inner);
	bool plain = (kind == ADDR_GLOBAL || kind == ADDR_RESERVED) && !r->ops.is_local(r->arg, a);

	for (size_t i = 0; i < n_inner && plain; i++)
		plain = !r->ops.is_local(r->arg, &inner[i]);
	return plain;
}

/* May name have this address? A rule's `addresses:` allows it, unless a deny rule has the address;
 * a pin allows it in any case. */
static bool address_ok(const struct resolver_fence *rf, const struct name *name,
		       const struct addr *a, bool plain)
{
	const struct policy *p = rf->c.policy;
	struct opening o[OPENINGS_MAX];
	size_t n = policy_name_openings_at(p, name, plain ? NULL : a, o, OPENINGS_MAX, NULL);

	for (size_t i = 0; i < n; i++)
		if (policy_match_addr(p, scheme_l4proto(o[i].scheme), a, o[i].port).verdict !=
		    VERDICT_DENY)
			return true;
	return pinned(p, name, a);
}

static struct addr answer_addr(uint16_t type, const uint8_t *b)
{
	struct addr a = {.family = 4};

	if (type == DNS_TYPE_A) {
		memcpy(a.b, b, 4);
		return a;
	}
	return addr_from_v6(b);
}

static void will_ask(const struct resolver *r, const struct question *q, const struct dns_answer *a)
{
	struct addr list[DNS_ANSWER_MAX_ADDRS];
	size_t n = 0;

	while (n < a->n_addrs && n < DNS_ANSWER_MAX_ADDRS) {
		list[n] = answer_addr(q->type, a->addrs[n]);
		n++;
	}
	if (r->ops.will_ask && n > 1)
		r->ops.will_ask(r->arg, list, n);
}

/* Takes the addresses that pass the guard; *ret_bad is one that did not. */
static void take_addrs(struct resolver_fence *rf, const struct question *q,
		       const struct dns_answer *a, struct dns_result *res, struct addr *ret_bad)
{
	will_ask(rf->r, q, a);
	for (size_t i = 0; i < a->n_addrs && i < ADDRS_MAX; i++) {
		struct addr addr = answer_addr(q->type, a->addrs[i]);

		/* No client needs ::ffff:a.b.c.d in an AAAA answer. */
		bool mapped = q->type == DNS_TYPE_AAAA && addr.family == 4;
		bool plain = !mapped && is_plain(rf, &addr);

		if (mapped || (!q->refused && !address_ok(rf, &q->name, &addr, plain))) {
			*ret_bad = addr;
			if (!rf->c.audit || mapped)
				continue;
			plain = true; /* audit mode: the event was told here, and needs no other */
		}
		res->plain[res->n_addrs] = plain;
		res->addrs[res->n_addrs++] = addr;
	}
}

static void take_rdata(struct resolver_fence *rf, const struct question *q,
		       const struct dns_answer *a, struct dns_result *res)
{
	for (size_t i = 0; i < a->n_rdata && res->n_rdata < DNS_RESULT_RDATA_MAX; i++) {
		struct name target = {0};
		uint8_t *to = res->rdata + res->rdata_at[res->n_rdata];
		size_t room = sizeof(res->rdata) - res->rdata_at[res->n_rdata];
		size_t n = dns_svcb_sanitize(a->rdata[i], to, room, &target);
		struct opening o;

		if (!n || (target.len && !name_equal(&target, &q->name) &&
			   policy_name_openings(rf->c.policy, &target, &o, 1, NULL) == 0))
			continue;
		res->n_rdata++;
		res->rdata_at[res->n_rdata] = (uint16_t)(res->rdata_at[res->n_rdata - 1] + n);
	}
}

void answer_take(struct resolver_fence *rf, const struct question *q, const struct dns_answer *a,
		 struct outcome *o, uint64_t now)
{
	struct dns_result *res = &o->res;

	res->rcode = a->rcode;
	if (dns_type_address_bytes(q->type))
		take_addrs(rf, q, a, res, &o->bad);
	else
		take_rdata(rf, q, a, res);
	res->ttl_s = a->ttl_s > TTL_MAX_S ? TTL_MAX_S : a->ttl_s;
	if (!res->n_addrs && !res->n_rdata && res->ttl_s > NEGATIVE_TTL_S)
		res->ttl_s = NEGATIVE_TTL_S;
	res->until_ms = now + (uint64_t)res->ttl_s * 1000;
	if (o->bad.family && !rf->c.audit) {
		o->what = OUTCOME_REBOUND;
		return;
	}
	if (o->bad.family && question_client(q))
		tell_rebound(rf, question_client(q), q, &o->bad);
	answer_learn(rf, &q->name, res);
	if (!o->bad.family)
		dns_cache_put(rf->cache, &q->name, q->type, res);
}
