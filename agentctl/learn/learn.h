/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentctl policy learn: the least policy with which a run in audit mode passes again. */
#ifndef AGENTFW_LEARN_H
#define AGENTFW_LEARN_H

struct err;

struct learn_wish { /* each NULL: not said */
	const char *log_dir;
	const char *policy; /* the file to add to, and only its runs; else the one that held */
	const char *fence;  /* the run; else all of them */
};

/* Prints the policy to stdout, or nothing. -errno with e; e->code 0: the errors of the policy that
 * held have been printed. */
int learn(const struct learn_wish *w, struct err *e);

#endif
