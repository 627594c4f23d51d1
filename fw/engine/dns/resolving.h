/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the resolver share: the resolver, its part of one fence, and a question with
 * those that wait for its answer. resolver.c takes queries and says which may be answered,
 * question.c asks upstream, answer.c looks at what comes back and replies. */
#ifndef AGENTFW_RESOLVING_H
#define AGENTFW_RESOLVING_H

#include "fw/engine/dns/cache.h"
#include "fw/engine/dns/resolver.h"
#include "fw/engine/dns/server.h"
#include "fw/engine/dns/upstream.h"
#include "fw/ipc/budget.h"

#define QUESTION_BUCKETS 1024

struct resolver {
	struct loop *loop;
	struct resolver_ops ops;
	void *arg;
	struct verdict_wait *waits;
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

/* ---- question.c ---------------------------------------------------------- */

/* Asks upstream, or waits with those that have asked already; else replies that it cannot. */
void question_ask(struct resolver_fence *rf, const struct dns_client *c, const struct dns_query *dq,
		  bool refused);
/* One of those that wait; NULL: nobody does. */
const struct dns_client *question_client(const struct question *q);
/* The callbacks of struct upstream_ops; question is a struct question. */
void question_on_answer(void *rf, void *question, const struct dns_answer *a);
void question_on_time(struct timer *t); /* more of those that wait get their replies */
/* The fence goes: nobody gets a reply any more. */
void questions_drop(struct resolver_fence *rf);

/* ---- answer.c ------------------------------------------------------------ */

/* Takes what may be taken of an answer (the guard against rebinding), and has it learned. */
void answer_take(struct resolver_fence *rf, const struct question *q, const struct dns_answer *a,
		 struct outcome *o, uint64_t now);
void answer_learn(struct resolver_fence *rf, const struct name *name, struct dns_result *res);
void answer_result(struct resolver_fence *rf, const struct dns_client *c, const struct dns_query *q,
		   const struct dns_result *res);
/* ede: an extended error (RFC 8914) with its text, or -1. */
void answer_error(struct resolver_fence *rf, const struct dns_client *c, const struct dns_query *q,
		  int rcode, int ede, const char *text);
/* The same for a refusal, which waits for its ticket where that is not 0. */
void answer_refused(struct resolver_fence *rf, const struct dns_client *c,
		    const struct dns_query *q, int rcode, int ede, const char *text,
		    uint32_t ticket);
void answer_rebound(struct resolver_fence *rf, const struct dns_client *c,
		    const struct dns_query *dq, const struct question *q, const struct addr *bad);
/* An event. c, bad, detail: NULL where there is none. Returns the ticket of its verdict, or 0. */
uint32_t answer_tell(struct resolver_fence *rf, const struct dns_client *c, enum denial_code code,
		     const char *name, uint16_t type, uint32_t rule, const struct addr *bad,
		     const char *detail);

#endif
