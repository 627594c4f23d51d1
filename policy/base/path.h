/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths as text: absolute ones without ".", ".." and doubled slashes. Nothing is looked up. */
#ifndef AGENTFW_BASE_PATH_H
#define AGENTFW_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Is path the directory dir, or below it? Everything absolute is below "/". Both may be relative
 * to the same place. */
bool path_below(const char *path, const char *dir);
/* dir/name into ret. -ENAMETOOLONG: it does not fit, ret holds its beginning. */
int path_join(const char *dir, const char *name, char *ret, size_t bytes);
/* The directory that path lies in; that of "/" is "/". path has a slash. -ENAMETOOLONG as above. */
int path_parent(const char *path, char *ret, size_t bytes);

#endif
