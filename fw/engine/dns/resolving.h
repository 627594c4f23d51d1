/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the resolver's files share: the resolver, its part per fence, and a question with the
 * clients that wait for its answer. resolver.c takes queries and decides which are answered,
 * question.c asks upstream, answer.c checks the answers and replies. */
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
	size_t n_waiters; /* of all questions */
	struct question *answered, **answered_end;
	struct timer answered_timer;
};

/* A question's outcome, for all its waiting clients. */
struct outcome {
	enum { OUTCOME_ANSWER, OUTCOME_FAILED, OUTCOME_REBOUND } what;
	int ede;         /* OUTCOME_FAILED */
	struct addr bad; /* OUTCOME_REBOUND */
	struct dns_result res;
};

/* A question that was asked upstream, once for all its clients. */
struct question {
	struct question *next; /* in its bucket, or in `answered` */
	struct resolver_fence *rf;
	struct name name;
	uint16_t type;
	struct waiter *waiters;
	size_t n_waiters;
	bool refused;            /* audit mode: no rule allows it */
	struct outcome *outcome; /* while some clients still wait for their reply */
};

/* ---- question.c ---------------------------------------------------------- */

/* Asks upstream, or joins a question under way; replies with an error if neither is possible. */
void question_ask(struct resolver_fence *rf, const struct dns_client *c, const struct dns_query *dq,
		  bool refused);
/* One of its waiting clients; NULL: none waits. */
const struct dns_client *question_client(const struct question *q);
/* The callbacks of struct upstream_ops; question is a struct question. */
void question_on_answer(void *rf, void *question, const struct dns_answer *a);
void question_on_time(struct timer *t); /* more waiting clients get their replies */
/* The fence ends: no client gets a reply. */
void questions_drop(struct resolver_fence *rf);

/* ---- answer.c ------------------------------------------------------------ */

/* Takes what the guard against rebinding allows of an answer, and has it learned. */
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
