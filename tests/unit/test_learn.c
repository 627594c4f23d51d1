// SPDX-License-Identifier: GPL-2.0-or-later
/* From what was seen to the lists of a profile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agentctl/daemon/event_lines.h"
#include "agentctl/learn/files.h"
#include "agentctl/learn/log.h"
#include "policy/base/err.h"
#include "policy/base/rights.h"
#include "policy/profile.h"

static const char *gone, *directory; /* all else exists and is a file */

static bool exists(const char *path)
{
	return !gone || strcmp(path, gone) != 0;
}

static bool is_directory(const char *path)
{
	return directory && strcmp(path, directory) == 0;
}

static const struct learn_host host = {
    .home = "/home/alice", .exists = exists, .is_directory = is_directory};

static struct seen s;
static struct proposals ps;

static void saw(enum right right, const char *path)
{
	assert_int_equal(
	    seen_add_path(&s,
			  &(struct seen_path){.path = (char *)path, .right = right, .count = 2}),
	    0);
}

static struct seen_path *last(void)
{
	return &s.path[s.n_paths - 1];
}

/* want: "read /a", "-write /b" (not proposed), … in the order of rights and paths; ends with NULL.
 */
static void proposes(const char *const *want)
{
	size_t n = 0;
	char got[400];

	assert_int_equal(learn_files(&s, &host, &ps), 0);
	for (size_t i = 0; i < ps.n; i++) {
		const struct proposal *p = &ps.list[i];

		snprintf(got, sizeof(got), "%s%s %s%s%s", p->why_not ? "-" : "",
			 profile_list(p->right), p->path, p->broad ? " broad" : "",
			 p->optional ? " optional" : "");
		if (!want[n] || strcmp(want[n], got) != 0)
			fail_msg("proposes '%s', not '%s'", got, want[n] ? want[n] : "");
		n++;
	}
	if (want[n])
		fail_msg("does not propose '%s'", want[n]);
	proposals_done(&ps);
	for (size_t i = 0; i < s.n_paths; i++)
		free(s.path[i].path);
	free(s.path);
	s = (struct seen){0};
	gone = directory = NULL;
}
#define PROPOSES(...) proposes((const char *const[]){__VA_ARGS__, NULL})

static void test_single_files(void **state)
{
	saw(RIGHT_READ, "/etc/foo");
	saw(RIGHT_READ, "/srv/data/x");
	saw(RIGHT_READ, "/srv/data/y");
	PROPOSES("read /etc/foo", "read /srv/data/x", "read /srv/data/y");
}

static void test_directory(void **state)
{
	saw(RIGHT_READ, "/usr/lib/python3/a.py");
	saw(RIGHT_READ, "/usr/lib/python3/b.py");
	saw(RIGHT_READ, "/usr/lib/python3/c.py");
	saw(RIGHT_READ, "/usr/lib/python3x");
	PROPOSES("read /usr/lib/python3", "read /usr/lib/python3x");
	/* what was listed, with what is in it; neighbours by name are not in it */
	saw(RIGHT_READ, "/srv/data");
	last()->directory = true;
	saw(RIGHT_READ, "/srv/data/deep/down/x");
	saw(RIGHT_READ, "/srv/data-2");
	saw(RIGHT_READ, "/srv/data.old/x");
	PROPOSES("read /srv/data", "read /srv/data-2", "read /srv/data.old/x");
	/* directories of directories */
	for (char d = 'a'; d < 'd'; d++)
		for (char f = 'a'; f < 'd'; f++) {
			char path[40];

			snprintf(path, sizeof(path), "/opt/lib/py/%c/%c", d, f);
			saw(RIGHT_READ, path);
		}
	PROPOSES("read /opt/lib/py");
}

static void test_never_everything(void **state)
{
	for (char f = 'a'; f < 'g'; f++) {
		char path[40];

		snprintf(path, sizeof(path), "/etc/%c", f);
		saw(RIGHT_READ, path);
		snprintf(path, sizeof(path), "/home/alice/%c", f);
		saw(RIGHT_READ, path);
	}
	PROPOSES("read /etc/a", "read /etc/b", "read /etc/c", "read /etc/d", "read /etc/e",
		 "read /etc/f", "read /home/alice/a", "read /home/alice/b", "read /home/alice/c",
		 "read /home/alice/d", "read /home/alice/e", "read /home/alice/f");
	saw(RIGHT_READ, "/");
	last()->directory = true;
	saw(RIGHT_READ, "/home/alice");
	last()->directory = true;
	saw(RIGHT_READ, "/home/alice/x");
	saw(RIGHT_READ, "/home/bob");
	last()->directory = true;
	saw(RIGHT_READ, "/usr");
	last()->directory = true;
	PROPOSES("-read /", "-read /home/alice", "read /home/alice/x", "-read /home/bob",
		 "-read /usr");
	/* three directories of /usr/lib are not /usr/lib */
	for (char d = 'a'; d < 'd'; d++) {
		char path[40];

		snprintf(path, sizeof(path), "/usr/lib/%c", d);
		saw(RIGHT_READ, path);
		last()->directory = true;
	}
	PROPOSES("read /usr/lib/a", "read /usr/lib/b", "read /usr/lib/c");
}

