// SPDX-License-Identifier: GPL-2.0-or-later
/* agentctl why: would an endpoint pass, by which rule, at which line. Exit status 0: it would; 1:
 * not. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "agentctl/command.h"
#include "agentctl/daemon/policy_file.h"
#include "agentctl/launch/exit_status.h"
#include "policy/base/addr.h"
#include "policy/base/err.h"
#include "policy/base/quote.h"
#include "policy/policy.h"
#include "policy/profile.h"

/* Both of its addresses pass, or it does not. */
static struct match match_localhost(const struct policy *p, enum scheme scheme, uint16_t port)
{
	static const struct addr lo[] = {{4, {127, 0, 0, 1}}, {6, {[15] = 1}}};
	struct match m = policy_match_addr(p, scheme_l4proto(scheme), &lo[0], port);

	return m.verdict == VERDICT_ALLOW
		   ? policy_match_addr(p, scheme_l4proto(scheme), &lo[1], port)
		   : m;
}

static struct match match(const struct policy *p, const struct endpoint *ep, uint16_t port)
{
	if (ep->host == HOST_LOCALHOST)
		return match_localhost(p, ep->scheme, port);
	if (ep->host == HOST_PREFIX)
		return policy_match_addr(p, scheme_l4proto(ep->scheme), &ep->prefix.addr, port);
	return policy_match_name(p, ep->scheme, &ep->name, port);
}

/* What is asked for is one endpoint: of many, some may pass and others not. */
static int one_endpoint(const char *text, struct endpoint *ep, struct err *e)
{
	int r = endpoint_parse(text, strlen(text), ep, NULL, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < policy_groups_n; i++)
		if (strcmp(text, policy_groups[i].name) == 0) {
			err_set(e, EINVAL, "'%s' is a group of endpoints", text);
			return err_hint(e, "ask for one of them: agentctl policy groups %s", text);
		}
	if (ep->host == HOST_WILDCARD || ep->host == HOST_ANY) {
		err_set(e, EINVAL, "'%s' stands for many names", text);
		return err_hint(
		    e, ep->host == HOST_ANY ? "ask for one of them" : "ask for one of them: www.%s",
		    ep->name.s);
	}
	if (ep->host == HOST_PREFIX &&
	    ep->prefix.bits != (ep->prefix.addr.family == 4 ? 32 : 128)) {
		err_set(e, EINVAL, "'%s' stands for many addresses", text);
		return err_hint(e, "ask for one of them");
	}
	if (ep->scheme == SCHEME_QUIC) {
		err_set(e, EINVAL, "this version lets no QUIC through, whatever a policy says");
		return err_hint(e, "clients fall back to TLS over TCP: ask for https://");
	}
	for (size_t i = 0; ep->scheme != SCHEME_ICMP && i < ep->n_ports; i++)
		if (ep->ports[i] == PORT_DNS) {
			err_set(e, EINVAL,
				"every packet to port 53 goes to the fence's own resolver, "
				"whatever a policy says");
			return err_hint(e, "it answers for the names that egress allows: ask for "
					   "those");
		}
	return 0;
}

static void explain(const struct endpoint *ep, enum verdict v)
{
	if (v != VERDICT_ALLOW || ep->host != HOST_NAME)
		return;
	if (ep->scheme == SCHEME_HTTPS || ep->scheme == SCHEME_TLS)
		puts("    at the addresses that the fence's resolver gives for the name, and with "
		     "that SNI");
	else if (ep->scheme == SCHEME_HTTP)
		puts("    at the addresses that the fence's resolver gives for the name, and with "
		     "that Host");
	else
		puts("    at the addresses that the fence's resolver gives for the name");
}

struct question {
	const char *path;            /* of the policy */
	const char *tool;            /* whose network; NULL: the agent's */
	const struct policy *policy; /* of that network */
};

static void rule_line(const struct question *f, const struct match *m)
{
	char reason[4 * 300 + 1];
	struct rule r;

	if (m->rule == RULE_NONE)
		return;
	policy_rule(f->policy, m->rule, &r);
	printf("    by %s:%u: %s %s", f->path, r.line, r.deny ? "deny" : "allow", r.text);
	if (r.group)
		printf(" (group %s)", r.group);
	printf("%s%s\n", r.reason ? ", because: " : "",
	       r.reason ? str_clean(reason, sizeof(reason), r.reason) : "");
}

