/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May this packet pass? Pure functions of the policy, the learned names and the facts of a
 * packet. */
#ifndef AGENTFW_DECIDE_H
#define AGENTFW_DECIDE_H

#include "fw/engine/names.h"
#include "fw/ipc/denial.h"
#include "policy/policy.h"

struct facts {
	const struct policy *policy;
	const struct names *names;
	uint64_t now_ms;
	uint8_t l4proto;
	struct addr src, dst;
	uint16_t port;     /* 0 where the protocol has none */
	bool payload;      /* TCP: it carries bytes */
	bool echo_request; /* ICMP */
	bool stays; /* to an address of this machine: the kernel can tell which socket gets it */
};

enum decided {
	DECIDED_DENY = 0,
	DECIDED_FLOW,    /* the flow is allowed */
	DECIDED_ONCE,    /* this packet is allowed: it has no payload yet */
	DECIDED_OWN,     /* allowed if a socket of the fence itself gets it */
	DECIDED_INSPECT, /* the payload must say the name */
};

struct decision {
	enum decided what;
	enum denial_code code;
	uint32_t rule; /* RULE_NONE: no rule matched */
	bool tls,
	    http; /* DECIDED_INSPECT: the protocols of the name rules for this address and port */
	struct name name; /* a name of the address, or the name in the payload; may be empty */
	enum scheme scheme;
};

/* By address and by learned names. */
void decide_flow(const struct facts *f, struct decision *ret);
/* What no rule allows may still go to a listener of the fence itself, whatever it carries. Turns
 * such a refusal into DECIDED_OWN. */
void decide_own(const struct facts *f, struct decision *ret);
/* By the name in the payload: a rule must allow the name, and the name must have the address.
 * SCHEME_HTTPS or SCHEME_HTTP. */
void decide_name(const struct facts *f, enum scheme scheme, const struct name *name, bool ech,
		 struct decision *ret);
/* The endpoint that was tried, in the policy's grammar. buf holds ENDPOINT_STRLEN. */
void decide_endpoint(const struct facts *f, const struct decision *d, char *buf);

#endif
