/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers of users that are nobody's: whoever has the same number as one of our processes could
 * stop it, and would share the kernel's limits with it. */
#ifndef AGENTFW_UIDS_H
#define AGENTFW_UIDS_H

#include <stddef.h>
#include <stdint.h>

#include "policy/base/err.h"

/* n different ones, at most UIDS_MAX, that are mapped in this user namespace, that /etc/passwd does
 * not have, and no process. -errno with e. */
#define UIDS_MAX 8
int uids_pick(uint32_t *ret, size_t n, struct err *e);

#endif
