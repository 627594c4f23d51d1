/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: the process that reads strangers' bytes. It receives packets, decides, says its
 * verdicts to the gate and answers DNS; it has its descriptors (fw/ipc/engine_msg.h), and nothing
 * else: no capability. */
#ifndef AGENTFW_ENGINE_H
#define AGENTFW_ENGINE_H

#include <stdbool.h>

#include "fw/ipc/engine_msg.h"
#include "policy/base/err.h"

struct fence;

/* Runs until the parent goes. 0, or -errno with e; e->code 0: the parent has been told. */
int engine_run(uint32_t uid, struct err *e);

/* Puts a refusal into the ring. When the ring is half full a fence gets a quarter of it per round,
 * so that no fence takes the place of the others. false: the refusal is lost, and counted. */
bool engine_tell(struct fence *f, const struct ring_denial *rd, const void *packet);

#endif