static void test_protected(void **state)
{
	saw(RIGHT_READ, "/home/alice/.ssh/id_rsa");
	saw(RIGHT_READ, "/srv/work/.git/config"); /* no secret */
	saw(RIGHT_WRITE, "/srv/work/.git/hooks/pre-commit");
	last()->name = true;
	saw(RIGHT_WRITE, "/home/alice/.bashrc");
	saw(RIGHT_READ, "/srv/a\nb");
	saw(RIGHT_READ, "/srv/*");
	PROPOSES("-read /home/alice/.ssh/id_rsa", "-read /srv/*", "-read /srv/a\nb",
		 "read /srv/work/.git/config", "-write /home/alice/.bashrc",
		 "-write /srv/work/.git/hooks/pre-commit");
}

static void test_write(void **state)
{
	/* a file that is there, and one that came */
	saw(RIGHT_WRITE, "/srv/log");
	saw(RIGHT_WRITE, "/srv/out/new");
	last()->name = true;
	PROPOSES("write /srv/log", "write /srv/out");
	/* in a home only the file itself, if it is still there */
	saw(RIGHT_WRITE, "/home/alice/new");
	last()->name = true;
	PROPOSES("write /home/alice/new");
	gone = "/home/alice/tmp";
	saw(RIGHT_WRITE, "/home/alice/tmp");
	last()->name = true;
	PROPOSES("-write /home/alice/tmp optional");
	/* a directory that was made and has stayed is open; else what it was made in */
	directory = "/srv/work/out";
	saw(RIGHT_WRITE, "/srv/work/out");
	last()->name = last()->made = true;
	saw(RIGHT_WRITE, "/srv/work/out/x");
	last()->name = true;
	PROPOSES("write /srv/work/out");
	saw(RIGHT_WRITE, "/srv/work/tmp");
	last()->name = last()->made = true;
	saw(RIGHT_WRITE, "/srv/work/tmp/x");
	last()->name = true;
	PROPOSES("write /srv/work");
	/* what is read back is read in the whole place */
	saw(RIGHT_WRITE, "/srv/out/new");
	last()->name = true;
	saw(RIGHT_READ, "/srv/out/new");
	saw(RIGHT_READ, "/srv/other");
	PROPOSES("read /srv/other", "read /srv/out", "write /srv/out");
}

static void test_exec(void **state)
{
	saw(RIGHT_EXEC, "/usr/bin/curl");
	saw(RIGHT_EXEC, "/usr/bin/git");
	saw(RIGHT_EXEC, "/usr/bin/id");
	saw(RIGHT_EXEC, "/usr/bin/python3.11");
	saw(RIGHT_READ, "/usr/bin/git");
	PROPOSES("exec /usr/bin/curl", "exec /usr/bin/git", "exec /usr/bin/id",
		 "exec /usr/bin/python3.11 broad");
	/* libraries as directories, when there are several */
	for (char f = 'a'; f < 'd'; f++) {
		char path[40];

		snprintf(path, sizeof(path), "/usr/lib/py/dyn/%c.so", f);
		saw(RIGHT_EXEC, path);
		last()->map = true;
	}
	saw(RIGHT_EXEC, "/opt/x/y.so");
	last()->map = true;
	saw(RIGHT_READ, "/usr/lib/py/dyn/text");
	PROPOSES("exec /opt/x/y.so", "exec /usr/lib/py/dyn");
	/* built and run */
	saw(RIGHT_WRITE, "/srv/build/a.out");
	last()->name = true;
	saw(RIGHT_EXEC, "/srv/build/a.out");
	PROPOSES("write /srv/build", "-exec /srv/build/a.out");
	gone = "/srv/gone";
	saw(RIGHT_READ, "/srv/gone");
	PROPOSES("read /srv/gone optional");
}

