#include "fw/nft/table.h"

#include <errno.h>
#include <libnftnl/object.h>
#include <libnftnl/table.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define IN_MARKED_CHAIN  "in_marked"
#define OWN_CHAIN        "own_in"
#define OWN_DENIED_CHAIN "own_denied"
#define WASH_CHAIN       "wash_off"
/* Just before the host's filters, at numbers that nobody else has: between wash and out there is no
 * rule of anybody's. */
#define OUT_PRIORITY      (-1)
#define LEAVE_PRIORITY    (-1000) /* before any rule of the host's where packets leave */
#define LAST_PRIORITY     1000    /* behind all of them */
#define DNS_PORT          53
#define ICMP_HEADER_BYTES 8    /* and then the packet that it is about: RFC 792, RFC 4443 */
#define TABLE_F_PERSIST   0x4u /* NFT_TABLE_F_PERSIST, Linux 6.9; older headers lack the name */

int nft_new(struct nft **ret, struct err *e)
{
	struct nft *n = calloc(1, sizeof(*n));
	struct timeval timeout = {.tv_sec = 5};
	int bytes = 8 << 20, r;

	if (!n)
		return err_set(e, ENOMEM, "out of memory");
	n->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!n->nl || mnl_socket_bind(n->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = err_set(e, errno, "cannot open a netlink socket to netfilter: %s",
			    strerror(errno));
		nft_free(n);
		return r;
	}
	setsockopt(mnl_socket_get_fd(n->nl), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(mnl_socket_get_fd(n->nl), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(mnl_socket_get_fd(n->nl), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	*ret = n;
	return 0;
}

void nft_free(struct nft *n)
{
	if (!n)
		return;
	if (n->nl)
		mnl_socket_close(n->nl);
	free(n);
}

bool nft_native_queue(const struct nft *n)
{
	return n->native_queue;
}

bool nft_owned(const struct nft *n)
{
	return n->table_flags & NFT_TABLE_F_OWNER;
}

void nft_last_look(struct nft *n, bool there)
{
	n->last_look = there;
}

/* ---- the table ------------------------------------------------------------------------------- */

struct set_key nft_cgroup_key(uint64_t id)
{
	struct set_key k = {.n = sizeof(id)};

	memcpy(k.b, &id, sizeof(id));
	return k;
}

/* socket cgroupv2 level 2 vmap @map */
static void dispatch(struct nftnl_rule *r, const char *map)
{
	x_socket_cgroup(r, NFT_CGROUP_LEVEL, NFT_REG_1);
	x_lookup(r, map, NFT_REG_1, true);
}

void nft_ours(struct batch *b, uint64_t above_id)
{
	struct set_key k = nft_cgroup_key(above_id);
	static const char *const to[][2] = {{"ours", NFT_DEAD_CHAIN}, {"washed", WASH_CHAIN}};

	for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		struct nftnl_set *s = batch_elems_new(b, to[i][0]);

		batch_elem(s, &k, NULL, to[i][1]);
		batch_elems(b, NFT_MSG_NEWSETELEM, s);
	}
}

void nft_reject_all(const struct nft *n, struct batch *b, const char *chain)
{
	struct nftnl_rule *r;

	if (n->fib) {
		r = batch_rule_new(b, chain);
		x_meta_load(r, NFT_META_OIF, NFT_REG_1); /* what comes in has none */
		x_cmp_ne32(r, NFT_REG_1, 0);
		x_fib_source(r, NFT_REG_1);
		x_cmp_ne32(r, NFT_REG_1, RTN_LOCAL);
		x_verdict(r, NF_DROP, NULL);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, chain);
	x_meta_load(r, NFT_META_L4PROTO, NFT_REG_1);
	x_cmp8(r, NFT_REG_1, IPPROTO_TCP);
	x_reject(r, true);
	batch_rule(b, r);
	r = batch_rule_new(b, chain);
	x_reject(r, false);
	batch_rule(b, r);
	r = batch_rule_new(b, chain); /* what cannot be answered */
	x_verdict(r, NF_DROP, NULL);
	batch_rule(b, r);
}

/* The port first: it is seldom. */
static void dns_rule(struct batch *b, const char *chain, uint8_t l4proto, const char *map)
{
	uint16_t port = htons(DNS_PORT);
	struct nftnl_rule *r = batch_rule_new(b, chain);

	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, L4_DPORT_OFFSET, sizeof(port), NFT_REG_1);
	x_cmp(r, NFT_REG_1, &port, sizeof(port));
	nft_match_l4(r, l4proto);
	dispatch(r, map);
	batch_rule(b, r);
}

/* An answer that nobody waits for any more makes the kernel send an error, with the question in it,
 * to the server that was asked. It comes from no socket of the fence, so nothing tells it from
 * other errors of that kind, and conntrack does not find the zone in which it would be the
 * resolver's. So none leaves that is about a datagram from port 53; servers have no use for them.
 */
static void unwanted_answers(struct batch *b, bool v6)
{
	const uint32_t ip_bytes = v6 ? 40 : 20, proto_offset = v6 ? 6 : 9;
	uint16_t port = htons(DNS_PORT);
	struct nftnl_rule *r = batch_rule_new(b, "out"); /* what is of no fence */

	nft_match_l4(r, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
	x_cmp8(r, NFT_REG_1, v6 ? ICMPV6_DEST_UNREACH : ICMP_DEST_UNREACH);
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, ICMP_HEADER_BYTES + proto_offset, 1, NFT_REG_1);
	x_cmp8(r, NFT_REG_1, IPPROTO_UDP);
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, ICMP_HEADER_BYTES + ip_bytes, sizeof(port),
		  NFT_REG_1);
	x_cmp(r, NFT_REG_1, &port, sizeof(port));
	x_verdict(r, NF_DROP, NULL);
	batch_rule(b, r);
}

