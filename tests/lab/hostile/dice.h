/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random numbers from a seed, and those that are likely to hurt. */
#ifndef HOSTILE_DICE_H
#define HOSTILE_DICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct dice {
	uint64_t s;
};

static inline uint64_t roll(struct dice *d)
{
	uint64_t z = d->s += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Of one seed there are many: `which` of them. */
static inline struct dice dice_of(uint64_t seed, uint64_t which)
{
	struct dice d = {seed * 0xd1342543de82ef95u + which};

	roll(&d);
	return d;
}

static inline size_t below(struct dice *d, size_t n)
{
	return (size_t)(roll(d) % n);
}

static inline bool one_in(struct dice *d, size_t n)
{
	return below(d, n) == 0;
}

/* At an edge of some type, or beside it, or small, or anything. */
static inline uint64_t odd(struct dice *d)
{
	switch (below(d, 4)) {
	case 0:
		return below(d, 5);
	case 1:
		return (1ull << below(d, 64)) + below(d, 3) - 1;
	case 2:
		return 0 - (uint64_t)below(d, 3) - (one_in(d, 2) ? 0 : 1ull << 63);
	default:
		return roll(d) >> below(d, 64);
	}
}

static inline void fill(struct dice *d, void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)roll(d);
}

/* A text in room bytes: mostly terminated, often as long as it may be, sometimes hardly text. */
static inline void text(struct dice *d, char *p, size_t room, const char *const *usual, size_t n)
{
	size_t len = one_in(d, 3) ? room - 1 : below(d, room);

	memset(p, 0, room);
	if (n && !one_in(d, 4)) {
		strncpy(p, usual[below(d, n)], room - 1);
		return;
	}
	for (size_t i = 0; i < len; i++)
		p[i] = one_in(d, 8) ? (char)roll(d) : (char)('a' + below(d, 26));
	if (one_in(d, 12))
		memset(p, 'x', room);
}

#endif
