/* A fence's rules for the way out.
 *
 *     f<N>          IPv4 goes there at once; f6_<N> is the same for IPv6
 *     way, way_changed  of the whole table: does the packet stay here? It gets PKT_PASS, and the
 *                   answer; who asks the engine about it puts a question in the place of PKT_PASS
 *     m<N>, m6_<N>  a flow that has a mark, beyond the simplest
 *     u<N>, u6_<N>  a flow that has none
 *     h4_<N>, h6_<N>  a flow of which every payload is looked at
 *     l4_<N>, l6_<N>  TCP to an address that an allowed name was given for
 *     o4_<N>, o6_<N>  options, extension headers
 *     q<N>          the engine is asked
 *     a<N>          what it said takes effect
 *     p4, p6        of the whole table: TCP without payload passes, the rest returns
 *
 * The engine answers with NF_REPEAT: the packet comes to the chain `out` again, with the verdict in
 * its mark, and a<N> takes that off before the kernel compares the mark with what it was in the
 * queue. So no verdict makes the kernel look for another route, which it would do without what the
 * sender's socket said (its user, a device).
 *
 * A flow's conntrack mark says how far it is, and whether that was said of packets that stay on
 * this machine: one who has the same ports by another device is somebody else.
 *
 * Each expression costs every packet that comes to it some 15 ns: what is usual comes first. */
#include "fw/nft/table.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "fw/ipc/holes.h"

/* Places in headers that only this file looks at. */
#define IP4_LENGTH_OFFSET 2
#define IP6_LENGTH_OFFSET 4
#define IP6_NEXT_OFFSET   6
#define IP6_BYTES         40
#define TCP_DOFF_OFFSET   12
#define TCP_HEADER_MAX    60
#define WAY_CHANGED_CHAIN "way_changed"

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

static void own_dns(struct batch *b, const struct nft_fence *f, const char *chain, bool v6,
		    uint8_t l4proto)
{
	static const uint8_t lo6[16] = {[15] = 1}, lo4[4] = {127, 0, 0, 1};
	struct nftnl_rule *r = batch_rule_new(b, chain);
	uint16_t be = htons(f->dns_port);
	char verified[NFT_NAME_BYTES];

	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, v6 ? IP6_DADDR_OFFSET : IP4_DADDR_OFFSET,
		  v6 ? 16 : 4, NFT_REG_1);
	x_cmp(r, NFT_REG_1, v6 ? lo6 : lo4, v6 ? 16 : 4);
	nft_match_l4(r, l4proto);
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, L4_DPORT_OFFSET, 2, NFT_REG_1);
	x_cmp(r, NFT_REG_1, &be, sizeof(be));
	x_verdict(r, NFT_GOTO, nft_name(verified, "v", f->id));
	batch_rule(b, r);
}

/* One rule a data offset, the usual ones (bare ACK, SYN) first. Nothing longer than the longest
 * header is without payload. Only plain TCP comes here: see nft_not_plain. doubt: what passes makes
 * its flow, which is CT_OWN, one of CT_DOUBT. */
void nft_no_payload(struct batch *b, bool v6, bool doubt)
{
	static const uint8_t doffs[] = {8, 10, 5, 7, 6, 9, 11, 12, 13, 14, 15};
	const char *chain = doubt ? (v6 ? NFT_DOUBT6_CHAIN : NFT_DOUBT4_CHAIN)
				  : (v6 ? NFT_EMPTY6_CHAIN : NFT_EMPTY4_CHAIN);
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
		if (doubt)
			x_ct_mark(r, CT_OWN ^ CT_DOUBT, CT_OWN ^ CT_DOUBT);
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
		x_verdict(r, NFT_GOTO, nft_name(other, "o4_", f->id));
	}
	batch_rule(b, r);
}

void nft_ask(struct nftnl_rule *r, const struct nft_fence *f, uint32_t question)
{
	char ask[NFT_NAME_BYTES];

	x_meta_mark(r, PKT_ASK_MASK | PKT_VERDICT_MASK, question);
	x_verdict(r, NFT_GOTO, nft_name(ask, "q", f->id));
}

static void match_way(struct nftnl_rule *r, bool local)
{
	nft_match_mark(r, PKT_STAYS, local ? PKT_STAYS : 0);
}

