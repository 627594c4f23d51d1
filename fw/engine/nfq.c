// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/nfq.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fw/ipc/engine_msg.h"
#include "fw/ipc/gate_msg.h"

#define RECEIVE_BATCH 32
#define MESSAGE_BYTES (65536 + 1024) /* the largest packet and its attributes */

struct nfq {
	int fd;
	nfq_fn fn;
	void *arg;
	/* The kernel numbers the packets that it queues, not those that it drops because too many
	 * wait. */
	uint32_t last_id;     /* of the current packet */
	uint32_t verdicts;    /* given */
	uint32_t given_empty; /* `verdicts` when the queue was last empty */
	bool lost;
	struct gate_verdicts out;
};

/* Shared by all queues: there is one thread. */
static struct {
	struct mmsghdr msgs[RECEIVE_BATCH];
	struct iovec iov[RECEIVE_BATCH];
	char *in; /* RECEIVE_BATCH times MESSAGE_BYTES */
} inbox;

static int inbox_make(void)
{
	if (inbox.in)
		return 0;
	inbox.in = calloc(RECEIVE_BATCH, MESSAGE_BYTES);
	if (!inbox.in)
		return -ENOMEM;
	for (size_t i = 0; i < RECEIVE_BATCH; i++) {
		inbox.iov[i] = (struct iovec){inbox.in + i * MESSAGE_BYTES, MESSAGE_BYTES};
		inbox.msgs[i].msg_hdr.msg_iov = &inbox.iov[i];
		inbox.msgs[i].msg_hdr.msg_iovlen = 1;
	}
	return 0;
}

static void hand_on(struct nfq *q, const struct nlmsghdr *h)
{
	static const struct nlattr nothing = {.nla_len = sizeof(nothing)};
	struct nlattr *attr[NFQA_MAX + 1] = {0};
	const struct nfqnl_msg_packet_hdr *ph;
	struct nfq_packet p;

	if (nfq_nlmsg_parse(h, attr) < 0 || !attr[NFQA_PACKET_HDR])
		return;
	ph = mnl_attr_get_payload(attr[NFQA_PACKET_HDR]);
	if (!attr[NFQA_PAYLOAD]) /* queued before the queue's copy mode was set */
		attr[NFQA_PAYLOAD] = (struct nlattr *)&nothing;
	p = (struct nfq_packet){
	    .id = ntohl(ph->packet_id),
	    .inbound = ph->hook == NF_INET_LOCAL_IN,
	    .uid = attr[NFQA_UID] ? ntohl(mnl_attr_get_u32(attr[NFQA_UID])) : UINT32_MAX,
	    .mark = attr[NFQA_MARK] ? ntohl(mnl_attr_get_u32(attr[NFQA_MARK])) : 0,
	    .bytes = mnl_attr_get_payload(attr[NFQA_PAYLOAD]),
	    .n = mnl_attr_get_payload_len(attr[NFQA_PAYLOAD]),
	};
	p.wire_bytes = attr[NFQA_CAP_LEN] ? ntohl(mnl_attr_get_u32(attr[NFQA_CAP_LEN])) : p.n;
	if (attr[NFQA_SKB_INFO])
		p.checksum_pending =
		    ntohl(mnl_attr_get_u32(attr[NFQA_SKB_INFO])) & NFQA_SKB_CSUMNOTREADY;
	if (p.id != q->last_id + 1 || p.id - q->given_empty >= QUEUE_PACKETS - GATE_UNDER_WAY_MAX)
		q->lost = true;
	q->last_id = p.id;
	q->fn(q->arg, &p);
}

bool nfq_may_have_lost(const struct nfq *q)
{
	return q->lost;
}

static void walk(struct nfq *q, const char *buf, size_t n)
{
	int left = (int)n;

	for (const struct nlmsghdr *h = (const struct nlmsghdr *)buf; mnl_nlmsg_ok(h, left);
	     h = mnl_nlmsg_next(h, &left))
		if (h->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
			hand_on(q, h);
}

int nfq_receive(struct nfq *q)
{
	int n = recvmmsg(q->fd, inbox.msgs, RECEIVE_BATCH, MSG_DONTWAIT, NULL);

	if (n < 0 && errno == EAGAIN)
		q->given_empty = q->verdicts;
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++)
		walk(q, inbox.iov[i].iov_base, inbox.msgs[i].msg_len);
	nfq_flush(q);
	return n;
}

int nfq_new(int fd, uint32_t fence, nfq_fn fn, void *arg, struct nfq **ret)
{
	struct nfq *q = inbox_make() == 0 ? calloc(1, sizeof(*q)) : NULL;

	if (!q) {
		close(fd);
		return -ENOMEM;
	}
	q->fd = fd;
	q->fn = fn;
	q->arg = arg;
	q->out = (struct gate_verdicts){.type = GATE_VERDICTS, .fence = fence};
	*ret = q;
	return 0;
}

void nfq_free(struct nfq *q)
{
	if (!q)
		return;
	close(q->fd);
	free(q);
}

int nfq_descriptor(const struct nfq *q)
{
	return q->fd;
}

/* Without a gate there is no verdict, and no use for an engine: the parent starts all anew. */
static void to_gate(const void *msg, size_t bytes)
{
	if (write(ENGINE_FD_GATE, msg, bytes) < 0)
		exit(EXIT_FAILURE);
}

void nfq_flush(struct nfq *q)
{
	if (q->out.n)
		to_gate(&q->out,
			offsetof(struct gate_verdicts, v) + q->out.n * sizeof(q->out.v[0]));
	q->out.n = 0;
}

static void nfq_put(struct nfq *q, const struct gate_verdict *v)
{
	if (q->out.n == GATE_VERDICTS_MAX)
		nfq_flush(q);
	q->verdicts++;
	q->out.v[q->out.n++] = *v;
}

void nfq_verdict(struct nfq *q, uint32_t id, uint32_t mark, bool again)
{
	nfq_put(q, &(struct gate_verdict){id, mark, again ? GATE_REPEAT : GATE_ACCEPT});
}

void nfq_drop(struct nfq *q, uint32_t id)
{
	nfq_put(q, &(struct gate_verdict){id, 0, GATE_DROP});
}

void nfq_end_time_wait(const struct addr *src, uint16_t sport, const struct addr *dst,
		       uint16_t dport)
{
	const struct gate_time_wait m = {
	    .type = GATE_END_TIME_WAIT, .src = *src, .dst = *dst, .sport = sport, .dport = dport};

	to_gate(&m, sizeof(m));
}
