#include "fw/engine/dns/resolver.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "fw/engine/dns/cache.h"
#include "fw/engine/dns/server.h"
#include "fw/engine/dns/upstream.h"
#include "fw/engine/hash.h"
#include "fw/ipc/budget.h"
#include "policy/base/clock.h"

#define PIN_TTL_S      60
#define NEGATIVE_TTL_S 30 /* at most, whatever the SOA says */
#define TTL_MAX_S      3600
#define FAILURE_TTL_S  5 /* RFC 2308 §7: short */
/* Of one answer; the rest is left out, for the client, too. Whether it is one of this host's costs
 * 4 us for each, which other fences wait. */
#define ADDRS_MAX        128
#define WAITERS_MAX      1024  /* clients that wait for one question */
#define WAITERS_ALL      32768 /* of a fence: ten thousand look-ups of both kinds, and room */
#define QUESTIONS_ALL    65536 /* of all fences; none gets more than it leaves to the others */
#define FILES_RESERVED   1024  /* that no question's socket takes */
#define HELD_MAX         64
#define QUESTION_BUCKETS 1024
#define HELD_MS          20 /* libraries ask two or three times before they give up */
#define REPLY_MAX        65535
#define QUESTION_MAX     300 /* bytes: a name, type and class */

/* A client's query that waits for an answer: what a reply needs of it. */
struct waiter {
	struct waiter *next;
	struct dns_client client;
	uint16_t id, type, edns_udp;
	bool rd, cd, edns;
	uint16_t question_n;
	uint8_t question[];
};

/* What came of a question, for all that wait. */
struct outcome {
	enum { OUTCOME_ANSWER, OUTCOME_FAILED, OUTCOME_REBOUND } what;
	int ede;         /* OUTCOME_FAILED */
	struct addr bad; /* OUTCOME_REBOUND */
	struct dns_result res;
};

/* A question that was asked upstream, once for all that want to know. */
struct question {
	struct question *next; /* of its bucket, or of those that have their answer */
	struct resolver_fence *rf;
	struct name name;
	uint16_t type;
	struct waiter *waiters;
	size_t n_waiters;
	bool refused;            /* audit mode: no rule allows it */
	struct outcome *outcome; /* not all that wait have it yet */
};

/* A refusal's reply that waits until it was written down who asked. */
struct held {
	uint32_t go; /* 0: free */
	struct resolver_fence *rf;
	struct dns_client client;
	uint64_t until_ms;
	size_t n;
	uint8_t msg[512];
};

struct resolver {
	struct loop *loop;
	struct resolver_ops ops;
	void *arg;
	struct held held[HELD_MAX];
	size_t n_held;
	struct timer held_timer;
	size_t n_questions; /* of all fences */
	struct upstream_share share;
};

struct resolver_fence {
	struct resolver *r;
	struct resolver_fence_config c;
	struct dns_server *server;
	struct upstream *upstream;
	struct dns_cache *cache;
	struct question *questions[QUESTION_BUCKETS];
	size_t n_questions;
	size_t n_waiters; /* of all of them */
	struct question *answered, **answered_end;
	struct timer answered_timer;
};

/* ---- replies
 * ------------------------------------------------------------------------------------- */

static size_t reply_max(const struct dns_client *c, const struct dns_query *q)
{
	if (c->tcp)
		return REPLY_MAX;
	if (!q->edns)
		return 512;
	return q->edns_udp < DNS_EDNS_UDP ? q->edns_udp : DNS_EDNS_UDP;
}

static void reply_error(struct resolver_fence *rf, const struct dns_client *c,
			const struct dns_query *q, int rcode, int ede, const char *text)
{
	uint8_t buf[DNS_EDNS_UDP];
	size_t max = reply_max(c, q), n;
	struct dns_builder b;

	dns_reply_begin(&b, buf, max < sizeof(buf) ? max : sizeof(buf), q, rcode);
	n = dns_reply_end(&b, ede, text);
	if (n)
		dns_server_reply(rf->server, c, buf, n);
}

static void held_timer(struct timer *t)
{
	struct resolver *r = t->arg;
	uint64_t now = loop_now_ms(r->loop), next = 0;

	for (size_t i = 0; i < HELD_MAX; i++) {
		struct held *h = &r->held[i];

		if (h->go && h->until_ms <= now)
			resolver_go(r, h->go);
		else if (h->go && (!next || h->until_ms < next))
			next = h->until_ms;
	}
	if (next)
		timer_set(r->loop, t, next);
}

