// SPDX-License-Identifier: GPL-2.0-or-later
/* What the hostile engine does to the ring, tells the gate and asks the asker; and what it does with the descriptors that
 * it has in common with others. */
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "fw/ipc/ask_msg.h"
#include "fw/ipc/gate_msg.h"
#include "tests/lab/hostile/hostile.h"

/* As in ring.c, which keeps it to itself. */
#define RING_HEAD_BYTES 4096
#define AT_HEAD         0
#define AT_TAIL         64
#define AT_LOST         128
#define AT_ASLEEP       192

#define SILENT_MS   1500
#define PACKET_MOST 2000 /* usually: what is recorded takes room on a disk */

/* ---- the ring -------------------------------------------------------------------------------- */

static _Atomic uint64_t *place(struct life *l, size_t at)
{
	return (_Atomic uint64_t *)(void *)(l->shared + at);
}

static uint8_t *data(struct life *l, uint64_t position)
{
	return l->shared + RING_HEAD_BYTES + (position & (RING_BYTES - 8));
}

static void wake(struct life *l)
{
	const uint64_t one = 1;
	struct pollfd p = {.fd = ENGINE_FD_RING_EV, .events = POLLOUT};

	atomic_store(place(l, AT_ASLEEP), 0);
	if (poll(&p, 1, 0) == 1) /* the flags may be anything by now */
		(void)!write(ENGINE_FD_RING_EV, &one, sizeof(one));
}

static void some_denial(struct life *l, struct denial *r)
{
	static const char *const endpoints[] = {"tcp://203.0.113.20:80", "https://evil.test",
						"evil.test", "icmp://198.51.100.1",
						"udp://[2001:db8::20]:9999"};
	static const char *const names[] = {"evil.test", "a.b.c.evil.test", "\\x00\\xff", "xn--x",
					    ""};
	struct dice *d = &l->d;

	fill(d, r, sizeof(*r));
	r->time_ns = odd(d);
	r->fence = some_fence(l);
	r->go = one_in(d, 2) ? 0 : (uint32_t)odd(d);
	r->code =
	    one_in(d, 30) ? (uint16_t)odd(d) : (uint16_t)(1 + below(d, DENIED_CODE_COUNT - 1));
	r->would = one_in(d, 4) ? (uint8_t)odd(d) : 0;
	r->inbound = one_in(d, 4) ? (uint8_t)odd(d) : 0;
	r->more = one_in(d, 4) ? (uint8_t)odd(d) : 0;
	r->dns = one_in(d, 4) ? (uint8_t)odd(d) : 0;
	r->l4proto = one_in(d, 4) ? (uint8_t)odd(d) : (uint8_t)(one_in(d, 2) ? 6 : 17);
	some_addr(d, &r->src);
	some_addr(d, &r->dst);
	if (one_in(d, 16))
		r->src.family = r->dst.family = 0;
	if (one_in(d, 50))
		r->dst.family = (uint8_t)odd(d);
	r->uid = (uint32_t)odd(d);
	r->rule = (uint32_t)odd(d);
	text(d, r->endpoint, sizeof(r->endpoint), endpoints, 5);
	text(d, r->name, sizeof(r->name), names, 5);
	text(d, r->detail, sizeof(r->detail), names, 5);
}

static struct ring_denial some_record(struct life *l, size_t *bytes)
{
	struct ring_denial r;

	some_denial(l, &r.denial);
	*bytes = one_in(&l->d, 4) ? 0 : below(&l->d, one_in(&l->d, 200) ? 65536 : PACKET_MOST);
	if (one_in(&l->d, 500))
		*bytes = RING_RECORD_MAX - sizeof(r);
	r.cap_bytes = (uint32_t)*bytes;
	r.packet_bytes = one_in(&l->d, 8) ? (uint32_t)odd(&l->d) : r.cap_bytes;
	if (one_in(&l->d, 40))
		r.cap_bytes = (uint32_t)odd(&l->d);
	return r;
}

static void do_record(struct life *l)
{
	static uint8_t packet[RING_RECORD_MAX];
	size_t bytes;
	struct ring_denial r = some_record(l, &bytes);

	fill(&l->d, packet, bytes < 64 ? bytes : 64);
	packet[0] = one_in(&l->d, 2) ? 0x45 : 0x60;
	ring_put(l->ring, &r, one_in(&l->d, 40) ? below(&l->d, sizeof(r)) : sizeof(r), packet,
		 bytes);
	if (one_in(&l->d, 2))
		wake(l);
}

static void do_records(struct life *l)
{
	for (size_t n = below(&l->d, 100); n; n--)
		do_record(l);
}

/* Changes under the reader's hands. */
static void do_change(struct life *l)
{
	uint64_t at = ring_position(l->ring);

	do_record(l);
	do_record(l);
	wake(l);
	for (size_t i = 0; i < 400; i++) {
		uint8_t *p = data(l, at);
		size_t where = below(&l->d, sizeof(struct ring_denial) - 8);

		/* the length only to what keeps the ring whole; its other values are another step */
		if (one_in(&l->d, 8))
			*(volatile uint32_t *)(void *)p = (uint32_t)below(&l->d, 64);
		else
			p[4 + where] = (uint8_t)roll(&l->d);
	}
}

