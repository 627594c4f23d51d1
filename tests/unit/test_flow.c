// SPDX-License-Identifier: GPL-2.0-or-later
/* Segments in every order, repeated, overlapping, contradicting; limits of held packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "fw/engine/flow.h"

static unsigned n_gone;

static void gone(struct flow *f)
{
	n_gone++;
}

struct lab {
	struct loop *loop;
	struct flows *flows;
};

static const struct flow_key key = {
    .src = {4, {10, 0, 0, 1}}, .dst = {4, {10, 0, 0, 2}}, .sport = 1000, .dport = 443};

static int setup(void **state)
{
	static struct lab lab;

	n_gone = 0;
	assert_int_equal(loop_new(&lab.loop), 0);
	assert_int_equal(flows_new(lab.loop, gone, &lab.flows), 0);
	*state = &lab;
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	flows_free(lab->flows);
	loop_free(lab->loop);
	return 0;
}

static struct slice text(const char *s)
{
	return (struct slice){(const uint8_t *)s, strlen(s)};
}

static void check_buf(const struct flow *f, const char *want)
{
	assert_int_equal(f->n, strlen(want));
	assert_memory_equal(f->buf, want, f->n);
}

static void in_order_and_found_again(void **state)
{
	struct lab *lab = *state;
	struct flow *f = flow_new(lab->flows, &key, 100, NULL);

	assert_int_equal(flow_segment(f, 100, text("abc")), FLOW_MORE);
	assert_int_equal(flow_segment(f, 103, text("def")), FLOW_MORE);
	check_buf(f, "abcdef");
	assert_ptr_equal(flow_find(lab->flows, &key), f);
	flow_consume(f, 4);
	check_buf(f, "ef");
	flow_drop(lab->flows, f);
	assert_null(flow_find(lab->flows, &key));
}

/* Two connections from one port, the second right after the first was broken off: the second one's
 * bytes may follow the first one's in sequence. */
static void another_connection_is_not_continued(void **state)
{
	struct lab *lab = *state;
	struct flow *f = flow_new(lab->flows, &key, 100, NULL);

	assert_true(flow_continues(f, 100, true, 7000));
	assert_true(flow_continues(f, 103, true, 7000));
	assert_true(flow_continues(f, 100, true, 7000)); /* sent again */
	assert_false(flow_continues(f, 106, true, 7006));
	assert_false(flow_continues(f, 106, false, 7000));
	flow_drop(lab->flows, f);
	/* a hello in the SYN: sent again in it, or from its beginning once there is a connection */
	f = flow_new(lab->flows, &key, 100, NULL);
	assert_true(flow_continues(f, 100, false, 0));
	assert_true(flow_continues(f, 100, false, 0));
	assert_false(flow_continues(f, 103, true, 7000));
	assert_true(flow_continues(f, 100, true, 7000));
	assert_true(flow_continues(f, 103, true, 7000));
	assert_false(flow_continues(f, 103, true, 7001));
}

/* Packets queued before the verdict belong to the flow. Those of another connection on the same
 * ports do not, however near its sequence numbers are. */
static void known_when_it_is_over(void **state)
{
	static const enum flow_state states[] = {FLOW_PASSED, FLOW_OWN, FLOW_REFUSED};
	struct lab *lab = *state;
	const struct slice bytes = text("abcdef");

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		struct flow *f = flow_new(lab->flows, &key, 100, lab);

		assert_true(flow_continues(f, 100, true, 7000));
		assert_int_equal(flow_segment(f, 100, bytes), FLOW_MORE);
		assert_int_equal(flow_segment(f, 110, bytes), FLOW_SAME);
		assert_true(flow_hold(f, 1, 0, bytes.p, bytes.n, bytes.n));
		flow_over(lab->flows, f, states[i]);
		assert_ptr_equal(flow_find(lab->flows, &key), f);
		assert_true(flow_is_over(f));
		assert_int_equal(f->n + f->n_later + f->n_held, 0);
		assert_true(flow_began_so(f, 106, true, 7000));
		assert_false(flow_began_so(f, 106, true, 7001));
		assert_false(flow_began_so(f, 106, false, 7000));
		assert_false(flow_began_so(f, 99, true, 7000));
		assert_false(flow_began_so(f, 106 + FLOW_BEHIND_MAX + 1, true, 7000));
		flow_went_on(f, 106, 1000);
		assert_true(flow_near(f, 1106));
		flow_drop(lab->flows, f);
	}
}

static void only_so_many_are_kept_when_over(void **state)
{
	struct lab *lab = *state;
	struct flow_key k = key;
	struct flow *live;

	k.sport = 9;
	live = flow_new(lab->flows, &k, 1, NULL);
	for (unsigned i = 0; i < FLOWS_OVER_MAX + 10; i++) {
		k.sport = (uint16_t)(1000 + i);
		flow_over(lab->flows, flow_new(lab->flows, &k, 1, NULL), FLOW_PASSED);
	}
	k.sport = 1009;
	assert_null(flow_find(lab->flows, &k));
	k.sport = 1010;
	assert_non_null(flow_find(lab->flows, &k));
	k.sport = 9;
	assert_ptr_equal(flow_find(lab->flows, &k), live);
}

