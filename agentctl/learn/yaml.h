/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy that held, with what was learned put into its lists. */
#ifndef AGENTFW_LEARN_YAML_H
#define AGENTFW_LEARN_YAML_H

#include <stddef.h>

struct err;
struct proposals;
struct seen_all;

/* To be called in a child. text: of the policy that held, of this file, which relative paths count
 * from; "" if there was none. files: one for each of s->by. head: comment lines for its beginning.
 * The new text into *ret, to be freed: a policy, in which each thing that was learned is what it
 * was (trip.h), or is left out, which a comment says. */
int learn_policy(const char *text, size_t bytes, const char *file, const struct seen_all *s,
		 const struct proposals *files, const char *head, char **ret, struct err *e);

#endif
