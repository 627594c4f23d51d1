/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Queues of the kernel's: a netlink socket for each, bound here. The gate has it for verdicts, the
 * engine to read, and we keep it: the last close of one takes some milliseconds. */
#ifndef AGENTFW_QUEUE_H
#define AGENTFW_QUEUE_H

#include <stdint.h>

/* Whole packets, GSO, with uid; never fail-open. Returns the socket; -EBUSY: somebody has that
 * number; -errno. */
int queue_open(uint16_t number);
/* What waits in it is dropped, and nothing comes any more. The socket stays. */
void queue_unbind(int fd, uint16_t number);

#endif
