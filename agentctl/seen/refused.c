// SPDX-License-Identifier: GPL-2.0-or-later

#include "agentctl/seen/refused.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agentctl/confine/plan.h"
#include "agentctl/confine/user.h"
#include "agentctl/guard/guard.h"
#include "agentctl/launch/launch.h"
#include "agentctl/launch/watched_fd.h"
#include "agentctl/seen/audit.h"
#include "agentctl/seen/audit_record.h"
#include "agentctl/seen/judge.h"
#include "agentctl/seen/process.h"
#include "agentctl/seen/refusals.h"
#include "agentctl/seen/watch.h"
#include "policy/base/cleanup.h"
#include "policy/base/clock.h"
#include "policy/base/err.h"
#include "policy/base/path.h"
#include "policy/base/rights.h"

#define RECENT 64 /* refusals whose SYSCALL record may follow */

struct refused {
	const struct refused_from *from;
	struct launch *launch;
	struct audit *audit; /* NULL: not to be had */
	struct watch *watch;
	struct refusals *list;
	uint64_t start_ns; /* by the clock of files */
	struct {
		uint64_t serial;
		struct refusal_entry *entry;
	} recent[RECENT];
	size_t n_recent;
};

/* For a name that is made or removed Landlock names the directory. */
static bool of_directory(const struct audit_record *a)
{
	static const char *const begins[] = {"fs.read_dir", "fs.make_", "fs.remove_", "fs.refer"};

	for (size_t i = 0; i < ARRAY_SIZE(begins); i++)
		if (strncmp(a->access, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

/* Where the box has only one process, it was that one. */
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
				     .directory = of_directory(a),
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

/* Did the watch see it, too? It knows the process, and sees what mounts refuse first. */
static bool watched_too(const struct refused *r, const struct audit_record *a)
{
	static const char *const others[] = {"fs.make_sock", "fs.ioctl_dev"};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strcmp(a->access, others[i]) == 0)
			return false;
	return r->watch && watch_works(r->watch) && a->rights & (RIGHT_WRITE | RIGHT_EXEC);
}

static void on_record(void *arg, const struct audit_record *a)
{
	if (a->type == AUDIT_TYPE_SYSCALL)
		system_call(arg, a);
	else if (!watched_too(arg, a))
		access_refused(arg, a);
}

/* ---- what is watched ------------------------------------------------------------------------- */

/* Audit mode: is it a file from before the run in a directory that would be empty in the box? */
static bool left_outside(const struct refused *r, const struct watch_event *ev)
{
	char dir[PATH_MAX + 1];

	if (ev->born_ns > r->start_ns)
		return false;
	path_parent(ev->path, dir, sizeof(dir));
	return judge_private(r->from->reference, ev->exists ? ev->path : dir);
}

static bool is_library(const struct watch_event *ev)
{
	const char *name = strrchr(ev->path, '/'), *so = strstr(name, ".so");

	return ev->rights & RIGHT_READ && ev->exists && S_ISREG(ev->mode) &&
	       ((so && (!so[3] || (so[3] == '.' && isdigit((unsigned char)so[4])))) ||
		(strlen(name) > 5 && strcmp(name + strlen(name) - 5, ".node") == 0));
}

/* Is a protected place about to be made? */
static bool makes_protected(const struct guard *g, const struct watch_event *ev)
{
	return ev->directory_changes && !ev->goes && guard_refuses(g, ev->path);
}

/* Audit mode: the rights that the profile would refuse. */
static uint32_t would_refuse(const struct refused *r, const struct watch_event *ev)
{
	const struct plan *p = r->from->reference;

	if (strncmp(ev->path, "/proc/", 6) == 0) /* nothing that a profile could say */
		return 0;
	if (is_library(ev))
		return judge_maps(p, ev->path) ? judge(p, ev->path, RIGHT_READ) : RIGHT_EXEC;
	if (left_outside(r, ev) || makes_protected(r->from->reference_guard, ev))
		return ev->rights;
	return ev->directory_changes ? judge_name(p, ev->path) : judge(p, ev->path, ev->rights);
}

static bool refuse_protected(void *arg, const struct watch_event *ev)
{
	const struct refused *r = arg;

	return makes_protected(r->from->guard, ev);
}

static uint32_t refused_rights(const struct refused *r, const struct watch_event *ev)
{
	if (r->from->reference)
		return would_refuse(r, ev);
	if (makes_protected(r->from->guard, ev))
		return RIGHT_WRITE;
	return ev->directory_changes ? judge_name(r->from->plan, ev->path)
				     : judge(r->from->plan, ev->path, ev->rights);
}

static bool wanted(void *arg, const struct watch_event *ev)
{
	return refused_rights(arg, ev) != 0;
}

/* Errors other than of rights do not count: the file may be in the box though not here. */
static bool may(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 ||
	       (errno != EACCES && errno != EPERM && errno != EROFS);
}

/* Would the user's own rights let it pass? What fails anyway need not be in a profile, nor are
 * programs that a shell looks for in directories that are closed to the user. */
static bool user_may(const struct refused *r, const struct watch_event *ev, uint32_t rights)
{
	int mode = (rights & RIGHT_READ ? R_OK : 0) | (rights & RIGHT_WRITE ? W_OK : 0) |
		   (rights & RIGHT_EXEC ? (is_library(ev) ? R_OK : X_OK) : 0);
	struct rights_lent borrowed;
	char dir[PATH_MAX + 1];
	struct err e;
	bool ok;

	path_parent(ev->path, dir, sizeof(dir));
	if (user_borrow(r->from->plan, &borrowed, &e) < 0)
		return true;
	ok = ev->directory_changes ? may(dir, W_OK | X_OK) : may(ev->path, mode);
	ok &= !ev->by || may(ev->by, X_OK);
	rights_back(&borrowed);
	return ok;
}

static void who_called(const struct watch_event *ev, struct refusal_entry *e)
{
	static struct box_process who;

	if (box_process_read((pid_t)ev->pid, &who))
		refusals_who(e, &(struct refusal){.pid = ev->pid,
						  .uid = who.uid,
						  .exact = true,
						  .exe = who.exe,
						  .comm = who.comm});
}

static void on_call(void *arg, const struct watch_event *ev)
{
	struct refused *r = arg;
	const struct refusal what = {.rights = refused_rights(r, ev),
				     .path = ev->path,
				     .access = is_library(ev) ? "map" : ev->call,
				     .time_ns = clock_ns(CLOCK_REALTIME),
				     .name = ev->directory_changes,
				     .directory = ev->exists && S_ISDIR(ev->mode),
				     .would = r->from->reference != NULL,
				     .uid = r->from->plan->uid};
	struct refusal_entry *e;
	bool is_new;

	if ((what.would || what.rights & RIGHT_EXEC) && !refusals_known(r->list, &what) &&
	    !user_may(r, ev, what.rights))
		return;
	e = refusals_add(r->list, &what, &is_new);
	if (!e || !is_new)
		return;
	who_called(ev, e);
	refusals_tell(r->list, e);
}

static void on_readable(struct watched_fd *w)
{
	struct refused *r = w->arg;

	audit_follow(r->audit, r->launch->pid);
	audit_read(r->audit);
}

/* ---- begin and end --------------------------------------------------------------------------- */

static bool has_step(const struct plan *p, enum step_kind kind)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->step[i].kind == kind)
			return true;
	return false;
}

