// SPDX-License-Identifier: GPL-2.0-or-later
/* The loop: descriptors, timers in order, and callbacks that take away what would come next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "fw/ipc/budget.h"
#include "fw/ipc/loop.h"

#define FDS     8
#define TIMERS  300
#define FOREVER 10000 /* ms: a test that hangs ends, and fails */

struct lab {
	struct loop *loop;
	struct watch watch[FDS]; /* eventfds */
	unsigned fired[FDS];
	struct timer timer[TIMERS];
	unsigned order[TIMERS]; /* of the timers that fired */
	size_t n;
	struct timer deadline;
	bool late;
	void (*then)(struct lab *lab, size_t i); /* what a callback does; may be NULL */
};

static void on_deadline(struct timer *t)
{
	struct lab *lab = t->arg;

	lab->late = true;
	loop_stop(lab->loop);
}

static void on_watch(struct watch *w, uint32_t events)
{
	struct lab *lab = w->arg;
	size_t i = (size_t)(w - lab->watch);

	assert_true(events & EPOLLIN);
	lab->fired[i]++;
	if (lab->then)
		lab->then(lab, i);
}

static void on_timer(struct timer *t)
{
	struct lab *lab = t->arg;
	size_t i = (size_t)(t - lab->timer);

	assert_int_equal(t->slot, 0); /* it may be set again from here */
	assert_true(t->at_ms <= loop_now_ms(lab->loop));
	lab->order[lab->n++ % TIMERS] = (unsigned)i;
	if (lab->then)
		lab->then(lab, i);
}

static int setup(void **state)
{
	static struct lab lab;

	lab = (struct lab){0};
	assert_int_equal(loop_new(&lab.loop), 0);
	for (size_t i = 0; i < FDS; i++)
		lab.watch[i] = (struct watch){
		    .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .fn = on_watch, .arg = &lab};
	for (size_t i = 0; i < TIMERS; i++)
		lab.timer[i] = (struct timer){.fn = on_timer, .arg = &lab};
	lab.deadline = (struct timer){.fn = on_deadline, .arg = &lab};
	*state = &lab;
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	loop_free(lab->loop);
	for (size_t i = 0; i < FDS; i++)
		close(lab->watch[i].fd);
	return 0;
}

static void set(struct lab *lab, size_t i, int in_ms)
{
	assert_int_equal(
	    timer_set(lab->loop, &lab->timer[i], loop_now_ms(lab->loop) + (uint64_t)(int64_t)in_ms),
	    0);
}

static void watch(struct lab *lab, size_t i)
{
	assert_int_equal(loop_add(lab->loop, &lab->watch[i], EPOLLIN), 0);
}

static void ready(struct lab *lab, size_t i)
{
	assert_int_equal(eventfd_write(lab->watch[i].fd, 1), 0);
}

static void run(struct lab *lab)
{
	assert_int_equal(timer_set(lab->loop, &lab->deadline, loop_now_ms(lab->loop) + FOREVER), 0);
	assert_int_equal(loop_run(lab->loop), 0);
	assert_false(lab->late);
	timer_cancel(lab->loop, &lab->deadline);
}

static uint64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- descriptors --------------------------------------------------------- */

static void stop_at_three(struct lab *lab, size_t i)
{
	if (lab->fired[i] == 3)
		loop_stop(lab->loop);
}

static void level_triggered(void **state)
{
	struct lab *lab = *state;

	lab->then = stop_at_three;
	watch(lab, 0);
	watch(lab, 1);
	ready(lab, 0); /* and it is never read */
	run(lab);
	assert_int_equal(lab->fired[0], 3);
	assert_int_equal(lab->fired[1], 0);
}

static void take_away_the_others(struct lab *lab, size_t me)
{
	for (size_t i = 0; i < FDS; i++)
		if (i != me) {
			loop_del(lab->loop, &lab->watch[i]);
			/* Whoever owned it may have freed it. */
			memset(&lab->watch[i].fn, 0xff, sizeof(lab->watch[i].fn));
		}
	loop_stop(lab->loop);
}

static void a_callback_deletes_those_after_it(void **state)
{
	struct lab *lab = *state;
	unsigned fired = 0;

	lab->then = take_away_the_others;
	for (size_t i = 0; i < FDS; i++) {
		watch(lab, i);
		ready(lab, i);
	}
	run(lab);
	for (size_t i = 0; i < FDS; i++)
		fired += lab->fired[i];
	assert_int_equal(fired, 1);
}

static void take_myself_away(struct lab *lab, size_t i)
{
	loop_del(lab->loop, &lab->watch[i]);
	assert_false(lab->watch[i].active);
	loop_del(lab->loop, &lab->watch[i]); /* not added: fine */
	if (++lab->n == FDS)
		loop_stop(lab->loop);
}

