// SPDX-License-Identifier: GPL-2.0-or-later
/* Flows whose first payload or whole stream is inspected: to which flow a packet belongs, which
 * packets are held, and which go on. */
#include "fw/engine/held.h"

#include <netinet/in.h>

#include "fw/engine/ask.h"
#include "fw/engine/inspect.h"
#include "fw/engine/refuse.h"
#include "fw/ipc/holes.h"

#define HOLD_MS      10000 /* a first payload that is still incomplete is refused */
#define HOLD_ALL_MS  20    /* after this, held packets are given back: see give_back */
#define HOLD_LAST_MS 6000  /* before the end: TCP sends again at 0.2, 0.6, 1.4, 3.0 and 6.2 s */
#define TTL_MIN      8     /* with less, a payload may reach us and not the server */

static void refuse_held(struct flow *flow, enum denial_code code)
{
	struct fence *f = flow->owner;
	struct facts facts = {.policy = f->policy,
			      .names = f->names,
			      .l4proto = IPPROTO_TCP,
			      .dst = flow->key.dst,
			      .port = flow->key.dport};
	struct decision d = {.code = code, .rule = RULE_NONE, .scheme = SCHEME_TCP};

	refuse(f, &facts, &d, flow, NULL);
	nfq_flush(f->nfq);
}

/* The sender's TCP limits its bytes that have not reached the device, and held packets count: the
 * rest of the request would never be sent. So packets that wait for long are dropped, and their
 * bytes kept. TCP goes on at once, and when all is allowed it sends again what the other end
 * misses. Towards the end the last packet is held, so that there is one to refuse. */
static void give_back(struct flow *flow, uint64_t now_ms)
{
	struct fence *f = flow->owner;
	size_t keep = now_ms + HOLD_LAST_MS >= flow->hold_until_ms;

	for (size_t i = 0; i + keep < flow->n_held; i++)
		if (!flow->held[i].gone) {
			nfq_drop(f->nfq, flow->held[i].id);
			flow->held[i].gone = true;
		}
	flow->waits_long = true;
	nfq_flush(f->nfq);
}

static void hold_timer(struct timer *t)
{
	struct flow *flow = t->arg;
	struct loop *loop = ((struct fence *)flow->owner)->engine->loop;
	uint64_t now = loop_now_ms(loop);

	if (flow->hold_until_ms <= now) {
		refuse_held(flow, DENIED_SILENCE);
		return;
	}
	give_back(flow, now);
	timer_set(loop, t, flow->hold_until_ms);
}

/* The packets that it holds are refused, with an event. */
void held_flow_gone(struct flow *flow)
{
	struct fence *f = flow->owner;

	if (flow->n_held)
		refuse_without_verdict(flow, DENIED_SILENCE);
	for (size_t i = 0; i < flow->n_held; i++)
		if (!flow->held[i].gone)
			verdict_out(f, flow->held[i].id, flow->held[i].mark, PKT_DENY);
}

void held_refuse_all(struct fence *f)
{
	flows_free(f->flows);
	f->flows = NULL;
}

/* ---- whose packet it is ---------------------------------------------------------------------- */

static uint32_t first_byte(const struct passage *w)
{
	return w->pk.seq + !!(w->pk.tcp_flags & TCP_SYN);
}

/* The conntrack mark may be lost: rules of the host may overwrite it, and the table of connections
 * may be flushed. The sender's socket still knows, if it exists. */
static enum place asked_socket(const struct passage *w)
{
	int r = ask_at_beginning(&w->facts.src, w->pk.sport, &w->facts.dst, w->pk.dport);

	return r < 0 ? PLACE_UNKNOWN : r ? PLACE_FIRST : PLACE_LATER;
}

static enum place place(struct passage *w)
{
	if (passage_asks(w) == PKT_ASK_FIRST || w->pk.tcp_flags & TCP_SYN)
		return PLACE_FIRST;
	if (passage_asks(w) == PKT_ASK_AGAIN)
		return PLACE_LATER;
	if (!w->place)
		w->place = asked_socket(w);
	return w->place;
}

static void release(struct passage *w, struct flow *flow, uint32_t what)
{
	for (size_t i = 0; i < flow->n_held; i++)
		if (!flow->held[i].gone)
			verdict_out(w->fence, flow->held[i].id, flow->held[i].mark, what);
	flow->waits_long = false;
	flow_release(flow);
	timer_cancel(w->engine->loop, &flow->timer);
	passage_answer(w, what);
}