static void match_mark(struct nftnl_rule *r, uint32_t mask)
{
	x_meta_load(r, NFT_META_MARK, NFT_REG_1);
	x_mask(r, NFT_REG_1, mask, 0);
	x_cmp_ne32(r, NFT_REG_1, 0);
}

static void match_iif_lo(struct nftnl_rule *r)
{
	x_meta_load(r, NFT_META_IIF, NFT_REG_1);
	x_cmp32(r, NFT_REG_1, NFT_LOOPBACK_IFINDEX);
}

/* A flow whose packets only its own fence may get. */
static void own_flow(struct nftnl_rule *r, const char *map)
{
	x_ct_load(r, NFT_CT_MARK, NFT_REG_1);
	x_mask(r, NFT_REG_1, CT_MARK_MASK, 0);
	x_lookup(r, map, NFT_REG_1, true);
}

/* Whatever a sender put into our bits of the mark is washed off before `out`, where only the
 * engine's verdicts have any. At the input a packet may have a mark of the host's own rules, which
 * often put the connection's mark there; what is not in a fence keeps it. */
static void verdict_rules(struct batch *b)
{
	struct nftnl_rule *r = batch_rule_new(b, "wash");

	match_mark(r, PKT_MARK_MASK);
	x_socket_cgroup(r, NFT_ABOVE_LEVEL, NFT_REG_1);
	x_lookup(r, "washed", NFT_REG_1, true);
	batch_rule(b, r);
	r = batch_rule_new(b, WASH_CHAIN);
	x_meta_mark(r, PKT_MARK_MASK, 0);
	batch_rule(b, r);
	r = batch_rule_new(b, "out");
	match_mark(r, PKT_VERDICT_MASK);
	dispatch(r, "answered");
	batch_rule(b, r);
	r = batch_rule_new(b, "in_after");
	match_mark(r, PKT_ASK_MASK | PKT_VERDICT_MASK);
	x_verdict(r, NFT_JUMP, IN_MARKED_CHAIN);
	batch_rule(b, r);
	r = batch_rule_new(b, IN_MARKED_CHAIN); /* what a fence sent, and somebody gets */
	nft_match_mark(r, PKT_MARK_MASK, PKT_PASS | PKT_STAYS);
	x_meta_mark(r, PKT_MARK_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, IN_MARKED_CHAIN);
	nft_match_mark(r, PKT_VERDICT_MASK, 0);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, IN_MARKED_CHAIN);
	nft_match_mark(r, PKT_ASK_MASK | PKT_VERDICT_MASK, PKT_ASK_OWN | PKT_DENY);
	x_verdict(r, NFT_GOTO, NFT_DEAD_CHAIN);
	batch_rule(b, r);
	r = batch_rule_new(b, IN_MARKED_CHAIN);
	own_flow(r, "own_answered");
	batch_rule(b, r);
	r = batch_rule_new(b, IN_MARKED_CHAIN);
	x_ct_load(r, NFT_CT_DIRECTION, NFT_REG_1);
	x_cmp8(r, NFT_REG_1, IP_CT_DIR_REPLY);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(b, r);
	r = batch_rule_new(b, IN_MARKED_CHAIN);
	dispatch(r, "in_answered");
	batch_rule(b, r);
}

/* What a fence sent that only itself may get. The packet says so, by a mark that `leave` put there:
 * others may have the same ports, and so the same entry. Rules of the host's may have put the
 * entry's mark in its place. PKT_ALLOW_OWN: the engine has it looked at once more. */
