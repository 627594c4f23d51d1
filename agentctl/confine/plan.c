#include "agentctl/confine/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agentctl/guard/guard.h"
#include "policy/base/cleanup.h"

struct step *plan_add(struct plan *p, enum step_kind kind, const char *path, uint64_t arg)
{
	struct step *s;

	if (p->n == p->room) {
		size_t room = p->room ? p->room * 2 : 64;

		s = reallocarray(p->step, room, sizeof(*s));
		if (!s) {
			p->failed = true;
			return NULL;
		}
		p->step = s;
		p->room = room;
	}
	s = &p->step[p->n];
	*s = (struct step){.kind = kind, .arg = arg, .fd = -1};
	if (path && !(s->path = strdup(path))) {
		p->failed = true;
		return NULL;
	}
	p->n++;
	return s;
}

void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->step[i].path);
	for (size_t i = 0; i < p->n_env; i++)
		free(p->env[i]);
	free(p->step);
	free(p->libraries);
	guard_free(p->guard);
	free(p->env);
	*p = (struct plan){0};
}

/* ---- as a person reads it ----------------------------------------------------------------------
 */

static void print_namespaces(uint64_t flags, FILE *to)
{
	static const struct {
		uint64_t flag;
		const char *name;
	} all[] = {{CLONE_NEWUSER, "user"},
		   {CLONE_NEWNS, "mount"},
		   {CLONE_NEWPID, "process"},
		   {CLONE_NEWIPC, "ipc"},
		   {CLONE_NEWNET, "network (empty)"}};
	const char *comma = "";

	fputs("namespaces of its own: ", to);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (flags & all[i].flag) {
			fprintf(to, "%s%s", comma, all[i].name);
			comma = ", ";
		}
	fputc('\n', to);
}

static void print_limit(const struct step *s, FILE *to)
{
	unsigned long long v = s->value;

	if (s->arg == RLIMIT_CPU)
		fprintf(to, "each process: at most %llu s of processor time\n", v);
	else if (s->arg == RLIMIT_FSIZE)
		fprintf(to, "no file grows over %llu bytes\n", v);
	else if (s->arg == RLIMIT_NPROC)
		fprintf(to, "at most %llu processes of the user\n", v);
	else
		fprintf(to, "each process: at most %llu bytes of memory of its own\n", v);
}

static void print_allow(const struct step *s, FILE *to)
{
	char path[4 * PATH_MAX], words[RIGHTS_STRLEN];

	str_clean(path, sizeof(path), s->path);
	fprintf(to, "may %s  %s%s\n", rights_words((uint32_t)s->arg, words), path,
		s->implied ? "  (implied)" : "");
}

static void print_environment(const struct plan *p, FILE *to)
{
	fputs("environment:", to);
	for (size_t i = 0; i < p->n_env; i++)
		fprintf(to, " %.*s", (int)strcspn(p->env[i], "="), p->env[i]);
	fputs(p->n_env ? "; nothing else\n" : " empty\n", to);
}

static void print_landlock(const struct step *s, FILE *to)
{
	if (s->arg & LANDLOCK_FILES)
		fprintf(to, "Landlock (ABI %d): no other file is opened, made or run\n",
			landlock_abi());
	fputs(landlock_can_scope()  ? "Landlock: abstract sockets and signals stay inside\n"
	      : landlock_can_part() ? "Landlock: the memory of others is out of reach; this kernel "
				      "cannot scope abstract sockets and signals\n"
				    : "Landlock: this kernel cannot scope abstract sockets and "
				      "signals: left out\n",
	      to);
}

