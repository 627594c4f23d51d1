// SPDX-License-Identifier: GPL-2.0-or-later
/* NETLINK_SOCK_DIAG: linux/inet_diag.h, net/ipv4/inet_diag.c. */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "fw/ipc/sockdiag.h"

#define TIMEOUT_MS   100
#define ANSWER_MAX   32768 /* the kernel uses no more than this of a dump's buffer */
#define DESTROY_MAX  4096  /* sockets per dump */
#define ALL_STATES   0xffffffffu
#define ACKED_OFFSET 120 /* of tcpi_bytes_acked in struct tcp_info; Linux 4.1 */
#define CGROUP_OPS   4   /* words of the filter per cgroup: the condition, its number, a jump */

#define LO_IFINDEX 1 /* in every network namespace */

static const uint8_t families[] = {AF_INET, AF_INET6};

/* A request, and for dumps a filter that runs in the kernel. */
struct query {
	struct nlmsghdr nl;
	struct inet_diag_req_v2 req;
	struct rtattr attr;
	struct inet_diag_bc_op filter[SOCKDIAG_CGROUPS_MAX * CGROUP_OPS];
};

/* Called per socket, until it returns other than 0, which is the result. */
typedef int (*socket_fn)(void *arg, const struct inet_diag_msg *m, const struct socket_info *si,
			 bool v6only);

int sockdiag_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), r;
	struct timeval tv = {.tv_usec = TIMEOUT_MS * 1000};

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static void query_init(struct query *q, uint8_t family, uint8_t l4proto, uint32_t states)
{
	static uint32_t seq;

	*q = (struct query){
	    .nl = {.nlmsg_len = NLMSG_LENGTH(sizeof(q->req)),
		   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		   .nlmsg_flags = NLM_F_REQUEST,
		   .nlmsg_seq = ++seq},
	    .req = {.sdiag_family = family,
		    .sdiag_protocol = l4proto,
		    .idiag_ext = 1 << (INET_DIAG_TCLASS - 1),
		    .idiag_states = states,
		    .id = {.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
	};
}

/* In the filter's code a jump to four bytes past the end means "no". */
static void query_filter(struct query *q, const void *ops, size_t bytes)
{
	q->nl.nlmsg_flags |= NLM_F_DUMP;
	q->attr.rta_type = INET_DIAG_REQ_BYTECODE;
	q->attr.rta_len = (unsigned short)RTA_LENGTH(bytes);
	memcpy(q->filter, ops, bytes);
	q->nl.nlmsg_len += (uint32_t)RTA_SPACE(bytes);
}

static void filter_port(struct query *q, uint16_t port)
{
	struct inet_diag_bc_op ops[2] = {{INET_DIAG_BC_S_EQ, sizeof(ops), sizeof(ops) + 4},
					 {.no = port}};

	query_filter(q, ops, sizeof(ops));
}

/* Any of these cgroups. If a condition holds its jump leads to the end; if not, that jump is
 * skipped. */
static void filter_cgroups(struct query *q, const uint64_t *id, size_t n)
{
	struct inet_diag_bc_op ops[SOCKDIAG_CGROUPS_MAX * CGROUP_OPS];
	const size_t one = CGROUP_OPS * sizeof(*ops), jump = one - sizeof(*ops);

	for (size_t i = 0; i < n; i++) {
		struct inet_diag_bc_op *op = ops + i * CGROUP_OPS;
		size_t left = (n - i) * one - jump;

		op[0] = (struct inet_diag_bc_op){INET_DIAG_BC_CGROUP_COND, (uint8_t)jump,
						 (uint16_t)(i + 1 < n ? one : one + 4)};
		memcpy(&op[1], &id[i], sizeof(*id));
		op[3] = (struct inet_diag_bc_op){INET_DIAG_BC_JMP, sizeof(*op), (uint16_t)left};
	}
	query_filter(q, ops, n * one);
}

static int ask(int fd, const struct nlmsghdr *nl)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	ssize_t n = sendto(fd, nl, nl->nlmsg_len, 0, (void *)&to, sizeof(to));

	return n < 0 ? -errno : 0;
}

static void read_attributes(const struct nlmsghdr *nl, struct socket_info *si, bool *v6only)
{
	const struct inet_diag_msg *m = NLMSG_DATA(nl);
	const struct rtattr *a = (const void *)(m + 1);
	int left = (int)(nl->nlmsg_len - NLMSG_LENGTH(sizeof(*m)));

	*si = (struct socket_info){
	    .inode = m->idiag_inode, .uid = m->idiag_uid, .acked_bytes = UINT64_MAX};
	*v6only = false;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == INET_DIAG_CGROUP_ID && RTA_PAYLOAD(a) == sizeof(uint64_t))
			memcpy(&si->cgroup_id, RTA_DATA(a), sizeof(uint64_t));
		if (a->rta_type == INET_DIAG_INFO && RTA_PAYLOAD(a) >= ACKED_OFFSET + 8)
			memcpy(&si->acked_bytes, (const char *)RTA_DATA(a) + ACKED_OFFSET, 8);
		if (a->rta_type == INET_DIAG_SKV6ONLY && RTA_PAYLOAD(a) == 1)
			*v6only = *(const uint8_t *)RTA_DATA(a) != 0;
	}
}

