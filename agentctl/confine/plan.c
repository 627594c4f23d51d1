// SPDX-License-Identifier: GPL-2.0-or-later

#include "agentctl/confine/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agentctl/confine/caps.h"
#include "agentctl/confine/cgroup.h"
#include "agentctl/confine/landlock.h"
#include "agentctl/confine/lookup.h"
#include "agentctl/confine/mount.h"
#include "agentctl/confine/namespaces.h"
#include "agentctl/confine/seccomp.h"
#include "agentctl/confine/tree.h"
#include "agentctl/confine/user.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/path.h"
#include "policy/base/rights.h"

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
	free(p->env);
	*p = (struct plan){0};
}

bool plan_is_private(const struct plan *p, const char *path)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->step[i].kind == STEP_TMPFS && path_below(path, p->step[i].path))
			return true;
	return false;
}

/* ---- applied --------------------------------------------------------------------------------- */

/* Moving a process into a cgroup waits for every processor, ten milliseconds and more; being born
 * there does not. The child makes its network namespace itself, which takes most of a millisecond:
 * the parent has other work meanwhile. */
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

static int join_fence(const char *cgroup, struct err *e)
{
	char path[4200];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		return err_set(e, errno, "cannot join '%s': %s", cgroup, strerror(errno));
	return 0;
}

static int limit(int resource, uint64_t value, struct err *e)
{
	const struct rlimit l = {value, value};

	return setrlimit((__rlimit_resource_t)resource, &l) < 0
		   ? err_set(e, errno, "cannot set a limit: %s", strerror(errno))
		   : 0;
}

/* With a limit of 0 the kernel still calls a host's handler (a pipe in kernel.core_pattern), which
 * would read what the command made of its memory. With 1 it does not; the filter keeps it at 1. */
static int no_cores(struct err *e)
{
	struct rlimit now;

	return limit(RLIMIT_CORE, getrlimit(RLIMIT_CORE, &now) == 0 && now.rlim_max > 0, e);
}

/* Before anything is mounted over the places. */
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

/* Where the box does not have the directory, the command starts in /. */
static int go(const char *path, struct err *e)
{
	return chdir(path) == 0 || chdir("/") == 0
		   ? 0
		   : err_set(e, errno, "cannot go to '%s': %s", path, strerror(errno));
}

/* They close at the exec: until then one of them carries errors to the parent. */
static int close_descriptors(struct err *e)
{
	return close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0
		   ? err_set(e, errno, "cannot close descriptors: %s", strerror(errno))
		   : 0;
}

static int no_new_privileges(struct err *e)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
		   ? err_set(e, errno, "cannot set no_new_privs: %s", strerror(errno))
		   : 0;
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

	return r < 0 ? err_set(e, -r, "cannot read '%s': %s", s->path, strerror(-r))
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
	return r < 0 ? err_set(e, -r, "cannot find the groups of user '%s': %s", a->p->user,
			       strerror(-r))
		     : user_become(a->p, groups, bytes / sizeof(gid_t), e);
}

static int join_cgroups(const struct applying *a, struct err *e)
{
	int r = a->cgroup ? join_fence(a->cgroup, e) : 0;

	return r < 0 ? r : cgroup_join(a->limits, e);
}

static int allow(struct applying *a, const struct step *s, struct err *e)
{
	int r = a->ruleset < 0 ? landlock_open(LANDLOCK_FILES | LANDLOCK_SCOPE, &a->ruleset, e) : 0;

	return r < 0 ? r : landlock_allow(a->ruleset, s->path, s->arg, s->optional, e);
}

/* The steps that are about a place in the file system. */
static int apply_place(const struct applying *a, const struct step *s, struct err *e)
{
	int r;

	switch ((int)s->kind) {
	case STEP_PRIVATE:
		r = mount_private((unsigned long)s->arg, e);
		return r < 0 ? r : take_trees(a->p, e);
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
	}
	return -EINVAL;
}

static int apply(struct applying *a, const struct step *s, struct err *e)
{
	switch (s->kind) {
	case STEP_PRIVATE:
	case STEP_TREE:
	case STEP_TOOLS:
	case STEP_TMPFS:
	case STEP_DEVICES:
	case STEP_PROC:
	case STEP_LIBRARY:
	case STEP_BIND:
	case STEP_HIDE:
	case STEP_DENY:
	case STEP_READ_ONLY:
	case STEP_DIRECTORY:
		return apply_place(a, s, e);
	case STEP_CGROUP:
		return join_cgroups(a, e);
	case STEP_NAMESPACES:
		return namespaces_enter(a->p, s->arg, e);
	case STEP_NO_CORES:
		return no_cores(e);
	case STEP_LIMIT:
		return limit((int)s->arg, s->value, e);
	case STEP_TOGETHER: /* by the cgroup */
		return 0;
	case STEP_ENVIRONMENT:
		environ = a->p->env;
		return 0;
	case STEP_DESCRIPTORS:
		return close_descriptors(e);
	case STEP_USER:
		return user(a, e);
	case STEP_BOUNDING:
		return caps_drop_bounding(e);
	case STEP_CAPABILITIES:
		return caps_drop(e);
	case STEP_NO_NEW_PRIVS:
		return no_new_privileges(e);
	case STEP_ALLOW:
		return allow(a, s, e);
	case STEP_LANDLOCK:
		return a->ruleset < 0 ? landlock_scope(e) : landlock_apply(a->ruleset, e);
	case STEP_SECCOMP:
		return seccomp_base(s->arg, e);
	case STEP_WATCH:
		return a->p->watcher ? seccomp_watch(s->arg, a->p->watcher, e) : 0;
	case STEP_KINDS:
		break;
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
