// SPDX-License-Identifier: GPL-2.0-or-later
/* From a profile to a plan; its files are in files.c. */
#include "agentctl/box/box.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentctl/box/build.h"
#include "agentctl/box/files.h"
#include "agentctl/box/links.h"
#include "agentctl/confine/cgroup.h"
#include "agentctl/confine/landlock.h"
#include "agentctl/confine/libraries.h"
#include "agentctl/confine/mount.h"
#include "agentctl/confine/plan.h"
#include "agentctl/confine/seccomp.h"
#include "agentctl/guard/guard.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/path.h"
#include "policy/profile.h"

static const char *const cgroup_mounts[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};

int box_path(const struct plan *p, const char *workspace, const char *path, char *ret, size_t bytes,
	     struct err *e)
{
	const char *base = "", *rest = path;

	if (path[0] == '~') {
		base = p->home;
		rest = path + 1;
	} else if (strncmp(path, "$WORKSPACE", 10) == 0) {
		base = workspace;
		rest = path + 10;
	}
	if (rest[0] == '/' && strcmp(base, "/") == 0)
		base = "";
	return (size_t)snprintf(ret, bytes, "%s%s", base, rest) < bytes
		   ? 0
		   : err_set(e, ENAMETOOLONG, "the path '%s' is too long", path);
}

/* ---- limits and environment ------------------------------------------------------------------ */

static void add_limit(struct build *b, int resource, uint64_t value)
{
	struct step *s = value ? plan_add(b->p, STEP_LIMIT, NULL, (uint64_t)resource) : NULL;

	if (s)
		s->value = value;
}

static void box_lacks(struct build *b, const char *what)
{
	if (b->p->n_lacks < PLAN_LACKS_MAX)
		b->p->lacks[b->p->n_lacks++] = what;
}

/* For root a limit of all processes together. Else memory is limited per process, and the number of
 * processes per user in the box's user namespace. */
static int limit_together(struct build *b, enum cgroup_kind kind, uint64_t value, int resource)
{
	static const char *const names[CGROUP_KINDS] = {"memory", "pids"};
	struct step *s;

	if (!value)
		return 0;
	if (b->p->rootless || (!cgroup_can_limit(kind) && b->profile.best_effort)) {
		if (!b->p->rootless)
			box_lacks(b,
				  kind == CGROUP_MEMORY
				      ? "no memory controller: memory is limited process by process"
				      : "no pids controller: every process of the user counts");
		add_limit(b, resource, value);
		return 0;
	}
	if (!cgroup_can_limit(kind)) {
		err_set(b->e, EOPNOTSUPP,
			"limits: %s: this host has no %s controller of cgroups, version 2 or 1",
			names[kind], names[kind]);
		return err_hint(b->e,
				"boot with it (cgroup_enable=%s), leave the limit out, or write "
				"best_effort: true for a limit of each process",
				names[kind]);
	}
	s = plan_add(b->p, STEP_TOGETHER, NULL, kind);
	if (s)
		s->value = value;
	return 0;
}

static int limits(struct build *b)
{
	const struct profile_limits *l = &b->profile.limits;
	int r;

	plan_add(b->p, STEP_NO_CORES, NULL, 0);
	add_limit(b, RLIMIT_CPU, (l->cpu_ms + 999) / 1000);
	add_limit(b, RLIMIT_FSIZE, l->file_size);
	r = limit_together(b, CGROUP_MEMORY, l->memory, RLIMIT_DATA);
	/* the box's init process is not the command's */
	return r < 0 ? r
		     : limit_together(b, CGROUP_PIDS, l->pids ? l->pids + b->p->tool : 0,
				      RLIMIT_NPROC);
}

static int put_env(struct plan *p, const char *name, const char *value)
{
	char **more = reallocarray(p->env, p->n_env + 2, sizeof(*more));

	if (!more)
		return -ENOMEM;
	p->env = more;
	if (asprintf(&p->env[p->n_env], "%s=%s", name, value) < 0)
		return -ENOMEM;
	p->env[++p->n_env] = NULL;
	return 0;
}

static bool env_named(const struct build *b, const char *name)
{
	struct profile_env env;

	for (size_t i = 0; i < b->profile.n_env; i++) {
		profile_env(b->b->policy, b->b->profile, i, &env);
		if (strcmp(env.name, name) == 0)
			return true;
	}
	return false;
}

/* Many programs give up where they cannot keep settings and caches in their home directory: one
 * that the profile does not touch is replaced by /tmp. */
static const char *home(const struct build *b)
{
	for (size_t i = 0; i < b->n_entries; i++)
		if (b->entry[i].real && (path_below(b->entry[i].real, b->p->home) ||
					 path_below(b->p->home, b->entry[i].real)))
			return b->p->home;
	return b->profile.confined && b->b->namespaces ? "/tmp" : b->p->home;
}

