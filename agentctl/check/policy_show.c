// SPDX-License-Identifier: GPL-2.0-or-later
/* agentctl policy show: what a policy comes to. */
#include "agentctl/check/policy_show.h"

#include <stdint.h>
#include <stdio.h>

#include "agentctl/daemon/policy_file.h"
#include "policy/base/addr.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/policy.h"
#include "policy/profile.h"

/* A stranger may have written the policy: control characters must not reach the terminal. */
static const char *shown(const char *text)
{
	static char buf[4 * 4096 + 1];

	return str_clean(buf, sizeof(buf), text);
}

static void show_rule(const struct policy *p, uint32_t i)
{
	char peer[PREFIX_STRLEN];
	struct rule r;

	policy_rule(p, i, &r);
	printf("%5u  %-7s %s%s%s%s%s%s%s", r.line,
	       r.ingress ? "ingress"
	       : r.deny  ? "deny"
			 : "allow",
	       r.text, r.group ? "  from group " : "", r.group ? r.group : "",
	       r.broad ? "  broad" : "", r.ech_allow ? "  ech allowed" : "",
	       r.reason ? "  because: " : "", r.reason ? shown(r.reason) : "");
	for (size_t k = 0; r.ingress && k < policy_rule_peers(p, i); k++) {
		const struct prefix x = policy_rule_peer(p, i, k);

		printf("%s%s", k ? ", " : "  from ", prefix_format(&x, peer));
	}
	putchar('\n');
}

static void show_rules(const struct policy *p)
{
	for (uint32_t i = 0; i < policy_rules(p); i++)
		show_rule(p, i);
}

static void show_command(const struct policy *p, size_t index, size_t n)
{
	printf("%7s%-8s", "", "command");
	for (size_t i = 0; i < n; i++)
		printf(" %s", shown(profile_command(p, index, i)));
	putchar('\n');
}

static void show_limits(const struct profile_limits *l)
{
	const struct {
		const char *name, *unit;
		uint64_t value;
	} all[] = {{"memory", "bytes", l->memory},     {"file_size", "bytes", l->file_size},
		   {"output", "bytes", l->output},     {"pids", "processes", l->pids},
		   {"cpu", "ms a process", l->cpu_ms}, {"time", "ms", l->time_ms}};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].value)
			printf("%7s%-8s %s: %llu %s\n", "", "limit", all[i].name,
			       (unsigned long long)all[i].value, all[i].unit);
}

static void show_environment(const struct policy *p, size_t index, size_t n)
{
	struct profile_env env;

	for (size_t i = 0; i < n; i++) {
		profile_env(p, index, i, &env);
		printf("%7s%-8s %s%s%s\n", "", "env", env.name, env.value ? "=" : "",
		       env.value ? shown(env.value) : "");
	}
}

static int show_network(const struct policy *p, size_t index, const struct profile *f,
			struct err *e)
{
	size_t bytes;
	const void *blob = profile_network(p, index, &bytes);
	struct policy *own;
	int r;

	if (f->no_network)
		printf("%7s%-8s none\n", "", "network");
	if (!blob)
		return 0;
	if ((r = policy_open(blob, bytes, &own, e)) < 0)
		return r;
	printf("%7s%-8s its own:\n", "", "network");
	show_rules(own);
	policy_free(own);
	return 0;
}

static int show_profile(const struct policy *p, size_t index, struct err *e)
{
	struct profile f;

	policy_profile(p, index, &f);
	if (!f.name && !f.confined && !f.scrub_env)
		printf("agent: as its user may\n");
	else
		printf("%s:\n", f.name ? f.name : "agent");
	if (f.n_command)
		show_command(p, index, f.n_command);
	if (f.user)
		printf("%7s%-8s %s\n", "", "user", shown(f.user));
	if (f.cwd)
		printf("%7s%-8s %s\n", "", "cwd", shown(f.cwd));
	for (size_t i = 0; i < f.n_paths; i++) {
		struct profile_path path;

		profile_path(p, index, i, &path);
		printf("%5u  %-8s %s%s%s\n", path.line, profile_list(path.right), shown(path.path),
		       path.optional ? "  optional" : "", path.broad ? "  broad" : "");
	}
	show_environment(p, index, f.n_env);
	show_limits(&f.limits);
	if (f.best_effort)
		printf("%7s%-8s what the kernel lacks is left out\n", "", "best_effort");
	for (size_t i = 0; i < f.n_unprotect; i++)
		printf("%7s%-8s %s\n", "", "unprotect", profile_unprotect(p, index, i));
	return show_network(p, index, &f, e);
}

/* The names that `unprotect` takes, and what is behind each. */
static void show_protected(void)
{
	puts("protected inside writable places, unless `unprotect` names them:");
	for (size_t i = 0; i < protected_places_n; i++) {
		const struct protected_place *place = &protected_places[i];

		printf("       %-12s %s%s\n", place->name ? place->name : "(always)", place->path,
		       place->flags & PROTECTED_SECRET ? "  not read either" : "");
	}
}

int policy_show(const char *file, struct err *e)
{
	struct policy_file f = {0};
	int r = policy_file_load(file, &f, e);

	if (r < 0)
		return r;
	printf("%s: mode %s, log in %s\n", f.path,
	       policy_mode(f.policy) == MODE_AUDIT ? "audit" : "enforce",
	       shown(policy_audit_dir(f.policy)));
	show_rules(f.policy);
	for (size_t i = 0; r == 0 && i < policy_profiles(f.policy); i++)
		r = show_profile(f.policy, i, e);
	show_protected();
	policy_file_done(&f);
	return r;
}
