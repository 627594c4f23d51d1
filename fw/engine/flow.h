/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows whose first payload is being looked at: their bytes in order, and the packets that wait for
 * it.
 *
 * Segments may come in pieces, in any order, repeated or overlapping; bytes that contradict each
 * other end the flow. Everything is bounded. Of a flow that was verified or refused once and for
 * all is kept for a while what it was: packets of it may have been queued before its verdict, and
 * are no connection's beginning. One of which every further request must be seen too (HTTP) stays.
 */
#ifndef AGENTFW_FLOW_H
#define AGENTFW_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/ipc/loop.h"
#include "fw/wire/cursor.h"
#include "fw/wire/http.h"
#include "policy/base/addr.h"
#include "policy/base/name.h"

#define FLOW_HELD_MAX  24    /* packets without a verdict: TCP sends 10 before the first answer */
#define FLOW_BYTES_MAX 98304 /* unread bytes: one segment of 64 KB and a request head */
#define FLOW_LATER_MAX 8     /* segments ahead of their turn */
#define FLOWS_MAX      32768 /* a fence; the longest idle goes first */
#define FLOWS_OVER_MAX 2048  /* of them; some tenths of a second at the highest rate */
/* A segment is of the connection that a verified flow is when its bytes are this near: sent again,
 * or ahead of its turn. */
#define FLOW_BEHIND_MAX (64 << 20)
#define FLOW_AHEAD_MAX  FLOW_BYTES_MAX

/* Two sockets may have the same addresses and ports by different devices; that of packets which
 * stay on this machine is one. */
struct flow_key {
	struct addr src, dst;
	uint16_t sport, dport;
	bool stays;
};

struct held_packet {
	uint32_t id;
	bool gone;     /* it had its verdict: only its bytes are kept, for the record */
	uint32_t mark; /* as it came to the queue */
	uint32_t wire_bytes, cap_bytes;
	uint8_t *bytes;
};

struct flow_later {
	uint32_t seq;
	uint32_t n;
	uint8_t *bytes;
};

enum flow_state {
	FLOW_NEW = 0,
	FLOW_TLS,
	FLOW_HTTP_HEAD,
	FLOW_HTTP_BODY,
	FLOW_HTTP_CHUNKS,
	FLOW_WATCHED, /* verified, while something before it may still come */
	FLOW_PASSED,  /* the rest is the kernel's */
	FLOW_OWN,     /* the same, if whoever gets it is of the fence */
	FLOW_REFUSED, /* as a whole */
};

struct flow {
	struct flow_key key;
	uint32_t hash;              /* of key */
	struct flow *next;          /* of the bucket */
	struct flow *newer, *older; /* by use */
	void *owner;
	/* From here on the connection's, up to verified_name: see begin(). */
	struct timer timer; /* silence while packets are held */
	uint64_t hold_until_ms;
	bool waits_long; /* of the packets only the last is held: see road.c */
	enum flow_state state;
	bool verified;           /* a request of it was allowed: counted */
	uint32_t next_seq;       /* of the byte behind buf */
	uint32_t first_seq, ack; /* see flow_continues */
	bool acked;
	uint8_t *buf; /* bytes not yet consumed by the parser */
	size_t n, room;
	uint64_t body_left;
	struct http_chunks chunks;
	struct flow_later *later; /* FLOW_LATER_MAX of them, made when the first one comes */
	size_t n_later;
	struct held_packet *held; /* FLOW_HELD_MAX of them, made when the first one comes */
	size_t n_held;
	uint32_t untold;           /* packets that were held, and are not in held any more */
	struct name verified_name; /* last: of many idle flows, little is touched */
};

struct flows;

/* gone is called for a flow that must make room for another, and by flows_free for each, before it
 * is freed. */
int flows_new(struct loop *loop, void (*gone)(struct flow *f), struct flows **ret);
void flows_free(struct flows *t); /* NULL: nothing */
struct flow *flow_find(struct flows *t, const struct flow_key *key);
struct flow *flow_new(struct flows *t, const struct flow_key *key, uint32_t first_seq, void *owner);
/* Frees the held packets' bytes; gives no verdict. */
void flow_drop(struct flows *t, struct flow *f);
/* FLOW_PASSED, FLOW_OWN or FLOW_REFUSED: only that is kept. */
void flow_over(struct flows *t, struct flow *f, enum flow_state state);
bool flow_is_over(const struct flow *f);

enum flow_result {
	FLOW_MORE = 0,   /* buf has new bytes */
	FLOW_SAME,       /* nothing new: before its turn, or known already */
	FLOW_CONFLICT,   /* differs from what was there */
	FLOW_OVER_LIMIT, /* or out of memory */
};
/* Is a segment of the connection whose bytes are here? What waits to be whole has not been
 * answered, so every segment acknowledges the same byte of the server's, and that differs from
 * connection to connection, also of one port; the numbers of our own bytes grow with time from one
 * to the next, and would fit together. Before the handshake (has_ack false) there is only its first
 * byte. */
bool flow_continues(struct flow *f, uint32_t seq, bool has_ack, uint32_t ack);
/* The same, of a flow that has its verdict: a packet that was queued before it. */
bool flow_began_so(const struct flow *f, uint32_t seq, bool has_ack, uint32_t ack);
/* Of one that has its verdict, by its place in the stream. */
bool flow_near(const struct flow *f, uint32_t seq);
/* What is over goes on unseen, or nearly so. */
void flow_went_on(struct flow *f, uint32_t seq, size_t n);
/* Takes a segment's payload. Bytes from before buf's beginning were consumed: they are known. */
enum flow_result flow_segment(struct flow *f, uint32_t seq, struct slice payload);
void flow_consume(struct flow *f, size_t n);
/* Keeps a packet waiting, with a copy of its first cap bytes. false: over the limit or no memory.
 */
bool flow_hold(struct flow *f, uint32_t id, uint32_t mark, const uint8_t *bytes, size_t wire_bytes,
	       size_t cap);
void flow_release(struct flow *f); /* forgets the held packets */

#endif
