// SPDX-License-Identifier: GPL-2.0-or-later
/* What changes during a fence's life: the addresses that its names have, and its counter. */
#include "fw/nft/table.h"

#include <libnftnl/object.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "fw/nft/names.h"
#include "fw/nft/set.h"

static void elem(struct batch *b, uint32_t fence, const struct learn_entry *le, uint16_t type)
{
	const unsigned set = le->set == LEARN_OPEN ? FENCE_OPEN4 : FENCE_LEARNED4;
	struct set_key k = set_key_addr(&le->addr, le->l4proto, le->port);
	struct nftnl_set *s = batch_elems_new(b, nft_set(set + (le->addr.family == 6), fence).s);

	batch_elem(s, &k, NULL, NULL);
	batch_elems(b, type, s);
}

int nft_learn(struct nft *n, uint32_t fence, const struct learn_entry *entry, size_t count,
	      bool absent)
{
	struct batch b;
	int r = batch_begin(&b, n->nl, NFT_TABLE);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (entry[i].add || absent)
			elem(&b, fence, &entry[i], NFT_MSG_NEWSETELEM);
		if (!entry[i].add)
			elem(&b, fence, &entry[i], NFT_MSG_DELSETELEM);
	}
	return batch_commit(&b);
}

int nft_unlearn_all(struct nft *n, uint32_t fence)
{
	struct batch b;
	int r = batch_begin(&b, n->nl, NFT_TABLE);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < FENCE_SETS; i++)
		if (!nft_fence_sets[i].interval)
			batch_set_flush(&b, nft_set(i, fence).s);
	return batch_commit(&b);
}

static bool ask_counter(struct nft *n, const char *counter)
{
	char buf[NFT_REPLY_BYTES];
	struct nftnl_obj *o = nftnl_obj_alloc();
	struct nlmsghdr *h;

	if (!o)
		return false;
	h = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETOBJ, NFPROTO_INET, 0, 1);
	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, NFT_TABLE);
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, counter);
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nftnl_obj_nlmsg_build_payload(h, o);
	nftnl_obj_free(o);
	return mnl_socket_sendto(n->nl, h, h->nlmsg_len) >= 0;
}

/* The answer gets an object of its own: the library forgets, and does not free, what one had. */
static uint64_t counted(struct nft *n, const char *counter)
{
	char buf[NFT_REPLY_BYTES];
	const struct nlmsghdr *h = (const void *)buf;
	struct nftnl_obj *o;
	uint64_t packets = 0;

	if (!ask_counter(n, counter) || mnl_socket_recvfrom(n->nl, buf, sizeof(buf)) <= 0 ||
	    !(o = nftnl_obj_alloc()))
		return 0;
	if (h->nlmsg_type != NLMSG_ERROR && nftnl_obj_nlmsg_parse(h, o) == 0)
		packets = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_PKTS);
	nftnl_obj_free(o);
	return packets;
}

uint64_t nft_fence_passed(struct nft *n, uint32_t fence)
{
	return counted(n, nft_passed(fence).s);
}

uint64_t nft_stray(struct nft *n)
{
	return counted(n, COUNTER_STRAY);
}
