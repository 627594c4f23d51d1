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

/* Owned by the caller, embedded in what it watches; zero-initialised. The callback may delete its
 * own or any other watch. One whose budget is used up is called in a later turn: it is ready then,
 * too. */
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
	struct budget *budget; /* as that of a watch */
	size_t slot;           /* place in the heap + 1; 0: not set */
	uint64_t turn;         /* of the loop, when it was set */
};

int loop_new(struct loop **ret);
void loop_free(struct loop *l);
/* events: EPOLLIN, EPOLLOUT … level-triggered. 0 or -errno. */
int loop_add(struct loop *l, struct watch *w, uint32_t events);
int loop_mod(struct loop *l, struct watch *w, uint32_t events);
void loop_del(struct loop *l,
	      struct watch *w); /* does not close the descriptor; fine when not added */
/* (Re)sets t to fire once at at_ms of the monotonic clock, the past being now. One that is set by a
 * timer's callback fires in the next turn: descriptors come first. -ENOMEM. */
int timer_set(struct loop *l, struct timer *t, uint64_t at_ms);
void timer_cancel(struct loop *l, struct timer *t);
/* The monotonic clock in ms, read once a wake-up. */
uint64_t loop_now_ms(const struct loop *l);
/* Runs until loop_stop. 0 or -errno. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);

#endif
