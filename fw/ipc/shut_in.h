/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How engine, gate and asker give up all that they do not need, before the first byte of a
 * stranger's. Each step is checked here, and seen from outside by tests/net/test_drop.py. */
#ifndef AGENTFW_SHUT_IN_H
#define AGENTFW_SHUT_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/base/err.h"

struct shut_in {
	const char *who;  /* for messages: "engine" */
	uint32_t uid;     /* and gid; nobody else's */
	bool net_admin;   /* keeps CAP_NET_ADMIN, and in any case no other capability */
	const int *calls; /* system calls, beside those that end a process or take memory */
	size_t n_calls;
};

/* In this order: no files (an empty, read-only root); no cores, no writes to files, no processes;
 * the uid, the capability or none, no new privileges; no life after its parent's, nobody who
 * traces it; no memory that can be executed but what is there, and the list of system calls. */
int shut_in(const struct shut_in *s, struct err *e);

#endif
