/* SPDX-License-Identifier: GPL-2.0-or-later */
/* User, network and pid namespaces. */
#ifndef AGENTFW_NAMESPACES_H
#define AGENTFW_NAMESPACES_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct plan;

/* May this user make them here? sure: tried out, which takes a millisecond; else as far as the
 * settings tell. */
bool namespaces_allowed(bool sure);
/* In the process that was born in them (flags: CLONE_NEW…, as of STEP_NAMESPACES). */
int namespaces_enter(const struct plan *p, uint64_t flags, struct err *e);

#endif
