/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at the first bytes of a flow for the name that they ask for: a TLS ClientHello, or every
 * HTTP request. */
#ifndef AGENTFW_INSPECT_H
#define AGENTFW_INSPECT_H

#include "fw/engine/decide.h"
#include "fw/engine/flow.h"

enum inspected {
	INSPECT_HOLD = 0, /* not whole yet: hold the packets */
	INSPECT_VERIFIED, /* the flow is allowed from now on */
	INSPECT_PASS,     /* what is here is allowed; what follows must be looked at again */
	INSPECT_DENY,
};

/* f->buf has new bytes. d: the decision that said DECIDED_INSPECT; on INSPECT_DENY it says why. */
enum inspected inspect(struct flow *f, const struct facts *facts, struct decision *d);
/* The n bytes behind what the flow has taken were not seen. false: they need not be a body's; else
 * they were passed over. */
bool inspect_unseen(struct flow *f, size_t n);

#endif
