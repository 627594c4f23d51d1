/* A fence's rules for what comes in: who may connect to its listeners, and that these may answer.
 *
 *     w<N>          a packet of the fence's that only the fence itself may get
 *     i<N>          a packet to a socket of the fence, in the direction in which its flow began
 *     i4_<N>, i6_<N>  ... of one family: is it one of the allowed pairs of peer and listener?
 *     k<N>          it is let in: the flow is marked, unless another fence's mark stands there
 *     r4_<N>, r6_<N>  from the way out: an answer in a flow that the peer began
 *     ia<N>, wa<N>  what the engine said takes effect, for i<N> and for w<N>
 *
 * Whoever listens at an address of this machine may change from one packet to the next, so nobody
 * is asked beforehand: what no rule allows goes as far as here, where the kernel knows which socket
 * gets it. A TCP connection is his who took it.
 *
 * Only an answer may use the mark of a flow that was let in: the same ports the other way round
 * lead to whoever listens there by then. Where the peer is in a fence of its own, the mark is that
 * fence's, and every packet of the flow is looked up in the set instead. */
#include "fw/nft/table.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "fw/ipc/holes.h"
#include "policy/base/cleanup.h"

/* ---- the set: peer . listener . protocol . port -----------------------------------------------
 */

static void put_addr(struct set_key *k, const struct addr *a)
{
	size_t n = a->family == 4 ? 4 : 16;

	memcpy(k->b + k->n, a->b, n);
	k->n = (uint8_t)(k->n + n);
}

static struct set_key pair_key(const struct ingress_pair *p, const struct addr *peer,
			       const struct addr *local)
{
	struct set_key k = {0};
	uint16_t port = htons(p->port);

	put_addr(&k, peer);
	put_addr(&k, local);
	k.b[k.n] = p->l4proto;
	memcpy(k.b + k.n + 4, &port, sizeof(port));
	k.n = (uint8_t)(k.n + 8);
	return k;
}

static void fill(struct batch *b, const char *set, const struct ingress_pair *list, size_t n)
{
	struct nftnl_set *s = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct ingress_pair *x = &list[i];
		struct addr peer = nft_prefix_last(&x->peer), local = nft_prefix_last(&x->local);
		struct set_key from = pair_key(x, &x->peer.addr, &x->local.addr),
			       to = pair_key(x, &peer, &local);

		if (!s)
			s = batch_elems_new(b, set);
		batch_elem(s, &from, &to, NULL);
		if (i % NFT_ELEMS_PER_MESSAGE == NFT_ELEMS_PER_MESSAGE - 1 || i == n - 1) {
			batch_elems(b, NFT_MSG_NEWSETELEM, s);
			s = NULL;
		}
	}
}

/* answer: the packet goes from the listener to the peer. */
static void match_pair(struct nftnl_rule *r, const char *set, bool v6, bool answer)
{
	uint32_t words = v6 ? 4 : 1, bytes = v6 ? 16 : 4;
	uint32_t src = v6 ? IP6_SADDR_OFFSET : IP4_SADDR_OFFSET,
		 dst = v6 ? IP6_DADDR_OFFSET : IP4_DADDR_OFFSET;

	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, answer ? dst : src, bytes, NFT_REG32_00);
	x_payload(r, NFT_PAYLOAD_NETWORK_HEADER, answer ? src : dst, bytes, NFT_REG32_00 + words);
	x_meta_load(r, NFT_META_L4PROTO, NFT_REG32_00 + 2 * words);
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, answer ? L4_SPORT_OFFSET : L4_DPORT_OFFSET, 2,
		  NFT_REG32_00 + 2 * words + 1);
	x_lookup(r, set, NFT_REG32_00, false);
}

/* ---- chains ---------------------------------------------------------------------------------- */

bool nft_has_ingress(const struct nft_fence *f)
{
	return policy_ingress_rules(f->policy) > 0;
}

static uint32_t let_in(const struct nft_fence *f, bool local)
{
	return f->epoch << CT_EPOCH_SHIFT | CT_INBOUND | (local ? CT_LOCAL : 0);
}

