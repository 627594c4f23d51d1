/* A fence's part of the table: its chains, its sets, and its places in the maps. */
#include "fw/nft/table.h"

#include <errno.h>
#include <libnftnl/object.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "policy/base/cleanup.h"

const char *nft_name(char buf[NFT_NAME_BYTES], const char *prefix, uint32_t fence)
{
	snprintf(buf, NFT_NAME_BYTES, "%s%u", prefix, fence);
	return buf;
}

void nft_match_family(struct nftnl_rule *r, bool v6)
{
	x_meta_load(r, NFT_META_NFPROTO, NFT_REG_1);
	x_cmp8(r, NFT_REG_1, v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
}

void nft_match_l4(struct nftnl_rule *r, uint8_t l4proto)
{
	x_meta_load(r, NFT_META_L4PROTO, NFT_REG_1);
	x_cmp8(r, NFT_REG_1, l4proto);
}

void nft_match_mark(struct nftnl_rule *r, uint32_t mask, uint32_t value)
{
	x_meta_load(r, NFT_META_MARK, NFT_REG_1);
	x_mask(r, NFT_REG_1, mask, 0);
	x_cmp32(r, NFT_REG_1, value);
}

void nft_match_ct_mark(struct nftnl_rule *r, uint32_t bits)
{
	x_ct_load(r, NFT_CT_MARK, NFT_REG_1);
	x_mask(r, NFT_REG_1, CT_MARK_MASK, 0);
	x_cmp32(r, NFT_REG_1, bits);
}

static void dns_chain(struct batch *b, const struct nft_fence *f)
{
	char chain[NFT_NAME_BYTES];
	struct nftnl_rule *r = batch_rule_new(b, nft_name(chain, "n", f->id));

	x_redirect(r, f->dns_port);
	batch_rule(b, r);
}

/* z<N>: questions that a fence asks share no connection with those of another, or of nobody's: the
 * one that is there would be taken, with its redirection or without one. */
static void zone_chain(struct batch *b, const struct nft_fence *f)
{
	char chain[NFT_NAME_BYTES];
	struct nftnl_rule *r = batch_rule_new(b, nft_name(chain, "z", f->id));

	x_ct_original_zone(r, (uint16_t)(1 + f->epoch % UINT16_MAX));
	batch_rule(b, r);
}

/* The names of everything that a fence has, in the order of making. */
static const struct {
	const char *prefix;
	enum key_shape shape;
	bool interval, ingress; /* ingress: only where the policy has it */
} fence_sets[] = {
    {"direct4_", KEY_V4, true, false},   {"direct6_", KEY_V6, true, false},
    {"open4_", KEY_V4, false, false},    {"open6_", KEY_V6, false, false},
    {"learned4_", KEY_V4, false, false}, {"learned6_", KEY_V6, false, false},
    {"pairs4_", KEY_PAIR4, true, true},  {"pairs6_", KEY_PAIR6, true, true},
};
static const struct {
	const char *prefix;
	bool ingress;
} fence_chains[] = {{"q", false},   {"v", false},   {"o4_", false}, {"o6_", false}, {"k", true},
		    {"r4_", true},  {"r6_", true},  {"i4_", true},  {"i6_", true},  {"h4_", false},
		    {"h6_", false}, {"l4_", false}, {"l6_", false}, {"m", false},   {"u", false},
		    {"u6_", false}, {"m6_", false}, {"f6_", false}, {"f", false},   {"i", false},
		    {"a", false},   {"ia", false},  {"w", false},   {"wa", false},  {"n", false},
		    {"z", false}};
static const struct {
	const char *map, *chain;
} fence_maps[] = {{"fences", "f"},       {"inside", "i"},    {"answered", "a"},
		  {"in_answered", "ia"}, {"dns_fence", "n"}, {"dns_zone", "z"}};
/* Keyed by the conntrack mark of flows whose packets go to the fence itself or nowhere. */
static const struct {
	const char *map, *chain;
} own_maps[] = {{"own", "w"}, {"own_answered", "wa"}};

#define N_SETS   (sizeof(fence_sets) / sizeof(fence_sets[0]))
#define N_CHAINS (sizeof(fence_chains) / sizeof(fence_chains[0]))
#define N_MAPS   (sizeof(fence_maps) / sizeof(fence_maps[0]))

static bool has_set(const struct nft_fence *f, size_t i)
{
	return !fence_sets[i].ingress || nft_has_ingress(f);
}

static bool has_chain(const struct nft_fence *f, size_t i)
{
	return !fence_chains[i].ingress || nft_has_ingress(f);
}

static void map_elems(struct batch *b, const struct nft_fence *f, uint16_t type)
{
	struct set_key k = nft_cgroup_key(f->cgroup_id);
	char chain[NFT_NAME_BYTES];

	for (size_t i = 0; i < N_MAPS; i++) {
		struct nftnl_set *s = batch_elems_new(b, fence_maps[i].map);

		batch_elem(s, &k, NULL,
			   type == NFT_MSG_NEWSETELEM ? nft_name(chain, fence_maps[i].chain, f->id)
						      : NULL);
		batch_elems(b, type, s);
	}
	for (size_t i = 0; i < ARRAY_SIZE(own_maps); i++) {
		const uint32_t mark = f->epoch << CT_EPOCH_SHIFT | CT_OWN | CT_LOCAL;
		struct nftnl_set *s = batch_elems_new(b, own_maps[i].map);

		k = (struct set_key){.n = sizeof(mark)};
		memcpy(k.b, &mark, sizeof(mark));
		batch_elem(s, &k, NULL,
			   type == NFT_MSG_NEWSETELEM ? nft_name(chain, own_maps[i].chain, f->id)
						      : NULL);
		batch_elems(b, type, s);
	}
}

/* ---- address rules --------------------------------------------------------------------------- */

struct set_key nft_addr_key(const struct addr *a, uint8_t l4proto, uint16_t port)
{
	size_t alen = a->family == 4 ? 4 : 16;
	struct set_key k = {.n = (uint8_t)(alen + 8)};
	uint16_t be = htons(port);

	memcpy(k.b, a->b, alen);
	k.b[alen] = l4proto;
	memcpy(k.b + alen + 4, &be, sizeof(be));
	return k;
}

struct addr nft_prefix_last(const struct prefix *p)
{
	struct addr a = p->addr;
	unsigned bits = a.family == 4 ? 32 : 128;

	for (unsigned i = p->bits; i < bits; i++)
		a.b[i / 8] |= (uint8_t)(0x80 >> (i % 8));
	return a;
}

/* What the kernel may decide alone: TCP and UDP rules that no deny rule touches and that no wider
 * rule for the same port holds already (the kernel's interval sets take no overlaps). The engine
 * knows all rules, so leaving one out costs a trip, not a refusal. */
static bool kernel_decides(const struct policy *p, size_t i, const struct addr_rule *ar)
{
	size_t n = policy_addr_rules(p);

	if (ar->deny || (ar->l4proto != IPPROTO_TCP && ar->l4proto != IPPROTO_UDP))
		return false;
	for (size_t j = 0; j < n; j++) {
		struct addr_rule o;
		bool wider, narrower;

		policy_addr_rule(p, j, &o);
		if (j == i || o.prefix.addr.family != ar->prefix.addr.family)
			continue;
		wider = o.prefix.bits <= ar->prefix.bits &&
			prefix_contains(&o.prefix, &ar->prefix.addr);
		narrower = o.prefix.bits >= ar->prefix.bits &&
			   prefix_contains(&ar->prefix, &o.prefix.addr);
		if (o.deny && (wider || narrower))
			return false;
		if (!o.deny && o.l4proto == ar->l4proto && o.port == ar->port && wider &&
		    (!narrower || j < i))
			return false;
	}
	return true;
}

#define KERNEL_RULES_MAX 4096 /* kernel_decides looks at pairs; past this the engine decides */

/* Fills the direct set of one family; false: it stays empty. */
static bool direct_elems(struct batch *b, const struct nft_fence *f, bool v6)
{
	size_t n = policy_addr_rules(f->policy), in_message = 0;
	struct nftnl_set *s = NULL;
	char set[NFT_NAME_BYTES];
	bool any = false;

	for (size_t i = 0; i < n && n <= KERNEL_RULES_MAX; i++) {
		struct addr_rule ar;
		struct set_key from, to;
		struct addr last;

		policy_addr_rule(f->policy, i, &ar);
		if ((ar.prefix.addr.family == 6) != v6 || !kernel_decides(f->policy, i, &ar))
			continue;
		if (!s)
			s = batch_elems_new(b, nft_name(set, v6 ? "direct6_" : "direct4_", f->id));
		last = nft_prefix_last(&ar.prefix);
		from = nft_addr_key(&ar.prefix.addr, ar.l4proto, ar.port);
		to = nft_addr_key(&last, ar.l4proto, ar.port);
		batch_elem(s, &from, &to, NULL);
		any = true;
		if (++in_message == NFT_ELEMS_PER_MESSAGE) {
			batch_elems(b, NFT_MSG_NEWSETELEM, s);
			s = NULL;
			in_message = 0;
		}
	}
	if (s)
		batch_elems(b, NFT_MSG_NEWSETELEM, s);
	return any;
}

int nft_fence_add(struct nft *n, const struct nft_fence *f, struct err *e)
{
	char buf[NFT_NAME_BYTES];
	bool direct[2];
	struct batch b;
	int r = batch_begin(&b, n->nl, NFT_TABLE);

	if (r < 0)
		return err_set(e, -r, "out of memory");
	batch_counter(&b, NFT_MSG_NEWOBJ, nft_name(buf, "c", f->id));
	for (size_t i = 0; i < N_SETS; i++)
		if (has_set(f, i))
			batch_set(&b, nft_name(buf, fence_sets[i].prefix, f->id),
				  fence_sets[i].shape, fence_sets[i].interval);
	for (size_t i = 0; i < N_CHAINS; i++)
		if (has_chain(f, i))
			batch_chain(&b, nft_name(buf, fence_chains[i].prefix, f->id), -1, 0, NULL);
	for (unsigned v6 = 0; v6 < 2; v6++)
		direct[v6] = direct_elems(&b, f, v6);
	nft_out(n, &b, f, direct);
	if ((r = nft_ingress(n, &b, f)) < 0) {
		batch_drop(&b);
		return err_set(e, -r, "`ingress`: %s",
			       r == -E2BIG ? "too many pairs of peers and listeners"
					   : strerror(-r));
	}
	dns_chain(&b, f);
	zone_chain(&b, f);
	nft_ours(&b, f->above_id); /* it may have been made anew */
	nft_resolver_elems(&b, f, NFT_MSG_NEWSETELEM);
	map_elems(&b, f, NFT_MSG_NEWSETELEM);
	r = batch_commit(&b);
	if (r < 0)
		return err_set(e, -r, "the kernel refused the fence's rules: %s", strerror(-r));
	return 0;
}

int nft_fence_del(struct nft *n, const struct nft_fence *f)
{
	char buf[NFT_NAME_BYTES];
	struct batch b;
	int r = batch_begin(&b, n->nl, NFT_TABLE);

	if (r < 0)
		return r;
	map_elems(&b, f, NFT_MSG_DELSETELEM);
	nft_resolver_elems(&b, f, NFT_MSG_DELSETELEM);
	for (size_t i = N_CHAINS; i-- > 0;)
		if (has_chain(f, i))
			batch_chain_del(&b, nft_name(buf, fence_chains[i].prefix, f->id));
	for (size_t i = 0; i < N_SETS; i++)
		if (has_set(f, i))
			batch_set_del(&b, nft_name(buf, fence_sets[i].prefix, f->id));
	batch_counter(&b, NFT_MSG_DELOBJ, nft_name(buf, "c", f->id));
	return batch_commit(&b);
}

static void learn_elem(struct batch *b, const struct learn_entry *le, const char *set)
{
	struct set_key k = nft_addr_key(&le->addr, le->l4proto, le->port);
	struct nftnl_set *s = batch_elems_new(b, set);

	batch_elem(s, &k, NULL, NULL);
	batch_elems(b, le->add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, s);
}

int nft_learn(struct nft *n, uint32_t fence, const struct learn_entry *entry, size_t count)
{
	static const char *const sets[2][2] = {{"learned4_", "learned6_"}, {"open4_", "open6_"}};
	char buf[NFT_NAME_BYTES];
	struct batch b;
	int r = batch_begin(&b, n->nl, NFT_TABLE);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		const struct learn_entry *le = &entry[i];
		bool v6 = le->addr.family == 6;

		learn_elem(&b, le, nft_name(buf, sets[le->set == LEARN_OPEN][v6], fence));
	}
	return batch_commit(&b);
}

