/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is denied in a box. */
#ifndef AGENTFW_DENY_H
#define AGENTFW_DENY_H

struct build;

/* The steps for what is denied, wherever the host shows it, and for secrets in what is named. */
int deny_steps(struct build *b);

#endif
