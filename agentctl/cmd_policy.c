/* agentctl policy: check files, list the groups, show what a policy comes to. */
#include <errno.h>
#include <string.h>

#include "agentctl/ctl.h"
#include "policy/profile.h"

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

static void show_rule(const struct policy *p, uint32_t i)
{
	char peer[PREFIX_STRLEN];
	struct rule r;

	policy_rule(p, i, &r);
	printf("%5u  %-7s %s%s%s%s%s%s", r.line,
	       r.ingress ? "ingress"
	       : r.deny  ? "deny"
			 : "allow",
	       r.text, r.group ? "  from group " : "", r.group ? r.group : "",
	       r.broad ? "  broad" : "", r.reason ? "  because: " : "", r.reason ? r.reason : "");
	for (size_t k = 0; r.ingress && k < policy_rule_peers(p, i); k++) {
		const struct prefix x = policy_rule_peer(p, i, k);

		printf("%s%s", k ? ", " : "  from ", prefix_format(&x, peer));
	}
	putchar('\n');
}

/* The networks of tools, each with what it does not have in common with the agent's. */
static void show_tools(const struct policy *p)
{
	for (size_t i = 1; i < policy_profiles(p); i++) {
		struct profile tool;
		struct policy *net;
		size_t bytes;
		const void *blob = profile_network(p, i, &bytes);

		if (!blob || policy_open(blob, bytes, &net, NULL) < 0)
			continue;
		policy_profile(p, i, &tool);
		printf("tool %s\n", tool.name);
		for (uint32_t k = 0; k < policy_rules(net); k++) {
			struct rule r;

			policy_rule(net, k, &r);
			if (!r.deny)
				show_rule(net, k);
		}
		policy_free(net);
	}
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
	for (uint32_t i = 0; i < policy_rules(f.policy); i++)
		show_rule(f.policy, i);
	show_tools(f.policy);
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
