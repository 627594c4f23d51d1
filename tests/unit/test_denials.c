// SPDX-License-Identifier: GPL-2.0-or-later
/* The parent reads the engine's ring: it believes no record, and hides none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fw/ipc/ring.h"
#include "fw/parent/denials.h"
#include "fw/parent/logs.h"
#include "tests/unit/lab/record.h"

struct lab {
	char dir[64];
	struct parent p;
	struct log_dir log;
	struct ring *writer;
};

static int setup(void **state)
{
	static struct lab lab;
	int fd = ring_memfd(), event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct err e = {0};

	lab = (struct lab){.dir = "/tmp/agentfw-test-XXXXXX"};
	assert_non_null(mkdtemp(lab.dir));
	assert_int_equal(open_record(lab.dir, &lab.log.record, &e), 0);
	assert_int_equal(ring_map(fd, event, &lab.p.ring), 0);
	assert_int_equal(ring_map(fd, event, &lab.writer), 0);
	assert_int_equal(loop_new(&lab.p.loop), 0);
	lab.p.logs = &lab.log;
	lab.p.engine_pid = -1;
	*state = &lab;
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;
	char cmd[100];

	record_close(lab->log.record);
	loop_free(lab->p.loop);
	snprintf(cmd, sizeof(cmd), "rm -r %s", lab->dir);
	return system(cmd);
}

static const struct ring_denial good = {
    .denial = {.code = DENIED_NO_RULE, .fence = 1, .endpoint = "tcp://192.0.2.1:1"}};

static uint64_t lost_of(struct lab *lab, const void *record, size_t bytes)
{
	assert_true(ring_put(lab->writer, record, bytes, NULL, 0));
	denials_read(&lab->p);
	return record_counts(lab->log.record).lost;
}

static void what_makes_no_sense_is_lost(void **state)
{
	struct lab *lab = *state;
	struct ring_denial bad = good;

	assert_int_equal(lost_of(lab, &good, sizeof(good)), 0); /* of a fence that is over */
	bad.denial.code = DENIED_CODE_COUNT;
	assert_int_equal(lost_of(lab, &bad, sizeof(bad)), 1);
	bad = good;
	memset(bad.denial.name, 'x', sizeof(bad.denial.name));
	assert_int_equal(lost_of(lab, &bad, sizeof(bad)), 2);
	bad = good;
	bad.denial.dst.family = 7;
	assert_int_equal(lost_of(lab, &bad, sizeof(bad)), 3);
	assert_int_equal(lost_of(lab, &good, sizeof(good) - 1), 4);
	assert_int_equal(lost_of(lab, &good, sizeof(good)), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_makes_no_sense_is_lost, setup, teardown),
	};

	return cmocka_run_group_tests_name("denials", tests, NULL, NULL);
}
