// SPDX-License-Identifier: GPL-2.0-or-later
/* Refusals on their way from the engine's ring into the record: find the process, let the verdict
 * go, write. */
#include "fw/parent/denials.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fw/ipc/sockdiag.h"
#include "fw/parent/attribute.h"
#include "fw/parent/engine_process.h"
#include "fw/parent/logs.h"
#include "fw/record/denial_text.h"
#include "policy/base/clock.h"
#include "policy/base/log.h"

#define TURN_MS      5  /* then other work is served: fences that begin, questions */
#define TURN_RECORDS 16 /* per look at the clock */
/* Per second and fence: each looks at all of the fence's processes. */
#define ATTRIBUTIONS_MAX 400
#define ATTRIBUTIONS_NS  100000000u /* of processor time */

/* The engine may have been taken over: no field of its records is trusted, nor taken for a
 * terminated string. */
static bool sane(const struct ring_denial *rd, size_t bytes)
{
	const struct denial *d = &rd->denial;

	return bytes >= sizeof(*rd) && rd->cap_bytes == bytes - sizeof(*rd) &&
	       rd->packet_bytes >= rd->cap_bytes && d->code > 0 && d->code < DENIED_CODE_COUNT &&
	       memchr(d->endpoint, 0, sizeof(d->endpoint)) && memchr(d->name, 0, sizeof(d->name)) &&
	       memchr(d->detail, 0, sizeof(d->detail)) &&
	       (d->src.family == 4 || d->src.family == 6 || d->src.family == 0) &&
	       (d->dst.family == 4 || d->dst.family == 6 || d->dst.family == 0);
}

static enum attribution attribute(struct parent *p, const struct pfence *f, const struct denial *d,
				  struct process_info *ret)
{
	struct socket_info si = {0};

	if (d->inbound)
		return ATTRIBUTED_NONE;
	if ((d->l4proto == IPPROTO_TCP || d->l4proto == IPPROTO_UDP) &&
	    sockdiag_find(p->sockdiag_fd, d->l4proto, &d->src, d->sport, &d->dst, d->dport,
			  &f->place.scope, &si) < 0)
		si.inode = 0;
	return attribute_process(f->place.fd, si.inode, ret);
}

/* agentctl tells the last refusals at the command's end, so that nobody must search the record. */
void denial_remember(struct pfence *f, const struct denial *d)
{
	struct ctl_last l = {0};
	size_t at = 0;

	snprintf(l.what, sizeof(l.what), "%s", d->endpoint[0] ? d->endpoint : d->name);
	(void)denial_suggest(d, f->policy, l.suggest, sizeof(l.suggest));
	while (at < f->n_last && strcmp(f->last[at].what, l.what) != 0)
		at++;
	if (at == f->n_last && f->n_last < CTL_LAST_MAX) {
		f->n_last++;
	} else {
		at = at < f->n_last ? at : 0; /* an equal one, or the oldest, makes room */
		memmove(&f->last[at], &f->last[at + 1], (f->n_last - at - 1) * sizeof(l));
	}
	f->last[f->n_last - 1] = l;
}

static void one(struct parent *p, struct pfence *f, const struct ring_denial *rd)
{
	static struct process_info who;
	const struct denial *d = &rd->denial;
	const void *packet = rd->cap_bytes ? rd + 1 : NULL;
	enum attribution how = ATTRIBUTED_NONE;
	struct record *r = f->log->record;
	bool folding = record_folding(r, &f->rf, d);

	if (!d->more && f->attributions < ATTRIBUTIONS_MAX && f->attribution_ns < ATTRIBUTIONS_NS) {
		uint64_t begin = clock_thread_ns();

		how = attribute(p, f, d, &who);
		f->attributions++;
		f->attribution_ns += clock_thread_ns() - begin;
	}
	if (d->go) {
		struct em_go go = {.type = EM_GO, .go = d->go};

		engine_send(p, &go, sizeof(go), NULL, 0);
	}
	if (!d->more && !folding && !d->inbound)
		denial_remember(f, d);
	if (!d->more && !folding)
		*(d->would ? &f->would_deny : &f->refused) += 1;
	f->packets += packet != NULL;
	record_denial(r, &f->rf, d, packet, rd->packet_bytes, rd->cap_bytes, how,
		      how == ATTRIBUTED_NONE ? NULL : &who);
}

/* What a dead engine lost since its last counts goes into every log: it is not known whose it
 * was. */
void denials_lost(struct parent *p)
{
	uint64_t lost = ring_lost(p->ring);

	for (struct log_dir *l = p->logs; l && lost > p->ring_lost; l = l->next)
		record_lost(l->record, lost - p->ring_lost,
			    "the engine died; some of these may belong to other logs");
	p->ring_lost = lost;
}

static size_t read_some(struct parent *p, size_t max)
{
	const struct ring_denial *rd;
	size_t bytes, n = 0, senseless = 0;

	while (n < max && (rd = ring_get(p->ring, &bytes))) {
		struct pfence *f;

		n++;
		if (!sane(rd, bytes)) {
			senseless++;
			continue;
		}
		f = pfence_find(p, rd->denial.fence);
		if (f)
			one(p, f, rd);
	}
	for (struct log_dir *l = p->logs; l && senseless; l = l->next)
		record_lost(
		    l->record, senseless,
		    "the engine wrote malformed records; some of these may belong to other logs");
	return n;
}

static void write_down(struct parent *p)
{
	for (struct log_dir *l = p->logs; l; l = l->next)
		record_flush(l->record);
}

void denials_read(struct parent *p)
{
	uint64_t end = clock_mono_ms() + TURN_MS;
	size_t n;

	do
		n = read_some(p, TURN_RECORDS);
	while (n == TURN_RECORDS && clock_mono_ms() < end);
	write_down(p);
	pfence_read(p);
	if (ring_broken(p->ring) && p->processes[PROCESS_ENGINE].pid > 0) {
		log_error("the engine wrote nonsense into its ring; it is started anew");
		kill(p->processes[PROCESS_ENGINE].pid,
		     SIGKILL); /* its end is noticed at its socket */
		return;
	}
	if (n == TURN_RECORDS || !ring_sleep(p->ring))
		timer_set(p->loop, &p->ring_more, 0);
}