static void do_lost(struct life *l)
{
	if (one_in(&l->d, 2))
		atomic_store(place(l, AT_LOST), odd(&l->d));
	else
		ring_lose(l->ring);
	wake(l);
}

static void do_asleep(struct life *l)
{
	atomic_store(place(l, AT_ASLEEP), odd(&l->d));
}

/* Wake-ups that are anything; and, as far as it can, they are taken away from the parent. */
static void do_event(struct life *l)
{
	struct pollfd p = {.fd = ENGINE_FD_RING_EV, .events = POLLIN};
	uint64_t n[64];

	fill(&l->d, n, sizeof(n));
	if (one_in(&l->d, 2)) {
		for (size_t i = below(&l->d, 300); i; i--)
			if (poll(&p, 1, 0) == 1)
				(void)!read(ENGINE_FD_RING_EV, n, sizeof(n[0]));
			else
				wake(l);
		if (one_in(&l->d, 30)) /* who waits for another one waits for long */
			poll(NULL, 0, SILENT_MS);
		return;
	}
	fcntl(ENGINE_FD_RING_EV, F_SETFL, O_NONBLOCK);
	for (size_t i = one_in(&l->d, 20) ? 10000 : 1; i; i--)
		(void)!write(ENGINE_FD_RING_EV, n,
			     one_in(&l->d, 2) ? below(&l->d, sizeof(n)) : sizeof(n[0]));
}

static void do_flags(struct life *l)
{
	static const int flags[] = {
	    0, O_NONBLOCK, O_APPEND, O_ASYNC, O_DIRECT, O_NONBLOCK | O_DIRECT, O_NOATIME};
	const struct known *k = some_known(l);
	const int mine[] = {ENGINE_FD_RING_EV, ENGINE_FD_RING, ENGINE_FD_CONTROL,
			    k ? k->queue : ENGINE_FD_RING_EV};
	int fd = mine[below(&l->d, 4)];

	fcntl(fd, F_SETFL, flags[below(&l->d, 7)]);
	if (one_in(&l->d, 8))
		fcntl(fd, F_SETOWN, one_in(&l->d, 2) ? 1 : -1);
	if (one_in(&l->d, 8))
		fcntl(fd, F_SETSIG, (int)below(&l->d, 64));
	if (one_in(&l->d, 8))
		fcntl(ENGINE_FD_GATE, F_SETPIPE_SZ, 1 << below(&l->d, 20));
	if (one_in(&l->d, 8))
		fcntl(fd, F_ADD_SEALS, 0xff);
}

/* ---- ends it: the ring is broken ------------------------------------------------------------- */

static void do_long_record(struct life *l)
{
	uint64_t head = ring_position(l->ring);
	uint32_t bytes =
	    RING_RECORD_MAX + 1 + (uint32_t)below(&l->d, one_in(&l->d, 2) ? 64 : RING_BYTES / 2);

	bytes = one_in(&l->d, 4) ? (uint32_t)odd(&l->d) : bytes;
	memcpy(data(l, head), &bytes, sizeof(bytes));
	atomic_store(place(l, AT_HEAD), head + ((4 + (uint64_t)bytes + 7) & ~7ull));
	wake(l);
}

static void do_positions(struct life *l)
{
	uint64_t head = ring_position(l->ring);

	atomic_store(place(l, one_in(&l->d, 4) ? AT_TAIL : AT_HEAD),
		     one_in(&l->d, 2) ? odd(&l->d) : head + odd(&l->d) % (2 * RING_BYTES));
	wake(l);
}

static void do_scribble(struct life *l)
{
	for (size_t i = 0; i < 200; i++)
		fill(&l->d, l->shared + below(&l->d, one_in(&l->d, 2) ? 256 : RING_BYTES),
		     below(&l->d, 64));
	wake(l);
}

/* ---- the gate -------------------------------------------------------------------------------- */

static void some_verdicts(struct life *l, struct gate_verdicts *m)
{
	m->type = GATE_VERDICTS;
	m->fence = one_in(&l->d, 10) ? (uint32_t)odd(&l->d) : some_fence(l);
	m->n = one_in(&l->d, 3) ? GATE_VERDICTS_MAX : (uint32_t)below(&l->d, GATE_VERDICTS_MAX + 1);
	for (uint32_t i = 0; i < m->n; i++)
		m->v[i] = (struct gate_verdict){
		    one_in(&l->d, 4) ? (uint32_t)odd(&l->d) : (uint32_t)below(&l->d, 1000),
		    (uint32_t)odd(&l->d),
		    one_in(&l->d, 8) ? (uint32_t)odd(&l->d) : (uint32_t)below(&l->d, 5)};
}

