/* What fw/nft.c (the table) and fw/nft_fence.c (a fence's part of it) share. */
#ifndef AGENTFW_NFT_TABLE_H
#define AGENTFW_NFT_TABLE_H

#include "fw/nft.h"
#include "fw/nft_batch.h"

#define NFT_REPLY_BYTES 16384
#define L4_DPORT_OFFSET 2 /* TCP and UDP alike */
/* The chain that rejects everything, for cgroups whose fence is over. */
#define NFT_DEAD_CHAIN "dead"
/* The protocols that may follow an IPv6 header at once on the fast path. */
#define NFT_PLAIN_SET "plain6"

struct nft {
	struct mnl_socket *nl;
	uint32_t table_flags;
	bool native_queue;
};

struct set_key nft_cgroup_key(uint64_t id);
/* TCP is reset, the rest gets an ICMP error, and what cannot be answered is dropped. */
void nft_reject_all(struct batch *b, const char *chain);

#endif
