/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which process of a fence holds a socket: /proc tells, by the socket's inode
 * (fw/ipc/sockdiag.h). */
#ifndef AGENTFW_ATTRIBUTE_H
#define AGENTFW_ATTRIBUTE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fw/record/process_info.h"

/* Searches the processes of the cgroup directory (open O_DIRECTORY) and its sub-directories for one
 * that holds the socket inode (0: unknown). Looks at no more than 512 processes and 4096
 * descriptors. ATTRIBUTED_FENCE: none was found, but the fence has only this process. */
enum attribution attribute_process(int cgroup_dir, uint32_t inode, struct process_info *ret);
/* Reads a process's data from /proc; false: the process is gone. */
bool attribute_pid(pid_t pid, struct process_info *ret);

#endif
