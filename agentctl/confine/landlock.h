/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Landlock: which files may be opened and run, by inode; what reaches other processes. */
#ifndef AGENTFW_LANDLOCK_H
#define AGENTFW_LANDLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum landlock_bits { LANDLOCK_SCOPE = 1, LANDLOCK_FILES = 2 };

#define LANDLOCK_ABI_WITH_LOG 7 /* it tells the audit log what it refuses: Linux 6.15 */
int landlock_abi(void);         /* 0: none */
bool landlock_can_scope(void);
bool landlock_can_part(void); /* processes inside from the memory of those outside */
/* bits: enum landlock_bits. *ret_fd: a ruleset, the caller's to close, or -1 where nothing can be
 * done and nothing is needed. */
int landlock_open(uint64_t bits, int *ret_fd, struct err *e);
/* allow: rights of policy/base/rights.h. optional: it may be gone. */
int landlock_allow(int ruleset, const char *path, uint64_t allow, bool optional, struct err *e);
int landlock_apply(int ruleset, struct err *e);
int landlock_scope(struct err *e); /* as far as `run` uses it without a profile */

#endif
