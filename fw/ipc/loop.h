/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One thread, one epoll: descriptors that became ready, and timers. */
#ifndef AGENTFW_LOOP_H
#define AGENTFW_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

struct budget;
struct loop;

/* Owned by the caller; zero-initialised. The callback may delete its own or any other watch. If the
 * budget is used up it is called in a later turn: the descriptor stays ready. */
struct watch {
	int fd;
	void (*fn)(struct watch *w, uint32_t events);
	void *arg;
	struct budget *budget; /* NULL: none; outlives the watch */
	bool active;
};

struct timer {
	uint64_t at_ms;
	void (*fn)(struct timer *t);
	void *arg;
	struct budget *budget; /* as in struct watch */
	size_t slot;           /* place in the heap + 1; 0: not set */
	uint64_t turn;         /* the loop's turn when it was set */
};

int loop_new(struct loop **ret);
void loop_free(struct loop *l);
/* events: EPOLLIN, EPOLLOUT … level-triggered. 0 or -errno. */
int loop_add(struct loop *l, struct watch *w, uint32_t events);
int loop_mod(struct loop *l, struct watch *w, uint32_t events);
void loop_del(struct loop *l, struct watch *w); /* leaves the descriptor open; also if not added */
/* Sets or resets t to fire once at at_ms of the monotonic clock; a time in the past means now. A
 * timer that a timer's callback sets fires in the next turn: descriptors come first. -ENOMEM. */
int timer_set(struct loop *l, struct timer *t, uint64_t at_ms);
void timer_cancel(struct loop *l, struct timer *t);
/* The monotonic clock in ms, read once per turn. */
uint64_t loop_now_ms(const struct loop *l);
/* Runs until loop_stop. 0 or -errno. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);

#endif
