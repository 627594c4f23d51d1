/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The protected places (policy/lists/protected.c) in the directories that a box may write.
 *
 * Places that exist when the box is made are mounted read-only in it, and the directories above
 * them cannot be moved. The making of others cannot be prevented: no mechanism of the kernel
 * refuses one name in a writable directory, and a mount needs something to lie on. So they are
 * looked for while the command runs and once more when it has ended, are moved aside under a name
 * that nobody obeys (NAME.agentfw-quarantine), and told. */
#ifndef AGENTFW_GUARD_H
#define AGENTFW_GUARD_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct guard;
struct launch;
struct policy;

/* profile: whose box it is. NULL: no memory. */
struct guard *guard_new(const struct policy *policy, size_t profile);
void guard_free(struct guard *g);
/* Looks through dir, a real path that the box may write. -E2BIG with e: it is too large. */
int guard_add(struct guard *g, const char *dir, struct err *e);
/* Calls fn for the real path of every place that exists and must not be written. */
void guard_each(const struct guard *g, void (*fn)(const char *real, void *arg), void *arg);
/* Before the command starts: from here on places that are made in the writable directories
 * themselves and in repositories are seen at once. l and who live as long as g. g may be NULL, here
 * and below. */
void guard_watch(struct guard *g, struct launch *l, const char *who);
/* Is path, without links in it, a place that the command must not make? So that it is told at once;
 * a command that shows one name and means another is caught by the looks. */
bool guard_refuses(const struct guard *g, const char *path);
/* When the command and all that it started is gone. Tells on stderr what was found; returns how
 * many places were moved aside or could not be, and directories that could not be looked
 * through. */
size_t guard_end(struct guard *g);

#endif