static void a_callback_deletes_its_own(void **state)
{
	struct lab *lab = *state;

	lab->then = take_myself_away;
	for (size_t i = 0; i < FDS; i++) {
		watch(lab, i);
		assert_true(lab->watch[i].active);
		ready(lab, i);
	}
	run(lab);
	for (size_t i = 0; i < FDS; i++)
		assert_int_equal(lab->fired[i], 1);
	assert_true(fcntl(lab->watch[0].fd, F_GETFD) >= 0); /* it is not closed */
}

static void modified(struct lab *lab, size_t i)
{
	if (i == 1) {
		assert_int_equal(lab->fired[0], 0);
		assert_int_equal(loop_mod(lab->loop, &lab->watch[0], EPOLLIN), 0);
		loop_del(lab->loop, &lab->watch[1]);
	} else {
		loop_stop(lab->loop);
	}
}

static void what_is_watched_for_can_change(void **state)
{
	struct lab *lab = *state;

	lab->then = modified;
	watch(lab, 0);
	assert_int_equal(loop_mod(lab->loop, &lab->watch[0], 0), 0);
	watch(lab, 1);
	ready(lab, 0);
	ready(lab, 1);
	run(lab);
	assert_int_equal(lab->fired[0], 1);
}

static void errors(void **state)
{
	struct lab *lab = *state;
	struct watch none = {.fd = -1};

	assert_int_equal(loop_add(lab->loop, &none, EPOLLIN), -EBADF);
	assert_false(none.active);
	loop_del(lab->loop, &none);
	watch(lab, 0);
	assert_int_equal(loop_add(lab->loop, &lab->watch[0], EPOLLIN), -EEXIST);
	assert_int_equal(loop_mod(lab->loop, &lab->watch[1], EPOLLIN), -ENOENT);
	loop_free(NULL);
}

/* ---- timers -------------------------------------------------------------- */

static void stop_at_last(struct lab *lab, size_t i)
{
	if (i == TIMERS - 1)
		loop_stop(lab->loop);
}

/* Timers are set out of order; a third is cancelled, from every place of the heap, and a third
 * is set anew. */
static void in_order_of_time(void **state)
{
	struct lab *lab = *state;
	size_t want = 0;

	lab->then = stop_at_last;
	srandom(1);
	for (size_t i = 0; i < TIMERS; i++)
		set(lab, i, 50 + (int)(random() % 100));
	for (size_t k = 0, i = 0; k < TIMERS; k++, i = (i + 7 * 11) % TIMERS) {
		if (i % 3 == 0) {
			timer_cancel(lab->loop, &lab->timer[i]);
			assert_int_equal(lab->timer[i].slot, 0);
			timer_cancel(lab->loop, &lab->timer[i]); /* not set: fine */
		} else {
			set(lab, i, (int)i / 4);
		}
	}
	run(lab);
	for (size_t i = 0; i < TIMERS; i++)
		want += i % 3 != 0;
	assert_int_equal(lab->n, want);
	for (size_t i = 1; i < lab->n; i++)
		assert_true(lab->order[i - 1] / 4 <= lab->order[i] / 4);
}

static void stop(struct lab *lab, size_t i)
{
	loop_stop(lab->loop);
}

static void never_too_early(void **state)
{
	struct lab *lab = *state;
	uint64_t begin = clock_ms(), took;

	lab->then = stop;
	assert_in_range(loop_now_ms(lab->loop), begin - 1000, begin);
	assert_int_equal(timer_set(lab->loop, &lab->timer[0], begin + 60), 0);
	run(lab);
	took = clock_ms() - begin;
	assert_in_range(took, 60, 1000);
	assert_in_range(loop_now_ms(lab->loop), begin + 60, begin + took);
	assert_int_equal(lab->n, 1); /* once */
}

static void again(struct lab *lab, size_t i)
{
	if (lab->n < 5)
		set(lab, i, 2);
	else
		loop_stop(lab->loop);
}

static void set_from_its_own_callback(void **state)
{
	struct lab *lab = *state;

	lab->then = again;
	set(lab, 0, 2);
	set(lab, 1, FOREVER / 2);
	run(lab);
	assert_int_equal(lab->n, 5);
}

static void cancel_the_next(struct lab *lab, size_t i)
{
	if (i == 0) {
		timer_cancel(lab->loop, &lab->timer[1]);
		set(lab, 3, -1000);
	}
	if (i == 2)
		loop_stop(lab->loop);
}

