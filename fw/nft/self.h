/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets to this machine's addresses that go by another device than lo. */
#ifndef AGENTFW_NFT_SELF_H
#define AGENTFW_NFT_SELF_H

#include "fw/nft/table.h"

/* Of the whole table, where packets leave. */
void nft_self_leave(const struct nft *n, struct batch *b);
/* On one family's way out, before anything but verified flows passes: loopback addresses. */
void nft_self(struct batch *b, const struct nft_fence *f, const char *chain, bool v6);
/* The same for all addresses of this machine, which costs a look-up. */
void nft_self_new(const struct nft *n, struct batch *b, const struct nft_fence *f,
		  const char *chain);

#endif
