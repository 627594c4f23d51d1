/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refusals that wait until the parent has recorded which process they are about.
 *
 * A refusal may end the process that it is about, and then nothing tells which process that was. So
 * the event goes to the parent first, with a number, its ticket. The verdict waits here until the
 * parent sends that number (EM_GO), or until its time is over: a refusal must take effect within
 * 100 ms. Only a few of each kind wait; any other verdict is given at once. */
#ifndef AGENTFW_VERDICT_WAIT_H
#define AGENTFW_VERDICT_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/ipc/loop.h"

struct verdict_wait;

enum verdict_kind {
	VERDICT_PACKETS, /* 50 ms */
	VERDICT_REPLY,   /* the resolver's; 20 ms, for libraries ask two or three times */
	VERDICT_KINDS,
};

/* Gives the verdict. what: the copy that verdict_wait_add made. */
typedef void verdict_fn(void *owner, const void *what);

int verdict_wait_new(struct loop *loop, struct verdict_wait **ret);
void verdict_wait_free(struct verdict_wait *t); /* gives no verdict */
/* The event's ticket. 0: too many wait already. */
uint32_t verdict_wait_ticket(struct verdict_wait *t, enum verdict_kind kind);
/* Copies `what`. false: the verdict cannot wait, and the caller gives it. */
bool verdict_wait_add(struct verdict_wait *t, enum verdict_kind kind, uint32_t ticket, void *owner,
		      verdict_fn *fn, const void *what, size_t bytes);
/* An unknown ticket is ignored. */
void verdict_wait_go(struct verdict_wait *t, uint32_t ticket);
/* Drops the owner's waiting verdicts without giving them. */
void verdict_wait_forget(struct verdict_wait *t, const void *owner);

#endif
