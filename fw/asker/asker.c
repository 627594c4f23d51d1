// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/asker/asker.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "fw/ipc/ask_msg.h"
#include "fw/ipc/engine_msg.h"
#include "fw/ipc/route.h"
#include "fw/ipc/shut_in.h"
#include "fw/ipc/sockdiag.h"

static const int calls[] = {
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
};

static int32_t answer(const struct ask *q)
{
	switch ((enum ask_what)q->what) {
	case ASK_LOCAL:
		return route_is_local(ASKER_FD_ROUTE, &q->dst);
	case ASK_BEGINNING:
		return sockdiag_at_beginning(ASKER_FD_SOCKDIAG, &q->src, q->sport, &q->dst,
					     q->dport);
	case ASK_RECEIVER:
		return (int32_t)sockdiag_receiver(ASKER_FD_SOCKDIAG, &q->src, q->sport, &q->dst,
						  q->dport, &q->scope);
	case ASK_TIME_WAIT:
		return sockdiag_in_time_wait(ASKER_FD_SOCKDIAG, &q->src, q->sport, &q->dst,
					     q->dport);
	}
	return -EINVAL;
}

int asker_run(uint32_t uid, struct err *e)
{
	const struct shut_in s = {.who = "asker",
				  .uid = uid,
				  .calls = calls,
				  .n_calls = sizeof(calls) / sizeof(calls[0])};
	const struct em_ready ready = {.type = EM_READY};
	struct ask q[ASK_MANY];
	struct ask_answer a[ASK_MANY];
	ssize_t n;

	prctl(PR_SET_NAME, "agentfw-asker");
	if (shut_in(&s, e) < 0)
		return em_failed(ASKER_FD_CONTROL, e);
	em_send(ASKER_FD_CONTROL, &ready, sizeof(ready), NULL, 0);
	while ((n = recv(ASKER_FD_ENGINE, q, sizeof(q), 0)) > 0 || (n < 0 && errno == EINTR)) {
		size_t count = n < 0 || (size_t)n % sizeof(q[0]) ? 0 : (size_t)n / sizeof(q[0]);

		for (size_t i = 0; i < count; i++)
			a[i] = (struct ask_answer){.number = q[i].number, .value = answer(&q[i])};
		if (count && send(ASKER_FD_ENGINE, a, count * sizeof(a[0]), MSG_NOSIGNAL) < 0)
			break;
	}
	return 0;
}
