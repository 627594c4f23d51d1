// SPDX-License-Identifier: GPL-2.0-or-later
/* Which file a path means to a process, and what a plan says of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentctl/confine/libraries.h"
#include "agentctl/confine/plan.h"
#include "agentctl/seen/judge.h"
#include "agentctl/seen/watch_path.h"
#include "policy/base/cleanup.h"
#include "policy/base/rights.h"

static char dir[] = "/tmp/agentfw-watch-XXXXXX"; /* with a file, a directory, links */
static int root = -1;

static int setup(void **state)
{
	if (!mkdtemp(dir) || chdir(dir) < 0 || mkdir("sub", 0755) < 0 ||
	    close(creat("file", 0644)) < 0 || symlink("file", "link") < 0 ||
	    symlink("nothing", "dangling") < 0 || symlink("/tmp/../tmp", "sub/tmp") < 0 ||
	    symlink("loop", "loop") < 0)
		return -1;
	root = watch_root(getpid());
	return root < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	char command[100];

	close(root);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return chdir("/") < 0 || system(command) != 0 ? -1 : 0;
}

static void leads(int dirfd, const char *text, bool follow, int want, const char *below)
{
	char got[PATH_MAX + 1] = "", path[PATH_MAX + 1];
	struct watch_stat st;
	int r = watch_path(getpid(), root, dirfd, text, follow, got, &st);

	if (r != want)
		fail_msg("%s: %d, not %d", text, r, want);
	snprintf(path, sizeof(path), "%s%s%s", below && below[0] == '/' ? "" : dir,
		 below && below[0] && below[0] != '/' ? "/" : "", below ? below : "");
	if (below)
		assert_string_equal(got, path);
}

static void test_paths(void **state)
{
	char longest[PATH_MAX + 10], absolute[200];

	leads(AT_FDCWD, "file", true, 0, "file");
	leads(AT_FDCWD, "./sub/../file", true, 0, "file");
	leads(AT_FDCWD, "link", true, 0, "file");
	leads(AT_FDCWD, "link", false, 0, "link");
	leads(AT_FDCWD, "new", true, -ENOENT, "new");
	leads(AT_FDCWD, "sub/new", true, -ENOENT, "sub/new");
	leads(AT_FDCWD, "sub/new/", true, -ENOENT, "sub/new");
	leads(AT_FDCWD, "dangling", false, 0, "dangling");
	leads(AT_FDCWD, "nowhere/new", true, -ENOTDIR, NULL);
	leads(AT_FDCWD, "file/new", true, -ENOTDIR, NULL);
	leads(AT_FDCWD, "loop", true, -ELOOP, NULL);
	leads(AT_FDCWD, "sub/tmp", true, 0, "/tmp");
	leads(AT_FDCWD, "/", true, 0, "/");
	leads(AT_FDCWD, "/../../etc", true, 0, "/etc");
	snprintf(absolute, sizeof(absolute), "%s/sub/../link", dir);
	leads(AT_FDCWD, absolute, true, 0, "file");
	memset(longest, '/', sizeof(longest));
	strcpy(longest + sizeof(longest) - 5, "file");
	leads(AT_FDCWD, longest, true, -ENAMETOOLONG, NULL);
}

static void test_dirfd(void **state)
{
	_cleanup_close_ int sub = open("sub", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int memory = memfd_create("x", MFD_CLOEXEC);

	leads(sub, "new", true, -ENOENT, "sub/new");
	leads(sub, "../file", true, 0, "file");
	leads(sub, "", true, 0, "sub");
	leads(sub, "/etc", true, 0, "/etc");
	leads(12345, "x", true, -ENOENT, NULL);
	leads(memory, "x", true, -ENOTDIR, NULL); /* it has a name, but no place */
}

/* Links of /proc/self mean the process that is watched. */
static void test_self(void **state)
{
	_cleanup_close_ int fd = open("file", O_RDONLY | O_CLOEXEC);
	char text[300];

	leads(AT_FDCWD, "/proc/self/root/etc", true, 0, "/etc");
	leads(AT_FDCWD, "/proc/self/cwd/link", true, 0, "file");
	leads(AT_FDCWD, "/proc/thread-self/cwd/new", true, -ENOENT, "new");
	snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
	leads(AT_FDCWD, text, true, 0, "file");
	snprintf(text, sizeof(text), "/proc/self/root/proc/self/cwd/link");
	leads(AT_FDCWD, text, true, 0, "file");
}

static void test_memory(void **state)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char got[PATH_MAX + 1];

	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(munmap(page + 4096, 4096), 0);
	strcpy(page + 4096 - 5, "/etc");
	assert_int_equal(watch_string(getpid(), (uint64_t)(page + 4096 - 5), got, sizeof(got)), 0);
	assert_string_equal(got, "/etc");
	memset(page, 'x', 4096);
	assert_int_equal(watch_string(getpid(), (uint64_t)page, got, sizeof(got)), -EFAULT);
	assert_int_equal(watch_string(getpid(), (uint64_t)page, got, 100), -ENAMETOOLONG);
	assert_int_equal(watch_string(getpid(), 8, got, sizeof(got)), -EFAULT);
	munmap(page, 4096);
}

/* ---- the judge ----------------------------------------------------------- */

#define R RIGHT_READ
#define W RIGHT_WRITE
#define X RIGHT_EXEC

