// SPDX-License-Identifier: GPL-2.0-or-later
/* An engine that somebody has taken over: it stands in the place of the real one, has given up what
 * that one gives up, holds what that one holds, and then does harm. Whether any came of it is seen
 * from outside: tests/net/test_hostile.py. For builds with -DAGENTFW_HOLES alone.
 *
 *     AGENTFW_HOSTILE     this program
 *     AGENTFW_HOSTILE_DO  what: see deeds
 *     AGENTFW_HOSTILE_TO  an address, where nothing may arrive; ports 7000 to 7009
 *     AGENTFW_HOSTILE_TOKEN  what it sends there
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fw/engine/drop.h"
#include "fw/ipc/ask_msg.h"
#include "fw/ipc/engine_msg.h"
#include "fw/ipc/gate_msg.h"
#include "fw/ipc/ring.h"

#define INET    1 /* NFPROTO_INET: its header and <netinet/in.h> have the same names */
#define FDS_MAX 64
#define DEED_S  2 /* of what has no end */

static struct sockaddr_in to;
static const char *token;

static void say(const char *what)
{
	(void)!write(2, what, strlen(what));
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void fill(void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)(rand() >> 8);
}

/* ---- netlink ------------------------------------------------------------- */

static struct nlmsghdr *netfilter(char *buf, int subsystem, int type, uint8_t family, uint16_t id)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;

	h->nlmsg_type = (uint16_t)(subsystem << 8 | type);
	h->nlmsg_flags = NLM_F_REQUEST;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = family;
	g->res_id = htons(id);
	return h;
}

/* Without the host's table, its connections and its loopback device. */
static void netlink_on(int fd)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	char all[1024], buf[256];
	struct nlmsghdr *h;
	struct ifinfomsg *link;
	size_t n = 0;

	h = netfilter(all, NFNL_SUBSYS_NONE, NFNL_MSG_BATCH_BEGIN, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	n += h->nlmsg_len;
	h = netfilter(all + n, NFNL_SUBSYS_NFTABLES, NFT_MSG_DELTABLE, INET, 0);
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, "host");
	n += h->nlmsg_len;
	h = netfilter(all + n, NFNL_SUBSYS_NONE, NFNL_MSG_BATCH_END, AF_UNSPEC,
		      NFNL_SUBSYS_NFTABLES);
	n += h->nlmsg_len;
	sendto(fd, all, n, 0, (const void *)&kernel, sizeof(kernel));
	send(fd, all, n, 0);
	h = netfilter(buf, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, AF_UNSPEC, 0);
	send(fd, h, h->nlmsg_len, 0);
	h = mnl_nlmsg_put_header(buf);
	h->nlmsg_type = RTM_NEWLINK;
	h->nlmsg_flags = NLM_F_REQUEST;
	link = mnl_nlmsg_put_extra_header(h, sizeof(*link));
	link->ifi_index = 1;
	link->ifi_change = IFF_UP;
	send(fd, h, h->nlmsg_len, 0);
}

static void do_netlink(void)
{
	for (int fd = ENGINE_FD_CONTROL + 1; fd < FDS_MAX; fd++)
		if (fd != ENGINE_FD_GATE)
			netlink_on(fd);
}

/* ---- what it has to send by ---------------------------------------------- */

static void do_send(void)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};

	for (int fd = ENGINE_FD_FIRST_FREE; fd < FDS_MAX; fd++)
		for (uint16_t port = 7000; port < 7010; port++) {
			to.sin_port = here.sin_port = htons(port);
			sendto(fd, token, strlen(token), 0, (const void *)&to, sizeof(to));
			sendto(fd, token, strlen(token), 0, (const void *)&here, sizeof(here));
		}
}

/* ---- who listens to it --------------------------------------------------- */

static void do_gate(void)
{
	for (double end = now() + DEED_S; now() < end;) {
		union gate_msg m;
		size_t n = (size_t)rand() % sizeof(m) + 1;

		fill(&m, sizeof(m));
		m.type = (uint32_t)rand() % 4;
		if (rand() % 2) {
			m.verdicts.fence = (uint32_t)rand() % 4;
			m.verdicts.n = (uint32_t)rand() % (GATE_VERDICTS_MAX + 2);
			n = offsetof(struct gate_verdicts, v) +
			    m.verdicts.n * sizeof(m.verdicts.v[0]);
		} else if (rand() % 2) {
			n = sizeof(m.time_wait);
		}
		(void)!write(ENGINE_FD_GATE, &m, n < sizeof(m) ? n : sizeof(m));
	}
}

