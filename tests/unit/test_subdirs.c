// SPDX-License-Identifier: GPL-2.0-or-later
/* The directories in a directory, and what is kept of them: what came is seen, and nobody's word
 * but root's is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentctl/confine/subdirs.h"
#include "policy/base/cleanup.h"

static char top[64], dir[80], run[80], kept[128];

static void make(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static bool lists(const char *kept_in, const char *name)
{
	_cleanup_free_ char *names = NULL;
	size_t bytes = 0;

	assert_int_equal(subdirs(dir, kept_in, &names, &bytes), 0);
	for (const char *n = names; n < names + bytes; n += strlen(n) + 1)
		if (strcmp(n, name) == 0)
			return true;
	return false;
}

static bool has(const char *name)
{
	return lists(run, name);
}

static bool is_kept(void)
{
	char pattern[128];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/run/subdirs/*", top);
	if (glob(pattern, 0, NULL, &g) != 0)
		return false;
	assert_int_equal(g.gl_pathc, 1);
	snprintf(kept, sizeof(kept), "%s", g.gl_pathv[0]);
	globfree(&g);
	return true;
}

static int setup(void **state)
{
	char path[128];
	int fd;

	strcpy(top, "/tmp/subdirs.XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(run, sizeof(run), "%s/run", top);
	snprintf(dir, sizeof(dir), "%s/lib", top);
	if (mkdir(dir, 0755) < 0)
		return -1;
	make("alpha");
	make(".hidden");
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_CREAT | O_WRONLY, 0644);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", top);
	return system(command);
}

/* The byte of a name in what is kept becomes another one: what is read from there shows it. */
static void forge(void)
{
	char all[512], *at;
	int fd = open(kept, O_RDWR);
	ssize_t n = read(fd, all, sizeof(all));

	assert_true(n > 0);
	at = memmem(all, (size_t)n, "alpha", 5);
	assert_non_null(at);
	assert_int_equal(pwrite(fd, "A", 1, at - all), 1);
	close(fd);
}

static void names_directories_only(void **state)
{
	_cleanup_free_ char *names = NULL;
	size_t bytes = 0;

	assert_int_equal(subdirs(dir, run, &names, &bytes), 0);
	assert_int_equal(bytes, sizeof("alpha") + sizeof(".hidden"));
	assert_true(has("alpha") && has(".hidden"));
	free(names);
	assert_int_equal(subdirs("/tmp/not there", run, &names, &bytes), -ENOENT);
}

/* Two changes within a tick of the clock have the same ctime, so nothing that new is kept. */
static void new_ones_are_not_kept(void **state)
{
	assert_true(has("alpha"));
	assert_false(is_kept());
	make("beta");
	assert_true(has("beta"));
}

static void keep_and_forge(void)
{
	if (geteuid() != 0)
		skip();
	sleep(4); /* until it is old enough to be kept */
	assert_true(has("alpha"));
	assert_true(is_kept());
	forge();
}

static void kept_until_something_comes(void **state)
{
	keep_and_forge();
	assert_true(has("Alpha"));         /* it is read from there */
	assert_true(lists(NULL, "alpha")); /* not by who keeps nothing */
	make("beta");
	assert_true(has("beta"));
	assert_true(has("alpha"));
}

static void only_roots_word(void **state)
{
	keep_and_forge();
	assert_int_equal(chmod(kept, 0664), 0);
	assert_true(has("alpha")); /* and it is kept anew */
	forge();
	assert_int_equal(chown(kept, 65534, 0), 0);
	assert_true(has("alpha"));
	forge();
	assert_int_equal(truncate(kept, 44), 0);
	assert_true(has("alpha"));
	assert_true(has("alpha"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(names_directories_only, setup, teardown),
	    cmocka_unit_test_setup_teardown(new_ones_are_not_kept, setup, teardown),
	    cmocka_unit_test_setup_teardown(kept_until_something_comes, setup, teardown),
	    cmocka_unit_test_setup_teardown(only_roots_word, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
