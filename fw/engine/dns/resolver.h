/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fence's resolver: what answers every query that leaves a fence for port 53.
 *
 * It asks upstream in its own words, guards against rebinding, has the addresses learned, and only
 * then replies. It opens no socket (the parent hands them in) and no file.
 */
#ifndef AGENTFW_RESOLVER_H
#define AGENTFW_RESOLVER_H

#include "fw/engine/verdict_wait.h"
#include "fw/ipc/denial.h"
#include "fw/ipc/loop.h"
#include "policy/policy.h"

struct resolver;       /* one an engine */
struct resolver_fence; /* the resolver's part of one fence */

/* Local addresses of this host, which no name may point to without `addresses:`. */
struct resolver_ops {
	/* Asks for a fresh, non-blocking socket connected to server (index into the fence's list)
	 * by SOCK_DGRAM or SOCK_STREAM (connecting). It arrives later by resolver_socket; a failure
	 * as fd -1. */
	void (*want_socket)(void *arg, struct resolver_fence *rf, unsigned server, int type);
	/* Makes the addresses of name known to flow checking, at once, and to the kernel, in its
	 * time. plain[i]: any name may have that address; otherwise only the entries that say so
	 * hold there. */
	void (*learn)(void *arg, struct resolver_fence *rf, const struct name *name,
		      const struct addr *addrs, const bool *plain, size_t n, uint32_t ttl_s);
	/* A number that changes when something that was learned may have been forgotten before its
	 * time. */
	uint64_t (*forgotten)(void *arg, struct resolver_fence *rf);
	/* A query that was refused (or in audit mode would have been); d is the caller's. Where
	 * d->go is 1 the refusal's reply can be held, since the asking process may end with it:
	 * returns its ticket of VERDICT_REPLY; 0: nobody waits. */
	uint32_t (*denied)(void *arg, struct resolver_fence *rf, const struct denial *d);
	/* Is *a one of this host's own addresses? */
	bool (*is_local)(void *arg, const struct addr *a);
};

/* waits: for replies that are refusals. */
int resolver_new(struct loop *loop, const struct resolver_ops *ops, void *arg,
		 struct verdict_wait *waits, struct resolver **ret);
void resolver_free(struct resolver *r);

struct resolver_fence_config {
	const struct policy *policy; /* outlives the fence */
	bool audit;                  /* answer refused names too, and say so */
	uint32_t fence;              /* for denial.fence */
	void *fence_arg;             /* handed back by resolver_fence_arg */
	/* Bound sockets of ours, owned by the resolver from now on; -1: none. TCP ones listen. */
	int udp4, tcp4, udp6, tcp6;
	size_t n_servers;      /* upstream servers; may be 0 when there are pins only */
	struct budget *budget; /* of the fence's work, which outlives it; may be NULL */
};

int resolver_fence_add(struct resolver *r, const struct resolver_fence_config *c,
		       struct resolver_fence **ret);
void resolver_fence_del(struct resolver_fence *rf); /* drops its pending work, closes its sockets */
void *resolver_fence_arg(struct resolver_fence *rf);

/* The answer to want_socket (fd owned by the resolver from now on; fd < 0: could not be had). */
void resolver_socket(struct resolver_fence *rf, unsigned server, int type, int fd);

#endif
