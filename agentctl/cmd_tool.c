// SPDX-License-Identifier: GPL-2.0-or-later
/* agentctl tool: one tool of the agent, in its own box; inside a fence, by the broker outside. */
#include <getopt.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "agentctl/command.h"
#include "agentctl/daemon/log_place.h"
#include "agentctl/daemon/policy_file.h"
#include "agentctl/launch/broker_client.h"
#include "agentctl/launch/exit_status.h"
#include "agentctl/tool.h"
#include "policy/base/err.h"

static int tool_options(struct tool_call *c, const char **policy, const char **log_dir, int argc,
			char **argv)
{
	static const struct option longs[] = {
	    {"policy", required_argument, NULL, 'p'},
	    {"log-dir", required_argument, NULL, 'l'},
	    {"verbose", no_argument, NULL, 'v'},
	    {"dry-run", no_argument, NULL, 'n'},
	    {NULL, 0, NULL, 0},
	};
	int o;

	while ((o = ctl_option("tool", argc, argv, "+:p:v", longs)) != -1) {
		if (o == 'p')
			*policy = optarg;
		else if (o == 'l')
			*log_dir = optarg;
		else if (o == 'v')
			c->verbose = true;
		else if (o == 'n')
			c->dry_run = true;
		else
			return EXIT_CTL;
	}
	if (optind == argc)
		return ctl_usage("tool", "which tool?");
	c->name = argv[optind++];
	if (optind < argc && strcmp(argv[optind], "--") == 0)
		optind++;
	c->values = argv + optind;
	c->n_values = (size_t)(argc - optind);
	return 0;
}

static int here(struct tool_call *c, const char *policy_path, const char *log_dir)
{
	struct policy_file policy = {0};
	struct log_place log = {.fd = -1};
	struct err e = {0};
	int r;

	if (policy_file_load(policy_path, &policy, &e) < 0 ||
	    policy_file_obeys(&policy, false, log_dir, &e) < 0 ||
	    log_place_find(&log, log_dir, &policy, false, &e) < 0)
		return ctl_fail(&e);
	c->policy = &policy;
	c->log = &log;
	r = tool_run(c);
	log_place_done(&log);
	policy_file_done(&policy);
	return r;
}

int cmd_tool(int argc, char **argv)
{
	struct tool_call call = {.streams = {0, 1, 2}, .caller = -1, .stop = -1};
	const char *policy = NULL, *log_dir = NULL;
	struct err e = {0};
	int r = tool_options(&call, &policy, &log_dir, argc, argv);

	if (r)
		return r;
	if (!broker_needed())
		return here(&call, policy, log_dir);
	if (policy || log_dir || call.dry_run)
		return ctl_usage("tool", "inside a fence its own policy and log hold: no -p, "
					 "--log-dir, --dry-run here");
	r = broker_call(call.name, call.values, call.n_values, &e);
	return r < 0 ? ctl_fail(&e) : r;
}