static void add_library(struct plan *p)
{
	p->libraries = calloc(1, sizeof(*p->libraries));
	p->libraries->n = 1;
	strcpy(p->libraries->path[0], "/usr/lib");
	plan_add(p, STEP_LIBRARY, "/usr/lib", RIGHT_EXEC);
	plan_add(p, STEP_ALLOW, "/usr/lib", RIGHT_READ);
}

static void test_judge(void **state)
{
	struct plan p = {.tool = true};

	add_library(&p);
	plan_add(&p, STEP_TMPFS, "/tmp", 1);
	plan_add(&p, STEP_DEVICES, NULL, 0);
	plan_add(&p, STEP_PROC, NULL, 0);
	plan_add(&p, STEP_ALLOW, "/dev", RIGHT_READ | RIGHT_WRITE);
	plan_add(&p, STEP_ALLOW, "/proc", RIGHT_READ);
	plan_add(&p, STEP_BIND, "/tmp/given", RIGHT_READ);
	plan_add(&p, STEP_BIND, "/srv/out", RIGHT_WRITE);
	plan_add(&p, STEP_BIND, "/srv/out/.git/config", RIGHT_READ);
	plan_add(&p, STEP_BIND, "/usr/bin/curl", RIGHT_EXEC);
	plan_add(&p, STEP_DENY, "/srv/in/secret", 0);
	plan_add(&p, STEP_ALLOW, "/srv/in", RIGHT_READ);
	plan_add(&p, STEP_ALLOW, "/srv/out", RIGHT_WRITE);
	plan_add(&p, STEP_ALLOW, "/tmp", RIGHT_READ | RIGHT_WRITE);
	plan_add(&p, STEP_ALLOW, "/usr/bin/curl", RIGHT_EXEC);
	assert_false(p.failed);

	assert_int_equal(judge(&p, "/srv/in/x", R | W | X), W | X);
	assert_int_equal(judge(&p, "/srv/in", R), 0);
	assert_int_equal(judge(&p, "/srv/inner", R), R);
	assert_int_equal(judge(&p, "/srv", R), R);
	assert_int_equal(judge(&p, "/", R | W | X), R | W | X);
	assert_int_equal(judge(&p, "/srv/in/secret", R), R);
	assert_int_equal(judge(&p, "/srv/in/secret/x", R), R);
	assert_int_equal(judge(&p, "/srv/in/secrets", R), 0);
	assert_int_equal(judge(&p, "/srv/out/x", R | W | X), R | X);
	assert_int_equal(judge(&p, "/srv/out/.git/config", W), W);
	assert_int_equal(judge(&p, "/srv/out/.git/index", W), 0);
	assert_int_equal(judge(&p, "/tmp/x", R | W | X), X);
	assert_int_equal(judge(&p, "/usr/bin/curl", R | W | X), W);
	assert_int_equal(judge(&p, "/usr/lib/x.so", R), 0);
	assert_int_equal(judge(&p, "/dev/null", R | W), 0);
	assert_int_equal(judge(&p, "/proc/self/status", R), 0);
	assert_int_equal(judge(&p, "/proc/self/comm", W), W);
	assert_true(judge_private(&p, "/tmp/x"));
	assert_false(judge_private(&p, "/tmp"));
	assert_false(judge_private(&p, "/tmp/given/x"));
	assert_true(plan_is_private(&p, "/tmp") && plan_is_private(&p, "/tmp/given/x"));
	assert_false(plan_is_private(&p, "/tmpx") || plan_is_private(&p, "/srv/out"));
	assert_true(judge_maps(&p, "/usr/lib/x.so"));
	assert_true(judge_maps(&p, "/usr/lib/gconv/x.so"));
	assert_false(judge_maps(&p, "/usr/lib/gcc/x.so"));
	assert_false(judge_maps(&p, "/srv/in/x.so"));
	/* a name needs the right to its directory, not one to itself */
	assert_int_equal(judge_name(&p, "/srv/out"), W);
	assert_int_equal(judge_name(&p, "/srv/out/x"), 0);
	assert_int_equal(judge_name(&p, "/x"), W);
	plan_done(&p);
}

/* Without mounts of its own, Landlock alone counts. */
static void test_judge_landlock(void **state)
{
	struct plan p = {0};

	plan_add(&p, STEP_ALLOW, "/srv/out", RIGHT_WRITE);
	plan_add(&p, STEP_ALLOW, "/usr/bin/curl", RIGHT_EXEC);
	assert_int_equal(judge(&p, "/srv/out/x", R | W | X), R | X);
	assert_int_equal(judge(&p, "/usr/bin/curl", R | W | X), W);
	plan_done(&p);
}

static bool opens(const char *text)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s%s%s", text[0] == '/' ? "" : dir, text[0] == '/' ? "" : "/",
		 text);
	fd = watch_open_file(root, path);
	return fd >= 0;
}

/* As it does when the path has changed hands since it was looked at. */
static void test_only_files_are_opened(void **state)
{
	int master;

	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_true(opens("file"));
	assert_false(opens("fifo"));
	assert_false(opens("sub"));
	assert_false(opens("link"));
	assert_false(opens("/dev/null"));
	assert_false(opens("nothing"));
	/* a terminal that tells whether it was opened */
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	assert_false(opens(ptsname(master)));
	assert_int_equal(poll(&(struct pollfd){.fd = master}, 1, 0), 0); /* else: POLLHUP */
	close(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_dirfd),
	    cmocka_unit_test(test_self),
	    cmocka_unit_test(test_memory),
	    cmocka_unit_test(test_only_files_are_opened),
	    cmocka_unit_test(test_judge),
	    cmocka_unit_test(test_judge_landlock),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
