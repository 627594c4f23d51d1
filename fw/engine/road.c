// SPDX-License-Identifier: GPL-2.0-or-later
/* A packet's way: parse, facts, flow, decision, event, verdict. */
#include "fw/engine/road.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>

#include "fw/engine/ask.h"
#include "fw/engine/held.h"
#include "fw/engine/refuse.h"

/* An address of this machine, where the kernel hands each packet to one socket. PKT_STAYS is not
 * enough: packets to other addresses go by the loopback device, too, and so do broadcasts, which
 * several sockets get. */
static bool is_here(const struct addr *a)
{
	static const struct addr usual[] = {{4, {127, 0, 0, 1}}, {6, {[15] = 1}}};

	return addr_equal(a, &usual[a->family == 6]) || ask_local(a) == 1;
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

/* What cannot be inspected is refused, whatever its destination. 0: it can. */
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
	if (passage_asks(w) == PKT_ASK_FOREIGN)
		return DENIED_SOURCE;
	if (passage_asks(w) == PKT_ASK_DEVICE)
		return DENIED_DEVICE;
	if (!w->p->checksum_pending && !w->unseen && !packet_checksums_ok(&w->pk))
		return DENIED_CHECKSUM;
	return 0;
}

/* The kernel's rules let allowed peers in; others come here. The match gives the rule for the
 * event: an entry may name this listener, but not this peer. */
static void refuse_inbound(struct passage *w)
{
	struct match m = policy_match_ingress(w->facts.policy, w->facts.l4proto, &w->facts.dst,
					      w->facts.port, &w->facts.src);

	w->decision.rule = m.rule;
	refuse_passage(w, NULL, DENIED_INBOUND);
}

/* A socket in TIME_WAIT, of an earlier connection from the same port, has no cgroup. The kernel
 * would replace it for this connection. So it is removed here, and the rules look again which
 * socket gets the SYN. */
static bool asked_anew(struct passage *w)
{
	if (w->pk.l4proto != IPPROTO_TCP || (w->pk.tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN ||
	    w->p->mark & PKT_ALLOW_OWN || /* was looked at twice */
	    !ask_in_time_wait(&w->facts.dst, w->pk.dport, &w->facts.src, w->pk.sport))
		return false;
	nfq_end_time_wait(&w->facts.dst, w->pk.dport, &w->facts.src, w->pk.sport);
	nfq_verdict(w->fence->nfq, w->p->id,
		    (w->p->mark & ~PKT_MARK_MASK) | PKT_ASK_OWN | PKT_STAYS | PKT_ALLOW_OWN, true);
	return true;
}

/* With several processors a payload may come here before the handshake has made its socket, or
 * after the reset that ended it. */
static bool met_no_socket(struct passage *w)
{
	if (w->pk.l4proto != IPPROTO_TCP || w->pk.tcp_flags & TCP_SYN)
		return false;
	switch (ask_receiver(&w->facts.dst, w->pk.dport, &w->facts.src, w->pk.sport,
			     &w->fence->scope)) {
	case RECEIVER_NONE: /* as the kernel answers it: nothing to tell */
		verdict_in(w->fence, w->p->id, w->p->mark, PKT_DENY);
		return true;
	case RECEIVER_COMING: /* TCP sends it again */
		nfq_drop(w->fence->nfq, w->p->id);
		return true;
	case RECEIVER_OTHER:
		break;
	case RECEIVER_OWN:
		if (w->p->mark & PKT_ALLOW_OWN)
			break; /* the second time round the rules still found another's socket */
		nfq_verdict(w->fence->nfq, w->p->id,
			    (w->p->mark & ~PKT_MARK_MASK) | PKT_ASK_OWN | PKT_STAYS | PKT_ALLOW_OWN,
			    true);
		return true;
	}
	return false;
}

/* A packet that the fence sent to an address of this machine and that a socket outside it would
 * get. */
static void refuse_outsider(struct passage *w)
{
	if (asked_anew(w) || met_no_socket(w))
		return;
	w->facts.stays = false;
	decide_flow(&w->facts, &w->decision);
	if (w->decision.what == DECIDED_DENY) {
		refuse(w->fence, &w->facts, &w->decision, NULL, w);
		return;
	}
	refuse_passage(w, NULL,
		       DENIED_NO_RULE); /* its payload, perhaps, was not allowed by any rule */
}

static void outbound(struct passage *w)
{
	if (w->pk.l4proto == IPPROTO_TCP && w->pk.tcp_flags & TCP_SYN)
		held_begin(w);
	if (held_goes_on(w)) {
		w->decision.http = true;
		held_payload(w);
		return;
	}
	decide_flow(&w->facts, &w->decision);
	switch (w->decision.what) {
	case DECIDED_FLOW:
		w->fence->allowed++;
		passage_answer(w, PKT_ALLOW_FLOW);
		break;
	case DECIDED_OWN: /* TCP is counted when it is taken */
		w->fence->allowed += w->pk.l4proto == IPPROTO_UDP;
		passage_answer(w, PKT_ALLOW_OWN);
		break;
	case DECIDED_ONCE:
		passage_answer(w, PKT_ALLOW_ONCE);
		break;
	case DECIDED_INSPECT:
		held_payload(w);
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
		refuse_passage(&w, NULL, code);
	else if (p->inbound && passage_asks(&w) == PKT_ASK_OWN)
		refuse_outsider(&w);
	else if (p->inbound)
		refuse_inbound(&w);
	else
		outbound(&w);
}
