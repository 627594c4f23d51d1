// SPDX-License-Identifier: GPL-2.0-or-later
/* Policies: whatever the text, compiling ends with errors that have a place, or with a blob that
 * opens and in which every rule can be read and matched. */
#include <errno.h>

#include "policy/policy.h"
#include "tests/fuzz/fuzz.h"

static void check_diags(const struct diags *d, int r)
{
	size_t errors = 0;

	MUST(r == 0 || r == -EINVAL || r == -E2BIG || r == -ENOMEM);
	MUST((r == -EINVAL) == (d->n_errors > 0));
	MUST(d->n <= DIAGS_MAX);
	for (size_t i = 0; i < d->n; i++) {
		const struct diag *x = &d->list[i], *before = i ? x - 1 : x;

		MUST(x->line >= 1 && x->col >= 1 && x->msg[0]);
		MUST(before->line < x->line || (before->line == x->line && before->col <= x->col));
		errors += !x->warning;
	}
	MUST(errors <= d->n_errors);
}

/* Who may connect may, and the kernel's set says the same. */
static void check_ingress(const struct policy *p)
{
	for (unsigned family = 4; family <= 6; family += 2) {
		struct ingress_pair *list;
		size_t n;

		MUST(policy_ingress_pairs(p, family, &list, &n) == 0);
		for (size_t i = 0; i < n; i++)
			MUST(policy_match_ingress(p, list[i].l4proto, &list[i].local.addr,
						  list[i].port, &list[i].peer.addr)
				 .verdict == VERDICT_ALLOW);
		free(list);
	}
	for (size_t i = 0; i < policy_ingress_rules(p); i++) {
		struct ingress_rule g;
		struct rule r;

		policy_ingress_rule(p, i, &g);
		policy_rule(p, g.rule, &r);
		MUST(r.ingress && !r.deny);
	}
}

/* A rule's text is an endpoint, in canonical form, and an allowed name is allowed or denied. */
static void check_rule(const struct policy *p, uint32_t i)
{
	char text[ENDPOINT_STRLEN];
	struct endpoint ep;
	struct rule r;

	policy_rule(p, i, &r);
	MUST(endpoint_parse(r.text, strlen(r.text), &ep, NULL, NULL) == 0);
	endpoint_format(&ep, text);
	MUST(strcmp(text, r.text) == 0 || r.deny);
	if (r.ingress) {
		MUST(ep.host == HOST_PREFIX || ep.host == HOST_LOCALHOST);
		MUST(ep.scheme == SCHEME_TCP || ep.scheme == SCHEME_UDP);
		return;
	}
	if (ep.host == HOST_NAME && !r.deny)
		for (size_t k = 0; k < ep.n_ports; k++)
			MUST(policy_match_name(p, ep.scheme, &ep.name, ep.ports[k]).verdict !=
			     VERDICT_NONE);
	if (ep.host == HOST_NAME && r.deny && ep.n_ports)
		MUST(policy_match_name(p, ep.scheme, &ep.name, ep.ports[0]).verdict ==
		     VERDICT_DENY);
	if (ep.host == HOST_PREFIX && ep.n_ports)
		MUST(policy_match_addr(p, scheme_l4proto(ep.scheme), &ep.prefix.addr, ep.ports[0])
			 .verdict != VERDICT_NONE);
}

/* What the openings say must be what the match says. */
static void check_openings(const struct policy *p, const char *text)
{
	struct opening list[OPENINGS_MAX];
	struct match why;
	struct name name;

	MUST(name_canon(text, strlen(text), &name));
	size_t n = policy_name_openings(p, &name, list, OPENINGS_MAX, &why);
	MUST(n <= OPENINGS_MAX);
	for (size_t i = 0; i < n; i++)
		MUST(policy_match_name(p, list[i].scheme, &name, list[i].port).verdict ==
		     VERDICT_ALLOW);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *text = fuzz_copy(data, n);
	struct policy *p;
	struct diags d;
	size_t bytes;
	void *blob;
	int r = policy_compile("/etc/p.yaml", (const char *)text, n, &d, &blob, &bytes);

	check_diags(&d, r);
	diags_done(&d);
	if (r == 0) {
		MUST(policy_open(blob, bytes, &p, NULL) == 0);
		for (uint32_t i = 0; i < policy_rules(p); i++)
			check_rule(p, i);
		check_ingress(p);
		check_openings(p, "a.example");
		check_openings(p, "x.y.example");
		policy_free(p);
		free(blob);
	}
	free(text);
	return 0;
}
