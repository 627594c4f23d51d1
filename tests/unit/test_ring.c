// SPDX-License-Identifier: GPL-2.0-or-later
/* One process writes, one reads; then the writer is an enemy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fw/ipc/ring.h"

#define HEAD_BYTES 4096 /* ring.c: the page before the data; the writer's position comes first */

struct lab {
	int fd, event;
	struct ring *reader, *writer;
};

static int setup(void **state)
{
	static struct lab lab;

	lab.fd = ring_memfd();
	lab.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lab.fd < 0 || lab.event < 0 || ring_map(lab.fd, lab.event, &lab.reader) < 0 ||
	    ring_map(lab.fd, lab.event, &lab.writer) < 0)
		return -1;
	*state = &lab;
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	ring_free(lab->reader);
	ring_free(lab->writer);
	close(lab->fd);
	close(lab->event);
	return 0;
}

static bool woken(const struct lab *lab)
{
	uint64_t n;

	return read(lab->event, &n, sizeof(n)) == sizeof(n);
}

static void test_order(void **state)
{
	struct lab *lab = *state;
	const char *p;
	size_t n;

	assert_null(ring_get(lab->reader, &n));
	assert_true(ring_put(lab->writer, "head", 4, "body", 5));
	assert_true(ring_put(lab->writer, "", 0, NULL, 0));
	assert_true(ring_put(lab->writer, "x", 2, NULL, 0));
	p = ring_get(lab->reader, &n);
	assert_int_equal(n, 9);
	assert_string_equal(p, "headbody");
	assert_non_null(ring_get(lab->reader, &n));
	assert_int_equal(n, 0);
	p = ring_get(lab->reader, &n);
	assert_int_equal(n, 2);
	assert_string_equal(p, "x");
	assert_null(ring_get(lab->reader, &n));
	assert_int_equal(ring_lost(lab->reader), 0);
}

static void test_full(void **state)
{
	struct lab *lab = *state;
	static uint8_t big[RING_RECORD_MAX];
	uint64_t put = 0, got = 0;
	size_t n;

	assert_false(ring_put(lab->writer, big, sizeof(big), big, 1)); /* too long */
	assert_int_equal(ring_lost(lab->reader), 1);
	while (ring_put(lab->writer, big, 65000, NULL, 0))
		put++;
	assert_true(put > 250);
	assert_int_equal(ring_lost(lab->reader), 2);
	while (ring_get(lab->reader, &n)) {
		assert_int_equal(n, 65000);
		got++;
	}
	assert_int_equal(put, got);
	assert_false(ring_broken(lab->reader));
	assert_true(ring_put(lab->writer, "x", 1, NULL, 0));
}

static void test_wake(void **state)
{
	struct lab *lab = *state;
	size_t n;

	assert_true(ring_put(lab->writer, "a", 1, NULL, 0));
	assert_false(woken(lab)); /* it did not say that it sleeps */
	assert_false(ring_sleep(lab->reader));
	assert_non_null(ring_get(lab->reader, &n));
	assert_true(ring_sleep(lab->reader));
	assert_true(ring_put(lab->writer, "b", 1, NULL, 0));
	assert_true(woken(lab));
	assert_true(ring_put(lab->writer, "c", 1, NULL, 0));
	assert_false(woken(lab)); /* once is enough */
}

