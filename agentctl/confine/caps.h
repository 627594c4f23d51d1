/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capabilities. */
#ifndef AGENTFW_CAPS_H
#define AGENTFW_CAPS_H

struct err;

/* No program gives one back. Needs CAP_SETPCAP; an ordinary user goes without. */
int caps_drop_bounding(struct err *e);
int caps_drop(struct err *e);

#endif
