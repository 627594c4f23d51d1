// SPDX-License-Identifier: GPL-2.0-or-later
/* A life of the hostile engine: it begins as an engine does, hears the parent, and takes one random step after the other. */
#include "tests/lab/hostile/hostile.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fw/engine/drop.h"
#include "policy/base/clock.h"

#define HEARD_AT_ONCE 64
#define LIFE_MS       4000
#define FDS_SENT_MAX  253 /* of the kernel's */

/* ---- what it knows --------------------------------------------------------------------------- */

struct known *some_known(struct life *l)
{
	struct known *k = &l->fence[below(&l->d, FENCES_KNOWN)];

	for (size_t i = 0; i < FENCES_KNOWN;
	     i++, k = k + 1 == l->fence + FENCES_KNOWN ? l->fence : k + 1)
		if (k->id && (!k->ended || one_in(&l->d, 8)))
			return k;
	return NULL;
}

uint32_t some_fence(struct life *l)
{
	const struct known *k = some_known(l);

	if (k && !one_in(&l->d, 4))
		return k->id;
	return l->highest ? 1 + (uint32_t)below(&l->d, l->highest) : 1;
}

void some_addr(struct dice *d, struct addr *ret)
{
	static const uint8_t usual[][16] = {
	    {127, 0, 0, 1}, {198, 51, 100, 2}, {203, 0, 113, 10}, {0}, {255, 255, 255, 255}};

	memset(ret, 0, sizeof(*ret));
	ret->family = one_in(d, 3) ? 6 : 4;
	if (one_in(d, 2))
		memcpy(ret->b, usual[below(d, sizeof(usual) / sizeof(usual[0]))], 16);
	else
		fill(d, ret->b, ret->family == 6 || one_in(d, 8) ? 16 : 4);
	if (ret->family == 6 && one_in(d, 4)) {
		memset(ret->b, 0, 16);
		ret->b[15] = 1;
	}
}

static struct known *known_of(struct life *l, uint32_t id)
{
	for (size_t i = 0; i < FENCES_KNOWN; i++)
		if (l->fence[i].id == id)
			return &l->fence[i];
	return NULL;
}

static void forget(struct known *k)
{
	if (k->queue >= 0)
		close(k->queue);
	if (k->udp >= 0)
		close(k->udp);
	*k = (struct known){.queue = -1, .udp = -1};
}

/* ---- to and from the parent ------------------------------------------------------------------ */

bool may_say(struct life *l, enum em_type type, uint32_t most)
{
	uint64_t second = clock_mono_ms() / 1000;

	if (l->second != second)
		memset(l->said, 0, sizeof(l->said));
	l->second = second;
	return ++l->said[type] <= most;
}