static void a_callback_cancels_what_is_due_too(void **state)
{
	struct lab *lab = *state;

	lab->then = cancel_the_next;
	set(lab, 0, -3); /* the past is now */
	set(lab, 1, -2);
	set(lab, 2, 5);
	run(lab);
	assert_int_equal(lab->n, 3);
	assert_int_equal(lab->order[0], 0);
	assert_int_equal(lab->order[1], 3);
	assert_int_equal(lab->order[2], 2);
}

static void due_timers_do_not_wait_for_descriptors(void **state)
{
	struct lab *lab = *state;

	watch(lab, 0);
	ready(lab, 0); /* always ready, never read */
	set(lab, TIMERS - 1, 30);
	lab->then = stop_at_last;
	run(lab);
	assert_true(lab->fired[0] > 1);
	assert_int_equal(lab->n, 1);
}

static void at_once(struct lab *lab, size_t i)
{
	if (i == 0)
		set(lab, 0, -5);
}

static void stop_after_turns(struct watch *w, uint32_t events)
{
	struct lab *lab = w->arg;

	if (++lab->fired[w - lab->watch] == 3)
		loop_stop(lab->loop);
}

/* Work in portions: a timer that sets itself for now leaves the others, and descriptors, their
 * turns. */
static void one_that_goes_on_at_once_holds_up_nobody(void **state)
{
	struct lab *lab = *state;

	lab->then = at_once;
	lab->watch[0].fn = stop_after_turns;
	watch(lab, 0);
	ready(lab, 0);
	set(lab, 0, 0);
	set(lab, 1, 0);
	run(lab);
	assert_int_equal(lab->fired[0], 3);
	assert_true(lab->n >= 3);
	assert_true(lab->order[0] == 1 || lab->order[1] == 1);
}

/* ---- budgets ------------------------------------------------------------- */

static struct budget shares[2];
static unsigned turns_of_other, steps[FDS];

/* All that there may be, and then the share is used up. */
static void use_up(struct watch *w, uint32_t events)
{
	struct lab *lab = w->arg;

	steps[w - lab->watch]++;
	while (budget_left(w->budget))
		;
}

static void count_and_stop(struct watch *w, uint32_t events)
{
	struct lab *lab = w->arg;

	if (++turns_of_other == 20)
		loop_stop(lab->loop);
}

/* Four descriptors of one that are always ready, and one of another: there one step of his a turn,
 * of each descriptor in its turn, and the other has his every time. */
static void who_used_his_share_waits(void **state)
{
	struct lab *lab = *state;

	memset(shares, 0, sizeof(shares));
	memset(steps, 0, sizeof(steps));
	turns_of_other = 0;
	for (size_t i = 0; i < 5; i++) {
		lab->watch[i].fn = i < 4 ? use_up : count_and_stop;
		lab->watch[i].budget = &shares[i == 4];
		watch(lab, i);
		ready(lab, i);
	}
	run(lab);
	assert_int_equal(turns_of_other, 20);
	assert_in_range(steps[0] + steps[1] + steps[2] + steps[3], 19, 21);
	for (size_t i = 0; i < 4; i++)
		assert_in_range(steps[i], 4, 6);
}

static void use_up_by_timer(struct timer *t)
{
	struct lab *lab = t->arg;

	lab->n++;
	while (budget_left(t->budget))
		;
	if (lab->n == 50)
		loop_stop(lab->loop);
}

/* Due timers wait too, and are called in the end. */
static void due_timers_wait_for_their_share(void **state)
{
	struct lab *lab = *state;

	memset(shares, 0, sizeof(shares));
	turns_of_other = 0;
	lab->watch[0].fn = count_and_stop;
	turns_of_other = 1000; /* never stops */
	watch(lab, 0);
	ready(lab, 0);
	for (size_t i = 0; i < 50; i++) {
		set(lab, i, 0);
		lab->timer[i].fn = use_up_by_timer;
		lab->timer[i].budget = &shares[0];
	}
	run(lab);
	assert_int_equal(lab->n, 50);
	assert_in_range(turns_of_other, 1045, 2000);
}

int main(void)
{
#define LAB(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    LAB(level_triggered),
	    LAB(a_callback_deletes_those_after_it),
	    LAB(a_callback_deletes_its_own),
	    LAB(what_is_watched_for_can_change),
	    LAB(errors),
	    LAB(in_order_of_time),
	    LAB(never_too_early),
	    LAB(set_from_its_own_callback),
	    LAB(a_callback_cancels_what_is_due_too),
	    LAB(due_timers_do_not_wait_for_descriptors),
	    LAB(one_that_goes_on_at_once_holds_up_nobody),
	    LAB(who_used_his_share_waits),
	    LAB(due_timers_wait_for_their_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
