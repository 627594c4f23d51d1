/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the engine gives up every right that it does not need. fw/engine/engine.c calls engine_drop
 * before it reads the first byte of a stranger. */
#ifndef AGENTFW_PRIV_H
#define AGENTFW_PRIV_H

#include "policy/base/err.h"

/* In this order: no files (an empty, read-only root); no cores, no writes to files, no processes;
 * an unprivileged uid, CAP_NET_ADMIN and no other capability, no new privileges; death with its
 * parent, no tracer; and a list of allowed system calls. Each step is checked here, and
 * tests/net/test_drop.py checks the result from outside. */
int engine_drop(struct err *e);

#endif
