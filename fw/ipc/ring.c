// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/ipc/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fw/ipc/holes.h"

#define HEAD_BYTES 4096u
#define ALIGN      8u
#define SEALS      (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

_Static_assert((RING_BYTES & (RING_BYTES - 1)) == 0, "positions wrap by masking");

/* The first page. Positions count bytes and never wrap; each has a cache line of its own. */
struct shared {
	_Alignas(64) _Atomic uint64_t head; /* the writer's */
	_Alignas(64) _Atomic uint64_t tail; /* the reader's */
	_Alignas(64) _Atomic uint64_t lost;
	_Alignas(64) _Atomic uint32_t asleep;
};

struct ring {
	struct shared *shared;
	uint8_t *data; /* mapped twice in a row, so that every record is contiguous */
	int event_fd;
	uint64_t tail; /* the reader's own; the shared copy is for the writer only */
	bool broken;
	uint8_t *copy; /* RING_RECORD_MAX bytes, allocated at the first read */
};

int ring_memfd(void)
{
	int fd = memfd_create("agentfw-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING), r;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, HEAD_BYTES + RING_BYTES) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* Without the seals the other end could shrink the file, and our next access would be SIGBUS. */
static int check_fd(int fd)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || fstat(fd, &st) < 0)
		return -errno;
	if ((seals & SEALS) != SEALS || st.st_size != HEAD_BYTES + RING_BYTES)
		return -EINVAL;
	return 0;
}

static int map_all(int fd, uint8_t **ret)
{
	const int prot = PROT_READ | PROT_WRITE;
	size_t all = HEAD_BYTES + 2 * (size_t)RING_BYTES;
	uint8_t *p = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	if (mmap(p, HEAD_BYTES + RING_BYTES, prot, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
	    mmap(p + HEAD_BYTES + RING_BYTES, RING_BYTES, prot, MAP_SHARED | MAP_FIXED, fd,
		 HEAD_BYTES) == MAP_FAILED) {
		int r = -errno;

		munmap(p, all);
		return r;
	}
	*ret = p;
	return 0;
}

int ring_map(int fd, int event_fd, struct ring **ret)
{
	struct ring *ring;
	uint8_t *p;
	int r = check_fd(fd);

	if (r < 0)
		return r;
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	r = map_all(fd, &p);
	if (r < 0) {
		free(ring);
		return r;
	}
	ring->shared = (struct shared *)p;
	ring->data = p + HEAD_BYTES;
	ring->event_fd = event_fd;
	ring->tail = atomic_load(&ring->shared->tail);
	*ret = ring;
	return 0;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	munmap(r->shared, HEAD_BYTES + 2 * (size_t)RING_BYTES);
	free(r->copy);
	free(r);
}

static uint64_t record_room(size_t bytes)
{
	return (sizeof(uint32_t) + bytes + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

/* The memory fence pairs with the one in ring_sleep: either we see that the reader sleeps, or the
 * reader sees our record. */
static void wake(struct ring *r)
{
	static const uint64_t one = 1;
	ssize_t n;

	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&r->shared->asleep, memory_order_relaxed) ||
	    !atomic_exchange(&r->shared->asleep, 0))
		return;
	do
		n = write(r->event_fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR); /* EAGAIN: the reader is being woken already */
}

bool ring_put(struct ring *r, const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
	uint64_t head = atomic_load_explicit(&r->shared->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&r->shared->tail, memory_order_acquire);
	uint64_t used = head - tail;
	uint8_t *p = r->data + (head & (RING_BYTES - 1));
	uint32_t bytes;

	if (a_bytes > RING_RECORD_MAX || b_bytes > RING_RECORD_MAX - a_bytes || used > RING_BYTES ||
	    record_room(a_bytes + b_bytes) > RING_BYTES - used) {
		ring_lose(r);
		return false;
	}
	bytes = (uint32_t)(a_bytes + b_bytes);
	memcpy(p, &bytes, sizeof(bytes));
	memcpy(p + sizeof(bytes), a, a_bytes);
	if (b_bytes)
		memcpy(p + sizeof(bytes) + a_bytes, b, b_bytes);
	atomic_store_explicit(&r->shared->head, head + record_room(bytes), memory_order_release);
	wake(r);
	return true;
}

void ring_lose(struct ring *r)
{
	atomic_fetch_add_explicit(&r->shared->lost, 1, memory_order_relaxed);
	wake(r);
}

uint64_t ring_used(const struct ring *r)
{
	return ring_position(r) - atomic_load_explicit(&r->shared->tail, memory_order_relaxed);
}

uint64_t ring_position(const struct ring *r)
{
	return atomic_load_explicit(&r->shared->head, memory_order_relaxed);
}

static const void *broken(struct ring *r)
{
	r->broken = true;
	return NULL;
}

const void *ring_get(struct ring *r, size_t *ret_bytes)
{
	uint64_t head = atomic_load_explicit(&r->shared->head, memory_order_acquire);
	uint64_t used = head - r->tail;
	const uint8_t *p = r->data + (r->tail & (RING_BYTES - 1));
	uint32_t bytes;

	if (r->broken || used == 0)
		return NULL;
	if (used > RING_BYTES || used % ALIGN)
		return broken(r);
	/* Read once: the writer may change it between two reads. */
	bytes = *(const volatile uint32_t *)(const void *)p;
	if ((bytes > RING_RECORD_MAX && !hole("ring-length")) || record_room(bytes) > used)
		return broken(r);
	if (!r->copy && !(r->copy = malloc(RING_RECORD_MAX)))
		return NULL;
	memcpy(r->copy, p + sizeof(bytes), bytes);
	r->tail += record_room(bytes);
	atomic_store_explicit(&r->shared->tail, r->tail, memory_order_release);
	*ret_bytes = bytes;
	return r->copy;
}

uint64_t ring_end(const struct ring *r)
{
	uint64_t head = atomic_load_explicit(&r->shared->head, memory_order_acquire);

	return head - r->tail > RING_BYTES ? r->tail : head;
}

bool ring_read(const struct ring *r, uint64_t position)
{
	return r->broken || (int64_t)(r->tail - position) >= 0 || ring_end(r) == r->tail;
}

bool ring_broken(const struct ring *r)
{
	return r->broken;
}

uint64_t ring_lost(const struct ring *r)
{
	return atomic_load_explicit(&r->shared->lost, memory_order_relaxed);
}

bool ring_sleep(struct ring *r)
{
	atomic_store_explicit(&r->shared->asleep, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (r->broken || atomic_load_explicit(&r->shared->head, memory_order_acquire) == r->tail)
		return true;
	atomic_store_explicit(&r->shared->asleep, 0, memory_order_relaxed);
	return false;
}

void ring_reset(struct ring *r)
{
	atomic_store(&r->shared->head, 0);
	atomic_store(&r->shared->tail, 0);
	atomic_store(&r->shared->lost, 0);
	r->tail = 0;
	r->broken = false;
	/* The reader may be asleep; one wake-up too many does no harm. */
	atomic_store(&r->shared->asleep, 1);
}