void say_to_parent(struct life *l, const void *msg, size_t bytes, const int *fds, size_t n_fds)
{
	static _Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_SENT_MAX * sizeof(int))];
	struct iovec iov = {.iov_base = (void *)msg, .iov_len = bytes};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds) {
		struct cmsghdr *c = (void *)control;

		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
				      .cmsg_level = SOL_SOCKET,
				      .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	if (sendmsg(ENGINE_FD_CONTROL, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	    (errno == EPIPE || errno == ECONNRESET))
		exit(0);
}

static void say_counts(struct life *l, uint32_t fence, bool last)
{
	struct em_stats m = {.type = EM_STATS, .fence = fence, .allowed = odd(&l->d), .last = last};

	if (may_say(l, EM_STATS, 20000))
		say_to_parent(l, &m, sizeof(m), NULL, 0);
}

static void on_add(struct life *l, const struct em_fence_add *m, const int *fds, size_t n)
{
	struct known *k = &l->fence[l->next_known++ % FENCES_KNOWN];
	struct em_fence_ready ready = {.type = EM_FENCE_READY, .fence = m->fence};
	size_t used = n > 2 ? 3 : n;

	forget(k);
	*k = (struct known){
	    .id = m->fence, .queue = n > 1 ? fds[1] : -1, .udp = n > 2 ? fds[2] : -1};
	if (n > 0)
		close(fds[0]);
	for (size_t i = used; i < n; i++)
		close(fds[i]);
	l->highest = m->fence > l->highest ? m->fence : l->highest;
	if (one_in(&l->d, 100))
		return;
	if (one_in(&l->d, 20)) {
		ready.error = (int32_t)odd(&l->d);
		ready.error = ready.error > 0 ? -ready.error : ready.error;
	}
	for (size_t i = one_in(&l->d, 20) ? 2 : 1; i && may_say(l, EM_FENCE_READY, 20000); i--)
		say_to_parent(l, &ready, sizeof(ready), NULL, 0);
}

static void on_del(struct life *l, uint32_t id)
{
	struct known *k = known_of(l, id);

	if (k)
		k->ended = true;
	if (!one_in(&l->d, 50))
		say_counts(l, id, true);
	if (one_in(&l->d, 20))
		say_counts(l, id, true);
}

/* The parent is gone when this says false. */
static bool hear(struct life *l)
{
	for (size_t i = 0; i < HEARD_AT_ONCE; i++) {
		int fds[EM_FDS_MAX];
		size_t n;
		union em m;
		int r = em_recv(ENGINE_FD_CONTROL, &m, fds, &n);

		if (r == -EAGAIN)
			return true;
		if (r <= 0)
			return false;
		if (m.type == EM_FENCE_ADD) {
			on_add(l, &m.fence_add, fds, n);
			continue;
		}
		for (size_t k = 0; k < n; k++)
			close(fds[k]);
		if (m.type == EM_FENCE_DEL)
			on_del(l, m.fence_del.fence);
		else if (m.type == EM_STATS_ASK && !one_in(&l->d, 8))
			say_counts(l, 0, false);
	}
	return true;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static const struct step *pick_of(struct life *l, const struct step *list, size_t n, bool may_end)
{
	size_t all = 0, at;

	for (size_t i = 0; i < n; i++)
		all += list[i].ends && !may_end ? 0 : list[i].weight;
	at = below(&l->d, all);
	for (size_t i = 0; i < n; i++) {
		if (list[i].ends && !may_end)
			continue;
		if (at < list[i].weight)
			return &list[i];
		at -= list[i].weight;
	}
	return list;
}

static const struct step *pick(struct life *l, bool may_end)
{
	return one_in(&l->d, 2) ? pick_of(l, steps_parent, steps_parent_n, may_end)
				: pick_of(l, steps_others, steps_others_n, may_end);
}

static void live(struct life *l, uint64_t life)
{
	static const uint64_t lengths[] = {3, 30, 300, 3000, 30000};
	uint64_t quiet = 1 + below(&l->d, lengths[below(&l->d, 5)]),
		 end = clock_mono_ms() + LIFE_MS;
	struct pollfd p = {.fd = ENGINE_FD_CONTROL, .events = POLLIN};

	for (uint64_t i = 0; clock_mono_ms() < end; i++) {
		const struct step *s = pick(l, i >= quiet);

		if (l->deaf)
			l->deaf--;
		else if (!hear(l))
			return;
		/* the lives that wait have fences that begin and end */
		if (quiet > 30 && one_in(&l->d, 64))
			poll(&p, 1, (int)below(&l->d, 20));
		board_say(l->board, "life %llu step %llu: %s%s", (unsigned long long)life,
			  (unsigned long long)i, s->name, s->ends ? " (ends it)" : "");
		board_add(l->board, BOARD_ENGINE_STEPS);
		s->fn(l);
	}
}

/* ---- beginning ------------------------------------------------------------------------------- */

static void map_ring(struct life *l)
{
	struct stat st;

	if (fstat(ENGINE_FD_RING, &st) < 0 ||
	    ring_map(ENGINE_FD_RING, ENGINE_FD_RING_EV, &l->ring) < 0)
		exit(2);
	l->shared =
	    mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, ENGINE_FD_RING, 0);
	if (l->shared == MAP_FAILED)
		exit(2);
}

int hostile_engine(uint32_t uid, uint64_t seed, struct board *b)
{
	static struct life l;
	const struct em_ready ready = {.type = EM_READY};
	uint64_t life = board_add(b, BOARD_LIVES);
	const char *one = getenv("HOSTILE_LIFE");
	struct err e;

	life = one ? strtoull(one, NULL, 10) : life;
	l = (struct life){.board = b, .d = dice_of(seed, life)};
	for (size_t i = 0; i < FENCES_KNOWN; i++)
		l.fence[i] = (struct known){.queue = -1, .udp = -1};
	prctl(PR_SET_NAME, "agentfw-engine");
	map_ring(&l);
	if (engine_drop(uid, &e) < 0)
		return 1;
	em_send(ENGINE_FD_CONTROL, &ready, sizeof(ready), NULL, 0);
	while (!__atomic_load_n(&b->n[BOARD_TICKS], __ATOMIC_RELAXED)) /* the daemon starts */
		poll(NULL, 0, 5);
	live(&l, life);
	return 0;
}
