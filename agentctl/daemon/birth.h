/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon serves everybody on the machine, whoever called first. So it begins with nothing of
 * theirs: no environment, limits, cgroup, session, mounts, priorities, signals or descriptors. What
 * the kernel lets nobody shed it keeps: network, process and user namespace, a bounding set,
 * no_new_privs, system call filters. */
#ifndef AGENTFW_BIRTH_H
#define AGENTFW_BIRTH_H

#include <sys/types.h>

/* Starts agentfwd. It writes a byte to *ret_ready when it can be asked, and its words to *ret_said,
 * which does not block; both are the caller's to close. Its pid, or -errno. */
pid_t birth(int *ret_ready, int *ret_said);

#endif
