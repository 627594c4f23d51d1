/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine wants to know of the kernel, which it cannot ask itself: the asker does. Each
 * waits for its answer; an asker that gives none within ASK_ANSWER_MS ends the engine. */
#ifndef AGENTFW_ASK_H
#define AGENTFW_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/ipc/ask_msg.h"
#include "fw/ipc/scope.h"
#include "fw/ipc/sockdiag.h"
#include "policy/base/addr.h"

/* As the functions of these names in fw/ipc/route.h and sockdiag.h. */
int ask_local(const struct addr *a);
/* n: at most ASK_MANY (ask_msg.h). */
void ask_local_many(const struct addr *list, size_t n, int32_t *ret);
int ask_at_beginning(const struct addr *src, uint16_t sport, const struct addr *dst,
		     uint16_t dport);
enum receiver ask_receiver(const struct addr *src, uint16_t sport, const struct addr *dst,
			   uint16_t dport, const struct scope *scope);
bool ask_in_time_wait(const struct addr *src, uint16_t sport, const struct addr *dst,
		      uint16_t dport);

#endif
