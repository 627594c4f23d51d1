// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/parent/engine_words.h"

#include <stdbool.h>
#include <sys/socket.h>

#include "fw/ipc/holes.h"

/* Messages in a second: what the socket holds, which comes at once when one of the two stood still
 * meanwhile, and what each fence gives cause for. A learned batch is large and comes 50 times a
 * second and fence; every other of a fence is an answer, but for sockets, of which a fence may want
 * as many as it asks questions. */
#define ONCE           4
#define SOCKET_HOLDS   25000
#define SOCKET_BATCHES 4000
#define SOCKETS        50000
#define EACH_FENCE     100

#define ERRNO_MAX 4095 /* the kernel's */

static uint64_t most(enum em_type type, size_t fences)
{
	uint64_t each = fences * (uint64_t)EACH_FENCE;

	switch (type) {
	case EM_READY:
	case EM_FAILED:
		return ONCE;
	case EM_FENCE_READY:
	case EM_STATS:
		return SOCKET_HOLDS + each;
	case EM_LEARN:
		return SOCKET_BATCHES + each;
	case EM_WANT_SOCKET:
		return SOCKETS;
	case EM_FENCE_ADD:
	case EM_FENCE_DEL:
	case EM_SOCKET:
	case EM_GO:
	case EM_STATS_ASK:
	case EM_GATE_QUEUE:
	case EM_GATE_FORGET:
		break;
	}
	return 0; /* ours to say */
}

static bool batch_sane(const struct em_learn *m)
{
	for (uint32_t i = 0; i < m->n && i < LEARN_MAX; i++)
		if ((m->entry[i].addr.family != 4 && m->entry[i].addr.family != 6) ||
		    m->entry[i].set > LEARN_OPEN)
			return false;
	return m->n <= LEARN_MAX || hole("learn-count");
}

/* A fence that has ended since may be named; one that never was may not. */
static bool sane(const union em *m, uint32_t last_fence)
{
	switch ((enum em_type)m->type) {
	case EM_FENCE_READY:
		return m->fence_ready.fence && m->fence_ready.fence <= last_fence &&
		       m->fence_ready.error <= 0 && m->fence_ready.error >= -ERRNO_MAX;
	case EM_LEARN:
		return m->learn.fence && m->learn.fence <= last_fence && batch_sane(&m->learn);
	case EM_WANT_SOCKET:
		return m->socket.fence && m->socket.fence <= last_fence &&
		       (m->socket.socket_type == SOCK_DGRAM ||
			m->socket.socket_type == SOCK_STREAM);
	case EM_STATS:
		return m->stats.fence <= last_fence;
	case EM_READY:
	case EM_FAILED:
	case EM_FENCE_ADD:
	case EM_FENCE_DEL:
	case EM_SOCKET:
	case EM_GO:
	case EM_STATS_ASK:
	case EM_GATE_QUEUE:
	case EM_GATE_FORGET:
		break;
	}
	return true;
}

const char *engine_words_wrong(struct engine_words *w, const union em *m, uint64_t now_ms,
			       size_t fences, uint32_t last_fence)
{
	if (m->type >= ENGINE_WORDS_KINDS || !most((enum em_type)m->type, fences))
		return "said what it never says";
	if (!sane(m, last_fence))
		return "said what makes no sense";
	if (w->second != now_ms / 1000)
		*w = (struct engine_words){.second = now_ms / 1000};
	return ++w->n[m->type] > most((enum em_type)m->type, fences) ? "said too much at once"
								     : NULL;
}
