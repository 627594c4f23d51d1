/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets from a kernel queue, and verdicts back. Each fence has a queue and a netlink socket for
 * it, so that no fence waits behind the packets of another. */
#ifndef AGENTFW_NFQ_H
#define AGENTFW_NFQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* fd: a bound NETLINK_NETFILTER socket that nothing else uses; owned from now on, also on an error.
 * Binds the queue: whole packets, GSO, with uid; never fail-open. -EBUSY, -EPERM: another process
 * has the queue. */
int nfq_new(int fd, uint16_t queue, nfq_fn fn, void *arg, struct nfq **ret);
/* Gives the queue back; the kernel drops the packets in it. nfq_release returns the socket for
 * another process to close: closing it waits while nf_tables cleans up after transactions. */
void nfq_free(struct nfq *q);
int nfq_release(struct nfq *q);
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

#endif
