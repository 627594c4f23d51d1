// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/parent/queue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fw/ipc/engine_msg.h"
#include "policy/base/cleanup.h"

#define RECEIVE_BYTES (32 << 20)

/* The kernel answers before send() returns. Packets can come as soon as the queue is bound, so
 * what is first in the socket says all: an error or no error, or a packet. */
static int queue_bound(int fd)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} first;
	ssize_t n = recv(fd, &first, sizeof(first), MSG_PEEK | MSG_DONTWAIT);

	if (n < (ssize_t)sizeof(first.h))
		return n < 0 ? -errno : -EBADMSG;
	if (first.h.nlmsg_type != NLMSG_ERROR)
		return 0;
	if (n < (ssize_t)sizeof(first.h) + (ssize_t)sizeof(first.e.error))
		return -EBADMSG;
	recv(fd, &first, sizeof(first), MSG_DONTWAIT);
	return first.e.error == -EPERM ? -EBUSY : first.e.error;
}

/* One message, or the first packets would come without their bytes. */
static int bind_queue(int fd, uint16_t number)
{
	const uint32_t flags = NFQA_CFG_F_GSO | NFQA_CFG_F_UID_GID;
	char buf[256];
	struct nlmsghdr *h = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, number);

	h->nlmsg_flags |= NLM_F_ACK;
	nfq_nlmsg_cfg_put_cmd(h, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	nfq_nlmsg_cfg_put_params(h, NFQNL_COPY_PACKET, 0xffff);
	nfq_nlmsg_cfg_put_qmaxlen(h, QUEUE_PACKETS);
	mnl_attr_put_u32(h, NFQA_CFG_FLAGS, htonl(flags));
	mnl_attr_put_u32(h, NFQA_CFG_MASK, htonl(flags | NFQA_CFG_F_FAIL_OPEN));
	return send(fd, h, h->nlmsg_len, 0) < 0 ? -errno : queue_bound(fd);
}

int queue_open(uint16_t number)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	int bytes = RECEIVE_BYTES, on = 1, r;
	struct sockaddr_nl a = {.nl_family = AF_NETLINK};

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	/* Losses are counted by the kernel per queue and told in the log; an error would not help.
	 */
	setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	r = bind_queue(fd, number);
	return r < 0 ? r : steal_fd(&fd);
}

void queue_unbind(int fd, uint16_t number)
{
	char buf[256];
	struct nlmsghdr *h = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, number);

	nfq_nlmsg_cfg_put_cmd(h, AF_UNSPEC, NFQNL_CFG_CMD_UNBIND);
	(void)!send(fd, h, h->nlmsg_len, 0); /* else it goes with the socket */
}
