/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `egress` has against an entry that is one endpoint: the reader of policies asks, and who
 * proposes an entry (endpoint_entry). */
#ifndef AGENTFW_POLICY_ENTRY_H
#define AGENTFW_POLICY_ENTRY_H

#include "policy/policy.h"

/* The group of this name, or NULL. */
const struct policy_group *entry_group(const char *name);
/* One label without a scheme: only the names of groups are written so. text is what ep was read
 * from. */
bool entry_is_word(const char *text, const struct endpoint *ep);
/* Whatever a fence sends to port 53 comes to its own resolver. */
bool entry_to_resolver(const struct endpoint *ep);
/* It lets more through than its writer may think: why, or NULL. */
const char *entry_too_broad(const struct endpoint *ep);
/* Shorter than what is anybody's own. */
bool entry_prefix_broad(const struct prefix *p);
/* Programs on the fence's cgroup refuse it, whatever the rules say: see fw/bpf/wall.bpf.c. */
bool entry_never_named(const struct endpoint *ep);

#endif
