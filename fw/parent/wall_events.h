/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parent's use of the socket wall: attaches it to each new cgroup, and records its refusals. */
#ifndef AGENTFW_WALL_EVENTS_H
#define AGENTFW_WALL_EVENTS_H

#include "fw/parent/fence.h"
#include "policy/base/err.h"

int wall_setup(struct parent *p);
/* Attaches the wall to a new cgroup. A failure is an error unless the policy says best_effort. */
int pfence_wall(struct pfence *f, struct err *e);
void pfence_wall_tick(struct pfence *f);
void pfence_wall_end(struct pfence *f); /* records what is left */

#endif
