/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one fence may take of the engine's time in a round of its loop (once for its descriptors,
 * once for its timers). There is one thread: whatever a fence makes it do (packets, questions by
 * UDP and TCP, answers of name servers, timers) is time that the others wait. Who has used up his
 * share is gone on with in the next round, when everybody else has had his turn; nothing is thrown
 * away for it. */
#ifndef AGENTFW_BUDGET_H
#define AGENTFW_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* One step that cannot be divided (a batch of packets, an answer with all its addresses) comes on
 * top of it. */
#define BUDGET_NS 500000

struct budget {
	uint64_t round;
	uint64_t used_ns;  /* in that round */
	uint64_t since_ns; /* begun and not ended; 0: not */
};

/* Work begins; each round has the whole share again. false: it is used up. b NULL: there is no
 * limit, here and below. */
bool budget_begin(struct budget *b, uint64_t round);
void budget_end(struct budget *b);
/* Between two steps: may there be another one? */
bool budget_left(const struct budget *b);

#endif