static void by_another_device_it_is_another(void **state)
{
	struct lab *lab = *state;
	struct flow_key k = key;
	struct flow *f = flow_new(lab->flows, &k, 100, NULL);

	k.stays = true;
	assert_null(flow_find(lab->flows, &k));
	k.stays = false;
	assert_ptr_equal(flow_find(lab->flows, &k), f);
}

static void reversed_across_the_wrap(void **state)
{
	struct lab *lab = *state;
	struct flow *f = flow_new(lab->flows, &key, 0xfffffffeu, NULL);

	assert_int_equal(flow_segment(f, 2, text("ef")), FLOW_SAME);
	assert_int_equal(flow_segment(f, 0, text("cd")), FLOW_SAME);
	assert_int_equal(f->n, 0);
	assert_int_equal(flow_segment(f, 0xfffffffeu, text("ab")), FLOW_MORE);
	check_buf(f, "abcdef");
	assert_int_equal(f->n_later, 0);
	flow_drop(lab->flows, f);
}

static void repeats_are_fine_contradiction_is_not(void **state)
{
	struct lab *lab = *state;
	struct flow *f = flow_new(lab->flows, &key, 10, NULL);

	assert_int_equal(flow_segment(f, 10, text("hello")), FLOW_MORE);
	assert_int_equal(flow_segment(f, 10, text("hello")), FLOW_SAME);
	assert_int_equal(flow_segment(f, 12, text("llo world")), FLOW_MORE);
	check_buf(f, "hello world");
	assert_int_equal(flow_segment(f, 11, text("ELLO")), FLOW_CONFLICT);
	assert_int_equal(flow_segment(f, 30, text("later")), FLOW_SAME);
	assert_int_equal(flow_segment(f, 32, text("TER")), FLOW_CONFLICT);
	assert_int_equal(flow_segment(f, 20, text("d but not this, later")), FLOW_CONFLICT);
	flow_drop(lab->flows, f);
}

static void bounded(void **state)
{
	struct lab *lab = *state;
	struct flow *f = flow_new(lab->flows, &key, 0, NULL);
	static const uint8_t big[60000];
	const struct slice s = {big, sizeof(big)};

	assert_int_equal(flow_segment(f, 0, s), FLOW_MORE);
	assert_int_equal(flow_segment(f, sizeof(big), s), FLOW_OVER_LIMIT);
	for (uint32_t i = 0; i < FLOW_LATER_MAX; i++)
		assert_int_equal(flow_segment(f, 70000 + 10 * i, text("x")), FLOW_SAME);
	assert_int_equal(flow_segment(f, 80000, text("x")), FLOW_OVER_LIMIT);
	assert_int_equal(flow_segment(f, 0x40000000, text("x")), FLOW_OVER_LIMIT);
	for (uint32_t i = 0; i < FLOW_HELD_MAX; i++)
		assert_true(flow_hold(f, i, 0, big, 100, 100));
	assert_false(flow_hold(f, 99, 0, big, 100, 100));
	f->held[0].gone = true; /* it had its verdict: it makes room, and that is counted */
	assert_true(flow_hold(f, 99, 0, big, 100, 100));
	assert_int_equal(f->untold, 1);
	flow_release(f);
	assert_int_equal(f->n_held, 0);
	flow_drop(lab->flows, f);
}

static void the_longest_idle_makes_room(void **state)
{
	struct lab *lab = *state;
	struct flow_key k = key, first = key;

	for (uint32_t i = 0; i <= FLOWS_MAX; i++) {
		k.sport = (uint16_t)i;
		k.src.b[3] = (uint8_t)(i >> 16);
		k.src.b[2] = (uint8_t)(i >> 8);
		if (i == 0)
			first = k;
		assert_non_null(flow_new(lab->flows, &k, 0, NULL));
	}
	assert_int_equal(n_gone, 1);
	assert_null(flow_find(lab->flows, &first));
	assert_non_null(flow_find(lab->flows, &k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(in_order_and_found_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(another_connection_is_not_continued, setup, teardown),
	    cmocka_unit_test_setup_teardown(known_when_it_is_over, setup, teardown),
	    cmocka_unit_test_setup_teardown(only_so_many_are_kept_when_over, setup, teardown),
	    cmocka_unit_test_setup_teardown(by_another_device_it_is_another, setup, teardown),
	    cmocka_unit_test_setup_teardown(reversed_across_the_wrap, setup, teardown),
	    cmocka_unit_test_setup_teardown(repeats_are_fine_contradiction_is_not, setup, teardown),
	    cmocka_unit_test_setup_teardown(bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_longest_idle_makes_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
