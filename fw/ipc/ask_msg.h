/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions of the engine's about routes and sockets, which the asker asks the kernel: one answer
 * per question, in its order, over a SOCK_SEQPACKET socketpair. Fixed sizes, no pointers. */
#ifndef AGENTFW_ASK_MSG_H
#define AGENTFW_ASK_MSG_H

#include <stdint.h>

#include "fw/ipc/scope.h"
#include "policy/base/addr.h"

/* On a busy machine the asker may have to wait for its turn. */
#define ASK_ANSWER_MS 3000

#define ASK_MANY 64 /* questions in one message, at most; as many answers in one */

enum ask_what {
	ASK_LOCAL = 1, /* route_is_local(dst) */
	ASK_BEGINNING, /* sockdiag_at_beginning */
	ASK_RECEIVER,  /* sockdiag_receiver */
	ASK_TIME_WAIT, /* sockdiag_in_time_wait */
};

struct ask {
	uint32_t what;
	uint32_t number; /* the answer has the same */
	struct scope scope;
	struct addr src, dst;
	uint16_t sport, dport;
};

struct ask_answer {
	uint32_t number;
	int32_t value; /* what the function returned */
};

#endif
