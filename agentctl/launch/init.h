/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first process of a pid namespace. */
#ifndef AGENTFW_INIT_H
#define AGENTFW_INIT_H

struct err;

/* A stack to execute argv on, taken before there are limits: they are the command's. NULL: out of
 * memory. */
void *init_stack(char *const argv[]);
/* fn is called on it in a child, whose memory is ours until it executes a program or ends: it must
 * do no other than one of these. Then we pass signals on and reap; when the child ends we kill what
 * is left, write the exit status as one byte to tell, and end. Returns only if there can be no
 * child. */
int init_run(int tell, void *stack, int (*fn)(void *arg), void *arg, struct err *e);

#endif
