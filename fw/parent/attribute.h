/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which process holds a socket: /proc of the fence's own processes tells it by the socket's inode
 * (fw/ipc/sockdiag.h). */
#ifndef AGENTFW_ATTRIBUTE_H
#define AGENTFW_ATTRIBUTE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fw/record/process_info.h"

/* Searches the processes of the cgroup directory (open O_DIRECTORY) and its sub-directories for one
 * that holds the socket inode (0: unknown). Bounded: at most 512 processes and 4096 descriptors are
 * looked at. */
enum attribution attribute_process(int cgroup_dir, uint32_t inode, struct process_info *ret);
/* What /proc says of a process; false: it is gone. */
bool attribute_pid(pid_t pid, struct process_info *ret);

#endif
