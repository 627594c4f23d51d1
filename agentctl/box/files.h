/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which mounts a box needs, and which rights by inode. */
#ifndef AGENTFW_BOX_FILES_H
#define AGENTFW_BOX_FILES_H

#include <stdbool.h>

struct build;

/* After links_resolve. The steps that mount; b->guard knows what may be written. */
int files_mounts(struct build *b);
/* The steps of Landlock. */
int files_rights(struct build *b);
/* Is the place, a real path, empty in every box at first, so that it is what a tool puts there? */
bool files_are_private(const char *path);

#endif
