// SPDX-License-Identifier: GPL-2.0-or-later
/* Paths as text: what lies below what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/base/path.h"

static void test_below(void **state)
{
	static const struct {
		const char *path, *dir;
		bool below;
	} cases[] = {
	    {"/srv/work", "/srv/work", true},
	    {"/srv/work/x/y", "/srv/work", true},
	    {"/srv/work-2", "/srv/work", false},
	    {"/srv", "/srv/work", false},
	    {"/", "/srv", false},
	    /* a workspace of "/" */
	    {"/", "/", true},
	    {"/x", "/", true},
	    {"/srv/work", "/", true},
	    {"relative", "/", false},
	    /* both relative to one place */
	    {".git/hooks", ".git", true},
	    {".gitconfig", ".git", false},
	    /* what a policy writes */
	    {"~", "~", true},
	    {"~/x", "~", true},
	    {"~root", "~", false},
	    {"$WORKSPACE/x", "$WORKSPACE", true},
	    {"$WORKSPACES", "$WORKSPACE", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (path_below(cases[i].path, cases[i].dir) != cases[i].below)
			fail_msg("'%s' below '%s'", cases[i].path, cases[i].dir);
}

static void test_join(void **state)
{
	char buf[8];

	assert_int_equal(path_join("/a", "b/c", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "/a/b/c");
	assert_int_equal(path_join("/", "b", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "/b");
	assert_int_equal(path_join("/abc", "def", buf, sizeof(buf)), -ENAMETOOLONG);
	assert_int_equal(path_join("/abc", "de", buf, sizeof(buf)), 0);
}

static void test_parent(void **state)
{
	char buf[8];

	assert_int_equal(path_parent("/a/b", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "/a");
	assert_int_equal(path_parent("/a", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "/");
	assert_int_equal(path_parent("/", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "/");
	assert_int_equal(path_parent("/abcdefg/h", buf, sizeof(buf)), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_below),
	    cmocka_unit_test(test_join),
	    cmocka_unit_test(test_parent),
	};

	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
