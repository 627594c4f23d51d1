/* Cgroups whose fence is over stay closed in the kernel, since a socket of theirs may live on: in
 * the hands of somebody to whom it was passed, or with data that nobody has acknowledged. Each
 * costs an element of a map, so those that no socket belongs to any more are taken out. Nothing new
 * can come of them: the directory is gone, and its number is not used again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fw/attribute.h"
#include "fw/parent.h"
#include "policy/base/log.h"

#define LOOK_TICKS 5   /* one without a socket is forgotten at the second look that finds none */
#define AT_ONCE    512 /* forgotten in one transaction */

struct grave {
	uint64_t id;
	bool used, unused_before; /* a socket was found at this look; none was at the last */
};

void graves_add(struct parent *p, uint64_t cgroup_id)
{
	if (p->n_graves == p->graves_room) {
		size_t room = p->graves_room ? p->graves_room * 2 : 64;
		struct grave *g = reallocarray(p->graves, room, sizeof(*g));

		if (!g)
			return; /* it stays closed, no more */
		p->graves = g;
		p->graves_room = room;
	}
	p->graves[p->n_graves++] = (struct grave){.id = cgroup_id};
}

static int by_id(const void *x, const void *y)
{
	const struct grave *a = x, *b = y;

	return a->id < b->id ? -1 : a->id > b->id;
}

static void on_socket(void *arg, uint64_t cgroup_id)
{
	const struct parent *p = arg;
	const struct grave key = {.id = cgroup_id};
	struct grave *g = bsearch(&key, p->graves, p->n_graves, sizeof(*p->graves), by_id);

	if (g)
		g->used = true;
}

static void forget(struct parent *p)
{
	uint64_t ids[AT_ONCE];
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < p->n_graves; i++) {
		struct grave *g = &p->graves[i];

		if (!g->used && g->unused_before && n < AT_ONCE) {
			ids[n++] = g->id;
			continue;
		}
		g->unused_before = !g->used;
		p->graves[kept++] = *g;
	}
	p->n_graves = kept;
	if (n && nft_forget(p->nft, ids, n) < 0)
		log_warn("%zu ended fences could not be forgotten by the kernel", n);
}

void graves_tick(struct parent *p)
{
	if (!p->n_graves || ++p->graves_ticks < LOOK_TICKS)
		return;
	p->graves_ticks = 0;
	qsort(p->graves, p->n_graves, sizeof(*p->graves), by_id);
	for (size_t i = 0; i < p->n_graves; i++)
		p->graves[i].used = false;
	if (sockdiag_cgroups(p->sockdiag_fd, on_socket, p) == 0)
		forget(p);
}
