/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of the escape fuzzer's programs, on a worker's sockets. */
#pragma once

#include "tests/lab/escape/payload.h"

#include <pthread.h>
#include <semaphore.h>

struct slot {
	_Atomic int fd;
	pthread_mutex_t lock; /* of the stream: what was written is what it says */
	struct escape_stream stream;
	bool v6;
	uint8_t type;
};

struct worker {
	struct slot slots[ESCAPE_SLOTS];
	uint16_t own_port;
	uint32_t program;
	struct escape_buffer *buffers[2];
	/* the second thread */
	sem_t work, idle;
	const struct escape_step *steps, *beside[ESCAPE_STEPS];
	unsigned n_beside, n_done;
	bool verbose;
	/* those outside the fence: in none, and in another one */
	int meeting[2];
	pthread_mutex_t asking;
	bool came[2];
};

/* Connects to those outside, at the sockets in a directory; 0 or -1. */
int escape_meet(struct worker *w, const char *dir);
/* OP_GIVE, OP_OUTSIDER and OP_LEAVE. */
int escape_others(struct worker *w, struct slot *t, const struct escape_step *s);
/* All who came for this program go. */
void escape_others_leave(struct worker *w);

/* One step; thread says whose buffer is used. -1 and errno where the kernel refused it. */
int escape_do(struct worker *w, const struct escape_step *s, unsigned thread);
void escape_drop(struct slot *t);
void escape_reset(struct slot *t);
/* Asks for both kinds of addresses of a name; with a canary as its first label, or waiting for the
 * answers. */
void escape_lookup(const char *name, bool canary, uint32_t program, bool wait);
