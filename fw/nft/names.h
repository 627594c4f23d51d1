/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names of all that the table holds. names.c says what each is, in the comments that `nft list`
 * prints.
 *
 * A fence's chains and sets have its number behind their name: out_3, learned4_3. */
#ifndef AGENTFW_NFT_NAMES_H
#define AGENTFW_NFT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/nft/batch.h"
#include "fw/nft/set.h"

#define NFT_NAME_BYTES 32 /* the kernel takes 255 */

/* Chains of the whole table. */
#define CHAIN_PROBE          "probe"
#define CHAIN_DNS_ZONE       "dns_zone"
#define CHAIN_DNS            "dns"
#define CHAIN_WASH           "wash"
#define CHAIN_WASHED         "washed"
#define CHAIN_OUT            "out"
#define CHAIN_WAY            "way"
#define CHAIN_WAY_REDIRECTED "way_redirected"
#define CHAIN_NO_PAYLOAD4    "no_payload4"
#define CHAIN_NO_PAYLOAD6    "no_payload6"
#define CHAIN_DOUBT4         "doubt4"
#define CHAIN_DOUBT6         "doubt6"
#define CHAIN_REJECT_ALL     "reject_all"
#define CHAIN_IN             "in"
#define CHAIN_IN_OWN         "in_own"
#define CHAIN_IN_VERDICT     "in_verdict"
#define CHAIN_IN_MARKED      "in_marked"
#define CHAIN_OTHERS_BEGIN   "others_begin"
#define CHAIN_ENGINE         "engine"
#define CHAIN_LEAVE          "leave"
#define CHAIN_LEAVE_MARKED   "leave_marked"
#define CHAIN_LAST_LOOK      "last_look"

/* Maps, sets and the counter of the whole table. */
#define MAP_OUT           "fence_out"
#define MAP_ANSWERED      "fence_answered"
#define MAP_IN            "fence_in"
#define MAP_IN_ANSWERED   "fence_in_answered"
#define MAP_OWN           "fence_own"
#define MAP_OWN_OTHERS    "fence_own_others"
#define MAP_OWN_ANSWERED  "fence_own_answered"
#define MAP_DNS           "fence_dns"
#define MAP_DNS_ZONE      "fence_dns_zone"
#define MAP_NO_FENCE      "no_fence"
#define MAP_ANY_FENCE     "any_fence"
#define SET_PLAIN6        "plain6"
#define SET_NAME_SERVERS4 "name_servers4"
#define SET_NAME_SERVERS6 "name_servers6"
#define COUNTER_ENGINE    "engine_astray"
#define SET_RESOLVERS4    "resolvers4"
#define SET_RESOLVERS6    "resolvers6"
#define MAP_RESOLVED4     "resolved4"
#define MAP_RESOLVED6     "resolved6"
#define COUNTER_STRAY     "stray"

/* Chains per fence, each before those that lead to it. NAME4 + v6 is the one for a family. */
enum fence_chain {
	FENCE_QUEUE,
	FENCE_VERIFIED,
	FENCE_OPTIONS4,
	FENCE_OPTIONS6,
	FENCE_LET_IN,
	FENCE_REPLY4,
	FENCE_REPLY6,
	FENCE_LISTENER4,
	FENCE_LISTENER6,
	FENCE_INSPECTED4,
	FENCE_INSPECTED6,
	FENCE_TO_LEARNED4,
	FENCE_TO_LEARNED6,
	FENCE_MARKED4,
	FENCE_MARKED6,
	FENCE_UNMARKED4,
	FENCE_UNMARKED6,
	FENCE_OUT6,
	FENCE_OUT, /* where all packets begin, and IPv4 goes on */
	FENCE_ANSWERED,
	FENCE_IN,
	FENCE_IN_ANSWERED,
	FENCE_OWN,
	FENCE_OWN_ANSWERED,
	FENCE_RESOLVED,
	FENCE_DNS,
	FENCE_DNS_ZONE,
	FENCE_CHAINS
};

/* Sets per fence. */
enum fence_set {
	FENCE_DIRECT4,
	FENCE_DIRECT6,
	FENCE_OPEN4,
	FENCE_OPEN6,
	FENCE_LEARNED4,
	FENCE_LEARNED6,
	FENCE_PAIRS4,
	FENCE_PAIRS6,
	FENCE_SETS
};

struct nft_name {
	char s[NFT_NAME_BYTES];
};
struct nft_name nft_chain(unsigned chain, uint32_t fence); /* enum fence_chain */
struct nft_name nft_set(unsigned set, uint32_t fence);     /* enum fence_set */
struct nft_name nft_passed(uint32_t fence);                /* its counter */

/* What the table has for all fences. The chain of the last look is separate: it is made only where
 * the BPF program looks. */
extern const struct chain_spec nft_table_chains[];
extern const size_t nft_n_table_chains;
extern const struct chain_spec nft_last_look_chain;
extern const struct set_spec nft_table_sets[];
extern const size_t nft_n_table_sets;
extern const char nft_table_comment[];

/* What the table has per fence; nft_chain and nft_set make the names. */
struct fence_chain_spec {
	const char *name;
	bool ingress; /* only where the policy has `ingress` */
	const char *comment;
};
struct fence_set_spec {
	const char *name;
	enum key_shape shape;
	bool interval, ingress;
	const char *comment;
	uint32_t most; /* elements; 0: as many as the policy has */
};
extern const struct fence_chain_spec nft_fence_chains[FENCE_CHAINS];
extern const struct fence_set_spec nft_fence_sets[FENCE_SETS];

#endif
