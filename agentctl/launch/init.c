// SPDX-License-Identifier: GPL-2.0-or-later
/* The first process of a pid namespace: the kernel spares it the signals that it does not handle,
 * and orphans come to it. So the command is its child. */
#include "agentctl/launch/init.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/base/err.h"

/* Nothing outlives the command; then its status is told, and who waits need not wait for the kernel
 * to take the namespaces down. */
static _Noreturn void end(int tell, int status)
{
	/* a signal cannot end this process: its number goes up as shells write it */
	const unsigned char code =
	    (unsigned char)(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));

	kill(-1, SIGKILL);
	while (waitpid(-1, &status, 0) > 0 || errno == EINTR)
		;
	(void)!write(tell, &code, 1);
	_exit(code);
}

static void reap(pid_t command, int tell)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == command)
			end(tell, status);
}

/* A terminal's signals reach the command by itself; what a process sends to us is passed on. */
static _Noreturn void watch(pid_t command, const sigset_t *set, int tell)
{
	siginfo_t si;

	for (;;) {
		if (sigwaitinfo(set, &si) < 0)
			continue;
		if (si.si_signo == SIGCHLD)
			reap(command, tell);
		else if (si.si_code <= 0)
			kill(command, si.si_signo);
	}
}

/* What the C library needs to look for a program, and to run a script without an interpreter, which
 * copies the arguments. */
#define STACK_BYTES (256u << 10)
#define GUARD_BYTES (64u << 10)
#define PAGE_BYTES  (64u << 10) /* of any machine */

void *init_stack(char *const argv[])
{
	size_t bytes = GUARD_BYTES + STACK_BYTES;
	char *p;

	for (size_t i = 0; argv[i]; i++)
		bytes += sizeof(*argv);
	bytes = (bytes + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
	p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ||
		       mprotect(p + GUARD_BYTES, bytes - GUARD_BYTES, PROT_READ | PROT_WRITE) < 0
		   ? NULL
		   : p + bytes;
}

int init_run(int tell, void *stack, int (*fn)(void *arg), void *arg, struct err *e)
{
	sigset_t set;
	pid_t pid;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* nobody looks into what it still holds of its life before */
	prctl(PR_SET_DUMPABLE, 0);
	pid = clone(fn, stack, CLONE_VM | CLONE_VFORK | SIGCHLD, arg);
	if (pid < 0)
		return err_set(e, errno, "cannot fork: %s", strerror(errno));
	tell = dup2(tell, 0);
	close_range(1, ~0U, 0);
	watch(pid, &set, tell);
}