/* The variables that the profile names, and those that every program needs. */
static int environment(struct build *b)
{
	const char *const given[][2] = {{"PATH", "/usr/local/bin:/usr/bin:/bin"},
					{"HOME", home(b)},
					{"LANG", "C.UTF-8"},
					{"USER", b->p->user},
					{"LOGNAME", b->p->user}};
	struct profile_env env;
	const char *tools;
	int r = 0;

	if (!b->profile.scrub_env)
		return 0;
	if (b->b->profile == PROFILE_AGENT && (tools = getenv("AGENTFW_TOOLS")))
		r = put_env(b->p, "AGENTFW_TOOLS", tools);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(given); i++)
		if (!env_named(b, given[i][0]))
			r = put_env(b->p, given[i][0], given[i][1]);
	for (size_t i = 0; r == 0 && i < b->profile.n_env; i++) {
		profile_env(b->b->policy, b->b->profile, i, &env);
		if (!env.value)
			env.value = getenv(env.name);
		if (env.value)
			r = put_env(b->p, env.name, env.value);
	}
	plan_add(b->p, STEP_ENVIRONMENT, NULL, 0);
	return r < 0 ? err_set(b->e, ENOMEM, "out of memory") : 0;
}

/* ---- the plan -------------------------------------------------------------------------------- */

static int directory(struct build *b)
{
	char path[PATH_MAX] = "", real[PATH_MAX];
	int r;

	if (b->profile.cwd) {
		r = box_path(b->p, b->workspace, b->profile.cwd, path, sizeof(path), b->e);
		if (r < 0)
			return r;
		if (!realpath(path, real))
			return err_set(b->e, errno, "cwd: cannot open '%s': %s", path,
				       strerror(errno));
	} else if (b->b->cwd) {
		snprintf(real, sizeof(real), "%s", b->b->cwd);
	} else if (!getcwd(real, sizeof(real))) {
		snprintf(real, sizeof(real), "/");
	}
	plan_add(b->p, STEP_DIRECTORY, real, 0);
	return 0;
}

/* Paths are compared as real ones, so $WORKSPACE becomes one first. */
static int find_workspace(struct build *b)
{
	return realpath(b->profile.workspace, b->workspace)
		   ? 0
		   : err_set(b->e, errno, "workspace: cannot open '%s': %s", b->profile.workspace,
			     strerror(errno));
}

/* Steps that need rights come before the rights go. The working directory is entered with the
 * user's rights. The filter follows later: it forbids some of these steps. */
static int drop_rights(struct build *b)
{
	int r = 0;

	plan_add(b->p, STEP_DESCRIPTORS, NULL, 0);
	plan_add(b->p, STEP_BOUNDING, NULL, 0);
	plan_add(b->p, STEP_USER, NULL, 0);
	plan_add(b->p, STEP_CAPABILITIES, NULL, 0);
	if (b->profile.confined || b->profile.cwd)
		r = directory(b);
	plan_add(b->p, STEP_NO_NEW_PRIVS, NULL, 0);
	return r;
}

/* The tools' socket stands in the run directory, which is empty inside. */
static void tools_socket(struct build *b)
{
	char path[PATH_MAX];

	if (b->b->profile != PROFILE_AGENT || policy_profiles(b->b->policy) < 2)
		return;
	snprintf(path, sizeof(path), "%s/tools", b->b->run_dir);
	plan_add(b->p, STEP_TOOLS, path, 0);
}

static void hide_helper(const char *path, void *arg)
{
	struct plan *p = arg;

	for (size_t i = 0; i < p->n; i++)
		if (p->step[i].kind == STEP_HIDE && strcmp(p->step[i].path, path) == 0)
			return;
	plan_add(p, STEP_HIDE, path, 0);
}

/* For an agent that keeps its user's files: programs outside that would send data for it are
 * hidden, and cgroups are read-only, so that it stays in its own. */
static int hide_helpers(struct build *b)
{
	struct stat st;
	int r = mount_each_helper(hide_helper, b->p, b->e);

	if (b->b->run_dir[0])
		plan_add(b->p, STEP_HIDE, b->b->run_dir, 0);
	if (b->b->log_dir[0])
		plan_add(b->p, STEP_HIDE, b->b->log_dir, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cgroup_mounts); i++)
		if (stat(cgroup_mounts[i], &st) == 0)
			plan_add(b->p, STEP_READ_ONLY, cgroup_mounts[i], 0);
	return r;
}

/* The agent must not reach the memory of its user's other processes, which are in no fence. */
static int check_outsiders(struct build *b)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	int scope = 0;

	if (landlock_can_part() || b->b->mode == BOX_AUDIT ||
	    (f && fscanf(f, "%d", &scope) == 1 && scope > 0))
		return 0;
	if (b->profile.best_effort) {
		box_lacks(
		    b, "no Landlock (ABI 2) in this kernel: processes of the user that are in no "
		       "fence can be read and changed");
		return 0;
	}
	err_set(b->e, ENOSYS,
		"this kernel has no Landlock (ABI 2): the agent could read and change other "
		"processes of its user, which are in no fence");
	return err_hint(b->e, "boot with it (lsm=), set sysctl kernel.yama.ptrace_scope=1, give "
			      "the agent a profile, or write agent: {best_effort: true}");
}

