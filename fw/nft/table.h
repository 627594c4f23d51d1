/* What fw/nft/table.c (the table) and fw/nft/fence.c (a fence's part of it) share. */
#ifndef AGENTFW_NFT_TABLE_H
#define AGENTFW_NFT_TABLE_H

#include "fw/nft/batch.h"
#include "fw/nft/nft.h"

#define NFT_REPLY_BYTES 16384
/* Places in headers: RFC 791, RFC 8200, RFC 9293. */
#define IP4_SADDR_OFFSET 12
#define IP4_DADDR_OFFSET 16
#define IP6_SADDR_OFFSET 8
#define IP6_DADDR_OFFSET 24
#define L4_SPORT_OFFSET  0 /* TCP and UDP alike */
#define L4_DPORT_OFFSET  2
#define TCP_FLAGS_OFFSET 13

#define NFT_LOOPBACK_IFINDEX  1 /* in every network namespace (net/core/dev.c) */
#define NFT_ELEMS_PER_MESSAGE 512
#define NFT_NAME_BYTES        24
/* The chain that rejects everything, for what is in a cgroup of ours and in no fence. */
#define NFT_DEAD_CHAIN "dead"
/* TCP without payload is accepted, the rest returns. Only for plain TCP. */
/* Gives a packet of a fence's PKT_PASS, and PKT_STAYS where it stays on this machine. */
#define NFT_WAY_CHAIN    "way"
#define NFT_EMPTY4_CHAIN "p4"
#define NFT_EMPTY6_CHAIN "p6"
#define NFT_DOUBT4_CHAIN "doubt4"
#define NFT_DOUBT6_CHAIN "doubt6"
/* The protocols that may follow an IPv6 header at once on the fast path. */
#define NFT_PLAIN_SET "plain6"
/* Packets to loopback addresses that were about to leave by another device. */
#define NFT_STRAY_COUNTER "stray"

struct nft {
	struct mnl_socket *nl;
	uint32_t table_flags;
	bool native_queue;
	bool fib;       /* the kernel tells in a rule whose an address is */
	bool last_look; /* somebody looks for PKT_PASS behind the last hook, and takes it off */
};

struct set_key nft_cgroup_key(uint64_t id);
/* What is in this directory, and in no fence, is dead. That may be known already. */
void nft_ours(struct batch *b, uint64_t above_id);
/* TCP is reset, the rest gets an ICMP error, and what cannot be answered is dropped. So is what
 * goes out in the name of somebody else: the answer would go to him. */
void nft_reject_all(const struct nft *n, struct batch *b, const char *chain);

/* What belongs to one fence: prefix and its number. Returns buf. */
const char *nft_name(char buf[NFT_NAME_BYTES], const char *prefix, uint32_t fence);
void nft_match_family(struct nftnl_rule *r, bool v6);
void nft_match_l4(struct nftnl_rule *r, uint8_t l4proto);
void nft_match_mark(struct nftnl_rule *r, uint32_t mask, uint32_t value); /* the packet's */
void nft_match_ct_mark(struct nftnl_rule *r, uint32_t bits);
/* IPv4 options and IPv6 extension headers can name another destination (source routing): no packet
 * that has them is let through without being looked at. */
void nft_not_plain(struct batch *b, const struct nft_fence *f, const char *chain, bool v6);
struct addr nft_prefix_last(const struct prefix *p);
/* address . protocol . port, as an element; and of a packet's destination, into the registers. */
struct set_key nft_addr_key(const struct addr *a, uint8_t l4proto, uint16_t port);
void nft_load_key(struct nftnl_rule *r, bool v6);

/* nft_out.c */
void nft_no_payload(struct batch *b, bool v6, bool doubt); /* of the whole table */
/* The chains of the way out. direct[v6]: the set of address rules holds something. */
void nft_out(const struct nft *n, struct batch *b, const struct nft_fence *f, const bool direct[2]);

void nft_way(const struct nft *n, struct batch *b);
/* The end of a rule: the engine is asked, with this in the mark (PKT_ASK...). */
void nft_ask(struct nftnl_rule *r, const struct nft_fence *f, uint32_t question);

/* nft_self.c: packets to this machine's addresses that go by another device than lo. */
void nft_match_elsewhere(struct nftnl_rule *r);
void nft_match_loopback(struct nftnl_rule *r, bool v6);
void nft_self_leave(const struct nft *n, struct batch *b); /* of the whole table */
void nft_self_last(struct batch *b);                       /* with a last look only */
/* On the way out of one family, before anything but verified flows passes: loopback addresses. */
void nft_self(struct batch *b, const struct nft_fence *f, const char *chain, bool v6);
/* The same for all addresses of this machine: costs a look-up. */
void nft_self_new(const struct nft *n, struct batch *b, const struct nft_fence *f,
		  const char *chain);

/* nft_resolver.c: nobody else speaks to a fence's resolver. */
void nft_resolver_rules(struct batch *b); /* of the whole table */
void nft_resolver_elems(struct batch *b, const struct nft_fence *f, uint16_t type);

/* nft_ingress.c */
bool nft_has_ingress(const struct nft_fence *f);
/* The chains of what comes in. 0, or -errno of policy_ingress_pairs. */
int nft_ingress(const struct nft *n, struct batch *b, const struct nft_fence *f);
/* On the way out of one family: answers in flows that were let in. */
void nft_answers(struct batch *b, const struct nft_fence *f, const char *chain, bool v6);

#endif
