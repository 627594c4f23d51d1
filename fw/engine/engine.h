/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: the process that reads strangers' bytes. It receives packets, decides, gives verdicts
 * and answers DNS; it has CAP_NET_ADMIN and its descriptors (fw/ipc/engine_msg.h), and nothing
 * else. */
#ifndef AGENTFW_ENGINE_H
#define AGENTFW_ENGINE_H

#include "policy/base/err.h"

/* Runs until the parent goes. 0, or -errno with e; e->code 0: the parent has been told. */
int engine_run(struct err *e);

#endif
