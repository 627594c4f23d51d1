/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is allowed: the whole public face of the policy library.
 *
 * A policy is YAML text compiled into one relocatable, immutable blob. The compiler
 * (policy_compile) runs in a process that has no rights at all (policy/child/child.h); agentctl,
 * the daemon and the engine only open the blob (policy_open checks every offset in it, so a blob
 * from a stranger is safe to open) and match against it. No function here opens a socket, prints or
 * exits; policy/child alone starts a process. */
#ifndef AGENTFW_POLICY_H
#define AGENTFW_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/base/addr.h"
#include "policy/base/err.h"
#include "policy/base/name.h"

/* ---- endpoints: one grammar everywhere ----------------------------------- */

enum scheme {
	SCHEME_HTTPS = 0, /* TCP, TLS with SNI; default port 443 */
	SCHEME_HTTP,      /* TCP, Host of every request; default port 80 */
	SCHEME_TLS,       /* as https; a port must be named */
	SCHEME_TCP,       /* address key only; a port must be named */
	SCHEME_UDP,       /* address key only; a port must be named */
	SCHEME_QUIC,      /* parsed; not enforced by this build */
	SCHEME_ICMP,      /* echo; no port */
	SCHEME_COUNT,
};

enum host_kind {
	HOST_NAME = 0,
	HOST_WILDCARD,  /* *.name: any depth below name, not name itself */
	HOST_PREFIX,    /* an address or CIDR */
	HOST_LOCALHOST, /* "localhost": 127.0.0.1 and ::1 */
	HOST_ANY,       /* "*", only with broad: true */
};

#define ENDPOINT_MAX_PORTS 16
#define ENDPOINT_STRLEN    512

struct endpoint {
	enum scheme scheme;
	bool scheme_written; /* the text named the scheme */
	enum host_kind host;
	struct name name;     /* HOST_NAME, HOST_WILDCARD (without "*.") */
	struct prefix prefix; /* HOST_PREFIX */
	uint8_t n_ports;      /* at least one, but for icmp */
	uint16_t ports[ENDPOINT_MAX_PORTS];
};

/* Parses `[scheme://]host[:port[,port]]`; an IPv6 address stands in brackets, an IPv6 prefix need
 * not. On failure e has the message and a hint, and *ret_offset (may be NULL) the byte in text
 * where it went wrong. */
int endpoint_parse(const char *text, size_t len, struct endpoint *ret, size_t *ret_offset,
		   struct err *e);
/* The canonical text: default scheme and default port are left out, but for a name of one label,
 * which alone would be a group's. buf holds ENDPOINT_STRLEN. */
const char *endpoint_format(const struct endpoint *ep, char *buf);
/* Whether the text named the scheme does not count. */
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
/* The text of an entry of `egress` that allows exactly ep, in buf (ENDPOINT_STRLEN): it was read
 * again, and no reader of policies takes it for anything else, or has anything against it. NULL:
 * there is none. */
const char *endpoint_entry(const struct endpoint *ep, char *buf);
const char *scheme_name(enum scheme s);
#define PORT_DNS 53                    /* no rule allows it: the fence's resolver answers there */
uint8_t scheme_l4proto(enum scheme s); /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP */

/* ---- compiling ----------------------------------------------------------- */

/* One thing wrong with a policy: where, what, what to do. */
struct diag {
	unsigned line, col; /* from 1 */
	bool warning;
	char msg[400];
	char hint[400];
};

struct diags {
	struct diag *list; /* sorted by place */
	size_t n;
	size_t n_errors;
	size_t left_out; /* past DIAGS_MAX */
};
#define DIAGS_MAX 100

void diags_done(struct diags *d);

/* To be called in a child: policy_compile_apart. Compiles text (len bytes; file_name is for
 * messages and rule places, made absolute by the caller). 0: *ret_blob (malloc'd, for the caller to
 * free) and *ret_bytes; warnings may be in *d. -EINVAL: the errors, all of them, are in *d.
 * -ENOMEM, -E2BIG. d is initialised by the call. */
int policy_compile(const char *file_name, const char *text, size_t len, struct diags *d,
		   void **ret_blob, size_t *ret_bytes);

/* The groups that ship: name, one-line description, source of the list, its endpoints as text. */
struct policy_group {
	const char *name;
	const char *description;
	const char *source;           /* where the service documents its endpoints */
	const char *const *endpoints; /* ends with NULL */
};
extern const struct policy_group policy_groups[];
extern const size_t policy_groups_n;

/* ---- a compiled policy --------------------------------------------------- */

struct policy;

/* Opens a blob, which must stay as it is while the policy is open (map a sealed memfd). Does not
 * copy it. Opening writes nothing into it. 0; -EINVAL: not a blob of this version, or a damaged
 * one. */
int policy_open(const void *blob, size_t bytes, struct policy **ret, struct err *e);
void policy_free(struct policy *p);

enum policy_mode { MODE_ENFORCE = 0, MODE_AUDIT };

enum policy_mode policy_mode(const struct policy *p);
const char *policy_file(const struct policy *p);       /* as given to policy_compile */
const char *policy_agent_user(const struct policy *p); /* NULL: not named */
const char *policy_audit_dir(const struct policy *p);  /* absolute; default /var/log/agentfw */
uint32_t
policy_snaplen(const struct policy *p); /* bytes of a packet in the capture; default 2048 */
/* dns.servers, with the port (53 unless named); n 0: what the host uses. */
size_t policy_dns_servers(const struct policy *p);
void policy_dns_server(const struct policy *p, size_t i, struct addr *ret, uint16_t *ret_port);
/* dns.hosts: the addresses pinned to name, up to max into ret; returns how many there are. */
size_t policy_pin(const struct policy *p, const struct name *name, struct addr *ret, size_t max);