/* A gate that has ended is seen at the socket to the parent. */
static void tell_gate(const void *m, size_t n)
{
	struct pollfd p = {.fd = ENGINE_FD_GATE, .events = POLLOUT};

	if (poll(&p, 1, 10) == 1 && !(p.revents & POLLERR))
		(void)!write(ENGINE_FD_GATE, m, n);
}

static void do_verdicts(struct life *l)
{
	struct gate_verdicts m;

	some_verdicts(l, &m);
	tell_gate(&m, offsetof(struct gate_verdicts, v) + m.n * sizeof(m.v[0]));
}

static void do_wrong_verdicts(struct life *l)
{
	struct gate_verdicts m;
	size_t bytes;

	some_verdicts(l, &m);
	bytes = offsetof(struct gate_verdicts, v) + m.n * sizeof(m.v[0]);
	if (one_in(&l->d, 2))
		m.n = one_in(&l->d, 2) ? (uint32_t)odd(&l->d) : m.n + (uint32_t)below(&l->d, 4096);
	else
		bytes = below(&l->d, sizeof(m));
	tell_gate(&m, bytes ? bytes : 1);
}

static void do_gate_noise(struct life *l)
{
	static uint8_t m[20000];
	uint32_t type = (uint32_t)below(&l->d, 5);

	fill(&l->d, m, sizeof(struct gate_verdicts));
	memcpy(m, &type, sizeof(type));
	tell_gate(m, 1 + below(&l->d, one_in(&l->d, 8) ? sizeof(m) : sizeof(struct gate_verdicts)));
}

static void do_time_wait(struct life *l)
{
	struct gate_time_wait m = {.type = GATE_END_TIME_WAIT};

	some_addr(&l->d, &m.src);
	some_addr(&l->d, &m.dst);
	m.sport = (uint16_t)odd(&l->d);
	m.dport = (uint16_t)odd(&l->d);
	if (one_in(&l->d, 4))
		m.dst.family = (uint8_t)odd(&l->d);
	tell_gate(&m, sizeof(m));
}

static void do_hear(struct life *l)
{
	const uint32_t m = GATE_HEAR;

	tell_gate(&m, sizeof(m));
}

/* ---- the asker ------------------------------------------------------------------------------- */

static void do_ask(struct life *l)
{
	struct ask q;
	struct ask_answer a;

	fill(&l->d, &q, sizeof(q));
	q.what = one_in(&l->d, 8) ? (uint32_t)odd(&l->d) : 1 + (uint32_t)below(&l->d, 4);
	q.number = l->number++;
	some_addr(&l->d, &q.src);
	some_addr(&l->d, &q.dst);
	if (one_in(&l->d, 8))
		q.src.family = (uint8_t)odd(&l->d);
	if (one_in(&l->d, 8))
		q.dst.family = (uint8_t)odd(&l->d);
	q.scope.kind = one_in(&l->d, 2) ? SCOPE_CGROUP : (enum scope_kind)odd(&l->d);
	send(ENGINE_FD_ASKER, &q, one_in(&l->d, 8) ? below(&l->d, sizeof(q) + 1) : sizeof(q),
	     MSG_DONTWAIT | MSG_NOSIGNAL);
	if (!one_in(&l->d, 4))
		while (recv(ENGINE_FD_ASKER, &a, sizeof(a), MSG_DONTWAIT) > 0)
			;
}

/* ---- the fences' sockets --------------------------------------------------------------------- */

static void do_queue(struct life *l)
{
	static uint8_t buf[1 << 16];
	const struct known *k = some_known(l);

	for (size_t i = 0; k && k->queue >= 0 && i < 64; i++)
		if (recv(k->queue, buf, sizeof(buf), MSG_DONTWAIT) <= 0)
			break;
	if (k && k->queue >= 0 && one_in(&l->d, 4))
		send(k->queue, buf, below(&l->d, 200), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (k && k->udp >= 0)
		send(k->udp, buf, 10, MSG_DONTWAIT | MSG_NOSIGNAL);
}

const struct step steps_others[] = {
    {"record", 12, do_record, false},
    {"records", 1, do_records, false},
    {"change under the reader", 2, do_change, true},
    {"lost", 3, do_lost, false},
    {"asleep", 3, do_asleep, false},
    {"event", 6, do_event, false},
    {"flags", 4, do_flags, false},
    {"long record", 2, do_long_record, true},
    {"positions", 2, do_positions, true},
    {"scribble", 1, do_scribble, true},
    {"verdicts", 8, do_verdicts, false},
    {"wrong verdicts", 8, do_wrong_verdicts, false},
    {"noise for the gate", 4, do_gate_noise, false},
    {"end TIME_WAIT", 4, do_time_wait, false},
    {"gate: hear", 2, do_hear, false},
    {"ask", 12, do_ask, false},
    {"queue", 4, do_queue, false},
};
const size_t steps_others_n = sizeof(steps_others) / sizeof(steps_others[0]);
