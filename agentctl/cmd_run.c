// SPDX-License-Identifier: GPL-2.0-or-later
/* agentctl run: a command in a fence of its own. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agentctl/box/box.h"
#include "agentctl/command.h"
#include "agentctl/confine/descriptors.h"
#include "agentctl/confine/plan.h"
#include "agentctl/confine/plan_print.h"
#include "agentctl/confine/user.h"
#include "agentctl/daemon/client.h"
#include "agentctl/daemon/fence.h"
#include "agentctl/daemon/log_place.h"
#include "agentctl/daemon/policy_file.h"
#include "agentctl/guard/guard.h"
#include "agentctl/launch/broker.h"
#include "agentctl/launch/exit_status.h"
#include "agentctl/launch/launch.h"
#include "agentctl/seen/refused.h"
#include "agentctl/tool.h"
#include "fw/ipc/control_msg.h"
#include "policy/base/err.h"
#include "policy/policy.h"
#include "policy/profile.h"

struct run {
	const char *policy_path, *log_dir;
	bool audit, verbose, dry_run;
	char **command;
	struct policy_file policy;
	struct log_place log;
	struct plan plan, reference; /* reference: in audit mode, what would be enforced */
	struct guard *guard, *reference_guard;
	struct fence fence;
	struct broker broker;
	struct refused_from from;
	struct refused *refused;
};

/* ---- the command ----------------------------------------------------------------------------- */

static bool has_tools(const struct run *r)
{
	return policy_profiles(r->policy.policy) > 1;
}

static void set_environment(const struct run *r)
{
	const struct plan *p = &r->plan;
	char tools[CTL_PATH_MAX];

	snprintf(tools, sizeof(tools), "%s/" BROKER_SOCKET, client_run_dir());
	if (has_tools(r))
		setenv(BROKER_ENV, tools, 1);
	else
		unsetenv(BROKER_ENV);
	if (p->uid == getuid())
		return;
	setenv("HOME", p->home, 1);
	setenv("SHELL", p->shell, 1);
	setenv("USER", p->user, 1);
	setenv("LOGNAME", p->user, 1);
}

static int run_options(struct run *r, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"policy", required_argument, NULL, 'p'}, {"log-dir", required_argument, NULL, 'l'},
	    {"audit", no_argument, NULL, 'a'},        {"verbose", no_argument, NULL, 'v'},
	    {"dry-run", no_argument, NULL, 'n'},      {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = ctl_option("run", argc, argv, "+:p:v", longs)) != -1) {
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
			return EXIT_CTL;
	}
	if (optind == argc)
		return ctl_usage("run", "which command?");
	r->command = argv + optind;
	return 0;
}

static int make_plan(struct run *r, struct err *e)
{
	int ret;
	struct box box = {.policy = r->policy.policy,
			  .profile = PROFILE_AGENT,
			  .policy_path = r->policy.path,
			  .of_root = r->policy.of_root,
			  .run_dir = client_run_dir(),
			  .log_dir = r->log.path,
			  .namespaces = true,
			  .mode = r->audit ? BOX_AUDIT : BOX_ENFORCE};

	if ((ret = box_plan(&box, &r->plan, &r->guard, e)) < 0 || !r->audit)
		return ret;
	box.mode = BOX_REFERENCE;
	if ((ret = user_find(&r->reference, policy_agent_user(r->policy.policy), e)) < 0)
		return ret;
	return box_plan(&box, &r->reference, &r->reference_guard, e);
}

static const int own_streams[3] = {0, 1, 2};

static int prepare(struct run *r, struct err *e)
{
	int ret = policy_file_load(r->policy_path, &r->policy, e);

	if (ret < 0 || (ret = policy_file_obeys(&r->policy, r->audit, r->log_dir, e)) < 0 ||
	    (ret = user_find(&r->plan, policy_agent_user(r->policy.policy), e)) < 0 ||
	    (ret = policy_file_runs_as(&r->policy, r->plan.uid, r->plan.user, e)) < 0 ||
	    (ret = descriptors_check(own_streams, e)) < 0 ||
	    (ret = log_place_find(&r->log, r->log_dir, &r->policy, false, e)) < 0)
		return ret;
	r->audit |= policy_mode(r->policy.policy) == MODE_AUDIT;
	set_environment(r);
	return make_plan(r, e);
}

/* In a process of its own. */
static int call_tool(void *arg, const struct broker_call *asked)
{
	struct run *r = arg;
	struct tool_call call = {.policy = &r->policy,
				 .name = asked->name,
				 .values = asked->values,
				 .n_values = asked->n_values,
				 .log = &r->log,
				 .cwd = asked->cwd,
				 .agent = r->fence.made.name,
				 .who = asked->who,
				 .caller = asked->caller,
				 .stop = asked->stop,
				 .audit = r->audit};

	memcpy(call.streams, asked->streams, sizeof(call.streams));
	close(r->fence.control);
	return tool_run(&call);
}

static int start_command(struct run *r, struct launch *l, int *status, struct err *e)
{
	launch_watch(l, r->fence.control, fence_gone, &r->fence);
	if (has_tools(r)) {
		int ret =
		    broker_open(&r->broker, client_run_dir(), r->fence.made.name, call_tool, r, e);

		if (ret < 0)
			return ret;
		launch_watch(l, r->broker.epoll, broker_serve, &r->broker);
		r->plan.tools = r->broker.path;
	}
	r->from = (struct refused_from){.policy = r->policy.policy,
					.plan = &r->plan,
					.guard = r->guard,
					.reference = r->audit ? &r->reference : NULL,
					.reference_guard = r->reference_guard,
					.policy_path = r->policy.path,
					.log = &r->log,
					.fence = r->fence.made.name,
					.verbose = r->verbose};
	guard_watch(r->guard, l, "agent");
	if (refused_begin(&r->from, l, &r->refused, e) < 0)
		return -e->code;
	return launch_start(l, status, e);
}

static int in_fence(struct run *r)
{
	struct launch l = {.plan = &r->plan,
			   .cgroup = r->fence.made.cgroup,
			   .argv = r->command,
			   .streams = {0, 1, 2}};
	const struct fence_wish wish = {.blob = r->policy.blob,
					.bytes = r->policy.blob_bytes,
					.log = &r->log,
					.snaplen = policy_snaplen(r->policy.policy),
					.audit = r->audit,
					.command = r->command};
	struct profile agent;
	struct err e = {0};
	int status = EXIT_CTL;

	policy_profile(r->policy.policy, PROFILE_AGENT, &agent);
	l.limits = agent.limits;
	plan_print_lacks(&r->plan, stderr);
	launch_prepare(&l);
	if (fence_open(&r->fence, &wish, &e) < 0)
		return ctl_fail_waiting(r->fence.patience.signo, &e);
	if (start_command(r, &l, &status, &e) < 0)
		ctl_fail(&e);
	else
		status = launch_wait(&l);
	if (guard_end(r->guard))
		status = EXIT_PROTECTED;
	if (r->plan.tools)
		broker_close(&r->broker);
	launch_done(&l, "agent");
	refused_end(r->refused, status);
	fence_close(&r->fence, r->verbose, status);
	return status;
}

int cmd_run(int argc, char **argv)
{
	static struct run r = {.fence.control = -1, .log.fd = -1};
	struct err e = {0};
	int ret = run_options(&r, argc, argv);

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
	guard_free(r.guard);
	guard_free(r.reference_guard);
	plan_done(&r.plan);
	plan_done(&r.reference);
	log_place_done(&r.log);
	policy_file_done(&r.policy);
	return ret;
}
