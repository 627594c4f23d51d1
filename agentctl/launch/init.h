/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first process of a pid namespace. */
#ifndef AGENTFW_INIT_H
#define AGENTFW_INIT_H

struct err;

/* A stack to execute argv on. To be called before the command's limits hold for us. NULL: out of
 * memory. */
void *init_stack(char *const argv[]);
/* Calls fn on stack in a child, which shares our memory until it executes a program or ends: fn
 * must do one of the two. We pass on signals and reap; when the child ends we kill what is left,
 * write the exit status as one byte to tell, and end. Returns only if there can be no child. */
int init_run(int tell, void *stack, int (*fn)(void *arg), void *arg, struct err *e);

#endif
