/* Refusals: the event, and the verdict, which may wait until it was seen who sent the packet. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fw/engine/passage.h"
#include "policy/base/clock.h"

#define SNAPLEN_LIMIT 65535

/* The packet as the capture shall have it: checksums complete, cut. Stays until the next call. */
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

/* was: the mark that the packet came with. On the way out the chain that it was queued in takes the
 * verdict off it again: see fw/nft/verdict.c. */
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

static void fill(const struct fence *f, const struct facts *facts, const struct decision *d,
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

uint32_t road_next_go(struct engine *e)
{
	if (e->n_pending == PENDING_MAX)
		return 0;
	if (++e->last_go == 0)
		e->last_go = 1;
	return e->last_go;
}

static void give_up_waiting(struct engine *e, struct pending *p)
{
	for (size_t i = 0; i < p->n; i++)
		(p->inbound ? verdict_in : verdict_out)(p->fence, p->id[i], p->mark[i], PKT_DENY);
	nfq_flush(p->fence->nfq);
	p->go = 0;
	e->n_pending--;
}

void road_go(struct engine *e, uint32_t go)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (e->pending[i].go == go && go) {
			give_up_waiting(e, &e->pending[i]);
			return;
		}
	resolver_go(e->resolver, go);
}

void road_pending_timer(struct timer *t)
{
	struct engine *e = t->arg;
	uint64_t now = loop_now_ms(e->loop), next = 0;

	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &e->pending[i];

		if (p->go && p->deadline_ms <= now)
			give_up_waiting(e, p);
		else if (p->go && (!next || p->deadline_ms < next))
			next = p->deadline_ms;
	}
	if (next)
		timer_set(e->loop, t, next);
}

void road_forget(const struct fence *f)
{
	struct engine *e = f->engine;

	for (size_t i = 0; i < PENDING_MAX; i++)
		if (e->pending[i].go && e->pending[i].fence == f) {
			e->pending[i].go = 0;
			e->n_pending--;
		}
}

/* The packets get their refusal when the parent has seen who sent them, or after GO_WAIT_MS. */
static void wait_for_go(struct fence *f, uint32_t go, const uint32_t *id, const uint32_t *mark,
			size_t n, bool inbound)
{
	struct engine *e = f->engine;
	struct pending *p = e->pending;

	while (p->go)
		p++;
	p->go = go;
	p->fence = f;
	p->n = n;
	p->inbound = inbound;
	memcpy(p->id, id, n * sizeof(*id));
	memcpy(p->mark, mark, n * sizeof(*mark));
	p->deadline_ms = loop_now_ms(e->loop) + GO_WAIT_MS;
	if (e->n_pending++ == 0)
		timer_set(e->loop, &e->pending_timer, p->deadline_ms);
}

void refuse(struct fence *f, const struct facts *facts, const struct decision *d, struct flow *flow,
	    const struct passage *w)
{
	struct ring_denial rd = {0};
	uint32_t id[FLOW_HELD_MAX + 1], mark[FLOW_HELD_MAX + 1], go;
	const uint8_t *bytes;
	size_t n = 0;

	fill(f, facts, d, &rd.denial);
	if (flow) {
		rd.denial.src = flow->key.src;
		rd.denial.sport = flow->key.sport;
	}
	if (w) {
		rd.denial.src = w->facts.src;
		rd.denial.sport = w->pk.sport;
		rd.denial.uid = w->p->uid;
		rd.denial.icmp_type = w->pk.icmp_type;
		rd.denial.icmp_code = w->pk.icmp_code;
		rd.denial.inbound = w->p->inbound && passage_asks(w) != PKT_ASK_OWN;
	}
	go = f->audit ? 0 : road_next_go(f->engine);
	rd.denial.go = go;
	for (size_t i = 0; flow && i < flow->n_held; i++) {
		rd.packet_bytes = flow->held[i].wire_bytes;
		rd.cap_bytes = flow->held[i].cap_bytes;
		tell(f, &rd, flow->held[i].bytes);
		if (flow->held[i].gone)
			continue;
		mark[n] = flow->held[i].mark;
		id[n++] = flow->held[i].id;
	}
	if (w) {
		rd.cap_bytes = (uint32_t)passage_captured(w, &bytes);
		rd.packet_bytes = (uint32_t)w->p->wire_bytes;
		tell(f, &rd, bytes);
		mark[n] = w->p->mark;
		id[n++] = w->p->id;
	}
	if (go)
		wait_for_go(f, go, id, mark, n, w && w->p->inbound);
	for (size_t i = 0; !go && i < n; i++)
		(w && w->p->inbound ? verdict_in : verdict_out)(
		    f, id[i], mark[i], f->audit ? PKT_ALLOW_FLOW : PKT_DENY);
	if (flow)
		flow_over(f->flows, flow, f->audit ? FLOW_PASSED : FLOW_REFUSED);
}

void refuse_passage(struct passage *w, struct flow *flow, enum denial_code code)
{
	w->decision.what = DECIDED_DENY;
	w->decision.code = code;
	refuse(w->fence, &w->facts, &w->decision, flow, w);
}
