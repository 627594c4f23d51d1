/* agentctl run: a command in a fence of its own. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentctl/ctl.h"
#include "agentctl/plan.h"
#include "policy/base/cleanup.h"

#define EXIT_CANNOT_EXEC 126
#define EXIT_NOT_FOUND   127

struct run {
	const char *policy_path, *log_dir;
	bool audit, verbose, dry_run;
	char **command;
	struct policy_file policy;
	struct plan plan;
	char home[PATH_MAX], shell[PATH_MAX];
	bool new_user;
	int control;
	struct ctl_created fence;
	pid_t pid;
	bool daemon_gone;
};

/* ---- who it runs as
 * ------------------------------------------------------------------------------ */

static int take_user(struct run *r, const struct passwd *pw, struct err *e)
{
	if (!pw)
		return err_set(e, ENOENT, "no such user");
	r->plan.uid = pw->pw_uid;
	r->plan.gid = pw->pw_gid;
	snprintf(r->plan.user, sizeof(r->plan.user), "%s", pw->pw_name);
	snprintf(r->home, sizeof(r->home), "%s", pw->pw_dir);
	snprintf(r->shell, sizeof(r->shell), "%s", pw->pw_shell);
	r->new_user = pw->pw_uid != getuid();
	return 0;
}

static bool number(const char *s, unsigned long *ret)
{
	char *end;

	*ret = strtoul(s, &end, 10);
	return isdigit((unsigned char)*s) && !*end && *ret < UINT32_MAX;
}

static int find_user(struct run *r, struct err *e)
{
	const char *name = policy_agent_user(r->policy.policy), *sudo = getenv("SUDO_UID");
	const struct passwd *pw;
	unsigned long uid;

	if (name) {
		pw = number(name, &uid) ? getpwuid((uid_t)uid) : getpwnam(name);
		return pw ? take_user(r, pw, e)
			  : err_set(e, ENOENT, "%s: agent.user: there is no user '%s'",
				    r->policy.path, name);
	}
	if (sudo && number(sudo, &uid) && uid != 0 && (pw = getpwuid((uid_t)uid)))
		return take_user(r, pw, e);
	err_set(e, EPERM, "the agent would run as root");
	return err_hint(
	    e, "name a user in the policy (agent: {user: NAME}), or start with sudo as yourself; "
	       "root only runs as root when the policy says user: root");
}

/* ---- the fence
 * ----------------------------------------------------------------------------------- */