void resolver_go(struct resolver *r, uint32_t go)
{
	for (size_t i = 0; go && i < HELD_MAX; i++) {
		struct held *h = &r->held[i];

		if (h->go != go)
			continue;
		h->go = 0;
		r->n_held--;
		dns_server_reply(h->rf->server, &h->client, h->msg, h->n);
		return;
	}
}

/* The refusal itself: at once, or when the event has been attributed. */
static void reply_refused(struct resolver_fence *rf, const struct dns_client *c,
			  const struct dns_query *q, int rcode, int ede, const char *text,
			  uint32_t go)
{
	struct resolver *r = rf->r;
	struct held *h = r->held;
	struct dns_builder b;

	if (!go || r->n_held == HELD_MAX) {
		reply_error(rf, c, q, rcode, ede, text);
		return;
	}
	while (h->go)
		h++;
	dns_reply_begin(&b, h->msg, sizeof(h->msg), q, rcode);
	h->n = dns_reply_end(&b, ede, text);
	if (!h->n)
		return;
	h->go = go;
	h->rf = rf;
	h->client = *c;
	h->until_ms = loop_now_ms(r->loop) + HELD_MS;
	if (r->n_held++ == 0)
		timer_set(r->loop, &r->held_timer, h->until_ms);
}

/* ---- events
 * -------------------------------------------------------------------------------------- */

/* A reply that may have to wait has a place for that only here and now. */
static bool can_hold(const struct resolver_fence *rf, enum denial_code code)
{
	return !rf->c.audit && rf->r->n_held < HELD_MAX &&
	       (code == DENIED_DNS_NAME || code == DENIED_BY_RULE || code == DENIED_DNS_REBIND);
}

