// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/nft/names.h"

#include <linux/netfilter.h>
#include <stdio.h>

#define ZONE_PRIORITY (-300) /* before conntrack looks a packet up */
#define DNS_PRIORITY  (-100) /* where destinations are changed */
/* Just before the host's filters, at adjacent numbers that are in no common use: between wash and
 * out no rule of the host sets a mark. */
#define WASH_PRIORITY       (-2)
#define OUT_PRIORITY        (-1)
#define IN_PRIORITY         10
#define IN_VERDICT_PRIORITY 20
#define LEAVE_PRIORITY      (-1000) /* before any rule of the host where packets leave */
#define LAST_PRIORITY       1000    /* behind all of them */

/* The files of rules write NAME4 + v6. */
#define FAMILIES(name) _Static_assert(name##6 == name##4 + 1, "the name of IPv6 follows IPv4's")
FAMILIES(FENCE_OPTIONS);
FAMILIES(FENCE_REPLY);
FAMILIES(FENCE_LISTENER);
FAMILIES(FENCE_INSPECTED);
FAMILIES(FENCE_TO_LEARNED);
FAMILIES(FENCE_MARKED);
FAMILIES(FENCE_UNMARKED);
FAMILIES(FENCE_DIRECT);
FAMILIES(FENCE_OPEN);
FAMILIES(FENCE_LEARNED);
FAMILIES(FENCE_PAIRS);

const char nft_table_comment[] = "agentfw: fences of AI agents; see agentfwd(8)";

const struct chain_spec nft_table_chains[] = {
    {BATCH_EMPTY_CHAIN, .comment = "never has a rule; clearing it makes the kernel answer"},
    {CHAIN_PROBE, .comment = "nothing comes here: does the kernel take these expressions?"},
    {CHAIN_REJECT_ALL, .comment = "TCP is reset, the rest gets an ICMP error or is dropped"},
    {CHAIN_NO_PAYLOAD4, .comment = "TCP without payload passes, the rest returns"},
    {CHAIN_NO_PAYLOAD6, .comment = "TCP without payload passes, the rest returns"},
    {CHAIN_DOUBT4, .comment = "the same, and the engine checks the flow from here on"},
    {CHAIN_DOUBT6, .comment = "the same, and the engine checks the flow from here on"},
    {CHAIN_WAY, .comment = "does the packet stay on this machine? its mark says so from here on"},
    {CHAIN_WAY_REDIRECTED, .comment = "the address decides: the device is the old destination's"},
    {CHAIN_DNS_ZONE, NF_INET_LOCAL_OUT, ZONE_PRIORITY, "filter",
     "questions of one fence share no connection with those of others"},
    {CHAIN_DNS, NF_INET_LOCAL_OUT, DNS_PRIORITY, "nat",
     "questions of a fence go to its own resolver"},
    {CHAIN_WASHED, .comment = "a sender's packet has none of our bits of the mark"},
    {CHAIN_WASH, NF_INET_LOCAL_OUT, WASH_PRIORITY, "filter",
     "what a sender put into our bits of the mark is taken off"},
    {CHAIN_OUT, NF_INET_LOCAL_OUT, OUT_PRIORITY, "filter",
     "by the sender's cgroup to its fence; again with the engine's verdict"},
    {CHAIN_OTHERS_BEGIN, .comment = "our mark is taken off a connection that is another one now"},
    {CHAIN_ENGINE,
     .comment = "what the engine itself sends: answers, and questions to name servers"},
    {CHAIN_IN, NF_INET_LOCAL_IN, IN_PRIORITY, "filter",
     "by the receiver's cgroup to its fence, and what only a fence itself may get"},
    {CHAIN_IN_OWN, .comment = "from a fence to itself, as the packet's mark says"},
    {CHAIN_IN_VERDICT, NF_INET_LOCAL_IN, IN_VERDICT_PRIORITY, "filter",
     "what the engine said about what comes in"},
    {CHAIN_IN_MARKED, .comment = "the verdict is acted on and taken off"},
    {CHAIN_LEAVE, NF_INET_POST_ROUTING, LEAVE_PRIORITY, "filter",
     "does it go the way that was judged?"},
    {CHAIN_LEAVE_MARKED, .comment = "what goes another way than was judged is dropped"},
};
const size_t nft_n_table_chains = sizeof(nft_table_chains) / sizeof(nft_table_chains[0]);
const struct chain_spec nft_last_look_chain = {
    CHAIN_LAST_LOOK, NF_INET_POST_ROUTING, LAST_PRIORITY, "filter",
    "the host's mark has replaced ours, which the look behind all hooks needs"};

const struct set_spec nft_table_sets[] = {
    {MAP_OUT, KEY_CGROUP, .comment = "what the fence sends"},
    {MAP_NO_FENCE, KEY_CGROUP, .comment = "in a cgroup of ours and in no fence: reaches nothing"},
    {MAP_ANY_FENCE, KEY_CGROUP, .comment = "the directory of all fences"},
    {MAP_IN, KEY_CGROUP, .comment = "what comes in to the fence"},
    {MAP_ANSWERED, KEY_CGROUP, .comment = "a verdict on what the fence sends"},
    {MAP_IN_ANSWERED, KEY_CGROUP, .comment = "a verdict on what comes in"},
    {MAP_DNS, KEY_CGROUP, .comment = "its questions, to its resolver"},
    {MAP_DNS_ZONE, KEY_CGROUP, .comment = "its questions, to its conntrack zone"},
    {MAP_OWN, KEY_MARK, .comment = "connection marks of flows inside one fence"},
    {MAP_OWN_OTHERS, KEY_MARK, .comment = "the same, for who is in no fence"},
    {MAP_OWN_ANSWERED, KEY_MARK, .comment = "a verdict on a flow inside one fence"},
    {SET_NAME_SERVERS4, KEY_V4, .comment = "what the fences' resolvers ask"},
    {SET_NAME_SERVERS6, KEY_V6, .comment = "what the fences' resolvers ask"},
    {SET_RESOLVERS4, KEY_V4, .comment = "the fences' resolvers: for fences only"},
    {SET_RESOLVERS6, KEY_V6, .comment = "the fences' resolvers: for fences only"},
    {MAP_RESOLVED4, KEY_V4_MAP, .comment = "what the fences' resolvers answer"},
    {MAP_RESOLVED6, KEY_V6_MAP, .comment = "what the fences' resolvers answer"},
};
const size_t nft_n_table_sets = sizeof(nft_table_sets) / sizeof(nft_table_sets[0]);

