// SPDX-License-Identifier: GPL-2.0-or-later
/* Refusals: the event, and the verdict, which may wait until the parent has seen who sent the
 * packet. */
#include "fw/engine/refuse.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fw/engine/engine.h"
#include "policy/base/clock.h"

#define SNAPLEN_LIMIT 65535

size_t passage_captured(const struct passage *w, const uint8_t **ret)
{
	static uint8_t copy[SNAPLEN_LIMIT];
	size_t n = w->p->n, snaplen = policy_snaplen(w->fence->policy);

	*ret = w->p->bytes;
	if (w->p->checksum_pending && w->parsed && !w->unseen && n <= sizeof(copy)) {
		struct packet pk = w->pk;

		memcpy(copy, w->p->bytes, n);
		pk.ip.p = copy;
		packet_checksums_fix(&pk, copy);
		*ret = copy;
	}
	return n < snaplen ? n : snaplen;
}

/* The chain that queued the packet takes the verdict off its mark: see fw/nft/verdict.c. */
void verdict_out(struct fence *f, uint32_t id, uint32_t was, uint32_t answer)
{
	nfq_verdict(f->nfq, id, (was & ~PKT_VERDICT_MASK) | answer, true);
}

void verdict_in(struct fence *f, uint32_t id, uint32_t was, uint32_t answer)
{
	nfq_verdict(f->nfq, id, (was & ~PKT_VERDICT_MASK) | answer, false);
}

void passage_answer(const struct passage *w, uint32_t answer)
{
	verdict_out(w->fence, w->p->id, w->p->mark, answer);
}

static void refuse_fill(const struct fence *f, const struct facts *facts, const struct decision *d,
			struct denial *ret)
{
	char endpoint[ENDPOINT_STRLEN];

	*ret = (struct denial){.time_ns = clock_wall_ns(),
			       .fence = f->id,
			       .code = (uint16_t)d->code,
			       .would = f->audit,
			       .l4proto = facts->l4proto,
			       .dst = facts->dst,
			       .dport = facts->port,
			       .uid = UINT32_MAX,
			       .rule = d->rule};
	decide_endpoint(facts, d, endpoint);
	snprintf(ret->endpoint, sizeof(ret->endpoint), "%.299s", endpoint);
	if (d->name.len)
		memcpy(ret->name, d->name.s, (size_t)d->name.len + 1);
}

static void tell(struct fence *f, struct ring_denial *rd, const uint8_t *bytes)
{
	engine_tell(f, rd, bytes);
	rd->denial.more = 1;
	rd->denial.go = 0;
}

static void tell_held(struct fence *f, struct ring_denial *rd, const struct flow *flow)
{
	f->lost += flow->untold;
	rd->denial.src = flow->key.src;
	rd->denial.sport = flow->key.sport;
	for (size_t i = 0; i < flow->n_held; i++) {
		rd->packet_bytes = flow->held[i].wire_bytes;
		rd->cap_bytes = flow->held[i].cap_bytes;
		tell(f, rd, flow->held[i].bytes);
	}
}

void refuse_without_verdict(struct flow *flow, enum denial_code code)
{
	struct fence *f = flow->owner;
	const struct facts facts = {.policy = f->policy,
				    .names = f->names,
				    .l4proto = IPPROTO_TCP,
				    .dst = flow->key.dst,
				    .port = flow->key.dport};
	const struct decision d = {.code = code, .rule = RULE_NONE, .scheme = SCHEME_TCP};
	struct ring_denial rd = {0};

	refuse_fill(f, &facts, &d, &rd.denial);
	tell_held(f, &rd, flow);
}

/* What give_verdict needs. */
struct refused {
	uint32_t id[FLOW_HELD_MAX + 1], mark[FLOW_HELD_MAX + 1];
	size_t n;
	bool inbound;
};

static void give_verdict(void *owner, const void *what)
{
	struct fence *f = owner;
	const struct refused *r = what;

	for (size_t i = 0; i < r->n; i++)
		(r->inbound ? verdict_in : verdict_out)(f, r->id[i], r->mark[i],
							f->audit ? PKT_ALLOW_FLOW : PKT_DENY);
}

/* Flushes: no batch of packets ends after a verdict that waited. */
static void give_late(void *owner, const void *what)
{
	struct fence *f = owner;

	give_verdict(owner, what);
	nfq_flush(f->nfq);
}

void refuse(struct fence *f, const struct facts *facts, const struct decision *d, struct flow *flow,
	    const struct passage *w)
{
	struct ring_denial rd = {0};
	struct refused r = {.inbound = w && w->p->inbound};
	struct verdict_wait *waits = f->engine->waits;
	const uint8_t *bytes;
	uint32_t ticket;

	refuse_fill(f, facts, d, &rd.denial);
	if (w) {
		rd.denial.src = w->facts.src;
		rd.denial.sport = w->pk.sport;
		rd.denial.uid = w->p->uid;
		rd.denial.icmp_type = w->pk.icmp_type;
		rd.denial.icmp_code = w->pk.icmp_code;
		rd.denial.inbound = w->p->inbound && passage_asks(w) != PKT_ASK_OWN;
	}
	ticket = f->audit ? 0 : verdict_wait_ticket(waits, VERDICT_PACKETS);
	rd.denial.go = ticket;
	if (flow)
		tell_held(f, &rd, flow);
	for (size_t i = 0; flow && i < flow->n_held; i++) {
		if (flow->held[i].gone)
			continue;
		r.mark[r.n] = flow->held[i].mark;
		r.id[r.n++] = flow->held[i].id;
	}
	if (w) {
		rd.cap_bytes = (uint32_t)passage_captured(w, &bytes);
		rd.packet_bytes = (uint32_t)w->p->wire_bytes;
		tell(f, &rd, bytes);
		r.mark[r.n] = w->p->mark;
		r.id[r.n++] = w->p->id;
	}
	if (!verdict_wait_add(waits, VERDICT_PACKETS, ticket, f, give_late, &r, sizeof(r)))
		give_verdict(f, &r);
	if (flow)
		flow_over(f->flows, flow, f->audit ? FLOW_PASSED : FLOW_REFUSED);
}

void refuse_passage(struct passage *w, struct flow *flow, enum denial_code code)
{
	w->decision.what = DECIDED_DENY;
	w->decision.code = code;
	refuse(w->fence, &w->facts, &w->decision, flow, w);
}