int nft_unlearn_all(struct nft *n, uint32_t fence)
{
	char buf[NFT_NAME_BYTES];
	struct batch b;
	int r = batch_begin(&b, n->nl, NFT_TABLE);

	if (r < 0)
		return r;
	for (size_t i = 0; i < N_SETS; i++)
		if (!fence_sets[i].interval)
			batch_set_flush(&b, nft_name(buf, fence_sets[i].prefix, fence));
	return batch_commit(&b);
}

static uint64_t counted(struct nft *n, const char *counter)
{
	char buf[NFT_REPLY_BYTES];
	struct nftnl_obj *o = nftnl_obj_alloc();
	struct nlmsghdr *h;
	uint64_t packets = 0;
	ssize_t got;

	if (!o)
		return 0;
	h = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETOBJ, NFPROTO_INET, 0, 1);
	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, NFT_TABLE);
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, counter);
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nftnl_obj_nlmsg_build_payload(h, o);
	if (mnl_socket_sendto(n->nl, h, h->nlmsg_len) >= 0) {
		got = mnl_socket_recvfrom(n->nl, buf, sizeof(buf));
		h = (struct nlmsghdr *)buf;
		if (got > 0 && h->nlmsg_type != NLMSG_ERROR && nftnl_obj_nlmsg_parse(h, o) == 0)
			packets = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_PKTS);
	}
	nftnl_obj_free(o);
	return packets;
}

uint64_t nft_fence_passed(struct nft *n, uint32_t fence)
{
	char name[NFT_NAME_BYTES];

	return counted(n, nft_name(name, "c", fence));
}

uint64_t nft_stray(struct nft *n)
{
	return counted(n, NFT_STRAY_COUNTER);
}
