/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gate: the process that gives verdicts. Beside the parent it alone has CAP_NET_ADMIN. The
 * engine tells it which packet goes how, and it tells the kernel; it reads no packet. The parent
 * gives it the queues' sockets. */
#ifndef AGENTFW_GATE_H
#define AGENTFW_GATE_H

#include <stdint.h>

#include "policy/base/err.h"

/* Runs until parent or engine go. 0, or -errno with e; e->code 0: the parent has been told. */
int gate_run(uint32_t uid, struct err *e);

#endif
