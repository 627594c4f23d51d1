// SPDX-License-Identifier: GPL-2.0-or-later
#include "agentctl/daemon/birth.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <linux/mempolicy.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "agentctl/daemon/client.h"
#include "fw/ipc/control_msg.h"
#include "policy/base/cleanup.h"

#define SAYS          "agentfwd: "
#define OOM_LIVES     "-900" /* what runs in fences goes first */
#define TIMER_NS      50000  /* the kernel's default */
#define CGROUP_TRIES  1000
#define MEMORY_LEAST  ((rlim_t)4 << 30)
#define FILES_LEAST   1024
#define STACK_LEAST   (1 << 20)
#define IOPRIO_MYSELF 1 /* IOPRIO_WHO_PROCESS */

/* ---- limits ---------------------------------------------------------------------------------- */

/* With less than `least` the daemon serves nobody well. With less than that of the first ones it is
 * killed, its record is cut, or it has no memory for one fence more: better none. */
static const struct felt {
	int resource;
	bool fatal;
	const char *name, *letter;
	rlim_t least;
} felt[] = {
    {RLIMIT_CPU, true, "processor time", "t", RLIM_INFINITY},
    {RLIMIT_FSIZE, true, "the size of files", "f", RLIM_INFINITY},
    {RLIMIT_AS, true, "address space", "v", MEMORY_LEAST},
    {RLIMIT_DATA, true, "data", "d", MEMORY_LEAST},
    {RLIMIT_NOFILE, false, "open files", "n", FILES_LEAST},
    {RLIMIT_STACK, false, "the stack", "s", STACK_LEAST},
};

/* The limit of the first process, which nobody has lowered; else the kernel's default. */
static struct rlimit machines(int resource)
{
	struct rlimit r = {RLIM_INFINITY, RLIM_INFINITY};

	if (prlimit(1, (enum __rlimit_resource)resource, NULL, &r) < 0 && resource == RLIMIT_STACK)
		r.rlim_cur = 8 << 20;
	if (resource == RLIMIT_CORE) /* it would hold everybody's policies */
		r.rlim_cur = 0;
	return r;
}

static void take_limit(int resource)
{
	struct rlimit want = machines(resource), has;

	if (setrlimit((enum __rlimit_resource)resource, &want) == 0 ||
	    getrlimit((enum __rlimit_resource)resource, &has) < 0)
		return;
	has.rlim_cur = want.rlim_cur < has.rlim_max ? want.rlim_cur : has.rlim_max;
	setrlimit((enum __rlimit_resource)resource, &has);
}

/* Those that root may not raise, for want of CAP_SYS_RESOURCE, are told, the worst last. A machine
 * that gives no more to anybody is as it is. */
static bool limits_will_do(void)
{
	bool ok = true;

	for (size_t i = ARRAY_SIZE(felt); i-- > 0;) {
		const struct felt *f = &felt[i];
		rlim_t machine = machines(f->resource).rlim_max;
		struct rlimit has;

		if (getrlimit((enum __rlimit_resource)f->resource, &has) < 0 ||
		    has.rlim_max >= f->least || has.rlim_max >= machine)
			continue;
		dprintf(2,
			SAYS
			"%sa limit of %s is set (ulimit -H%s: %llu), and root may not raise it "
			"here\n",
			f->fatal ? "" : "warning: ", f->name, f->letter,
			(unsigned long long)has.rlim_max);
		ok &= !f->fatal;
	}
	if (!ok)
		dprintf(2, SAYS "hint: the daemon serves everybody on the machine: start it where "
				"there is no such limit\n");
	return ok;
}

/* ---- namespaces ------------------------------------------------------------------------------ */

/* Is it the same file or directory here and there? For a path that does not exist, its
 * directory. */
