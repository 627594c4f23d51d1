/* A fence's rules for the way out.
 *
 *     f<N>          IPv4 goes there at once; f6_<N> is the same for IPv6
 *     m<N>, m6_<N>  a flow that has a mark, beyond the simplest
 *     u<N>, u6_<N>  a flow that has none
 *     h4_<N>, h6_<N>  a flow of which every payload is looked at, or every datagram
 *     l4_<N>, l6_<N>  TCP to an address that an allowed name was given for
 *     o6_<N>        extension headers
 *     q<N>          the engine is asked
 *     a<N>          what it said takes effect
 *     p4, p6        of the whole table: TCP without payload passes, the rest returns
 *
 * Each expression costs every packet that comes to it some 15 ns: what is usual comes first. */
#include "fw/nft_table.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

/* Places in headers that only this file looks at. */
#define IP4_LENGTH_OFFSET 2
#define IP6_LENGTH_OFFSET 4
#define IP6_NEXT_OFFSET   6
#define IP6_BYTES         40
#define TCP_DOFF_OFFSET   12
#define TCP_FLAGS_OFFSET  13
#define TCP_HEADER_MAX    60

/* daddr . l4proto . dport */
void nft_load_key(struct nftnl_rule *r, bool v6)
{
	uint32_t next = NFT_REG32_00 + (v6 ? 4 : 1);

	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, v6 ? IP6_DADDR_OFFSET : IP4_DADDR_OFFSET,
		  v6 ? 16 : 4, NFT_REG32_00);
	x_meta_load(r, NFT_META_L4PROTO, next);
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, L4_DPORT_OFFSET, 2, next + 1);
}

static void match_set(struct nftnl_rule *r, const char *set, bool v6)
{
	nft_load_key(r, v6);
	x_lookup(r, set, NFT_REG32_00, false);
}

static void own_dns(struct batch *b, const char *chain, uint16_t port, bool v6, uint8_t l4proto)
{
	static const uint8_t lo6[16] = {[15] = 1}, lo4[4] = {127, 0, 0, 1};
	struct nftnl_rule *r = batch_rule_new(b, chain);
	uint16_t be = htons(port);

	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, v6 ? IP6_DADDR_OFFSET : IP4_DADDR_OFFSET,
		  v6 ? 16 : 4, NFT_REG_1);
	x_cmp(r, NFT_REG_1, v6 ? lo6 : lo4, v6 ? 16 : 4);
	nft_match_l4(r, l4proto);
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, L4_DPORT_OFFSET, 2, NFT_REG_1);
	x_cmp(r, NFT_REG_1, &be, sizeof(be));
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
}

/* One rule a data offset, the usual ones (bare ACK, SYN) first. Nothing longer than the longest
 * header is without payload. Only plain TCP comes here: see nft_not_plain. */
void nft_no_payload(struct batch *b, bool v6)
{
	static const uint8_t doffs[] = {8, 10, 5, 7, 6, 9, 11, 12, 13, 14, 15};
	const char *chain = v6 ? NFT_EMPTY6_CHAIN : NFT_EMPTY4_CHAIN;
	const uint32_t offset = v6 ? IP6_LENGTH_OFFSET : IP4_LENGTH_OFFSET;
	const unsigned ip_bytes = v6 ? 0 : 20; /* that the length counts */
	struct nftnl_rule *r;

	for (size_t i = 0; i < sizeof(doffs); i++) {
		uint16_t len = htons((uint16_t)(ip_bytes + 4 * doffs[i])),
			 most = htons((uint16_t)(ip_bytes + TCP_HEADER_MAX));

		if (i == 2) {
			r = batch_rule_new(b, chain);
			x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof(most), NFT_REG_1);
			x_cmp_gt(r, NFT_REG_1, &most, sizeof(most));
			x_verdict(r, NFT_RETURN, NULL);
			batch_rule(b, r);
		}
		r = batch_rule_new(b, chain);
		x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof(len), NFT_REG_1);
		x_cmp(r, NFT_REG_1, &len, sizeof(len));
		x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_DOFF_OFFSET, 1, NFT_REG_1);
		x_mask(r, NFT_REG_1, 0xf0, 0);
		x_cmp32(r, NFT_REG_1, (uint32_t)doffs[i] << 4);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
}

