// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/learned.h"

#include <stdlib.h>
#include <string.h>

static void send_one(struct learned *l)
{
	struct em_learn m = {.type = EM_LEARN, .fence = l->fence};

	m.n = (uint32_t)(l->n < LEARN_MAX ? l->n : LEARN_MAX);
	memcpy(m.entry, l->list + l->first, m.n * sizeof(*l->list));
	em_send(ENGINE_FD_CONTROL, &m, sizeof(m), NULL, 0);
	l->n -= m.n;
	l->first = l->n ? l->first + m.n : 0;
}

void learned_send(struct learned *l)
{
	uint64_t now = loop_now_ms(l->loop);

	while (l->n && l->next_ms <= now + (LEARNED_BURST - 1) * LEARNED_EVERY_MS) {
		l->next_ms = (l->next_ms < now ? now : l->next_ms) + LEARNED_EVERY_MS;
		send_one(l);
	}
	if (l->n && !l->timer.slot)
		timer_set(l->loop, &l->timer, l->next_ms - (LEARNED_BURST - 1) * LEARNED_EVERY_MS);
}

static void on_timer(struct timer *t)
{
	learned_send(t->arg);
}

void learned_init(struct learned *l, struct loop *loop, uint32_t fence)
{
	*l = (struct learned){.loop = loop, .fence = fence};
	l->timer = (struct timer){.fn = on_timer, .arg = l};
}

void learned_done(struct learned *l)
{
	if (l->loop)
		timer_cancel(l->loop, &l->timer);
	free(l->list);
	l->list = NULL;
}

struct learn_entry *learned_room(struct learned *l, size_t n)
{
	if (l->first + l->n + n > l->room && l->first > l->room / 2) {
		memmove(l->list, l->list + l->first, l->n * sizeof(*l->list));
		l->first = 0;
	}
	if (l->first + l->n + n > l->room) {
		size_t room = l->room ? l->room * 2 : 2 * LEARN_MAX;
		struct learn_entry *list = NULL;

		while (room < l->first + l->n + n)
			room *= 2;
		if (l->n + n <= LEARNED_MAX)
			list = reallocarray(l->list, room, sizeof(*list));
		if (!list)
			return NULL;
		l->list = list;
		l->room = room;
	}
	return l->list + l->first + l->n;
}

void learned_put(struct learned *l, size_t n)
{
	l->n += n;
}
