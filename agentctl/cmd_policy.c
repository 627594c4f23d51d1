/* agentctl policy: check files, list the groups, show what a policy comes to. */
#include <errno.h>
#include <string.h>

#include "agentctl/ctl.h"

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
		printf("%s: ok, %zu rule%s\n", files[i], policy_rules(f.policy),
		       policy_rules(f.policy) == 1 ? "" : "s");
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

static int show(const char *file)
{
	struct policy_file f = {0};
	struct err e = {0};

	if (policy_file_load(file, &f, &e) < 0)
		return e.code ? ctl_fail(&e) : 1;
	printf("%s: mode %s, log in %s\n", f.path,
	       policy_mode(f.policy) == MODE_AUDIT ? "audit" : "enforce",
	       policy_audit_dir(f.policy));
	for (uint32_t i = 0; i < policy_rules(f.policy); i++) {
		struct rule r;

		policy_rule(f.policy, i, &r);
		printf("%5u  %-6s %s%s%s%s%s%s\n", r.line, r.deny ? "deny" : "allow", r.text,
		       r.group ? "  from group " : "", r.group ? r.group : "",
		       r.broad ? "  broad" : "", r.reason ? "  because: " : "",
		       r.reason ? r.reason : "");
	}
	policy_file_done(&f);
	return 0;
}

int cmd_policy(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "check") == 0)
		return check(argc - 2, argv + 2);
	if ((argc == 2 || argc == 3) && strcmp(argv[1], "groups") == 0)
		return groups(argc == 3 ? argv[2] : NULL);
	if ((argc == 2 || argc == 3) && strcmp(argv[1], "show") == 0)
		return show(argc == 3 ? argv[2] : NULL);
	return ctl_usage("policy", NULL);
}
