/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy that held, with what was learned added to its lists. */
#ifndef AGENTFW_LEARN_YAML_H
#define AGENTFW_LEARN_YAML_H

#include <stddef.h>

struct err;
struct proposals;
struct seen_all;

/* base: the text of the policy that held, "" if there was none. files: one for each of s->by. head:
 * comment lines for its beginning. The new text into *ret, to be freed. */
int learn_policy(const char *base, size_t base_bytes, const struct seen_all *s,
		 const struct proposals *files, const char *head, char **ret, struct err *e);

#endif
