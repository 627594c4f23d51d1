// SPDX-License-Identifier: GPL-2.0-or-later
/* One tool of the agent, in its own box: found in the policy, its command line built, started and
 * waited for. */
#include "agentctl/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentctl/box/box.h"
#include "agentctl/command.h"
#include "agentctl/confine/descriptors.h"
#include "agentctl/confine/namespaces.h"
#include "agentctl/confine/plan.h"
#include "agentctl/confine/plan_print.h"
#include "agentctl/confine/user.h"
#include "agentctl/daemon/client.h"
#include "agentctl/daemon/fence.h"
#include "agentctl/daemon/log_place.h"
#include "agentctl/daemon/policy_file.h"
#include "agentctl/guard/guard.h"
#include "agentctl/launch/exit_status.h"
#include "agentctl/launch/ferry.h"
#include "agentctl/launch/launch.h"
#include "agentctl/launch/watched_fd.h"
#include "agentctl/seen/refused.h"
#include "policy/base/err.h"
#include "policy/base/path.h"
#include "policy/policy.h"
#include "policy/profile.h"

struct tool {
	const struct tool_call *call;
	const struct policy *policy;
	size_t index;
	struct profile profile;
	struct plan plan;
	char **argv;
	struct launch launch;
	pid_t ferry[3];
	struct guard *guard;
	struct fence fence;
	struct refused_from from;
	struct refused *refused;
};

static int tool_find(struct tool *t, struct err *e)
{
	size_t n = policy_profiles(t->policy), used = 0;
	char list[300] = "", shown[400];

	t->index = policy_find_tool(t->policy, t->call->name);
	policy_profile(t->policy, t->index, &t->profile);
	if (t->index)
		return 0;
	for (size_t i = 1; i < n && used < sizeof(list); i++) {
		struct profile other;

		policy_profile(t->policy, i, &other);
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "",
					 other.name);
	}
	err_set(e, ENOENT, "%s: there is no tool '%s'", t->call->policy->path,
		str_escape(shown, sizeof(shown), t->call->name, strnlen(t->call->name, 80)));
	return err_hint(e, n > 1 ? "there are: %s" : "the policy has no `tools`%s", list);
}

static int resolve(const char *value, const char *workspace, char *ret, size_t bytes, struct err *e)
{
	char text[PATH_MAX], real[PATH_MAX], root[PATH_MAX], *slash;
	struct stat st;

	if (!realpath(workspace, root))
		return err_set(e, errno, "workspace: cannot open '%s': %s", workspace,
			       strerror(errno));
	if (value[0] != '/' ? path_join(root, value, text, sizeof(text)) < 0
			    : (size_t)snprintf(text, sizeof(text), "%s", value) >= sizeof(text))
		return err_set(e, ENAMETOOLONG, "the path is too long");
	if (!realpath(text, real)) {
		char dir[PATH_MAX];

		if (errno == ENOENT && lstat(text, &st) == 0)
			return err_set(e, ELOOP, "%s is a symbolic link that leads nowhere", value);
		/* a file that the tool will make: its directory must be there */
		slash = strrchr(text, '/');
		*slash = '\0';
		if (errno != ENOENT || !slash[1] || strcmp(slash + 1, "..") == 0 ||
		    !realpath(text[0] ? text : "/", dir) ||
		    path_join(dir, slash + 1, real, sizeof(real)) < 0)
			return err_set(e, errno ? errno : EINVAL, "%s: %s", value,
				       strerror(errno ? errno : EINVAL));
	}
	if (!path_below(real, root))
		return err_set(e, EPERM, "%s is not in the workspace %s", value, root);
	return (size_t)snprintf(ret, bytes, "%s", real) < bytes
		   ? 0
		   : err_set(e, ENAMETOOLONG, "the path is too long");
}

/* A value that names a file of the workspace. It may not lead out through links. It is looked up
 * with the rights of the tool's user: the error would tell the caller of files that they may not
 * see. */
