/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May this pass? Pure functions of the policy, of what was learned, and of the facts of a packet.
 */
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
	bool stays;        /* to an address of this machine: the kernel can ask who gets it */
};

enum decided {
	DECIDED_DENY = 0,
	DECIDED_FLOW,    /* the flow is allowed */
	DECIDED_ONCE,    /* this packet is: it carries nothing yet */
	DECIDED_OWN,     /* allowed if whoever gets it is of the fence itself */
	DECIDED_INSPECT, /* the payload must say the name */
};

struct decision {
	enum decided what;
	enum denial_code code;
	uint32_t rule;    /* RULE_NONE: none speaks of it */
	bool tls, http;   /* DECIDED_INSPECT: what the name rules of this address and port expect */
	struct name name; /* a name of the address, or the one that was asked for; may be empty */
	enum scheme scheme;
};

/* By address and by learned names. */
void decide_flow(const struct facts *f, struct decision *ret);
/* What no rule allows may still go to a listener of the fence's own, whatever is said there. */
void decide_own(const struct facts *f, struct decision *ret);
/* By the name that the payload says: both keys. SCHEME_HTTPS or SCHEME_HTTP. */
void decide_name(const struct facts *f, enum scheme scheme, const struct name *name, bool ech,
		 struct decision *ret);
/* The endpoint that was tried, in our grammar. buf holds ENDPOINT_STRLEN. */
void decide_endpoint(const struct facts *f, const struct decision *d, char *buf);

#endif
