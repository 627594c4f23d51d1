// SPDX-License-Identifier: GPL-2.0-or-later
/* The least that any queue program costs: every first payload to a port takes one trip to
 * userspace, where nobody looks at it. What the fence is slower than this is its own doing; what
 * this is slower than static rules is the trip's.
 *
 *   floor PORT     until killed; says "ready" */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fw/nft/batch.h"
#include "fw/nft/statement.h"

#define QUEUE        777
#define MARK         1
#define BATCH_MAX    32
#define PACKET_BYTES 70000
#define DPORT_OFFSET 2
#define FLAGS_OFFSET 13
#define PSH          0x08

static int rules(struct mnl_socket *nl, uint16_t port, bool native)
{
	uint16_t be = htons(port);
	struct nftnl_rule *r;
	struct batch b;
	int err = batch_begin(&b, nl, "bench_floor");

	if (err < 0)
		return err;
	batch_table_add(&b, 0, NULL);
	batch_chain(&b, &(struct chain_spec){BATCH_EMPTY_CHAIN});
	batch_chain(&b, &(struct chain_spec){"out", NF_INET_LOCAL_OUT, 0, "filter"});
	batch_chain(&b, &(struct chain_spec){"after", NF_INET_LOCAL_OUT, 10, "filter"});
	r = batch_rule_new(&b, "out");
	x_ct_load(r, NFT_CT_MARK, NFT_REG_1);
	x_cmp32(r, NFT_REG_1, MARK);
	x_verdict(r, NF_ACCEPT, NULL);
	batch_rule(&b, r);
	r = batch_rule_new(&b, "out");
	x_meta_load(r, NFT_META_L4PROTO, NFT_REG_1);
	x_cmp8(r, NFT_REG_1, IPPROTO_TCP);
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, DPORT_OFFSET, sizeof(be), NFT_REG_1);
	x_cmp(r, NFT_REG_1, &be, sizeof(be));
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, FLAGS_OFFSET, 1, NFT_REG_1);
	x_mask(r, NFT_REG_1, PSH, 0);
	x_cmp_ne8(r, NFT_REG_1, 0);
	x_queue(r, QUEUE, native);
	batch_rule(&b, r);
	r = batch_rule_new(&b, "after");
	x_meta_load(r, NFT_META_MARK, NFT_REG_1);
	x_cmp32(r, NFT_REG_1, MARK);
	nft_set_ct_mark(r, ~0u, MARK);
	batch_rule(&b, r);
	return batch_commit(&b);
}

static void config(struct mnl_socket *nl)
{
	char buf[256];
	struct nlmsghdr *h = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, QUEUE);

	nfq_nlmsg_cfg_put_cmd(h, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	mnl_socket_sendto(nl, h, h->nlmsg_len);
	h = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, QUEUE);
	nfq_nlmsg_cfg_put_params(h, NFQNL_COPY_PACKET, 0xffff);
	mnl_attr_put_u32(h, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
	mnl_attr_put_u32(h, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
	mnl_socket_sendto(nl, h, h->nlmsg_len);
}

static void serve(int fd)
{
	static char in[BATCH_MAX][PACKET_BYTES], out[BATCH_MAX * 64];
	struct mmsghdr msgs[BATCH_MAX] = {0};
	struct iovec iov[BATCH_MAX];

	for (size_t i = 0; i < BATCH_MAX; i++) {
		iov[i] = (struct iovec){in[i], PACKET_BYTES};
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	for (;;) {
		int n = recvmmsg(fd, msgs, BATCH_MAX, MSG_WAITFORONE, NULL);
		size_t bytes = 0;

		for (int i = 0; i < n; i++) {
			struct nlattr *attr[NFQA_MAX + 1] = {0};
			const struct nfqnl_msg_packet_hdr *ph;
			struct nlmsghdr *v;

			if (nfq_nlmsg_parse((struct nlmsghdr *)in[i], attr) < 0 ||
			    !attr[NFQA_PACKET_HDR])
				continue;
			ph = mnl_attr_get_payload(attr[NFQA_PACKET_HDR]);
			v = nfq_nlmsg_put(out + bytes, NFQNL_MSG_VERDICT, QUEUE);
			nfq_nlmsg_verdict_put(v, (int)ntohl(ph->packet_id), NF_ACCEPT);
			nfq_nlmsg_verdict_put_mark(v, MARK);
			bytes += v->nlmsg_len;
		}
		if (bytes)
			(void)!send(fd, out, bytes, 0);
		sched_yield();
	}
}

int main(int argc, char **argv)
{
	struct mnl_socket *rules_nl = mnl_socket_open(NETLINK_NETFILTER),
			  *nl = mnl_socket_open(NETLINK_NETFILTER);
	const struct sched_param param = {0};
	uint16_t port = (uint16_t)(argc > 1 ? atoi(argv[1]) : 0);
	int r;

	if (!rules_nl || !nl || mnl_socket_bind(rules_nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 || !port)
		return 1;
	config(nl);
	if ((r = rules(rules_nl, port, false)) < 0 && (r = rules(rules_nl, port, true)) < 0) {
		fprintf(stderr, "floor: rules: %s\n", strerror(-r));
		return 1;
	}
	sched_setscheduler(0, SCHED_BATCH, &param);
	puts("ready");
	fflush(stdout);
	serve(mnl_socket_get_fd(nl));
}
