/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The three processes that live and die together: engine, gate and asker. Each is our own program
 * once more, with its descriptors and nothing else. */
#ifndef AGENTFW_PROCESSES_H
#define AGENTFW_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fw/ipc/loop.h"
#include "policy/base/err.h"

struct parent;

enum process_role {
	PROCESS_ENGINE = 0,
	PROCESS_GATE,
	PROCESS_ASKER,
	PROCESS_ROLES,
};

struct process {
	pid_t pid;            /* -1: none */
	uint32_t uid;         /* for as long as the daemon lives */
	struct watch control; /* our end of the socket to it; active: it was started */
	bool ready;           /* it has shut itself in */
};

const char *process_name(enum process_role role);
/* heard: called when one of them says something; process_of says which, and w->arg is p. */
int processes_start(struct parent *p, void (*heard)(struct watch *w, uint32_t events),
		    struct err *e);
bool processes_ready(const struct parent *p);
/* Whose watch is it? */
enum process_role process_of(const struct parent *p, const struct watch *w);
/* Takes what is left of all; returns how the one that was first ended. */
int processes_reap(struct parent *p, enum process_role first);

#endif
