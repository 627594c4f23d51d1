// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/verdict_wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WAITS_MAX (32 + 64)

static const struct {
	size_t max;
	unsigned ms;
} kinds[VERDICT_KINDS] = {
    [VERDICT_PACKETS] = {32, 50},
    [VERDICT_REPLY] = {64, 20},
};

struct wait {
	uint32_t ticket; /* 0: free */
	enum verdict_kind kind;
	uint64_t until_ms;
	void *owner;
	verdict_fn *fn;
	void *what;
};

struct verdict_wait {
	struct loop *loop;
	struct timer timer;
	struct wait wait[WAITS_MAX];
	size_t n[VERDICT_KINDS];
	uint32_t last_ticket;
	uint64_t next_ms; /* when the timer runs, if it is set */
};

static void wake_at(struct verdict_wait *t, uint64_t ms)
{
	t->next_ms = ms;
	timer_set(t->loop, &t->timer, ms);
}

static void take_off(struct verdict_wait *t, struct wait *w)
{
	t->n[w->kind]--;
	free(w->what);
	*w = (struct wait){0};
}

static void give(struct verdict_wait *t, struct wait *w)
{
	w->fn(w->owner, w->what);
	take_off(t, w);
}

static void on_time(struct timer *timer)
{
	struct verdict_wait *t = timer->arg;
	uint64_t now = loop_now_ms(t->loop), next = 0;

	for (size_t i = 0; i < WAITS_MAX; i++) {
		struct wait *w = &t->wait[i];

		if (w->ticket && w->until_ms <= now)
			give(t, w);
		else if (w->ticket && (!next || w->until_ms < next))
			next = w->until_ms;
	}
	if (next)
		wake_at(t, next);
}

int verdict_wait_new(struct loop *loop, struct verdict_wait **ret)
{
	struct verdict_wait *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->loop = loop;
	t->timer = (struct timer){.fn = on_time, .arg = t};
	*ret = t;
	return 0;
}

void verdict_wait_free(struct verdict_wait *t)
{
	if (!t)
		return;
	timer_cancel(t->loop, &t->timer);
	for (size_t i = 0; i < WAITS_MAX; i++)
		free(t->wait[i].what);
	free(t);
}

uint32_t verdict_wait_ticket(struct verdict_wait *t, enum verdict_kind kind)
{
	if (t->n[kind] == kinds[kind].max)
		return 0;
	if (++t->last_ticket == 0)
		t->last_ticket = 1;
	return t->last_ticket;
}

bool verdict_wait_add(struct verdict_wait *t, enum verdict_kind kind, uint32_t ticket, void *owner,
		      verdict_fn *fn, const void *what, size_t bytes)
{
	struct wait *w = t->wait;
	void *copy;

	if (!ticket || t->n[kind] == kinds[kind].max || !(copy = malloc(bytes)))
		return false;
	memcpy(copy, what, bytes);
	while (w->ticket)
		w++;
	*w = (struct wait){.ticket = ticket,
			   .kind = kind,
			   .until_ms = loop_now_ms(t->loop) + kinds[kind].ms,
			   .owner = owner,
			   .fn = fn,
			   .what = copy};
	t->n[kind]++;
	if (!t->timer.slot || w->until_ms < t->next_ms)
		wake_at(t, w->until_ms);
	return true;
}

void verdict_wait_go(struct verdict_wait *t, uint32_t ticket)
{
	for (size_t i = 0; ticket && i < WAITS_MAX; i++)
		if (t->wait[i].ticket == ticket) {
			give(t, &t->wait[i]);
			return;
		}
}

void verdict_wait_forget(struct verdict_wait *t, const void *owner)
{
	for (size_t i = 0; i < WAITS_MAX; i++)
		if (t->wait[i].ticket && t->wait[i].owner == owner)
			take_off(t, &t->wait[i]);
}