static void own_rules(struct batch *b)
{
	struct nftnl_rule *r = batch_rule_new(b, "in");

	batch_chain(b, OWN_CHAIN, -1, 0, NULL);
	match_iif_lo(r);
	nft_match_mark(r, PKT_MARK_MASK & ~PKT_ALLOW_OWN, PKT_ASK_OWN | PKT_STAYS);
	x_verdict(r, NFT_GOTO, OWN_CHAIN);
	batch_rule(b, r);
	r = batch_rule_new(b, "in");
	match_iif_lo(r);
	x_meta_load(r, NFT_META_MARK, NFT_REG_1);
	x_mask(r, NFT_REG_1, CT_MARK_MASK, 0);
	x_lookup(r, "own", NFT_REG_1, true);
	batch_rule(b, r);
	r = batch_rule_new(b, OWN_CHAIN);
	own_flow(r, "own");
	batch_rule(b, r);
	r = batch_rule_new(b, OWN_CHAIN); /* its entry lost our mark: nobody knows whose it is */
	x_counter_ref(r, NFT_STRAY_COUNTER);
	x_verdict(r, NFT_GOTO, NFT_DEAD_CHAIN);
	batch_rule(b, r);
}

static void base_rules(const struct nft *n, struct batch *b)
{
	struct nftnl_rule *r;

	verdict_rules(b);
	r = batch_rule_new(b, "out");
	dispatch(r, "fences");
	batch_rule(b, r);
	r = batch_rule_new(b, "out");
	x_socket_cgroup(r, NFT_ABOVE_LEVEL, NFT_REG_1);
	x_lookup(r, "ours", NFT_REG_1, true);
	batch_rule(b, r);
	nft_resolver_rules(b);
	own_rules(b);
	/* At the input only what goes the way that its flow began is a question: the flow is let in
	 * or was. Not only its first packet, for it may have begun with who had the port before. */
	for (unsigned i = 0; i < 2; i++) {
		r = batch_rule_new(b, "in");
		x_ct_load(r, NFT_CT_DIRECTION, NFT_REG_1);
		x_cmp8(r, NFT_REG_1, i ? IP_CT_DIR_ORIGINAL : IP_CT_DIR_REPLY);
		if (i)
			dispatch(r, "inside");
		else
			x_verdict(r, NF_ACCEPT, NULL);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, "in"); /* untracked packets open a flow each */
	x_ct_load(r, NFT_CT_STATE, NFT_REG_1);
	x_mask(r, NFT_REG_1, NF_CT_STATE_UNTRACKED_BIT, 0);
	x_cmp_ne32(r, NFT_REG_1, 0);
	dispatch(r, "inside");
	batch_rule(b, r);
	dns_rule(b, "dns", IPPROTO_UDP, "dns_fence");
	dns_rule(b, "dns", IPPROTO_TCP, "dns_fence");
	dns_rule(b, "zone", IPPROTO_UDP, "dns_zone"); /* see z<N>; TCP begins anew with a SYN */
	for (unsigned v6 = 0; v6 < 2; v6++) {
		unwanted_answers(b, v6);
		nft_no_payload(b, v6, false);
		nft_no_payload(b, v6, true);
	}
	nft_reject_all(n, b, NFT_DEAD_CHAIN);
}

static void plain_set(struct batch *b)
{
	static const uint8_t plain[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6};
	struct nftnl_set *s;

	batch_set(b, NFT_PLAIN_SET, KEY_PROTO, false);
	s = batch_elems_new(b, NFT_PLAIN_SET);
	for (size_t i = 0; i < sizeof(plain); i++)
		batch_elem(s, &(struct set_key){.b = {plain[i]}, .n = 1}, NULL, NULL);
	batch_elems(b, NFT_MSG_NEWSETELEM, s);
}

/* The queue expression, zones and fib are tried in a chain that nothing jumps to. */
static void probe_rule(struct batch *b, bool native, bool fib)
{
	struct nftnl_rule *r;

	batch_chain(b, "probe", -1, 0, NULL);
	if (fib) {
		r = batch_rule_new(b, "probe");
		x_fib_source(r, NFT_REG_1);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, "probe");
	x_queue(r, 0, native);
	batch_rule(b, r);
	r = batch_rule_new(b, "probe");
	x_ct_original_zone(r, 1);
	batch_rule(b, r);
}

