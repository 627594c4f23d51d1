/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is denied in a box. */
#ifndef AGENTFW_DENY_H
#define AGENTFW_DENY_H

struct build;

/* The steps for denied places, at every path that shows them, and for secrets in named places. */
int deny_steps(struct build *b);

#endif
