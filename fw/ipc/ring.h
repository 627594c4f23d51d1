/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bounded ring of records in shared memory, from the engine to the parent.
 *
 * Nothing blocks. A record that does not fit is counted as lost, in the ring itself. The reader
 * trusts nothing: it copies positions and lengths once, and checks them. */
#ifndef AGENTFW_RING_H
#define AGENTFW_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

#define RING_BYTES      (16u << 20)
#define RING_RECORD_MAX (256u << 10) /* a packet of 64 KiB with its denial, and room to grow */

/* A new memfd (sealed against size changes) for a ring of RING_BYTES; -errno. */
int ring_memfd(void);
/* Maps fd; event_fd wakes the reader when the writer writes 8 bytes there. Neither is owned. */
int ring_map(int fd, int event_fd, struct ring **ret);
void ring_free(struct ring *r);

/* Writer: appends a record of two parts. false: no room, counted as lost. Wakes the reader if it
 * sleeps. */
bool ring_put(struct ring *r, const void *a, size_t a_bytes, const void *b, size_t b_bytes);

/* Writer: counts a record as lost that was not even tried. */
void ring_lose(struct ring *r);
/* Writer: how many bytes are unread, and the position after the last one. */
uint64_t ring_used(const struct ring *r);
uint64_t ring_position(const struct ring *r);

/* Reader: the next record, or NULL. The record is a copy in the ring object, which a hostile writer
 * cannot change, and valid until the next call. */
const void *ring_get(struct ring *r, size_t *ret_bytes);
/* The ring held what our writer never writes. ring_get returns nothing until ring_reset. */
bool ring_broken(const struct ring *r);
/* Reader: the position up to which there are records now; has it read to there? There is
 * no more to read in a broken ring, nor in one whose writer took back what it had. */
uint64_t ring_end(const struct ring *r);
bool ring_read(const struct ring *r, uint64_t position);
/* Records lost so far, by the writer's count. */
uint64_t ring_lost(const struct ring *r);
/* Reader: asks to be woken. false: there is a record to read. */
bool ring_sleep(struct ring *r);
/* Reader: empties the ring for a new writer. */
void ring_reset(struct ring *r);

#endif
