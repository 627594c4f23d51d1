/* The way of a packet: receive, parse, flow, facts, decide, verdict, event. */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fw/attribute.h"
#include "fw/decide.h"
#include "fw/engine_fence.h"
#include "fw/holes.h"
#include "fw/inspect.h"
#include "fw/route.h"
#include "fw/wire/packet.h"

#define HOLD_MS       3000 /* a first payload that is not whole by then is refused */
#define HOLD_ALL_MS   20   /* what takes longer is not held all the time: see give_back */
#define HOLD_LAST_MS  2000 /* before the end: retransmissions come at 0.2, 0.6 and 1.4 s */
#define TTL_MIN       8    /* below it a payload may be meant for us and not for the server */
#define SNAPLEN_LIMIT 65535

/* Where a payload stands in its connection. */
enum place {
	PLACE_UNKNOWN = 0,
	PLACE_FIRST, /* nothing before it has been acknowledged: no payload has left */
	PLACE_LATER,
};

/* One packet, and all that was found out about it. */
struct passage {
	struct engine *engine;
	struct fence *fence;
	const struct nfq_packet *p;
	struct packet pk;
	bool parsed;      /* understood, and whole but for: */
	enum place place; /* as the sender's socket said */
	size_t unseen;    /* bytes at its end that the kernel does not show */
	struct facts facts;
	struct decision decision;
};

/* ---- refusing -------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The packet as the capture shall have it: checksums complete, cut. Stays until the next call. */
static size_t captured(const struct passage *w, const uint8_t **ret)
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

static uint32_t asked(const struct nfq_packet *p)
{
	return p->mark & PKT_ASK_MASK;
}

/* was: the mark that the packet came with. On the way out the chain that it was queued in takes the
 * verdict off it again: see nft_out.c. */
static void verdict(struct fence *f, uint32_t id, uint32_t was, uint32_t answer)
{
	nfq_verdict(f->nfq, id, (was & ~PKT_VERDICT_MASK) | answer, true);
}

static void verdict_in(struct fence *f, uint32_t id, uint32_t was, uint32_t answer)
{
	nfq_verdict(f->nfq, id, (was & ~PKT_VERDICT_MASK) | answer, false);
}

static void answer(const struct passage *w, uint32_t answer)
{
	verdict(w->fence, w->p->id, w->p->mark, answer);
}

static void fill(const struct fence *f, const struct facts *facts, const struct decision *d,
		 struct denial *ret)
{
	char endpoint[ENDPOINT_STRLEN];

	*ret = (struct denial){.time_ns = now_ns(),
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
		(p->inbound ? verdict_in : verdict)(p->fence, p->id[i], p->mark[i], PKT_DENY);
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

/* Refuses the packets that a flow holds (flow may be NULL) and the one in hand (w may be NULL). The
 * event goes out first, since the verdict may end the process that it is about. */
static void refuse(struct fence *f, const struct facts *facts, const struct decision *d,
		   struct flow *flow, const struct passage *w)
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
		rd.denial.inbound = w->p->inbound && asked(w->p) != PKT_ASK_OWN;
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
		rd.cap_bytes = (uint32_t)captured(w, &bytes);
		rd.packet_bytes = (uint32_t)w->p->wire_bytes;
		tell(f, &rd, bytes);
		mark[n] = w->p->mark;
		id[n++] = w->p->id;
	}
	if (go)
		wait_for_go(f, go, id, mark, n, w && w->p->inbound);
	for (size_t i = 0; !go && i < n; i++)
		(w && w->p->inbound ? verdict_in : verdict)(f, id[i], mark[i],
							    f->audit ? PKT_ALLOW_FLOW : PKT_DENY);
	if (flow)
		flow_over(f->flows, flow, f->audit ? FLOW_PASSED : FLOW_REFUSED);
}

static void refuse_packet(struct passage *w, enum denial_code code)
{
	w->decision.what = DECIDED_DENY;
	w->decision.code = code;
	refuse(w->fence, &w->facts, &w->decision, NULL, w);
}

/* ---- held flows ------------------------------------------------------------------------------ */

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

/* A sender's TCP has only so much on its way to the device at a time, and what is held here is on
 * its way: the next write would never come. So what waits for long is given back, and its bytes are
 * kept. TCP goes on at once, and sends again what is missing at the other end when all is allowed.
 * Towards the end the last packet stays, to be refused when it comes to that. */
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

void road_flow_gone(struct flow *flow)
{
	struct fence *f = flow->owner;

	for (size_t i = 0; i < flow->n_held; i++)
		if (!flow->held[i].gone)
			verdict(f, flow->held[i].id, flow->held[i].mark, PKT_DENY);
}

