// SPDX-License-Identifier: GPL-2.0-or-later
/* agentctl policy: check files, list the groups, show a policy, learn one. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agentctl/check/policy_show.h"
#include "agentctl/check/profile_check.h"
#include "agentctl/command.h"
#include "agentctl/daemon/policy_file.h"
#include "agentctl/launch/exit_status.h"
#include "agentctl/learn/learn.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/nearest.h"
#include "policy/policy.h"

/* An error that was printed where it was found has no code. */
static int told(int r, const struct err *e)
{
	return r == 0 ? 0 : e->code ? ctl_fail(e) : 1;
}

/* Would every profile work on this host? Prints why not. */
static bool works(const struct policy_file *f)
{
	struct diags d = {0};
	bool ok = profile_check(f, &d) == 0 && !d.n_errors;

	policy_file_show(f, &d);
	diags_done(&d);
	return ok;
}

/* 0: no error; 1: errors; EXIT_CTL: it could not be read. */
static int check_file(const char *path)
{
	struct policy_file f = {0};
	struct err e = {0};
	bool ok;

	if (policy_file_load(path, &f, &e) < 0)
		return told(-EINVAL, &e);
	ok = works(&f);
	if (ok)
		printf("%s: ok, %zu rule%s\n", path, policy_rules(f.policy),
		       policy_rules(f.policy) == 1 ? "" : "s");
	policy_file_done(&f);
	return ok ? 0 : 1;
}

static const struct option no_options[] = {{NULL, 0, NULL, 0}};

static int check(int argc, char **argv)
{
	int ret = 0;

	if (ctl_option("policy", argc, argv, ":", no_options) != -1)
		return EXIT_CTL;
	if (optind == argc)
		return ctl_usage("policy", "check which file?");
	for (int i = optind; i < argc; i++) {
		int r = check_file(argv[i]);

		ret = r > ret ? r : ret;
	}
	return ret;
}

static int unknown_group(const char *name)
{
	struct nearest nearest = {.written = name};

	for (size_t i = 0; i < policy_groups_n; i++)
		nearest_try(&nearest, policy_groups[i].name);
	fprintf(stderr, "agentctl: there is no group '%s'\n", name);
	fprintf(stderr,
		nearest.found ? "agentctl: hint: did you mean '%s'?\n"
			      : "agentctl: hint: they are listed by: agentctl policy groups%s\n",
		nearest.found ? nearest.found : "");
	return 1;
}

static int show_groups(const char *only)
{
	bool found = false;

	for (size_t i = 0; i < policy_groups_n; i++) {
		const struct policy_group *g = &policy_groups[i];

		if (only && strcmp(only, g->name) != 0)
			continue;
		found = true;
		printf("%-16s %s\n", g->name, g->description);
		for (size_t k = 0; only && g->endpoints[k]; k++)
			printf("  - %s\n", g->endpoints[k]);
		if (only)
			printf("source: %s\n", g->source);
	}
	return found ? 0 : unknown_group(only);
}

/* One word at most. */
static int with_one(int argc, char **argv, int (*fn)(const char *word))
{
	const char *word;

	if (ctl_option("policy", argc, argv, ":", no_options) != -1)
		return EXIT_CTL;
	word = optind < argc ? argv[optind++] : NULL;
	return ctl_no_more("policy", argc, argv) ? fn(word) : EXIT_CTL;
}

static int groups(int argc, char **argv)
{
	return with_one(argc, argv, show_groups);
}

static int show_policy(const char *path)
{
	struct err e = {0};
	int r = policy_show(path, &e);

	return told(r, &e);
}

static int show_file(int argc, char **argv)
{
	return with_one(argc, argv, show_policy);
}

static int learn_from_log(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"policy", required_argument, NULL, 'p'},
	    {"log-dir", required_argument, NULL, 'l'},
	    {"fence", required_argument, NULL, 'f'},
	    {NULL, 0, NULL, 0},
	};
	struct learn_wish wish = {0};
	struct err e = {0};
	int c;

	while ((c = ctl_option("policy", argc, argv, ":p:", longs)) != -1) {
		if (c == 'p')
			wish.policy = optarg;
		else if (c == 'l')
			wish.log_dir = optarg;
		else if (c == 'f')
			wish.fence = optarg;
		else
			return EXIT_CTL;
	}
	if (!ctl_no_more("policy", argc, argv))
		return EXIT_CTL;
	c = learn(&wish, &e);
	return told(c, &e);
}

int cmd_policy(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} all[] = {
	    {"check", check}, {"groups", groups}, {"show", show_file}, {"learn", learn_from_log}};
	struct nearest nearest = {.written = argc > 1 ? argv[1] : ""};

	if (argc < 2)
		return ctl_usage("policy", "check, groups, show or learn?");
	if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0))
		return cmd_help(2, argv - 1);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (strcmp(argv[1], all[i].name) == 0)
			return all[i].run(argc - 1, argv + 1);
		nearest_try(&nearest, all[i].name);
	}
	return nearest.found ? ctl_usage("policy", "there is no 'policy %s'; did you mean '%s'?",
					 argv[1], nearest.found)
			     : ctl_usage("policy", "there is no 'policy %s'", argv[1]);
}
