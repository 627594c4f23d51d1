// SPDX-License-Identifier: GPL-2.0-or-later
/* Questions under way, each asked once for all its clients. */
#include <stdlib.h>
#include <string.h>

#include "fw/engine/dns/resolving.h"
#include "fw/engine/hash.h"

#define FAILURE_TTL_S 5     /* RFC 2308 §7: at most five minutes */
#define WAITERS_MAX   1024  /* clients that wait for one question */
#define WAITERS_ALL   32768 /* per fence: ten thousand look-ups of both kinds, and room */
#define QUESTIONS_ALL 65536 /* of all fences; no fence gets more than it leaves to the others */
#define QUESTION_MAX  300   /* bytes: a name, type and class */

/* A client's query that waits for an answer: what a reply needs of it. */
struct waiter {
	struct waiter *next;
	struct dns_client client;
	uint16_t id, type, edns_udp;
	bool rd, cd, edns;
	uint16_t question_n;
	uint8_t question[];
};

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

/* Out of its bucket: the next client's query is a new question. */
static void question_leave(struct question *q)
{
	struct question **at = question_bucket(q->rf, &q->name, q->type);

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	q->next = NULL;
}

const struct dns_client *question_client(const struct question *q)
{
	return q->waiters ? &q->waiters->client : NULL;
}

void questions_drop(struct resolver_fence *rf)
{
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
}

/* ---- asking -------------------------------------------------------------- */

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

void question_ask(struct resolver_fence *rf, const struct dns_client *c, const struct dns_query *dq,
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
		answer_error(rf, c, dq, DNS_SERVFAIL, DNS_EDE_OTHER,
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

/* ---- the answer ---------------------------------------------------------- */

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
		answer_result(rf, &w->client, &dq, &o->res);
		break;
	case OUTCOME_FAILED:
		answer_error(rf, &w->client, &dq, DNS_SERVFAIL, o->ede,
			     "agentfw: no name server answered");
		break;
	case OUTCOME_REBOUND:
		answer_rebound(rf, &w->client, &dq, q, &o->bad);
		break;
	}
}

/* Replies to the waiting clients as far as the budget goes, or to all. false: some still wait. */
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

void question_on_time(struct timer *t)
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

/* The replies may take several turns: a thousand clients may wait for an answer of a hundred
 * addresses. */
static void question_answered(struct question *q, const struct outcome *o)
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

/* Clients ask again at once when they get SERVFAIL, and must not wait for the same servers
 * again. */
static void remember_failure(struct resolver_fence *rf, const struct question *q, uint64_t now)
{
	static struct dns_result res;

	memset(&res, 0, sizeof(res));
	res.rcode = DNS_SERVFAIL;
	res.ttl_s = FAILURE_TTL_S;
	res.until_ms = now + FAILURE_TTL_S * 1000;
	dns_cache_put(rf->cache, &q->name, q->type, &res);
}

void question_on_answer(void *arg, void *question, const struct dns_answer *a)
{
	struct resolver_fence *rf = arg;
	struct question *q = question;
	static struct outcome o;
	uint64_t now = loop_now_ms(rf->r->loop);

	memset(&o, 0, sizeof(o));
	if (a && (a->rcode == DNS_NOERROR || a->rcode == DNS_NXDOMAIN)) {
		answer_take(rf, q, a, &o, now);
	} else {
		o.what = OUTCOME_FAILED;
		o.ede = a ? DNS_EDE_NETWORK_ERROR : DNS_EDE_NO_REACHABLE_AUTHORITY;
		remember_failure(rf, q, now);
	}
	question_answered(q, &o);
}