static uint32_t deny(struct resolver_fence *rf, const struct dns_client *c, enum denial_code code,
		     const char *name, uint16_t type, uint32_t rule, const struct addr *bad,
		     const char *detail)
{
	struct denial d = {.fence = rf->c.fence,
			   .code = (uint16_t)code,
			   .would = rf->c.audit,
			   .go = can_hold(rf, code),
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
	snprintf(d.endpoint, sizeof(d.endpoint), "%.299s", name);
	snprintf(d.detail, sizeof(d.detail), "%.159s", detail ? detail : "");
	return rf->r->ops.denied(rf->r->arg, rf, &d);
}

/* ---- answers
 * ------------------------------------------------------------------------------------- */

static void reply_answer(struct resolver_fence *rf, const struct dns_client *c,
			 const struct dns_query *q, const struct dns_result *res)
{
	static uint8_t buf[REPLY_MAX];
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

static void learn(struct resolver_fence *rf, const struct name *name, struct dns_result *res)
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

/* An address that an allowed name may have without further words. */
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

/* May name have this address? A rule's `addresses:` and the policy's pins may say so; a deny rule
 * for the address says no in any case. */
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

/* Takes the addresses that pass the guard; *ret_bad is one that did not. */
static void take_addrs(struct resolver_fence *rf, const struct question *q,
		       const struct dns_answer *a, struct dns_result *res, struct addr *ret_bad)
{
	for (size_t i = 0; i < a->n_addrs && i < ADDRS_MAX; i++) {
		struct addr addr = answer_addr(q->type, a->addrs[i]);

		/* ::ffff:a.b.c.d is no AAAA answer that anybody needs. */
		bool mapped = q->type == DNS_TYPE_AAAA && addr.family == 4;
		bool plain = !mapped && is_plain(rf, &addr);

		if (mapped || (!q->refused && !address_ok(rf, &q->name, &addr, plain))) {
			*ret_bad = addr;
			if (!rf->c.audit || mapped)
				continue;
			plain = true; /* it was told, once is enough */
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

static struct question **question_bucket(struct resolver_fence *rf, const struct name *name,
					 uint16_t type)
{
	return &rf->questions[hash_bytes(hash_key() ^ type, name->s, name->len) % QUESTION_BUCKETS];
}

static void question_free(struct question *q)
{
	q->rf->r->n_questions--;
	q->rf->n_questions--;
	q->rf->n_waiters -= q->n_waiters;
	while (q->waiters) {
		struct waiter *w = q->waiters;

		q->waiters = w->next;
		free(w);
	}
	free(q->outcome);
	free(q);
}

/* Who asks from here on, asks anew. */
static void question_leave(struct question *q)
{
	struct question **at = question_bucket(q->rf, &q->name, q->type);

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	q->next = NULL;
}

static void bad_text(const struct resolver_fence *rf, const struct addr *bad, char *buf, size_t max)
{
	char text[ADDR_STRLEN];

	addr_format(bad, text);
	snprintf(buf, max, "it resolves to %s (%s)", text,
		 rf->r->ops.is_local(rf->r->arg, bad) ? "this host"
						      : addr_kind_name(addr_kind(bad)));
}

static uint32_t deny_rebound(struct resolver_fence *rf, const struct dns_client *c,
			     const struct question *q, const struct addr *bad)
{
	char detail[160];

	bad_text(rf, bad, detail, sizeof(detail));
	return deny(rf, c, DENIED_DNS_REBIND, q->name.s, q->type, RULE_NONE, bad, detail);
}

static void reply_rebound(struct resolver_fence *rf, const struct dns_client *c,
			  const struct dns_query *dq, const struct question *q,
			  const struct addr *bad)
{
	char ede[300], detail[160];
	uint32_t go = deny_rebound(rf, c, q, bad);

	bad_text(rf, bad, detail, sizeof(detail));
	snprintf(ede, sizeof(ede), "agentfw: %.80s: %s; name it under addresses: or dns.hosts",
		 q->name.s, detail);
	reply_refused(rf, c, dq, DNS_REFUSED, DNS_EDE_FILTERED, ede, go);
}

static void reply_outcome(struct resolver_fence *rf, const struct question *q,
			  const struct waiter *w, const struct outcome *o)
{
	static struct dns_query dq;

	dq = (struct dns_query){.id = w->id,
				.type = w->type,
				.rd = w->rd,
				.cd = w->cd,
				.edns = w->edns,
				.edns_udp = w->edns_udp,
				.question = {w->question, w->question_n}};
	switch (o->what) {
	case OUTCOME_ANSWER:
		reply_answer(rf, &w->client, &dq, &o->res);
		break;
	case OUTCOME_FAILED:
		reply_error(rf, &w->client, &dq, DNS_SERVFAIL, o->ede,
			    "agentfw: no name server answered");
		break;
	case OUTCOME_REBOUND:
		reply_rebound(rf, &w->client, &dq, q, &o->bad);
		break;
	}
}

/* Those that wait get their replies, as many as may be at a time. Returns false: some still wait.
 */
static bool answer_waiters(struct question *q, const struct outcome *o, bool all)
{
	struct resolver_fence *rf = q->rf;

	while (q->waiters && (all || budget_left(rf->c.budget))) {
		struct waiter *w = q->waiters;

		q->waiters = w->next;
		q->n_waiters--;
		rf->n_waiters--;
		reply_outcome(rf, q, w, o);
		free(w);
	}
	return !q->waiters;
}

static void on_answered(struct timer *t)
{
	struct resolver_fence *rf = t->arg;
	struct question *q;

	while ((q = rf->answered) && answer_waiters(q, q->outcome, false)) {
		rf->answered = q->next;
		if (!rf->answered)
			rf->answered_end = &rf->answered;
		question_free(q);
	}
	if (q)
		timer_set(rf->r->loop, t, loop_now_ms(rf->r->loop));
}

/* A thousand may wait for one answer of hundreds of addresses. */
static void answer_question(struct question *q, const struct outcome *o)
{
	struct resolver_fence *rf = q->rf;

	question_leave(q);
	if (answer_waiters(q, o, false) || !(q->outcome = malloc(sizeof(*o)))) {
		answer_waiters(q, o, true);
		question_free(q);
		return;
	}
	*q->outcome = *o;
	*rf->answered_end = q;
	rf->answered_end = &q->next;
	if (!rf->answered_timer.slot)
		timer_set(rf->r->loop, &rf->answered_timer, loop_now_ms(rf->r->loop));
}

/* Clients ask again at once when they get SERVFAIL; they shall not wait for the same servers again.
 */
static void remember_failure(struct resolver_fence *rf, const struct question *q, uint64_t now)
{
	static struct dns_result res;

	memset(&res, 0, sizeof(res));
	res.rcode = DNS_SERVFAIL;
	res.ttl_s = FAILURE_TTL_S;
	res.until_ms = now + FAILURE_TTL_S * 1000;
	dns_cache_put(rf->cache, &q->name, q->type, &res);
}

static void take_answer(struct resolver_fence *rf, const struct question *q,
			const struct dns_answer *a, struct outcome *o, uint64_t now)
{
	struct dns_result *res = &o->res;

	res->rcode = a->rcode;
	if (q->type == DNS_TYPE_A || q->type == DNS_TYPE_AAAA)
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
	if (o->bad.family && q->waiters)
		deny_rebound(rf, &q->waiters->client, q, &o->bad);
	learn(rf, &q->name, res);
	if (!o->bad.family)
		dns_cache_put(rf->cache, &q->name, q->type, res);
}

static void on_answer(void *arg, void *question, const struct dns_answer *a)
{
	struct resolver_fence *rf = arg;
	struct question *q = question;
	static struct outcome o;
	uint64_t now = loop_now_ms(rf->r->loop);

	memset(&o, 0, sizeof(o));
	if (a && (a->rcode == DNS_NOERROR || a->rcode == DNS_NXDOMAIN)) {
		take_answer(rf, q, a, &o, now);
	} else {
		o.what = OUTCOME_FAILED;
		o.ede = a ? DNS_EDE_NETWORK_ERROR : DNS_EDE_NO_REACHABLE_AUTHORITY;
		remember_failure(rf, q, now);
	}
	answer_question(q, &o);
}

static void on_spoofed(void *arg, const struct name *name, uint16_t type)
{
	deny(arg, NULL, DENIED_DNS_SPOOFED, name->s, type, RULE_NONE, NULL, NULL);
}

static void on_want_socket(void *arg, unsigned server, int type)
{
	struct resolver_fence *rf = arg;

	rf->r->ops.want_socket(rf->r->arg, rf, server, type);
}

/* ---- a query's way
 * ------------------------------------------------------------------------------- */

static struct waiter *waiter_new(const struct dns_client *c, const struct dns_query *q)
{
	struct waiter *w =
	    q->question.n <= QUESTION_MAX ? malloc(sizeof(*w) + q->question.n) : NULL;

	if (!w)
		return NULL;
	*w = (struct waiter){.client = *c,
			     .id = q->id,
			     .type = q->type,
			     .edns_udp = q->edns_udp,
			     .rd = q->rd,
			     .cd = q->cd,
			     .edns = q->edns,
			     .question_n = (uint16_t)q->question.n};
	memcpy(w->question, q->question.p, q->question.n);
	return w;
}

static void ask(struct resolver_fence *rf, const struct dns_client *c, const struct dns_query *dq,
		bool refused)
{
	struct resolver *r = rf->r;
	struct waiter *w = rf->n_waiters < WAITERS_ALL ? waiter_new(c, dq) : NULL;
	struct question **bucket = question_bucket(rf, &dq->name, dq->type), *q = *bucket;

	while (q && !(q->type == dq->type && name_equal(&q->name, &dq->name)))
		q = q->next;
	if (w && !q && rf->n_questions + r->n_questions < QUESTIONS_ALL &&
	    (q = calloc(1, sizeof(*q)))) {
		r->n_questions++;
		rf->n_questions++;
		*q = (struct question){.next = *bucket,
				       .rf = rf,
				       .name = dq->name,
				       .type = dq->type,
				       .refused = refused};
		*bucket = q;
		if (upstream_ask(rf->upstream, &q->name, q->type, q) < 0) {
			question_leave(q);
			question_free(q);
			q = NULL;
		}
	}
	if (!w || !q || q->n_waiters == WAITERS_MAX) {
		reply_error(rf, c, dq, DNS_SERVFAIL, DNS_EDE_OTHER,
			    rf->c.n_servers
				? "agentfw: too many questions at once"
				: "agentfw: no DNS server: set dns.servers or dns.hosts");
		free(w);
		return;
	}
	w->next = q->waiters;
	q->waiters = w;
	q->n_waiters++;
	rf->n_waiters++;
}

/* Pins are answered from the policy alone. false: the name has none. */
static bool answer_pin(struct resolver_fence *rf, const struct dns_client *c,
		       const struct dns_query *q)
{
	struct addr pins[64];
	size_t n = policy_pin(rf->c.policy, &q->name, pins, 64);
	static struct dns_result res;
	uint8_t family = q->type == DNS_TYPE_A ? 4 : q->type == DNS_TYPE_AAAA ? 6 : 0;

	if (!n)
		return false;
	memset(&res, 0, sizeof(res));
	res.ttl_s = PIN_TTL_S;
	res.until_ms = loop_now_ms(rf->r->loop) + PIN_TTL_S * 1000;
	for (size_t i = 0; i < n && i < 64; i++)
		if (pins[i].family == family)
			res.addrs[res.n_addrs++] = pins[i];
	learn(rf, &q->name, &res);
	reply_answer(rf, c, q, &res);
	return true;
}

/* localhost and what is below it never leaves a resolver (RFC 6761 §6.3). */
static bool answer_localhost(struct resolver_fence *rf, const struct dns_client *c,
			     const struct dns_query *q)
{
	static const struct name local = {9, "localhost"};
	static struct dns_result res;

	if (!name_equal(&q->name, &local) && !name_below(&q->name, &local))
		return false;
	memset(&res, 0, sizeof(res));
	res.ttl_s = PIN_TTL_S;
	res.until_ms = loop_now_ms(rf->r->loop) + PIN_TTL_S * 1000;
	if (q->type == DNS_TYPE_A)
		res.addrs[res.n_addrs++] = (struct addr){4, {127, 0, 0, 1}};
	else if (q->type == DNS_TYPE_AAAA)
		res.addrs[res.n_addrs++] = (struct addr){6, {[15] = 1}};
	reply_answer(rf, c, q, &res);
	return true;
}

/* A reverse name is answered here, with "there is none": what its labels say goes nowhere, and
 * programs that ask for one (ssh, psql) do so for every connection and are content. */
static bool is_reverse(const struct name *n)
{
	static const struct name v4 = {12, "in-addr.arpa"}, v6 = {8, "ip6.arpa"};
	unsigned labels = name_labels(n);

	return (name_below(n, &v4) && labels <= 6) || (name_below(n, &v6) && labels <= 34);
}

static void answer_allowed(struct resolver_fence *rf, const struct dns_client *c,
			   const struct dns_query *q, bool refused)
{
	uint64_t now = loop_now_ms(rf->r->loop);
	struct dns_result *res;

	if (!refused && answer_pin(rf, c, q))
		return;
	if (q->type != DNS_TYPE_A && q->type != DNS_TYPE_AAAA && q->type != DNS_TYPE_HTTPS &&
	    q->type != DNS_TYPE_SVCB) {
		reply_error(rf, c, q, DNS_NOERROR, -1, NULL);
		return;
	}
	res = dns_cache_get(rf->cache, &q->name, q->type, now);
	if (res) {
		/* The pairs outlive the TTL of what they were learned from. */
		if (res->learned != rf->r->ops.forgotten(rf->r->arg, rf))
			learn(rf, &q->name, res);
		reply_answer(rf, c, q, res);
		return;
	}
	ask(rf, c, q, refused);
}

static void refuse_name(struct resolver_fence *rf, const struct dns_client *c,
			const struct dns_query *q, const struct match *why)
{
	const char *name = q->name.len ? q->name.s : q->shown;
	bool rule = why->verdict == VERDICT_DENY;
	uint32_t go = deny(rf, c, rule ? DENIED_BY_RULE : DENIED_DNS_NAME, name, q->type, why->rule,
			   NULL, NULL);
	char text[200];

	if (rf->c.audit && q->name.len) {
		answer_allowed(rf, c, q, true);
		return;
	}
	snprintf(text, sizeof(text), "agentfw: %s %.120s",
		 rule ? "a deny rule forbids" : "no rule allows", name);
	reply_refused(rf, c, q, DNS_REFUSED, DNS_EDE_BLOCKED, text, go);
}

static bool on_query(void *arg, const struct dns_client *c, const uint8_t *msg, size_t n)
{
	static struct dns_query q;
	struct resolver_fence *rf = arg;
	struct opening o;
	struct match why;
	int rcode = DNS_FORMERR;

	/* The rules see to it where the kernel can (fw/nft/flow.c): the answer would go to somebody
	 * else. */
	if (c->addr.family == 6 && !addr_is_loopback(&c->addr) &&
	    !rf->r->ops.is_local(rf->r->arg, &c->addr)) {
		deny(rf, c, DENIED_SOURCE, "", 0, RULE_NONE, NULL, NULL);
		return false;
	}
	switch (dns_query_parse(msg, n, &q, &rcode)) {
	case WIRE_OK:
		break;
	case WIRE_BAD:
		deny(rf, c, DENIED_DNS_MALFORMED, q.shown, q.type, RULE_NONE, NULL, NULL);
		reply_error(rf, c, &q, rcode, -1, NULL);
		return true;
	case WIRE_MORE:
	case WIRE_TRUNCATED:
		deny(rf, c, DENIED_DNS_MALFORMED, "", 0, RULE_NONE, NULL, NULL);
		return false;
	}
	if (q.name.len && answer_localhost(rf, c, &q))
		return true;
	if (q.name.len && q.type == DNS_TYPE_PTR && is_reverse(&q.name)) {
		reply_error(rf, c, &q, DNS_NXDOMAIN, -1, NULL);
		return true;
	}
	if (q.name.len && policy_name_openings(rf->c.policy, &q.name, &o, 1, &why))
		answer_allowed(rf, c, &q, false);
	else
		refuse_name(rf, c, &q,
			    q.name.len ? &why : &(struct match){VERDICT_NONE, RULE_NONE});
	return true;
}

/* ---- life
 * ---------------------------------------------------------------------------------------- */

int resolver_new(struct loop *loop, const struct resolver_ops *ops, void *arg,
		 struct resolver **ret)
{
	struct resolver *r = calloc(1, sizeof(*r));
	struct rlimit files;

	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->ops = *ops;
	r->arg = arg;
	r->held_timer = (struct timer){.fn = held_timer, .arg = r};
	r->share.max = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > 2 * FILES_RESERVED
			   ? files.rlim_cur - FILES_RESERVED
			   : FILES_RESERVED / 2;
	*ret = r;
	return 0;
}

void resolver_free(struct resolver *r)
{
	if (r)
		timer_cancel(r->loop, &r->held_timer);
	free(r);
}

int resolver_fence_add(struct resolver *r, const struct resolver_fence_config *c,
		       struct resolver_fence **ret)
{
	static const struct upstream_ops ops = {
	    .want_socket = on_want_socket, .answer = on_answer, .spoofed = on_spoofed};
	struct resolver_fence *rf = calloc(1, sizeof(*rf));
	int e;

	if (!rf)
		return -ENOMEM;
	rf->r = r;
	rf->c = *c;
	rf->answered_end = &rf->answered;
	rf->answered_timer = (struct timer){.fn = on_answered, .arg = rf, .budget = c->budget};
	if ((e = dns_server_new(r->loop, c->udp4, c->tcp4, c->udp6, c->tcp6, on_query, rf,
				c->budget, &rf->server)) < 0 ||
	    (e = upstream_new(r->loop, c->n_servers, &ops, rf, &r->share, c->budget,
			      &rf->upstream)) < 0 ||
	    (e = dns_cache_new(&rf->cache)) < 0) {
		resolver_fence_del(rf);
		return e;
	}
	*ret = rf;
	return 0;
}

void resolver_fence_del(struct resolver_fence *rf)
{
	for (size_t i = 0; i < HELD_MAX; i++)
		if (rf->r->held[i].go && rf->r->held[i].rf == rf) {
			rf->r->held[i].go = 0;
			rf->r->n_held--;
		}
	for (size_t i = 0; i < QUESTION_BUCKETS; i++)
		while (rf->questions[i]) {
			struct question *q = rf->questions[i];

			question_leave(q);
			question_free(q);
		}
	while (rf->answered) {
		struct question *q = rf->answered;

		rf->answered = q->next;
		question_free(q);
	}
	timer_cancel(rf->r->loop, &rf->answered_timer);
	upstream_free(rf->upstream);
	dns_server_free(rf->server);
	dns_cache_free(rf->cache);
	free(rf);
}

void *resolver_fence_arg(struct resolver_fence *rf)
{
	return rf->c.fence_arg;
}

void resolver_socket(struct resolver_fence *rf, unsigned server, int type, int fd)
{
	upstream_socket(rf->upstream, server, type, fd);
}