static void match_iif(struct nftnl_rule *r, bool local)
{
	x_meta_load(r, NFT_META_IIF, NFT_REG_1);
	if (local)
		x_cmp32(r, NFT_REG_1, NFT_LOOPBACK_IFINDEX);
	else
		x_cmp_ne32(r, NFT_REG_1, NFT_LOOPBACK_IFINDEX);
}

static void is_answer(struct nftnl_rule *r)
{
	x_ct_load(r, NFT_CT_DIRECTION, NFT_REG_1);
	x_cmp8(r, NFT_REG_1, IP_CT_DIR_REPLY);
}

static void keep_chain(struct batch *b, const struct nft_fence *f)
{
	char chain[NFT_NAME_BYTES], passed[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	nft_name(chain, "k", f->id);
	for (unsigned local = 0; local < 2; local++) {
		r = batch_rule_new(b, chain);
		nft_match_ct_mark(r, 0);
		match_iif(r, local);
		x_ct_mark(r, CT_MARK_MASK, let_in(f, local));
		x_counter_ref(r, nft_name(passed, "c", f->id));
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
}

static void listener_chain(struct batch *b, const struct nft_fence *f, bool v6)
{
	char chain[NFT_NAME_BYTES], other[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	nft_name(chain, v6 ? "i6_" : "i4_", f->id);
	nft_not_plain(b, f, chain, v6);
	r = batch_rule_new(b, chain);
	match_pair(r, nft_name(other, v6 ? "pairs6_" : "pairs4_", f->id), v6, false);
	x_verdict(r, NFT_GOTO, nft_name(other, "k", f->id));
	batch_rule(b, r);
}

/* Answers in flows without this fence's mark. Without any mark a UDP flow may be one that was begun
 * with whoever had the port before; a TCP socket had its peer's handshake. */
static void answer_chain(struct batch *b, const struct nft_fence *f, bool v6)
{
	char chain[NFT_NAME_BYTES], other[NFT_NAME_BYTES];
	struct nftnl_rule *r = batch_rule_new(b, nft_name(chain, v6 ? "r6_" : "r4_", f->id));

	nft_match_l4(r, IPPROTO_UDP);
	nft_match_ct_mark(r, 0);
	x_verdict(r, NFT_RETURN, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	match_pair(r, nft_name(other, v6 ? "pairs6_" : "pairs4_", f->id), v6, true);
	x_verdict(r, NFT_GOTO, nft_name(other, "k", f->id));
	batch_rule(b, r);
}

void nft_answers(struct batch *b, const struct nft_fence *f, const char *chain, bool v6)
{
	char other[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	if (!nft_has_ingress(f))
		return;
	for (unsigned local = 0; local < 2; local++) {
		r = batch_rule_new(b, chain);
		nft_match_ct_mark(r, let_in(f, local));
		is_answer(r);
		nft_match_mark(r, PKT_STAYS, local ? PKT_STAYS : 0);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain);
	is_answer(r);
	x_verdict(r, NFT_JUMP, nft_name(other, v6 ? "r6_" : "r4_", f->id));
	batch_rule(b, r);
}

/* What the network, or a refusal of ours, says about a packet that the fence sent. */
static void related_errors(struct batch *b, const char *chain)
{
	static const uint8_t icmp[] = {IPPROTO_ICMP, IPPROTO_ICMPV6};

	for (size_t i = 0; i < sizeof(icmp); i++) {
		struct nftnl_rule *r = batch_rule_new(b, chain);

		nft_match_l4(r, icmp[i]);
		x_ct_load(r, NFT_CT_STATE, NFT_REG_1);
		x_mask(r, NFT_REG_1, NF_CT_STATE_BIT(IP_CT_RELATED), 0);
		x_cmp_ne32(r, NFT_REG_1, 0);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
}

/* The receiving socket is of the fence. */
static void match_own(struct nftnl_rule *r, const struct nft_fence *f)
{
	if (hole("own"))
		return;
	x_socket_cgroup(r, NFT_CGROUP_LEVEL, NFT_REG_1);
	x_cmp(r, NFT_REG_1, &f->cgroup_id, sizeof(f->cgroup_id));
}

static void is_syn(struct nftnl_rule *r, bool yes)
{
	nft_match_l4(r, IPPROTO_TCP);
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, 1, NFT_REG_1);
	x_mask(r, NFT_REG_1, TH_SYN, 0);
	if (yes)
		x_cmp8(r, NFT_REG_1, TH_SYN);
	else
		x_cmp8(r, NFT_REG_1, 0);
}

static void no_payload(struct batch *b, struct nftnl_rule *r, bool v6, bool doubt)
{
	nft_match_family(r, v6);
	x_verdict(r, NFT_JUMP,
		  doubt ? (v6 ? NFT_DOUBT6_CHAIN : NFT_DOUBT4_CHAIN)
			: (v6 ? NFT_EMPTY6_CHAIN : NFT_EMPTY4_CHAIN));
	batch_rule(b, r);
}

/* That it was looked at twice stays. */
static void ask_own(struct batch *b, struct nftnl_rule *r, const char *queue)
{
	x_meta_mark(r, PKT_MARK_MASK & ~PKT_ALLOW_OWN, PKT_ASK_OWN);
	x_verdict(r, NFT_GOTO, queue);
	batch_rule(b, r);
}

static void own_accept(struct batch *b, struct nftnl_rule *r)
{
	x_meta_mark(r, PKT_MARK_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
}

/* TCP that begins nothing, to a socket of the fence's. The end of a handshake finds no socket with
 * a cgroup, and then there is a connection's; unless the listener took it (SYN cookies). Then the
 * next packet may find a listener, too, that is about to be another's: so the engine looks whether
 * there is a connection, until one has answered (CT_VERIFIED, by m<N>). */
static void own_stream(struct batch *b, const struct nft_fence *f, const char *chain)
{
	const uint32_t own = f->epoch << CT_EPOCH_SHIFT | CT_OWN | CT_LOCAL;
	struct nftnl_rule *r = batch_rule_new(b, chain);

	is_syn(r, false);
	match_own(r, f);
	is_answer(r);
	own_accept(b, r);
	r = batch_rule_new(b, chain); /* the engine has seen the connection */
	is_syn(r, false);
	nft_match_mark(r, PKT_ALLOW_OWN, PKT_ALLOW_OWN);
	match_own(r, f);
	own_accept(b, r);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		r = batch_rule_new(b, chain);
		is_syn(r, false);
		nft_match_ct_mark(r, own);
		match_own(r, f);
		no_payload(b, r, v6, true);
	}
	r = batch_rule_new(b, chain);
	is_syn(r, false);
	nft_match_ct_mark(r, own);
	match_own(r, f);
	own_accept(b, r);
}

/* w<N>: of this fence, or of nobody's business. Errors about such packets have their mark, too. A
 * SYN finds a listener; which one took it, and so whose the connection is, shows the first packet
 * that finds a socket of its own. Until then nothing passes that carries anything. */
static void own_chain(struct batch *b, const struct nft_fence *f)
{
	static const uint8_t icmp[] = {IPPROTO_ICMP, IPPROTO_ICMPV6};
	char chain[NFT_NAME_BYTES], queue[NFT_NAME_BYTES];
	struct nftnl_rule *r;

	nft_name(chain, "w", f->id);
	for (size_t i = 0; i < sizeof(icmp); i++) {
		r = batch_rule_new(b, chain);
		nft_match_l4(r, icmp[i]);
		x_verdict(r, NFT_RETURN, NULL);
		batch_rule(b, r);
	}
	own_stream(b, f, chain);
	r = batch_rule_new(b, chain);
	nft_match_l4(r, IPPROTO_UDP);
	match_own(r, f);
	own_accept(b, r);
	nft_name(queue, "q", f->id);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		r = batch_rule_new(b, chain);
		match_own(r, f);
		no_payload(b, r, v6, false);
	}
	r = batch_rule_new(b,
			   chain); /* a listener could take it for the end of a handshake of his */
	is_syn(r, false);
	x_socket_full(r);
	ask_own(b, r, queue);
	for (unsigned v6 = 0; v6 < 2; v6++) { /* a socket that waits for a handshake is none */
		r = batch_rule_new(b, chain);
		is_syn(r, false);
		no_payload(b, r, v6, false);
	}
	r = batch_rule_new(b, chain);
	ask_own(b, r, queue);
}

/* ia<N>, wa<N>: audit mode lets everything in. */
static void answered_chain(const struct nft *n, struct batch *b, const struct nft_fence *f,
			   const char *prefix)
{
	char chain[NFT_NAME_BYTES];

	nft_name(chain, prefix, f->id);
	for (unsigned local = 0; local < 2; local++) {
		struct nftnl_rule *r = batch_rule_new(b, chain);

		nft_match_mark(r, PKT_VERDICT_MASK, PKT_ALLOW_FLOW);
		match_iif(r, local);
		x_meta_mark(r, PKT_MARK_MASK, 0);
		x_ct_mark(r, CT_MARK_MASK,
			  f->epoch << CT_EPOCH_SHIFT | CT_VERIFIED | (local ? CT_LOCAL : 0));
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	nft_reject_all(n, b, chain);
}

static void in_chain(struct batch *b, const struct nft_fence *f)
{
	char chain[NFT_NAME_BYTES], other[NFT_NAME_BYTES];
	bool ingress = nft_has_ingress(f);
	const uint32_t ours = f->epoch << CT_EPOCH_SHIFT | CT_LOCAL;
	struct nftnl_rule *r;

	nft_name(chain, "i", f->id);
	/* the fence's own flows were marked on their way out, and come by loopback: from elsewhere
	 * somebody goes on with a connection that was begun in his name. Others may have the same
	 * ports since, so the packet must say who sent it, too; or rules of the host's have put the
	 * entry's mark in the place of that */
	for (unsigned copied = 0; copied < 2; copied++) {
		r = batch_rule_new(b, chain);
		match_iif(r, true);
		if (copied)
			nft_match_mark(r, CT_EPOCH_MASK | CT_LOCAL, ours);
		else
			nft_match_mark(r, PKT_MARK_MASK, PKT_PASS | PKT_STAYS);
		x_ct_load(r, NFT_CT_MARK, NFT_REG_1);
		x_mask(r, NFT_REG_1, CT_EPOCH_MASK | CT_LOCAL, 0);
		x_cmp32(r, NFT_REG_1, ours);
		x_meta_mark(r, PKT_MARK_MASK, 0);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	/* whose entry timed out: a listener has no use for it, unless another fence has begun it
	 * with somebody else (SYN cookies) */
	r = batch_rule_new(b, chain);
	is_syn(r, false);
	x_meta_load(r, NFT_META_MARK, NFT_REG_1);
	x_mask(r, NFT_REG_1, PKT_MARK_MASK, 0);
	x_cmp_ne32(r, NFT_REG_1, PKT_PASS | PKT_STAYS);
	x_meta_mark(r, PKT_MARK_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	x_meta_mark(r, PKT_MARK_MASK, 0); /* what is there is not the engine's */
	batch_rule(b, r);
	for (unsigned local = 0; ingress && local < 2; local++) {
		r = batch_rule_new(b, chain);
		nft_match_ct_mark(r, let_in(f, local));
		match_iif(r, local);
		x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	related_errors(b, chain);
	for (unsigned v6 = 0; ingress && v6 < 2; v6++) {
		r = batch_rule_new(b, chain);
		nft_match_family(r, v6);
		x_verdict(r, NFT_JUMP, nft_name(other, v6 ? "i6_" : "i4_", f->id));
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain);
	nft_ask(r, f, PKT_ASK);
	batch_rule(b, r);
}

int nft_ingress(const struct nft *n, struct batch *b, const struct nft_fence *f)
{
	char set[NFT_NAME_BYTES];

	in_chain(b, f);
	own_chain(b, f);
	answered_chain(n, b, f, "ia");
	answered_chain(n, b, f, "wa");
	if (!nft_has_ingress(f))
		return 0;
	keep_chain(b, f);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		_cleanup_free_ struct ingress_pair *list = NULL;
		size_t pairs;
		int r = policy_ingress_pairs(f->policy, v6 ? 6 : 4, &list, &pairs);

		if (r < 0)
			return r;
		fill(b, nft_name(set, v6 ? "pairs6_" : "pairs4_", f->id), list, pairs);
		listener_chain(b, f, v6);
		answer_chain(b, f, v6);
	}
	return 0;
}