/* Without the audit log the command runs all the same, but for the two errors that must end it. */
static int without_audit(const struct refused *r, int error, struct err *e)
{
	if (error == -ENOTRECOVERABLE || error == -ENOMEM)
		return error;
	if (r->from->verbose)
		fprintf(stderr, "agentctl: files whose reading is refused are not seen: %s\n",
			e->msg);
	*e = (struct err){0};
	return 0;
}

static int open_audit(void *arg, struct err *e)
{
	struct refused *r = arg;
	int n = audit_open(&r->audit, e);

	return n < 0 ? without_audit(r, n, e) : 0;
}

static int begin_audit(void *arg, struct err *e)
{
	struct refused *r = arg;
	int n = r->audit ? audit_begin(r->audit, on_record, r, e) : 0;

	if (n < 0) {
		audit_free(r->audit);
		r->audit = NULL;
		return without_audit(r, n, e);
	}
	if (r->audit)
		launch_watch(r->launch, audit_fd(r->audit), on_readable, r);
	return 0;
}

/* The audit log must be open before the process makes its Landlock domain, whose record names the
 * process. */
static int open_both(struct refused *r, struct err *e)
{
	const struct watch_user user = {
	    .wanted = wanted, .tell = on_call, .refuse = refuse_protected, .arg = r};
	int n =
	    has_step(r->from->plan, STEP_WATCH) ? watch_open(r->launch, &user, &r->watch, e) : 0;

	if (n == 0 && !r->from->reference) {
		r->launch->begin_meanwhile = open_audit;
		r->launch->end_meanwhile = begin_audit;
		r->launch->meanwhile_arg = r;
	}
	return n;
}

int refused_begin(const struct refused_from *from, struct launch *l, struct refused **ret,
		  struct err *e)
{
	struct refused *r;
	struct err why = {0};
	int n;

	*ret = NULL;
	if (!has_step(from->reference ? from->reference : from->plan, STEP_ALLOW))
		return 0;
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(e, ENOMEM, "out of memory");
	r->from = from;
	r->launch = l;
	r->start_ns = clock_ns(CLOCK_REALTIME_COARSE);
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
