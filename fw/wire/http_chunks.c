// SPDX-License-Identifier: GPL-2.0-or-later
/* The chunked coding, RFC 9112 §7.1, a byte at a time but for the data. */
#include "fw/wire/http.h"

#include <string.h>

#define SIZE_DIGITS_MAX 15   /* 60 bits: the size cannot overflow */
#define EXTENSION_MAX   256  /* per chunk; signatures of object stores have about 90 bytes */
#define TRAILER_MAX     8192 /* all trailers together */

enum chunk_state {
	CHUNK_SIZE, /* also the state of a zeroed struct */
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER, /* at the beginning of a trailer line */
	CHUNK_TRAILER_NAME,
	CHUNK_TRAILER_VALUE,
	CHUNK_TRAILER_LF,
	CHUNK_LAST_LF,
	CHUNK_END,
	CHUNK_DEAD,
};

static int hex_value(uint8_t ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch |= 0x20;
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static bool is_text(uint8_t ch)
{
	return ch == '\t' || (ch >= 0x20 && ch != 0x7f);
}

static bool is_token_char(uint8_t ch)
{
	return ch > 0x20 && ch < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", ch) == NULL;
}

static enum chunk_state size_byte(struct http_chunks *c, uint8_t ch)
{
	int value = hex_value(ch);

	if (value >= 0) {
		if (c->digits++ == SIZE_DIGITS_MAX)
			return CHUNK_DEAD;
		c->left = c->left << 4 | (unsigned)value;
		return CHUNK_SIZE;
	}
	c->trailer_bytes = 0;
	if (c->digits == 0)
		return CHUNK_DEAD;
	if (ch == ';')
		return CHUNK_EXTENSION;
	return ch == '\r' ? CHUNK_SIZE_LF : CHUNK_DEAD;
}

static enum chunk_state line_byte(struct http_chunks *c, uint8_t ch, uint32_t max,
				  enum chunk_state stay, enum chunk_state end)
{
	if (++c->trailer_bytes > max)
		return CHUNK_DEAD;
	if (ch == '\r')
		return end;
	return is_text(ch) ? stay : CHUNK_DEAD;
}

static enum chunk_state trailer_byte(struct http_chunks *c, uint8_t ch)
{
	if (++c->trailer_bytes > TRAILER_MAX)
		return CHUNK_DEAD;
	if (c->state == CHUNK_TRAILER && ch == '\r')
		return CHUNK_LAST_LF;
	if (c->state == CHUNK_TRAILER_NAME && ch == ':')
		return CHUNK_TRAILER_VALUE;
	return is_token_char(ch) ? CHUNK_TRAILER_NAME : CHUNK_DEAD;
}

static enum chunk_state after_size(struct http_chunks *c)
{
	bool last = c->left == 0;

	c->digits = 0;
	c->trailer_bytes = 0;
	return last ? CHUNK_TRAILER : CHUNK_DATA;
}

static enum chunk_state step(struct http_chunks *c, uint8_t ch)
{
	switch ((enum chunk_state)c->state) {
	case CHUNK_SIZE:
		return size_byte(c, ch);
	case CHUNK_EXTENSION:
		return line_byte(c, ch, EXTENSION_MAX, CHUNK_EXTENSION, CHUNK_SIZE_LF);
	case CHUNK_SIZE_LF:
		return ch == '\n' ? after_size(c) : CHUNK_DEAD;
	case CHUNK_DATA_CR:
		return ch == '\r' ? CHUNK_DATA_LF : CHUNK_DEAD;
	case CHUNK_DATA_LF:
		return ch == '\n' ? CHUNK_SIZE : CHUNK_DEAD;
	case CHUNK_TRAILER:
	case CHUNK_TRAILER_NAME:
		return trailer_byte(c, ch);
	case CHUNK_TRAILER_VALUE:
		return line_byte(c, ch, TRAILER_MAX, CHUNK_TRAILER_VALUE, CHUNK_TRAILER_LF);
	case CHUNK_TRAILER_LF:
		return ch == '\n' ? CHUNK_TRAILER : CHUNK_DEAD;
	case CHUNK_LAST_LF:
		return ch == '\n' ? CHUNK_END : CHUNK_DEAD;
	case CHUNK_DATA:
	case CHUNK_END:
	case CHUNK_DEAD:
	default:
		return CHUNK_DEAD;
	}
}

enum wire_result http_chunks_feed(struct http_chunks *c, const void *bytes, size_t n,
				  size_t *ret_used)
{
	const uint8_t *p = bytes;
	size_t at = 0;

	while (at < n && c->state != CHUNK_END && c->state != CHUNK_DEAD) {
		if (c->state != CHUNK_DATA) {
			c->state = (uint8_t)step(c, p[at++]);
			continue;
		}
		size_t take = c->left < n - at ? (size_t)c->left : n - at;
		c->left -= take;
		at += take;
		if (c->left == 0)
			c->state = CHUNK_DATA_CR;
	}
	*ret_used = at;
	if (c->state == CHUNK_DEAD)
		return WIRE_BAD;
	return c->state == CHUNK_END ? WIRE_OK : WIRE_MORE;
}

bool http_chunks_skip(struct http_chunks *c, size_t n)
{
	if (c->state != CHUNK_DATA || c->left < n)
		return false;
	c->left -= n;
	if (c->left == 0)
		c->state = CHUNK_DATA_CR;
	return true;
}
