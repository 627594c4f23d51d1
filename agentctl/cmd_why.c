/* agentctl why: would an endpoint pass, by which rule, at which line. Exit status 0: it would; 1:
 * not. */
#include <getopt.h>
#include <string.h>

#include "agentctl/ctl.h"

static struct match match(const struct policy *p, const struct endpoint *ep, uint16_t port)
{
	static const struct addr lo = {4, {127, 0, 0, 1}};

	switch (ep->host) {
	case HOST_NAME:
	case HOST_WILDCARD:
	case HOST_ANY:
		break;
	case HOST_PREFIX:
		return policy_match_addr(p, scheme_l4proto(ep->scheme), &ep->prefix.addr, port);
	case HOST_LOCALHOST:
		return policy_match_addr(p, scheme_l4proto(ep->scheme), &lo, port);
	}
	return policy_match_name(p, ep->scheme, &ep->name, port);
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

static void rule_line(const struct policy_file *f, const struct match *m)
{
	struct rule r;

	if (m->rule == RULE_NONE)
		return;
	policy_rule(f->policy, m->rule, &r);
	printf("    by %s:%u: %s %s", f->path, r.line, r.deny ? "deny" : "allow", r.text);
	if (r.group)
		printf(" (group %s)", r.group);
	printf("%s%s\n", r.reason ? ", because: " : "", r.reason ? r.reason : "");
}

static bool one_port(const struct policy_file *f, const struct endpoint *ep, uint16_t port)
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
		printf("    to allow it, add to egress:\n      - %s%s%s\n",
		       ep->host == HOST_WILDCARD ? "\"" : "", text,
		       ep->host == HOST_WILDCARD ? "\"" : "");
	return m.verdict == VERDICT_ALLOW;
}

int cmd_why(int argc, char **argv)
{
	static const struct option longs[] = {{"policy", required_argument, NULL, 'p'},
					      {NULL, 0, NULL, 0}};
	const char *path = NULL;
	struct policy_file f = {0};
	struct endpoint ep;
	struct err e = {0};
	bool all = true;
	int c;

	while ((c = getopt_long(argc, argv, "p:", longs, NULL)) != -1) {
		if (c != 'p')
			return ctl_usage("why", NULL);
		path = optarg;
	}
	if (optind + 1 != argc)
		return ctl_usage("why", "which endpoint?");
	if (endpoint_parse(argv[optind], strlen(argv[optind]), &ep, NULL, &e) < 0 ||
	    policy_file_load(path, &f, &e) < 0)
		return ctl_fail(&e);
	for (unsigned i = 0; i < (ep.n_ports ? ep.n_ports : 1u); i++)
		all = one_port(&f, &ep, ep.n_ports ? ep.ports[i] : 0) && all;
	policy_file_done(&f);
	return all ? 0 : 1;
}
