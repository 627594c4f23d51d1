/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capabilities. */
#ifndef AGENTFW_CAPS_H
#define AGENTFW_CAPS_H

struct err;

/* Then no program gives a capability back. Needs CAP_SETPCAP; for ordinary users it does
 * nothing. */
int caps_drop_bounding(struct err *e);
int caps_drop(struct err *e);

#endif