static int policy_memfd(const struct policy_file *f, struct err *e)
{
	_cleanup_close_ int fd = memfd_create("agentfw-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t done = 0;

	while (fd >= 0 && done < f->blob_bytes) {
		ssize_t n = write(fd, (char *)f->blob + done, f->blob_bytes - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done < f->blob_bytes ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return err_set(e, errno, "cannot hand over the policy: %s", strerror(errno));
	return steal_fd(&fd);
}

static int absolute(const char *path, char *ret, size_t bytes, struct err *e)
{
	char cwd[PATH_MAX];
	int n;

	if (!path) {
		ret[0] = '\0';
		return 0;
	}
	if (path[0] == '/')
		n = snprintf(ret, bytes, "%s", path);
	else if (getcwd(cwd, sizeof(cwd)))
		n = snprintf(ret, bytes, "%s/%s", cwd, path);
	else
		return err_set(e, errno, "where are we? %s", strerror(errno));
	return n < 0 || (size_t)n >= bytes
		   ? err_set(e, ENAMETOOLONG, "the path of --log-dir is too long")
		   : 0;
}

/* NAME-PID of what runs: the directory of the cgroup. */
static void fence_name(const struct run *r, char *ret, size_t bytes)
{
	const char *base = strrchr(r->command[0], '/');
	char clean[40];
	size_t n = 0;

	base = base ? base + 1 : r->command[0];
	for (; *base && n < sizeof(clean) - 1; base++) {
		unsigned char c = (unsigned char)tolower((unsigned char)*base);

		clean[n] = isalnum(c) || c == '_' || (c == '.' && n) ? (char)c : '_';
		n++;
	}
	clean[n] = '\0';
	snprintf(ret, bytes, "%s-%d", n ? clean : "run", (int)getpid());
}

static void command_line(const struct run *r, char *ret, size_t bytes)
{
	size_t n = 0;

	ret[0] = '\0';
	for (char **a = r->command; *a && n < bytes; a++)
		n += (size_t)snprintf(ret + n, bytes - n, "%s%s", n ? " " : "", *a);
}

static int make_fence(struct run *r, struct err *e)
{
	_cleanup_free_ struct ctl_create *m = calloc(1, sizeof(*m));
	_cleanup_close_ int fd = policy_memfd(&r->policy, e);
	int ret;

	if (!m)
		return err_set(e, ENOMEM, "out of memory");
	if (fd < 0)
		return fd;
	ret = absolute(r->log_dir, m->log_dir, sizeof(m->log_dir), e);
	if (ret < 0)
		return ret;
	m->flags = r->audit ? CTL_CREATE_AUDIT : 0;
	fence_name(r, m->name, sizeof(m->name));
	command_line(r, m->command, sizeof(m->command));
	r->control = client_connect(true, e);
	if (r->control < 0)
		return r->control;
	if ((ret = client_send(r->control, m, sizeof(*m), CTL_CREATE, fd, e)) < 0)
		return ret;
	return client_receive(r->control, &r->fence, sizeof(r->fence), CTL_CREATED, e);
}

/* ---- the child
 * ----------------------------------------------------------------------------------- */

/* A socket that leads out, held since before the fence, would stay outside it. */
static int check_descriptors(struct err *e)
{
	for (int fd = 0; fd <= 2; fd++) {
		int domain;
		socklen_t len = sizeof(domain);

		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
		    domain != AF_UNIX) {
			err_set(e, EPERM,
				"descriptor %d is a network socket: data could leave by it", fd);
			return err_hint(e, "redirect it: < /dev/null, or through a pipe: | cat");
		}
	}
	return 0;
}

static void set_environment(const struct run *r)
{
	if (!r->new_user)
		return;
	setenv("HOME", r->home, 1);
	setenv("SHELL", r->shell, 1);
	setenv("USER", r->plan.user, 1);
	setenv("LOGNAME", r->plan.user, 1);
}

static void child(struct run *r, pid_t parent, bool inside, int tell)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	struct err e = {0};
	sigset_t none;
	int code;

	if (plan_apply(&r->plan, inside ? NULL : r->fence.cgroup, &e) < 0) {
		(void)!write(tell, &e, sizeof(e));
		_exit(EXIT_CTL);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user has cleared it */
	if (getppid() != parent)
		_exit(EXIT_CTL);
	set_environment(r);
	for (int s = 1; s < NSIG; s++)
		sigaction(s, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(r->command[0], r->command);
	code = errno;
	err_set(&e, code, "cannot run '%s': %s", r->command[0], strerror(code));
	if (code == EACCES && r->new_user)
		err_hint(&e, "it runs as user '%s', who may not read or execute it", r->plan.user);
	(void)!write(tell, &e, sizeof(e));
	_exit(code == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXEC);
}

/* Starts the command; an error before its first instruction comes back through a pipe. */
static int start(struct run *r, struct err *e)
{
	_cleanup_close_ int in = -1, out = -1;
	int pipe_fd[2];
	bool inside;
	pid_t self = getpid();

	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return err_set(e, errno, "cannot make a pipe: %s", strerror(errno));
	in = pipe_fd[0];
	out = pipe_fd[1];
	r->pid = plan_fork(r->fence.cgroup, &inside);
	if (r->pid < 0)
		return err_set(e, errno, "cannot fork: %s", strerror(errno));
	if (r->pid == 0)
		child(r, self, inside, out);
	close(steal_fd(&out));
	if (read(in, e, sizeof(*e)) == sizeof(*e)) {
		e->msg[sizeof(e->msg) - 1] = e->hint[sizeof(e->hint) - 1] = '\0';
		return -EIO;
	}
	return 0;
}

/* ---- waiting
 * ------------------------------------------------------------------------------------- */

/* What a terminal sends goes to its whole foreground group, the command among it; what a process
 * sends to us is passed on. */
static void pass_on(struct run *r, int signals)
{
	struct signalfd_siginfo si;

	while (read(signals, &si, sizeof(si)) == sizeof(si))
		if (si.ssi_signo != SIGCHLD && si.ssi_code <= 0)
			kill(r->pid, (int)si.ssi_signo);
}

static int block_signals(void)
{
	static const int passed[] = {SIGINT,  SIGTERM,  SIGHUP,  SIGQUIT, SIGUSR1,
				     SIGUSR2, SIGWINCH, SIGCONT, SIGALRM, SIGCHLD};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(passed); i++)
		sigaddset(&set, passed[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGTTOU, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int wait_for(struct run *r, int signals)
{
	struct pollfd pfd[2] = {{.fd = signals, .events = POLLIN},
				{.fd = r->control, .events = POLLIN}};
	int status;

	for (;;) {
		pid_t pid = waitpid(r->pid, &status, WNOHANG);

		if (pid == r->pid)
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		if (poll(pfd, r->daemon_gone ? 1 : 2, -1) < 0)
			continue;
		pass_on(r, signals);
		if (!r->daemon_gone && pfd[1].revents) {
			r->daemon_gone = true;
			fputs("agentctl: the firewall daemon has gone; the fence is closed: "
			      "nothing new gets out\n",
			      stderr);
		}
	}
}

/* ---- the end
 * ------------------------------------------------------------------------------------- */

static void clean_up_alone(const struct run *r)
{
	char path[CTL_PATH_MAX + 16];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/cgroup.kill", r->fence.cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	(void)!write(fd, "1", 1);
	for (int i = 0; i < 200 && rmdir(r->fence.cgroup) < 0 && errno == EBUSY; i++)
		usleep(5000);
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void tell(const struct run *r, const struct ctl_summary *s)
{
	const char *q = strpbrk(r->fence.log_dir, " '\"$\\") ? "'" : "";

	if (!r->verbose && !s->refused && !s->would_deny && !s->lost && !s->write_errno)
		return;
	fprintf(stderr, "agentctl: %llu connection%s allowed, ", (unsigned long long)s->allowed,
		plural(s->allowed));
	if (s->would_deny)
		fprintf(stderr, "%llu would have been refused", (unsigned long long)s->would_deny);
	else
		fprintf(stderr, "%llu refused", (unsigned long long)s->refused);
	if (s->lost)
		fprintf(stderr, ", %llu could not be recorded", (unsigned long long)s->lost);
	if (s->write_errno)
		fprintf(stderr, "; the record in %s could not be written: %s", r->fence.log_dir,
			strerror((int)s->write_errno));
	fprintf(stderr, "; see: agentctl log --log-dir %s%s%s --denied\n", q, r->fence.log_dir, q);
}

static void end_fence(struct run *r)
{
	struct ctl_head end;
	struct ctl_summary s;
	struct err e;

	if (!r->daemon_gone && client_send(r->control, &end, sizeof(end), CTL_END, -1, &e) == 0 &&
	    client_receive(r->control, &s, sizeof(s), CTL_SUMMARY, &e) == 0) {
		tell(r, &s);
		return;
	}
	clean_up_alone(r);
}

/* ---- the command
 * --------------------------------------------------------------------------------- */

static int options(struct run *r, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"policy", required_argument, NULL, 'p'}, {"log-dir", required_argument, NULL, 'l'},
	    {"audit", no_argument, NULL, 'a'},        {"verbose", no_argument, NULL, 'v'},
	    {"dry-run", no_argument, NULL, 'n'},      {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "+p:v", longs, NULL)) != -1) {
		if (c == 'p')
			r->policy_path = optarg;
		else if (c == 'l')
			r->log_dir = optarg;
		else if (c == 'a')
			r->audit = true;
		else if (c == 'v')
			r->verbose = true;
		else if (c == 'n')
			r->dry_run = true;
		else
			return ctl_usage("run", NULL);
	}
	if (optind == argc)
		return ctl_usage("run", "which command?");
	r->command = argv + optind;
	return 0;
}

static int make_plan(struct run *r, struct err *e)
{
	const char *run_dir = getenv("AGENTFW_RUN_DIR");
	char log_dir[CTL_PATH_MAX];
	int ret = absolute(r->log_dir ? r->log_dir : policy_audit_dir(r->policy.policy), log_dir,
			   sizeof(log_dir), e);

	return ret < 0 ? ret : plan_make(&r->plan, run_dir ? run_dir : CTL_RUN_DIR, log_dir, e);
}

static int prepare(struct run *r, struct err *e)
{
	int ret = policy_file_load(r->policy_path, &r->policy, e);

	if (ret < 0 || (ret = find_user(r, e)) < 0 || (ret = check_descriptors(e)) < 0)
		return ret;
	return make_plan(r, e);
}

static int in_fence(struct run *r)
{
	_cleanup_close_ int signals = block_signals();
	struct err e = {0};
	int status;

	if (make_fence(r, &e) < 0)
		return ctl_fail(&e);
	if (start(r, &e) < 0) {
		waitpid(r->pid, &status, 0);
		ctl_fail(&e);
		end_fence(r);
		return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_CTL;
	}
	status = wait_for(r, signals);
	end_fence(r);
	return status;
}

int cmd_run(int argc, char **argv)
{
	static struct run r = {.control = -1};
	struct err e = {0};
	int ret = options(&r, argc, argv);

	if (ret)
		return ret;
	if (geteuid() != 0 && !r.dry_run) {
		err_set(&e, EPERM, "a fence needs root: it is made of kernel rules and a cgroup");
		err_hint(&e, "sudo agentctl run …; the command itself runs as you");
		return ctl_fail(&e);
	}
	if (prepare(&r, &e) < 0)
		return ctl_fail(&e);
	if (r.dry_run) {
		plan_print(&r.plan, stdout);
		ret = 0;
	} else {
		ret = in_fence(&r);
	}
	if (r.control >= 0)
		close(r.control);
	policy_file_done(&r.policy);
	return ret;
}