void nft_not_plain(struct batch *b, const struct nft_fence *f, const char *chain, bool v6)
{
	struct nftnl_rule *r = batch_rule_new(b, chain);
	char other[NFT_NAME_BYTES];

	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, v6 ? IP6_NEXT_OFFSET : 0, 1, NFT_REG_1);
	if (v6) {
		x_lookup_not(r, NFT_PLAIN_SET, NFT_REG_1);
		x_verdict(r, NFT_JUMP, nft_name(other, "o6_", f->id));
	} else {
		x_cmp_ne8(r, NFT_REG_1, 0x45);
		x_verdict(r, NFT_GOTO, nft_name(other, "q", f->id));
	}
	batch_rule(b, r);
}

/* o6_<N>: extension headers. Over loopback the kernel hands on TCP segments of more than 64 kB (BIG
 * TCP), which have a hop-by-hop header with the length, TCP right behind it, and a length of zero
 * in the IPv6 header. That is the only one that says nothing about where the packet goes. */
static void odd_chain(struct batch *b, const struct nft_fence *f)
{
	static const uint8_t zero[2], hop_by_hop, jumbo[] = {IPPROTO_TCP, 0, 194, 4};
	char chain[NFT_NAME_BYTES], other[NFT_NAME_BYTES];
	struct nftnl_rule *r = batch_rule_new(b, nft_name(chain, "o6_", f->id));

	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, IP6_LENGTH_OFFSET, 2, NFT_REG_1);
	x_cmp(r, NFT_REG_1, zero, sizeof(zero));
	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, IP6_NEXT_OFFSET, 1, NFT_REG_1);
	x_cmp(r, NFT_REG_1, &hop_by_hop, 1);
	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, IP6_BYTES, sizeof(jumbo), NFT_REG_1);
	x_cmp(r, NFT_REG_1, jumbo, sizeof(jumbo));
	x_verdict(r, NFT_RETURN, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	x_verdict(r, NFT_GOTO, nft_name(other, "q", f->id));
	batch_rule(b, r);
}

static void ask_chain(struct batch *b, const struct nft_fence *f, bool native)
{
	char chain[NFT_NAME_BYTES];
	struct nftnl_rule *r = batch_rule_new(b, nft_name(chain, "q", f->id));

	x_queue(r, f->queue, native);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	x_verdict(r, NF_DROP, NULL);
	batch_rule(b, r);
}

/* What is in the set goes its way without the engine, and is counted. */
static void pass_set(struct batch *b, const char *chain, const struct nft_fence *f,
		     const char *prefix, bool v6)
{
	char set[NFT_NAME_BYTES], passed[NFT_NAME_BYTES];
	struct nftnl_rule *r = batch_rule_new(b, chain);

	match_set(r, nft_name(set, prefix, f->id), v6);
	x_ct_mark(r, CT_MARK_MASK, f->epoch << CT_EPOCH_SHIFT);
	x_counter_ref(r, nft_name(passed, "c", f->id));
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
}

static void load_syn(struct nftnl_rule *r)
{
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, 1, NFT_REG_1);
	x_mask(r, NFT_REG_1, TH_SYN | TH_ACK, 0);
}

/* m<N>, m6_<N>: a flow with a mark of ours. A connection that begins anew, from the same port, may
 * get the conntrack entry of one that was reset, mark and all: what begins is judged, whatever the
 * mark. */
static void marked_chain(struct batch *b, const struct nft_fence *f, bool v6)
{
	uint32_t epoch = f->epoch << CT_EPOCH_SHIFT;
	char chain[NFT_NAME_BYTES], other[NFT_NAME_BYTES];
	struct nftnl_rule *r = batch_rule_new(b, nft_name(chain, v6 ? "m6_" : "m", f->id));

	nft_match_l4(r, IPPROTO_TCP);
	load_syn(r);
	x_cmp8(r, NFT_REG_1, TH_SYN);
	x_ct_mark(r, CT_MARK_MASK, 0);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	nft_match_ct_mark(r, epoch | CT_INSPECT);
	x_verdict(r, NFT_GOTO, nft_name(other, v6 ? "h6_" : "h4_", f->id));
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	nft_match_ct_mark(r, epoch);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
}

