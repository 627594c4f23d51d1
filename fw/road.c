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
#include "fw/inspect.h"
#include "fw/route.h"
#include "fw/wire/packet.h"

#define HOLD_MS       3000 /* a first payload that is not whole by then is refused */
#define TTL_MIN       8    /* below it a payload may be meant for us and not for the server */
#define SNAPLEN_LIMIT 65535

/* One packet, and all that was found out about it. */
struct passage {
	struct engine *engine;
	struct fence *fence;
	const struct nfq_packet *p;
	struct packet pk;
	bool parsed; /* whole and understood */
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
	if (w->p->checksum_pending && w->parsed && n <= sizeof(copy)) {
		struct packet pk = w->pk;

		memcpy(copy, w->p->bytes, n);
		pk.ip.p = copy;
		packet_checksums_fix(&pk, copy);
		*ret = copy;
	}
	return n < snaplen ? n : snaplen;
}

/* was: the mark that the packet came with. Its other bits are not ours; and the kernel looks up the
 * route anew for a packet whose mark is changed. */
static void verdict(struct fence *f, uint32_t id, uint32_t was, uint32_t mark)
{
	if (mark == PKT_ALLOW_INSPECT && (was & PKT_MARK_MASK) == PKT_INSPECTED)
		mark = PKT_INSPECTED;
	nfq_verdict(f->nfq, id, (was & ~PKT_MARK_MASK) | mark);
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
		nfq_verdict(p->fence->nfq, p->id[i], PKT_DENY);
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
static void wait_for_go(struct fence *f, uint32_t go, const uint32_t *id, size_t n)
{
	struct engine *e = f->engine;
	struct pending *p = e->pending;

	while (p->go)
		p++;
	p->go = go;
	p->fence = f;
	p->n = n;
	memcpy(p->id, id, n * sizeof(*id));
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
		rd.denial.inbound = w->p->inbound;
	}
	go = f->audit ? 0 : road_next_go(f->engine);
	rd.denial.go = go;
	for (size_t i = 0; flow && i < flow->n_held; i++) {
		rd.packet_bytes = flow->held[i].wire_bytes;
		rd.cap_bytes = flow->held[i].cap_bytes;
		tell(f, &rd, flow->held[i].bytes);
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
		wait_for_go(f, go, id, n);
	for (size_t i = 0; !go && i < n; i++)
		verdict(f, id[i], mark[i], f->audit ? PKT_ALLOW_FLOW : PKT_DENY);
	if (flow)
		flow_drop(f->flows, flow);
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

static void hold_timer(struct timer *t)
{
	refuse_held(t->arg, DENIED_SILENCE);
}

void road_flow_gone(struct flow *flow)
{
	struct fence *f = flow->owner;

	for (size_t i = 0; i < flow->n_held; i++)
		verdict(f, flow->held[i].id, flow->held[i].mark, PKT_DENY);
}

void road_refuse_all(struct fence *f)
{
	/* flows_free frees without a word: the packets need their verdict. The kernel drops what a
	 * queue still holds when it is unbound, which follows. */
	flows_free(f->flows);
	f->flows = NULL;
}

static void release(struct passage *w, struct flow *flow, uint32_t mark)
{
	for (size_t i = 0; i < flow->n_held; i++)
		verdict(w->fence, flow->held[i].id, flow->held[i].mark, mark);
	flow_release(flow);
	timer_cancel(w->engine->loop, &flow->timer);
	verdict(w->fence, w->p->id, w->p->mark, mark);
}

static void hold(struct passage *w, struct flow *flow)
{
	const uint8_t *bytes;
	size_t cap = captured(w, &bytes);

	if (!flow_hold(flow, w->p->id, w->p->mark, bytes, w->p->wire_bytes, cap)) {
		w->decision.code = DENIED_TOO_LARGE;
		refuse(w->fence, &w->facts, &w->decision, flow, w);
		return;
	}
	if (!flow->timer.slot) {
		flow->timer.fn = hold_timer;
		flow->timer.arg = flow;
		timer_set(w->engine->loop, &flow->timer, loop_now_ms(w->engine->loop) + HOLD_MS);
	}
}

static void look(struct passage *w, struct flow *flow)
{
	switch (inspect(flow, &w->facts, &w->decision)) {
	case INSPECT_HOLD:
		hold(w, flow);
		break;
	case INSPECT_VERIFIED:
		w->fence->allowed++;
		release(w, flow, PKT_ALLOW_FLOW);
		flow_drop(w->fence->flows, flow);
		break;
	case INSPECT_PASS:
		w->fence->allowed += !flow->verified;
		flow->verified = true;
		release(w, flow, PKT_ALLOW_INSPECT);
		break;
	case INSPECT_DENY:
		refuse(w->fence, &w->facts, &w->decision, flow, w);
		break;
	}
}

/* NULL: an earlier connection had the same ports, and what was kept of it is gone. */
static struct flow *of_this_connection(struct passage *w, struct flow *flow, uint32_t seq,
				       bool known)
{
	if (flow->verified && known)
		return flow;
	if (flow->verified && !flow->n_held)
		flow_restart(w->fence->flows, flow, seq);
	if (!flow->verified && flow_continues(flow, seq, w->pk.tcp_flags & TCP_ACK, w->pk.ack))
		return flow;
	refuse_held(flow, DENIED_SILENCE); /* it ended before it had said all */
	return NULL;
}

/* A TCP payload to an address whose names want to be seen. */
static void inspect_payload(struct passage *w)
{
	struct flow_key key = {
	    .src = w->facts.src, .dst = w->facts.dst, .sport = w->pk.sport, .dport = w->pk.dport};
	uint32_t seq = w->pk.seq + !!(w->pk.tcp_flags & TCP_SYN);
	bool known = (w->p->mark & PKT_MARK_MASK) == PKT_INSPECTED;
	struct flow *flow = flow_find(w->fence->flows, &key);

	flow = flow ? of_this_connection(w, flow, seq, known) : NULL;
	/* What the server may read otherwise than we do, or never get. */
	if (w->pk.tcp_flags & TCP_URG || (w->pk.ttl < TTL_MIN && !w->p->to_self)) {
		w->decision.code = w->pk.tcp_flags & TCP_URG ? DENIED_URGENT : DENIED_TTL;
		refuse(w->fence, &w->facts, &w->decision, flow, w);
		return;
	}
	if (!flow && !known) {
		flow = flow_new(w->fence->flows, &key, seq, w->fence);
		if (flow)
			flow_continues(flow, seq, w->pk.tcp_flags & TCP_ACK, w->pk.ack);
	}
	if (!flow) {
		refuse_packet(w, known ? DENIED_STALE : DENIED_TOO_LARGE);
		return;
	}
	switch (flow_segment(flow, seq, w->pk.payload)) {
	case FLOW_MORE:
		look(w, flow);
		break;
	case FLOW_SAME: /* sent again, or ahead of its turn */
		if (flow->verified && !flow->n && !flow->n_later)
			verdict(w->fence, w->p->id, w->p->mark, PKT_ALLOW_INSPECT);
		else
			hold(w, flow);
		break;
	case FLOW_CONFLICT:
		w->decision.code = DENIED_OVERLAP;
		refuse(w->fence, &w->facts, &w->decision, flow, w);
		break;
	case FLOW_OVER_LIMIT:
		w->decision.code = DENIED_TOO_LARGE;
		refuse(w->fence, &w->facts, &w->decision, flow, w);
		break;
	}
}

/* ---- the road -------------------------------------------------------------------------------- */

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
	if (!w->p->inbound && (w->p->mark & PKT_MARK_MASK) == PKT_FOREIGN)
		return DENIED_SOURCE;
	if (!w->p->inbound && !w->p->to_self && addr_is_loopback(&w->facts.dst))
		return DENIED_DEVICE;
	if (!w->p->inbound && !w->p->checksum_pending && !packet_checksums_ok(&w->pk))
		return DENIED_CHECKSUM;
	return 0;
}

/* Does the packet go to a listener of the fence itself? Whoever else listens there is an endpoint.
 */
static bool to_own_listener(const struct passage *w)
{
	const struct own_query q = {.l4proto = w->pk.l4proto,
				    .src = w->facts.src,
				    .dst = w->facts.dst,
				    .sport = w->pk.sport,
				    .dport = w->pk.dport,
				    .cgroup_id = w->fence->cgroup_id};

	if (!w->p->to_self || (q.l4proto != IPPROTO_TCP && q.l4proto != IPPROTO_UDP))
		return false;
	if (q.src.family == 6 && !route_is_local(ENGINE_FD_ROUTE, &q.src)) /* answered elsewhere */
		return false;
	return own_listener(&w->fence->own, ENGINE_FD_SOCKDIAG, &q, w->facts.now_ms);
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

static void outbound(struct passage *w)
{
	bool tcp = w->pk.l4proto == IPPROTO_TCP;

	if ((w->p->mark & PKT_MARK_MASK) == PKT_INSPECTED && tcp) {
		w->decision.http = true;
		if (w->facts.payload)
			inspect_payload(w);
		else
			verdict(w->fence, w->p->id, w->p->mark, PKT_ALLOW_INSPECT);
		return;
	}
	w->facts.own_listener = to_own_listener(w);
	decide_flow(&w->facts, &w->decision);
	switch (w->decision.what) {
	case DECIDED_FLOW:
		w->fence->allowed++;
		verdict(w->fence, w->p->id, w->p->mark, PKT_ALLOW_FLOW);
		break;
	case DECIDED_EACH:
		w->fence->allowed += (w->p->mark & PKT_MARK_MASK) != PKT_INSPECTED;
		verdict(w->fence, w->p->id, w->p->mark, PKT_ALLOW_INSPECT);
		break;
	case DECIDED_ONCE:
		verdict(w->fence, w->p->id, w->p->mark, PKT_ALLOW_ONCE);
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
	parsed = packet_parse(p->bytes, p->n, &w.pk);
	w.parsed = parsed == WIRE_OK;
	gather(&w);
	code = unfit(&w, parsed);
	if (code)
		refuse_packet(&w, code);
	else if (p->inbound)
		refuse_inbound(&w);
	else
		outbound(&w);
}
