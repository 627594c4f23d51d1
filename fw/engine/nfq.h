/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets from a queue of the kernel's, and verdicts to the gate: each fence has a queue, and a
 * netlink socket of its own for it, so that nobody waits behind the packets of another. */
#ifndef AGENTFW_NFQ_H
#define AGENTFW_NFQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/base/addr.h"

struct nfq;

struct nfq_packet {
	uint32_t id;
	bool inbound;          /* from the input hook */
	bool checksum_pending; /* the kernel has not completed the checksums yet */
	uint32_t mark;
	uint32_t uid;         /* UINT32_MAX: unknown */
	const uint8_t *bytes; /* from the IP header on; valid during the call */
	size_t n;
	size_t wire_bytes; /* more than n if cut: a message holds 65,531 bytes of a packet */
};

typedef void (*nfq_fn)(void *arg, const struct nfq_packet *p);

/* fd: the netlink socket that the fence's queue is bound to, owned from now on, also in an error.
 * Packets are read there; verdicts go to the gate. -ENOMEM. */
int nfq_new(int fd, uint32_t fence, nfq_fn fn, void *arg, struct nfq **ret);
void nfq_free(struct nfq *q);
int nfq_descriptor(const struct nfq *q); /* readable: packets */
/* Hands on a batch of packets at most; verdicts given meanwhile go out together at its end. Returns
 * how many; -EAGAIN: none there; -ENOBUFS: the kernel has dropped packets; -errno. */
int nfq_receive(struct nfq *q);
/* Since the queue was bound: more packets waited than it holds, or numbers are missing. */
bool nfq_may_have_lost(const struct nfq *q);
/* Gives the packet this mark, which our chains act on: the chain that queued the packet, entered
 * once more (again), or those after it. */
void nfq_verdict(struct nfq *q, uint32_t id, uint32_t mark, bool again);
void nfq_drop(struct nfq *q, uint32_t id);
void nfq_flush(struct nfq *q);
/* The gate ends it before it gives the verdicts that follow. */
void nfq_end_time_wait(const struct addr *src, uint16_t sport, const struct addr *dst,
		       uint16_t dport);

#endif
