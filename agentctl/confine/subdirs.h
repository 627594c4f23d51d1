/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directories in a directory. */
#ifndef AGENTFW_SUBDIRS_H
#define AGENTFW_SUBDIRS_H

#include <stddef.h>

/* Their names, each with a zero at its end. *ret is to be freed, also after an error. run_dir: has
 * root's cache, which only root writes; NULL: no cache. 0 or -errno. */
int subdirs(const char *path, const char *run_dir, char **ret, size_t *ret_bytes);

#endif
