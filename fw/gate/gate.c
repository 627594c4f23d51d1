// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/gate/gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fw/ipc/engine_msg.h"
#include "fw/ipc/gate_msg.h"
#include "fw/ipc/holes.h"
#include "fw/ipc/shut_in.h"
#include "fw/ipc/sockdiag.h"

#define VERDICT_BYTES 64 /* one verdict message takes 48 */

static const int calls[] = {
    SCMP_SYS(read), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg),
};

struct queue {
	uint32_t fence;
	uint16_t number;
	int fd;
};

struct gate {
	struct queue *queues; /* by fence, rising */
	size_t n, room;
};

/* ---- queues -------------------------------------------------------------- */

static size_t place_of(const struct gate *g, uint32_t fence)
{
	size_t low = 0, high = g->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (g->queues[mid].fence < fence)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct queue *queue_find(const struct gate *g, uint32_t fence)
{
	size_t at = place_of(g, fence);

	return at < g->n && g->queues[at].fence == fence ? &g->queues[at] : NULL;
}

/* The parent has the socket, too: to close it here waits for nothing. */
static void forget(struct gate *g, uint32_t fence)
{
	struct queue *q = queue_find(g, fence);

	if (!q)
		return;
	close(q->fd);
	memmove(q, q + 1, (size_t)(g->queues + g->n - (q + 1)) * sizeof(*q));
	g->n--;
}

/* Without memory the fence gets no verdicts: nothing of it leaves. */
static void add(struct gate *g, const struct em_gate_queue *m, int fd)
{
	size_t at;

	forget(g, m->fence);
	if (g->n == g->room) {
		size_t room = g->room ? g->room * 2 : 64;
		struct queue *more = reallocarray(g->queues, room, sizeof(*more));

		if (!more) {
			close(fd);
			return;
		}
		g->queues = more;
		g->room = room;
	}
	at = place_of(g, m->fence);
	memmove(g->queues + at + 1, g->queues + at, (g->n - at) * sizeof(*g->queues));
	g->queues[at] = (struct queue){m->fence, m->queue, fd};
	g->n++;
}

/* All that the parent has said. false: it is gone. */
static bool hear_parent(struct gate *g)
{
	for (;;) {
		int fds[EM_FDS_MAX];
		size_t n_fds;
		union em m;
		int r = em_recv(GATE_FD_CONTROL, &m, fds, &n_fds);
		size_t used = 0;

		if (r == -EAGAIN)
			return true;
		if (r == 0 || (r < 0 && r != -EINTR && r != -EBADMSG))
			return false;
		if (r > 0 && m.type == EM_GATE_QUEUE && n_fds == 1) {
			add(g, &m.gate_queue, fds[0]);
			used = 1;
		} else if (r > 0 && m.type == EM_GATE_FORGET) {
			forget(g, m.gate_forget.fence);
		}
		for (size_t i = used; i < n_fds; i++)
			close(fds[i]);
	}
}

/* ---- what the engine says ------------------------------------------------ */

static int verdict_of(uint32_t how)
{
	switch ((enum gate_how)how) {
	case GATE_ACCEPT:
		return NF_ACCEPT;
	case GATE_REPEAT:
		return NF_REPEAT;
	case GATE_DROP:
		break;
	}
	return NF_DROP;
}

static void give(struct gate *g, const struct gate_verdicts *m)
{
	static char out[GATE_VERDICTS_MAX * VERDICT_BYTES];
	const struct queue *q = queue_find(g, m->fence);
	size_t bytes = 0;

	if (!q && (!hear_parent(g) || !(q = queue_find(g, m->fence))))
		return;
	for (uint32_t i = 0; i < m->n; i++) {
		struct nlmsghdr *h = nfq_nlmsg_put(out + bytes, NFQNL_MSG_VERDICT, q->number);

		nfq_nlmsg_verdict_put(h, (int)m->v[i].id, verdict_of(m->v[i].how));
		if (m->v[i].how != GATE_DROP)
			nfq_nlmsg_verdict_put_mark(h, m->v[i].mark);
		bytes += NLMSG_ALIGN(h->nlmsg_len);
	}
	(void)!send(q->fd, out, bytes, 0);
}

static void obey(struct gate *g, const union gate_msg *m, size_t n)
{
	const struct gate_time_wait *w = &m->time_wait;

	if (n >= offsetof(struct gate_verdicts, v) && m->type == GATE_VERDICTS &&
	    ((m->verdicts.n <= GATE_VERDICTS_MAX &&
	      n == offsetof(struct gate_verdicts, v) + m->verdicts.n * sizeof(m->verdicts.v[0])) ||
	     hole("gate-count")))
		give(g, &m->verdicts);
	else if (n == sizeof(*w) && m->type == GATE_END_TIME_WAIT)
		sockdiag_end_time_wait(GATE_FD_SOCKDIAG, &w->src, w->sport, &w->dst, w->dport);
}

static void serve(struct gate *g)
{
	static union gate_msg m;

	for (;;) {
		ssize_t n = read(GATE_FD_ENGINE, &m, sizeof(m));

		if (n > 0 && m.type == GATE_HEAR) {
			if (!hear_parent(g))
				return;
		} else if (n > 0) {
			obey(g, &m, (size_t)n);
		} else if (n == 0 || errno != EINTR) {
			return;
		}
	}
}

int gate_run(uint32_t uid, struct err *e)
{
	const struct shut_in s = {.who = "gate",
				  .uid = uid,
				  .net_admin = true,
				  .calls = calls,
				  .n_calls = sizeof(calls) / sizeof(calls[0])};
	const struct em_ready ready = {.type = EM_READY};
	struct gate g = {0};

	prctl(PR_SET_NAME, "agentfw-gate");
	/* as the engine: a verdict interrupts nobody's turn, and more come together */
	sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
	if (shut_in(&s, e) < 0)
		return em_failed(GATE_FD_CONTROL, e);
	em_send(GATE_FD_CONTROL, &ready, sizeof(ready), NULL, 0);
	serve(&g);
	return 0; /* the kernel takes everything back */
}
