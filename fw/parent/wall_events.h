/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket wall, as the parent uses it: on each new cgroup, and its refusals into the record. */
#ifndef AGENTFW_WALL_EVENTS_H
#define AGENTFW_WALL_EVENTS_H

#include "fw/parent/fence.h"
#include "policy/base/err.h"

int wall_setup(struct parent *p);
/* Closes a new cgroup. Where that cannot be done, an error, unless the policy says best_effort. */
int pfence_wall(struct pfence *f, struct err *e);
void pfence_wall_tick(struct pfence *f);
void pfence_wall_end(struct pfence *f); /* what is still to be told */

#endif
