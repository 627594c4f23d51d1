/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet on its way through the engine (road.h), and all that was found out about it. */
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

#endif
