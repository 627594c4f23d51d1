/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's sets are to hold or to give up, on its way to the parent: a message now and
 * then and no more. Each is a transaction of some hundred microseconds, during which the parent
 * does nothing for other fences; and nobody waits for the sets, which only save trips. */
#ifndef AGENTFW_LEARNED_H
#define AGENTFW_LEARNED_H

#include "fw/ipc/engine_msg.h"
#include "fw/ipc/loop.h"

#define LEARNED_MAX      131072 /* entries that wait */
#define LEARNED_EVERY_MS 20     /* of at most LEARN_MAX entries */
#define LEARNED_BURST    4      /* of them come at once, after a pause */

struct learned {
	struct loop *loop;
	uint32_t fence;
	struct learn_entry *list;
	size_t first, n, room; /* n of them, from first on */
	uint64_t next_ms;      /* when the next message may be sent, if they came evenly */
	struct timer timer;
};

void learned_init(struct learned *l, struct loop *loop, uint32_t fence);
void learned_done(struct learned *l);
/* Makes room for n more and returns where they go; NULL: there is none. */
struct learn_entry *learned_room(struct learned *l, size_t n);
/* So many have been written there. */
void learned_put(struct learned *l, size_t n);
/* All are sent in the order in which they came, some of them now. */
void learned_send(struct learned *l);

#endif
