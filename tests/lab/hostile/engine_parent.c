// SPDX-License-Identifier: GPL-2.0-or-later
/* What the hostile engine says to the parent by their socket. */
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>

#include "tests/lab/hostile/hostile.h"

/* Below what the parent takes in a second (fw/parent/engine_words.c). */
#define MOST_COUNTS 20000
#define MOST_LEARN  3500
#define MOST_WANT   40000
#define FLOOD       2000
#define FDS_MAX     253

static const uint16_t usual_bytes[] = {
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
    [EM_GATE_QUEUE] = sizeof(struct em_gate_queue),
    [EM_GATE_FORGET] = sizeof(struct em_gate_forget),
};
#define TYPES (sizeof(usual_bytes) / sizeof(usual_bytes[0]))

static void say(struct life *l, const void *m, size_t bytes)
{
	say_to_parent(l, m, bytes, NULL, 0);
}

/* ---- what an engine may say ------------------------------------------------------------------ */

static void do_fence_ready(struct life *l)
{
	struct em_fence_ready m = {.type = EM_FENCE_READY, .fence = some_fence(l)};

	/* an error ends a fence, and each fence is dear */
	if (one_in(&l->d, 30)) {
		m.error = one_in(&l->d, 4) ? INT_MIN : (int32_t)odd(&l->d);
		m.error = m.error > 0 ? -m.error : m.error;
	}
	if (may_say(l, EM_FENCE_READY, MOST_COUNTS))
		say(l, &m, sizeof(m));
}

static void some_entry(struct life *l, struct learn_entry *e)
{
	some_addr(&l->d, &e->addr);
	e->set = (uint8_t)below(&l->d, 2);
	e->add = one_in(&l->d, 3) ? (uint8_t)odd(&l->d) : 1;
	e->l4proto = one_in(&l->d, 3) ? (uint8_t)odd(&l->d) : 6;
	e->port = one_in(&l->d, 2) ? (uint16_t)odd(&l->d) : 443;
}

static void some_batch(struct life *l, struct em_learn *m)
{
	fill(&l->d, m, sizeof(*m));
	m->type = EM_LEARN;
	m->fence = some_fence(l);
	m->n = one_in(&l->d, 4) ? LEARN_MAX : (uint32_t)below(&l->d, LEARN_MAX + 1);
	m->n = one_in(&l->d, 2) ? m->n % 4 : m->n;
	for (uint32_t i = 0; i < m->n; i++) {
		some_entry(l, &m->entry[i]);
		if (i && one_in(&l->d, 8))
			m->entry[i] = m->entry[below(&l->d, i)];
	}
}

static void do_learn(struct life *l)
{
	struct em_learn m;

	some_batch(l, &m);
	if (may_say(l, EM_LEARN, MOST_LEARN))
		say(l, &m, sizeof(m));
}

static void do_want_socket(struct life *l)
{
	struct em_socket m;

	fill(&l->d, &m, sizeof(m));
	m.type = EM_WANT_SOCKET;
	m.fence = some_fence(l);
	m.server = one_in(&l->d, 3) ? (uint32_t)odd(&l->d) : 0;
	m.socket_type = one_in(&l->d, 2) ? SOCK_DGRAM : SOCK_STREAM;
	if (may_say(l, EM_WANT_SOCKET, MOST_WANT))
		say(l, &m, sizeof(m));
}

static void some_counts(struct life *l, struct em_stats *m)
{
	fill(&l->d, m, sizeof(*m));
	m->type = EM_STATS;
	m->fence = one_in(&l->d, 8) ? 0 : some_fence(l);
	m->allowed = odd(&l->d);
	m->lost = odd(&l->d);
	m->last = one_in(&l->d, 4) ? (uint8_t)odd(&l->d) : 0;
}

static void do_counts(struct life *l)
{
	struct em_stats m;

	some_counts(l, &m);
	if (may_say(l, EM_STATS, MOST_COUNTS))
		say(l, &m, sizeof(m));
}

static void do_ready(struct life *l)
{
	const struct em_ready m = {.type = EM_READY};

	if (may_say(l, EM_READY, 2))
		say(l, &m, sizeof(m));
}

static void do_failed(struct life *l)
{
	struct em_failed m;

	fill(&l->d, &m, sizeof(m));
	m.type = EM_FAILED;
	m.code = (int32_t)odd(&l->d);
	if (one_in(&l->d, 2))
		memset(m.msg, 'm', sizeof(m.msg));
	if (one_in(&l->d, 2))
		memset(m.hint, 0, sizeof(m.hint));
	if (may_say(l, EM_FAILED, 3))
		say(l, &m, sizeof(m));
}

/* Many of a kind at once. */
static void do_flood(struct life *l)
{
	void (*const kinds[])(struct life *) = {do_counts, do_want_socket, do_fence_ready,
						do_learn};
	size_t kind = below(&l->d, 4), n = below(&l->d, kind == 3 ? FLOOD / 20 : FLOOD);

	for (size_t i = 0; i < n; i++)
		kinds[kind](l);
}

