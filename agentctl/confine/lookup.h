/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the steps of one kind need, found out beside the box's process: the names of STEP_LIBRARY,
 * the groups of STEP_USER. */
#ifndef AGENTFW_LOOKUP_H
#define AGENTFW_LOOKUP_H

#include <stddef.h>

#include "agentctl/confine/plan.h"

/* In the order of the steps: first kind STEP_LIBRARY, then STEP_USER. Written by the process that
 * made the plan, received by the one that applies it. 0 or -errno. */
int lookup_send(const struct plan *p, enum step_kind kind, int fd);
/* *ret is to be freed, also after an error. -EPIPE: the sender is gone. */
int lookup_receive(int fd, void **ret, size_t *ret_bytes);

#endif