static uint32_t ct_state(const struct nft_fence *f, uint32_t state, bool local)
{
	return f->epoch << CT_EPOCH_SHIFT | state | (local ? CT_LOCAL : 0);
}

/* The rule holds for a flow in this state, if the packet goes the way that was judged. */
static void match_state(struct nftnl_rule *r, const struct nft_fence *f, uint32_t state, bool local)
{
	nft_match_ct_mark(r, ct_state(f, state, local));
	match_way(r, local);
}

static void set_state(struct nftnl_rule *r, const struct nft_fence *f, uint32_t state, bool local)
{
	x_ct_mark(r, CT_MARK_MASK, ct_state(f, state, local));
}

/* o4_<N>, o6_<N>: options, extension headers. Over loopback the kernel hands on TCP segments of
 * more than 64 kB (BIG TCP), which have a hop-by-hop header with the length, TCP right behind it,
 * and a length of zero in the IPv6 header. That is the only one that says nothing about where the
 * packet goes. */
static void odd_chain(struct batch *b, const struct nft_fence *f, bool v6)
{
	static const uint8_t zero[2], hop_by_hop, jumbo[] = {IPPROTO_TCP, 0, 194, 4};
	char chain[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	nft_name(chain, v6 ? "o6_" : "o4_", f->id);
	if (v6) {
		r = batch_rule_new(b, chain);
		x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, IP6_LENGTH_OFFSET, 2, NFT_REG_1);
		x_cmp(r, NFT_REG_1, zero, sizeof(zero));
		x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, IP6_NEXT_OFFSET, 1, NFT_REG_1);
		x_cmp(r, NFT_REG_1, &hop_by_hop, 1);
		x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, IP6_BYTES, sizeof(jumbo), NFT_REG_1);
		x_cmp(r, NFT_REG_1, jumbo, sizeof(jumbo));
		x_verdict(r, NFT_RETURN, NULL);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain);
	x_verdict(r, NFT_JUMP, NFT_WAY_CHAIN);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	nft_ask(r, f, PKT_ASK);
	batch_rule(b, r);
}

/* q<N>. What a tunnel of the kernel's sends keeps the socket whose packet it carries. That one was
 * judged when it went into the tunnel, and whoever sends cannot make this look like it: a packet
 * has a link header (where the kernel would look for one) only once it has been through a device,
 * or through IPsec, which notes there what it changes. */
static void ask_chain(struct batch *b, const struct nft_fence *f, bool native)
{
	char chain[NFT_NAME_BYTES];
	struct nftnl_rule *r = batch_rule_new(b, nft_name(chain, "q", f->id));

	x_meta_load(r, NFT_META_OIF, NFT_REG_1); /* what comes in has none, and a link header */
	x_cmp_ne32(r, NFT_REG_1, 0);
	x_payload(r, NFT_PAYLOAD_LL_HEADER, 0, 1, NFT_REG_1);
	x_meta_mark(r, PKT_MARK_MASK, PKT_PASS);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
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
	char set[NFT_NAME_BYTES], passed[NFT_NAME_BYTES], pass[NFT_NAME_BYTES];
	struct nftnl_rule *r = batch_rule_new(b, chain);

	match_set(r, nft_name(set, prefix, f->id), v6);
	x_counter_ref(r, nft_name(passed, "c", f->id));
	x_verdict(r, NFT_GOTO, nft_name(pass, "v", f->id));
	batch_rule(b, r);
}

/* v<N>: the flow is verified, the way that it goes. */
static void verified_chain(struct batch *b, const struct nft_fence *f)
{
	char chain[NFT_NAME_BYTES];

	nft_name(chain, "v", f->id);
	for (unsigned local = 0; local < 2; local++) {
		struct nftnl_rule *r = batch_rule_new(b, chain);

		match_way(r, local);
		set_state(r, f, CT_VERIFIED, local);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
}

static void load_syn(struct nftnl_rule *r)
{
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, 1, NFT_REG_1);
	x_mask(r, NFT_REG_1, TH_SYN | TH_ACK, 0);
}

/* m<N>, m6_<N>: a flow with a mark of ours. A connection that begins anew, from the same port, may
 * get the conntrack entry of one that was reset, mark and all. What begins is judged, whatever the
 * mark; and by the engine, behind whatever of the old connection still waits in the queue: that may
 * get its verdict, which marks the entry, after the SYN was sent. */
