/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Only this touches bytes from strangers: a window on the input that narrows as it is read.
 *
 * Every read checks the end first; a read past the end fails and changes nothing. Slices point into
 * the input. Nothing allocates. Integers on the wire are big-endian. */
#ifndef AGENTFW_WIRE_CURSOR_H
#define AGENTFW_WIRE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A parser's result. The caller maps all four, and refuses where in doubt. */
enum wire_result {
	WIRE_OK = 0,
	WIRE_MORE,      /* right so far, but incomplete */
	WIRE_BAD,       /* wrong, whatever may follow */
	WIRE_TRUNCATED, /* the capture has cut the packet, or its own length exceeds it */
};

struct slice {
	const uint8_t *p;
	size_t n;
};

struct cursor {
	const uint8_t *p, *end;
};

static inline struct cursor cursor_of(const void *p, size_t n)
{
	return (struct cursor){p, (const uint8_t *)p + n};
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

static inline bool cursor_skip(struct cursor *c, size_t n)
{
	if (cursor_left(c) < n)
		return false;
	c->p += n;
	return true;
}

static inline bool cursor_u8(struct cursor *c, uint8_t *ret)
{
	if (cursor_left(c) < 1)
		return false;
	*ret = *c->p++;
	return true;
}

static inline bool cursor_u16(struct cursor *c, uint16_t *ret)
{
	if (cursor_left(c) < 2)
		return false;
	*ret = (uint16_t)(c->p[0] << 8 | c->p[1]);
	c->p += 2;
	return true;
}

static inline bool cursor_u24(struct cursor *c, uint32_t *ret)
{
	if (cursor_left(c) < 3)
		return false;
	*ret = (uint32_t)c->p[0] << 16 | (uint32_t)c->p[1] << 8 | c->p[2];
	c->p += 3;
	return true;
}

static inline bool cursor_u32(struct cursor *c, uint32_t *ret)
{
	if (cursor_left(c) < 4)
		return false;
	*ret = (uint32_t)c->p[0] << 24 | (uint32_t)c->p[1] << 16 | (uint32_t)c->p[2] << 8 | c->p[3];
	c->p += 4;
	return true;
}

static inline bool cursor_slice(struct cursor *c, size_t n, struct slice *ret)
{
	if (cursor_left(c) < n)
		return false;
	*ret = (struct slice){c->p, n};
	c->p += n;
	return true;
}

/* The next n bytes as a cursor of their own, as after a length prefix. */
static inline bool cursor_sub(struct cursor *c, size_t n, struct cursor *ret)
{
	if (cursor_left(c) < n)
		return false;
	*ret = cursor_of(c->p, n);
	c->p += n;
	return true;
}

#endif
