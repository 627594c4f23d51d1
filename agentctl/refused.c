#include "agentctl/refused.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agentctl/audit.h"
#include "agentctl/guard.h"
#include "agentctl/watch.h"
#include "policy/base/cleanup.h"

#define RECENT 64 /* system calls whose record may come yet */

struct refused {
	const struct refused_from *from;
	struct launch *launch;
	struct audit *audit; /* NULL: not to be had */
	struct watch *watch;
	struct refusals *list;
	struct {
		uint64_t serial;
		struct refusal_entry *entry;
	} recent[RECENT];
	size_t n_recent;
};

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

/* Seen as they came, with who it was; Landlock tells only of those that no mount refused before. */
static bool watched_too(const struct refused *r, const struct audit_record *a)
{
	static const char *const others[] = {"fs.make_sock", "fs.ioctl_dev"};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strcmp(a->access, others[i]) == 0)
			return false;
	return r->watch && watch_works(r->watch) && a->rights & (CTL_RIGHT_WRITE | CTL_RIGHT_EXEC);
}

static void on_record(void *arg, const struct audit_record *a)
{
	if (a->type == AUDIT_TYPE_SYSCALL)
		system_call(arg, a);
	else if (!watched_too(arg, a))
		access_refused(arg, a);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A place that others trust is about to be made. */
static bool refuse(void *arg, const struct watch_event *ev)
{
	const struct refused *r = arg;

	return ev->directory_changes && !ev->goes && guard_refuses(r->from->plan->guard, ev->path);
}

static uint32_t refused_rights(struct refused *r, const struct watch_event *ev)
{
	if (refuse(r, ev))
		return CTL_RIGHT_WRITE;
	return ev->directory_changes ? judge_name(r->from->plan, ev->path)
				     : judge(r->from->plan, ev->path, ev->rights);
}

static bool wanted(void *arg, const struct watch_event *ev)
{
	return refused_rights(arg, ev) != 0;
}

static void on_call(void *arg, const struct watch_event *ev)
{
	static struct box_process who;
	struct refused *r = arg;
	struct refusal what = {.rights = refused_rights(r, ev),
			       .path = ev->path,
			       .access = ev->call,
			       .time_ns = now_ns(),
			       .name = ev->directory_changes,
			       .uid = r->from->plan->uid};
	struct refusal_entry *e;
	bool is_new;

	e = refusals_add(r->list, &what, &is_new);
	if (!e || !is_new)
		return;
	if (box_process_read((pid_t)ev->pid, &who)) {
		what.pid = ev->pid;
		what.uid = who.uid;
		what.exact = true;
		what.exe = who.exe;
		what.comm = who.comm;
		refusals_who(e, &what);
	}
	refusals_tell(r->list, e);
}

static void on_readable(struct launch_watch *w)
{
	struct refused *r = w->arg;

	audit_follow(r->audit, r->launch->pid);
	audit_read(r->audit);
}

static bool has_step(const struct plan *p, enum step_kind kind)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->step[i].kind == kind)
			return true;
	return false;
}

/* What cannot be had is done without. */
static int open_both(struct refused *r, struct err *e)
{
	const struct watch_user user = {
	    .wanted = wanted, .tell = on_call, .refuse = refuse, .arg = r};
	int n =
	    has_step(r->from->plan, STEP_WATCH) ? watch_open(r->launch, &user, &r->watch, e) : 0;

	if (n < 0)
		return n;
	n = audit_open(&r->audit, on_record, r, e);
	if (n == 0)
		launch_watch(r->launch, audit_fd(r->audit), on_readable, r);
	else if (n != -ENOTRECOVERABLE && n != -ENOMEM && r->from->verbose)
		fprintf(stderr, "agentctl: files whose reading is refused are not seen: %s\n",
			e->msg);
	return n == -ENOTRECOVERABLE || n == -ENOMEM ? n : 0;
}

int refused_begin(const struct refused_from *from, struct launch *l, struct refused **ret,
		  struct err *e)
{
	struct refused *r;
	struct err why = {0};
	int n;

	*ret = NULL;
	if (!has_step(from->plan, STEP_ALLOW))
		return 0;
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(e, ENOMEM, "out of memory");
	r->from = from;
	r->launch = l;
	n = refusals_new(from, &r->list, &why);
	if (n == 0)
		n = open_both(r, &why);
	if (n < 0) {
		*e = why;
		refusals_free(r->list);
		watch_free(r->watch);
		free(r);
		return n;
	}
	*ret = r;
	return 0;
}

void refused_end(struct refused *r, int status)
{
	if (!r)
		return;
	if (r->audit) {
		audit_follow(r->audit, r->launch->pid);
		audit_drain(r->audit);
	}
	refusals_finish(r->list, r->audit ? audit_lost(r->audit) : 0, status);
	audit_free(r->audit);
	watch_free(r->watch);
	refusals_free(r->list);
	free(r);
}