static int table_exists(struct nft *n)
{
	char buf[NFT_REPLY_BYTES];
	struct nftnl_table *t = nftnl_table_alloc();
	struct nlmsghdr *h;
	ssize_t got;

	if (!t)
		return -ENOMEM;
	h = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETTABLE, NFPROTO_INET, NLM_F_ACK, 1);
	nftnl_table_set_str(t, NFTNL_TABLE_NAME, NFT_TABLE);
	nftnl_table_nlmsg_build_payload(h, t);
	nftnl_table_free(t);
	if (mnl_socket_sendto(n->nl, h, h->nlmsg_len) < 0)
		return -errno;
	got = mnl_socket_recvfrom(n->nl, buf, sizeof(buf));
	if (got < 0)
		return -errno;
	h = (struct nlmsghdr *)buf;
	if (h->nlmsg_type == NLMSG_ERROR) {
		int error = ((struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;

		return error == -ENOENT ? 0 : error;
	}
	return 1;
}

static int install(struct nft *n, bool exists, uint64_t above_id)
{
	static const char *const maps[] = {"fences",   "ours",        "washed",    "inside",
					   "answered", "in_answered", "dns_fence", "dns_zone"};
	static const char *const own_maps[] = {"own", "own_answered"};
	struct batch b;
	int r = batch_begin(&b, n->nl, NFT_TABLE);

	if (r < 0)
		return r;
	if (exists) {
		batch_table_del(&b);
		b.answer_seq = 0;
	}
	batch_table_add(&b, n->table_flags);
	batch_chain(&b, BATCH_EMPTY_CHAIN, -1, 0, NULL);
	batch_chain(&b, NFT_DEAD_CHAIN, -1, 0, NULL);
	batch_chain(&b, NFT_EMPTY4_CHAIN, -1, 0, NULL);
	batch_chain(&b, NFT_EMPTY6_CHAIN, -1, 0, NULL);
	batch_chain(&b, NFT_DOUBT4_CHAIN, -1, 0, NULL);
	batch_chain(&b, NFT_DOUBT6_CHAIN, -1, 0, NULL);
	batch_chain(&b, IN_MARKED_CHAIN, -1, 0, NULL);
	batch_chain(&b, WASH_CHAIN, -1, 0, NULL);
	batch_chain(&b, "wash", NF_INET_LOCAL_OUT, OUT_PRIORITY - 1, "filter");
	batch_chain(&b, "out", NF_INET_LOCAL_OUT, OUT_PRIORITY, "filter");
	batch_chain(&b, "in", NF_INET_LOCAL_IN, 10, "filter");
	batch_chain(&b, "in_after", NF_INET_LOCAL_IN, 20, "filter");
	batch_chain(&b, "dns", NF_INET_LOCAL_OUT, -100, "nat");
	batch_chain(&b, "zone", NF_INET_LOCAL_OUT, -300, "filter");
	batch_chain(&b, "leave", NF_INET_POST_ROUTING, LEAVE_PRIORITY, "filter");
	if (n->last_look)
		batch_chain(&b, "last", NF_INET_POST_ROUTING, LAST_PRIORITY, "filter");
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		batch_set(&b, maps[i], KEY_CGROUP, false);
	for (size_t i = 0; i < sizeof(own_maps) / sizeof(own_maps[0]); i++)
		batch_set(&b, own_maps[i], KEY_MARK, false);
	plain_set(&b);
	nft_way(n, &b);
	nft_self_leave(n, &b);
	if (n->last_look)
		nft_self_last(&b);
	base_rules(n, &b);
	probe_rule(&b, n->native_queue, n->fib);
	nft_ours(&b, above_id);
	return batch_commit(&b);
}

int nft_install(struct nft *n, uint64_t above_id, struct err *e)
{
	static const uint32_t flags[] = {NFT_TABLE_F_OWNER | TABLE_F_PERSIST, 0};
	int exists = table_exists(n), r = 0;

	if (exists == -EPERM) {
		err_set(e, EPERM, "no permission to set nftables rules (CAP_NET_ADMIN)");
		return err_hint(e, "in a container, give it NET_ADMIN and SYS_ADMIN");
	}
	if (exists < 0)
		return err_set(e, -exists, "cannot talk to nf_tables: %s: is it in this kernel?",
			       strerror(-exists));
	for (unsigned i = 0; i < 8; i++) {
		n->table_flags = flags[i / 4];
		n->fib = !(i & 2);
		n->native_queue = !(i & 1);
		r = install(n, exists > 0, above_id);
		if (r == 0)
			return 0;
		if (r == -EPERM || r == -EBUSY)
			break;
	}
	if (r == -EPERM && exists)
		return err_set(e, EPERM,
			       "the nftables table 'inet " NFT_TABLE
			       "' belongs to another running agentfwd");
	err_set(e, -r, "the kernel refused our nftables rules: %s", strerror(-r));
	return err_hint(
	    e, "needed: nf_tables with socket, ct with zones, nat, reject and redirect, and "
	       "nfnetlink_queue with nft_queue or xt_NFQUEUE");
}

int nft_remove(struct nft *n)
{
	struct batch b;
	int r = batch_begin(&b, n->nl, NFT_TABLE);

	if (r < 0)
		return r;
	batch_table_del(&b);
	return batch_commit(&b);
}
