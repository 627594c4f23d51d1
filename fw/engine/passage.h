/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet on its way through the engine (road.h), and all that is known about it. */
#ifndef AGENTFW_PASSAGE_H
#define AGENTFW_PASSAGE_H

#include "fw/engine/decide.h"
#include "fw/engine/fence.h"
#include "fw/wire/packet.h"

/* Where a payload is in its connection. */
enum place {
	PLACE_UNKNOWN = 0,
	PLACE_FIRST, /* the peer has acknowledged no payload before it: none has left */
	PLACE_LATER,
};

struct passage {
	struct engine *engine;
	struct fence *fence;
	const struct nfq_packet *p;
	struct packet pk;
	bool parsed;      /* the headers are, and only `unseen` bytes are missing */
	enum place place; /* by the sender's socket */
	size_t unseen;    /* bytes at its end that the queue cut off */
	struct facts facts;
	struct decision decision;
};

/* The rules' question about the packet: PKT_ASK, ... */
static inline uint32_t passage_asks(const struct passage *w)
{
	return w->p->mark & PKT_ASK_MASK;
}

#endif
