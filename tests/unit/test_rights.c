// SPDX-License-Identifier: GPL-2.0-or-later
/* Rights as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/base/rights.h"
#include "policy/profile.h"

static void test_words(void **state)
{
	char buf[RIGHTS_STRLEN];

	assert_string_equal(rights_words(RIGHT_NONE, buf), "");
	assert_string_equal(rights_words(RIGHT_EXEC, buf), "exec");
	assert_string_equal(rights_words(RIGHT_READ | RIGHT_WRITE, buf), "read, write");
	assert_string_equal(rights_words(RIGHTS_FILE, buf), "read, write, exec");
	assert_string_equal(rights_words(RIGHTS_ALL, buf),
			    "read, write, exec, socket, signal, other");
	/* bits that mean nothing */
	assert_string_equal(rights_words(~RIGHTS_ALL, buf), "");
}

static void test_lists(void **state)
{
	assert_string_equal(profile_list(RIGHT_READ), "read");
	assert_string_equal(profile_list(RIGHT_WRITE), "write");
	assert_string_equal(profile_list(RIGHT_EXEC), "exec");
	assert_string_equal(profile_list(RIGHT_NONE), "deny");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests_name("rights", tests, NULL, NULL);
}
