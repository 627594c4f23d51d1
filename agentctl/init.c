/* The first process of a pid namespace: the kernel spares it the signals that it does not handle,
 * and orphans come to it. So the command is its child. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentctl/plan.h"

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

int init_fork(int tell, struct err *e)
{
	sigset_t set, before;
	pid_t pid;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &before);
	/* nobody looks into what it still holds of its life before */
	prctl(PR_SET_DUMPABLE, 0);
	pid = fork();
	if (pid < 0)
		return err_set(e, errno, "cannot fork: %s", strerror(errno));
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		return 0;
	}
	tell = dup2(tell, 0);
	close_range(1, ~0U, 0);
	watch(pid, &set, tell);
}
