/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fence's resolver: it answers every query that a fence sends to port 53.
 *
 * It asks upstream with a query of its own, guards against rebinding, has the addresses learned,
 * and only then replies. It opens no file and no socket: the parent hands those in. */
#ifndef AGENTFW_RESOLVER_H
#define AGENTFW_RESOLVER_H

#include "fw/engine/verdict_wait.h"
#include "fw/ipc/denial.h"
#include "fw/ipc/loop.h"
#include "policy/policy.h"

struct resolver;       /* one per engine */
struct resolver_fence; /* its part per fence */

/* What the resolver needs of the engine. */
struct resolver_ops {
	/* Asks for a fresh, non-blocking socket connected to server (index into the fence's list)
	 * by SOCK_DGRAM or SOCK_STREAM (connecting). It arrives later by resolver_socket, a failure
	 * as fd -1. */
	void (*want_socket)(void *arg, struct resolver_fence *rf, unsigned server, int type);
	/* Makes the addresses of name known to the engine at once, and to the kernel later.
	 * plain[i]: any name may have that address; otherwise only entries whose `addresses:` has
	 * it apply there. */
	void (*learn)(void *arg, struct resolver_fence *rf, const struct name *name,
		      const struct addr *addrs, const bool *plain, size_t n, uint32_t ttl_s);
	/* A number that changes when a learned pair was forgotten before its time. */
	uint64_t (*forgotten)(void *arg, struct resolver_fence *rf);
	/* A query that was refused (or in audit mode would have been); d is the caller's. If d->go
	 * is 1 the reply can wait, since the refusal may end the asking process: returns a ticket
	 * of VERDICT_REPLY. 0: the reply does not wait. */
	uint32_t (*denied)(void *arg, struct resolver_fence *rf, const struct denial *d);
	/* Is *a an address of this host? No name may have such an address without `addresses:`. */
	bool (*is_local)(void *arg, const struct addr *a);
	/* NULL, or: is_local will be asked about these. All questions in one go cost less. */
	void (*will_ask)(void *arg, const struct addr *list, size_t n);
};

/* waits: holds replies that are refusals. */
int resolver_new(struct loop *loop, const struct resolver_ops *ops, void *arg,
		 struct verdict_wait *waits, struct resolver **ret);
void resolver_free(struct resolver *r);

struct resolver_fence_config {
	const struct policy *policy; /* outlives the fence */
	bool audit;                  /* refused names are answered, too, with an event */
	uint32_t fence;              /* for denial.fence */
	void *fence_arg;             /* handed back by resolver_fence_arg */
	/* Bound sockets of ours, owned by the resolver from now on; -1: none. TCP ones listen. */
	int udp4, tcp4, udp6, tcp6;
	size_t n_servers;      /* upstream servers; may be 0 when there are pins only */
	struct budget *budget; /* the fence's; outlives it; may be NULL */
};

int resolver_fence_add(struct resolver *r, const struct resolver_fence_config *c,
		       struct resolver_fence **ret);
void resolver_fence_del(struct resolver_fence *rf); /* drops pending work, closes its sockets */
void *resolver_fence_arg(struct resolver_fence *rf);

/* The answer to want_socket (fd owned by the resolver from now on; fd < 0: could not be had). */
void resolver_socket(struct resolver_fence *rf, unsigned server, int type, int fd);

#endif
