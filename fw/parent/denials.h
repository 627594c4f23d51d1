/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refusals that the engine put into the ring: the parent adds the process and records them. */
#ifndef AGENTFW_DENIALS_H
#define AGENTFW_DENIALS_H

#include "fw/ipc/denial.h"
#include "fw/parent/fence.h"
#include "fw/parent/parent.h"

/* For some milliseconds, and a timer goes on. Fences whose last refusal was read are ended. */
void denials_read(struct parent *p);
void denials_lost(struct parent *p); /* records the losses of an engine that died */
void denial_remember(struct pfence *f, const struct denial *d);

#endif
