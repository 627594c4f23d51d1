// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/nft/batch.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/object.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PAGE_BYTES    (256 * 1024)
#define OVERRUN_BYTES (128 * 1024) /* no single message is larger */

int batch_begin(struct batch *b, struct mnl_socket *nl, const char *table)
{
	*b = (struct batch){.nl = nl, .table = table, .seq = 1};
	b->b = nftnl_batch_alloc(PAGE_BYTES, OVERRUN_BYTES);
	if (!b->b)
		return -ENOMEM;
	nftnl_batch_begin(nftnl_batch_buffer(b->b), b->seq++);
	batch_next(b);
	return 0;
}

void batch_drop(struct batch *b)
{
	if (b->b)
		nftnl_batch_free(b->b);
	b->b = NULL;
}

/* The kernel sends a message per refusal. The first one is the most exact; the others often follow
 * from it. */
static int read_answers(struct mnl_socket *nl, uint32_t last_seq)
{
	static _Thread_local char buf[65536];
	int first = 0;

	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		int left = (int)n;

		if (n < 0 && errno == ENOBUFS)
			return -ENOBUFS;
		if (n < 0)
			return -errno;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left)) {
			const struct nlmsgerr *err = mnl_nlmsg_get_payload(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			if (err->error && !first)
				first = err->error;
			if (h->nlmsg_seq == last_seq || err->error)
				return first;
		}
	}
}

/* Unread refusals of one transaction must not be read as the answer to the next. */
static void drain(struct mnl_socket *nl)
{
	char buf[8192];

	while (recv(mnl_socket_get_fd(nl), buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

/* Asks for one acknowledgement of the whole batch: emptying a chain that is always empty changes
 * nothing, and every kernel answers it. Only new kernels acknowledge the end of a batch. */
static void ask_for_answer(struct batch *b)
{
	struct nftnl_rule *r = nftnl_rule_alloc();

	if (!r) {
		b->failed = true;
		return;
	}
	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, b->table);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, BATCH_EMPTY_CHAIN);
	b->answer_seq = b->seq;
	nftnl_rule_nlmsg_build_payload(batch_msg(b, NFT_MSG_DELRULE, NLM_F_ACK), r);
	batch_next(b);
	nftnl_rule_free(r);
}

int batch_commit(struct batch *b)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct msghdr mh = {.msg_name = &kernel, .msg_namelen = sizeof(kernel)};
	struct iovec *iov;
	int n, r;

	if (!b->answer_seq)
		ask_for_answer(b);
	nftnl_batch_end(nftnl_batch_buffer(b->b), b->seq++);
	batch_next(b);
	n = nftnl_batch_iovec_len(b->b);
	iov = calloc((size_t)n, sizeof(*iov));
	if (!iov || b->failed) {
		free(iov);
		batch_drop(b);
		return -ENOMEM;
	}
	nftnl_batch_iovec(b->b, iov, (uint32_t)n);
	mh.msg_iov = iov;
	mh.msg_iovlen = (size_t)n;
	drain(b->nl);
	if (sendmsg(mnl_socket_get_fd(b->nl), &mh, 0) < 0)
		r = -errno;
	else
		r = read_answers(b->nl, b->answer_seq);
	free(iov);
	batch_drop(b);
	return r;
}

struct nlmsghdr *batch_msg(struct batch *b, uint16_t type, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(nftnl_batch_buffer(b->b), type, NFPROTO_INET, flags, b->seq++);
}

void batch_next(struct batch *b)
{
	if (nftnl_batch_update(b->b) < 0)
		b->failed = true;
}

void batch_table_add(struct batch *b, uint32_t flags, const char *comment)
{
	struct nftnl_table *t = nftnl_table_alloc();
	struct nftnl_udata_buf *u;

	if (!t) {
		b->failed = true;
		return;
	}
	nftnl_table_set_str(t, NFTNL_TABLE_NAME, b->table);
	nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, flags);
	if ((u = batch_udata(b, NFTNL_UDATA_TABLE_COMMENT, comment))) {
		nftnl_table_set_data(t, NFTNL_TABLE_USERDATA, nftnl_udata_buf_data(u),
				     nftnl_udata_buf_len(u));
		nftnl_udata_buf_free(u);
	}
	nftnl_table_nlmsg_build_payload(batch_msg(b, NFT_MSG_NEWTABLE, NLM_F_CREATE), t);
	batch_next(b);
	nftnl_table_free(t);
}

