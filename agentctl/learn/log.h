/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The events of runs in audit mode, gathered. */
#ifndef AGENTFW_LEARN_LOG_H
#define AGENTFW_LEARN_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/base/addr.h"
#include "policy/base/rights.h"

struct err;

struct seen_path {
	char *path;
	enum right right; /* READ, WRITE or EXEC */
	uint64_t count;
	bool directory; /* it is one, and was listed */
	bool name;      /* it was made, removed or renamed: its directory must be writable */
	bool made;      /* it was made as a directory */
	bool map;       /* EXEC: a library that was mapped, not a program */
};

struct seen_endpoint {
	char *suggest; /* an item of an egress list, as YAML; NULL: none can be made of it */
	char *name;    /* what was asked for; may be empty */
	char *text;    /* the endpoint, or the name, for people */
	bool inbound;  /* a peer asked for a listener inside */
	bool question; /* a DNS question, no packet */
	bool dns;      /* it was only looked up */
	uint64_t count;
	uint8_t l4proto; /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP; 0: another */
	struct addr dst; /* family 0: none */
	uint16_t port;
};

struct seen {
	struct seen_path *path;
	size_t n_paths, room_paths;
	struct seen_endpoint *endpoint;
	size_t n_endpoints, room_endpoints;
	char *tool; /* NULL: the agent */
};

#define SEEN_TOOLS_MAX 64

struct seen_all {
	struct seen by[1 + SEEN_TOOLS_MAX]; /* the agent first */
	size_t n;
	char *policy;  /* the file of the policy that held; NULL: none was named */
	bool policies; /* there were several policies */
	size_t fences; /* how many runs */
	uint64_t lost; /* refusals that the log does not have */
};

/* Reads fd, which is open on file, an events.jsonl. fence NULL: of all fences. policy NULL: of all
 * policies. ret begins as zeroes; seen_done is due also after an error. */
int seen_read(int fd, const char *file, const char *fence, const char *policy, struct seen_all *ret,
	      struct err *e);
void seen_done(struct seen_all *s);
/* p is copied. 0 or -errno. */
int seen_add_path(struct seen *s, const struct seen_path *p);

#endif
