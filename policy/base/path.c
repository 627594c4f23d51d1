// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/base/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool path_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n && dir[n - 1] == '/') /* the root */
		n--;
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

int path_join(const char *dir, const char *name, char *ret, size_t bytes)
{
	const char *slash = strcmp(dir, "/") == 0 ? "" : "/";

	return (size_t)snprintf(ret, bytes, "%s%s%s", dir, slash, name) < bytes ? 0 : -ENAMETOOLONG;
}

int path_parent(const char *path, char *ret, size_t bytes)
{
	size_t n = (size_t)(strrchr(path, '/') - path);

	return (size_t)snprintf(ret, bytes, "%.*s", (int)(n ? n : 1), path) < bytes ? 0
										    : -ENAMETOOLONG;
}
