/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the child that reads a stranger's text gives up, before it reads the first byte. */
#ifndef AGENTFW_POLICY_CHILD_DROP_H
#define AGENTFW_POLICY_CHILD_DROP_H

#include <fcntl.h>
#include <sys/types.h>

#include "policy/base/err.h"

#define CHILD_FD_REPLY 0 /* a pipe: what it answers */
#define CHILD_FD_BYTES 1 /* a memfd: the bytes that it made */
/* Of the memfd, when it is done. */
#define CHILD_SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

/* In this order: every descriptor but these two; the environment; the right to make cores, large
 * files, processes, descriptors and endless memory; the bounding set; groups, gid and uid (root
 * becomes who called sudo, or nobody); every capability; new privileges; outliving its parent;
 * being traced or dumped; and all system calls but those of filter_gen.c. */
int child_drop(int reply, int bytes, pid_t parent, struct err *e);

#endif
