/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a step of the escape fuzzer writes: bytes with canaries, and what a stream has had so far.
 */
#pragma once

#include "tests/lab/escape/escape.h"

#include <stddef.h>

#define ESCAPE_PAYLOAD_MAX 16384

/* What was written to a socket since it was connected. */
struct escape_stream {
	enum { STREAM_FRESH, STREAM_TLS, STREAM_HTTP, STREAM_UNKNOWN } state;
	uint8_t name; /* of the hello, or of the request whose body goes on */
	uint32_t body_left;
};

struct escape_buffer {
	uint8_t data[ESCAPE_PAYLOAD_MAX];
	size_t bytes;
	uint32_t program;
	uint8_t step;
};

/* Appends a message; the stream is what it will be when all of it was written. */
void escape_write(struct escape_buffer *b, struct escape_stream *s, const struct escape_message *m);
/* A DNS question for name, with a canary as its first label where that is asked for. */
void escape_question(struct escape_buffer *b, const char *name, bool canary, uint16_t id, bool v6);
