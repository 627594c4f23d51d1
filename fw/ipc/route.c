// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/ipc/route.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

int route_open(void)
{
	struct timeval timeout = {.tv_usec = 100 * 1000};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	return fd;
}

int route_is_local(int fd, const struct addr *a)
{
	static _Thread_local uint32_t seq;
	char buf[1024];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt;
	ssize_t n;

	h->nlmsg_type = RTM_GETROUTE;
	h->nlmsg_flags = NLM_F_REQUEST;
	h->nlmsg_seq = ++seq;
	rt = mnl_nlmsg_put_extra_header(h, sizeof(*rt));
	rt->rtm_family = a->family == 4 ? AF_INET : AF_INET6;
	rt->rtm_dst_len = a->family == 4 ? 32 : 128;
	mnl_attr_put(h, RTA_DST, a->family == 4 ? 4 : 16, a->b);
	if (send(fd, h, h->nlmsg_len, 0) < 0)
		return -errno;
	do {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n < (ssize_t)NLMSG_HDRLEN)
			return n < 0 ? -errno : -EBADMSG;
		h = (struct nlmsghdr *)buf;
	} while (h->nlmsg_seq != seq);
	if (h->nlmsg_type != RTM_NEWROUTE || !mnl_nlmsg_ok(h, (int)n))
		return 0; /* no route leads there */
	rt = mnl_nlmsg_get_payload(h);
	return rt->rtm_type == RTN_LOCAL;
}
