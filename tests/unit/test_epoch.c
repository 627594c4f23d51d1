// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers of generations: none is used twice, whatever the file holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fw/ipc/engine_msg.h"
#include "fw/parent/epoch.h"

static char dir[] = "/tmp/afw-epoch-XXXXXX";
static char path[64];

static void put(const char *text, size_t bytes)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, bytes, f), bytes);
	fclose(f);
}

static uint32_t next(bool lost)
{
	uint32_t n = 0;
	bool was_lost = !lost;
	struct err e = {0};

	assert_int_equal(epoch_is_lost(dir), lost);
	assert_int_equal(epoch_next(dir, &n, &was_lost, &e), 0);
	assert_int_equal(was_lost, lost);
	assert_true(n >= 1 && n <= CT_EPOCH_MAX);
	assert_false(epoch_is_lost(dir));
	return n;
}

static void test_goes_on(void **state)
{
	char text[32];
	uint32_t n;

	unlink(path);
	n = next(false); /* no file: a new namespace */
	for (unsigned i = 0; i < 5; i++) {
		uint32_t then = next(false);

		assert_int_equal(then, n % CT_EPOCH_MAX + 1);
		n = then;
	}
	put("41\n", 3);
	assert_int_equal(next(false), 42);
	put(text, (size_t)snprintf(text, sizeof(text), "%-10u\n", CT_EPOCH_MAX));
	assert_int_equal(next(false), 1);
}

static void test_lost(void **state)
{
	static const struct {
		const char *text;
		size_t bytes;
	} bad[] = {{"", 0},
		   {"x\n", 2},
		   {"-5\n", 3},
		   {"+5\n", 3},
		   {" 5\n", 3},
		   {"5", 1},
		   {"5 6\n", 4},
		   {"5\n5\n", 4},
		   {"0\n", 2},
		   {"5\0\n", 3},
		   {"0x5\n", 4},
		   {"5\n\0", 3},
		   {"99999999999999999999\n", 21}};
	char over[32];
	unsigned ones = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(bad[i].text, bad[i].bytes);
		ones += next(true) < 100;
		next(false); /* the file is whole again */
	}
	put(over, (size_t)snprintf(over, sizeof(over), "%u\n", CT_EPOCH_MAX + 1));
	ones += next(true) < 100;
	assert_true(ones < 3); /* a random place, not the beginning */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_goes_on),
					   cmocka_unit_test(test_lost)};
	int r;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/epoch", dir);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(dir);
	return r;
}