static int leave_open(struct build *b)
{
	int r = check_outsiders(b);

	if (r < 0)
		return r;
	plan_add(b->p, STEP_CGROUP, NULL, 0);
	plan_add(b->p, STEP_NAMESPACES, NULL,
		 CLONE_NEWNS | (b->profile.no_network ? CLONE_NEWNET : 0));
	plan_add(b->p, STEP_PRIVATE, NULL, MS_SLAVE);
	if ((r = hide_helpers(b)) < 0)
		return r;
	tools_socket(b);
	if ((r = limits(b)) < 0 || (r = environment(b)) < 0 || (r = drop_rights(b)) < 0)
		return r;
	plan_add(b->p, STEP_LANDLOCK, NULL, LANDLOCK_SCOPE);
	plan_add(b->p, STEP_SECCOMP, NULL, 0);
	if (b->b->mode == BOX_AUDIT)
		plan_add(b->p, STEP_WATCH, NULL, 1);
	return 0;
}

/* A box without Landlock or without namespaces is an error unless best_effort is said; without both
 * it always is. */
static int check_host(struct build *b)
{
	bool landlock = landlock_abi() > 0, best_effort = b->profile.best_effort;

	if (!landlock && (!best_effort || !b->b->namespaces)) {
		err_set(b->e, ENOSYS, "this kernel has no Landlock: files cannot be limited");
		return err_hint(b->e,
				"boot with it (built with CONFIG_SECURITY_LANDLOCK, and named in "
				"lsm=)%s",
				b->b->namespaces
				    ? ", or write best_effort: true: mounts alone hold, "
				      "and what the user may read can be read"
				    : "");
	}
	if (!b->b->namespaces && !best_effort) {
		err_set(b->e, EPERM,
			"this host forbids user namespaces to ordinary users: no mounts "
			"of its own, no process namespace, no private /tmp, and programs "
			"in readable places could be run through the loader");
		return err_hint(b->e, "start it with sudo, allow them (sysctl "
				      "kernel.apparmor_restrict_unprivileged_userns=0), or write "
				      "best_effort: true to run with Landlock and seccomp alone");
	}
	if (!landlock)
		box_lacks(b, "no Landlock in this kernel: mounts alone hold, and what the user may "
			     "read can be read");
	if (!b->b->namespaces)
		box_lacks(b,
			  "no user namespaces here: no mounts of its own, no process namespace, no "
			  "private /tmp; Landlock and the system call filter hold alone, "
			  "programs in readable places can be run through the loader, protected "
			  "places be written and secrets be read in what is named");
	return 0;
}

/* Into the cgroup first, so that no socket is made outside. */
static int confine(struct build *b)
{
	uint64_t ns = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
		      (b->profile.no_network ? CLONE_NEWNET : 0) |
		      (b->p->rootless ? CLONE_NEWUSER : 0);
	int r = check_host(b);

	if (r < 0)
		return r;
	plan_add(b->p, STEP_CGROUP, NULL, 0);
	if (b->b->namespaces) {
		plan_add(b->p, STEP_NAMESPACES, NULL, ns);
		if ((r = files_mounts(b)) < 0)
			return r;
		tools_socket(b);
		b->p->tool = true;
	}
	if ((r = limits(b)) < 0 || (r = environment(b)) < 0 || (r = drop_rights(b)) < 0 ||
	    (landlock_abi() && (r = files_rights(b)) < 0))
		return r;
	plan_add(b->p, STEP_SECCOMP, NULL,
		 SECCOMP_NO_MEMFD |
		     (b->b->profile != PROFILE_AGENT && !b->sockets ? SECCOMP_NO_UNIX : 0) |
		     (b->profile.no_network && !b->b->namespaces ? SECCOMP_NO_NETWORK : 0));
	plan_add(b->p, STEP_WATCH, NULL, 0);
	return 0;
}

int box_plan(const struct box *box, struct plan *p, struct guard **ret_guard, struct err *e)
{
	static struct build b;
	int r;

	b = (struct build){.b = box, .p = p, .e = e};
	policy_profile(box->policy, box->profile, &b.profile);
	*ret_guard = NULL;
	p->run_dir = box->run_dir;
	p->rootless = geteuid() != 0;
	b.libs = p->libraries = malloc(sizeof(*b.libs)); /* library_dirs() fills it */
	if (!b.libs)
		return err_set(e, ENOMEM, "out of memory");
	library_dirs(b.libs);
	if (box->mode == BOX_AUDIT || (!b.profile.confined && box->mode != BOX_REFERENCE))
		r = leave_open(&b);
	else if ((r = find_workspace(&b)) == 0 && (r = links_resolve(&b)) == 0)
		r = confine(&b);
	links_done(&b);
	if (r == 0 && p->failed)
		r = err_set(e, ENOMEM, "out of memory");
	if (r < 0)
		guard_free(b.guard);
	else
		*ret_guard = b.guard;
	return r;
}