const struct fence_chain_spec nft_fence_chains[FENCE_CHAINS] = {
    [FENCE_QUEUE] = {"queue", false,
		     "the engine is asked; without an engine the packet is dropped"},
    [FENCE_VERIFIED] = {"verified", false, "the flow passes from now on"},
    [FENCE_OPTIONS4] = {"options4", false,
			"IP options can name another destination: the engine is asked"},
    [FENCE_OPTIONS6] = {"options6", false,
			"extension headers can name another destination: the engine is asked"},
    [FENCE_LET_IN] = {"let_in", true, "marks the flow of an allowed peer"},
    [FENCE_REPLY4] = {"reply4", true, "a listener's answer to a peer of its rules"},
    [FENCE_REPLY6] = {"reply6", true, "a listener's answer to a peer of its rules"},
    [FENCE_LISTENER4] = {"listener4", true, "may this peer reach this listener?"},
    [FENCE_LISTENER6] = {"listener6", true, "may this peer reach this listener?"},
    [FENCE_INSPECTED4] = {"inspected4", false,
			  "a flow whose every payload the engine is asked about"},
    [FENCE_INSPECTED6] = {"inspected6", false,
			  "a flow whose every payload the engine is asked about"},
    [FENCE_TO_LEARNED4] = {"to_learned4", false, "TCP to an address that an allowed name has"},
    [FENCE_TO_LEARNED6] = {"to_learned6", false, "TCP to an address that an allowed name has"},
    [FENCE_MARKED4] = {"marked4", false, "a flow with a mark: what does its state allow?"},
    [FENCE_MARKED6] = {"marked6", false, "a flow with a mark: what does its state allow?"},
    [FENCE_UNMARKED4] = {"unmarked4", false, "a flow that this fence has not begun yet"},
    [FENCE_UNMARKED6] = {"unmarked6", false, "a flow that this fence has not begun yet"},
    [FENCE_OUT6] = {"out6", false, "what the fence sends over IPv6"},
    [FENCE_OUT] = {"out", false, "what the fence sends; over IPv4 from the second rule on"},
    [FENCE_ANSWERED] = {"answered", false, "the engine's verdict takes effect and is taken off"},
    [FENCE_IN] = {"in", false, "to a socket of the fence, the way that the flow began"},
    [FENCE_IN_ANSWERED] = {"in_answered", false, "the engine's verdict on what comes in"},
    [FENCE_OWN] = {"own", false, "only the fence itself may get this"},
    [FENCE_OWN_ANSWERED] = {"own_answered", false,
			    "the engine's verdict on what only the fence itself may get"},
    [FENCE_RESOLVED] = {"resolved", false, "an answer of its resolver: only the fence may get it"},
    [FENCE_DNS] = {"dns", false, "to the fence's resolver"},
    [FENCE_DNS_ZONE] = {"dns_zone", false, "its questions have a conntrack zone of their own"},
};

/* Elements by the engine's word: some ports for each of the addresses that it may know (NAMES_MAX). An
 * engine that was taken over uses up no more of the kernel's memory. */
#define LEARNED_MOST (1u << 18)

const struct fence_set_spec nft_fence_sets[FENCE_SETS] = {
    [FENCE_DIRECT4] = {"direct4", KEY_V4, true, false,
		       "addresses of the policy that no deny rule touches"},
    [FENCE_DIRECT6] = {"direct6", KEY_V6, true, false,
		       "addresses of the policy that no deny rule touches"},
    [FENCE_OPEN4] = {"open4", KEY_V4, false, false, "addresses that tcp:// and udp:// names have",
		     LEARNED_MOST},
    [FENCE_OPEN6] = {"open6", KEY_V6, false, false, "addresses that tcp:// and udp:// names have",
		     LEARNED_MOST},
    [FENCE_LEARNED4] = {"learned4", KEY_V4, false, false, "addresses that allowed names have",
			LEARNED_MOST},
    [FENCE_LEARNED6] = {"learned6", KEY_V6, false, false, "addresses that allowed names have",
			LEARNED_MOST},
    [FENCE_PAIRS4] = {"pairs4", KEY_PAIR4, true, true,
		      "peers and the listeners that they may reach"},
    [FENCE_PAIRS6] = {"pairs6", KEY_PAIR6, true, true,
		      "peers and the listeners that they may reach"},
};

static struct nft_name name_of(const char *what, uint32_t fence)
{
	struct nft_name n;

	snprintf(n.s, sizeof(n.s), "%s_%u", what, fence);
	return n;
}

struct nft_name nft_chain(unsigned chain, uint32_t fence)
{
	return name_of(nft_fence_chains[chain].name, fence);
}

struct nft_name nft_set(unsigned set, uint32_t fence)
{
	return name_of(nft_fence_sets[set].name, fence);
}

struct nft_name nft_passed(uint32_t fence)
{
	return name_of("passed", fence);
}