/* One message of the answer: 1 to go on, 0 if done, -errno. */
static int sockdiag_take(const struct query *q, const struct nlmsghdr *nl, socket_fn fn, void *arg,
			 int *ret_fn)
{
	struct socket_info si;
	bool v6only;

	if (nl->nlmsg_seq != q->nl.nlmsg_seq)
		return 1; /* the answer to an abandoned request */
	if (nl->nlmsg_type == NLMSG_ERROR) {
		if (nl->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
			return -EBADMSG;
		return ((const struct nlmsgerr *)NLMSG_DATA(nl))->error;
	}
	if (nl->nlmsg_type == NLMSG_DONE)
		return 0;
	if (nl->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    nl->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
		return -EBADMSG;
	read_attributes(nl, &si, &v6only);
	if (!*ret_fn)
		*ret_fn = fn(arg, NLMSG_DATA(nl), &si, v6only);
	return q->nl.nlmsg_flags & NLM_F_DUMP ? 1 : 0;
}

/* Asks, and hands every socket of the answer to fn. A dump is read to its end: the rest would be
 * taken for the next answer. */
static int run(int fd, const struct query *q, socket_fn fn, void *arg)
{
	static _Alignas(NLMSG_ALIGNTO) char buf[ANSWER_MAX];
	int ret = 0, r = ask(fd, &q->nl);

	if (r < 0)
		return r;
	for (;;) {
		const struct nlmsghdr *nl = (const void *)buf;
		ssize_t got = recv(fd, buf, sizeof(buf), 0);
		int left = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		for (; NLMSG_OK(nl, (uint32_t)left); nl = NLMSG_NEXT(nl, left)) {
			r = sockdiag_take(q, nl, fn, arg, &ret);
			if (r <= 0)
				return r < 0 ? r : ret;
		}
	}
}

/* ---- one end --------------------------------------------------------------------------------- */

static void put_addr(uint8_t family, const struct addr *a, __be32 *ret)
{
	memset(ret, 0, 16);
	if (family == AF_INET6 && a->family == 4) {
		ret[2] = htonl(0xffff);
		memcpy(&ret[3], a->b, 4);
	} else {
		memcpy(ret, a->b, family == AF_INET ? 4 : 16);
	}
}

static struct addr own_addr(const struct inet_diag_msg *m)
{
	return m->idiag_family == AF_INET6 ? addr_from_v6(m->id.idiag_src)
					   : addr_from_v4(m->id.idiag_src);
}

static bool any_addr(const struct inet_diag_msg *m)
{
	static const __be32 zero[4];

	return memcmp(m->id.idiag_src, zero, m->idiag_family == AF_INET6 ? 16 : 4) == 0;
}

/* Would a packet to a find this socket? */
static bool binds(const struct inet_diag_msg *m, bool v6only, const struct addr *a)
{
	struct addr own = own_addr(m);

	if (!any_addr(m))
		return addr_equal(&own, a);
	return m->idiag_family == AF_INET ? a->family == 4 : a->family == 6 || !v6only;
}

struct search {
	const struct addr *src;
	const struct scope *scope; /* NULL: any socket */
	bool found;                /* any socket was found */
	struct socket_info si;
};

static int consider(void *arg, const struct inet_diag_msg *m, const struct socket_info *si,
		    bool v6only)
{
	struct search *s = arg;

	if (!si->inode || !binds(m, v6only, s->src)) /* no inode: TIME_WAIT, or orphaned */
		return 0;
	if (!s->found)
		s->si = *si;
	s->found = true;
	if (s->scope && !scope_holds(s->scope, si->cgroup_id))
		return 0;
	s->si = *si;
	return 1;
}

/* The socket whose own end is src:sport. */
static void query_exact(struct query *q, uint8_t family, uint8_t l4proto, const struct addr *src,
			uint16_t sport, const struct addr *dst, uint16_t dport)
{
	struct inet_diag_sockid *id = &q->req.id;
	bool swap =
	    l4proto == IPPROTO_UDP; /* udp_diag expects the socket's own end as the destination */

	query_init(q, family, l4proto, ALL_STATES);
	put_addr(family, src, swap ? id->idiag_dst : id->idiag_src);
	put_addr(family, dst, swap ? id->idiag_src : id->idiag_dst);
	id->idiag_sport = htons(swap ? dport : sport);
	id->idiag_dport = htons(swap ? sport : dport);
}

static int find_exact(int fd, uint8_t family, uint8_t l4proto, const struct addr *src,
		      uint16_t sport, const struct addr *dst, uint16_t dport, struct search *s)
{
	struct query q;

	query_exact(&q, family, l4proto, src, sport, dst, dport);
	return run(fd, &q, consider, s);
}

/* A client's socket may be connected to another address than its packet goes to (redirected DNS):
 * then only its own end tells, and several sockets may share that. The fence's sockets come first.
 * One of another cgroup, which may be a sub-directory of the fence's or a stranger's, is the answer
 * only if there is no better one; its cgroup_id tells the caller. */
int sockdiag_find(int fd, uint8_t l4proto, const struct addr *src, uint16_t sport,
		  const struct addr *dst, uint16_t dport, const struct scope *scope,
		  struct socket_info *ret)
{
	struct search s = {.src = src, .scope = scope};
	size_t first = src->family == 6;
	int r = 0;

	if ((l4proto != IPPROTO_TCP && l4proto != IPPROTO_UDP) || !src->family)
		return -ENOENT;
	for (size_t i = first; i < 2 && r <= 0 && dst->family == src->family; i++)
		r = find_exact(fd, families[i], l4proto, src, sport, dst, dport, &s);
	for (size_t i = first; i < 2 && r <= 0; i++) {
		struct query q;

		query_init(&q, families[i], l4proto, ALL_STATES);
		filter_port(&q, sport);
		r = run(fd, &q, consider, &s);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	if (!s.found)
		return -ENOENT;
	*ret = s.si;
	return 0;
}

static int remember(void *arg, const struct inet_diag_msg *m, const struct socket_info *si,
		    bool v6only)
{
	struct socket_info *ret = arg;

	*ret = *si;
	return 1;
}

int sockdiag_at_beginning(int fd, const struct addr *src, uint16_t sport, const struct addr *dst,
			  uint16_t dport)
{
	struct socket_info si;
	struct query q;
	int r;

	/* a look-up for IPv4 finds sockets of both families */
	query_exact(&q, families[dst->family == 6], IPPROTO_TCP, src, sport, dst, dport);
	q.req.idiag_ext = 1 << (INET_DIAG_INFO - 1);
	r = run(fd, &q, remember, &si);
	if (r != 1 || !si.inode || si.acked_bytes == UINT64_MAX)
		return r < 0 ? r : -ENOENT;
	return si.acked_bytes <= 1; /* the SYN counts */
}

struct receiving {
	const struct scope *scope;
	enum receiver is;
};

static int note_receiver(void *arg, const struct inet_diag_msg *m, const struct socket_info *si,
			 bool v6only)
{
	struct receiving *ret = arg;

	if (m->idiag_state == TCP_SYN_RECV)
		ret->is = RECEIVER_COMING;
	else if (m->idiag_state == TCP_TIME_WAIT)
		ret->is = RECEIVER_NONE;
	else if (scope_holds(ret->scope, si->cgroup_id))
		ret->is = m->idiag_state == TCP_LISTEN ? RECEIVER_NONE : RECEIVER_OWN;
	return 1;
}

enum receiver sockdiag_receiver(int fd, const struct addr *src, uint16_t sport,
				const struct addr *dst, uint16_t dport, const struct scope *scope)
{
	struct receiving ret = {.scope = scope, .is = RECEIVER_OTHER};
	struct query q;
	int r;

	query_exact(&q, families[dst->family == 6], IPPROTO_TCP, src, sport, dst, dport);
	q.req.id.idiag_if = LO_IFINDEX; /* also finds sockets that are bound to lo */
	r = run(fd, &q, note_receiver, &ret);
	return r == -ENOENT ? RECEIVER_NONE : ret.is;
}

/* ---- destroying ---------------------------------------------------------- */

struct victims {
	struct inet_diag_sockid *id;
	size_t n;
};

static int note(void *arg, const struct inet_diag_msg *m, const struct socket_info *si, bool v6only)
{
	struct victims *v = arg;

	if (v->n == DESTROY_MAX)
		return 1;
	v->id[v->n++] = m->id;
	return 0;
}

static int destroy(int fd, uint8_t family, const struct inet_diag_sockid *id)
{
	struct query q;

	query_init(&q, family, IPPROTO_TCP, ALL_STATES);
	q.nl.nlmsg_type = SOCK_DESTROY;
	q.nl.nlmsg_flags |= NLM_F_ACK;
	q.req.id = *id;
	return run(fd, &q, note, NULL);
}

static int note_time_wait(void *arg, const struct inet_diag_msg *m, const struct socket_info *si,
			  bool v6only)
{
	struct inet_diag_msg *ret = arg;

	*ret = *m;
	return m->idiag_state == TCP_TIME_WAIT;
}

/* found: over IPv4 it may be of a socket of IPv6. */
static bool time_wait(int fd, const struct addr *src, uint16_t sport, const struct addr *dst,
		      uint16_t dport, struct inet_diag_msg *found)
{
	struct query q;

	query_exact(&q, families[dst->family == 6], IPPROTO_TCP, src, sport, dst, dport);
	q.req.id.idiag_if = LO_IFINDEX;
	return run(fd, &q, note_time_wait, found) == 1;
}

bool sockdiag_in_time_wait(int fd, const struct addr *src, uint16_t sport, const struct addr *dst,
			   uint16_t dport)
{
	struct inet_diag_msg found;

	return time_wait(fd, src, sport, dst, dport, &found);
}

void sockdiag_end_time_wait(int fd, const struct addr *src, uint16_t sport, const struct addr *dst,
			    uint16_t dport)
{
	struct inet_diag_msg found;

	if (time_wait(fd, src, sport, dst, dport, &found))
		destroy(fd, found.idiag_family, &found.id);
}

/* How many were destroyed, or -errno. */
static int destroy_some(int fd, uint8_t family, const uint64_t *cgroup_id, size_t n,
			struct victims *v)
{
	struct query q;
	int gone = 0, r;

	v->n = 0;
	query_init(&q, family, IPPROTO_TCP, ALL_STATES);
	filter_cgroups(&q, cgroup_id, n);
	r = run(fd, &q, note, v);
	if (r < 0)
		return r;
	for (size_t i = 0; i < v->n && r != -EOPNOTSUPP; i++) {
		r = destroy(fd, family, &v->id[i]);
		gone += r == 0;
	}
	return r == -EOPNOTSUPP ? r : gone;
}

int sockdiag_destroy_cgroups(int fd, const uint64_t *cgroup_id, size_t n)
{
	struct victims v = {.id = calloc(DESTROY_MAX, sizeof(*v.id))};
	int gone = 0, r = 0;

	if (!v.id)
		return -ENOMEM;
	for (size_t i = 0; i < 2 && r >= 0; i++) {
		do {
			r = destroy_some(fd, families[i], cgroup_id, n, &v);
			gone += r > 0 ? r : 0;
		} while (r > 0 && v.n == DESTROY_MAX);
		if (r == -ENOENT) /* the kernel lacks this family */
			r = 0;
	}
	free(v.id);
	return r < 0 ? r : gone;
}
