/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The protected places (policy/lists/protected.c) in what a box may write.
 *
 * Those that are there when the box is made are mounted read-only in it, and the directories above
 * them cannot be moved. Those that are not there cannot be kept from being made: no mechanism of
 * the kernel refuses one name below a directory that is writable, and a mount needs something to
 * lie on. So they are looked for while the command runs and once more when it has ended, moved
 * aside under a name that nobody obeys (NAME.agentfw-quarantine), and told. */
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
/* Looks through dir, a real path that the box may write. -E2BIG with e: too much to look through.
 */
int guard_add(struct guard *g, const char *dir, struct err *e);
/* Calls fn for the real path of every place that is there and must not be written. */
void guard_each(const struct guard *g, void (*fn)(const char *real, void *arg), void *arg);
/* Before the command starts: from here on what is made in the writable places themselves and in
 * repositories is seen at once. l and who live as long as g. g may be NULL, here and below. */
void guard_watch(struct guard *g, struct launch *l, const char *who);
/* Is path, without links in it, a place that the command must not make? For saying so at once; who
 * shows one name and means another is seen by the others. */
bool guard_refuses(const struct guard *g, const char *path);
/* When the command and all that it started is gone. Tells on stderr what was found; returns how
 * many were moved aside or could not be. */
size_t guard_end(struct guard *g);

#endif
