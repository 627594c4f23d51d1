/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refusals that the engine put into the ring: who it was is added, and they are written down. */
#ifndef AGENTFW_DENIALS_H
#define AGENTFW_DENIALS_H

#include "fw/ipc/denial.h"
#include "fw/parent/fence.h"
#include "fw/parent/parent.h"

void denials_read(struct parent *p);
void denials_drain(struct parent *p); /* all that is there, before a fence is forgotten */
void denials_lost(struct parent *p);  /* when the engine has died */
void denial_remember(struct pfence *f, const struct denial *d);

#endif
