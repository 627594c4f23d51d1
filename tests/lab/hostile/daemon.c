// SPDX-License-Identifier: GPL-2.0-or-later
/* agentfwd whole, for tests/net/hostile. The linker puts two functions of this file in front of its own (--wrap): `main`,
 * so that engine.c is the engine, and `engine_begin`, so that a timer in the parent's loop sees how long that stands
 * still and what the parent holds. Who has died is started again at once.
 *
 *     HOSTILE_BOARD  see board.h
 *     HOSTILE_SEED   of engine.c; not set: the engine is the real one
 */
#include <dirent.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "fw/parent/engine_process.h"
#include "fw/parent/fence.h"
#include "policy/base/clock.h"
#include "tests/lab/hostile/board.h"
#include "tests/lab/hostile/hostile.h"

#define LOOK_MS     10
#define LOOKS_FDS   20 /* from one count of descriptors to the next */
#define STILL_MS    1000
#define STILL_SHOWS 3

/* <sanitizer/allocator_interface.h>, which gcc lacks */
size_t __sanitizer_get_current_allocated_bytes(void);

int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);
int __real_engine_begin(struct parent *p, struct err *e);
int __wrap_engine_begin(struct parent *p, struct err *e);

static struct {
	struct parent *parent;
	struct board *board;
	struct timer timer;
	FILE *sched; /* how long we have waited for a processor */
	uint64_t last_ns, waited_ns;
	unsigned looks;
	bool is_parent;
} watch;

/* The three others cannot look for leaks, and the kernel takes back what they have. */
int __lsan_is_turned_off(void)
{
	return !watch.is_parent;
}

static uint64_t waited_ns(void)
{
	unsigned long long ran, waited = 0;

	rewind(watch.sched);
	if (fscanf(watch.sched, "%llu %llu", &ran, &waited) != 2)
		return 0;
	return waited;
}

static uint64_t count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	uint64_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 3; /* "." and "..", and its own */
}

/* Where it stands while it does. */
static void on_alarm(int sig)
{
	static int shown;

	if (shown++ < STILL_SHOWS)
		__sanitizer_print_stack_trace();
}

static void show_in(int ms)
{
	const struct itimerval it = {.it_value = {ms / 1000, ms % 1000 * 1000}};

	setitimer(ITIMER_REAL, &it, NULL);
}

/* It waits for the kernel's own threads, too, which others keep waiting on a busy machine. */
static uint64_t still_most_ms(void)
{
	double load = 0, cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);

	getloadavg(&load, 1);
	return (uint64_t)(STILL_MS * (load > cpus ? load / cpus : 1));
}

static void look_at_time(void)
{
	uint64_t now = clock_mono_ns(), waited = waited_ns();
	uint64_t still = now - watch.last_ns, others = waited - watch.waited_ns;

	still = still > others ? still - others : 0;
	if (watch.last_ns && still / 1000000 > still_most_ms())
		fprintf(stderr, "hostile: the parent stood still for %llu ms\n",
			(unsigned long long)(still / 1000000));
	if (watch.last_ns && still / 1000 > watch.board->n[BOARD_LONGEST_US])
		board_set(watch.board, BOARD_LONGEST_US, still / 1000);
	watch.last_ns = now;
	watch.waited_ns = waited;
	show_in(STILL_MS);
}

static void on_look(struct timer *t)
{
	struct parent *p = watch.parent;
	size_t fences = 0;

	look_at_time();
	for (const struct pfence *f = p->fences; f; f = f->next)
		fences++;
	board_set(watch.board, BOARD_FENCES, fences);
	board_set(watch.board, BOARD_CLIENTS, p->n_clients);
	board_set(watch.board, BOARD_RESTARTS, p->engine_restarts);
	board_set(watch.board, BOARD_BYTES, __sanitizer_get_current_allocated_bytes());
	if (watch.looks++ % LOOKS_FDS == 0)
		board_set(watch.board, BOARD_FDS, count_fds());
	board_add(watch.board, BOARD_TICKS);
	if (p->engine_restart.slot)
		timer_set(p->loop, &p->engine_restart, 0);
	timer_set(p->loop, t, loop_now_ms(p->loop) + LOOK_MS);
}

int __wrap_engine_begin(struct parent *p, struct err *e)
{
	int r = __real_engine_begin(p, e);

	if (r < 0)
		return r;
	watch.parent = p;
	watch.is_parent = true;
	watch.sched = fopen("/proc/self/schedstat", "re");
	if (!watch.sched)
		abort();
	setvbuf(watch.sched, NULL, _IONBF, 0);
	signal(SIGALRM, on_alarm);
	watch.timer = (struct timer){.fn = on_look};
	timer_set(p->loop, &watch.timer, 0);
	return 0;
}

int __wrap_main(int argc, char **argv)
{
	const char *seed = getenv("HOSTILE_SEED");

	if (argc == 3 && (strcmp(argv[1], "--gate") == 0 || strcmp(argv[1], "--asker") == 0))
		return __real_main(argc, argv);
	watch.board = board_open();
	if (argc == 3 && seed && strcmp(argv[1], "--engine") == 0)
		return hostile_engine((uint32_t)strtoul(argv[2], NULL, 10),
				      strtoull(seed, NULL, 10), watch.board);
	return __real_main(argc, argv);
}