static void hold(struct passage *w, struct flow *flow)
{
	const uint8_t *bytes;
	size_t cap = passage_captured(w, &bytes);
	uint64_t now;

	if (!flow_hold(flow, w->p->id, w->p->mark, bytes, w->p->wire_bytes, cap)) {
		refuse_passage(w, flow, DENIED_TOO_LARGE);
		return;
	}
	now = loop_now_ms(w->engine->loop);
	if (flow->waits_long)
		give_back(flow, now);
	if (!flow->timer.slot) {
		flow->timer.fn = hold_timer;
		flow->timer.arg = flow;
		flow->hold_until_ms = now + HOLD_MS;
		timer_set(w->engine->loop, &flow->timer, now + HOLD_ALL_MS);
	}
}

static void let_pass(struct passage *w, struct flow *flow, uint32_t what)
{
	w->fence->allowed += !flow->verified;
	release(w, flow, what);
	flow_over(w->fence->flows, flow, what == PKT_ALLOW_OWN ? FLOW_OWN : FLOW_PASSED);
}

/* Packets were lost between the sender and the engine. If an earlier one of this flow was, TCP
 * sends it again, and it must not pass uninspected. So the kernel gets the flow only when the peer
 * has acknowledged what was verified, and with it all before. */
static void let_pass_watched(struct passage *w, struct flow *flow)
{
	w->fence->allowed += !flow->verified;
	flow->verified = true;
	flow->state = FLOW_WATCHED;
	flow_consume(flow, flow->n);
	release(w, flow, PKT_ALLOW_INSPECT);
}

static void held_watch(struct passage *w, struct flow *flow)
{
	flow_went_on(flow, first_byte(w), w->pk.payload.n + w->unseen);
	if (asked_socket(w) != PLACE_LATER) {
		passage_answer(w, PKT_ALLOW_INSPECT);
		return;
	}
	passage_answer(w, PKT_ALLOW_FLOW);
	flow_over(w->fence->flows, flow, FLOW_PASSED);
}

static void look(struct passage *w, struct flow *flow)
{
	enum inspected r = inspect(flow, &w->facts, &w->decision);

	if (w->unseen && r != INSPECT_DENY &&
	    !(r == INSPECT_PASS && inspect_unseen(flow, w->unseen))) {
		refuse_passage(w, flow, DENIED_CUT);
		return;
	}
	switch (r) {
	case INSPECT_HOLD:
		hold(w, flow);
		break;
	case INSPECT_VERIFIED:
		if (w->fence->lossy && !w->facts.stays)
			let_pass_watched(w, flow);
		else
			let_pass(w, flow, PKT_ALLOW_FLOW);
		break;
	case INSPECT_PASS:
		w->fence->allowed += !flow->verified;
		flow->verified = true;
		release(w, flow, PKT_ALLOW_INSPECT);
		break;
	case INSPECT_DENY:
		decide_own(&w->facts, &w->decision);
		if (w->decision.what == DECIDED_OWN)
			let_pass(w, flow, PKT_ALLOW_OWN);
		else
			refuse(w->fence, &w->facts, &w->decision, flow, w);
		break;
	}
}

static struct flow *find(const struct passage *w)
{
	const struct flow_key key = {.src = w->facts.src,
				     .dst = w->facts.dst,
				     .sport = w->pk.sport,
				     .dport = w->pk.dport,
				     .stays = w->p->mark & PKT_STAYS};

	return flow_find(w->fence->flows, &key);
}

/* The ports, the conntrack entry and the place in the stream must all agree. While a flow is
 * incomplete, or got its verdict while this packet was in the queue, every packet acknowledges the
 * same byte. */
static bool is_of(struct passage *w, struct flow *flow)
{
	bool has_ack = w->pk.tcp_flags & TCP_ACK;

	if (!flow->verified && !flow_is_over(flow))
		return flow_continues(flow, first_byte(w), has_ack, w->pk.ack);
	switch (place(w)) {
	case PLACE_FIRST:
		return !hole("burst") && flow_began_so(flow, first_byte(w), has_ack, w->pk.ack);
	case PLACE_LATER:
		return flow_near(flow, first_byte(w));
	case PLACE_UNKNOWN:
		break;
	}
	return false;
}

/* The packet's flow, perhaps a new one. NULL: the packet was refused. A flow never begins in the
 * middle of a connection: a packet from the middle of an unknown connection is refused. */
static struct flow *flow_of(struct passage *w)
{
	struct flow *flow = find(w);