/* ---- rules --------------------------------------------------------------- */

/* A deny entry that names neither a scheme nor a port (`to: "*.uploads.example"`) denies its host
 * whole; otherwise exactly the scheme and the ports that it says, and what it leaves out has its
 * default: the deny entry `https://a.example` leaves http://a.example alone. A deny entry for
 * addresses holds whatever name led there: for an allowed name that resolves into it,
 * policy_match_addr says VERDICT_DENY. `*` (broad) allows every name; literal addresses
 * need 0.0.0.0/0 and ::/0. Denied, it is every name and every address. */
#define RULE_NONE UINT32_MAX

struct rule {
	bool deny;
	bool broad;         /* broad: true was said */
	bool ech_allow;     /* tls: {ech: allow} */
	bool ingress;       /* an `ingress` entry: the text is the listener */
	unsigned line, col; /* of the entry in the policy file */
	const char *text;   /* the endpoint, canonical */
	const char *group;  /* NULL, or the group that the entry named */
	const char *reason; /* deny: the written reason, or NULL */
};

size_t policy_rules(const struct policy *p);
/* i < policy_rules(p). Strings live as long as p. */
void policy_rule(const struct policy *p, uint32_t i, struct rule *ret);
/* May an answer for a name that rule i allows point to an address that is not global? */
bool policy_rule_address_ok(const struct policy *p, uint32_t i, const struct addr *a);

/* The address part of the rules, for the kernel's sets: i from 0 to policy_addr_rules(p) - 1.
 * One entry a port; HOST_LOCALHOST appears as its two addresses, a deny of HOST_ANY as 0.0.0.0/0
 * and ::/0. */
struct addr_rule {
	bool deny;
	bool any;        /* a deny rule that names neither scheme nor port: all of them */
	uint8_t l4proto; /* IPPROTO_TCP, _UDP, _ICMP (icmp stands for ICMPv6 too); 0 when any */
	struct prefix prefix;
	uint16_t port; /* 0 for icmp and when any */
	uint32_t rule;
};
size_t policy_addr_rules(const struct policy *p);
void policy_addr_rule(const struct policy *p, size_t i, struct addr_rule *ret);

/* ---- ingress: who may connect to listeners inside --------------------------------------------
 *
 * One entry a port; HOST_LOCALHOST appears as its two addresses. Deny rules speak of egress alone.
 */
struct ingress_rule {
	uint8_t l4proto; /* IPPROTO_TCP, IPPROTO_UDP */
	struct prefix local;
	uint16_t port;
	uint32_t rule;
};
size_t policy_ingress_rules(const struct policy *p);
/* Sorted by protocol and port. */
void policy_ingress_rule(const struct policy *p, size_t i, struct ingress_rule *ret);
/* The peers that an ingress rule names with `from`; none: everybody. */
size_t policy_rule_peers(const struct policy *p, uint32_t i);
struct prefix policy_rule_peer(const struct policy *p, uint32_t i, size_t k);

/* All of one family (4 or 6) as pairs of which no two have a flow in common, for the kernel's set.
 */
struct ingress_pair {
	struct prefix peer, local;
	uint8_t l4proto;
	uint16_t port;
};
#define INGRESS_PAIRS_MAX 4096 /* each is compared with the others */
/* *ret is the caller's to free. 0, -ENOMEM, or -E2BIG: they are more than INGRESS_PAIRS_MAX. */
int policy_ingress_pairs(const struct policy *p, unsigned family, struct ingress_pair **ret,
			 size_t *ret_n);

/* ---- matching: deny wins, then any allow ------------------------------------------------------
 */

enum verdict {
	VERDICT_NONE = 0, /* no rule speaks of it: refused */
	VERDICT_ALLOW,
	VERDICT_DENY, /* a deny rule */
};

struct match {
	enum verdict verdict;
	uint32_t rule; /* the rule that decided, or RULE_NONE */
};

/* Address rules alone. */
struct match policy_match_addr(const struct policy *p, uint8_t l4proto, const struct addr *a,
			       uint16_t port);

/* May peer open a flow to a socket inside that listens on this address and port? VERDICT_DENY: a
 * rule names the listener, but none of those that do names the peer. */
struct match policy_match_ingress(const struct policy *p, uint8_t l4proto, const struct addr *local,
				  uint16_t port, const struct addr *peer);

/* Name rules alone: may name be reached at port by this scheme? https and tls are the same thing
 * here; a tcp:// rule does not make TLS or HTTP match, nor the other way round. */
struct match policy_match_name(const struct policy *p, enum scheme scheme, const struct name *name,
			       uint16_t port);

/* Everything that the rules open for a name, deny rules already taken off. */
struct opening {
	enum scheme scheme; /* HTTPS stands for TLS too */
	uint16_t port;      /* 0 for icmp */
	uint32_t rule;
};
#define OPENINGS_MAX 64
/* Up to max into ret; returns how many were written. *ret_why (may be NULL): what to tell when it
 * is none: VERDICT_DENY with the deny rule, or VERDICT_NONE. A pinned name has openings as any
 * other. */
size_t policy_name_openings(const struct policy *p, const struct name *name, struct opening *ret,
			    size_t max, struct match *ret_why);

/* The same of the entries alone that say `addresses:` with *at in it: what a name opens at an
 * address that is not everybody's. at NULL: of every entry. */
struct match policy_match_name_at(const struct policy *p, enum scheme scheme,
				  const struct name *name, uint16_t port, const struct addr *at);
size_t policy_name_openings_at(const struct policy *p, const struct name *name,
			       const struct addr *at, struct opening *ret, size_t max,
			       struct match *ret_why);

#endif
