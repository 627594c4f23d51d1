// SPDX-License-Identifier: GPL-2.0-or-later
/* A command is started by its plan, and waited for. */
#include "agentctl/launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentctl/confine/cgroup.h"
#include "agentctl/confine/lookup.h"
#include "agentctl/confine/plan.h"
#include "agentctl/launch/exit_status.h"
#include "agentctl/launch/init.h"
#include "agentctl/launch/output.h"
#include "agentctl/launch/watched_fd.h"
#include "policy/base/cleanup.h"
#include "policy/base/clock.h"
#include "policy/base/err.h"
#include "policy/profile.h"

/* ---- the child ------------------------------------------------------------------------------- */

static _Noreturn void give_up(int tell, const struct err *e, int status)
{
	(void)!write(tell, e, sizeof(*e));
	_exit(status);
}

/* The child is killed when agentctl ends. If that was before prctl, nobody reads the pipe. */
static void die_with_us(int tell)
{
	struct pollfd pfd = {.fd = tell};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLERR))
		_exit(EXIT_CTL);
}

/* What the child needs from its parent. */
struct start {
	struct launch *l;
	int streams[3];
	bool inside;            /* it was born in the cgroup */
	int tell, end, lookups; /* for an error; for the command's status; from lookup_send */
};

/* Is the name in no directory of PATH that the user may search? With a directory in PATH that they
 * may not search, as in root's, execvp says EACCES, not ENOENT. */