static int workspace_path(void *arg, const char *value, const char *workspace, char *ret,
			  size_t bytes, struct err *e)
{
	const struct tool *t = arg;
	struct rights_lent rights;
	int r = user_borrow(&t->plan, &rights, e);

	if (r < 0)
		return r;
	r = resolve(value, workspace, ret, bytes, e);
	rights_back(&rights);
	return r;
}

static int make_plan(struct tool *t, struct err *e)
{
	const struct box box = {.policy = t->policy,
				.profile = t->index,
				.policy_path = t->call->policy->path,
				.of_root = t->call->policy->of_root,
				.run_dir = client_run_dir(),
				.log_dir = t->call->log->path,
				.cwd = t->call->cwd,
				.namespaces = namespaces_allowed(t->profile.best_effort)};

	return box_plan(&box, &t->plan, &t->guard, e);
}

/* The program's path may begin with ~ or $WORKSPACE. */
static int place_program(struct tool *t, struct err *e)
{
	char root[PATH_MAX], path[PATH_MAX], *copy;
	int r;

	if (!realpath(t->profile.workspace, root))
		return err_set(e, errno, "workspace: cannot open '%s': %s", t->profile.workspace,
			       strerror(errno));
	r = box_path(&t->plan, root, t->argv[0], path, sizeof(path), e);
	if (r < 0)
		return r;
	copy = strdup(path);
	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	free(t->argv[0]);
	t->argv[0] = copy;
	return 0;
}

static int prepare(struct tool *t, struct err *e)
{
	const char *user;
	int r = tool_find(t, e);

	if (r < 0)
		return r;
	user = t->profile.user ? t->profile.user : policy_agent_user(t->policy);
	if ((r = user_find(&t->plan, user, e)) < 0 ||
	    (r = policy_file_runs_as(t->call->policy, t->plan.uid, t->plan.user, e)) < 0 ||
	    (r = command_build(t->policy, t->index, t->call->values, t->call->n_values,
			       workspace_path, t, &t->argv, e)) < 0 ||
	    (r = place_program(t, e)) < 0 || (r = descriptors_check(t->call->streams, e)) < 0)
		return r;
	return make_plan(t, e);
}

/* A tool with `egress` or `ingress` has a fence of its own. */
static int make_fence(struct tool *t, struct err *e)
{
	struct fence_wish wish = {.log = t->call->log,
				  .snaplen = policy_snaplen(t->policy),
				  .audit = t->call->audit,
				  .command = t->argv,
				  .tool = t->call->name,
				  .agent = t->call->agent};

	if (!t->profile.own_network)
		return 0;
	if (geteuid() != 0) {
		err_set(e, EPERM, "the tool has `egress` or `ingress`: a fence needs root");
		return err_hint(e, "sudo agentctl tool …; the tool itself runs as you");
	}
	wish.blob = profile_network(t->policy, t->index, &wish.bytes);
	return fence_open(&t->fence, &wish, e);
}

/* The caller does not wait any more, or the broker ends. */
static void caller_gone(struct watched_fd *w)
{
	struct tool *t = w->arg;

	w->fd = -1;
	t->launch.deserted = true;
	launch_kill(&t->launch);
}

static int start_tool(struct tool *t, int *status, struct err *e)
{
	const struct tool_call *c = t->call;

	t->from =
	    (struct refused_from){.policy = t->policy,
				  .plan = &t->plan,
				  .guard = t->guard,
				  .policy_path = c->policy->path,
				  .log = c->log,
				  .tool = c->name,
				  .fence = t->fence.control >= 0 ? t->fence.made.name : c->agent,
				  .verbose = c->verbose};
	if (t->fence.control >= 0) {
		launch_watch(&t->launch, t->fence.control, fence_gone, &t->fence);
		t->launch.cgroup = t->fence.made.cgroup;
	}
	if (c->caller >= 0)
		launch_watch(&t->launch, c->caller, caller_gone, t);
	if (c->stop >= 0)
		launch_watch(&t->launch, c->stop, caller_gone, t);
	guard_watch(t->guard, &t->launch, c->name);
	if (refused_begin(&t->from, &t->launch, &t->refused, e) < 0)
		return -e->code;
	if (c->stop >= 0) /* from here on the broker's end is seen, and a box must be taken down */
		prctl(PR_SET_PDEATHSIG, 0);
	return launch_start(&t->launch, status, e);
}

