/* SPDX-License-Identifier: GPL-2.0-or-later */
/* First payloads, which are held until they can be judged, and streams that stay inspected. */
#ifndef AGENTFW_HELD_H
#define AGENTFW_HELD_H

#include <stdbool.h>

#include "fw/engine/passage.h"

/* A TCP payload to an address whose rules ask for a name. */
void held_payload(struct passage *w);
/* Does the packet belong to a connection that is known already? */
bool held_goes_on(struct passage *w);
/* A connection begins: forgets an earlier one with the same ports. */
void held_begin(struct passage *w);
void held_flow_gone(struct flow *f);   /* the callback for flows_new */
void held_refuse_all(struct fence *f); /* the fence ends: nothing stays held */

#endif
