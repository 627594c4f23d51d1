/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What makes a socket a fence's. All that tells the sockets of one fence from others asks by the
 * kind, in a switch, so that the compiler names the places that do not know a new kind yet: the
 * rules (nft_scope_key, nft_match_scope), the questions about sockets (scope_holds), and the
 * place where the fence's processes live (fw/parent/place.h). */
#ifndef AGENTFW_SCOPE_H
#define AGENTFW_SCOPE_H

#include <stdbool.h>
#include <stdint.h>

enum scope_kind {
	SCOPE_CGROUP = 1, /* the cgroup that it was made in, or one below */
};

struct scope {
	enum scope_kind kind;
	uint64_t cgroup_id; /* the directory's inode number */
	uint64_t above_id;  /* of the directory that it is in */
};

/* Is a socket of that cgroup the fence's? Sub-directories are not known here: false for them. */
static inline bool scope_holds(const struct scope *s, uint64_t cgroup_id)
{
	switch (s->kind) {
	case SCOPE_CGROUP:
		return cgroup_id == s->cgroup_id;
	}
	return false;
}

#endif
