// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "fw/ipc/ask_msg.h"
#include "fw/ipc/engine_msg.h"

/* Without answers no packet can be judged rightly: the parent starts all anew. The socket has a
 * receive timeout. */
static void ask_many(struct ask *q, size_t count, int32_t *ret)
{
	static uint32_t number;
	struct ask_answer a[ASK_MANY];
	const uint32_t first = number + 1;
	ssize_t n;

	for (size_t i = 0; i < count; i++)
		q[i].number = ++number;
	if (send(ENGINE_FD_ASKER, q, count * sizeof(*q), MSG_NOSIGNAL) < 0)
		exit(EXIT_FAILURE);
	do
		n = recv(ENGINE_FD_ASKER, a, sizeof(a), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)(count * sizeof(*a)) || a[0].number != first)
		exit(EXIT_FAILURE);
	for (size_t i = 0; i < count; i++)
		ret[i] = a[i].value;
}

static int32_t ask(struct ask *q)
{
	int32_t value;

	ask_many(q, 1, &value);
	return value;
}

void ask_local_many(const struct addr *list, size_t n, int32_t *ret)
{
	struct ask q[ASK_MANY];

	for (size_t i = 0; i < n; i++)
		q[i] = (struct ask){.what = ASK_LOCAL, .dst = list[i]};
	ask_many(q, n, ret);
}

static struct ask about(enum ask_what what, const struct addr *src, uint16_t sport,
			const struct addr *dst, uint16_t dport)
{
	return (struct ask){.what = what, .src = *src, .dst = *dst, .sport = sport, .dport = dport};
}

int ask_local(const struct addr *a)
{
	struct ask q = {.what = ASK_LOCAL, .dst = *a};

	return ask(&q);
}

int ask_at_beginning(const struct addr *src, uint16_t sport, const struct addr *dst, uint16_t dport)
{
	struct ask q = about(ASK_BEGINNING, src, sport, dst, dport);

	return ask(&q);
}

enum receiver ask_receiver(const struct addr *src, uint16_t sport, const struct addr *dst,
			   uint16_t dport, const struct scope *scope)
{
	struct ask q = about(ASK_RECEIVER, src, sport, dst, dport);

	q.scope = *scope;
	return (enum receiver)ask(&q);
}

bool ask_in_time_wait(const struct addr *src, uint16_t sport, const struct addr *dst,
		      uint16_t dport)
{
	struct ask q = about(ASK_TIME_WAIT, src, sport, dst, dport);

	return ask(&q) == true;
}
