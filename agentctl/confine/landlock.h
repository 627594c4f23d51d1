/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Landlock: which files may be opened and run, by inode; which processes can be reached. */
#ifndef AGENTFW_LANDLOCK_H
#define AGENTFW_LANDLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum landlock_bits { LANDLOCK_SCOPE = 1, LANDLOCK_FILES = 2 };

#define LANDLOCK_ABI_WITH_LOG 7 /* it tells the audit log what it refuses: Linux 6.15 */
int landlock_abi(void);         /* 0: none */
bool landlock_can_scope(void);
bool landlock_can_part(void); /* keep those inside from the memory of processes outside */
/* bits: enum landlock_bits. *ret_fd: a ruleset, the caller's to close; -1: this kernel cannot
 * scope, and LANDLOCK_FILES was not asked for. */
int landlock_open(uint64_t bits, int *ret_fd, struct err *e);
/* allow: rights of policy/base/rights.h. optional: it may be gone. */
int landlock_allow(int ruleset, const char *path, uint64_t allow, bool optional, struct err *e);
int landlock_apply(int ruleset, struct err *e);
int landlock_scope(struct err *e); /* for an agent that keeps its user's files */

#endif
