/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet's way through the engine. */
#ifndef AGENTFW_ROAD_H
#define AGENTFW_ROAD_H

#include "fw/engine/nfq.h"

void road_packet(void *arg, const struct nfq_packet *p); /* arg: struct fence */

#endif
