// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/nft/set.h"

#include <arpa/inet.h>
#include <assert.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* nft's own numbers of data types, so that `nft list ruleset` reads well (nftables datatype.h). */
enum {
	NFT_TYPE_IPADDR = 7,
	NFT_TYPE_IP6ADDR = 8,
	NFT_TYPE_INET_PROTOCOL = 12,
	NFT_TYPE_INET_SERVICE = 13,
	NFT_TYPE_MARK = 19,
	NFT_TYPE_CGROUPV2 = 46,
	NFT_TYPE_BITS = 6
};

#define NFT_BYTEORDER_HOST 1 /* nftables datatype.h */
#define NEVER_MS           (24u * 3600 * 1000)

static uint32_t concat_type(uint32_t address, bool pair)
{
	uint32_t first = pair ? address << NFT_TYPE_BITS | address : address;

	return (first << NFT_TYPE_BITS | NFT_TYPE_INET_PROTOCOL) << NFT_TYPE_BITS |
	       NFT_TYPE_INET_SERVICE;
}

static void shape_set(struct nftnl_set *s, enum key_shape shape, bool interval)
{
	bool v6 = shape == KEY_V6 || shape == KEY_PAIR6 || shape == KEY_V6_MAP;
	bool map = shape == KEY_V4_MAP || shape == KEY_V6_MAP;
	bool pair = shape == KEY_PAIR4 || shape == KEY_PAIR6;
	uint8_t address = v6 ? 16 : 4, fields[16] = {address, 1, 2},
		pair_fields[16] = {address, address, 1, 2};

	if (shape == KEY_CGROUP || shape == KEY_MARK) {
		bool mark = shape == KEY_MARK;

		nftnl_set_set_u32(s, NFTNL_SET_FLAGS, NFT_SET_MAP);
		nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, mark ? NFT_TYPE_MARK : NFT_TYPE_CGROUPV2);
		nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, mark ? 4 : 8);
		nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
		nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, 16);
		return;
	}
	if (shape == KEY_PROTO) {
		nftnl_set_set_u32(s, NFTNL_SET_FLAGS, 0);
		nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, NFT_TYPE_INET_PROTOCOL);
		nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, 1);
		return;
	}
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS,
			  NFT_SET_CONCAT | (interval ? (uint32_t)NFT_SET_INTERVAL : 0) |
			      (map ? (uint32_t)NFT_SET_MAP : 0));
	if (map) {
		nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
		nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, 16);
	}
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE,
			  concat_type(v6 ? NFT_TYPE_IP6ADDR : NFT_TYPE_IPADDR, pair));
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, (pair ? 2u : 1u) * address + 8);
	nftnl_set_set_data(s, NFTNL_SET_DESC_CONCAT, pair ? pair_fields : fields, sizeof(fields));
}

static struct nftnl_set *set_new(struct batch *b, const char *name)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s) {
		b->failed = true;
		return NULL;
	}
	nftnl_set_set_str(s, NFTNL_SET_TABLE, b->table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, name);
	return s;
}

/* What nft needs to print a set: its comment, and that cgroups and marks are in host byte order,
 * else nft shows their bytes reversed. */
static void describe(struct batch *b, struct nftnl_set *s, const struct set_spec *spec)
{
	struct nftnl_udata_buf *u = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	bool host = spec->shape == KEY_CGROUP || spec->shape == KEY_MARK;

	assert(!spec->comment || strlen(spec->comment) <= COMMENT_BYTES_MAX);
	if (!u ||
	    (host && !nftnl_udata_put_u32(u, NFTNL_UDATA_SET_KEYBYTEORDER, NFT_BYTEORDER_HOST)) ||
	    (spec->comment && !nftnl_udata_put_strz(u, NFTNL_UDATA_SET_COMMENT, spec->comment)))
		b->failed = true;
	else if (host || spec->comment)
		nftnl_set_set_data(s, NFTNL_SET_USERDATA, nftnl_udata_buf_data(u),
				   nftnl_udata_buf_len(u));
	if (u)
		nftnl_udata_buf_free(u);
}

/* The kernel would reserve the room of a set whose size it knows, but for one with timeouts: its
 * elements here have none, and nobody needs to look for those that are over. */
