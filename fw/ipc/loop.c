// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/ipc/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fw/ipc/budget.h"
#include "policy/base/clock.h"

/* More than a few fences can have ready, so that they cannot keep others out of a turn. */
#define BATCH 1024

struct loop {
	int epoll_fd;
	bool stop;
	uint64_t now_ms, turn;
	uint64_t round; /* of watches and timers; see fw/ipc/budget.h */
	struct budget timers;
	struct timer **heap; /* heap[0] is the next */
	size_t n, room;
	struct epoll_event ready[BATCH];
	int n_ready;
	int first; /* the index in `ready` that is called first */
};

int loop_new(struct loop **ret)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0) {
		int r = -errno;

		free(l);
		return r;
	}
	l->now_ms = clock_mono_ms();
	*ret = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	close(l->epoll_fd);
	free(l->heap);
	free(l);
}

int loop_add(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, w->fd, &ev) < 0)
		return -errno;
	w->active = true;
	return 0;
}

int loop_mod(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) < 0 ? -errno : 0;
}

void loop_del(struct loop *l, struct watch *w)
{
	if (!w->active)
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->active = false;
	/* Its memory may be freed before the rest of this batch is called. */
	for (int i = 0; i < l->n_ready; i++)
		if (l->ready[i].data.ptr == w)
			l->ready[i].data.ptr = NULL;
}

static void heap_put(struct loop *l, size_t i, struct timer *t)
{
	l->heap[i] = t;
	t->slot = i + 1;
}

static void heap_up(struct loop *l, size_t i)
{
	struct timer *t = l->heap[i];

	while (i > 0 && l->heap[(i - 1) / 2]->at_ms > t->at_ms) {
		heap_put(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(l, i, t);
}

static void heap_down(struct loop *l, size_t i)
{
	struct timer *t = l->heap[i];

	for (size_t child; (child = 2 * i + 1) < l->n; i = child) {
		if (child + 1 < l->n && l->heap[child + 1]->at_ms < l->heap[child]->at_ms)
			child++;
		if (l->heap[child]->at_ms >= t->at_ms)
			break;
		heap_put(l, i, l->heap[child]);
	}
	heap_put(l, i, t);
}

int timer_set(struct loop *l, struct timer *t, uint64_t at_ms)
{
	timer_cancel(l, t);
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		struct timer **heap = reallocarray(l->heap, room, sizeof(*heap));

		if (!heap)
			return -ENOMEM;
		l->heap = heap;
		l->room = room;
	}
	t->at_ms = at_ms < l->now_ms ? l->now_ms : at_ms; /* an old time gives no precedence */
	t->turn = l->turn;
	l->heap[l->n] = t;
	heap_up(l, l->n++);
	return 0;
}

void timer_cancel(struct loop *l, struct timer *t)
{
	size_t i;

	if (!t->slot)
		return;
	i = t->slot - 1;
	t->slot = 0;
	l->n--;
	if (i == l->n)
		return;
	heap_put(l, i, l->heap[l->n]);
	heap_up(l, i);
	heap_down(l, l->heap[i]->slot - 1);
}

uint64_t loop_now_ms(const struct loop *l)
{
	return l->now_ms;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}

static int wait_ms(const struct loop *l)
{
	uint64_t ms;

	if (!l->n)
		return -1;
	if (l->heap[0]->at_ms <= l->now_ms)
		return 0;
	ms = l->heap[0]->at_ms - l->now_ms;
	return ms > 60000 ? 60000 : (int)ms;
}

/* Watches whose budget is used up stay ready, and epoll reports them in the same order. The first
 * of them begins the next turn, so that each gets its turn. */
static void call_watches(struct loop *l)
{
	int begin = l->first < l->n_ready ? l->first : 0;
	bool skipped = false;

	l->first = 0;
	for (int k = 0; k < l->n_ready; k++) {
		int i = (begin + k) % l->n_ready;
		struct watch *w = l->ready[i].data.ptr;
		struct budget *b = w ? w->budget : NULL;

		if (!w)
			continue;
		if (!budget_begin(b, l->round)) {
			l->first = skipped ? l->first : i;
			skipped = true;
			continue;
		}
		w->fn(w, l->ready[i].events);
		budget_end(b);
	}
	l->n_ready = 0;
}

/* For a share of time in all: descriptors must not wait longer. */
static void call_timers(struct loop *l)
{
	budget_begin(&l->timers, l->round);
	while (l->n && l->heap[0]->at_ms <= l->now_ms && l->heap[0]->turn != l->turn) {
		struct timer *t = l->heap[0];
		struct budget *b = t->budget;

		if (!budget_left(&l->timers))
			break;
		if (!budget_begin(b, l->round)) {
			timer_set(l, t, l->now_ms);
			continue;
		}
		timer_cancel(l, t);
		t->fn(t);
		budget_end(b);
	}
	budget_end(&l->timers);
}

int loop_run(struct loop *l)
{
	while (!l->stop) {
		l->n_ready = epoll_wait(l->epoll_fd, l->ready, BATCH, wait_ms(l));
		if (l->n_ready < 0 && errno != EINTR)
			return -errno;
		l->now_ms = clock_mono_ms();
		l->round++;
		if (l->n_ready > 0)
			call_watches(l);
		l->turn++;
		l->round++; /* or a fence with busy descriptors would never get to its timers */
		call_timers(l);
	}
	return 0;
}