static void inspected_chain(struct batch *b, const struct nft_fence *f, bool v6)
{
	char chain[NFT_NAME_BYTES], other[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	r = batch_rule_new(b, nft_name(chain, v6 ? "h6_" : "h4_", f->id));
	nft_match_l4(r, IPPROTO_TCP);
	x_verdict(r, NFT_JUMP, v6 ? NFT_EMPTY6_CHAIN : NFT_EMPTY4_CHAIN);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	x_meta_mark(r, PKT_MARK_MASK, PKT_INSPECTED);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	x_verdict(r, NFT_GOTO, nft_name(other, "q", f->id));
	batch_rule(b, r);
}

/* f<N> from its third rule on, f6_<N>. */
static void family_chain(struct batch *b, const struct nft_fence *f, bool v6)
{
	char chain[NFT_NAME_BYTES], other[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	nft_name(chain, v6 ? "f6_" : "f", f->id);
	nft_not_plain(b, f, chain, v6);
	nft_self(b, f, chain, v6);
	r = batch_rule_new(b, chain);
	nft_match_ct_mark(r, 0);
	x_verdict(r, NFT_GOTO, nft_name(other, v6 ? "u6_" : "u", f->id));
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	nft_match_ct_mark(r, f->epoch << CT_EPOCH_SHIFT);
	load_syn(r); /* of UDP a byte of the payload, or not there: then the next rule decides */
	x_cmp_ne8(r, NFT_REG_1, TH_SYN);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	x_verdict(r, NFT_JUMP, nft_name(other, v6 ? "m6_" : "m", f->id));
	batch_rule(b, r);
	r = batch_rule_new(b, chain); /* not one of ours, or no connection at all */
	x_verdict(r, NFT_GOTO, nft_name(other, v6 ? "u6_" : "u", f->id));
	batch_rule(b, r);
}

/* Anybody may give an IPv6 socket the address of somebody else (IPV6_FREEBIND). What answers it, a
 * listener of the fence's own or our resolver, would answer him: with the question, to an address
 * that can say what one likes. The kernel keeps IPv4 sockets from it. */
static void foreign(const struct nft *n, struct batch *b, const struct nft_fence *f,
		    const char *chain, bool only_to_self)
{
	char ask[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	if (!n->fib)
		return;
	r = batch_rule_new(b, chain);
	if (only_to_self) {
		x_meta_load(r, NFT_META_OIF, NFT_REG_1);
		x_cmp32(r, NFT_REG_1, NFT_LOOPBACK_IFINDEX);
	}
	x_fib_source(r, NFT_REG_1);
	x_cmp_ne32(r, NFT_REG_1, RTN_LOCAL);
	x_meta_mark(r, PKT_MARK_MASK, PKT_FOREIGN);
	x_verdict(r, NFT_GOTO, nft_name(ask, "q", f->id));
	batch_rule(b, r);
}

static void unmarked_chain(const struct nft *n, struct batch *b, const struct nft_fence *f, bool v6,
			   bool direct)
{
	char chain[NFT_NAME_BYTES], other[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	nft_name(chain, v6 ? "u6_" : "u", f->id);
	nft_answers(b, f, chain, v6);
	if (v6)
		foreign(n, b, f, chain, true);
	r = batch_rule_new(b, chain); /* the key holds the protocol: it is TCP */
	match_set(r, nft_name(other, v6 ? "learned6_" : "learned4_", f->id), v6);
	x_verdict(r, NFT_GOTO, nft_name(other, v6 ? "l6_" : "l4_", f->id));
	batch_rule(b, r);
	if (v6)
		foreign(n, b, f, chain, false);
	pass_set(b, chain, f, v6 ? "open6_" : "open4_", v6);
	if (direct) /* interval sets are dear to look into */
		pass_set(b, chain, f, v6 ? "direct6_" : "direct4_", v6);
	own_dns(b, chain, f->dns_port, v6, IPPROTO_UDP);
	own_dns(b, chain, f->dns_port, v6, IPPROTO_TCP);
	r = batch_rule_new(b, chain);
	x_verdict(r, NFT_GOTO, nft_name(other, "q", f->id));
	batch_rule(b, r);
}

static void learned_chain(struct batch *b, const struct nft_fence *f, bool v6, bool direct)
{
	char chain[NFT_NAME_BYTES], ask[NFT_NAME_BYTES], set[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	r = batch_rule_new(b, nft_name(chain, v6 ? "l6_" : "l4_", f->id));
	x_verdict(r, NFT_JUMP, v6 ? NFT_EMPTY6_CHAIN : NFT_EMPTY4_CHAIN);
	batch_rule(b, r);
	pass_set(b, chain, f, v6 ? "open6_" : "open4_", v6); /* by another rule */
	if (direct)
		pass_set(b, chain, f, v6 ? "direct6_" : "direct4_", v6);
	/* Not a verdict yet, but most likely the one: see verdict() of road.c. */
	for (size_t i = 0; i < 2; i++) {
		r = batch_rule_new(b, chain);
		if (i == 0)
			match_set(r, nft_name(set, v6 ? "web6_" : "web4_", f->id), v6);
		x_meta_mark(r, PKT_MARK_MASK, i ? PKT_ALLOW_FLOW : PKT_ALLOW_INSPECT);
		x_verdict(r, NFT_GOTO, nft_name(ask, "q", f->id));
		batch_rule(b, r);
	}
}

static struct nftnl_rule *on_mark(struct batch *b, const char *chain, uint32_t mark)
{
	struct nftnl_rule *r = batch_rule_new(b, chain);

	x_meta_load(r, NFT_META_MARK, NFT_REG_1);
	x_mask(r, NFT_REG_1, PKT_MARK_MASK, 0);
	x_cmp32(r, NFT_REG_1, mark);
	return r;
}

/* The mark is washed off what passes. */
static void after_chain(const struct nft *n, struct batch *b, const struct nft_fence *f)
{
	uint32_t epoch = f->epoch << CT_EPOCH_SHIFT;
	char chain[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	r = on_mark(b, nft_name(chain, "a", f->id), PKT_ALLOW_FLOW);
	x_ct_mark(r, CT_MARK_MASK, epoch);
	x_meta_mark(r, PKT_MARK_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = on_mark(b, chain, PKT_ALLOW_INSPECT);
	x_ct_mark(r, CT_MARK_MASK, epoch | CT_INSPECT);
	x_meta_mark(r, PKT_MARK_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	for (size_t i = 0; i < 2; i++) {
		r = on_mark(b, chain, i ? PKT_ALLOW_ONCE : PKT_INSPECTED);
		x_meta_mark(r, PKT_MARK_MASK, 0);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	nft_reject_all(n, b, chain);
}

void nft_out(const struct nft *n, struct batch *b, const struct nft_fence *f, const bool direct[2])
{
	char chain[NFT_NAME_BYTES], other[NFT_NAME_BYTES];
	struct nftnl_rule *r = batch_rule_new(b, nft_name(chain, "f", f->id));

	nft_match_mark(r); /* never trust a mark the sender could set */
	x_meta_mark(r, PKT_MARK_MASK, 0);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	nft_match_family(r, true);
	x_verdict(r, NFT_GOTO, nft_name(other, "f6_", f->id));
	batch_rule(b, r);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		family_chain(b, f, v6);
		unmarked_chain(n, b, f, v6, direct[v6]);
		marked_chain(b, f, v6);
		learned_chain(b, f, v6, direct[v6]);
		inspected_chain(b, f, v6);
	}
	odd_chain(b, f);
	nft_self_chain(b, f);
	ask_chain(b, f, n->native_queue);
	after_chain(n, b, f);
}
