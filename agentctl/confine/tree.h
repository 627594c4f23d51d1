/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file system of a box. Paths are real ones: a symbolic link in one is an error. */
#ifndef AGENTFW_TREE_H
#define AGENTFW_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "policy/base/rights.h"

struct err;

/* As open(2) with O_PATH; follows no link. */
int tree_open(const char *path);
/* A copy of the tree at path, not mounted yet: read-only and noexec but for the right `how`.
 * *ret_fd is the caller's to close. */
int tree_take(const char *path, enum right how, int *ret_fd, struct err *e);
/* From here on nothing is written, run or opened as a device. */
int tree_close_down(struct err *e);
int tree_attach(int fd, const char *path, struct err *e);
/* names: the directories in it that stay noexec, in the form of library_program_dirs. */
int tree_library(int fd, const char *path, const char *names, size_t bytes, struct err *e);
/* bytes: what it can hold; 0: a directory for mounts. */
int tree_tmpfs(const char *path, uint64_t bytes, struct err *e);
/* Before tree_close_down, which forbids devices. */
int tree_take_devices(struct err *e);
int tree_devices(struct err *e);
int tree_proc(struct err *e);
int tree_deny(const char *path, struct err *e);

#endif
