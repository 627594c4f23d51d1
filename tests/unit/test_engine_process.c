// SPDX-License-Identifier: GPL-2.0-or-later
/* The parent, and an engine that an attacker has taken over: this program is both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fw/ipc/engine_msg.h"
#include "fw/parent/engine_process.h"
#include "policy/base/clock.h"

#define KIND      "TEST_ENGINE"
#define TICK_MS   10
#define LOOK_MS   600
#define LOOK_MAX  30000     /* for what must happen, on a busy machine */
#define GAP_NS    200000000 /* of our own work, and then others are served */
#define HONEST    2000
#define LAST      3 /* fence numbers up to it have been given */
#define SHORT_LEN 6

/* ---- the engine ------------------------------------------------------------------------------ */

static bool say(const void *msg, size_t bytes)
{
	return em_send(ENGINE_FD_CONTROL, msg, bytes, NULL, 0) == 0;
}

static void for_ever(const void *msg, size_t bytes)
{
	while (say(msg, bytes))
		;
}

/* Else the parent could hear what follows before gate and asker are ready: the engine would not have
 * begun. */
static void wait_to_be_asked(void)
{
	union em m;

	(void)!read(ENGINE_FD_CONTROL, &m, sizeof(m));
}

static int fake_engine(const char *kind)
{
	const struct em_ready ready = {.type = EM_READY};
	const struct em_stats here = {.type = EM_STATS};
	const struct em_learn learn = {.type = EM_LEARN, .fence = LAST};
	const struct em_learn never = {.type = EM_LEARN, .fence = LAST + 1};
	const struct em_learn too_long = {.type = EM_LEARN, .fence = LAST, .n = LEARN_MAX + 1};
	const struct em_socket odd = {.type = EM_WANT_SOCKET, .fence = 1, .socket_type = SOCK_RAW};
	const struct em_fence_ready error = {
	    .type = EM_FENCE_READY, .fence = 1, .error = INT32_MIN};
	const struct em_go ours = {.type = EM_GO};

	alarm(60);
	say(&ready, sizeof(ready));
	wait_to_be_asked();
	if (strcmp(kind, "stats") == 0)
		for_ever(&here, sizeof(here));
	else if (strcmp(kind, "learn") == 0)
		for_ever(&learn, sizeof(learn));
	else if (strcmp(kind, "ready") == 0)
		for_ever(&ready, sizeof(ready));
	else if (strcmp(kind, "never") == 0)
		say(&never, sizeof(never));
	else if (strcmp(kind, "long") == 0)
		say(&too_long, sizeof(too_long));
	else if (strcmp(kind, "odd") == 0)
		say(&odd, sizeof(odd));
	else if (strcmp(kind, "error") == 0)
		say(&error, sizeof(error));
	else if (strcmp(kind, "ours") == 0)
		say(&ours, sizeof(ours));
	else if (strcmp(kind, "length") == 0)
		for_ever(&here, SHORT_LEN);
	for (int i = 0; strcmp(kind, "honest") == 0 && i < HONEST; i++)
		if (!say(&here, sizeof(here)) || !say(&learn, sizeof(learn)))
			break;
	pause();
	return 0;
}

/* ---- the parent ------------------------------------------------------------------------------ */

struct lab {
	struct parent p;
	struct timer tick;
	bool restarts; /* it should be started again */
	uint64_t begin_ms, last_ns, longest_ns;
};

static void on_tick(struct timer *t)
{
	const struct em_stats ask = {.type = EM_STATS_ASK};
	struct lab *lab = t->arg;
	uint64_t now = clock_mono_ms(), ns = clock_thread_ns();
	bool over = !lab->restarts || lab->p.engine_restarts;

	if (ns - lab->last_ns > lab->longest_ns)
		lab->longest_ns = ns - lab->last_ns;
	lab->last_ns = ns;
	engine_send(&lab->p, &ask, sizeof(ask), NULL, 0);
	if (now >= lab->begin_ms + (over ? LOOK_MS : LOOK_MAX))
		loop_stop(lab->p.loop);
	else
		timer_set(lab->p.loop, t, now + TICK_MS);
}

static void setup(struct lab *lab, bool restarts)
{
	struct parent *p = &lab->p;

	*lab = (struct lab){.restarts = restarts,
			    .p = {.gate_pipe = -1, .signals = {.fd = -1}, .last_fence = LAST}};
	for (size_t i = 0; i < PROCESS_ROLES; i++)
		p->processes[i].pid = -1;
	assert_int_equal(loop_new(&p->loop), 0);
	p->ring_fd = ring_memfd();
	p->ring_event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(ring_map(p->ring_fd, p->ring_event_fd, &p->ring), 0);
}

/* What became of it; the parent was there for others all the while. */
static void play(struct lab *lab, const char *kind, bool restarts)
{
	struct parent *p = &lab->p;
	struct err e = {0};

	setup(lab, restarts);
	setenv(KIND, kind, 1);
	assert_int_equal(engine_begin(p, &e), 0);
	lab->begin_ms = clock_mono_ms();
	lab->last_ns = clock_thread_ns();
	lab->tick = (struct timer){.fn = on_tick, .arg = lab};
	assert_int_equal(timer_set(p->loop, &lab->tick, 0), 0);
	assert_int_equal(loop_run(p->loop), 0);
	if (lab->longest_ns >= GAP_NS)
		fail_msg("%s: nobody was served for %llu ns", kind,
			 (unsigned long long)lab->longest_ns);
	processes_reap(p, PROCESS_ENGINE);
	ring_free(p->ring);
	loop_free(p->loop);
	close(p->ring_fd);
	close(p->ring_event_fd);
}

static void test_wrong(void **state)
{
	static const struct {
		const char *kind, *said;
	} wrong[] = {{"stats", "too much at once"}, {"learn", "too much at once"},
		     {"ready", "too much at once"}, {"never", "no sense"},
		     {"long", "no sense"},          {"odd", "no sense"},
		     {"error", "no sense"},         {"ours", "never says"},
		     {"length", "wrong length"}};
	static struct lab lab;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		play(&lab, wrong[i].kind, true);
		if (!lab.p.engine_restarts || !strstr(lab.p.engine_said.msg, wrong[i].said))
			fail_msg("%s: %u restarts, '%s'", wrong[i].kind, lab.p.engine_restarts,
				 lab.p.engine_said.msg);
	}
}

/* As much as a fence or two give cause for. */
static void test_honest(void **state)
{
	static struct lab lab;

	(void)state;
	play(&lab, "honest", false);
	assert_int_equal(lab.p.engine_restarts, 0);
	play(&lab, "silent", false);
	assert_int_equal(lab.p.engine_restarts, 0);
}

/* More than a socket holds: each fence gives cause for some. */
static void test_many_fences(void **state)
{
	const union em m = {.stats = {.type = EM_STATS, .fence = 1}};
	struct engine_words w = {0};
	size_t n = 0;

	(void)state;
	while (!engine_words_wrong(&w, &m, 5000, 1000, 1000))
		n++;
	assert_in_range(n, 100000, 200000);
	assert_null(engine_words_wrong(&w, &m, 6000, 1000, 1000));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_wrong),
					   cmocka_unit_test(test_honest),
					   cmocka_unit_test(test_many_fences)};
	const char *kind = getenv(KIND);

	if (argc == 3 && strcmp(argv[1], "--engine") == 0)
		return fake_engine(kind ? kind : "");
	if (argc == 3) /* gate, asker */
		return fake_engine("silent");
	alarm(300);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
