// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/drop.h"

#include <seccomp.h>

#include "fw/ipc/shut_in.h"

/* What the loop, the resolver and the clock need; nothing that makes a socket or names an address
 * for one, but what is sent by the sockets that it was handed (fw/nft/engine.c). */
static const int calls[] = {
    SCMP_SYS(read),      SCMP_SYS(recvfrom),    SCMP_SYS(sendto),        SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),   SCMP_SYS(recvmmsg),    SCMP_SYS(sendmmsg),      SCMP_SYS(accept4),
    SCMP_SYS(shutdown),  SCMP_SYS(epoll_wait),  SCMP_SYS(epoll_pwait),   SCMP_SYS(epoll_ctl),
    SCMP_SYS(poll),      SCMP_SYS(ppoll),       SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom), SCMP_SYS(sched_yield), SCMP_SYS(fstat),         SCMP_SYS(newfstatat),
    SCMP_SYS(fcntl),     SCMP_SYS(getsockopt),  SCMP_SYS(getsockname),   SCMP_SYS(getpeername),
};

int engine_drop(uint32_t uid, struct err *e)
{
	const struct shut_in s = {.who = "engine",
				  .uid = uid,
				  .calls = calls,
				  .n_calls = sizeof(calls) / sizeof(calls[0])};

	return shut_in(&s, e);
}