static bool nowhere(const char *name)
{
	char list[PATH_MAX], path[2 * PATH_MAX], *save = NULL;
	const char *given = getenv("PATH");

	snprintf(list, sizeof(list), "%s", given ? given : "/bin:/usr/bin");
	for (char *dir = strtok_r(list, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		if (access(path, F_OK) == 0)
			return false;
	}
	return true;
}

/* The error for a command that could not be run; returns its errno. */
static int why_not(const struct launch *l, int code, struct err *e)
{
	const char *name = l->argv[0];
	struct stat st;

	if (code == EACCES && !strchr(name, '/') && nowhere(name))
		code = ENOENT;
	err_set(e, code, "cannot run '%s': %s", name, strerror(code));
	if (code == ENOENT && !strchr(name, '/'))
		err_hint(e, "it is in no directory of PATH that user '%s' can search",
			 l->plan->user);
	else if (code == ENOENT && access(name, F_OK) == 0)
		err_hint(
		    e,
		    "it is there; what it needs to run, an interpreter (#!) or a loader, is not");
	else if (code == ENOENT && l->plan->tool && plan_is_private(l->plan, name))
		err_hint(e, "the box has its own: put the program where `exec` can name it");
	else if (code == EACCES && stat(name, &st) == 0 && !S_ISREG(st.st_mode))
		err_hint(e, "it is no program");
	else if (code == EACCES && l->plan->tool)
		err_hint(e, "`exec` of the profile must name it, the interpreter of a script too");
	else if (code == EACCES)
		err_hint(e, "user '%s', as whom it runs, may not read or execute it",
			 l->plan->user);
	return code;
}

static int run(void *arg)
{
	const struct start *s = arg;
	const struct launch *l = s->l;
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	struct err e = {0};
	sigset_t none;
	int code;

	for (int n = 1; n < NSIG; n++)
		sigaction(n, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(l->argv[0], l->argv);
	code = why_not(l, errno, &e);
	give_up(s->tell, &e, code == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXEC);
}

static _Noreturn void child(struct start *s)
{
	struct launch *l = s->l;
	struct err e = {0};
	void *stack = l->plan->tool ? init_stack(l->argv) : NULL;

	if (l->plan->tool && !stack) {
		err_set(&e, ENOMEM, "out of memory");
		give_up(s->tell, &e, EXIT_CTL);
	}
	for (int i = 0; i < 3; i++)
		if (s->streams[i] != i)
			dup2(s->streams[i], i);
	if (plan_apply(l->plan, s->inside ? NULL : l->cgroup, &l->cgroups, s->lookups, &e) < 0)
		give_up(s->tell, &e, EXIT_CTL);
	die_with_us(s->tell); /* a change of user would have cleared it */
	if (!l->plan->tool)
		run(s);
	init_run(s->end, stack, run, s, &e);
	give_up(s->tell, &e, EXIT_CTL);
}

/* ---- the parent ------------------------------------------------------------------------------ */

void launch_prepare(struct launch *l)
{
	static const int passed[] = {SIGINT,  SIGTERM,  SIGHUP,  SIGQUIT, SIGUSR1,
				     SIGUSR2, SIGWINCH, SIGCONT, SIGALRM, SIGCHLD};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(passed); i++)
		sigaddset(&set, passed[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGPIPE, SIG_IGN); /* there is something to take down first */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* if it were ignored, the command's status would be lost */
	l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void launch_watch(struct launch *l, int fd, void (*fn)(struct watched_fd *w), void *arg)
{
	l->watch[l->n_watches++] = (struct watched_fd){fd, fn, arg};
}

/* With a limit of output the command writes to pipes of ours. ret_streams: the command's. */
static int make_pipes(struct launch *l, int ret_streams[3])
{
	int r = 0;

	memcpy(ret_streams, l->streams, sizeof(l->streams));
	l->left = l->limits.output;
	for (int i = 0; i < 2; i++)
		l->out[i].from = -1;
	for (int i = 0; r == 0 && i < 2 && l->limits.output; i++)
		r = output_open(&l->out[i], l->streams[i + 1], &ret_streams[i + 1]);
	return r;
}

static void call_watches(struct launch *l, const struct pollfd *pfd)
{
	for (size_t i = 0; i < l->n_watches; i++)
		if (pfd[i].revents && pfd[i].fd == l->watch[i].fd)
			l->watch[i].fn(&l->watch[i]);
}

static void add_watches(const struct launch *l, struct pollfd *pfd)
{
	for (size_t i = 0; i < l->n_watches; i++)
		pfd[i] = (struct pollfd){.fd = l->watch[i].fd, .events = POLLIN};
}

/* Waits until the command runs, or an error comes: true. Watches are served meanwhile: the exec may
 * wait for one of them. */
static bool failed(struct launch *l, int in, struct err *e)
{
	struct pollfd pfd[1 + LAUNCH_WATCHES] = {{.fd = in, .events = POLLIN}};

	for (;;) {
		add_watches(l, pfd + 1);
		if (poll(pfd, 1 + l->n_watches, -1) < 0)
			continue;
		if (pfd[0].revents)
			return read(in, e, sizeof(*e)) == sizeof(*e);
		call_watches(l, pfd + 1);
	}
}

/* Finds out and sends what the child waits for. After an error the child is killed. */
static int look_up(struct launch *l, int to, struct err *e)
{
	if (l->begin_meanwhile && l->begin_meanwhile(l->meanwhile_arg, e) < 0)
		return -EIO;
	lookup_send(l->plan, STEP_LIBRARY, to);
	if (l->end_meanwhile && l->end_meanwhile(l->meanwhile_arg, e) < 0)
		return -EIO;
	lookup_send(l->plan, STEP_USER, to);
	return 0;
}

static void end_start(struct launch *l, int *ret_exit)
{
	int status;

	waitpid(l->pid, &status, 0);
	*ret_exit = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_CTL;
}

int launch_start(struct launch *l, int *ret_exit, struct err *e)
{
	_cleanup_close_ int in = -1, out = -1, end = -1, to = -1, from = -1;
	int tell[2], status[2], lookups[2];
	struct start s = {.l = l};

	*ret_exit = EXIT_CTL;
	if (pipe2(tell, O_CLOEXEC) < 0 || pipe2(status, O_CLOEXEC) < 0 ||
	    pipe2(lookups, O_CLOEXEC) < 0 || make_pipes(l, s.streams) < 0)
		return err_set(e, errno, "cannot make a pipe: %s", strerror(errno));
	in = tell[0];
	s.tell = out = tell[1];
	l->end = status[0];
	s.end = end = status[1];
	s.lookups = from = lookups[0];
	to = lookups[1];
	if (cgroup_make(&l->cgroups, l->plan, l->cgroup, e) < 0)
		return -EIO;
	if (l->cgroups.own_v2)
		l->cgroup = l->cgroups.v2;
	l->pid = plan_fork(l->plan, l->cgroup, &s.inside);
	if (l->pid < 0) {
		err_set(e, errno, "cannot make the namespaces of the box: %s", strerror(errno));
		return err_hint(e, "root needs CAP_SYS_ADMIN for them, which containers take away; "
				   "for an ordinary user see sysctl user.max_user_namespaces");
	}
	if (l->pid == 0) {
		close(to); /* so that it sees when the parent's ends close */
		close(in);
		child(&s);
	}
	close(steal_fd(&out));
	close(steal_fd(&from));
	for (int i = 1; i < 3; i++)
		if (s.streams[i] != l->streams[i])
			close(s.streams[i]);
	if (look_up(l, to, e) < 0) {
		kill(l->pid, SIGKILL);
		end_start(l, ret_exit);
		*ret_exit = EXIT_CTL;
		return -EIO;
	}
	if (!failed(l, in, e))
		return 0;
	e->msg[sizeof(e->msg) - 1] = e->hint[sizeof(e->hint) - 1] = '\0';
	end_start(l, ret_exit);
	return -EIO;
}

/* A terminal's signals reach the command anyway, as one of the foreground group; those that a
 * process sent to us are passed on. */
static void launch_pass_on(struct launch *l)
{
	struct signalfd_siginfo si;

	while (read(l->signals, &si, sizeof(si)) == sizeof(si))
		if (l->over) /* only its output is waited for */
			l->deserted |= si.ssi_signo == SIGINT || si.ssi_signo == SIGTERM;
		else if (si.ssi_signo != SIGCHLD && si.ssi_code <= 0)
			kill(l->pid, (int)si.ssi_signo);
}

/* The status: told by the init process, or of a command without one; -1: it still runs. */
static int ended(struct launch *l)
{
	unsigned char code;
	int status;
	pid_t pid;

	if (l->plan->tool && poll(&(struct pollfd){.fd = l->end, .events = POLLIN}, 1, 0) > 0 &&
	    read(l->end, &code, 1) == 1)
		return code;
	pid = waitpid(l->pid, &status, WNOHANG);
	if (pid < 0)
		return EXIT_CTL; /* no child of ours any more: there is nothing to wait for */
	if (pid == 0)
		return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void launch_kill(struct launch *l)
{
	if (l->pid > 0 && !l->over)
		kill(l->pid, SIGKILL);
}

/* One turn: waits for signals, output and watches, and serves them. */
static void launch_look(struct launch *l, int wait)
{
	struct pollfd pfd[6 + LAUNCH_WATCHES] = {
	    {.fd = l->signals, .events = POLLIN},
	    {.fd = l->plan->tool && !l->over ? l->end : -1, .events = POLLIN}};

	for (int i = 0; i < 2; i++)
		output_poll(&l->out[i], pfd + 2 + 2 * i);
	add_watches(l, pfd + 6);
	if (poll(pfd, 6 + l->n_watches, wait) <= 0)
		return;
	launch_pass_on(l);
	for (int i = 0; i < 2; i++)
		if (!output_step(&l->out[i], pfd + 2 + 2 * i, &l->left) && !l->over_output) {
			l->over_output = true;
			launch_kill(l);
		}
	call_watches(l, pfd + 6);
}

static int run_to_end(struct launch *l)
{
	uint64_t deadline = l->limits.time_ms ? clock_mono_ms() + l->limits.time_ms : 0, now;
	int status;

	while ((status = ended(l)) < 0) {
		now = deadline ? clock_mono_ms() : 0;
		if (deadline && deadline <= now && !l->over_time) {
			l->over_time = true;
			launch_kill(l);
		}
		launch_look(l, !deadline || l->over_time ? -1 : (int)(deadline - now));
	}
	l->over = true;
	return status;
}

int launch_wait(struct launch *l)
{
	int status = run_to_end(l);

	while (!l->deserted && !(output_over(&l->out[0]) && output_over(&l->out[1])))
		launch_look(l, -1);
	for (int i = 0; i < 2; i++)
		output_close(&l->out[i]);
	for (int i = 0; i < CGROUP_KINDS; i++)
		l->met[i] = cgroup_met(&l->cgroups, (enum cgroup_kind)i);
	if (l->over_time || l->over_output || (l->met[CGROUP_MEMORY] && status == 128 + SIGKILL))
		return EXIT_LIMIT;
	return status;
}

static void tell_limits(const struct launch *l, const char *who)
{
	const struct profile_limits *max = &l->limits;

	if (l->over_time)
		fprintf(stderr, "agentctl: %s: killed after %u ms (limits: time)\n", who,
			max->time_ms);
	if (l->over_output)
		fprintf(stderr,
			"agentctl: %s: killed after %llu bytes of output (limits: output)\n", who,
			(unsigned long long)max->output);
	if (l->met[CGROUP_MEMORY])
		fprintf(stderr, "agentctl: %s: killed over %llu bytes of memory (limits: memory)\n",
			who, (unsigned long long)max->memory);
	if (l->met[CGROUP_PIDS])
		fprintf(stderr,
			"agentctl: %s: no process more than %u was started (limits: pids)\n", who,
			max->pids);
}

void launch_done(struct launch *l, const char *who)
{
	cgroup_remove(&l->cgroups);
	tell_limits(l, who);
}
