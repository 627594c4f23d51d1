/* SPDX-License-Identifier: GPL-2.0-or-later */
/* First payloads, which are held until they are understood, and streams that are looked at on. */
#ifndef AGENTFW_HELD_H
#define AGENTFW_HELD_H

#include <stdbool.h>

#include "fw/engine/passage.h"

/* A TCP payload to an address whose names want to be seen. */
void held_payload(struct passage *w);
/* Is something known of its connection already? */
bool held_goes_on(struct passage *w);
/* A connection begins: what is kept of one before, with the same ports, is over. */
void held_begin(struct passage *w);
void held_flow_gone(struct flow *f);   /* a flow had to make room; for flows_new */
void held_refuse_all(struct fence *f); /* the fence ends: nothing stays held */

#endif
