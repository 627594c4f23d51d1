/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine tells the gate, over a pipe in packet mode (O_DIRECT), which costs half of what a
 * socket does; there is no answer. Fixed sizes, no pointers; the gate checks the exact length of what
 * it reads. The pipe is all that the gate waits for: so the parent says there that it has written
 * to the gate's control socket. */
#ifndef AGENTFW_GATE_MSG_H
#define AGENTFW_GATE_MSG_H

#include <stdint.h>

#include "policy/base/addr.h"

#define GATE_VERDICTS_MAX 64
/* A pipe holds so many messages (PIPE_DEF_BUFFERS), and the gate one. */
#define GATE_UNDER_WAY_MAX (17 * GATE_VERDICTS_MAX)

enum gate_type {
	GATE_VERDICTS = 1,
	GATE_END_TIME_WAIT,
	GATE_HEAR, /* the type alone: look at what the parent has said */
};

enum gate_how {
	GATE_ACCEPT = 1,
	GATE_REPEAT, /* the chain that it was queued in, once more */
	GATE_DROP,
};

struct gate_verdict {
	uint32_t id; /* the packet's, as the kernel numbered it in its queue */
	uint32_t mark;
	uint32_t how; /* enum gate_how */
};

/* Sent without what is behind n verdicts. */
struct gate_verdicts {
	uint32_t type;
	uint32_t fence;
	uint32_t n;
	struct gate_verdict v[GATE_VERDICTS_MAX];
};

/* A connection of this machine's that is over, and waits for late packets: it waits no more. */
struct gate_time_wait {
	uint32_t type;
	struct addr src, dst;
	uint16_t sport, dport;
};

union gate_msg {
	uint32_t type;
	struct gate_verdicts verdicts;
	struct gate_time_wait time_wait;
};

#endif
