/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The asker: the process that asks the kernel about routes and sockets for the engine. It has no
 * capability, and no descriptor but two netlink sockets and those to parent and engine. */
#ifndef AGENTFW_ASKER_H
#define AGENTFW_ASKER_H

#include <stdint.h>

#include "policy/base/err.h"

/* Runs until parent or engine go. 0, or -errno with e; e->code 0: the parent has been told. */
int asker_run(uint32_t uid, struct err *e);

#endif