void batch_table_del(struct batch *b)
{
	struct nftnl_table *t = nftnl_table_alloc();

	if (!t) {
		b->failed = true;
		return;
	}
	nftnl_table_set_str(t, NFTNL_TABLE_NAME, b->table);
	b->answer_seq = b->seq;
	nftnl_table_nlmsg_build_payload(batch_msg(b, NFT_MSG_DELTABLE, NLM_F_ACK), t);
	batch_next(b);
	nftnl_table_free(t);
}

struct nftnl_udata_buf *batch_udata(struct batch *b, uint8_t type, const char *comment)
{
	struct nftnl_udata_buf *u;

	if (!comment)
		return NULL;
	assert(strlen(comment) <= COMMENT_BYTES_MAX);
	u = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	if (!u || !nftnl_udata_put_strz(u, type, comment))
		b->failed = true;
	return u;
}

static struct nftnl_chain *chain_new(struct batch *b, const char *name)
{
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (!c) {
		b->failed = true;
		return NULL;
	}
	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, b->table);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name);
	return c;
}

void batch_chain(struct batch *b, const struct chain_spec *spec)
{
	struct nftnl_chain *c = chain_new(b, spec->name);
	struct nftnl_udata_buf *u;

	if (!c)
		return;
	if (spec->type) {
		nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, (uint32_t)spec->hook);
		nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, spec->priority);
		nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, spec->type);
		nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	}
	if ((u = batch_udata(b, NFTNL_UDATA_CHAIN_COMMENT, spec->comment))) {
		nftnl_chain_set_data(c, NFTNL_CHAIN_USERDATA, nftnl_udata_buf_data(u),
				     nftnl_udata_buf_len(u));
		nftnl_udata_buf_free(u);
	}
	nftnl_chain_nlmsg_build_payload(batch_msg(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE), c);
	batch_next(b);
	nftnl_chain_free(c);
}

void batch_chain_del(struct batch *b, const char *name)
{
	struct nftnl_chain *c = chain_new(b, name);

	if (!c)
		return;
	nftnl_chain_nlmsg_build_payload(batch_msg(b, NFT_MSG_DELCHAIN, 0), c);
	batch_next(b);
	nftnl_chain_free(c);
}

void batch_counter(struct batch *b, uint16_t type, const char *name)
{
	struct nftnl_obj *o = nftnl_obj_alloc();

	if (!o) {
		b->failed = true;
		return;
	}
	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, b->table);
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, name);
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	if (type == NFT_MSG_NEWOBJ) {
		nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_PKTS, 0);
		nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_BYTES, 0);
	}
	nftnl_obj_nlmsg_build_payload(batch_msg(b, type, type == NFT_MSG_NEWOBJ ? NLM_F_CREATE : 0),
				      o);
	batch_next(b);
	nftnl_obj_free(o);
}

/* ---- rules ----------------------------------------------------------------------------------- */

struct nftnl_rule *batch_rule_new(struct batch *b, const char *chain)
{
	struct nftnl_rule *r = nftnl_rule_alloc();

	if (!r) {
		b->failed = true;
		return NULL;
	}
	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, b->table);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, chain);
	nftnl_rule_set_u32(r, NFTNL_RULE_FAMILY, NFPROTO_INET);
	return r;
}

void batch_comment(struct batch *b, struct nftnl_rule *r, const char *comment)
{
	struct nftnl_udata_buf *u = r ? batch_udata(b, NFTNL_UDATA_RULE_COMMENT, comment) : NULL;

	if (!u)
		return;
	nftnl_rule_set_data(r, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(u),
			    nftnl_udata_buf_len(u));
	nftnl_udata_buf_free(u);
}

void batch_rule(struct batch *b, struct nftnl_rule *r)
{
	if (!r)
		return;
	nftnl_rule_nlmsg_build_payload(batch_msg(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND),
				       r);
	batch_next(b);
	nftnl_rule_free(r);
}
