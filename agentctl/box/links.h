/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the paths of a profile lead. */
#ifndef AGENTFW_LINKS_H
#define AGENTFW_LINKS_H

#include <stddef.h>

struct build;

/* Fills entry and writable. A link that lies in a writable place is a tool's or the agent's: it
 * must not lead a right out of that place. */
int links_resolve(struct build *b);
/* Also after an error. */
void links_done(struct build *b);
/* As realpath(3), for paths that need not be there: 0, or -errno; -ELOOP also: a link in one of
 * dirs leads out of it, *ret_dir. ret holds PATH_MAX bytes, set on -ELOOP too. */
int links_realpath(const char *path, char *const *dirs, size_t n, char *ret, const char **ret_dir);

#endif