void road_refuse_all(struct fence *f)
{
	/* flows_free frees without a word: the packets need their verdict. The kernel drops what a
	 * queue still holds when it is unbound, which follows. */
	flows_free(f->flows);
	f->flows = NULL;
}

/* ---- whose packet it is ------------------------------------------------------------------------
 */

static uint32_t first_byte(const struct passage *w)
{
	return w->pk.seq + !!(w->pk.tcp_flags & TCP_SYN);
}

/* Rules of the host's, or who empties its table of connections, may have taken our word from the
 * entry, and conntrack may not know what to think of the packet: the sender's socket knows, if it
 * lives. */
static enum place asked_socket(const struct passage *w)
{
	int r = sockdiag_at_beginning(ENGINE_FD_SOCKDIAG, &w->facts.src, w->pk.sport, &w->facts.dst,
				      w->pk.dport);

	return r < 0 ? PLACE_UNKNOWN : r ? PLACE_FIRST : PLACE_LATER;
}

static enum place place(struct passage *w)
{
	if (asked(w->p) == PKT_ASK_FIRST || w->pk.tcp_flags & TCP_SYN)
		return PLACE_FIRST;
	if (asked(w->p) == PKT_ASK_AGAIN)
		return PLACE_LATER;
	if (!w->place)
		w->place = asked_socket(w);
	return w->place;
}

static void release(struct passage *w, struct flow *flow, uint32_t what)
{
	for (size_t i = 0; i < flow->n_held; i++)
		if (!flow->held[i].gone)
			verdict(w->fence, flow->held[i].id, flow->held[i].mark, what);
	flow->waits_long = false;
	flow_release(flow);
	timer_cancel(w->engine->loop, &flow->timer);
	answer(w, what);
}

static void refuse_flow(struct passage *w, struct flow *flow, enum denial_code code)
{
	w->decision.what = DECIDED_DENY;
	w->decision.code = code;
	refuse(w->fence, &w->facts, &w->decision, flow, w);
}

