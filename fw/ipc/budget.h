/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much of the engine's time a fence may take per round of the loop; the loop has a round for
 * descriptors and one for timers. There is one thread: while it works for one fence (packets,
 * questions by UDP and TCP, answers of name servers, timers) the others wait. A fence that has used
 * up its share goes on in the next round, when all others have had their turn; nothing is dropped
 * for that. */
#ifndef AGENTFW_BUDGET_H
#define AGENTFW_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* A step that cannot be divided (a batch of packets, an answer with all its addresses) may exceed
 * it. */
#define BUDGET_NS 500000

struct budget {
	uint64_t round;
	uint64_t used_ns;  /* in that round */
	uint64_t since_ns; /* when the current work began; 0: none */
};

/* Work begins; each round has a whole share. false: the share is used up. b NULL, here and below:
 * no limit. */
bool budget_begin(struct budget *b, uint64_t round);
void budget_end(struct budget *b);
/* Is there time for another step? */
bool budget_left(const struct budget *b);

#endif