static void print_step(const struct plan *p, const struct step *s, FILE *to)
{
	char path[4 * PATH_MAX];
	static const char *const binds[] = {[RIGHT_READ] = "no programs, no writing",
					    [RIGHT_WRITE] = "may change, no programs",
					    [RIGHT_EXEC] = "programs and libraries"};

	str_clean(path, sizeof(path), s->path ? s->path : "");
	switch (s->kind) {
	case STEP_CGROUP:
		fputs("join the fence's cgroup\n", to);
		break;
	case STEP_NAMESPACES:
		print_namespaces(s->arg, to);
		break;
	case STEP_PRIVATE:
		fputs("mounts stay inside\n", to);
		break;
	case STEP_TREE:
		fputs("every mount: read-only, no programs, no setuid, no devices\n", to);
		break;
	case STEP_TMPFS:
		fprintf(to, s->arg ? "empty, its own: %s (at most %llu MB)\n" : "empty: %s\n", path,
			(unsigned long long)(s->arg >> 20));
		break;
	case STEP_DEVICES:
		fputs("a /dev of its own: null, zero, full, random, urandom\n", to);
		break;
	case STEP_PROC:
		fputs("a /proc of its own, read-only\n", to);
		break;
	case STEP_LIBRARY:
		fprintf(to, "libraries, no programs in directories below: %s\n", path);
		break;
	case STEP_BIND:
		fprintf(to, "%s: %s\n", binds[s->arg], path);
		break;
	case STEP_HIDE:
		fprintf(to, "hide %s\n", path);
		break;
	case STEP_TOOLS:
		fprintf(to, "the policy's tools are called at %s\n", path);
		break;
	case STEP_DENY:
		fprintf(to, "deny %s\n", path);
		break;
	case STEP_READ_ONLY:
		fprintf(to, "read-only: %s\n", path);
		break;
	case STEP_DIRECTORY:
		fprintf(to, "go to %s\n", path);
		break;
	case STEP_NO_CORES:
		fputs("no core dumps\n", to);
		break;
	case STEP_LIMIT:
		print_limit(s, to);
		break;
	case STEP_TOGETHER:
		fprintf(to,
			s->arg == CGROUP_MEMORY ? "all processes: at most %llu bytes of memory\n"
						: "at most %llu processes\n",
			(unsigned long long)s->value);
		break;
	case STEP_ENVIRONMENT:
		print_environment(p, to);
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
	case STEP_ALLOW:
		print_allow(s, to);
		break;
	case STEP_LANDLOCK:
		print_landlock(s, to);
		break;
	case STEP_SECCOMP:
		fputs("system call filter:\n", to);
		seccomp_print(s->arg, to);
		break;
	case STEP_WATCH:
		fputs(s->arg ? "watched, not limited: files that are opened, programs, changes\n"
			     : "watched: programs that are started, changes of files\n",
		      to);
		break;
	}
}

void plan_print_lacks(const struct plan *p, FILE *to)
{
	for (size_t i = 0; i < p->n_lacks; i++)
		fprintf(to, "agentctl: best effort: %s\n", p->lacks[i]);
}

void plan_print(const struct plan *p, FILE *to)
{
	plan_print_lacks(p, to);
	for (size_t i = 0; i < p->n; i++)
		print_step(p, &p->step[i], to);
}

/* ---- applied -----------------------------------------------------------------------------------
 */

/* Moving a process into a cgroup waits for every processor, ten milliseconds and more; one that is
 * born there does not. The network namespace, most of a millisecond, it makes itself: we have
 * something else to do meanwhile. */
pid_t plan_fork(const struct plan *p, const char *cgroup, bool *ret_inside)
{
	_cleanup_close_ int fd = cgroup ? open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct clone_args args = {.exit_signal = SIGCHLD};
	pid_t pid = -1;

	for (size_t i = 0; i < p->n; i++)
		if (p->step[i].kind == STEP_NAMESPACES)
			args.flags = p->step[i].arg & ~(uint64_t)CLONE_NEWNET;
	*ret_inside = !cgroup;
	if (fd >= 0) {
		struct clone_args into = args;

		into.flags |= CLONE_INTO_CGROUP;
		into.cgroup = (uint64_t)fd;
		pid = (pid_t)syscall(SYS_clone3, &into, sizeof(into));
		*ret_inside = pid >= 0;
	}
	return pid >= 0 ? pid : (pid_t)syscall(SYS_clone3, &args, sizeof(args));
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

static int limit(int resource, uint64_t value, struct err *e)
{
	const struct rlimit l = {value, value};

	return setrlimit((__rlimit_resource_t)resource, &l) < 0
		   ? err_set(e, errno, "cannot set a limit: %s", strerror(errno))
		   : 0;
}

/* A host's handler (a pipe in kernel.core_pattern) is called with a limit of 0, too, and would read
 * what the command made of its memory; only 1 stops it. The filter keeps the 1 from being lowered.
 */
static int no_cores(struct err *e)
{
	struct rlimit now;

	return limit(RLIMIT_CORE, getrlimit(RLIMIT_CORE, &now) == 0 && now.rlim_max > 0, e);
}

/* What will be mounted is taken while it can still be reached. */
static int take_trees(struct plan *p, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->n; i++) {
		struct step *s = &p->step[i];

		if (s->kind == STEP_BIND || s->kind == STEP_LIBRARY)
			r = tree_take(s->path, (enum right)s->arg, &s->fd, e);
		else if (s->kind == STEP_TOOLS && p->tools)
			r = tree_take(p->tools, RIGHT_READ, &s->fd, e);
	}
	return r;
}