static void hold(struct passage *w, struct flow *flow)
{
	const uint8_t *bytes;
	size_t cap = captured(w, &bytes);
	uint64_t now;

	if (!flow_hold(flow, w->p->id, w->p->mark, bytes, w->p->wire_bytes, cap)) {
		refuse_flow(w, flow, DENIED_TOO_LARGE);
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

/* Packets were lost between the sender and here. If one that came before this was, TCP will send it
 * again, and it must not pass unseen: the flow is the kernel's only when its peer has acknowledged
 * what was verified, and with it all before. */
static void let_pass_watched(struct passage *w, struct flow *flow)
{
	w->fence->allowed += !flow->verified;
	flow->verified = true;
	flow->state = FLOW_WATCHED;
	flow_consume(flow, flow->n);
	release(w, flow, PKT_ALLOW_INSPECT);
}

static void watch(struct passage *w, struct flow *flow)
{
	flow_went_on(flow, first_byte(w), w->pk.payload.n + w->unseen);
	if (asked_socket(w) != PLACE_LATER) {
		answer(w, PKT_ALLOW_INSPECT);
		return;
	}
	answer(w, PKT_ALLOW_FLOW);
	flow_over(w->fence->flows, flow, FLOW_PASSED);
}

static void look(struct passage *w, struct flow *flow)
{
	enum inspected r = inspect(flow, &w->facts, &w->decision);

	if (w->unseen && r != INSPECT_DENY &&
	    !(r == INSPECT_PASS && inspect_unseen(flow, w->unseen))) {
		refuse_flow(w, flow, DENIED_CUT);
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

/* Ports, the kernel's entry and the place in the stream must all say that it is. Of one that waits
 * to be whole, or had its verdict while this packet was in the queue already, every packet
 * acknowledges the same byte. */
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

/* NULL: it cannot be told, and the packet has had its refusal. A connection is never begun anew in
 * the middle of one: what comes from the middle, and from none that is known, is refused. */
static struct flow *flow_of(struct passage *w)
{
	struct flow *flow = find(w);

	if (flow && is_of(w, flow))
		return flow;
	if (place(w) != PLACE_FIRST) {
		refuse_flow(w, flow, DENIED_STALE);
		return NULL;
	}
	if (flow && flow->n_held)
		refuse_held(flow, DENIED_SILENCE); /* it ended before it had said all */
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
		refuse_flow(w, NULL, DENIED_TOO_LARGE);
	else
		flow_continues(flow, first_byte(w), w->pk.tcp_flags & TCP_ACK, w->pk.ack);
	return flow;
}

/* Bytes that are known already, whole. */
static bool all_known(const struct passage *w, const struct flow *flow)
{
	uint32_t end = first_byte(w) + (uint32_t)(w->pk.payload.n + w->unseen);

	return (int32_t)(end - flow->next_seq) <= 0;
}

/* Bytes that were allowed: not those of a request that is not whole. */
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
			refuse_flow(w, flow, DENIED_CUT);
		else if (flow->verified && all_judged(w, flow))
			answer(w, PKT_ALLOW_INSPECT);
		else
			hold(w, flow);
		break;
	case FLOW_CONFLICT:
		refuse_flow(w, flow, DENIED_OVERLAP);
		break;
	case FLOW_OVER_LIMIT:
		refuse_flow(w, flow, DENIED_TOO_LARGE);
		break;
	}
}

/* A TCP payload to an address whose names want to be seen. */
static void inspect_payload(struct passage *w)
{
	struct flow *flow = flow_of(w);

	if (!flow)
		return;
	if ((flow->state == FLOW_PASSED || flow->state == FLOW_OWN) &&
	    (int32_t)(first_byte(w) - flow->first_seq) >= 0) {
		flow_went_on(flow, first_byte(w), w->pk.payload.n + w->unseen);
		answer(w, flow->state == FLOW_OWN ? PKT_ALLOW_OWN : PKT_ALLOW_FLOW);
	} else if (flow->state == FLOW_REFUSED) {
		refuse_flow(w, NULL, DENIED_STALE);
	} else if ((int32_t)(first_byte(w) - flow->first_seq) <
		   0) { /* it was lost on its way here */
		refuse_flow(w, flow, DENIED_STALE);
	} else if (flow->state == FLOW_WATCHED) {
		watch(w, flow);
	} else if (w->pk.tcp_flags & TCP_URG) { /* what the server may read otherwise than we do */
		refuse_flow(w, flow, DENIED_URGENT);
	} else if (w->pk.ttl < TTL_MIN && !w->facts.stays) { /* or never get */
		refuse_flow(w, flow, DENIED_TTL);
	} else {
		take_segment(w, flow);
	}
}

/* ---- the road -------------------------------------------------------------------------------- */

/* An address of this machine, where the kernel hands a packet to one socket. By the loopback device
 * go packets to others, too, and to its broadcast addresses, which several get. */
static bool is_here(const struct addr *a)
{
	static const struct addr usual[] = {{4, {127, 0, 0, 1}}, {6, {[15] = 1}}};

	return addr_equal(a, &usual[a->family == 6]) || route_is_local(ENGINE_FD_ROUTE, a);
}

static void gather(struct passage *w)
{
	const struct packet *pk = &w->pk;
	struct facts *f = &w->facts;

	f->policy = w->fence->policy;
	f->names = w->fence->names;
	f->now_ms = loop_now_ms(w->engine->loop);
	f->l4proto = pk->l4proto == IPPROTO_ICMPV6 ? IPPROTO_ICMP : pk->l4proto;
	f->src = pk->version == 6 ? addr_from_v6(pk->src) : addr_from_v4(pk->src);
	f->dst = pk->version == 6 ? addr_from_v6(pk->dst) : addr_from_v4(pk->dst);
	f->port = pk->dport;
	f->payload = pk->payload.n > 0;
	f->echo_request =
	    (pk->version == 4 && pk->l4proto == IPPROTO_ICMP && pk->icmp_type == ICMP_ECHO) ||
	    (pk->version == 6 && pk->l4proto == IPPROTO_ICMPV6 &&
	     pk->icmp_type == ICMPV6_ECHO_REQUEST);
	f->stays = w->p->mark & PKT_STAYS &&
		   (pk->l4proto == IPPROTO_TCP || pk->l4proto == IPPROTO_UDP) && is_here(&f->dst) &&
		   (f->src.family == 4 || is_here(&f->src));
	w->decision.rule = RULE_NONE;
	w->decision.scheme = f->l4proto == IPPROTO_TCP   ? SCHEME_TCP
			     : f->l4proto == IPPROTO_UDP ? SCHEME_UDP
							 : SCHEME_ICMP;
}

/* What cannot be looked at is refused, whoever it is for. 0: it can. */
static enum denial_code unfit(const struct passage *w, enum wire_result parsed)
{
	if (parsed != WIRE_OK)
		return DENIED_MALFORMED;
	if (w->pk.fragment)
		return DENIED_FRAGMENT;
	if (w->pk.options)
		return DENIED_IP_OPTIONS;
	if (w->p->inbound)
		return 0;
	if (asked(w->p) == PKT_ASK_FOREIGN)
		return DENIED_SOURCE;
	if (asked(w->p) == PKT_ASK_DEVICE)
		return DENIED_DEVICE;
	if (!w->p->checksum_pending && !w->unseen && !packet_checksums_ok(&w->pk))
		return DENIED_CHECKSUM;
	return 0;
}

/* The kernel lets in who may come in; the others end here. An entry may name the listener, and
 * others than this peer. */
static void refuse_inbound(struct passage *w)
{
	struct match m = policy_match_ingress(w->facts.policy, w->facts.l4proto, &w->facts.dst,
					      w->facts.port, &w->facts.src);

	w->decision.rule = m.rule;
	refuse_packet(w, DENIED_INBOUND);
}

/* The rest of an earlier connection from the same port, of which the kernel tells nobody whose it
 * is. It would make room for this one; so it is taken away, and who gets this one is asked anew. */
static bool asked_anew(struct passage *w)
{
	if (w->pk.l4proto != IPPROTO_TCP || (w->pk.tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN ||
	    !sockdiag_end_time_wait(ENGINE_FD_SOCKDIAG, &w->facts.dst, w->pk.dport, &w->facts.src,
				    w->pk.sport))
		return false;
	nfq_verdict(w->fence->nfq, w->p->id, w->p->mark & ~PKT_MARK_MASK, true);
	return true;
}

/* What the fence sent to an address of this machine, and somebody else would get. */
static void refuse_outsider(struct passage *w)
{
	if (asked_anew(w))
		return;
	w->facts.stays = false;
	decide_flow(&w->facts, &w->decision);
	if (w->decision.what == DECIDED_DENY) {
		refuse(w->fence, &w->facts, &w->decision, NULL, w);
		return;
	}
	refuse_packet(w, DENIED_NO_RULE); /* it said something that no rule allows */
}

/* Something is known of its connection already. */
static bool goes_on(const struct passage *w)
{
	const struct flow *flow;

	if (w->pk.l4proto != IPPROTO_TCP || !w->facts.payload || w->pk.tcp_flags & TCP_SYN)
		return false;
	if (asked(w->p) != PKT_ASK)
		return asked(w->p) == PKT_ASK_AGAIN;
	flow = find(w);
	return flow && (flow->verified || flow_is_over(flow));
}

/* A connection begins: what is kept of one before, with the same ports, is over. */
static void begins_anew(struct passage *w)
{
	struct flow *flow = find(w);

	if (!flow || (!flow->verified && !flow_is_over(flow) && flow->first_seq == first_byte(w)))
		return;
	if (flow->n_held)
		refuse_held(flow, DENIED_SILENCE);
	flow_drop(w->fence->flows, flow);
}

static void outbound(struct passage *w)
{
	if (w->pk.l4proto == IPPROTO_TCP && w->pk.tcp_flags & TCP_SYN)
		begins_anew(w);
	if (goes_on(w)) {
		w->decision.http = true;
		inspect_payload(w);
		return;
	}
	decide_flow(&w->facts, &w->decision);
	switch (w->decision.what) {
	case DECIDED_FLOW:
		w->fence->allowed++;
		answer(w, PKT_ALLOW_FLOW);
		break;
	case DECIDED_OWN: /* TCP is counted when it is taken */
		w->fence->allowed += w->pk.l4proto == IPPROTO_UDP;
		answer(w, PKT_ALLOW_OWN);
		break;
	case DECIDED_ONCE:
		answer(w, PKT_ALLOW_ONCE);
		break;
	case DECIDED_INSPECT:
		inspect_payload(w);
		break;
	case DECIDED_DENY:
		refuse(w->fence, &w->facts, &w->decision, NULL, w);
		break;
	}
}

void road_packet(void *arg, const struct nfq_packet *p)
{
	struct passage w = {.fence = arg, .p = p};
	enum wire_result parsed;
	enum denial_code code;

	w.engine = w.fence->engine;
	if (nfq_may_have_lost(w.fence->nfq))
		w.fence->lossy = true;
	parsed = packet_parse(p->bytes, p->n, &w.pk);
	w.unseen = p->wire_bytes > p->n ? p->wire_bytes - p->n : 0;
	if (w.unseen && parsed == WIRE_TRUNCATED && w.pk.l4_offset)
		parsed = WIRE_OK;
	w.parsed = parsed == WIRE_OK;
	gather(&w);
	code = unfit(&w, parsed);
	if (code)
		refuse_packet(&w, code);
	else if (p->inbound && asked(p) == PKT_ASK_OWN)
		refuse_outsider(&w);
	else if (p->inbound)
		refuse_inbound(&w);
	else
		outbound(&w);
}
