/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each fence has an epoch, a number that none of the CT_EPOCH_MAX - 1 fences before it had, even
 * across restarts of the daemon: conntrack entries outlive both. The file `epoch` in the run
 * directory holds the last one. If the file was removed, or holds something else, numbers go on at
 * a random place. */
#ifndef AGENTFW_EPOCH_H
#define AGENTFW_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/base/err.h"

/* The next number, 1 to CT_EPOCH_MAX; on success the file holds it. ret_lost: there was a file, but
 * without a number. */
int epoch_next(const char *run_dir, uint32_t *ret, bool *ret_lost, struct err *e);
/* Is there a file without a number? */
bool epoch_is_lost(const char *run_dir);

#endif
