/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The messages between the parent and the engine, over a SOCK_SEQPACKET socketpair, with
 * descriptors. Fixed sizes, no pointers; each side checks the exact length of what it receives.
 * Refusals go through the ring instead (fw/ipc/ring.h), as struct ring_denial followed by the
 * packet.
 *
 *     parent                                     engine
 *                                           <-   EM_READY      it has shut itself in
 *                                           <-   EM_FAILED     it cannot, and ends
 *     EM_FENCE_ADD (+ policy, sockets)      ->   reads the fence's queue
 *                                           <-   EM_FENCE_READY
 *     EM_FENCE_DEL                          ->
 *                                           <-   EM_STATS (the last one of this fence)
 *                                           <-   EM_LEARN      addresses for the kernel's sets
 *                                           <-   EM_WANT_SOCKET
 *     EM_SOCKET (+ socket)                  ->
 *     EM_GO                                 ->   (the refusal was attributed: give the verdict)
 *     EM_STATS_ASK                          ->
 *                                           <-   EM_STATS ... of fences whose counts have changed,
 *                                                and one of no fence
 *
 *     parent                                     gate, and asker
 *                                           <-   EM_READY, EM_FAILED
 *     EM_GATE_QUEUE (+ the queue's socket)  ->   the gate alone: before EM_FENCE_ADD
 *     EM_GATE_FORGET                        ->
 */
#ifndef AGENTFW_ENGINE_MSG_H
#define AGENTFW_ENGINE_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "fw/ipc/denial.h"
#include "fw/ipc/scope.h"
#include "policy/base/addr.h"
#include "policy/base/err.h"

/* The engine's descriptors, by number. */
#define ENGINE_FD_CONTROL    3
#define ENGINE_FD_RING       4
#define ENGINE_FD_RING_EV    5
#define ENGINE_FD_GATE       6 /* fw/ipc/gate_msg.h */
#define ENGINE_FD_ASKER      7 /* fw/ipc/ask_msg.h */
#define ENGINE_FD_FIRST_FREE 8
/* The gate's, and the asker's. */
#define GATE_FD_CONTROL   3
#define GATE_FD_ENGINE    4
#define GATE_FD_SOCKDIAG  5
#define ASKER_FD_CONTROL  3
#define ASKER_FD_ENGINE   4
#define ASKER_FD_ROUTE    5
#define ASKER_FD_SOCKDIAG 6

#define NAME_SERVERS_MAX 8            /* per fence */
#define EM_POLICY_MAX    (256u << 20) /* bytes, compiled */

#define QUEUE_PACKETS 8192 /* waiting in the kernel per fence; the rest is dropped and counted */

/* Packet mark. Three fields of it are ours while a packet of a fence's is on its way out, and none
 * before and after. What is asked, or that it was answered; the verdict; and whether it was judged
 * to stay on this machine. The kernel looks up the route anew when a verdict changes the mark, and
 * without what the sender's socket said; so the verdict is washed off again before the kernel looks
 * at the mark (fw/nft/verdict.c), and the rest stays as it was queued. */
#define PKT_MARK_MASK    0x7f000000u
#define PKT_ASK_MASK     0x70000000u
#define PKT_VERDICT_MASK 0x0e000000u
#define PKT_STAYS        0x01000000u /* to an address of this machine, by the loopback device */
#define PKT_JUDGED_MASK  (PKT_ASK_MASK | PKT_VERDICT_MASK) /* all but PKT_STAYS */

#define PKT_ASK         0x10000000u /* the rules know nothing of its connection */
#define PKT_ASK_FIRST   0x20000000u /* no payload of its connection has left since the SYN */
#define PKT_ASK_AGAIN   0x30000000u /* its connection was judged, and each payload is a question */
#define PKT_ASK_FOREIGN 0x40000000u /* its source is no address of this machine */
/* Only this fence itself may get it. In the queue: a socket outside the fence would. */
#define PKT_ASK_OWN    0x50000000u
#define PKT_ASK_DEVICE 0x60000000u /* by a device that does not lead to its address */
#define PKT_PASS       0x70000000u /* it may go: the last hooks check this */

#define PKT_ALLOW_FLOW    0x02000000u /* this packet, and the flow from now on */
#define PKT_ALLOW_ONCE    0x04000000u /* this packet */
#define PKT_ALLOW_INSPECT 0x06000000u /* this packet; each further payload is asked about again */
#define PKT_ALLOW_OWN     0x08000000u /* if a socket of this fence gets it */
#define PKT_DENY          0x0a000000u

/* The fields share no bit, and no value exceeds its field. */
#define MARK_IN(value, mask) ((value) != 0 && ((value) & ~(mask)) == 0)
_Static_assert((PKT_ASK_MASK ^ PKT_VERDICT_MASK ^ PKT_STAYS) == PKT_MARK_MASK &&
		   (PKT_ASK_MASK & PKT_VERDICT_MASK) == 0 &&
		   ((PKT_ASK_MASK | PKT_VERDICT_MASK) & PKT_STAYS) == 0,
	       "the fields of a packet's mark share a bit, or are not all of it");
_Static_assert(MARK_IN(PKT_ASK, PKT_ASK_MASK) && MARK_IN(PKT_ASK_FIRST, PKT_ASK_MASK) &&
		   MARK_IN(PKT_ASK_AGAIN, PKT_ASK_MASK) && MARK_IN(PKT_ASK_FOREIGN, PKT_ASK_MASK) &&
		   MARK_IN(PKT_ASK_OWN, PKT_ASK_MASK) && MARK_IN(PKT_ASK_DEVICE, PKT_ASK_MASK) &&
		   MARK_IN(PKT_PASS, PKT_ASK_MASK),
	       "a question reaches out of its field");
_Static_assert(MARK_IN(PKT_ALLOW_FLOW, PKT_VERDICT_MASK) &&
		   MARK_IN(PKT_ALLOW_ONCE, PKT_VERDICT_MASK) &&
		   MARK_IN(PKT_ALLOW_INSPECT, PKT_VERDICT_MASK) &&
		   MARK_IN(PKT_ALLOW_OWN, PKT_VERDICT_MASK) && MARK_IN(PKT_DENY, PKT_VERDICT_MASK),
	       "a verdict reaches out of its field");

/* Conntrack mark: the epoch of the fence whose flow it is, and the flow's state. It does not use
 * the bits that the verdict and PKT_STAYS have in a packet's mark, for the host's rules may copy
 * one mark to the other; nor the low byte, which is the host's. */
#define CT_MARK_MASK   0xf0ffff00u
#define CT_EPOCH_SHIFT 8
#define CT_EPOCH_MAX   0xffffu
#define CT_EPOCH_MASK  (CT_EPOCH_MAX << CT_EPOCH_SHIFT)
#define CT_LOCAL       0x80000000u /* the state was judged of packets that stay on this machine */
#define CT_STATE_MASK  0xf0000000u
#define CT_VERIFIED    0u
#define CT_FRESH       0x10000000u /* no payload has left since its SYN */
#define CT_INSPECT     0x20000000u /* the engine is asked about every payload */
#define CT_INBOUND     0x30000000u /* let in: answers may go out */
#define CT_REFUSED     0x60000000u /* TCP: the whole connection */
#define CT_ASKED       0x50000000u /* a packet of it may wait in the queue */
#define CT_OWN         0x40000000u /* each packet, if a socket of this fence gets it */
/* The same, and a listener may have had a packet of it that was no SYN (SYN cookies). */
#define CT_DOUBT 0x70000000u
/* With CT_LOCAL: like CT_DOUBT, to the end of the flow. The connection began against the direction
 * of an existing entry, so conntrack's replies are not the other end's answers. */
#define CT_TURNED CT_ASKED
/* With CT_LOCAL: CT_OWN, and a connection of the fence's has answered: the engine need not look. */
#define CT_ANSWERED CT_REFUSED
/* The four: to the fence itself or to nobody. No other state has both bits. */
#define CT_TO_ITSELF (CT_LOCAL | CT_OWN)

_Static_assert((CT_EPOCH_MASK ^ CT_STATE_MASK) == CT_MARK_MASK &&
		   (CT_EPOCH_MASK & CT_STATE_MASK) == 0,
	       "the fields of a connection's mark share a bit, or are not all of it");
_Static_assert(CT_VERIFIED == 0 && MARK_IN(CT_LOCAL, CT_STATE_MASK) &&
		   MARK_IN(CT_FRESH, CT_STATE_MASK & ~CT_LOCAL) &&
		   MARK_IN(CT_INSPECT, CT_STATE_MASK & ~CT_LOCAL) &&
		   MARK_IN(CT_INBOUND, CT_STATE_MASK & ~CT_LOCAL) &&
		   MARK_IN(CT_REFUSED, CT_STATE_MASK & ~CT_LOCAL) &&
		   MARK_IN(CT_ASKED, CT_STATE_MASK & ~CT_LOCAL) &&
		   MARK_IN(CT_OWN, CT_STATE_MASK & ~CT_LOCAL),
	       "a state reaches out of its field, or into CT_LOCAL");
_Static_assert((CT_TURNED & CT_ANSWERED & CT_DOUBT & CT_OWN) != 0 &&
		   ((CT_FRESH | CT_INSPECT | CT_INBOUND) & CT_OWN) == 0,
	       "CT_TO_ITSELF tells these states from others");
/* Where the host copies one mark to the other, the copy must not look like a judgement. */
_Static_assert((CT_MARK_MASK & (PKT_VERDICT_MASK | PKT_STAYS)) == 0,
	       "a connection's mark, copied to a packet, could look like a verdict");
_Static_assert(((CT_EPOCH_MASK | CT_LOCAL) & PKT_MARK_MASK) == 0,
	       "washing a packet's mark would take off what it has of its connection's");
_Static_assert((CT_MARK_MASK & 0xffu) == 0, "the low byte is the host's");

/* Set on every connection on which a fence has sent: the host's rules may change its mark. */
#define CT_LABEL_BIT 117
_Static_assert(CT_LABEL_BIT < 128, "the kernel's labels have 128 bits");

enum em_type {
	EM_FENCE_ADD = 1,
	EM_FENCE_READY,
	EM_FENCE_DEL,
	EM_LEARN,
	EM_WANT_SOCKET,
	EM_SOCKET,
	EM_GO,
	EM_STATS_ASK,
	EM_STATS,
	EM_READY,
	EM_FAILED,
	EM_GATE_QUEUE,
	EM_GATE_FORGET,
};

/* Descriptors: policy memfd, the queue's netlink socket, which the engine can only read, then the
 * present ones of udp4 tcp4 udp6 tcp6. */
struct em_fence_add {
	uint32_t type;
	uint32_t fence;
	struct scope scope;
	uint64_t policy_bytes;
	uint8_t has_udp4, has_tcp4, has_udp6, has_tcp6;
	uint8_t audit;
	uint8_t n_servers;
	uint16_t dns_port;
};

struct em_fence_ready {
	uint32_t type;
	uint32_t fence;
	int32_t error; /* 0 or -errno */
};

struct em_fence_del {
	uint32_t type;
	uint32_t fence;
};

enum learn_set {
	LEARN_NAMED = 0, /* packets without payload may pass */
	LEARN_OPEN,      /* tcp:// and udp:// names: the address is the whole rule */
};

#define LEARN_MAX 96

struct learn_entry {
	struct addr addr;
	uint8_t set; /* enum learn_set */
	uint8_t add; /* 0: remove it */
	uint8_t l4proto;
	uint16_t port;
};

struct em_learn {
	uint32_t type;
	uint32_t fence;
	uint32_t n;
	struct learn_entry entry[LEARN_MAX];
};

struct em_socket { /* EM_WANT_SOCKET and EM_SOCKET; the latter with a descriptor when error is 0 */
	uint32_t type;
	uint32_t fence;
	uint32_t server;
	int32_t socket_type; /* SOCK_DGRAM, SOCK_STREAM */
	int32_t error;
};

struct em_go {
	uint32_t type;
	uint32_t go;
};

struct em_stats {
	uint32_t type;  /* EM_STATS_ASK: the rest is zero */
	uint32_t fence; /* 0: no fence's, the last answer to EM_STATS_ASK */
	uint64_t allowed;
	uint64_t lost; /* refusals that the ring did not take */
	uint8_t last;  /* the answer to EM_FENCE_DEL: nothing of this fence follows */
};

struct em_ready {
	uint32_t type;
};

struct em_failed {
	uint32_t type;
	int32_t code; /* positive errno */
	char msg[256];
	char hint[256]; /* empty: none */
};

struct em_gate_queue { /* with the netlink socket that is bound to the queue */
	uint32_t type;
	uint32_t fence;
	uint16_t queue;
};

struct em_gate_forget {
	uint32_t type;
	uint32_t fence;
};

union em {
	uint32_t type;
	struct em_fence_add fence_add;
	struct em_fence_ready fence_ready;
	struct em_fence_del fence_del;
	struct em_learn learn;
	struct em_socket socket;
	struct em_go go;
	struct em_stats stats;
	struct em_ready ready;
	struct em_failed failed;
	struct em_gate_queue gate_queue;
	struct em_gate_forget gate_forget;
};

/* A record of the ring, followed by cap_bytes bytes of the packet with its checksums complete. */
struct ring_denial {
	struct denial denial;
	uint32_t packet_bytes; /* length on the wire */
	uint32_t cap_bytes;
};

#define EM_FDS_MAX 6

/* EM_FAILED with the contents of e. 0 or -errno. */
int em_send_failed(int fd, const struct err *e);
/* The same, for one that ends with it: returns -e->code, and e->code is 0 when the parent has been
 * told, which tells people. */
int em_failed(int fd, struct err *e);

/* Sends one message with descriptors; 0 or -errno (-EAGAIN when non-blocking and full). */
int em_send(int fd, const void *msg, size_t bytes, const int *fds, size_t n_fds);
/* Receives one message without waiting; the caller closes fds (all CLOEXEC). Returns its length, 0
 * at the end, -errno; -EBADMSG: the length does not fit the type. Fewer descriptors than were sent
 * arrive if the receiver has no room for more. */
int em_recv(int fd, union em *ret, int fds[EM_FDS_MAX], size_t *ret_n_fds);

#endif
