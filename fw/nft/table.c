// SPDX-License-Identifier: GPL-2.0-or-later
/* The table as a whole: installed, by what the kernel offers, and removed. */
#include "fw/nft/table.h"

#include <errno.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "fw/nft/base.h"
#include "fw/nft/names.h"
#include "fw/nft/plain.h"
#include "fw/nft/self.h"
#include "fw/nft/statement.h"
#include "fw/nft/way.h"

#define TABLE_F_PERSIST 0x4u /* NFT_TABLE_F_PERSIST, Linux 6.9; older headers lack the name */

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

/* The queue expression, zones and fib are tried in a chain that nothing jumps to. */
static void probe_rules(struct batch *b, bool native, bool fib)
{
	struct nftnl_rule *r;

	if (fib) {
		r = batch_rule_new(b, CHAIN_PROBE);
		x_fib_source(r, NFT_REG_1);
		batch_rule(b, r);
	}
	r = batch_rule_new(b, CHAIN_PROBE);
	x_queue(r, 0, native);
	batch_rule(b, r);
	r = batch_rule_new(b, CHAIN_PROBE);
	nft_set_zone(r, 1);
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
	struct batch b;
	int r = batch_begin(&b, n->nl, NFT_TABLE);

	if (r < 0)
		return r;
	if (exists) {
		batch_table_del(&b);
		b.answer_seq = 0;
	}
	batch_table_add(&b, n->table_flags, nft_table_comment);
	for (size_t i = 0; i < nft_n_table_chains; i++)
		batch_chain(&b, &nft_table_chains[i]);
	for (size_t i = 0; i < nft_n_table_sets; i++)
		batch_set(&b, &nft_table_sets[i]);
	nft_no_payload(&b);
	nft_way(n, &b);
	nft_self_leave(n, &b);
	nft_base_out(n, &b);
	nft_base_in(&b);
	probe_rules(&b, n->native_queue, n->fib);
	nft_above(&b, above_id);
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
