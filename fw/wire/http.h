/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP/1.x requests in a stream (RFC 9112): enough to know each one's host.
 *
 * Strict on purpose: whatever two parsers could read differently is BAD (obs-fold, bare CR or LF,
 * several Hosts, Content-Length with Transfer-Encoding, …). */
#ifndef AGENTFW_WIRE_HTTP_H
#define AGENTFW_WIRE_HTTP_H

#include "fw/wire/cursor.h"

#define HTTP_HEAD_MAX 16384 /* request line and headers of one request */

struct http_request {
	struct slice method;
	struct slice host; /* the Host header's host, or the authority's of an absolute URI (they
			      must agree); no port, IPv6 brackets kept */
	uint16_t port;     /* of Host or authority; 0: none */
	bool connect;      /* method CONNECT */
	bool upgrade;      /* has an Upgrade header: anything may follow */
	size_t head_bytes; /* request line, headers and the empty line */
	bool chunked;
	uint64_t body_bytes; /* if not chunked */
};

/* Parses a request's head at the beginning of bytes. WIRE_MORE: right so far, but incomplete.
 * WIRE_BAD includes: no Host in HTTP/1.1, HTTP/0.9, over HTTP_HEAD_MAX. */
enum wire_result http_request_parse(const void *bytes, size_t n, struct http_request *ret);

/* A chunked request's body, fed piece by piece: allocates nothing, keeps no bytes. */
struct http_chunks {
	uint8_t state;
	uint8_t digits;
	uint64_t left;
	uint32_t trailer_bytes;
};
/* WIRE_OK: the body has ended after *ret_used bytes of the input. WIRE_MORE: all of the input is
 * the body's. WIRE_BAD. */
enum wire_result http_chunks_feed(struct http_chunks *c, const void *bytes, size_t n,
				  size_t *ret_used);
/* Skips n bytes that were not seen. false: they may not all be the current chunk's data. */
bool http_chunks_skip(struct http_chunks *c, size_t n);

#endif
