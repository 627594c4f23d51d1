/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parent's handle on the table, as fw/nft's files see it. */
#ifndef AGENTFW_NFT_TABLE_H
#define AGENTFW_NFT_TABLE_H

#include "fw/nft/batch.h"
#include "fw/nft/nft.h"

#define NFT_REPLY_BYTES 16384

struct nft {
	struct mnl_socket *nl;
	uint32_t table_flags;
	bool native_queue;
	bool fib; /* the kernel tells in a rule whose an address is */
	uint32_t engine_uid;
	bool last_look; /* somebody looks for PKT_PASS behind the last hook, and takes it off */
};

#endif
