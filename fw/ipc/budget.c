// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/ipc/budget.h"
#include "policy/base/clock.h"

#include <stddef.h>
#include <time.h>

/* Elapsed time, not processor time: the budget limits how long other fences wait. */
bool budget_begin(struct budget *b, uint64_t round)
{
	if (!b)
		return true;
	if (b->round != round) {
		b->round = round;
		b->used_ns = 0;
	}
	if (b->used_ns >= BUDGET_NS)
		return false;
	b->since_ns = clock_mono_ns();
	return true;
}

void budget_end(struct budget *b)
{
	if (!b)
		return;
	b->used_ns += clock_mono_ns() - b->since_ns;
	b->since_ns = 0;
}

bool budget_left(const struct budget *b)
{
	return !b || !b->since_ns || b->used_ns + (clock_mono_ns() - b->since_ns) < BUDGET_NS;
}