static void test_log(void **state)
{
	static const char text[] =
	    "{\"event\":{\"action\":\"fence_started\"},\"agentfw\":{\"fence\":\"a-1\"}}\n"
	    "{\"event\":{\"action\":\"would_deny\",\"count\":1},\"agentfw\":{\"fence\":\"a-1\","
	    "\"right\":\"read, write\",\"access\":\"open\",\"policy\":\"/p.yaml\"},"
	    "\"file\":{\"path\":\"/srv/a\\\\x0ab\\\\\\\\\"}}\n"
	    "{\"event\":{\"action\":\"would_deny\",\"count\":3},\"agentfw\":{\"fence\":\"a-1\","
	    "\"right\":\"read\",\"access\":\"open\",\"policy\":\"/p.yaml\"},"
	    "\"file\":{\"path\":\"/srv/a\\\\x0ab\\\\\\\\\"}}\n"
	    "{\"event\":{\"action\":\"denied\",\"count\":1},\"agentfw\":{\"fence\":\"a-1\","
	    "\"right\":\"read\",\"access\":\"open\"},\"file\":{\"path\":\"/refused\"}}\n"
	    "{\"event\":{\"action\":\"would_deny\",\"count\":1},\"agentfw\":{\"fence\":\"a-1.t\","
	    "\"tool\":\"t\",\"code\":\"no-rule\",\"endpoint\":\"https://x.test\",\"suggest\":\"  - "
	    "x.test\",\"name\":\"x.test\"},\"network\":{}}\n"
	    "{\"event\":{\"action\":\"would_deny\",\"count\":1},\"agentfw\":{\"fence\":\"b-2\","
	    "\"right\":\"read\"},\"file\":{\"path\":\"/other/fence\"}}\n"
	    "{\"event\":{\"action\":\"would_deny\"},\"file\":7}\nno json\n[]\n7\n"
	    "{\"event\":{\"action\":\"would_deny\"},\"agentfw\":{\"right\":\"read\",\"fence\":\"a-"
	    "1\"},"
	    "\"file\":{\"path\":\"\\\\q\"}}\n";
	char file[] = "/tmp/agentfw-learn-XXXXXX";
	int fd = mkstemp(file);
	struct seen_all all = {0};
	struct err e;

	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(seen_read(fd, file, "a-1", NULL, &all, &e), 0);
	assert_int_equal(all.n, 2);
	assert_int_equal(all.fences, 1);
	assert_string_equal(all.policy, "/p.yaml");
	assert_int_equal(all.by[0].n_paths, 2);
	assert_string_equal(all.by[0].path[0].path, "/srv/a\nb\\");
	assert_int_equal(all.by[0].path[0].right, RIGHT_READ);
	assert_int_equal(all.by[0].path[0].count, 4);
	assert_int_equal(all.by[0].path[1].right, RIGHT_WRITE);
	assert_string_equal(all.by[1].tool, "t");
	assert_int_equal(all.by[1].n_endpoints, 1);
	assert_string_equal(all.by[1].endpoint[0].suggest, "x.test");
	seen_done(&all);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(seen_read(fd, file, "a", NULL, &all, &e), 0);
	assert_int_equal(all.by[0].n_paths, 0);
	seen_done(&all);
	unlink(file);
	close(fd);
}

/* What somebody else wrote costs no more than a line may. */
static void test_lines(void **state)
{
	int fd = memfd_create("events", MFD_CLOEXEC);
	char *x = calloc(1, 3 * EVENT_LINE_MAX);
	struct event_lines l;
	const char *line;
	size_t n;

	memset(x, 'x', 3 * EVENT_LINE_MAX);
	assert_int_equal(write(fd, "a\n", 2), 2);
	assert_int_equal(write(fd, x, 3 * EVENT_LINE_MAX), 3 * EVENT_LINE_MAX);
	assert_int_equal(write(fd, "\nb\nc", 4), 4);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(event_lines_begin(&l, fd), 0);
	assert_int_equal(event_lines_next(&l, false, &line, &n), EVENT_LINE);
	assert_memory_equal(line, "a", 1);
	assert_int_equal(event_lines_next(&l, false, &line, &n), EVENT_LINE_LONG);
	assert_int_equal(event_lines_next(&l, false, &line, &n), EVENT_LINE);
	assert_true(n == 1 && line[0] == 'b');
	assert_int_equal(event_lines_next(&l, false, &line, &n), EVENT_LINE_NONE);
	assert_int_equal(pwrite(fd, "d\n", 2, 2 + 3 * EVENT_LINE_MAX + 4), 2);
	assert_int_equal(event_lines_next(&l, false, &line, &n), EVENT_LINE);
	assert_true(n == 2 && memcmp(line, "cd", 2) == 0);
	assert_int_equal(pwrite(fd, "e", 1, 2 + 3 * EVENT_LINE_MAX + 6), 1);
	assert_int_equal(event_lines_next(&l, true, &line, &n), EVENT_LINE);
	assert_true(n == 1 && line[0] == 'e');
	assert_int_equal(event_lines_next(&l, true, &line, &n), EVENT_LINE_NONE);
	event_lines_done(&l);
	free(x);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_single_files),
	    cmocka_unit_test(test_directory),
	    cmocka_unit_test(test_never_everything),
	    cmocka_unit_test(test_protected),
	    cmocka_unit_test(test_write),
	    cmocka_unit_test(test_exec),
	    cmocka_unit_test(test_log),
	    cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
