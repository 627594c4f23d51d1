// SPDX-License-Identifier: GPL-2.0-or-later
/* The first process of a pid namespace gets no signals that it does not handle, and has to reap
 * orphans. So it is ours, and the command is its child. */
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

/* Kills what the command left, then tells its status: so agentctl need not wait until the kernel
 * has taken the namespaces down. */
static _Noreturn void init_end(int tell, int status)
{
	/* this process cannot end by the signal itself: 128 + its number, as shells have it */
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
			init_end(tell, status);
}

/* A terminal's signals reach the command anyway; those that a process sent to us are passed on. */
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

/* For execvp, which may copy the arguments: it runs a script without "#!" by the shell. */
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
	/* its memory still holds agentctl's secrets */
	prctl(PR_SET_DUMPABLE, 0);
	pid = clone(fn, stack, CLONE_VM | CLONE_VFORK | SIGCHLD, arg);
	if (pid < 0)
		return err_set(e, errno, "cannot fork: %s", strerror(errno));
	tell = dup2(tell, 0);
	close_range(1, ~0U, 0);
	watch(pid, &set, tell);
}
