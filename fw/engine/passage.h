/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet on its way through the engine, and what the parts of that way share: refuse.c (no),
 * held.c (first payloads, and streams that are looked at), road.c (the way). */
#ifndef AGENTFW_PASSAGE_H
#define AGENTFW_PASSAGE_H

#include "fw/engine/decide.h"
#include "fw/engine/fence.h"
#include "fw/wire/packet.h"

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

/* What the rules ask about it: PKT_ASK, ... */
static inline uint32_t passage_asks(const struct passage *w)
{
	return w->p->mark & PKT_ASK_MASK;
}

/* refuse.c */
/* was: the mark that the packet came with. One for packets on their way out, one for those that
 * come in. */
void verdict_out(struct fence *f, uint32_t id, uint32_t was, uint32_t answer);
void verdict_in(struct fence *f, uint32_t id, uint32_t was, uint32_t answer);
void passage_answer(const struct passage *w, uint32_t answer);
/* Refuses the packets that a flow holds (flow may be NULL) and the one in hand (w may be NULL). The
 * event goes out first, since the verdict may end the process that it is about. */
void refuse(struct fence *f, const struct facts *facts, const struct decision *d, struct flow *flow,
	    const struct passage *w);
/* Tells what a flow holds, which nobody will hear of in another way. */
void refuse_without_verdict(struct flow *flow, enum denial_code code);
void refuse_passage(struct passage *w, struct flow *flow, enum denial_code code);
/* The packet as the capture shall have it: checksums complete, cut. Stays until the next call. */
size_t passage_captured(const struct passage *w, const uint8_t **ret);

/* held.c */
/* A TCP payload to an address whose names want to be seen. */
void held_payload(struct passage *w);
/* Is something known of its connection already? */
bool held_goes_on(struct passage *w);
/* A connection begins: what is kept of one before, with the same ports, is over. */
void held_begin(struct passage *w);

#endif
