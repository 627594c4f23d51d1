/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths of another process: by its root, its working directory, its memory. */
#ifndef AGENTFW_WATCH_PATH_H
#define AGENTFW_WATCH_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct watch_stat {
	mode_t mode;
	uint64_t born_ns; /* 0: not known */
};

/* The file that a path means for a process. root: O_PATH, its root; dirfd: the call's. follow: a
 * link at the end is followed. 0: ret_path exists, and ret_stat (may be NULL) is filled; -ENOENT:
 * only its directory exists, and ret_stat is the directory's; another -errno: it is not known. */
int watch_path(pid_t pid, int root, int dirfd, const char *text, bool follow, char ret_path[4097],
	       struct watch_stat *ret_stat);
/* Opens a regular file for reading; -1: it is none. The path may lead elsewhere by now, and opening
 * a device has effects: a watchdog, once opened, must be fed. */
int watch_open_file(int root, const char *path);
/* The root of a process, O_PATH; -errno. */
int watch_root(pid_t pid);
/* A string in the memory of a process. 0 or -errno. */
int watch_string(pid_t pid, uint64_t at, char *ret, size_t bytes);
/* Exactly so many bytes of its memory. 0 or -errno. */
int watch_memory(pid_t pid, uint64_t at, void *ret, size_t bytes);

#endif
