/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon serves everybody on the machine. So it inherits nothing of the caller who started it:
 * no environment, limits, cgroup, session, mounts, priorities, signals or descriptors. It keeps
 * what the kernel lets no process drop: network, process and user namespace, the bounding set,
 * no_new_privs, system call filters, Landlock domains. */
#ifndef AGENTFW_BIRTH_H
#define AGENTFW_BIRTH_H

#include <sys/types.h>

/* Starts agentfwd, which writes a byte to *ret_ready when fences can be made, and its messages to
 * *ret_said, which does not block; both are the caller's to close. Its pid, or -errno. */
pid_t birth(int *ret_ready, int *ret_said);

#endif