static bool same_there(int there, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	char at[PATH_MAX];
	_cleanup_close_ int fd = -1;
	struct stat a, b;

	snprintf(at, sizeof(at), "%s", path);
	while (stat(at, &a) < 0) {
		char *slash = strrchr(at, '/');

		if (errno != ENOENT || !slash || slash == at)
			return false;
		*slash = '\0';
	}
	fd = (int)syscall(SYS_openat2, there, at, &how, sizeof(how));
	return fd >= 0 && fstat(fd, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Enters the first process's namespaces: a caller in mounts of their own may see other files. Not
 * where the run directory or the program is another file there: then the caller is in a container
 * or a chroot, and the daemon serves that alone. */
static void take_namespaces(const char *program)
{
	static const struct {
		const char *path;
		int kind;
	} all[] = {{"/proc/1/ns/mnt", CLONE_NEWNS},
		   {"/proc/1/ns/cgroup", CLONE_NEWCGROUP},
		   {"/proc/1/ns/uts", CLONE_NEWUTS},
		   {"/proc/1/ns/ipc", CLONE_NEWIPC}};
	_cleanup_close_ int root = open("/proc/1/root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int ns[ARRAY_SIZE(all)];

	if (root < 0 || !same_there(root, client_run_dir()) || !same_there(root, program))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		ns[i] = open(all[i].path, O_RDONLY | O_CLOEXEC);
	if (setns(ns[0], all[0].kind) == 0)
		for (size_t i = 1; i < ARRAY_SIZE(all); i++)
			(void)setns(ns[i], all[i].kind);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		close(ns[i]);
}

/* ---- cgroups --------------------------------------------------------------------------------- */

static bool birth_put(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) > 0;
}

static bool join(const char *dir)
{
	char procs[PATH_MAX + 32];

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", dir);
	return birth_put(procs, "0");
}

/* A cgroup of its own at the top: the end of a unit or session kills what is in its cgroup, and its
 * limits bind. The last daemon that ends removes the directory. */
static void join_own(const char *mount)
{
	char dir[PATH_MAX + sizeof(CTL_DAEMON_CGROUP_DIR) + 1];

	snprintf(dir, sizeof(dir), "%s/" CTL_DAEMON_CGROUP_DIR, mount);
	for (unsigned i = 0; i < CGROUP_TRIES; i++) {
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			break;
		if (join(dir))
			return;
		if (errno != ENOENT && errno != ENODEV)
			break;
	}
	if (!join(mount))
		dprintf(2,
			SAYS "warning: it stays in the cgroup of who called: cannot join %s: %s\n",
			dir, strerror(errno));
}

/* The fifth field of a line of mountinfo; the type is behind " - ". */
static void take_cgroups(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	bool own = false;
	size_t room = 0;

	while (f && getline(&line, &room, f) > 0) {
		const char *type = strstr(line, " - cgroup");
		char mount[PATH_MAX];

		if (!type || sscanf(line, "%*s %*s %*s %*s %4095s", mount) != 1)
			continue;
		type += strlen(" - cgroup");
		if (*type == ' ')
			(void)join(mount); /* version 1: to the top */
		else if (*type == '2' && !own) {
			join_own(mount);
			own = true;
		}
	}
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void take_signals(void)
{
	const struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int n = 1; n < NSIG; n++)
		sigaction(n, &dfl, NULL);
	/* The C library keeps these to itself. The kernel's structure has at most five words. */
	for (int n = __SIGRTMIN; n < SIGRTMIN; n++)
		syscall(SYS_rt_sigaction, n, (const unsigned long[8]){0}, NULL, sizeof(uint64_t));
	/* SIGPIPE stays ignored: the caller does not read its words for long. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void take_turns(void)
{
	const struct sched_param ordinary = {0};
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	(void)sched_setscheduler(0, SCHED_OTHER, &ordinary);
	(void)setpriority(PRIO_PROCESS, 0, 0);
	(void)sched_setaffinity(0, sizeof(all), &all);
	(void)syscall(SYS_ioprio_set, IOPRIO_MYSELF, 0, 0);
	(void)syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
	(void)prctl(PR_SET_TIMERSLACK, TIMER_NS, 0, 0, 0);
	(void)prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	if (!birth_put("/proc/self/oom_score_adj", OOM_LIVES))
		(void)birth_put("/proc/self/oom_score_adj", "0");
}

static void take_person(void)
{
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	(void)setgroups(0, NULL);
	(void)!setresgid(0, 0, 0);
	(void)!setresuid(0, 0, 0);
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	(void)personality(PER_LINUX);
	umask(022);
}

/* Numbers of descriptors are the caller's, 0 to 2 may be among them. */
static void take_descriptors(int ready, int said)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0) /* as good as any other that is nobody's */
		null = said;
	null = fcntl(null, F_DUPFD_CLOEXEC, 4);
	ready = fcntl(ready, F_DUPFD_CLOEXEC, 4);
	said = fcntl(said, F_DUPFD_CLOEXEC, 4);
	dup2(null, 0);
	dup2(null, 1);
	dup2(said, 2);
	dup2(ready, 3);
	close_range(4, ~0U, 0);
}

static void exec_daemon(const char *program)
{
	static const char *const names[] = {
	    "AGENTFW_RUN_DIR",
#ifdef AGENTFW_HOLES
	    "AGENTFW_HOLE",
#endif
	};
	char text[ARRAY_SIZE(names)][PATH_MAX], *env[ARRAY_SIZE(names) + 1] = {0};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (value &&
		    (size_t)snprintf(text[n], PATH_MAX, "%s=%s", names[i], value) < PATH_MAX) {
			env[n] = text[n];
			n++;
		}
	}
	execle(program, "agentfwd", "--idle-exit", "--ready-fd", "3", (char *)NULL, env);
	dprintf(2, SAYS "cannot execute %s: %s\n", program, strerror(errno));
}

static _Noreturn void born(int ready, int said)
{
	char program[PATH_MAX + 16];

	for (int i = 0; i < RLIM_NLIMITS; i++)
		take_limit(i);
	take_descriptors(ready, said);
	take_signals();
	setsid();
	if (!limits_will_do())
		_exit(EX_UNAVAILABLE);
	if (!client_find_daemon(program, sizeof(program))) {
		dprintf(2, "agentfwd is not installed beside agentctl, nor in /usr/local/sbin or "
			   "/usr/sbin\n" SAYS
			   "hint: install both, with make install, or put it beside agentctl\n");
		_exit(EX_UNAVAILABLE);
	}
	take_person();
	take_namespaces(program);
	take_cgroups();
	take_turns();
	(void)!chdir("/");
	exec_daemon(program);
	_exit(EX_UNAVAILABLE);
}

pid_t birth(int *ret_ready, int *ret_said)
{
	int ready[2], said[2] = {-1, -1};
	pid_t pid = -1;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	/* words that do not fit, or come when nobody reads, are lost: they must fill no memory */
	if (pipe2(said, O_CLOEXEC | O_NONBLOCK) == 0)
		pid = fork();
	if (pid == 0)
		born(ready[1], said[1]);
	if (pid < 0)
		pid = -errno;
	close(ready[1]);
	close(said[1]);
	*ret_ready = ready[0];
	*ret_said = said[0];
	return pid;
}
