// SPDX-License-Identifier: GPL-2.0-or-later
/* The other side of the escape fuzzer; see tests/net/escape. One process, one thread:
 *
 *   recorder   every frame that comes out of the agent's device (r0) and into "the internet" (i0),
 *              judged by the table on stdin: a canary, or the beginning of a conversation, where the
 *              policy has none is a leak and a line on stdout
 *   servers    at every address of "the internet": TCP that reads and answers, UDP that answers
 *   pullers    who connect to the listeners of the fence, from addresses that may and that may not
 *
 * Services and clients on the fence's own machine are in outsiders.c.
 *
 * The table: "tcp|udp|icmp|icmp6 ADDRESS PORT KINDS NAMES", "peer ADDRESS PORT" (ingress), "here
 * tcp|udp ADDRESS PORT" (an outsider that a rule allows), "quiet ADDRESS" (the daemon itself talks to
 * it), "unwalled" (the fence has no socket wall); "go" ends it. */
#include "tests/lab/escape/judge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOCKS_MAX 16384
#define FRAME_MAX 70000
#define PULL_MS   5

enum role { NOTHING, RECORDER, TCP_LISTENER, TCP_PEER, UDP_SERVER, PULLER };

struct sock {
	enum role role;
	const char *where; /* r0, i0, far, outsider (a puller) */
	uint16_t port;
	char tail[CANARY_BYTES]; /* of a stream: a canary may be cut */
	uint8_t n_tail;
};

static struct sock socks[SOCKS_MAX];

static int poll_fd;

/* ---- sockets ------------------------------------------------------------- */

static int enter(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET)) {
		perror(path);
		exit(1);
	}
	return close(fd);
}

static struct sock *watch(int fd, enum role role, const char *where, uint16_t port)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	if (fd >= SOCKS_MAX) {
		close(fd);
		return NULL;
	}
	socks[fd] = (struct sock){.role = role, .where = where, .port = port};
	epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &e);
	return &socks[fd];
}

static void record(const char *device)
{
	const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL)),
		  size = 64 << 20;
	struct sockaddr_ll a = {.sll_family = AF_PACKET,
				.sll_protocol = htons(ETH_P_ALL),
				.sll_ifindex = (int)if_nametoindex(device)};

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || !watch(fd, RECORDER, device, 0)) {
		perror(device);
		exit(1);
	}
}

/* At all addresses of "the internet". */
static void serve(uint16_t port, bool tcp)
{
	const struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const int on = 1,
		  fd = socket(AF_INET6,
			      (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (tcp)
		setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &(int){64}, sizeof(int));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) || (tcp && listen(fd, 512)))
		fprintf(stderr, "cannot listen at %u: %s\n", port, strerror(errno));
	watch(fd, tcp ? TCP_LISTENER : UDP_SERVER, "far", port);
}

/* A stream as its reader has it, with what the last read ended with. */
static void judge_stream(int fd, const struct sock *s, const uint8_t *data, size_t n)
{
	struct where w = {.place = s->where, .proto = IPPROTO_TCP};

	judge_end_points(fd, &w);
	if (s->role == PULLER)
		w.sport = s->port;
	judge(&w, data, n, s->where[0] == 'o', false);
}

static void end(int fd)
{
	socks[fd].role = NOTHING;
	close(fd);
}

static void read_stream(int fd, struct sock *s)
{
	static uint8_t room[CANARY_BYTES + 65536];
	uint8_t *const data = room + CANARY_BYTES;
	const ssize_t n = recv(fd, data, 65536, MSG_DONTWAIT);
	const size_t keep = s->n_tail;

	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		end(fd);
		return;
	}
	if (n < 0)
		return;
	memcpy(data - keep, s->tail, keep);
	judge_stream(fd, s, data - keep, (size_t)n + keep);
	s->n_tail =
	    (uint8_t)((size_t)n + keep < CANARY_BYTES - 1 ? (size_t)n + keep : CANARY_BYTES - 1);
	memcpy(s->tail, data + n - s->n_tail, s->n_tail);
	if (s->role == TCP_PEER)
		(void)!send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 40,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void accept_all(int fd, const struct sock *s)
{
	for (int c; (c = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
		watch(c, TCP_PEER, s->where, s->port);
}

/* The answer comes from the address that was asked: it goes back with the same packet information.
 */
static void answer_datagrams(int fd)
{
	static uint8_t data[65536];
	struct sockaddr_storage from;
	uint8_t room[256];

	for (unsigned i = 0; i < 64; i++) {
		struct iovec v = {data, sizeof(data)};
		struct msghdr m = {.msg_name = &from,
				   .msg_namelen = sizeof(from),
				   .msg_iov = &v,
				   .msg_iovlen = 1,
				   .msg_control = room,
				   .msg_controllen = sizeof(room)};
		const ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);

		if (n < 0)
			return;
		v = (struct iovec){"ack", 3};
		(void)!sendmsg(fd, &m, MSG_DONTWAIT);
	}
}

static void read_frames(int fd, const struct sock *s)
{
	static uint8_t data[FRAME_MAX];
	struct sockaddr_ll from;

	for (unsigned i = 0; i < 256; i++) {
		socklen_t n_from = sizeof(from);
		const ssize_t n = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT,
					   (struct sockaddr *)&from, &n_from);

		if (n < 0)
			return;
		if (from.sll_pkttype != PACKET_OUTGOING)
			judge_frame(s->where, data, (size_t)n);
	}
}

