/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An engine that somebody has taken over, and that does random harm from a seed. Each start of it is a life with a number:
 * the same seed and number do the same, as far as the parent's answers are the same. It has given up what an engine
 * gives up, and holds what one holds.
 *
 * In the first part of a life it says only what an engine may say, with values at every edge; then also what ends it. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/ipc/engine_msg.h"
#include "fw/ipc/ring.h"
#include "tests/lab/hostile/board.h"
#include "tests/lab/hostile/dice.h"

#define FENCES_KNOWN 32

struct known {
	uint32_t id; /* 0: none */
	bool ended;
	int queue, udp; /* -1: none */
};

struct life {
	struct board *board;
	struct dice d;
	struct ring *ring; /* as an engine writes there */
	uint8_t *shared;   /* the same memory, as anybody writes there */
	struct known fence[FENCES_KNOWN];
	size_t next_known;
	uint32_t highest;
	uint64_t second;
	uint32_t said[EM_FAILED + 1]; /* in that second */
	uint32_t deaf;                /* for so many steps nothing of the parent's is read */
	uint32_t number;              /* of the next question */
};

struct step {
	const char *name;
	unsigned weight;
	void (*fn)(struct life *l);
	bool ends; /* the parent is right to end an engine that does this */
};

extern const struct step steps_parent[], steps_others[];
extern const size_t steps_parent_n, steps_others_n;

int hostile_engine(uint32_t uid, uint64_t seed, struct board *b);

/* A number of a fence: one that lives, one that has ended, none. */
uint32_t some_fence(struct life *l);
struct known *some_known(struct life *l); /* NULL: there is none */
/* As many as the parent hears in a second are not used up yet. */
bool may_say(struct life *l, enum em_type type, uint32_t most);
/* Never waits, and ends the life when the other end is gone. */
void say_to_parent(struct life *l, const void *msg, size_t bytes, const int *fds, size_t n_fds);
void some_addr(struct dice *d, struct addr *ret);

#endif
