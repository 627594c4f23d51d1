// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/wire/dns_name.h"

#include <assert.h>
#include <string.h>

/* Pointers may lead to pointers; a sensible encoder needs one or two. */
#define POINTERS_MAX 64

static uint8_t lower(uint8_t ch)
{
	return ch >= 'A' && ch <= 'Z' ? ch | 0x20 : ch;
}

static bool append_label(struct wire_name *name, struct slice label)
{
	if (name->n + 1 + label.n > WIRE_NAME_MAX)
		return false;
	name->b[name->n++] = (uint8_t)label.n;
	for (size_t i = 0; i < label.n; i++)
		name->b[name->n++] = lower(label.p[i]);
	return true;
}

/* msg.p NULL: the name may not be compressed. */
static bool read_name(struct slice msg, struct cursor *c, struct wire_name *ret)
{
	struct cursor at = *c;
	const uint8_t *limit = at.p; /* pointers must lead to before this */
	unsigned jumps = 0;
	uint8_t size, low;
	struct slice label;

	ret->n = 0;
	for (;;) {
		if (!cursor_u8(&at, &size))
			return false;
		if (size <= NAME_LABEL_MAX) {
			if (!cursor_slice(&at, size, &label) || !append_label(ret, label))
				return false;
			if (size == 0)
				break;
			continue;
		}
		if (size < 0xc0 || msg.p == NULL || !cursor_u8(&at, &low))
			return false;
		if (jumps == 0)
			*c = at;
		if (++jumps > POINTERS_MAX)
			return false;
		size_t offset = (size_t)(size & 0x3f) << 8 | low;
		if (offset < 12 || offset >= (size_t)(limit - msg.p))
			return false;
		limit = msg.p + offset;
		at = (struct cursor){limit, msg.p + msg.n};
	}
	if (jumps == 0)
		*c = at;
	return true;
}

bool wire_name_read(struct slice msg, struct cursor *c, struct wire_name *ret)
{
	return read_name(msg, c, ret);
}

bool wire_name_read_plain(struct cursor *c, struct wire_name *ret)
{
	return read_name((struct slice){NULL, 0}, c, ret);
}

bool wire_name_equal(const struct wire_name *a, const struct wire_name *b)
{
	return a->n == b->n && memcmp(a->b, b->b, a->n) == 0;
}

bool wire_name_within(const struct wire_name *n, const struct wire_name *zone)
{
	if (zone->n > n->n)
		return false;
	size_t at = 0;
	while (at < (size_t)(n->n - zone->n))
		at += n->b[at] + 1u; /* a zone begins only where a label does */
	return at == (size_t)(n->n - zone->n) && memcmp(n->b + at, zone->b, zone->n) == 0;
}

void wire_name_of(const struct name *name, struct wire_name *ret)
{
	size_t at = 0;

	assert(name->len <= NAME_MAX_LEN);
	ret->n = 0;
	while (at < name->len) {
		const char *label = name->s + at;
		const char *dot = memchr(label, '.', name->len - at);
		size_t n = dot ? (size_t)(dot - label) : name->len - at;

		assert(n > 0 && n <= NAME_LABEL_MAX);
		bool fits = append_label(ret, (struct slice){(const uint8_t *)label, n});
		assert(fits);
		(void)fits;
		at += n + 1;
	}
	ret->b[ret->n++] = 0;
}

bool wire_name_to_name(const struct wire_name *w, struct name *ret)
{
	char text[WIRE_NAME_MAX + 1];
	size_t n = 0;

	for (size_t at = 0; w->b[at] != 0; at += w->b[at] + 1u) {
		if (memchr(w->b + at + 1, '.', w->b[at])) /* "a.b" as one label is not a.b */
			return false;
		if (n)
			text[n++] = '.';
		memcpy(text + n, w->b + at + 1, w->b[at]);
		n += w->b[at];
	}
	return n > 0 && name_canon(text, n, ret);
}

static size_t show_byte(uint8_t ch, char *out)
{
	if (ch > 0x20 && ch < 0x7f && ch != '.' && ch != '\\') {
		out[0] = (char)ch;
		return 1;
	}
	out[0] = '\\';
	if (ch == '.' || ch == '\\') {
		out[1] = (char)ch;
		return 2;
	}
	out[1] = (char)('0' + ch / 100);
	out[2] = (char)('0' + ch / 10 % 10);
	out[3] = (char)('0' + ch % 10);
	return 4;
}

void wire_name_show(const struct wire_name *w, char ret[256 * 4])
{
	size_t n = 0;

	for (size_t at = 0; w->b[at] != 0; at += w->b[at] + 1u) {
		if (n)
			ret[n++] = '.';
		for (size_t i = 0; i < w->b[at]; i++)
			n += show_byte(w->b[at + 1 + i], ret + n);
	}
	if (n == 0)
		ret[n++] = '.';
	ret[n] = '\0';
}
