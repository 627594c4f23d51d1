// SPDX-License-Identifier: GPL-2.0-or-later
/* Others on the fence's machine: services and clients that are in no fence, or, with --fenced, in
 * another one that lets nobody in. What they get that the table on stdin does not name is a leak,
 * told on stdout; see judge.h.
 *
 * Some are there from the beginning. Others come and go as the programs ask for it, at a socket of
 * the file system (struct escape_request): so they have the ports that a program uses, and a
 * program that is played again meets them again. */
#include "tests/lab/escape/judge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/in6.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKS_MAX 4096
#define TOLD_MS   1000

enum role { NOTHING, DATAGRAMS, LISTENER, STREAM, MEETING, ASKER };

static struct sock {
	enum role role;
	char tail[CANARY_BYTES]; /* of a stream: a canary may be cut */
	uint8_t n_tail;
	int guests[ESCAPE_GUESTS]; /* of an asker; 0: none */
	bool came, sure;           /* as a program asked for it; see struct escape_request */
	uint8_t step;
	uint32_t program;
} socks[SOCKS_MAX];

static int poll_fd;
static bool fenced;

static const char *place(bool error)
{
	return fenced ? error ? "fence2-error" : "fence2" : error ? "outsider-error" : "outsider";
}

static bool watch(int fd, enum role role)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	if (fd < 0 || fd >= SOCKS_MAX) {
		close(fd);
		return false;
	}
	socks[fd] = (struct sock){.role = role};
	epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &e);
	return true;
}

static void end(int fd)
{
	socks[fd].role = NOTHING;
	close(fd);
}

/* ---- what they get ------------------------------------------------------------------------- */

/* A socket at all addresses: the one that was written to is in a control message. */
static void to_which(struct msghdr *m, struct where *w)
{
	struct sockaddr_storage a = {.ss_family = AF_INET};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			((struct sockaddr_in *)&a)->sin_addr =
			    ((struct in_pktinfo *)CMSG_DATA(c))->ipi_addr;
			judge_take_address(&a, &w->to);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&w->to, CMSG_DATA(c), 16);
		}
	}
}

/* An answer of a fence's resolver, which has the question in it. */
static bool is_answer(const uint8_t *data, size_t n)
{
	return n > 12 && data[2] & 0x80;
}

/* An error about a datagram that was sent when somebody else had the port. */
static bool late_error(const struct sock *s, const uint8_t *data, size_t n)
{
	const char *c = memmem(data, n, CANARY_MAGIC, 4);
	unsigned program, step;

	if (!s->came || !c || n - (size_t)((const uint8_t *)c - data) < CANARY_BYTES ||
	    sscanf(c + 4, "%8x%2x", &program, &step) != 2)
		return false;
	return !s->sure || program != s->program || step < s->step;
}

/* Datagrams; or what errors about datagrams bear, which the kernel has from the sender's rules.
 * Without the socket wall a source may be another's, who then gets the answer or the error. */
static void read_datagrams(int fd, bool errors)
{
	static uint8_t data[65536];
	uint8_t room[512];

	for (unsigned i = 0; i < 64; i++) {
		struct sockaddr_storage from = {0};
		struct iovec v = {data, sizeof(data)};
		struct msghdr m = {.msg_name = &from,
				   .msg_namelen = sizeof(from),
				   .msg_iov = &v,
				   .msg_iovlen = 1,
				   .msg_control = room,
				   .msg_controllen = sizeof(room)};
		const ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | (errors ? MSG_ERRQUEUE : 0));
		struct where w = {.place = place(errors), .proto = IPPROTO_UDP};

		if (n < 0 && (errors || errno == EAGAIN))
			return;
		if (n < 0 || (judge_unwalled() && (errors || is_answer(data, (size_t)n))) ||
		    (errors && late_error(&socks[fd], data, (size_t)n)))
			continue;
		judge_end_points(fd, &w);
		to_which(&m, &w);
		w.sport = judge_take_address(&from, &w.from);
		judge(&w, data, (size_t)n, true, !errors && judge_allowed_here(&w));
	}
}