/* ---- pullers ------------------------------------------------------------- */

static int open_puller(const char *from, const char *to, uint16_t port)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6},
			    b6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in a4 = {.sin_family = AF_INET},
			   b4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	const bool v6 = strchr(to, ':');
	const int fd =
	    socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const struct linger l = {1, 0};

	inet_pton(AF_INET6, to, &b6.sin6_addr);
	inet_pton(AF_INET, to, &b4.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &(int){1}, sizeof(int));
	if (from) {
		inet_pton(AF_INET6, from, &a6.sin6_addr);
		inet_pton(AF_INET, from, &a4.sin_addr);
		(void)!bind(fd, v6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4,
			    v6 ? sizeof(a6) : sizeof(a4));
	}
	(void)!connect(fd, v6 ? (struct sockaddr *)&b6 : (struct sockaddr *)&b4,
		       v6 ? sizeof(b6) : sizeof(b4));
	return fd;
}

static void pull(const char *agent_ns, const char *net_ns)
{
	static const struct {
		const char *from, *to;
	} ways[] = {{"203.0.113.20", "198.51.100.2"},
		    {"203.0.113.10", "198.51.100.2"},
		    {"2001:db8::20", "2001:db8:1::2"},
		    {"2001:db8::10", "2001:db8:1::2"},
		    {NULL, "127.0.0.1"},
		    {NULL, "::1"},
		    {NULL, "198.51.100.2"}};
	static int under_way[32];
	static unsigned n;
	static uint64_t state = 1;
	const unsigned way = (unsigned)(escape_random(&state) % 7),
		       port = (unsigned)(escape_random(&state) % 16);
	int *place = &under_way[n++ % 32];
	int fd;

	if (*place > 0 && socks[*place].role == PULLER)
		end(*place);
	enter(way < 4 ? net_ns : agent_ns);
	fd = open_puller(ways[way].from, ways[way].to,
			 port < 8    ? 7000
			 : port < 12 ? escape_ports[port]
				     : (uint16_t)(20000 + escape_random(&state) % 18));
	if (watch(fd, PULLER, way < 4 ? "far" : "outsider", port < 8 ? 7000 : 0))
		*place = fd;
}

static void dispatch(int fd)
{
	struct sock *s = &socks[fd];

	switch (s->role) {
	case RECORDER:
		read_frames(fd, s);
		break;
	case TCP_LISTENER:
		accept_all(fd, s);
		break;
	case TCP_PEER:
	case PULLER:
		read_stream(fd, s);
		break;
	case UDP_SERVER:
		answer_datagrams(fd);
		break;
	case NOTHING:
		break;
	}
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* escape_far AGENT ROUTER NET (paths of the namespaces) */
int main(int argc, char **argv)
{
	struct rlimit files = {SOCKS_MAX + 64, SOCKS_MAX + 64};
	int64_t next = 0, told = 0;

	if (argc != 4)
		return 2;
	setrlimit(RLIMIT_NOFILE, &files);
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	judge_read_table();
	enter(argv[2]);
	record("r0");
	enter(argv[3]);
	record("i0");
	for (unsigned i = 0; i < escape_n_ports; i++) {
		if (escape_ports[i] == 53 || escape_ports[i] == 0)
			continue; /* the name servers have these */
		serve(escape_ports[i], true);
		serve(escape_ports[i], false);
	}
	epoll_ctl(poll_fd, EPOLL_CTL_ADD, 0,
		  &(struct epoll_event){.events = EPOLLIN, .data.fd = 0});
	printf("READY\n");
	fflush(stdout);
	for (;;) {
		struct epoll_event e[64];
		const int n = epoll_wait(poll_fd, e, 64, PULL_MS);
		const int64_t now = now_ms();

		for (int i = 0; i < n; i++) {
			char c[64];

			if (e[i].data.fd)
				dispatch(e[i].data.fd);
			else if (read(0, c, sizeof(c)) <= 0)
				return 0;
			else
				judge_tell_counts();
		}
		if (now >= next) {
			pull(argv[1], argv[3]);
			next = now + PULL_MS;
		}
		if (now >= told + 1000) {
			judge_tell_counts();
			told = now;
		}
	}
}
