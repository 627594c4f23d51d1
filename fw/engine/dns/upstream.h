/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions to the name servers, which are tried in turn: each try has a fresh socket, which the
 * caller provides, and a fresh id. A cut answer is asked for again by TCP. Only so many questions
 * are under way at a time; any more wait, as long as three tries take. */
#ifndef AGENTFW_UPSTREAM_H
#define AGENTFW_UPSTREAM_H

#include "fw/ipc/loop.h"
#include "fw/wire/dns.h"
#include "policy/base/name.h"

struct upstream;

struct upstream_ops {
	/* Asks for a socket connected to the server; it arrives by upstream_socket. */
	void (*want_socket)(void *arg, unsigned server, int type);
	/* The answer to a question, or NULL: no server gave one. Once per upstream_ask. */
	void (*answer)(void *arg, void *question, const struct dns_answer *a);
	/* Something arrived that was no answer to the question: a forgery, or a broken server. */
	void (*spoofed)(void *arg, const struct name *name, uint16_t type);
};

/* How many questions of all fences have a socket, and how many may. No fence gets more than it
 * leaves to the others, so there is always a socket for one more fence. */
struct upstream_share {
	size_t n, max;
};

/* budget: of the fence; may be NULL. */
int upstream_new(struct loop *loop, size_t n_servers, const struct upstream_ops *ops, void *arg,
		 struct upstream_share *share, struct budget *budget, struct upstream **ret);
void upstream_free(struct upstream *u); /* questions under way are dropped without an answer */
/* question is handed back. -ENOMEM; -EAGAIN: too many under way, or there is no server. */
int upstream_ask(struct upstream *u, const struct name *name, uint16_t type, void *question);
void upstream_socket(struct upstream *u, unsigned server, int type, int fd);

#endif
