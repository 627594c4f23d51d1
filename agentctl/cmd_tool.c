/* agentctl tool: one tool of the agent, in its own box. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agentctl/ctl.h"
#include "agentctl/plan.h"
#include "policy/base/cleanup.h"

struct tool {
	const char *policy_path, *log_dir, *name;
	bool verbose, dry_run;
	char **values;
	int n_values;
	struct policy_file policy;
	size_t index;
	struct profile profile;
	struct plan plan;
	char **argv;
	struct fence fence;
};

static int options(struct tool *t, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"policy", required_argument, NULL, 'p'},
	    {"log-dir", required_argument, NULL, 'l'},
	    {"verbose", no_argument, NULL, 'v'},
	    {"dry-run", no_argument, NULL, 'n'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "+p:v", longs, NULL)) != -1) {
		if (c == 'p')
			t->policy_path = optarg;
		else if (c == 'l')
			t->log_dir = optarg;
		else if (c == 'v')
			t->verbose = true;
		else if (c == 'n')
			t->dry_run = true;
		else
			return ctl_usage("tool", NULL);
	}
	if (optind == argc)
		return ctl_usage("tool", "which tool?");
	t->name = argv[optind++];
	if (optind < argc && strcmp(argv[optind], "--") == 0)
		optind++;
	t->values = argv + optind;
	t->n_values = argc - optind;
	return 0;
}

static int find(struct tool *t, struct err *e)
{
	size_t n = policy_profiles(t->policy.policy), used = 0;
	char list[300] = "";

	t->index = policy_find_tool(t->policy.policy, t->name);
	policy_profile(t->policy.policy, t->index, &t->profile);
	if (t->index)
		return 0;
	for (size_t i = 1; i < n && used < sizeof(list); i++) {
		struct profile other;

		policy_profile(t->policy.policy, i, &other);
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "",
					 other.name);
	}
	err_set(e, ENOENT, "%s: there is no tool '%s'", t->policy.path, t->name);
	return err_hint(e, n > 1 ? "there are: %s" : "the policy has no `tools`%s", list);
}

/* A value that names a file in the workspace: there, through whatever links, or not at all. */
static int workspace_path(const char *value, const char *workspace, char *ret, size_t bytes,
			  struct err *e)
{
	char text[PATH_MAX], real[PATH_MAX], root[PATH_MAX], *slash;
	size_t n;

	if (!realpath(workspace, root))
		return err_set(e, errno, "workspace: %s: %s", workspace, strerror(errno));
	if ((size_t)snprintf(text, sizeof(text), "%s%s%s", value[0] == '/' ? "" : root,
			     value[0] == '/' ? "" : "/", value) >= sizeof(text))
		return err_set(e, ENAMETOOLONG, "the path is too long");
	if (!realpath(text, real)) {
		/* a file that the tool will make: its directory must be there */
		slash = strrchr(text, '/');
		*slash = '\0';
		if (errno != ENOENT || !slash[1] || strcmp(slash + 1, "..") == 0 ||
		    !realpath(text[0] ? text : "/", real) ||
		    strlen(real) + strlen(slash + 1) + 2 > sizeof(real))
			return err_set(e, errno ? errno : EINVAL, "%s: %s", value,
				       strerror(errno ? errno : EINVAL));
		strcat(strcat(real, "/"), slash + 1);
	}
	n = strlen(root);
	if (strncmp(real, root, n) != 0 || (real[n] && real[n] != '/'))
		return err_set(e, EPERM, "%s is not in the workspace %s", value, root);
	return (size_t)snprintf(ret, bytes, "%s", real) < bytes
		   ? 0
		   : err_set(e, ENAMETOOLONG, "the path is too long");
}