/* Records of all lengths, through the end of the memory and round again, at full speed. */
static void test_two_processes(void **state)
{
	struct lab *lab = *state;
	const uint64_t total = 300000;
	uint64_t expected = 0;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		static uint8_t body[2000];

		for (uint64_t i = 0; i < total;)
			if (ring_put(lab->writer, &i, sizeof(i), body, (i * 7) % sizeof(body)))
				i++;
		_exit(0);
	}
	while (expected < total) {
		size_t n;
		const uint64_t *p = ring_get(lab->reader, &n);

		if (p) {
			assert_int_equal(*p, expected);
			assert_int_equal(n, sizeof(*p) + (expected * 7) % 2000);
			expected++;
		} else if (ring_sleep(lab->reader)) {
			struct pollfd pfd = {.fd = lab->event, .events = POLLIN};

			assert_int_equal(poll(&pfd, 1, 10000), 1); /* no lost wake */
			woken(lab);
		}
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_reset(void **state)
{
	struct lab *lab = *state;
	struct ring *again;
	size_t n;

	assert_true(ring_put(lab->writer, "old", 3, NULL, 0));
	ring_reset(lab->reader);
	assert_null(ring_get(lab->reader, &n));
	assert_int_equal(ring_map(lab->fd, lab->event, &again), 0);
	assert_true(ring_put(again, "new", 4, NULL, 0));
	assert_true(woken(lab));
	assert_string_equal(ring_get(lab->reader, &n), "new");
	ring_free(again);
}

static void test_size_is_sealed(void **state)
{
	struct lab *lab = *state;
	struct ring *r;
	int plain = memfd_create("plain", MFD_CLOEXEC);

	assert_int_equal(ftruncate(lab->fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(plain, HEAD_BYTES + RING_BYTES), 0);
	assert_int_equal(ring_map(plain, lab->event, &r), -EINVAL);
	close(plain);
}

static void test_read_to(void **state)
{
	struct lab *lab = *state;
	uint64_t end;
	size_t n;

	assert_true(ring_read(lab->reader, ring_end(lab->reader)));
	assert_true(ring_put(lab->writer, "a", 2, NULL, 0));
	end = ring_end(lab->reader);
	assert_true(ring_put(lab->writer, "b", 2, NULL, 0));
	assert_false(ring_read(lab->reader, end));
	assert_non_null(ring_get(lab->reader, &n));
	assert_true(ring_read(lab->reader, end));
	assert_false(ring_read(lab->reader, ring_end(lab->reader)));
}

/* ---- enemies ------------------------------------------------------------- */

static uint8_t *raw(const struct lab *lab)
{
	uint8_t *p =
	    mmap(NULL, HEAD_BYTES + RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, lab->fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

/* Nobody waits for what will never be there. */
static void test_never_read_to(void **state)
{
	struct lab *lab = *state;
	uint8_t *p = raw(lab);
	uint64_t end, before;
	size_t n;

	memcpy(&before, p, sizeof(before));
	assert_true(ring_put(lab->writer, "a", 2, NULL, 0));
	end = ring_end(lab->reader);
	memcpy(p, &before, sizeof(before));
	assert_true(ring_read(lab->reader, end));
	memset(p, 0xff, sizeof(before));
	assert_true(ring_read(lab->reader, ring_end(lab->reader)));
	assert_null(ring_get(lab->reader, &n));
	assert_true(ring_read(lab->reader, end));
	munmap(p, HEAD_BYTES + RING_BYTES);
}

static void check_broken(struct lab *lab, uint64_t head, uint32_t length)
{
	uint8_t *p = raw(lab);
	size_t n;

	memcpy(p, &head, sizeof(head));
	memcpy(p + HEAD_BYTES, &length, sizeof(length));
	assert_null(ring_get(lab->reader, &n));
	assert_true(ring_broken(lab->reader));
	assert_true(ring_sleep(lab->reader)); /* no spinning on it */
	ring_reset(lab->reader);
	assert_false(ring_broken(lab->reader));
	assert_true(ring_put(lab->writer, "fine", 5, NULL, 0));
	assert_string_equal(ring_get(lab->reader, &n), "fine");
	ring_reset(lab->reader);
	munmap(p, HEAD_BYTES + RING_BYTES);
}

static void test_hostile_values(void **state)
{
	struct lab *lab = *state;

	check_broken(lab, 16, 13);         /* four bytes more than there are */
	check_broken(lab, 16, UINT32_MAX); /* would wrap */
	check_broken(lab, 16, UINT32_MAX - 3);
	check_broken(lab, RING_BYTES, RING_RECORD_MAX + 1);
	check_broken(lab, RING_BYTES + 8, 0); /* more than fits */
	check_broken(lab, UINT64_MAX, 0);
	check_broken(lab, (uint64_t)1 << 63, 0);
	check_broken(lab, 12, 0); /* not aligned */
}

/* Scribbles over everything while it is read. */
static void test_hostile_process(void **state)
{
	struct lab *lab = *state;
	uint64_t got = 0, broken = 0;
	uint32_t sum = 0;
	pid_t pid = fork();

	if (pid == 0) {
		volatile uint32_t *p = (uint32_t *)(void *)raw(lab);
		uint32_t seed = 1;

		for (;;) {
			seed = seed * 1664525 + 1013904223;
			p[0] = seed >> 7;            /* head */
			p[1] = seed % 64 ? 0 : seed; /* its upper half */
			p[16] = seed;                /* tail */
			p[HEAD_BYTES / 4 + seed % (RING_BYTES / 4)] = seed >> (seed % 32);
		}
	}
	const time_t end = time(NULL) + 10; /* the other process may take its time to start */

	for (uint64_t i = 0; i < 300000 || (got + broken < 1000 && time(NULL) < end); i++) {
		size_t n;
		const uint8_t *p = ring_get(lab->reader, &n);

		if (p) {
			got++;
			assert_true(n <= RING_RECORD_MAX);
			for (size_t k = 0; k < n; k += 64)
				sum += p[k];
		}
		if (ring_broken(lab->reader)) {
			broken++;
			ring_reset(lab->reader);
		}
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(got + broken + (sum & 0) >= 1000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_order),          T(test_full),
	    T(test_wake),           T(test_two_processes),
	    T(test_reset),          T(test_size_is_sealed),
	    T(test_hostile_values), T(test_hostile_process),
	    T(test_read_to),        T(test_never_read_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
