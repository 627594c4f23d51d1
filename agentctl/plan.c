#include "agentctl/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "policy/base/cleanup.h"

static const char *const cgroup_mounts[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};

static struct step *add(struct plan *p, enum step_kind kind, const char *path)
{
	struct step *s = &p->step[p->n];

	if (p->n == PLAN_STEPS_MAX)
		return NULL;
	p->n++;
	s->kind = kind;
	snprintf(s->path, sizeof(s->path), "%s", path ? path : "");
	return s;
}

/* The order is the design: into the cgroup first, so that no socket is made outside; what needs
 * rights before the rights go; the filter last, since it forbids steps before it. */
int plan_make(struct plan *p, const char *run_dir, const char *log_dir, struct err *e)
{
	static char hidden[PLAN_STEPS_MAX - 16][4096];
	size_t n = mount_hidden_paths(hidden, PLAN_STEPS_MAX - 16);
	struct stat st;

	p->n = 0;
	add(p, STEP_CGROUP, NULL);
	add(p, STEP_MOUNTS, NULL);
	for (size_t i = 0; i < n; i++)
		add(p, STEP_HIDE, hidden[i]);
	if (run_dir[0])
		add(p, STEP_HIDE, run_dir);
	if (log_dir[0])
		add(p, STEP_HIDE, log_dir);
	for (size_t i = 0; i < ARRAY_SIZE(cgroup_mounts); i++)
		if (stat(cgroup_mounts[i], &st) == 0)
			add(p, STEP_READ_ONLY, cgroup_mounts[i]);
	add(p, STEP_LIMITS, NULL);
	add(p, STEP_DESCRIPTORS, NULL);
	add(p, STEP_BOUNDING, NULL);
	add(p, STEP_USER, NULL);
	add(p, STEP_CAPABILITIES, NULL);
	add(p, STEP_NO_NEW_PRIVS, NULL);
	add(p, STEP_LANDLOCK, NULL);
	if (!add(p, STEP_SECCOMP, NULL))
		return err_set(e, E2BIG, "too many sockets to hide");
	return 0;
}

void plan_print(const struct plan *p, FILE *to)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct step *s = &p->step[i];

		switch (s->kind) {
		case STEP_CGROUP:
			fputs("join the fence's cgroup\n", to);
			break;
		case STEP_MOUNTS:
			fputs("a mount namespace of its own\n", to);
			break;
		case STEP_HIDE:
			fprintf(to, "hide %s\n", s->path);
			break;
		case STEP_READ_ONLY:
			fprintf(to, "read-only: %s\n", s->path);
			break;
		case STEP_LIMITS:
			fputs("no core dumps\n", to);
			break;
		case STEP_DESCRIPTORS:
			fputs("close every descriptor but 0, 1 and 2\n", to);
			break;
		case STEP_USER:
			fprintf(to, "become %s (uid %u, gid %u)\n", p->user, p->uid, p->gid);
			break;
		case STEP_BOUNDING:
			fputs("empty the bounding set: no program gives a capability back\n", to);
			break;
		case STEP_CAPABILITIES:
			fputs("drop every capability\n", to);
			break;
		case STEP_NO_NEW_PRIVS:
			fputs("no new privileges\n", to);
			break;
		case STEP_LANDLOCK:
			fputs(landlock_can_scope()
				  ? "Landlock: abstract sockets and signals stay inside\n"
				  : "Landlock: this kernel cannot scope abstract sockets and "
				    "signals: left out\n",
			      to);
			break;
		case STEP_SECCOMP:
			fputs("system call filter:\n", to);
			seccomp_print(to);
			break;
		}
	}
}

/* Moving a process into a cgroup waits for every processor, ten milliseconds and more; one that is
 * born there does not. */
pid_t plan_fork(const char *cgroup, bool *ret_inside)
{
	_cleanup_close_ int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct clone_args args = {
	    .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (__u64)fd};
	pid_t pid = fd < 0 ? -1 : (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	*ret_inside = pid >= 0;
	return pid >= 0 ? pid : fork();
}

static int join(const char *cgroup, struct err *e)
{
	char path[4200];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		return err_set(e, errno, "cannot join %s: %s", cgroup, strerror(errno));
	return 0;
}

static int no_cores(struct err *e)
{
	const struct rlimit none = {0, 0};

	return setrlimit(RLIMIT_CORE, &none) < 0
		   ? err_set(e, errno, "cannot forbid core dumps: %s", strerror(errno))
		   : 0;
}

static int become(const struct plan *p, struct err *e)
{
	if (initgroups(p->user, p->gid) < 0 || setresgid(p->gid, p->gid, p->gid) < 0 ||
	    setresuid(p->uid, p->uid, p->uid) < 0)
		return err_set(e, errno, "cannot become %s: %s", p->user, strerror(errno));
	return 0;
}

static int apply(const struct plan *p, const struct step *s, const char *cgroup, struct err *e)
{
	switch (s->kind) {
	case STEP_CGROUP:
		return cgroup ? join(cgroup, e) : 0;
	case STEP_MOUNTS:
		return mount_private(e);
	case STEP_HIDE:
		return mount_hide(s->path, e);
	case STEP_READ_ONLY:
		return mount_read_only(s->path, e);
	case STEP_LIMITS:
		return no_cores(e);
	case STEP_DESCRIPTORS: /* at the exec: until then the way to tell an error is needed */
		return close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0
			   ? err_set(e, errno, "cannot close descriptors: %s", strerror(errno))
			   : 0;
	case STEP_USER:
		return become(p, e);
	case STEP_BOUNDING:
		return caps_drop_bounding(e);
	case STEP_CAPABILITIES:
		return caps_drop(e);
	case STEP_NO_NEW_PRIVS:
		return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
			   ? err_set(e, errno, "cannot set no_new_privs: %s", strerror(errno))
			   : 0;
	case STEP_LANDLOCK:
		return landlock_scope(e);
	case STEP_SECCOMP:
		return seccomp_base(e);
	}
	return -EINVAL;
}

int plan_apply(const struct plan *p, const char *cgroup, struct err *e)
{
	for (size_t i = 0; i < p->n; i++) {
		int r = apply(p, &p->step[i], cgroup, e);

		if (r < 0)
			return r;
	}
	return 0;
}