static int make_plan(struct tool *t, struct err *e)
{
	const char *run_dir = getenv("AGENTFW_RUN_DIR");
	const struct box box = {.policy = t->policy.policy,
				.profile = t->index,
				.policy_path = t->policy.path,
				.run_dir = run_dir ? run_dir : CTL_RUN_DIR,
				.log_dir = policy_audit_dir(t->policy.policy),
				.namespaces = namespaces_allowed()};

	if (!box.namespaces && !t->profile.best_effort) {
		err_set(e, EPERM,
			"this host forbids user namespaces to ordinary users: no mounts "
			"of its own, no process namespace, no private /tmp, and programs "
			"in readable places could be run through the loader");
		return err_hint(e, "start it with sudo, allow them (sysctl "
				   "kernel.apparmor_restrict_unprivileged_userns=0), or write "
				   "best_effort: true to run with Landlock and seccomp alone");
	}
	if (!box.namespaces)
		fputs("agentctl: no user namespaces here: no mounts of its own, no process "
		      "namespace, no private /tmp; Landlock and seccomp alone hold\n",
		      stderr);
	return box_plan(&box, &t->plan, e);
}

static int prepare(struct tool *t, struct err *e)
{
	const char *user;
	int r = policy_file_load(t->policy_path, &t->policy, e);

	if (r < 0 || (r = find(t, e)) < 0)
		return r;
	user = t->profile.user ? t->profile.user : policy_agent_user(t->policy.policy);
	if ((r = command_build(t->policy.policy, t->index, t->values, (size_t)t->n_values,
			       workspace_path, &t->argv, e)) < 0 ||
	    (r = user_find(&t->plan, user, e)) < 0 || (r = descriptors_check(e)) < 0)
		return r;
	return make_plan(t, e);
}

/* A tool with `egress` has a fence of its own. */
static int make_fence(struct tool *t, struct err *e)
{
	const void *blob;
	size_t bytes;

	if (!t->profile.own_network)
		return 0;
	if (geteuid() != 0) {
		err_set(e, EPERM, "the tool has `egress`: a fence needs root");
		return err_hint(e, "sudo agentctl tool …; the tool itself runs as you");
	}
	blob = profile_network(t->policy.policy, t->index, &bytes);
	return fence_open(&t->fence, blob, bytes, t->log_dir, false, t->argv, e);
}

static void tell_limits(const struct tool *t, const struct launch *l)
{
	if (l->over_time)
		fprintf(stderr, "agentctl: %s: killed after %u ms (limits: time)\n", t->name,
			t->profile.limits.time_ms);
	if (l->over_output)
		fprintf(stderr,
			"agentctl: %s: killed after %llu bytes of output (limits: output)\n",
			t->name, (unsigned long long)t->profile.limits.output);
}

static int in_box(struct tool *t)
{
	struct launch l = {.plan = &t->plan,
			   .argv = t->argv,
			   .time_ms = t->profile.limits.time_ms,
			   .output = t->profile.limits.output};
	struct err e = {0};
	int status = EXIT_CTL;

	launch_prepare(&l);
	if (make_fence(t, &e) < 0)
		return ctl_fail(&e);
	if (t->fence.control >= 0) {
		launch_watch(&l, t->fence.control, fence_gone, &t->fence);
		l.cgroup = t->fence.made.cgroup;
	}
	if (launch_start(&l, &status, &e) < 0)
		ctl_fail(&e);
	else
		status = launch_wait(&l);
	tell_limits(t, &l);
	if (t->fence.control >= 0)
		fence_close(&t->fence, t->verbose);
	return status;
}

int cmd_tool(int argc, char **argv)
{
	static struct tool t = {.fence.control = -1};
	struct err e = {0};
	int r = options(&t, argc, argv);

	if (r)
		return r;
	if (prepare(&t, &e) < 0)
		return ctl_fail(&e);
	if (t.dry_run) {
		plan_print(&t.plan, stdout);
		r = 0;
	} else {
		r = in_box(&t);
	}
	command_free(t.argv);
	plan_done(&t.plan);
	policy_file_done(&t.policy);
	return r;
}
