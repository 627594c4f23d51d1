// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/escape/payload.h"

#include <stdarg.h>
#include <string.h>

static void put(struct escape_buffer *b, const void *data, size_t n)
{
	if (n > sizeof(b->data) - b->bytes)
		n = sizeof(b->data) - b->bytes;
	memcpy(b->data + b->bytes, data, n);
	b->bytes += n;
}

__attribute__((format(printf, 2, 3))) static void text(struct escape_buffer *b, const char *fmt,
						       ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	put(b, line, (size_t)n);
}

static void canary(struct escape_buffer *b, char kind, uint8_t name)
{
	text(b, CANARY_MAGIC "%08x%02x%c%c", b->program, b->step, kind,
	     name < ESCAPE_NAMES ? '0' + name : '0' + CANARY_NO_NAME);
}

static void canaries(struct escape_buffer *b, char kind, uint8_t name, size_t bytes)
{
	for (size_t n = 0; n < bytes; n += CANARY_BYTES)
		canary(b, kind, name);
}

static void number(struct escape_buffer *b, uint32_t value, unsigned bytes)
{
	for (unsigned i = bytes; i-- > 0;)
		put(b, &(uint8_t){(uint8_t)(value >> (8 * i))}, 1);
}

static const char *host(uint8_t name)
{
	return name < ESCAPE_NAMES ? escape_names[name] : NULL;
}

/* No request begins with this byte, so nothing raw can become part of one that is allowed. */
static void raw(struct escape_buffer *b, char kind, uint8_t name, size_t bytes)
{
	put(b, "\1", 1);
	canaries(b, kind, name, bytes);
}

/* A request; returns what of its body was promised and not written. */
static uint32_t request(struct escape_buffer *b, char kind, uint8_t name,
			const struct escape_message *m)
{
	const uint8_t body = m->body;
	const size_t bytes = m->bytes;
	const size_t round = (bytes + CANARY_BYTES - 1) / CANARY_BYTES * CANARY_BYTES;
	uint32_t left = 0;

	text(b, "%s /", body ? "POST" : "GET");
	canary(b, kind, name);
	text(b, " HTTP/1.1\r\n");
	if (host(m->name))
		text(b, "Host: %s\r\n", host(m->name));
	text(b, "X-Canary: ");
	canary(b, kind, name);
	text(b, "\r\n");
	if (body == 1 || body == 3) {
		left = body == 3 ? 100 : 0;
		text(b, "Content-Length: %zu\r\n\r\n", round + left);
		canaries(b, kind, name, round);
	} else if (body == 2) {
		text(b, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", round);
		canaries(b, kind, name, round);
		text(b, "\r\n0\r\n\r\n");
	} else {
		text(b, "\r\n");
	}
	return left;
}

static void hello(struct escape_buffer *b, char kind, uint8_t name, const struct escape_message *m)
{
	const char *sni = host(m->name);
	const size_t n = sni ? strlen(sni) : 0, pad = m->bytes / CANARY_BYTES * CANARY_BYTES;
	const uint32_t extensions = (uint32_t)((sni ? 9 + n : 0) + 8 + 7 + 4 + pad);
	const uint32_t body = 2 + 32 + 1 + 32 + 2 + 4 + 2 + 2 + extensions;

	number(b, 0x160301, 3);
	number(b, body + 4, 2);
	number(b, 0x01000000 | body, 4);
	number(b, 0x0303, 2);
	canaries(b, kind, name, 32); /* the random number */
	number(b, 32, 1);
	canaries(b, kind, name, 32); /* the session's id */
	number(b, 4, 2);
	number(b, 0x1301c02b, 4);
	number(b, 0x0100, 2);
	number(b, extensions, 2);
	if (sni) {
		number(b, 0, 2);
		number(b, (uint32_t)n + 5, 2);
		number(b, (uint32_t)n + 3, 2);
		number(b, 0, 1);
		number(b, (uint32_t)n, 2);
		put(b, sni, n);
	}
	number(b, 0x000a0004, 4); /* groups */
	number(b, 0x0002001d, 4);
	number(b, 0x002b0003, 4); /* versions */
	number(b, 0x020304, 3);
	number(b, 0xfde9, 2); /* nobody's */
	number(b, (uint32_t)pad, 2);
	canaries(b, kind, name, pad);
}

static void question(struct escape_buffer *b, const char *name, bool with_canary, uint16_t id,
		     bool v6)
{
	number(b, id, 2);
	number(b, 0x0100, 2);
	number(b, 1, 2);
	number(b, 0, 6 - 2);
	number(b, 0, 2);
	if (with_canary) {
		number(b, CANARY_BYTES, 1);
		canary(b, 'Q', CANARY_NO_NAME);
	}
	for (const char *p = name; *p;) {
		const size_t n = strcspn(p, ".");

		number(b, (uint32_t)n, 1);
		put(b, p, n);
		p += n + (p[n] == '.');
	}
	number(b, 0, 1);
	number(b, v6 ? 28 : 1, 2);
	number(b, 1, 2);
}

void escape_write(struct escape_buffer *b, struct escape_stream *s, const struct escape_message *m)
{
	const size_t before = b->bytes;
	char kind = m->kind;
	uint8_t name = m->name < ESCAPE_NAMES ? m->name : CANARY_NO_NAME;
	const bool in_body = s->state == STREAM_HTTP && s->body_left > 0;
	uint32_t left = 0;

	if (s->state == STREAM_TLS) {
		kind = 'D';
		name = s->name;
	} else if (s->state == STREAM_UNKNOWN) {
		kind = 'N';
	} else if (in_body) {
		kind = 'B';
		name = s->name;
	}
	if (m->kind == 'R')
		raw(b, kind, name, m->bytes);
	else if (m->kind == 'Q')
		question(b, escape_names[m->name % ESCAPE_NAMES], true, m->bytes, m->body & 1);
	else if (m->kind == 'H')
		left = request(b, kind, name, m);
	else
		hello(b, kind, name, m);
	if (in_body) {
		if (b->bytes - before > s->body_left)
			s->state = STREAM_UNKNOWN;
		s->body_left -=
		    s->state == STREAM_UNKNOWN ? s->body_left : (uint32_t)(b->bytes - before);
	} else if (s->state == STREAM_FRESH || s->state == STREAM_HTTP) {
		if (m->kind == 'T' && s->state == STREAM_FRESH)
			s->state = STREAM_TLS;
		else if (m->kind == 'H')
			s->state = STREAM_HTTP;
		s->name = name;
		s->body_left = left;
	}
}

void escape_question(struct escape_buffer *b, const char *name, bool with_canary, uint16_t id,
		     bool v6)
{
	b->bytes = 0;
	question(b, name, with_canary, id, v6);
}
