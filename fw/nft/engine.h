/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the engine's own sockets may send. */
#ifndef AGENTFW_NFT_ENGINE_H
#define AGENTFW_NFT_ENGINE_H

#include "fw/nft/batch.h"
#include "fw/nft/table.h"

void nft_engine_rules(const struct nft *n, struct batch *b);

#endif
