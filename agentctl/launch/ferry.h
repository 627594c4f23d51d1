/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes carried for somebody else, with nobody's rights but theirs. */
#ifndef AGENTFW_FERRY_H
#define AGENTFW_FERRY_H

#include <sys/socket.h>
#include <sys/types.h>

/* This process has their rights from here on, and no others. 0 or -errno. */
int ferry_become(const struct ucred *who);
/* From one descriptor to the other, up to the end. */
void ferry_carry(int from, int to);
/* The same in a process of its own, which is theirs; its pid, or -1 with errno. */
pid_t ferry_start(int from, int to, const struct ucred *who);

#endif
