/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why `egress` refuses an entry that is one endpoint: for the reader of policies, and for whoever
 * proposes an entry (endpoint_entry). */
#ifndef AGENTFW_POLICY_ENTRY_H
#define AGENTFW_POLICY_ENTRY_H

#include "policy/policy.h"

/* The group of this name, or NULL. */
const struct policy_group *entry_group(const char *name);
/* One label without a scheme: only the names of groups are written so. text is what ep was read
 * from. */
bool entry_is_word(const char *text, const struct endpoint *ep);
/* Does it name port 53? Packets to it come to the fence's own resolver. */
bool entry_to_resolver(const struct endpoint *ep);
/* Why it lets more through than its writer may think; NULL: it does not. */
const char *entry_too_broad(const struct endpoint *ep);
/* Is it shorter than the largest private block of its family? */
bool entry_prefix_broad(const struct prefix *p);
/* Does the socket wall (fw/bpf/wall.bpf.c) refuse it, whatever the rules say? */
bool entry_never_named(const struct endpoint *ep);

#endif
