// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/nfq.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVE_BATCH  32
#define MESSAGE_BYTES  (65536 + 1024) /* the largest packet and its attributes */
#define VERDICT_BYTES  64             /* one verdict message takes 48 */
#define OUT_VERDICTS   64
#define QUEUE_PACKETS  8192 /* waiting in the kernel per fence; the rest is dropped and counted */
#define CONFIG_WAIT_MS 2000

struct nfq {
	int fd;
	uint16_t queue;
	uint32_t seq;
	nfq_fn fn;
	void *arg;
	/* The kernel numbers the packets that it queues, not those that it drops because too many
	 * wait. */
	uint32_t last_id;     /* of the current packet */
	uint32_t verdicts;    /* given */
	uint32_t given_empty; /* `verdicts` when the queue was last empty */
	bool lost;
	size_t out_n;
	char out[OUT_VERDICTS * VERDICT_BYTES];
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

static struct nlmsghdr *message(struct nfq *q, char *buf, int type)
{
	struct nlmsghdr *h = nfq_nlmsg_put(buf, type, q->queue);

	h->nlmsg_seq = ++q->seq;
	return h;
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
	if (p.id != q->last_id + 1 || p.id - q->given_empty >= QUEUE_PACKETS)
		q->lost = true;
	q->last_id = p.id;
	q->fn(q->arg, &p);
}

bool nfq_may_have_lost(const struct nfq *q)
{
	return q->lost;
}

/* Returns true when the acknowledgement of seq was among the messages, with *ret_error. */
static bool walk(struct nfq *q, char *buf, size_t n, uint32_t seq, int *ret_error)
{
	int left = (int)n;
	bool acked = false;

	for (struct nlmsghdr *h = (struct nlmsghdr *)buf; mnl_nlmsg_ok(h, left);
	     h = mnl_nlmsg_next(h, &left)) {
		if (h->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET)) {
			hand_on(q, h);
		} else if (h->nlmsg_type == NLMSG_ERROR && seq && h->nlmsg_seq == seq) {
			*ret_error = ((struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
			acked = true;
		}
	}
	return acked;
}

int nfq_receive(struct nfq *q)
{
	int n = recvmmsg(q->fd, inbox.msgs, RECEIVE_BATCH, MSG_DONTWAIT, NULL), error;

	if (n < 0 && errno == EAGAIN)
		q->given_empty = q->verdicts;
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++)
		walk(q, inbox.iov[i].iov_base, inbox.msgs[i].msg_len, 0, &error);
	nfq_flush(q);
	return n;
}

/* Sends a configuration message and waits for its acknowledgement; packets that come first are
 * handed on. */
static int configure(struct nfq *q, struct nlmsghdr *h)
{
	uint32_t seq = h->nlmsg_seq;
	struct pollfd pfd = {.fd = q->fd, .events = POLLIN};
	bool acked = false;
	int error = 0;

	h->nlmsg_flags |= NLM_F_ACK;
	if (send(q->fd, h, h->nlmsg_len, 0) < 0)
		return -errno;
	while (!acked) {
		ssize_t n;

		if (poll(&pfd, 1, CONFIG_WAIT_MS) <= 0)
			return -ETIMEDOUT;
		n = recv(q->fd, inbox.in, MESSAGE_BYTES, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
			continue;
		if (n < 0)
			return -errno;
		acked = walk(q, inbox.in, (size_t)n, seq, &error);
		nfq_flush(q);
	}
	return error;
}

/* In one message: otherwise the first packets would come without their bytes. */
static int bind_queue(struct nfq *q)
{
	const uint32_t flags = NFQA_CFG_F_GSO | NFQA_CFG_F_UID_GID;
	char buf[256];
	struct nlmsghdr *h = message(q, buf, NFQNL_MSG_CONFIG);

	nfq_nlmsg_cfg_put_cmd(h, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	nfq_nlmsg_cfg_put_params(h, NFQNL_COPY_PACKET, 0xffff);
	nfq_nlmsg_cfg_put_qmaxlen(h, QUEUE_PACKETS);
	mnl_attr_put_u32(h, NFQA_CFG_FLAGS, htonl(flags));
	mnl_attr_put_u32(h, NFQA_CFG_MASK, htonl(flags | NFQA_CFG_F_FAIL_OPEN));
	return configure(q, h);
}

int nfq_new(int fd, uint16_t queue, nfq_fn fn, void *arg, struct nfq **ret)
{
	struct nfq *q = inbox_make() == 0 ? calloc(1, sizeof(*q)) : NULL;
	int r;

	if (!q) {
		close(fd);
		return -ENOMEM;
	}
	q->fd = fd;
	q->queue = queue;
	q->fn = fn;
	q->arg = arg;
	r = bind_queue(q);
	if (r < 0) {
		nfq_free(q);
		return r;
	}
	*ret = q;
	return 0;
}

int nfq_release(struct nfq *q)
{
	char buf[256];
	struct nlmsghdr *h = message(q, buf, NFQNL_MSG_CONFIG);
	int fd = q->fd;

	nfq_nlmsg_cfg_put_cmd(h, AF_UNSPEC, NFQNL_CFG_CMD_UNBIND);
	(void)!send(fd, h, h->nlmsg_len, 0); /* if that fails, closing the socket unbinds it */
	free(q);
	return fd;
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

void nfq_flush(struct nfq *q)
{
	if (q->out_n)
		(void)!send(q->fd, q->out, q->out_n, 0);
	q->out_n = 0;
}

static struct nlmsghdr *put_verdict(struct nfq *q, uint32_t id, int verdict)
{
	struct nlmsghdr *h;

	if (q->out_n + VERDICT_BYTES > sizeof(q->out))
		nfq_flush(q);
	q->verdicts++;
	h = message(q, q->out + q->out_n, NFQNL_MSG_VERDICT);
	nfq_nlmsg_verdict_put(h, (int)id, verdict);
	return h;
}

void nfq_verdict(struct nfq *q, uint32_t id, uint32_t mark, bool again)
{
	struct nlmsghdr *h = put_verdict(q, id, again ? NF_REPEAT : NF_ACCEPT);

	nfq_nlmsg_verdict_put_mark(h, mark);
	q->out_n += NLMSG_ALIGN(h->nlmsg_len);
}

void nfq_drop(struct nfq *q, uint32_t id)
{
	q->out_n += NLMSG_ALIGN(put_verdict(q, id, NF_DROP)->nlmsg_len);
}
