// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/wire/tls.h"

#include <string.h>

#define RECORD_HEADER     5
#define RECORD_MAX        16384         /* RFC 8446 §5.1 */
#define RECORD_CIPHER_MAX (16384 + 256) /* RFC 8446 §5.2: early data */
#define HANDSHAKE_HEADER  4

enum {
	RECORD_CCS = 20,
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_DATA = 23,
};

#define CLIENT_HELLO 1

/* A record's header. MORE: incomplete, but right so far. */
static enum wire_result read_header(struct cursor *c, uint8_t *ret_type, uint16_t *ret_size)
{
	uint8_t major, minor;

	if (!cursor_u8(c, ret_type))
		return WIRE_MORE;
	if (*ret_type < RECORD_CCS || *ret_type > RECORD_DATA)
		return WIRE_BAD;
	if (!cursor_u8(c, &major))
		return WIRE_MORE;
	if (major != 3)
		return WIRE_BAD;
	if (!cursor_u8(c, &minor) || !cursor_u16(c, ret_size))
		return WIRE_MORE;
	if (*ret_size > (*ret_type == RECORD_DATA ? RECORD_CIPHER_MAX : RECORD_MAX))
		return WIRE_BAD;
	return *ret_size == 0 && *ret_type != RECORD_DATA ? WIRE_BAD : WIRE_OK;
}

/* After the hello only early data, CCS or an alert can come before the server answers. With a
 * second handshake record an attacker may hope that the server reads another hello than we do. */
static bool tail_ok(struct cursor c)
{
	while (cursor_left(&c)) {
		uint8_t type = 0;
		uint16_t size = 0;
		enum wire_result r = read_header(&c, &type, &size);

		if (r == WIRE_BAD || type == RECORD_HANDSHAKE)
			return false;
		if (r == WIRE_MORE || !cursor_skip(&c, size))
			return true;
	}
	return true;
}

/* The size of the handshake message, header included, from its first bytes. OK, MORE, or BAD for
 * another message. */
static enum wire_result message_size(const uint8_t *p, size_t n, size_t *ret_size)
{
	struct cursor c = cursor_of(p, n);
	uint8_t type;
	uint32_t size;

	if (!cursor_u8(&c, &type))
		return WIRE_MORE;
	if (type != CLIENT_HELLO)
		return WIRE_BAD;
	if (!cursor_u24(&c, &size))
		return WIRE_MORE;
	if (size > TLS_HELLO_MAX - HANDSHAKE_HEADER)
		return WIRE_BAD;
	*ret_size = HANDSHAKE_HEADER + size;
	return WIRE_OK;
}

/* Joins the message's records in hello. OK: it is complete, and c is past its last record. */
static enum wire_result join_records(struct cursor *c, uint8_t *hello, size_t *ret_size)
{
	size_t have = 0;

	for (;;) {
		uint8_t type = RECORD_HANDSHAKE;
		uint16_t size = 0;
		enum wire_result r = read_header(c, &type, &size);

		if (type != RECORD_HANDSHAKE)
			return WIRE_BAD;
		if (r != WIRE_OK)
			return r;
		size_t there = size < cursor_left(c) ? size : cursor_left(c);
		if (there > TLS_HELLO_MAX - have)
			return WIRE_BAD;
		memcpy(hello + have, c->p, there);
		c->p += there;

		size_t whole = 0;
		r = message_size(hello, have + there, &whole);
		if (r == WIRE_BAD)
			return r;
		/* A record that goes on after the message holds a second one. */
		if (r == WIRE_OK && have + size > whole)
			return WIRE_BAD;
		have += there;
		if (there < size)
			return WIRE_MORE;
		if (r == WIRE_OK && have == whole) {
			*ret_size = whole;
			return WIRE_OK;
		}
	}
}

enum wire_result tls_client_hello(const void *bytes, size_t n, struct tls_hello *ret)
{
	uint8_t hello[TLS_HELLO_MAX];
	struct cursor c = cursor_of(bytes, n < TLS_STREAM_MAX ? n : TLS_STREAM_MAX);
	size_t size = 0;

	*ret = (struct tls_hello){.sni_len = 0};
	enum wire_result r = join_records(&c, hello, &size);
	if (r == WIRE_MORE && n >= TLS_STREAM_MAX)
		return WIRE_BAD;
	if (r != WIRE_OK)
		return r;
	if (!tls_hello_parse(cursor_of(hello + HANDSHAKE_HEADER, size - HANDSHAKE_HEADER), ret))
		return WIRE_BAD;
	c.end = (const uint8_t *)bytes + n;
	return tail_ok(c) ? WIRE_OK : WIRE_BAD;
}
