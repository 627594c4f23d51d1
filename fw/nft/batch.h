/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One nftables transaction: the table, its chains, counters and rules. Sets are in set.h; the parts
 * of a rule in expr.h, match.h and statement.h.
 *
 * Building never fails at once: batch_commit reports that memory ran out meanwhile. */
#ifndef AGENTFW_NFT_BATCH_H
#define AGENTFW_NFT_BATCH_H

#include <libmnl/libmnl.h>
#include <libnftnl/batch.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <stdbool.h>
#include <stdint.h>

struct batch {
	struct mnl_socket *nl;
	struct nftnl_batch *b;
	uint32_t seq;
	bool failed; /* out of memory while building; batch_commit says so */
	const char *table;
	uint32_t set_id;
	uint32_t answer_seq; /* the message whose acknowledgement is the batch's */
};

/* A chain that every table of ours has and that never holds a rule. */
#define BATCH_EMPTY_CHAIN "empty"
#define COMMENT_BYTES_MAX 120 /* nft takes 128 */

int batch_begin(struct batch *b, struct mnl_socket *nl, const char *table);
/* Sends it as one transaction and waits for the kernel's answer: 0, or -errno of the first refusal.
 * The batch is freed in any case. */
int batch_commit(struct batch *b);
void batch_drop(struct batch *b);

/* Header of a message of this type in the batch; after filling it, batch_next. */
struct nlmsghdr *batch_msg(struct batch *b, uint16_t type, uint16_t flags);
void batch_next(struct batch *b);
/* A comment as an attribute of this type (NFTNL_UDATA_…_COMMENT), to be freed; NULL without one. */
struct nftnl_udata_buf *batch_udata(struct batch *b, uint8_t type, const char *comment);

/* comment: what nft prints, or NULL. */
void batch_table_add(struct batch *b, uint32_t flags, const char *comment);
/* Must be the last of its batch, or be followed by batch_table_add. */
void batch_table_del(struct batch *b);
struct chain_spec {
	const char *name;
	int hook, priority;
	const char *type; /* NULL: no hook, a chain to be jumped to */
	const char *comment;
};
void batch_chain(struct batch *b, const struct chain_spec *spec);
void batch_chain_del(struct batch *b, const char *name);
void batch_counter(struct batch *b, uint16_t type, const char *name);

/* A rule being built: expressions are added in order. Every function that takes a rule takes NULL,
 * too, which stands for memory that ran out. */
struct nftnl_rule *batch_rule_new(struct batch *b, const char *chain);
void batch_comment(struct batch *b, struct nftnl_rule *r, const char *comment);
void batch_rule(struct batch *b, struct nftnl_rule *r);

#endif