/* The parent wants none, and must not keep any. */
static void do_descriptors(struct life *l)
{
	const struct known *k = some_known(l);
	const int mine[] = {ENGINE_FD_CONTROL, ENGINE_FD_RING,    ENGINE_FD_RING_EV, ENGINE_FD_GATE,
			    ENGINE_FD_ASKER,   k ? k->queue : -1, k ? k->udp : -1};
	size_t n = one_in(&l->d, 4) ? below(&l->d, FDS_MAX) : 1 + below(&l->d, EM_FDS_MAX + 1);
	int fds[FDS_MAX];
	struct em_stats m;

	for (size_t i = 0; i < n; i++) {
		fds[i] = mine[below(&l->d, sizeof(mine) / sizeof(mine[0]))];
		fds[i] = fds[i] < 0 ? ENGINE_FD_RING : fds[i];
	}
	some_counts(l, &m);
	if (may_say(l, EM_STATS, MOST_COUNTS))
		say_to_parent(l, &m, sizeof(m), fds, n);
}

static void do_deaf(struct life *l)
{
	l->deaf = (uint32_t)below(&l->d, 2000);
}

/* ---- what ends it ---------------------------------------------------------------------------- */

static void do_wrong_type(struct life *l)
{
	uint32_t m[sizeof(union em) / 4 + 1], type = (uint32_t)below(&l->d, TYPES + 2);

	fill(&l->d, m, sizeof(m));
	m[0] = one_in(&l->d, 4) ? (uint32_t)odd(&l->d) : type;
	m[1] = some_fence(l);
	say(l, m, type && type < TYPES ? usual_bytes[type] : below(&l->d, sizeof(m)));
}

static void do_wrong_length(struct life *l)
{
	static uint8_t m[1 << 17];
	uint32_t type = 1 + (uint32_t)below(&l->d, TYPES - 1);
	size_t bytes = usual_bytes[type];

	fill(&l->d, m, sizeof(union em));
	memcpy(m, &type, sizeof(type));
	bytes = one_in(&l->d, 3) ? below(&l->d, sizeof(m)) : bytes + 1 - below(&l->d, 3) - 1;
	if (one_in(&l->d, 8))
		bytes = below(&l->d, 8);
	say(l, m, bytes);
}

static void do_wrong_count(struct life *l)
{
	struct em_learn m;

	some_batch(l, &m);
	m.n =
	    one_in(&l->d, 3) ? (uint32_t)odd(&l->d) : LEARN_MAX + 1 + (uint32_t)below(&l->d, 4096);
	for (uint32_t i = 0; i < LEARN_MAX; i++)
		some_entry(l, &m.entry[i]);
	say(l, &m, sizeof(m));
}

static void do_wrong_value(struct life *l)
{
	union em m;

	fill(&l->d, &m, sizeof(m));
	switch (below(&l->d, 5)) {
	case 0:
		m.fence_ready =
		    (struct em_fence_ready){EM_FENCE_READY, some_fence(l), (int32_t)odd(&l->d)};
		say(l, &m, sizeof(m.fence_ready));
		break;
	case 1:
		m.fence_ready = (struct em_fence_ready){EM_FENCE_READY, (uint32_t)odd(&l->d), 0};
		say(l, &m, sizeof(m.fence_ready));
		break;
	case 2:
		m.socket = (struct em_socket){EM_WANT_SOCKET, (uint32_t)odd(&l->d), 0,
					      (int32_t)odd(&l->d), 0};
		say(l, &m, sizeof(m.socket));
		break;
	case 3:
		some_batch(l, &m.learn);
		m.learn.fence = one_in(&l->d, 2) ? (uint32_t)odd(&l->d) : m.learn.fence;
		m.learn.entry[below(&l->d, LEARN_MAX)].addr.family = (uint8_t)odd(&l->d);
		m.learn.entry[below(&l->d, LEARN_MAX)].set = (uint8_t)odd(&l->d);
		say(l, &m, sizeof(m.learn));
		break;
	default:
		some_counts(l, &m.stats);
		m.stats.fence = (uint32_t)odd(&l->d);
		say(l, &m, sizeof(m.stats));
	}
}

static void do_too_much(struct life *l)
{
	const struct em_ready ready = {.type = EM_READY};
	struct em_stats m;

	some_counts(l, &m);
	for (size_t i = 0; i < 30000; i++)
		if (one_in(&l->d, 1000))
			say(l, &ready, sizeof(ready));
		else
			say(l, &m, sizeof(m));
}

static void do_shut(struct life *l)
{
	shutdown(one_in(&l->d, 2) ? ENGINE_FD_CONTROL : ENGINE_FD_ASKER, (int)below(&l->d, 3));
}

static void do_end(struct life *l)
{
	if (one_in(&l->d, 2))
		raise(one_in(&l->d, 20) ? SIGSTOP : SIGKILL);
	_exit((int)below(&l->d, 256));
}

const struct step steps_parent[] = {
    {"ready fence", 6, do_fence_ready, false},
    {"learn", 12, do_learn, false},
    {"want socket", 10, do_want_socket, false},
    {"counts", 12, do_counts, false},
    {"ready", 1, do_ready, false},
    {"failed", 1, do_failed, false},
    {"flood", 1, do_flood, false},
    {"descriptors", 6, do_descriptors, false},
    {"deaf", 1, do_deaf, false},
    {"wrong type", 3, do_wrong_type, true},
    {"wrong length", 3, do_wrong_length, true},
    {"wrong count", 3, do_wrong_count, true},
    {"wrong value", 3, do_wrong_value, true},
    {"too much", 1, do_too_much, true},
    {"shut", 1, do_shut, true},
    {"end", 1, do_end, true},
};
const size_t steps_parent_n = sizeof(steps_parent) / sizeof(steps_parent[0]);