	if (flow && is_of(w, flow))
		return flow;
	if (place(w) != PLACE_FIRST) {
		refuse_passage(w, flow, DENIED_STALE);
		return NULL;
	}
	if (flow && flow->n_held)
		refuse_held(flow,
			    DENIED_SILENCE); /* that connection ended with an incomplete request */
	if (flow)
		flow_drop(w->fence->flows, flow);
	flow = flow_new(w->fence->flows,
			&(struct flow_key){.src = w->facts.src,
					   .dst = w->facts.dst,
					   .sport = w->pk.sport,
					   .dport = w->pk.dport,
					   .stays = w->p->mark & PKT_STAYS},
			first_byte(w), w->fence);
	if (!flow)
		refuse_passage(w, NULL, DENIED_TOO_LARGE);
	else
		flow_continues(flow, first_byte(w), w->pk.tcp_flags & TCP_ACK, w->pk.ack);
	return flow;
}

/* All of the segment's bytes are known already. */
static bool all_known(const struct passage *w, const struct flow *flow)
{
	uint32_t end = first_byte(w) + (uint32_t)(w->pk.payload.n + w->unseen);

	return (int32_t)(end - flow->next_seq) <= 0;
}

/* All of the segment's bytes were allowed: none is of an incomplete request. */
static bool all_judged(const struct passage *w, const struct flow *flow)
{
	uint32_t end = first_byte(w) + (uint32_t)(w->pk.payload.n + w->unseen);

	return (int32_t)(end - (flow->next_seq - (uint32_t)flow->n)) <= 0;
}

static void take_segment(struct passage *w, struct flow *flow)
{
	switch (flow_segment(flow, first_byte(w), w->pk.payload)) {
	case FLOW_MORE:
		look(w, flow);
		break;
	case FLOW_SAME: /* sent again, or ahead of its turn */
		if (w->unseen && !all_known(w, flow))
			refuse_passage(w, flow, DENIED_CUT);
		else if (flow->verified && all_judged(w, flow))
			passage_answer(w, PKT_ALLOW_INSPECT);
		else
			hold(w, flow);
		break;
	case FLOW_CONFLICT:
		refuse_passage(w, flow, DENIED_OVERLAP);
		break;
	case FLOW_OVER_LIMIT:
		refuse_passage(w, flow, DENIED_TOO_LARGE);
		break;
	}
}

/* An earlier packet was lost on its way here, and a later one was taken for the beginning. */
static bool before_beginning(const struct passage *w, const struct flow *flow)
{
	return (int32_t)(first_byte(w) - flow->first_seq) < 0;
}

void held_payload(struct passage *w)
{
	struct flow *flow = flow_of(w);

	if (!flow)
		return;
	if (flow->state == FLOW_REFUSED) {
		refuse_passage(w, NULL, DENIED_STALE);
	} else if (before_beginning(w, flow)) {
		refuse_passage(w, flow, DENIED_STALE);
	} else if (flow->state == FLOW_PASSED || flow->state == FLOW_OWN) {
		flow_went_on(flow, first_byte(w), w->pk.payload.n + w->unseen);
		passage_answer(w, flow->state == FLOW_OWN ? PKT_ALLOW_OWN : PKT_ALLOW_FLOW);
	} else if (flow->state == FLOW_WATCHED) {
		held_watch(w, flow);
	} else if (w->pk.tcp_flags & TCP_URG) { /* the server may read such a stream differently */
		refuse_passage(w, flow, DENIED_URGENT);
	} else if (w->pk.ttl < TTL_MIN && !w->facts.stays) { /* or never get it */
		refuse_passage(w, flow, DENIED_TTL);
	} else {
		take_segment(w, flow);
	}
}

bool held_goes_on(struct passage *w)
{
	const struct flow *flow;

	if (w->pk.l4proto != IPPROTO_TCP || !w->facts.payload || w->pk.tcp_flags & TCP_SYN)
		return false;
	if (passage_asks(w) != PKT_ASK)
		return passage_asks(w) == PKT_ASK_AGAIN;
	flow = find(w);
	return flow && (flow->verified || flow_is_over(flow));
}

void held_begin(struct passage *w)
{
	struct flow *flow = find(w);

	if (!flow || (!flow->verified && !flow_is_over(flow) && flow->first_seq == first_byte(w)))
		return;
	if (flow->n_held)
		refuse_held(flow, DENIED_SILENCE);
	flow_drop(w->fence->flows, flow);
}
