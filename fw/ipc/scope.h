/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What makes a socket a fence's. Code that has a fence, and tells its sockets from others, switches
 * on the kind, so that the compiler names the places that lack a new kind: the rules of a fence
 * (nft_scope_key, nft_match_scope) and the questions about sockets (scope_holds). The base chains,
 * which find a packet's fence, know cgroups alone (nft_find_cgroup), and so does the socket wall.
 * The place where a fence's processes live is fw/parent/place.h. */
#ifndef AGENTFW_SCOPE_H
#define AGENTFW_SCOPE_H

#include <stdbool.h>
#include <stdint.h>

#define SCOPE_CGROUP_LEVEL 2 /* agentfw/<fence>, below the cgroup v2 root */

enum scope_kind {
	SCOPE_CGROUP = 1, /* by the cgroup in which it was made, or one below that */
};

struct scope {
	enum scope_kind kind;
	uint64_t cgroup_id; /* the directory's inode number */
	uint64_t above_id;  /* the parent directory's */
};

/* Is a socket of that cgroup the fence's? false for sub-directories, which are not known here. */
static inline bool scope_holds(const struct scope *s, uint64_t cgroup_id)
{
	switch (s->kind) {
	case SCOPE_CGROUP:
		return cgroup_id == s->cgroup_id;
	}
	return false;
}

#endif
