// SPDX-License-Identifier: GPL-2.0-or-later
/* Waiting for a daemon that does not listen: bounded, and over with a signal, which stays for whoever
 * it is meant for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentctl/daemon/client.h"
#include "policy/base/clock.h"
#include "policy/base/err.h"

#define PATIENCE_MS 300
#define SIGNAL_MS   100
#define SLOW_MS     5000 /* a busy machine */

struct lab {
	int fds[2]; /* ours, and that of one who does not read */
	struct patience p;
	struct err e;
	struct ctl_denied_file m;
};

static int setup(void **state)
{
	static struct lab lab;
	sigset_t set;

	lab = (struct lab){.p.ms = PATIENCE_MS};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, lab.fds), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	*state = &lab;
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	patience_anew(&lab->p);
	close(lab->fds[0]);
	close(lab->fds[1]);
	return 0;
}

static int send_one(struct lab *lab)
{
	return client_send(lab->fds[0], &lab->m, sizeof(lab->m), CTL_DENIED_FILE, -1, &lab->p,
			   &lab->e);
}

static int send_until_full(struct lab *lab)
{
	int r;

	while ((r = send_one(lab)) == 0)
		;
	return r;
}

static pid_t signal_soon(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		usleep(SIGNAL_MS * 1000);
		kill(getppid(), SIGTERM);
		_exit(0);
	}
	return pid;
}

static void check_interrupted(struct lab *lab, int r, uint64_t began_ms, pid_t pid)
{
	sigset_t came;

	assert_int_equal(r, -EINTR);
	assert_int_equal(lab->p.signo, SIGTERM);
	assert_true(clock_mono_ms() - began_ms < SLOW_MS);
	sigpending(&came);
	assert_int_equal(sigismember(&came, SIGTERM), 1);
	waitpid(pid, NULL, 0);
	patience_anew(&lab->p);
	sigpending(&came);
	assert_int_equal(sigismember(&came, SIGTERM), 0);
	assert_int_equal(lab->p.signo, 0);
}

static void test_send_is_bounded(void **state)
{
	struct lab *lab = *state;
	uint64_t began = clock_mono_ms();

	assert_int_equal(send_until_full(lab), -ETIMEDOUT);
	assert_true(clock_mono_ms() - began >= PATIENCE_MS);
	assert_true(clock_mono_ms() - began < SLOW_MS);
	assert_non_null(strstr(lab->e.hint, "kill"));
}

static void test_send_is_interrupted(void **state)
{
	struct lab *lab = *state;
	uint64_t began = clock_mono_ms();
	pid_t pid;

	assert_int_equal(send_until_full(lab), -ETIMEDOUT);
	lab->p.ms = 60000;
	pid = signal_soon();
	check_interrupted(lab, send_one(lab), began, pid);
}

static void test_receive_is_interrupted(void **state)
{
	struct lab *lab = *state;
	uint64_t began = clock_mono_ms();
	struct ctl_head m;
	pid_t pid;

	lab->p.ms = 60000;
	pid = signal_soon();
	check_interrupted(
	    lab, client_receive(lab->fds[0], &m, sizeof(m), CTL_STATUS_TEXT, &lab->p, &lab->e),
	    began, pid);
}

/* An answer that is there counts, whatever signal came before it. */
static void test_an_answer_counts(void **state)
{
	struct lab *lab = *state;
	struct ctl_head m = {
	    .version = CTL_VERSION, .type = CTL_STATUS_TEXT, .bytes = sizeof(struct ctl_head)};

	kill(getpid(), SIGTERM);
	assert_int_equal(send(lab->fds[1], &m, sizeof(m), 0), sizeof(m));
	assert_int_equal(
	    client_receive(lab->fds[0], &m, sizeof(m), CTL_STATUS_TEXT, &lab->p, &lab->e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_send_is_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_send_is_interrupted, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_receive_is_interrupted, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_an_answer_counts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
