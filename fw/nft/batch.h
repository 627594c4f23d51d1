/* One nftables transaction, and the expressions that our rules are made of. */
#ifndef AGENTFW_NFT_BATCH_H
#define AGENTFW_NFT_BATCH_H

#include <libmnl/libmnl.h>
#include <libnftnl/batch.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/base/err.h"

struct batch {
	struct mnl_socket *nl;
	struct nftnl_batch *b;
	uint32_t seq;
	bool failed; /* out of memory while building; batch_commit says so */
	const char *table;
	uint32_t set_id;
	uint32_t answer_seq; /* the message whose acknowledgement tells how it went */
};

/* A chain that every table of ours has and that never holds a rule. */
#define BATCH_EMPTY_CHAIN "empty"

/* Reply and request buffers are bounded by these. */
int batch_begin(struct batch *b, struct mnl_socket *nl, const char *table);
/* Sends it as one transaction and waits for the kernel's word. 0 or -errno of the first refusal.
 * The batch is gone afterwards. */
int batch_commit(struct batch *b);
void batch_drop(struct batch *b);

/* Header of a message of this type in the batch; after filling it, batch_next. */
struct nlmsghdr *batch_msg(struct batch *b, uint16_t type, uint16_t flags);
void batch_next(struct batch *b);

void batch_table_add(struct batch *b, uint32_t flags);
void batch_table_del(
    struct batch *b); /* must be the last of its batch, or be followed by the table anew */
/* hook < 0: a chain to be jumped to. */
void batch_chain(struct batch *b, const char *name, int hook, int priority, const char *type);
void batch_chain_del(struct batch *b, const char *name);
void batch_counter(struct batch *b, uint16_t type, const char *name);

/* Which fields a set's key has, each padded to 4 bytes. */
enum key_shape {
	KEY_CGROUP, /* a verdict map keyed by cgroup id */
	KEY_V4,     /* address . protocol . port */
	KEY_V6,
	KEY_PAIR4, /* address . address . protocol . port */
	KEY_PAIR6,
	KEY_PROTO, /* one protocol number */
	KEY_MARK,  /* a verdict map keyed by a mark */
};
struct set_key {
	uint8_t b[40];
	uint8_t n;
};
void batch_set(struct batch *b, const char *name, enum key_shape shape, bool interval);
void batch_set_del(struct batch *b, const char *name);
void batch_set_flush(struct batch *b, const char *name);

/* Elements are added to the set object and sent with batch_elems (which frees it). */
struct nftnl_set *batch_elems_new(struct batch *b, const char *set);
void batch_elem(struct nftnl_set *s, const struct set_key *key, const struct set_key *key_end,
		const char *goto_chain);
void batch_elems(struct batch *b, uint16_t type, struct nftnl_set *s);

/* A rule being built: expressions are added in order; NULL-safe after running out of memory. */
struct nftnl_rule *batch_rule_new(struct batch *b, const char *chain);
void batch_rule(struct batch *b, struct nftnl_rule *r);

void x_meta_load(struct nftnl_rule *r, uint32_t key, uint32_t reg);
void x_ct_load(struct nftnl_rule *r, uint32_t key, uint32_t reg);
void x_payload(struct nftnl_rule *r, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg);
void x_socket_cgroup(struct nftnl_rule *r, uint32_t level, uint32_t reg);
void x_mask(struct nftnl_rule *r, uint32_t reg, uint32_t mask, uint32_t xor_bits);
void x_cmp(struct nftnl_rule *r, uint32_t reg, const void *data, uint32_t len);
/* In the order of memcmp: numbers as they are in headers. */
void x_cmp_gt(struct nftnl_rule *r, uint32_t reg, const void *data, uint32_t len);
/* Matches where the packet finds a socket: a listener or a connection, no waiting handshake. */
void x_socket_full(struct nftnl_rule *r);
void x_cmp_ne32(struct nftnl_rule *r, uint32_t reg, uint32_t value);
void x_cmp32(struct nftnl_rule *r, uint32_t reg, uint32_t value);
void x_cmp8(struct nftnl_rule *r, uint32_t reg, uint8_t value);
void x_cmp_ne8(struct nftnl_rule *r, uint32_t reg, uint8_t value);
void x_lookup(struct nftnl_rule *r, const char *set, uint32_t reg, bool verdict_map);
void x_lookup_not(struct nftnl_rule *r, const char *set,
		  uint32_t reg); /* matches what is not in it */
/* (register & ~mask) | bits into the packet's or the connection's mark. */
void x_meta_mark(struct nftnl_rule *r, uint32_t mask, uint32_t bits);
void x_ct_mark(struct nftnl_rule *r, uint32_t mask, uint32_t bits);
/* The connection's label (CT_LABEL_BIT): there is no taking it off. */
void x_ct_label_set(struct nftnl_rule *r);
void x_ct_label_match(struct nftnl_rule *r);
/* Connections are looked up in this zone by the way that their first packet goes. Before conntrack.
 */
void x_ct_original_zone(struct nftnl_rule *r, uint16_t zone);
void x_verdict(struct nftnl_rule *r, int verdict, const char *chain);
void x_counter_ref(struct nftnl_rule *r, const char *name);
/* What kind of address the source or destination is (RTN_LOCAL and so on) by the routing table,
 * into the register.
 */
void x_fib_source(struct nftnl_rule *r, uint32_t reg);
void x_fib_destination(struct nftnl_rule *r, uint32_t reg);
void x_queue(struct nftnl_rule *r, uint16_t num, bool native);
void x_reject(struct nftnl_rule *r, bool tcp_reset);
void x_redirect(struct nftnl_rule *r, uint16_t port);

#endif
