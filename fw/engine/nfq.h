/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets from a queue of the kernel's and verdicts back: each fence has a queue, and a netlink
 * socket of its own for it, so that nobody waits behind the packets of another. */
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
	size_t
	    wire_bytes; /* n is less when the packet was cut: a message holds 65,531 bytes of it */
};

typedef void (*nfq_fn)(void *arg, const struct nfq_packet *p);

/* fd: a bound NETLINK_NETFILTER socket that nothing else uses, owned from now on, also in an error.
 * Takes the queue number: whole packets, GSO, with uid; never fail-open. -EBUSY, -EPERM: somebody
 * has it. */
int nfq_new(int fd, uint16_t queue, nfq_fn fn, void *arg, struct nfq **ret);
/* Gives the queue back: what waits in it is dropped. nfq_release returns the socket, which is to be
 * closed: to close one waits for whatever nf_tables has to clean up after somebody's transaction.
 */
void nfq_free(struct nfq *q);
int nfq_release(struct nfq *q);
int nfq_descriptor(const struct nfq *q); /* readable: packets */
/* Receives and hands on what is there, up to a batch; verdicts given meanwhile go out together at
 * its end. Returns how many; -EAGAIN: nothing there; -ENOBUFS: packets were lost (dropped); -errno.
 */
int nfq_receive(struct nfq *q);
/* Since the queue was made: more was waiting than it holds, or numbers are missing. */
bool nfq_may_have_lost(const struct nfq *q);
/* With this packet mark, which our chains turn into what it says: the chain that the packet was
 * queued in once more (again), or those behind it. */
void nfq_verdict(struct nfq *q, uint32_t id, uint32_t mark, bool again);
void nfq_drop(struct nfq *q, uint32_t id);
void nfq_flush(struct nfq *q);

#endif
