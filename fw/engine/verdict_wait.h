/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verdicts that wait until it was written down who they are about.
 *
 * A refusal may end the process that it is about, and then nobody can say any more who it was. So
 * the event goes to the parent first, with a ticket, a number; what the verdict needs waits here
 * until the parent says that number (EM_GO), or until its time is over: a refusal is told within
 * 100 ms. Of each kind only some wait; the others are given their verdict at once. */
#ifndef AGENTFW_VERDICT_WAIT_H
#define AGENTFW_VERDICT_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/ipc/loop.h"

struct verdict_wait;

enum verdict_kind {
	VERDICT_PACKETS, /* 50 ms */
	VERDICT_REPLY,   /* of the resolver; 20 ms: libraries ask two or three times */
	VERDICT_KINDS,
};

/* Gives the verdict. what: as it was handed to verdict_wait_add. */
typedef void verdict_fn(void *owner, const void *what);

int verdict_wait_new(struct loop *loop, struct verdict_wait **ret);
void verdict_wait_free(struct verdict_wait *t); /* gives no verdict */
/* For the event. 0: so many wait that this one does not. */
uint32_t verdict_wait_ticket(struct verdict_wait *t, enum verdict_kind kind);
/* Copies what. false: it cannot wait, and the caller gives the verdict. */
bool verdict_wait_add(struct verdict_wait *t, enum verdict_kind kind, uint32_t ticket, void *owner,
		      verdict_fn *fn, const void *what, size_t bytes);
/* Unknown tickets are fine. */
void verdict_wait_go(struct verdict_wait *t, uint32_t ticket);
/* The owner goes, and with it what waits of it, without a verdict. */
void verdict_wait_forget(struct verdict_wait *t, const void *owner);

#endif
