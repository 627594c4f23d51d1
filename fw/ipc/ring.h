/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bounded ring of records in shared memory: the engine writes, the parent reads; one of each.
 *
 * Nothing blocks. A record that does not fit is counted as lost, in the ring itself. The reader
 * believes nothing that it finds: positions and lengths are copied once and checked. */
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
/* Maps fd; event_fd is an eventfd that wakes the reader. Neither is owned. */
int ring_map(int fd, int event_fd, struct ring **ret);
void ring_free(struct ring *r);

/* Writer: appends a record of two parts. false: no room, counted as lost. Wakes the reader when it
 * may be asleep. */
bool ring_put(struct ring *r, const void *a, size_t a_bytes, const void *b, size_t b_bytes);

/* Writer: a record that was not even tried is counted as lost, too. */
void ring_lose(struct ring *r);
/* Writer: how many bytes wait to be read, and the position behind the last of them. */
uint64_t ring_used(const struct ring *r);
uint64_t ring_position(const struct ring *r);

/* Reader: the next record, or NULL. The record is copied into memory of the ring object (a hostile
 * writer cannot change it afterwards) and stays until the next call. */
const void *ring_get(struct ring *r, size_t *ret_bytes);
/* The writer left something that no writer of ours leaves. Nothing more comes out until ring_reset.
 */
bool ring_broken(const struct ring *r);
/* Records lost so far, as the writer says. */
uint64_t ring_lost(const struct ring *r);
/* Reader: says that it goes to sleep; false: there is something to read after all. */
bool ring_sleep(struct ring *r);
/* Reader, when a new writer begins: forgets everything. */
void ring_reset(struct ring *r);

#endif
