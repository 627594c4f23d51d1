#include "fw/own.h"

#include <time.h>

#include "fw/attribute.h"

static uint64_t spent_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static struct own_place *place(struct own *o, const struct own_query *q)
{
	return &o->place[(q->dport ^ q->dport >> 8 ^ q->l4proto) % OWN_PLACES];
}

/* The one that gets it first, which is cheap to find and most often the wrong one. */
static bool is_receiver(int fd, const struct own_query *q)
{
	return sockdiag_receiver(fd, q->l4proto, &q->src, q->sport, &q->dst, q->dport,
				 q->cgroup_id) == 1;
}

/* And all the others, for the next one could get the next packet. */
static bool ask(int fd, const struct own_query *q)
{
	bool all_in = false;

	return is_receiver(fd, q) &&
	       sockdiag_listeners(fd, q->l4proto, &q->dst, q->dport, q->cgroup_id, &all_in) == 0 &&
	       all_in;
}

bool own_listener(struct own *o, int fd, const struct own_query *q, uint64_t now_ms)
{
	struct own_place *p = place(o, q);
	uint64_t begin;
	bool found;

	if (p->until_ms > now_ms && p->port == q->dport && p->l4proto == q->l4proto &&
	    addr_equal(&p->a, &q->dst)) /* unless the port was given up since */
		return is_receiver(fd, q);
	if (o->window != now_ms / OWN_WINDOW_MS) {
		o->window = now_ms / OWN_WINDOW_MS;
		o->spent_us = 0;
	}
	if (o->spent_us > OWN_WINDOW_US)
		return false;
	begin = spent_us();
	found = ask(fd, q);
	o->spent_us += spent_us() - begin;
	if (found)
		*p = (struct own_place){.until_ms = now_ms + OWN_HOLDS_MS,
					.a = q->dst,
					.port = q->dport,
					.l4proto = q->l4proto};
	return found;
}