static void limit(struct nftnl_set *s, uint32_t most)
{
	nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, most);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS,
			  nftnl_set_get_u32(s, NFTNL_SET_FLAGS) | NFT_SET_TIMEOUT);
	nftnl_set_set_u32(s, NFTNL_SET_GC_INTERVAL, NEVER_MS);
}

void batch_set(struct batch *b, const struct set_spec *spec)
{
	struct nftnl_set *s = set_new(b, spec->name);

	if (!s)
		return;
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, NFPROTO_INET);
	nftnl_set_set_u32(s, NFTNL_SET_ID, ++b->set_id);
	shape_set(s, spec->shape, spec->interval);
	if (spec->most)
		limit(s, spec->most);
	describe(b, s, spec);
	nftnl_set_nlmsg_build_payload(batch_msg(b, NFT_MSG_NEWSET, NLM_F_CREATE), s);
	batch_next(b);
	nftnl_set_free(s);
}

void batch_set_del(struct batch *b, const char *name)
{
	struct nftnl_set *s = set_new(b, name);

	if (!s)
		return;
	nftnl_set_nlmsg_build_payload(batch_msg(b, NFT_MSG_DELSET, 0), s);
	batch_next(b);
	nftnl_set_free(s);
}

void batch_set_flush(struct batch *b, const char *name)
{
	batch_elems(b, NFT_MSG_DELSETELEM, set_new(b, name));
}

struct nftnl_set *batch_elems_new(struct batch *b, const char *set)
{
	return set_new(b, set);
}

void batch_elem(struct nftnl_set *s, const struct set_key *key, const struct set_key *key_end,
		const char *goto_chain)
{
	struct nftnl_set_elem *e = s ? nftnl_set_elem_alloc() : NULL;

	if (!e) {
		if (s) /* without its name the kernel refuses it, and the whole batch */
			nftnl_set_unset(s, NFTNL_SET_NAME);
		return;
	}
	nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, key->b, key->n);
	if (key_end)
		nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY_END, key_end->b, key_end->n);
	if (goto_chain) {
		nftnl_set_elem_set_u32(e, NFTNL_SET_ELEM_VERDICT, (uint32_t)NFT_GOTO);
		nftnl_set_elem_set_str(e, NFTNL_SET_ELEM_CHAIN, goto_chain);
	}
	nftnl_set_elem_add(s, e);
}

void batch_elems(struct batch *b, uint16_t type, struct nftnl_set *s)
{
	if (!s) {
		b->failed = true;
		return;
	}
	nftnl_set_elems_nlmsg_build_payload(
	    batch_msg(b, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0), s);
	batch_next(b);
	nftnl_set_free(s);
}

/* ---- keys ------------------------------------------------------------------------------------ */

struct set_key set_key_cgroup(uint64_t id)
{
	struct set_key k = {.n = sizeof(id)};

	memcpy(k.b, &id, sizeof(id));
	return k;
}

struct set_key set_key_mark(uint32_t mark)
{
	struct set_key k = {.n = sizeof(mark)};

	memcpy(k.b, &mark, sizeof(mark));
	return k;
}

struct set_key set_key_addr(const struct addr *a, uint8_t l4proto, uint16_t port)
{
	size_t alen = a->family == 4 ? 4 : 16;
	struct set_key k = {.n = (uint8_t)(alen + 8)};
	uint16_t be = htons(port);

	memcpy(k.b, a->b, alen);
	k.b[alen] = l4proto;
	memcpy(k.b + alen + 4, &be, sizeof(be));
	return k;
}

static void put_addr(struct set_key *k, const struct addr *a)
{
	size_t n = a->family == 4 ? 4 : 16;

	memcpy(k->b + k->n, a->b, n);
	k->n = (uint8_t)(k->n + n);
}

struct set_key set_key_pair(const struct ingress_pair *p, const struct addr *peer,
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

struct addr set_prefix_last(const struct prefix *p)
{
	struct addr a = p->addr;
	unsigned bits = a.family == 4 ? 32 : 128;

	for (unsigned i = p->bits; i < bits; i++)
		a.b[i / 8] |= (uint8_t)(0x80 >> (i % 8));
	return a;
}
