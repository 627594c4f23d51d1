/* A compiled policy's form: a header, arrays, and strings, all by offsets from the beginning, so that it can
 * be mapped anywhere. Written by policy/compile.c, checked and read by policy/match.c. */
#ifndef AGENTFW_POLICY_BLOB_H
#define AGENTFW_POLICY_BLOB_H

#include <stdint.h>

#include "policy/base/addr.h"

#define BLOB_MAGIC   0x70776661u /* "afwp" */
#define BLOB_VERSION 1
#define BLOB_MAX     (256u << 20)
#define BLOB_NONE    UINT32_MAX

struct blob_section {
	uint32_t offset, count;
};

struct blob_rule {
	uint32_t line, col;
	uint32_t text, group, reason; /* strings; 0: none */
	uint32_t addresses, n_addresses; /* its `addresses:` */
	uint8_t deny, broad, ech_allow, pad;
};

/* One name at one port. Those of one name hang together; `next` is always a smaller index. */
struct blob_entry {
	uint32_t name; /* string, not terminated there */
	uint32_t next;
	uint32_t rule;
	uint16_t port;
	uint8_t name_len; /* 0: every name */
	uint8_t wildcard;
	uint8_t scheme;
	uint8_t deny;
	uint8_t any; /* every scheme and port */
	uint8_t pad;
};

struct blob_addr_rule { /* sorted by prefix: family, bits, bytes */
	struct prefix prefix;
	uint8_t deny, any, l4proto, pad;
	uint16_t port, pad2;
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

struct blob_header {
	uint32_t magic, version;
	uint64_t bytes;
	uint32_t mode, snaplen;
	uint32_t file, user, audit_dir; /* strings; 0: none */
	struct blob_section rules, entries, slots, addr_rules, addresses, pins, servers, strings;
};

/* FNV-1a over the name; slots are probed one after the other. */
static inline uint32_t blob_hash(const char *s, size_t n, unsigned wildcard)
{
	uint32_t h = 0x811c9dc5u ^ wildcard;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 0x01000193u;
	return h ^ h >> 15;
}

#endif
