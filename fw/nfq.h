/* Packets from the kernel's queues and verdicts back: one netlink socket, one queue a fence. */
#ifndef AGENTFW_NFQ_H
#define AGENTFW_NFQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nfq;

struct nfq_packet {
	uint16_t queue;
	uint32_t id;
	bool inbound;          /* from the input hook */
	bool to_self;          /* leaves by the loopback device: to an address of this host */
	bool checksum_pending; /* the kernel has not completed the checksums yet */
	uint32_t mark;
	uint32_t uid;         /* UINT32_MAX: unknown */
	const uint8_t *bytes; /* from the IP header on; valid during the call */
	size_t n;
	size_t wire_bytes; /* n is less when the packet was cut */
};

typedef void (*nfq_fn)(void *arg, const struct nfq_packet *p);

/* fd: a bound NETLINK_NETFILTER socket, not owned. */
int nfq_new(int fd, nfq_fn fn, void *arg, struct nfq **ret);
void nfq_free(struct nfq *q);
/* Takes a queue number: whole packets, GSO, with uid; never fail-open. -EBUSY: somebody has it.
 * Packets that arrive meanwhile are handled. */
int nfq_bind(struct nfq *q, uint16_t queue);
int nfq_unbind(struct nfq *q, uint16_t queue);
/* Receives and hands on what is there, up to a batch; verdicts given meanwhile go out together at
 * its end. 0, -EAGAIN: nothing there; -ENOBUFS: packets were lost (dropped); -errno. */
int nfq_receive(struct nfq *q);
/* Accepts with this packet mark: the chains after the queue turn it into what it says. */
void nfq_verdict(struct nfq *q, uint16_t queue, uint32_t id, uint32_t mark);
void nfq_flush(struct nfq *q);

#endif