static void marked_chain(struct batch *b, const struct nft_fence *f, bool v6)
{
	char chain[NFT_NAME_BYTES], other[NFT_NAME_BYTES];
	struct nftnl_rule *r = batch_rule_new(b, nft_name(chain, v6 ? "m6_" : "m", f->id));

	nft_match_l4(r, IPPROTO_TCP);
	load_syn(r);
	x_cmp8(r, NFT_REG_1, TH_SYN);
	nft_ask(r, f, PKT_ASK);
	batch_rule(b, r);
	for (unsigned local = 0; local < 2; local++) {
		static const struct {
			uint32_t state;
			const char *v4, *v6; /* NULL: it passes */
		} states[] = {{CT_VERIFIED, NULL, NULL},
			      {CT_FRESH, "l4_", "l6_"},
			      {CT_INSPECT, "h4_", "h6_"}};

		for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
			const char *to = v6 ? states[i].v6 : states[i].v4;

			r = batch_rule_new(b, chain);
			match_state(r, f, states[i].state, local);
			x_verdict(r, to ? NFT_GOTO : NF_ACCEPT,
				  to ? nft_name(other, to, f->id) : NULL);
			batch_rule(b, r);
		}
	}
	r = batch_rule_new(b, chain); /* the sender did not take our reset for the end */
	nft_match_ct_mark(r, ct_state(f, CT_REFUSED, false));
	nft_ask(r, f, PKT_ASK_AGAIN);
	batch_rule(b, r);
	for (unsigned doubt = 0; doubt < 2; doubt++) {
		/* The other end answers, so it is a connection of the fence's: a listener's answers
		 * (SYN-ACK, reset) are not its own packets. */
		r = batch_rule_new(b, chain);
		match_state(r, f, doubt ? CT_DOUBT : CT_OWN, true);
		nft_match_l4(r, IPPROTO_TCP);
		x_ct_load(r, NFT_CT_DIRECTION, NFT_REG_1);
		x_cmp8(r, NFT_REG_1, IP_CT_DIR_REPLY);
		x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, 1, NFT_REG_1);
		x_mask(r, NFT_REG_1, TH_SYN | TH_RST, 0);
		x_cmp8(r, NFT_REG_1, 0);
		set_state(r, f, CT_VERIFIED, true);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
		r = batch_rule_new(b, chain); /* who gets it is looked at when it comes in */
		match_state(r, f, doubt ? CT_DOUBT : CT_OWN, true);
		x_meta_mark(r, PKT_ASK_MASK, PKT_ASK_OWN);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
}