static void do_asker(void)
{
	for (double end = now() + DEED_S; now() < end;) {
		struct ask q;
		struct ask_answer a;

		fill(&q, sizeof(q));
		q.what = (uint32_t)rand() % 6;
		q.src.family = q.dst.family = rand() % 2 ? 4 : (uint8_t)rand();
		send(ENGINE_FD_ASKER, &q,
		     rand() % 4 ? sizeof(q) : (size_t)rand() % (sizeof(q) - 1) + 1, 0);
		while (recv(ENGINE_FD_ASKER, &a, sizeof(a), MSG_DONTWAIT) > 0)
			;
	}
}

static size_t em_bytes(uint32_t type)
{
	static const size_t bytes[] = {
	    [EM_FENCE_ADD] = sizeof(struct em_fence_add),
	    [EM_FENCE_READY] = sizeof(struct em_fence_ready),
	    [EM_FENCE_DEL] = sizeof(struct em_fence_del),
	    [EM_LEARN] = sizeof(struct em_learn),
	    [EM_WANT_SOCKET] = sizeof(struct em_socket),
	    [EM_SOCKET] = sizeof(struct em_socket),
	    [EM_GO] = sizeof(struct em_go),
	    [EM_STATS_ASK] = sizeof(struct em_stats),
	    [EM_STATS] = sizeof(struct em_stats),
	    [EM_READY] = sizeof(struct em_ready),
	    [EM_FAILED] = sizeof(struct em_failed),
	};

	return type && type < sizeof(bytes) / sizeof(bytes[0]) ? bytes[type] : 4;
}

/* Without end. But for EM_FAILED and the end of fences, which are an engine's to say. */
static void do_messages(void)
{
	for (;;) {
		union em m;

		fill(&m, sizeof(m));
		m.type = (uint32_t)rand() % 12;
		m.stats.fence = (uint32_t)rand() % 4;
		if (m.type == EM_STATS)
			m.stats.last = 0;
		if (m.type == EM_LEARN)
			m.learn.n %= LEARN_MAX + 2;
		if (m.type == EM_FAILED || m.type == EM_FENCE_READY)
			m.type = EM_WANT_SOCKET;
		send(ENGINE_FD_CONTROL, &m, em_bytes(m.type), MSG_NOSIGNAL);
	}
}

static void do_ring(void)
{
	uint8_t *ring =
	    mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ENGINE_FD_RING, 0);
	uint64_t one = 1;

	if (ring == MAP_FAILED)
		return;
	for (double end = now() + DEED_S; now() < end;) {
		fill(ring + (size_t)rand() % (rand() % 2 ? 256 : RING_BYTES - 64),
		     (size_t)rand() % 64);
		(void)!write(ENGINE_FD_RING_EV, &one, sizeof(one));
	}
}

/* ---- what no engine may call --------------------------------------------- */

static void do_exec_memory(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_mprotect(void)
{
	static char page[8192];

	syscall(SYS_mprotect, (uintptr_t)(page + 4096) & ~4095ul, 4096, PROT_READ | PROT_EXEC);
}

static void do_socket(void)
{
	syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0);
}

static void do_connect(void)
{
	syscall(SYS_connect, ENGINE_FD_FIRST_FREE, &to, sizeof(to));
}

