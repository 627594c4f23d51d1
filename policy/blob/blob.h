/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A compiled policy's form: a header, arrays, and strings, all by offsets from the beginning, so
 * that it can be mapped anywhere. compile.c writes it, open.c checks it, match.c reads it. */
#ifndef AGENTFW_POLICY_BLOB_H
#define AGENTFW_POLICY_BLOB_H

#include <stdint.h>
#include <string.h>

#include "policy/base/addr.h"

#define BLOB_MAGIC   0x70776661u /* "afwp" */
#define BLOB_VERSION 5
#define SNAPLEN_MIN  64
#define SNAPLEN_MAX  65535
#define BLOB_MAX     (256u << 20)
#define BLOB_NONE    UINT32_MAX

struct blob_section {
	uint32_t offset, count;
};

/* entry is BLOB_NONE in a free slot; the hash spares a look at the entry of another name. */
struct blob_slot {
	uint32_t hash, entry;
};

/* Sixteen bytes each: a policy has one rule per name, and may have a million names. */
struct blob_rule {
	uint32_t line;
	uint16_t col;
	uint8_t deny, flags;
	uint32_t text;  /* string */
	uint32_t extra; /* BLOB_NONE: none */
};
#define BLOB_RULE_BROAD   1u
#define BLOB_RULE_ECH     2u
#define BLOB_RULE_INGRESS 4u /* an `ingress` entry: its extra addresses are the peers */

/* What few rules have. */
struct blob_extra {
	uint32_t group, reason;          /* strings; 0: none */
	uint32_t addresses, n_addresses; /* its `addresses:`, or `from:` */
};

/* One name at one port. The entries of one name are a list; `next` is always a smaller index. */
struct blob_entry {
	uint32_t name; /* string, not terminated there */
	uint32_t next;
	uint32_t rule;
	uint16_t port;
	uint8_t name_len; /* 0: every name */
	uint8_t bits;
};
#define BLOB_SCHEME   0x07u
#define BLOB_WILDCARD 0x08u
#define BLOB_DENY     0x10u
#define BLOB_ANY      0x20u /* every scheme and port */

/* Sorted by family, prefix length, prefix, protocol, port, deny, rule. */
struct blob_addr_rule {
	struct prefix prefix;
	uint8_t deny, l4proto; /* l4proto 0: every protocol and port */
	uint16_t port;
	uint32_t rule;
};

/* A listener inside that others may connect to. Sorted by protocol, port, prefix, rule. */
struct blob_ingress {
	struct prefix local;
	uint8_t l4proto; /* IPPROTO_TCP, IPPROTO_UDP */
	uint16_t port;
	uint32_t rule;
};

struct blob_pin { /* sorted by name */
	uint32_t name;
	uint32_t name_len;
	struct addr addr;
};

struct blob_server {
	struct addr addr;
	uint16_t port;
};

struct blob_range {
	uint32_t first, n;
};

/* The first is the agent's. */
struct blob_profile {
	uint32_t name, user, cwd; /* strings; 0: none */
	uint32_t line, col, flags;
	struct blob_range paths, env, command, unprotect; /* the last two: words */
	uint32_t pids, cpu_ms, time_ms;
	uint32_t net_bytes; /* of its own network's blob; 0: none */
	uint32_t net;       /* where that begins in `nets` */
	uint32_t reserved;
	uint64_t memory, file_size, output;
};
#define BLOB_PROFILE_CONFINED    1u
#define BLOB_PROFILE_SCRUB_ENV   2u
#define BLOB_PROFILE_NO_NETWORK  4u
#define BLOB_PROFILE_BEST_EFFORT 8u
#define BLOB_PROFILE_BROAD       16u

struct blob_path {
	uint32_t path; /* string */
	uint32_t line;
	uint16_t col;
	uint8_t right, flags; /* right: enum right */
};
#define BLOB_PATH_OPTIONAL 1u
#define BLOB_PATH_BROAD    2u

struct blob_env {
	uint32_t name, value; /* strings; value 0: passed on */
	uint32_t set;         /* the value counts, also an empty one */
};

struct blob_header {
	uint32_t magic, version;
	uint64_t bytes;
	uint32_t mode, snaplen;
	uint32_t file, audit_dir, workspace; /* strings; 0: none */
	struct blob_section rules, extras, entries, slots, addr_rules, ingress, addresses, pins,
	    servers, profiles, paths, env, words, nets, strings;
};

static inline int blob_prefix_cmp(const struct prefix *x, const struct prefix *y)
{
	int d = x->addr.family - y->addr.family;

	d = d ? d : x->bits - y->bits;
	return d ? d : memcmp(x->addr.b, y->addr.b, sizeof(x->addr.b));
}

/* The order of address rules, but for deny and rule. */
static inline int blob_addr_cmp(const struct blob_addr_rule *x, const struct blob_addr_rule *y)
{
	int d = blob_prefix_cmp(&x->prefix, &y->prefix);

	d = d ? d : x->l4proto - y->l4proto;
	return d ? d : x->port - y->port;
}

/* The order of listeners. */
static inline int blob_ingress_cmp(const struct blob_ingress *x, const struct blob_ingress *y)
{
	int d = x->l4proto - y->l4proto;

	d = d ? d : x->port - y->port;
	d = d ? d : blob_prefix_cmp(&x->local, &y->local);
	return d ? d : (x->rule > y->rule) - (x->rule < y->rule);
}

/* FNV-1a over the name; slots are probed linearly. */
static inline uint32_t blob_hash(const char *s, size_t n, unsigned wildcard)
{
	uint32_t h = 0x811c9dc5u ^ wildcard;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 0x01000193u;
	return h ^ h >> 15;
}

#endif
