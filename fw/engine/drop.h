/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the engine gives up everything but what it needs (fw/ipc/shut_in.h): it keeps no capability.
 * fw/engine/engine.c calls engine_drop before it reads the first byte of a stranger. */
#ifndef AGENTFW_ENGINE_DROP_H
#define AGENTFW_ENGINE_DROP_H

#include <stdint.h>

#include "policy/base/err.h"

int engine_drop(uint32_t uid, struct err *e);

#endif
