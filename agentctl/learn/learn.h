/* agentctl policy learn: from what a run in audit mode did, the least policy that lets it do so
 * again. */
#ifndef AGENTFW_LEARN_H
#define AGENTFW_LEARN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "policy/base/err.h"
#include "policy/profile.h"

/* ---- what was seen (learn_log.c) ---------------------------------------------------------------
 */

struct seen_path {
	char *path;
	enum right right; /* READ, WRITE or EXEC */
	uint64_t count;
	bool directory; /* it is one, and was listed */
	bool name;      /* it came or went: what is needed is its directory */
	bool made;      /* it came, as a directory */
	bool map;       /* EXEC: a library that was mapped, no program */
};

struct seen_endpoint {
	char *suggest; /* an item of an egress list, as YAML; NULL: none can be made of it */
	char *name;    /* what was asked for; may be empty */
	char *text;    /* the endpoint, for people */
	bool dns;      /* only its name was asked for */
	uint64_t count;
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
	bool policies; /* there were several */
	size_t fences; /* how many runs */
	uint64_t lost; /* refusals that the log does not have */
};

/* Reads DIR/events.jsonl. fence NULL: of all fences. policy NULL: of all policies. */
int seen_read(const char *file, const char *fence, const char *policy, struct seen_all *ret,
	      struct err *e);
void seen_done(struct seen_all *s);
int seen_add_path(struct seen *s, const struct seen_path *p);

/* ---- what follows from it (learn_files.c) ------------------------------------------------------
 */

struct proposal {
	char *path;
	enum right right;
	uint64_t count; /* accesses */
	size_t files;   /* how many different ones it stands for */
	bool broad, optional;
	const char *why_not; /* not proposed, and why; else NULL */
};

struct proposals {
	struct proposal *list; /* sorted by right and path */
	size_t n, room;
};

/* What the host is like now. */
struct learn_host {
	const char *home; /* of who ran it */
	bool (*exists)(const char *path);
	bool (*is_directory)(const char *path);
};

int learn_files(const struct seen *s, const struct learn_host *h, struct proposals *ret);
void proposals_done(struct proposals *p);

/* ---- the policy (learn_yaml.c) -----------------------------------------------------------------
 */

/* base: the text of the policy that held, "" if there was none. The new text into *ret, malloc'd.
 */
int learn_policy(const char *base, size_t base_bytes, const struct seen_all *s,
		 const struct proposals *files, const char *head, char **ret, struct err *e);

#endif
