/* A compiled policy from a stranger: it does not open, or everything in it can be read and matched.
 */
#include <netinet/in.h>

#include "policy/policy.h"
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
		policy_free(p);
	}
	free(copy);
	return 0;
}
