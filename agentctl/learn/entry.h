/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An entry of an egress list as the log suggests it, compared with what the log says was refused. */
#ifndef AGENTFW_LEARN_ENTRY_H
#define AGENTFW_LEARN_ENTRY_H

#include <stdbool.h>

#include "policy/policy.h"

struct seen_endpoint;

struct learn_entry {
	struct endpoint ep; /* endpoint_entry has a text for it */
	bool at, ech;
	struct prefix address; /* at: the name may point there */
};

/* In a child: e->suggest is YAML. NULL: *ret is the entry, which allows what e says and no more;
 * else why there is none. */
const char *learn_entry_of(const struct seen_endpoint *e, struct learn_entry *ret);

#endif
