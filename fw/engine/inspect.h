/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks for the name in a flow's bytes: in its TLS ClientHello, or in every HTTP request. */
#ifndef AGENTFW_INSPECT_H
#define AGENTFW_INSPECT_H

#include "fw/engine/decide.h"
#include "fw/engine/flow.h"

enum inspected {
	INSPECT_HOLD = 0, /* incomplete: hold the packets */
	INSPECT_VERIFIED, /* the flow is allowed from now on */
	INSPECT_PASS,     /* these bytes are allowed; those that follow must be inspected */
	INSPECT_DENY,
};

/* f->buf has new bytes. d: the decision DECIDED_INSPECT; on INSPECT_DENY it has the reason. */
enum inspected inspect(struct flow *f, const struct facts *facts, struct decision *d);
/* The n bytes after those that the flow has taken were not seen. true: they belong to a body, and
 * are skipped. false: they may be something else. */
bool inspect_unseen(struct flow *f, size_t n);

#endif