static void remedy(const struct question *f, const struct endpoint *ep)
{
	char text[ENDPOINT_STRLEN], shown[2 * ENDPOINT_STRLEN + 3];

	if (endpoint_entry(ep, text) && quote_scalar(text, false, shown, sizeof(shown)))
		printf("    to allow it, add to %s%segress:\n      - %s\n", f->tool ? f->tool : "",
		       f->tool ? "'s " : "", shown);
}

static bool one_port(const struct question *f, const struct endpoint *ep, uint16_t port)
{
	struct match m = match(f->policy, ep, port);
	struct endpoint one = *ep;
	char text[ENDPOINT_STRLEN];

	if (ep->n_ports) {
		one.n_ports = 1;
		one.ports[0] = port;
	}
	endpoint_format(&one, text);
	printf("%s: %s\n", text,
	       m.verdict == VERDICT_ALLOW  ? "allowed"
	       : m.verdict == VERDICT_DENY ? "refused"
					   : "refused: no rule speaks of it");
	rule_line(f, &m);
	explain(ep, m.verdict);
	if (m.verdict == VERDICT_NONE)
		remedy(f, &one);
	if (m.verdict != VERDICT_ALLOW && policy_mode(f->policy) == MODE_AUDIT)
		puts("    in audit mode it passes all the same, and is logged");
	return m.verdict == VERDICT_ALLOW;
}

/* 1: the tool has no network at all, which is told. */
static int find_network(const struct policy_file *f, const char *tool, struct question *ret,
			struct policy **ret_own, struct err *e)
{
	size_t i = tool ? policy_find_tool(f->policy, tool) : PROFILE_AGENT, bytes;
	const void *blob;

	*ret = (struct question){.path = f->path, .tool = tool, .policy = f->policy};
	*ret_own = NULL;
	if (!tool)
		return 0;
	if (!i) {
		err_set(e, ENOENT, "%s: there is no tool '%s'", f->path, tool);
		return err_hint(e, "agentctl policy show lists them");
	}
	blob = profile_network(f->policy, i, &bytes);
	if (!blob) {
		printf("refused: the tool '%s' has no network\n    to give it one, add `egress` to "
		       "it\n",
		       tool);
		return 1;
	}
	if (policy_open(blob, bytes, ret_own, e) < 0)
		return -EINVAL;
	ret->policy = *ret_own;
	return 0;
}

static int answer_question(const struct policy_file *f, const char *tool, const struct endpoint *ep)
{
	struct question q;
	struct policy *own;
	struct err e = {0};
	bool all = true;
	int r = find_network(f, tool, &q, &own, &e);

	if (r < 0)
		return ctl_fail(&e);
	if (r)
		return 1;
	for (unsigned i = 0; i < (ep->n_ports ? ep->n_ports : 1u); i++)
		all = one_port(&q, ep, ep->n_ports ? ep->ports[i] : 0) && all;
	policy_free(own);
	return all ? 0 : 1;
}

int cmd_why(int argc, char **argv)
{
	static const struct option longs[] = {{"policy", required_argument, NULL, 'p'},
					      {"tool", required_argument, NULL, 't'},
					      {NULL, 0, NULL, 0}};
	const char *path = NULL, *tool = NULL, *text;
	struct policy_file f = {0};
	struct endpoint ep;
	struct err e = {0};
	int c;

	while ((c = ctl_option("why", argc, argv, ":p:", longs)) != -1) {
		if (c == 'p')
			path = optarg;
		else if (c == 't')
			tool = optarg;
		else
			return EXIT_CTL;
	}
	if (optind == argc)
		return ctl_usage("why", "which endpoint?");
	text = argv[optind++];
	if (!ctl_no_more("why", argc, argv))
		return EXIT_CTL;
	if (one_endpoint(text, &ep, &e) < 0 || policy_file_load(path, &f, &e) < 0)
		return ctl_fail(&e);
	c = answer_question(&f, tool, &ep);
	policy_file_done(&f);
	return c;
}