/* A directory that the box has not got is no reason to fail: the command starts in /. */
static int go(const char *path, struct err *e)
{
	return chdir(path) == 0 || chdir("/") == 0
		   ? 0
		   : err_set(e, errno, "cannot go to %s: %s", path, strerror(errno));
}

struct applying {
	struct plan *p;
	const char *cgroup;
	const struct cgroup_limits *limits;
	int ruleset, lookups;
};

static int library(const struct applying *a, const struct step *s, struct err *e)
{
	_cleanup_free_ void *names = NULL;
	size_t bytes;
	int r = lookup_receive(a->lookups, &names, &bytes);

	return r < 0 ? err_set(e, -r, "cannot read %s: %s", s->path, strerror(-r))
		     : tree_library(s->fd, s->path, names, bytes, e);
}

static int user(const struct applying *a, struct err *e)
{
	_cleanup_free_ void *groups = NULL;
	size_t bytes;
	int r;

	if (!user_changes(a->p))
		return 0;
	r = lookup_receive(a->lookups, &groups, &bytes);
	return r < 0 ? err_set(e, -r, "cannot find the groups of %s: %s", a->p->user, strerror(-r))
		     : user_become(a->p, groups, bytes / sizeof(gid_t), e);
}

static int apply(struct applying *a, const struct step *s, struct err *e)
{
	struct plan *p = a->p;
	int r;

	switch (s->kind) {
	case STEP_CGROUP:
		r = a->cgroup ? join(a->cgroup, e) : 0;
		return r < 0 ? r : cgroup_join(a->limits, e);
	case STEP_NAMESPACES:
		return namespaces_enter(p, s->arg, e);
	case STEP_PRIVATE:
		r = mount_private((unsigned long)s->arg, e);
		return r < 0 ? r : take_trees(p, e);
	case STEP_TREE:
		r = tree_take_devices(e);
		return r < 0 ? r : tree_close_down(e);
	case STEP_TOOLS:
		return s->fd < 0 ? 0 : tree_attach(s->fd, s->path, e);
	case STEP_TMPFS:
		return tree_tmpfs(s->path, s->arg, e);
	case STEP_DEVICES:
		return tree_devices(e);
	case STEP_PROC:
		return tree_proc(e);
	case STEP_LIBRARY:
		return library(a, s, e);
	case STEP_BIND:
		return tree_attach(s->fd, s->path, e);
	case STEP_HIDE:
		return mount_hide(s->path, e);
	case STEP_DENY:
		return tree_deny(s->path, e);
	case STEP_READ_ONLY:
		return mount_read_only(s->path, e);
	case STEP_DIRECTORY:
		return go(s->path, e);
	case STEP_NO_CORES:
		return no_cores(e);
	case STEP_LIMIT:
		return limit((int)s->arg, s->value, e);
	case STEP_TOGETHER: /* by the cgroup */
		return 0;
	case STEP_ENVIRONMENT:
		environ = p->env;
		return 0;
	case STEP_DESCRIPTORS: /* at the exec: until then the way to tell an error is needed */
		return close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0
			   ? err_set(e, errno, "cannot close descriptors: %s", strerror(errno))
			   : 0;
	case STEP_USER:
		return user(a, e);
	case STEP_BOUNDING:
		return caps_drop_bounding(e);
	case STEP_CAPABILITIES:
		return caps_drop(e);
	case STEP_NO_NEW_PRIVS:
		return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
			   ? err_set(e, errno, "cannot set no_new_privs: %s", strerror(errno))
			   : 0;
	case STEP_ALLOW:
		if (a->ruleset < 0 &&
		    (r = landlock_open(LANDLOCK_FILES | LANDLOCK_SCOPE, &a->ruleset, e)) < 0)
			return r;
		return landlock_allow(a->ruleset, s->path, s->arg, s->optional, e);
	case STEP_LANDLOCK:
		return a->ruleset < 0 ? landlock_scope(e) : landlock_apply(a->ruleset, e);
	case STEP_SECCOMP:
		return seccomp_base(s->arg, e);
	case STEP_WATCH:
		return p->watcher ? seccomp_watch(s->arg, p->watcher, e) : 0;
	}
	return -EINVAL;
}

int plan_apply(struct plan *p, const char *cgroup, const struct cgroup_limits *c, int lookups,
	       struct err *e)
{
	struct applying a = {
	    .p = p, .cgroup = cgroup, .limits = c, .ruleset = -1, .lookups = lookups};
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->n; i++)
		r = apply(&a, &p->step[i], e);
	if (a.ruleset >= 0)
		close(a.ruleset);
	return r;
}
