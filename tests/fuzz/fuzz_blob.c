// SPDX-License-Identifier: GPL-2.0-or-later
/* A compiled policy from a stranger: it does not open, or everything in it can be read and matched.
 */
#include <netinet/in.h>
#include <stdio.h>

#include "policy/policy.h"
#include "policy/profile.h"
#include "tests/fuzz/fuzz.h"

static size_t sum; /* so that nothing is optimised away */

static void touch(const char *s)
{
	if (s)
		sum += strlen(s);
}

static void read_all(const struct policy *p)
{
	static const struct addr a = {4, {10, 1, 2, 3}};
	struct addr_rule ar;
	struct addr addr;
	struct rule r;
	uint16_t port;

	touch(policy_file(p));
	touch(policy_agent_user(p));
	touch(policy_audit_dir(p));
	sum += policy_snaplen(p) + (size_t)policy_mode(p);
	for (size_t i = 0; i < policy_dns_servers(p); i++)
		policy_dns_server(p, i, &addr, &port);
	for (uint32_t i = 0; i < policy_rules(p); i++) {
		policy_rule(p, i, &r);
		touch(r.text);
		touch(r.group);
		touch(r.reason);
		sum += policy_rule_address_ok(p, i, &a);
	}
	for (size_t i = 0; i < policy_addr_rules(p); i++) {
		policy_addr_rule(p, i, &ar);
		MUST(ar.rule < policy_rules(p));
		sum += policy_match_addr(p, ar.l4proto, &ar.prefix.addr, ar.port).rule;
	}
}

static void read_ingress(const struct policy *p)
{
	for (size_t i = 0; i < policy_ingress_rules(p); i++) {
		struct ingress_rule g;

		policy_ingress_rule(p, i, &g);
		MUST(g.rule < policy_rules(p) && g.port);
		for (size_t k = 0; k < policy_rule_peers(p, g.rule); k++)
			sum += policy_rule_peer(p, g.rule, k).bits;
		sum +=
		    policy_match_ingress(p, g.l4proto, &g.local.addr, g.port, &g.local.addr).rule;
	}
	for (unsigned family = 4; family <= 6; family += 2) {
		struct ingress_pair *list;
		size_t n;

		if (policy_ingress_pairs(p, family, &list, &n) == 0)
			free(list);
	}
}

static void match_some(const struct policy *p)
{
	static const char *const names[] = {"a.example", "x.y.cdn.example", "com", "db.internal",
					    "a.b.c.d.e.f.g.h.i.j.k.l.m"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct opening list[OPENINGS_MAX];
		struct addr pins[4];
		struct match m;
		struct name n;

		MUST(name_canon(names[i], strlen(names[i]), &n));
		m = policy_match_name(p, SCHEME_HTTPS, &n, 443);
		MUST((m.verdict == VERDICT_NONE) == (m.rule == RULE_NONE));
		MUST(m.verdict == VERDICT_NONE || m.rule < policy_rules(p));
		sum += policy_pin(p, &n, pins, 4);
		MUST(policy_name_openings(p, &n, list, OPENINGS_MAX, &m) <= OPENINGS_MAX);
	}
}

/* What a caller could say; a path stays what it is. */
static int any_path(void *arg, const char *value, const char *workspace, char *ret, size_t bytes,
		    struct err *e)
{
	touch(workspace);
	snprintf(ret, bytes, "/w/%s", value);
	return 0;
}

static void read_profile(const struct policy *p, size_t i)
{
	static char *const values[] = {"12", "https://a.example/", "-x"};
	struct profile f;
	struct profile_path path;
	struct profile_env env;
	char **argv;
	struct err e;

	policy_profile(p, i, &f);
	touch(f.name);
	touch(f.user);
	touch(f.cwd);
	touch(f.workspace);
	MUST((i == 0) == (f.name == NULL));
	for (size_t k = 0; k < f.n_paths; k++) {
		profile_path(p, i, k, &path);
		touch(profile_list(path.right));
		touch(path.path);
	}
	for (size_t k = 0; k < f.n_env; k++) {
		profile_env(p, i, k, &env);
		touch(env.name);
		touch(env.value);
	}
	for (size_t k = 0; k < f.n_command; k++)
		touch(profile_command(p, i, k));
	for (size_t k = 0; k < f.n_unprotect; k++)
		touch(profile_unprotect(p, i, k));
	for (size_t n = 0; f.n_command && n <= 3; n++)
		if (command_build(p, i, values, n, any_path, NULL, &argv, &e) == 0)
			command_free(argv);
}

static void read_profiles(const struct policy *p, bool nested)
{
	for (size_t i = 0; i < policy_profiles(p); i++) {
		struct profile f;
		struct policy *net;
		size_t bytes;
		const void *blob = profile_network(p, i, &bytes);

		read_profile(p, i);
		policy_profile(p, i, &f);
		MUST(f.own_network == (blob != NULL));
		if (f.name)
			MUST(policy_find_tool(p, f.name) != 0);
		if (!blob)
			continue;
		MUST(!nested && policy_open(blob, bytes, &net, NULL) == 0);
		read_all(net);
		read_ingress(net);
		match_some(net);
		read_profiles(net, true);
		policy_free(net);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = fuzz_copy(data, n);
	struct policy *p;
	struct err e;
	/* its own length is the first thing that mutation breaks */
	const size_t at = 8;

	if (n >= at + 8) {
		uint64_t bytes = n;

		memcpy(copy + at, &bytes, sizeof(bytes));
	}
	if (policy_open(copy, n, &p, &e) == 0) {
		read_all(p);
		read_ingress(p);
		match_some(p);
		read_profiles(p, false);
		policy_free(p);
	}
	free(copy);
	return 0;
}
