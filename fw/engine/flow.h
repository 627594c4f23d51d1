/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows whose first payload is being inspected: their bytes in order, and the packets that wait for
 * the verdict.
 *
 * Segments may come in pieces, in any order, repeated or overlapping; bytes that contradict each
 * other end the flow. Everything is bounded. A flow that has its final verdict is remembered for a
 * while: packets of it may have been queued before the verdict, and must not be taken for the
 * beginning of a connection. A flow whose further requests must be inspected, too (HTTP), stays. */
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
#define FLOWS_MAX      32768 /* per fence; the longest idle goes first */
#define FLOWS_OVER_MAX 2048  /* of these, with a verdict; tenths of a second at the highest rate */
/* A segment belongs to a verified flow's connection when its bytes are this near: sent again, or
 * ahead of its turn. */
#define FLOW_BEHIND_MAX (64 << 20)
#define FLOW_AHEAD_MAX  FLOW_BYTES_MAX

/* Two sockets may have the same addresses and ports by different devices. `stays` separates packets
 * that stay on this machine. */
struct flow_key {
	struct addr src, dst;
	uint16_t sport, dport;
	bool stays;
};

struct held_packet {
	uint32_t id;
	bool gone;     /* it was dropped to be sent again: its bytes are kept for the record */
	uint32_t mark; /* as the packet came to the queue */
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
	FLOW_WATCHED, /* verified, but an earlier packet may still come */
	FLOW_PASSED,  /* the kernel passes the rest */
	FLOW_OWN,     /* the same, if a socket of the fence gets it */
	FLOW_REFUSED, /* the whole connection */
};

struct flow {
	struct flow_key key;
	uint32_t hash;              /* of key */
	struct flow *next;          /* of the bucket */
	struct flow *newer, *older; /* by use */
	void *owner;
	/* begin() clears these members, up to verified_name, for a new connection. */
	struct timer timer; /* while packets are held */
	uint64_t hold_until_ms;
	bool waits_long; /* held packets are given back: see give_back in held.c */
	enum flow_state state;
	bool verified;           /* a request was allowed, and counted */
	uint32_t next_seq;       /* of the byte after buf */
	uint32_t first_seq, ack; /* see flow_continues */
	bool acked;
	uint8_t *buf; /* bytes not yet consumed by the parser */
	size_t n, room;
	uint64_t body_left;
	struct http_chunks chunks;
	struct flow_later *later; /* FLOW_LATER_MAX of them, allocated when the first comes */
	size_t n_later;
	struct held_packet *held; /* FLOW_HELD_MAX of them, allocated when the first comes */
	size_t n_held;
	uint32_t untold;           /* packets that `held` had no more room for */
	struct name verified_name; /* last: begin() does not touch its memory */
};

struct flows;

/* gone is called before a flow is freed: for one that must make room for another, and by flows_free
 * for each without a final verdict. */
int flows_new(struct loop *loop, void (*gone)(struct flow *f), struct flows **ret);
void flows_free(struct flows *t); /* NULL: nothing */
struct flow *flow_find(struct flows *t, const struct flow_key *key);
struct flow *flow_new(struct flows *t, const struct flow_key *key, uint32_t first_seq, void *owner);
/* Frees the held packets' bytes; gives no verdict. */
void flow_drop(struct flows *t, struct flow *f);
/* The final verdict: FLOW_PASSED, FLOW_OWN or FLOW_REFUSED. Frees the flow's bytes and packets. */
void flow_over(struct flows *t, struct flow *f, enum flow_state state);
bool flow_is_over(const struct flow *f);

enum flow_result {
	FLOW_MORE = 0,   /* buf has new bytes */
	FLOW_SAME,       /* nothing new: ahead of its turn, or known already */
	FLOW_CONFLICT,   /* contradicts earlier bytes */
	FLOW_OVER_LIMIT, /* or out of memory */
};
/* Does a segment belong to the connection whose bytes are here? The server has not answered an
 * incomplete request, so every segment acknowledges the same byte. That number differs between
 * connections, even from one port. The sender's sequence numbers do not suffice: they grow with
 * time, so those of two connections would fit together. Before the handshake (has_ack false) only
 * the first byte's number is known. */
bool flow_continues(struct flow *f, uint32_t seq, bool has_ack, uint32_t ack);
/* The same for a flow that has its verdict: was the packet queued before that? */
bool flow_began_so(const struct flow *f, uint32_t seq, bool has_ack, uint32_t ack);
/* The same for a flow that has its verdict, by the segment's place in the stream. */
bool flow_near(const struct flow *f, uint32_t seq);
/* The stream has come as far as the end of this segment, though most of it may not be seen here. */
void flow_went_on(struct flow *f, uint32_t seq, size_t n);
/* Takes a segment's payload. Bytes before the beginning of buf were consumed, and are ignored. */
enum flow_result flow_segment(struct flow *f, uint32_t seq, struct slice payload);
void flow_consume(struct flow *f, size_t n);
/* Holds a packet, with a copy of its first cap bytes. false: over the limit, or out of memory. */
bool flow_hold(struct flow *f, uint32_t id, uint32_t mark, const uint8_t *bytes, size_t wire_bytes,
	       size_t cap);
void flow_release(struct flow *f); /* forgets the held packets */

#endif