static void inspected_chain(struct batch *b, const struct nft_fence *f, bool v6)
{
	char chain[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	r = batch_rule_new(b, nft_name(chain, v6 ? "h6_" : "h4_", f->id));
	nft_match_l4(r, IPPROTO_TCP);
	x_verdict(r, NFT_JUMP, v6 ? NFT_EMPTY6_CHAIN : NFT_EMPTY4_CHAIN);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	nft_ask(r, f, PKT_ASK_AGAIN);
	batch_rule(b, r);
}

/* f<N> from its second rule on, f6_<N>. */
static void family_chain(struct batch *b, const struct nft_fence *f, bool v6)
{
	char chain[NFT_NAME_BYTES], other[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	nft_name(chain, v6 ? "f6_" : "f", f->id);
	nft_not_plain(b, f, chain, v6);
	r = batch_rule_new(b, chain);
	nft_match_ct_mark(r, ct_state(f, CT_VERIFIED, false));
	load_syn(r); /* of UDP a byte of the payload, or not there: then the next rules decide */
	x_cmp_ne8(r, NFT_REG_1, TH_SYN);
	nft_match_elsewhere(r);
	x_meta_mark(r, PKT_MARK_MASK, PKT_PASS);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	x_verdict(r, NFT_JUMP, NFT_WAY_CHAIN);
	batch_rule(b, r);
	nft_self(b, f, chain, v6);
	r = batch_rule_new(b, chain);
	nft_match_ct_mark(r, 0);
	x_verdict(r, NFT_GOTO, nft_name(other, v6 ? "u6_" : "u", f->id));
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	x_verdict(r, NFT_JUMP, nft_name(other, v6 ? "m6_" : "m", f->id));
	batch_rule(b, r);
	r = batch_rule_new(b, chain); /* not one of ours, or no connection at all, or it begins */
	x_verdict(r, NFT_GOTO, nft_name(other, v6 ? "u6_" : "u", f->id));
	batch_rule(b, r);
}

/* Anybody may give an IPv6 socket the address of somebody else (IPV6_FREEBIND). What answers it, a
 * listener of the fence's own or our resolver, would answer him: with the question, to an address
 * that can say what one likes. The kernel keeps IPv4 sockets from it. */
static void foreign(const struct nft *n, struct batch *b, const struct nft_fence *f,
		    const char *chain, bool only_to_self)
{
	struct nftnl_rule *r;

	if (!n->fib)
		return;
	r = batch_rule_new(b, chain);
	if (only_to_self)
		match_way(r, true);
	x_fib_source(r, NFT_REG_1);
	x_cmp_ne32(r, NFT_REG_1, RTN_LOCAL);
	nft_ask(r, f, PKT_ASK_FOREIGN);
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
	nft_self_new(n, b, f, chain);
	pass_set(b, chain, f, v6 ? "open6_" : "open4_", v6);
	if (direct) /* interval sets are dear to look into */
		pass_set(b, chain, f, v6 ? "direct6_" : "direct4_", v6);
	own_dns(b, f, chain, v6, IPPROTO_UDP);
	own_dns(b, f, chain, v6, IPPROTO_TCP);
	r = batch_rule_new(b, chain); /* a SYN that comes before the verdict has to wait, too */
	nft_match_l4(r, IPPROTO_TCP);
	nft_match_ct_mark(r, 0);
	set_state(r, f, CT_ASKED, false);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	nft_ask(r, f, PKT_ASK);
	batch_rule(b, r);
}

/* The SYN of a connection makes it a fresh one, and no payload leaves before the engine has seen
 * it: so what comes from a fresh one is its beginning, whatever was lost of it meanwhile. */
static void learned_chain(const struct nft *n, struct batch *b, const struct nft_fence *f, bool v6,
			  bool direct)
{
	char chain[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	nft_name(chain, v6 ? "l6_" : "l4_", f->id);
	for (unsigned local = 0; local < 2; local++) {
		r = batch_rule_new(b, chain);
		load_syn(r);
		x_cmp8(r, NFT_REG_1, TH_SYN);
		match_way(r, local);
		set_state(r, f, CT_FRESH, local);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain);
	x_verdict(r, NFT_JUMP, v6 ? NFT_EMPTY6_CHAIN : NFT_EMPTY4_CHAIN);
	batch_rule(b, r);
	nft_self_new(n, b, f, chain);
	pass_set(b, chain, f, v6 ? "open6_" : "open4_", v6); /* by another rule */
	if (direct)
		pass_set(b, chain, f, v6 ? "direct6_" : "direct4_", v6);
	for (unsigned local = 0; local < 2; local++) {
		r = batch_rule_new(b, chain);
		match_state(r, f, CT_FRESH, local);
		nft_ask(r, f, PKT_ASK_FIRST);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain);
	nft_ask(r, f, PKT_ASK);
	batch_rule(b, r);
}

/* The verdict is taken off: everything else of the mark stays as the queue had it. */
static struct nftnl_rule *on_verdict(struct batch *b, const char *chain, uint32_t verdict)
{
	struct nftnl_rule *r = batch_rule_new(b, chain);

	nft_match_mark(r, PKT_VERDICT_MASK, verdict);
	return r;
}

static void pass_on(struct batch *b, struct nftnl_rule *r)
{
	x_meta_mark(r, PKT_VERDICT_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
}

static void answer_chain(const struct nft *n, struct batch *b, const struct nft_fence *f)
{
	static const struct {
		uint32_t verdict, state;
	} flows[] = {{PKT_ALLOW_FLOW, CT_VERIFIED}, {PKT_ALLOW_INSPECT, CT_INSPECT}};
	char chain[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	nft_name(chain, "a", f->id);
	for (unsigned i = 0; i < 4; i++) {
		r = on_verdict(b, chain, flows[i / 2].verdict);
		match_way(r, i & 1);
		set_state(r, f, flows[i / 2].state, i & 1);
		pass_on(b, r);
	}
	for (unsigned local = 0; local < 2; local++) { /* it carries nothing yet */
		r = on_verdict(b, chain, PKT_ALLOW_ONCE);
		nft_match_l4(r, IPPROTO_TCP);
		load_syn(r);
		x_cmp8(r, NFT_REG_1, TH_SYN);
		match_way(r, local);
		set_state(r, f, CT_FRESH, local);
		pass_on(b, r);
	}
	r = on_verdict(b, chain, PKT_ALLOW_ONCE);
	pass_on(b, r);
	for (unsigned later = 0; later < 2; later++) {
		/* In the middle of a connection nobody has seen yet who took it. */
		r = on_verdict(b, chain, PKT_ALLOW_OWN);
		match_way(r, true);
		if (later) {
			nft_match_l4(r, IPPROTO_TCP);
			load_syn(r);
			x_cmp8(r, NFT_REG_1, 0);
		}
		set_state(r, f, later ? CT_DOUBT : CT_OWN, true);
		if (later)
			pass_on(b, r);
		else
			batch_rule(b, r);
	}
	r = on_verdict(b, chain, PKT_ALLOW_OWN);
	match_way(r, true);
	pass_on(b, r);
	r = batch_rule_new(b, chain);
	nft_match_l4(r, IPPROTO_TCP);
	set_state(r, f, CT_REFUSED, false);
	batch_rule(b, r);
	nft_reject_all(n, b, chain);
}

/* A redirected packet still has the device of the address that it was sent to first. */
void nft_way(const struct nft *n, struct batch *b)
{
	struct nftnl_rule *r;

	batch_chain(b, NFT_WAY_CHAIN, -1, 0, NULL);
	batch_chain(b, WAY_CHANGED_CHAIN, -1, 0, NULL);
	if (n->last_look) {
		r = batch_rule_new(b, NFT_WAY_CHAIN);
		x_ct_label_set(r);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, NFT_WAY_CHAIN);
	x_ct_load(r, NFT_CT_STATUS, NFT_REG_1);
	x_mask(r, NFT_REG_1, IPS_DST_NAT, 0);
	x_cmp_ne32(r, NFT_REG_1, 0);
	x_verdict(r, NFT_GOTO, WAY_CHANGED_CHAIN);
	batch_rule(b, r);
	r = batch_rule_new(b, NFT_WAY_CHAIN);
	x_meta_mark(r, PKT_MARK_MASK, PKT_PASS);
	batch_rule(b, r);
	r = batch_rule_new(b, NFT_WAY_CHAIN);
	x_meta_load(r, NFT_META_OIF, NFT_REG_1);
	x_cmp32(r, NFT_REG_1, NFT_LOOPBACK_IFINDEX);
	x_meta_mark(r, PKT_STAYS, PKT_STAYS);
	batch_rule(b, r);
	r = batch_rule_new(b, WAY_CHANGED_CHAIN);
	x_meta_mark(r, PKT_MARK_MASK, PKT_PASS);
	batch_rule(b, r);
	for (unsigned v6 = 0; v6 < (n->fib ? 1 : 2); v6++) {
		r = batch_rule_new(b, WAY_CHANGED_CHAIN);
		if (n->fib) {
			x_fib_destination(r, NFT_REG_1);
			x_cmp32(r, NFT_REG_1, RTN_LOCAL);
		} else {
			nft_match_family(r, v6);
			nft_match_loopback(r, v6);
		}
		x_meta_mark(r, PKT_STAYS, PKT_STAYS);
		batch_rule(b, r);
	}
}

void nft_out(const struct nft *n, struct batch *b, const struct nft_fence *f, const bool direct[2])
{
	char chain[NFT_NAME_BYTES], other[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	nft_name(chain, "f", f->id);
	if (hole("no-kernel-wall")) {
		r = batch_rule_new(b, chain);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain);
	nft_match_family(r, true);
	x_verdict(r, NFT_GOTO, nft_name(other, "f6_", f->id));
	batch_rule(b, r);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		family_chain(b, f, v6);
		unmarked_chain(n, b, f, v6, direct[v6]);
		marked_chain(b, f, v6);
		learned_chain(n, b, f, v6, direct[v6]);
		inspected_chain(b, f, v6);
		odd_chain(b, f, v6);
	}
	verified_chain(b, f);
	ask_chain(b, f, n->native_queue);
	answer_chain(n, b, f);
}
