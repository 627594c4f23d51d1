/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs of tests/net/hostile write down for it: a file of numbers, and of the last steps as text, which all of
 * them map. fuzzer.py reads it, and has the same names. */
#ifndef HOSTILE_BOARD_H
#define HOSTILE_BOARD_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum board_number {
	/* the parent's, by the timer of daemon.c */
	BOARD_TICKS = 0,
	BOARD_BYTES, /* allocated */
	BOARD_FDS,
	BOARD_CLIENTS,
	BOARD_FENCES,
	BOARD_RESTARTS,
	BOARD_LONGEST_US, /* that its loop stood still */
	/* the engine's */
	BOARD_LIVES,
	BOARD_ENGINE_STEPS,
	/* clients' */
	BOARD_CLIENT_STEPS,
	BOARD_CREATED, /* fences of clients who want nothing else */
	BOARD_REFUSED,
	BOARD_ANSWERS,
	BOARD_TEXTS, /* lines that were written down so far */
	BOARD_NUMBERS = 32,
};

#define BOARD_LINES     256
#define BOARD_LINE_SIZE 120

struct board {
	uint64_t n[BOARD_NUMBERS];
	char line[BOARD_LINES][BOARD_LINE_SIZE];
};

static inline struct board *board_open(void)
{
	const char *path = getenv("HOSTILE_BOARD");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd < 0
		      ? MAP_FAILED
		      : mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED) {
		fprintf(stderr, "hostile: no board\n");
		exit(2);
	}
	close(fd);
	return p;
}

static inline uint64_t board_add(struct board *b, enum board_number which)
{
	return __atomic_fetch_add(&b->n[which], 1, __ATOMIC_RELAXED);
}

static inline void board_set(struct board *b, enum board_number which, uint64_t value)
{
	__atomic_store_n(&b->n[which], value, __ATOMIC_RELAXED);
}

__attribute__((format(printf, 2, 3))) static inline void board_say(struct board *b, const char *fmt,
								   ...)
{
	char *line = b->line[board_add(b, BOARD_TEXTS) % BOARD_LINES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, BOARD_LINE_SIZE, fmt, ap);
	va_end(ap);
}

#endif
