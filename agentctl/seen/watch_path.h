/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths as another process means them: its root, its working directory, its memory. Every function
 * gives -errno. */
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

/* Which file the text of a path means to a process. root: O_PATH, its root; dirfd: as the call has
 * it. follow: a link at the end is followed. 0: ret_path is there, ret_stat (may be NULL) what it
 * is; -ENOENT: only its directory is; another -errno: it cannot be told. */
int watch_path(pid_t pid, int root, int dirfd, const char *text, bool follow, char ret_path[4097],
	       struct watch_stat *ret_stat);
/* For reading; a regular file or nothing: to open a device does something (a watchdog, once opened,
 * wants to be fed), and the path may lead elsewhere by now. */
int watch_open_file(int root, const char *path);
/* The root of a process, O_PATH. */
int watch_root(pid_t pid);
/* A string in the memory of a process. */
int watch_string(pid_t pid, uint64_t at, char *ret, size_t bytes);
/* bytes as they are there. */
int watch_memory(pid_t pid, uint64_t at, void *ret, size_t bytes);

#endif
