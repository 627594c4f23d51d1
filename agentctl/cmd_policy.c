/* agentctl policy: check files, list the groups, show what a policy comes to. */
#include <errno.h>
#include <string.h>

#include "agentctl/ctl.h"
#include "agentctl/profile_check.h"
#include "policy/profile.h"

/* On this host: true when every profile would work. */
static bool works(const struct policy_file *f)
{
	struct diags d = {0};
	bool ok = profile_check(f, &d) == 0 && !d.n_errors;

	policy_file_show(f, &d);
	diags_done(&d);
	return ok;
}

static int check(int n, char **files)
{
	int ret = 0;

	if (n == 0)
		return ctl_usage("policy", "check which file?");
	for (int i = 0; i < n; i++) {
		struct policy_file f = {0};
		struct err e = {0};

		if (policy_file_load(files[i], &f, &e) < 0) {
			if (e.code)
				return ctl_fail(&e);
			ret = 1;
			continue;
		}
		if (works(&f))
			printf("%s: ok, %zu rule%s\n", files[i], policy_rules(f.policy),
			       policy_rules(f.policy) == 1 ? "" : "s");
		else
			ret = 1;
		policy_file_done(&f);
	}
	return ret;
}

static int groups(const char *only)
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
	if (!found) {
		fprintf(stderr,
			"agentctl: there is no group '%s'; the list: agentctl policy groups\n",
			only);
		return 1;
	}
	return 0;
}

int cmd_policy(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "check") == 0)
		return check(argc - 2, argv + 2);
	if ((argc == 2 || argc == 3) && strcmp(argv[1], "groups") == 0)
		return groups(argc == 3 ? argv[2] : NULL);
	if ((argc == 2 || argc == 3) && strcmp(argv[1], "show") == 0)
		return policy_show(argc == 3 ? argv[2] : NULL);
	if (argc >= 2 && strcmp(argv[1], "learn") == 0)
		return policy_learn(argc - 1, argv + 1);
	return ctl_usage("policy", NULL);
}
