/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the paths of a profile lead. */
#ifndef AGENTFW_LINKS_H
#define AGENTFW_LINKS_H

#include <stddef.h>

struct build;

/* Fills entry and writable. A link in a writable place may be a tool's or the agent's: that it
 * leads out of that place is an error. */
int links_resolve(struct build *b);
/* Also after an error. */
void links_done(struct build *b);
/* As realpath(3): 0 or -errno. -ELOOP with *ret_dir: a link in that one of dirs leads out of it, to
 * ret. ret holds PATH_MAX bytes. */
int links_realpath(const char *path, char *const *dirs, size_t n, char *ret, const char **ret_dir);

#endif
