/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel rules: one table `inet agentfw`, with a few chains and sets per fence.
 *
 *     wash      output -2     what a sender put into our bits of the mark is taken off
 *     out       output -1     by the sender's cgroup to its fence: out_N; a verdict to answered_N
 *     dns_zone  output -300   UDP to port 53 of a fence: dns_zone_N
 *     dns       output -100   port 53 of a fence: dns_N
 *     in        input 10      by the receiver's cgroup to its fence: in_N; what a fence sent to
 *                             itself: own_N
 *     in_verdict input 20     a verdict on that: in_answered_N, own_answered_N
 *     engine    the engine's own packets: to name servers, or nowhere
 *     leave     postrouting -1000, last_look 1000: does it go the way that was judged?
 *
 * names.c lists every chain and set with a word of explanation. The text of all rules is at the
 * heads of base.c, base_in.c, way.c, plain.c, self.c, engine.c, resolver.c (the whole table's),
 * fence.c, out.c, flow.c, verdict.c, ingress.c and own.c (each fence's), and
 * tests/net/test_rules.py compares it with what the kernel says.
 *
 * out_N passes verified flows (by conntrack mark), what an address rule allows, and packets without
 * payload to learned addresses. All other packets go to the fence's own queue. The engine's verdict
 * brings the packet to the chain once more (NF_REPEAT), where answered_N turns it into the
 * conntrack mark or a reject. Every change is a single transaction over one socket, which owns the
 * table where the kernel lets an owner's table persist (6.9). */
#ifndef AGENTFW_NFT_H
#define AGENTFW_NFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/ipc/engine_msg.h"
#include "fw/ipc/name_server.h"
#include "fw/ipc/scope.h"
#include "policy/base/err.h"
#include "policy/policy.h"

struct nft;

#define NFT_TABLE       "agentfw"
#define NFT_ABOVE_LEVEL (SCOPE_CGROUP_LEVEL - 1)
/* NFT_TABLE_F_PERSIST, Linux 6.9; older headers lack the name. */
#define NFT_TABLE_PERSIST 0x4u

struct nft_fence {
	uint32_t id;
	struct scope scope;
	uint32_t epoch; /* 1..CT_EPOCH_MAX, not used by another fence before */
	uint16_t queue;
	uint16_t dns_port; /* of our resolver on 127.0.0.1 and ::1 */
	const struct policy *policy;
};

int nft_new(struct nft **ret, struct err *e);
void nft_free(struct nft *n); /* the table stays in the kernel */

/* Installs a new table, and removes an old one in the same transaction. above_id: the directory of
 * the fences' cgroups. Sockets of a cgroup in it that is no fence reach nothing: those that an
 * earlier daemon left, and those that outlive their fence because they were passed to another
 * process or have unacknowledged data. */
int nft_install(struct nft *n, uint64_t above_id, struct err *e);
/* Before nft_install: the BPF program behind the last hook checks PKT_PASS and takes it off.
 * Without that program our own rules take the mark off where packets leave. */
void nft_last_look(struct nft *n, bool there);
/* Before nft_install: whose sockets may send to name servers alone (fw/nft/engine.c). */
void nft_engine_uid(struct nft *n, uint32_t uid);
/* Name servers that the engine may ask, or no more. */
int nft_name_servers(struct nft *n, const struct name_server *list, size_t count, bool add);
int nft_remove(struct nft *n);
bool nft_native_queue(const struct nft *n);
bool nft_owned(const struct nft *n);

int nft_fence_add(struct nft *n, const struct nft_fence *f, struct err *e);
int nft_fence_del(struct nft *n, const struct nft_fence *f);
/* New entries of the fence's learned sets, and ones to take out, all or none. To take out what is not
 * there fails, unless absent: then it is added first, which takes the kernel longer. */
int nft_learn(struct nft *n, uint32_t fence, const struct learn_entry *entry, size_t count,
	      bool absent);
/* Empties the fence's learned sets: a new engine knows nothing of what is in them. */
int nft_unlearn_all(struct nft *n, uint32_t fence);
/* Connections that address rules let pass in the kernel, without the engine. */
uint64_t nft_fence_passed(struct nft *n, uint32_t fence);
/* Packets of any fence that were dropped because they left by another device than was judged, and
 * packets from a fence to itself whose connection had lost its mark. */
uint64_t nft_stray(struct nft *n);

#endif
