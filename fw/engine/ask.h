/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine wants to know of the kernel, which it cannot ask itself: the asker does. Each
 * waits for its answer, a tenth of a second at most; without one it is as if the kernel had said
 * nothing. */
#ifndef AGENTFW_ASK_H
#define AGENTFW_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "fw/ipc/scope.h"
#include "fw/ipc/sockdiag.h"
#include "policy/base/addr.h"

/* Is a an address of this machine? */
bool ask_local(const struct addr *a);
/* As the functions of these names in fw/ipc/sockdiag.h. */
int ask_at_beginning(const struct addr *src, uint16_t sport, const struct addr *dst,
		     uint16_t dport);
enum receiver ask_receiver(const struct addr *src, uint16_t sport, const struct addr *dst,
			   uint16_t dport, const struct scope *scope);
bool ask_in_time_wait(const struct addr *src, uint16_t sport, const struct addr *dst,
		      uint16_t dport);

#endif
