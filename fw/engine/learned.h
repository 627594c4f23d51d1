/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes to the kernel's sets of learned addresses, on their way to the parent. The rate is
 * limited: each message is a transaction of some hundred microseconds, during which the parent
 * serves no other fence. No packet waits for the sets, which only save the way to the engine. */
#ifndef AGENTFW_LEARNED_H
#define AGENTFW_LEARNED_H

#include "fw/ipc/engine_msg.h"
#include "fw/ipc/loop.h"

#define LEARNED_MAX      131072 /* waiting entries */
#define LEARNED_EVERY_MS 20     /* one message of at most LEARN_MAX entries */
#define LEARNED_BURST    4      /* messages at once, after a pause */

struct learned {
	struct loop *loop;
	uint32_t fence;
	struct learn_entry *list;
	size_t first, n, room; /* n of them, from first on */
	uint64_t next_ms;      /* when the next message is due at an even rate */
	struct timer timer;
};

void learned_init(struct learned *l, struct loop *loop, uint32_t fence);
void learned_done(struct learned *l);
/* Makes room for n more and returns where they go; NULL: over the limit, or out of memory. */
struct learn_entry *learned_room(struct learned *l, size_t n);
/* n entries have been written there. */
void learned_put(struct learned *l, size_t n);
/* Sends what may be sent now, in the order in which it came; a timer sends the rest. */
void learned_send(struct learned *l);

#endif