static void read_stream(int fd, struct sock *s)
{
	static uint8_t room[CANARY_BYTES + 65536];
	uint8_t *const data = room + CANARY_BYTES;
	const ssize_t n = recv(fd, data, 65536, MSG_DONTWAIT);
	const size_t keep = s->n_tail;
	struct where w = {.place = place(false), .proto = IPPROTO_TCP};

	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		end(fd);
		return;
	}
	if (n < 0)
		return;
	memcpy(data - keep, s->tail, keep);
	judge_end_points(fd, &w);
	judge(&w, data - keep, (size_t)n + keep, true, judge_allowed_here(&w));
	s->n_tail =
	    (uint8_t)((size_t)n + keep < CANARY_BYTES - 1 ? (size_t)n + keep : CANARY_BYTES - 1);
	memcpy(s->tail, data + n - s->n_tail, s->n_tail);
	(void)!send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 40,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void accept_all(int fd)
{
	for (int c; (c = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
		watch(c, STREAM);
}

/* All that has come so far, and then no more. */
static void leave(int *guest)
{
	const int fd = *guest;

	*guest = 0;
	if (fd <= 0 || socks[fd].role == NOTHING)
		return;
	if (socks[fd].role == DATAGRAMS) {
		read_datagrams(fd, false);
		read_datagrams(fd, true);
	} else if (socks[fd].role == LISTENER) {
		accept_all(fd);
	} else {
		read_stream(fd, &socks[fd]);
	}
	if (socks[fd].role != NOTHING)
		end(fd);
}

/* ---- who they are -------------------------------------------------------------------------- */

static void set(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

/* 0 or -errno. A port of UDP is taken only where nobody has it: SO_REUSEADDR would share it. */
static int open_guest(const struct escape_request *r, int *ret)
{
	const struct sockaddr *a = (const struct sockaddr *)&r->at,
			      *peer = (const struct sockaddr *)&r->peer;
	const bool v6 = a->sa_family == AF_INET6, udp = r->type != TYPE_TCP;
	const socklen_t n = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	const struct linger l = {1, 0};
	const int fd = socket(a->sa_family,
			      (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	set(fd, IPPROTO_IP, IP_PKTINFO, 1);
	set(fd, IPPROTO_IP, IP_RECVERR, udp);
	if (v6) {
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, r->v6only);
		set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		set(fd, IPPROTO_IPV6, IPV6_RECVERR, udp);
	}
	if (!udp) {
		set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
		set(fd, IPPROTO_TCP, TCP_SYNCNT, 1);
	}
	if (bind(fd, a, n) || (!udp && !r->client && listen(fd, 64)) ||
	    (r->client && connect(fd, peer, n) && errno != EINPROGRESS)) {
		const int e = -errno;

		close(fd);
		return e;
	}
	if (!watch(fd, udp ? DATAGRAMS : r->client ? STREAM : LISTENER))
		return -EMFILE;
	socks[fd].came = true;
	socks[fd].sure = r->sure;
	socks[fd].step = r->step;
	socks[fd].program = r->program;
	*ret = fd;
	return 0;
}

static void answer(int fd, struct sock *s)
{
	struct escape_request r;
	const ssize_t n = recv(fd, &r, sizeof(r), MSG_DONTWAIT);
	int32_t e;

	if (n < 0 && errno == EAGAIN)
		return;
	for (unsigned i = 0; i < ESCAPE_GUESTS; i++)
		if (n != sizeof(r) || r.guest == ESCAPE_GUESTS || r.guest == i)
			leave(&s->guests[i]);
	if (n != sizeof(r)) {
		end(fd);
		return;
	}
	e = r.open && r.guest < ESCAPE_GUESTS ? open_guest(&r, &s->guests[r.guest]) : 0;
	(void)!send(fd, &e, sizeof(e), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void meet(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 64) || chmod(path, 0777)) {
		perror(path);
		exit(1);
	}
	watch(fd, MEETING);
}

/* One that stays. */
static void stay(const char *address, uint16_t port, bool tcp, unsigned uid, const char *peer,
		 uint16_t peer_port, bool shared)
{
	struct sockaddr_storage a, to;
	const int on = 1;
	int fd;

	escape_sockaddr(address, port, &a);
	escape_sockaddr(peer ? peer : address, peer_port, &to);
	if (uid && seteuid(uid)) /* whose socket it is, is asked for by SO_REUSEPORT */
		perror("seteuid");
	fd =
	    socket(a.ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (a.ss_family == AF_INET6) {
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		set(fd, IPPROTO_IPV6, IPV6_RECVERR, !tcp);
	} else {
		set(fd, IPPROTO_IP, IP_PKTINFO, 1);
		set(fd, IPPROTO_IP, IP_RECVERR, !tcp);
	}
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || (tcp && listen(fd, 512)) ||
	    (peer && connect(fd, (struct sockaddr *)&to, sizeof(to))))
		fprintf(stderr, "cannot be at %s %u: %s\n", address, port, strerror(errno));
	if (uid && seteuid(0))
		perror("seteuid");
	watch(fd, tcp ? LISTENER : DATAGRAMS);
}

static void both(const char *address4, const char *address6, uint16_t port, unsigned uid,
		 bool shared)
{
	for (unsigned tcp = 0; tcp < 2; tcp++) {
		stay(address4, port, tcp, uid, NULL, 0, shared);
		stay(address6, port, tcp, uid, NULL, 0, shared);
	}
}

static void all_who_stay(unsigned user, unsigned other)
{
	if (fenced) {
		both("127.0.0.1", "::1", 4004, 0, false);
		both("0.0.0.0", "::", 4005, 0, false);
		return;
	}
	both("127.0.0.1", "::1", 4001, user, false);
	both("0.0.0.0", "::", 4002, other, false);
	both("0.0.0.0", "::", 4003, user, true);
	both("198.51.100.2", "2001:db8:1::2", 1234, other, false);
	stay("127.0.0.1", 11434, true, other, NULL, 0, false);
	stay("::1", 11434, true, other, NULL, 0, false);
	stay("127.0.0.1", 11435, false, other, NULL, 0, false);
	stay("::1", 11435, false, other, NULL, 0, false);
	/* clients that wait for an answer */
	stay("198.51.100.2", 4001, false, other, "203.0.113.20", 53, false);
	stay("2001:db8:1::2", 4001, false, other, "2001:db8::20", 53, false);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void dispatch(int fd, uint32_t events)
{
	struct sock *s = &socks[fd];

	switch (s->role) {
	case DATAGRAMS:
		if (events & EPOLLERR)
			read_datagrams(fd, true);
		read_datagrams(fd, false);
		break;
	case LISTENER:
		accept_all(fd);
		break;
	case STREAM:
		read_stream(fd, s);
		break;
	case MEETING:
		for (int c; (c = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
			watch(c, ASKER);
		break;
	case ASKER:
		answer(fd, s);
		break;
	case NOTHING:
		break;
	}
}

/* escape_outsiders [--fenced] SOCKET */
int main(int argc, char **argv)
{
	struct rlimit files = {SOCKS_MAX + 64, SOCKS_MAX + 64};

	fenced = argc == 3 && !strcmp(argv[1], "--fenced");
	if (argc != 2 + fenced)
		return 2;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	judge_read_table();
	all_who_stay(65534, 12345);
	meet(argv[1 + fenced]);
	epoll_ctl(poll_fd, EPOLL_CTL_ADD, 0,
		  &(struct epoll_event){.events = EPOLLIN, .data.fd = 0});
	printf("READY\n");
	fflush(stdout);
	for (;;) {
		struct epoll_event e[64];
		const int n = epoll_wait(poll_fd, e, 64, TOLD_MS);
		bool asked = false;

		for (int i = 0; i < n; i++) {
			char c[64];

			if (e[i].data.fd)
				dispatch(e[i].data.fd, e[i].events);
			else if (read(0, c, sizeof(c)) <= 0)
				return 0;
			else
				asked = true;
		}
		if (asked)
			judge_tell_counts();
	}
}
