// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/decide.h"

#include <netinet/in.h>
#include <string.h>

#define PORT_QUIC 443

static void deny(struct decision *d, enum denial_code code, uint32_t rule)
{
	d->what = DECIDED_DENY;
	d->code = code;
	d->rule = rule;
}

static bool is_multicast(const struct addr *a)
{
	static const uint8_t broadcast[4] = {255, 255, 255, 255};

	if (a->family == 6)
		return a->b[0] == 0xff;
	return (a->b[0] & 0xf0) == 224 || memcmp(a->b, broadcast, sizeof(broadcast)) == 0;
}

static void decide_by_names(const struct facts *f, struct decision *ret)
{
	uint16_t port = f->l4proto == IPPROTO_ICMP ? 0 : f->port;
	struct names_open open;

	if (names_opens(f->names, &f->dst, f->l4proto, port, f->now_ms, &open)) {
		ret->rule = open.rule;
		ret->tls = open.tls;
		ret->http = open.http;
		if (open.name)
			ret->name = *open.name;
		ret->what = open.all ? DECIDED_FLOW : f->payload ? DECIDED_INSPECT : DECIDED_ONCE;
		return;
	}
	/* no name rule has this port: the event still says a name of the address */
	names_of(f->names, &f->dst, f->now_ms, &ret->name, 1);
	deny(ret, f->l4proto == IPPROTO_UDP && f->port == PORT_QUIC ? DENIED_QUIC : DENIED_NO_RULE,
	     RULE_NONE);
}

void decide_flow(const struct facts *f, struct decision *ret)
{
	struct match m = {.rule = RULE_NONE};

	*ret = (struct decision){.rule = RULE_NONE};
	ret->scheme = f->l4proto == IPPROTO_TCP   ? SCHEME_TCP
		      : f->l4proto == IPPROTO_UDP ? SCHEME_UDP
						  : SCHEME_ICMP;
	if (f->l4proto != IPPROTO_TCP && f->l4proto != IPPROTO_UDP && !f->echo_request) {
		deny(ret, DENIED_PROTOCOL, RULE_NONE);
		return;
	}
	m = policy_match_addr(f->policy, f->l4proto, &f->dst, f->port);
	if (m.verdict == VERDICT_DENY) {
		deny(ret, DENIED_BY_RULE, m.rule);
		return;
	}
	if (m.verdict == VERDICT_ALLOW) {
		ret->what = DECIDED_FLOW;
		ret->rule = m.rule;
		return;
	}
	if (is_multicast(&f->dst)) {
		deny(ret, DENIED_MULTICAST, RULE_NONE);
		return;
	}
	decide_by_names(f, ret);
	decide_own(f, ret);
}

void decide_own(const struct facts *f, struct decision *ret)
{
	if (ret->what == DECIDED_DENY && ret->code != DENIED_BY_RULE && f->stays)
		ret->what = DECIDED_OWN;
}

void decide_name(const struct facts *f, enum scheme scheme, const struct name *name, bool ech,
		 struct decision *ret)
{
	struct match m = policy_match_name(f->policy, scheme, name, f->port);
	struct rule rule = {0};
	bool any = false, known = names_has(f->names, name, &f->dst, f->now_ms, &any);

	/* An entry with `addresses:` opens those, not the ones of another entry for the same
	 * name. */
	if (known && !any && m.verdict == VERDICT_ALLOW) {
		struct match here = policy_match_name_at(f->policy, scheme, name, f->port, &f->dst);

		known = here.verdict == VERDICT_ALLOW;
		m = known ? here : m;
	}
	*ret = (struct decision){.rule = m.rule, .name = *name, .scheme = scheme};
	if (m.verdict == VERDICT_DENY) {
		deny(ret, DENIED_BY_RULE, m.rule);
		return;
	}
	if (m.verdict == VERDICT_NONE) {
		deny(ret, DENIED_OTHER_NAME, RULE_NONE);
		return;
	}
	policy_rule(f->policy, m.rule, &rule);
	if (ech && !rule.ech_allow)
		deny(ret, DENIED_ECH, m.rule);
	else if (!known)
		deny(ret, DENIED_NOT_LEARNED, m.rule);
	else
		ret->what = DECIDED_FLOW;
}

void decide_endpoint(const struct facts *f, const struct decision *d, char *buf)
{
	struct endpoint ep = {.scheme = d->scheme, .scheme_written = true};

	if (d->name.len) {
		ep.host = HOST_NAME;
		ep.name = d->name;
	} else {
		ep.host = HOST_PREFIX;
		ep.prefix.addr = f->dst;
		ep.prefix.bits = f->dst.family == 4 ? 32 : 128;
	}
	if (d->scheme != SCHEME_ICMP) {
		ep.n_ports = 1;
		ep.ports[0] = f->port;
	}
	endpoint_format(&ep, buf);
}
