/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: the process that reads strangers' bytes. It receives packets, decides, gives verdicts
 * and answers DNS; it has CAP_NET_ADMIN, its descriptors (fw/ipc/engine_msg.h) and nothing else. */
#ifndef AGENTFW_ENGINE_H
#define AGENTFW_ENGINE_H

#include <stdbool.h>

#include "fw/ipc/engine_msg.h"
#include "policy/base/err.h"

struct fence;

/* Runs until the parent ends. 0, or -errno with e; e->code is 0 once the parent has the message. */
int engine_run(struct err *e);

/* Puts a refusal into the ring. When the ring is half full a fence gets a quarter of it per round,
 * so that no fence takes the place of the others. false: the refusal is lost, and counted. */
bool engine_tell(struct fence *f, const struct ring_denial *rd, const void *packet);

#endif
