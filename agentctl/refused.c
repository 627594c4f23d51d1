#include "agentctl/refused.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agentctl/audit.h"
#include "policy/base/cleanup.h"

#define RECENT 64 /* system calls whose record may come yet */

struct refused {
	const struct refused_from *from;
	struct launch *launch;
	struct audit *audit;
	struct refusals *list;
	struct {
		uint64_t serial;
		struct refusal_entry *entry;
	} recent[RECENT];
	size_t n_recent;
};

static bool limits_files(const struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->step[i].kind == STEP_ALLOW)
			return true;
	return false;
}

/* As long as there is one process only, it was that one. */
static void only_process(struct refused *r, struct refusal_entry *e)
{
	static struct box_process who;

	if (box_process(r->launch->pid, r->launch->plan->tool, &who))
		refusals_who(e,
			     &(struct refusal){
				 .pid = who.pid, .uid = who.uid, .exe = who.exe, .comm = who.comm});
}

static void access_refused(struct refused *r, const struct audit_record *a)
{
	const struct refusal what = {.rights = a->rights,
				     .time_ns = a->time_ns,
				     .path = a->path,
				     .access = a->access,
				     .uid = r->from->plan->uid};
	struct refusal_entry *e;
	bool is_new;

	e = refusals_add(r->list, &what, &is_new);
	if (!is_new || !e)
		return;
	only_process(r, e);
	if (!audit_tells_who(r->audit)) {
		refusals_tell(r->list, e);
		return;
	}
	r->recent[r->n_recent % RECENT].serial = a->serial;
	r->recent[r->n_recent++ % RECENT].entry = e;
}

static void system_call(struct refused *r, const struct audit_record *a)
{
	const struct refusal who = {
	    .pid = a->pid, .uid = a->uid, .exact = true, .exe = a->exe, .comm = a->comm};
	size_t n = r->n_recent < RECENT ? r->n_recent : RECENT;

	for (size_t i = 0; i < n; i++)
		if (r->recent[i].entry && r->recent[i].serial == a->serial) {
			refusals_who(r->recent[i].entry, &who);
			refusals_tell(r->list, r->recent[i].entry);
			r->recent[i].entry = NULL;
		}
}

static void on_record(void *arg, const struct audit_record *a)
{
	if (a->type == AUDIT_TYPE_SYSCALL)
		system_call(arg, a);
	else
		access_refused(arg, a);
}

static void on_readable(struct launch_watch *w)
{
	struct refused *r = w->arg;

	audit_follow(r->audit, r->launch->pid);
	audit_read(r->audit);
}

int refused_begin(const struct refused_from *from, struct launch *l, struct refused **ret,
		  struct err *e)
{
	struct refused *r;
	int n;

	*ret = NULL;
	if (!limits_files(from->plan))
		return 0;
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(e, ENOMEM, "out of memory");
	r->from = from;
	r->launch = l;
	n = refusals_new(from, &r->list, e);
	if (n == 0)
		n = audit_open(&r->audit, on_record, r, e);
	if (n < 0) {
		refusals_free(r->list);
		free(r);
		if (n == -ENOTRECOVERABLE || n == -ENOMEM)
			return n;
		if (from->verbose)
			fprintf(stderr, "agentctl: what the box refuses is not seen: %s\n", e->msg);
		*e = (struct err){0};
		return 0;
	}
	launch_watch(l, audit_fd(r->audit), on_readable, r);
	*ret = r;
	return 0;
}

void refused_end(struct refused *r, int status)
{
	if (!r)
		return;
	audit_follow(r->audit, r->launch->pid);
	audit_drain(r->audit);
	refusals_finish(r->list, audit_lost(r->audit), status);
	audit_free(r->audit);
	refusals_free(r->list);
	free(r);
}
