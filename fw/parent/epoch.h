/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The numbers of generations of fences. No two share one, also not over restarts of the daemon: a
 * conntrack entry outlives both. The last is kept in the file `epoch` of the run directory; where
 * that was removed from a namespace that lives, or holds something else, numbers go on at a random
 * place. */
#ifndef AGENTFW_EPOCH_H
#define AGENTFW_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/base/err.h"

/* The next one, 1 to CT_EPOCH_MAX; the file holds it when this returns 0. ret_lost: there was a
 * file, and it did not say the last one. */
int epoch_next(const char *run_dir, uint32_t *ret, bool *ret_lost, struct err *e);
/* Is there a file that does not say the last one? */
bool epoch_is_lost(const char *run_dir);

#endif