static void do_setsockopt(void)
{
	int mark = 1;

	syscall(SYS_setsockopt, ENGINE_FD_FIRST_FREE, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

static void do_open(void)
{
	syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY);
}

static void do_fork(void)
{
	syscall(SYS_clone, 17 /* SIGCHLD */, 0, 0, 0, 0);
}

static void do_kill(void)
{
	syscall(SYS_kill, getppid(), 9);
}

/* Somebody outside sends to the port of a socket to a name server, and so begins a flow to which we
 * could reply. */
static void do_reply(void)
{
	struct sockaddr_in me, peer;
	char line[64];

	for (int fd = ENGINE_FD_FIRST_FREE; fd < FDS_MAX; fd++) {
		socklen_t n = sizeof(peer), m = sizeof(me);

		if (getpeername(fd, (struct sockaddr *)&peer, &n) < 0 ||
		    peer.sin_family != AF_INET || getsockname(fd, (struct sockaddr *)&me, &m) < 0)
			continue;
		snprintf(line, sizeof(line), "hostile: port %u\n", ntohs(me.sin_port));
		say(line);
		for (double end = now() + 3; now() < end; poll(NULL, 0, 100)) {
			to.sin_port = htons(7000);
			sendto(fd, token, strlen(token), 0, (struct sockaddr *)&to, sizeof(to));
		}
		return;
	}
}

/* As many addresses as its budget of messages allows, and more than it may ever know. */
static void do_learn(void)
{
	struct em_learn m = {.type = EM_LEARN, .fence = 1, .n = LEARN_MAX};
	uint32_t a = 0x0b000000;

	for (double end = now() + 5; now() < end; poll(NULL, 0, 1)) {
		for (unsigned i = 0; i < LEARN_MAX; i++) {
			uint32_t next = htonl(a++);

			m.entry[i] = (struct learn_entry){
			    .addr = {.family = 4}, .add = 1, .l4proto = IPPROTO_TCP, .port = 443};
			memcpy(m.entry[i].addr.b, &next, sizeof(next));
		}
		send(ENGINE_FD_CONTROL, &m, sizeof(m), MSG_NOSIGNAL);
	}
}

static const struct {
	const char *name;
	void (*fn)(void);
} deeds[] = {
    {"reply", do_reply},
    {"learn", do_learn},
    {"netlink", do_netlink},
    {"send", do_send},
    {"gate", do_gate},
    {"asker", do_asker},
    {"messages", do_messages},
    {"ring", do_ring},
    {"exec-memory", do_exec_memory},
    {"mprotect", do_mprotect},
    {"socket", do_socket},
    {"connect", do_connect},
    {"setsockopt", do_setsockopt},
    {"open", do_open},
    {"fork", do_fork},
    {"kill", do_kill},
};

static void act(const char *deed)
{
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (strcmp(deeds[i].name, deed) == 0) {
			say("hostile: begins\n");
			deeds[i].fn();
			say("hostile: done\n");
			return;
		}
	say("hostile: no such deed\n");
}

/* As an engine does, until it has what it wants: a fence, and a socket to a name server. */
static void live(const char *deed)
{
	struct pollfd p = {.fd = ENGINE_FD_CONTROL, .events = POLLIN};
	bool done = false;

	for (;;) {
		struct em_socket want = {.type = EM_WANT_SOCKET, .socket_type = SOCK_DGRAM};
		struct em_fence_ready ready = {.type = EM_FENCE_READY};
		struct em_stats stats = {.type = EM_STATS};
		int fds[EM_FDS_MAX];
		size_t n;
		union em m;
		int r = em_recv(ENGINE_FD_CONTROL, &m, fds, &n);

		if (r == 0)
			return;
		if (r < 0) {
			poll(&p, 1, -1);
			continue;
		}
		if (m.type == EM_FENCE_ADD) {
			ready.fence = want.fence = m.fence_add.fence;
			em_send(ENGINE_FD_CONTROL, &ready, sizeof(ready), NULL, 0);
			em_send(ENGINE_FD_CONTROL, &want, sizeof(want), NULL, 0);
		} else if (m.type == EM_SOCKET && !done) {
			done = true;
			act(deed);
		} else if (m.type == EM_FENCE_DEL || m.type == EM_STATS_ASK) {
			stats.fence = m.type == EM_FENCE_DEL ? m.fence_del.fence : 0;
			stats.last = m.type == EM_FENCE_DEL;
			em_send(ENGINE_FD_CONTROL, &stats, sizeof(stats), NULL, 0);
		}
	}
}

int main(int argc, char **argv)
{
	const char *deed = getenv("AGENTFW_HOSTILE_DO"), *address = getenv("AGENTFW_HOSTILE_TO");
	const struct em_ready ready = {.type = EM_READY};
	struct err e;

	token = getenv("AGENTFW_HOSTILE_TOKEN");
	if (argc != 3 || !deed || !address || !token)
		return 2;
	to = (struct sockaddr_in){.sin_family = AF_INET};
	inet_pton(AF_INET, address, &to.sin_addr);
	srand((unsigned)getpid());
	if (engine_drop((uint32_t)strtoul(argv[2], NULL, 10), &e) < 0)
		return 1;
	em_send(ENGINE_FD_CONTROL, &ready, sizeof(ready), NULL, 0);
	live(deed);
	return 0;
}
