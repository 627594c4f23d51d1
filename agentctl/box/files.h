/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which mounts a box needs, and which rights by inode. */
#ifndef AGENTFW_BOX_FILES_H
#define AGENTFW_BOX_FILES_H

#include <stdbool.h>

struct build;

/* The steps that mount; after links_resolve. Fills b->guard. */
int files_mounts(struct build *b);
/* The steps of Landlock. */
int files_rights(struct build *b);
/* Is path, a real one, in a directory that is empty in every box at first? */
bool files_are_private(const char *path);

#endif
