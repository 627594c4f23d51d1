/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine asks of the gate, over a SOCK_SEQPACKET socketpair; there is no answer. Fixed
 * sizes, no pointers; the gate checks the exact length of what it receives. */
#ifndef AGENTFW_GATE_MSG_H
#define AGENTFW_GATE_MSG_H

#include <stdint.h>

#include "policy/base/addr.h"

#define GATE_VERDICTS_MAX 64

enum gate_type {
	GATE_VERDICTS = 1,
	GATE_END_TIME_WAIT,
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
