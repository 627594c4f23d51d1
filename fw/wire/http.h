/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP/1.x requests, as a stream of them leaves (RFC 9112): enough to know the host of each one.
 *
 * Strict on purpose: whatever two parsers could read differently (obs-fold, bare CR or LF, several
 * Hosts, Content-Length with Transfer-Encoding, …) is BAD. */
#ifndef AGENTFW_WIRE_HTTP_H
#define AGENTFW_WIRE_HTTP_H

#include "fw/wire/cursor.h"

#define HTTP_HEAD_MAX 16384 /* request line and headers of one request */

struct http_request {
	struct slice method;
	struct slice host; /* the Host header's host, or the authority's of an absolute URI (they
			      must agree); no port, IPv6 brackets kept */
	uint16_t port;     /* of Host or authority; 0: none written */
	bool connect;      /* method CONNECT */
	bool upgrade;      /* Upgrade header is there: what follows may be anything */
	size_t head_bytes; /* request line, headers and the empty line */
	bool chunked;
	uint64_t body_bytes; /* when not chunked */
};

/* Parses the head of one request at the beginning of bytes. WIRE_MORE: the head is not whole yet
 * (and not yet wrong). WIRE_BAD includes: no Host in HTTP/1.1, HTTP/0.9, over HTTP_HEAD_MAX. */
enum wire_result http_request_parse(const void *bytes, size_t n, struct http_request *ret);

/* The body of one chunked request, fed piece by piece: allocates nothing, keeps no bytes. */
struct http_chunks {
	uint8_t state;
	uint8_t digits;
	uint64_t left;
	uint32_t trailer_bytes;
};
/* WIRE_OK: the body ended, *ret_used bytes of the input belonged to it; WIRE_MORE: all of the input
 * belonged to it; WIRE_BAD. */
enum wire_result http_chunks_feed(struct http_chunks *c, const void *bytes, size_t n,
				  size_t *ret_used);
/* Passes over n bytes that were not seen. false: not all of them are surely data of one chunk. */
bool http_chunks_skip(struct http_chunks *c, size_t n);

#endif
