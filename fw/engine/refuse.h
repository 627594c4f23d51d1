/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verdicts, and refusals with their events. */
#ifndef AGENTFW_REFUSE_H
#define AGENTFW_REFUSE_H

#include <stddef.h>
#include <stdint.h>

#include "fw/engine/passage.h"
#include "fw/ipc/denial.h"

/* For packets that leave, and for packets that come in. was: the mark that the packet came with. */
void verdict_out(struct fence *f, uint32_t id, uint32_t was, uint32_t answer);
void verdict_in(struct fence *f, uint32_t id, uint32_t was, uint32_t answer);
void passage_answer(const struct passage *w, uint32_t answer);
/* Refuses the packets that a flow holds (flow may be NULL) and the current one (w may be NULL). The
 * event goes out first: the verdict may end the process that sent them. */
void refuse(struct fence *f, const struct facts *facts, const struct decision *d, struct flow *flow,
	    const struct passage *w);
/* Only the events for the packets that a flow holds; the caller gives the verdicts. */
void refuse_without_verdict(struct flow *flow, enum denial_code code);
void refuse_passage(struct passage *w, struct flow *flow, enum denial_code code);
/* The packet for the capture: checksums complete, cut to snaplen. Valid until the next call. */
size_t passage_captured(const struct passage *w, const uint8_t **ret);

#endif
