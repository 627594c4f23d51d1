// SPDX-License-Identifier: GPL-2.0-or-later
/* Verdicts that wait: each is given once, by its ticket or by its time, and none to who is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "fw/engine/verdict_wait.h"
#include "fw/ipc/loop.h"

struct lab {
	struct loop *loop;
	struct verdict_wait *waits;
	struct timer end;
};

struct owner {
	unsigned n, last, first;
};

static void given(void *owner, const void *what)
{
	struct owner *o = owner;

	o->n++;
	memcpy(&o->last, what, sizeof(o->last));
	if (o->n == 1)
		o->first = o->last;
}

static int setup(void **state)
{
	static struct lab lab;

	lab = (struct lab){0};
	assert_int_equal(loop_new(&lab.loop), 0);
	assert_int_equal(verdict_wait_new(lab.loop, &lab.waits), 0);
	*state = &lab;
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	verdict_wait_free(lab->waits);
	loop_free(lab->loop);
	return 0;
}

static uint32_t wait_for(struct lab *lab, enum verdict_kind kind, struct owner *o, unsigned what)
{
	uint32_t ticket = verdict_wait_ticket(lab->waits, kind);

	assert_true(verdict_wait_add(lab->waits, kind, ticket, o, given, &what, sizeof(what)));
	return ticket;
}

static void stop(struct timer *t)
{
	loop_stop(t->arg);
}

/* Once a case: a loop that was stopped stays so. */
static void run_ms(struct lab *lab, unsigned ms)
{
	lab->end = (struct timer){.fn = stop, .arg = lab->loop};
	timer_set(lab->loop, &lab->end, loop_now_ms(lab->loop) + ms);
	assert_int_equal(loop_run(lab->loop), 0);
}

static void by_ticket(void **state)
{
	struct lab *lab = *state;
	struct owner o = {0};
	uint32_t first = wait_for(lab, VERDICT_PACKETS, &o, 1),
		 second = wait_for(lab, VERDICT_REPLY, &o, 2);

	assert_int_not_equal(first, second);
	verdict_wait_go(lab->waits, second);
	assert_int_equal(o.n, 1);
	assert_int_equal(o.last, 2);
	verdict_wait_go(lab->waits, second);
	verdict_wait_go(lab->waits, first + 1000);
	verdict_wait_go(lab->waits, 0);
	assert_int_equal(o.n, 1);
	verdict_wait_go(lab->waits, first);
	assert_int_equal(o.n, 2);
	assert_int_equal(o.last, 1);
	run_ms(lab, 80);
	assert_int_equal(o.n, 2);
}

/* A reply waits less long than packets, also where it came after them. */
static void by_time(void **state)
{
	struct lab *lab = *state;
	struct owner o = {0};

	wait_for(lab, VERDICT_PACKETS, &o, 1);
	wait_for(lab, VERDICT_REPLY, &o, 2);
	run_ms(lab, 80);
	assert_int_equal(o.n, 2);
	assert_int_equal(o.first, 2);
}

static void not_without_end(void **state)
{
	struct lab *lab = *state;
	struct owner o = {0};
	unsigned n = 0, what = 0;
	uint32_t ticket, first = 0;

	while ((ticket = verdict_wait_ticket(lab->waits, VERDICT_PACKETS)) && n < 1000) {
		assert_true(verdict_wait_add(lab->waits, VERDICT_PACKETS, ticket, &o, given, &what,
					     sizeof(what)));
		first = first ? first : ticket;
		n++;
	}
	assert_in_range(n, 1, 100);
	assert_false(verdict_wait_add(lab->waits, VERDICT_PACKETS, first + 500, &o, given, &what,
				      sizeof(what)));
	wait_for(lab, VERDICT_REPLY, &o, 2); /* the other kind has its own places */
	verdict_wait_go(lab->waits, first);
	wait_for(lab, VERDICT_PACKETS, &o, 3);
	assert_int_equal(o.n, 1);
}

static void no_ticket_no_wait(void **state)
{
	struct lab *lab = *state;
	struct owner o = {0};
	unsigned what = 0;

	assert_false(
	    verdict_wait_add(lab->waits, VERDICT_PACKETS, 0, &o, given, &what, sizeof(what)));
}

static void owner_gone(void **state)
{
	struct lab *lab = *state;
	struct owner gone = {0}, stays = {0};
	uint32_t ticket = wait_for(lab, VERDICT_PACKETS, &gone, 1);

	wait_for(lab, VERDICT_PACKETS, &stays, 2);
	verdict_wait_forget(lab->waits, &gone);
	verdict_wait_go(lab->waits, ticket);
	run_ms(lab, 80);
	assert_int_equal(gone.n, 0);
	assert_int_equal(stays.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(by_ticket, setup, teardown),
	    cmocka_unit_test_setup_teardown(by_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(not_without_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(no_ticket_no_wait, setup, teardown),
	    cmocka_unit_test_setup_teardown(owner_gone, setup, teardown),
	};

	return cmocka_run_group_tests_name("verdict_wait", tests, NULL, NULL);
}