/* ---- the streams of a call ------------------------------------------------------------------- */

/* A tool could run or map a file past its profile (a memfd is in no directory that Landlock knows);
 * and root writes counted output to pipes and sockets only. */
static bool needs_ferry(const struct tool *t, int i)
{
	struct stat st;

	if (t->call->caller < 0 || fstat(t->call->streams[i], &st) < 0)
		return false;
	return S_ISREG(st.st_mode) ||
	       (i && t->profile.limits.output && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode));
}

static int take_ferries(struct tool *t, struct err *e)
{
	int *streams = t->launch.streams;

	for (int i = 0; i < 3; i++) {
		int ours = i ? 1 : 0, fds[2]; /* our end, and the command's */

		if (!needs_ferry(t, i))
			continue;
		if (pipe2(fds, O_CLOEXEC) < 0)
			return err_set(e, errno, "cannot make a pipe: %s", strerror(errno));
		t->ferry[i] = i ? ferry_start(fds[0], streams[i], &t->call->who)
				: ferry_start(streams[i], fds[1], &t->call->who);
		close(fds[!ours]);
		streams[i] = fds[ours];
		if (t->ferry[i] < 0)
			return err_set(e, errno, "cannot fork: %s", strerror(errno));
	}
	return 0;
}

/* All output is with the caller before the status is told, unless the caller has gone. */
static void end_ferries(struct tool *t)
{
	for (int i = 0; i < 3; i++) {
		struct pollfd pfd[3] = {{.fd = t->call->caller, .events = POLLIN},
					{.fd = t->call->stop},
					{.events = POLLIN}};

		if (t->ferry[i] <= 0)
			continue;
		close(t->launch.streams[i]);
		pfd[2].fd = (int)syscall(SYS_pidfd_open, t->ferry[i], 0);
		if (i && pfd[2].fd >= 0)
			while (poll(pfd, 3, -1) < 0 && errno == EINTR)
				;
		kill(t->ferry[i], SIGKILL);
		waitpid(t->ferry[i], NULL, 0);
		if (pfd[2].fd >= 0)
			close(pfd[2].fd);
	}
}

static int in_box(struct tool *t)
{
	struct launch *l = &t->launch;
	struct err e = {0};
	int status = EXIT_CTL;

	plan_print_lacks(&t->plan, stderr);
	*l = (struct launch){.plan = &t->plan, .argv = t->argv, .limits = t->profile.limits};
	memcpy(l->streams, t->call->streams, sizeof(l->streams));
	launch_prepare(l);
	if (make_fence(t, &e) < 0)
		return ctl_fail_waiting(t->fence.patience.signo, &e);
	if (take_ferries(t, &e) < 0 || start_tool(t, &status, &e) < 0)
		ctl_fail(&e);
	else
		status = launch_wait(l);
	end_ferries(t);
	if (guard_end(t->guard))
		status = EXIT_PROTECTED;
	launch_done(l, t->call->name);
	refused_end(t->refused, status);
	if (t->fence.control >= 0)
		fence_close(&t->fence, t->call->verbose, status);
	return status;
}

int tool_run(const struct tool_call *call)
{
	struct tool t = {.call = call, .policy = call->policy->policy, .fence.control = -1};
	struct err e = {0};
	int r;

	if (prepare(&t, &e) < 0) {
		r = ctl_fail(&e);
	} else if (call->dry_run) {
		plan_print(&t.plan, stdout);
		r = 0;
	} else {
		r = in_box(&t);
	}
	command_free(t.argv);
	guard_free(t.guard);
	plan_done(&t.plan);
	return r;
}
