/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine wants to know of the kernel, which it cannot ask itself: the asker does. Each
 * waits for its answer; an asker that gives none within ASK_ANSWER_MS ends the engine. */
#ifndef AGENTFW_ASK_H
#define AGENTFW_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "fw/ipc/scope.h"
#include "fw/ipc/sockdiag.h"
#include "policy/base/addr.h"

/* As the functions of these names in fw/ipc/route.h and sockdiag.h. */
int ask_local(const struct addr *a);
int ask_at_beginning(const struct addr *src, uint16_t sport, const struct addr *dst,
		     uint16_t dport);
enum receiver ask_receiver(const struct addr *src, uint16_t sport, const struct addr *dst,
			   uint16_t dport, const struct scope *scope);
bool ask_in_time_wait(const struct addr *src, uint16_t sport, const struct addr *dst,
		      uint16_t dport);

#endif
