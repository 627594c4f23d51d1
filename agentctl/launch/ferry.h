/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carries bytes for a caller, with the caller's rights alone. */
#ifndef AGENTFW_FERRY_H
#define AGENTFW_FERRY_H

#include <sys/socket.h>
#include <sys/types.h>

/* Makes this process the caller's user and group. 0 or -errno. */
int ferry_become(const struct ucred *who);
/* From one descriptor to the other, up to the end. */
void ferry_carry(int from, int to);
/* The same in a new process of the caller's user; its pid, or -1 with errno. */
pid_t ferry_start(int from, int to, const struct ucred *who);

#endif
